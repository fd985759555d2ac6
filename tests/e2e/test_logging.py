"""The server runs whatever becomes of its log."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.patience import PATIENCE
from tests.people import SEATTLE


@pytest.mark.parametrize(
    "redirection",
    [
        pytest.param("2>&-", id="closed-stderr"),
        pytest.param("2>/dev/full", id="full-disk"),
    ],
)
def test_without_a_stderr_that_can_be_written_it_serves(
    start: Start, redirection: str
) -> None:
    process = start(redirection=redirection)
    assert process.query("SELECT 1").structured["rows"] == [[1]]
    assert process.query("SELEC").error["code"] == "SYNTAX_ERROR"
    assert process.query("SELECT 2").structured["rows"] == [[2]]
    process.close_stdin()
    assert process.wait() == 0
    assert process.rest() == []


@pytest.mark.parametrize(
    ("file", "said"),
    [
        pytest.param(
            "/proc/nowhere/mcp_server.log", "WARNING - no log file", id="no-folder"
        ),
        pytest.param("/dev/full", "No space left on device", id="full-disk"),
    ],
)
def test_a_log_file_that_cannot_be_written_is_said_and_stops_nothing(
    start: Start, file: str, said: str
) -> None:
    process = start(log_file=file)
    assert process.query("SELECT 1").structured["rows"] == [[1]]
    assert process.query("SELECT 2").structured["rows"] == [[2]]
    process.wait_for(said)
    process.wait_for("ZAVA_LOG_FILE")
    assert "Traceback" not in process.stderr


def test_every_call_is_one_json_line_in_the_file(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "logs" / "mcp_server.log"
    process = start(log_file=str(file), log_format="json")
    process.query("SELECT 'a private value' AS text")
    process.query("SELECT 'a private value'::int")
    process.close()
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    calls = [line for line in lines if line.get("operation") == "execute_sales_query"]
    assert [(c["outcome"], c["user_id"]) for c in calls] == [
        ("ok", SEATTLE),
        ("INVALID_TEXT_REPRESENTATION", SEATTLE),
    ]
    assert calls[0]["row_count"] == 1
    assert calls[0]["cached"] is False
    assert re.fullmatch("[0-9a-f]{8}", calls[0]["query_hash"])
    assert "private" not in file.read_text("utf-8")


@pytest.mark.acceptance("A48", "A143", "A170")
def test_metrics_are_published_on_loopback_for_as_long_as_it_runs(start: Start) -> None:
    from urllib.request import urlopen

    process = start(metrics_port="0")
    process.query("SELECT 1")
    process.query("SELECT 1")
    process.wait_for("http://127.0.0.1:")
    address = re.search(r"http://127\.0\.0\.1:\d+", process.stderr)
    assert address is not None
    with urlopen(address[0], timeout=PATIENCE) as response:  # noqa: S310
        text = response.read().decode()
    assert 'query_total{status="success",type="query"} 1.0' in text
    assert 'cache_hit_total{type="query"} 1.0' in text
    assert 'operation_success_total{operation="execute_sales_query"} 2.0' in text
    assert "pool_pool_max 10.0" in text
