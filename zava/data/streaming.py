"""All rows of one query, in batches: one transaction, one snapshot, flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from zava.data.cells import Piece, load_pieces, load_texts
from zava.data.connection import transaction_settings
from zava.data.pipeline import Bound, Statement
from zava.data.read_ahead import row_length, wide_columns
from zava.data.statements import statement
from zava.data.transaction import (
    Watch,
    columns_of,
    encoded,
    exchange_patiently,
    fetch,
    identity_statements,
    opening,
    see_that_the_login_holds,
)
from zava.models import Column, Identity

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

# Rows of a batch: the first one, and the largest.
_FIRST, _MOST = 100, 5000
# Bytes of long values that a batch is meant to hold.
_BATCH_BYTES = 512 * 1024
# A typmod of numeric: precision and scale in two halves, after a header of four bytes.
_HEADER, _HALF, _SCALE = 4, 16, 0x7FF


class Decimals(NamedTuple):
    """The declared digits of a numeric column, and how many of them are decimals."""

    precision: int
    scale: int


class Stream:
    """The rows of a query.

    Attributes:
        columns: In the order of the query.
        decimals: Of each column what was declared; None for other types, and for
            numerics without a declaration.
        as_of: What was committed on the primary by then is in them.
    """

    def __init__(self, conn: psycopg.Connection[Any], as_of: datetime) -> None:
        self._conn = conn
        self.as_of = as_of
        self._rows = _FIRST
        self._next = self._fetch()
        self.columns: tuple[Column, ...] = columns_of(conn, self._next)
        self.decimals = tuple(
            _decimals(self._next, number) for number in range(self._next.nfields)
        )

    def first_rows(self, count: int) -> list[tuple[Any, ...]]:
        """Return the first rows, of JSON values; before any batch is read."""
        return load_pieces([Piece(self._next, 0, min(count, self._next.ntuples))])

    def batches(self) -> Iterator[list[tuple[str | None, ...]]]:
        """Yield all rows, in PostgreSQL's own text."""
        while self._next.ntuples:
            batch = load_texts(self._next)
            is_last = self._next.ntuples < self._rows
            self._rows = _suitable(self._next)
            self._next.clear()
            yield batch
            if is_last:
                return
            self._next = self._fetch()

    def _fetch(self) -> PGresult:
        (result,) = exchange_patiently(self._conn, [fetch(0, self._rows)])
        return result


@contextmanager
def stream_query(
    conn: psycopg.Connection[Any], query: str, identity: Identity
) -> Iterator[Stream]:
    """Run one query as `identity`, like `run_queries`, and yield its rows.

    Args:
        conn: In autocommit mode, outside a transaction. After a failure the caller
            rolls it back.
        query: The SQL text.
        identity: Who asks.

    Raises:
        StaleServer: The answer is older than it may be.
        psycopg.Error: The caller must roll the connection back.
    """
    watch = Watch(conn)
    begin = statement("begin_snapshot" if watch.is_on else "begin")
    start: list[Statement] = [
        *watch.before(),
        Bound(begin.encode()),
        *transaction_settings(conn),
        Bound(statement("whole_result").encode()),
    ]
    looked = len(start)
    start += identity_statements(identity, is_watched=watch.is_on)
    end = Bound(statement("rollback").encode())
    try:
        declare = encoded(opening(0, False) + query)
        results = exchange_patiently(conn, [*start, declare])
        as_of = watch.as_of(results, looked)
        rows = Stream(conn, as_of)
    except psycopg.errors.InsufficientPrivilege as exc:
        see_that_the_login_holds(conn, [*start, end])
        raise exc from None
    yield rows
    exchange_patiently(conn, [end])


def _suitable(result: PGresult) -> int:
    """Return how many rows like these make a batch."""
    wide = wide_columns(result)
    sample = range(0, result.ntuples, max(1, result.ntuples // _FIRST))
    lengths = sum(row_length(result, row, wide) for row in sample)
    rows = _BATCH_BYTES * len(sample) // max(1, lengths)
    return max(1, min(rows, _MOST))


def _decimals(result: PGresult, number: int) -> Decimals | None:
    modifier = result.fmod(number) - _HEADER
    numeric = psycopg.adapters.types["numeric"].oid
    if result.ftype(number) != numeric or modifier < 0:
        return None
    return Decimals(modifier >> _HALF, modifier & _SCALE)
