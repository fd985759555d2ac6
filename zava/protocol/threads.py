"""Where blocking calls run: worker threads with a limiter and a queue of their own."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, cast

import anyio

from zava.errors import BusyError
from zava.infra.cancellation import Cancellation
from zava.protocol.outlet import Outlet

T = TypeVar("T")

MAX_WAITING = 256


class WorkerThreads:
    """Runs blocking calls, as many at once as there are connections.

    The SDK's threads are shared with everything else that leaves the event loop,
    and a call takes twice as long to get to one of them and back. Whoever waits
    for a place waits without a thread, and a cancelled call that never got one
    never runs.

    Args:
        size: Calls at work at once.
        max_waiting: Calls that may wait for a place; one more is refused.
        patience: Seconds that a call waits while no other comes to its end.
        outlet: While it is blocked, no call starts.
    """

    def __init__(
        self,
        size: int,
        max_waiting: int = MAX_WAITING,
        outlet: Outlet | None = None,
        patience: float = math.inf,
    ) -> None:
        self._size = size
        self._max_waiting = max_waiting
        self._outlet = outlet or Outlet()
        self._patience = patience
        self._last_end = -math.inf
        self._places: anyio.Semaphore | None = None
        self._calls = 0
        self._at_work = 0
        self._threads = 0
        self._handed: SimpleQueue[_Call[Any]] = SimpleQueue()

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` in a worker thread and return its result.

        A cancelled call is told by its `Cancellation`, and waited for.

        Raises:
            BusyError: Too many wait already, or nothing comes to its end.
        """
        if self._places is None:
            # Needs a running loop.
            self._places = anyio.Semaphore(self._size, fast_acquire=True)
        if self._calls >= self._size + self._max_waiting:
            raise BusyError(
                f"{self._max_waiting} calls wait for their turn already: wait for"
                " answers before you call again"
            )
        self._calls += 1
        try:
            await self._take_place(self._places)
            try:
                await self._outlet.wait()
                return await self._hand_over(call)
            finally:
                self._places.release()
                self._last_end = anyio.current_time()
        finally:
            self._calls -= 1

    async def _take_place(self, places: anyio.Semaphore) -> None:
        """Wait for a place, as long as others come to their end meanwhile."""
        with suppress(anyio.WouldBlock):
            places.acquire_nowait()
            return
        started = anyio.current_time()
        while True:
            deadline = max(started, self._last_end) + self._patience
            with anyio.CancelScope(deadline=deadline) as scope:
                await places.acquire()
                return
            if scope.cancelled_caught and anyio.current_time() < (
                max(started, self._last_end) + self._patience
            ):
                continue
            raise BusyError(
                "every call at work takes long and none has come to its end: try again"
                " shortly"
            )

    async def _hand_over(self, call: Callable[[], T]) -> T:
        self._at_work += 1
        try:
            if self._at_work > self._threads:
                self._start_thread()
            handed = _Call(call)
            self._handed.put(handed)
            return await handed.outcome()
        finally:
            self._at_work -= 1

    def _start_thread(self) -> None:
        self._threads += 1
        name = f"zava-call-{self._threads}"
        # The process does not wait for one that is idle.
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        while True:
            self._handed.get().run()


class _Call(Generic[T]):
    """A call on its way to a thread and back; made on the event loop."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._cancellation = Cancellation()
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.create_future()
        self._has_ended = False
        self._result: T | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Run it, in this thread."""
        try:
            self._result = self._cancellation.run(self._call)
        except BaseException as exc:  # noqa: BLE001 - raised where it is waited for
            self._error = exc
        with suppress(RuntimeError):  # the loop has ended, and who waited with it
            self._loop.call_soon_threadsafe(self._note_end)

    async def outcome(self) -> T:
        """Return what the call returns, or raise what it raises."""
        try:
            await self._end
        except asyncio.CancelledError:
            self._cancellation.request()
            if not self._has_ended:
                # The one that was waited for was cancelled with the waiting.
                self._end = self._loop.create_future()
                with anyio.CancelScope(shield=True):
                    await self._end
            raise
        if self._error is None:
            return cast("T", self._result)
        try:
            raise self._error
        finally:
            self._error = None  # it holds this frame, and this frame holds it

    def _note_end(self) -> None:
        self._has_ended = True
        if not self._end.done():
            self._end.set_result(None)
