"""Shares, changes and rounding of figures; nothing here divides by zero."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from zava.data.metrics.registry import Metric, Number

_HUNDRED = Decimal(100)
_DIGITS = {"money": 2, "percent": 2, "ratio": 2, "days": 1}
_MEASURED = Decimal("0.001")


def ratio(part: Number, whole: Number) -> Decimal | None:
    """Return part / whole, or None for a whole of zero."""
    return Decimal(part) / Decimal(whole) if whole else None


def percent(part: Number, whole: Number) -> float | None:
    """Return part of whole in percent, or None for a whole of zero."""
    return rounded(_HUNDRED * part / whole, 2) if whole else None


def change(now: Number | None, before: Number | None) -> float | None:
    """Return how far `now` is from `before` in percent, or None if one is missing."""
    if now is None or before is None or not before:
        return None
    return rounded(_HUNDRED * (now - before) / abs(Decimal(before)), 2)


def points(now: Number | None, before: Number | None) -> float | None:
    """Return by how many percentage points `now` exceeds `before`, both in percent."""
    if now is None or before is None:
        return None
    return rounded(Decimal(now) - Decimal(before), 2)


def shown(value: Number | None, metric: Metric) -> int | float | None:
    """Return a figure with the digits that query_metrics gives it."""
    if value is None:
        return None
    if metric.unit == "measure":
        return quantity(Decimal(value))
    if metric.unit not in _DIGITS or (metric.unit == "days" and metric.whole is None):
        return int(value)
    return rounded(value, _DIGITS[metric.unit])


def money(value: Number) -> float:
    """Return an amount with two digits."""
    return rounded(value, 2)


def rounded(value: Number, digits: int) -> float:
    """Return a number with so many digits, halves away from 0."""
    step = Decimal(1).scaleb(-digits)
    return float(Decimal(value).quantize(step, ROUND_HALF_UP))


def quantity(value: Decimal) -> int | float:
    """Return how much of a product, with three digits unless it is a whole number."""
    if value == value.to_integral_value():
        return int(value)
    return float(value.quantize(_MEASURED, ROUND_HALF_UP))
