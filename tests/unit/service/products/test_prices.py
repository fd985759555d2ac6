"""Prices in words: what a question says of the price, and what only looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from zava.models import ProductQuestion
from zava.service.products.prices import limits_in_words, read_price
from zava.service.products.question import checked


@pytest.mark.parametrize(
    ("asked", "rest", "low", "high"),
    [
        ("garden hose under 40 dollars", "garden hose", None, 40),
        ("hose below $5", "hose", None, 5),
        ("hoses for under 40 USD in stock", "hoses in stock", None, 40),
        ("Do we have a hose for at most 40 dollars?", "Do we have a hose?", None, 40),
        ("$40 or less, hammers", "hammers", None, 40),
        ("hammers, 40€ max", "hammers", None, 40),
        ("drill between 10 and 20 dollars", "drill", 10, 20),
        ("drill between $20 and $10", "drill", 10, 20),
        ("$10-20 hammers", "hammers", 10, 20),
        ("drill 10 to 20 dollars", "drill", 10, 20),
        ("bolts from $2", "bolts", 2, None),
        ("drills over $100", "drills", 100, None),
        (
            *("paint that costs less than $1,200.50 and more than 10 bucks", "paint"),
            *(10, 1200.5),
        ),
        ("Makita 18V 5/8 in. under $99.99", "Makita 18V 5/8 in.", None, 99.99),
    ],
)
def test_limits_of_the_price_are_read(
    asked: str, rest: str, low: float | None, high: float | None
) -> None:
    assert read_price(asked) == (rest, low, high)


@pytest.mark.parametrize(
    "asked",
    [
        "drill between 10 and 20",
        "5/8 in. hose under 40 feet",
        "2x4 over 8 ft",
        "nails 10 to 16",
        "boxes $5 to 10 in. wide",
        "fix a cracked pipe under water",
        "part X100-200 dollars",
        "100 dollar bill",
        "a pipe of 1/2 dollars or less",
        "paint over $20 and under $10",
        "under 40 dollars",
        "$5",
        "",
    ],
)
def test_what_is_no_price_stays_as_it_is(asked: str) -> None:
    assert read_price(asked) == (asked, None, None)


@pytest.mark.parametrize(
    "name",
    ["shopper_questions.csv", "short_questions.csv", "staples.csv", "not_sold.txt"],
)
def test_no_question_of_the_benchmark_names_a_price(name: str) -> None:
    lines = (ROOT / "bench" / name).read_text("utf-8").splitlines()
    for question in (line.partition(",")[0] for line in lines):
        assert read_price(question) == (question, None, None)


@given(st.text("$ 1,.-aunderto", max_size=40))
def test_any_text_is_read(text: str) -> None:
    read = read_price(text)
    limited = read.low is not None or read.high is not None
    assert limited or read.rest == text
    if read.low is not None and read.high is not None:
        assert read.low <= read.high


def test_limits_that_are_given_are_kept_and_the_words_stay() -> None:
    question = ProductQuestion("hose under 40 dollars", max_price=10)
    assert checked(question) == question


def test_what_was_read_is_told() -> None:
    question = checked(ProductQuestion("hose under 40 dollars"))
    assert (question.text, question.min_price, question.max_price) == ("hose", None, 40)
    assert question.price_in_words == "at most 40"
    assert limits_in_words(5.5, None) == "at least 5.5"
    assert limits_in_words(1000, 2000) == "1,000 to 2,000"
