"""How single values are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def none_if_empty(value: Any) -> Any:
    """A variable that is set to nothing sets nothing."""
    return None if value == "" else value


def expanded(value: Any) -> Any:
    """`~` is the home folder, as a shell would have written it.

    Raises:
        ValueError: `~NAME` is nobody's.
    """
    if not isinstance(value, str | Path) or not str(value).startswith("~"):
        return value
    try:
        return type(value)(Path(value).expanduser())
    except RuntimeError as exc:
        raise ValueError("~ names nobody who has a home folder here") from exc
