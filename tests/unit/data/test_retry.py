"""What is tried again: only what may succeed on another connection."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors as pg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from zava.data.retry import is_transient


@pytest.mark.acceptance("A116", "D13")
@pytest.mark.parametrize(
    ("error", "again"),
    [
        (psycopg.OperationalError(), True),
        (psycopg.InterfaceError(), True),
        (pg.AdminShutdown(), True),
        (pg.CrashShutdown(), True),
        (pg.CannotConnectNow(), True),
        (pg.ConnectionFailure(), True),
        (pg.SerializationFailure(), True),
        (pg.DeadlockDetected(), True),
        (pg.QueryCanceled(), False),
        (pg.LockNotAvailable(), False),
        (pg.InvalidPassword(), False),
        (pg.TooManyConnections(), False),
        (pg.SyntaxError(), False),
        (pg.InsufficientPrivilege(), False),
        (PoolTimeout(), False),
        (PoolClosed(), False),
        (TooManyRequests(), False),
        (ValueError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_may_succeed_elsewhere_is_tried_again(
    error: Exception, again: bool
) -> None:
    assert is_transient(error) is again
