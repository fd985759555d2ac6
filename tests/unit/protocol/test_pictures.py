"""Which pictures are kept, and for how long."""

from __future__ import annotations

from tests.fakes import FakeClock
from zava.protocol.pictures import MAX_BYTES, MAX_PICTURES, SECONDS, Pictures


def test_a_picture_is_kept_for_its_time_and_no_longer() -> None:
    clock = FakeClock()
    pictures = Pictures(clock)
    kept = pictures.keep(b"one", "One")
    assert kept is not None
    assert pictures.get(kept.name) == kept
    assert pictures.all() == [kept]
    clock.advance(SECONDS)
    assert pictures.get(kept.name) is None
    assert pictures.all() == []


def test_the_last_pictures_are_kept_and_the_first_ones_go() -> None:
    pictures = Pictures()
    drawn = [pictures.keep(bytes([n]), str(n)) for n in range(MAX_PICTURES + 3)]
    assert pictures.all() == drawn[3:]


def test_all_pictures_together_stay_below_the_ceiling() -> None:
    pictures = Pictures()
    large = MAX_BYTES // 3
    for n in range(5):
        pictures.keep(bytes([n]) * large, str(n))
    assert [each.title for each in pictures.all()] == ["2", "3", "4"]
    assert pictures.keep(b"x" * (MAX_BYTES + 1), "too large") is None
    assert len(pictures.all()) == 3


def test_the_same_picture_has_one_name_and_is_kept_anew() -> None:
    clock = FakeClock()
    pictures = Pictures(clock)
    first = pictures.keep(b"one", "One")
    clock.advance(SECONDS - 1)
    again = pictures.keep(b"one", "One")
    clock.advance(2)
    assert first == again
    assert pictures.all() == [again]
