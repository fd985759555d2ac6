"""Servers on loopback that give every guest one answer, and count who asked."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType

from typing_extensions import Self


class CannedServer:
    """Answers the first packet of every connection with the same bytes.

    Args:
        answer: What is sent, whatever was asked.

    Attributes:
        port: On 127.0.0.1.
        guests: How many connections asked.
    """

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.port: int = self._listener.getsockname()[1]
        self.guests = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                guest, _ = self._listener.accept()
                self.guests += 1
                with guest, suppress(OSError, struct.error):
                    guest.settimeout(5)
                    (size,) = struct.unpack("!i", guest.recv(4, socket.MSG_WAITALL))
                    guest.recv(size - 4, socket.MSG_WAITALL)
                    guest.sendall(self._answer)
                    guest.recv(1)


class RefusingServer(CannedServer):
    """Answers every login with one error, as PostgreSQL does.

    Args:
        severity: PostgreSQL's word for FATAL, in the server's language.
        code: The SQLSTATE.
        message: The reason.
    """

    def __init__(self, severity: str, code: str, message: str) -> None:
        fields = {"S": severity, "V": "FATAL", "C": code, "M": message}
        body = b"".join(f"{key}{text}\0".encode() for key, text in fields.items())
        super().__init__(b"E" + struct.pack("!i", len(body) + 5) + body + b"\0")
        self.conninfo = (
            f"host=127.0.0.1 port={self.port} dbname=retail user=zava_server"
            " sslmode=disable gssencmode=disable"
        )
