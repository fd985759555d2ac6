"""Everything through PgBouncer in transaction mode, on connections that are shared."""

from __future__ import annotations

import signal

import psycopg
import pytest

from tests.conftest import StartPooler
from tests.e2e.conftest import APPLICATION, FOREVER, Running, Start
from tests.e2e.stdio_process import StdioProcess, poll
from tests.e2e.test_cancellation import cancel_among_innocents
from tests.people import REDMOND, SEATTLE
from zava.data.provider import PostgreSQLProvider

pytestmark = [pytest.mark.thorough, pytest.mark.once]

STORES = "SELECT name FROM retail.stores"
SETTINGS = (
    "SELECT now()::text, interval '36 hours', date '2026-03-01', current_schemas(false)"
)


@pytest.fixture(scope="module")
def pooled(server_conninfo: str, start_pooler: StartPooler) -> str:
    """A connection string of the pooler."""
    return start_pooler(server_conninfo)


@pytest.fixture
def process(start: Start, pooled: str) -> StdioProcess:
    """A server for the Seattle manager behind the pooler."""
    return start(
        database_url=pooled,
        application_name=APPLICATION,
        pool_max_size="4",
        max_waiting_calls="1000",
        log_level="ERROR",
    )


def test_every_tool_answers_as_it_does_without_a_pooler(
    process: StdioProcess, server: StdioProcess
) -> None:
    sql = "SELECT status, sum(total_amount) FROM retail.orders GROUP BY 1 ORDER BY 1"
    for text in (STORES, sql, "SELECT '[1,2]'::vector, interval '1 day', 1.5::numeric"):
        ours, theirs = process.query(text).structured, server.query(text).structured
        assert (ours["columns"], ours["rows"]) == (theirs["columns"], theirs["rows"])
    calls: tuple[tuple[str, dict[str, object]], ...] = (
        ("get_multiple_table_schemas", {"table_names": ["orders", "stores"]}),
        (
            "get_store_performance",
            {"store_id": "Seattle", "time_period": "2026-01-01..2026-03-31"},
        ),
    )
    for tool, arguments in calls:
        ours = process.call(tool, **arguments).structured
        theirs = server.call(tool, **arguments).structured
        for volatile in ("period", "as_of"):
            ours.pop(volatile, None)
            theirs.pop(volatile, None)
        ours.get("metrics", {}).pop("as_of", None)
        theirs.get("metrics", {}).pop("as_of", None)
        assert ours == theirs
    assert process.call("health_check").structured["database"] == "healthy"
    missing = process.query("SELECT * FROM retail.order").error
    assert missing["code"] == "UNDEFINED_TABLE"
    assert "retail.orders" in missing["suggestions"]
    assert process.query("SELECT 1/0").error["code"] == "DIVISION_BY_ZERO"


def test_two_people_on_the_same_connections_see_their_own_rows(
    start: Start, pooled: str
) -> None:
    expected = {SEATTLE: "Zava Retail Seattle", REDMOND: "Zava Retail Redmond"}
    processes = {
        user: start(user, database_url=pooled, cache_ttl="0", log_level="ERROR")
        for user in expected
    }
    asked = [
        (user, processes[user].ask_tool("execute_sales_query", postgresql_query=STORES))
        for _ in range(50)
        for user in expected
    ]
    for user, request_id in asked:
        result = processes[user].receive(request_id)["result"]
        assert result["structuredContent"]["rows"] == [[expected[user]]]


def test_nothing_is_left_on_a_connection_for_its_next_user(
    process: StdioProcess, pooled: str
) -> None:
    for number in range(20):
        assert not process.query(f"SELECT {number}").is_error
    assert process.query("SELECT 1/0").is_error
    with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as conn:
        for _ in range(10):
            seen = {
                name: conn.execute(f"SHOW {name}".encode()).fetchone()
                for name in ("statement_timeout", "jit", "search_path", "role")
            }
            assert seen == {
                "statement_timeout": ("0",),
                "jit": ("on",),
                "search_path": ('"$user", public',),
                "role": ("none",),
            }
            conn.execute("PREPARE probe AS SELECT 1; DEALLOCATE ALL")


def test_the_settings_of_a_session_hold_in_every_transaction(
    start: Start, pooled: str
) -> None:
    process = start(database_url=pooled, statement_timeout="1", log_level="ERROR")
    (row,) = process.query(SETTINGS).structured["rows"]
    assert row[0].endswith("+00")
    assert row[1:] == [
        "1 day 12:00:00" if "day" in row[1] else "36:00:00",
        "2026-03-01",
        ["retail", "public"],
    ]
    assert process.query(FOREVER).error["code"] == "QUERY_TIMEOUT"
    assert process.query(STORES).structured["rows"] == [["Zava Retail Seattle"]]


def test_a_cancellation_finds_its_way_through_the_pooler(
    process: StdioProcess, running: Running
) -> None:
    request_id = process.ask_tool("execute_sales_query", postgresql_query=FOREVER)
    poll(lambda: running() == 1, "the statement runs")
    process.notify("notifications/cancelled", {"requestId": request_id})
    poll(lambda: running() == 0, "the statement is gone")
    assert process.query(STORES).structured["rows"] == [["Zava Retail Seattle"]]


def test_cancelled_calls_harm_no_other_behind_a_pooler(
    process: StdioProcess, running: Running
) -> None:
    cancel_among_innocents(process, running, 50)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_the_end_of_the_server_ends_its_statement_behind_a_pooler(
    process: StdioProcess,
    running: Running,
    number: signal.Signals,
    status: int,
) -> None:
    process.ask_tool("execute_sales_query", postgresql_query=FOREVER)
    poll(lambda: running() == 1, "the statement runs")
    process.signal(number)
    assert process.wait() == status
    poll(lambda: running() == 0, "the statement is gone")


def test_an_enormous_row_is_refused_behind_a_pooler_too(process: StdioProcess) -> None:
    answer = process.query("SELECT repeat('x', 200000000)")
    # Whichever ceiling is met first, zava's or PostgreSQL's own.
    assert answer.error["code"] in {"RESULT_TOO_LARGE", "OUT_OF_MEMORY"}
    assert process.query(STORES).structured["rows"] == [["Zava Retail Seattle"]]


def test_the_checks_say_which_way_statements_go(
    provider: PostgreSQLProvider, pooled: str
) -> None:
    behind = PostgreSQLProvider({"conninfo": pooled})
    behind.open()
    try:
        ways = [
            {
                check.name: check
                for check in asked.check_posture(asked.resolve_identity(SEATTLE))
            }
            for asked in (provider, behind)
        ]
    finally:
        behind.close()
    straight, pooler = ways
    assert "straight" in straight["connection"].detail
    assert "pooler" in pooler["connection"].detail
    assert {check.status for check in pooler.values()} <= {"pass", "warn"}
    assert {n: c.status for n, c in pooler.items()} == {
        n: c.status for n, c in straight.items()
    }
