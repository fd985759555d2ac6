"""Stopping what runs: a cancelled call ends its own statement and its own wait."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.from_thread
import psycopg

if TYPE_CHECKING:
    from psycopg.abc import PQGen

T = TypeVar("T")

# Half of it passes, on average, between a cancellation and the end of the
# statement in PostgreSQL.
POLL_SECONDS = 0.05


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
    """

    def __init__(self, operation: PQGen[T]) -> None:
        self._operation = operation
        self._interrupted = False

    def send(self, ready: Any) -> Any:
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
        return super().wait(_Interruptible(gen), interval, timeout)
