"""Connections: how they are made, lent, taken back, and replaced when spoilt."""

from __future__ import annotations

import math
import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout
from psycopg_pool.base import AttemptWithBackoff
from typing_extensions import Self

from zava.data.ceilings import cut
from zava.data.connection import POLL_SECONDS, CancellableConnection
from zava.data.connection_errors import ConnectionFailed, explain_refusal
from zava.data.hosts import Hosts
from zava.data.query_errors import is_out_of_memory
from zava.data.replay import (
    Replay,
    StaleServer,
    describe_server,
)
from zava.data.retry import with_retry
from zava.data.sessions import SessionSettings
from zava.data.statements import statement
from zava.data.transaction import Query, run_queries
from zava.errors import BusyError, ConfigurationError, UnavailableError
from zava.infra.cancellation import check_cancelled
from zava.models import Identity
from zava.settings import Settings

# What the two waits of a probe take at most, a new connection and an answer.
_PROBE_SECONDS = 2
_PING_SECONDS = 1.0
# What a backend remembers for its life grows with what it has parsed: time zones, names
# of relations, settings. A query can make it remember some 600 MB a second. So a
# connection is replaced when its transactions have taken so many seconds.
_SPENT_SECONDS = 2.0
# A connection is replaced after an hour. Where libpq chooses among several hosts, after
# five minutes: a new connection leads back to the host that it prefers.
_SECONDS = 3600.0
_SEVERAL_SECONDS = 300.0
CLOSE_SECONDS = 0.2
"""How long the end of the process waits for a connection that is being made."""


class _SingleAttempt(AttemptWithBackoff):
    """A connection attempt that psycopg_pool does not repeat in the background.

    The next call starts the next attempt. So a call finds a database that is back at
    once, and a database that refuses is not asked without a call.
    """

    def time_to_give_up(self, now: float) -> bool:
        return True


class Pool(ConnectionPool[CancellableConnection]):
    """A connection pool that distinguishes a busy database from an absent one.

    Args:
        hosts: Where connections lead.
        options: Of psycopg's pool.

    The pool also counts abandoned backends: statements that PostgreSQL could not
    cancel and whose connection zava has closed.

    Attributes:
        has_connected: Whether any connection has ever been made.
    """

    def __init__(self, hosts: Hosts, **options: Any) -> None:
        self.has_connected = False
        self._hosts = hosts
        self._failure: tuple[float, ConnectionFailed] | None = None
        self._witnesses: list[int] = []
        self._witnesses_lock = threading.Lock()
        super().__init__(
            hosts.conninfo,
            connection_class=_noting(self._note_success, self._note_refusal),
            reconnect_timeout=0.0,
            **options,
        )

    @contextmanager
    def checkout(self) -> Iterator[CancellableConnection]:
        """Lend a connection; afterwards roll it back, or replace it if it is broken.

        Raises:
            psycopg_pool.PoolTimeout: No connection came free in time.
            psycopg.OperationalError: The database cannot be reached.
            BusyError: More abandoned statements than `max_size` are still running.
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
            if isinstance(exc, StaleServer):
                self._turn_elsewhere(conn, is_too_old=exc.most is not None)
            _restore(conn, exc)
            raise
        finally:
            self._take_back(conn)

    def probe(self) -> str:
        """Probe the database, also while every pooled connection is in use.

        Returns:
            Which server answers; see `describe_server`.

        Raises:
            psycopg.Error: The database did not answer within two seconds.
        """
        try:
            conn = self.getconn(timeout=POLL_SECONDS)
        except PoolTimeout:
            with CancellableConnection.connect(
                self._hosts.conninfo(),
                autocommit=True,
                connect_timeout=_PROBE_SECONDS,
            ) as spare:
                return _ping(spare)
        try:
            with conn:
                return _ping(conn)
        finally:
            self._take_back(conn)

    def count_stuck(self) -> int:
        """Return how many abandoned backends are still running."""
        if not self._witnesses:
            return 0
        with self._witnesses_lock:
            ready, _, _ = select.select(self._witnesses, [], [], 0)
            for witness in ready:
                self._witnesses.remove(witness)
                os.close(witness)
            return len(self._witnesses)

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Close every connection, and forget the abandoned backends."""
        super().close(timeout)
        with self._witnesses_lock:
            while self._witnesses:
                os.close(self._witnesses.pop())

    def _turn_elsewhere(self, conn: CancellableConnection, *, is_too_old: bool) -> None:
        """Let the next connections lead to other servers than this one.

        A single address may be that of a balancer, behind which there are others.
        """
        if not conn.closed:
            host, port = conn.info.host, conn.info.port
            self._hosts.note_behind(host, port, is_too_old=is_too_old)
        conn.close()
        if is_too_old and self._hosts.has_several:
            self.drain()  # the other connections may lead there as well

    def _take_back(self, conn: CancellableConnection) -> None:
        if conn.witness is not None:
            with self._witnesses_lock:
                self._witnesses.append(conn.witness)
            conn.witness = None
        conn.is_used = True
        if conn.spent > _SPENT_SECONDS:
            _end_backend(conn)
        self.putconn(conn)
        if conn.is_lost:
            self.drain()  # the other connections lead to the same silent host

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
                        raise refused from None  # a retry would fail as well
                    raise failure from None
                if time.monotonic() - started >= self.timeout:
                    raise

    def _get_ready_connection(
        self, timeout: float | None
    ) -> CancellableConnection | None:
        # The library lends connections in turn. The backend that answered last still
        # has plans and catalogue in the processor's caches: a single `select n` takes
        # 4 to 9 % less time there.
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
    """Return a connection class that reports each success and each refusal.

    psycopg_pool itself does not tell why a connection could not be made.
    """

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


def _ping(conn: CancellableConnection) -> str:
    with conn.patient(_PING_SECONDS):
        conn.execute(statement("ping"))
        return describe_server(conn)


def _end_backend(conn: CancellableConnection) -> None:
    """Close a connection, and its server connection at a pooler."""
    if conn.is_pooled and not conn.closed:
        with suppress(psycopg.Error):
            # A pooler closes a server connection whose client left a transaction open.
            conn.execute(statement("begin"))
    conn.close()


def _restore(conn: psycopg.Connection[Any], failure: BaseException) -> None:
    """Roll back after a failure; the pool replaces a connection that stays broken."""
    if is_out_of_memory(failure) or isinstance(failure, pg.OutOfMemory):
        # libpq keeps its buffers, and a backend what it remembers. A pooler closes the
        # server connection too, because the transaction is still open.
        conn.close()
        return
    with suppress(psycopg.Error):
        conn.rollback()


T = TypeVar("T")

# TCP keepalive and user timeout: the system notices a silent network within 25 s.
_NETWORK = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}


# What a configuration leaves out; the environment is not read for it.
_DEFAULTS = Settings.model_construct().connection_config("")


class ConnectionPoolManager:
    """Makes the connection pool from plain values.

    Args:
        config: What `Settings.connection_config` returns, or a part of it. A name that
            is left out has the default of the settings.

    Attributes:
        pool: None until `create_pool`.
        replay: What has been answered from; another one for each pool.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = {**_DEFAULTS, **config}
        self.pool: Pool | None = None
        self.replay = Replay()

    def conninfo(self) -> str:
        """Return libpq's connection string; it has no option that poolers refuse."""
        config = self.config
        return complete_conninfo(
            config["conninfo"],
            host=config["db_host"] or None,
            port=config["db_port"],
            dbname=config["db_name"] or None,
            user=config["db_user"] or None,
            password=config["db_password"] or None,
            application_name=config["application_name"],
            connect_timeout=config["connect_timeout"],
            client_encoding="UTF8",
            **{
                name: value
                for name, value in _NETWORK.items()
                if name not in _parts(config["conninfo"])
            },
        )

    def create_pool(self) -> Pool:
        """Return an open pool; it connects in the background.

        A database that is down neither stops nor delays the start. The first call
        meets the failure.
        """
        config = self.config
        hosts = Hosts(self.conninfo())
        self.replay = Replay(config["max_staleness"], has_several=hosts.has_several)
        self.pool = Pool(
            hosts,
            # Transactions are opened and ended by statements of the pipeline.
            kwargs={"autocommit": True},
            configure=self._configure,
            min_size=config["min_size"],
            max_size=config["max_size"],
            max_idle=config["max_idle"],
            max_lifetime=_SEVERAL_SECONDS if hosts.has_several else _SECONDS,
            timeout=config["timeout"],
            name="zava",
            open=True,
        )
        return self.pool

    def opened(self) -> Pool:
        """Return the pool.

        Raises:
            UnavailableError: It is not open.
        """
        if self.pool is None:
            raise UnavailableError("the connection pool is not open")
        return self.pool

    def _configure(self, conn: CancellableConnection) -> None:
        config = self.config
        conn.replay = self.replay
        SessionSettings(config["statement_timeout"], config["work_mem"]).start(conn)

    def execute_with_retry(
        self,
        query: str,
        params: Mapping[str, Any] | None = None,
        max_retries: int = 3,
        *,
        identity: Identity,
    ) -> list[dict[str, Any]]:
        """Run one query as `identity`, again if the connection was lost.

        The architecture names it. zava itself calls `with_retry`, for positional rows.

        Args:
            query: One SELECT-like query.
            params: Its named parameters.
            max_retries: Attempts in all.
            identity: Who asks.

        Raises:
            psycopg.Error: What the last attempt failed with, unchanged.
        """
        queries = [Query(query, params)]
        run = partial(run_queries, queries=queries, identity=identity)
        (read,) = with_retry(self, run, max_retries)
        return cut(read, len(read.rows), None).dicts()


def _parts(conninfo: str) -> Mapping[str, Any]:
    return conninfo_to_dict(complete_conninfo(conninfo))


def complete_conninfo(conninfo: str, **parts: Any) -> str:
    """Return a connection string with more parts.

    Raises:
        ConfigurationError: libpq does not understand it.
    """
    try:
        return make_conninfo(conninfo, **parts)
    except psycopg.ProgrammingError:
        # libpq's own text shows the string, password and all.
        raise ConfigurationError(
            "ZAVA_DATABASE_URL or ZAVA_ADMIN_URL is not a connection string that"
            " libpq understands, such as postgresql://user:password@host/database"
        ) from None


def without_password(conninfo: str) -> tuple[str, str]:
    """Return a connection string without its password, and the password.

    The string comes back as it is where there is none.

    Raises:
        ConfigurationError: libpq does not understand it.
    """
    parts = dict(_parts(conninfo))
    password = parts.pop("password", None)
    return (make_conninfo("", **parts), str(password)) if password else (conninfo, "")
