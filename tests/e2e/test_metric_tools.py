"""list_metrics and query_metrics over real stdio."""

from __future__ import annotations

import json

import pytest

from tests.e2e.stdio_process import StdioProcess

QUESTION = {
    "metrics": ["revenue", "customers", "gross_margin"],
    "by": ["month", "category"],
    "time_period": "2025",
    "compare": "year_before",
    "filters": {"not category": "Lumber & Building Materials"},
    "max_rows": 1000,
}


def test_figures_come_as_text_and_as_structure(server: StdioProcess) -> None:
    answer = server.call("query_metrics", **QUESTION)
    assert json.loads(answer.text) == answer.structured
    assert answer.structured["row_count"] == len(answer.structured["rows"]) > 60
    assert answer.structured["cached"] is False
    assert server.call("query_metrics", **QUESTION).structured["cached"] is True


def test_the_sql_of_an_answer_can_be_run(server: StdioProcess) -> None:
    answer = server.call("query_metrics", **QUESTION, show_sql=True).structured
    again = server.call(
        "execute_sales_query", postgresql_query=answer["sql"], max_rows=1000
    ).structured
    assert [row[:-1] for row in again["rows"]] == answer["rows"]


def test_single_texts_are_lists_of_one(server: StdioProcess) -> None:
    answer = server.call(
        "query_metrics", metrics="orders", by="weekday", time_period="2025"
    )
    assert answer.structured["columns"] == ["weekday", "orders"]


def test_a_month_of_a_store_is_short(server: StdioProcess) -> None:
    answer = server.call(
        "query_metrics",
        metrics=["revenue", "orders", "average_order_value"],
        time_period="2026-05",
        compare="previous",
    )
    assert len(answer.text) < 700


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": ["turnover"]}, "near: revenue"),
        ({"metrics": ["revenue"], "stores": ["Tacoma"]}, "you see Zava Retail Seattle"),
        ({"metrics": ["revenue"], "having": ["x > 1"]}, "x is no column"),
        ({"metrics": ["revenue"], "compare": "before"}, "compare"),
    ],
)
def test_a_fault_is_told_with_what_would_do(
    server: StdioProcess, arguments: dict[str, object], message: str
) -> None:
    answer = server.call("query_metrics", **arguments)
    assert answer.is_error
    assert message in answer.text


def test_metrics_are_found_by_words(server: StdioProcess) -> None:
    found = server.call("list_metrics", search="basket").structured
    assert "average_order_value" in found["metrics"]
