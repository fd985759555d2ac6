"""RedisLink: one connection to Redis, which a thread of its own makes and makes again.

Redis may be lost, slow or in bad hands at any time. No call connects to it: a call that
finds no connection goes on without. The first command that fails or takes too long
gives the connection up for all calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from loguru import logger
from redis.client import Redis

from zava.infra.masking import mask_secrets
from zava.infra.redis_address import checked_place
from zava.infra.redis_connection import (
    FAILURES,
    LACKING,
    REFUSALS,
    client_of,
    meaning,
)

TURN_SECONDS = 1.0
"""From one turn of what is to be repeated to the next."""
# Pauses between attempts to connect.
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0
_LONGEST_REASON = 200


class NotNowError(Exception):
    """Redis does not answer this command; the call goes on without."""


class RedisLink:
    """Sends commands one at a time; safe for threads.

    Each command takes less time than another connection would.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, with a password where Redis
            asks for one.
        timeout: Seconds for one command and for a connection.
        max_bytes: Of the largest value that is read.
        trial: The command that every connection is tried with. If Redis refuses it, the
            connection is used all the same, and `health` says so.
        has_work: Whether there is something to repeat; looked at after a `wake`.
        repeat: Called every `TURN_SECONDS` while there is.

    Raises:
        ConfigurationError: The URL does not do.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        max_bytes: int,
        trial: Callable[[Redis], Any],
        has_work: Callable[[], bool],
        repeat: Callable[[], None],
    ) -> None:
        self._place = checked_place(url)
        self._url = url
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._trial = trial
        self._has_work = has_work
        self._repeat = repeat
        self._client: Redis | None = None
        self._wire = threading.Lock()
        self._wake = threading.Event()
        self._tried = threading.Event()
        self._closing = threading.Event()
        self._failures = 0
        self._why = "not connected yet"
        self._refusal = ""
        self._keeper = threading.Thread(
            target=self._keep, name="zava-redis", daemon=True
        )
        self._keeper.start()
        # A Redis nearby is there before the first question.
        self._tried.wait(timeout)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._client is not None

    def ask(self, command: Callable[[Redis], Any]) -> Any:
        """Return Redis' answer.

        Raises:
            NotNowError: There is no connection, or it was given up, or Redis refuses.
        """
        if not self._wire.acquire(timeout=self._timeout):
            raise NotNowError
        try:
            client = self._client
            if client is None:
                raise NotNowError
            try:
                answer = command(client)
            except REFUSALS as exc:
                self._refused(exc)
                raise NotNowError from exc
            except FAILURES as exc:
                self._lose(exc)
                raise NotNowError from exc
            except BaseException as exc:
                self._lose(exc)
                raise
            self._failures = 0
            return answer
        finally:
            self._wire.release()

    def wake(self) -> None:
        """Let the link see that there is something to repeat."""
        self._wake.set()

    def forget_refusal(self) -> None:
        """Note that Redis takes what it has refused before."""
        self._refusal = ""

    def health(self) -> str:
        """Return where Redis is and what is wrong with it, "" if nothing is."""
        try:
            self.ask(lambda client: client.ping())
        except NotNowError:
            why = self._why or "busy"
            return f"{self._place}: {why}; zava answers without the shared cache"
        if self._refusal:
            return f"{self._place}: {self._refusal}"
        return ""

    def close(self) -> None:
        """Give the connection up for good."""
        self._closing.set()
        self._wake.set()
        self._keeper.join(2 * self._timeout + 1)

    def _keep(self) -> None:
        """Connect, connect again after a loss, and repeat what is to be repeated."""
        while not self._closing.is_set():
            if self._client is None:
                self._closing.wait(self._pause())
                self._connect()
                self._tried.set()
                continue
            self._wake.wait()
            self._wake.clear()
            while self._has_work() and not self._closing.wait(TURN_SECONDS):
                self._repeat()
        with self._wire:
            client, self._client = self._client, None
        if client is not None:
            _end(client)

    def _pause(self) -> float:
        """Seconds to leave Redis alone: the longer, the more often it failed."""
        if not self._failures:
            return 0.0
        return float(
            min(_FIRST_PAUSE * 2 ** min(self._failures - 1, 9), _LONGEST_PAUSE)
        )

    def _connect(self) -> None:
        if self._closing.is_set():
            return
        client = None
        try:
            client = client_of(self._url, self._timeout, self._max_bytes)
            client.ping()
            self._try(client)
        except FAILURES as exc:
            if client is not None:
                _end(client)
            self._failed(exc)
            return
        self._why = ""
        self._client = client
        logger.info("shared cache: connected to {}", self._place)

    def _try(self, client: Redis) -> None:
        try:
            self._trial(client)
        except LACKING:
            raise
        except REFUSALS as exc:
            self._refused(exc)

    def _refused(self, exc: Exception) -> None:
        reason = _reason(exc)
        if reason != self._refusal:
            logger.warning("shared cache: {}: {}", self._place, reason)
        self._refusal = reason

    def _lose(self, exc: BaseException) -> None:
        """Give the connection up; the keeper makes another."""
        client, self._client = self._client, None
        if client is not None:
            _end(client)
        self._failed(exc)
        self._wake.set()

    def _failed(self, exc: BaseException) -> None:
        why = _reason(exc)
        if why != self._why:
            logger.warning("shared cache: {}: {}; going on without", self._place, why)
        self._why = why
        self._failures += 1


def _reason(exc: BaseException) -> str:
    return mask_secrets(meaning(exc))[:_LONGEST_REASON]


def _end(client: Redis) -> None:
    with suppress(*FAILURES):
        client.close()
