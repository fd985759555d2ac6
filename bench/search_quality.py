"""How well the product search answers shoppers, with the local model, on the seed.

    python bench/search_quality.py                 table, and chart search_quality.svg
    python bench/search_quality.py --misses        also the questions answered worst

shopper_questions.csv holds questions in a shopper's words. `best` are the products
that are meant (grade 2), `acceptable` those that a shopper would also take (grade
1), chosen by reading the catalogue; a `negative` has none. A question belongs to
the tuning half or to the held-out half by the first byte of its SHA-256.
short_questions.csv holds questions of one or two words, with the types of product
that are meant, none for what the chain does not sell. docs/search.md says what
weights and thresholds were chosen with.

nDCG@10 counts 2^grade - 1, MRR the first product of any grade, both over the
questions that have an answer. `silent` is the share of the negatives that get no
product at all. ILIKE is what one would write without a search: every word of the
question of more than three letters, those products first that hold most of them.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
QUESTIONS = HERE / "shopper_questions.csv"
NOT_SOLD = HERE / "not_sold.txt"
SHORT = HERE / "short_questions.csv"
DEPTH = 10

Ask = Callable[[str], Sequence[str]]
"""Answers a question with SKUs, the best first."""


@dataclass(frozen=True)
class Question:
    """A shopper's question and what answers it: SKU -> grade."""

    text: str
    kind: str
    grades: Mapping[str, int]

    @property
    def half(self) -> str:
        """Whether weights and thresholds may have seen it."""
        first = hashlib.sha256(self.text.encode()).digest()[0]
        return "held out" if first % 2 else "tuning"


@dataclass(frozen=True)
class Quality:
    """Figures of one way to search over one half of the questions."""

    ndcg: float
    mrr: float
    silent: float
    questions: int


def read_questions(path: Path = QUESTIONS) -> list[Question]:
    """Return the graded questions."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Question(
                row["question"],
                row["kind"],
                dict.fromkeys(row["acceptable"].split(), 1)
                | dict.fromkeys(row["best"].split(), 2),
            )
            for row in csv.DictReader(file)
        ]


def read_not_sold(path: Path = NOT_SOLD) -> list[Question]:
    """Return the questions for things that the chain does not sell."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Question(line, "negative", {}) for line in lines]


def ndcg(answer: Sequence[str], grades: Mapping[str, int]) -> float:
    """Return the discounted gain of an answer, as a share of the best possible."""
    ideal = sorted(grades.values(), reverse=True)
    return _gain([grades.get(sku, 0) for sku in answer]) / _gain(ideal)


def _gain(grades: Sequence[int]) -> float:
    return math.fsum(
        (2**g - 1) / math.log2(n + 2) for n, g in enumerate(grades[:DEPTH])
    )


def reciprocal_rank(answer: Sequence[str], grades: Mapping[str, int]) -> float:
    """Return 1 / the place of the first product that has a grade, 0 for none."""
    return next((1 / n for n, sku in enumerate(answer, 1) if sku in grades), 0.0)


def evaluate(ask: Ask, questions: Sequence[Question]) -> Quality:
    """Ask every question once."""
    answers = [(question, ask(question.text)) for question in questions]
    graded = [(q.grades, answer) for q, answer in answers if q.grades]
    negative = [answer for q, answer in answers if not q.grades]
    return Quality(
        ndcg=statistics.fmean(ndcg(answer, grades) for grades, answer in graded),
        mrr=statistics.fmean(
            reciprocal_rank(answer, grades) for grades, answer in graded
        ),
        silent=statistics.fmean(not answer for answer in negative),
        questions=len(questions),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chart", type=Path, default=Path("search_quality.svg"))
    parser.add_argument("--misses", action="store_true")
    options = parser.parse_args()
    questions = read_questions()
    with seeded_search() as (ways, types):
        figures = {
            (name, half): evaluate(ask, [q for q in questions if q.half == half])
            for name, ask in ways.items()
            for half in ("tuning", "held out")
        }
        print_table(figures)
        not_sold = read_not_sold()
        silent = sum(not ways["hybrid"](q.text) for q in not_sold)
        print(f"not sold: {silent} of {len(not_sold)} give nothing")
        print(short_figures(ways["hybrid"], types))
        if options.misses:
            print_misses(ways["hybrid"], questions)
    options.chart.write_text(draw(figures), encoding="utf-8")
    print(f"chart: {options.chart}")


def short_figures(ask: Ask, types: Mapping[str, str]) -> str:
    """Return how the short questions are answered that weights were chosen with.

    Args:
        ask: Answers a question.
        types: SKU -> type of product.
    """
    with SHORT.open(encoding="utf-8", newline="") as file:
        rows = [(row["question"], row["type"]) for row in csv.DictReader(file)]
    meant = [(question, set(kinds.split("|"))) for question, kinds in rows if kinds]
    found = sum(
        any(types[sku] in kinds for sku in ask(question)[:5])
        for question, kinds in meant
    )
    foreign = [question for question, kinds in rows if not kinds]
    silent = sum(not ask(question) for question in foreign)
    return (
        f"short: {found} of {len(meant)} find what is meant,"
        f" {silent} of {len(foreign)} for what is not sold give nothing"
    )


def print_table(figures: Mapping[tuple[str, str], Quality]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("search", "half", "questions", "nDCG@10", "MRR", "silent", box=None)
    for (name, half), q in figures.items():
        cells = (f"{q.ndcg:.3f}", f"{q.mrr:.3f}", f"{q.silent:.2f}")
        table.add_row(name, half, str(q.questions), *cells)
    Console(width=100).print(table)


def print_misses(ask: Ask, questions: Sequence[Question]) -> None:
    # Only the tuning half: whoever reads these is about to tune.
    scored = [
        (ndcg(ask(q.text), q.grades), q)
        for q in questions
        if q.grades and q.half == "tuning"
    ]
    for score, question in sorted(scored, key=lambda pair: pair[0])[:25]:
        print(f"{score:.2f}  {question.kind:12} {question.text}")


def draw(figures: Mapping[tuple[str, str], Quality]) -> str:
    """Return the chart: nDCG@10 by search, the two halves side by side."""
    colours = {"tuning": "#b8c4d6", "held out": "#2f5d9b"}
    bars, width, height = [], 90, 200
    for number, ((name, half), quality) in enumerate(figures.items()):
        group, place = divmod(number, len(colours))
        x = 40 + group * width + place * 34
        tall = quality.ndcg * height
        top = 20 + height - tall
        bars.append(
            f'<rect x="{x}" y="{top:.1f}" width="30" height="{tall:.1f}"'
            f' fill="{colours[half]}"><title>{name}, {half}</title></rect>'
            f'<text x="{x + 15}" y="{top - 4:.1f}">{quality.ndcg:.2f}</text>'
        )
        if place == 0:
            bars.append(f'<text x="{x + 32}" y="{height + 36}">{name}</text>')
    legend = "".join(
        f'<rect x="{60 + 110 * n}" y="{height + 50}" width="10" height="10"'
        f' fill="{colour}"/><text x="{75 + 110 * n}" y="{height + 59}"'
        f' text-anchor="start">{half}</text>'
        for n, (half, colour) in enumerate(colours.items())
    )
    total = 60 + width * len(figures) // len(colours)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height + 70}"'
        ' font-family="sans-serif" font-size="11" text-anchor="middle">'
        '<text x="30" y="12" text-anchor="start">nDCG@10</text>'
        f"{''.join(bars)}{legend}</svg>\n"
    )


@contextmanager
def seeded_search() -> Iterator[tuple[dict[str, Ask], dict[str, str]]]:
    """Yield every way to search, by name, over a seed of its own, and SKU -> type."""
    from zava.admin.embedded import EmbeddedServer
    from zava.admin.embeddings import EmbeddingTable, embed_products
    from zava.admin.loading import DatabaseLoader
    from zava.ai.local import LocalClient
    from zava.data.provider import PostgreSQLProvider
    from zava.infra.cache import QueryCache
    from zava.service.products.search import ProductSearch

    folder = Path(tempfile.mkdtemp(prefix="zava-bench-"))
    folder.chmod(0o755)
    try:
        with EmbeddedServer(folder, options={"fsync": "off"}) as server:
            home = server.conninfo(dbname="postgres", user="postgres")
            DatabaseLoader(home).create_database("zava")
            loader = DatabaseLoader(server.conninfo(dbname="zava", user="postgres"))
            loader.load_schema()
            loader.load_seed(0.02, "2026-06-30", lambda *_: None)
            client = LocalClient()
            table = EmbeddingTable(loader.as_owner, client.model)
            embed_products(table, client, lambda *_: None)
            conninfo = server.conninfo(dbname="zava", user="zava_server")
            provider = PostgreSQLProvider({"conninfo": conninfo})
            provider.open()
            with closing(provider):
                search = ProductSearch(provider, QueryCache(), client)
                office = next(u for u in loader.list_users() if u.name == "Head Office")
                user = str(office.user_id)
                rows = provider.execute_query(
                    "SELECT p.sku, t.name AS type FROM retail.products AS p"
                    " JOIN retail.product_types AS t ON t.type_id = p.type_id",
                    user,
                )
                types = {row["sku"]: row["type"] for row in rows}
                yield ways_to_search(search, provider, user), types
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ways_to_search(search, provider, user: str) -> dict[str, Ask]:  # type: ignore[no-untyped-def]
    """Return every way to search: name -> what asks it."""
    from zava.models import ProductQuestion, SearchMode

    def by(mode: SearchMode) -> Ask:
        def ask(question: str) -> list[str]:
            answer = search.search(ProductQuestion(question, DEPTH, mode=mode), user)
            return [product["sku"] for product in answer["products"]]

        return ask

    def ilike(question: str) -> list[str]:
        words = [w.strip(".,?'").replace("'", "''") for w in question.split()]
        hits = " + ".join(
            f"(name || ' ' || description ILIKE '%{word}%')::int"
            for word in words
            if len(word) > 3
        )
        rows = provider.execute_query(
            f"SELECT sku FROM (SELECT sku, {hits or '0'} AS hits"
            " FROM retail.products)"
            " AS p WHERE hits > 0 ORDER BY hits DESC, sku LIMIT 10",
            user,
        )
        return [row["sku"] for row in rows]

    modes: tuple[SearchMode, ...] = ("keyword", "semantic", "hybrid")
    return {"ILIKE": ilike, **{str(mode): by(mode) for mode in modes}}


if __name__ == "__main__":
    main()
