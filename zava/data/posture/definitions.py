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
    r"make_trigger\('(?P<name>\w+)', '(?P<event>[^']*)',\s+'retail\.(?P<table>\w+)',"
    r"\s+(?P<rest>(?:'[^']*'\s*)+), '(?P<function>\w+)'\)"
)
_TEXT = r"'([^']*)'"
_VIEW = re.compile(r"make_view\('(\w+)', \$v\$")
_COLUMN = re.compile(r"^    ([a-z]\w*) ", re.MULTILINE)
_GENERATED = re.compile(r"^    ([a-z]\w*) .*\bGENERATED ALWAYS AS\b", re.MULTILINE)
_OPEN = re.compile(r"\('retail\.(?P<table>\w+)', '(?P<columns>[\w,\s]+)'\)")
_GRANT = re.compile(
    r"^GRANT SELECT \((?P<columns>[\w,\s]+)\) ON retail\.(?P<table>\w+)"
    r" TO (?P<roles>[\w,\s]+);",
    re.MULTILINE,
)


VIEW_DIGESTS = {
    "changed_daily_product_sales": "6562970501d910b298eec4ecd46417ce",
    "changed_daily_sales": "766cdf72258f2cdb25da4da6a37ac524",
    "daily_product_sales": "85de5a7bfe388b9b1017bba9246dc206",
    "daily_sales": "b8ea89f9e4531f4e769bbfa4e1601905",
    "monthly_product_sales": "de3eca0b51fa7466a87a728b24746069",
    "product_sales_corrections": "251019516e998aebd70a980db64048aa",
}
"""Half the SHA-256 of each view as PostgreSQL 16 to 18 print it, with single blanks.

A test prints what belongs here after a change of schema.sql.
"""


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
def _schema() -> str:
    return database_file("schema.sql").read_text("utf-8")


@cache
def definitions() -> tuple[Definition, ...]:
    """Return every function whose body schema.sql gives as a text."""
    schema = _schema()
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
def triggers() -> tuple[tuple[str, str, str], ...]:
    """Return what schema.sql makes by name: table, trigger, definition.

    The definition is in lower case, without brackets and blanks.
    """
    schema = _schema()
    return tuple(
        (
            found["table"],
            found["name"],
            re.sub(
                r"[\s()]",
                "",
                f"create trigger {found['name']} {found['event']} on"
                f" retail.{found['table']} {''.join(re.findall(_TEXT, found['rest']))}"
                f" execute function retail.{found['function']}".lower(),
            ),
        )
        for found in _TRIGGER.finditer(schema)
    )


@cache
def views() -> tuple[str, ...]:
    """Return the names of the views that schema.sql makes."""
    return tuple(_VIEW.findall(_schema()))


@cache
def columns() -> tuple[str, ...]:
    """Return every column that schema.sql makes with its table: schema.table.column."""
    schema = _schema()
    return tuple(
        f"{table['name']}.{column}"
        for table in _TABLE.finditer(schema)
        for column in _COLUMN.findall(table["body"])
    )


@cache
def generated_columns() -> tuple[str, ...]:
    """Return the columns that are computed from others: schema.table.column."""
    schema = _schema()
    return tuple(
        f"{table['name']}.{column}"
        for table in _TABLE.finditer(schema)
        for column in _GENERATED.findall(table["body"])
    )


@cache
def grants() -> tuple[tuple[str, str, str], ...]:
    """Return every column that schema.sql grants: role, table, column.

    PUBLIC is written in lower case. What a role inherits is not in the list.
    """
    schema = _schema()
    groups = "store_managers, regional_managers"
    found = [
        (roles, grant["table"], grant["columns"])
        for pattern, loop in ((_OPEN, groups), (_GRANT, ""))
        for grant in pattern.finditer(schema)
        for roles in [loop or grant["roles"]]
    ]
    return tuple(
        dict.fromkeys(
            (role.strip().lower(), table, column.strip())
            for roles, table, columns in found
            for role in roles.split(",")
            for column in columns.split(",")
        )
    )
