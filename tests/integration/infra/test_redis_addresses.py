"""The ways to a Redis: over the network, with and without TLS, and within a host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.redis_server import OTHER_ADDRESS, PASSWORD, RedisServer
from tests.shared_caches import (
    ANSWER,
    FOR_HER,
    WITH_REDIS,
    Open,
    ask,
    health,
    never,
    until,
)
from zava.errors import ConfigurationError
from zava.infra.cache import QueryCache

pytestmark = WITH_REDIS


@pytest.fixture(scope="module")
def strict() -> Iterator[RedisServer]:
    """A server that takes clients with a certificate only."""
    with RedisServer(is_tls=True, asks_certificate=True) as server:
        yield server


def test_processes_share_whatever_way_they_go(
    broken: RedisServer, open_cache: Open
) -> None:
    with broken.client as client:
        client.execute_command(
            "ACL", "SETUSER", "zava", "on", ">p@s/s:#", "~*", "+@all"
        )
    escaped = "zava:p%40s%2Fs%3A%23"
    urls = [
        broken.url,
        broken.url_at("localhost"),
        broken.url_at(OTHER_ADDRESS),
        broken.url_at("127.0.0.1", escaped),
        f"unix://:{PASSWORD}@{broken.socket}",
        f"unix://{escaped}@{broken.socket}?db=0",
    ]
    ask(open_cache(urls[0]), "question")
    for url in urls:
        cache = open_cache(url)
        assert cache.obtain("question", never, sharing=FOR_HER) == (ANSWER, True)
        assert health(cache) == ""


def test_each_database_of_a_redis_has_entries_of_its_own(
    broken: RedisServer, open_cache: Open
) -> None:
    ask(open_cache(broken), "question", {"n": 0})
    for url in (broken.url.removesuffix("0") + "3", f"{broken.url}?db=4"):
        assert ask(open_cache(url), "question", {"n": 1}) == ({"n": 1}, False)
        assert open_cache(url).obtain("question", never, sharing=FOR_HER)[1]


def test_a_server_may_ask_for_a_certificate(
    strict: RedisServer, open_cache: Open
) -> None:
    url = f"{strict.url}&ssl_certfile={strict.certificate}&ssl_keyfile={strict.key}"
    ask(open_cache(url), "question")
    assert open_cache(url).obtain("question", never, sharing=FOR_HER)[1]
    without = open_cache(strict.url, waits=False)
    until(lambda: "not connected yet" not in health(without))
    assert ask(without, "question", {}) == ({}, False)


def test_a_certificate_that_nobody_vouches_for_is_refused(
    strict: RedisServer, open_cache: Open
) -> None:
    cache = open_cache(strict.url.partition("?")[0], waits=False)
    until(lambda: "certificate" in health(cache).lower())
    assert PASSWORD not in health(cache)


def test_a_certificate_of_another_name_is_refused(
    strict: RedisServer, open_cache: Open
) -> None:
    cache = open_cache(strict.url_at("localhost"), waits=False)
    until(lambda: "certificate" in health(cache).lower())


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("http://localhost", "must be redis://"),
        ("localhost:6379", "must be redis://"),
        ("redis://", "must be redis://"),
        ("redis://:pass/word@localhost", "write %40 for @"),
        ("redis://localhost:port", "must be redis://"),
        ("redis://localhost/sales", "by a number"),
        ("redis://localhost/0/1", "by a number"),
        ("redis://localhost?db=-1", "by a number"),
        ("redis://localhost?socket_timeout=60", "may not end in socket_timeout"),
        ("redis://localhost?ssl_ca_certs=x", "may not end in ssl_ca_certs here"),
        ("redis://localhost/0#1", "may not end in # here"),
        ("rediss://localhost?ssl_cert_reqs=none", "may not end in ssl_cert_reqs"),
        ("rediss://localhost?ssl_ca_certs=/nowhere", "is not a file: /nowhere"),
        (f"rediss://localhost?ssl_keyfile={__file__}", "ssl_certfile too"),
        ("unix://", "must be redis://"),
        ("unix:///run/redis?ssl_ca_certs=x", "may not end in ssl_ca_certs here"),
    ],
)
def test_an_address_that_does_not_do_is_refused_with_what_would(
    url: str, remedy: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        QueryCache(url)
    assert remedy in str(raised.value)
    assert "pass" not in str(raised.value).replace("password", "")


def test_what_is_said_of_an_address_holds_no_password(open_cache: Open) -> None:
    for url, place in {
        f"redis://zava:{PASSWORD}@[::1]:1": "redis://[::1]:1/0: ",
        f"redis://:{PASSWORD}@127.0.0.1:1/2": "redis://127.0.0.1:1/2: ",
        f"unix://:{PASSWORD}@{Path('/nowhere')}": "unix:///nowhere: ",
    }.items():
        cache = open_cache(url, waits=False)
        until(lambda cache=cache: "not connected yet" not in health(cache))  # type: ignore[misc]
        assert health(cache).startswith(place)
        assert PASSWORD not in health(cache)
