"""AuditFile: one JSON line per call, in a file that the operator chose."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from zava.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT
# A FIFO that nobody reads is an error, not a wait; a link leads to somebody else's.
_FLAGS |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_FLAGS |= getattr(os, "O_NOFOLLOW", 0)
_WRITABLE_BY_OTHERS = 0o022
_PRIVATE = 0o600
# Seconds that a line waits for other writers, and between two looks.
PATIENCE, _PAUSE = 2.0, 0.001


class AuditFile:
    """An append-only file of JSON lines; safe for threads and for other processes.

    A line is one write, which the system puts at the end of the file whoever else
    writes there. What a full disk cut short is ended before the next line, whose
    writer holds a lock meanwhile. A file that was renamed or removed, as log
    rotation does, is made anew. A link, another user's file and one that others may
    write are refused.

    Args:
        path: The file; created for its owner alone if there is none.
        sync: Whether a line is on the disk before `write` returns.
        patience: Seconds that a line waits for other writers.
    """

    def __init__(
        self, path: Path, *, sync: bool = False, patience: float = PATIENCE
    ) -> None:
        self.sync = sync
        self._patience = patience
        self._path = path
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
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
            reason = "it is a link" if exc.errno == errno.ELOOP else exc.strerror
            raise ConfigurationError(
                f"ZAVA_AUDIT_FILE cannot be written: {reason}"
            ) from exc

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append one line.

        Raises:
            OSError: It was not written, or not as a whole.
        """
        line = to_json(entry) + b"\n"
        with self._lock:
            descriptor = self._follow()
            with _locked(descriptor, self._patience):
                if _is_torn(descriptor):
                    line = b"\n" + line  # what is left of the line before ends here
                written = os.write(descriptor, line)
            if written < len(line):
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
        fault = _fault(facts)
        if fault:
            os.close(descriptor)
            raise OSError(errno.EINVAL, fault)
        self._descriptor = descriptor
        self._identity = (facts.st_dev, facts.st_ino)
        return descriptor

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _fault(facts: os.stat_result) -> str:
    """Why a file is not taken, "" if it is."""
    if not stat.S_ISREG(facts.st_mode):
        return "Not a regular file"
    if hasattr(os, "geteuid") and facts.st_uid != os.geteuid():
        return "it belongs to another user"
    if stat.S_IMODE(facts.st_mode) & _WRITABLE_BY_OTHERS:
        return "others may write it: chmod 600"
    return ""


def _is_torn(descriptor: int) -> bool:
    """Whether the last line of a file has no end."""
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


@contextmanager
def _locked(descriptor: int, patience: float) -> Iterator[None]:
    """Be the only writer, where the file system has such a lock.

    Raises:
        BlockingIOError: Somebody else has held it for too long.
    """
    if sys.platform == "win32":
        yield
        return
    deadline = time.monotonic() + patience
    while not _take(descriptor):
        if time.monotonic() >= deadline:
            raise BlockingIOError(errno.EWOULDBLOCK, "another process holds its lock")
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _take(descriptor: int) -> bool:
    """Whether the lock is ours, or there are none here."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # such as a network's file system; a line is one write all the same
        return True
    return True
