"""get_store_performance over real stdio."""

from __future__ import annotations

import json

import pytest

from tests.e2e.stdio_process import StdioProcess
from zava.service.sales.presentation import MAX_CHARACTERS


def test_a_month_is_short_text_and_the_same_structure(server: StdioProcess) -> None:
    arguments = {"store_id": "Seattle", "time_period": "2026-05"}
    answer = server.call("get_store_performance", **arguments)
    assert json.loads(answer.text) == answer.structured
    assert len(answer.text) <= MAX_CHARACTERS
    again = server.call("get_store_performance", **arguments)
    assert again.structured["period"]["cached"] is True
    whole = server.call("get_store_performance", **arguments, detail="full")
    assert whole.structured["period"]["cached"] is False
    assert len(whole.structured["metrics"]["series"]["rows"]) == 31
    assert answer.structured.keys() == whole.structured.keys()


@pytest.mark.parametrize("store", ["all", "ALL STORES", "Puget Sound"])
def test_all_and_a_region_are_what_the_person_may_see(
    server: StdioProcess, store: str
) -> None:
    answer = server.call("get_store_performance", store_id=store, time_period="2025")
    assert answer.structured["metrics"]["stores"] == "Zava Retail Seattle"


def test_an_insight_s_arguments_are_what_query_metrics_takes(
    server: StdioProcess,
) -> None:
    answer = server.call("get_store_performance", store_id="all", time_period="2025")
    assert answer.structured["insights"]
    for insight in answer.structured["insights"]:
        shown = server.call("query_metrics", **insight["query_metrics"])
        assert shown.structured["rows"]


def test_a_detail_that_there_is_not_is_refused_with_those_that_there_are(
    server: StdioProcess,
) -> None:
    answer = server.call(
        "get_store_performance", store_id="all", time_period="2025", detail="long"
    )
    assert answer.is_error
    assert "short" in answer.text
    assert "full" in answer.text
