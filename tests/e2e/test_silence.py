"""Statements that PostgreSQL cannot end, and a network that has gone silent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Start
from tests.e2e.flaky_proxy import FlakyProxy
from tests.e2e.stdio_process import Answer, StdioProcess, poll

pytestmark = [pytest.mark.thorough, pytest.mark.once]

TRANSLATE = "SELECT length(translate(repeat('x', {0}), repeat('y', {0}), ''))"
# They never look for a cancellation, and take two to four seconds.
ENDLESS = {
    "translate": TRANSLATE.format(24000),
    "btrim": "SELECT length(btrim(repeat('x', 24000), repeat('y', 24000) || 'x'))",
    "rtrim": "SELECT length(rtrim(repeat('x', 24000), repeat('y', 24000) || 'x'))",
    "normalize": "SELECT length(normalize('a' || repeat(U&'\\0301', 9000)"
    " || repeat(U&'\\0316', 9000), NFD))",
    "jsonb": "SELECT ((SELECT jsonb_object_agg('k' || g, g)"
    " FROM generate_series(1, 100000) AS g)"
    " - (SELECT array_agg('k' || g) FROM generate_series(1, 5000) AS g)) IS NULL",
}
# What it says is too much for the clock, nobody needs, and is closed.
_CIRCLE, _OTHER = (f"polygon(99, circle '<({x},0),1>')" for x in (0, 9))
CLOSED = {
    "path-distance": f"SELECT path({_CIRCLE}) <-> path({_OTHER})",
    "paths-meet": f"SELECT path({_CIRCLE}) ?# path({_OTHER})",
    "polygons-overlap": f"SELECT {_CIRCLE} && {_OTHER}",
    "polygon-distance": f"SELECT {_CIRCLE} <-> {_OTHER}",
    "polygon-contains": f"SELECT {_CIRCLE} @> {_OTHER}",
    "polygon-is-contained": f"SELECT {_CIRCLE} <@ {_OTHER}",
    "polygons-equal": f"SELECT {_CIRCLE} ~= {_OTHER}",
}


@pytest.fixture
def impatient(start: Start) -> StdioProcess:
    return start(statement_timeout="0.3", pool_max_size="2", log_level="ERROR")


@pytest.mark.parametrize("name", ENDLESS)
def test_statements_that_cannot_be_ended_cost_their_callers_an_error_and_nobody_else(
    impatient: StdioProcess, name: str
) -> None:
    asked = [
        impatient.ask_tool(
            "execute_sales_query",
            postgresql_query=f"{ENDLESS[name]}, {number}" if number else ENDLESS[name],
        )
        for number in range(2)
    ]
    for request in asked:
        answer = Answer(impatient.receive(request)["result"])
        assert answer.error["code"] == "QUERY_TIMEOUT"
    # Whoever asks next is answered, though the backends may still be at work.
    assert impatient.query("SELECT 3").structured["rows"] == [[3]]
    poll(
        lambda: impatient.call("health_check").structured["database"] == "healthy",
        "the backends have come to their end",
    )
    assert impatient.query("SELECT 2").structured["rows"] == [[2]]


def test_what_cannot_be_ended_is_seen_in_the_health_and_bounded(
    impatient: StdioProcess,
) -> None:
    codes = []
    for number in range(4):
        answer = impatient.query(f"{TRANSLATE.format(60000)}, {number}")
        codes.append(answer.error["code"])
        health = impatient.call("health_check").structured["database"]
        assert health.startswith("degraded: "), health
    # As many as there are connections cost nobody an answer; with more, none begins.
    assert codes == ["QUERY_TIMEOUT", "QUERY_TIMEOUT", "QUERY_TIMEOUT", "BUSY"]


@pytest.mark.parametrize("name", CLOSED)
def test_a_function_that_cannot_be_ended_and_that_nobody_needs_is_closed(
    server: StdioProcess, name: str
) -> None:
    assert server.query(CLOSED[name]).error["code"] == "INSUFFICIENT_PRIVILEGE"


@pytest.fixture
def silent(server_conninfo: str) -> Iterator[FlakyProxy]:
    with FlakyProxy(server_conninfo) as proxy:
        proxy.up()
        yield proxy


def test_every_call_is_answered_when_the_network_goes_silent(
    start: Start, silent: FlakyProxy
) -> None:
    process = start(
        database_url=silent.conninfo,
        statement_timeout="0.2",
        connect_timeout="2",
        pool_timeout="0.2",
        retry_deadline="0.2",
        log_level="ERROR",
    )
    # So little time may be too little for the first connection.
    poll(lambda: not process.query("SELECT 1").is_error, "it serves")
    silent.fall_silent()
    calls: dict[str, dict[str, object]] = {
        "execute_sales_query": {"postgresql_query": "SELECT count(*) FROM orders"},
        "get_multiple_table_schemas": {"table_names": ["orders"]},
        "get_store_performance": {"store_id": "Seattle", "time_period": "2026"},
        "semantic_search_products": {"query_description": "a hammer"},
    }
    for name, arguments in calls.items():
        answer = process.call(name, **arguments)
        assert answer.error["code"] in {"QUERY_TIMEOUT", "UNAVAILABLE", "BUSY"}, name
    health = process.call("health_check").structured["database"]
    assert health.startswith("unhealthy: ")
    process.close_stdin()
    assert process.wait() == 0
