"""Cancellation: how a blocking call learns that nobody waits for it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class CallCancelled(BaseException):
    """Whoever made this call has left; like any cancellation it is no Exception."""


class Cancellation:
    """Asked for by one thread, seen by another that runs the call.

    Attributes:
        is_requested: Whether the call is to end.
    """

    def __init__(self) -> None:
        self.is_requested = False

    def request(self) -> None:
        """Let the call end at its next look."""
        self.is_requested = True

    def run(self, call: Callable[[], T]) -> T:
        """Run `call` in this thread, which `check_cancelled` looks after."""
        _thread.cancellation = self
        try:
            return call()
        finally:
            _thread.cancellation = None


class _Thread(threading.local):
    cancellation: Cancellation | None = None


_thread = _Thread()


def check_cancelled() -> None:
    """Return if the call that this thread runs is still wanted, or is nobody's.

    Raises:
        CallCancelled: It is not.
    """
    cancellation = _thread.cancellation
    if cancellation is not None and cancellation.is_requested:
        raise CallCancelled
