"""What an index of the products' vectors costs and finds, up to a million products.

    python -m bench.vector_index --products 100000
    python -m bench.vector_index --products 1000000 --skip none ivfflat hnsw

Fills a database of its own with blends of the seed's products: name and words of
one, words of another, and a vector between theirs with noise, so that vectors lie
in clusters as real ones do. The questions are those of shopper_questions.csv. For
each index that is not skipped, and for the one that zava builds: seconds to build,
megabytes, recall@10 against all vectors, and the milliseconds of a search; the same for
indexes that were built when half of the kinds of products were not there yet (seconds
are those of adding them); at last those of the whole search in the database, words,
filters and stock included. Needs about 12 GB of disk for a million.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from bench.measures import SEATTLE
from bench.search_quality import read_questions
from zava.admin.embedded import EmbeddedServer
from zava.admin.embeddings import EmbeddingTable, embed_products
from zava.admin.loading import DatabaseLoader
from zava.ai.local import LocalClient
from zava.data.product_data import find_products, list_categories, vector_text
from zava.data.provider import PostgreSQLProvider
from zava.models import ProductQuestion

NEAREST = 10
ROUNDS = 3
VERSION = 18
EF_SEARCH = (100, 200, 300, 400)
PAGE = 20_000
DIMENSIONS = 1536
SHORT = "(subvector(description_embedding, 1, 256)::halfvec(256))"
HALVES = "(description_embedding::halfvec(1536))"
# More products than these do not have an index of whole vectors built in memory.
WIDE_UP_TO = 100_000
OPTIONS = {
    "fsync": "off",
    "shared_buffers": "2GB",
    "maintenance_work_mem": "3GB",
    "max_wal_size": "8GB",
    "max_parallel_maintenance_workers": "2",
    # An index is built in parallel through shared memory of this size.
    "dynamic_shared_memory_type": "mmap",
}
# A blend's number draws its two products; the same on every run.
INSERT = """
INSERT INTO retail.products
    (product_id, sku, name, description, category_id, type_id, cost, base_price)
SELECT md5('blend' || n)::uuid, 'Z' || n, a.name || ' No. ' || n,
       a.description || ' ' || b.description,
       a.category_id, a.type_id, a.cost, a.base_price
FROM generate_series(%s::bigint, %s::bigint) AS n
JOIN seeded AS a ON a.nth = 1 + n * 7919 %% 424
JOIN seeded AS b ON b.nth = 1 + n * 104729 / 424 %% 424
"""


# Every product in every store, one in five sold out.
STOCK = """
INSERT INTO retail.inventory (store_id, product_id, stock_level)
SELECT s.store_id, p.product_id,
       greatest(0, mod(hashtext(p.sku || s.store_id)::bigint + 2147483648, 50) - 9)
FROM retail.stores AS s CROSS JOIN retail.products AS p
WHERE p.sku LIKE 'Z%'
ON CONFLICT DO NOTHING
"""

FUNCTION = (
    "ALTER FUNCTION retail.nearest_products"
    "(public.vector, integer, uuid, numeric, numeric, boolean)"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--skip", nargs="*", default=[])
    parser.add_argument("--vectors-only", action="store_true")
    parser.add_argument(
        "--full", action="store_true", help="vectors that fill all 1,536 dimensions"
    )
    parser.add_argument(
        "--folder", type=Path, help="where the database is kept for the next run"
    )
    options = parser.parse_args()
    client = LocalClient()
    questions = np.array(
        client.embed([q.text for q in read_questions() if q.grades]), dtype=np.float32
    )
    questions = spread(questions) if options.full else questions
    with database(options.folder) as (conn, conninfo, kept):
        if kept.exists():
            vectors = np.load(kept)
        else:
            seeded = seed(conn, conninfo("postgres"), client)
            vectors = fill(conn, seeded, options)
            np.save(kept, vectors)
        truth = exact(vectors, questions)
        print(f"{options.products:,} products, {table_size(conn)}")
        texts = [vector_text(q) for q in questions.tolist()]
        for name, build, tunings in indexes(options.products, full=options.full):
            if not any(name.startswith(skipped) for skipped in options.skip):
                measure_index(conn, name, build, tunings, texts, truth)
        if not options.full:
            measure_grown(conn, options.products, texts, truth)
        finish(conn, texts, truth, options)
        if not options.vectors_only:
            measure_search(conninfo("zava_server"), client)


def spread(vectors: Any) -> Any:
    """Turn vectors of few dimensions about in all 1,536; cosines stay as they are."""
    draw = np.random.default_rng(2)
    basis, _ = np.linalg.qr(draw.normal(size=(DIMENSIONS, vectors.shape[1])))
    return np.ascontiguousarray(vectors @ basis.T, dtype=np.float32)


def indexes(
    products: int, *, full: bool
) -> Iterator[tuple[str, Callable[[psycopg.Connection], Any], Sequence[str]]]:
    """Every index to compare: name, how to build it, settings of a search."""
    lists = max(10, round(math.sqrt(products)))
    yield "none, all vectors", lambda _conn: None, ["SET enable_indexscan = off"]
    floats = ("1536 floats", "description_embedding", "vector_cosine_ops")
    halves = ("1536 halves", HALVES, "halfvec_cosine_ops")
    short = ("256 halves", SHORT, "halfvec_cosine_ops")
    columns = [halves, floats] if full else [short, floats]
    if products > WIDE_UP_TO:
        columns.remove(floats)
    for label, column, ops in columns:
        create = (
            "CREATE INDEX idx_product_embeddings_tried"
            " ON retail.product_description_embeddings"
            f" USING {{}} ({column} {ops}) {{}}"
        )

        def build(
            conn: psycopg.Connection, method: str, tail: str = "", sql: str = create
        ) -> None:
            conn.execute(sql.format(method, tail).encode())

        yield (
            f"ivfflat {label}",
            partial(build, method="ivfflat", tail=f"WITH (lists = {lists})"),
            [f"SET ivfflat.probes = {probes}" for probes in (4, 8, 16, 32)],
        )
        yield (
            f"hnsw {label}",
            partial(build, method="hnsw"),
            [f"SET hnsw.ef_search = {ef}" for ef in (40, 100, 300, 400)],
        )


@contextmanager
def database(
    kept: Path | None,
) -> Iterator[tuple[psycopg.Connection, Callable[[str], str], Path]]:
    """Yield a connection, how others connect, and the file of the vectors."""
    folder = kept or Path(tempfile.mkdtemp(prefix="zava-vectors-"))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    vectors = folder / "vectors.npy"
    try:
        with EmbeddedServer(folder, version=VERSION, options=OPTIONS) as server:
            home = server.conninfo(dbname="postgres", user="postgres")
            if not vectors.exists():
                DatabaseLoader(home).create_database("zava")

            def conninfo(user: str) -> str:
                return server.conninfo(dbname="zava", user=user)

            with psycopg.connect(conninfo("postgres"), autocommit=True) as conn:
                yield conn, conninfo, vectors
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def seed(conn: psycopg.Connection, conninfo: str, client: LocalClient) -> Any:
    """Load the seed; return the vectors of its products in the order of their SKUs."""
    loader = DatabaseLoader(conninfo)
    loader.load_schema()
    loader.load_seed(0.02, "2026-06-30", lambda *_: None)
    table = EmbeddingTable(loader.as_owner, client.model)
    embed_products(table, client, lambda *_: None)
    conn.execute(
        "CREATE TEMP TABLE seeded AS SELECT row_number() OVER (ORDER BY sku) AS nth, *"
        " FROM retail.products"
    )
    rows = conn.execute(
        "SELECT e.description_embedding::real[]"
        " FROM retail.product_description_embeddings AS e"
        " JOIN retail.products AS p USING (product_id) ORDER BY p.sku"
    )
    return np.array([row[0][:256] for row in rows], dtype=np.float32)


def fill(conn: psycopg.Connection, seeded: Any, options: argparse.Namespace) -> Any:
    """Replace the seed's vectors by those of so many blends; return these."""
    products = options.products
    seeded = spread(seeded) if options.full else seeded
    if options.vectors_only:
        conn.execute("ALTER TABLE retail.products DISABLE TRIGGER USER")
    # The keys of the blends are right; a check of each would take minutes.
    conn.execute("SET session_replication_role = replica")
    if not options.vectors_only:
        conn.execute(
            "ALTER TABLE retail.products"
            " ENABLE ALWAYS TRIGGER products_search_words_insert"
        )
    conn.execute("TRUNCATE retail.product_description_embeddings")
    conn.execute(
        "DROP INDEX IF EXISTS retail.idx_product_embeddings_vector,"
        " retail.idx_product_embeddings_short"
    )
    draw = np.random.default_rng(1)
    vectors = np.empty((products, seeded.shape[1]), dtype=np.float32)
    started = time.monotonic()
    for first in range(0, products, PAGE):
        numbers = np.arange(first, min(products, first + PAGE))
        one = seeded[numbers * 7919 % len(seeded)]
        other = seeded[numbers * 104729 // 424 % len(seeded)]
        noise = draw.normal(0, 0.35 / math.sqrt(one.shape[1]), one.shape).astype(
            np.float32
        )
        page = 0.65 * one + 0.35 * other + noise
        page /= np.linalg.norm(page, axis=1, keepdims=True)
        vectors[numbers] = page
        conn.execute(INSERT, (int(numbers[0]), int(numbers[-1])))
        copy_page(conn, int(numbers[0]), page)
    if not options.vectors_only:
        conn.execute(STOCK)
    conn.execute("RESET session_replication_role")
    conn.execute("VACUUM (ANALYZE)")
    conn.execute("CHECKPOINT")
    print(f"filled in {time.monotonic() - started:.0f} s", flush=True)
    return vectors


def copy_page(conn: psycopg.Connection, first: int, page: Any) -> None:
    head = DIMENSIONS.to_bytes(2, "big") + b"\0\0"
    padding = b"\0" * 4 * (DIMENSIONS - page.shape[1])
    model = b"wordllama-256"
    columns = "(product_id, description_embedding, embedding_model, text_hash)"
    with conn.cursor().copy(
        f"COPY retail.product_description_embeddings {columns}"
        " FROM STDIN (FORMAT BINARY)".encode()
    ) as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + b"\0" * 8)
        for number, vector in enumerate(page.astype(">f4"), first):
            key = hashlib.md5(f"blend{number}".encode()).digest()  # noqa: S324 - a key
            fields = (key, head + vector.tobytes() + padding, model, b"")
            sized = (len(f).to_bytes(4, "big") + f for f in fields)
            copy.write(b"\0\4" + b"".join(sized))
        copy.write(b"\xff\xff")


def exact(vectors: Any, questions: Any) -> list[set[str]]:
    """The numbers of the nearest blends to each question."""
    found = []
    for question in questions:
        scores = vectors @ question
        best = np.argpartition(-scores, NEAREST)[:NEAREST]
        found.append({f"Z{number}" for number in best})
    return found


def measure_index(
    conn: psycopg.Connection,
    name: str,
    build: Callable[[psycopg.Connection], Any],
    tunings: Sequence[str],
    texts: Sequence[str],
    truth: Sequence[set[str]],
) -> None:
    started = time.monotonic()
    build(conn)
    built = time.monotonic() - started
    for tuning in tunings:
        setting = tuning.encode()
        conn.execute(setting)
        if name.startswith("none"):
            texts, truth = texts[:20], truth[:20]
        report(conn, f"{name}, {tuning[4:]}", built, texts, truth, plain_query(name))
        conn.execute(b"RESET ALL")
    conn.execute("DROP INDEX IF EXISTS retail.idx_product_embeddings_tried")


def measure_grown(
    conn: psycopg.Connection,
    products: int,
    texts: Sequence[str],
    truth: Sequence[set[str]],
) -> None:
    """What an index finds that was built when half of the kinds were not there yet."""
    if products > WIDE_UP_TO:
        return
    conn.execute("DROP TABLE IF EXISTS grown")
    conn.execute("CREATE UNLOGGED TABLE grown (sku text, half halfvec(256))")
    halves = (
        f"INSERT INTO grown SELECT p.sku, {SHORT} FROM retail.products AS p"
        " JOIN retail.product_description_embeddings AS e USING (product_id)"
        " WHERE CASE WHEN p.sku ~ '^Z[0-9]+$'"
        " THEN substr(p.sku, 2)::bigint * 7919 % 424 < 212 END = "
    )
    query = (
        "SELECT sku FROM grown"
        " ORDER BY half <=> subvector(%(v)s::vector, 1, 256)::halfvec(256) LIMIT 10"
    )
    lists = round(math.sqrt(products))
    for method, tail, setting, values in (
        ("ivfflat", f"WITH (lists = {lists})", "ivfflat.probes", (8, 16, 32)),
        ("hnsw", "", "hnsw.ef_search", (200, 300, 400)),
    ):
        conn.execute("TRUNCATE grown")
        conn.execute("DROP INDEX IF EXISTS grown_half_idx")
        conn.execute((halves + "true").encode())
        index = f"grown USING {method} (half halfvec_cosine_ops) {tail}"
        conn.execute(f"CREATE INDEX grown_half_idx ON {index}".encode())
        started = time.monotonic()
        conn.execute((halves + "false").encode())
        added = time.monotonic() - started
        conn.execute("ANALYZE grown")
        conn.execute("SET enable_seqscan = off")
        for value in values:
            conn.execute(f"SET {setting} = {value}".encode())
            report(
                conn, f"{method} grown, {setting} {value}", added, texts, truth, query
            )
        conn.execute("RESET ALL")
    conn.execute("DROP TABLE grown")


def plain_query(name: str) -> str:
    """The nearest by the expression that the index holds, as the function asks."""
    expression = "description_embedding <=> %(v)s::vector"
    if "256" in name:
        expression = f"{SHORT[1:-1]} <=> subvector(%(v)s::vector, 1, 256)::halfvec(256)"
    elif "halves" in name:
        expression = f"{HALVES[1:-1]} <=> %(v)s::vector::halfvec(1536)"
    nearest = f"product_description_embeddings ORDER BY {expression} LIMIT 10"
    return (
        f"SELECT p.sku FROM (SELECT product_id FROM retail.{nearest}) AS n"
        " JOIN retail.products AS p USING (product_id)"
    )


def report(
    conn: psycopg.Connection,
    name: str,
    built: float,
    texts: Sequence[str],
    truth: Sequence[set[str]],
    query: str,
) -> None:
    times, hits = [], 0
    for number in range(ROUNDS):
        for text, expected in zip(texts, truth, strict=True):
            started = time.perf_counter()
            rows = conn.execute(query.encode(), {"v": text}).fetchall()
            times.append(1000 * (time.perf_counter() - started))
            if number == 0:
                hits += len(expected & {sku for (sku,) in rows})
    recall = hits / NEAREST / len(texts)
    size = conn.execute(
        "SELECT coalesce(sum(pg_relation_size(indexrelid)), 0) / 1e6 FROM pg_index"
        " WHERE indrelid = 'retail.product_description_embeddings'::regclass"
        " AND NOT indisprimary"
    ).fetchone()
    print(
        f"{name:42} built {built:6.1f} s {float(size[0] if size else 0):7.0f} MB"
        f"  recall@10 {recall:.3f}  {quantiles(times[len(texts) :])}",
        flush=True,
    )


def finish(
    conn: psycopg.Connection,
    texts: Sequence[str],
    truth: Sequence[set[str]],
    options: argparse.Namespace,
) -> None:
    """What `zava embed` builds, and what the product's own function then does."""
    started = time.monotonic()
    if not options.vectors_only:
        conn.execute("SELECT retail.refresh_search_vocabulary()")
    print(f"vocabulary {time.monotonic() - started:.1f} s", flush=True)
    started = time.monotonic()
    dimensions = DIMENSIONS if options.full else 256
    conn.execute("SELECT retail.index_product_embeddings(%s)", (dimensions,))
    conn.execute("ANALYZE")
    query = (
        "SELECT p.sku FROM retail.nearest_products(%(v)s, 50) AS n"
        " JOIN retail.products AS p USING (product_id) ORDER BY n.distance LIMIT 10"
    )
    built = time.monotonic() - started
    report(conn, f"nearest_products, {options.products:,}", built, texts, truth, query)
    for ef_search in EF_SEARCH:
        conn.execute(f"{FUNCTION} SET hnsw.ef_search = {ef_search}".encode())
        report(conn, f"the same, ef_search {ef_search}", built, texts, truth, query)


def measure_search(conninfo: str, client: LocalClient) -> None:
    """The whole search as the server runs it, without what Python does before."""
    provider = PostgreSQLProvider({"conninfo": conninfo})
    provider.open()
    identity = provider.resolve_identity(SEATTLE)
    categories = list_categories(provider.fetch_all, identity)
    texts = [question.text for question in read_questions()]
    vectors = [vector_text(vector) for vector in client.embed(texts)]
    price = {"min_price": 5.0, "max_price": 12.0}
    electrical = {"category_id": categories["Electrical"]}
    # What differs from the question itself, and from what it is searched by.
    cases: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "hybrid": ({}, {}),
        "semantic": ({}, {"words": ""}),
        "keyword": ({}, {"vector": None}),
        "hybrid, in stock": ({"in_stock_only": True}, {}),
        # Not what is asked for, mostly: the index has to look far.
        "hybrid, category": ({}, electrical),
        "hybrid, price": (price, {}),
        "hybrid, both": (price, electrical),
    }
    for label, (filters, changes) in cases.items():
        times = []
        for number in range(2):
            for text, vector in zip(texts, vectors, strict=True):
                question = ProductQuestion(text, **filters)
                by = {"words": text, "vector": vector, **changes}
                started = time.perf_counter()
                find_products(provider.fetch_all, question, identity, **by)
                if number:
                    times.append(1000 * (time.perf_counter() - started))
        print(f"whole search, {label:20} {quantiles(times)}", flush=True)
    provider.close()


def quantiles(times: Sequence[float]) -> str:
    cuts = statistics.quantiles(times, n=20)
    return f"p50 {statistics.median(times):6.2f} p95 {cuts[-1]:6.2f} ms"


def table_size(conn: psycopg.Connection) -> str:
    row = conn.execute(
        "SELECT pg_size_pretty(pg_table_size('retail.product_description_embeddings')),"
        " pg_size_pretty(pg_total_relation_size('retail.product_search_words'))"
    ).fetchone()
    return "vectors {}, words {}".format(*(row or ("", "")))


if __name__ == "__main__":
    main()
