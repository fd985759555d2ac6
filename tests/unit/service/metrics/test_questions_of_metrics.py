"""What query_metrics refuses without the database, and what list_metrics finds."""

from __future__ import annotations

import json
from typing import Any, cast

import anyio
import pytest

from tests.fakes import server_with
from tests.metrics_page import PAGE, TABLES, tables_of
from zava.data.metrics.registry import (
    DIMENSIONS,
    GROUPS_OF,
    MEASURES,
    METRICS,
    dimensions_of,
)
from zava.errors import ValidationError
from zava.infra.cache import QueryCache
from zava.service.metrics.answers import MAX_METRICS, MetricsService


@pytest.fixture
def service() -> MetricsService:
    return MetricsService(
        cast("Any", None), QueryCache(), max_rows=100, max_result_bytes=10**6
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": ["turnover"]}, "there is no metric turnover; near: revenue"),
        ({"metrics": ["revenu"]}, "near: revenue"),
        ({"metrics": ["average order"]}, "near: average_order_value"),
        ({"metrics": []}, f"takes 1 to {MAX_METRICS} metrics"),
        ({"by": ["department"]}, "there is no dimension department; near: category"),
        ({"by": ["store", "month", "brand", "type"]}, "takes at most 3 dimensions"),
        ({"by": ["month", "week"]}, "takes one of month and week"),
        ({"metrics": ["stock_value"], "by": ["month"]}, "stock_value has no month; "),
        ({"metrics": ["new_to_chain"], "by": ["brand"]}, "new_to_chain has no brand"),
        ({"metrics": ["stock_units"], "filters": {"hour": 9}}, "has no hour"),
        ({"filters": {"colour": "red"}}, "there is no dimension colour"),
        ({"filters": {"brand": []}}, "brand takes 1 to 100 texts or numbers"),
        ({"filters": {"brand": [["a"]]}}, "brand takes 1 to 100 texts or numbers"),
        ({"having": ["revenue is large"]}, "like revenue >= 1000"),
        ({"having": ["revenue > 1; drop table x"]}, "like revenue >= 1000"),
        ({"top": 3}, "needs a dimension in by"),
        ({"top": 0, "by": ["store"]}, "is 1 to 1000, or negative"),
        ({"compare": "last_year"}, "must be one of previous, year_before, both"),
        ({"max_rows": 101}, "must be between 1 and 100"),
        ({"cover_days": 0}, "cover_days: must be between 1 and 365"),
        ({"filters": {"stock_status": "empty"}}, "filters: revenue has no stock_"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_what_can(
    service: MetricsService, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        service.check(**{"metrics": ["revenue"], **arguments})
    assert message in caught.value.message


def test_names_are_taken_in_any_case_and_with_blanks(service: MetricsService) -> None:
    question = service.check(["Average order value", "REVENUE"], ["Fiscal Period"])
    assert question.metrics == ("average_order_value", "revenue")
    assert question.by == ("fiscal_period",)


def test_what_a_figure_is_computed_from_stands_beside_it(
    service: MetricsService,
) -> None:
    question = service.check(["units_to_reorder", "reorder_cost", "stock_value"])
    assert question.metrics == (
        *("units_to_reorder", "reorder_cost", "stock_value"),
        *("stock_units", "units_sold_a_day", "stock_costed_share"),
    )
    for metric in METRICS.values():
        assert set(metric.beside) <= set(METRICS) - {metric.name}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("turnover", "revenue"),
        ("basket", "average_order_value"),
        ("AOV", "average_order_value"),
        ("out of stock", "out_of_stock_products"),
        ("sold out", "out_of_stock_products"),
        ("run out", "days_of_cover"),
        ("dead stock", "days_since_last_sale"),
        ("stock-out", "out_of_stock_products"),
        ("stockouts", "out_of_stock_products"),
        ("what runs out first", "days_of_cover"),
        ("slow movers", "days_since_last_sale"),
        ("reorder", "units_to_reorder"),
        ("replenish", "units_to_reorder"),
        ("inventory value", "stock_value"),
        ("lost sales", "revenue_a_day"),
        ("refunds", "returned_amount"),
        ("profit", "gross_profit"),
        ("markdown", "discount"),
        ("loyalty", "repeat_rate"),
        ("shoppers", "customers"),
        ("retained", "returning_customers"),
        ("averge order", "average_order_value"),
    ],
)
def test_metrics_are_found_by_the_words_of_a_manager(
    service: MetricsService, words: str, expected: str
) -> None:
    found = service.find(words)
    assert expected in found["metrics"]
    assert len(found["metrics"]) <= 8


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("department", "category"),
        ("busiest hour", "hour"),
        ("day of week", "weekday"),
        ("online", "channel"),
        ("sku", "product"),
        ("4-5-4", "fiscal_period"),
        ("dead stock", "stock_status"),
        ("slow movers", "stock_status"),
        ("stock-out", "stock_status"),
    ],
)
def test_dimensions_are_found_too(
    service: MetricsService, words: str, expected: str
) -> None:
    assert expected in service.find(words)["dimensions"]


def test_words_that_nothing_is_called_list_every_name(service: MetricsService) -> None:
    found = service.find("zyx")
    assert set(found["metrics"]) == set(METRICS)
    assert set(found["dimensions"]) == set(DIMENSIONS)
    assert found["note"].startswith("nothing is called zyx")
    assert len(json.dumps(service.find())) < 2500


def test_labels_are_names_too(service: MetricsService) -> None:
    assert service.check(["return_rate"]).metrics[0] == "returned_share"


def test_each_word_finds_what_alone_has_it_in_its_name(service: MetricsService) -> None:
    assert "repeat_rate" in service.find("customers new returning repeat")["metrics"]


def test_shared_lists_of_dimensions_are_told_once(service: MetricsService) -> None:
    found = service.find("stock")
    lists = list(found["only_by"].values())
    assert len(lists) == len(set(lists))
    assert all("channel" not in text for text in found["metrics"].values())


def test_a_median_is_told_to_be_none(service: MetricsService) -> None:
    assert "percentile_cont" in service.find("median")["note"]
    assert "percentile_cont" in service.find("median revenue")["note"]


def test_every_measure_has_sources_and_every_metric_measures() -> None:
    used = {name for metric in METRICS.values() for name in metric.measures}
    assert used == set(MEASURES)
    assert {source for each in MEASURES.values() for source in each.sources} == set(
        GROUPS_OF
    )
    for metric in METRICS.values():
        assert "store" in dimensions_of(metric)
        assert metric.definition.endswith(".")
        assert metric.definition.count(".") == 1


def test_the_page_has_the_tables_of_the_registry() -> None:
    tables = tables_of(PAGE.read_text("utf-8"))
    assert tables == {name: table() for name, table in TABLES.items()}


def test_both_tools_take_little_of_what_a_model_reads() -> None:
    listed = anyio.run(server_with().list_tools)
    texts = [
        json.dumps(
            tool.model_dump(mode="json", by_alias=True, exclude_none=True),
            separators=(",", ":"),
        )
        for tool in listed
        if tool.name in ("list_metrics", "query_metrics")
    ]
    assert len(texts) == 2
    assert sum(map(len, texts)) < 2560
