"""Period: a span of whole days in UTC, and how a caller may name one."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from typing import Literal

from pydantic import BaseModel, ConfigDict

from zava.errors import ValidationError

Grain = Literal["day", "month", "quarter", "year", "12 months"]

FORMS = (
    "today, yesterday, last_7_days, last_30_days, last_90_days,"
    " last_12_months, mtd, qtd, ytd, a year like 2026, a quarter like 2026-Q3,"
    " a month like 2026-07, or days like 2026-07-01..2026-07-31 (both included,"
    " at most 10 years), in the years 2000 to 2100"
)
MIN_YEAR = 2000
MAX_YEAR = 2100
MAX_RANGE_YEARS = 10

_DAY = timedelta(days=1)
# Two spans that begin and end so near to each other are one comparison.
_FEW_DAYS = timedelta(days=3)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_ROLLING = {"last_7_days": 7, "last_30_days": 30, "last_90_days": 90}
_TO_DATE: dict[str, Grain] = {"mtd": "month", "qtd": "quarter", "ytd": "year"}
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"


class Period(BaseModel):
    """The days from `start` up to, not including, `end`; both are midnights in UTC.

    Attributes:
        name: The form that stands for it, as `parse_period` reads it.
        start: The first moment that belongs to it.
        end: The first moment after it.
        grain: What `previous` steps by; `day` steps by the period's own length.
        to_date: Whether it is the beginning of a month, quarter or year.
        whole: The period that it is the beginning of, if it was cut.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    start: datetime
    end: datetime
    grain: Grain = "day"
    to_date: bool = False
    whole: Period | None = None

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.start).days

    def until(self, end: datetime) -> Period:
        """Return the part before `end`, compared with as much of the same spans.

        The period itself if `end` is not within it.
        """
        if not self.start < end < self.end:
            return self
        return self.model_copy(update={"end": end, "whole": self.whole or self})

    def previous(self) -> Period:
        """Return the period before it, which ends no later than this one starts.

        Of a month, quarter or year the calendar one before; of a part of one up
        to date as many days of the one before, as far as it has them; of any
        other as many days before. Where that is the year before, or a day or two
        off, it is the same as `year_before`.
        """
        year_before = self.year_before()
        if self.whole is not None:
            before = self.whole.previous()
            if before == self.whole.year_before():
                return year_before
            end = min(before.start + (self.end - self.start), before.end)
            return _days(before.start, end, before.grain, to_date=before.to_date)
        if self.grain in ("year", "12 months"):
            return year_before
        if self.grain == "day":
            start = self.start - (self.end - self.start)
            ends_near = self.start - _FEW_DAYS <= year_before.end <= self.start
            if ends_near and abs(year_before.start - start) <= _FEW_DAYS:
                return year_before
            return _days(start, self.start)
        start = _months_before(self.start, _MONTHS[self.grain])
        if not self.to_date:
            return _calendar(start, self.grain)
        end = min(start + (self.end - self.start), self.start)
        return _days(start, end, self.grain, to_date=True)

    def year_before(self) -> Period:
        """Return the same days a year before; February 29 becomes 28.

        A whole month, quarter or year stays whole, and twelve months end where
        these begin.
        """
        if self.whole is not None:
            start = self.whole.year_before().start
        elif self.grain == "12 months":
            return _days(_twelve_months_before(self.start), self.start, self.grain)
        else:
            start = _months_before(self.start, 12)
            if self.grain != "day" and not self.to_date:
                return _calendar(start, self.grain)
        # By the last day that belongs to it, so that a leap day cannot drop one.
        end = _months_before(self.end - _DAY, 12) + _DAY
        return _days(start, end, self.grain, to_date=self.to_date)


def parse_period(text: str, today: date) -> Period:
    """Return the period that `text` names.

    Args:
        text: One of `FORMS`, in any case, with or without blanks around it.
        today: The day in UTC. It belongs to every form that is relative to it
            but `yesterday`: `last_7_days` is today and the six days before.

    Raises:
        ValidationError: It is none of the forms, or not possible; lists them.
    """
    name = text.strip().lower()
    period = _relative(name, _midnight(today)) or _absolute(name)
    if period is None:
        raise ValidationError("time_period", text, f"must be one of {FORMS}")
    return period


def _relative(name: str, today: datetime) -> Period | None:
    end = today + _DAY
    if name in _TO_DATE:
        grain = _TO_DATE[name]
        start = _start_of(grain, today)
        return Period(name=name, start=start, end=end, grain=grain, to_date=True)
    if name == "yesterday":
        return Period(name=name, start=today - _DAY, end=today)
    if name == "today":
        return Period(name=name, start=today, end=end)
    if name == "last_12_months":
        start = _twelve_months_before(end)
        return Period(name=name, start=start, end=end, grain="12 months")
    if name in _ROLLING:
        return Period(name=name, start=end - _ROLLING[name] * _DAY, end=end)
    return None


def _absolute(name: str) -> Period | None:
    for pattern, build in _PATTERNS:
        match = re.fullmatch(pattern, name)
        if match:
            try:
                return build(*match.groups())
            except ValueError:  # a month 13, a February 30
                return None
    return None


def _year(year: str) -> Period | None:
    return _calendar(_first_of(int(year), 1), "year")


def _quarter(year: str, quarter: str) -> Period | None:
    return _calendar(_first_of(int(year), 3 * int(quarter) - 2), "quarter")


def _month(year: str, month: str) -> Period | None:
    return _calendar(_first_of(int(year), int(month)), "month")


def _range(first: str, last: str) -> Period | None:
    start, until = (_midnight(date.fromisoformat(day)) for day in (first, last))
    for day in (start, until):
        _check_year(day.year)
    if until < start or _months_before(until, 12 * MAX_RANGE_YEARS) >= start:
        return None
    return _days(start, until + _DAY)


_PATTERNS: tuple[tuple[str, Callable[..., Period | None]], ...] = (
    (r"([0-9]{4})", _year),
    (r"([0-9]{4})-q([1-4])", _quarter),
    (r"([0-9]{4})-([0-9]{2})", _month),
    (rf"({_DATE})\.\.({_DATE})", _range),
)


def _calendar(start: datetime, grain: Grain) -> Period:
    """Return the whole month, quarter or year that begins at `start`."""
    name = f"{start.year:04}"
    if grain == "quarter":
        name += f"-Q{(start.month + 2) // 3}"
    elif grain == "month":
        name += f"-{start.month:02}"
    end = _months_before(start, -_MONTHS[grain])
    return Period(name=name, start=start, end=end, grain=grain)


def _days(
    start: datetime, end: datetime, grain: Grain = "day", *, to_date: bool = False
) -> Period:
    name = f"{start.date()}..{(end - _DAY).date()}"
    return Period(name=name, start=start, end=end, grain=grain, to_date=to_date)


def _first_of(year: int, month: int) -> datetime:
    _check_year(year)
    return datetime(year, month, 1, tzinfo=timezone.utc)


def _check_year(year: int) -> None:
    if not MIN_YEAR <= year <= MAX_YEAR:
        raise ValueError(year)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), timezone.utc)


def _start_of(grain: Grain, day: datetime) -> datetime:
    months = _MONTHS[grain]
    return day.replace(day=1, month=(day.month - 1) // months * months + 1)


def _months_before(day: datetime, months: int) -> datetime:
    """Return the same day of an earlier month, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = monthrange(year, month + 1)[1]
    return day.replace(year=year, month=month + 1, day=min(day.day, last))


def _twelve_months_before(end: datetime) -> datetime:
    """Return where the twelve months begin that end before `end`."""
    start = _months_before(end, 12)
    # Of February 29 the year before has none: they begin on March 1.
    return start if start.day == end.day else start + _DAY
