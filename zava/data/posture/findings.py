"""How a check of the database is written down."""

from __future__ import annotations

from collections.abc import Sequence

from zava.models import Fault, PostureCheck

LOAD_AGAIN = "/* load schema.sql again */"
"""The remedy that is no single statement: schema.sql makes its own things anew."""

_SHOWN = 3


def make_check(
    name: str, promise: str, faults: Sequence[tuple[str, str]], *, fails: bool = True
) -> PostureCheck:
    """Return a check with its faults, each an object and what mends it."""
    if not faults:
        return PostureCheck(name=name, status="pass", detail=promise)
    return PostureCheck(
        name=name,
        status="fail" if fails else "warn",
        detail=_some([fault for fault, _ in faults], ", "),
        remedy=_some([remedy for _, remedy in faults], " ", "/* and {} more */"),
        faults=tuple(Fault(object=name, remedy=mends) for name, mends in faults),
    )


def _some(texts: Sequence[str], separator: str, more: str = "and {} more") -> str:
    unique = list(dict.fromkeys(texts))
    shown = separator.join(unique[:_SHOWN])
    left = len(unique) - _SHOWN
    return f"{shown} {more.format(left)}" if left > 0 else shown
