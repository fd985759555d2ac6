"""The transaction of one call, sent three ways: what the pipeline is worth."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import psycopg

from bench.figures import Figures
from bench.measures import SEATTLE
from zava.data.identity import IdentityResolver
from zava.data.pipeline import exchange
from zava.data.transaction import Query, run_queries
from zava.models import Identity

GROUP = "One transaction, from Python, without MCP"

Connection = psycopg.Connection[Any]


def measure_transaction(conninfo: str, figures: Figures, times: int) -> None:
    """Measure `select 1` with and without the transaction around it, one run."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        identity = IdentityResolver(lambda ask, _retries: ask(conn)).resolve(SEATTLE, 1)
        for name, run in _ways(conn, identity).items():
            for _ in range(50):
                run()
            seconds = []
            for _ in range(times):
                started = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - started)
            figures.add(GROUP, name, "p50", "ms", 1000 * statistics.median(seconds))


def _ways(conn: Connection, identity: Identity) -> dict[str, Callable[[], Any]]:
    statements = [
        "BEGIN READ ONLY",
        f"SET LOCAL app.current_rls_user_id = '{identity.user_id}'",
        f"SET LOCAL app.current_rls_seal = '{identity.seal}'",
        f"SET LOCAL ROLE {identity.role_name}",
        "DECLARE zava0 NO SCROLL CURSOR FOR select 1",
        "FETCH FORWARD 21 FROM zava0",
        "ROLLBACK",
    ]

    def step_by_step() -> None:
        for text in statements:
            conn.execute(text.encode(), prepare=True)

    def psycopg_pipeline() -> None:
        with conn.pipeline():
            for text in statements:
                conn.execute(text.encode(), prepare=True)

    return {
        "only `select 1`, no transaction": lambda: exchange(conn, [b"select 1"]),
        "step by step": step_by_step,
        "psycopg's pipeline": psycopg_pipeline,
        "zava's pipeline": lambda: run_queries(conn, [Query("select 1")], identity, 21),
    }
