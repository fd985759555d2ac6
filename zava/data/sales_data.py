"""What stores sold in a period, and in the two that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol
from uuid import UUID

from psycopg import sql
from pydantic import BaseModel, ConfigDict

from zava.data.statements import statement
from zava.data.transaction import Query
from zava.errors import AuthorizationError
from zava.models import Identity, ResultSet

TOP_PRODUCTS = 10
# A product that sold fewer units before may fall by chance.
MIN_FADING_UNITS = 10
# What is left of the revenue of a product that fades, at most.
FADING_SHARE = Decimal("0.7")
# Of a longer period of the whole chain nobody asks which products fell.
_LONG_DAYS = 100
# What sold so often, by days or months of stores, was not bought by one customer.
_OFTEN = 60
# Of more stores months are looked at, not days.
_FEW_STORES = 10

# The days of three spans of ten years, which is as long as a period can be.
_MAX_DAYS = 3 * 3660
_OPERATION = "performance"


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
    """A best seller, with the units on hand in the only store; None if not known."""

    sku: str
    name: str
    unit: str
    units: Decimal
    revenue: Decimal
    stock_level: Decimal | None


class FadingProduct(_Frozen):
    """A product that sold much less than in the previous span, as its type did.

    Attributes:
        type_name: Its type; None for none.
        type_revenue: Revenue of all products of that type.
        type_previous_revenue: The same of the previous span.
    """

    product_id: UUID
    sku: str
    name: str
    units: Decimal
    revenue: Decimal
    previous_units: Decimal
    previous_revenue: Decimal
    type_name: str | None = None
    type_revenue: Decimal | None = None
    type_previous_revenue: Decimal | None = None


class StockRow(_Frozen):
    """A product of a store whose stock is known, and what sold of it.

    Attributes:
        kind: Whether it runs out, or does not sell.
        stock_value: At cost; None if the cost is not known.
        found: How many of the kind there are.
    """

    kind: Literal["short", "idle"]
    store_name: str
    sku: str
    name: str
    stock_level: Decimal
    stock_value: Decimal | None
    units: Decimal
    revenue: Decimal | None
    found: int


class Buyers(_Frozen):
    """Who bought a product.

    Attributes:
        buyers: How many customers and anonymous sales; None where it sold often.
        largest_share: What the largest of them spent, of all.
    """

    product_id: UUID
    buyers: int | None
    largest_share: Decimal | None


class SalesData(_Frozen):
    """Everything that the figures of stores are made of.

    Attributes:
        current: The period asked for.
        previous: The period before it.
        year_before: The same period a year before.
        days: Days of any of the three on which an order was placed, ascending.
        measures: Units by unit of measure: pieces first, others by revenue.
        categories: By revenue, highest first.
        best_products: At most `TOP_PRODUCTS`, by revenue, highest first.
        fading_products: At most `TOP_PRODUCTS` of those that sold at least
            `MIN_FADING_UNITS` before, by lost revenue, highest first; none of a long
            period of the whole chain.
    """

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
    store_ids: Sequence[UUID],
    period: ComparedSpan,
    identity: Identity,
    *,
    are_all: bool = False,
    is_chain: bool = False,
) -> SalesData:
    """Return what stores sold, read in one round trip from one state of the data.

    Args:
        fetch_all: Where the rows come from.
        store_ids: The stores, at least one.
        period: The period asked for.
        identity: Who asks; row level security applies.
        are_all: Whether these are all stores that `identity` sees.
        is_chain: Whether these are several, all of the chain, and it is head office.

    Raises:
        AuthorizationError: `identity` may not see a store, or there is none.
        MCPError: As for `PostgreSQLProvider.fetch_all`.
    """
    spans = {
        "current": period,
        "previous": period.previous(),
        "year_before": period.year_before(),
    }
    is_one = len(store_ids) == 1
    is_long = _days(period) > _LONG_DAYS
    parameters: dict[str, Any] = {
        "store_ids": list(store_ids),
        "store_id": store_ids[0] if is_one else None,
        "counted_stores": None if are_all else list(store_ids),
        "products": TOP_PRODUCTS,
        "by_product": ["current"] if is_long else ["current", "previous"],
        "fading_units": MIN_FADING_UNITS,
        "fading_share": FADING_SHARE,
        "length": _days(period) / Decimal(_days(spans["previous"])),
    }
    for name, span in spans.items():
        prefix = "" if name == "current" else f"{name}_"
        parameters |= {f"{prefix}{k}": day for k, day in _bounds(span).items()}
    counted = "customers_of_store" if is_one else "customers_of_stores"
    texts = (
        statement("seen_stores"),
        _filled("span_customers", counted=counted),
        _filled("span_items", sold="sold_in_chain" if is_chain else "sold_in_stores"),
        statement("daily_sales"),
    )
    queries = [Query(text, parameters) for text in texts]
    results = fetch_all(queries, identity, _MAX_DAYS, operation=_OPERATION)
    seen, customers, items, days = (result.dicts() for result in results)
    if seen[0]["stores"] < len(store_ids):
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
    return SalesData.model_validate({**items[0], **found, "days": days})


def get_stock(
    fetch_all: FetchAll,
    store_ids: Sequence[UUID],
    span: Span,
    identity: Identity,
    *,
    low_days: int,
    least_units: int,
) -> list[StockRow]:
    """Return what runs out and what does not sell, of products whose stock is known.

    Args:
        fetch_all: Where the rows come from.
        store_ids: The stores.
        span: The days whose sales stand against the stock of now.
        identity: Who asks.
        low_days: A product runs out if its stock lasts fewer days.
        least_units: What sold less may have sold by chance.

    Raises:
        MCPError: As for `PostgreSQLProvider.fetch_all`.
    """
    parameters = {
        "store_ids": list(store_ids),
        "products": TOP_PRODUCTS,
        "low_days": low_days,
        "least_units": least_units,
        **_bounds(span),
    }
    query = Query(statement("stock_of_stores"), parameters)
    (found,) = fetch_all([query], identity, 2 * TOP_PRODUCTS, operation=_OPERATION)
    return [StockRow.model_validate(row) for row in found.dicts()]


def get_usual_days(
    fetch_all: FetchAll, lasts: Mapping[UUID, date], days: int, identity: Identity
) -> dict[UUID, int]:
    """Return on how many days stores sold something, of the last before they stopped.

    Args:
        fetch_all: Where the rows come from.
        lasts: The last day of each store.
        days: How many days to look at, the last one included.
        identity: Who asks.

    Raises:
        MCPError: As for `PostgreSQLProvider.fetch_all`.
    """
    parameters = {
        "store_ids": list(lasts),
        "last_days": list(lasts.values()),
        "days": days,
    }
    query = Query(statement("usual_days"), parameters)
    (found,) = fetch_all([query], identity, len(lasts), operation=_OPERATION)
    return {UUID(row["store_id"]): row["days"] for row in found.dicts()}


def get_buyers(
    fetch_all: FetchAll,
    store_ids: Sequence[UUID],
    product_ids: Sequence[UUID],
    span: Span,
    identity: Identity,
) -> dict[UUID, Buyers]:
    """Return who bought products in a span, by product.

    Raises:
        MCPError: As for `PostgreSQLProvider.fetch_all`.
    """
    parameters = {
        "store_ids": list(store_ids),
        "product_ids": list(product_ids),
        "first_day": span.start,
        "end_day": span.end,
        "many": _OFTEN,
    }
    often = "sold_on_days" if len(store_ids) <= _FEW_STORES else "sold_in_months"
    query = Query(_filled("buyers_of_products", often=often), parameters)
    (found,) = fetch_all([query], identity, len(product_ids), operation=_OPERATION)
    rows = [Buyers.model_validate(row) for row in found.dicts()]
    return {row.product_id: row for row in rows}


def _filled(name: str, **parts: str) -> str:
    """Return a statement with others in its places."""
    fragments = {place: sql.SQL(statement(part)) for place, part in parts.items()}
    return sql.SQL(statement(name)).format(**fragments).as_string()


def _days(span: Span) -> int:
    return (span.end - span.start).days


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
