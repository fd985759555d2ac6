"""Where blocking calls run: worker threads with a limiter of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")


class WorkerThreads:
    """Runs blocking calls, as many at once as there are connections.

    A limiter of its own: the SDK shares its default one with everything else
    that leaves the event loop. Whoever waits for a place waits without a
    thread, and a cancelled call that never got one never runs.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` in a worker thread and return its result."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._size)  # needs a running loop
        return await anyio.to_thread.run_sync(call, limiter=self._limiter)
