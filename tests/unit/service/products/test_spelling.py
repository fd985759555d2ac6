"""Spelling: which of the catalogue's words was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zava.service.products.spelling import Vocabulary, distance

WORDS = {
    "hammer": 9,
    "hanger": 3,
    "pliers": 5,
    "plyers2": 5,
    "screwdriver": 7,
    "combination": 2,
    "paint": 40,
    "pains": 1,
    "drill": 8,
}
LETTERS = st.text("abc", max_size=6)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        pytest.param("hamer", "hammer", id="left out"),
        pytest.param("hammmer", "hammer", id="added"),
        pytest.param("plyers", "pliers", id="changed"),
        pytest.param("hamemr", "hammer", id="swapped"),
        pytest.param("scrudriver", "screwdriver", id="two in a long word"),
        pytest.param("hmaer", None, id="two in a short word"),
        pytest.param("ammer", None, id="another first letter"),
        pytest.param("toaster", None, id="another word"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_the_neighbour_that_was_meant(typed: str, meant: str | None) -> None:
    assert Vocabulary(WORDS).nearest(typed) == meant


def test_of_equal_neighbours_the_commonest_is_meant() -> None:
    assert Vocabulary(WORDS).nearest("painx") == "paint"


def test_only_long_words_of_letters_that_are_not_there_are_unknown() -> None:
    unknown = Vocabulary(WORDS).unknown(["Hammer", "Hamer", "dril", "2x4x8", "hamer"])
    assert unknown == ["hamer"]


@given(LETTERS, LETTERS)
def test_a_distance_is_the_same_both_ways_and_zero_only_to_itself(
    one: str, other: str
) -> None:
    assert distance(one, other) == distance(other, one)
    assert (distance(one, other) == 0) == (one == other)
    longest = max(len(one), len(other))
    assert abs(len(one) - len(other)) <= distance(one, other) <= longest


@given(st.text("abc", min_size=1, max_size=8), st.data())
def test_one_slip_is_one_difference(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(word) - 1))
    assert distance(word, word[:at] + word[at + 1 :]) == 1
    assert distance(word, word[:at] + "x" + word[at + 1 :]) == 1
    assert distance(word, word[:at] + "x" + word[at:]) == 1
    swapped = word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
    assert distance(word, swapped) == (0 if swapped == word else 1)
