"""Pictures of answers and the view, over real stdio."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.stdio_process import INITIALIZE, StdioProcess

APPS = "io.modelcontextprotocol/ui"
URI = "ui://zava/answer.html"
WITH_VIEWS = {
    **INITIALIZE,
    "capabilities": {
        "extensions": {APPS: {"mimeTypes": ["text/html;profile=mcp-app"]}}
    },
}
MONTHS: dict[str, Any] = {
    "metrics": ["revenue"],
    "by": ["month"],
    "time_period": "2025",
}
VIEWED = ("query_metrics", "execute_sales_query", "get_store_performance")


@pytest.fixture
def host(start: Start) -> StdioProcess:
    """A server whose client shows views."""
    process = start(handshake=False)
    process.request("initialize", WITH_VIEWS)
    process.notify("notifications/initialized")
    return process


def test_tools_with_a_view_name_it(server: StdioProcess) -> None:
    tools = server.request("tools/list")["tools"]
    viewed = {
        tool["name"]: tool["_meta"] for tool in tools if "ui" in tool.get("_meta", {})
    }
    meta = {"ui": {"resourceUri": URI}, "ui/resourceUri": URI}
    assert viewed == {name: meta for name in VIEWED}  # noqa: C420 - it is mutable
    listed = server.request("resources/list")["resources"]
    assert URI in [resource["uri"] for resource in listed]


@pytest.mark.thorough
def test_the_view_is_one_document_for_hosts_of_apps(server: StdioProcess) -> None:
    (content,) = server.request("resources/read", {"uri": URI})["contents"]
    assert content["mimeType"] == "text/html;profile=mcp-app"
    assert content["text"].startswith("<!doctype html>")
    assert len(content["text"].encode()) < 1_000_000


@pytest.mark.parametrize(
    ("tool", "arguments", "forms"),
    [
        ("query_metrics", MONTHS, ["line", "bar"]),
        (
            "execute_sales_query",
            {"postgresql_query": "SELECT 'a' AS x, 1 AS y"},
            ["bar"],
        ),
        (
            "get_store_performance",
            {"store_id": "Seattle", "time_period": "2026-05"},
            ["bar", "scatter"],
        ),
    ],
)
def test_a_host_of_views_is_told_how_an_answer_is_drawn(
    host: StdioProcess, tool: str, arguments: dict[str, Any], forms: list[str]
) -> None:
    result = host.call(tool, **arguments).result
    shown = result["_meta"]["zava/chart"]
    assert list(dict.fromkeys(each["form"] for each in shown["forms"])) == forms
    assert shown["tool"] == tool
    rows = shown.get("rows", result["structuredContent"].get("rows"))
    assert len(rows[0]) == len(shown["columns"])


def test_a_view_is_not_given_the_rows_of_the_answer_again(host: StdioProcess) -> None:
    rows = {"postgresql_query": "SELECT n FROM generate_series(1, 3) AS g (n)"}
    for tool, asked in (("query_metrics", MONTHS), ("execute_sales_query", rows)):
        result = host.call(tool, **asked).result
        assert result["structuredContent"]["rows"]
        assert "rows" not in result["_meta"]["zava/chart"]


def test_a_view_draws_the_days_without_a_row_that_the_model_is_spared(
    host: StdioProcess,
) -> None:
    may = {"metrics": ["orders"], "time_period": "2026-05"}
    kinds = host.call("query_metrics", **may, by=["type"], max_rows=200).structured
    few = min((row for row in kinds["rows"] if row[1]), key=lambda row: row[1])[0]
    asked = {**may, "by": ["day"], "filters": {"type": few}}
    result = host.call("query_metrics", **asked).result
    figures, drawn = result["structuredContent"], result["_meta"]["zava/chart"]["rows"]
    assert "spans" not in figures
    assert [row[0] for row in drawn] == [f"2026-05-{day:02}" for day in range(1, 32)]
    assert [row for row in drawn if row[1]] == figures["rows"]
    assert 0 < len(figures["rows"]) < 31


def test_nobody_else_is_told(server: StdioProcess) -> None:
    assert "_meta" not in server.call("query_metrics", **MONTHS).result


@pytest.mark.thorough
def test_a_picture_comes_beside_the_figures(server: StdioProcess) -> None:
    result = server.call("query_metrics", **MONTHS, chart="auto").result
    text, image, _ = result["content"]
    assert text["type"] == "text"
    assert image["mimeType"] == "image/png"
    assert base64.b64decode(image["data"]).startswith(b"\x89PNG")
    plain = server.call("query_metrics", **MONTHS).structured
    assert result["structuredContent"]["rows"] == plain["rows"]


def test_figures_that_cannot_be_drawn_come_with_the_reason(
    server: StdioProcess,
) -> None:
    asked = {"postgresql_query": "SELECT 'a' AS x, 'b' AS y", "chart": "auto"}
    result = server.call("execute_sales_query", **asked).result
    assert result["structuredContent"]["rows"] == [["a", "b"]]
    assert "nothing of this answer can be drawn" in result["content"][1]["text"]
    asked = {**MONTHS, "chart": "heat_map"}
    said = server.call("query_metrics", **asked).result["content"][1]["text"]
    assert said.endswith("does not fit this answer; auto, line, bar do")
