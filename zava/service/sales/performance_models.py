"""What is known about how stores perform, before it becomes an answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from zava.data.sales_data import FadingProduct, StockRow
from zava.service.sales.calendars import days_named, months_before

SideName = Literal["previous", "year_before"]

_DAY = timedelta(days=1)


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


class Scope(_Frozen):
    """The stores that an answer is about.

    Attributes:
        key: The store's id, the region, or all.
        name: What they are called.
        stores: The stores.
        asked: How `query_metrics` names them; nothing for all.
        are_all: Whether these are all that the caller sees.
        is_chain: Whether these are all of the chain, and the caller is head office.
    """

    key: str
    name: str
    stores: tuple[Store, ...]
    asked: tuple[str, ...] = ()
    are_all: bool = False
    is_chain: bool = False

    @property
    def is_one(self) -> bool:
        """Whether it is a single store."""
        return len(self.stores) == 1


class Span(_Frozen):
    """The first day of a span and the day after its last one."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.start).days

    @property
    def form(self) -> str:
        """The form of a period that stands for these days."""
        return days_named(self.start, self.end)

    @property
    def label(self) -> str:
        """The days for people: a day, a month, a year, or the first and the last."""
        last = self.end - _DAY
        if self.start == last:
            return str(self.start)
        if self.start.day == self.end.day == 1:
            if self.end == months_before(self.start, -1):
                return f"{self.start:%Y-%m}"
            if self.start.month == 1 and self.end == months_before(self.start, -12):
                return f"{self.start:%Y}"
        return f"{self.start} to {last}"


class Side(Span):
    """A span that the period is compared with.

    Attributes:
        name: Which one it is.
        is_whole: Whether there is data from its first day on.
        has_past: Whether there is data of a year before it.
    """

    name: SideName
    is_whole: bool = True
    has_past: bool = True


class Compared(_Frozen):
    """A figure next to those of other spans.

    Changes are in percent; those of a figure in percent are in percentage points.
    """

    value: int | float | None
    previous: int | float | None = None
    previous_change: float | None = None
    previous_points: float | None = None
    year_before: int | float | None = None
    year_before_change: float | None = None
    year_before_points: float | None = None

    def of(self, side: SideName) -> int | float | None:
        """Return the figure of another span."""
        return self.previous if side == "previous" else self.year_before

    def change(self, side: SideName) -> float | None:
        """Return how far the figure is from that of another span, in percent."""
        if side == "previous":
            return self.previous_change
        return self.year_before_change

    def points(self, side: SideName) -> float | None:
        """Return how far a figure in percent is from that of another span."""
        return self.previous_points if side == "previous" else self.year_before_points


class CategoryRow(_Frozen):
    """The revenue of a category; None has no category."""

    name: str | None
    revenue: Compared
    share: float | None


class ProductRow(_Frozen):
    """A best seller, with its stock in the only store and how long that lasts."""

    sku: str
    name: str
    units: int | float
    revenue: float
    stock: int | float | None
    days_of_cover: float | None


class DayRow(_Frozen):
    """Revenue and orders of a day or a month."""

    start: date
    revenue: float
    orders: int


class SilentStore(_Frozen):
    """A store that used to sell and has stopped."""

    name: str
    last: date


class Past(_Frozen):
    """Until when there is data, and who has stopped selling.

    Attributes:
        first: The first day with orders; None for none at all.
        through: The last one.
        today: The day that it is in the stores.
        others_through: Until when other stores of the caller have orders, where
            these ended much earlier.
        behind: Stores whose data ends before that of others.
        silent: Stores of several that have stopped selling.
        has_stopped: Whether all of these stores have.
        notes: What to know about the comparisons.
    """

    first: date | None
    through: date | None
    today: date
    others_through: date | None = None
    behind: Mapping[str, date] = {}
    silent: tuple[SilentStore, ...] = ()
    has_stopped: bool = False
    notes: tuple[str, ...] = ()


class Stock(_Frozen):
    """What runs out and what does not sell, by the sales of some days."""

    span: Span
    rows: tuple[StockRow, ...]


class StoreMetrics(_Frozen):
    """Every figure of some stores in one period.

    Attributes:
        period_name: The form by which the period was asked for.
        period: Its days, cut where the data ends.
        sides: What it is compared with.
        unit: The unit of measure that units are counted in.
        figures: By the names of metrics; nothing where the data ends before.
        other_units: Units of what is counted in other measures.
        fading: Products that fell as their type did, and not by one customer.
        series: By day, of a long period by month.
        best_day: The day with the highest revenue.
        stock: None where it says nothing about the period.
    """

    scope: Scope
    period_name: str
    period: Span
    past: Past
    currency: str
    unit: str
    sides: tuple[Side, ...] = ()
    figures: Mapping[str, Compared] = {}
    other_units: Mapping[str, Compared] = {}
    categories: tuple[CategoryRow, ...] = ()
    best_products: tuple[ProductRow, ...] = ()
    fading: tuple[FadingProduct, ...] = ()
    bucket: Literal["day", "month"] = "day"
    series: tuple[DayRow, ...] = ()
    best_day: DayRow | None = None
    stock: Stock | None = None


class Insight(_Frozen):
    """What stands out, and the arguments with which `query_metrics` shows it."""

    text: str
    query_metrics: dict[str, Any]
