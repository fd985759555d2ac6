"""Rows past the end of a cut result: read in the same transaction, kept for later."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg.pq import ExecStatus

from zava.data.cells import Piece, load_pieces
from zava.models import Column

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

PART_ROWS = 100
"""Rows that arrive together; the allowance is looked at after each part."""

# Types whose values are short, whatever they are.
# fmt: off
_NARROW = frozenset(psycopg.adapters.types[name].oid for name in (
    "bool", "int2", "int4", "int8", "float4", "float8", "oid", "uuid", "date", "time",
    "timetz", "timestamp", "timestamptz", "interval",
))
# fmt: on
# What libpq keeps of a cell: its place, its length, and the text of a narrow value.
_CELL, _NARROW_TEXT = 16, 24
# Rows that are not there after this time are not worth the caller's wait.
_SECONDS = 0.25
_CANCEL_SECONDS, _END_SECONDS = 1.0, 0.5


class Allowance(NamedTuple):
    """What may be read past the end of a cut result.

    Attributes:
        rows: Rows at most.
        bytes: Bytes of memory at most, in libpq's own form.
    """

    rows: int
    bytes: int


def wide_columns(result: PGresult) -> list[int]:
    """Return the columns whose values may be long."""
    return [n for n in range(result.nfields) if result.ftype(n) not in _NARROW]


def row_length(result: PGresult, row: int, wide: Sequence[int]) -> int:
    """Return the bytes of a row's values in some columns."""
    return sum(len(result.get_value(row, n) or b"") for n in wide)


def _size(result: PGresult) -> int:
    """Return about how many bytes of memory a result takes."""
    wide = wide_columns(result)
    cells = result.nfields * _CELL + (result.nfields - len(wide)) * _NARROW_TEXT
    lengths = (row_length(result, row, wide) for row in range(result.ntuples))
    return cells * result.ntuples + sum(lengths)


class ReadAhead:
    """Takes the rows of one statement of a pipeline while the allowance lasts.

    When the allowance or the time is used up, the statement is cancelled; what has
    arrived stays.

    Args:
        conn: The connection of the pipeline.
        number: The place of the statement in the pipeline; the statement before it
            reads the rows of the answer.
        rows: Rows of the answer. If there are fewer, nothing is read ahead.
        allowance: What may be read.

    Attributes:
        parts: The rows that arrived.
        is_begun: Whether the answer has all its rows, so that only the rows past it
            are still to come.
        is_whole: Whether no row of the query is missing.
    """

    def __init__(
        self,
        conn: psycopg.Connection[Any],
        number: int,
        rows: int,
        allowance: Allowance,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.number = number
        self.parts: list[PGresult] = []
        self.is_begun = False
        self.is_whole = True
        self._conn = conn
        self._rows = rows
        self._left = allowance.bytes
        self._allowed_rows = allowance.rows
        self._clock = clock
        self._deadline = 0.0
        self._cancelled_at: float | None = None

    def begins_after(self, results: Sequence[PGresult]) -> bool:
        """Whether the next result is this one, and has rows."""
        if self.is_begun or len(results) != self.number:
            return False
        last = results[-1]
        if last.status != ExecStatus.TUPLES_OK or last.ntuples < self._rows:
            return False
        self.is_begun = True
        self._deadline = self._clock() + _SECONDS
        return True

    def take(self, part: PGresult) -> None:
        """Keep a part, or cancel the statement if the allowance is used up."""
        if self._cancelled_at is not None:
            return
        self._left -= _size(part)
        if self._left < 0:
            self._cancel()
        else:
            self.parts.append(part)

    def look(self) -> None:
        """Cancel the statement if it takes too long.

        Raises:
            psycopg.errors.QueryCanceled: It does not end either.
        """
        if not self.is_begun:
            return
        if self._cancelled_at is None:
            if self._clock() > self._deadline:
                self._cancel()
        elif self._clock() > self._cancelled_at + _END_SECONDS:
            raise psycopg.errors.QueryCanceled("the rows past the answer do not end")

    def has_failed(self, results: Sequence[PGresult]) -> bool:
        """Whether the statement came to an end without all rows that it was to read."""
        if len(results) <= self.number:
            return False  # the connection was lost
        return results[self.number].status == ExecStatus.FATAL_ERROR

    def give_up(self) -> None:
        """Note that rows are missing."""
        self.is_whole = False

    def remainder(self, first: PGresult, columns: tuple[Column, ...]) -> Remainder:
        """Return the rows of the answer, which came first, and those past it."""
        rows = sum(part.ntuples for part in self.parts)
        is_whole = self.is_whole and rows < self._allowed_rows
        return Remainder(columns, (first, *self.parts), is_whole)

    def _cancel(self) -> None:
        self._cancelled_at = self._clock()
        self.is_whole = False
        with suppress(psycopg.Error):
            self._conn.cancel_safe(timeout=_CANCEL_SECONDS)


@dataclass(frozen=True, slots=True)
class LoadedRows:
    """The rows of a cut result as JSON values, where they were read all at once.

    Attributes:
        columns: In the order of the query.
        values: The rows.
        is_whole: Whether the query has no row past these.
        size: About how many bytes of memory the rows take.
    """

    columns: tuple[Column, ...]
    values: tuple[tuple[Any, ...], ...]
    is_whole: bool
    size: int

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self.values)

    def rows(self, start: int, count: int) -> list[tuple[Any, ...]]:
        """Return up to `count` rows from row `start` on."""
        return list(self.values[start : start + count])


@dataclass(frozen=True, slots=True)
class Remainder:
    """The rows of a cut result, packed as libpq received them.

    Attributes:
        columns: In the order of the query.
        results: The rows, in parts.
        is_whole: Whether the query has no row past these.
    """

    columns: tuple[Column, ...]
    results: tuple[PGresult, ...]
    is_whole: bool

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return sum(result.ntuples for result in self.results)

    @property
    def size(self) -> int:
        """About how many bytes of memory the rows take."""
        return sum(map(_size, self.results))

    def rows(self, start: int, count: int) -> list[tuple[Any, ...]]:
        """Return up to `count` rows from row `start` on, of JSON values."""
        pieces: list[Piece] = []
        for result in self.results:
            stop = min(result.ntuples, start + count)
            if start < stop:
                pieces.append(Piece(result, start, stop))
                count -= stop - start
            start = max(0, start - result.ntuples)
        return load_pieces(pieces)
