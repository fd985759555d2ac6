"""The retry: how often a query is run again, and how long that waits."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg import errors as pg

from tests.loglines import captured_log
from tests.people import SEATTLE
from zava.data.pool import ConnectionPoolManager
from zava.data.provider import PostgreSQLProvider
from zava.data.retry import with_retry
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
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """What `execute_with_retry` would have waited."""
    pauses = Pauses()
    noting = partial(with_retry, pause=pauses)
    monkeypatch.setattr("zava.data.pool.with_retry", noting)
    return pauses


@pytest.fixture
def manager(server_conninfo: str) -> Iterator[ConnectionPoolManager]:
    made = ConnectionPoolManager({"conninfo": server_conninfo})
    with made.create_pool():
        yield made


@pytest.fixture
def unreachable() -> Iterator[ConnectionPoolManager]:
    """A manager of a database that was there once and is no more."""
    made = ConnectionPoolManager(
        {"conninfo": "host=/nonexistent dbname=x", "min_size": 0}
    )
    with made.create_pool() as pool:
        pool.has_connected = True
        yield made


@pytest.fixture
def identity(provider: PostgreSQLProvider) -> Identity:
    return provider.resolve_identity(SEATTLE)


@pytest.mark.acceptance("A114", "A116")
def test_a_query_whose_connection_was_lost_is_run_again(
    manager: ConnectionPoolManager,
    identity: Identity,
    owner: psycopg.Connection,
    pauses: Pauses,
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
    said = log.said_by("zava.data.retry")
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
        with_retry(manager, fail, attempts, pause=pauses)
    assert caught.value is failures[-1]
    assert len(pauses) == attempts - 1


@pytest.mark.acceptance("D13")
def test_no_attempts_are_one_attempt(manager: ConnectionPoolManager) -> None:
    assert with_retry(manager, lambda _conn: "ran", 0) == "ran"


@pytest.mark.acceptance("A116", "D13")
def test_a_timeout_is_not_tried_again(
    server_conninfo: str, identity: Identity, pauses: Pauses
) -> None:
    config = {"conninfo": server_conninfo, "statement_timeout": 0.05}
    manager = ConnectionPoolManager(config)
    query = "SELECT count(*) FROM generate_series(1, 1e6) a, generate_series(1, 1e6) b"
    with manager.create_pool(), pytest.raises(pg.QueryCanceled):
        manager.execute_with_retry(query, identity=identity)
    assert pauses == []


def test_without_a_pool_nothing_is_tried(server_conninfo: str) -> None:
    manager = ConnectionPoolManager({"conninfo": server_conninfo})
    with pytest.raises(UnavailableError):
        with_retry(manager, lambda _conn: None, 3)
