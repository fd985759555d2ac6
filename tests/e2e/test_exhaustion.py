"""Calls that would take every byte, thread or second: the server outlives them."""

from __future__ import annotations

import fcntl
import json
import random
import signal
import subprocess
import sys
import termios
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest

from tests.e2e.conftest import FOREVER, Start
from tests.e2e.stdio_process import INITIALIZE, LIMITS, StdioProcess, environment, poll
from tests.patience import PATIENCE
from tests.people import SEATTLE

pytestmark = [pytest.mark.thorough, pytest.mark.once]

TOO_LARGE = "RESULT_TOO_LARGE"
# Where PostgreSQL's own ceiling is met first.
NO_MEMORY = "OUT_OF_MEMORY"
UNREAD = 300


def cell(length: int) -> str:
    return f"SELECT repeat('x', {length})"


def code(response: dict[str, Any]) -> str:
    """The code of an error result, "" for a success."""
    meta = response["result"].get("_meta") or {}
    return str(meta.get("zava/error", {}).get("code", ""))


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(cell(300_000), id="above-the-ceiling-of-a-result"),
        pytest.param(cell(60_000_000), id="above-what-is-made-a-value"),
        pytest.param(cell(400_000_000), id="above-the-memory"),
        pytest.param(
            "SELECT " + ", ".join(["repeat('x', 200000)"] * 1000),
            id="row-of-many-columns",
        ),
        pytest.param(
            "SELECT jsonb_build_object('a', repeat('x', 20000000))", id="json"
        ),
        pytest.param(
            "SELECT array_agg(repeat('x', 1000)) FROM generate_series(1, 20000)",
            id="array",
        ),
        pytest.param(
            "SELECT " + ", ".join(["10::numeric ^ 100000"] * 500), id="digits"
        ),
    ],
)
def test_an_enormous_row_is_an_error_that_says_what_to_do(
    server: StdioProcess, sql: str
) -> None:
    answer = server.query(sql)
    assert answer.error["code"] in {TOO_LARGE, NO_MEMORY}
    assert "left()" in answer.text
    assert server.query("SELECT 1", fresh=True).structured["rows"] == [[1]]


def test_rows_before_an_enormous_one_are_returned(server: StdioProcess) -> None:
    sql = (
        "SELECT n, repeat('x', CASE n WHEN 3 THEN 20000000 ELSE 1 END)"
        " FROM generate_series(1, 5) AS n"
    )
    answer = server.query(sql).structured
    assert answer["rows"] == [[1, "x"], [2, "x"]]
    assert answer["truncated"] == "max_bytes"


def test_enormous_answers_at_once_harm_no_small_one(start: Start) -> None:
    process = start(log_level="ERROR")
    choose = random.Random(1)
    lengths = [choose.choice([1, 1, 10_000_000, 60_000_000]) for _ in range(30)]
    ids = [
        process.ask_tool("execute_sales_query", postgresql_query=f"{cell(n)}, {number}")
        for number, n in enumerate(lengths)
    ]
    expected = {1: "", 10_000_000: TOO_LARGE, 60_000_000: TOO_LARGE}
    for request_id, length in zip(ids, lengths, strict=True):
        assert code(process.receive(request_id)) == expected[length]
    assert not process.query("SELECT 1").is_error


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        pytest.param(
            "SELECT " + "(" * 49_000 + "1" + ")" * 49_000, "SYNTAX_ERROR", id="nesting"
        ),
        pytest.param(
            "SELECT " + "(" * 100_000 + "1" + ")" * 100_000,
            "VALIDATION_ERROR",
            id="longer-nesting",
        ),
        pytest.param(
            f"SELECT '{'x' * 10_000_000}'", "VALIDATION_ERROR", id="ten-megabytes"
        ),
        pytest.param("SELECT 1 " + "/*" * 40_000, "VALIDATION_ERROR", id="comments"),
        pytest.param("SELECT 1 /*" + "/*+*/" * 900 + "*/", "", id="fewer-comments"),
        pytest.param("SELECT 1" + "+1" * 40_000, "STATEMENT_TOO_COMPLEX", id="sum"),
        pytest.param(
            f"SELECT ('{'[' * 45_000}{']' * 45_000}')::jsonb",
            "STATEMENT_TOO_COMPLEX",
            id="document",
        ),
        pytest.param(
            "SELECT 1 IN (" + ",".join(map(str, range(15_000))) + ")", "", id="in-list"
        ),
        pytest.param("SELECT 1" + " UNION ALL SELECT 1" * 3000, "", id="union"),
        pytest.param(
            "SELECT 'x' ~ '((((a{1,100}){1,100}){1,100}){1,100})'",
            "INVALID_REGULAR_EXPRESSION",
            id="regular-expression",
        ),
        pytest.param(
            "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t)"
            " SELECT n FROM t",
            "",
            id="recursion-is-cut",
        ),
    ],
)
def test_sql_of_any_size_and_depth_is_answered(
    server: StdioProcess, sql: str, expected: str
) -> None:
    request_id = server.ask_tool("execute_sales_query", postgresql_query=sql)
    assert code(server.receive(request_id)) == expected
    assert server.request("ping") == {}


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(FOREVER, id="cross-join"),
        pytest.param(
            "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t)"
            " SELECT count(*) FROM t",
            id="recursion",
        ),
        pytest.param(
            "SELECT array_agg(s) FROM (SELECT repeat('x', 1000) || a AS s FROM"
            " generate_series(1, 1000000) a, generate_series(1, 1000) b ORDER BY 1) t",
            id="sort",
        ),
    ],
)
def test_work_without_end_is_ended(start: Start, sql: str) -> None:
    process = start(statement_timeout="1", log_level="ERROR")
    assert process.query(sql).error["code"] == "QUERY_TIMEOUT"
    assert not process.query("SELECT 1").is_error


@pytest.fixture
def crowded(start: Start, owner: psycopg.Connection) -> StdioProcess:
    """A server whose only thread is busy and whose queue of three is full."""
    application = "zava-test-crowded"
    process = start(
        application_name=application,
        pool_min_size="1",
        pool_max_size="1",
        max_waiting_calls="3",
        log_level="ERROR",
    )
    assert not process.query("SELECT 'cached'").is_error
    for number in range(4):
        sql = f"{FOREVER}, (VALUES ({number})) d"
        process.ask_tool("execute_sales_query", postgresql_query=sql)
    running = (
        "SELECT FROM pg_stat_activity WHERE application_name = %s AND state = 'active'"
    )
    poll(lambda: owner.execute(running, (application,)).rowcount == 1, "it runs")
    return process


def test_a_full_queue_refuses_and_everything_else_is_answered(
    crowded: StdioProcess,
) -> None:
    answer = crowded.query("SELECT 'one more'")
    assert answer.error["code"] == "BUSY"
    assert "wait for answers" in answer.text
    assert crowded.request("ping") == {}
    assert crowded.query("SELECT 'cached'").structured["cached"]
    assert crowded.call("health_check").structured["database"] == "healthy"
    assert not crowded.call("get_current_utc_date").is_error
    assert crowded.call("get_performance_summary").structured["pool"]
    # What could never run is not worth a place in the queue, nor kept from an answer.
    assert crowded.query("").error["code"] == "VALIDATION_ERROR"


def test_a_cancellation_makes_room_in_a_full_queue(crowded: StdioProcess) -> None:
    first = 3  # after the handshake and the cached query
    for request_id in range(first, first + 4):
        crowded.notify("notifications/cancelled", {"requestId": request_id})
    assert crowded.query("SELECT 'room'").structured["rows"] == [["room"]]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(
            b'{"jsonrpc":"2.0","id":"long","method":"ping","params":{"x":"'
            + b"y" * 17_000_000
            + b'"}}\n',
            id="longer-than-is-read",
        ),
        pytest.param(
            b'{"method":"ping","params":{"x":['
            + b"[]," * 4_000_000
            + b'1]},"jsonrpc":"2.0","id":"long"}\n',
            id="of-too-many-values",
        ),
    ],
)
def test_a_message_too_large_to_be_read_is_refused_under_its_id(
    server: StdioProcess, message: bytes
) -> None:
    server.write(message)
    refused = server.receive("long")  # type: ignore[arg-type]
    assert refused["error"]["code"] == -32600
    assert server.request("ping") == {}


@pytest.fixture
def deaf_client(
    server_conninfo: str, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A server with more answers than its pipe holds, none of which is read."""
    variables = {
        **LIMITS,
        "ZAVA_DATABASE_URL": server_conninfo,
        "ZAVA_LOG_LEVEL": "ERROR",
        # All may be read before the first answer is written: none is to be refused.
        "ZAVA_MAX_WAITING_CALLS": str(UNREAD),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "zava", "serve", "--user", SEATTLE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(**variables),
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(
            StdioProcess.encode({"id": 0, "method": "initialize", "params": INITIALIZE})
        )
        stdin.write(StdioProcess.encode({"method": "notifications/initialized"}))
        for number in range(1, UNREAD + 1):
            arguments = {"postgresql_query": f"{cell(200_000)}, {number}"}
            params = {"name": "execute_sales_query", "arguments": arguments}
            message = {"id": number, "method": "tools/call", "params": params}
            stdin.write(StdioProcess.encode(message))
        stdin.flush()
        poll(lambda: _waiting_bytes(stdout) >= 4096, "answers wait")
        yield process
        process.kill()


def _waiting_bytes(pipe: IO[bytes]) -> int:
    waiting = array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    return waiting[0]


def test_a_client_that_reads_late_finds_every_answer(
    deaf_client: subprocess.Popen[bytes],
) -> None:
    assert deaf_client.stdin is not None
    assert deaf_client.stdout is not None
    lines = [json.loads(deaf_client.stdout.readline()) for _ in range(UNREAD + 1)]
    assert {line["id"] for line in lines} == set(range(UNREAD + 1))
    assert set(map(code, lines)) == {""}
    deaf_client.stdin.close()
    assert deaf_client.wait(PATIENCE) == 0


def test_a_signal_ends_a_server_whose_client_does_not_read(
    deaf_client: subprocess.Popen[bytes],
) -> None:
    deaf_client.send_signal(signal.SIGTERM)
    assert deaf_client.wait(PATIENCE) == 143


def test_a_cell_of_a_gigabyte_is_an_error(start: Start) -> None:
    process = start(log_level="ERROR")
    request_id = process.ask_tool(
        "execute_sales_query", postgresql_query=cell(1_000_000_000)
    )
    assert process.request("ping") == {}
    assert code(process.receive(request_id, patience=600)) in {TOO_LARGE, NO_MEMORY}
    assert process.query("SELECT 1").structured["rows"] == [[1]]


def test_thousands_of_calls_at_once_are_answered_or_refused(start: Start) -> None:
    process = start(log_level="ERROR")
    ids = [
        process.ask_tool(
            "execute_sales_query",
            postgresql_query=f"SELECT count(*), {number} FROM retail.orders",
        )
        for number in range(3_000)
    ]
    codes = Counter(code(process.receive(request_id)) for request_id in ids)
    assert set(codes) <= {"", "BUSY"}
    assert codes[""] >= 256
    assert process.query("SELECT 1").structured["rows"] == [[1]]
