"""From what a store sold to its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from zava.data.metrics.registry import METRICS, Metric, Number
from zava.data.sales_data import MeasureSales, SalesData, SpanSales
from zava.service.sales import breakdowns
from zava.service.sales.arithmetic import (
    change,
    percent,
    quantity,
    rounded,
)
from zava.service.sales.performance_models import (
    Bounds,
    ComparedMetric,
    ComparedWith,
    Comparison,
    MeasureRow,
    Now,
    PlainMetric,
    StoreMetrics,
    Unit,
)

Sums = Mapping[str, Number]
"""The measures of one span, by their names in the registry."""

_NO_UNITS = MeasureSales(
    unit="piece",
    units=Decimal(0),
    previous_units=Decimal(0),
    year_before_units=Decimal(0),
)
# The answer's name of a figure, and the metric that it is.
_COMPARED: Mapping[str, Metric] = {
    **{
        name: METRICS[name]
        for name in (
            "revenue",
            "orders",
            "average_order_value",
            "units",
            "units_per_order",
            "discount_rate",
            "gross_margin",
            "new_customers",
            "new_to_chain",
        )
    },
    "unique_customers": METRICS["customers"],
}
_PLAIN: Mapping[str, Metric] = {
    name: METRICS[name]
    for name in (
        "cancelled_orders",
        "cancelled_share",
        "returned_orders",
        "returned_share",
        "returns",
        "returned_amount",
        "costed_share",
    )
}


@dataclass(frozen=True, slots=True)
class _Figure:
    """A metric, and the unit that the answer gives it in."""

    metric: Metric
    unit: Unit

    def exact(self, sums: Sums | None) -> Number | None:
        return None if sums is None else self.metric.value(sums)

    def value(self, sums: Sums | None) -> int | float | None:
        exact = self.exact(sums)
        if self.metric.unit == "measure" and exact is not None:
            return quantity(Decimal(exact))
        return rounded(exact, self.unit)

    def compare(self, now: Sums | None, then: Sums | None) -> Comparison | None:
        if then is None:
            return None
        return Comparison(
            value=self.value(then),
            change_percent=change(self.exact(now), self.exact(then)),
        )


def calculate_metrics(data: SalesData, now: Now, currency: Unit) -> StoreMetrics:
    """Return the figures of a store.

    What there is nothing to take from is None or empty: every figure of a
    period that lies before the store's first order or in the future, a ratio to
    zero, a comparison with a time before the first order or of a day that is
    not over, and that with a year before where it is the period before.
    `new_to_chain` is None where the caller does not see the whole chain.

    Args:
        data: What the store sold.
        now: Of a period that is not over, only a part has elapsed.
        currency: The code of the chain's currency.
    """
    measure = data.measures[0] if data.measures else _NO_UNITS
    current = _sums(data, data.current, now, measure.units)
    previous = _sums(data, data.previous, now, measure.previous_units)
    year_before = _sums(data, data.year_before, now, measure.year_before_units)
    if data.current.start == now.today:
        previous = year_before = None  # hours do not compare with days
    # Two comparisons with the same days are one.
    is_same = _bounds(data.previous) == _bounds(data.year_before)
    if is_same:
        year_before = None
    if current is None:
        data = _without_products(data)
    units = {"money": currency, "measure": measure.unit}

    def figures(of: Mapping[str, Metric]) -> Iterator[tuple[str, _Figure]]:
        for name, metric in of.items():
            if name != "new_to_chain" or data.current.new_to_chain is not None:
                yield name, _Figure(metric, units.get(metric.unit, metric.unit))

    has_previous, has_year_before = previous is not None, year_before is not None
    return StoreMetrics.model_validate(
        {
            "period": _bounds(data.current),
            "now": now,
            "store_name": data.store_name,
            "first_order": data.first_order_on,
            "compared_with": ComparedWith(
                previous=_bounds(data.previous),
                year_before=None if is_same else _bounds(data.year_before),
            ),
            "elapsed": _elapsed(data.current, now),
            **{
                name: ComparedMetric(
                    value=figure.value(current),
                    unit=figure.unit,
                    definition=figure.metric.definition,
                    previous=figure.compare(current, previous),
                    year_before=figure.compare(current, year_before),
                )
                for name, figure in figures(_COMPARED)
            },
            **{
                name: PlainMetric(
                    value=figure.value(current),
                    unit=figure.unit,
                    definition=figure.metric.definition,
                )
                for name, figure in figures(_PLAIN)
            },
            "other_units": [
                MeasureRow(
                    unit=other.unit,
                    value=quantity(other.units),
                    previous=quantity(other.previous_units) if has_previous else None,
                    year_before=(
                        quantity(other.year_before_units) if has_year_before else None
                    ),
                )
                for other in data.measures[1:]
            ],
            "categories": breakdowns.categories(
                data,
                currency,
                has_previous=has_previous,
                has_year_before=has_year_before,
            ),
            "best_products": breakdowns.best_products(data, currency),
            "fading_products": breakdowns.fading_products(data, currency),
            "stock_cover": breakdowns.stock_cover(data, now.today),
            "best_day": breakdowns.best_day(data, currency),
            "series": breakdowns.series(data, now.today, currency),
        }
    )


def _sums(data: SalesData, span: SpanSales, now: Now, units: Decimal) -> Sums | None:
    """Return the measures of a span; None before the first order and in the future."""
    if data.first_order_on is None or data.first_order_on >= span.end:
        return None
    days = [day for day in data.days if span.start <= day.day < span.end]
    if span.start > now.today and not days:
        return None
    return {
        "revenue": sum((day.revenue for day in days), Decimal(0)),
        "orders": sum(day.orders for day in days),
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
        "new_to_chain": span.new_to_chain or 0,
    }


def _without_products(data: SalesData) -> SalesData:
    """Drop what would say that everything fell to nothing."""
    nothing: dict[str, tuple[()]] = {
        "categories": (),
        "fading_products": (),
        "measures": (),
    }
    return data.model_copy(update=nothing)


def _elapsed(span: SpanSales, now: Now) -> PlainMetric:
    days = (span.end - span.start).days
    begun = min(max((now.today - span.start).days + now.day_share, 0), days)
    return PlainMetric(
        value=rounded(percent(Decimal(begun), days), "percent"),
        unit="percent",
        definition="Part of the period that is over; others are whole.",
    )


def _bounds(span: SpanSales) -> Bounds:
    return Bounds(start=span.start, end=span.end)
