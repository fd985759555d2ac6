"""After bursts of answers that are too large: the next call has its memory."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Start
from tests.e2e.stdio_process import StdioProcess

pytestmark = [pytest.mark.thorough, pytest.mark.once]

ORDERS = "SELECT * FROM retail.orders"
TOO_LARGE = "RESULT_TOO_LARGE"


def burst(process: StdioProcess, queries: list[str]) -> None:
    ids = [
        process.ask_tool("execute_sales_query", postgresql_query=query, fresh=True)
        for query in queries
    ]
    for request_id in ids:
        assert process.receive(request_id)["result"]["isError"]


def assert_serves(process: StdioProcess) -> None:
    assert not process.query(ORDERS, max_rows=500, fresh=True).is_error
    health = process.call("health_check").structured
    assert (health["database"], health["ai_service"]) == ("healthy", "healthy")
    found = process.call("semantic_search_products", query_description="paint")
    assert not found.is_error


def test_bursts_of_large_answers_leave_memory_for_the_next(start: Start) -> None:
    process = start(log_level="ERROR")
    for millions in (3, 15):
        burst(
            process, [f"SELECT repeat('9', {millions}000000 + {n})" for n in range(15)]
        )
    assert_serves(process)


def test_errors_with_long_texts_leave_memory_for_the_next(start: Start) -> None:
    process = start(log_level="ERROR")
    for millions in (60, 100):
        query = f"SELECT ('x' || repeat('y', {millions}000000))::int -- "
        burst(process, [f"{query} {n}" for n in range(2)])
    assert_serves(process)


def test_long_questions_at_once_leave_memory_for_the_next(start: Start) -> None:
    process = start(log_level="ERROR")
    texts = ["".join(chr(97 + (n * k) % 26) for k in range(9000)) for n in range(20)]
    ids = [
        process.ask_tool("semantic_search_products", query_description=text)
        for text in texts
    ]
    for request_id in ids:
        assert process.receive(request_id)["result"]
    assert_serves(process)


def test_the_local_model_loads_beside_large_answers(start: Start) -> None:
    process = start(log_level="ERROR")
    asked = [
        process.ask_tool(
            "execute_sales_query",
            postgresql_query=f"SELECT repeat('9', 15000000 + {n})",
        )
        for n in range(10)
    ]
    search = process.ask_tool("semantic_search_products", query_description="paint")
    asked += [
        process.ask_tool(
            "execute_sales_query",
            postgresql_query=f"SELECT repeat('8', 15000000 + {n})",
        )
        for n in range(10)
    ]
    for request_id in asked:
        assert process.receive(request_id)["result"]["isError"]
    assert not process.receive(search)["result"].get("isError")
    assert_serves(process)
