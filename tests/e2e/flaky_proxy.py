"""A Unix socket before PostgreSQL that can go away, come back and fall silent."""

from __future__ import annotations

import itertools
import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from typing_extensions import Self

from tests.patience import PATIENCE


class FlakyProxy:
    """Forwards connections while it is up; a context manager.

    Args:
        target: A libpq connection string with a socket folder as its host.
        others: Likewise; connections lead to all of them in turn, as with a balancer.
        silent_at: The proxy falls silent when a client sends these bytes.
    """

    def __init__(
        self, target: str, *others: str, silent_at: bytes | None = None
    ) -> None:
        self._targets = itertools.cycle([_socket(each) for each in (target, *others)])
        self._silent_at = silent_at
        self._folder = Path(tempfile.mkdtemp(prefix="zava-proxy-"))
        self._folder.chmod(0o755)
        self._path = self._folder / ".s.PGSQL.5432"
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._silent = threading.Event()
        self.conninfo = make_conninfo(target, host=str(self._folder), port="5432")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.down()
        shutil.rmtree(self._folder)

    def up(self) -> None:
        """Accept connections from now on."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._path))
        self._path.chmod(0o777)  # a standby runs as another user
        listener.listen()
        self._listener = listener
        self._run(self._accept, listener)

    def down(self) -> None:
        """Refuse connections from now on, and cut those that are open."""
        with self._lock:
            listener, self._listener = self._listener, None
            if listener is not None:
                self._path.unlink()
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        for end in (*self._open, *([listener] if listener else [])):
            end.close()
        self._open, self._threads = [], []

    @property
    def connections(self) -> int:
        """How many were accepted and not cut."""
        with self._lock:
            return len(self._open) // 2

    def fall_silent(self) -> None:
        """Keep what is open, take what is sent, and answer nothing any more."""
        self._silent.set()

    def restart(self) -> None:
        """Cut what is open, and be there again at once."""
        self.down()
        self.up()

    def _run(self, function: object, *args: socket.socket) -> None:
        assert callable(function)
        thread = threading.Thread(target=function, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                with self._lock:
                    self._open += [client, server]
                    if self._listener is not listener:  # it has just gone down
                        return
                if self._silent.is_set():
                    continue
                try:
                    server.connect(next(self._targets))
                except OSError:
                    client.shutdown(socket.SHUT_RDWR)
                    continue
                self._run(self._pump, client, server)
                self._run(self._pump, server, client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._silent_at is not None and self._silent_at in data:
                    self.fall_silent()
                if not self._silent.is_set():
                    sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _socket(target: str) -> str:
    given = conninfo_to_dict(target)
    return f"{given['host']}/.s.PGSQL.{given['port']}"
