"""Refreshes the sales totals: what was written since is added to what is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg

from zava.admin.loading import DatabaseLoader, become_loader, loading_role
from zava.admin.psql import OnStep
from zava.data.statements import statement
from zava.errors import DatabaseError


@dataclass(frozen=True)
class RefreshSummary:
    """What a refresh has done.

    Attributes:
        days: Days of stores that were computed again.
        recommendations: Whether pairs and segments were counted again.
        seconds: How long it took.
    """

    days: int
    recommendations: bool
    seconds: float


def refresh_totals(
    loader: DatabaseLoader,
    on_step: OnStep,
    *,
    recommendations: bool = False,
) -> RefreshSummary:
    """Refresh the totals, and what is recommended if it is older than a day.

    Readers and writers wait for nothing meanwhile. A refresh that fails leaves
    everything as it was.

    Args:
        loader: The administrator's connection.
        on_step: Told of each step.
        recommendations: Count pairs and segments again, however new they are.

    Raises:
        ConfigurationError: The database cannot be reached, or has no schema.
        DatabaseError: Another refresh has been at work for a minute.
    """
    started = time.monotonic()
    with loader.connection() as conn:
        loader.check_schema()
        role = loading_role(conn)
        try:
            # No snapshot before the locks.
            conn.execute(statement("begin_refresh"))
            become_loader(conn, role)
            for name in ("limit_refresh_lock", "lock_sales", "lock_refreshes"):
                conn.execute(statement(name))
        except psycopg.errors.LockNotAvailable as exc:
            raise DatabaseError(
                "another refresh, or whoever empties a table, has been at work for a"
                " minute: let it end; readers get exact figures meanwhile"
            ) from exc
        due = conn.execute(statement("refresh_due")).fetchone()
        assert due is not None  # noqa: S101 - one row of two counts
        counts_again = recommendations or bool(due["recommendations"])
        steps = 2 if counts_again else 1
        on_step(1, steps, f"{due['days']} days of stores")
        conn.execute(statement("refresh_sales_totals"))
        if counts_again:
            on_step(2, steps, "products bought together")
            conn.execute(statement("refresh_recommendations"))
        conn.execute(statement("commit_refresh"))
    return RefreshSummary(due["days"], counts_again, time.monotonic() - started)
