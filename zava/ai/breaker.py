"""How long a remote service is asked again, and when it is left alone."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from zava.errors import EmbeddingError

T = TypeVar("T")

_FIRST_WAIT = 0.25
_LONGEST_WAIT = 30.0


class RefusalError(Exception):
    """One attempt failed in a way that another may not.

    Args:
        reason: Safe to show.
        retry_after: Seconds that the service asks to be left alone, if it says.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class CircuitBreaker:
    """Leaves a service alone after several calls in a row have failed.

    Closed, every call passes. Open, none does until the pause is over; then one
    call tries, and closes the breaker or opens it for another pause.

    Args:
        failures: Calls in a row that open it.
        pause: Seconds that it stays open.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        failures: int = 3,
        pause: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._pause = pause
        self._clock = clock
        self._failures = 0
        self._opened_at = 0.0
        self._is_trying = False
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Let a call pass.

        Raises:
            EmbeddingError: It is open.
        """
        with self._lock:
            if self._failures < self._limit:
                return
            left = self._opened_at + self._pause - self._clock()
            if left > 0 or self._is_trying:
                raise EmbeddingError(
                    "the embedding service failed several times in a row; it is"
                    f" tried again in {max(left, 1):.0f} s"
                )
            self._is_trying = True

    def succeeded(self) -> None:
        """A call that passed was answered."""
        with self._lock:
            self._failures = 0
            self._is_trying = False

    def failed(self) -> None:
        """A call that passed was not answered."""
        with self._lock:
            self._failures += 1
            self._opened_at = self._clock()
            self._is_trying = False

    def left(self) -> None:
        """A call that passed ended without a verdict on the service."""
        with self._lock:
            self._is_trying = False


class Persistence:
    """Asks again while it may help, with growing waits and a deadline.

    The openai package's own retries are off. They have no deadline: a service that
    answered three times with `Retry-After: 70` held one call for 210 s. They also do
    not ask again after an answer that has no usable vectors.

    Args:
        attempts: Attempts at one call.
        patience: Seconds in which the last of them must begin.
        breaker: Told how every call ended.
        sleep: Waits that many seconds.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        attempts: int,
        patience: float,
        breaker: CircuitBreaker,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._attempts = attempts
        self._patience = patience
        self._breaker = breaker
        self._sleep = sleep
        self._clock = clock

    def call(self, attempt: Callable[[], T]) -> T:
        """Return what `attempt` returns, once it does.

        Args:
            attempt: Raises a RefusalError where another attempt may help.

        Raises:
            EmbeddingError: No attempt helped, or the breaker is open.
        """
        self._breaker.enter()
        try:
            result = self._repeat(attempt)
        except RefusalError as refusal:
            self._breaker.failed()
            raise EmbeddingError(refusal.reason) from refusal.__cause__
        except BaseException:
            self._breaker.left()
            raise
        self._breaker.succeeded()
        return result

    def _repeat(self, attempt: Callable[[], T]) -> T:
        deadline = self._clock() + self._patience
        for number in range(1, self._attempts + 1):
            try:
                return attempt()
            except RefusalError as refusal:
                wait = _wait_before(number, refusal)
                is_last = number == self._attempts
                if is_last or self._clock() + wait > deadline:
                    raise
            self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")


def _wait_before(number: int, refusal: RefusalError) -> float:
    if refusal.retry_after is not None:
        return refusal.retry_after
    longest = min(_FIRST_WAIT * 2 ** (number - 1), _LONGEST_WAIT)
    # Clients that failed together shall not come back together.
    return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret
