"""Period: a span of whole days, how a caller may name it, and its comparisons."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from zava.errors import ValidationError
from zava.service.sales.calendars import (
    Calendar,
    FiscalGrain,
    Unit,
    UnitGrain,
    days_named,
    months_before,
)

Grain = Literal["day", "12 months"] | UnitGrain

FORMS = (
    "today, yesterday, last_30_days (1 to 3660), last_12_months, wtd, mtd, qtd, ytd,"
    " this_month, last_month (also week, quarter, year), a day like 2026-07-04, an ISO"
    " week like 2026-W27, a month like 2026-07, a quarter like 2026-Q3, a year like"
    " 2026, days like 2026-07-01..2026-07-31 (both included, at most 10 years), or a"
    " fiscal week like FY2026-W14, period FY2026-P03, quarter FY2026-Q2, year FY2026,"
    " in the years 2000 to 2100"
)
NO_FISCAL_WEEKS = (
    "the chain's fiscal calendar has months, no weeks: use a fiscal period like"
    " FY2026-P03 or an ISO week like 2026-W27"
)
MIN_YEAR = 2000
MAX_YEAR = 2100
MAX_RANGE_YEARS = 10
MAX_ROLLING_DAYS = 3660

OFFERED = (
    *("last_week", "this_week", "yesterday", "today", "last_month", "this_month"),
    *("last_quarter", "this_quarter", "last_year", "this_year"),
    *("last_7_days", "last_30_days", "last_90_days", "last_12_months"),
    *("wtd", "mtd", "qtd", "ytd"),
)
"""The forms without a date, those that managers use most first."""

_OFFERED_UNITS: tuple[tuple[UnitGrain, int], ...] = (
    ("month", 24),
    ("ISO week", 8),
    ("quarter", 8),
    ("year", 3),
    ("fiscal period", 12),
    ("fiscal quarter", 4),
    ("fiscal year", 2),
)
_DAY = timedelta(days=1)
# Two spans that begin and end so near to each other are one comparison.
_FEW_DAYS = timedelta(days=3)
_TO_DATE: dict[str, UnitGrain] = {
    "wtd": "week",
    "mtd": "month",
    "qtd": "quarter",
    "ytd": "year",
    "this_week": "week",
    "this_month": "month",
    "this_quarter": "quarter",
    "this_year": "year",
}
_LAST: dict[str, UnitGrain] = {
    "last_week": "week",
    "last_month": "month",
    "last_quarter": "quarter",
    "last_year": "year",
}
_FISCAL_PARTS: dict[str, FiscalGrain] = {
    "q": "fiscal quarter",
    "p": "fiscal period",
    "w": "fiscal week",
}
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)


class Period(BaseModel):
    """The days from `start` up to, not including, `end`.

    Attributes:
        name: The form that stands for it, as `parse_period` reads it.
        start: The first day that belongs to it.
        end: The day after the last one.
        grain: What `previous` steps by; `day` steps by the period's own length.
        calendar: The chain's weeks and fiscal years, by which it steps.
        to_date: Whether it is the beginning of a week, month, quarter or year.
        whole: The period that it is the beginning of, if it was cut.
        rolls: Whether it has so many days up to today, whatever the day.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    start: date
    end: date
    grain: Grain
    calendar: Calendar
    to_date: bool = False
    whole: Period | None = None
    rolls: bool = False

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.start).days

    def until(self, end: date) -> Period:
        """Return the part before `end`, compared with as much of the same spans.

        The period itself if `end` is not within it. One that rolls keeps its length:
        it has as many days up to `end`.
        """
        if not self.start < end < self.end:
            return self
        if self.rolls:
            start = end - self._length
            if self.grain == "12 months":
                start = _twelve_months_before(end)
            return self.model_copy(update={"start": start, "end": end})
        return self.model_copy(update={"end": end, "whole": self.whole or self})

    def previous(self) -> Period:
        """Return the period before it, which ends no later than this one starts.

        Of a week, month, quarter or year, calendar or fiscal, the one before; of a
        part of one up to date as many days of the one before, as far as it has
        them; of any other as many days before. Where that is the year before, or a
        day or two off, it is the same as `year_before`.
        """
        year_before = self.year_before()
        before = self._just_before()
        near = (
            year_before.end <= self.start
            and abs(year_before.start - before.start) <= _FEW_DAYS
            and abs(year_before.end - before.end) <= _FEW_DAYS
        )
        return year_before if near else before

    def _just_before(self) -> Period:
        """Return what `previous` does, however near to the year before it is."""
        if self.whole is not None:
            before = self.whole.previous()
            if before == self.whole.year_before():
                return self.year_before()
            return self._as_long(before.start, before.end)
        if self.grain == "day":
            return self._days(self.start - self._length, self.start)
        if self.grain == "12 months" or self.grain == "year":
            return self.year_before()
        unit = self.calendar.unit_of(self.grain, self.start - _DAY)
        if self.to_date:
            return self._as_long(unit.start, unit.end)
        return _whole(unit, self.grain, self.calendar)

    def year_before(self) -> Period:
        """Return the same days a year before; February 29 becomes 28.

        Of a whole month, quarter or year, calendar or fiscal, the one of the same
        name in the year before: FY2025-P03 of FY2026-P03, even if it has a week more
        or less. Of a week, and of a part of one, the days 52 weeks before, so that
        weekdays match. Of a part of a fiscal year of weeks as many days of the
        fiscal year before, as far as it has them. Of twelve months the twelve months
        that end where these begin.
        """
        if self.grain == "12 months":
            start = _twelve_months_before(self.start)
            end = self._end_a_year_before() if self.whole else self.start
            return self._days(start, end)
        if self.grain == "day":
            start = months_before(self.start, 12)
            return self._days(start, self._end_a_year_before())
        unit = self.calendar.unit_a_year_before(self.grain, self.start)
        if not self.to_date and self.whole is None:
            return _whole(unit, self.grain, self.calendar)
        if self.calendar.counts_weeks(self.grain):
            return self._as_long(unit.start, unit.end)
        return self._days(unit.start, self._end_a_year_before())

    @property
    def _length(self) -> timedelta:
        return self.end - self.start

    def _as_long(self, start: date, limit: date) -> Period:
        """Return as many days from `start` as it has, but none from `limit` on."""
        return self._days(start, min(start + self._length, limit))

    def _days(self, start: date, end: date) -> Period:
        """Return other days of the same grain."""
        return Period(
            name=days_named(start, end),
            start=start,
            end=end,
            grain=self.grain,
            calendar=self.calendar,
            to_date=self.to_date,
        )

    def _end_a_year_before(self) -> date:
        # By the last day that belongs to it, so that a leap day cannot drop one.
        return months_before(self.end - _DAY, 12) + _DAY


def parse_period(text: str, today: date, calendar: Calendar) -> Period:
    """Return the period that `text` names.

    A form with "this" is the form to date of the same grain: `this_month` has the
    days of `mtd`. Weeks of these forms begin on `calendar.week_starts_on`. Months,
    quarters and years are those of the calendar, unless the form begins with FY.

    Args:
        text: One of `FORMS`, in any case, with or without blanks around it. Words
            may stand apart: "last week", "last-30-days". What people write for one
            of these will do where it can mean nothing else: "July 2026", "Q3 2026",
            "2026-07-04 to 2026-07-10", "since 2026-05-01".
        today: The day. It belongs to every form that is relative to it but
            `yesterday` and whole units such as `last_month`: `last_7_days` is
            today and the six days before, or the seven whole days before where
            `Period.until` leaves today out.
        calendar: The chain's weeks and fiscal years.

    Raises:
        ValidationError: It is none of the forms, or not possible; lists them. Or
            it is a fiscal week of a calendar without fiscal weeks.
    """
    name = _as_listed(text.strip().lower(), today, calendar)
    period = _relative(name, today, calendar) or _absolute(name, calendar)
    if period is None:
        raise ValidationError("time_period", text, f"must be one of {FORMS}")
    return period


def offered_periods(last: date, calendar: Calendar) -> list[str]:
    """Return periods to choose from: `OFFERED`, then the units that end with `last`.

    Args:
        last: The last day that there is something to say about.
        calendar: The chain's weeks and fiscal years.
    """
    offered = list(OFFERED)
    for grain, count in _OFFERED_UNITS:
        unit = calendar.unit_of(grain, last)
        for _ in range(count):
            if unit.start.year <= MIN_YEAR:
                break
            offered.append(unit.name)
            unit = calendar.unit_of(grain, unit.start - _DAY)
    return offered


def _as_listed(name: str, today: date, calendar: Calendar) -> str:
    """Return the form that stands for what people write, or the text as it is."""
    for pattern, form in _WRITTEN:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(form)
    match = re.fullmatch(r"since ([0-9]{4}-[0-9]{2}-[0-9]{2})", name)
    if match:
        return f"{match[1]}..{today}"
    match = re.fullmatch(r"([a-z]{3,9})\.? ([0-9]{4})", name)
    if match:
        return _month_named(match[1], match[2]) or name
    match = re.fullmatch(r"week ([0-9]{1,2}),? (?:of )?([0-9]{4})", name)
    # A chain whose weeks do not begin on Monday may count them in another way.
    if match and calendar.week_starts_on == 1:
        return f"{match[2]}-w{match[1]:0>2}"
    return name


def _month_named(word: str, year: str) -> str | None:
    for number, month in enumerate(_MONTH_NAMES, start=1):
        if word in (month, month[:3]):
            return f"{year}-{number:02}"
    return None


def _relative(name: str, today: date, calendar: Calendar) -> Period | None:
    # One sign between two words: a second one would be a minus.
    word = re.sub(r"\s+|-", "_", name)
    end = today + _DAY
    if word in _TO_DATE:
        grain = _TO_DATE[word]
        start = calendar.unit_of(grain, today).start
        return Period(
            name=word,
            start=start,
            end=end,
            grain=grain,
            calendar=calendar,
            to_date=True,
        )
    if word in _LAST:
        grain = _LAST[word]
        this = calendar.unit_of(grain, today)
        last = calendar.unit_of(grain, this.start - _DAY)
        return _whole(last._replace(name=word), grain, calendar)
    if word == "last_12_months":
        start = _twelve_months_before(end)
        return _rolling(Unit(word, start, end), "12 months", calendar)
    if word == "yesterday":
        return _whole(Unit(word, today - _DAY, today), "day", calendar)
    days = _rolling_days(word)
    if days is None:
        return None
    return _rolling(Unit(word, end - days * _DAY, end), "day", calendar)


def _rolling_days(word: str) -> int | None:
    """Return how many days a form has that ends today, or None if it is no such."""
    if word == "today":
        return 1
    match = re.fullmatch(r"last_([1-9][0-9]{0,3})_days", word)
    if match is None or int(match[1]) > MAX_ROLLING_DAYS:
        return None
    return int(match[1])


def _absolute(name: str, calendar: Calendar) -> Period | None:
    for pattern, build in _PATTERNS:
        match = re.fullmatch(pattern, name)
        if match:
            try:
                return build(calendar, *match.groups())
            except ValueError:  # a month 13, a February 30
                return None
    return None


def _day(calendar: Calendar, day: str) -> Period:
    start = date.fromisoformat(day)
    _check_year(start.year)
    return _whole(Unit(day, start, start + _DAY), "day", calendar)


def _week(calendar: Calendar, year: str, week: str) -> Period:
    _check_year(int(year))
    start = date.fromisocalendar(int(year), int(week), 1)
    return _whole(calendar.unit_of("ISO week", start), "ISO week", calendar)


def _year(calendar: Calendar, year: str) -> Period:
    return _whole(calendar.unit_of("year", _first_of(year, 1)), "year", calendar)


def _quarter(calendar: Calendar, year: str, quarter: str) -> Period:
    start = _first_of(year, 3 * int(quarter) - 2)
    return _whole(calendar.unit_of("quarter", start), "quarter", calendar)


def _month(calendar: Calendar, year: str, month: str) -> Period:
    start = _first_of(year, int(month))
    return _whole(calendar.unit_of("month", start), "month", calendar)


def _range(calendar: Calendar, first: str, last: str) -> Period | None:
    start, until = date.fromisoformat(first), date.fromisoformat(last)
    for day in (start, until):
        _check_year(day.year)
    if until < start or months_before(until, 12 * MAX_RANGE_YEARS) >= start:
        return None
    end = until + _DAY
    return _whole(Unit(days_named(start, end), start, end), "day", calendar)


def _fiscal_year(calendar: Calendar, year: str) -> Period:
    _check_year(int(year))
    (unit,) = calendar.fiscal_units("fiscal year", int(year))
    return _whole(unit, "fiscal year", calendar)


def _fiscal_part(
    calendar: Calendar, year: str, part: str, number: str
) -> Period | None:
    _check_year(int(year))
    grain = _FISCAL_PARTS[part]
    if grain == "fiscal week" and not calendar.has_fiscal_weeks:
        form = f"FY{year}-W{number}"
        raise ValidationError("time_period", form, NO_FISCAL_WEEKS)
    units = calendar.fiscal_units(grain, int(year))
    if not 1 <= int(number) <= len(units):
        return None
    return _whole(units[int(number) - 1], grain, calendar)


_WRITTEN = (
    (r"([0-9]{4})/([0-9]{2})", r"\1-\2"),
    (r"([0-9]{4})/([0-9]{2})/([0-9]{2})", r"\1-\2-\3"),
    (r"(q[1-4]),? (?:of )?([0-9]{4})", r"\2-\1"),
    (r"([0-9]{4}) (q[1-4])", r"\1-\2"),
    (r"(q[1-4]|p[0-9]{2}|w[0-9]{2}) (fy[0-9]{4})", r"\2-\1"),
    (r"(fy[0-9]{4}) (q[1-4]|p[0-9]{2}|w[0-9]{2})", r"\1-\2"),
    (rf"(?:from )?({_DATE}) (?:to|until|through|-) ({_DATE})", r"\1..\2"),
    (r"(week|month|quarter|year) to date", r"this_\1"),
    (r"previous (week|month|quarter|year)", r"last_\1"),
    (r"past ([0-9]{1,4}) days", r"last_\1_days"),
)
"""What people write, and the form that it stands for."""

_PATTERNS: tuple[tuple[str, Callable[..., Period | None]], ...] = (
    (rf"({_DATE})", _day),
    (rf"({_DATE})\.\.({_DATE})", _range),
    (r"([0-9]{4})-w([0-9]{2})", _week),
    (r"([0-9]{4})-([0-9]{2})", _month),
    (r"([0-9]{4})-q([1-4])", _quarter),
    (r"([0-9]{4})", _year),
    (r"fy([0-9]{4})", _fiscal_year),
    (r"fy([0-9]{4})-(q)([1-4])", _fiscal_part),
    (r"fy([0-9]{4})-([pw])([0-9]{2})", _fiscal_part),
)


def _whole(unit: Unit, grain: Grain, calendar: Calendar) -> Period:
    """Return a period that is no part of another one."""
    return Period(
        name=unit.name,
        start=unit.start,
        end=unit.end,
        grain=grain,
        calendar=calendar,
    )


def _rolling(unit: Unit, grain: Grain, calendar: Calendar) -> Period:
    return _whole(unit, grain, calendar).model_copy(update={"rolls": True})


def _first_of(year: str, month: int) -> date:
    _check_year(int(year))
    return date(int(year), month, 1)


def _check_year(year: int) -> None:
    if not MIN_YEAR <= year <= MAX_YEAR:
        raise ValueError(year)


def _twelve_months_before(end: date) -> date:
    """Return where the twelve months begin that end before `end`."""
    start = months_before(end, 12)
    # Of February 29 the year before has none: they begin on March 1.
    return start if start.day == end.day else start + _DAY
