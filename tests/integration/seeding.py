"""The seed's files, how a test loads them, and how it reads what came of it."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.conftest import ROOT, RunPsql

Owner = psycopg.Connection

SEED = ROOT / "seed"
SCHEMA_SQL = str(ROOT / "schema.sql")
SEED_SQL = str(SEED / "seed.sql")
TABLES = [
    "stores", "regional_managers", "regional_manager_stores", "categories", "product_types",
    "products", "customers", "orders", "order_items", "inventory",
]  # fmt: skip


def rows(conn: Owner, query: str) -> list[tuple[Any, ...]]:
    return conn.execute(query.encode()).fetchall()


def value(conn: Owner, query: str) -> Any:
    [(only,)] = rows(conn, query)
    return only


def load_schema(run_psql: RunPsql, conninfo: str) -> None:
    loaded = run_psql(conninfo, "-q", "-v", "ON_ERROR_STOP=1", "-f", SCHEMA_SQL)
    assert loaded.returncode == 0, loaded.stderr


def load_seed(run_psql: RunPsql, conninfo: str, *variables: str) -> None:
    loaded = run_psql(conninfo, *variables, "-f", SEED_SQL)
    assert loaded.returncode == 0, loaded.stderr
