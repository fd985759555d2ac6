"""Where blocking calls run: worker threads with a limiter and a queue of their own."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar, cast

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
        self._free = size
        self._queue: deque[_Waiting] = deque()
        self._is_watched = False
        self._calls = 0
        self._at_work = 0
        self._threads = 0
        self._handed: SimpleQueue[_Call[Any]] = SimpleQueue()
        # Later there may be no memory for its stack.
        self._start_thread()

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` in a worker thread and return its result.

        A cancelled call is told by its `Cancellation`, and waited for.

        Raises:
            BusyError: Too many wait already, or nothing comes to its end.
        """
        if self._calls >= self._size + self._max_waiting:
            raise BusyError(
                f"{self._max_waiting} calls wait for their turn already: wait for"
                " answers before you call again"
            )
        self._calls += 1
        try:
            await self._take_place()
            try:
                await self._outlet.wait()
                return await self._hand_over(call)
            finally:
                self._last_end = time.monotonic()
                self._give_place()
        finally:
            self._calls -= 1

    async def _take_place(self) -> None:
        """Wait for a place, as long as others come to their end meanwhile."""
        if self._free:
            self._free -= 1
            return
        waiting = _Waiting(asyncio.get_running_loop().create_future(), time.monotonic())
        self._queue.append(waiting)
        if not self._is_watched:
            self._watch()
        try:
            await waiting.place
        except asyncio.CancelledError:
            if waiting.place.cancelled():
                with suppress(ValueError):  # somebody passed over it meanwhile
                    self._queue.remove(waiting)
            elif waiting.place.exception() is None:
                self._give_place()  # it was given at the same moment
            raise

    def _give_place(self) -> None:
        while self._queue:
            place = self._queue.popleft().place
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    def _watch(self) -> None:
        """Send away who has waited in vain, and look again in time for the next."""
        # A timer for all of them: one for each costs more than its call's wait.
        now = time.monotonic()
        while self._queue:
            deadline = max(self._queue[0].since, self._last_end) + self._patience
            if deadline > now:
                break
            place = self._queue.popleft().place
            if not place.done():
                place.set_exception(
                    BusyError(
                        "every call at work takes long and none has come to its end:"
                        " try again shortly"
                    )
                )
        self._is_watched = bool(self._queue) and deadline < math.inf
        if self._is_watched:
            asyncio.get_running_loop().call_later(deadline - now, self._watch)

    async def _hand_over(self, call: Callable[[], T]) -> T:
        self._at_work += 1
        try:
            if self._at_work > self._threads:
                with suppress(RuntimeError):  # no memory: it waits for another's turn
                    self._start_thread()
            handed = _Call(call)
            self._handed.put(handed)
            return await handed.outcome()
        finally:
            self._at_work -= 1

    def _start_thread(self) -> None:
        name = f"zava-call-{self._threads + 1}"
        # The process does not wait for one that is idle.
        threading.Thread(target=self._serve, name=name, daemon=True).start()
        self._threads += 1

    def _serve(self) -> None:
        while True:
            self._handed.get().run()


class _Waiting(NamedTuple):
    """A call that waits for a place, and since when; the time is monotonic."""

    place: asyncio.Future[None]
    since: float


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
