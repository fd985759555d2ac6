"""What somebody may mean who has typed a part of a name."""

from __future__ import annotations

import pytest

from zava.protocol.completion import matching

NAMES = ["Zava Retail Seattle", "East", "Zava Eastgate", "Northeast", "Beastly 2-Go"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        pytest.param("", NAMES, id="all"),
        pytest.param(
            "east", ["East", "Zava Eastgate", "Northeast", "Beastly 2-Go"], id="order"
        ),
        pytest.param("ZAVA  retail ", ["Zava Retail Seattle"], id="blanks-and-case"),
        pytest.param("2-g", ["Beastly 2-Go"], id="word"),
        pytest.param("Zava Eastgat3", ["Zava Eastgate"], id="slip"),
        pytest.param("[", [], id="no-pattern"),
        pytest.param("x" * 1000, [], id="long"),
    ],
)
def test_names_come_in_the_order_of_likelihood(typed: str, expected: list[str]) -> None:
    assert matching(NAMES, typed) == expected


def test_of_very_many_names_the_spelling_is_not_compared() -> None:
    assert matching([f"Store {n}" for n in range(20_000)], "stroe 7") == []
