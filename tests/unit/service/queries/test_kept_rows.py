"""How long rows are kept, how many, and for whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, cast
from uuid import UUID

import pytest

from tests.fakes import FakeClock
from tests.people import REDMOND, SEATTLE
from zava.errors import HandleError
from zava.models import Identity
from zava.service.queries.kept_rows import KeptResult, KeptRows, next_handle

PERSON = Identity(
    user_id=UUID(SEATTLE),
    role_name="store_managers",
    display_name="Seattle",
    store_ids=(),
    seal="seal",
    cache_secret="0123456789abcdef0123456789abcdef",
    schema_version="1",
)


@dataclass
class FakeRemainder:
    """Takes so many bytes."""

    size: int


def result(size: int = 10) -> KeptResult:
    now = datetime.now(timezone.utc)
    return KeptResult("SELECT 1", PERSON, cast("Any", FakeRemainder(size)), now)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def kept(clock: FakeClock) -> KeptRows:
    return KeptRows(max_rows=100, max_bytes=100, seconds=60, clock=clock)


def handle_of(kept: KeptRows, size: int = 10) -> str:
    handle = kept.keep(result(size), 20)
    assert handle is not None
    return handle


def test_a_handle_finds_its_rows_again_and_again(kept: KeptRows) -> None:
    handle = handle_of(kept)
    for _ in range(2):
        found, start = kept.find(handle, SEATTLE.upper())
        assert (found.query, start) == ("SELECT 1", 20)
    assert kept.find(next_handle(handle, 5), SEATTLE)[1] == 25


def test_handles_differ_and_cannot_be_guessed(kept: KeptRows) -> None:
    tokens = {handle_of(kept, 1).partition(".")[0] for _ in range(20)}
    assert len(tokens) == 20
    assert {len(token) for token in tokens} == {22}


def test_a_handle_is_of_no_use_to_another_person(kept: KeptRows) -> None:
    with pytest.raises(HandleError):
        kept.find(handle_of(kept), REDMOND)


@pytest.mark.parametrize(
    "handle", ["", "x", "x.1", "\0", "a" * 22 + ".1", "a" * 22 + ".-1", "1.1\n"]
)
def test_a_handle_that_nobody_gave_says_what_to_do(kept: KeptRows, handle: str) -> None:
    handle_of(kept)
    with pytest.raises(HandleError, match="export_query") as caught:
        kept.find(handle, SEATTLE)
    assert caught.value.error_code == "HANDLE_EXPIRED"


def test_rows_are_gone_after_their_time(kept: KeptRows, clock: FakeClock) -> None:
    handle = handle_of(kept)
    clock.advance(59)
    assert kept.holds(handle)
    clock.advance(2)
    assert not kept.holds(handle)
    with pytest.raises(HandleError, match="60 seconds"):
        kept.find(handle, SEATTLE)
    assert kept.stats() == {"entries": 0, "bytes": 0}


def test_older_results_make_room(kept: KeptRows) -> None:
    handles = [handle_of(kept, 25) for _ in range(5)]
    assert [kept.holds(handle) for handle in handles] == [False, *[True] * 4]
    assert kept.stats()["bytes"] == 100
    many = [handle_of(kept, 1) for _ in range(40)]
    assert kept.stats()["entries"] == 32
    assert kept.holds(many[-1])


def test_a_result_that_is_too_large_is_not_kept(kept: KeptRows) -> None:
    assert kept.keep(result(101), 20) is None


def test_nothing_is_read_ahead_where_nothing_is_kept() -> None:
    assert KeptRows(max_rows=0, max_bytes=100, seconds=60).allowance is None
    assert KeptRows(max_rows=9, max_bytes=100, seconds=0).allowance is None
