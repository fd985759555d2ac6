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
    "lapsed": "no purchase in the last {:,.0f} days",
}
_YEAR = 365
LONG_LAPSED = (
    "lapsed takes more than a year here: the usual gap between purchases, unless the"
    " administrator has set another limit in retail.chain.lapsed_after_days"
)
"""What is said of a rule for lapsed that `is_long`."""


def rule(segment: Segment, threshold: float) -> str:
    """Return who is in a segment, in words, with the number that was found."""
    said = _RULES[segment].format(threshold)
    if is_long(segment, threshold):
        said += f" ({threshold / _YEAR:.1f} years)"
    return said


def is_long(segment: Segment, threshold: float) -> bool:
    """Whether a customer is lapsed after more than a year only."""
    return segment == "lapsed" and threshold > _YEAR


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
