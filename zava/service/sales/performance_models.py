"""What is said about a store's performance; each figure says what it means."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Unit = Literal["USD", "orders", "units", "customers", "percent", "ratio", "days"]


class _Frozen(BaseModel):
    # Made when the first store is asked about, not while the process starts.
    model_config = ConfigDict(frozen=True, defer_build=True)


class Store(_Frozen):
    """A store that the caller may see."""

    store_id: UUID
    name: str


class Bounds(_Frozen):
    """The first moment of a span and the first one after it, UTC."""

    start: datetime
    end: datetime


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


class Metric(_Frozen):
    """A figure; None where there is nothing to take it from."""

    value: int | float | None
    unit: Unit
    definition: str


class ComparedMetric(Metric):
    """A figure with those of two other spans; None before the store's first order."""

    previous: Comparison | None
    year_before: Comparison | None


class CategoryRow(_Frozen):
    """A category; growth is the change of revenue in percent."""

    name: str
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

    name: str
    units: int
    revenue: float


class BestProducts(_Frozen):
    """The best sellers, highest revenue first."""

    unit: Unit
    definition: str
    rows: tuple[BestProductRow, ...]


class FadingProductRow(_Frozen):
    """A product that sold less than before."""

    name: str
    units: int
    revenue: float
    previous_units: int
    previous_revenue: float
    change_percent: float | None


class FadingProducts(_Frozen):
    """The products that fell the most, largest loss first."""

    unit: Unit
    definition: str
    rows: tuple[FadingProductRow, ...]


class StockCoverRow(_Frozen):
    """How long the stock of a best seller lasts; None if it is not stocked."""

    name: str
    stock_level: int | None
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
    as_of: datetime = Field(exclude=True)

    store_name: str
    first_order: date | None
    compared_with: ComparedWith
    elapsed: Metric
    revenue: ComparedMetric
    orders: ComparedMetric
    average_order_value: ComparedMetric
    units: ComparedMetric
    units_per_order: ComparedMetric
    discount_rate: ComparedMetric
    gross_margin: ComparedMetric
    unique_customers: ComparedMetric
    new_customers: ComparedMetric
    cancelled_orders: Metric
    cancelled_share: Metric
    returned_orders: Metric
    returned_share: Metric
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
