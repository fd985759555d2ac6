"""Calendar: how a chain divides days into weeks, months, quarters and years."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

FiscalGrain = Literal["fiscal week", "fiscal period", "fiscal quarter", "fiscal year"]
UnitGrain = Literal["week", "ISO week", "month", "quarter", "year"] | FiscalGrain

_WEEK = timedelta(weeks=1)
# So many whole weeks come closest to a year, and keep the weekday.
_YEAR_OF_WEEKS = 52 * _WEEK
_QUARTER_WEEKS = 13
_FEWEST_WEEKS = 52
_MONTHS: dict[UnitGrain, int] = {
    "month": 1,
    "quarter": 3,
    "year": 12,
    "fiscal period": 1,
    "fiscal quarter": 3,
    "fiscal year": 12,
}
_FISCAL_NAMES: dict[FiscalGrain, str] = {
    "fiscal week": "FY{0:04}-W{1:02}",
    "fiscal period": "FY{0:04}-P{1:02}",
    "fiscal quarter": "FY{0:04}-Q{1}",
    "fiscal year": "FY{0:04}",
}


class Unit(NamedTuple):
    """One whole week, month, quarter or year, calendar or fiscal.

    Attributes:
        name: The form that stands for the unit, for example `2026-Q3`, `FY2026-P03`;
            of a week that does not begin on Monday its days.
        start: The first day.
        end: The day after the last day.
    """

    name: str
    start: date
    end: date


class Calendar(BaseModel):
    """When the weeks and the fiscal years of a chain begin.

    Calendar months, quarters and years are the same for every chain, and an ISO
    week always begins on Monday.

    With `fiscal_calendar` "calendar" a fiscal year is twelve calendar months. The
    calendar year in which the fiscal year ends names it: with July as first month,
    FY2026 is 2025-07-01 to 2026-06-30. Its quarters are three months, its periods
    one month; fiscal weeks do not exist.

    With the other values a fiscal year is 52 or 53 whole weeks. It begins on the
    `week_starts_on` day nearest to the first of month `fiscal_year_start`, at most
    three days before or after. The calendar year of that first names it. Each
    quarter has 13 weeks; the value says how many weeks each of the quarter's three
    periods has. A 53rd week belongs to P12 and Q4. With "4-5-4", Sunday and February
    this is the calendar of the National Retail Federation (nrf.com, 4-5-4 Calendar):
    its years end on the Saturday nearest to January 31.

    Attributes:
        week_starts_on: ISO weekday, 1 is Monday, 7 is Sunday.
        fiscal_calendar: What the fiscal year consists of.
        fiscal_year_start: The month, 1 to 12, with which the fiscal year begins.
    """

    model_config = ConfigDict(frozen=True)

    week_starts_on: int = Field(default=1, ge=1, le=7)
    fiscal_calendar: Literal["calendar", "4-4-5", "4-5-4", "5-4-4"] = "calendar"
    fiscal_year_start: int = Field(default=1, ge=1, le=12)

    @property
    def has_fiscal_weeks(self) -> bool:
        """Whether the fiscal year consists of weeks, not of months."""
        return self.fiscal_calendar != "calendar"

    def counts_weeks(self, grain: UnitGrain) -> bool:
        """Tell whether the units of `grain` consist of whole weeks."""
        if grain in ("week", "ISO week"):
            return True
        return grain in _FISCAL_NAMES and self.has_fiscal_weeks

    def unit_of(self, grain: UnitGrain, day: date) -> Unit:
        """Return the unit of `grain` that `day` belongs to.

        Raises:
            ValueError: As for `fiscal_units`.
        """
        if grain == "week":
            return _week(day, self.week_starts_on)
        if grain == "ISO week":
            return _week(day, 1)
        if grain == "month" or grain == "quarter" or grain == "year":
            return _calendar_unit(grain, day)
        units = self.fiscal_units(grain, self._fiscal_year_of(day))
        return next(unit for unit in units if day < unit.end)

    def unit_a_year_before(self, grain: UnitGrain, start: date) -> Unit:
        """Return the unit with which to compare the unit that begins at `start`.

        Of a week the week 52 weeks before. Of any other unit the one of the same
        name in the year before, for example FY2025-P03 of FY2026-P03.

        Raises:
            ValueError: As for `fiscal_units`.
        """
        if grain == "week" or grain == "ISO week" or grain == "fiscal week":
            return self.unit_of(grain, start - _YEAR_OF_WEEKS)
        if grain == "month" or grain == "quarter" or grain == "year":
            return self.unit_of(grain, months_before(start, 12))
        year = self._fiscal_year_of(start)
        number = self.fiscal_units(grain, year).index(self.unit_of(grain, start))
        return self.fiscal_units(grain, year - 1)[number]

    def fiscal_units(self, grain: FiscalGrain, year: int) -> list[Unit]:
        """Return the weeks, periods or quarters of a fiscal year, or the year alone.

        Raises:
            ValueError: `grain` is "fiscal week" and the fiscal year has months.
        """
        begin, end = self._fiscal_year_begins(year), self._fiscal_year_begins(year + 1)
        if self.has_fiscal_weeks:
            weeks = self._fiscal_weeks(grain, (end - begin) // _WEEK)
            starts = [begin + number * _WEEK for number in weeks]
        elif grain == "fiscal week":
            raise ValueError("a fiscal year of months has no weeks")
        else:
            starts = [months_before(begin, -n) for n in range(0, 12, _MONTHS[grain])]
        return [
            Unit(_FISCAL_NAMES[grain].format(year, number), *bounds)
            for number, bounds in enumerate(pairwise([*starts, end]), start=1)
        ]

    def _fiscal_weeks(self, grain: FiscalGrain, weeks: int) -> list[int]:
        """Return how many weeks of a fiscal year are over where each unit begins."""
        if grain == "fiscal week":
            return list(range(weeks))
        if grain == "fiscal year":
            return [0]
        if grain == "fiscal quarter":
            return list(range(0, _FEWEST_WEEKS, _QUARTER_WEEKS))
        lengths = [int(length) for length in self.fiscal_calendar.split("-")] * 4
        return [0, *accumulate(lengths[:-1])]

    def _fiscal_year_begins(self, year: int) -> date:
        if not self.has_fiscal_weeks:
            # A year that begins in January also ends in the year that names it.
            begins_in = year if self.fiscal_year_start == 1 else year - 1
            return date(begins_in, self.fiscal_year_start, 1)
        first = date(year, self.fiscal_year_start, 1)
        days = (self.week_starts_on - first.isoweekday() + 3) % 7 - 3
        return first + timedelta(days=days)

    def _fiscal_year_of(self, day: date) -> int:
        years = (day.year + 1, day.year, day.year - 1)
        return next(year for year in years if self._fiscal_year_begins(year) <= day)


def months_before(day: date, months: int) -> date:
    """Return the same day of an earlier month, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = monthrange(year, month + 1)[1]
    return day.replace(year=year, month=month + 1, day=min(day.day, last))


def days_named(start: date, end: date) -> str:
    """Return the form of the days from `start` up to, not including, `end`."""
    return f"{start}..{end - timedelta(days=1)}"


def _week(day: date, starts_on: int) -> Unit:
    start = day - timedelta(days=(day.isoweekday() - starts_on) % 7)
    end = start + _WEEK
    if starts_on != 1:
        return Unit(days_named(start, end), start, end)
    year, week, _ = start.isocalendar()
    return Unit(f"{year:04}-W{week:02}", start, end)


def _calendar_unit(grain: Literal["month", "quarter", "year"], day: date) -> Unit:
    months = _MONTHS[grain]
    start = day.replace(day=1, month=(day.month - 1) // months * months + 1)
    name = f"{start.year:04}"
    if grain == "quarter":
        name += f"-Q{(start.month + 2) // 3}"
    elif grain == "month":
        name += f"-{start.month:02}"
    return Unit(name, start, months_before(start, -months))
