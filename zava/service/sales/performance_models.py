"""What is said about a store's performance; each figure says what it means."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Unit: TypeAlias = str
"""What a figure counts: orders, returns, customers, percent, ratio, days, a unit of
measure of products such as piece, or the code of a currency."""


class _Frozen(BaseModel):
    # Made when the first store is asked about, not while the process starts.
    model_config = ConfigDict(frozen=True, defer_build=True)


class Store(_Frozen):
    """A store that the caller may see.

    Attributes:
        region: The region that it belongs to; None if not known.
        is_online: Whether it is the web shop.
        time_zone: IANA name.
        today: The business day that it is there.
        day_ends_at: When that day ends.
    """

    store_id: UUID
    name: str
    region: str | None
    is_online: bool
    time_zone: str
    today: date
    day_ends_at: datetime


class Now(_Frozen):
    """The moment of which figures are.

    Attributes:
        as_of: The moment, UTC.
        today: The business day that it is in the store.
        day_share: The part of that day that is over, 0 to 1.
    """

    as_of: datetime
    today: date
    day_share: float


class Bounds(_Frozen):
    """The first business day of a span and the day after its last one."""

    start: date
    end: date


class ComparedWith(_Frozen):
    """The spans that figures are compared with; None where both are the same."""

    previous: Bounds
    year_before: Bounds | None


class Comparison(_Frozen):
    """The figure of another span.

    Attributes:
        value: In the figure's unit; None where it has none.
        change_percent: From there to now; None where either is missing or this
            one is zero.
    """

    value: int | float | None
    change_percent: float | None


class PlainMetric(_Frozen):
    """A figure; None where there is nothing to take it from."""

    value: int | float | None
    unit: Unit
    definition: str


class ComparedMetric(PlainMetric):
    """A figure with those of two other spans; None before the store's first order."""

    previous: Comparison | None
    year_before: Comparison | None


class MeasureRow(_Frozen):
    """Units sold of what is counted in one unit of measure."""

    unit: Unit
    value: int | float
    previous: int | float | None
    year_before: int | float | None


class CategoryRow(_Frozen):
    """A department; growth is the change of revenue in percent. None: no category."""

    name: str | None
    revenue: float
    share_percent: float | None
    previous_revenue: float | None
    growth_percent: float | None
    year_before_revenue: float | None
    year_growth_percent: float | None


class Categories(_Frozen):
    """Every category that sold in the period or in one it is compared with."""

    unit: Unit
    definition: str
    rows: tuple[CategoryRow, ...]


class BestProductRow(_Frozen):
    """A best seller."""

    sku: str
    name: str
    units: int | float
    revenue: float


class BestProducts(_Frozen):
    """The best sellers, highest revenue first."""

    unit: Unit
    definition: str
    rows: tuple[BestProductRow, ...]


class FadingProductRow(_Frozen):
    """A product that sold less than before."""

    sku: str
    name: str
    units: int | float
    revenue: float
    previous_units: int | float
    previous_revenue: float
    change_percent: float | None


class FadingProducts(_Frozen):
    """The products that fell the most, largest loss first."""

    unit: Unit
    definition: str
    rows: tuple[FadingProductRow, ...]


class StockCoverRow(_Frozen):
    """How long the stock of a best seller lasts; None if its stock is not known."""

    sku: str
    name: str
    stock_level: int | float | None
    daily_units: float
    days: float | None


class StockCover(_Frozen):
    """The best sellers again, with their stock."""

    unit: Unit
    definition: str
    rows: tuple[StockCoverRow, ...]


class BestDay(_Frozen):
    """The day with the highest revenue; None throughout where nothing sold."""

    day: date | None
    value: float | None
    orders: int | None
    unit: Unit
    definition: str


class Series(_Frozen):
    """Revenue and orders over time.

    Attributes:
        bucket: What one row stands for.
        columns: The names of a row's cells.
        rows: First day of the bucket, revenue, orders; without gaps.
    """

    unit: Unit
    definition: str
    bucket: Literal["day", "month"]
    columns: tuple[str, ...] = ("start", "revenue", "orders")
    rows: tuple[tuple[date, float, int], ...]


class StoreMetrics(_Frozen):
    """Every figure of one store in one period."""

    # For the rules of insight; the caller finds these in the answer's period.
    period: Bounds = Field(exclude=True)
    now: Now = Field(exclude=True)

    store_name: str
    first_order: date | None
    compared_with: ComparedWith
    elapsed: PlainMetric
    revenue: ComparedMetric
    orders: ComparedMetric
    average_order_value: ComparedMetric
    units: ComparedMetric
    other_units: tuple[MeasureRow, ...]
    units_per_order: ComparedMetric
    discount_rate: ComparedMetric
    gross_margin: ComparedMetric
    costed_share: PlainMetric
    unique_customers: ComparedMetric
    new_customers: ComparedMetric
    # None where the caller does not see every store; then the answer has no such key.
    new_to_chain: ComparedMetric | None = None
    cancelled_orders: PlainMetric
    cancelled_share: PlainMetric
    returned_orders: PlainMetric
    returned_share: PlainMetric
    returns: PlainMetric
    returned_amount: PlainMetric
    categories: Categories
    best_products: BestProducts
    fading_products: FadingProducts
    stock_cover: StockCover
    best_day: BestDay
    series: Series


class StorePerformance(_Frozen):
    """An answer as it is kept: nothing in it says when it was asked for.

    Attributes:
        as_of: When the data was read, UTC.
        metrics: The figures.
        insights: What stands out, as sentences, the most important first.
    """

    as_of: datetime
    metrics: StoreMetrics
    insights: tuple[str, ...]
