"""The products' vectors, as the administrator keeps them up to date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import psycopg
from pydantic import BaseModel, ConfigDict

from zava.data.products import vector_text
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
