"""A client that costs little: raw JSON lines over the pipes of a child process."""

from __future__ import annotations

import json
import os
import re
import selectors
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from bench.processes import family, processor_seconds, resident

PATIENCE = 60.0
PROTOCOL = "2025-06-18"  # the newest that every peer speaks

_ID = re.compile(rb'"id":\s*(\d+)')
_CHUNK = 1 << 20

Arguments = Callable[[int], dict[str, Any]]
"""The arguments of the n-th call."""


class BenchClient:
    """One MCP server as a child process, and its handshake.

    Args:
        command: How a shell would start it.
        environment: Variables, next to this process's own.

    Attributes:
        startup: Seconds from the start of the process to the answered handshake.
    """

    def __init__(self, command: str, environment: Mapping[str, str] | None = None):
        self._ids = 0
        self._buffer = bytearray()
        started = time.perf_counter()
        self._process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in = self._process.stdin.fileno()
        self._out = self._process.stdout.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)
        self._send(
            "initialize",
            {
                "protocolVersion": PROTOCOL,
                "capabilities": {},
                "clientInfo": {"name": "bench", "version": "1"},
            },
        )
        self.handshake = json.loads(next(self._lines()))
        self.startup = time.perf_counter() - started
        self._write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    def __enter__(self) -> BenchClient:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._selector.close()

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a tool and return its result.

        Raises:
            RuntimeError: It is an error.
        """
        line = self._exchange(self._request(tool, arguments))
        message = json.loads(line)
        result = message.get("result")
        if result is None or result.get("isError"):
            raise RuntimeError(f"{tool} failed: {line[:500].decode()}")
        return dict(result)

    def latencies(self, tool: str, arguments: Arguments, calls: int) -> list[float]:
        """Return the seconds of each of some calls, one after the other."""
        seconds = []
        for number in range(calls):
            request = self._request(tool, arguments(number))
            started = time.perf_counter()
            self._exchange(request)
            seconds.append(time.perf_counter() - started)
        return seconds

    def rate(
        self, tool: str, arguments: Arguments, calls: int, in_flight: int
    ) -> float:
        """Return calls a second with so many on their way at any time."""
        requests = [self._request(tool, arguments(n)) for n in range(calls)]
        started = time.perf_counter()
        self._write(b"".join(requests[:in_flight]))
        sent = min(in_flight, calls)
        lines = self._lines()
        for _ in range(calls):
            next(lines)
            if sent < calls:
                self._write(requests[sent])
                sent += 1
        return calls / (time.perf_counter() - started)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def resident(self) -> int:
        """Return the process's resident memory and its children's, in bytes."""
        return sum(resident(pid) for pid in family(self.pid))

    def processor_seconds(self) -> float:
        """Return the processor time of the process and its children."""
        return processor_seconds(self.pid)

    def _request(self, tool: str, arguments: dict[str, Any]) -> bytes:
        return self._encode("tools/call", {"name": tool, "arguments": arguments})

    def _encode(self, method: str, params: dict[str, Any]) -> bytes:
        self._ids += 1
        message = {"jsonrpc": "2.0", "id": self._ids, "method": method}
        return json.dumps({**message, "params": params}).encode() + b"\n"

    def _send(self, method: str, params: dict[str, Any]) -> None:
        self._write(self._encode(method, params))

    def _exchange(self, request: bytes) -> bytes:
        self._write(request)
        return next(self._lines())

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._in, data) :]

    def _lines(self) -> Iterator[bytes]:
        """Yield the responses; what else a server says is skipped."""
        while True:
            end = self._buffer.find(b"\n")
            while end < 0:
                if not self._selector.select(PATIENCE):
                    raise TimeoutError("the server does not answer")
                chunk = os.read(self._out, _CHUNK)
                if not chunk:
                    raise RuntimeError("the server ended")
                searched = len(self._buffer)
                self._buffer += chunk
                end = self._buffer.find(b"\n", searched)
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            if _ID.search(line):
                yield line
