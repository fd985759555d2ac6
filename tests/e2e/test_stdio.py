"""What the process says on its wire, whatever is put onto it."""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.conftest import ROOT
from tests.e2e.conftest import Start
from tests.e2e.stdio_process import INITIALIZE, StdioProcess, environment
from tests.people import SEATTLE

PICTURE = base64.b64encode((ROOT / "zava" / "icon.png").read_bytes()).decode()
ICON = {
    "src": f"data:image/png;base64,{PICTURE}",
    "mimeType": "image/png",
    "sizes": ["512x512"],
}
TOOLS = {"execute_sales_query", "get_multiple_table_schemas", "get_current_utc_date"}


@pytest.mark.acceptance("A3", "A9", "D1")
@pytest.mark.parametrize("version", ["2024-11-05", "2025-11-25"])
def test_the_handshake_names_the_server_and_what_it_is_for(
    start: Start, version: str
) -> None:
    process = start(handshake=False, log_level="ERROR")
    params = {**INITIALIZE, "protocolVersion": version}
    result = process.request("initialize", params)
    assert result["protocolVersion"] == version
    assert result["serverInfo"]["name"] == "Zava Retail Analytics"
    (icon,) = result["serverInfo"].get("icons", [ICON])
    assert icon == ICON
    assert "tools" in result["capabilities"]
    assert "execute_sales_query" in result["instructions"]
    assert "The person sees Zava Retail Seattle." in result["instructions"]
    assert re.search(r"reached until 20\d\d-\d\d-\d\d\.$", result["instructions"])


def test_a_client_of_the_newest_protocol_needs_no_handshake(start: Start) -> None:
    process = start(handshake=False, log_level="ERROR")
    prefix = "io.modelcontextprotocol"
    meta = {
        f"{prefix}/protocolVersion": "2026-07-28",
        f"{prefix}/clientCapabilities": {},
    }
    tools = process.request("tools/list", {"_meta": meta})["tools"]
    assert {tool["name"] for tool in tools} >= TOOLS


@pytest.mark.acceptance("A4", "A10")
@pytest.mark.parametrize("name", sorted(TOOLS))
def test_a_tool_is_described_in_full(server: StdioProcess, name: str) -> None:
    tools = {tool["name"]: tool for tool in server.request("tools/list")["tools"]}
    tool = tools[name]
    assert tool["title"]
    assert len(tool["description"]) > 60
    assert tool["annotations"] == {
        "readOnlyHint": True,
        "destructiveHint": False,
        "idempotentHint": True,
        "openWorldHint": False,
    }
    assert tool["outputSchema"]["properties"]
    for argument in tool["inputSchema"].get("properties", {}).values():
        assert argument["description"]


def test_the_current_date_is_in_utc(server: StdioProcess) -> None:
    answer = server.call("get_current_utc_date")
    assert answer.structured["current_utc_datetime"].endswith("+00:00")
    assert json.loads(answer.text) == answer.structured


def test_tables_are_described_in_the_order_asked_for(server: StdioProcess) -> None:
    names = ["retail.orders", "STORES"]
    answer = server.call("get_multiple_table_schemas", table_names=names)
    orders, stores = answer.structured["tables"]
    assert (orders["table"], stores["table"]) == ("retail.orders", "retail.stores")
    assert json.loads(answer.text) == answer.structured
    assert orders["columns"]["order_id"] == "uuid; pk"
    assert "cancelled or returned" in orders["columns"]["status"]
    assert orders["columns"]["store_id"].startswith("uuid; -> retail.stores; ")
    assert "created_at" not in orders["columns"]
    assert answer.structured["person"]["stores"] == "Zava Retail Seattle"
    assert "here Zava Retail Seattle" in stores["columns"]["name"]


def test_tables_are_found_by_words_and_a_query_is_explained(
    server: StdioProcess,
) -> None:
    found = server.call("search_tables", search="stock level")
    assert list(found.structured["tables"]) == ["retail.inventory"]
    assert json.loads(found.text) == found.structured
    every = server.call("search_tables", search=None, detail="names")
    assert "retail.orders" in every.structured["tables"]
    answer = server.call(
        "explain_query", postgresql_query="SELECT name FROM retail.stores"
    )
    assert answer.structured["steps"] == ["read retail.stores"]
    assert json.loads(answer.text) == answer.structured
    refused = server.call(
        "explain_query", postgresql_query="EXPLAIN ANALYZE SELECT 1; SELECT 2"
    )
    assert refused.error["code"] == "SYNTAX_ERROR"


def test_a_cut_result_says_how_to_get_the_rest(server: StdioProcess) -> None:
    cut = server.query("SELECT sku FROM retail.products", max_rows=3).structured
    assert cut["truncated"] == "max_rows"
    assert "raise max_rows" in cut["more"]
    assert "SELECT count(*)" in cut["more"]
    whole = server.query("SELECT 1").structured
    assert whole["truncated"] is None
    assert "more" not in whole


PING = {"id": "after", "method": "ping", "params": {}}


def assert_alive(server: StdioProcess) -> None:
    server.send(PING)
    response = server.receive("after")  # type: ignore[arg-type]
    assert response["result"] == {}


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param(b"\n\n  \n\r\n", id="blank-lines"),
        pytest.param(b"hello\n", id="not-json"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"ping"\n', id="cut-short"),
        pytest.param(b'{"id":1,"method":"ping"}\n', id="no-version"),
        pytest.param(b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]\n', id="batch"),
        pytest.param(b"null\n42\n[]\n{}\n", id="other-json"),
        pytest.param(b"\xff\xfe\x00\x80\n", id="invalid-utf-8"),
        pytest.param(b"\x00\n", id="nul"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000 + b"\n", id="deep"),
        pytest.param(b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"\n", id="deep-objects"),
        pytest.param(b"9" * 100_000 + b"\n", id="huge-number"),
        pytest.param(
            rb'{"jsonrpc":"2.0","id":"s","method":"tools/call","params":{"name":'
            rb'"execute_sales_query","arguments":{"postgresql_query":"\ud800"}}}'
            b"\n",
            id="lone-surrogate",
        ),
        pytest.param(b"x" * (17 * 1024 * 1024) + b"\n", id="seventeen-megabytes"),
        pytest.param(b'{"jsonrpc":"2.0","id":"n","result":{}}\n', id="stray-result"),
        pytest.param(
            b'{"jsonrpc":"2.0","method":"notifications/cancelled",'
            b'"params":{"requestId":"nobody"}}\n',
            id="cancels-nothing",
        ),
    ],
)
def test_noise_on_the_wire_does_not_end_the_server(
    server: StdioProcess, noise: bytes
) -> None:
    server.write(noise)
    assert_alive(server)


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        pytest.param(
            rb'{"jsonrpc":"2.0","id":"r","method":"tools/call","params":{"name":'
            rb'"execute_sales_query","arguments":{"postgresql_query":"\ud800"}}}',
            -32700,
            "hex escape",
            id="lone-surrogate",
        ),
        pytest.param(
            b'{"method":"ping","params":{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"},"
            b'"jsonrpc":"2.0","id":"r"}',
            -32700,
            "recursion limit",
            id="deep",
        ),
        pytest.param(
            b'{"jsonrpc":"2.0","id":"r","method":"ping"', -32700, "EOF", id="cut-short"
        ),
        pytest.param(
            b'{"jsonrpc":"2.0","id":"r","method":"ping","params":[]}',
            -32600,
            "`params` are an object",
            id="positional-parameters",
        ),
        pytest.param(
            b'{"id":"r","method":"ping"}', -32600, "JSON-RPC 2.0", id="no-version"
        ),
    ],
)
def test_a_request_that_cannot_be_read_is_answered_under_its_id(
    server: StdioProcess, request_: bytes, code: int, words: str
) -> None:
    server.write(request_ + b"\n")
    error = server.receive("r")["error"]  # type: ignore[arg-type]
    assert error["code"] == code
    assert words in error["message"]
    assert_alive(server)


def test_a_result_that_cannot_be_read_is_not_answered(server: StdioProcess) -> None:
    server.write(b'{"jsonrpc":"2.0","id":"r","result":"\\ud800"}\n')
    assert_alive(server)
    assert server.lines.empty()


def test_lines_may_end_as_on_windows(server: StdioProcess) -> None:
    message = server.new_message("ping")
    server.write(server.encode(message).replace(b"\n", b"\r\n"))
    assert server.receive(message["id"])["result"] == {}


def test_several_messages_may_come_in_one_write(server: StdioProcess) -> None:
    messages = [server.new_message("ping") for _ in range(20)]
    server.write(b"".join(map(server.encode, messages)))
    for message in messages:
        assert server.receive(message["id"])["result"] == {}


def test_one_message_may_come_byte_by_byte(server: StdioProcess) -> None:
    message = server.new_message("ping")
    for byte in server.encode(message):
        server.write(bytes([byte]))
    assert server.receive(message["id"])["result"] == {}


def test_invalid_utf_8_within_a_message_is_replaced(server: StdioProcess) -> None:
    arguments = {"postgresql_query": "SELECT '?' AS x"}
    call = {"name": "execute_sales_query", "arguments": arguments}
    message = server.new_message("tools/call", call)
    server.write(server.encode(message).replace(b"'?'", b"'\xff'"))
    result = server.receive(message["id"])["result"]
    assert result["structuredContent"]["rows"] == [["�"]]


def test_text_of_every_script_goes_both_ways(server: StdioProcess) -> None:
    text = "Grüße, 世界, \U0001f600, \u2028, \x7f"
    answer = server.query(f"SELECT '{text}' AS \"{text}\"")
    assert answer.structured["rows"] == [[text]]
    assert answer.structured["columns"][0]["name"] == text


@pytest.mark.acceptance("A9")
def test_an_unknown_method_is_a_protocol_error(server: StdioProcess) -> None:
    response = server.receive(server.ask("no/such/method"))
    assert response["error"]["code"] == -32601


@pytest.mark.acceptance("A11")
def test_many_calls_at_once_are_all_answered(server: StdioProcess) -> None:
    ids = [
        server.ask_tool("execute_sales_query", postgresql_query=f"SELECT {number}")
        for number in range(100)
    ]
    for number, request_id in enumerate(ids):
        result = server.receive(request_id)["result"]
        assert result["structuredContent"]["rows"] == [[number]]


def test_a_client_that_reads_late_gets_everything(server: StdioProcess) -> None:
    sql = "SELECT repeat('x', 1000) FROM generate_series(1, 100)"
    ids = [
        server.ask_tool("execute_sales_query", postgresql_query=sql, max_rows=100)
        for _ in range(20)
    ]
    for request_id in ids:
        result = server.receive(request_id)["result"]
        assert result["structuredContent"]["row_count"] == 100


@pytest.mark.acceptance("A5", "A9", "A10")
@pytest.mark.anyio
async def test_the_sdk_client_lists_and_calls(
    server_conninfo: str, tmp_path: Path
) -> None:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "zava", "serve", "--user", SEATTLE],
        env=environment(ZAVA_DATABASE_URL=server_conninfo, ZAVA_LOG_LEVEL="ERROR"),
        cwd=tmp_path,
    )
    async with Client(parameters) as client:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} >= TOOLS
        arguments: dict[str, Any] = {"postgresql_query": "SELECT 1 AS one"}
        answer = await client.call_tool("execute_sales_query", arguments)
        assert not answer.is_error
        assert answer.structured_content is not None
        assert answer.structured_content["rows"] == [[1]]
        refused = await client.call_tool(
            "execute_sales_query", {"postgresql_query": "DELETE FROM retail.orders"}
        )
        assert refused.is_error
        assert refused.structured_content is None
