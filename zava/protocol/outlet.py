"""Outlet: whether the client takes what is written to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class Outlet:
    """Holds up those who would make more answers while nobody reads them.

    Answers that wait to be written are memory. While the client does not read,
    no message is taken from it and no call starts, so that there are never more
    of them than calls at work. Used by the event loop alone, but for `is_blocked`.
    """

    def __init__(self) -> None:
        self._blocked: anyio.Event | None = None

    @property
    def is_blocked(self) -> bool:
        """Whether a write waits for the client."""
        return self._blocked is not None

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Mark the time of a write that may have to wait."""
        self._blocked = anyio.Event()
        try:
            yield
        finally:
            self._blocked.set()
            self._blocked = None

    async def wait(self) -> None:
        """Return when the client reads."""
        while self._blocked is not None:
            await self._blocked.wait()
