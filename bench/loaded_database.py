"""A PostgreSQL of the benchmark's own, with schema and seed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from zava.admin.embedded import EmbeddedServer, find_binary

ROOT = Path(__file__).parent.parent
DATABASE = "bench"


@contextmanager
def loaded_database(scale: float = 0.02, version: int = 18) -> Iterator[EmbeddedServer]:
    """Start a server, load `bench` and yield the server; it leaves nothing behind."""
    # Not in a private folder: as root the server's user could not enter that.
    folder = Path(tempfile.mkdtemp(prefix="zava-bench-"))
    folder.chmod(0o755)
    try:
        with EmbeddedServer(folder, version=version) as server:
            admin = server.conninfo(dbname="postgres", user="postgres")
            with psycopg.connect(admin, autocommit=True) as conn:
                conn.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
            target = server.conninfo(dbname=DATABASE, user="postgres")
            variables = ("-v", "ON_ERROR_STOP=1", "-v", f"scale={scale}")
            files = ("-f", "schema.sql", "-f", "seed/seed.sql")
            psql = str(find_binary("psql", version))
            command = [psql, "-X", "-q", "-d", target, *variables, *files]
            subprocess.run(command, cwd=ROOT, check=True)
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def server_login(server: EmbeddedServer) -> str:
    """The connection string of zava's login."""
    return server.conninfo(dbname=DATABASE, user="zava_server")
