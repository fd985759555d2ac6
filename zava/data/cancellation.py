"""Stopping what runs: a cancelled call, and an answer too large for the memory."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from zava.infra.cancellation import CallCancelled, check_cancelled
from zava.infra.memory import is_memory_short

if TYPE_CHECKING:
    from psycopg.abc import PQGen

T = TypeVar("T")

# Half of it passes, on average, between a cancellation and the end of the
# statement in PostgreSQL.
POLL_SECONDS = 0.02
# How long a statement may take to end after it was cancelled.
_CANCEL_SECONDS = 5.0
# A small answer has arrived after fewer.
_TURNS = 8


def sleep(seconds: float) -> None:
    """Wait like time.sleep, and raise the cancellation if there is one."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        check_cancelled()
        time.sleep(min(left, POLL_SECONDS))


class _Interruptible(Generator[Any, Any, T]):
    """A psycopg operation that also looks for a cancellation while it waits.

    A cancellation cancels the statement and the operation is driven on to its
    end, so that nothing of it is left on the connection. The thread that runs the
    statement stops it: a connection that is back in the pool can never be hit.

    While a large answer arrives it also looks at the memory. libpq has room for
    a whole row as soon as it knows its length; if that leaves too little for
    everything else, the connection is closed before the row is read.

    Attributes:
        interruption: The call's cancellation, once there is one.
    """

    def __init__(self, operation: PQGen[T], conn: psycopg.Connection[Any]) -> None:
        self._operation = operation
        self._conn = conn
        self.interruption: CallCancelled | None = None
        self._interrupted_at = 0.0
        self._turns = 0

    def send(self, ready: Any) -> Any:
        self._turns += 1
        if self._turns % _TURNS == 0 and is_memory_short():
            self._conn.close()
            raise MemoryError
        # psycopg sends a false value when a polling interval passed in silence.
        if not ready and self._is_interrupted():
            self._cancel(self._interrupted_at)
        return self._operation.send(ready)

    def throw(self, *exc_info: Any) -> Any:
        return self._operation.throw(*exc_info)

    def _is_interrupted(self) -> bool:
        if self.interruption is None:
            try:
                check_cancelled()
            except CallCancelled as exc:  # raised when all is at rest
                self.interruption = exc
                self._interrupted_at = time.monotonic()
        return self.interruption is not None

    def _cancel(self, since: float) -> None:
        """Cancel the statement, again at each call: one may fall between two."""
        if time.monotonic() - since < _CANCEL_SECONDS:
            with suppress(psycopg.Error):
                self._conn.cancel_safe(timeout=_CANCEL_SECONDS)
                return
        self._conn.close()  # PostgreSQL notices that, in time


class CancellableConnection(psycopg.Connection[Any]):
    """A connection whose statements end with the task that waits for them.

    Attributes:
        is_pooled: Whether a pooler stands between it and PostgreSQL.
        transaction_settings: What every transaction has to set, then; see
            `zava.data.sessions`.
    """

    is_pooled = False
    transaction_settings: tuple[bytes, ...] = ()

    def wait(
        self,
        gen: PQGen[T],
        interval: float = POLL_SECONDS,
        timeout: float | None = None,
    ) -> T:
        """Drive `gen` to its end; see psycopg's own method for the errors."""
        operation = _Interruptible(gen, self)
        try:
            result = super().wait(operation, interval, timeout)
        except psycopg.Error:
            if operation.interruption is not None:
                raise operation.interruption from None
            raise
        if operation.interruption is not None:
            raise operation.interruption
        return result
