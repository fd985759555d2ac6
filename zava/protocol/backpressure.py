"""Backpressure: new work stops while the client does not read its answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class Backpressure:
    """Stops new calls while the client does not read.

    An unwritten answer occupies memory. While a write waits for the client, zava
    reads no message and starts no call, so the number of unwritten answers never
    exceeds the number of running calls. Only the event loop uses this object;
    `is_blocked` may be read by any thread.
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
        """Mark a write that may have to wait."""
        self._writes += 1
        try:
            yield
        finally:
            self._writes -= 1
            if not self._writes:
                self._let_go()

    async def wait(self) -> None:
        """Return when no write waits, or `give_up` was called."""
        while self.is_blocked:
            if self._free is None:
                self._free = anyio.Event()
            await self._free.wait()

    def give_up(self) -> None:
        """Let all waiters go for good: the process is about to end."""
        self._given_up = True
        self._let_go()

    def _let_go(self) -> None:
        if self._free is not None:
            self._free.set()
            self._free = None
