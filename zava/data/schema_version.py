"""Which version of the schema a database has, and which one this zava needs."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import scalar_row

from zava.data.statements import statement
from zava.errors import ConfigurationError

SCHEMA_VERSION = 2

# What `first_schema_version` says of a database with retail.schema_version.
_NAMED = 2


def check_schema_version(conn: psycopg.Connection[Any]) -> None:
    """Raise unless the database has this zava's version of the schema, or none.

    Args:
        conn: In autocommit mode, of a login that may use the schema.

    Raises:
        ConfigurationError: It has another version; the message names the remedy.
        psycopg.Error: The catalogue could not be read.
    """
    with conn.cursor(row_factory=scalar_row) as cursor:
        version = cursor.execute(statement("first_schema_version")).fetchone()
        if version == _NAMED:
            version = cursor.execute(statement("schema_version")).fetchone()
    if version not in (None, SCHEMA_VERSION):
        raise other_version(version)


def needs_migration(conn: psycopg.Connection[Any]) -> bool:
    """Whether the database has version 1 of the schema, which names no version."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(statement("first_schema_version")).fetchone() == 1


def other_version(version: int) -> ConfigurationError:
    """Return the error that says what to do about another version of the schema."""
    remedy = (
        "run `zava init --migrate`, which keeps the rows"
        if version < SCHEMA_VERSION
        else "install the newer zava"
    )
    return ConfigurationError(
        f"this database has version {version} of the schema, and this zava needs"
        f" version {SCHEMA_VERSION}: {remedy}"
    )
