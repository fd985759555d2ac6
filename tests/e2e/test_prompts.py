"""Prompts and completion over real stdio: what they say, and to whom."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import PromptReference, ResourceTemplateReference

from tests.e2e.conftest import Start
from tests.e2e.stdio_process import StdioProcess, environment
from tests.people import SEATTLE, regional_manager

PROMPTS = [
    "last_week",
    "running_out",
    "lapsed_customers",
    "monday_meeting",
    "compare_stores",
]
# The seed's orders end here; relative periods would depend on the day of the test.
PERIOD = "2026-06"
VALUES = {
    "store": "seattle",
    "region": "Puget Sound Region",
    "category": "power",
    "period": "June 2026",
}
_CALL = re.compile(r"^- (\w+) (\{.*\})$", re.MULTILINE)


@pytest.fixture(scope="module")
def head_office(
    server_conninfo: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StdioProcess]:
    variables = {"ZAVA_DATABASE_URL": server_conninfo, "ZAVA_LOG_LEVEL": "ERROR"}
    folder = tmp_path_factory.mktemp("head-office")
    user = regional_manager("Head Office")
    with StdioProcess(user, folder, variables) as process:
        process.initialize()
        yield process


def get(process: StdioProcess, name: str, **arguments: str) -> str:
    """The text of a prompt."""
    asked = {"name": name, "arguments": arguments}
    (message,) = process.request("prompts/get", asked)["messages"]
    assert message["role"] == "user"
    text: str = message["content"]["text"]
    return text


def values(
    process: StdioProcess, argument: str, typed: str = "", prompt: str = "running_out"
) -> list[str]:
    """What an argument of a prompt is completed to."""
    asked = {
        "ref": {"type": "ref/prompt", "name": prompt},
        "argument": {"name": argument, "value": typed},
    }
    completion = process.request("completion/complete", asked)["completion"]
    assert len(completion["values"]) <= 100
    assert completion["hasMore"] == (completion["total"] > 100)
    found: list[str] = completion["values"]
    return found


def error(process: StdioProcess, method: str, params: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = process.receive(process.ask(method, params))["error"]
    return found


def test_the_prompts_are_listed_with_their_arguments(server: StdioProcess) -> None:
    listed = server.request("prompts/list")["prompts"]
    assert [one["name"] for one in listed] == PROMPTS
    for one in listed:
        assert one["title"]
        assert one["description"]
        for argument in one["arguments"]:
            assert argument["description"]
            assert not argument["required"]


@pytest.mark.parametrize("name", PROMPTS)
def test_every_call_that_a_prompt_names_is_answered(
    head_office: StdioProcess, name: str
) -> None:
    listed = head_office.request("prompts/list")["prompts"]
    (declared,) = (one for one in listed if one["name"] == name)
    taken = [each["name"] for each in declared["arguments"]]
    text = get(head_office, name, **{each: VALUES[each] for each in taken})
    plain = get(head_office, name)
    calls = _CALL.findall(text)
    assert 2 <= len(calls) <= len(_CALL.findall(plain))
    for tool, arguments in calls:
        asked = json.loads(arguments)
        answer = head_office.call(tool, **asked)
        assert not answer.is_error, (tool, asked, answer.text)
    for tool, arguments in _CALL.findall(plain):
        asked = {**json.loads(arguments)}
        if "time_period" in asked:
            asked["time_period"] = PERIOD
        answer = head_office.call(tool, **asked)
        assert not answer.is_error, (tool, asked, answer.text)


def test_arguments_stand_in_a_prompt_as_zava_writes_them(server: StdioProcess) -> None:
    text = get(
        server, "running_out", store="seattle", category="POWER", period="June 2026"
    )
    assert '"stores": ["Zava Retail Seattle"]' in text
    assert '"category": "Power Tools"' in text
    assert '"time_period": "2026-06"' in text
    assert get(server, "last_week", store="", period=" ") == get(server, "last_week")
    assert '"store_id": "all"' in get(server, "last_week", store="All stores")


def test_two_persons_complete_to_their_own_stores(
    server: StdioProcess, head_office: StdioProcess
) -> None:
    assert values(server, "store") == ["Zava Retail Seattle", "Puget Sound"]
    assert values(server, "store", "Redmond") == []
    assert len(values(head_office, "store")) > 8
    assert values(head_office, "store", "red") == ["Zava Retail Redmond"]
    assert values(head_office, "store", "redmnd") == []
    assert values(head_office, "store", "zava retail redmnd")[0] == (
        "Zava Retail Redmond"
    )
    regions = values(head_office, "region", prompt="compare_stores")
    assert "Puget Sound" in regions
    assert values(server, "region", prompt="compare_stores") == ["Puget Sound"]


def test_categories_and_periods_complete_to_what_tools_understand(
    server: StdioProcess,
) -> None:
    categories = values(server, "category")
    assert "Power Tools" in categories
    assert values(server, "category", "tools")[0] in ("Hand Tools", "Power Tools")
    periods = values(server, "period")
    assert periods[:2] == ["last_week", "this_week"]
    assert values(server, "period", "2026-0")[0] == "2026-06"
    assert values(server, "period", "FY2026-Q") != []


@pytest.mark.parametrize(
    ("uri", "typed", "first"),
    [
        ("zava://tables/{name}", "order", "order_items"),
        ("zava://metrics/{name}", "days_of", "days_of_cover"),
    ],
)
def test_the_names_of_resources_are_completed(
    server: StdioProcess, uri: str, typed: str, first: str
) -> None:
    asked = {
        "ref": {"type": "ref/resource", "uri": uri},
        "argument": {"name": "name", "value": typed},
    }
    found = server.request("completion/complete", asked)["completion"]["values"]
    assert found[0] == first
    for name in found:
        assert server.request("resources/read", {"uri": uri.replace("{name}", name)})[
            "contents"
        ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ({"store": "Redmond"}, "AUTHORIZATION_ERROR", "you see Puget Sound"),
        ({"category": "Power Tool kits"}, "VALIDATION_ERROR", "near: Power Tools"),
        ({"category": "tools"}, "VALIDATION_ERROR", "near: Hand Tools, Power Tools"),
        ({"period": "someday"}, "VALIDATION_ERROR", "period: must be one of today"),
        ({"shop": "Seattle"}, "VALIDATION_ERROR", "takes store, category, period"),
        ({"store": "x" * 5000}, "VALIDATION_ERROR", "at most 200 characters"),
    ],
)
def test_an_argument_at_fault_is_an_error_that_says_what_would_do(
    server: StdioProcess, arguments: dict[str, str], code: str, said: str
) -> None:
    asked = {"name": "running_out", "arguments": arguments}
    found = error(server, "prompts/get", asked)
    assert found["code"] == -32602
    assert found["data"]["code"] == code
    assert said in found["message"]


def test_an_unknown_prompt_is_an_error_with_near_ones(server: StdioProcess) -> None:
    found = error(server, "prompts/get", {"name": "lastweek"})
    assert found["code"] == -32602
    assert "near: last_week" in found["message"]


@pytest.mark.parametrize(
    ("ref", "argument"),
    [
        ({"type": "ref/prompt", "name": "nothing"}, "store"),
        ({"type": "ref/prompt", "name": "last_week"}, "category"),
        ({"type": "ref/resource", "uri": "zava://tables/{name}"}, "table"),
        ({"type": "ref/resource", "uri": "zava://nothing/{name}"}, "name"),
    ],
)
def test_what_cannot_be_completed_is_an_error(
    server: StdioProcess, ref: dict[str, str], argument: str
) -> None:
    asked = {"ref": ref, "argument": {"name": argument, "value": ""}}
    found = error(server, "completion/complete", asked)
    assert (found["code"], found["data"]["code"]) == (-32602, "VALIDATION_ERROR")


def test_a_long_text_completes_to_nothing(server: StdioProcess) -> None:
    assert values(server, "store", "x" * 100_000) == []


def test_prompts_do_without_a_database_and_their_arguments_do_not(start: Start) -> None:
    process = start(database_url="host=127.0.0.1 port=1 connect_timeout=1")
    assert "get_store_performance" in get(process, "last_week")
    asked = {"name": "last_week", "arguments": {"store": "Seattle"}}
    found = error(process, "prompts/get", asked)
    assert (found["code"], found["data"]["code"]) == (-32603, "UNAVAILABLE")


@pytest.mark.thorough
@pytest.mark.once
def test_prompts_and_completions_are_recorded(start: Start, tmp_path: Any) -> None:
    path = tmp_path / "audit.jsonl"
    process = start(audit_file=str(path), log_level="ERROR")
    text = get(process, "last_week")
    found = values(process, "store")
    error(process, "prompts/get", {"name": "nothing"})
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [(line["tool"], line["outcome"], line["bytes"]) for line in lines] == [
        ("prompt_last_week", "ok", len(text.encode())),
        ("complete", "ok", sum(len(each.encode()) for each in found)),
        ("unknown_prompt", "VALIDATION_ERROR", 0),
    ]


@pytest.mark.anyio
async def test_the_sdk_s_client_reads_asks_and_completes(server_conninfo: str) -> None:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "zava", "serve", "--user", SEATTLE],
        env=environment(ZAVA_DATABASE_URL=server_conninfo, ZAVA_LOG_LEVEL="ERROR"),
    )
    async with Client(parameters) as client:
        listed = (await client.list_resources()).resources
        assert "zava://person" in [resource.uri for resource in listed]
        (content,) = (await client.read_resource("zava://tables/orders")).contents
        assert json.loads(getattr(content, "text", ""))["tables"]
        templates = (await client.list_resource_templates()).resource_templates
        prompts = (await client.list_prompts()).prompts
        assert [prompt.name for prompt in prompts] == PROMPTS
        got = await client.get_prompt("monday_meeting", {"store": "Seattle"})
        assert "Zava Retail Seattle" in getattr(got.messages[0].content, "text", "")
        for reference, argument, expected in (
            (PromptReference(name="last_week"), "store", "Zava Retail Seattle"),
            (
                ResourceTemplateReference(uri=templates[1].uri_template),
                "name",
                "stores",
            ),
        ):
            asked = {"name": argument, "value": expected[:8]}
            completed = await client.complete(reference, asked)
            assert expected in completed.completion.values
        with pytest.raises(MCPError) as caught:
            await client.read_resource("zava://tables/nothing")
        assert caught.value.error.code == -32602
