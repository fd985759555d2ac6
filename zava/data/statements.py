"""The SQL that zava comes with: statements by name, and the files that psql loads."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import cast

from typing_extensions import LiteralString

import zava

# Where the wheel has what stands at the top level of the checkout.
_DATABASE = "database"
_NAME = re.compile(r"^-- name: (\w+)\n(?:--.*\n)*", re.MULTILINE)


def database_file(name: str) -> Path:
    """Return schema.sql, migrations/, seed/ or a file of these; wheel or checkout."""
    package = Path(str(resources.files(zava)))
    installed = package / _DATABASE / name
    return installed if installed.exists() else package.parent / name


@cache
def _statements() -> dict[str, LiteralString]:
    statements: dict[str, LiteralString] = {}
    package = Path(str(resources.files(zava)))
    for file in package.rglob("*.sql"):
        if file.is_relative_to(package / _DATABASE):
            continue  # these are psql's
        _, *parts = _NAME.split(file.read_text("utf-8"))
        for name, sql in zip(parts[::2], parts[1::2], strict=True):
            # The files are part of the program, as literal as its code.
            statements[name] = cast("LiteralString", sql.strip("\n"))
    return statements


def statement(name: str) -> LiteralString:
    """Return the SQL text that the .sql files of the package hold under `name`.

    Raises:
        KeyError: There is no such name.
    """
    return _statements()[name]
