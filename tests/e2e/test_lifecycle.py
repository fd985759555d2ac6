"""How the process starts, refuses to start, is interrupted and ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.conftest import APPLICATION, FOREVER, Running, Start
from tests.e2e.stdio_process import StdioProcess, poll
from tests.people import NIL, SEATTLE, STRANGER


@pytest.fixture
def busy(start: Start, running: Running) -> StdioProcess:
    """A server in the midst of a statement that would take days."""
    process = start(application_name=APPLICATION, log_level="ERROR")
    process.ask_tool("execute_sales_query", postgresql_query=FOREVER)
    poll(lambda: running() == 1, "the statement runs")
    return process


def gone(running: Running) -> None:
    poll(lambda: running() == 0, "the statement is gone")


@pytest.mark.acceptance("A11")
def test_a_cancelled_call_ends_its_statement_and_nothing_else(
    start: Start, running: Running
) -> None:
    process = start(application_name=APPLICATION, log_level="ERROR")
    request_id = process.ask_tool("execute_sales_query", postgresql_query=FOREVER)
    poll(lambda: running() == 1, "the statement runs")
    assert process.query("SELECT 1").structured["rows"] == [[1]]
    process.notify("notifications/cancelled", {"requestId": request_id})
    gone(running)
    for number in range(5):
        assert process.query(f"SELECT {number}").structured["rows"] == [[number]]
    process.close_stdin()
    assert process.wait() == 0
    assert "Traceback" not in process.stderr
    assert not [
        line for line in process.rest() if f'"id":{request_id},'.encode() in line
    ]


@pytest.mark.acceptance("A11")
def test_a_call_cancelled_while_it_waits_for_a_connection_never_runs(
    start: Start, running: Running
) -> None:
    process = start(
        application_name=APPLICATION,
        pool_min_size="1",
        pool_max_size="1",
        log_level="ERROR",
    )
    first = process.ask_tool("execute_sales_query", postgresql_query=FOREVER)
    poll(lambda: running() == 1, "the statement runs")
    second = process.ask_tool(
        "execute_sales_query", postgresql_query=FOREVER, fresh=True
    )
    assert process.request("ping") == {}
    process.notify("notifications/cancelled", {"requestId": second})
    assert process.request("ping") == {}
    process.notify("notifications/cancelled", {"requestId": first})
    gone(running)
    assert process.query("SELECT 1").structured["rows"] == [[1]]
    assert running() == 0


def test_of_two_who_ask_the_same_one_may_leave(start: Start, running: Running) -> None:
    process = start(application_name=APPLICATION, log_level="ERROR")
    first, second = (
        process.ask_tool("execute_sales_query", postgresql_query=FOREVER)
        for _ in range(2)
    )
    poll(lambda: running() == 1, "the statement runs")
    process.notify("notifications/cancelled", {"requestId": first})
    assert process.request("ping") == {}
    poll(lambda: running() == 1, "it runs on, or again, for the other one")
    process.notify("notifications/cancelled", {"requestId": second})
    gone(running)
    assert process.query("SELECT 1").structured["rows"] == [[1]]


def test_the_end_of_input_ends_a_running_statement(
    busy: StdioProcess, running: Running
) -> None:
    busy.close_stdin()
    assert busy.wait() == 0
    gone(running)
    assert "Traceback" not in busy.stderr


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_ends_an_idle_server(
    start: Start, number: signal.Signals, status: int
) -> None:
    process = start(log_level="ERROR")
    process.signal(number)
    assert process.wait() == status
    assert process.rest() == []
    assert process.stderr == ""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_ends_a_running_statement(
    busy: StdioProcess, running: Running, number: signal.Signals, status: int
) -> None:
    busy.signal(number)
    assert busy.wait() == status
    gone(running)
    assert "Traceback" not in busy.stderr


def test_a_killed_server_leaves_no_statement_behind(
    busy: StdioProcess, running: Running
) -> None:
    busy.signal(signal.SIGKILL)
    assert busy.wait() == -signal.SIGKILL
    gone(running)


REMEDY = "zava users"


@pytest.mark.acceptance("A90", "D2")
@pytest.mark.parametrize(
    ("user", "log_level", "named"),
    [
        pytest.param(None, "ERROR", "--user", id="missing"),
        pytest.param("the Seattle manager", "ERROR", REMEDY, id="malformed"),
        pytest.param(NIL, "ERROR", REMEDY, id="nil"),
        pytest.param(STRANGER, "ERROR", REMEDY, id="unknown"),
        pytest.param(
            None,
            "INFO",
            REMEDY,
            id="with-the-log",
        ),
    ],
)
def test_without_somebody_to_serve_it_refuses_to_start(
    start: Start, user: str | None, log_level: str, named: str
) -> None:
    process = start(user, handshake=False, log_level=log_level)
    process.refusal()
    (line,) = process.stderr.splitlines()
    assert line.startswith("zava: ")
    assert named in line
    assert REMEDY in line


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        pytest.param(
            {"statment_timeout": "5"}, "ZAVA_STATEMENT_TIMEOUT", id="misspelt"
        ),
        pytest.param(
            {"database_url": "postgresql://me:hunter2@[/"},
            "ZAVA_DATABASE_URL",
            id="malformed-url",
        ),
        pytest.param(
            {"database_url": "password=hunter2 no_such_option=1"},
            "ZAVA_DATABASE_URL",
            id="unknown-option",
        ),
    ],
)
def test_with_settings_that_do_not_fit_it_refuses_to_start(
    start: Start, variables: dict[str, str], named: str
) -> None:
    process = start(handshake=False, log_level="ERROR", **variables)
    process.refusal()
    (line,) = process.stderr.splitlines()
    assert line.startswith("zava: ")
    assert named in line
    assert "hunter2" not in line


def test_a_database_without_the_schema_is_refused(
    start: Start, empty_database: str
) -> None:
    process = start(handshake=False, database_url=empty_database, log_level="ERROR")
    process.refusal()
    (line,) = process.stderr.splitlines()
    assert "zava init" in line


def test_everything_may_come_from_a_file_that_is_named(
    start: Start, tmp_path: Path
) -> None:
    lines = (f"ZAVA_RLS_USER_ID={SEATTLE}", "ZAVA_MAX_ROWS=33", "ZAVA_LOG_LEVEL=ERROR")
    (tmp_path / "my.env").write_text("\n".join(lines), encoding="utf-8")
    process = start(None, options=("--env-file", "my.env"))
    rows = process.query("SELECT name FROM retail.stores").structured["rows"]
    assert rows == [["Zava Retail Seattle"]]
    assert process.query("SELECT 1", max_rows=34).error["field"] == "max_rows"
    assert process.query("SELECT 1", max_rows=33).structured["rows"] == [[1]]
