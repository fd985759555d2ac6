"""Where schema.sql and the seed are: in the wheel, or in the checkout."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import zava


def database_file(name: str) -> Path:
    """Return schema.sql, or seed/ or a file in it, from the wheel or the checkout."""
    package = Path(str(resources.files(zava)))
    installed = package / "database" / name
    return installed if installed.exists() else package.parent / name
