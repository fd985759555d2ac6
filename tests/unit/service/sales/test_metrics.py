"""From sums of stores to their figures, on sales that are counted by hand."""

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
    Compared,
    Past,
    Scope,
    Side,
    Store,
    StoreMetrics,
)
from zava.service.sales.periods import parse_period

TODAY = date(2026, 6, 30)
STORE = Store(
    store_id=UUID("0550bca2-9737-1ab8-0187-909da3baaf4f"),
    name="Zava Retail Seattle",
    region="Puget Sound",
    is_online=False,
    time_zone="UTC",
    today=TODAY,
    day_ends_at=datetime(2026, 7, 1, tzinfo=timezone.utc),
)
SCOPE = Scope(key=str(STORE.store_id), name=STORE.name, stores=(STORE,))

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


def measures(now: int, previous: int = 0, unit: str = "piece") -> dict[str, Any]:
    return {
        "unit": unit,
        "units": now,
        "previous_units": previous,
        "year_before_units": 0,
    }


def metrics_of(
    period: str = "2026-03",
    *,
    sides: tuple[str, ...] = (),
    unit: str = "piece",
    current: dict[str, Any] | None = None,
    previous: dict[str, Any] | None = None,
    **parts: Any,
) -> StoreMetrics:
    """The figures of a store; what is not given was not sold."""
    span = parse_period(period, TODAY, Calendar())
    spans = {
        "current": (span, current),
        "previous": (span.previous(), previous),
        "year_before": (span.year_before(), None),
    }
    data = SalesData.model_validate(
        {
            **{
                name: {"start": span.start, "end": span.end, **(sums or {})}
                for name, (span, sums) in spans.items()
            },
            **parts,
        }
    )
    compared = [
        Side.model_validate(
            {"name": name, "start": spans[name][0].start, "end": spans[name][0].end}
        )
        for name in sides
    ]
    past = Past(first=date(2026, 2, 10), through=date(2026, 6, 29), today=TODAY)
    return calculate_metrics(
        data, SCOPE, period, compared, past, currency="USD", unit=unit
    )


def march(**parts: Any) -> StoreMetrics:
    """The store's second month."""
    given = {
        "days": DAYS,
        "categories": CATEGORIES,
        "measures": [measures(31, 10)],
        "sides": ("previous",),
        "current": MARCH,
        "previous": FEBRUARY,
        **parts,
    }
    return metrics_of(**given)


@pytest.mark.parametrize(
    ("name", "value", "before", "change"),
    [
        ("revenue", 900.0, 600.0, 50.0),
        ("orders", 9, 5, 80.0),
        ("average_order_value", 100.0, 120.0, -16.67),
        ("open_days", 2, 1, 100.0),
        ("revenue_per_open_day", 450.0, 600.0, -25.0),
        ("units", 31, 10, 210.0),
        ("units_per_order", 3.44, 2.0, 72.22),
        ("customers", 8, 5, 60.0),
        ("new_customers", 2, 5, -60.0),
        ("returning_customers", 6, 0, None),
        ("new_to_chain", 1, 4, -75.0),
    ],
)
def test_a_figure_is_computed_by_its_definition_and_compared(
    name: str, value: float, before: float, change: float | None
) -> None:
    assert march().figures[name] == Compared(
        value=value, previous=before, previous_change=change
    )


@pytest.mark.parametrize(
    ("name", "value", "before", "points"),
    [("discount_rate", 10.0, 0.0, 10.0), ("gross_margin", 33.33, 35.0, -1.67)],
)
def test_a_figure_in_percent_is_compared_in_percentage_points(
    name: str, value: float, before: float, points: float
) -> None:
    assert march().figures[name] == Compared(
        value=value, previous=before, previous_points=points
    )


def test_who_does_not_see_the_chain_has_no_figure_of_who_is_new_to_it() -> None:
    of_store = {"new_to_chain": None}
    figures = march(
        current={**MARCH, **of_store}, previous={**FEBRUARY, **of_store}
    ).figures
    assert not {"new_to_chain", "returning_to_chain"} & figures.keys()
    assert figures["new_customers"].value == 2


def test_cancelled_and_returned_orders_are_counted_among_all_that_were_placed() -> None:
    figures = march().figures
    assert figures["cancelled_orders"].value == 3
    assert figures["cancelled_share"].value == 21.43
    assert figures["returned_orders"].value == 2
    assert figures["returned_share"].value == 14.29


def test_stock_has_no_place_among_the_figures_of_a_period() -> None:
    assert not [name for name in march().figures if "stock" in name or "cover" in name]


def test_categories_have_shares_and_growth_but_none_from_nothing() -> None:
    paint, lumber, garden = march().categories
    assert (paint.share, lumber.share) == (66.67, 33.33)
    assert paint.revenue == Compared(value=600.0, previous=400.0, previous_change=50.0)
    assert lumber.revenue.previous_change is None
    assert (garden.revenue.value, garden.revenue.previous_change) == (0.0, -100.0)


def test_a_product_s_cover_is_its_stock_over_average_daily_units() -> None:
    products = [
        {**SKU, "name": "Saw", "units": 31, "revenue": "600.00", "stock_level": 12},
        {**SKU, "name": "Nails", "units": 1, "revenue": "9.00", "stock_level": -2},
        {**SKU, "name": "Tape", "units": 2, "revenue": "8.00", "stock_level": None},
    ]
    saw, nails, tape = march(best_products=products).best_products
    assert (saw.stock, saw.revenue, saw.days_of_cover) == (12, 600.0, 12.0)
    assert (nails.stock, nails.days_of_cover) == (0, 0.0)
    assert (tape.stock, tape.days_of_cover) == (None, None)


def test_the_best_day_is_the_one_with_the_highest_revenue() -> None:
    best = march().best_day
    assert best is not None
    assert (best.start, best.revenue, best.orders) == (date(2026, 3, 20), 599.9, 6)


def test_of_equal_days_the_earliest_is_the_best() -> None:
    days = [
        {"day": "2026-03-04", "revenue": "5.00", "orders": 1},
        {"day": "2026-03-05", "revenue": "5.00", "orders": 1},
    ]
    best = march(days=days).best_day
    assert best is not None
    assert best.start == date(2026, 3, 4)


def test_a_short_period_has_a_row_for_every_day() -> None:
    metrics = march()
    assert metrics.bucket == "day"
    rows = [(row.start, row.revenue, row.orders) for row in metrics.series]
    assert len(rows) == 31
    assert rows[:2] == [(date(2026, 3, 1), 0.0, 0), (date(2026, 3, 2), 300.1, 3)]
    assert sum(orders for _, _, orders in rows) == 9


@pytest.mark.parametrize(
    ("period", "bucket"),
    [
        pytest.param("2025-10-01..2025-12-31", "day", id="92 days"),
        pytest.param("2025-10-01..2026-01-01", "month", id="93 days"),
    ],
)
def test_more_than_92_days_are_shown_by_month(period: str, bucket: str) -> None:
    assert metrics_of(period).bucket == bucket


def test_a_series_begins_with_the_first_order() -> None:
    rows = metrics_of("2026-01-01..2026-05-31", days=DAYS[1:]).series
    assert [str(row.start) for row in rows] == [
        *("2026-02-01", "2026-03-01", "2026-04-01", "2026-05-01")
    ]
    assert (rows[1].revenue, rows[1].orders) == (900.0, 9)


def test_a_period_in_which_nothing_sold_is_zero_and_its_ratios_are_missing() -> None:
    empty = metrics_of(
        sides=("previous",),
        previous=FEBRUARY,
        days=DAYS[:1],
        categories=CATEGORIES[2:],
    )
    figures = empty.figures
    assert figures["orders"].value == 0
    assert figures["revenue"] == Compared(
        value=0.0, previous=600.0, previous_change=-100.0
    )
    for name in ("average_order_value", "gross_margin", "discount_rate"):
        assert figures[name].value is None
    assert empty.categories[0].share is None
    assert empty.best_day is None


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
    assert not re.search(r"\d\.\d{3,}", text.replace("2026-07-01T", ""))


def test_units_add_up_only_within_one_measure() -> None:
    metrics = march(measures=[measures(31, 10), measures(7, 2, "kg")])
    assert metrics.figures["units"].value == 31
    assert metrics.other_units == {
        "kg": Compared(value=7, previous=2, previous_change=250.0)
    }


def test_a_measure_keeps_three_digits_and_whole_numbers_none() -> None:
    weighed = [{**measures(0, 0, "kg"), "units": "2.3456", "previous_units": "3.000"}]
    units = march(measures=weighed, unit="kg").figures["units"]
    assert (units.value, units.previous) == (2.346, 3)


def test_margin_is_that_of_products_whose_cost_is_known() -> None:
    partly = {**MARCH, "costed_revenue": "450.00", "cost": "300.00"}
    figures = march(current=partly).figures
    assert figures["gross_margin"].value == 33.33
    assert figures["costed_share"].value == 50.0
    unknown = {**MARCH, "costed_revenue": "0.00", "cost": "0.00"}
    figures = march(current=unknown).figures
    assert figures["gross_margin"].value is None
    assert figures["costed_share"].value == 0.0


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
    figures = march(days=days).figures
    assert figures["returns"].value == 2
    assert figures["returned_amount"].value == 50.0
    assert figures["returned_share"].value == 30.0
