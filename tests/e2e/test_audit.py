"""What the operator finds in the audit file."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import FOREVER, Start
from tests.e2e.stdio_process import StdioProcess, poll
from tests.people import REDMOND, SEATTLE

pytestmark = [pytest.mark.thorough, pytest.mark.once]

FIELDS = [
    *("time", "user_id", "role", "tool", "query_sha256", "rows", "bytes", "ms"),
    *("outcome", "cached"),
]
SECRET = "SELECT name, 'a-literal' AS secret FROM retail.stores"


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def audited(start: Start, path: Path, **variables: str) -> StdioProcess:
    return start(audit_file=str(path), log_level="ERROR", **variables)


def test_every_call_is_one_line_with_what_it_got(start: Start, path: Path) -> None:
    process = audited(start, path)
    answers = [process.query(SECRET), process.query(SECRET)]
    answers.append(process.query("SELECT * FROM retail.nothing"))
    answers.append(process.call("health_check"))
    answers.append(process.call("no_such_tool", postgresql_query="x"))
    lines = entries(path)
    assert [list(line) for line in lines] == [FIELDS] * 5
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    first, second, failed, health, unknown = lines
    assert first["role"] == "store_managers_personal"
    assert {line["user_id"] for line in lines} == {SEATTLE}
    assert (first["rows"], first["cached"], first["outcome"]) == (1, False, "ok")
    assert (second["rows"], second["cached"], second["outcome"]) == (1, True, "ok")
    assert first["query_sha256"] == second["query_sha256"] == digest
    assert (failed["outcome"], failed["rows"]) == ("UNDEFINED_TABLE", None)
    assert (health["tool"], health["query_sha256"]) == ("health_check", None)
    assert (unknown["tool"], unknown["outcome"]) == ("unknown_tool", "VALIDATION_ERROR")
    assert [line["bytes"] for line in lines] == [
        len(answer.text.encode()) for answer in answers
    ]
    assert all(line["ms"] > 0 for line in lines)
    assert all(re.fullmatch(r"\d{4}-.+\+00:00", line["time"]) for line in lines)


def test_a_line_says_whether_the_person_has_the_right_to_personal_data(
    start: Start, path: Path
) -> None:
    audited(start, path).query(SECRET)
    start(REDMOND, audit_file=str(path), log_level="ERROR").query(SECRET)
    roles = [line["role"] for line in entries(path)]
    assert roles == ["store_managers_personal", "store_managers"]


def test_the_file_is_private_and_holds_neither_sql_nor_rows(
    start: Start, path: Path
) -> None:
    process = audited(start, path)
    assert not process.query(SECRET).is_error
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text("utf-8")
    assert "a-literal" not in text
    assert "Seattle" not in text
    assert "SELECT" not in text


def test_a_cancelled_call_is_recorded_as_cancelled(start: Start, path: Path) -> None:
    process = audited(start, path)
    request_id = process.ask_tool("execute_sales_query", postgresql_query=FOREVER)
    assert process.request("ping") == {}
    process.notify("notifications/cancelled", {"requestId": request_id})
    poll(lambda: bool(entries(path)), "it is recorded")
    (line,) = entries(path)
    assert (line["outcome"], line["bytes"]) == ("CANCELLED", 0)


def test_several_servers_share_a_file(start: Start, path: Path) -> None:
    users = (SEATTLE, REDMOND)
    processes = [
        start(user, audit_file=str(path), audit_sync="1", log_level="ERROR")
        for user in users
    ]
    ids = [
        (
            process,
            process.ask_tool("execute_sales_query", postgresql_query=f"SELECT {n}"),
        )
        for n in range(20)
        for process in processes
    ]
    for process, request_id in ids:
        assert not process.receive(request_id)["result"].get("isError")
    lines = entries(path)
    for user in users:
        assert sum(line["user_id"] == user for line in lines) == 20


def spoil(path: Path) -> None:
    path.rename(path.with_suffix(".away"))
    path.mkdir()


@pytest.mark.parametrize("sync", ["0", "1"])
def test_where_the_record_is_required_nothing_is_answered_without_it(
    start: Start, path: Path, sync: str
) -> None:
    process = audited(start, path, audit_required="1", audit_sync=sync)
    assert not process.query("SELECT 41 + 1").is_error
    spoil(path)
    for _ in range(2):  # from the cache too
        answer = process.query("SELECT 41 + 1")
        assert answer.error["code"] == "AUDIT_FAILED"
        assert "42" not in answer.text
        assert str(path.parent) not in answer.text
    path.rmdir()
    assert process.query("SELECT 41 + 1").structured["rows"] == [[42]]


def test_where_it_is_not_required_a_failure_is_logged_and_the_call_answered(
    start: Start, path: Path
) -> None:
    process = audited(start, path)
    spoil(path)
    assert process.query("SELECT 41 + 1").structured["rows"] == [[42]]
    process.wait_for("was not recorded")


def test_a_file_that_cannot_be_written_stops_the_start(
    start: Start, path: Path
) -> None:
    path.mkdir()
    process = start(handshake=False, audit_file=str(path), log_level="ERROR")
    assert process.wait() == 1
    (line,) = process.stderr.splitlines()
    assert line.startswith("zava: ZAVA_AUDIT_FILE")
