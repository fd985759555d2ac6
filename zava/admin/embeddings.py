"""`zava embed`: which products need a vector, and the run that makes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from pydantic import BaseModel, ConfigDict

from zava.ai.client import AIClient
from zava.data.product_data import vector_text
from zava.data.statements import statement

INDEX_FROM = 10_000
"""Products from which an index of few dimensions pays."""

_BEFORE_ALL = UUID(int=0)
# A load of more than this share of the table is faster without its index.
_LARGE_SHARE = 0.2
# After a smaller load the words' counts are near enough, and new words are there.
_COUNTED_SHARE = 0.05

Connect = Callable[[], AbstractContextManager[psycopg.Connection[dict[str, Any]]]]
"""Opens a transaction as the owner of the schema, which sees every row."""


class PendingProduct(BaseModel):
    """A product that needs a vector.

    Attributes:
        embedded_text: What the vector is to stand for.
        text_hash: SHA-256 of that, in hex.
    """

    model_config = ConfigDict(frozen=True)

    product_id: UUID
    embedded_text: str
    text_hash: str


class EmbeddingTable:
    """Reads which products need a vector, and writes the vectors in batches.

    Args:
        connect: See `Connect`; every use is one transaction.
        model: The model of the vectors.
        is_full: Whether all products are to be embedded again.
    """

    def __init__(self, connect: Connect, model: str, *, is_full: bool = False) -> None:
        self._connect = connect
        self._parameters = {"model": model, "all": is_full}

    def models(self) -> set[str]:
        """Return what has made the vectors that there are."""
        with self._connect() as conn:
            rows = conn.execute(statement("embedding_models")).fetchall()
        return {row["model"] for row in rows}

    def count_pending(self) -> tuple[int, int]:
        """Return how many products need a vector, and how many there are."""
        with self._connect() as conn:
            row = conn.execute(
                statement("count_pending_products"), self._parameters
            ).fetchone()
        assert row is not None  # noqa: S101 - an aggregate has one row
        return row["pending"], row["products"]

    def read_pending(
        self, limit: int, after: UUID = _BEFORE_ALL
    ) -> list[PendingProduct]:
        """Return the next products that need a vector, in the order of their keys."""
        with self._connect() as conn:
            rows = conn.execute(
                statement("pending_products"),
                {**self._parameters, "after": after, "limit": limit},
            ).fetchall()
        return [PendingProduct.model_validate(row) for row in rows]

    def has_index(self) -> bool:
        """Whether there is an index: a run that ended early may have none."""
        with self._connect() as conn:
            return _answer(conn, "has_embedding_index")

    def prepare(self, pending: int, products: int) -> None:
        """Drop the indexes before a load that is large."""
        if pending >= INDEX_FROM and pending > products * _LARGE_SHARE:
            with self._connect() as conn:
                conn.execute(statement("drop_embedding_indexes"))

    def write(
        self, batch: Sequence[PendingProduct], vectors: Sequence[Sequence[float]]
    ) -> None:
        """Write the vectors of a batch: one copy, one merge, one transaction."""
        with self._connect() as conn, conn.cursor() as cursor:
            cursor.execute(statement("create_staging"))
            with cursor.copy(statement("copy_staging")) as copy:
                for product, vector in zip(batch, vectors, strict=True):
                    row = (product.product_id, vector_text(vector), product.text_hash)
                    copy.write_row(row)
            cursor.execute(statement("merge_staging"), self._parameters)

    def finish(self, dimensions: int, embedded: int, products: int) -> str | None:
        """Refresh the vocabulary and the statistics, and build the index if it is due.

        A million products' words take most of a minute to count: after a load that
        changes their share little, that is left to the next larger one.

        Args:
            dimensions: Of the model's vectors, before they were padded.
            embedded: How many products got a vector.
            products: How many there are.

        Returns:
            The name of the index that was looked after, None for none.
        """
        index = None
        with self._connect() as conn:
            if products < INDEX_FROM or embedded > products * _COUNTED_SHARE:
                conn.execute(statement("refresh_vocabulary"))
            due = products >= INDEX_FROM or not _answer(conn, "has_embedding_index")
            if due or _answer(conn, "has_short_embedding_index"):
                built = conn.execute(
                    statement("index_embeddings"), {"dimensions": dimensions}
                ).fetchone()
                index = next(iter((built or {}).values()), None)
            conn.execute(statement("analyze_embeddings"))
        return index


def _answer(conn: psycopg.Connection[dict[str, Any]], name: str) -> bool:
    row = conn.execute(statement(name)).fetchone()
    return bool(row and next(iter(row.values())))


BATCH = 256
"""Products that are embedded and written together, and lost together in a crash."""


@dataclass(frozen=True)
class EmbeddingSummary:
    """What a run did.

    Attributes:
        model: What made the vectors.
        embedded: How many products got one.
        products: How many there are.
        seconds: How long it took.
        index: The index that was looked after, None for none.
    """

    model: str
    embedded: int
    products: int
    seconds: float
    index: str | None


def embed_products(
    table: EmbeddingTable,
    client: AIClient,
    on_progress: Callable[[int, int], None],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> EmbeddingSummary:
    """Embed the products that need it, batch by batch.

    A batch that was written stays: a run that ends early is taken up by the next.

    Args:
        table: Which products need a vector, and where it goes.
        client: What makes it.
        on_progress: Told how many are done, of how many.
        clock: Monotonic seconds.

    Raises:
        EmbeddingError: The service failed for too long.
        MCPError: The database failed.
    """
    started = clock()
    pending, products = table.count_pending()
    if not pending and table.has_index():
        return EmbeddingSummary(client.model, 0, products, clock() - started, None)
    on_progress(0, pending)
    done, dimensions = 0, 0
    table.prepare(pending, products)
    batch = table.read_pending(BATCH)
    while batch:
        vectors = client.embed([product.embedded_text for product in batch])
        table.write(batch, vectors)
        done, dimensions = done + len(batch), len(vectors[0])
        on_progress(done, max(pending, done))
        batch = table.read_pending(BATCH, batch[-1].product_id)
    if not dimensions:
        # An earlier run ended between its last batch and the index.
        dimensions = len(client.embed(["paint"])[0])
    index = table.finish(dimensions, done, products)
    return EmbeddingSummary(client.model, done, products, clock() - started, index)
