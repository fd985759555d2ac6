"""Deadline: the process ends, whoever holds it up."""

from __future__ import annotations

import os
import threading

from loguru import logger

SECONDS = 0.5
_LAST_WORDS_SECONDS = 0.1


class Deadline:
    """Ends this process at once unless it is called off in time.

    A thread that waits for a database which does not answer, or for a client
    which does not read, can neither be interrupted nor left behind: Python waits
    for its threads. The operating system does not.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._called_off = threading.Event()
        self._started = False

    def start(self, status: int) -> None:
        """Let it run, once; `status` is what the process ends with."""
        if self._started:
            return
        self._started = True
        threading.Thread(
            target=self._wait, args=(status,), name="zava-deadline", daemon=True
        ).start()

    def call_off(self) -> None:
        """The process ends by itself."""
        self._called_off.set()

    def _wait(self, status: int) -> None:
        if self._called_off.wait(self._seconds):
            return
        # In a thread of its own: whoever reads stderr may not answer either.
        words = threading.Thread(target=_say, name="zava-last-words", daemon=True)
        words.start()
        words.join(_LAST_WORDS_SECONDS)
        os._exit(status)


def _say() -> None:
    logger.warning(
        "ended with calls at work: the database or the client did not answer"
    )
