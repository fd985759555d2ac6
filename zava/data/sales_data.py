"""What one store sold in a period, and in the two that it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from zava.data.statements import statement
from zava.data.transaction import Query
from zava.errors import AuthorizationError
from zava.models import Identity, ResultSet

TOP_PRODUCTS = 5
# A product that sold fewer units before may fall by chance.
MIN_FADING_UNITS = 10

# The days of three spans of ten years, which is as long as a period can be.
_MAX_DAYS = 3 * 3660
_STATEMENTS = ("store_history", "span_customers", "span_items", "daily_sales")


class FetchAll(Protocol):
    """`PostgreSQLProvider.fetch_all`, or what stands in for it."""

    def __call__(
        self,
        queries: Sequence[Query],
        identity: Identity,
        max_rows: int,
        *,
        operation: str,
    ) -> list[ResultSet]:
        """Run queries as `identity`, all on the same state of the data."""
        ...


class Span(Protocol):
    """Whole business days of the store."""

    @property
    def start(self) -> date:
        """The first day that belongs to it."""
        ...

    @property
    def end(self) -> date:
        """The day after the last one."""
        ...


class ComparedSpan(Span, Protocol):
    """A span that knows what to compare it with; the service's `Period` is one."""

    def previous(self) -> Span:
        """Return the span before it."""
        ...

    def year_before(self) -> Span:
        """Return the same span a year before."""
        ...


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class SpanSales(_Frozen):
    """Customers and items of one span; money in the chain's currency.

    Only orders that were neither cancelled nor returned count, here and below.

    Attributes:
        start: The first day that belongs to it.
        end: The day after the last one.
        customers: How many bought something; anonymous sales have none.
        new_customers: How many bought in the store for the first time.
        new_to_chain: How many of those had bought in no store of the chain before;
            None where the caller does not see every store.
        discount: What was taken off.
        item_revenue: Net revenue of the items; what came back is subtracted.
        costed_revenue: That of the products whose cost is known.
        cost: What the chain paid for those.
    """

    start: date
    end: date
    customers: int = 0
    new_customers: int = 0
    new_to_chain: int | None = None
    discount: Decimal = Decimal(0)
    item_revenue: Decimal = Decimal(0)
    costed_revenue: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)


class DaySales(_Frozen):
    """The orders of one business day; revenue and orders are those that count.

    Attributes:
        returned_orders: Orders of that day whose status says so.
        returns: Returns that were made on that day.
        returned_amount: What was given back for them; revenue has it subtracted.
    """

    day: date
    revenue: Decimal
    orders: int
    cancelled_orders: int = 0
    returned_orders: int = 0
    returns: int = 0
    returned_amount: Decimal = Decimal(0)


class MeasureSales(_Frozen):
    """Units sold of the products that are counted in one unit of measure."""

    unit: str
    units: Decimal
    previous_units: Decimal
    year_before_units: Decimal


class CategorySales(_Frozen):
    """A department that sold in one of the spans at least; None has no category."""

    name: str | None
    revenue: Decimal
    previous_revenue: Decimal
    year_before_revenue: Decimal


class BestProduct(_Frozen):
    """A best seller, with the units on hand now; None if that is not known."""

    sku: str
    name: str
    unit: str
    units: Decimal
    revenue: Decimal
    stock_level: Decimal | None


class FadingProduct(_Frozen):
    """A product that sold less than in the previous span."""

    sku: str
    name: str
    units: Decimal
    revenue: Decimal
    previous_units: Decimal
    previous_revenue: Decimal


class SalesData(_Frozen):
    """Everything that the figures of a store are made of.

    Attributes:
        store_id: The store.
        store_name: Its name.
        first_order_on: The day of its first order, whatever became of it.
        current: The period asked for.
        previous: The period before it.
        year_before: The same period a year before.
        days: Days of any of the three on which an order was placed, ascending.
        measures: Units by unit of measure: pieces first, others by revenue.
        categories: By revenue, highest first.
        best_products: At most `TOP_PRODUCTS`, by revenue, highest first.
        fading_products: At most `TOP_PRODUCTS` of those that sold at least
            `MIN_FADING_UNITS` before, by lost revenue, highest first.
    """

    store_id: UUID
    store_name: str
    first_order_on: date | None
    current: SpanSales
    previous: SpanSales
    year_before: SpanSales
    days: tuple[DaySales, ...] = ()
    measures: tuple[MeasureSales, ...] = ()
    categories: tuple[CategorySales, ...] = ()
    best_products: tuple[BestProduct, ...] = ()
    fading_products: tuple[FadingProduct, ...] = ()


def get_sales_data(
    fetch_all: FetchAll,
    store_id: UUID,
    period: ComparedSpan,
    identity: Identity,
) -> SalesData:
    """Return what `store_id` sold, read in one round trip from one state of the data.

    Args:
        fetch_all: Where the rows come from.
        store_id: The store.
        period: The period asked for.
        identity: Who asks; row level security applies.

    Raises:
        AuthorizationError: `identity` may not see the store, or there is none.
        MCPError: As for `PostgreSQLProvider.fetch_all`.
    """
    spans = {
        "current": period,
        "previous": period.previous(),
        "year_before": period.year_before(),
    }
    parameters: dict[str, Any] = {
        "store_id": store_id,
        "products": TOP_PRODUCTS,
        "fading_units": MIN_FADING_UNITS,
    }
    for name, span in spans.items():
        prefix = "" if name == "current" else f"{name}_"
        parameters |= {f"{prefix}{k}": day for k, day in _bounds(span).items()}
    queries = [Query(statement(name), parameters) for name in _STATEMENTS]
    results = fetch_all(queries, identity, _MAX_DAYS, operation="performance")
    history, customers, items, days = (result.dicts() for result in results)
    if not history:
        raise AuthorizationError("Access denied for store", str(identity.user_id))
    counts = {row.pop("name"): row for row in customers}
    found = {
        name: {
            "start": span.start,
            "end": span.end,
            **counts[name],
            **items[0].pop(name),
        }
        for name, span in spans.items()
    }
    return SalesData.model_validate(
        {"store_id": store_id, **history[0], **items[0], **found, "days": days}
    )


def last_day_with_orders(
    fetch_all: FetchAll, store_id: UUID, before: date, identity: Identity
) -> date | None:
    """Return the last day before another on which an order was placed, if any.

    Raises:
        MCPError: As for `PostgreSQLProvider.fetch_all`.
    """
    asked = {"store_id": store_id, "end_day": before}
    query = Query(statement("last_day_with_orders"), asked)
    (found,) = fetch_all([query], identity, 1, operation="performance")
    day = found.rows[0][0]
    return None if day is None else date.fromisoformat(str(day))


def _bounds(span: Span) -> dict[str, date]:
    """Return a span's days, and the bounds of the whole months in it."""
    first_day, end_day = span.start, span.end
    first_month, end_month = first_day.replace(day=1), end_day.replace(day=1)
    if first_month < first_day:
        first_month = (first_month + timedelta(days=31)).replace(day=1)
    if first_month >= end_month:
        first_month = end_month = end_day
    return {
        "first_day": first_day,
        "end_day": end_day,
        "first_month": first_month,
        "end_month": end_month,
    }
