"""What is zava's own: read from the schema.sql that this zava comes with."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import TypedDict

from zava.data.statements import database_file

_FUNCTION = re.compile(
    r"^CREATE OR REPLACE FUNCTION retail\.(?P<name>\w+)\((?P<head>.*?)"
    r"^AS \$\$(?P<body>.*?)\$\$;",
    re.MULTILINE | re.DOTALL,
)
_LANGUAGE = re.compile(r"\bLANGUAGE (\w+)")
_VOLATILITY = re.compile(r"\b([IS])(?:MMUTABLE|TABLE)\b")
_SET = re.compile(r"^\s+SET (\S+) = (.+)$", re.MULTILINE)
_ANOTHER = re.compile(r"^(BEGIN ATOMIC|RETURN)\b", re.MULTILINE)


_TABLE = re.compile(
    r"^CREATE TABLE IF NOT EXISTS (?P<name>retail\.\w+) \(\n(?P<body>.*?)^\)",
    re.MULTILINE | re.DOTALL,
)
_TRIGGER = re.compile(
    r"make_trigger\('(?P<name>\w+)', '[^']*',\s+'retail\.(?P<table>\w+)'"
)
_COLUMN = re.compile(r"^    ([a-z]\w*) ", re.MULTILINE)


class Definition(TypedDict):
    """A function of the schema `retail`.

    Attributes:
        digest: SHA-256 of its body's text, in hexadecimal.
        volatility: As pg_proc.provolatile has it: i, s or v.
        config: The settings that it runs with, as pg_proc.proconfig has them.
        is_definer: Whether it runs with its owner's rights.
        is_strict: Whether it is not called with a null.
    """

    name: str
    digest: str
    language: str
    volatility: str
    config: list[str]
    is_definer: bool
    is_strict: bool


@cache
def definitions() -> tuple[Definition, ...]:
    """Return every function whose body schema.sql gives as a text."""
    schema = database_file("schema.sql").read_text("utf-8")
    return tuple(
        Definition(
            name=found["name"],
            digest=hashlib.sha256(found["body"].encode()).hexdigest(),
            language=_LANGUAGE.findall(found["head"])[0],
            volatility=next(iter(_VOLATILITY.findall(found["head"])), "v").lower(),
            config=[f"{name}={value}" for name, value in _SET.findall(found["head"])],
            is_definer="SECURITY DEFINER" in found["head"],
            is_strict=" STRICT" in found["head"],
        )
        for part in re.split(r"^(?=CREATE OR REPLACE FUNCTION)", schema, flags=re.M)
        for found in [_FUNCTION.match(part)]
        if found is not None and not _ANOTHER.search(found["head"])
    )


@cache
def triggers() -> tuple[tuple[str, str], ...]:
    """Return the triggers that schema.sql makes by name: table, trigger."""
    schema = database_file("schema.sql").read_text("utf-8")
    return tuple((found["table"], found["name"]) for found in _TRIGGER.finditer(schema))


@cache
def columns() -> tuple[str, ...]:
    """Return every column that schema.sql makes with its table: schema.table.column."""
    schema = database_file("schema.sql").read_text("utf-8")
    return tuple(
        f"{table['name']}.{column}"
        for table in _TABLE.finditer(schema)
        for column in _COLUMN.findall(table["body"])
    )
