"""CancellableConnection: statements that end when their call is cancelled."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from typing_extensions import Self

from zava.data.connection_errors import refusal
from zava.data.pipeline import Names
from zava.data.replay import Replay
from zava.infra.cancellation import CallCancelled, check_cancelled
from zava.infra.memory import is_memory_short

if TYPE_CHECKING:
    from psycopg.abc import PQGen

T = TypeVar("T")

# How often a waiting connection looks for a cancellation.
POLL_SECONDS = 0.02
# Ceilings for the cancel request and for the end of the statement after it.
_CANCEL_SECONDS = 1.0
_END_SECONDS = 0.5
GRACE_SECONDS = 1.0
"""zava cancels a statement that is silent for its timeout plus this grace; PostgreSQL
itself ends most statements at their timeout."""
# Reads between two looks at the memory; a small answer needs fewer reads.
_TURNS = 8


def sleep(seconds: float) -> None:
    """Wait like time.sleep; raise CallCancelled if the call was cancelled."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        check_cancelled()
        time.sleep(min(left, POLL_SECONDS))


class SilentStatement(psycopg.errors.QueryCanceled):
    """A statement that ended neither at its timeout nor after a cancel request.

    Some functions of PostgreSQL check for neither, and a network may fall silent.
    """


class _Interruptible(Generator[Any, Any, T]):
    """A psycopg operation that checks for a cancellation while it waits.

    When the call is cancelled, the thread that runs the statement sends the cancel
    request itself and drives the operation to its end. So nothing of the statement is
    left on the connection, and the request cannot hit the connection's next user.

    When the server is silent for longer than the connection's patience, zava sends a
    cancel request. If the server stays silent, zava closes the connection.

    While a large answer arrives, the operation also checks the memory. libpq allocates
    a whole row as soon as it knows the row's length. If too little memory is left, the
    connection is closed before the row is read.

    Attributes:
        interruption: The cancellation of the call, or None.
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
        # psycopg sends a false value after a polling interval without data.
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
            except CallCancelled as exc:  # raised again when the operation has ended
                self.interruption = exc
        return self.interruption is not None

    def _is_overdue(self) -> bool:
        return time.monotonic() - self._heard_at > self._conn.patience

    def _cancel(self) -> None:
        """Send a cancel request at each call: one may arrive between statements."""
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
    """Return the statements that must follow BEGIN on this connection."""
    return conn.transaction_settings if isinstance(conn, CancellableConnection) else ()


class CancellableConnection(psycopg.Connection[Any]):
    """A connection whose statements end when the waiting call is cancelled.

    Attributes:
        is_pooled: Whether a pooler stands between zava and PostgreSQL.
        transaction_settings: Behind a pooler, the statements that follow BEGIN; see
            `zava.data.sessions`.
        names: The prepared statements; None where zava prepares nothing.
        patience: Seconds that the server may be silent.
        query_patience: Seconds that it may be silent while a caller's query runs.
        witness: A duplicate of the closed connection's socket. It becomes readable
            when the abandoned backend ends; the pool counts backends by it.
        is_used: Whether the pool has lent it before.
        spent: Seconds that its transactions have taken.
        is_lost: Whether the connection was closed because its host is silent.
        replay: What the process has answered from; shared by a pool's connections.
    """

    is_pooled = False
    transaction_settings: tuple[bytes, ...] = ()
    names: Names | None = None
    patience = 10.0
    query_patience = 60.0
    witness: int | None = None
    is_used = False
    spent = 0.0
    is_lost = False
    replay = Replay()

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
        """Set the patience to so many seconds inside the block."""
        usual, self.patience = self.patience, seconds
        try:
            yield
        finally:
            self.patience = usual

    def give_up(self, *, is_heard: bool) -> None:
        """Close the connection although its statement still runs.

        Args:
            is_heard: Whether the server took the cancel request. Then its backend is
                still running, and `witness` tells when the backend ends.
        """
        self.is_lost = not is_heard
        if is_heard and not self.is_pooled:
            with suppress(OSError, psycopg.Error):
                self.witness = os.dup(self.fileno())
        self.close()
