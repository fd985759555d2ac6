"""Which of a store's figures can fairly be set against those of another span."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from zava.service.sales.arithmetic import elapsed_days
from zava.service.sales.performance_models import (
    Bounds,
    ComparedMetric,
    Comparison,
    StoreMetrics,
)

# Changes among fewer orders than this are chance.
MIN_COMPARED_ORDERS = 20
# If less of a period is over, its totals are not compared with those of whole periods.
MIN_ELAPSED_PERCENT = 90.0


class Against(NamedTuple):
    """A figure next to that of another span."""

    label: str
    now: float
    before: float
    change: float | None

    @property
    def points(self) -> float:
        """By how much it is higher now, without the noise of floats."""
        return round(self.now - self.before, 2)


def against(metrics: StoreMetrics, metric: ComparedMetric) -> list[Against]:
    """Return the figure next to each span that it can be compared with.

    Not with one that began before the store's first order, nor where either
    side has too few orders, nor twice with the same.
    """
    spans = metrics.compared_with
    orders = metrics.orders
    candidates = {
        label(spans.previous): (spans.previous, metric.previous, orders.previous)
    }
    if spans.year_before is not None:
        candidates[label(spans.year_before)] = (
            spans.year_before,
            metric.year_before,
            orders.year_before,
        )
    return [
        Against(name, metric.value, then.value, then.change_percent)
        for name, (bounds, then, before) in candidates.items()
        if _is_covered(metrics, bounds)
        and min(orders.value or 0, _count(before)) >= MIN_COMPARED_ORDERS
        and metric.value is not None
        and then is not None
        and then.value is not None
    ]


def _count(comparison: Comparison | None) -> float:
    return (comparison.value or 0) if comparison else 0


def _is_covered(metrics: StoreMetrics, bounds: Bounds) -> bool:
    first = metrics.first_order
    return first is not None and first <= bounds.start


def is_unfinished(metrics: StoreMetrics) -> bool:
    """Tell whether too much of the period is still to come."""
    return (metrics.elapsed.value or 0) < MIN_ELAPSED_PERCENT


def days_so_far(metrics: StoreMetrics) -> int:
    """Return how many days of the period have begun."""
    period = metrics.period
    return elapsed_days(period.start, period.end, metrics.now.today)


def label(bounds: Bounds) -> str:
    """Name a span by its first and last day."""
    first, last = bounds.start, bounds.end - timedelta(days=1)
    return f"{first}" if first == last else f"{first} to {last}"
