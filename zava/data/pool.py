"""The connection pool: how zava connects, and what it does when that fails."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
from loguru import logger
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from zava.data.cancellation import CancellableConnection, sleep
from zava.data.connections import Pool
from zava.data.failures import is_out_of_memory, is_unbound_parameter
from zava.data.refusals import ConnectionFailed
from zava.data.sessions import SessionSettings
from zava.data.transaction import Query, run_queries
from zava.errors import ConfigurationError, UnavailableError
from zava.models import Identity

T = TypeVar("T")

# Seconds before the second attempt; each later wait is three times as long, and
# each is longer by up to as much again, so that processes do not come in step.
_FIRST_WAIT = 0.1
_WAIT_FACTOR = 3
_LONGEST_WAIT = 5.0

# When a network falls silent the system is to notice: after 10 seconds it asks, three
# times, and it waits no longer for what was sent.
_NETWORK = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}


class ConnectionPoolManager:
    """Makes the pool from plain values.

    Args:
        config: `conninfo` (libpq connection string), or `db_host`, `db_port`,
            `db_name`, `db_user` and `db_password`; optionally `min_size`=2,
            `max_size`=10, `max_idle`=300 s, `timeout`=5 s (wait for a free
            connection), `connect_timeout`=5 s, `statement_timeout`=30 s,
            `work_mem`="4MB", `application_name`="zava-mcp-server",
            `retry_deadline`=10 s for all attempts of one call together.
        pause: How to wait between two attempts, in seconds.
    """

    def __init__(
        self, config: Mapping[str, Any], pause: Callable[[float], None] = sleep
    ) -> None:
        self.config = dict(config)
        self.pool: Pool | None = None
        self._pause = pause

    def conninfo(self) -> str:
        """Return libpq's connection string, without options that poolers refuse."""
        config = self.config
        given = config.get("conninfo", "")
        return complete_conninfo(
            given,
            host=config.get("db_host") or None,
            port=config.get("db_port"),
            dbname=config.get("db_name") or None,
            user=config.get("db_user") or None,
            password=config.get("db_password") or None,
            application_name=config.get("application_name", "zava-mcp-server"),
            connect_timeout=config.get("connect_timeout", 5),
            client_encoding="UTF8",
            **{
                name: value
                for name, value in _NETWORK.items()
                if name not in _parts(given)
            },
        )

    def create_pool(self) -> Pool:
        """Return a pool that fills itself in the background.

        It opens without waiting, so a database that is down neither stops nor
        delays the start; the first call finds out.
        """
        config = self.config
        self.pool = Pool(
            self.conninfo(),
            # Transactions are opened and ended by statements of the pipeline.
            kwargs={"autocommit": True},
            configure=SessionSettings(
                config.get("statement_timeout", 30.0), config.get("work_mem", "4MB")
            ).start,
            min_size=config.get("min_size", 2),
            max_size=config.get("max_size", 10),
            max_idle=config.get("max_idle", 300.0),
            timeout=config.get("timeout", 5.0),
            name="zava",
            open=True,
        )
        return self.pool

    def execute_with_retry(
        self,
        query: str,
        params: Mapping[str, Any] | None = None,
        max_retries: int = 3,
        *,
        identity: Identity,
    ) -> list[dict[str, Any]]:
        """Run one query as `identity`, again if the connection was lost.

        Args:
            query: One SELECT-like query.
            params: Its named parameters.
            max_retries: Attempts in all.
            identity: Who asks.

        Raises:
            psycopg.Error: What the last attempt failed with, unchanged.
        """

        def run(conn: CancellableConnection) -> list[dict[str, Any]]:
            (read,) = run_queries(conn, [Query(query, params)], identity)
            names = [column.name for column in read.columns]
            return [dict(zip(names, row, strict=True)) for row in read.rows]

        return self.with_retry(run, max_retries)

    def with_retry(
        self, operation: Callable[[CancellableConnection], T], max_retries: int
    ) -> T:
        """Lend a connection to `operation`, again and again while it gets lost.

        Only a lost connection, a serialization failure and a deadlock are tried
        again: a timeout or a cancellation would come again or was meant. Where no
        connection has ever been made the settings are more likely wrong than the
        database down, and the caller is told at once.

        Raises:
            psycopg.Error: What the last attempt failed with, unchanged.
            UnavailableError: The pool is not open.
        """
        deadline = time.monotonic() + self.config.get("retry_deadline", 10.0)
        attempts = 0
        # A loop of our own: a library's bookkeeping takes a quarter of the time that
        # the whole transaction takes, also where nothing fails.
        while True:
            pool = self.pool
            if pool is None:
                raise UnavailableError("the connection pool is not open")
            try:
                with pool.checkout() as conn:
                    return operation(conn)
            except psycopg.Error as exc:
                attempts += 1
                is_last = attempts >= max_retries or time.monotonic() >= deadline
                never = isinstance(exc, ConnectionFailed) and not pool.has_connected
                if is_last or never or not is_transient(exc):
                    raise
            logger.warning(
                "Database connection failed, retrying ({}/{})", attempts, max_retries
            )
            pool.drain()  # after a restart all of them are dead
            wait = min(_FIRST_WAIT * _WAIT_FACTOR ** (attempts - 1), _LONGEST_WAIT)
            self._pause(wait + random.uniform(0, _FIRST_WAIT))  # noqa: S311 - no secret


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


def is_transient(exc: BaseException) -> bool:
    """Whether the same statement may succeed on another connection."""
    if isinstance(exc, pg.SerializationFailure | pg.DeadlockDetected):
        return True
    if isinstance(exc, PoolTimeout | PoolClosed | TooManyRequests | pg.QueryCanceled):
        return False
    if is_unbound_parameter(exc) or is_out_of_memory(exc):
        return False
    if isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError):
        return exc.sqlstate is None or exc.sqlstate[:2] in ("08", "57")
    return False
