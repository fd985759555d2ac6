"""The figures of a store by category, by product and by day."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from zava.data.sales_data import MIN_FADING_UNITS, TOP_PRODUCTS, DaySales, SalesData
from zava.service.sales.arithmetic import (
    change,
    elapsed_days,
    number,
    percent,
    quantity,
    ratio,
)
from zava.service.sales.performance_models import (
    BestDay,
    BestProductRow,
    BestProducts,
    Categories,
    CategoryRow,
    FadingProductRow,
    FadingProducts,
    Series,
    StockCover,
    StockCoverRow,
    Unit,
)

MAX_DAILY_SERIES = 92

_DAY = timedelta(days=1)


def categories(
    data: SalesData, currency: Unit, *, has_previous: bool, has_year_before: bool
) -> Categories:
    """Return each category's share and growth."""
    total = sum(category.revenue for category in data.categories)
    rows = []
    for category in data.categories:
        before = category.previous_revenue if has_previous else None
        year_before = category.year_before_revenue if has_year_before else None
        share = percent(category.revenue, total)
        rows.append(
            CategoryRow(
                name=category.name,
                revenue=number(category.revenue, currency),
                share_percent=None if share is None else number(share, "percent"),
                previous_revenue=None if before is None else number(before, currency),
                growth_percent=change(category.revenue, before),
                year_before_revenue=(
                    None if year_before is None else number(year_before, currency)
                ),
                year_growth_percent=change(category.revenue, year_before),
            )
        )
    return Categories(
        unit=currency,
        definition="Revenue by department, its share of all, and its growth in percent"
        " against the previous period and the same one a year before.",
        rows=tuple(rows),
    )


def best_products(data: SalesData, currency: Unit) -> BestProducts:
    """Return the best sellers."""
    return BestProducts(
        unit=currency,
        definition=f"The {TOP_PRODUCTS} products with the highest revenue.",
        rows=tuple(
            BestProductRow(
                sku=product.sku,
                name=product.name,
                units=quantity(product.units),
                revenue=number(product.revenue, currency),
            )
            for product in data.best_products
        ),
    )


def fading_products(data: SalesData, currency: Unit) -> FadingProducts:
    """Return the products that lost the most revenue."""
    return FadingProducts(
        unit=currency,
        definition=f"The {TOP_PRODUCTS} products that lost the most revenue against"
        f" the previous period, of those that sold {MIN_FADING_UNITS} units in it.",
        rows=tuple(
            FadingProductRow(
                sku=product.sku,
                name=product.name,
                units=quantity(product.units),
                revenue=number(product.revenue, currency),
                previous_units=quantity(product.previous_units),
                previous_revenue=number(product.previous_revenue, currency),
                change_percent=change(product.revenue, product.previous_revenue),
            )
            for product in data.fading_products
        ),
    )


def stock_cover(data: SalesData, today: date) -> StockCover:
    """Return how long the best sellers' stock lasts at the pace of the period."""
    days = elapsed_days(data.current.start, data.current.end, today)
    rows = []
    for product in data.best_products:
        pace = product.units / days
        stock = product.stock_level
        # More was sold than counted: none is left.
        cover = None if stock is None else ratio(max(stock, Decimal(0)), pace)
        rows.append(
            StockCoverRow(
                sku=product.sku,
                name=product.name,
                stock_level=None if stock is None else quantity(stock),
                daily_units=number(pace, "ratio"),
                days=None if cover is None else number(cover, "days"),
            )
        )
    return StockCover(
        unit="days",
        definition="Stock of the best products, null where it is not known, and how"
        " many days it lasts at the period's average daily sales.",
        rows=tuple(rows),
    )


def best_day(data: SalesData, currency: Unit) -> BestDay:
    """Return the day with the highest revenue, the earliest of equals."""
    days = [day for day in _days_of(data) if day.orders]
    best = max(days, key=lambda day: day.revenue, default=None)
    return BestDay(
        day=best.day if best else None,
        value=number(best.revenue, currency) if best else None,
        orders=best.orders if best else None,
        unit=currency,
        definition="The day with the highest revenue.",
    )


def series(data: SalesData, today: date, currency: Unit) -> Series:
    """Return revenue and orders by day, of a long period by month.

    It begins no earlier than the store's first order and ends no later than
    now, or the last order.
    """
    span = data.current
    bucket: Literal["day", "month"] = "day"
    if (span.end - span.start).days > MAX_DAILY_SERIES:
        bucket = "month"
    sums: dict[date, tuple[Decimal, int]] = {}
    if data.first_order_on is not None:
        days = _days_of(data)
        first = max(span.start, data.first_order_on)
        last = min(span.end - _DAY, today)
        last = max([last, *(day.day for day in days)])
        for offset in range((last - first).days + 1):
            start = _bucket_of(first + offset * _DAY, bucket)
            sums.setdefault(start, (Decimal(0), 0))
        for day in days:
            start = _bucket_of(day.day, bucket)
            revenue, orders = sums[start]
            sums[start] = (revenue + day.revenue, orders + day.orders)
    return Series(
        unit=currency,
        definition=f"Revenue and orders by {bucket}.",
        bucket=bucket,
        rows=tuple(
            (start, number(revenue, currency), orders)
            for start, (revenue, orders) in sums.items()
        ),
    )


def _bucket_of(day: date, bucket: Literal["day", "month"]) -> date:
    return day.replace(day=1) if bucket == "month" else day


def _days_of(data: SalesData) -> list[DaySales]:
    start, end = data.current.start, data.current.end
    return [day for day in data.days if start <= day.day < end]
