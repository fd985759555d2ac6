"""The SQL of the .sql files in this folder, by name."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import cast

from typing_extensions import LiteralString

_NAME = re.compile(r"^-- name: (\w+)\n(?:--.*\n)*", re.MULTILINE)


@cache
def _statements() -> dict[str, LiteralString]:
    statements: dict[str, LiteralString] = {}
    for file in resources.files("zava.data").iterdir():
        if file.name.endswith(".sql"):
            _, *parts = _NAME.split(file.read_text("utf-8"))
            for name, sql in zip(parts[::2], parts[1::2], strict=True):
                # The files are part of the program, as literal as its code.
                statements[name] = cast("LiteralString", sql.strip("\n"))
    return statements


def statement(name: str) -> LiteralString:
    """Return the SQL text that the .sql files hold under `name`.

    Raises:
        KeyError: There is no such name.
    """
    return _statements()[name]
