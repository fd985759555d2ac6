"""How old what an answer was made from is: the oldest time of all that it read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Reading:
    """What is read within a block.

    Attributes:
        as_of: The time up to which everything that was read is complete; None where
            nothing was read from the database.
    """

    as_of: datetime | None = None


_READING: ContextVar[Reading | None] = ContextVar("reading", default=None)


def note_as_of(as_of: datetime | None) -> None:
    """Tell the block around the caller about something that was read."""
    reading = _READING.get()
    if reading is None or as_of is None:
        return
    if reading.as_of is None or as_of < reading.as_of:
        reading.as_of = as_of


@contextmanager
def reading() -> Iterator[Reading]:
    """Yield what is read within the block; the block around it is told as well."""
    within = Reading()
    token = _READING.set(within)
    try:
        yield within
    finally:
        _READING.reset(token)
        note_as_of(within.as_of)


def told(as_of: datetime | None) -> str | None:
    """Return a time as answers say it, ISO 8601; never later than it is."""
    return None if as_of is None else as_of.isoformat(timespec="milliseconds")
