"""The real process, spoken to in raw JSON lines."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import pytest
from typing_extensions import Self

from tests.e2e.forking import ForkedProcess, is_forkable
from tests.patience import PATIENCE

ERROR_META = "zava/error"
# Longer than a test waits: where a test sets no limits of its own, none is met by work
# that is slow only because the machine is, or ends what something else has to end.
LIMITS = {
    "ZAVA_STATEMENT_TIMEOUT": "600",
    "ZAVA_POOL_TIMEOUT": "600",
    "ZAVA_CONNECT_TIMEOUT": "600",
}
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}


def poll(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds; fail when it never does."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"it did not come about: {what}")
        pause.wait(0.01)


@dataclass(frozen=True)
class Answer:
    """The result of a tool call."""

    result: dict[str, Any]

    @property
    def is_error(self) -> bool:
        """Whether the call failed."""
        return bool(self.result.get("isError"))

    @property
    def text(self) -> str:
        """The only text block."""
        (block,) = self.result["content"]
        return str(block["text"])

    @property
    def structured(self) -> dict[str, Any]:
        """The structured content of a success."""
        assert not self.is_error, self.text
        structured: dict[str, Any] = self.result["structuredContent"]
        return structured

    @property
    def error(self) -> dict[str, Any]:
        """Code and details of a failure."""
        assert self.is_error, self.text
        error: dict[str, Any] = self.result["_meta"][ERROR_META]
        return error


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with these settings and no others."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("ZAVA_", "PG", "PYTHONWARN"))
    }
    return {**kept, "ZAVA_LOG_FILE": "none", **variables}


class StdioProcess:
    """A running `zava serve`; a context manager that leaves nothing behind.

    Args:
        user: The user id to serve; None gives no `--user`.
        folder: The working directory, where no `.env` is.
        variables: `ZAVA_…` settings, besides LIMITS.
        options: More of the command line.
        redirection: What a shell does with the process's descriptors, if anything.
    """

    def __init__(
        self,
        user: str | None,
        folder: Path,
        variables: dict[str, str],
        redirection: str = "",
        options: tuple[str, ...] = (),
    ) -> None:
        variables = {**LIMITS, **variables}
        arguments = [*([] if user is None else ["--user", user]), *options]
        shell = ["sh", "-c", f'exec "$0" "$@" {redirection}'] if redirection else []
        self.process: subprocess.Popen[bytes] | ForkedProcess
        if shell or not is_forkable(variables):
            self.process = subprocess.Popen(
                [*shell, sys.executable, "-m", "zava", "serve", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=environment(**variables),
            )
        else:
            self.process = ForkedProcess(
                ["serve", *arguments], folder, environment(**variables)
            )
        self.lines: queue.Queue[bytes | None] = queue.Queue()
        self._set_aside: dict[Any, dict[str, Any]] = {}
        self._stderr = bytearray()
        self._last_id = 0
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read_stdout, args=(self.process.stdout,)),
            threading.Thread(target=self._read_stderr, args=(self.process.stderr,)),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read_stdout(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                self.lines.put(line)
        self.lines.put(None)

    def _read_stderr(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                self._stderr += line

    @property
    def stderr(self) -> str:
        """What was read of its stderr so far."""
        return self._stderr.decode()

    def wait_for(self, words: str) -> None:
        """Wait until it has said something on stderr, which is read beside stdout."""
        poll(lambda: words in self.stderr, f"it says: {words}")

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        stdin = self.process.stdin
        assert stdin is not None
        stdin.write(data)
        stdin.flush()

    def send(self, message: dict[str, Any]) -> None:
        """Send one message."""
        self.write(self.encode(message))

    @staticmethod
    def encode(message: dict[str, Any]) -> bytes:
        """One message as a line."""
        return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"

    def new_message(
        self, method: str, params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return a request with an id of its own, not yet sent."""
        self._last_id += 1
        return {"id": self._last_id, "method": method, "params": params or {}}

    def ask(self, method: str, params: dict[str, Any] | None = None) -> int:
        """Send a request, return its id and do not wait."""
        message = self.new_message(method, params)
        self.send(message)
        return int(message["id"])

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a notification."""
        self.send({"method": method, "params": params or {}})

    def receive(self, request_id: int, patience: float = PATIENCE) -> dict[str, Any]:
        """Return the response to a request; others are set aside."""
        deadline = time.monotonic() + patience
        while request_id not in self._set_aside:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no answer to {request_id}; stderr: {self.stderr}")
            if line is None:
                pytest.fail(f"no answer to {request_id}, it ended: {self.stderr}")
            message = json.loads(line, parse_constant=pytest.fail)
            if "id" in message:
                self._set_aside[message["id"]] = message
        return self._set_aside.pop(request_id)

    def request(
        self, method: str, params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send a request and return its result."""
        response = self.receive(self.ask(method, params))
        assert "result" in response, response
        result: dict[str, Any] = response["result"]
        return result

    def initialize(self) -> dict[str, Any]:
        """Shake hands and return what the server says of itself."""
        result = self.request("initialize", INITIALIZE)
        self.notify("notifications/initialized")
        return result

    def refusal(self) -> str:
        """Shake hands with a server that cannot start; return the line that says why.

        The client is told what stands on stderr, and nothing else.
        """
        error = self.receive(self.ask("initialize", INITIALIZE))["error"]
        assert self.wait() == 1
        assert self.rest() == []
        line: str = error["message"]
        assert line.startswith("zava: ")
        assert self.stderr.splitlines()[-1] == line
        return line

    def ask_tool(self, name: str, /, **arguments: Any) -> int:
        """Send a tool call, return its id and do not wait."""
        return self.ask("tools/call", {"name": name, "arguments": arguments})

    def call(self, name: str, /, **arguments: Any) -> Answer:
        """Call a tool."""
        response = self.receive(self.ask_tool(name, **arguments))
        assert "result" in response, response
        return Answer(response["result"])

    def query(self, sql: str, **arguments: Any) -> Answer:
        """Call execute_sales_query."""
        return self.call("execute_sales_query", postgresql_query=sql, **arguments)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def close_stdin(self) -> None:
        """Let the server read the end of its input."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def wait(self) -> int:
        """Wait for the end and return the exit status."""
        status = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return status

    def rest(self) -> list[bytes]:
        """Return the lines that nobody has read, after the end."""
        return list(iter(self.lines.get_nowait, None))

    def close(self) -> None:
        """End the process, whatever state it is in."""
        try:
            self.close_stdin()
        except BrokenPipeError:
            pass
        finally:
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(PATIENCE)
                pytest.fail(f"it did not end; stderr: {self.stderr}")
            finally:
                for reader in self._readers:
                    reader.join(PATIENCE)
