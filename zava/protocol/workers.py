"""The worker threads in which blocking calls run, and the queue before them."""

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
from zava.protocol.backpressure import Backpressure

T = TypeVar("T")

MAX_WAITING = 256


class WorkerThreads:
    """Runs a blocking call in a thread and hands its result to the event loop.

    At most `size` calls run at once, one for each connection of the pool. Further
    calls wait in a queue and hold no thread. A call that is cancelled in the queue
    never runs.

    `anyio.to_thread.run_sync` with a `CapacityLimiter` gave 2 to 6 % less throughput,
    measured interleaved. Its queue has no end, and a call in it waits for ever.

    Args:
        size: Calls that run at once.
        max_waiting: Calls that may wait in the queue; zava refuses the next one.
        backpressure: No call starts while the client does not read.
        patience: Seconds that a call waits in the queue while no running call ends.
    """

    def __init__(
        self,
        size: int,
        max_waiting: int = MAX_WAITING,
        backpressure: Backpressure | None = None,
        patience: float = math.inf,
    ) -> None:
        self._size = size
        self._max_waiting = max_waiting
        self._backpressure = backpressure or Backpressure()
        self._patience = patience
        self._last_end = -math.inf
        self._free = size
        self._queue: deque[_Waiting] = deque()
        self._is_watched = False
        self._calls = 0
        self._at_work = 0
        self._threads = 0
        self._handed: SimpleQueue[_Call[Any]] = SimpleQueue()
        # Started now, because later there may be no memory for its stack.
        self._start_thread()

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` in a worker thread and return its result.

        When the task is cancelled, `run` requests the call's `Cancellation` and
        waits until the call has ended.

        Raises:
            BusyError: The queue is full, or no running call ends in time.
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
                await self._backpressure.wait()
                return await self._hand_over(call)
            finally:
                self._last_end = time.monotonic()
                self._give_place()
        finally:
            self._calls -= 1

    async def _take_place(self) -> None:
        """Wait in the queue while running calls still end."""
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
                with suppress(ValueError):  # _give_place has dropped it already
                    self._queue.remove(waiting)
            elif waiting.place.exception() is None:
                self._give_place()  # the place came together with the cancellation
            raise

    def _give_place(self) -> None:
        while self._queue:
            place = self._queue.popleft().place
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    def _watch(self) -> None:
        """Refuse the calls that have waited too long, and set the next timer."""
        # One timer for the whole queue: a timer for each call costs more time.
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
                with suppress(RuntimeError):  # no memory: a running thread takes it
                    self._start_thread()
            handed = _Call(call)
            self._handed.put(handed)
            return await handed.outcome()
        finally:
            self._at_work -= 1

    def _start_thread(self) -> None:
        name = f"zava-call-{self._threads + 1}"
        # Daemon: the process must not wait for an idle thread at its end.
        threading.Thread(target=self._serve, name=name, daemon=True).start()
        self._threads += 1

    def _serve(self) -> None:
        while True:
            self._handed.get().run()


class _Waiting(NamedTuple):
    """A call in the queue; `since` is the monotonic time at which it came."""

    place: asyncio.Future[None]
    since: float


class _Call(Generic[T]):
    """One call: the event loop makes it, a worker thread runs it."""

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
            with self._cancellation:
                self._result = self._call()
        except BaseException as exc:  # noqa: BLE001 - raised where it is waited for
            self._error = exc
        with suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(self._note_end)

    async def outcome(self) -> T:
        """Return what the call returns, or raise what it raises."""
        try:
            await self._end
        except asyncio.CancelledError:
            self._cancellation.request()
            if not self._has_ended:
                # The cancellation has also cancelled the future.
                self._end = self._loop.create_future()
                with anyio.CancelScope(shield=True):
                    await self._end
            raise
        if self._error is None:
            return cast("T", self._result)
        try:
            raise self._error
        finally:
            self._error = None  # breaks the cycle of error and frame

    def _note_end(self) -> None:
        self._has_ended = True
        if not self._end.done():
            self._end.set_result(None)
