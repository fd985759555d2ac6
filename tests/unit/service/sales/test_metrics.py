"""From sums of a store to its figures, on sales that are counted by hand."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from zava.data.sales_data import SalesData
from zava.service.sales.calendars import Calendar
from zava.service.sales.metrics import calculate_metrics
from zava.service.sales.performance_models import (
    ComparedMetric,
    Comparison,
    Now,
    StoreMetrics,
)
from zava.service.sales.periods import parse_period

STORE = UUID("0550bca2-9737-1ab8-0187-909da3baaf4f")
AS_OF = datetime(2026, 6, 30, 12, tzinfo=timezone.utc)

MARCH: dict[str, Any] = {
    "customers": 8,
    "new_customers": 2,
    "new_to_chain": 1,
    "discount": "100.00",
    "item_revenue": "900.00",
    "costed_revenue": "900.00",
    "cost": "600.00",
}
FEBRUARY: dict[str, Any] = {
    "customers": 5,
    "new_customers": 5,
    "new_to_chain": 4,
    "discount": "0.00",
    "item_revenue": "600.00",
    "costed_revenue": "600.00",
    "cost": "390.00",
}
DAYS = [
    {"day": "2026-02-10", "revenue": "600.00", "orders": 5},
    {"day": "2026-03-02", "revenue": "300.10", "orders": 3, "cancelled_orders": 1},
    {"day": "2026-03-20", "revenue": "599.90", "orders": 6, "returned_orders": 2},
    {"day": "2026-03-31", "revenue": "0.00", "orders": 0, "cancelled_orders": 2},
]
SKU = {"sku": "S1", "unit": "piece"}
CATEGORIES = [
    {
        "name": "Paint",
        "revenue": "600.00",
        "previous_revenue": "400.00",
        "year_before_revenue": "0.00",
    },
    {
        "name": "Lumber",
        "revenue": "300.00",
        "previous_revenue": "0.00",
        "year_before_revenue": "0.00",
    },
    {
        "name": "Garden",
        "revenue": "0.00",
        "previous_revenue": "200.00",
        "year_before_revenue": "0.00",
    },
]


def now(as_of: datetime) -> Now:
    """A moment in a store whose business days are those of UTC."""
    share = (as_of - as_of.replace(hour=0, minute=0)) / timedelta(days=1)
    return Now(as_of=as_of, today=as_of.date(), day_share=share)


def measures(now: int, previous: int = 0, unit: str = "piece") -> dict[str, Any]:
    return {
        "unit": unit,
        "units": now,
        "previous_units": previous,
        "year_before_units": 0,
    }


def sales(
    period: str = "2026-03",
    *,
    first_order: str | None = "2026-02-10",
    current: dict[str, Any] | None = None,
    previous: dict[str, Any] | None = None,
    year_before: dict[str, Any] | None = None,
    **parts: Any,
) -> SalesData:
    """What a store sold; unless it is given, nothing at all."""
    span = parse_period(period, AS_OF.date(), Calendar())
    spans = {
        "current": (span, current),
        "previous": (span.previous(), previous),
        "year_before": (span.year_before(), year_before),
    }
    return SalesData.model_validate(
        {
            "store_id": STORE,
            "store_name": "Zava Retail Seattle",
            "first_order_on": first_order,
            **{
                name: {"start": span.start, "end": span.end, **(sums or {})}
                for name, (span, sums) in spans.items()
            },
            **parts,
        }
    )


def march(as_of: datetime = AS_OF, **parts: Any) -> StoreMetrics:
    """The store's second month."""
    given = {
        "days": DAYS,
        "categories": CATEGORIES,
        "measures": [measures(31, 10)],
        **parts,
    }
    data = sales(current=MARCH, previous=FEBRUARY, **given)
    return calculate_metrics(data, now(as_of), "USD")


def compared(metrics: StoreMetrics) -> dict[str, ComparedMetric]:
    figures = {name: getattr(metrics, name) for name in type(metrics).model_fields}
    return {
        name: figure
        for name, figure in figures.items()
        if isinstance(figure, ComparedMetric)
    }


@pytest.mark.parametrize(
    ("name", "unit", "value", "before", "change"),
    [
        ("revenue", "USD", 900.0, 600.0, 50.0),
        ("orders", "orders", 9, 5, 80.0),
        ("average_order_value", "USD", 100.0, 120.0, -16.67),
        ("units", "piece", 31, 10, 210.0),
        ("units_per_order", "ratio", 3.44, 2.0, 72.22),
        ("discount_rate", "percent", 10.0, 0.0, None),
        ("gross_margin", "percent", 33.33, 35.0, -4.76),
        ("unique_customers", "customers", 8, 5, 60.0),
        ("new_customers", "customers", 2, 5, -60.0),
        ("new_to_chain", "customers", 1, 4, -75.0),
    ],
)
def test_a_figure_is_computed_by_its_definition_and_compared(
    name: str, unit: str, value: float, before: float, change: float | None
) -> None:
    metric = compared(march())[name]
    assert (metric.value, metric.unit) == (value, unit)
    assert metric.previous == Comparison(value=before, change_percent=change)
    # March of the year before lies before the first order.
    assert metric.year_before is None


def test_who_does_not_see_the_chain_has_no_figure_of_who_is_new_to_it() -> None:
    of_store = {"new_to_chain": None}
    data = sales(current={**MARCH, **of_store}, previous={**FEBRUARY, **of_store})
    metrics = calculate_metrics(data, now(AS_OF), "USD")
    assert metrics.new_to_chain is None
    assert metrics.new_customers.value == 2


def test_cancelled_and_returned_orders_are_counted_among_all_that_were_placed() -> None:
    metrics = march()
    assert metrics.cancelled_orders.value == 3
    assert metrics.cancelled_share.value == 21.43
    assert metrics.returned_orders.value == 2
    assert metrics.returned_share.value == 14.29


def test_every_figure_has_a_unit_and_a_sentence_that_defines_it() -> None:
    dumped = march().model_dump(mode="json")
    for name, figure in dumped.items():
        if name not in ("store_name", "first_order", "compared_with", "other_units"):
            assert figure["unit"] in (
                *("USD", "orders", "returns", "piece", "customers"),
                *("percent", "ratio", "days"),
            )
            assert re.fullmatch(r"[A-Z][^.]+\.", figure["definition"]), name


def test_categories_have_shares_and_growth_but_none_from_nothing() -> None:
    paint, lumber, garden = march().categories.rows
    assert (paint.share_percent, lumber.share_percent) == (66.67, 33.33)
    assert (paint.previous_revenue, paint.growth_percent) == (400.0, 50.0)
    assert (lumber.previous_revenue, lumber.growth_percent) == (0.0, None)
    assert (garden.revenue, garden.growth_percent) == (0.0, -100.0)
    assert (paint.year_before_revenue, paint.year_growth_percent) == (None, None)


def test_stock_cover_is_stock_over_average_daily_units() -> None:
    products = [
        {**SKU, "name": "Saw", "units": 31, "revenue": "600.00", "stock_level": 12},
        {**SKU, "name": "Nails", "units": 1, "revenue": "9.00", "stock_level": 0},
        {**SKU, "name": "Tape", "units": 2, "revenue": "8.00", "stock_level": None},
    ]
    saw, nails, tape = march(best_products=products).stock_cover.rows
    assert (saw.stock_level, saw.daily_units, saw.days) == (12, 1.0, 12.0)
    assert (nails.daily_units, nails.days) == (0.03, 0.0)
    assert (tape.stock_level, tape.days) == (None, None)
    # Ten days into the month the same units are a faster pace.
    tenth = datetime(2026, 3, 10, 9, tzinfo=timezone.utc)
    assert march(tenth, best_products=products).stock_cover.rows[0].days == 3.9


def test_best_and_fading_products_come_as_they_were_ranked() -> None:
    best = {**SKU, "name": "Saw", "units": 31, "revenue": "600.55", "stock_level": 12}
    faded = {
        "sku": "G1",
        "name": "Hose",
        "units": 3,
        "revenue": "30.00",
        "previous_units": 12,
        "previous_revenue": "120.00",
    }
    metrics = march(best_products=[best], fading_products=[faded])
    assert metrics.best_products.rows[0].revenue == 600.55
    assert metrics.fading_products.rows[0].change_percent == -75.0
    assert "10 units" in metrics.fading_products.definition


def test_the_best_day_is_the_one_with_the_highest_revenue() -> None:
    best = march().best_day
    assert (best.day, best.value, best.orders) == (date(2026, 3, 20), 599.9, 6)


def test_of_equal_days_the_earliest_is_the_best() -> None:
    days = [
        {"day": "2026-03-05", "revenue": "5.00", "orders": 1},
        {"day": "2026-03-04", "revenue": "5.00", "orders": 1},
    ]
    ascending = sorted(days, key=lambda day: str(day["day"]))
    assert march(days=ascending).best_day.day == date(2026, 3, 4)


def test_a_short_period_has_a_row_for_every_day() -> None:
    series = march().series
    assert series.bucket == "day"
    assert len(series.rows) == 31
    assert series.rows[0] == (date(2026, 3, 1), 0.0, 0)
    assert series.rows[1] == (date(2026, 3, 2), 300.1, 3)
    assert sum(orders for _, _, orders in series.rows) == 9


@pytest.mark.parametrize(
    ("period", "bucket"),
    [
        pytest.param("2025-10-01..2025-12-31", "day", id="92 days"),
        pytest.param("2025-10-01..2026-01-01", "month", id="93 days"),
    ],
)
def test_more_than_92_days_are_shown_by_month(period: str, bucket: str) -> None:
    data = sales(period, first_order="2020-01-01")
    assert calculate_metrics(data, now(AS_OF), "USD").series.bucket == bucket


def test_a_series_ends_now_and_begins_with_the_first_order() -> None:
    data = sales("2026", days=DAYS[1:])
    rows = calculate_metrics(data, now(AS_OF), "USD").series.rows
    assert [str(start) for start, _, _ in rows] == [
        *("2026-02-01", "2026-03-01", "2026-04-01", "2026-05-01", "2026-06-01")
    ]
    assert rows[1] == (date(2026, 3, 1), 900.0, 9)


def test_orders_that_are_dated_after_now_still_count() -> None:
    later = [{"day": "2026-07-04", "revenue": "10.00", "orders": 1}]
    metrics = calculate_metrics(sales("2026-07", days=later), now(AS_OF), "USD")
    assert metrics.revenue.value == 10.0
    assert metrics.series.rows[-1] == (date(2026, 7, 4), 10.0, 1)


def test_a_period_in_which_nothing_sold_is_zero_and_its_ratios_are_missing() -> None:
    empty = calculate_metrics(
        sales(previous=FEBRUARY, days=DAYS[:1], categories=CATEGORIES[2:]),
        now(AS_OF),
        "USD",
    )
    assert (empty.revenue.value, empty.orders.value) == (0.0, 0)
    assert empty.revenue.previous == Comparison(value=600.0, change_percent=-100.0)
    for figure in (empty.average_order_value, empty.gross_margin, empty.discount_rate):
        assert figure.value is None
    assert empty.cancelled_share.value is None
    assert empty.categories.rows[0].share_percent is None
    assert empty.best_day.day is None


@pytest.mark.parametrize(
    ("period", "first_order"),
    [
        pytest.param("2026-03", None, id="a store without orders"),
        pytest.param("2026-01", "2026-02-10", id="before the first order"),
        pytest.param("2026-01", "2026-02-01", id="first order on its end"),
        pytest.param("2026-07", "2026-02-10", id="in the future"),
        pytest.param("2027", "2026-02-10", id="next year"),
    ],
)
def test_outside_the_stores_history_every_figure_is_missing(
    period: str, first_order: str | None
) -> None:
    faded = {
        "sku": "G1",
        "name": "Hose",
        "units": 0,
        "revenue": "0.00",
        "previous_units": 12,
        "previous_revenue": "120.00",
    }
    data = sales(
        period,
        first_order=first_order,
        categories=CATEGORIES[2:],
        fading_products=[faded],
    )
    metrics = calculate_metrics(data, now(AS_OF), "USD")
    for figure in compared(metrics).values():
        assert figure.value is None
        for then in (figure.previous, figure.year_before):
            assert then is None or then.change_percent is None
    assert metrics.cancelled_orders.value is None
    assert metrics.categories.rows == ()
    assert metrics.best_products.rows == ()
    assert metrics.fading_products.rows == ()
    assert metrics.stock_cover.rows == ()
    assert metrics.series.rows == ()
    assert metrics.best_day.value is None


def test_numbers_carry_no_float_noise() -> None:
    days = [
        {
            "day": date(2026, 3, 1) + timedelta(days=n),
            "revenue": Decimal("0.10"),
            "orders": 3,
        }
        for n in range(31)
    ]
    text = json.dumps(march(days=days).model_dump(mode="json"))
    assert '"value": 3.1,' in text
    assert not re.search(r"\d\.\d{3,}", text)


@pytest.mark.parametrize(
    ("as_of", "elapsed"),
    [
        (datetime(2026, 1, 1, tzinfo=timezone.utc), 0.0),
        (datetime(2026, 3, 16, 12, tzinfo=timezone.utc), 50.0),
        (datetime(2026, 4, 1, tzinfo=timezone.utc), 100.0),
        (AS_OF, 100.0),
    ],
)
def test_a_period_tells_how_much_of_it_is_over(as_of: datetime, elapsed: float) -> None:
    assert march(as_of).elapsed.value == elapsed


def test_units_add_up_only_within_one_measure() -> None:
    metrics = march(measures=[measures(31, 10), measures(7, 2, "kg")])
    assert (metrics.units.value, metrics.units.unit) == (31, "piece")
    (other,) = metrics.other_units
    assert (other.unit, other.value, other.previous) == ("kg", 7, 2)
    assert other.year_before is None


def test_a_measure_keeps_three_digits_and_whole_numbers_none() -> None:
    weighed = [{**measures(0, 0, "kg"), "units": "2.3456", "previous_units": "3.000"}]
    metrics = march(measures=weighed)
    assert (metrics.units.value, metrics.units.unit) == (2.346, "kg")
    assert metrics.units.previous is not None
    assert metrics.units.previous.value == 3


def test_margin_is_that_of_products_whose_cost_is_known() -> None:
    partly = {**MARCH, "costed_revenue": "450.00", "cost": "300.00"}
    data = sales(current=partly, days=DAYS)
    metrics = calculate_metrics(data, now(AS_OF), "USD")
    assert (metrics.gross_margin.value, metrics.costed_share.value) == (33.33, 50.0)
    unknown = {**MARCH, "costed_revenue": "0.00", "cost": "0.00"}
    metrics = calculate_metrics(sales(current=unknown, days=DAYS), now(AS_OF), "USD")
    assert (metrics.gross_margin.value, metrics.costed_share.value) == (None, 0.0)


def test_returns_are_told_apart_and_are_part_of_the_returned_share() -> None:
    days = [
        {
            "day": "2026-03-02",
            "revenue": "250.10",
            "orders": 8,
            "returned_orders": 1,
            "returns": 2,
            "returned_amount": "50.00",
        },
        {"day": "2026-03-03", "revenue": "10.00", "orders": 1},
    ]
    metrics = march(days=days)
    assert (metrics.returns.value, metrics.returned_amount.value) == (2, 50.0)
    assert metrics.returned_share.value == 30.0


def test_money_is_in_the_chain_s_currency() -> None:
    metrics = calculate_metrics(sales(days=DAYS), now(AS_OF), "EUR")
    assert metrics.revenue.unit == metrics.series.unit == "EUR"


def test_stock_below_nothing_lasts_no_day() -> None:
    oversold = {**SKU, "name": "Saw", "units": 31, "revenue": "1", "stock_level": -2}
    (row,) = march(best_products=[oversold]).stock_cover.rows
    assert (row.stock_level, row.days) == (-2, 0.0)
