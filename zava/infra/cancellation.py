"""Cancellation: how a blocking call learns that nobody waits for it any more."""

from __future__ import annotations

import threading


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

    def __enter__(self) -> None:
        """Let `check_cancelled` look for it in this thread."""
        _thread.cancellation = self

    def __exit__(self, *exc_info: object) -> None:
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
