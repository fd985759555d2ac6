"""What every format of an export has in common: columns, notes, the writer's shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from zava.data.streaming import Decimals
from zava.models import Column

Batch = Sequence[tuple[str | None, ...]]
"""Rows in PostgreSQL's own text."""

INTEGERS = frozenset({"int2", "int4", "int8", "oid"})
FLOATS = frozenset({"float4", "float8"})
TIMESTAMPS = frozenset({"timestamp", "timestamptz"})
PLAIN = INTEGERS | FLOATS | TIMESTAMPS | {"numeric", "bool", "date", "time", "uuid"}
"""Types whose values are no text that somebody wrote."""


@dataclass(frozen=True, slots=True)
class Table:
    """What is known of an export before its rows.

    Attributes:
        columns: In the order of the query.
        decimals: The declared digits of numeric columns.
        query: The SQL text.
        person: Who asked, for people to read.
        as_of: What had been committed by then is in the rows.
        data_through: The last business day with orders, if there is one.
        folder: For temporary files.
    """

    columns: tuple[Column, ...]
    decimals: tuple[Decimals | None, ...]
    query: str
    person: str
    as_of: datetime
    data_through: str | None
    folder: Path

    def notes(self) -> dict[str, str]:
        """Return what the file says of itself."""
        return {
            "query": self.query,
            "person": self.person,
            "time": self.as_of.isoformat(timespec="seconds"),
            "data_through": self.data_through or "unknown",
        }


class Writer(Protocol):
    """Writes the rows of one export."""

    def write(self, batch: Batch) -> None:
        """Write some rows."""

    def finish(self) -> list[str]:
        """Write the end; return what has to be said of the content."""

    def abandon(self) -> None:
        """Let go of temporary files."""
