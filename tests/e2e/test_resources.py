"""Resources over real stdio: what they say, to whom, and what is not there."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.stdio_process import ERROR_META, INITIALIZE, StdioProcess
from tests.people import SEATTLE, regional_manager

MONTHS: dict[str, Any] = {
    "metrics": ["revenue"],
    "by": ["month"],
    "time_period": "2025",
    "chart": "auto",
}


def read(process: StdioProcess, uri: str) -> Any:
    """The JSON that a resource holds."""
    (content,) = process.request("resources/read", {"uri": uri})["contents"]
    assert content["uri"] == uri
    assert content["mimeType"] == "application/json"
    return json.loads(content["text"])


def error(process: StdioProcess, uri: str) -> dict[str, Any]:
    answer = process.receive(process.ask("resources/read", {"uri": uri}))
    found: dict[str, Any] = answer["error"]
    return found


def test_every_resource_that_is_listed_can_be_read(server: StdioProcess) -> None:
    listed = server.request("resources/list")["resources"]
    own = [one for one in listed if one["uri"].startswith("zava://")]
    assert {"zava://person", "zava://metrics", "zava://tables"} <= {
        one["uri"] for one in own
    }
    for one in own:
        assert one["title"]
        assert server.request("resources/read", {"uri": one["uri"]})["contents"]
    templates = server.request("resources/templates/list")["resourceTemplates"]
    assert [one["uriTemplate"] for one in templates] == [
        "zava://metrics/{name}",
        "zava://tables/{name}",
    ]


def told_of(answer: dict[str, Any], name: str) -> str:
    """Return a metric's text with its list of dimensions in place of the letter."""
    text: str = answer["metrics"][name]
    for letter, dimensions in answer["only_by"].items():
        text = text.replace(f"only by {letter}]", f"only by {dimensions}]")
    return text


def test_metrics_are_told_as_the_tool_tells_them(server: StdioProcess) -> None:
    every = read(server, "zava://metrics")
    names = server.call("list_metrics").structured
    assert set(every["metrics"]) == set(names["metrics"])
    assert set(every["dimensions"]) == set(names["dimensions"])
    found = server.call("list_metrics", search="days of cover").structured
    told = told_of(found, "days_of_cover")
    assert told_of(every, "days_of_cover") == told
    one = read(server, "zava://metrics/days_of_cover")
    assert (set(one["metrics"]), one["dimensions"]) == ({"days_of_cover"}, {})
    assert told_of(one, "days_of_cover") == told
    assert read(server, "zava://metrics/Days_of_cover") == one


def test_tables_are_told_as_the_tool_tells_them(server: StdioProcess) -> None:
    every = read(server, "zava://tables")
    named = server.call("search_tables", detail="names").structured
    assert list(every["tables"]) == named["tables"]
    assert all(every["tables"].values())
    told = server.call("get_multiple_table_schemas", table_names=["orders"])
    assert read(server, "zava://tables/orders") == told.structured
    assert read(server, "zava://tables/retail.orders") == told.structured
    assert read(server, "zava://tables/%6Frders") == told.structured


def test_each_person_reads_who_they_are(server: StdioProcess, start: Start) -> None:
    manager = read(server, "zava://person")
    assert (manager["role"], manager["is_head_office"]) == ("store_managers", False)
    assert manager["stores"] == {"Puget Sound": ["Zava Retail Seattle"]}
    assert manager["online_stores"] == []
    person = server.call("search_tables", search="orders").structured["person"]
    assert person["name"] == manager["name"]
    assert person["data_through"] == manager["data_through"]
    head_office = read(start(regional_manager("Head Office")), "zava://person")
    assert (head_office["role"], head_office["store_count"]) == ("regional_managers", 8)
    assert head_office["is_head_office"]
    assert head_office["online_stores"] == ["Zava Retail Online"]
    assert sum(map(len, head_office["stores"].values())) == 8


@pytest.mark.parametrize(
    ("uri", "near"),
    [
        ("zava://metric", "zava://metrics"),
        ("zava://metrics/revenu", "zava://metrics/revenue"),
        ("zava://metrics/xyzzy", "zava://metrics"),
        ("zava://tables/order", "retail.orders"),
        ("zava://person/name", "zava://person"),
        ("zava://tables/identity_key", "unknown: "),
        ("file:///etc/passwd", "zava://"),
        ("zava://tables/../person", "retail."),
    ],
)
def test_an_unknown_resource_is_an_error_with_near_ones(
    server: StdioProcess, uri: str, near: str
) -> None:
    said = error(server, uri)
    assert said["code"] == -32602
    assert said["message"].startswith("[VALIDATION_ERROR] ")
    assert near in said["message"]
    assert said["data"]["code"] == "VALIDATION_ERROR"


def test_a_database_that_is_away_is_an_error_with_its_code(start: Start) -> None:
    process = start(database_url="host=127.0.0.1 port=1 connect_timeout=1")
    said = error(process, "zava://person")
    assert said["code"] == -32603
    assert said["message"].startswith("[UNAVAILABLE] ")
    assert read(process, "zava://metrics")["metrics"]
    assert process.request("resources/list")["resources"]


def picture(result: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """The image of an answer, and its link."""
    _, image, link = result["content"]
    assert (image["type"], link["type"]) == ("image", "resource_link")
    return base64.b64decode(image["data"]), link


@pytest.mark.thorough
def test_a_picture_is_linked_and_read_by_the_link(server: StdioProcess) -> None:
    data, link = picture(server.call("query_metrics", **MONTHS).result)
    assert link["mimeType"] == "image/png"
    assert link["size"] == len(data)
    (content,) = server.request("resources/read", {"uri": link["uri"]})["contents"]
    assert content["mimeType"] == "image/png"
    assert base64.b64decode(content["blob"]) == data
    listed = server.request("resources/list")["resources"]
    assert link["uri"] in [one["uri"] for one in listed]


@pytest.mark.thorough
@pytest.mark.once
def test_a_client_from_before_links_gets_the_picture_alone(start: Start) -> None:
    process = start(handshake=False)
    process.request("initialize", {**INITIALIZE, "protocolVersion": "2025-03-26"})
    process.notify("notifications/initialized")
    result = process.call("query_metrics", **MONTHS).result
    assert [block["type"] for block in result["content"]] == ["text", "image"]


def test_a_picture_that_is_gone_says_how_to_get_it_again(server: StdioProcess) -> None:
    said = error(server, "zava://pictures/0000000000000000.png")
    assert said["code"] == -32602
    assert "it is gone" in said["message"]
    assert "with chart again" in said["message"]


@pytest.mark.thorough
@pytest.mark.once
def test_what_is_read_is_recorded(start: Start, tmp_path: Any) -> None:
    path = tmp_path / "audit.jsonl"
    process = start(audit_file=str(path), log_level="ERROR")
    (content,) = process.request("resources/read", {"uri": "zava://tables"})["contents"]
    assert error(process, "zava://tables/nothing")["code"] == -32602
    assert error(process, "zava://nothing")["code"] == -32602
    first, second, third = map(json.loads, path.read_text("utf-8").splitlines())
    assert (first["tool"], first["outcome"]) == ("read_tables", "ok")
    assert first["bytes"] == len(content["text"].encode())
    assert (first["user_id"], first["role"]) == (SEATTLE, "store_managers_personal")
    assert (second["tool"], second["outcome"]) == ("read_tables", "VALIDATION_ERROR")
    assert (third["tool"], third["outcome"]) == (
        "unknown_resource",
        "VALIDATION_ERROR",
    )


@pytest.mark.thorough
@pytest.mark.once
def test_what_cannot_be_recorded_is_not_read(start: Start, tmp_path: Any) -> None:
    path = tmp_path / "audit.jsonl"
    process = start(audit_file=str(path), audit_required="1", log_level="ERROR")
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    for uri in ("zava://metrics", "zava://nothing"):
        said = error(process, uri)
        assert (said["code"], said["data"]["code"]) == (-32603, "AUDIT_FAILED")
    assert ERROR_META in process.query("SELECT 1").result["_meta"]
