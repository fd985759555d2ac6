"""How single values are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def none_if_empty(value: Any) -> Any:
    """A variable that is set to nothing sets nothing."""
    return None if value == "" else value


def expanded(value: Any) -> Any:
    """`~` is the home folder, as a shell would have written it."""
    is_path = isinstance(value, str | Path) and str(value).startswith("~")
    return type(value)(Path(value).expanduser()) if is_path else value
