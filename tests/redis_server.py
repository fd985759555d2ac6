"""A redis-server of the tests' own, where one is installed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import redis
from typing_extensions import Self

from tests.patience import PATIENCE

PROGRAM = shutil.which("redis-server", path=f"{os.environ.get('PATH', '')}:/usr/bin")
IS_REQUIRED = os.environ.get("ZAVA_TEST_REDIS") == "required"
PASSWORD = "hunter2-of-redis"


def _other_address() -> str:
    try:
        with socket.socket(socket.AF_INET6) as free:
            free.bind(("::1", 0))
    except OSError:
        return "127.0.0.1"
    return "[::1]"


def _free_port() -> int:
    """Return a port that nobody uses.

    It is below those that systems give to outgoing connections: one of them could have
    it by the time that the server starts, or starts again.
    """
    while True:
        port = random.randrange(10_000, 32_768)
        with suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return port


OTHER_ADDRESS = _other_address()
"""Of this host in a URL: a second one, where it has one."""


class RedisServer:
    """A redis-server on loopback that keeps nothing on disk; a context manager.

    Args:
        is_tls: Whether it speaks TLS, with a certificate of its own for its addresses.
        asks_certificate: Whether it takes only clients with that certificate.

    Attributes:
        socket: Where it listens besides the network.
        certificate: Of TLS.
        key: Of the certificate.
    """

    def __init__(self, *, is_tls: bool = False, asks_certificate: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="zava-redis-"))
        self._port = _free_port()
        self.socket = self._folder / "socket"
        self.certificate = self._folder / "cert.pem"
        self.key = self._folder / "key.pem"
        self._is_tls = is_tls
        self._options = ["--port", str(self._port)]
        if is_tls:
            self._make_certificate()
            files = ("--tls-cert-file", self.certificate, "--tls-ca-cert-file")
            self._options = ["--port", "0", "--tls-port", str(self._port)]
            self._options += [*map(str, files), str(self.certificate)]
            self._options += ["--tls-key-file", str(self.key)]
            self._options += ["--tls-auth-clients", "yes" if asks_certificate else "no"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """How zava is told of it."""
        return self.url_at("127.0.0.1")

    def url_at(self, host: str, user: str = f":{PASSWORD}") -> str:
        """Return how zava is told of it by another name, or as another user."""
        if self._is_tls:
            place = f"{host}:{self._port}/0?ssl_ca_certs={self.certificate}"
            return f"rediss://{user}@{place}"
        return f"redis://{user}@{host}:{self._port}/0"

    @property
    def client(self) -> redis.Redis:
        """A client that reads and writes as anybody could who has the password."""
        return redis.Redis(
            unix_socket_path=str(self.socket),
            password=PASSWORD,
            socket_timeout=PATIENCE,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [PROGRAM, "--bind", "127.0.0.1", "-::1", "--requirepass", PASSWORD,
             "--save", "", "--dir", str(self._folder),
             "--unixsocket", str(self.socket), *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline, pause = time.monotonic() + PATIENCE, threading.Event()
        while True:
            try:
                with self.client as client:
                    client.ping()
            except redis.ConnectionError:
                assert self._process.poll() is None
                assert time.monotonic() < deadline
                pause.wait(0.02)
            else:
                return

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def stop(self) -> None:
        """Let it answer nothing until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _make_certificate(self) -> None:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-keyout", str(self.key), "-out", str(self.certificate),
             "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,IP:::1"],
            check=True,
            capture_output=True,
        )  # fmt: skip
