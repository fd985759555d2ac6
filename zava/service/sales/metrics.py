"""From what a store sold to its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from zava.data.sales_data import MeasureSales, SalesData, SpanSales
from zava.service.sales import breakdowns
from zava.service.sales.arithmetic import (
    Number,
    change,
    percent,
    quantity,
    ratio,
    rounded,
)
from zava.service.sales.performance_models import (
    Bounds,
    ComparedMetric,
    ComparedWith,
    Comparison,
    MeasureRow,
    Metric,
    Now,
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
    returns: int
    returned_amount: Decimal
    units: Decimal
    items: SpanSales

    @property
    def placed_orders(self) -> int:
        """Orders whatever became of them."""
        return self.orders + self.cancelled_orders + self.returned_orders


_NO_UNITS = MeasureSales(
    unit="piece",
    units=Decimal(0),
    previous_units=Decimal(0),
    year_before_units=Decimal(0),
)
_MONEY = "money"
_MEASURE = "measure"


@dataclass(frozen=True, slots=True)
class _Definition:
    unit: Unit
    text: str
    compute: Callable[[Figures], Number | None]

    def exact(self, figures: Figures | None) -> Number | None:
        return None if figures is None else self.compute(figures)

    def value(self, figures: Figures | None) -> int | float | None:
        exact = self.exact(figures)
        if self.unit == _MEASURE and exact is not None:
            return quantity(Decimal(exact))
        return rounded(exact, self.unit)

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
        _MONEY, "Total of orders neither cancelled nor returned, less returns.",
        lambda f: f.revenue),
    "orders": _Definition(
        "orders", "Number of those orders; returns are none.",
        lambda f: f.orders),
    "average_order_value": _Definition(
        _MONEY, "Revenue per order.",
        lambda f: ratio(f.revenue, f.orders)),
    "units": _Definition(
        _MEASURE, "Units sold, less what came back; other measures: other_units.",
        lambda f: f.units),
    "units_per_order": _Definition(
        "ratio", "Units per order.",
        lambda f: ratio(f.units, f.orders)),
    "discount_rate": _Definition(
        "percent", "Discounts as a share of the sales before them.",
        lambda f: percent(f.items.discount, f.items.item_revenue + f.items.discount)),
    "gross_margin": _Definition(
        "percent", "Revenue less cost, as a share of revenue, where the cost is known.",
        lambda f: percent(
            f.items.costed_revenue - f.items.cost, f.items.costed_revenue)),
    "unique_customers": _Definition(
        "customers", "Customers who bought; anonymous sales have none.",
        lambda f: f.items.customers),
    "new_customers": _Definition(
        "customers", "Customers whose first purchase in this store is in the period.",
        lambda f: f.items.new_customers),
    "new_to_chain": _Definition(
        "customers", "Those of new_customers who had bought in no store of the chain.",
        lambda f: f.items.new_to_chain),
}
_PLAIN: dict[str, _Definition] = {
    "cancelled_orders": _Definition(
        "orders", "Cancelled orders.",
        lambda f: f.cancelled_orders),
    "cancelled_share": _Definition(
        "percent", "Cancelled orders as a share of all that were placed.",
        lambda f: percent(f.cancelled_orders, f.placed_orders)),
    "returned_orders": _Definition(
        "orders", "Orders of the period with the status returned.",
        lambda f: f.returned_orders),
    "returned_share": _Definition(
        "percent", "Returned orders and returns, as a share of all orders placed.",
        lambda f: percent(f.returned_orders + f.returns, f.placed_orders)),
    "returns": _Definition(
        "returns", "Returns made in the period, of purchases of whatever day.",
        lambda f: f.returns),
    "returned_amount": _Definition(
        _MONEY, "Given back for them; revenue has it subtracted.",
        lambda f: f.returned_amount),
    "costed_share": _Definition(
        "percent", "Share of revenue from products whose cost is known.",
        lambda f: percent(f.items.costed_revenue, f.items.item_revenue)),
}
# fmt: on


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
    current = _figures(data, data.current, now, measure.units)
    previous = _figures(data, data.previous, now, measure.previous_units)
    year_before = _figures(data, data.year_before, now, measure.year_before_units)
    if data.current.start == now.today:
        previous = year_before = None  # hours do not compare with days
    # Two comparisons with the same days are one.
    is_same = _bounds(data.previous) == _bounds(data.year_before)
    if is_same:
        year_before = None
    if current is None:
        data = _without_products(data)
    units = {_MONEY: currency, _MEASURE: measure.unit}
    compared = dict(_COMPARED)
    if data.current.new_to_chain is None:
        del compared["new_to_chain"]
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
                    value=definition.value(current),
                    unit=units.get(definition.unit, definition.unit),
                    definition=definition.text,
                    previous=definition.compare(current, previous),
                    year_before=definition.compare(current, year_before),
                )
                for name, definition in compared.items()
            },
            **{
                name: Metric(
                    value=definition.value(current),
                    unit=units.get(definition.unit, definition.unit),
                    definition=definition.text,
                )
                for name, definition in _PLAIN.items()
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


def _figures(
    data: SalesData, span: SpanSales, now: Now, units: Decimal
) -> Figures | None:
    """Return the sums of a span, or None before the first order and in the future."""
    if data.first_order_on is None or data.first_order_on >= span.end:
        return None
    days = [day for day in data.days if span.start <= day.day < span.end]
    if span.start > now.today and not days:
        return None
    return Figures(
        revenue=sum((day.revenue for day in days), Decimal(0)),
        orders=sum(day.orders for day in days),
        cancelled_orders=sum(day.cancelled_orders for day in days),
        returned_orders=sum(day.returned_orders for day in days),
        returns=sum(day.returns for day in days),
        returned_amount=sum((day.returned_amount for day in days), Decimal(0)),
        units=units,
        items=span,
    )


def _without_products(data: SalesData) -> SalesData:
    """Drop what would say that everything fell to nothing."""
    nothing: dict[str, tuple[()]] = {
        "categories": (),
        "fading_products": (),
        "measures": (),
    }
    return data.model_copy(update=nothing)


def _elapsed(span: SpanSales, now: Now) -> Metric:
    days = (span.end - span.start).days
    begun = min(max((now.today - span.start).days + now.day_share, 0), days)
    return Metric(
        value=rounded(percent(Decimal(begun), days), "percent"),
        unit="percent",
        definition="Part of the period that is over; others are whole.",
    )


def _bounds(span: SpanSales) -> Bounds:
    return Bounds(start=span.start, end=span.end)
