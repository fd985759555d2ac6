"""Where blocking calls run: worker threads with a limiter and a queue of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread

from zava.errors import BusyError
from zava.protocol.outlet import Outlet

T = TypeVar("T")

MAX_WAITING = 256


class WorkerThreads:
    """Runs blocking calls, as many at once as there are connections.

    A limiter of its own: the SDK shares its default one with everything else
    that leaves the event loop. Whoever waits for a place waits without a
    thread, and a cancelled call that never got one never runs.

    Args:
        size: Calls at work at once.
        max_waiting: Calls that may wait for a place; one more is refused.
        outlet: While it is blocked, no call starts.
    """

    def __init__(
        self, size: int, max_waiting: int = MAX_WAITING, outlet: Outlet | None = None
    ) -> None:
        self._size = size
        self._max_waiting = max_waiting
        self._outlet = outlet or Outlet()
        self._limiter: anyio.CapacityLimiter | None = None
        self._calls = 0

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` in a worker thread and return its result.

        Raises:
            BusyError: Too many wait already.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._size)  # needs a running loop
        if self._calls >= self._size + self._max_waiting:
            raise BusyError(
                f"{self._max_waiting} calls wait for their turn already: wait for"
                " answers before you call again"
            )
        self._calls += 1
        try:
            return await anyio.to_thread.run_sync(
                self._start, call, limiter=self._limiter
            )
        finally:
            self._calls -= 1

    def _start(self, call: Callable[[], T]) -> T:
        # Seen from the thread, so that it costs nothing while the client reads.
        if self._outlet.is_blocked:
            anyio.from_thread.run(self._outlet.wait)
        return call()
