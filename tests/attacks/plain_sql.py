"""What PostgreSQL itself answers a person, without zava, as JSON values.

The driver is used in its plainest way: a transaction, the identity, the role,
the query. Cells are turned into JSON by rules of their own, told by the docs/tools.md:
numbers where a double holds them exactly, ISO 8601, else PostgreSQL's text.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import psycopg

SESSION = (
    "-c search_path=retail,public -c TimeZone=UTC -c DateStyle=ISO"
    " -c IntervalStyle=postgres -c jit=off"
)
_NUMBERS = {"int8", "oid", "numeric", "float4", "float8"}
_ROLES = {True: "store_managers_personal", False: "regional_managers_personal"}


def connect(conninfo: str) -> psycopg.Connection:
    """Connect as the server's login, with the session's settings."""
    return psycopg.connect(conninfo, options=SESSION, autocommit=True)


def ask(
    conn: psycopg.Connection, sql: str, user_id: str, seal: str, *, one_store: bool
) -> tuple[list[str], list[list[Any]]]:
    """Return the names of the columns and the rows of a query as a person.

    Args:
        conn: Of `connect`.
        sql: One query.
        user_id: Who asks.
        seal: That goes with it.
        one_store: Whether they are a store manager.
    """
    with conn.transaction(force_rollback=True):
        conn.execute("SET TRANSACTION READ ONLY")
        conn.execute(f"SET LOCAL app.current_rls_user_id = '{user_id}'".encode())
        conn.execute(f"SET LOCAL app.current_rls_seal = '{seal}'".encode())
        conn.execute(f"SET LOCAL ROLE {_ROLES[one_store]}".encode())
        cursor = conn.execute(sql.encode())
        result = cursor.pgresult
        assert result is not None
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        oids = [column.type_code for column in cursor.description]
        rows = [
            [
                _cell(conn, oid, text)
                for number, oid in enumerate(oids)
                for text in [result.get_value(row, number)]
            ]
            for row in range(result.ntuples)
        ]
        for number, oid in enumerate(oids):
            known = conn.adapters.types.get(oid)
            if known is None or known.oid != oid or known.name not in _NUMBERS:
                continue
            if any(isinstance(row[number], str) for row in rows):
                for position, row in enumerate(rows):
                    raw = result.get_value(position, number)
                    row[number] = raw if raw is None else raw.decode()
        return names, rows


def _cell(conn: psycopg.Connection, oid: int, raw: bytes | None) -> Any:
    if raw is None:
        return None
    text = raw.decode()
    known = conn.adapters.types.get(oid)
    if known is None:
        return text
    if known.oid != oid:
        load = conn.adapters.get_loader(oid, psycopg.pq.Format.TEXT)
        return text if load is None else _elements(known.name, load(oid).load(raw))
    return _scalar(known.name, text)


def _elements(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_elements(name, item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    return _scalar(name, str(value))


def _scalar(name: str, text: str) -> Any:
    if name == "bool":
        return text in ("t", "True")
    if name in ("int2", "int4", "int8", "oid"):
        return _exact(Decimal(text), text)
    if name == "numeric":
        return text if "n" in text.lower() else _exact(Decimal(text), text)
    if name in ("float4", "float8"):
        return text if "n" in text.lower() else float(text)
    if name in ("timestamp", "timestamptz"):
        iso = text.replace(" ", "T", 1)
        return f"{iso}:00" if iso.endswith(("+00", "-00")) else iso
    if name in ("json", "jsonb"):
        return json.loads(text)
    return text


def _exact(number: Decimal, text: str) -> int | float | str:
    if number == number.to_integral_value() and "." not in text:
        return int(text) if abs(number) <= 2**53 else text
    return float(text) if len(number.normalize().as_tuple().digits) <= 15 else text
