"""Replaces whole business days: deletes what is not in the files that have them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import psycopg

from zava.admin.importing.report import ImportReport, ReplacedDays
from zava.data.statements import statement
from zava.errors import ConfigurationError, DatabaseError

Days = tuple[date, date]
"""The first and the last of some days."""


def replace_days(
    conn: psycopg.Connection[dict[str, Any]],
    report: ImportReport,
    days: Days,
    *,
    with_empty: bool,
    refused: Sequence[str],
) -> None:
    """Delete what the files do not name of the days that they have.

    The files say nothing about a day of a store of which they have no order.

    Args:
        conn: In the transaction of the import, after the load.
        report: Told what was deleted.
        days: The first and the last business day.
        with_empty: Whether days without an order in the files are meant, too, in the
            stores of which they have one.
        refused: Keys of orders that stay as they are.

    Raises:
        ConfigurationError: The files have no orders, or none of these days.
        DatabaseError: A return that stays brings back an order that would go.
    """
    orders = [t for t in report.tables if t.table == "orders"]
    lines = [t for t in report.tables if t.table == "order_items"]
    if not orders:
        raise ConfigurationError(
            "--replace-days needs a file of orders: it says which orders there are"
        )
    span = {"first": days[0], "last": days[1]}
    make = "import_replaced_span" if with_empty else "import_replaced_days"
    conn.execute(statement(make), span)
    conn.execute(statement("import_going_orders"), {"refused": list(refused)})
    counts = conn.execute(statement("import_replaced_counts"), span).fetchone()
    assert counts is not None  # noqa: S101 - it has one row
    report.replaced_days = ReplacedDays(*days, **counts)
    if not counts["days"]:
        raise ConfigurationError(
            f"the files have no order on the business days {days[0]} to {days[1]}:"
            " nothing was loaded; --replace-empty-days deletes the orders of days"
            " without any in the files"
        )
    if row := conn.execute(statement("import_replaced_returns")).fetchone():
        raise DatabaseError(
            f"the order {row['going']} would go, and the return {row['staying']}"
            " of another day brings it back: load that day as well, or name the"
            " order. Nothing was loaded"
        )
    if lines:
        cursor = conn.execute(statement("import_replace_lines"))
        lines[-1].deleted = cursor.rowcount
    conn.execute(statement("import_defer"))
    orders[-1].deleted = conn.execute(statement("import_replace_orders")).rowcount
