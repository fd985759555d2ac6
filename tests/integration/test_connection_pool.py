"""ConnectionPoolManager: how zava connects, and what it tries again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from tests.loglines import captured_log
from tests.people import SEATTLE
from zava.data.connections import Pool
from zava.data.pool import ConnectionPoolManager, is_transient
from zava.data.provider import PostgreSQLProvider
from zava.errors import UnavailableError
from zava.models import Identity

STORES = "SELECT name FROM retail.stores"
SEATTLE_ROW = [{"name": "Zava Retail Seattle"}]


class Pauses(list[float]):
    """Notes how long was to be waited, and does not wait."""

    def __call__(self, seconds: float) -> None:
        """Note it."""
        self.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def manager(server_conninfo: str, pauses: Pauses) -> Iterator[ConnectionPoolManager]:
    made = ConnectionPoolManager({"conninfo": server_conninfo}, pauses)
    with made.create_pool():
        yield made


@pytest.fixture
def unreachable(pauses: Pauses) -> Iterator[ConnectionPoolManager]:
    """A manager of a database that was there once and is no more."""
    made = ConnectionPoolManager(
        {"conninfo": "host=/nonexistent dbname=x", "min_size": 0}, pauses
    )
    with made.create_pool() as pool:
        pool.has_connected = True
        yield made


@pytest.fixture
def identity(provider: PostgreSQLProvider) -> Identity:
    return provider.resolve_identity(SEATTLE)


@pytest.mark.acceptance("A104", "A106", "A107", "A108")
def test_the_pool_has_the_sizes_of_the_contract(
    manager: ConnectionPoolManager,
) -> None:
    pool = manager.pool
    assert isinstance(pool, Pool)
    assert (pool.min_size, pool.max_size, pool.max_idle) == (2, 10, 300)


@pytest.mark.acceptance("A32", "A109", "A110", "A111", "A112", "A113")
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("statement_timeout", "30s"),
        ("application_name", "zava-mcp-server"),
        ("jit", "off"),
        ("work_mem", "4MB"),
        ("TimeZone", "UTC"),
        ("client_connection_check_interval", "500ms"),
    ],
)
def test_a_session_has_the_settings_of_the_contract(
    manager: ConnectionPoolManager, setting: str, value: str
) -> None:
    assert manager.pool is not None
    with manager.pool.checkout() as conn:
        assert conn.execute(f"SHOW {setting}".encode()).fetchone() == (value,)


def test_the_connection_that_came_back_last_is_lent_first(
    manager: ConnectionPoolManager,
) -> None:
    assert manager.pool is not None
    with manager.pool.checkout() as back_last, manager.pool.checkout() as back_first:
        pass
    lent = []
    for _ in range(3):
        with manager.pool.checkout() as conn:
            lent.append(conn)
    assert lent == [back_last] * 3
    assert back_first not in lent


@pytest.mark.acceptance("A105")
def test_a_connection_may_be_described_by_its_parts(server_conninfo: str) -> None:
    given = conninfo_to_dict(server_conninfo)
    config = {
        "db_host": given["host"],
        "db_port": given["port"],
        "db_name": given["dbname"],
        "db_user": given["user"],
        "db_password": "not needed here",
    }
    with ConnectionPoolManager(config).create_pool() as pool, pool.checkout() as conn:
        row = conn.execute("SELECT current_user, current_database()").fetchone()
    assert row == (given["user"], given["dbname"])


@pytest.mark.acceptance("A114", "A115")
@pytest.mark.parametrize(
    ("query", "params", "rows"),
    [
        pytest.param(STORES, None, SEATTLE_ROW, id="without"),
        pytest.param("SELECT '100%%' AS x", {}, [{"x": "100%"}], id="none-of-them"),
        pytest.param("SELECT '100%' AS x", None, [{"x": "100%"}], id="percent-sign"),
        pytest.param(
            "SELECT %(n)s::int AS n, %(t)s AS t",
            {"n": 1, "t": "'; --"},
            [{"n": 1, "t": "'; --"}],
            id="two",
        ),
    ],
)
def test_parameters_are_passed_when_there_are_any(
    manager: ConnectionPoolManager,
    identity: Identity,
    query: str,
    params: dict[str, Any] | None,
    rows: list[dict[str, Any]],
) -> None:
    assert manager.execute_with_retry(query, params, identity=identity) == rows


@pytest.mark.acceptance("D13")
def test_nothing_is_run_without_an_identity(manager: ConnectionPoolManager) -> None:
    with pytest.raises(TypeError):
        manager.execute_with_retry(STORES)  # type: ignore[call-arg]


@pytest.mark.acceptance("A114", "A116")
def test_a_query_whose_connection_was_lost_is_run_again(
    manager: ConnectionPoolManager, identity: Identity, owner: psycopg.Connection
) -> None:
    assert manager.pool is not None
    with manager.pool.checkout() as conn:
        application = f"zava-test-{random.random()}"
        conn.execute(f"SET application_name = '{application}'".encode())
    lost = owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = 'zava_server' AND application_name = ANY (%s)",
        ([application, "zava-mcp-server"],),
    ).fetchall()
    assert lost
    assert manager.execute_with_retry(STORES, identity=identity) == SEATTLE_ROW


@pytest.mark.acceptance("A117", "A118", "A119", "D13")
def test_a_database_that_stays_away_is_tried_so_often_and_no_more(
    unreachable: ConnectionPoolManager, identity: Identity, pauses: Pauses
) -> None:
    with captured_log() as log, pytest.raises(psycopg.OperationalError):
        unreachable.execute_with_retry(STORES, identity=identity)
    # The driver's lines are there as well, once a server set up the logging.
    said = log.said_by("zava.data.pool")
    assert said.messages == [
        "Database connection failed, retrying (1/3)",
        "Database connection failed, retrying (2/3)",
    ]
    assert {line.record["level"].name for line in said} == {"WARNING"}
    # A person waits for the answer, so the waits grow from a tenth of a second.
    first, second = pauses
    assert 0.1 <= first <= 0.2
    assert 0.3 <= second <= 0.4


def test_a_database_that_was_never_there_is_tried_once(
    unreachable: ConnectionPoolManager, identity: Identity, pauses: Pauses
) -> None:
    assert unreachable.pool is not None
    unreachable.pool.has_connected = False
    with pytest.raises(psycopg.OperationalError):
        unreachable.execute_with_retry(STORES, identity=identity)
    assert not pauses


@pytest.mark.acceptance("A117", "D13")
@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_the_number_of_attempts_includes_the_first(
    manager: ConnectionPoolManager, pauses: Pauses, attempts: int
) -> None:
    failures = [pg.AdminShutdown(str(number)) for number in range(attempts)]
    remaining = iter(failures)

    def fail(_conn: Any) -> None:
        raise next(remaining)

    with captured_log(), pytest.raises(pg.AdminShutdown) as caught:
        manager.with_retry(fail, attempts)
    assert caught.value is failures[-1]
    assert len(pauses) == attempts - 1


@pytest.mark.acceptance("D13")
def test_no_attempts_are_one_attempt(manager: ConnectionPoolManager) -> None:
    assert manager.with_retry(lambda _conn: "ran", 0) == "ran"


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


@pytest.mark.acceptance("A116", "D13")
def test_a_timeout_is_not_tried_again(server_conninfo: str, identity: Identity) -> None:
    pauses = Pauses()
    config = {"conninfo": server_conninfo, "statement_timeout": 0.05}
    manager = ConnectionPoolManager(config, pauses)
    query = "SELECT count(*) FROM generate_series(1, 1e6) a, generate_series(1, 1e6) b"
    with manager.create_pool(), pytest.raises(pg.QueryCanceled):
        manager.execute_with_retry(query, identity=identity)
    assert pauses == []


def test_without_a_pool_nothing_is_tried(server_conninfo: str) -> None:
    manager = ConnectionPoolManager({"conninfo": server_conninfo})
    with pytest.raises(UnavailableError):
        manager.with_retry(lambda _conn: None, 3)
