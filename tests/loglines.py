"""What is logged while a test looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message


class LogLines(list["Message"]):
    """Lines in order, each with its traceback; more of each is in its `record`."""

    @property
    def messages(self) -> list[str]:
        """The messages alone."""
        return [line.record["message"] for line in self]

    def at_least(self, level: str) -> LogLines:
        """Return the lines of that level and above."""
        least = logger.level(level).no
        return LogLines(line for line in self if line.record["level"].no >= least)

    def said_by(self, module: str) -> LogLines:
        """Return the lines of that module."""
        return LogLines(line for line in self if line.record["name"] == module)


@contextmanager
def captured_log(level: str = "INFO") -> Iterator[LogLines]:
    """Collect the lines of `level` and above."""
    lines = LogLines()
    number = logger.add(lines.append, level=level, format="{message}")
    try:
        yield lines
    finally:
        with suppress(ValueError):  # somebody set up the logging anew
            logger.remove(number)
