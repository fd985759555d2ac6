"""How answers say how old they are."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from zava.infra.answer_age import note_as_of, reading, told

NOON = datetime(2026, 6, 30, 12, tzinfo=timezone.utc)


def test_a_time_is_told_no_later_than_it_is() -> None:
    just_before = NOON - timedelta(microseconds=1)
    assert told(just_before) == "2026-06-30T11:59:59.999+00:00"
    assert told(NOON) == "2026-06-30T12:00:00.000+00:00"


def test_an_answer_that_read_nothing_has_no_age() -> None:
    with reading() as read:
        note_as_of(None)
    assert told(read.as_of) is None


def test_an_answer_is_as_old_as_the_oldest_that_it_read() -> None:
    with reading() as all_of_it:
        note_as_of(NOON)
        with reading() as part:
            note_as_of(NOON + timedelta(seconds=2))
            note_as_of(NOON - timedelta(seconds=1))
        note_as_of(NOON + timedelta(seconds=1))
    assert part.as_of == all_of_it.as_of == NOON - timedelta(seconds=1)
    with reading() as another:
        note_as_of(NOON)
    assert another.as_of == NOON
