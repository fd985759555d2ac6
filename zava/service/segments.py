"""Segments of customers, and how their rules are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

Segment = Literal["new", "frequent", "big_spender", "lapsed"]
"""Who is in one is decided by `retail.refresh_recommendations()` alone."""

SEGMENTS: tuple[Segment, ...] = get_args(Segment)

NOT_COUNTED = "nothing has been counted yet: the administrator runs `zava refresh`"
"""What is said of pairs and segments before the first refresh."""

_RULES: Mapping[Segment, str] = {
    "new": "first purchase in the last {:.0f} days",
    "frequent": "at least {:.0f} orders",
    "big_spender": "spent at least {:,.2f}",
    "lapsed": "no purchase in the last {:.0f} days",
}


def rule(segment: Segment, threshold: float) -> str:
    """Return who is in a segment, in words, with the number that was found."""
    return _RULES[segment].format(threshold)


def note_of_rules(as_of: str | None, thresholds: Mapping[Any, float | None]) -> str:
    """Return as of when segments are, and their rules.

    Args:
        as_of: When they were counted; None for never.
        thresholds: The number of each segment's rule; empty where every store has
            its own.
    """
    if as_of is None:
        return NOT_COUNTED
    told = [
        f"{segment}: {rule(segment, threshold)}"
        for segment in SEGMENTS
        if (threshold := thresholds.get(segment)) is not None
    ]
    rules = "; ".join(told) or "each store has its own rules"
    return f"segments as of {as_of[:16]}; {rules}"
