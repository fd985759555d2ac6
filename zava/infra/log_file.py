"""A log file that several processes may share."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from logging import LogRecord
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import fcntl

# A pipe that nobody reads is an error, not a wait.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_FLAGS |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_ROTATE_AT = 10 * 1000 * 1000
_KEPT = 5


class SharedLogFile(WatchedFileHandler):
    """Appends lines to a private file, and rotates it once whoever else writes there.

    Rotated files are `NAME.1`, the newest, to `NAME.5`. Of several processes one
    renames, under a lock; the others see that the file has another identity and open
    the new one before their next line.

    Args:
        path: The file; made, or made private, for its owner alone.
        rotate_at: Bytes.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, path: Path, rotate_at: int = _ROTATE_AT) -> None:
        self._path = path
        self._rotate_at = rotate_at
        self._lamented = ""
        super().__init__(path, encoding="utf-8")

    def emit(self, record: LogRecord) -> None:
        """Write a record, and rotate the file if that has made it long enough."""
        try:
            super().emit(record)
            if self.stream is not None and self.stream.tell() >= self._rotate_at:
                self._rotate()
        except OSError as exc:
            self._lament(exc)

    def handleError(self, record: LogRecord) -> None:  # noqa: N802 - logging's name
        """Say in one line that a line could not be written, and go on."""
        self._lament(sys.exc_info()[1])

    def _lament(self, exc: BaseException | None) -> None:
        reason = getattr(exc, "strerror", None) or type(exc).__name__
        if reason != self._lamented and sys.stderr is not None:
            with suppress(OSError):
                sys.stderr.write(
                    f"zava: the log file cannot be written: {reason};"
                    " check ZAVA_LOG_FILE\n"
                )
        self._lamented = reason

    def format(self, record: LogRecord) -> str:
        """Return the line as loguru has made it; it has its end already."""
        return record.getMessage().removesuffix("\n")

    def _open(self) -> Any:
        descriptor = os.open(self._path, _FLAGS, 0o600)
        if hasattr(os, "set_blocking"):
            os.set_blocking(descriptor, True)
        facts = os.fstat(descriptor)
        if stat.S_ISREG(facts.st_mode) and stat.S_IMODE(facts.st_mode) & 0o077:
            with suppress(OSError):
                os.fchmod(descriptor, 0o600)
        return open(descriptor, "a", encoding="utf-8", errors="backslashreplace")

    def _rotate(self) -> None:
        if self.stream is None:
            return
        descriptor = self.stream.fileno()
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # ends with the descriptor
        ours, theirs = os.fstat(descriptor), self._path.stat()
        # Else another process was faster.
        if (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino):
            for number in range(_KEPT, 0, -1):
                newer = f"{self._path}.{number - 1}" if number > 1 else self._path
                with suppress(FileNotFoundError):
                    os.replace(newer, f"{self._path}.{number}")
        self.reopenIfNeeded()
