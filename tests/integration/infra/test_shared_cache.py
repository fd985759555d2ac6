"""The second level of the cache in a real Redis, well and unwell."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import pytest

from tests.fakes import FakeClock
from tests.patience import PATIENCE
from tests.people import SEATTLE
from tests.redis_server import PASSWORD, RedisServer
from tests.shared_caches import (
    ANSWER,
    FOR_HER,
    IDENTITY,
    WITH_REDIS,
    Open,
    ask,
    connected,
    count,
    health,
    never,
    until,
)
from zava.errors import DatabaseError
from zava.infra.answer_age import note_as_of, reading
from zava.infra.cache import QueryCache
from zava.infra.sharing import Sharing

pytestmark = WITH_REDIS


@pytest.fixture(scope="module", params=["plain", "tls"])
def any_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    with RedisServer(is_tls=request.param == "tls") as server:
        yield server


@pytest.mark.acceptance("A164")
def test_a_second_process_is_given_what_the_first_one_made(
    any_server: RedisServer, open_cache: Open
) -> None:
    first, second = open_cache(any_server), open_cache(any_server)
    assert ask(first, "shared") == (ANSWER, False)
    assert second.obtain("shared", never, sharing=FOR_HER) == (ANSWER, True)
    assert second.peek("shared") == ANSWER
    assert (count(first, "stored"), count(second, "hits")) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"user_id": UUID(int=8)},
        {"role_name": "store_managers_personal"},
        {"store_ids": (UUID(int=7), UUID(int=8))},
        {"seal": "that of a binding made again"},
        {"cache_secret": "of a key that was made anew since then"},
        {"schema_version": "2"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_nobody_reads_what_another_identity_was_given(
    server: RedisServer, open_cache: Open, other: dict[str, Any]
) -> None:
    key = f"of one identity: {next(iter(other))}"
    ask(open_cache(server), key)
    stranger = Sharing(IDENTITY.model_copy(update=other), dict[str, Any])
    answer = ask(open_cache(server), key, {"of": "another"}, sharing=stranger)
    assert answer == ({"of": "another"}, False)


def test_processes_of_another_scope_share_nothing(
    server: RedisServer, open_cache: Open
) -> None:
    ask(open_cache(server), "of one database")
    other = open_cache(server, scope="another database")
    assert ask(other, "of one database", {}) == ({}, False)


def test_what_is_not_of_one_identity_stays_in_memory(
    server: RedisServer, open_cache: Open
) -> None:
    first = open_cache(server)
    first.obtain("of nobody", lambda: 1)
    assert open_cache(server).obtain("of nobody", lambda: 2) == (2, False)


def test_redis_learns_neither_question_nor_answer_nor_person(
    broken: RedisServer, open_cache: Open
) -> None:
    ask(open_cache(broken), "question", {"name": "Jane Doe"})
    with broken.client as client:
        (key,) = client.keys("*")
        value = client.get(key)
    for told in (b"question", b"Jane", b"Doe", SEATTLE.encode(), b"Seattle"):
        assert told not in key
        assert told not in value


def test_values_that_were_changed_or_moved_are_not_used(
    broken: RedisServer, open_cache: Open
) -> None:
    first, second = open_cache(broken), open_cache(broken)
    ask(first, "one", {"n": 1})
    with broken.client as client:
        (one,) = client.keys("*")
        ask(first, "two", {"n": 2})
        (two,) = set(client.keys("*")) - {one}
        sealed = client.get(one)
        client.set(two, sealed)  # moved
        client.set(one, sealed[:-1] + bytes([sealed[-1] ^ 1]))  # changed
        assert ask(second, "one", {"n": 3}) == ({"n": 3}, False)
        assert ask(second, "two", {"n": 4}) == ({"n": 4}, False)
        for worthless in (b"", b"x", b"y" * 3_000_000):
            client.set(one, worthless)
            assert ask(open_cache(broken), "one", {"n": 5})[0] == {"n": 5}
    assert count(second, "rejected") == 2


def test_a_value_ends_at_its_own_time_whatever_redis_keeps(
    broken: RedisServer, open_cache: Open, clock: FakeClock
) -> None:
    ask(open_cache(broken, clock=clock), "old", {"n": 1})
    with broken.client as client:
        (key,) = client.keys("*")
        sealed = client.get(key)
        clock.advance(59)
        late = open_cache(broken, clock=clock)
        assert late.obtain("old", never, sharing=FOR_HER) == ({"n": 1}, True)
        clock.advance(2)
        client.set(key, sealed)  # replayed, for ever
    assert ask(open_cache(broken, clock=clock), "old", {"n": 2}) == ({"n": 2}, False)


def test_a_process_keeps_a_value_no_longer_than_its_own_time(
    server: RedisServer, open_cache: Open, clock: FakeClock
) -> None:
    ask(open_cache(server, clock=clock, ttl=3600), "long lived", {"n": 1})
    clock.advance(61)
    careful = open_cache(server, clock=clock, ttl=60)
    assert ask(careful, "long lived", {"n": 2}) == ({"n": 2}, False)


def test_a_shared_value_is_as_old_as_what_it_was_made_from(
    server: RedisServer, open_cache: Open
) -> None:
    complete = datetime(2026, 6, 30, 12, tzinfo=timezone.utc)

    def run() -> dict[str, int]:
        note_as_of(complete)
        return {"n": 1}

    open_cache(server).obtain("dated", run, sharing=FOR_HER)
    with reading() as read:
        assert open_cache(server).obtain("dated", never, sharing=FOR_HER)[1]
    assert read.as_of == complete


def test_a_value_that_says_less_elsewhere_is_not_shared(
    server: RedisServer, open_cache: Open
) -> None:
    here_only = Sharing(IDENTITY, dict[str, Any], lambda _result: False)
    first = open_cache(server)
    ask(first, "here", {"n": 1}, sharing=here_only)
    assert first.peek("here") == {"n": 1}
    assert ask(open_cache(server), "here", {"n": 2}) == ({"n": 2}, False)


def test_a_value_of_the_future_is_not_used(
    broken: RedisServer, open_cache: Open, clock: FakeClock
) -> None:
    ahead = FakeClock()
    ahead.advance(3600)
    ask(open_cache(broken, clock=ahead), "early", {"n": 1})
    assert ask(open_cache(broken, clock=clock), "early", {"n": 2})[0] == {"n": 2}


def test_a_fresh_answer_is_read_again_and_replaces_the_kept_one(
    server: RedisServer, open_cache: Open
) -> None:
    ask(open_cache(server), "fresh", {"n": 1})
    assert ask(open_cache(server), "fresh", {"n": 2}, fresh=True) == ({"n": 2}, False)
    assert open_cache(server).obtain("fresh", never, sharing=FOR_HER)[0] == {"n": 2}


def test_an_older_run_does_not_replace_a_fresh_answer(
    server: RedisServer, open_cache: Open
) -> None:
    slow, quick = open_cache(server), open_cache(server)

    def run() -> dict[str, int]:
        ask(quick, "overtaken", {"n": 2}, fresh=True)
        return {"n": 1}

    assert slow.obtain("overtaken", run, sharing=FOR_HER) == ({"n": 1}, False)
    kept, _ = open_cache(server).obtain("overtaken", never, sharing=FOR_HER)
    assert kept == {"n": 2}


def test_equal_questions_of_several_processes_share_one_run(
    server: RedisServer, open_cache: Open
) -> None:
    waiting = [threading.Event() for _ in range(4)]
    runs = []

    def open_one(waits: threading.Event) -> QueryCache:
        def sleep(seconds: float) -> None:
            waits.set()
            time.sleep(seconds)

        return open_cache(server, sleep=sleep)

    def run() -> dict[str, int]:
        runs.append(1)
        until(lambda: sum(each.is_set() for each in waiting) == len(waiting) - 1)
        return {"n": 1}

    caches = [open_one(each) for each in waiting]
    with ThreadPoolExecutor(len(caches)) as pool:
        answers = list(
            pool.map(lambda c: c.obtain("at once", run, sharing=FOR_HER), caches)
        )
    assert [answer for answer, _ in answers] == [{"n": 1}] * len(caches)
    assert sorted(shared for _, shared in answers) == [False, True, True, True]
    assert len(runs) == 1


def test_a_call_waits_no_longer_than_its_patience_for_another_process(
    server: RedisServer, open_cache: Open
) -> None:
    slow, hasty = open_cache(server), open_cache(server, patience=0.0)

    def run() -> dict[str, int]:
        assert ask(hasty, "long", {"n": 2}) == ({"n": 2}, False)
        return {"n": 1}

    assert slow.obtain("long", run, sharing=FOR_HER)[0] == {"n": 1}


def test_whoever_waits_for_a_run_that_fails_runs_it(
    server: RedisServer, open_cache: Open
) -> None:
    failing, waiter = open_cache(server), open_cache(server)
    with ThreadPoolExecutor(1) as pool:

        def fail() -> Any:
            results.append(pool.submit(ask, waiter, "fails", {"n": 1}))
            raise DatabaseError("no")

        results: list[Any] = []
        with pytest.raises(DatabaseError):
            failing.obtain("fails", fail, sharing=FOR_HER)
        assert results[0].result(PATIENCE) == ({"n": 1}, False)


def test_results_that_are_too_large_or_not_to_be_kept_are_not_shared(
    server: RedisServer, open_cache: Open
) -> None:
    first, second = open_cache(server), open_cache(server)
    large = {"text": "x" * 2_000_000}
    assert ask(first, "large", large)[0] == large
    assert ask(second, "large", {}) == ({}, False)
    ask(first, "not kept", ANSWER, keeps=lambda _result: False)
    assert ask(second, "not kept", {}) == ({}, False)


@pytest.mark.acceptance("A165")
def test_a_redis_that_was_killed_costs_no_answer_and_is_found_again(
    broken: RedisServer, open_cache: Open
) -> None:
    cache = open_cache(broken)
    broken.kill()
    assert ask(cache, "while it is down") == (ANSWER, False)
    assert "answers without" in health(cache)
    assert PASSWORD not in health(cache)
    broken.start()
    until(lambda: connected(cache))
    assert health(cache) == ""
    ask(cache, "after it came back")
    assert open_cache(broken).obtain("after it came back", never, sharing=FOR_HER)[1]


def test_a_redis_that_is_silent_costs_one_timeout(
    broken: RedisServer, open_cache: Open
) -> None:
    cache = open_cache(broken, timeout=0.2)
    broken.stop()
    try:
        for number in range(50):
            assert ask(cache, f"silent {number}") == (ANSWER, False)
        assert not connected(cache)
    finally:
        broken.resume()
    until(lambda: connected(cache))


def test_a_redis_that_is_full_still_gives_what_it_has(
    broken: RedisServer, open_cache: Open
) -> None:
    cache = open_cache(broken)
    ask(cache, "before")
    with broken.client as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        other = open_cache(broken)
        assert other.obtain("before", never, sharing=FOR_HER) == (ANSWER, True)
        assert ask(other, "while it is full") == (ANSWER, False)
        assert "full" in health(other)
        client.config_set("maxmemory", 0)
    ask(other, "afterwards")
    assert health(other) == ""


def test_a_redis_that_nobody_can_reach_delays_no_start() -> None:
    url = f"redis://:{PASSWORD}@127.0.0.1:1"
    cache = QueryCache(url)
    try:
        assert ask(cache, "alone") == (ANSWER, False)
        assert PASSWORD not in health(cache)
    finally:
        cache.close()
