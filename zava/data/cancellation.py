"""Stopping what runs: a cancelled call, and an answer too large for the memory."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.from_thread
import psycopg

from zava.infra.memory import is_memory_short

if TYPE_CHECKING:
    from psycopg.abc import PQGen

T = TypeVar("T")

# Half of it passes, on average, between a cancellation and the end of the
# statement in PostgreSQL.
POLL_SECONDS = 0.05
# A small answer has arrived after fewer.
_TURNS = 8


def check_cancelled() -> None:
    """Raise the event loop's cancellation if this worker thread's task has one."""
    try:
        anyio.from_thread.check_cancelled()
    except anyio.NoEventLoopError:
        return  # a thread of the pool, or a program without an event loop


def sleep(seconds: float) -> None:
    """Wait like time.sleep, and raise the cancellation if there is one."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        check_cancelled()
        time.sleep(min(left, POLL_SECONDS))


class _Interruptible(Generator[Any, Any, T]):
    """A psycopg operation that also looks for a cancellation while it waits.

    It raises once and can then be driven on: psycopg's own handling of an
    interruption cancels the statement and drains the connection with it, so
    the same thread that ran the statement stops it, and a connection that is
    back in the pool can never be hit.

    While a large answer arrives it also looks at the memory. libpq has room for
    a whole row as soon as it knows its length; if that leaves too little for
    everything else, the connection is closed before the row is read.
    """

    def __init__(self, operation: PQGen[T], conn: psycopg.Connection[Any]) -> None:
        self._operation = operation
        self._conn = conn
        self._interrupted = False
        self._turns = 0

    def send(self, ready: Any) -> Any:
        self._turns += 1
        if self._turns % _TURNS == 0 and is_memory_short():
            self._conn.close()
            raise MemoryError
        # psycopg sends a false value when a polling interval passed in silence.
        if not ready and not self._interrupted:
            try:
                check_cancelled()
            except BaseException:
                self._interrupted = True
                raise
        return self._operation.send(ready)

    def throw(self, *exc_info: Any) -> Any:
        return self._operation.throw(*exc_info)


class CancellableConnection(psycopg.Connection[Any]):
    """A connection whose statements end with the task that waits for them."""

    def wait(
        self,
        gen: PQGen[T],
        interval: float = POLL_SECONDS,
        timeout: float | None = None,
    ) -> T:
        """Drive `gen` to its end; see psycopg's own method for the errors."""
        return super().wait(_Interruptible(gen, self), interval, timeout)
