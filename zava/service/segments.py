"""Groups of customers that recommendations can be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Segment = Literal["new", "frequent", "big_spender", "lapsed"]

SEGMENTS: Mapping[Segment, str] = {
    "new": "first order in the last 90 days",
    "frequent": "eight orders or more",
    "big_spender": "the tenth that has spent most",
    "lapsed": "no order in the last 365 days",
}
