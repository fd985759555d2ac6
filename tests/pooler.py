"""A PgBouncer in transaction mode, where one is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from typing_extensions import Self

from tests.patience import PATIENCE

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

CONFIG = """\
[databases]
{dbname} = host={host} port={port} user={user}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
unix_socket_mode = 0777
logfile = {folder}/log
pidfile =
auth_type = any
auth_file =
pool_mode = transaction
max_client_conn = 200
default_pool_size = {size}
min_pool_size = 0
server_check_delay = 0
"""


class PgBouncer:
    """PgBouncer before a PostgreSQL; a context manager.

    Args:
        target: A connection string with a socket folder as its host, and a user
            and a database. Of these two the pooler makes each server connection.
        size: Server connections at most.
    """

    def __init__(self, target: str, size: int = 20) -> None:
        assert PROGRAM is not None
        given = conninfo_to_dict(target)
        socket_folder = str(given["host"])
        # It refuses to be root, and has to pass the socket's private folder.
        owner = Path(socket_folder).stat().st_uid
        self._folder = Path(tempfile.mkdtemp(prefix="zava-pooler-"))
        os.chown(self._folder, owner, -1)
        self._folder.chmod(0o755)
        config = self._folder / "pgbouncer.ini"
        config.write_text(
            CONFIG.format(
                host=socket_folder,
                port=given["port"],
                dbname=given["dbname"],
                user=given["user"],
                folder=self._folder,
                size=size,
            ),
            "utf-8",
        )
        user = None if owner == os.getuid() else pwd.getpwuid(owner).pw_name
        self._process = subprocess.Popen(
            [PROGRAM, "-q", str(config)],
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.conninfo = make_conninfo(target, host=str(self._folder), port="6432")

    def __enter__(self) -> Self:
        deadline, pause = time.monotonic() + PATIENCE, threading.Event()
        while True:
            try:
                psycopg.connect(self.conninfo).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
                pause.wait(0.02)
            else:
                return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        shutil.rmtree(self._folder)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def log(self) -> str:
        """What it says of itself."""
        try:
            return (self._folder / "log").read_text("utf-8")
        except FileNotFoundError:
            return "no log"
