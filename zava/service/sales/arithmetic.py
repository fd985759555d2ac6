"""Shares, changes and rounding of figures; nothing here divides by zero."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from zava.data.metrics.registry import Number
from zava.service.sales.performance_models import Unit

_HUNDRED = Decimal(100)
# Money, percentages and ratios have two.
_DIGITS: dict[Unit, int] = {"orders": 0, "returns": 0, "customers": 0, "days": 1}
_MEASURED = Decimal("0.001")


def ratio(part: Number, whole: Number) -> Decimal | None:
    """Return part / whole, or None for a whole of zero."""
    return Decimal(part) / Decimal(whole) if whole else None


def percent(part: Number, whole: Number) -> Decimal | None:
    """Return part of whole in percent, or None for a whole of zero."""
    return _HUNDRED * part / whole if whole else None


def change(now: Number | None, before: Number | None) -> float | None:
    """Return how far `now` is from `before` in percent, or None if one is missing."""
    if now is None or before is None or not before:
        return None
    return number(_HUNDRED * (now - before) / abs(Decimal(before)), "percent")


def rounded(value: Number | None, unit: Unit) -> int | float | None:
    """Return the value with the digits that its unit deserves."""
    if value is None:
        return None
    return int(value) if _DIGITS.get(unit) == 0 else number(value, unit)


def number(value: Number, unit: Unit) -> float:
    """Return the value with the digits that its unit deserves, halves away from 0."""
    step = Decimal(1).scaleb(-_DIGITS.get(unit, 2))
    return float(Decimal(value).quantize(step, ROUND_HALF_UP))


def quantity(value: Decimal) -> int | float:
    """Return how much of a product, with three digits unless it is a whole number."""
    if value == value.to_integral_value():
        return int(value)
    return float(value.quantize(_MEASURED, ROUND_HALF_UP))


def elapsed_days(start: date, end: date, today: date) -> int:
    """Return how many days of a span have begun, at least one."""
    return min(max((today - start).days + 1, 1), (end - start).days)
