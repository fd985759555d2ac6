"""PostgreSQLProvider: one person at a time, and nothing left behind."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from tests.people import REDMOND, SEATTLE
from zava.data.pool import Pool
from zava.data.provider import Monitor, PostgreSQLProvider
from zava.data.transaction import Query
from zava.errors import (
    ConfigurationError,
    MCPError,
    QueryError,
    QueryTimeoutError,
    ValidationError,
)

STORES = "SELECT name FROM retail.stores"
ENDLESS = (
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
)


@contextmanager
def opened(conninfo: str, **config: Any) -> Iterator[PostgreSQLProvider]:
    """Yield a provider with a single connection."""
    provider = PostgreSQLProvider(
        {"conninfo": conninfo, "min_size": 1, "max_size": 1, **config}
    )
    provider.open()
    try:
        yield provider
    finally:
        provider.close()


def state_between_calls(provider: PostgreSQLProvider) -> tuple[Any, ...]:
    """Login, identity and transaction of the connection that lies in the pool."""
    assert provider.connection_pool is not None
    with provider.connection_pool.checkout() as conn:
        status = conn.info.transaction_status
        row = conn.execute("SELECT current_user, session_user").fetchone()
        identity = conn.execute("SHOW app.current_rls_user_id").fetchone()
    return (status, row, identity)


CLEAN = (TransactionStatus.IDLE, ("zava_server", "zava_server"), ("",))


@pytest.mark.acceptance("A25", "A26", "A27", "A28", "A35")
def test_it_holds_its_configuration_and_a_pool_only_while_it_is_open(
    server_conninfo: str,
) -> None:
    config = {"conninfo": server_conninfo}
    provider = PostgreSQLProvider(config)
    assert provider.config is config
    assert pool_of(provider) is None
    provider.open()
    pool = pool_of(provider)
    assert isinstance(pool, Pool)
    provider.open()
    assert pool_of(provider) is pool
    provider.close()
    provider.close()
    assert pool_of(provider) is None
    assert pool.closed


def pool_of(provider: PostgreSQLProvider) -> Pool | None:
    return provider.connection_pool


@pytest.mark.acceptance("A29", "A33")
def test_rows_come_as_plain_dicts(provider: PostgreSQLProvider) -> None:
    rows = provider.execute_query(
        "SELECT 1 AS n, 'x' AS t UNION SELECT 2, 'y'", SEATTLE
    )
    assert rows == [{"n": 1, "t": "x"}, {"n": 2, "t": "y"}]
    assert {type(row) for row in rows} == {dict}


@pytest.mark.acceptance("A29")
def test_nobody_may_ask_without_saying_who_asks(provider: PostgreSQLProvider) -> None:
    with pytest.raises(TypeError):
        provider.execute_query(STORES)  # type: ignore[call-arg]


@pytest.mark.acceptance("A33")
def test_a_result_above_the_ceiling_is_no_result(server_conninfo: str) -> None:
    query = "SELECT n FROM generate_series(1, 4) AS n"
    with opened(server_conninfo, max_rows=4) as provider:
        assert len(provider.execute_query(query, SEATTLE)) == 4
    with (
        opened(server_conninfo, max_rows=3) as provider,
        pytest.raises(ValidationError),
    ):
        provider.execute_query(query, SEATTLE)


@pytest.mark.acceptance("A30", "A31", "A36", "D3")
def test_the_next_user_of_a_connection_finds_nothing_of_the_last(
    server_conninfo: str,
) -> None:
    with opened(server_conninfo) as provider:
        for user, store in ((SEATTLE, "Seattle"), (REDMOND, "Redmond")) * 2:
            rows = provider.execute_query(STORES, user)
            assert rows == [{"name": f"Zava Retail {store}"}]
            assert state_between_calls(provider) == CLEAN


@pytest.mark.acceptance("A30", "A36")
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("SELEC", id="syntax"),
        pytest.param("SELECT 1 / 0", id="at-run-time"),
        pytest.param("SELECT 1; COMMIT", id="two-statements"),
        pytest.param("DELETE FROM retail.orders", id="no-query"),
        pytest.param("SELECT n / (3 - n) FROM generate_series(1, 9) n", id="midway"),
        pytest.param(ENDLESS, id="timeout"),
        pytest.param("SELECT '\0'", id="cannot-be-sent"),
        pytest.param("SELECT '\ud800'", id="cannot-be-encoded"),
    ],
)
def test_a_failure_is_rolled_back_and_its_connection_given_back(
    server_conninfo: str, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long three timeouts take: this is not what ends the connection.
    monkeypatch.setattr("zava.data.pool._SPENT_SECONDS", math.inf)
    timeout = 0.5 if query == ENDLESS else 60
    with opened(server_conninfo, statement_timeout=timeout) as provider:
        before = provider.execute_query("SELECT pg_backend_pid() AS pid", SEATTLE)
        for _ in range(3):
            with pytest.raises(MCPError):
                provider.execute_query(query, SEATTLE)
            assert state_between_calls(provider) == CLEAN
        after = provider.execute_query("SELECT pg_backend_pid() AS pid", SEATTLE)
    assert after == before


@pytest.mark.acceptance("A32", "A34", "D14")
def test_a_query_runs_as_long_as_the_one_timeout_says(server_conninfo: str) -> None:
    with (
        opened(server_conninfo, statement_timeout=0.5) as provider,
        pytest.raises(QueryTimeoutError) as caught,
    ):
        provider.execute_query(ENDLESS, SEATTLE)
    assert caught.value.error_code == "QUERY_TIMEOUT"
    assert caught.value.query == ENDLESS
    assert isinstance(caught.value.__cause__, psycopg.errors.QueryCanceled)


@pytest.mark.acceptance("A36")
def test_several_queries_are_one_transaction(provider: PostgreSQLProvider) -> None:
    queries = [Query("SELECT now()::text, pg_backend_pid()")] * 3
    identity = provider.resolve_identity(SEATTLE)
    first, *others = (r.rows for r in provider.fetch_all(queries, identity, 1))
    assert others == [first, first]


@pytest.mark.acceptance("A37")
def test_every_transaction_is_timed_under_its_operation(server_conninfo: str) -> None:
    timed: list[tuple[str, str, str]] = []

    @contextmanager
    def watch(query: str, operation: str) -> Iterator[None]:
        try:
            yield
        except Exception as exc:
            timed.append((query, operation, type(exc).__name__))
            raise
        timed.append((query, operation, "ok"))

    monitor: Monitor = watch
    provider = PostgreSQLProvider({"conninfo": server_conninfo}, monitor)
    provider.open()
    try:
        identity = provider.resolve_identity(SEATTLE)
        provider.fetch(STORES, identity, 5)
        provider.fetch("SELECT 2", identity, 5, operation="schema")
        with pytest.raises(MCPError):
            provider.fetch("SELEC", identity, 5)
    finally:
        provider.close()
    assert timed == [
        (STORES, "query", "ok"),
        ("SELECT 2", "schema", "ok"),
        ("SELEC", "query", "SyntaxError"),
    ]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 FROM retail.not_made_yet",
        "SELECT retail.not_made_yet()",
        "SELECT not_made_yet FROM retail.stores",
        "SELECT 1 FROM not_made_yet.stores",
    ],
)
def test_a_database_that_lacks_what_zava_needs_is_to_be_brought_up_to_date(
    server_conninfo: str, query: str
) -> None:
    with opened(server_conninfo) as provider:
        identity = provider.resolve_identity(SEATTLE)
        with pytest.raises(ConfigurationError, match="run `zava init`"):
            provider.fetch(query, identity, 1, operation="performance")
        # The same in a caller's own text is theirs to mend.
        with pytest.raises(QueryError):
            provider.fetch(query, identity, 1)
        assert provider.fetch(STORES, identity, 1).rows
