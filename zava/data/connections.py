"""Pool: connections that are lent, taken back, and replaced when they are spoilt."""

from __future__ import annotations

import math
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout
from psycopg_pool.base import AttemptWithBackoff
from typing_extensions import Self

from zava.data.cancellation import POLL_SECONDS, CancellableConnection
from zava.data.failures import is_out_of_memory
from zava.data.refusals import ConnectionFailed, explain_refusal
from zava.data.statements import statement
from zava.errors import BusyError, ConfigurationError
from zava.infra.cancellation import check_cancelled

# What the two waits of a probe take at most, a new connection and an answer.
_PROBE_SECONDS = 2
_PING_SECONDS = 1.0
CLOSE_SECONDS = 0.2
"""How long the end of the process waits for a connection that is being made."""


class _SingleAttempt(AttemptWithBackoff):
    """An attempt that is given up when it has failed once.

    The next call starts another one, so a database that is back is noticed at once,
    and one that refuses is not asked more often than it is called for.
    """

    def time_to_give_up(self, now: float) -> bool:
        return True


class Pool(ConnectionPool[CancellableConnection]):
    """A pool that tells a database that is busy from one that is not there.

    It remembers the backends that were given up, until they have come to their end.

    Attributes:
        has_connected: Whether the settings have ever led to a connection.
    """

    def __init__(self, conninfo: str, **options: Any) -> None:
        self.has_connected = False
        self._failure: tuple[float, ConnectionFailed] | None = None
        self._witnesses: list[int] = []
        self._witnesses_lock = threading.Lock()
        super().__init__(
            conninfo,
            connection_class=_noting(self._note_success, self._note_refusal),
            reconnect_timeout=0.0,
            **options,
        )

    @contextmanager
    def checkout(self) -> Iterator[CancellableConnection]:
        """Lend a connection; it comes back rolled back, or is replaced if broken.

        Raises:
            psycopg_pool.PoolTimeout: None came free in time.
            psycopg.OperationalError: The database cannot be reached.
            BusyError: So many statements cannot be ended that another is one too many.
        """
        if (stuck := self.count_stuck()) > self.max_size:
            raise BusyError(
                f"{stuck} statements that PostgreSQL cannot interrupt are still at work"
                " for this server: wait until they have come to their end"
            )
        conn = self._wait_for_connection()
        try:
            yield conn
        except BaseException as exc:
            _restore(conn, exc)
            raise
        finally:
            self._take_back(conn)

    def probe(self) -> None:
        """See that the database answers, also while every connection is at work.

        Raises:
            psycopg.Error: It does not, within two seconds.
        """
        try:
            conn = self.getconn(timeout=POLL_SECONDS)
        except PoolTimeout:
            with CancellableConnection.connect(
                str(self.conninfo), autocommit=True, connect_timeout=_PROBE_SECONDS
            ) as spare:
                _ping(spare)
            return
        try:
            with conn:
                _ping(conn)
        finally:
            self._take_back(conn)

    def count_stuck(self) -> int:
        """How many backends were given up and are still at work."""
        if not self._witnesses:
            return 0
        with self._witnesses_lock:
            ready, _, _ = select.select(self._witnesses, [], [], 0)
            for witness in ready:
                self._witnesses.remove(witness)
                os.close(witness)
            return len(self._witnesses)

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Close every connection, and forget the backends that were given up."""
        super().close(timeout)
        with self._witnesses_lock:
            while self._witnesses:
                os.close(self._witnesses.pop())

    def _take_back(self, conn: CancellableConnection) -> None:
        if conn.witness is not None:
            with self._witnesses_lock:
                self._witnesses.append(conn.witness)
            conn.witness = None
        self.putconn(conn)
        if conn.is_lost:
            self.drain()  # the others lead where nobody answers, too

    def _wait_for_connection(self) -> CancellableConnection:
        started = time.monotonic()
        while True:
            try:
                return self.getconn(timeout=min(POLL_SECONDS, self.timeout))
            except PoolTimeout:
                check_cancelled()
                failed_at, failure = self._failure or (-math.inf, None)
                if failure is not None and failed_at >= started:
                    refused = explain_refusal(failure)
                    if isinstance(refused, ConfigurationError):
                        raise refused from None  # another attempt fails as well
                    raise failure from None
                if time.monotonic() - started >= self.timeout:
                    raise

    def _get_ready_connection(
        self, timeout: float | None
    ) -> CancellableConnection | None:
        # The library takes turns. The backend that answered last has its plans and
        # catalogue in the processor's caches: a search takes a sixth less there.
        self._pool.rotate(1)
        return super()._get_ready_connection(timeout)

    def _add_connection(
        self, attempt: AttemptWithBackoff | None, growing: bool = False
    ) -> None:
        attempt = attempt or _SingleAttempt(timeout=self.reconnect_timeout)
        super()._add_connection(attempt, growing)

    def _note_success(self) -> None:
        self.has_connected = True

    def _note_refusal(self, failure: ConnectionFailed) -> None:
        self._failure = (time.monotonic(), failure)


def _noting(
    note_success: Callable[[], None], note: Callable[[ConnectionFailed], None]
) -> type[CancellableConnection]:
    """A connection that tells why it was not made, which the pool itself does not."""

    class Noting(CancellableConnection):
        @classmethod
        def connect(cls, conninfo: str = "", **options: Any) -> Self:
            try:
                conn = super().connect(conninfo, **options)
            except ConnectionFailed as exc:
                note(exc)
                raise
            note_success()
            return conn

    return Noting


def _ping(conn: CancellableConnection) -> None:
    with conn.patient(_PING_SECONDS):
        conn.execute(statement("ping"))


def _restore(conn: psycopg.Connection[Any], failure: BaseException) -> None:
    """End what a failure left behind; the pool replaces what cannot be mended."""
    if is_out_of_memory(failure):
        conn.close()  # libpq keeps what it has taken
        return
    with suppress(psycopg.Error):
        conn.rollback()
