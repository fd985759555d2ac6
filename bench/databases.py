"""A PostgreSQL of the benchmarks' own, with the seed at one scale or several."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from zava.admin.embedded import EmbeddedServer, find_binary

ROOT = Path(__file__).parent.parent
VERSION = 18
AS_OF = "2026-06-30"
# Durability as PostgreSQL comes; room as on a machine with a few GB to spare.
OPTIONS = {"shared_buffers": "512MB", "max_wal_size": "8GB"}


# An address of this process's own: other servers may use the port of the usual one.
HOST = (
    f"127.{os.getpid() >> 16 & 255}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
)


class _Listening(EmbeddedServer):
    """One that listens on loopback as well: not every peer takes a socket's folder."""

    def _pg_ctl(self, action: str, *args: str, **how: Any) -> int:
        if action == "start":
            *others, options = args
            args = (*others, f"{options} -c listen_addresses={HOST}")
        return super()._pg_ctl(action, *args, **how)

    def conninfo(self, *, dbname: str, user: str) -> str:
        """How libpq reaches the server, the same way for zava and its peers."""
        conninfo = super().conninfo(dbname=dbname, user=user)
        return make_conninfo(conninfo, host=HOST)


@contextmanager
def running_cluster() -> Iterator[EmbeddedServer]:
    """Start a cluster in a temporary folder, and remove both in the end."""
    # Not in a private folder: as root the server's user could not enter that.
    folder = Path(tempfile.mkdtemp(prefix="zava-bench-"))
    folder.chmod(0o755)
    try:
        with _Listening(folder, version=VERSION, options=OPTIONS) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database_name(scale: float) -> str:
    return "scale_" + f"{scale:g}".replace(".", "_")


def seed_database(server: EmbeddedServer, scale: float) -> float:
    """Make the database of a scale; return the seconds that the whole seed took."""
    return seed(admin_conninfo(server, database_name(scale)), scale)


def seed(conninfo: str, scale: float, source: Path = ROOT) -> float:
    """Make a database of a folder's schema and seed; return the seconds of both."""
    name = conninfo_to_dict(conninfo)["dbname"]
    maintenance = make_conninfo(conninfo, dbname="postgres")
    with psycopg.connect(maintenance, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    started = time.perf_counter()
    subprocess.run(
        [
            str(find_binary("psql", VERSION)),
            *("-X", "-q", "-d", conninfo, "-o", "/dev/null"),
            *(
                "-v",
                "ON_ERROR_STOP=1",
                "-v",
                f"scale={scale:g}",
                "-v",
                f"as_of={AS_OF}",
            ),
            *("-f", "schema.sql", "-f", "seed/seed.sql"),
        ],
        cwd=source,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - started
    with psycopg.connect(conninfo, autocommit=True) as conn:
        # What autovacuum would do in a while, and would disturb the measurement.
        conn.execute("VACUUM (ANALYZE)")
        conn.execute("CHECKPOINT")
    return seconds


def embed_products(server: EmbeddedServer, scale: float) -> None:
    """Make the vectors of the products, with the model that comes as a package."""
    admin = admin_conninfo(server, database_name(scale))
    command = [sys.executable, "-m", "zava", "embed", "--admin-url", admin]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def count_orders(server: EmbeddedServer, scale: float) -> int:
    with psycopg.connect(admin_conninfo(server, database_name(scale))) as conn:
        row = conn.execute("SELECT count(*) FROM retail.orders").fetchone()
    assert row is not None
    return int(row[0])


def admin_conninfo(server: EmbeddedServer, database: str) -> str:
    return server.conninfo(dbname=database, user="postgres")


def zava_conninfo(server: EmbeddedServer, scale: float) -> str:
    return server.conninfo(dbname=database_name(scale), user="zava_server")
