"""A primary with streaming standbys, made from the embedded binaries."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.conftest import AS_OF, PG_VERSION
from tests.folders import make_folder
from tests.patience import PATIENCE
from zava.admin.embedded import EmbeddedServer, find_binary
from zava.admin.embedded.installation import service_account
from zava.admin.embedded.watcher import server_of
from zava.admin.loading import DatabaseLoader

DATABASE = "chain"
_SCALE = 0.002
_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    # A standby asks a silent primary for a message twice in this time.
    "wal_receiver_timeout": "1s",
    "wal_retrieve_retry_interval": "100ms",
    "max_standby_streaming_delay": "1s",
}


class Server:
    """A server of a group, which can go away and come back.

    Args:
        server: Started.
        cluster: Its data folder.
    """

    def __init__(self, server: EmbeddedServer, cluster: Path) -> None:
        self._server = server
        self._conninfo = server.conninfo(dbname=DATABASE, user="postgres")
        self.cluster = cluster

    def conninfo(self, user: str = "postgres", dbname: str = DATABASE) -> str:
        """How libpq reaches it, also while it is down."""
        return make_conninfo(self._conninfo, dbname=dbname, user=user)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """Yield a superuser's connection."""
        with psycopg.connect(self.conninfo(), autocommit=True) as conn:
            yield conn

    def run(self, text: str, *values: object) -> None:
        """Run a statement as a superuser."""
        with self.connection() as conn:
            conn.execute(text.encode(), values or None)

    def ask(self, text: str, *values: object) -> object:
        """Return the first value of a query of a superuser's."""
        with self.connection() as conn:
            row = conn.execute(text.encode(), values or None).fetchone()
        return row[0] if row else None

    def alter(self, **settings: str) -> None:
        """Set server settings that need no restart."""
        with self.connection() as conn:
            for name, value in settings.items():
                literal = sql.Literal(value).as_string()
                conn.execute(f"ALTER SYSTEM SET {name} = {literal}".encode())
            conn.execute("SELECT pg_reload_conf()")

    def stop(self) -> None:
        """Stop it; its walsenders first send what the standbys lack."""
        self._server.stop()

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it without warning.

        Args:
            how: SIGQUIT stops it as `pg_ctl stop -m immediate` does.
        """
        process = server_of(str(self.cluster))
        assert process is not None
        os.kill(process, how)
        while server_of(str(self.cluster)) is not None:
            time.sleep(0.01)
        self._server.stop()

    def start(self) -> None:
        """Start it again, as what it was or as the standby that it has become."""
        self._server.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let a standby receive and not replay."""
        with self.connection() as conn:
            conn.execute("SELECT pg_wal_replay_pause()")
            wait_until(conn, "SELECT pg_get_wal_replay_pause_state() = 'paused'")
        try:
            yield
        finally:
            self.resume()

    def resume(self) -> None:
        """Let a standby go on replaying, if it was paused."""
        # What it replays next may cancel the very statement that let it go on.
        with suppress(psycopg.errors.SerializationFailure):
            self.run("SELECT pg_wal_replay_resume()")

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Let a standby receive nothing."""
        upstream = str(self.ask("SHOW primary_conninfo"))
        self.alter(primary_conninfo="host=/nonexistent")
        self.wait_until("SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
        try:
            yield
        finally:
            self.alter(primary_conninfo=upstream)

    def wait_until(self, text: str, *values: object) -> None:
        """Wait until a condition holds there; see `wait_until`."""
        with self.connection() as conn:
            wait_until(conn, text, *values)


class Replicas:
    """A primary with a seeded database `chain`, and its standbys.

    Args:
        count: Standbys.
        version: The major version of PostgreSQL.
        scale: Of the seed.

    Attributes:
        primary: The primary.
        standbys: In the order in which they were made.
    """

    def __init__(
        self, count: int, version: int = PG_VERSION, *, scale: float = _SCALE
    ) -> None:
        self._count = count
        self._version = version
        self._scale = scale
        self._ended = ExitStack()
        self.primary: Server
        self.standbys: list[Server] = []

    def __enter__(self) -> Replicas:
        with ExitStack() as stack:
            home = stack.enter_context(_folder())
            self.primary = self._start(stack, home / "primary")
            loader = DatabaseLoader(self.primary.conninfo(dbname="postgres"))
            loader.create_database(DATABASE)
            loader = DatabaseLoader(self.primary.conninfo())
            loader.load_schema()
            loader.load_seed(self._scale, AS_OF, lambda *_: None)
            for number in range(self._count):
                folder = home / f"standby{number}"
                folder.mkdir(mode=0o755)
                self._copy(self._cluster_in(folder))
                self.standbys.append(self._start(stack, folder))
            self._ended = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.close()

    def promote(self, standby: Server) -> None:
        """Make a standby the primary; the others follow it, the old primary is out."""
        standby.run("SELECT pg_promote()")
        self.standbys.remove(standby)
        self.primary = standby
        for other in self.standbys:
            other.alter(primary_conninfo=standby.conninfo(dbname="postgres"))

    def rejoin(self, server: Server) -> None:
        """Start a server that is out as a standby, from a new copy of the primary."""
        shutil.rmtree(server.cluster)
        self._copy(server.cluster)
        server.start()
        self.standbys.append(server)

    def _cluster_in(self, folder: Path) -> Path:
        return folder / f"postgresql-{self._version}"

    def _start(self, stack: ExitStack, folder: Path) -> Server:
        folder.mkdir(mode=0o755, exist_ok=True)
        made = EmbeddedServer(folder, version=self._version, options=_OPTIONS)
        return Server(stack.enter_context(made), self._cluster_in(folder))

    def _copy(self, cluster: Path) -> None:
        copy_cluster(self.primary.conninfo(dbname="postgres"), cluster, self._version)

    def several(self, *servers: Server, user: str, **parts: str) -> str:
        """Return one connection string that names several servers."""
        known = [conninfo_to_dict(server.conninfo()) for server in servers]
        return make_conninfo(
            host=",".join(str(one["host"]) for one in known),
            port=",".join(str(one["port"]) for one in known),
            dbname=DATABASE,
            user=user,
            **parts,
        )

    def catch_up(self) -> None:
        """Wait until the standbys have replayed what the primary has written."""
        written = self.written()
        for standby in self.standbys:
            with standby.connection() as conn:
                wait_until(conn, "SELECT pg_last_wal_replay_lsn() >= %s", written)

    def written(self) -> object:
        """Return a position that every standby comes to: it is flushed.

        What the primary writes on behalf of readers may lie there for 15 seconds.
        """
        return self.primary.ask("SELECT pg_logical_emit_message(true, 'test', '')")


def copy_cluster(conninfo: str, cluster: Path, version: int = PG_VERSION) -> None:
    """Make a standby's data folder from a running server."""
    subprocess.run(
        (
            find_binary("pg_basebackup", version),
            *("-d", conninfo, "-D", cluster),
            *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
        ),
        check=True,
        timeout=120,
        capture_output=True,
    )
    # The socket lies in the cluster, and its lock was copied with it.
    for lock in cluster.glob(".s.PGSQL.*"):
        lock.unlink()
    account = service_account()
    if account is not None:
        for path in (cluster, *cluster.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def wait_until(conn: psycopg.Connection, text: str, *values: object) -> None:
    """Wait in the database until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        # A standby may cancel any query.
        with suppress(psycopg.errors.SerializationFailure):
            row = conn.execute(text.encode(), values or None).fetchone()
            if row and row[0]:
                return
            conn.execute("SELECT pg_sleep(0.02)")
    raise AssertionError(f"it did not come true: {text}")


def change(primary: Server) -> datetime:
    """Change something on the primary; return when the change was committed."""
    primary.run("UPDATE retail.stores SET updated_at = clock_timestamp()")
    committed = primary.ask("SELECT clock_timestamp()")
    assert isinstance(committed, datetime)
    return committed


def wait_for_receipt(replicas: Replicas, standby: Server) -> None:
    """Wait until a standby that replays nothing has received all the same."""
    written = replicas.written()
    with standby.connection() as conn:
        wait_until(conn, "SELECT pg_last_wal_receive_lsn() >= %s", written)


@contextmanager
def standby_of(primary: EmbeddedServer) -> Iterator[EmbeddedServer]:
    """Start a standby of a server that runs, and wait until it streams."""
    with _folder() as folder:
        cluster = folder / f"postgresql-{PG_VERSION}"
        copy_cluster(primary.conninfo(dbname="postgres", user="postgres"), cluster)
        with EmbeddedServer(folder, version=PG_VERSION, options=_OPTIONS) as server:
            conninfo = server.conninfo(dbname="postgres", user="postgres")
            with psycopg.connect(conninfo, autocommit=True) as conn:
                wait_until(conn, "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)")
            yield server


@contextmanager
def _folder() -> Iterator[Path]:
    folder = make_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
