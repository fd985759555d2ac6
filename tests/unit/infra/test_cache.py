"""QueryCache: what stays, for how long, and who runs the query."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock
from tests.patience import PATIENCE
from zava.errors import ConfigurationError, DatabaseError
from zava.infra.answer_age import note_as_of, reading
from zava.infra.cache import QueryCache, weight


class Query:
    """Counts its runs; each returns another number."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> int:
        """Run."""
        self.runs += 1
        return self.runs


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cache(clock: FakeClock) -> QueryCache:
    return QueryCache(ttl=60, clock=clock)


@pytest.mark.acceptance("A165", "A167", "A169")
def test_a_second_question_is_answered_from_the_cache(cache: QueryCache) -> None:
    query = Query()
    assert cache.get_cached_result("k", query) == 1
    assert cache.get_cached_result("k", query) == 1
    assert cache.get_cached_result("other", query) == 2


@pytest.mark.acceptance("A166", "A168", "A172", "D20")
def test_a_result_stays_until_its_time_is_up(
    cache: QueryCache, clock: FakeClock
) -> None:
    query = Query()
    cache.get_cached_result("k", query)
    clock.advance(59.9)
    assert cache.get_cached_result("k", query) == 1
    clock.advance(0.1)
    assert cache.peek("k") is None
    assert cache.get_cached_result("k", query) == 2


@pytest.mark.acceptance("A167", "D20")
@pytest.mark.parametrize(("ttl", "kept"), [(5, False), (11, True), (120, True)])
def test_an_entry_may_have_a_time_of_its_own(
    cache: QueryCache, clock: FakeClock, ttl: float, kept: bool
) -> None:
    cache.get_cached_result("k", Query(), ttl)
    clock.advance(10)
    assert (cache.peek("k") == 1) is kept


@pytest.mark.acceptance("D20")
@pytest.mark.parametrize("of_cache", [True, False], ids=["cache", "entry"])
def test_a_time_of_zero_keeps_nothing(clock: FakeClock, of_cache: bool) -> None:
    cache = QueryCache(ttl=0 if of_cache else 60, clock=clock)
    query = Query()
    for _ in range(3):
        cache.get_cached_result("k", query, None if of_cache else 0)
    assert query.runs == 3
    assert cache.peek("k") is None


@pytest.mark.acceptance("D20")
def test_no_more_entries_stay_than_allowed(clock: FakeClock) -> None:
    cache = QueryCache(max_entries=3, clock=clock)
    for key in "abcde":
        cache.get_cached_result(key, lambda: "x")
    assert [key for key in "abcde" if cache.peek(key)] == ["c", "d", "e"]


def test_what_was_used_lately_outlives_what_was_not(clock: FakeClock) -> None:
    cache = QueryCache(max_entries=2, clock=clock)
    for key in "abac":
        cache.get_cached_result(key, lambda: "x")
    assert [key for key in "abc" if cache.peek(key)] == ["a", "c"]


def test_no_more_bytes_stay_than_allowed(clock: FakeClock) -> None:
    cache = QueryCache(max_bytes=10, weigh=len, clock=clock)
    for key in "abc":
        cache.get_cached_result(key, lambda: "12345")
    assert [key for key in "abc" if cache.peek(key)] == ["b", "c"]


def test_what_is_larger_than_the_whole_cache_is_returned_and_not_kept(
    clock: FakeClock,
) -> None:
    cache = QueryCache(max_bytes=10, weigh=len, clock=clock)
    cache.get_cached_result("small", lambda: "1234")
    assert cache.get_cached_result("k", lambda: "x" * 11) == "x" * 11
    assert cache.peek("k") is None
    assert cache.peek("small") == "1234"


@pytest.mark.acceptance("A172")
def test_an_error_is_not_kept(cache: QueryCache) -> None:
    with pytest.raises(DatabaseError):
        cache.get_cached_result("k", failing)
    assert cache.get_cached_result("k", Query()) == 1


def failing() -> None:
    raise DatabaseError("no")


@pytest.mark.acceptance("A173")
def test_none_is_not_kept(cache: QueryCache) -> None:
    assert cache.get_cached_result("k", lambda: None) is None
    assert cache.get_cached_result("k", Query()) == 1


@pytest.mark.acceptance("A173")
@pytest.mark.parametrize("empty", [[], (), {}, "", 0, False])
def test_what_is_empty_is_kept(cache: QueryCache, empty: Any) -> None:
    cache.get_cached_result("k", lambda: empty)
    assert cache.get_cached_result("k", Query()) == empty


def test_a_refresh_reads_again_and_keeps_that(cache: QueryCache) -> None:
    query = Query()
    cache.get_cached_result("k", query)
    assert cache.obtain("k", query, fresh=True) == (2, False)
    assert cache.get_cached_result("k", query) == 2


@pytest.mark.parametrize("fresh", ["x" * 11, None], ids=["too-large", "none"])
def test_a_refresh_leaves_nothing_older_behind(
    clock: FakeClock, fresh: str | None
) -> None:
    cache = QueryCache(max_bytes=10, weigh=len, clock=clock)
    cache.get_cached_result("k", lambda: "old")
    cache.obtain("k", lambda: fresh, fresh=True)
    assert cache.peek("k") is None


def test_a_refresh_that_fails_reaches_the_caller(cache: QueryCache) -> None:
    with pytest.raises(DatabaseError):
        cache.obtain("k", failing, fresh=True)


def test_a_run_that_began_before_a_refresh_does_not_undo_it(cache: QueryCache) -> None:
    def slow() -> str:
        cache.obtain("k", lambda: "new", fresh=True)
        return "old"

    cache.get_cached_result("k", slow)
    assert cache.peek("k") == "new"


def waiting_on(cache: QueryCache, key: str, count: int) -> Callable[[], bool]:
    """Whether so many callers wait for the run under `key`."""

    def ready() -> bool:
        flight = cache._flights.get(key)
        # Whoever waits for a Future sleeps on its condition.
        return flight is not None and len(flight._condition._waiters) >= count  # type: ignore[attr-defined]

    return ready


def poll(condition: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        pause.wait(0.001)


def together(
    cache: QueryCache,
    leader: Callable[[], Any],
    follower: Callable[[], Any],
    ask: Callable[[str, Callable[[], Any]], Any] | None = None,
) -> list[Any]:
    """Let one call lead and nineteen wait for it; return outcomes, the leader's first.

    `leader` runs while the nineteen wait; `ask` is `get_cached_result` unless given.
    """
    ask = ask or cache.get_cached_result
    started = threading.Event()

    def lead() -> Any:
        started.set()
        poll(waiting_on(cache, "k", 19))
        return leader()

    def outcome(query: Callable[[], Any]) -> Any:
        try:
            return ask("k", query)
        except BaseException as exc:  # noqa: BLE001 - it is what the test looks at
            return exc

    with ThreadPoolExecutor(20) as threads:
        first = threads.submit(outcome, lead)
        assert started.wait(PATIENCE)
        others = [threads.submit(outcome, follower) for _ in range(19)]
        return [call.result(PATIENCE) for call in (first, *others)]


@pytest.mark.acceptance("A171", "D20")
def test_twenty_who_ask_at_once_share_one_run(cache: QueryCache) -> None:
    query = Query()
    assert together(cache, query, query) == [1] * 20
    assert query.runs == 1


def test_an_error_reaches_all_who_wait_and_is_not_kept(cache: QueryCache) -> None:
    query = Query()
    outcomes = together(cache, failing, query)
    assert {type(outcome) for outcome in outcomes} == {DatabaseError}
    assert cache.get_cached_result("k", query) == 1


@pytest.mark.parametrize("leaving", [asyncio.CancelledError, KeyboardInterrupt])
def test_a_leader_that_is_cancelled_does_not_fail_the_others(
    cache: QueryCache, leaving: type[BaseException]
) -> None:
    def cancelled() -> None:
        raise leaving

    query = Query()
    first, *others = together(cache, cancelled, query)
    assert isinstance(first, leaving)
    assert others == [1] * 19
    assert query.runs == 1


def test_a_none_reaches_all_who_wait(cache: QueryCache) -> None:
    assert together(cache, lambda: None, Query()) == [None] * 20


def test_other_keys_do_not_wait(cache: QueryCache) -> None:
    def nested() -> Any:
        with ThreadPoolExecutor(1) as threads:
            inner = threads.submit(cache.get_cached_result, "b", lambda: "inner")
            return inner.result(PATIENCE)

    assert cache.get_cached_result("a", nested) == "inner"


def test_no_flight_is_left_behind(cache: QueryCache) -> None:
    def cancelled() -> None:
        raise asyncio.CancelledError

    for query, error in ((failing, DatabaseError), (cancelled, asyncio.CancelledError)):
        with pytest.raises(error):
            cache.get_cached_result("k", query)
    cache.get_cached_result("k", Query())
    assert cache._flights == {}


parts = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text("ab\",[]{}:\\'"),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


def typed(value: Any) -> Any:
    """A value that equals another one only if their types agree too."""
    if isinstance(value, list):
        return [typed(item) for item in value]
    return (type(value).__name__, value)


@pytest.mark.acceptance("A177", "D20")
@given(st.lists(parts, max_size=4), st.lists(parts, max_size=4))
def test_no_two_lists_of_parts_have_the_same_key(
    one: list[Any], two: list[Any]
) -> None:
    assert (QueryCache.key(*one) == QueryCache.key(*two)) is (typed(one) == typed(two))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        pytest.param(("ab", "c"), ("a", "bc"), id="moved-border"),
        pytest.param(("a,b",), ("a", "b"), id="separator"),
        pytest.param(('a","b',), ("a", "b"), id="quotes"),
        pytest.param((1,), ("1",), id="type"),
        pytest.param((), ("",), id="nothing"),
        pytest.param((None,), ("null",), id="null"),
    ],
)
def test_keys_that_look_alike_differ(one: tuple[Any], two: tuple[Any]) -> None:
    assert QueryCache.key(*one) != QueryCache.key(*two)


@pytest.mark.acceptance("A176", "A177")
def test_the_key_of_a_query_holds_the_user(cache: QueryCache) -> None:
    keys = {cache._generate_cache_key("SELECT 1", user) for user in ("a", "b")}
    assert len(keys) == 2


@pytest.mark.acceptance("A169", "A170", "A171")
def test_a_lookup_is_told_once_and_a_hit_runs_nothing(clock: FakeClock) -> None:
    told: list[tuple[str, bool]] = []
    cache = QueryCache(clock=clock, on_lookup=lambda *lookup: told.append(lookup))
    query = Query()
    for _ in range(3):
        cache.get_cached_result("k", query)
    cache.get_cached_result("k", query, kind="schema")
    assert query.runs == 1
    assert told == [
        ("query", False),
        ("query", True),
        ("query", True),
        ("schema", True),
    ]


@pytest.mark.acceptance("A164", "A166", "A168")
def test_a_result_stays_three_hundred_seconds_by_default(clock: FakeClock) -> None:
    cache = QueryCache(clock=clock)
    assert cache.cache_ttl == 300
    cache.get_cached_result("k", Query(), None)
    clock.advance(299.9)
    assert cache.peek("k") == 1
    clock.advance(0.1)
    assert cache.peek("k") is None


@pytest.mark.acceptance("A172", "A174", "A175")
def test_a_result_is_set_and_found_by_its_key(
    cache: QueryCache, clock: FakeClock
) -> None:
    assert cache._get_from_cache("k") is None
    cache._set_in_cache("k", "result", 5)
    assert cache._get_from_cache("k") == "result"
    clock.advance(5)
    assert cache._get_from_cache("k") is None


NOON = datetime(2026, 6, 30, 12, tzinfo=timezone.utc)


def read_at(seconds: int) -> Callable[[], str]:
    """A query whose answer is complete up to some seconds after noon."""

    def query() -> str:
        note_as_of(NOON + timedelta(seconds=seconds))
        return "answer"

    return query


def test_what_is_made_from_a_kept_result_is_as_old_as_that(cache: QueryCache) -> None:
    cache.get_cached_result("old", read_at(0))
    with reading() as found:
        note_as_of(NOON + timedelta(seconds=5))
        cache.get_cached_result("old", read_at(9))
        note_as_of(NOON + timedelta(seconds=9))
    with reading() as peeked:
        cache.peek("old")
    assert found.as_of == peeked.as_of == NOON


def test_a_result_is_kept_no_longer_than_an_answer_may_be_old(clock: FakeClock) -> None:
    now = NOON + timedelta(seconds=20)
    cache = QueryCache(ttl=60, max_age=30, clock=clock, now=lambda: now)
    cache.get_cached_result("k", read_at(0))
    clock.advance(9.9)
    assert cache.peek("k") == "answer"
    clock.advance(0.1)
    assert cache.peek("k") is None
    cache.get_cached_result("too old", read_at(-10))
    assert cache.peek("too old") is None
    cache.obtain("fresh", read_at(20), fresh=True)
    clock.advance(29.9)
    assert cache.peek("fresh") == "answer"


def test_the_age_of_a_result_is_that_of_this_day() -> None:
    long_ago = round((NOON.replace(year=2000) - NOON).total_seconds())
    cache = QueryCache(max_age=3600)
    cache.get_cached_result("k", read_at(long_ago))
    assert cache.peek("k") is None


@pytest.mark.acceptance("A176", "A177")
def test_a_key_is_a_sha_256_of_the_query_and_the_user() -> None:
    key = QueryCache()._generate_cache_key("SELECT 1", "jane")
    assert key == hashlib.sha256(b'["SELECT 1","jane"]').hexdigest()


@pytest.mark.acceptance("A164", "A165")
def test_redis_without_an_address_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        QueryCache("")


def test_without_a_weigher_a_result_weighs_by_its_json(clock: FakeClock) -> None:
    cache = QueryCache(max_bytes=weight([1, 2, 3]), clock=clock)
    cache.get_cached_result("fits", lambda: [1, 2, 3])
    cache.get_cached_result("does not", lambda: [1, 2, 33])
    assert cache.peek("fits") == [1, 2, 3]
    assert cache.peek("does not") is None


def test_a_result_is_obtained_with_word_of_whether_it_was_kept(
    cache: QueryCache,
) -> None:
    query = Query()

    def obtain(*, fresh: bool) -> tuple[Any, bool]:
        return cache.obtain("key", query, fresh=fresh)

    assert obtain(fresh=False) == (1, False)
    assert obtain(fresh=False) == (1, True)
    assert obtain(fresh=True) == (2, False)
    assert obtain(fresh=False) == (2, True)


def test_a_result_that_is_not_to_be_used_again_is_not_kept(cache: QueryCache) -> None:
    query = Query()

    def obtain(*, fresh: bool) -> tuple[Any, bool]:
        return cache.obtain("k", query, fresh=fresh, keeps=lambda number: number > 2)

    assert obtain(fresh=False) == (1, False)
    assert obtain(fresh=True) == (2, False)
    assert cache.peek("k") is None
    assert obtain(fresh=False) == (3, False)
    assert obtain(fresh=False) == (3, True)


def test_a_result_that_is_not_kept_reaches_all_who_wait(cache: QueryCache) -> None:
    query = Query()
    obtain = partial(cache.obtain, keeps=lambda _number: False)
    outcomes = together(cache, query, query, obtain)
    assert sorted(outcomes) == [(1, False)] + [(1, True)] * 19
    assert cache.peek("k") is None


def test_a_refresh_that_is_not_to_be_used_again_leaves_the_older_one(
    cache: QueryCache,
) -> None:
    cache.obtain("k", lambda: "whole")
    passing = cache.obtain("k", lambda: "in part", fresh=True, keeps=lambda _r: False)
    assert passing == ("in part", False)
    assert cache.peek("k") == "whole"


def test_a_result_that_is_obtained_may_have_a_time_of_its_own(
    cache: QueryCache, clock: FakeClock
) -> None:
    for fresh in (False, True):
        cache.obtain("k", Query(), ttl=5, fresh=fresh)
        clock.advance(4.9)
        assert cache.peek("k") == 1
        clock.advance(0.1)
        assert cache.peek("k") is None
