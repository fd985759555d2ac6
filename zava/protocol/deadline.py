"""Deadline: the process ends in time although threads still wait."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from loguru import logger

from zava.infra.export_folder import remove_unfinished

SECONDS = 0.5
_LAST_ACT_SECONDS = 0.25


class Deadline:
    """Ends this process some seconds after `start`, unless it is called off.

    Python cannot interrupt a thread that waits for a silent database or for a client
    that does not read, and it waits for its threads at exit. `os._exit` does not. The
    files that these threads are writing are removed.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._status = 0
        self._started = threading.Event()
        self._called_off = threading.Event()
        # Now: when the process has to end, there may be no memory for a thread.
        threading.Thread(target=self._wait, name="zava-deadline", daemon=True).start()

    def start(self, status: int) -> None:
        """Start the countdown, once; `status` becomes the exit status."""
        if not self._started.is_set():
            self._status = status
            self._started.set()

    def call_off(self) -> None:
        """Stop the countdown: the process ends by itself."""
        self._called_off.set()
        self._started.set()

    def _wait(self) -> None:
        self._started.wait()
        if self._called_off.wait(self._seconds):
            return
        for act in (remove_unfinished, _say):
            with suppress(RuntimeError, MemoryError):
                # In a thread of its own: a disk or stderr may block as well.
                last = threading.Thread(target=act, name="zava-last-act", daemon=True)
                last.start()
                last.join(_LAST_ACT_SECONDS)
        os._exit(self._status)


def _say() -> None:
    logger.warning(
        "ended with calls at work: the database or the client did not answer"
    )
