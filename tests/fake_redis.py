"""What stands where a Redis should be."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from types import TracebackType

from typing_extensions import Self

from tests.patience import PATIENCE

Replies = Callable[[bytes], Iterable[bytes]]
"""From what a client sends to the pieces that it is answered; none is silence."""

_BACKLOG = 16
_READ = 65536


class FakeRedis:
    """A server on loopback that says what the test likes; a context manager.

    Args:
        replies: Called with each piece that is read. It may never end; what a client
            that has gone is sent is lost.

    Attributes:
        url: Where it is.
        sent: Bytes so far.
    """

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for each in [*self._open, self._listener]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                self._start(partial(self._serve, connection))

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while data := connection.recv(_READ):
                for piece in self._replies(data):
                    connection.sendall(piece)
                    self.sent += len(piece)


def until_a_question(replies: Replies) -> Replies:
    """Return replies as of a Redis, as long as nobody asks for a value."""

    def reply(data: bytes) -> Iterable[bytes]:
        if b"GETRANGE" not in data or b"EVAL" in data:
            # Each command that redis-py sends to make a connection is one array.
            commands = [part for part in data.split(b"*") if part[:1].isdigit()]
            return [b":0\r\n" if b"EVAL" in data else b"+OK\r\n" * len(commands)]
        return replies(data)

    return reply
