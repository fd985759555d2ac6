"""What an index of the products' vectors costs and finds, up to a million products.

    python bench/vector_index.py --products 100000
    python bench/vector_index.py --products 1000000 --skip none ivfflat hnsw

Fills a database of its own with blends of the seed's products: name and words of
one, words of another, and a vector between theirs with noise, so that vectors lie
in clusters as real ones do. The questions are those of shopper_questions.csv. For
each index that is not skipped, and for the one that zava builds: seconds to build, megabytes, recall@10 against all vectors, and the
milliseconds of `retail.nearest_products` in the database; at last those of the whole
search, words, filters and stock included. Needs about 6 GB of disk for a million.
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
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from bench.search_quality import read_questions
from zava.data.embeddings import EmbeddingTable
from zava.data.loading import DatabaseLoader
from zava.data.products import vector_text
from zava.data.provider import PostgreSQLProvider
from zava.embedded import EmbeddedServer
from zava.infra.cache import QueryCache
from zava.infra.local_ai import LocalClient
from zava.service.embedding_run import embed_products
from zava.service.product_question import Filters, Options
from zava.service.product_search import ProductSearch

NEAREST = 10
ROUNDS = 3
VERSION = 18
EF_SEARCH = (100, 200, 300, 400)
PAGE = 20_000
SHORT = "(subvector(description_embedding, 1, 256)::halfvec(256))"
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
        "--folder", type=Path, help="where the database is kept for the next run"
    )
    options = parser.parse_args()
    client = LocalClient()
    questions = np.array(
        client.embed([q.text for q in read_questions() if q.grades]), dtype=np.float32
    )
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
        for name, build, tunings in indexes(options.products):
            if not any(name.startswith(skipped) for skipped in options.skip):
                measure_index(conn, name, build, tunings, texts, truth)
        finish(conn, options.products, texts, truth, words=not options.vectors_only)
        if not options.vectors_only:
            measure_search(conninfo("zava_server"), client)


def indexes(
    products: int,
) -> Iterator[tuple[str, Callable[[psycopg.Connection], Any], Sequence[str]]]:
    """Every index to compare: name, how to build it, settings of a search."""
    lists = max(10, round(math.sqrt(products)))
    yield "none, all vectors", lambda _conn: None, ["SET enable_indexscan = off"]
    for label, column, ops in (
        ("256 halves", SHORT, "halfvec_cosine_ops"),
        ("1536 floats", "description_embedding", "vector_cosine_ops"),
    ):
        name = "short" if column == SHORT else "vector"
        target = (
            f"idx_product_embeddings_{name} ON retail.product_description_embeddings"
        )

        create = f"CREATE INDEX {target} USING {{}} ({column} {ops}) {{}}"

        def build(
            conn: psycopg.Connection, method: str, tail: str = "", sql: str = create
        ) -> None:
            conn.execute(sql.format(method, tail).encode())

        if column == SHORT or products <= 100_000:
            yield (
                f"ivfflat {label}",
                lambda conn, b=build: b(
                    conn, "ivfflat", tail=f"WITH (lists = {lists})"
                ),
                [f"SET ivfflat.probes = {probes}" for probes in (4, 16, 48)],
            )
            yield (
                f"hnsw {label}",
                lambda conn, b=build: b(conn, "hnsw"),
                [f"SET hnsw.ef_search = {ef}" for ef in (40, 100, 200)],
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
        noise = draw.normal(0, 0.35 / 16, one.shape).astype(np.float32)
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
    head = (1536).to_bytes(2, "big") + b"\0\0"
    padding = b"\0" * 4 * (1536 - page.shape[1])
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
    conn.execute(
        "DROP INDEX IF EXISTS retail.idx_product_embeddings_vector,"
        " retail.idx_product_embeddings_short"
    )


def plain_query(name: str) -> str:
    """The nearest by the expression that the index holds, as the function asks."""
    expression = "description_embedding <=> %(v)s::vector"
    if "256" in name:
        expression = f"{SHORT[1:-1]} <=> subvector(%(v)s::vector, 1, 256)::halfvec(256)"
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
    products: int,
    texts: Sequence[str],
    truth: Sequence[set[str]],
    *,
    words: bool,
) -> None:
    """What `zava embed` builds, and what the product's own function then does."""
    started = time.monotonic()
    if words:
        conn.execute("SELECT retail.refresh_search_vocabulary()")
    print(f"vocabulary {time.monotonic() - started:.1f} s", flush=True)
    started = time.monotonic()
    conn.execute("SELECT retail.index_product_embeddings(256)")
    conn.execute("ANALYZE")
    query = (
        "SELECT p.sku FROM retail.nearest_products(%(v)s, 50) AS n"
        " JOIN retail.products AS p USING (product_id) ORDER BY n.distance LIMIT 10"
    )
    built = time.monotonic() - started
    report(conn, f"nearest_products, {products:,}", built, texts, truth, query)
    for ef_search in EF_SEARCH:
        conn.execute(f"{FUNCTION} SET hnsw.ef_search = {ef_search}".encode())
        report(conn, f"the same, ef_search {ef_search}", built, texts, truth, query)


def measure_search(conninfo: str, client: LocalClient) -> None:
    """The whole search as the server runs it."""
    provider = PostgreSQLProvider({"conninfo": conninfo})
    provider.open()
    search = ProductSearch(provider, QueryCache(), client)
    seattle = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
    asked = [q.text for q in read_questions()]
    for label, options in (
        ("hybrid", Options(fresh=True)),
        ("semantic", Options(mode="semantic", fresh=True)),
        ("keyword", Options(mode="keyword", fresh=True)),
        *(
            (f"hybrid, {name}", Options(filters=filters, fresh=True))
            for name, filters in (
                ("category", Filters("Electrical")),
                ("price", Filters(min_price=5, max_price=12)),
                ("in stock", Filters(in_stock_only=True)),
            )
        ),
    ):
        times = []
        for number in range(2):
            for question in asked:
                started = time.perf_counter()
                search.search(question, seattle, options)
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
