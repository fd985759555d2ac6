"""When a rule speaks, when it is silent, and what it says."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from zava.data.sales_data import SalesData
from zava.service.sales import insights
from zava.service.sales.calendars import Calendar
from zava.service.sales.insights import MAX_INSIGHTS, RULES, generate_insights
from zava.service.sales.metrics import calculate_metrics
from zava.service.sales.performance_models import Now, StoreMetrics
from zava.service.sales.periods import Period, parse_period

AFTER = datetime(2026, 4, 10, 12, tzinfo=timezone.utc)
PERIOD = "2026-03-01..2026-03-31"
PREVIOUS = "2026-01-29 to 2026-02-28"
YEAR_BEFORE = "2025-03-01 to 2025-03-31"
SUMS: dict[str, Any] = {
    "customers": 400,
    "new_customers": 40,
    "discount": "1000",
    "item_revenue": "49000",
    "costed_revenue": "49000",
    "cost": "32340",
}


def now(as_of: datetime) -> Now:
    """A moment in a store whose business days are those of UTC."""
    share = (as_of - as_of.replace(hour=0, minute=0)) / timedelta(days=1)
    return Now(as_of=as_of, today=as_of.date(), day_share=share)


def bounds(span: Period) -> dict[str, date]:
    return {"start": span.start, "end": span.end}


def metrics(
    period: str = PERIOD,
    *,
    as_of: datetime = AFTER,
    currency: str = "USD",
    revenue: tuple[int, int, int] = (1000, 1000, 1000),
    orders: tuple[int, int, int] = (20, 20, 20),
    sums: dict[str, Any] | None = None,
    peak: int = 0,
    **parts: Any,
) -> StoreMetrics:
    """A quiet month.

    Args:
        period: Its name.
        as_of: Now.
        currency: The chain's.
        revenue: Each day's: of the period, the one before, the year before.
        orders: The same of orders.
        sums: What differs from `SUMS`, in the period itself only.
        peak: Additional revenue of the first day.
        parts: Fields of `SalesData`.
    """
    span = parse_period(period, as_of.date(), Calendar())
    spans = {
        "year_before": span.year_before(),
        "previous": span.previous(),
        "current": span,
    }
    days: dict[date, dict[str, Any]] = {}
    each = zip(spans.values(), revenue[::-1], orders[::-1], strict=True)
    for part, amount, count in each:
        for number in range(part.days):
            day = part.start + timedelta(days=number)
            if count and day <= as_of.date():
                days[day] = {"day": day, "revenue": amount, "orders": count}
    if peak:
        days[span.start]["revenue"] += peak
    data = SalesData.model_validate(
        {
            "store_id": UUID(int=1),
            "store_name": "Zava Retail Seattle",
            "first_order_on": "2020-01-01",
            **{name: {**bounds(part), **SUMS} for name, part in spans.items()},
            "current": {**bounds(span), **SUMS, **(sums or {})},
            "days": sorted(days.values(), key=lambda day: day["day"]),
            **parts,
        }
    )
    return calculate_metrics(data, now(as_of), currency)


def categories(*rows: tuple[str, int, int, int]) -> list[dict[str, Any]]:
    names = ("name", "revenue", "previous_revenue", "year_before_revenue")
    return [dict(zip(names, row, strict=True)) for row in rows]


def product(name: str, units: int, stock_level: int | None) -> dict[str, Any]:
    return {
        "sku": name[:2],
        "unit": "piece",
        "name": name,
        "units": units,
        "revenue": units * 10,
        "stock_level": stock_level,
    }


def fading(name: str, revenue: int, previous_revenue: int) -> dict[str, Any]:
    return {
        "sku": name[:2],
        "name": name,
        "units": 1,
        "revenue": revenue,
        "previous_units": 20,
        "previous_revenue": previous_revenue,
    }


def test_a_quiet_period_gives_no_insight() -> None:
    assert generate_insights(metrics()) == ()


@pytest.mark.acceptance("A23")
def test_revenue_that_moved_is_named_with_what_it_is_compared_with() -> None:
    assert generate_insights(metrics(revenue=(1050, 1000, 1060))) == (
        "Revenue of $32,550 from 620 orders is up 5.0% on"
        f" {PREVIOUS} ($31,000 from 620 orders) and down 0.9% on"
        f" {YEAR_BEFORE} ($32,860 from 620 orders).",
    )


def test_a_span_that_is_both_previous_and_year_before_is_named_once() -> None:
    (sentence,) = generate_insights(metrics("2025", revenue=(1200, 1000, 1000)))
    assert sentence.count("2024-01-01 to 2024-12-31") == 1


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"revenue": (1049, 1000, 1000)}, id="less than 5 %"),
        pytest.param(
            {"period": "today", "revenue": (9, 1, 1), "orders": (19, 90, 90)},
            id="few orders",
        ),
        pytest.param(
            {"revenue": (900, 1000, 1000), "first_order_on": "2026-02-01"},
            id="spans that are not covered",
        ),
        pytest.param(
            {"revenue": (900, 0, 0), "orders": (20, 0, 0)}, id="nothing before"
        ),
    ],
)
def test_revenue_is_not_said_to_move_without_need_or_ground(
    parts: dict[str, Any],
) -> None:
    end_of_day = AFTER.replace(hour=23)
    assert insights.revenue_moved(metrics(as_of=end_of_day, **parts)) is None


def test_totals_of_an_unfinished_period_are_not_compared() -> None:
    noon = datetime(2026, 3, 7, 12, tzinfo=timezone.utc)
    month = metrics("2026-03", as_of=noon)
    assert generate_insights(month) == (
        "Only 21.0% of 2026-03-01 to 2026-03-31 was over at 2026-03-07 12:00 UTC,"
        " so its totals do not compare yet with those of whole periods.",
    )


def test_a_period_that_is_nearly_over_is_compared() -> None:
    evening = datetime(2026, 3, 31, 20, tzinfo=timezone.utc)
    (sentence,) = generate_insights(metrics(as_of=evening, revenue=(900, 1000, 1000)))
    assert sentence.startswith("Revenue of $27,900")


def test_a_margin_that_fell_is_named() -> None:
    sentence = insights.margin_fell(metrics(sums={"cost": "32830"}))
    assert sentence == f"Gross margin fell to 33.0% from 34.0% in {PREVIOUS}."
    assert insights.margin_fell(metrics(sums={"cost": "32820"})) is None
    assert insights.margin_fell(metrics(sums={"cost": "10"})) is None


def test_discounts_that_rose_are_named() -> None:
    sentence = insights.discount_rose(metrics(sums={"discount": "1520"}))
    assert sentence == f"Discounts rose to 3.0% of sales from 2.0% in {PREVIOUS}."
    assert insights.discount_rose(metrics(sums={"discount": "1500"})) is None
    assert insights.discount_rose(metrics(sums={"discount": "0"})) is None


def test_best_sellers_that_run_out_are_named() -> None:
    best = [product("Saw", 62, 27), product("Drill", 62, 28), product("Tape", 1, None)]
    assert insights.low_stock_cover(metrics(best_products=best)) == (
        "Stock of best sellers is low: Saw lasts 13.5 days (27 on hand, 2.0 sold a"
        " day)."
    )
    assert insights.low_stock_cover(metrics(best_products=best[1:])) is None


def test_stock_says_nothing_of_a_period_long_over_or_of_a_few_days() -> None:
    best = [product("Saw", 62, 1)]
    later = datetime(2026, 6, 1, tzinfo=timezone.utc)
    assert insights.low_stock_cover(metrics(as_of=later, best_products=best)) is None
    assert insights.low_stock_cover(metrics("today", best_products=best)) is None


def test_a_category_that_shifts_is_compared_with_the_year_before() -> None:
    rows = categories(("Paint", 40, 10, 43), ("Lumber", 60, 90, 57))
    assert insights.category_shift(metrics(categories=rows)) == (
        f"Paint shrank to 40.0% of revenue from 43.0% in {YEAR_BEFORE}."
    )
    rows = categories(("Paint", 40, 10, 42), ("Lumber", 60, 90, 58))
    assert insights.category_shift(metrics(categories=rows)) is None


def test_without_a_year_before_a_category_is_compared_with_the_previous_span() -> None:
    rows = categories(("Paint", 40, 10, 0), ("Lumber", 60, 90, 0))
    young = metrics(
        categories=rows,
        orders=(20, 20, 0),
        first_order_on="2026-01-29",
    )
    assert insights.category_shift(young) == (
        f"Paint grew to 40.0% of revenue from 10.0% in {PREVIOUS}."
    )


def test_the_mix_of_a_few_hundred_orders_is_chance() -> None:
    rows = categories(("Paint", 40, 10, 10), ("Lumber", 60, 90, 90))
    assert insights.category_shift(metrics(categories=rows, orders=(16,) * 3)) is None
    assert insights.category_shift(metrics(categories=rows, orders=(17,) * 3))


def test_a_category_shift_needs_revenue_on_both_sides() -> None:
    rows = categories(("Paint", 40, 0, 0))
    assert insights.category_shift(metrics(categories=rows)) is None
    assert insights.category_shift(metrics()) is None


def test_products_that_fade_are_named_three_at_most() -> None:
    rows = [
        fading("Saw", 7100, 10_000),
        fading("Hose", 70, 100),
        fading("Tape", 0, 90),
        fading("Nails", 1, 80),
        fading("Glue", 1, 70),
    ]
    assert insights.fading_product(metrics(fading_products=rows)) == (
        f"Fading against {PREVIOUS}: Hose from $100 to $70.00 (-30.0%);"
        " Tape from $90.00 to $0.00 (-100.0%); Nails from $80.00 to $1.00 (-98.8%)."
    )
    assert insights.fading_product(metrics(fading_products=rows[:1])) is None


def test_nothing_fades_in_an_unfinished_period() -> None:
    noon = datetime(2026, 3, 7, 12, tzinfo=timezone.utc)
    month = metrics("2026-03", as_of=noon, fading_products=[fading("Tape", 0, 90)])
    assert insights.fading_product(month) is None


def test_a_changed_mix_of_new_and_returning_customers_is_named() -> None:
    assert insights.customer_mix(metrics(sums={"new_customers": 60})) == (
        "Customers new to the store were 15.0% of the 400 who bought,"
        f" against 10.0% in {PREVIOUS}."
    )
    head_office = metrics(sums={"new_customers": 60, "new_to_chain": 0})
    assert insights.customer_mix(head_office) == (
        "Customers new to the store (0 new to the chain) were 15.0% of the 400 who"
        f" bought, against 10.0% in {PREVIOUS}."
    )
    assert insights.customer_mix(metrics(sums={"new_customers": 59})) is None
    few = {"customers": 19, "new_customers": 19}
    assert insights.customer_mix(metrics(sums=few)) is None


def test_the_mix_of_an_unfinished_period_is_not_compared() -> None:
    noon = datetime(2026, 3, 7, 12, tzinfo=timezone.utc)
    month = metrics("2026-03", as_of=noon, sums={"new_customers": 90})
    assert insights.customer_mix(month) is None


def test_a_day_far_above_the_average_is_named() -> None:
    assert insights.best_day(metrics(peak=2000)) == (
        "The best day was 2026-03-01 with $3,000 from 20 orders, 2.8 times the average"
        " day ($1,065)."
    )
    assert insights.best_day(metrics(peak=1000)) is None


def test_a_single_order_is_no_plural() -> None:
    sentence = insights.best_day(metrics(orders=(1, 20, 20), peak=2000))
    assert sentence is not None
    assert " from 1 order, " in sentence


def test_the_best_of_a_few_days_is_no_news() -> None:
    assert insights.best_day(metrics("2026-03-01..2026-03-06", peak=50_000)) is None
    assert insights.best_day(metrics("2026-03-01..2026-03-07", peak=50_000))


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        pytest.param(
            {"orders": (0, 20, 20)},
            "There are no sales in 2026-03-01 to 2026-03-31.",
            id="a gap",
        ),
        pytest.param(
            {"orders": (0, 0, 0), "first_order_on": None},
            "There are no sales: the store has never had an order.",
            id="a new store",
        ),
        pytest.param(
            {"orders": (0, 0, 0), "first_order_on": "2026-04-02"},
            "There are no sales: 2026-03-01 to 2026-03-31 lies before the store's"
            " first order on 2026-04-02.",
            id="before the first order",
        ),
        pytest.param(
            {"period": "2026-05", "orders": (0, 20, 20)},
            "There are no sales: 2026-05-01 to 2026-05-31 is in the future.",
            id="in the future",
        ),
    ],
)
def test_a_period_without_sales_says_only_that(
    parts: dict[str, Any], sentence: str
) -> None:
    assert generate_insights(metrics(**parts)) == (sentence,)


def test_insights_come_in_the_order_of_the_rules_and_are_few() -> None:
    loud = metrics(
        revenue=(2000, 1000, 1000),
        peak=90_000,
        sums={"cost": "40000", "discount": "9000", "new_customers": 300},
        categories=categories(("Paint", 40, 10, 10), ("Lumber", 60, 90, 90)),
        best_products=[product("Saw", 62, 1)],
        fading_products=[fading("Tape", 0, 90)],
    )
    found = generate_insights(loud)
    assert found == tuple(s for rule in RULES if (s := rule(loud)))[:MAX_INSIGHTS]
    assert [sentence.split()[0] for sentence in found] == [
        *("Revenue", "Stock", "Gross", "Discounts"),
        *("Paint", "Fading", "Customers", "The"),
    ]


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("USD", "$27,900"), ("EUR", "€27,900"), ("CHF", "CHF 27,900")],
)
def test_money_carries_the_sign_of_its_currency(currency: str, amount: str) -> None:
    month = metrics(revenue=(900, 1000, 1000), currency=currency)
    (sentence,) = generate_insights(month)
    assert amount in sentence
