"""Caches that share a Redis, and what tests ask of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.patience import PATIENCE
from tests.people import SEATTLE
from tests.redis_server import IS_REQUIRED, PROGRAM
from zava.infra.cache import QueryCache
from zava.infra.sharing import Sharing
from zava.models import Identity

WITH_REDIS = [
    pytest.mark.once,
    pytest.mark.thorough,
    pytest.mark.skipif(
        PROGRAM is None and not IS_REQUIRED, reason="redis-server is not installed"
    ),
]
"""Marks of a module."""

IDENTITY = Identity(
    user_id=UUID(SEATTLE),
    role_name="store_managers",
    display_name="Manager of Seattle",
    store_ids=(UUID(int=7),),
    seal="proof",
    cache_secret="0123456789abcdef0123456789abcdef",
    schema_version="1",
)
FOR_HER = Sharing(IDENTITY, dict[str, Any])
ANSWER = {"rows": [["Seattle", 1.5, None]], "cached": False}

Open = Callable[..., QueryCache]
"""Opens a cache that shares a RedisServer, or the Redis of a URL."""


def connected(cache: QueryCache) -> bool:
    """Tell whether a cache has its Redis."""
    return count(cache, "connected") == 1


def count(cache: QueryCache, name: str) -> float:
    """Return a figure of a cache's second level."""
    assert cache.shared is not None
    return cache.shared.stats()[name]


def health(cache: QueryCache) -> str:
    """Return what is wrong with a cache's second level."""
    assert cache.shared is not None
    return cache.shared.health()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while not holds():
        assert time.monotonic() < deadline
        pause.wait(0.01)


def ask(
    cache: QueryCache, key: str, value: Any = ANSWER, **more: Any
) -> tuple[Any, bool]:
    """Obtain the answer to a question; `value` is what a run makes."""
    return cache.obtain(key, lambda: value, **{"sharing": FOR_HER, **more})


def never() -> Any:
    """Fail as the run of a question whose answer was there."""
    raise AssertionError("the result was there")
