"""Pool: connections that are lent, taken back, and replaced when they are spoilt."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from zava.data.cancellation import POLL_SECONDS, CancellableConnection
from zava.data.failures import is_out_of_memory
from zava.data.statements import statement
from zava.infra.cancellation import check_cancelled

# A failed attempt is given up soon: the next call starts another one, so that
# a database that is back is noticed at once, not after a long backoff.
_RECONNECT_SECONDS = 0.2
CLOSE_SECONDS = 0.2
"""How long the end of the process waits for a connection that is being made."""


class Pool(ConnectionPool[CancellableConnection]):
    """A pool that tells a database that is busy from one that is not there."""

    def __init__(self, conninfo: str, **options: Any) -> None:
        self._failed_at = float("-inf")
        super().__init__(
            conninfo,
            connection_class=CancellableConnection,
            reconnect_timeout=_RECONNECT_SECONDS,
            reconnect_failed=self._note_failure,
            **options,
        )

    @contextmanager
    def checkout(self) -> Iterator[CancellableConnection]:
        """Lend a connection; it comes back rolled back, or is replaced if broken.

        Raises:
            psycopg_pool.PoolTimeout: None came free in time.
            psycopg.OperationalError: The database cannot be reached.
        """
        conn = self._wait_for_connection()
        try:
            yield conn
        except BaseException as exc:
            _restore(conn, exc)
            raise
        finally:
            self.putconn(conn)

    def probe(self) -> None:
        """See that the database answers, also while every connection is at work.

        Raises:
            psycopg.Error: It does not.
        """
        try:
            conn = self.getconn(timeout=POLL_SECONDS)
        except PoolTimeout:
            with CancellableConnection.connect(
                str(self.conninfo), autocommit=True
            ) as spare:
                spare.execute(statement("ping"))
            return
        try:
            with conn:
                conn.execute(statement("ping"))
        finally:
            self.putconn(conn)

    def _wait_for_connection(self) -> CancellableConnection:
        started = time.monotonic()
        while True:
            try:
                return self.getconn(timeout=min(POLL_SECONDS, self.timeout))
            except PoolTimeout:
                check_cancelled()
                if self._failed_at >= started:
                    raise psycopg.OperationalError("cannot connect") from None
                if time.monotonic() - started >= self.timeout:
                    raise

    def _get_ready_connection(
        self, timeout: float | None
    ) -> CancellableConnection | None:
        # The library takes turns. The backend that answered last has its plans and
        # catalogue in the processor's caches: a search takes a sixth less there.
        self._pool.rotate(1)
        return super()._get_ready_connection(timeout)

    def _note_failure(self, _pool: Any) -> None:
        self._failed_at = time.monotonic()


def _restore(conn: psycopg.Connection[Any], failure: BaseException) -> None:
    """End what a failure left behind; the pool replaces what cannot be mended."""
    if is_out_of_memory(failure):
        conn.close()  # libpq keeps what it has taken
        return
    with suppress(psycopg.Error):
        conn.rollback()
