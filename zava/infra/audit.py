"""AuditFile: one JSON line per call, in a file that the operator chose."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from zava.errors import ConfigurationError

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT
# A FIFO that nobody reads is an error, not a wait.
_FLAGS |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_PRIVATE = 0o600


class AuditFile:
    """An append-only file of JSON lines; safe for threads and for other processes.

    A line is one write, which the system puts at the end of the file whoever else
    writes there. A file that was renamed or removed, as log rotation does, is
    made anew.

    Args:
        path: The file; created for its owner alone if there is none.
        sync: Whether a line is on the disk before `write` returns.
    """

    def __init__(self, path: Path, *, sync: bool = False) -> None:
        self.sync = sync
        self._path = path
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._is_torn = False
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open it now, so that a path that cannot be used is found at the start.

        Raises:
            ConfigurationError: It cannot be written.
        """
        try:
            with self._lock:
                self._reopen()
        except OSError as exc:
            raise ConfigurationError(
                f"ZAVA_AUDIT_FILE cannot be written: {exc.strerror}"
            ) from exc

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append one line.

        Raises:
            OSError: It was not written, or not as a whole.
        """
        line = to_json(entry) + b"\n"
        with self._lock:
            descriptor = self._follow()
            if self._is_torn:
                line = b"\n" + line  # what is left of the line before ends here
            written = os.write(descriptor, line)
            self._is_torn = written < len(line)
            if self._is_torn:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self.sync:
                os.fsync(descriptor)

    def close(self) -> None:
        """Close it; a second time does nothing."""
        with self._lock:
            self._close()

    def _follow(self) -> int:
        """Return the descriptor of the file that has the path now."""
        try:
            facts = os.stat(self._path)
        except FileNotFoundError:
            return self._reopen()
        if self._descriptor is None or (facts.st_dev, facts.st_ino) != self._identity:
            return self._reopen()
        return self._descriptor

    def _reopen(self) -> int:
        self._close()
        descriptor = os.open(self._path, _FLAGS, _PRIVATE)
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "Not a regular file")
        self._descriptor = descriptor
        self._identity = (facts.st_dev, facts.st_ino)
        return descriptor

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        self._is_torn = False
        if descriptor is not None:
            os.close(descriptor)
