"""ConnectionPoolManager: how zava connects, and what it lends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.people import SEATTLE
from zava.data.pool import ConnectionPoolManager, Pool
from zava.data.provider import PostgreSQLProvider
from zava.models import Identity

STORES = "SELECT name FROM retail.stores"
SEATTLE_ROW = [{"name": "Zava Retail Seattle"}]


@pytest.fixture
def manager(server_conninfo: str) -> Iterator[ConnectionPoolManager]:
    made = ConnectionPoolManager({"conninfo": server_conninfo})
    with made.create_pool():
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


def test_where_one_connection_is_lost_the_others_are_replaced(
    manager: ConnectionPoolManager,
) -> None:
    def two_backends() -> set[int]:
        assert manager.pool is not None
        with manager.pool.checkout() as first, manager.pool.checkout() as second:
            return {first.info.backend_pid, second.info.backend_pid}

    before = two_backends()
    assert manager.pool is not None
    with manager.pool.checkout() as conn:
        conn.is_lost = True
    assert not before & two_backends()


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
