"""Every answer of a standby that is behind says up to when it is complete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.stdio_process import Answer, StdioProcess
from tests.people import SEATTLE
from tests.replicas import Replicas, change, wait_for_receipt
from zava.infra.answer_age import told

pytestmark = [pytest.mark.thorough, pytest.mark.once]

# Alternatives need vectors, whatever these say.
VECTORS = """
    INSERT INTO retail.product_description_embeddings
        (product_id, description_embedding, embedding_model, text_hash)
    SELECT product_id, array_fill(1, ARRAY[1536])::public.vector, 'test', ''
    FROM retail.products
    ORDER BY sku <> 'HTHM001010' LIMIT 20
"""
COUNT = "SELECT count(*) FROM retail.orders"
HAMMER = "HTHM001010"
ASKED: dict[str, dict[str, Any]] = {
    "execute_sales_query": {"postgresql_query": COUNT},
    "explain_query": {"postgresql_query": COUNT},
    "export_query": {"postgresql_query": COUNT},
    "find_similar_products": {"product": HAMMER, "category": "Hand Tools"},
    "get_multiple_table_schemas": {"table_names": ["orders"]},
    "get_product_recommendations": {"product": HAMMER},
    "get_store_performance": {"store_id": "all", "time_period": "2026-Q2"},
    "query_metrics": {
        "metrics": ["revenue"],
        "by": ["month"],
        "time_period": "2026-Q2",
        "filters": {"category": "Hand Tools"},
    },
    "search_tables": {"search": "orders"},
    "semantic_search_products": {"query_description": "hammer", "mode": "keyword"},
}
# Their answers hold nothing of the database's.
WITHOUT_ROWS = {
    *("get_current_utc_date", "get_performance_summary", "health_check"),
    "list_metrics",
}
NEVER_KEPT = {"export_query", "explain_query", "find_similar_products"}
# These answer from kept parts.
KEPT_IN_PARTS = {"get_multiple_table_schemas", "search_tables"}
RESOURCES = ("zava://person", "zava://tables", "zava://tables/orders")


@dataclass
class Heard:
    """What a process said whose standby was paused, and went on later.

    Attributes:
        tools: The tools of the process.
        replayed: When the last transaction was committed that the standby had replayed.
        missing: When a change was committed that it had not.
        first: Answers of the paused standby, by the tool's name.
        rest: The rows after a cut result.
        resources: What the resources held, by their URIs.
        again: The same questions when the standby had caught up.
        fresh: Another answer, given before these.
    """

    tools: list[dict[str, Any]]
    replayed: datetime
    missing: datetime
    first: dict[str, Answer]
    rest: dict[str, Any]
    resources: dict[str, Any]
    again: dict[str, Answer]
    fresh: dict[str, Any]


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    with ExitStack() as stack:
        replicas = stack.enter_context(Replicas(1))
        (standby,) = replicas.standbys
        replicas.primary.run(VECTORS)
        replicas.catch_up()
        pause = stack.enter_context(ExitStack())
        pause.enter_context(standby.paused())
        missing = change(replicas.primary)
        wait_for_receipt(replicas, standby)
        replayed = standby.ask("SELECT pg_last_xact_replay_timestamp()")
        assert isinstance(replayed, datetime)
        folder = tmp_path_factory.mktemp("standby")
        variables = {
            "ZAVA_DATABASE_URL": standby.conninfo("zava_server"),
            "ZAVA_EXPORT_DIR": str(folder),
            "ZAVA_LOG_LEVEL": "ERROR",
        }
        process = stack.enter_context(StdioProcess(SEATTLE, folder, variables))
        process.initialize()
        tools = process.request("tools/list")["tools"]
        first = {name: process.call(name, **asked) for name, asked in ASKED.items()}
        cut = process.query("SELECT generate_series(1, 99)").structured
        rest = process.call("get_more_rows", handle=cut["handle"]).structured
        resources = {uri: read(process, uri) for uri in RESOURCES}
        pause.close()
        replicas.catch_up()
        fresh = process.query("SELECT 7", fresh=True).structured
        again = {name: process.call(name, **asked) for name, asked in ASKED.items()}
        yield Heard(tools, replayed, missing, first, rest, resources, again, fresh)


def read(process: StdioProcess, uri: str) -> Any:
    (content,) = process.request("resources/read", {"uri": uri})["contents"]
    return json.loads(content["text"])


def age_of(answer: dict[str, Any]) -> str:
    """When an answer is complete up to; where a store did well is part of `period`."""
    as_of: str = {**answer.get("period", {}), **answer}["as_of"]
    return as_of


def test_every_tool_with_rows_is_asked_here(heard: Heard) -> None:
    names = {tool["name"] for tool in heard.tools}
    assert names == {*ASKED, *WITHOUT_ROWS, "get_more_rows"}
    for tool in heard.tools:
        has_age = "as_of" in tool["outputSchema"]["properties"]
        is_in_period = tool["name"] == "get_store_performance"
        assert has_age is not (tool["name"] in WITHOUT_ROWS or is_in_period)


@pytest.mark.parametrize("tool", ASKED)
def test_an_answer_says_how_far_the_standby_had_replayed(
    heard: Heard, tool: str
) -> None:
    answer = heard.first[tool]
    assert age_of(answer.structured) == told(heard.replayed)
    assert heard.replayed < heard.missing
    # Whether a host reads the text or the structure.
    assert json.loads(answer.result["content"][0]["text"]) == answer.structured


def test_the_next_rows_are_as_old_as_the_first(heard: Heard) -> None:
    assert heard.rest["as_of"] == told(heard.replayed)
    assert heard.rest["cached"]


@pytest.mark.parametrize("uri", RESOURCES)
def test_a_resource_says_how_far_the_standby_had_replayed(
    heard: Heard, uri: str
) -> None:
    assert heard.resources[uri]["as_of"] == told(heard.replayed)


@pytest.mark.parametrize("tool", ASKED)
def test_a_kept_answer_says_after_a_newer_one_how_old_it_is(
    heard: Heard, tool: str
) -> None:
    answer = heard.again[tool].structured
    assert datetime.fromisoformat(heard.fresh["as_of"]) > heard.missing
    if tool in NEVER_KEPT - {"find_similar_products"}:
        assert datetime.fromisoformat(age_of(answer)) > heard.missing
        return
    # The category that an alternative was asked from is kept.
    assert age_of(answer) == told(heard.replayed)
    if tool not in NEVER_KEPT | KEPT_IN_PARTS:
        assert {**answer.get("period", {}), **answer}["cached"] is True
