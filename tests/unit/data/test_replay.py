"""Which answers are given out, by how far their server is and what was answered before.

The positions are those of a primary on timeline 1 unless a case says otherwise.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from zava.data.replay import (
    Replay,
    ServerState,
    StaleServer,
    duration,
)

NOON = datetime(2026, 6, 30, 12, tzinfo=timezone.utc)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def state(
    position: int,
    as_of: float = 0,
    *,
    is_standby: bool = True,
    is_current: bool = True,
    timeline: int = 1,
    now: float = 0,
) -> ServerState:
    return ServerState(
        is_standby, is_current, position, timeline, at(as_of), at(max(now, as_of))
    )


def admit(replay: Replay, before: ServerState, position: int = 0) -> datetime:
    """Admit an answer whose snapshot shows at most `position`, or what came before."""
    after = before._replace(position=max(before.position, position))
    return replay.admit(before, after, replay.seen)


def test_a_standby_behind_an_earlier_answer_is_refused_until_it_has_caught_up() -> None:
    replay = Replay()
    admit(replay, state(90, 1), position=100)
    with pytest.raises(StaleServer) as refused:
        admit(replay, state(99, 2))
    assert refused.value.most is None
    assert admit(replay, state(100, 3)) == at(3)


def test_whoever_has_replayed_as_much_is_as_complete() -> None:
    replay = Replay()
    admit(replay, state(100, 9, is_standby=False))
    assert admit(replay, state(100, 2)) == at(9)


def test_calls_that_were_sent_before_an_answer_may_be_older() -> None:
    replay = Replay()
    seen = replay.seen
    admit(replay, state(100, 9))
    early = state(50, 2)
    assert replay.admit(early, early, seen) == at(2)
    assert replay.seen.position == 100


def test_after_a_failover_that_lost_transactions_the_new_primary_is_the_truth() -> None:
    replay = Replay()
    admit(replay, state(100, 1, is_standby=False))
    admit(replay, state(80, 2, is_standby=False, timeline=2))
    assert admit(replay, state(80, 3, timeline=2)) == at(3)
    with pytest.raises(StaleServer):
        admit(replay, state(79, 4, timeline=2, is_current=False))


def test_a_standby_that_has_caught_up_with_the_new_primary_is_the_truth_as_well() -> (
    None
):
    replay = Replay()
    admit(replay, state(100, 1, is_standby=False))
    with pytest.raises(StaleServer):
        admit(replay, state(80, 2, timeline=2, is_current=False))
    assert admit(replay, state(80, 2, timeline=2)) == at(2)
    assert replay.seen.position == 80


def test_a_standby_of_the_new_primary_is_as_young_as_what_was_answered_before() -> None:
    replay = Replay()
    admit(replay, state(100, 3, is_standby=False))
    with pytest.raises(StaleServer):
        admit(replay, state(80, 2, timeline=2))
    assert admit(replay, state(80, 3, timeline=2)) == at(3)


def test_an_answer_that_is_overtaken_makes_no_later_answer_older() -> None:
    replay = Replay()
    seen = replay.seen
    admit(replay, state(100, 9, is_standby=False))
    overtaken = state(101, 2)
    assert replay.admit(overtaken, overtaken, seen) == at(2)
    assert admit(replay, state(101, 2)) == at(9)


def test_an_answer_may_be_as_old_as_it_says_and_no_older() -> None:
    replay = Replay(max_staleness=30)
    assert admit(replay, state(100, 0, now=30)) == at(0)
    with pytest.raises(StaleServer) as refused:
        admit(replay, state(100, 0, now=31))
    assert (refused.value.age, refused.value.most) == (31, 30)


@pytest.mark.parametrize(("most", "attempts"), [(None, float("inf")), (30.0, 10)])
def test_another_attempt_is_made_where_it_may_help(
    most: float | None, attempts: float
) -> None:
    assert StaleServer(most=most).attempts(5) == attempts


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 ms"), (0.34, "340 ms"), (3.21, "3.2 s"), (7200.4, "7,200 s")],
)
def test_a_duration_has_its_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text
