"""A primary with streaming standbys, made from the embedded binaries."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.conftest import AS_OF, PG_VERSION
from zava.admin.embedded import EmbeddedServer, find_binary
from zava.admin.embedded.installation import service_account
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
    """A running server of a group.

    Args:
        server: Started.
    """

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server

    def conninfo(self, user: str = "postgres", dbname: str = DATABASE) -> str:
        """How libpq reaches it."""
        return self._server.conninfo(dbname=dbname, user=user)

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
        """Stop it."""
        self._server.stop()


class Replicas:
    """A primary with a seeded database `chain`, and its standbys.

    Args:
        count: Standbys.

    Attributes:
        primary: The primary.
        standbys: In the order in which they were made.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._ended = ExitStack()
        self.primary: Server
        self.standbys: list[Server] = []

    def __enter__(self) -> Replicas:
        with ExitStack() as stack:
            home = Path(stack.enter_context(_folder()))
            self.primary = self._start(stack, home / "primary", {})
            loader = DatabaseLoader(self.primary.conninfo(dbname="postgres"))
            loader.create_database(DATABASE)
            loader = DatabaseLoader(self.primary.conninfo())
            loader.load_schema()
            loader.load_seed(_SCALE, AS_OF, lambda *_: None)
            for number in range(self._count):
                folder = home / f"standby{number}"
                self._copy(folder)
                self.standbys.append(self._start(stack, folder, {}))
            self._ended = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.close()

    def _start(
        self, stack: ExitStack, folder: Path, options: Mapping[str, str]
    ) -> Server:
        folder.mkdir(mode=0o755, exist_ok=True)
        made = EmbeddedServer(
            folder, version=PG_VERSION, options={**_OPTIONS, **options}
        )
        return Server(stack.enter_context(made))

    def _copy(self, folder: Path) -> None:
        folder.mkdir(mode=0o755)
        cluster = folder / f"postgresql-{PG_VERSION}"
        subprocess.run(
            (
                find_binary("pg_basebackup", PG_VERSION),
                *("-d", self.primary.conninfo(dbname="postgres"), "-D", cluster),
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


def wait_until(conn: psycopg.Connection, text: str, *values: object) -> None:
    """Wait in the database until a condition holds, at most 20 seconds."""
    for _ in range(1000):
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


@contextmanager
def paused(standby: Server) -> Iterator[None]:
    """Let a standby replay nothing within the block."""
    with standby.connection() as conn:
        conn.execute("SELECT pg_wal_replay_pause()")
        wait_until(conn, "SELECT pg_get_wal_replay_pause_state() = 'paused'")
        try:
            yield
        finally:
            conn.execute("SELECT pg_wal_replay_resume()")


def wait_for_receipt(replicas: Replicas, standby: Server) -> None:
    """Wait until a standby that replays nothing has received all the same."""
    written = replicas.written()
    with standby.connection() as conn:
        wait_until(conn, "SELECT pg_last_wal_receive_lsn() >= %s", written)


@contextmanager
def _folder() -> Iterator[str]:
    in_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    folder = tempfile.mkdtemp(prefix="zava-test-", dir=in_memory)
    Path(folder).chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
