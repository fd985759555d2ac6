"""Starts `zava` by forking a process that has imported it already.

Importing the MCP SDK takes 1.4 s of processor time, and the tests start some 400
processes. A fork starts in a hundredth of that, and then runs the same code with its
own arguments, environment, working directory and streams.

This file is also the program that is forked; its stdin is one end of a socket pair.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

SECONDS_TO_END = "SECONDS_TO_END"
"""A variable: how long a process may take to end in order, if not half a second."""

_LARGEST_REQUEST = 1 << 18
# Python and the C library read these before the first line of a program runs.
_READ_EARLY = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "OPENBLAS_")
_STREAMS = 3


class ForkedProcess:
    """A `zava` process with a pipe for each stream, like `subprocess.Popen`.

    Attributes:
        stdin: What the process reads.
        stdout: What it writes.
        stderr: What it writes there.
        pid: Its process id.
        returncode: Its exit status, minus the signal's number if one ended it; None
            until that is known.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        variables: dict[str, str],
    ) -> None:
        """Start `zava` with these arguments.

        Args:
            arguments: After the program's name.
            folder: The working directory.
            variables: The whole environment.
        """
        self.returncode: int | None = None
        (its_stdin, ours), (stdout, its_stdout), (stderr, its_stderr) = (
            os.pipe() for _ in range(3)
        )
        self.stdin: IO[bytes] = os.fdopen(ours, "wb")
        self.stdout: IO[bytes] = os.fdopen(stdout, "rb")
        self.stderr: IO[bytes] = os.fdopen(stderr, "rb")
        self._guardian, other = socket.socketpair()
        descriptors = [its_stdin, its_stdout, its_stderr, other.fileno()]
        with other:
            _starter().send(
                {"arguments": list(arguments), "cwd": str(folder), "env": variables},
                descriptors,
            )
            for descriptor in descriptors[:-1]:
                os.close(descriptor)
        self._answers = self._guardian.makefile("r", encoding="ascii")
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status.

        Raises:
            subprocess.TimeoutExpired: It did not end in so many seconds.
        """
        if self.returncode is None:
            ready, _, _ = select.select([self._guardian], [], [], timeout)
            if not ready:
                raise subprocess.TimeoutExpired("zava", timeout or 0)
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._guardian.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


def is_forkable(variables: Mapping[str, str]) -> bool:
    """Whether a process that runs already can take over these variables."""
    return not any(name.startswith(_READ_EARLY) for name in variables)


class _Starter:
    """The process that is forked; it ends when its socket is closed."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with other:
            # Its stream objects are those of its forks, so they must be made for pipes.
            process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=other.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        atexit.register(process.communicate)
        atexit.register(self._socket.close)  # the last registered is the first run

    def send(self, request: dict[str, Any], descriptors: Sequence[int]) -> None:
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(request).encode()], descriptors)


@cache
def _starter() -> _Starter:
    return _Starter()


def _serve_forks() -> None:
    """Fork for each request, until the tests have ended; a child returns too."""
    requests = socket.socket(fileno=os.dup(0))
    while True:
        text, descriptors, _, _ = socket.recv_fds(
            requests, _LARGEST_REQUEST, _STREAMS + 1
        )
        if not text:
            os._exit(0)
        guardian = os.fork()
        if guardian == 0:
            requests.close()
            _guard(json.loads(text), descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _guard(request: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Fork once more, and report the child's process id and its end."""
    *streams, report = descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(report)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        if seconds := os.environ.pop(SECONDS_TO_END, ""):
            from zava.protocol.deadline import Deadline

            Deadline.__init__.__defaults__ = (float(seconds),)
        time.tzset()
        sys.argv = ["zava", *request["arguments"]]
        return
    for stream in (0, 1, 2, *streams):
        os.close(stream)
    os.write(report, b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    with suppress(BrokenPipeError):
        os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    # What takes long, and what a server imports only when it starts.
    import anyio._backends._asyncio  # noqa: F401
    import prometheus_client  # noqa: F401
    import rich.console
    import rich.logging
    import rich.progress
    import rich.themes  # noqa: F401

    import zava.admin.logins
    import zava.bootstrap
    import zava.protocol.deadline
    from zava.cli import main

    # Tests look for the last acts of a process, however slow the machine is.
    zava.protocol.deadline._LAST_ACT_SECONDS = 60.0

    # A collection would write to every page that the forks share.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _serve_forks()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
