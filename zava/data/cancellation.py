"""Stopping what is cancelled, does not end, or is too large for the memory."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from typing_extensions import Self

from zava.data.pipeline import Names
from zava.data.refusals import refusal
from zava.infra.cancellation import CallCancelled, check_cancelled
from zava.infra.memory import is_memory_short

if TYPE_CHECKING:
    from psycopg.abc import PQGen

T = TypeVar("T")

# Half of it passes, on average, between a cancellation and the end of the
# statement in PostgreSQL.
POLL_SECONDS = 0.02
# How long a statement may take to end after it was cancelled, and the request itself.
_CANCEL_SECONDS = 1.0
_END_SECONDS = 0.5
GRACE_SECONDS = 1.0
"""How much longer than its timeout a statement may be silent before it is cancelled
from here: PostgreSQL ends most of them itself."""
# A small answer has arrived after fewer.
_TURNS = 8


def sleep(seconds: float) -> None:
    """Wait like time.sleep, and raise the cancellation if there is one."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        check_cancelled()
        time.sleep(min(left, POLL_SECONDS))


class SilentStatement(psycopg.errors.QueryCanceled):
    """A statement that outlived its time and its cancellation.

    PostgreSQL has functions that look for neither, and a network may have gone
    silent.
    """


class _Interruptible(Generator[Any, Any, T]):
    """A psycopg operation that also looks for a cancellation while it waits.

    A cancellation cancels the statement and the operation is driven on to its
    end, so that nothing of it is left on the connection. The thread that runs the
    statement stops it: a connection that is back in the pool can never be hit.

    A server that is silent for longer than the connection's patience is asked to
    cancel. If it stays silent the connection is given up.

    While a large answer arrives it also looks at the memory. libpq has room for
    a whole row as soon as it knows its length; if that leaves too little for
    everything else, the connection is closed before the row is read.

    Attributes:
        interruption: The call's cancellation, once there is one.
    """

    def __init__(self, operation: PQGen[T], conn: CancellableConnection) -> None:
        self._operation = operation
        self._conn = conn
        self.interruption: CallCancelled | None = None
        self._turns = 0
        self._heard_at = time.monotonic()
        self._cancelled_at: float | None = None

    def send(self, ready: Any) -> Any:
        self._turns += 1
        if self._turns % _TURNS == 0 and is_memory_short():
            self._conn.close()
            raise MemoryError
        # psycopg sends a false value when a polling interval passed in silence.
        if ready:
            self._heard_at = time.monotonic()
        elif self._is_interrupted() or self._is_overdue():
            self._cancel()
        return self._operation.send(ready)

    def throw(self, *exc_info: Any) -> Any:
        return self._operation.throw(*exc_info)

    def _is_interrupted(self) -> bool:
        if self.interruption is None:
            try:
                check_cancelled()
            except CallCancelled as exc:  # raised when all is at rest
                self.interruption = exc
        return self.interruption is not None

    def _is_overdue(self) -> bool:
        return time.monotonic() - self._heard_at > self._conn.patience

    def _cancel(self) -> None:
        """Cancel the statement, again at each call: one may fall between two."""
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
        is_heard = time.monotonic() - self._cancelled_at >= _END_SECONDS
        if not is_heard:
            with suppress(psycopg.Error):
                self._conn.cancel_safe(timeout=_CANCEL_SECONDS)
                return
        self._conn.give_up(is_heard=is_heard)
        raise SilentStatement("the statement outlived its timeout")


def transaction_settings(conn: psycopg.Connection[Any]) -> tuple[bytes, ...]:
    """Return what a transaction has to set before anything else, on this connection."""
    return conn.transaction_settings if isinstance(conn, CancellableConnection) else ()


class CancellableConnection(psycopg.Connection[Any]):
    """A connection whose statements end with the task that waits for them.

    Attributes:
        is_pooled: Whether a pooler stands between it and PostgreSQL.
        transaction_settings: What every transaction has to set, then; see
            `zava.data.sessions`.
        names: What is prepared on it; None where nothing may be.
        patience: Seconds that the server may be silent.
        query_patience: The same while a caller's query runs.
        witness: A file descriptor of the socket of a connection that was given up,
            readable as soon as the backend has come to its end; for the pool.
        is_lost: Whether it was given up because nobody answers there.
    """

    is_pooled = False
    transaction_settings: tuple[bytes, ...] = ()
    names: Names | None = None
    patience = 10.0
    query_patience = 60.0
    witness: int | None = None
    is_lost = False

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

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Connect; see psycopg's own method.

        Raises:
            ConnectionFailed: No connection was made.
        """
        try:
            return super().connect(conninfo, **options)
        except psycopg.OperationalError as exc:
            raise refusal(exc) from exc

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Let the server be silent for so long, and no longer."""
        usual, self.patience = self.patience, seconds
        try:
            yield
        finally:
            self.patience = usual

    def give_up(self, *, is_heard: bool) -> None:
        """Close the connection, whatever its backend is at.

        Args:
            is_heard: Whether the server took the cancellation. Then the backend is
                at work, and its socket tells when it has come to its end.
        """
        self.is_lost = not is_heard
        if is_heard and not self.is_pooled:
            with suppress(OSError, psycopg.Error):
                self.witness = os.dup(self.fileno())
        self.close()
