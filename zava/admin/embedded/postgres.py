"""The server itself: started for its first user, stopped after its last."""

from __future__ import annotations

import os
import re
import shlex
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loguru import logger
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from zava.admin.embedded.data_folder import DataFolder, unusable
from zava.admin.embedded.installation import DEFAULT_VERSION
from zava.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_PORT: Final = "5432"  # names the socket's file; nothing listens on TCP
_SOCKET: Final = f".s.PGSQL.{_PORT}"
_SOCKET_PATH_BYTES: Final = 103  # what fits into sockaddr_un everywhere
_PATIENCE: Final = 60  # seconds
_WAIT: Final = ("-w", "-t", str(_PATIENCE))
_STOP_SECONDS: Final = "10"
_MEMORY_KB: Final = 1024 * 1024
_ACCEPTING, _SILENT = 0, 2  # pg_isready; 1 is starting up or shutting down

# Text sorts by code point, the same on every machine, whatever its C library.
# 18 brings the rules of C.UTF-8 itself; on 16 upper() and ILIKE know ASCII only.
_LOCALE: Final = {
    16: ("--no-locale",),
    18: ("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
}


class EmbeddedServer:
    """One process's share of a PostgreSQL server that starts on demand.

    Not for use by several threads at a time.

    Args:
        data_dir: The data folder; created when missing.
        version: The major version; each has a cluster of its own in the folder.
        options: Server settings, used if it is this process that starts it.

    Raises:
        ConfigurationError: No such version, or not on this system.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        version: int = DEFAULT_VERSION,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._version = version
        self._options = dict(options or {})
        self._folder = DataFolder(data_dir, version)
        self._cluster = self._folder.cluster
        self._socket_folder: Path | None = None

    @property
    def is_initialised(self) -> bool:
        """Whether the data folder has a cluster of this version."""
        return self._folder.has_cluster

    def start(self) -> None:
        """Make sure that the server runs, and hold a share of it.

        Raises:
            ConfigurationError: The folder or the system user is not usable.
            UnavailableError: The server did not start.
        """
        _forget_libpq_variables()
        try:
            self._folder.prepare()
            with self._folder.turn():
                self._folder.take_share()
                try:
                    self._bring_up()
                except BaseException:
                    self._leave()
                    raise
        except OSError as exc:
            logger.opt(exception=exc).error("the data folder is not usable")
            raise unusable(exc.strerror or "input/output error") from exc

    def stop(self) -> None:
        """Give up the share; whoever gives up the last one stops the server."""
        if not self._folder.has_share:
            return
        try:
            with self._folder.turn():
                self._leave()
        except FileNotFoundError:  # the folder is gone, which ends PostgreSQL too
            logger.warning("the embedded PostgreSQL's folder was removed")
            self._folder.drop_share()

    def conninfo(self, *, dbname: str, user: str) -> str:
        """How libpq reaches the server.

        Raises:
            UnavailableError: It was not started.
        """
        if not self._folder.has_share:
            raise UnavailableError("the embedded PostgreSQL was not started")
        return make_conninfo(
            host=str(self._socket_folder), port=_PORT, user=user, dbname=dbname
        )

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # Always within a turn.

    def _leave(self) -> None:
        try:
            if self._folder.has_last_share():
                self._shut_down()
            else:
                logger.debug("others still use the embedded PostgreSQL")
        finally:
            self._folder.drop_share()

    def _bring_up(self) -> None:
        self._folder.mark_log()
        self._folder.remove_leftovers()
        self._folder.make_reachable()
        if not self._cluster.exists():
            self._create_cluster()
        if self._cluster.stat().st_uid != self._folder.uid:
            raise unusable("its cluster belongs to another user")
        self._socket_folder = self._find_socket_folder()
        deadline = time.monotonic() + _PATIENCE
        while (state := self._probe()) != _ACCEPTING:
            if time.monotonic() > deadline:
                raise self._failure()
            # One that is alive and silent was launched by a killed process.
            if state == _SILENT and not self._is_alive():
                self._launch()
            else:
                time.sleep(0.05)

    def _create_cluster(self) -> None:
        with self._folder.workshop(self._cluster.name) as folder:
            # No passwords: whoever can enter the socket's folder may connect,
            # and that is its owner (and root) alone.
            code = self._folder.run(
                *("initdb", "-D", "cluster", "--username=postgres", "--auth=trust"),
                *("--encoding=UTF8", *_LOCALE[self._version], "--data-checksums"),
                "--no-instructions",
                cwd=folder,
                logged=True,
            )
            if code != 0:
                raise self._failure()
            os.rename(folder / "cluster", self._cluster)

    def _launch(self) -> None:
        self._folder.turn_over_log()
        self._folder.remove_old_copies()
        folder = str(self._socket_folder).replace('"', '""')
        settings = {
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self._options,
            "listen_addresses": "",
            "port": _PORT,
            "unix_socket_directories": f'"{folder}"',
            "unix_socket_permissions": "0700",
        }
        words = [w for item in settings.items() for w in ("-c", "=".join(item))]
        options = shlex.join(words)  # pg_ctl hands them to a shell
        # Each of its processes may take so much memory of its own, and no more: one
        # query that takes it all ends with an error, and nothing else ends.
        limit = ("/bin/sh", "-c", f'ulimit -d {_MEMORY_KB}; exec "$0" "$@"')
        code = self._pg_ctl("start", *_WAIT, "-o", options, logged=True, before=limit)
        if code == 0 or self._is_alive():
            self._folder.watch()
            return
        # A killed server's backends first finish what they are at, which takes
        # seconds; until then the new one refuses its shared memory.
        if "is still in use" not in self._folder.said():
            raise self._failure()
        time.sleep(0.5)

    def _shut_down(self) -> None:
        # Fast waits for a function that looks for no cancellation, at once does not.
        stops = (
            ("-t", _STOP_SECONDS, "-m", "fast"),
            ("-t", _STOP_SECONDS, "-m", "immediate"),
        )
        if self._is_alive() and all(
            self._pg_ctl("stop", "-w", *how, logged=True) != 0 for how in stops
        ):
            logger.error("the embedded PostgreSQL {} did not stop", self._version)
        elif self._socket_folder not in (None, self._cluster):
            with suppress(OSError):
                os.rmdir(str(self._socket_folder))

    def _probe(self) -> int:
        target = ("-h", str(self._socket_folder), "-p", _PORT, "-U", "postgres")
        return self._folder.run("pg_isready", "-q", "-d", "postgres", *target)

    def _is_alive(self) -> bool:
        """Whether the recorded process lives and is a PostgreSQL.

        After a power loss, and in a container that was started anew, its number
        may belong to a stranger; the server would not start, and stopping it
        would hit the stranger. Such a record is removed.
        """
        pid = self._recorded(1)
        with suppress(OSError):  # has ended, or there is no /proc: pg_ctl knows
            facts = Path("/proc", pid, "stat").read_bytes()
            if not re.match(rb"\d+ \(postgres\) [^ZX]", facts):  # nor a zombie
                self._cluster.joinpath("postmaster.pid").unlink()
                Path(str(self._socket_folder), f"{_SOCKET}.lock").unlink()
        return self._recorded(1) != "" and self._pg_ctl("status") == 0

    def _recorded(self, line: int) -> str:
        """A line of postmaster.pid: 1 the process, 5 the socket's folder."""
        try:
            text = self._cluster.joinpath("postmaster.pid").read_bytes()
        except FileNotFoundError:
            return ""
        return os.fsdecode(dict(enumerate(text.splitlines(), 1)).get(line, b""))

    def _find_socket_folder(self) -> Path:
        """The cluster, or where that is no good a private folder in /tmp."""
        path = self._cluster / _SOCKET
        # libpq takes a comma for the start of another host.
        if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES and "," not in str(path):
            return self._cluster
        with suppress(OSError):
            recorded = Path(self._recorded(5))
            facts = recorded.lstat()
            private = stat.S_ISDIR(facts.st_mode) and not facts.st_mode & 0o077
            if private and facts.st_uid == self._folder.uid and recorded.is_absolute():
                return recorded
        folder = tempfile.mkdtemp(prefix="zava-", dir="/tmp")
        return self._folder.hand_over(Path(folder))

    def _pg_ctl(
        self,
        action: str,
        *args: str,
        logged: bool = False,
        before: tuple[str, ...] = (),
    ) -> int:
        # Relative, because pg_ctl does not quote the path for its shell.
        argv = ("pg_ctl", action, "-D", ".", "-s", *args)
        return self._folder.run(*argv, cwd=self._cluster, logged=logged, before=before)

    def _failure(self) -> UnavailableError:
        text = self._folder.said()
        logger.error("embedded PostgreSQL {}: {}", self._version, text.strip())
        told = re.findall(r"(?:PANIC|FATAL|ERROR): +.+|\berror\b.+", text)
        last = (text.strip().splitlines() or ["its log gives no reason"])[-1]
        reason = told[-1] if told else last
        reason = re.sub(r'"[^"]*/[^"]*"|\S*/\S*', "(path)", reason)
        what = f"the embedded PostgreSQL {self._version} did not start: {reason}"
        return UnavailableError(f"{what}; mend that, or set another ZAVA_DATA_DIR")


def _forget_libpq_variables() -> None:
    """Let nothing but our own words say where the server is.

    libpq takes what a connection string does not name from the environment:
    PGHOSTADDR and PGSERVICE would lead to another server.
    """
    for option in Conninfo.get_defaults():
        if option.envvar:
            os.environ.pop(option.envvar.decode(), None)  # noqa: TID251 - taken away
    for name in ("PGSERVICEFILE", "PGSYSCONFDIR"):
        os.environ.pop(name, None)  # noqa: TID251 - likewise
