"""From what stores sold to their figures, each as the registry defines it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from zava.data.metrics.registry import METRICS, Metric, Number
from zava.data.sales_data import DaySales, MeasureSales, SalesData, SpanSales
from zava.service.sales.arithmetic import (
    change,
    money,
    percent,
    points,
    quantity,
    ratio,
    rounded,
    shown,
)
from zava.service.sales.performance_models import (
    CategoryRow,
    Compared,
    DayRow,
    Past,
    ProductRow,
    Scope,
    Side,
    SideName,
    Span,
    StoreMetrics,
)

MAX_DAILY_SERIES = 92

_DAY = timedelta(days=1)

Sums = Mapping[str, Number]
"""The measures of one span, by their names in the registry."""


def calculate_metrics(
    data: SalesData,
    scope: Scope,
    period_name: str,
    sides: Sequence[Side],
    past: Past,
    *,
    currency: str,
    unit: str,
) -> StoreMetrics:
    """Return the figures of some stores.

    Args:
        data: What the stores sold.
        scope: The stores.
        period_name: How the period was asked for.
        sides: The spans that the period is fairly compared with.
        past: Until when there is data.
        currency: The code of the chain's currency.
        unit: The unit of measure that units are counted in.
    """
    measures = {each.unit: each for each in data.measures}
    names = tuple(side.name for side in sides)
    now = _sums(data, data.current, _units(measures.get(unit), ""))
    then = {
        name: _sums(data, getattr(data, name), _units(measures.get(unit), name))
        for name in names
    }
    period = Span(start=data.current.start, end=data.current.end)
    days = _days_of(data, data.current)
    best = max(
        (day for day in days if day.orders), key=lambda day: day.revenue, default=None
    )
    bucket: Literal["day", "month"] = "day"
    if period.days > MAX_DAILY_SERIES:
        bucket = "month"
    return StoreMetrics(
        scope=scope,
        period_name=period_name,
        period=period,
        past=past,
        currency=currency,
        unit=unit,
        sides=tuple(sides),
        figures={
            metric.name: _compared(metric, now, then) for metric in _metrics_of(now)
        },
        other_units={
            each.unit: _compared(
                METRICS["units"],
                {"units": each.units},
                {name: {"units": _units(each, name)} for name in names},
            )
            for each in data.measures
            if each.unit != unit
        },
        categories=_categories(data, names),
        best_products=_best_products(data, period.days),
        bucket=bucket,
        series=tuple(_series(days, period, past, bucket)),
        best_day=None if best is None else _day_row(best.day, [best]),
    )


def _metrics_of(sums: Sums) -> Iterator[Metric]:
    """Yield every metric that some sums are enough for."""
    for metric in METRICS.values():
        if all(measure in sums for measure in metric.measures):
            yield metric


def _compared(metric: Metric, now: Sums, then: Mapping[SideName, Sums]) -> Compared:
    value = metric.value(now)
    cells: dict[str, int | float | None] = {}
    for name, sums in then.items():
        before = metric.value(sums)
        cells[name] = shown(before, metric)
        if metric.is_percent:
            cells[f"{name}_points"] = points(value, before)
        else:
            cells[f"{name}_change"] = change(value, before)
    return Compared(value=shown(value, metric), **cells)


def _sums(data: SalesData, span: SpanSales, units: Decimal) -> Sums:
    days = _days_of(data, span)
    sums: dict[str, Number] = {
        "revenue": sum((day.revenue for day in days), Decimal(0)),
        "orders": sum(day.orders for day in days),
        "open_days": sum(day.orders > 0 for day in days),
        "cancelled_orders": sum(day.cancelled_orders for day in days),
        "returned_orders": sum(day.returned_orders for day in days),
        "returns": sum(day.returns for day in days),
        "returned_amount": sum((day.returned_amount for day in days), Decimal(0)),
        "units": units,
        "line_revenue": span.item_revenue,
        "discount": span.discount,
        "costed_revenue": span.costed_revenue,
        "cost": span.cost,
        "customers": span.customers,
        "new_customers": span.new_customers,
    }
    if span.new_to_chain is not None:
        sums["new_to_chain"] = span.new_to_chain
    return sums


def _units(measure: MeasureSales | None, side: str) -> Decimal:
    if measure is None:
        return Decimal(0)
    units: Decimal = getattr(measure, f"{side}_units" if side else "units")
    return units


def _categories(data: SalesData, names: Sequence[SideName]) -> tuple[CategoryRow, ...]:
    total = sum(category.revenue for category in data.categories)
    revenue = METRICS["revenue"]
    return tuple(
        CategoryRow(
            name=category.name,
            revenue=_compared(
                revenue,
                {"revenue": category.revenue},
                {
                    name: {"revenue": getattr(category, f"{name}_revenue")}
                    for name in names
                },
            ),
            share=percent(category.revenue, total),
        )
        for category in data.categories
    )


def _best_products(data: SalesData, days: int) -> tuple[ProductRow, ...]:
    rows = []
    for product in data.best_products:
        stock = product.stock_level
        if stock is not None:
            stock = max(stock, Decimal(0))  # more was sold than counted
        cover = None if stock is None else ratio(stock * days, product.units)
        rows.append(
            ProductRow(
                sku=product.sku,
                name=product.name,
                units=quantity(product.units),
                revenue=money(product.revenue),
                stock=None if stock is None else quantity(stock),
                days_of_cover=None if cover is None else rounded(cover, 1),
            )
        )
    return tuple(rows)


def _series(
    days: Sequence[DaySales], period: Span, past: Past, bucket: Literal["day", "month"]
) -> Iterator[DayRow]:
    """Yield revenue and orders without gaps, from the first order on."""
    found: dict[date, list[DaySales]] = {}
    first = max(period.start, past.first or period.end)
    for offset in range((period.end - first).days):
        found.setdefault(_bucket_of(first + offset * _DAY, bucket), [])
    for day in days:
        found.setdefault(_bucket_of(day.day, bucket), []).append(day)
    for start, members in found.items():
        yield _day_row(start, members)


def _bucket_of(day: date, bucket: Literal["day", "month"]) -> date:
    return day.replace(day=1) if bucket == "month" else day


def _day_row(start: date, days: Sequence[DaySales]) -> DayRow:
    return DayRow(
        start=start,
        revenue=money(sum((day.revenue for day in days), Decimal(0))),
        orders=sum(day.orders for day in days),
    )


def _days_of(data: SalesData, span: SpanSales) -> list[DaySales]:
    return [day for day in data.days if span.start <= day.day < span.end]
