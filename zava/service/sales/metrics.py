"""From what a store sold to its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from zava.data.sales_data import SalesData, SpanSales
from zava.service.sales import breakdowns
from zava.service.sales.arithmetic import Number, change, percent, ratio, rounded
from zava.service.sales.performance_models import (
    Bounds,
    ComparedMetric,
    ComparedWith,
    Comparison,
    Metric,
    StoreMetrics,
    Unit,
)


@dataclass(frozen=True, slots=True)
class Figures:
    """The sums of one span."""

    revenue: Decimal
    orders: int
    cancelled_orders: int
    returned_orders: int
    items: SpanSales

    @property
    def placed_orders(self) -> int:
        """Orders whatever became of them."""
        return self.orders + self.cancelled_orders + self.returned_orders


@dataclass(frozen=True, slots=True)
class _Definition:
    unit: Unit
    text: str
    compute: Callable[[Figures], Number | None]

    def exact(self, figures: Figures | None) -> Number | None:
        return None if figures is None else self.compute(figures)

    def value(self, figures: Figures | None) -> int | float | None:
        return rounded(self.exact(figures), self.unit)

    def compare(self, now: Figures | None, then: Figures | None) -> Comparison | None:
        if then is None:
            return None
        return Comparison(
            value=self.value(then),
            change_percent=change(self.exact(now), self.exact(then)),
        )


# fmt: off
_COMPARED: dict[str, _Definition] = {
    "revenue": _Definition(
        "USD", "Total of orders neither cancelled nor returned; only these count.",
        lambda f: f.revenue),
    "orders": _Definition(
        "orders", "Number of those orders.",
        lambda f: f.orders),
    "average_order_value": _Definition(
        "USD", "Revenue per order.",
        lambda f: ratio(f.revenue, f.orders)),
    "units": _Definition(
        "units", "Units sold.",
        lambda f: f.items.units),
    "units_per_order": _Definition(
        "ratio", "Units per order.",
        lambda f: ratio(f.items.units, f.orders)),
    "discount_rate": _Definition(
        "percent", "Discounts as a share of the sales before them.",
        lambda f: percent(f.items.discount, f.items.item_revenue + f.items.discount)),
    "gross_margin": _Definition(
        "percent", "Revenue less the cost of the goods, as a share of revenue.",
        lambda f: percent(f.items.item_revenue - f.items.cost, f.items.item_revenue)),
    "unique_customers": _Definition(
        "customers", "Customers who bought.",
        lambda f: f.items.customers),
    "new_customers": _Definition(
        "customers", "Customers whose first order in this store falls into the period.",
        lambda f: f.items.new_customers),
}
_PLAIN: dict[str, _Definition] = {
    "cancelled_orders": _Definition(
        "orders", "Cancelled orders.",
        lambda f: f.cancelled_orders),
    "cancelled_share": _Definition(
        "percent", "Cancelled orders as a share of all that were placed.",
        lambda f: percent(f.cancelled_orders, f.placed_orders)),
    "returned_orders": _Definition(
        "orders", "Returned orders.",
        lambda f: f.returned_orders),
    "returned_share": _Definition(
        "percent", "Returned orders as a share of all that were placed.",
        lambda f: percent(f.returned_orders, f.placed_orders)),
}
# fmt: on


def calculate_metrics(data: SalesData, as_of: datetime) -> StoreMetrics:
    """Return the figures of a store.

    What there is nothing to take from is None or empty: every figure of a
    period that lies before the store's first order or in the future, a ratio to
    zero, a comparison with a time before the first order or of a day that is
    not over, and that with a year before where it is the period before.

    Args:
        data: What the store sold.
        as_of: Now, UTC; of a period that is not over, only a part has elapsed.
    """
    current = _figures(data, data.current, as_of)
    previous = _figures(data, data.previous, as_of)
    year_before = _figures(data, data.year_before, as_of)
    if timedelta() <= as_of - data.current.start < timedelta(days=1):
        previous = year_before = None  # hours do not compare with days
    # Two comparisons with the same days are one.
    is_same = _bounds(data.previous) == _bounds(data.year_before)
    if is_same:
        year_before = None
    if current is None:
        data = _without_products(data)
    first = data.first_order_at
    return StoreMetrics.model_validate(
        {
            "period": _bounds(data.current),
            "as_of": as_of,
            "store_name": data.store_name,
            "first_order": first.date() if first else None,
            "compared_with": ComparedWith(
                previous=_bounds(data.previous),
                year_before=None if is_same else _bounds(data.year_before),
            ),
            "elapsed": _elapsed(data.current, as_of),
            **{
                name: ComparedMetric(
                    value=definition.value(current),
                    unit=definition.unit,
                    definition=definition.text,
                    previous=definition.compare(current, previous),
                    year_before=definition.compare(current, year_before),
                )
                for name, definition in _COMPARED.items()
            },
            **{
                name: Metric(
                    value=definition.value(current),
                    unit=definition.unit,
                    definition=definition.text,
                )
                for name, definition in _PLAIN.items()
            },
            "categories": breakdowns.categories(
                data,
                has_previous=previous is not None,
                has_year_before=year_before is not None,
            ),
            "best_products": breakdowns.best_products(data),
            "fading_products": breakdowns.fading_products(data),
            "stock_cover": breakdowns.stock_cover(data, as_of),
            "best_day": breakdowns.best_day(data),
            "series": breakdowns.series(data, as_of),
        }
    )


def _figures(data: SalesData, span: SpanSales, as_of: datetime) -> Figures | None:
    """Return the sums of a span, or None before the first order and in the future."""
    if data.first_order_at is None or data.first_order_at >= span.end:
        return None
    start, end = span.start.date(), span.end.date()
    days = [day for day in data.days if start <= day.day < end]
    if span.start > as_of and not days:
        return None
    return Figures(
        revenue=sum((day.revenue for day in days), Decimal(0)),
        orders=sum(day.orders for day in days),
        cancelled_orders=sum(day.cancelled_orders for day in days),
        returned_orders=sum(day.returned_orders for day in days),
        items=span,
    )


def _without_products(data: SalesData) -> SalesData:
    """Drop what would say that everything fell to nothing."""
    return data.model_copy(update={"categories": (), "fading_products": ()})


def _elapsed(span: SpanSales, as_of: datetime) -> Metric:
    begun = min(max(as_of, span.start), span.end) - span.start
    seconds = int(begun.total_seconds())
    share = percent(seconds, int((span.end - span.start).total_seconds()))
    return Metric(
        value=rounded(share, "percent"),
        unit="percent",
        definition="Part of the period that is over; others are whole.",
    )


def _bounds(span: SpanSales) -> Bounds:
    return Bounds(start=span.start, end=span.end)
