"""What a query leaves behind on a connection: nothing that the next call can feel."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.conftest import StartPooler
from tests.people import SEATTLE
from zava.data.connection import CancellableConnection
from zava.data.pool import ConnectionPoolManager, Pool
from zava.data.provider import PostgreSQLProvider
from zava.data.retry import with_retry
from zava.errors import QueryError

BACKEND = "SELECT pg_backend_pid()"


@pytest.fixture(params=["direct", "pooled"])
def manager(
    request: pytest.FixtureRequest, server_conninfo: str, start_pooler: StartPooler
) -> Iterator[ConnectionPoolManager]:
    """One connection, to PostgreSQL itself and through PgBouncer."""
    conninfo = server_conninfo
    if request.param == "pooled":
        conninfo = start_pooler(server_conninfo)
    made = ConnectionPoolManager({"conninfo": conninfo, "min_size": 1, "max_size": 1})
    with made.create_pool():
        yield made


def backend(conn: psycopg.Connection) -> int:
    row = conn.execute(BACKEND.encode()).fetchone()
    assert row is not None
    return int(row[0])


def lent_backend(pool: Pool | None) -> int:
    assert pool is not None
    with pool.checkout() as conn:
        return backend(conn)


def test_a_backend_stays_while_its_queries_are_short(
    manager: ConnectionPoolManager,
) -> None:
    assert lent_backend(manager.pool) == lent_backend(manager.pool)


def test_a_backend_that_ran_out_of_memory_is_not_lent_again(
    manager: ConnectionPoolManager,
) -> None:
    assert manager.pool is not None
    with (
        pytest.raises(psycopg.errors.OutOfMemory),
        manager.pool.checkout() as conn,
    ):
        conn.execute(b"BEGIN")
        before = backend(conn)
        conn.execute(
            b"DO $$ BEGIN RAISE EXCEPTION 'no memory' USING ERRCODE = '53200'; END $$"
        )
    assert lent_backend(manager.pool) != before


def test_a_backend_whose_transactions_took_seconds_is_not_lent_again(
    manager: ConnectionPoolManager,
) -> None:
    assert manager.pool is not None
    with manager.pool.checkout() as conn:
        before = backend(conn)
        conn.spent = 60.0
    assert lent_backend(manager.pool) != before


@pytest.fixture
def frugal(server_conninfo: str) -> Iterator[PostgreSQLProvider]:
    """A provider with one connection."""
    provider = PostgreSQLProvider(
        {"conninfo": server_conninfo, "min_size": 1, "max_size": 1}
    )
    provider.open()
    yield provider
    provider.close()


def test_the_time_of_every_transaction_is_added_up(frugal: PostgreSQLProvider) -> None:
    identity = frugal.resolve_identity(SEATTLE)
    frugal.fetch(BACKEND, identity, 1)
    assert frugal.connection_pool is not None
    with frugal.connection_pool.checkout() as conn:
        assert conn.spent > 0


def test_a_query_that_finds_a_used_backend_without_memory_is_run_on_a_new_one(
    manager: ConnectionPoolManager,
) -> None:
    lent_backend(manager.pool)
    seen = []

    def operation(conn: CancellableConnection) -> str:
        seen.append(conn.is_used)
        if conn.is_used:
            raise psycopg.errors.OutOfMemory
        return "answered"

    assert with_retry(manager, operation, 5) == "answered"
    assert seen == [True, False]


def test_a_query_that_takes_all_memory_of_a_new_backend_is_not_run_again(
    manager: ConnectionPoolManager,
) -> None:
    seen = []

    def operation(conn: CancellableConnection) -> None:
        seen.append(conn.is_used)
        raise psycopg.errors.OutOfMemory

    with pytest.raises(psycopg.errors.OutOfMemory):
        with_retry(manager, operation, 5)
    assert seen == [False]


def test_a_connection_that_read_a_long_error_is_not_kept(
    frugal: PostgreSQLProvider,
) -> None:
    identity = frugal.resolve_identity(SEATTLE)
    (before,) = frugal.fetch(BACKEND, identity, 1).rows[0]
    with pytest.raises(QueryError, match="invalid input syntax"):
        frugal.fetch("SELECT repeat('x', 3000000)::int", identity, 1)
    (after,) = frugal.fetch(BACKEND, identity, 1).rows[0]
    assert after != before


def test_nobody_foresees_what_another_transaction_draws(
    owner: psycopg.Connection,
) -> None:
    drawn = set()
    for _ in range(3):
        # A query that could read the generator's state knows as much as this.
        owner.execute(b"SELECT setseed(0.5)")
        owner.execute(b"SELECT retail.set_identity(%s, 'seal')", (SEATTLE,))
        row = owner.execute(b"SELECT random()").fetchone()
        assert row is not None
        drawn.add(row[0])
    assert len(drawn) == 3
