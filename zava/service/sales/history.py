"""Until when there is data, and which days of a period can fairly be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from zava.data.provider import PostgreSQLProvider
from zava.data.statements import statement
from zava.data.transaction import Query
from zava.errors import ValidationError
from zava.models import Identity
from zava.service.sales.performance_models import Store
from zava.service.sales.periods import Period

Compare = Literal["previous", "year_before", "both"]

_DAY = timedelta(days=1)
_FEW = 3


class History(NamedTuple):
    """Since when and until when stores have orders, and of which the stock is known.

    Attributes:
        first: The first day of any of the stores; None for no orders at all.
        through: The last day of any of them, today left out where it is not over.
        lasts: The last day of each store that has orders.
        closed: The last day of business of each store that is closed.
        stocked: Open stores of which some stock is known.
    """

    first: date | None
    through: date | None
    lasts: Mapping[UUID, date]
    closed: Mapping[UUID, date]
    stocked: int

    def behind(self, stores: Sequence[Store], period: Period) -> dict[str, date]:
        """Return the stores whose data ends earlier than that of others.

        Those that ended before the year before the period are not news.
        """
        if self.through is None:
            return {}
        limit = min(self.through, period.end - _DAY)
        earliest = period.year_before().start
        return {
            store.name: self.lasts[store.store_id]
            for store in stores
            if store.store_id in self.lasts
            and earliest <= self.lasts[store.store_id] < limit
        }


def read_history(
    provider: PostgreSQLProvider,
    stores: Sequence[Store],
    period: Period,
    today: date,
    identity: Identity,
    *,
    operation: str,
) -> History:
    """Return since when and until when some stores have orders.

    Args:
        provider: Where the rows come from.
        stores: The stores.
        period: What is asked about; today counts only for a period that begins with it.
        today: The day that it is in the stores.
        identity: Who asks.
        operation: What this is for, in the performance summary.

    Raises:
        MCPError: As for `PostgreSQLProvider.fetch_all`.
    """
    values = {"store_ids": [store.store_id for store in stores], "today": today}
    query = Query(statement("history"), values)
    (result,) = provider.fetch_all([query], identity, len(stores), operation=operation)
    which = "last_day" if period.start >= today else "last_whole_day"
    rows = result.dicts()
    firsts = [date.fromisoformat(row["first_day"]) for row in rows if row["first_day"]]
    lasts = {
        UUID(row["store_id"]): date.fromisoformat(row[which])
        for row in rows
        if row[which]
    }
    closed = {
        UUID(row["store_id"]): date.fromisoformat(row["closed_on"])
        for row in rows
        if row["closed_on"]
    }
    return History(
        first=min(firsts, default=None),
        through=max(lasts.values(), default=None),
        lasts=lasts,
        closed=closed,
        stocked=sum(row["knows_stock"] and not row["closed_on"] for row in rows),
    )


def part_with_data(period: Period, today: date, history: History) -> Period:
    """Return the days of a period that are loaded, up to now if none is.

    A period that rolls, such as `last_30_days`, has as many days up to the last one.
    """
    through = history.through
    if through is None or through < period.start:
        through = today
    return period.until(through + _DAY)


def shortened_by_data(
    asked: Period, period: Period, today: date, history: History
) -> str | None:
    """Return what a reader has to know where the data ended days ago, if it did."""
    through = history.through
    if through is None or through >= today - _DAY or through >= asked.end - _DAY:
        return None
    if through < asked.start:
        return f"the data ends on {through}, before the period"
    if period.rolls:
        return f"the data ends on {through}: {asked.name} is counted up to that day"
    return f"the data ends on {through}, within the period"


def is_without_data(period: Period, history: History) -> bool:
    """Tell whether the data ends before a period."""
    return history.through is None or history.through < period.start


def refuse_before_first_day(period: Period, history: History) -> None:
    """Refuse a period that has no data because it lies before all of it.

    Raises:
        ValidationError: It does.
    """
    if history.first is not None and period.end <= history.first:
        raise ValidationError(
            "time_period",
            period.name,
            f"lies before the first order, which was on {history.first}",
        )


def fair_sides(
    period: Period,
    compare: Compare | None,
    today: date,
    history: History,
    notes: list[str],
) -> list[tuple[str, Period]]:
    """Return the spans that a period is fairly compared with, by their names.

    Args:
        period: The period, cut where the data ends.
        compare: Which spans are asked for.
        today: The day that it is; a period that holds it is compared with none.
        history: Since when there is data.
        notes: Takes what a reader has to know.
    """
    if compare is None:
        return []
    if period.end > today:
        notes.append("today is not over, so it is not compared")
        return []
    sides = []
    for name, side in _compared(period, compare):
        if history.first is None or side.end <= history.first:
            notes.append(f"no data before {history.first}: {name} left out")
            continue
        if side.start < history.first:
            notes.append(f"the data begins on {history.first}: {name} is not whole")
        sides.append((name, side))
    return sides


def a_few(behind: Mapping[str, date]) -> dict[str, str]:
    """Return the last days of the first few stores, and how many more there are."""
    first = sorted(behind.items(), key=lambda item: item[1])[:_FEW]
    listed = {name: str(day) for name, day in first}
    if len(behind) > _FEW:
        listed[f"and {len(behind) - _FEW} more"] = ""
    return listed


def _compared(period: Period, compare: Compare) -> list[tuple[str, Period]]:
    """Return the spans that are asked for; one where both are the same days."""
    previous, year_before = period.previous(), period.year_before()
    found = []
    if compare in ("previous", "both"):
        found.append(("previous", previous))
    if compare in ("year_before", "both"):
        found.append(("year_before", year_before))
    if compare == "both" and previous.start == year_before.start:
        return found[1:] if previous.end == year_before.end else found
    return found
