"""The days of a question: its period, what that is compared with, and their spans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from zava.data.metrics.composition import Side
from zava.errors import ValidationError
from zava.service.sales.calendars import Calendar, Unit, UnitGrain
from zava.service.sales.periods import NO_FISCAL_WEEKS, Period

_DAY = timedelta(days=1)
_GRAINS: dict[str, UnitGrain] = {
    "week": "week",
    "month": "month",
    "quarter": "quarter",
    "year": "year",
    "fiscal_week": "fiscal week",
    "fiscal_period": "fiscal period",
    "fiscal_quarter": "fiscal quarter",
    "fiscal_year": "fiscal year",
}


class Days(NamedTuple):
    """What a question asks about.

    Attributes:
        sides: The period first.
        labels: The names of its spans, by their number.
    """

    sides: tuple[Side, ...]
    labels: tuple[str, ...]

    def labels_since(self, day: date) -> list[str]:
        """Return the names of the spans that are asked about and end after a day."""
        own = self.sides[0]
        ends = (*own.starts[1:], own.end_day)
        numbers = {
            number
            for number, end in zip(own.spans, ends, strict=True)
            if number is not None and end > day
        }
        return [self.labels[number] for number in sorted(numbers)]


class _Piece(NamedTuple):
    """Days of one side, and the number of the span that they belong to."""

    start: date
    end: date
    number: int | None


def days_of(
    period: Period,
    compare: Sequence[tuple[str, Period]],
    by: str | None,
    wanted: Sequence[tuple[str, Callable[[Unit], bool]]] = (),
) -> Days:
    """Return the days of a period and of what it is compared with.

    Args:
        period: The period, cut where the data ends.
        compare: As from `fair_sides`.
        by: The dimension of spans to tell apart, if any.
        wanted: Which spans of a dimension count; a day counts if all say so.

    Raises:
        ValidationError: No day is left, or the chain's fiscal year has no weeks.
    """
    units = _units(by, period) if by else [Unit("", period.start, period.end)]
    kept = [
        [chosen(unit) for unit in _units(dimension, period)]
        for dimension, chosen in wanted
    ]
    sides = []
    for name, side in [("", period), *compare]:
        pieces = _pieces(by, period, side, list(range(len(units))))
        for (dimension, _), which in zip(wanted, kept, strict=True):
            numbers = [0 if counts else None for counts in which]
            pieces = _within(pieces, _pieces(dimension, period, side, numbers))
        if not any(piece.number is not None for piece in pieces) and side is period:
            raise ValidationError("filters", wanted, f"leave no day of {period.name}")
        sides.append(
            Side(
                name,
                side.start,
                side.end,
                tuple(piece.start for piece in pieces),
                tuple(piece.number for piece in pieces),
            )
        )
    return Days(tuple(sides), tuple(unit.name for unit in units))


def _units(dimension: str, span: Period) -> list[Unit]:
    """Return the spans of a dimension that lie in others, cut at their ends."""
    calendar, units = span.calendar, []
    day = span.start
    while day < span.end:
        unit = _unit_of(dimension, day, calendar)
        units.append(unit._replace(start=day, end=min(unit.end, span.end)))
        day = unit.end
    return units


def _unit_of(dimension: str, day: date, calendar: Calendar) -> Unit:
    if dimension == "day":
        return Unit(day.isoformat(), day, day + _DAY)
    if dimension == "fiscal_week" and not calendar.has_fiscal_weeks:
        raise ValidationError("by", dimension, NO_FISCAL_WEEKS)
    return calendar.unit_of(_GRAINS[dimension], day)


def _pieces(
    dimension: str | None, period: Period, side: Period, numbers: Sequence[int | None]
) -> list[_Piece]:
    """Return the spans of a side that stand against those of the period.

    The first against the first, and so on, where both begin equally far into a span;
    else those that are as many days from the beginning. Days that stand against none
    have no number.
    """
    if dimension is None:
        return [_Piece(side.start, side.end, numbers[0])]
    own = _units(dimension, period)
    theirs = own if side is period else _units(dimension, side)
    if _into(dimension, period) != _into(dimension, side):
        shift = side.start - period.start
        theirs = [
            unit._replace(start=unit.start + shift, end=min(unit.end + shift, side.end))
            for unit in own
            if unit.start + shift < side.end
        ]
    pieces = [
        _Piece(unit.start, unit.end, numbers[n] if n < len(numbers) else None)
        for n, unit in enumerate(theirs)
    ]
    if pieces[-1].end < side.end:
        pieces.append(_Piece(pieces[-1].end, side.end, None))
    return pieces


def _into(dimension: str, span: Period) -> timedelta:
    """Return how far into a span of the dimension another one begins."""
    return span.start - _unit_of(dimension, span.start, span.calendar).start


def _within(pieces: Sequence[_Piece], kept: Sequence[_Piece]) -> list[_Piece]:
    """Return pieces of which only the days of others count."""
    found: list[_Piece] = []
    for piece in pieces:
        for other in kept:
            start, end = max(piece.start, other.start), min(piece.end, other.end)
            if start >= end:
                continue
            number = None if other.number is None else piece.number
            if found and found[-1].number == number:
                start = found.pop().start
            found.append(_Piece(start, end, number))
    return found
