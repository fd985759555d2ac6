"""Next rows and exports as a client meets them."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import resource
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import APPLICATION, FOREVER, Running, Start
from tests.e2e.stdio_process import StdioProcess, poll
from tests.patience import PATIENCE
from tests.people import REDMOND

# Rows that PostgreSQL makes one by one.
ENDLESS = (
    "SELECT n, md5(n::text) FROM (SELECT generate_series(1, 1000000000) AS n) AS rows"
)
ORDERS = "SELECT order_id, total_amount FROM retail.orders"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "documents" / "zava"


@pytest.fixture
def process(start: Start, folder: Path) -> StdioProcess:
    return start(
        export_dir=str(folder), application_name=APPLICATION, log_level="ERROR"
    )


def export(
    process: StdioProcess, query: str = ORDERS, **arguments: Any
) -> dict[str, Any]:
    """Call export_query and return its result."""
    answer = process.call("export_query", postgresql_query=query, **arguments)
    result: dict[str, Any] = answer.result
    return result


def test_a_cut_result_goes_on_to_its_end(process: StdioProcess) -> None:
    first = process.query("SELECT n FROM generate_series(1, 50) AS n").structured
    second = process.call("get_more_rows", handle=first["handle"]).structured
    third = process.call("get_more_rows", handle=second["handle"]).structured
    rows = first["rows"] + second["rows"] + third["rows"]
    assert rows == [[n] for n in range(1, 51)]
    assert first["as_of"] == second["as_of"]
    assert third["truncated"] is None
    assert "handle" not in third
    gone = process.call("get_more_rows", handle="nobody's")
    assert gone.error["code"] == "HANDLE_EXPIRED"
    assert "export_query" in gone.text


def exports_of(process: StdioProcess) -> list[str]:
    """The addresses of the files that a process lists."""
    listed = process.request("resources/list")["resources"]
    addresses = (str(one["uri"]) for one in listed)
    return [uri for uri in addresses if uri.startswith("zava://exports/")]


def test_a_file_is_named_linked_listed_and_read(
    process: StdioProcess, folder: Path
) -> None:
    result = export(process, name="../Late orders")
    made = result["structuredContent"]
    path = Path(made["path"])
    assert path.parent == folder
    assert path.name.startswith("Late-orders-")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text, link = result["content"]
    assert json.loads(text["text"]) == made
    assert (link["type"], link["uri"]) == ("resource_link", made["uri"])
    assert (link["name"], link["size"]) == (path.name, path.stat().st_size)
    assert exports_of(process) == [made["uri"]]
    (content,) = process.request("resources/read", {"uri": made["uri"]})["contents"]
    assert content["text"].encode() == path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    assert content["mimeType"] == "text/csv"
    assert made["row_count"] == content["text"].count("\r\n") - 1 > 100
    assert len(made["first_rows"]) == 5


def test_a_binary_file_is_read_as_a_blob(process: StdioProcess) -> None:
    made = export(process, "SELECT 1 AS one", format="xlsx")["structuredContent"]
    (content,) = process.request("resources/read", {"uri": made["uri"]})["contents"]
    assert base64.b64decode(content["blob"]) == Path(made["path"]).read_bytes()


@pytest.mark.once
@pytest.mark.thorough
@pytest.mark.parametrize(
    "name",
    ["nothing.csv", "../../etc/passwd", "%2e%2e%2fpasswd", "/etc/passwd", "", "a%00b"],
)
def test_nothing_else_is_read(process: StdioProcess, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, mode=0o700)
    (folder / "nothing.csv").write_text("not zava's", "utf-8")
    answer = process.receive(
        process.ask("resources/read", {"uri": f"zava://exports/{name}"})
    )
    assert answer["error"]["code"] == -32602


def test_a_cut_answer_of_metrics_goes_on_to_its_end(
    process: StdioProcess, folder: Path
) -> None:
    asked = {"metrics": ["revenue"], "by": ["day"], "time_period": "2026-Q2"}
    whole = process.call("query_metrics", max_rows=200, **asked).structured
    first = process.call("query_metrics", max_rows=30, **asked).structured
    assert first["truncated"] == "max_rows"
    rows, page = first["rows"], first
    while "handle" in page:
        handle = page["handle"]
        page = process.call("get_more_rows", handle=handle, max_rows=25).structured
        rows += page["rows"]
        assert page["columns"][0]["name"] == "day"
    assert page["truncated"] is None
    assert rows == whole["rows"]
    assert "handle" not in whole
    assert "truncated" not in whole
    again = process.call("query_metrics", max_rows=30, **asked).structured
    assert again["cached"] is True
    assert again["handle"] == first["handle"]
    made = process.call("export_query", handle=first["handle"]).structured
    assert made["row_count"] == len(whole["rows"])
    assert made["columns"] == whole["columns"]


@pytest.mark.once
@pytest.mark.thorough
def test_another_person_s_process_reads_neither_file_nor_handle(
    process: StdioProcess, start: Start, folder: Path
) -> None:
    made = export(process)["structuredContent"]
    handle = process.query(ORDERS).structured["handle"]
    other = start(REDMOND, export_dir=str(folder), log_level="ERROR")
    answer = other.receive(other.ask("resources/read", {"uri": made["uri"]}))
    assert answer["error"]["code"] == -32602
    assert exports_of(other) == []
    assert other.call("get_more_rows", handle=handle).error["code"] == "HANDLE_EXPIRED"
    refused = other.call("export_query", handle=handle)
    assert refused.error["code"] == "HANDLE_EXPIRED"


def test_the_query_behind_a_handle_is_exported(process: StdioProcess) -> None:
    handle = process.query(ORDERS, max_rows=1).structured["handle"]
    result = process.receive(process.ask_tool("export_query", handle=handle))["result"]
    assert result["structuredContent"]["row_count"] > 100


def test_the_client_is_told_how_far_an_export_is_and_ends_it(
    process: StdioProcess, folder: Path, running: Running
) -> None:
    arguments = {"postgresql_query": ENDLESS}
    call = {"name": "export_query", "arguments": arguments}
    token = {"progressToken": "how far"}
    request_id = process.ask("tools/call", {**call, "_meta": token})
    told: list[dict[str, Any]] = []
    while len(told) < 2:
        line = process.lines.get(timeout=PATIENCE)
        assert line is not None
        message = json.loads(line)
        assert message["method"] == "notifications/progress"
        told.append(message["params"])
    assert {one["progressToken"] for one in told} == {"how far"}
    assert 0 < told[0]["progress"] < told[1]["progress"]
    assert os.listdir(folder) != []
    process.notify("notifications/cancelled", {"requestId": request_id})
    poll(lambda: os.listdir(folder) == [], "the file is gone")
    poll(lambda: running() == 0, "no statement is left")
    assert process.query("SELECT 7").structured["rows"] == [[7]]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_the_end_of_the_process_leaves_no_file(
    process: StdioProcess, folder: Path, kind: str
) -> None:
    process.ask_tool("export_query", postgresql_query=ENDLESS, format=kind)
    poll(lambda: folder.exists() and os.listdir(folder) != [], "it is being written")
    process.close_stdin()
    assert process.wait() == 0
    assert os.listdir(folder) == []
    assert "Traceback" not in process.stderr


def test_a_query_that_has_no_row_yet_is_cancelled_too(
    process: StdioProcess, folder: Path, running: Running
) -> None:
    request_id = process.ask_tool("export_query", postgresql_query=FOREVER)
    poll(lambda: running() == 1, "the statement runs")
    process.notify("notifications/cancelled", {"requestId": request_id})
    poll(lambda: running() == 0, "no statement is left")
    assert not folder.exists()


@pytest.mark.once
@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux only")
@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_a_disk_without_room_is_said_and_nothing_stays(
    process: StdioProcess, folder: Path, kind: str
) -> None:
    # A file of this size is refused as one on a full disk is.
    limit = 200_000
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    query = ENDLESS.replace("1000000000", "100000")
    result = export(process, query, format=kind)
    assert result["isError"]
    assert result["_meta"]["zava/error"]["code"] == "EXPORT_FAILED"
    assert "no room on the disk" in result["content"][0]["text"]
    assert os.listdir(folder) == []
    assert not export(process, "SELECT 1").get("isError")


def test_a_linked_folder_is_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    process = start(export_dir=str(tmp_path / "link"), log_level="ERROR")
    result = export(process)
    assert result["_meta"]["zava/error"]["code"] == "CONFIGURATION_ERROR"
    assert "it is a link" in result["content"][0]["text"]
    assert os.listdir(tmp_path / "elsewhere") == []


def test_exports_and_pages_are_in_the_audit_file_and_handles_are_not(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    audit = tmp_path / "audit.jsonl"
    process = start(export_dir=str(folder), audit_file=str(audit), log_level="DEBUG")
    handle = process.query(ORDERS).structured["handle"]
    process.call("get_more_rows", handle=handle)
    process.receive(process.ask_tool("export_query", handle=handle))
    made = export(process)["structuredContent"]
    lines = [json.loads(line) for line in audit.read_text("utf-8").splitlines()]
    digest = hashlib.sha256(ORDERS.encode()).hexdigest()
    assert [line["query_sha256"] for line in lines] == [digest] * 4
    assert [line["rows"] for line in lines][2:] == [made["row_count"]] * 2
    assert lines[-1]["file"] == Path(made["path"]).name
    assert lines[-1]["file_bytes"] == made["bytes"]
    assert "file" not in lines[0]
    process.close_stdin()
    process.wait()
    assert handle not in audit.read_text("utf-8") + process.stderr


def test_only_the_export_is_declared_as_writing(process: StdioProcess) -> None:
    tools = process.request("tools/list")["tools"]
    hints = {tool["name"]: tool["annotations"] for tool in tools}
    writing = {name for name, hint in hints.items() if not hint["readOnlyHint"]}
    assert writing == {"export_query"}
    assert hints["export_query"] == {
        "readOnlyHint": False,
        "destructiveHint": False,
        "idempotentHint": False,
        "openWorldHint": False,
    }
