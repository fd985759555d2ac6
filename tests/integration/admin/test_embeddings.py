"""`zava embed`: which products get a vector, and what a crash leaves behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from zava.admin import embeddings
from zava.admin.embedded import EmbeddedServer
from zava.admin.embeddings import EmbeddingSummary, EmbeddingTable, embed_products
from zava.admin.loading import DatabaseLoader
from zava.ai.local import LocalClient
from zava.errors import EmbeddingError

pytestmark = [pytest.mark.thorough, pytest.mark.once]

PRODUCTS = 424


class Counted(LocalClient):
    """Counts the texts; fails for good after so many calls.

    Args:
        model: The name of the model.
        calls: How many calls succeed; None for all.
        dimensions: How many numbers of each vector are given.
    """

    def __init__(
        self, model: str = "m", calls: int | None = None, dimensions: int = 4
    ) -> None:
        super().__init__()
        self.model = model
        self.texts: list[str] = []
        self._calls = calls
        self._dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Give vectors that depend on the length of the text."""
        if self._calls is not None:
            if self._calls == 0:
                raise EmbeddingError("down")
            self._calls -= 1
        self.texts += texts
        rest = [0.0] * (self._dimensions - 2)
        return [[1.0, 1.0 / len(text), *rest] for text in texts]


@pytest.fixture
def conninfo(cluster: EmbeddedServer, database: str) -> str:
    return cluster.conninfo(dbname=database, user="postgres")


@pytest.fixture
def conn(conninfo: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(conninfo, autocommit=True) as opened:
        yield opened


def run(conninfo: str, client: Counted, **options: Any) -> EmbeddingSummary:
    table = EmbeddingTable(DatabaseLoader(conninfo).as_owner, client.model, **options)
    return embed_products(table, client, lambda _done, _total: None)


def count(conn: psycopg.Connection, condition: str = "true") -> int:
    row = conn.execute(
        "SELECT count(*) FROM retail.product_description_embeddings"
        f" WHERE {condition}".encode()
    ).fetchone()
    assert row is not None
    return int(row[0])


def indexes(conn: psycopg.Connection) -> set[str]:
    rows = conn.execute(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'retail'"
        " AND indexname LIKE 'idx_product_embeddings%'"
    )
    return {name for (name,) in rows}


@pytest.mark.acceptance("A96")
def test_every_product_is_embedded_once(
    conninfo: str, conn: psycopg.Connection
) -> None:
    first = run(conninfo, Counted())
    assert (first.embedded, first.products) == (PRODUCTS, PRODUCTS)
    assert count(conn, "embedding_model = 'm' AND last_updated <= now()") == PRODUCTS
    again = Counted()
    assert run(conninfo, again).embedded == 0
    assert again.texts == []


def test_what_is_embedded_is_name_type_category_and_description(
    conninfo: str, conn: psycopg.Connection
) -> None:
    client = Counted()
    run(conninfo, client)
    assert (
        "20 Amp GFCI Outlet with Test Light. Outlets. Electrical. Cuts power in a"
        " split second if current leaks through water or a person. Required near"
        " sinks, tubs, and counters; press the button monthly to check it."
    ) in client.texts


def test_only_what_is_new_or_changed_is_embedded_again(
    conninfo: str, conn: psycopg.Connection
) -> None:
    run(conninfo, Counted())
    conn.execute(
        "UPDATE retail.products SET description = 'Now in blue' WHERE sku = 'HTHM001010'"
    )
    conn.execute("UPDATE retail.products SET base_price = 1 WHERE sku = 'HTHM001020'")
    conn.execute(
        "INSERT INTO retail.products"
        " (sku, name, description, category_id, type_id, cost, base_price)"
        " SELECT 'NEW', 'Zebra mallet', 'Striped', category_id, type_id, 1, 2"
        " FROM retail.products WHERE sku = 'HTHM001010'"
    )
    client = Counted()
    assert run(conninfo, client).embedded == 2
    assert any("Now in blue" in text for text in client.texts)
    assert any(text.startswith("Zebra mallet. Hammers.") for text in client.texts)
    found = conn.execute(
        "SELECT word FROM retail.search_vocabulary WHERE word = 'zebra'"
    ).fetchall()
    assert found == [("zebra",)]


def test_a_new_type_s_name_reaches_vectors_and_words(
    conninfo: str, conn: psycopg.Connection
) -> None:
    run(conninfo, Counted())
    conn.execute(
        "UPDATE retail.product_types SET name = 'Zebras' WHERE name = 'Hammers'"
    )
    assert run(conninfo, Counted()).embedded == 4
    row = conn.execute(
        "SELECT count(*) FROM retail.product_search_words WHERE words @@ 'zebra:B'"
    ).fetchone()
    assert row == (4,)


def words(conn: psycopg.Connection, *of: str) -> list[tuple[str, int]]:
    """Those of some words that the vocabulary has, and in how many products."""
    return conn.execute(
        "SELECT word, products FROM retail.search_vocabulary WHERE word = ANY (%s)"
        " ORDER BY word",
        (list(of),),
    ).fetchall()


def test_a_new_word_is_known_before_anything_is_embedded(
    conn: psycopg.Connection,
) -> None:
    (hammers,) = words(conn, "hammers")
    conn.execute(
        "INSERT INTO retail.products"
        " (sku, name, description, category_id, type_id, cost, base_price)"
        " SELECT 'NEW', 'Zebra hammering', 'The tool', category_id, type_id, 1, 2"
        " FROM retail.products WHERE sku = 'HTHM001010'"
    )
    # A form of a known word is as common as that; a stop word is none.
    assert words(conn, "zebra", "hammering", "the") == [
        ("hammering", hammers[1]),
        ("zebra", 1),
    ]
    conn.execute("UPDATE retail.products SET name = 'Okapi' WHERE sku = 'NEW'")
    conn.execute(
        "UPDATE retail.categories SET name = 'Gnu' WHERE name = 'Paint & Finishes'"
    )
    assert words(conn, "okapi", "gnu") == [("gnu", 1), ("okapi", 1)]


def test_a_small_load_into_a_large_catalogue_counts_no_words(
    conninfo: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "INDEX_FROM", 100)
    run(conninfo, Counted())
    change = "UPDATE retail.products SET name = 'Zebra' WHERE sku LIKE %s"
    changed = conn.execute(change, ("HTHM%",)).rowcount
    assert 1 < changed < PRODUCTS // 20
    assert run(conninfo, Counted()).embedded == changed
    assert words(conn, "zebra") == [("zebra", 1)]
    run(conninfo, Counted("another"))
    assert words(conn, "zebra") == [("zebra", changed)]


def test_another_model_embeds_everything_again(
    conninfo: str, conn: psycopg.Connection
) -> None:
    run(conninfo, Counted())
    assert run(conninfo, Counted("other")).embedded == PRODUCTS
    assert count(conn, "embedding_model = 'other'") == PRODUCTS


def test_all_embeds_everything_again(conninfo: str) -> None:
    run(conninfo, Counted())
    assert run(conninfo, Counted(), is_full=True).embedded == PRODUCTS


def test_a_run_that_ended_early_is_taken_up_where_it_stopped(
    conninfo: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "BATCH", 100)
    with pytest.raises(EmbeddingError):
        run(conninfo, Counted(calls=2))
    assert count(conn) == 200
    client = Counted()
    assert run(conninfo, client).embedded == PRODUCTS - 200
    assert len(client.texts) == PRODUCTS - 200
    assert count(conn) == PRODUCTS


def test_progress_is_told_batch_by_batch(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "BATCH", 200)
    client, told = Counted(), []
    table = EmbeddingTable(DatabaseLoader(conninfo).as_owner, client.model)
    embed_products(table, client, lambda done, total: told.append((done, total)))
    assert told == [(0, 424), (200, 424), (400, 424), (424, 424)]


def test_a_large_load_builds_the_index_that_suits_the_vectors_after_it(
    conninfo: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "INDEX_FROM", 100)
    assert indexes(conn) == {"idx_product_embeddings_vector"}
    assert run(conninfo, Counted()).index == "idx_product_embeddings_short"
    assert indexes(conn) == {"idx_product_embeddings_short"}
    long = Counted("long", dimensions=300)
    assert run(conninfo, long).index == "idx_product_embeddings_vector"
    assert indexes(conn) == {"idx_product_embeddings_vector"}


def test_a_crash_before_the_index_is_mended_by_the_next_run(
    conninfo: str, conn: psycopg.Connection
) -> None:
    run(conninfo, Counted())
    conn.execute("DROP INDEX retail.idx_product_embeddings_vector")
    assert run(conninfo, Counted()).index == "idx_product_embeddings_short"


def test_the_short_index_finds_the_same_as_all_the_vectors(
    conninfo: str, conn: psycopg.Connection
) -> None:
    local = LocalClient()
    table = EmbeddingTable(DatabaseLoader(conninfo).as_owner, local.model)
    embed_products(table, local, lambda _done, _total: None)
    (vector,) = local.embed(["paint for a damp bathroom"])
    question = str(vector + [0.0] * (1536 - len(vector)))

    def nearest() -> list[Any]:
        return conn.execute(
            "SELECT product_id FROM retail.nearest_products(%s, 20)", (question,)
        ).fetchall()

    exact = nearest()
    conn.execute("SELECT retail.index_product_embeddings(256)")
    conn.execute("SET enable_seqscan = off")
    assert nearest() == exact
    category = conn.execute(
        "SELECT category_id FROM retail.categories WHERE name = 'Electrical'"
    ).fetchone()
    filtered = conn.execute(
        "SELECT count(*), count(*) FILTER (WHERE p.category_id = %s)"
        " FROM retail.nearest_products(%s, 20, %s) AS n"
        " JOIN retail.products AS p USING (product_id)",
        (category and category[0], question, category and category[0]),
    ).fetchone()
    assert filtered == (20, 20)
