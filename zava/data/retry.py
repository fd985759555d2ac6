"""Retries after a lost connection, a serialization failure or a deadlock."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

import psycopg
from loguru import logger
from psycopg import errors as pg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from zava.data.connection import CancellableConnection, sleep
from zava.data.connection_errors import ConnectionFailed
from zava.data.query_errors import is_out_of_memory, is_unbound_parameter
from zava.data.replay import StaleServer

if TYPE_CHECKING:
    from zava.data.pool import ConnectionPoolManager

T = TypeVar("T")

# Seconds before the second attempt; each later wait is three times as long, and
# each is longer by up to as much again, so that processes do not come in step.
_FIRST_WAIT = 0.1
_WAIT_FACTOR = 3
_LONGEST_WAIT = 5.0
# A standby that is behind is usually behind by milliseconds.
_FIRST_STALE_WAIT = 0.005
_LONGEST_STALE_WAIT = 0.25


def _raise_again(_conn: CancellableConnection) -> NoReturn:
    raise  # what is being handled


def with_retry(
    manager: ConnectionPoolManager,
    operation: Callable[[CancellableConnection], T],
    max_retries: int,
    *,
    after_refusal: Callable[[CancellableConnection], T] = _raise_again,
    pause: Callable[[float], None] = sleep,
) -> T:
    """Run `operation` with a connection of the pool, and retry transient failures.

    A lost connection, a serialization failure and a deadlock are retried. A timeout
    is not, because it would come again, and a cancellation was meant. Before the first
    successful connection nothing is retried: wrong settings are then more likely than
    a database that is down, and the caller should learn of them at once.

    Args:
        manager: Whose pool lends it, and whose `retry_deadline` holds.
        operation: Called with the connection.
        max_retries: Attempts in all.
        after_refusal: Called instead, with the same connection, when the server has
            refused the identity; by default the refusal is passed on.
        pause: Waits so many seconds between two attempts.

    Raises:
        psycopg.Error: What the last attempt failed with, unchanged.
        UnavailableError: The pool is not open.
    """
    deadline = time.monotonic() + manager.config["retry_deadline"]
    attempts = behind = 0
    # A loop of our own: a library's bookkeeping takes a quarter of the time that
    # the whole transaction takes, also where nothing fails.
    while True:
        pool = manager.opened()
        is_used = False
        try:
            with pool.checkout() as conn:
                is_used = conn.is_used
                try:
                    return operation(conn)
                except pg.InvalidAuthorizationSpecification:
                    return after_refusal(conn)
        except pg.OutOfMemory:
            attempts += 1
            if not is_used or attempts >= max_retries:
                raise
            # Earlier queries may have used up the memory of this backend.
            pool.drain()
            continue
        except StaleServer as exc:
            # Not an attempt: a connection that gets lost later is as good as any.
            behind += 1
            wait = min(_FIRST_STALE_WAIT * 2 ** min(behind, 10), _LONGEST_STALE_WAIT)
            is_late = time.monotonic() + wait >= deadline
            if behind >= exc.attempts(max_retries) or is_late:
                raise
            pause(wait)
            continue
        except psycopg.Error as exc:
            attempts += 1
            wait = min(_FIRST_WAIT * _WAIT_FACTOR ** (attempts - 1), _LONGEST_WAIT)
            wait += random.uniform(0, _FIRST_WAIT)  # noqa: S311 - no secret
            is_late = time.monotonic() + wait >= deadline
            never = isinstance(exc, ConnectionFailed) and not pool.has_connected
            if attempts >= max_retries or is_late or never or not is_transient(exc):
                raise
            is_conflict = isinstance(exc, pg.SerializationFailure)
        what = (
            "A standby cancelled the query"
            if is_conflict
            else "Database connection failed"
        )
        logger.warning("{}, retrying ({}/{})", what, attempts, max_retries)
        if not is_conflict:
            pool.drain()  # after a restart all of them are dead
        pause(wait)


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
