"""retail.search_products_by_description: what it finds, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from math import cos, radians, sin

import psycopg
import pytest

from zava.admin.embedded import EmbeddedServer

Connection = psycopg.Connection[tuple[object, ...]]

DIMENSIONS = 1536
# Products at known angles from the question's vector, (1, 0, 0, …).
ANGLES = (0, 10, 30, 45, 60, 89)


def vector(degrees: float) -> str:
    angle = radians(degrees)
    return str([cos(angle), sin(angle), *[0] * (DIMENSIONS - 2)])


@pytest.fixture(scope="module")
def embedded(cluster: EmbeddedServer, template: str) -> Iterator[Connection]:
    """A database whose first products have vectors at `ANGLES`."""
    name = "zava_search_function"
    admin = cluster.conninfo(dbname="postgres", user="postgres")
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    with psycopg.connect(
        cluster.conninfo(dbname=name, user="postgres"), autocommit=True
    ) as conn:
        conn.execute("TRUNCATE retail.product_description_embeddings")
        skus = conn.execute("SELECT sku FROM retail.products ORDER BY sku").fetchall()
        for angle, (sku,) in zip(ANGLES, skus, strict=False):
            conn.execute(
                "INSERT INTO retail.product_description_embeddings"
                " (product_id, description_embedding, embedding_model, text_hash)"
                " SELECT product_id, %s, 'angles', '' FROM retail.products"
                " WHERE sku = %s",
                (vector(angle), sku),
            )
        conn.execute("ANALYZE retail.product_description_embeddings")
        yield conn
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def scores(conn: Connection, *arguments: object) -> list[float]:
    marks = ", ".join(["%s"] * len(arguments))
    rows = conn.execute(
        f"SELECT * FROM retail.search_products_by_description({marks})".encode(),
        arguments,
    ).fetchall()
    return [round(float(str(row[3])), 6) for row in rows]


def similarities(*degrees: float) -> list[float]:
    return [round(cos(radians(angle)), 6) for angle in degrees]


@pytest.mark.acceptance("A92", "A93", "A94", "A95")
def test_a_product_has_one_vector_of_1536_numbers(
    embedded: Connection,
) -> None:
    short = (
        "INSERT INTO retail.product_description_embeddings"
        " (product_id, description_embedding, embedding_model, text_hash)"
        " SELECT product_id, %s, 'short', '' FROM retail.products"
        " ORDER BY sku DESC LIMIT 1"
    )
    with pytest.raises(psycopg.errors.DataException):
        embedded.execute(short, (str([1.0] * (DIMENSIONS - 1)),))
    again = (
        "INSERT INTO retail.product_description_embeddings"
        " SELECT * FROM retail.product_description_embeddings LIMIT 1"
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        embedded.execute(again)


@pytest.mark.acceptance("A98", "A99", "A103")
def test_the_function_has_the_signature_of_the_contract(
    embedded: Connection,
) -> None:
    row = embedded.execute(
        "SELECT pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),"
        " l.lanname, p.prosecdef FROM pg_proc AS p"
        " JOIN pg_language AS l ON l.oid = p.prolang"
        " WHERE p.pronamespace = 'retail'::regnamespace"
        " AND p.proname = 'search_products_by_description'"
    ).fetchone()
    assert row == (
        "query_embedding vector, similarity_threshold double precision DEFAULT 0.7,"
        " max_results integer DEFAULT 20",
        "TABLE(product_id uuid, name character varying, description text,"
        " similarity_score double precision)",
        "plpgsql",
        False,
    )


@pytest.mark.acceptance("A100", "A102")
def test_the_nearest_come_first_with_their_cosine(
    embedded: Connection,
) -> None:
    assert scores(embedded, vector(0), -1.0) == similarities(*ANGLES)


@pytest.mark.acceptance("A98", "A101", "D28")
@pytest.mark.parametrize(
    ("threshold", "angles"),
    [
        pytest.param((), (0, 10, 30, 45), id="default-0.7"),
        pytest.param((0.3,), (0, 10, 30, 45, 60), id="0.3"),
        pytest.param((0.9,), (0, 10), id="0.9"),
        pytest.param((1.0,), (0,), id="inclusive"),
    ],
)
def test_the_threshold_cuts_off_what_is_less_similar(
    embedded: Connection,
    threshold: tuple[float, ...],
    angles: tuple[float, ...],
) -> None:
    assert scores(embedded, vector(0), *threshold) == similarities(*angles)


@pytest.mark.acceptance("A102", "A103")
def test_so_many_are_found_at_most(
    embedded: Connection,
) -> None:
    assert scores(embedded, vector(0), -1.0, 2) == similarities(0, 10)


@pytest.mark.acceptance("A97", "D6")
def test_the_vector_index_serves_the_search(
    embedded: Connection,
) -> None:
    row = embedded.execute(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'retail'"
        " AND indexname = 'idx_product_embeddings_vector'"
    ).fetchone()
    assert row is not None
    # hnsw learns nothing from the rows that are there when it is built, as
    # ivfflat does; the operator class is the contract's.
    assert "USING hnsw (description_embedding vector_cosine_ops)" in str(row[0])
    scans = (
        "SELECT pg_stat_get_xact_numscans('retail.idx_product_embeddings_vector'"
        "::regclass)"
    )
    with embedded.transaction():
        # With six rows the planner needs persuasion.
        embedded.execute("SET LOCAL enable_seqscan = off")
        embedded.execute("DISCARD PLANS")  # one that compares all of them is kept
        assert scores(embedded, vector(0), 0.3) == similarities(0, 10, 30, 45, 60)
        assert embedded.execute(scans).fetchone() == (1,)


@pytest.mark.acceptance("A103")
def test_it_reads_as_its_caller(
    embedded: Connection,
) -> None:
    with embedded.transaction(force_rollback=True):
        embedded.execute("SET LOCAL ROLE store_managers")
        assert scores(embedded, vector(0), 0.9) == similarities(0, 10)
    with embedded.transaction(force_rollback=True):
        embedded.execute(
            "REVOKE SELECT ON retail.product_description_embeddings FROM store_managers"
        )
        embedded.execute("SET LOCAL ROLE store_managers")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            scores(embedded, vector(0), 0.9)


def test_a_vector_lies_in_its_row(embedded: Connection) -> None:
    row = embedded.execute(
        "SELECT pg_relation_size(reltoastrelid) FROM pg_class"
        " WHERE oid = 'retail.product_description_embeddings'::regclass"
    ).fetchone()
    assert row == (0,)
