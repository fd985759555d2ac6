"""A redis-server, and caches that share it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.redis_server import RedisServer
from tests.shared_caches import Open, connected, until
from zava.infra.cache import QueryCache
from zava.infra.sharing import SharedOptions


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def broken() -> Iterator[RedisServer]:
    """A server that the test may do harm to."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def open_cache() -> Iterator[Open]:
    """Open caches as if each were in a process of its own."""
    with ExitStack() as stack:

        def open_one(
            server: RedisServer | str,
            *,
            ttl: float = 60.0,
            waits: bool = True,
            **options: Any,
        ) -> QueryCache:
            url = server if isinstance(server, str) else server.url
            shared = SharedOptions(**{"timeout": 5.0, **options})
            cache = QueryCache(url, shared=shared, ttl=ttl)
            stack.callback(cache.close)
            if waits:
                until(lambda: connected(cache))
            return cache

        yield open_one
