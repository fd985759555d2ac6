"""Queries that PostgreSQL cannot end, or that take gigabytes: what they cost others.

    python -m bench.costly_queries stuck
    python -m bench.costly_queries hungry

Each is sent to a server with a pool of two connections and a timeout of two seconds.
Said are what its caller is answered and when; how long the next call of somebody else
waits meanwhile; what the health check says; and whether the PostgreSQL, the embedded
one, is still the same afterwards.
"""

from __future__ import annotations

import argparse
import re
import sys
import threading
import time
from typing import Any

import psycopg

from bench.client import BenchClient
from bench.loaded_database import loaded_database, server_login
from bench.measures import SEATTLE

TOOL = "execute_sales_query"
_POLYGON = "polygon(3000, circle '<(0,0),{}>')"
STUCK = {
    "translate": "SELECT length(translate(repeat('x', 60000), repeat('y', 60000), ''))",
    "btrim": "SELECT length(btrim(repeat('x', 60000), repeat('y', 60000) || 'x'))",
    "rtrim": "SELECT length(rtrim(repeat('x', 60000), repeat('y', 60000) || 'x'))",
    "ltrim": "SELECT length(ltrim(repeat('x', 60000), repeat('y', 60000) || 'x'))",
    "normalize": "SELECT length(normalize('a' || repeat(U&'\\0301', 15000) || repeat(U&'\\0316', 15000), NFD))",
    "is normalized": "SELECT ('a' || repeat(U&'\\0301', 15000) || repeat(U&'\\0316', 15000)) IS NFC NORMALIZED",
    "jsonb - text[]": "SELECT ((SELECT jsonb_object_agg('k' || g, g) FROM generate_series(1, 200000) AS g)"
    " - (SELECT array_agg('k' || g) FROM generate_series(1, 8000) AS g)) IS NULL",
    "path <-> path": f"SELECT path({_POLYGON.format(1)}) <-> path({_POLYGON.format(2)})",
    "polygon &&": f"SELECT {_POLYGON.format(1)} && {_POLYGON.format(2)}",
    "polygon ~=": f"SELECT {_POLYGON.format(1)} ~= {_POLYGON.format(2)}",
    "generate_series": "SELECT count(*) FROM generate_series(1, 100000000000)",
}
_LEVELS = ", ".join(
    f"a{n} AS NOT MATERIALIZED (SELECT * FROM a{n - 1} UNION ALL SELECT * FROM a{n - 1})"
    for n in range(1, 19)
)
_DOUBLED = (
    f"WITH a0 AS NOT MATERIALIZED (SELECT 1 AS x), {_LEVELS} SELECT count(*) FROM "
)
HUNGRY = {
    "18 doublings": _DOUBLED + "a18",
    "18 doublings, joined": _DOUBLED.replace("count(*)", "a.x") + "a9 AS a, a9 AS b LIMIT 1",
    "1,500 subselects": "SELECT * FROM " + "(SELECT * FROM " * 1500 + "(SELECT 1) AS x" + ") AS x" * 1500,
    "six cells": "SELECT " + ", ".join(f"length(repeat('{c}', 900000000) || '{c}')" for c in "abcdef"),
    "four cells as rows": "SELECT repeat('a', 250000000), repeat('b', 250000000), repeat('c', 250000000), repeat('d', 250000000)",
    "range_agg": "SELECT range_agg(int4range(g * 2, g * 2 + 1)) IS NULL FROM generate_series(1, 20000000) AS g",
    "recursion": "WITH RECURSIVE r AS (SELECT 1 AS n, repeat('x', 1000000) AS s UNION SELECT n + 1, s || 'x' FROM r) SELECT count(*) FROM r",
    "array_agg": "SELECT array_length(array_agg(repeat('x', 1000)), 1) FROM generate_series(1, 3000000)",
    "string_agg": "SELECT length(string_agg(repeat('x', 1000), '')) FROM generate_series(1, 3000000)",
    "jsonb_agg": "SELECT jsonb_array_length(jsonb_agg(g)) FROM generate_series(1, 60000000) AS g",
    "json_object_agg": "SELECT length(json_object_agg(g, repeat('x', 100))::text) FROM generate_series(1, 20000000) AS g",
    "distinct array_agg": "SELECT array_length(array_agg(DISTINCT g), 1) FROM generate_series(1, 200000000) AS g",
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=("stuck", "hungry"))
    kind = parser.parse_args().kind
    queries = STUCK if kind == "stuck" else HUNGRY
    with loaded_database(0.001) as server:
        admin = psycopg.connect(
            server.conninfo(dbname="postgres", user="postgres"), autocommit=True
        )
        started = _start_time(admin)
        print("| query | answer | after, s | others waited, s | health |")
        print("|---|---|---|---|---|")
        for name, query in queries.items():
            print(f"| {name} | {_try(server_login(server), query)} |", flush=True)
        same = _start_time(admin) == started
        admin.close()
    print("the same PostgreSQL throughout" if same else "PostgreSQL was restarted")
    return 0 if same else 1


def _start_time(conn: psycopg.Connection) -> Any:
    return conn.execute("SELECT pg_postmaster_start_time()").fetchone()


def _try(conninfo: str, query: str) -> str:
    environment = {
        "ZAVA_DATABASE_URL": conninfo,
        "ZAVA_STATEMENT_TIMEOUT": "2",
        "ZAVA_POOL_MAX_SIZE": "2",
        "ZAVA_LOG_LEVEL": "ERROR",
        "ZAVA_LOG_FILE": "none",
    }
    command = f"{sys.executable} -m zava serve --user {SEATTLE}"
    with (
        BenchClient(command, environment) as client,
        BenchClient(command, environment) as other,
    ):
        answers: list[tuple[str, float]] = []
        costly = threading.Thread(target=lambda: answers.append(_ask(client, query)))
        costly.start()
        waits = []
        while costly.is_alive():
            waits.append(_ask(other, f"SELECT {time.perf_counter_ns()}")[1])
            time.sleep(0.05)
        (code, seconds), (after, _) = answers[0], _ask(client, "SELECT 1")
        health = client.call("health_check", {})["structuredContent"]["database"]
    assert after in ("ok", "BUSY"), after
    return f"{code} | {seconds:.1f} | {max(waits, default=0):.2f} | {health}"


def _ask(client: BenchClient, query: str) -> tuple[str, float]:
    started = time.perf_counter()
    try:
        client.call(TOOL, {"postgresql_query": query, "fresh": True})
        code = "ok"
    except RuntimeError as exc:
        # The text of an error begins with its code in brackets.
        code = re.search(r'"\[([A-Z_]+)\]', str(exc))[1]  # type: ignore[index]
    return code, time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
