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
        self._writes = 0
        self._free: anyio.Event | None = None
        self._given_up = False

    @property
    def is_blocked(self) -> bool:
        """Whether a write waits for the client."""
        return self._writes > 0 and not self._given_up

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Mark the time of a write that may have to wait."""
        self._writes += 1
        try:
            yield
        finally:
            self._writes -= 1
            if not self._writes:
                self._let_go()

    async def wait(self) -> None:
        """Return when the client reads, or nothing more is expected of it."""
        while self.is_blocked:
            if self._free is None:
                self._free = anyio.Event()
            await self._free.wait()

    def give_up(self) -> None:
        """Hold nobody up any more: the end has come, and it is not the client's."""
        self._given_up = True
        self._let_go()

    def _let_go(self) -> None:
        if self._free is not None:
            self._free.set()
            self._free = None
