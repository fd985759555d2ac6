"""Each JSON-RPC error of the server, against the table in docs/tools.md."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import APPLICATION, FOREVER, Running, Start
from tests.e2e.stdio_process import INITIALIZE, StdioProcess, poll
from tests.patience import PATIENCE

PREFIX = "io.modelcontextprotocol"
NO_HANDSHAKE = "2026-07-28"


def envelope(version: str) -> dict[str, Any]:
    meta = {
        f"{PREFIX}/protocolVersion": version,
        f"{PREFIX}/clientInfo": {"name": "tests", "version": "1"},
        f"{PREFIX}/clientCapabilities": {},
    }
    return {"_meta": meta}


def request(method: str, **params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})


# Errors of a connection after the handshake.
AFTER = [
    pytest.param(-32700, "{", id="no-json"),
    pytest.param(-32600, "5", id="no-request"),
    pytest.param(-32600, "[]", id="batch"),
    pytest.param(-32600, '{"jsonrpc":"2.0","id":2.5,"method":"ping"}', id="id"),
    pytest.param(
        -32600, request("tools/list", **envelope(NO_HANDSHAKE)), id="other-era"
    ),
    pytest.param(-32601, request("no/such"), id="unknown-method"),
    pytest.param(-32602, request("completion/complete"), id="no-parameters"),
    pytest.param(-32602, request("tools/call"), id="bad-parameters"),
    pytest.param(-32602, request("tools/call", name=5), id="bad-name"),
    pytest.param(-32602, request("prompts/get", name="x"), id="unknown-prompt"),
    pytest.param(-32602, request("resources/read", uri="x://y"), id="unknown-resource"),
    pytest.param(-32602, request("tools/list", cursor="x"), id="unknown-cursor"),
]
# Errors of a connection without a handshake: the last of these messages.
WITHOUT = [
    pytest.param(-32602, [request("tools/list")], id="before-initialize"),
    pytest.param(
        -32022, [request("tools/list", **envelope("1999-01-01"))], id="version"
    ),
    pytest.param(
        -32022,
        [
            request("tools/list", **envelope(NO_HANDSHAKE)),
            request("initialize", **INITIALIZE),
        ],
        id="late-initialize",
    ),
    pytest.param(
        -32602,
        [request("tools/list", **envelope(NO_HANDSHAKE)), request("tools/list")],
        id="no-envelope",
    ),
]
# Of the end and of the start, and of an id that is in flight (`test_cancellation.py`).
OTHER = {-32000, -32603, -32600}


def answer_to(process: StdioProcess, line: str) -> dict[str, Any]:
    process.write(line.encode() + b"\n")
    told: dict[str, Any] = json.loads(process.lines.get(timeout=PATIENCE) or b"")
    return told


@pytest.mark.parametrize(("code", "line"), AFTER)
def test_a_fault_of_the_protocol_has_the_code_of_the_table(
    server: StdioProcess, code: int, line: str
) -> None:
    assert answer_to(server, line)["error"]["code"] == code


@pytest.mark.parametrize(("code", "lines"), WITHOUT)
def test_a_fault_without_a_handshake_has_the_code_of_the_table(
    start: Start, code: int, lines: list[str]
) -> None:
    process = start(handshake=False, log_level="ERROR")
    answers = [answer_to(process, line) for line in lines]
    assert answers[-1]["error"]["code"] == code
    assert ["result" in answer for answer in answers[:-1]] == [True] * (len(lines) - 1)


def test_a_server_that_cannot_start_has_the_code_of_the_table(start: Start) -> None:
    process = start(None, handshake=False, log_level="ERROR")
    process.send({"id": 1, "method": "initialize", "params": INITIALIZE})
    assert process.receive(1)["error"]["code"] == -32603


def test_a_call_at_the_end_has_the_code_of_the_table(
    start: Start, running: Running
) -> None:
    process = start(application_name=APPLICATION, ends_in_order=True, log_level="ERROR")
    call = process.ask_tool("execute_sales_query", postgresql_query=FOREVER)
    poll(lambda: running() == 1, "the statement runs")
    process.close_stdin()
    assert process.receive(call)["error"]["code"] == -32000


def test_the_page_on_tools_lists_every_code_and_no_other() -> None:
    page = (ROOT / "docs/tools.md").read_text("utf-8")
    listed = [int(code) for code in re.findall(r"^\| (-32\d{3}) \|", page, re.M)]
    tested = {case.values[0] for case in (*AFTER, *WITHOUT)} | OTHER
    assert len(listed) == len(set(listed))
    assert set(listed) == tested
