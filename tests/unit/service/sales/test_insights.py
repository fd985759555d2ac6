"""When a rule speaks, when it is silent, and what it says."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from zava.data.sales_data import FadingProduct, SalesData, StockRow
from zava.service.sales import insights
from zava.service.sales.calendars import Calendar
from zava.service.sales.insights import (
    MAX_INSIGHTS,
    RULES,
    generate_insights,
    is_silent,
)
from zava.service.sales.metrics import calculate_metrics
from zava.service.sales.performance_models import (
    Insight,
    Past,
    Scope,
    Side,
    SilentStore,
    Span,
    Stock,
    Store,
    StoreMetrics,
)
from zava.service.sales.periods import parse_period

PERIOD = "2026-03-01..2026-03-31"
PREVIOUS = "2026-01-29 to 2026-02-28"
YEAR_BEFORE = "2025-03"
TODAY = date(2026, 4, 10)
STORE = Store(
    store_id=UUID(int=1),
    name="Zava Retail Seattle",
    region=None,
    is_online=False,
    time_zone="UTC",
    today=TODAY,
    day_ends_at=datetime(2026, 4, 11, tzinfo=timezone.utc),
)
OTHER = STORE.model_copy(update={"store_id": UUID(int=2), "name": "Zava Retail Yakima"})
ONE = Scope(key=str(STORE.store_id), name=STORE.name, stores=(STORE,), asked=("S",))
TWO = Scope(key="all", name="2 stores", stores=(STORE, OTHER), are_all=True)
SUMS: dict[str, Any] = {
    "customers": 400,
    "new_customers": 40,
    "discount": "1000",
    "item_revenue": "49000",
    "costed_revenue": "49000",
    "cost": "32340",
}


def metrics(
    period: str = PERIOD,
    *,
    scope: Scope = ONE,
    currency: str = "USD",
    first: date = date(2020, 1, 1),
    past: dict[str, Any] | None = None,
    revenue: tuple[int, int, int] = (1000, 1000, 1000),
    orders: tuple[int, int, int] = (20, 20, 20),
    closed: int = 0,
    sums: dict[str, Any] | None = None,
    before: dict[str, Any] | None = None,
    peak: tuple[int, int] = (0, 0),
    fading: tuple[FadingProduct, ...] = (),
    stock: Stock | None = None,
    **parts: Any,
) -> StoreMetrics:
    """A quiet month.

    Args:
        period: Its name.
        scope: Whose it is.
        currency: The chain's.
        first: The first day with orders.
        past: What else is known of the data.
        revenue: Each day's: of the period, the one before, the year before.
        orders: The same of orders.
        closed: On how many days of the period nothing sold.
        sums: What differs from `SUMS` in the period itself.
        before: The same in both spans that it is compared with.
        peak: Additional revenue and orders of the first day.
        fading: Products.
        stock: What is known of it.
        parts: Fields of `SalesData`.
    """
    span = parse_period(period, TODAY, Calendar())
    spans = {
        "current": span,
        "previous": span.previous(),
        "year_before": span.year_before(),
    }
    days: dict[date, dict[str, Any]] = {}
    for part, amount, count in zip(spans.values(), revenue, orders, strict=True):
        for number in range(closed if part is span else 0, part.days):
            day = part.start + timedelta(days=number)
            if count and day not in days:
                days[day] = {"day": day, "revenue": amount, "orders": count}
    if any(peak):
        days[span.start]["revenue"] += peak[0]
        days[span.start]["orders"] += peak[1]
    data = SalesData.model_validate(
        {
            **{
                name: {
                    "start": part.start,
                    "end": part.end,
                    **SUMS,
                    **((sums if part is span else before) or {}),
                }
                for name, part in spans.items()
            },
            "days": sorted(days.values(), key=lambda day: day["day"]),
            **parts,
        }
    )
    sides = [
        Side.model_validate(
            {
                "name": name,
                "start": spans[name].start,
                "end": spans[name].end,
                "is_whole": spans[name].start >= first,
                "has_past": spans[name].start >= first + timedelta(days=365),
            }
        )
        for name in ("previous", "year_before")
        if name == "year_before" or spans["previous"] != spans["year_before"]
    ]
    found = calculate_metrics(
        data,
        scope,
        period,
        sides,
        Past.model_validate(
            {"first": first, "through": TODAY, "today": TODAY, **(past or {})}
        ),
        currency=currency,
        unit="piece",
    )
    return found.model_copy(update={"fading": fading, "stock": stock})


def nothing(period: str = PERIOD, **past: Any) -> StoreMetrics:
    """A period of which there is no data."""
    span = parse_period(period, TODAY, Calendar())
    known = {"first": date(2020, 1, 1), "through": date(2026, 1, 31), "today": TODAY}
    return StoreMetrics(
        scope=ONE,
        period_name=period,
        period=Span(start=span.start, end=span.end),
        past=Past.model_validate({**known, **past}),
        currency="USD",
        unit="piece",
    )


def categories(*rows: tuple[str, int, int, int]) -> list[dict[str, Any]]:
    names = ("name", "revenue", "previous_revenue", "year_before_revenue")
    return [dict(zip(names, row, strict=True)) for row in rows]


def stock(*rows: tuple[str, str, str, int, int]) -> Stock:
    """Kind, store, product, stock and units of 90 days."""
    return Stock(
        span=Span(start=date(2026, 1, 10), end=date(2026, 4, 10)),
        rows=tuple(
            StockRow.model_validate(
                {
                    "kind": kind,
                    "store_name": store,
                    "sku": name[:2],
                    "name": name,
                    "stock_level": level,
                    "stock_value": None if name == "Tape" else 10 * level,
                    "units": units,
                    "revenue": 10 * units,
                    "found": 5,
                }
            )
            for kind, store, name, level, units in rows
        ),
    )


def fading(name: str, revenue: int, previous_revenue: int) -> FadingProduct:
    return FadingProduct(
        product_id=UUID(int=0),
        sku=name[:2],
        name=name,
        units=Decimal(1),
        revenue=Decimal(revenue),
        previous_units=Decimal(20),
        previous_revenue=Decimal(previous_revenue),
    )


def text_of(insight: Insight | None) -> str | None:
    return None if insight is None else insight.text


def test_a_quiet_period_gives_no_insight() -> None:
    assert generate_insights(metrics()) == ()


@pytest.mark.acceptance("A23")
def test_revenue_that_moved_is_named_with_what_it_is_compared_with() -> None:
    (insight,) = generate_insights(metrics(revenue=(1050, 1000, 1060)))
    assert insight.text == (
        "Revenue of $32,550 from 620 orders is up 5.0% on"
        f" {PREVIOUS} ($31,000 from 620 orders) and down 0.9% on"
        f" {YEAR_BEFORE} ($32,860 from 620 orders)."
    )
    assert insight.query_metrics == {
        "metrics": ["revenue", "orders"],
        "time_period": PERIOD,
        "compare": "both",
        "stores": ["S"],
    }


def test_months_of_unequal_length_are_compared_by_the_day_with_sales() -> None:
    # February has 28 days, January 31: the sum fell, the day did not.
    (insight,) = generate_insights(metrics("2026-02", revenue=(1060, 1000, 1060)))
    assert insight.text == (
        "Revenue of $29,680 from 560 orders is up 6.0% per day with sales on 2026-01"
        " ($1,060 against $1,000 a day) and unchanged on 2025-02 ($29,680 from 560"
        " orders)."
    )
    assert "revenue_per_open_day" in insight.query_metrics["metrics"]
    assert generate_insights(metrics("2026-02")) == ()
    # On a day that the store is closed nobody expects sales.
    assert generate_insights(metrics("2026-02", closed=1, revenue=(1000,) * 3)) == ()


def test_of_a_store_that_sells_on_some_days_all_days_count() -> None:
    # 14 of 28 days against 31 of 31: by the day with sales nothing fell.
    (insight,) = generate_insights(metrics("2026-02", closed=14))
    assert insight.text.startswith(
        "Revenue of $14,000 from 280 orders is down 50.0% a day on 2026-01 ($31,000"
        " from 620 orders in 31 days, against 28) and down 50.0% on 2025-02 "
    )


def test_a_span_that_is_both_previous_and_year_before_is_named_once() -> None:
    (insight,) = generate_insights(metrics("2025", revenue=(1200, 1000, 1000)))
    assert insight.text.count(" on 2024 ") == 1


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"revenue": (1049, 1000, 1000)}, id="less than 5 %"),
        pytest.param(
            {"period": "2026-04-09", "revenue": (9, 1, 1), "orders": (19, 90, 90)},
            id="few orders",
        ),
        pytest.param(
            {"revenue": (900, 1000, 1000), "sums": {"customers": 4}},
            id="a few customers now",
        ),
        pytest.param(
            {"revenue": (900, 1000, 1000), "before": {"customers": 1}},
            id="one customer before",
        ),
        pytest.param(
            {"revenue": (900, 1000, 1000), "first": date(2026, 2, 1)},
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
    assert insights.revenue_moved(metrics(**parts)) is None


def test_where_every_sale_is_anonymous_orders_are_enough() -> None:
    anonymous = {"customers": 0, "new_customers": 0}
    month = metrics(revenue=(900, 1000, 1000), sums=anonymous, before=anonymous)
    assert insights.revenue_moved(month) is not None


def test_a_margin_that_fell_is_named() -> None:
    insight = insights.margin_fell(metrics(sums={"cost": "32830"}))
    assert text_of(insight) == f"Gross margin fell to 33.00% from 34.00% in {PREVIOUS}."
    assert insights.margin_fell(metrics(sums={"cost": "32820"})) is None
    assert insights.margin_fell(metrics(sums={"cost": "10"})) is None


def test_margins_of_unlike_parts_of_the_revenue_do_not_compare() -> None:
    half = {"costed_revenue": "24500", "cost": "20000"}
    assert insights.margin_fell(metrics(sums=half)) is None
    assert insights.margin_fell(metrics(sums=half, before={**half, "cost": "9000"}))


def test_discounts_that_rose_are_named() -> None:
    insight = insights.discount_rose(metrics(sums={"discount": "1520"}))
    assert text_of(insight) == (
        f"Discounts rose to 3.01% of sales from 2.00% in {PREVIOUS}."
    )
    assert insights.discount_rose(metrics(sums={"discount": "1500"})) is None
    assert insights.discount_rose(metrics(sums={"discount": "0"})) is None


def test_products_that_run_out_are_named() -> None:
    level = stock(("short", STORE.name, "Saw", 27, 180))
    insight = insights.stock_runs_out(metrics(stock=level))
    assert insight == Insight(
        text="Stock runs out: Saw lasts 13.5 days (27 in stock).",
        query_metrics={
            "metrics": ["days_of_cover", "stock_units"],
            "time_period": "2026-01-10..2026-04-09",
            "by": ["product"],
            "filters": {"product": ["Sa"]},
            "stores": ["S"],
        },
    )
    assert insights.stock_does_not_sell(metrics(stock=level)) is None


def test_of_several_stores_the_store_is_named_too() -> None:
    level = stock(
        ("short", STORE.name, "Saw", 0, 180), ("idle", OTHER.name, "Saw", 5, 0)
    )
    two = metrics(scope=TWO, stock=level)
    insight = insights.stock_runs_out(two)
    assert text_of(insight) == (
        "Stock runs out: Saw in Zava Retail Seattle is sold out."
    )
    assert insight is not None
    assert insight.query_metrics["by"] == ["store", "product"]
    assert "stores" not in insight.query_metrics
    assert " Saw in Zava Retail Yakima (" in str(
        text_of(insights.stock_does_not_sell(two))
    )


def test_stock_that_does_not_sell_is_named_with_its_worth() -> None:
    level = stock(
        ("idle", STORE.name, "Drill", 20, 0), ("idle", STORE.name, "Tape", 7, 0)
    )
    insight = insights.stock_does_not_sell(metrics(stock=level))
    assert text_of(insight) == (
        "Nothing was sold for 90 days of 5 products in stock: Drill"
        " ($200 at cost), Tape (7 in stock), …."
    )


def test_unknown_stock_says_nothing() -> None:
    assert insights.stock_runs_out(metrics()) is None
    assert insights.stock_does_not_sell(metrics()) is None


def test_a_category_that_shifts_is_compared_with_the_year_before() -> None:
    rows = categories(("Paint", 40, 10, 43), ("Lumber", 60, 90, 57))
    assert text_of(insights.category_shift(metrics(categories=rows))) == (
        f"Paint shrank to 40.00% of revenue from 43.00% in {YEAR_BEFORE}."
    )
    rows = categories(("Paint", 40, 10, 42), ("Lumber", 60, 90, 58))
    assert insights.category_shift(metrics(categories=rows)) is None


def test_without_a_year_before_a_category_is_compared_with_the_previous_span() -> None:
    rows = categories(("Paint", 40, 10, 0), ("Lumber", 60, 90, 0))
    young = metrics(categories=rows, orders=(20, 20, 0), first=date(2026, 1, 29))
    assert text_of(insights.category_shift(young)) == (
        f"Paint grew to 40.00% of revenue from 10.00% in {PREVIOUS}."
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
    rows = (
        fading("Hose", 70, 100),
        fading("Tape", 0, 90),
        fading("Nails", 1, 80),
        fading("Glue", 1, 70),
    )
    insight = insights.fading_product(metrics(fading=rows))
    assert text_of(insight) == (
        f"Fading against {PREVIOUS}, as their types are: Hose from $100 to $70.00;"
        " Tape from $90.00 to $0.00; Nails from $80.00 to $1.00."
    )
    assert insight is not None
    assert insight.query_metrics["filters"] == {"product": ["Ho", "Ta", "Na"]}
    assert insights.fading_product(metrics()) is None


def test_nothing_fades_against_a_span_of_which_a_part_is_unknown() -> None:
    young = metrics(fading=(fading("Hose", 0, 100),), first=date(2026, 2, 1))
    assert insights.fading_product(young) is None


def test_a_changed_mix_of_new_and_returning_customers_is_named() -> None:
    assert text_of(insights.customer_mix(metrics(sums={"new_customers": 60}))) == (
        "60 of 400 customers were new (15.0%), against 40 of 400 (10.0%) in"
        f" {PREVIOUS}."
    )
    assert insights.customer_mix(metrics(sums={"new_customers": 59})) is None
    few = {"customers": 19, "new_customers": 19}
    assert insights.customer_mix(metrics(sums=few)) is None


@pytest.mark.parametrize(
    ("first", "speaks"), [(date(2025, 1, 29), True), (date(2025, 1, 30), False)]
)
def test_while_everybody_is_new_the_mix_is_no_news(first: date, speaks: bool) -> None:
    month = metrics(sums={"new_customers": 200}, first=first)
    assert (insights.customer_mix(month) is not None) is speaks


def test_a_day_far_above_the_average_is_named() -> None:
    assert text_of(insights.best_day(metrics(peak=(2000, 20)))) == (
        "The best day was 2026-03-01 with $3,000 from 40 orders, 2.8 times the average"
        " ($1,065)."
    )
    assert insights.best_day(metrics(peak=(1000, 20))) is None


def test_a_day_with_one_large_order_is_no_best_day() -> None:
    assert insights.best_day(metrics(peak=(9000, 1))) is None


def test_the_best_day_of_a_store_that_hardly_sells_is_no_news() -> None:
    hardly = metrics(orders=(0, 20, 20))
    assert insights.best_day(hardly) is None
    rare = metrics("2025", orders=(1, 20, 20), sums={"customers": 1}, peak=(9000, 9))
    assert insights.best_day(rare) is None


def test_the_best_of_a_few_days_is_no_news() -> None:
    peak = (50_000, 90)
    assert insights.best_day(metrics("2026-03-01..2026-03-06", peak=peak)) is None
    assert insights.best_day(metrics("2026-03-01..2026-03-07", peak=peak))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        pytest.param(
            metrics(orders=(0, 20, 20)), "There are no sales in 2026-03.", id="a gap"
        ),
        pytest.param(
            nothing(first=None, through=None),
            "The store has never had an order.",
            id="a new store",
        ),
        pytest.param(
            nothing("2026-05"),
            "2026-05 is in the future. The data ends 2026-01-31.",
            id="in the future",
        ),
        pytest.param(
            nothing("yesterday"),
            "The data ends 2026-01-31: 2026-04-09 is not loaded.",
            id="yesterday",
        ),
        pytest.param(
            nothing(others_through=date(2026, 4, 9), has_stopped=True),
            "No sales since 2026-02-01: the last day with sales is 2026-01-31; other"
            " stores have sales until 2026-04-09.",
            id="a store that stopped",
        ),
    ],
)
def test_a_period_without_sales_says_only_that(
    found: StoreMetrics, sentence: str
) -> None:
    assert [insight.text for insight in generate_insights(found)] == [sentence]


def test_a_store_that_fell_silent_within_the_period_says_so_first() -> None:
    past = {"through": date(2026, 3, 14), "has_stopped": True}
    first, *_ = generate_insights(metrics(past=past, revenue=(2000, 1000, 1000)))
    assert first.text == "The data ends 2026-03-14: no sales are loaded since."
    past["others_through"] = date(2026, 3, 31)
    first, *_ = generate_insights(metrics(past=past))
    assert first.text.startswith("No sales since 2026-03-15: ")


def test_of_all_stores_the_silent_ones_are_named() -> None:
    silent = [
        SilentStore(name=f"Store {n}", last=date(2026, 3, n)) for n in range(1, 6)
    ]
    (insight,) = generate_insights(metrics(scope=TWO, past={"silent": silent}))
    assert insight.text == (
        "No sales any more: Store 1 since 2026-03-02, Store 2 since 2026-03-03,"
        " Store 3 since 2026-03-04, and 2 more."
    )
    assert insight.query_metrics["by"] == ["store"]


@pytest.mark.parametrize(
    ("gap", "usual_days", "silent"),
    [
        pytest.param(6, 90, False, id="a long weekend"),
        pytest.param(7, 90, True, id="a week"),
        pytest.param(44, 10, False, id="sells every ninth day"),
        pytest.param(45, 10, True, id="five times that"),
        pytest.param(89, 9, False, id="hardly ever sold"),
    ],
)
def test_a_store_is_silent_after_several_times_its_usual_gap(
    gap: int, usual_days: int, silent: bool
) -> None:
    assert is_silent(gap, usual_days) is silent


def test_insights_come_in_the_order_of_the_rules_and_are_few() -> None:
    loud = metrics(
        past={"has_stopped": True},
        revenue=(2000, 1000, 1000),
        peak=(90_000, 90),
        sums={"cost": "40000", "discount": "9000", "new_customers": 300},
        categories=categories(("Paint", 40, 10, 10), ("Lumber", 60, 90, 90)),
        stock=stock(
            ("short", STORE.name, "Saw", 1, 90), ("idle", STORE.name, "Drill", 1, 0)
        ),
        fading=(fading("Tape", 0, 90),),
    )
    found = generate_insights(loud)
    assert found == tuple(s for rule in RULES if (s := rule(loud)))[:MAX_INSIGHTS]
    assert [insight.text.split()[0] for insight in found] == [
        *("The", "Revenue", "Stock", "Gross"),
        *("Discounts", "Paint", "Fading", "Nothing"),
    ]


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("USD", "$27,900"), ("EUR", "€27,900"), ("CHF", "CHF 27,900")],
)
def test_money_carries_the_sign_of_its_currency(currency: str, amount: str) -> None:
    month = metrics(revenue=(900, 1000, 1000), currency=currency)
    (insight,) = generate_insights(month)
    assert amount in insight.text
