"""Connections to Redis whose commands end, whatever is at the other end.

redis-py counts its timeout from each byte to the next and believes every length that
it reads. A server that sends a byte now and then, or never stops, would hold a call
for ever or fill the memory.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from redis.backoff import NoBackoff
from redis.client import Redis
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import NoPermissionError, RedisError, ResponseError
from redis.retry import Retry

FAILURES = (
    RedisError,
    OSError,
    # What redis-py makes of answers that no Redis gives.
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Of a command or a connection."""
REFUSALS = (ResponseError,)
"""Of a Redis that answers; the connection may be used on."""
LACKING = (NoPermissionError,)
"""Those that end only when somebody gives rights."""

# Answers hold a little more than a value.
_MORE_BYTES = 64 * 1024

_NO_REDIS = "what answers there is no Redis"
_CLUSTER = (
    "this is a Redis Cluster, zava needs one server: name another Redis in"
    " ZAVA_REDIS_URL"
)
# By the name of an exception: older versions of redis-py do not have all of them.
_MEANINGS = {
    "AuthenticationError": "Redis refuses the login: see user and password in"
    " ZAVA_REDIS_URL",
    "NoPermissionError": "Redis does not permit this user a command or a key:"
    " docs/scale.md lists what zava needs",
    "OutOfMemoryError": "Redis is full: give it a higher maxmemory, or"
    " maxmemory-policy allkeys-lru",
    "ReadOnlyError": "this Redis is a replica, which takes no writes: name its"
    " primary in ZAVA_REDIS_URL",
    "BusyLoadingError": "Redis is loading its data",
    "AskError": _CLUSTER,
    "ClusterError": _CLUSTER,
    "ClusterCrossSlotError": _CLUSTER,
    "TimeoutError": "no answer within ZAVA_REDIS_TIMEOUT",
    "InvalidResponse": _NO_REDIS,
}
# By the word that an answer begins with.
_CODES = {
    "ASK": _CLUSTER,
    "CLUSTERDOWN": _CLUSTER,
    "MOVED": _CLUSTER,
    "BUSY": "Redis is busy with a script",
    "MISCONF": 'Redis cannot save to its disk: give it save "", zava needs no copy',
    "WRONGTYPE": "somebody has put something else in place of a value",
}


class BoundedSocket:
    """A connected socket that takes so long, and reads so much, for each command.

    A command begins with the first byte that is sent after an answer. Whatever is not
    defined here is the socket's own.

    Args:
        sock: A socket, with or without TLS.
        seconds: Of one command: until all of it is sent and answered.
        max_bytes: Of its answer.
    """

    def __init__(self, sock: socket.socket, seconds: float, max_bytes: int) -> None:
        self._sock = sock
        self._seconds, self._max_bytes = seconds, max_bytes
        self._timeout: float | None = seconds
        self._is_answered = True
        self._begin()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, seconds: float | None) -> None:
        """Set the timeout of one read; the time of the command bounds it."""
        self._timeout = seconds

    def sendall(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            OSError: It took too long, or the connection is lost.
        """
        self._begin()
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(self._time_left())
            rest = rest[self._sock.send(rest) :]

    def recv(self, size: int) -> bytes:
        """Return some bytes, b"" at the end.

        Raises:
            OSError: As for `sendall`, or the answer is too long.
        """
        self._prepare_to_read()
        data = self._sock.recv(size)
        self._count(len(data))
        return data

    def recv_into(self, buffer: Any, *args: Any) -> int:
        """Read into a buffer; see `recv`."""
        self._prepare_to_read()
        size = self._sock.recv_into(buffer, *args)
        self._count(size)
        return size

    def _begin(self) -> None:
        if self._is_answered:
            self._deadline = time.monotonic() + self._seconds
            self._bytes_left = self._max_bytes
            self._is_answered = False

    def _time_left(self) -> float:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the command took too long")
        return seconds

    def _prepare_to_read(self) -> None:
        left = self._time_left() if self._timeout != 0 else 0.0
        wanted = left if self._timeout is None else min(self._timeout, left)
        self._sock.settimeout(wanted)

    def _count(self, size: int) -> None:
        self._is_answered = True
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise OSError("the answer is longer than what was asked for")


class _Bounded:
    """Makes the socket of a redis-py connection a bounded one.

    Args:
        answer_bytes: Of an answer, at most.
        kwargs: Of the connection.
    """

    def __init__(self, *, answer_bytes: int, **kwargs: Any) -> None:
        self._answer_bytes = answer_bytes
        super().__init__(**kwargs)

    def _connect(self) -> BoundedSocket:
        sock = super()._connect()  # type: ignore[misc]
        timeout: float = self.socket_timeout  # type: ignore[attr-defined]
        return BoundedSocket(sock, timeout, self._answer_bytes)


class _Plain(_Bounded, Connection):
    """Over TCP."""


class _Encrypted(_Bounded, SSLConnection):
    """Over TLS."""


class _Local(_Bounded, UnixDomainSocketConnection):
    """Through a socket of this host."""


_CLASSES = {"redis": _Plain, "rediss": _Encrypted, "unix": _Local}


def client_of(url: str, timeout: float, max_bytes: int) -> Redis:
    """Return a client with one connection, connected.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout: Seconds for one command, and for a connection.
        max_bytes: Of the largest value that is read.

    Raises:
        FAILURES: There is no Redis, it refuses, or what answers is no Redis.
    """
    scheme = url.partition(":")[0]
    more: dict[str, Any] = {}
    if scheme != "unix":
        more["socket_connect_timeout"] = timeout
    if scheme == "rediss":
        more["ssl_check_hostname"] = True
    return Redis.from_url(
        url,
        single_connection_client=True,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        connection_class=_CLASSES[scheme],
        answer_bytes=max_bytes + _MORE_BYTES,
        **more,
    )


def meaning(exc: BaseException) -> str:
    """Return what a failure means, in words of zava's own.

    What a server sends is not among them: it would reach the log and the model.
    """
    for kind in type(exc).__mro__:
        if kind.__name__ in _MEANINGS:
            return _MEANINGS[kind.__name__]
    if isinstance(exc, ResponseError):
        if "DB index is out of range" in str(exc):
            return "Redis has no database of the number in ZAVA_REDIS_URL"
        code = str(exc).partition(" ")[0]
        return _CODES.get(code, "Redis answers with an error")
    if isinstance(exc, (RedisError, OSError)):
        return " ".join(str(exc).split()) or type(exc).__name__
    return f"{_NO_REDIS} ({type(exc).__name__})"
