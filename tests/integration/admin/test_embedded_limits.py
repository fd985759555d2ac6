"""The embedded PostgreSQL: reached by its socket, bounded in memory, ended with its users."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import Conninfo

from tests.e2e.stdio_process import poll
from tests.folders import make_folder
from zava.admin.embedded import EmbeddedServer, postgres
from zava.data.provider import PostgreSQLProvider
from zava.errors import MCPError, QueryError

pytestmark = [pytest.mark.thorough, pytest.mark.once]

MEMORY_KB = 256 * 1024
LEVELS = 18
DOUBLED = (
    "WITH "
    + ", ".join(
        ["a0 AS NOT MATERIALIZED (SELECT 1 AS x)"]
        + [
            f"a{n} AS NOT MATERIALIZED (SELECT * FROM a{n - 1} UNION ALL SELECT * FROM a{n - 1})"
            for n in range(1, LEVELS + 1)
        ]
    )
    + f" SELECT count(*) FROM a{LEVELS}"
)
HUNGRY = {
    "doubled-cte": DOUBLED,
    "cells": "SELECT " + ", ".join(f"length(repeat('{c}', 900000000) || '{c}')" for c in "abcdef"),
    "range-agg": "SELECT range_agg(int4range(g * 2, g * 2 + 1)) IS NULL FROM generate_series(1, 20000000) AS g",
    "recursion": "WITH RECURSIVE r AS (SELECT 1 AS n, repeat('x', 1000000) AS s UNION"
    " SELECT n + 1, s || 'x' FROM r WHERE n < 3000) SELECT count(*) FROM r",
    "array-agg": "SELECT array_length(array_agg(repeat('x', 1000)), 1) FROM generate_series(1, 3000000)",
    "nested": "SELECT * FROM " + "(SELECT * FROM " * 300 + "(SELECT 1) AS x" + ") AS x" * 300,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = make_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def server(folder: Path, pg_version: int) -> Iterator[EmbeddedServer]:
    """One whose processes may take a quarter as much: that is sooner taken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "_MEMORY_KB", MEMORY_KB)
        with EmbeddedServer(folder, version=pg_version) as server:
            yield server


def test_a_process_may_take_a_gigabyte(cluster: EmbeddedServer) -> None:
    conninfo = cluster.conninfo(dbname="postgres", user="postgres")
    with psycopg.connect(conninfo) as conn:
        limits = Path(f"/proc/{conn.info.backend_pid}/limits").read_text()
    (line,) = (row for row in limits.splitlines() if row.startswith("Max data size"))
    assert line.split()[3:5] == [str(2**30)] * 2


@pytest.mark.parametrize("name", HUNGRY)
def test_a_query_that_takes_gigabytes_ends_and_nothing_else_does(
    server: EmbeddedServer, name: str
) -> None:
    conninfo = server.conninfo(dbname="postgres", user="postgres")
    with psycopg.connect(conninfo, autocommit=True) as bystander:
        with psycopg.connect(conninfo, autocommit=True) as conn:
            conn.execute("SET statement_timeout = '20s'; SET jit = off")
            states: set[str | None] = set()
            try:
                conn.execute(HUNGRY[name].encode())
            except psycopg.Error as exc:
                states.add(exc.sqlstate)
            assert states <= {None, "53200", "57014", "54000", "54001"}
            assert conn.execute("SELECT 1").fetchone() == (1,)
            status = Path(f"/proc/{conn.info.backend_pid}/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0])
        assert peak < 2 * MEMORY_KB  # shared buffers and code besides
        # Nothing ended: the bystander's session is the one that it was.
        assert bystander.execute("SELECT 1").fetchone() == (1,)


def test_memory_that_is_short_is_said_with_what_to_do() -> None:
    from zava.data.query_errors import translate

    error = translate(psycopg.errors.OutOfMemory("out of memory"), "SELECT 1")
    assert isinstance(error, QueryError)
    assert error.error_code == "OUT_OF_MEMORY"
    assert "fewer" in error.message


@pytest.mark.parametrize(
    "variable",
    sorted(
        {option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar}
        | {"PGSERVICEFILE", "PGSYSCONFDIR"}
    ),
)
def test_no_variable_of_libpq_leads_elsewhere(
    server: EmbeddedServer,
    folder: Path,
    pg_version: int,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, "nowhere")
    with EmbeddedServer(folder, version=pg_version) as again:
        conninfo = again.conninfo(dbname="postgres", user="postgres")
        with psycopg.connect(conninfo) as conn:
            assert conn.info.hostaddr == ""
            assert conn.info.user == "postgres"
    assert variable not in os.environ


KILLED = """
import os, pathlib, signal, sys
from zava.admin.embedded import EmbeddedServer
server = EmbeddedServer(pathlib.Path(sys.argv[1]), version=int(sys.argv[2]))
server.start()
number = getattr(signal, sys.argv[3])
if number != signal.SIGKILL:
    signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore it
os.kill(os.getpid(), number)
"""


@pytest.mark.parametrize("number", ["SIGKILL", "SIGHUP", "SIGTERM"])
def test_postgresql_ends_soon_after_the_last_process_that_used_it_was_killed(
    pg_version: int, number: str
) -> None:
    folder = make_folder()
    try:
        ran = subprocess.run(
            [sys.executable, "-c", KILLED, str(folder), str(pg_version), number],
            check=False,
        )
        assert ran.returncode == -getattr(signal, number)
        record = folder / f"postgresql-{pg_version}" / "postmaster.pid"
        poll(lambda: not record.exists(), "PostgreSQL has ended")
        with EmbeddedServer(folder, version=pg_version) as server:
            conninfo = server.conninfo(dbname="postgres", user="postgres")
            provider = PostgreSQLProvider({"conninfo": conninfo})
            provider.open()
            try:
                assert provider.ping() == ""
            except MCPError as exc:
                pytest.fail(exc.message)
            finally:
                provider.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
