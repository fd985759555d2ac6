"""A database that is down, comes back, or drops its connections."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.e2e.conftest import Start
from tests.e2e.flaky_proxy import FlakyProxy
from tests.e2e.stdio_process import StdioProcess, poll

# One attempt a call, so that an outage is reported at once.
ONCE = {"retry_attempts": "1", "log_level": "ERROR"}
SQL = "SELECT name FROM retail.stores"
ROWS = [["Zava Retail Seattle"]]


@pytest.fixture
def proxy(server_conninfo: str) -> Iterator[FlakyProxy]:
    """PostgreSQL behind a socket of the test's own; not up yet."""
    with FlakyProxy(server_conninfo) as proxy:
        yield proxy


def assert_unavailable(process: StdioProcess) -> None:
    answer = process.query(SQL, fresh=True)
    assert answer.error["code"] == "UNAVAILABLE"
    assert "structuredContent" not in answer.result
    assert "ZAVA_DB_HOST" in answer.text
    assert "zava_server" not in answer.text


def assert_available(process: StdioProcess) -> None:
    assert process.query(SQL, fresh=True).structured["rows"] == ROWS


def test_a_database_that_is_down_does_not_stop_the_start_and_is_used_once_it_is_up(
    start: Start, proxy: FlakyProxy
) -> None:
    process = start(database_url=proxy.conninfo, **ONCE)
    assert process.request("tools/list")["tools"]
    assert not process.call("get_current_utc_date").is_error
    assert_unavailable(process)
    answer = process.call("get_multiple_table_schemas", table_names=["stores"])
    assert answer.error["code"] == "UNAVAILABLE"
    proxy.up()
    assert_available(process)


def test_a_database_that_goes_and_comes_back_is_used_by_the_next_call(
    start: Start, proxy: FlakyProxy
) -> None:
    proxy.up()
    process = start(database_url=proxy.conninfo, retry_attempts="2", log_level="ERROR")
    assert_available(process)
    for _ in range(2):
        proxy.down()
        assert process.query(SQL).structured["cached"]
        assert_unavailable(process)
        proxy.up()
        assert_available(process)


def test_a_restart_between_two_calls_is_survived_without_a_second_attempt(
    start: Start, proxy: FlakyProxy
) -> None:
    proxy.up()
    process = start(database_url=proxy.conninfo, **ONCE)
    assert_available(process)
    proxy.restart()
    poll(lambda: not process.query(SQL, fresh=True).is_error, "it recovers")
    for _ in range(5):
        assert_available(process)


def test_a_restart_between_two_calls_is_not_noticed(
    start: Start, proxy: FlakyProxy
) -> None:
    proxy.up()
    process = start(database_url=proxy.conninfo, log_level="ERROR")
    for _ in range(3):
        assert_available(process)
        proxy.restart()
    assert_available(process)


def test_a_connection_that_is_lost_under_a_statement_is_an_error_for_that_call_alone(
    start: Start, owner: psycopg.Connection
) -> None:
    application = "zava-test-lost"
    process = start(application_name=application, **ONCE)
    series = "generate_series(1, 1000000)"
    sql = f"SELECT count(*) FROM {series} a, {series} b, {series} c"
    request_id = process.ask_tool("execute_sales_query", postgresql_query=sql)
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = %s AND state = 'active'"
    )
    poll(lambda: bool(owner.execute(kill, (application,)).fetchall()), "it runs")
    result = process.receive(request_id)["result"]
    assert result["_meta"]["zava/error"]["code"] == "UNAVAILABLE"
    assert_available(process)


def test_a_refused_login_is_said(start: Start, server_conninfo: str) -> None:
    conninfo = server_conninfo.replace("user=zava_server", "user=no_such_login")
    process = start(handshake=False, database_url=conninfo, **ONCE)
    process.initialize()
    assert process.query(SQL).error["code"] in ("UNAVAILABLE", "CONFIGURATION_ERROR")
