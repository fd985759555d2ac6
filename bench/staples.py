"""How well the product search finds a grocer's staples, on a loaded real chain.

    python -m bench.staples CONNINFO          CONNINFO is an administrator's
    python -m bench.staples CONNINFO --misses also the first five hits of the worst

The database holds the Complete Journey data (examples/complete-journey), embedded
with `zava embed`. staples.csv has the questions in plain words, and for each the
types of product that are meant, as a regular expression. The grade of a hit follows
from the data:

    0   another type
    1   a type that is meant, which the asker's stores have not sold
    2   the same, and they have sold it
    3   the same, and it is one of their ten best sellers of these types

`right`, `sold` and `best` are the shares of the first five hits that have the grade
1, 2 or 3 at least; a place without a hit has the grade 0. nDCG@5 counts 2^grade - 1.
Sales are orders that hold the product, over all the time that is loaded. The asker
is head office, a region of ten stores, and the manager of the busiest store.
"""

from __future__ import annotations

import argparse
import csv
import math
import statistics
from contextlib import closing
from pathlib import Path

import psycopg

STAPLES = Path(__file__).parent / "staples.csv"
DEPTH = 5
BEST = 10

_SALES = """
    SELECT p.sku, coalesce(t.name, '') AS type, coalesce(s.orders, 0) AS orders
    FROM retail.products AS p
    LEFT JOIN retail.product_types AS t ON t.type_id = p.type_id
    LEFT JOIN (
        SELECT k.product_id, sum(k.orders) AS orders FROM retail.segment_products AS k
        WHERE k.segment = 'all' AND k.store_id = ANY (%s)
        GROUP BY 1
    ) AS s ON s.product_id = p.product_id
    WHERE p.type_id IN (SELECT m.type_id FROM retail.product_types AS m WHERE m.name ~* %s)
"""
# One store of the chain gets a manager for the time of the run.
_MANAGER = "6f1d3c5e-0001-4000-8000-000000000001"
_ASKERS = """
    SELECT 'head office' AS asker, r.user_id, array_agg(r.store_id) AS stores
    FROM retail.regional_manager_stores AS r
    GROUP BY r.user_id
    HAVING count(*) = (SELECT count(*) FROM retail.stores)
    UNION ALL
    SELECT 'ten stores', r.user_id, array_agg(r.store_id)
    FROM retail.regional_manager_stores AS r
    GROUP BY r.user_id
    HAVING count(*) = 10
    UNION ALL
    SELECT 'one store', s.manager_id, ARRAY[s.store_id]
    FROM retail.stores AS s
    WHERE s.manager_id = %s
"""
_BUSIEST = """
    UPDATE retail.stores SET manager_id = %s
    WHERE store_id = (
        SELECT d.store_id FROM retail.kept_daily_sales AS d
        GROUP BY d.store_id ORDER BY sum(d.orders) DESC LIMIT 1)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("conninfo")
    parser.add_argument("--misses", action="store_true")
    options = parser.parse_args()

    from rich.console import Console
    from rich.table import Table

    from zava.ai.local import LocalClient
    from zava.data.provider import PostgreSQLProvider
    from zava.infra.cache import QueryCache
    from zava.models import ProductQuestion
    from zava.service.products.search import ProductSearch

    with STAPLES.open(encoding="utf-8", newline="") as file:
        staples = [(row["question"], row["type"]) for row in csv.DictReader(file)]
    table = Table("asker", "questions", "right", "sold", "best", "nDCG@5", box=None)
    provider = PostgreSQLProvider(
        {
            "conninfo": psycopg.conninfo.make_conninfo(
                options.conninfo, user="zava_server"
            )
        }
    )
    with psycopg.connect(options.conninfo, autocommit=True) as owner:
        owner.execute(_BUSIEST, (_MANAGER,))
        askers = owner.execute(_ASKERS, (_MANAGER,)).fetchall()
        provider.open()
        with closing(provider):
            search = ProductSearch(provider, QueryCache(), LocalClient())
            for asker, user_id, stores in askers:
                scored = []
                for question, types in staples:
                    asked = ProductQuestion(question, DEPTH)
                    hits = search.search(asked, str(user_id))["products"]
                    sales = owner.execute(_SALES, (stores, types)).fetchall()
                    scored.append((question, hits, grades_of(sales)))
                table.add_row(asker, str(len(staples)), *figures(scored))
                if options.misses:
                    print_misses(asker, scored)
    Console(width=100).print(table)


def grades_of(sales: list[tuple[str, str, int]]) -> dict[str, int]:
    """Return the grade of each product of the types that are meant, by SKU."""
    best = sorted((orders for _, _, orders in sales if orders), reverse=True)[:BEST]
    least = best[-1] if best else math.inf
    return {
        sku: 3 if orders >= least else 2 if orders else 1 for sku, _, orders in sales
    }


def figures(scored: list[tuple[str, list, dict[str, int]]]) -> list[str]:  # type: ignore[type-arg]
    """Return right, sold, best and nDCG@5 as text."""
    found = [[g.get(hit["sku"], 0) for hit in hits] for _, hits, g in scored]
    shares = [
        statistics.fmean(sum(grade >= least for grade in row) / DEPTH for row in found)
        for least in (1, 2, 3)
    ]
    ndcg = statistics.fmean(
        _ndcg(row, grades) for row, (_, _, grades) in zip(found, scored, strict=True)
    )
    return [f"{share:.2f}" for share in shares] + [f"{ndcg:.3f}"]


def _ndcg(found: list[int], grades: dict[str, int]) -> float:
    ideal = _gain(sorted(grades.values(), reverse=True))
    return _gain(found) / ideal if ideal else 0.0


def _gain(grades: list[int]) -> float:
    return math.fsum(
        (2**g - 1) / math.log2(n + 2) for n, g in enumerate(grades[:DEPTH])
    )


def print_misses(asker: str, scored: list[tuple[str, list, dict[str, int]]]) -> None:  # type: ignore[type-arg]
    worst = sorted(scored, key=lambda s: sum(s[2].get(hit["sku"], 0) for hit in s[1]))
    for question, hits, grades in worst[:25]:
        print(f"{asker}: {question} ({len(grades)} products are meant)")
        for hit in hits:
            print(
                f"    {grades.get(hit['sku'], 0)} {hit['sku']:10} {hit['name'][:40]:40}"
                f" {(hit['type'] or '')[:30]:30} {hit['similarity']:.3f}"
                f" {hit.get('orders', '')}"
            )


if __name__ == "__main__":
    main()
