"""PostgreSQL's text becomes JSON values that are exact."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import to_json

from zava.data.cells import decimal, document, floating, integer, timestamp

BORDER = 2**53


def is_exact(result: object, text: str) -> bool:
    """Whether what came out is the same number, or the text itself."""
    if isinstance(result, str):
        return result == text
    return Decimal(repr(result)) == Decimal(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("-1", -1, id="negative"),
        pytest.param(str(BORDER), BORDER, id="border"),
        pytest.param(str(-BORDER), -BORDER, id="negative-border"),
        pytest.param(str(BORDER + 1), str(BORDER + 1), id="past-the-border"),
        pytest.param(str(-BORDER - 1), str(-BORDER - 1), id="negative-past"),
        pytest.param("9223372036854775807", "9223372036854775807", id="int8-max"),
    ],
)
def test_an_integer_is_a_number_as_far_as_a_double_holds_it(
    text: str, value: int | str
) -> None:
    result = integer(text)
    assert result == value
    assert type(result) is type(value)


@given(st.integers(-(2**63), 2**63 - 1).map(str))
def test_an_integer_is_exact(text: str) -> None:
    assert is_exact(integer(text), text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("0.00", 0.0, id="zero-with-scale"),
        pytest.param("19.99", 19.99, id="money"),
        pytest.param("-0.5", -0.5, id="negative"),
        pytest.param("9007199254740993", "9007199254740993", id="past-the-border"),
        pytest.param("123456789012.345", 123456789012.345, id="fifteen-digits"),
        pytest.param("1234567890123.4567", "1234567890123.4567", id="seventeen-digits"),
        pytest.param("0.000000000000001", 1e-15, id="small"),
        pytest.param("NaN", "NaN", id="nan"),
        pytest.param("Infinity", "Infinity", id="infinity"),
        pytest.param("-Infinity", "-Infinity", id="negative-infinity"),
    ],
)
def test_a_numeric_is_a_number_where_it_is_exact(text: str, value: float | str) -> None:
    result = decimal(text)
    assert result == value
    assert type(result) is type(value)


@given(st.integers(-(10**20), 10**20), st.integers(0, 360))
@example(1, 400)
def test_a_numeric_is_exact(digits: int, scale: int) -> None:
    text = f"{Decimal(digits).scaleb(-scale):f}"
    assert is_exact(decimal(text), text)


@given(st.decimals(-(10**8), 10**8, places=2).map(str))
def test_money_is_always_a_number(text: str) -> None:
    result = decimal(text)
    assert isinstance(result, float)
    assert is_exact(result, text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("9" * 5000, id="more-digits-than-int-takes"),
        pytest.param("-" + "9" * 5000, id="negative"),
        pytest.param("9" * 5000 + ".5", id="with-fraction"),
        pytest.param("0." + "0" * 400 + "1", id="underflow"),
        pytest.param("0." + "0" * 315 + "123456789", id="subnormal"),
    ],
)
def test_a_numeric_beyond_every_double_is_text(text: str) -> None:
    assert decimal(text) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_itself(number: float) -> None:
    result = floating(repr(number))
    assert result == number
    assert isinstance(result, float)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_what_json_has_no_number_for_is_text(text: str) -> None:
    assert floating(text) == text


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-07-31 12:30:00", "2026-07-31T12:30:00"),
        ("2026-07-31 12:30:00.123456", "2026-07-31T12:30:00.123456"),
        ("2026-07-31 12:30:00+00", "2026-07-31T12:30:00+00:00"),
        ("2026-07-31 12:30:00.5-08", "2026-07-31T12:30:00.5-08:00"),
        ("2026-07-31 12:30:00+05:30", "2026-07-31T12:30:00+05:30"),
        ("12026-07-31 12:30:00+00", "12026-07-31T12:30:00+00:00"),
        ("infinity", "infinity"),
        ("-infinity", "-infinity"),
    ],
)
def test_a_timestamp_is_iso_8601(text: str, iso: str) -> None:
    assert timestamp(text) == iso


@given(st.datetimes())
def test_a_timestamp_keeps_its_value(moment: datetime) -> None:
    assert timestamp(f"{moment}+00") == f"{moment.isoformat()}+00:00"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("true", True),
        ('"x"', "x"),
        ("[1, 2.5, [3]]", [1, 2.5, [3]]),
        ('{"a": {"b": "é"}}', {"a": {"b": "é"}}),
        ("12345678901234567890", "12345678901234567890"),
        ("[12345678901234567890.5]", ["12345678901234567890.5"]),
        ("[1e2]", [100.0]),
    ],
)
def test_json_is_itself_with_exact_numbers(text: str, value: Any) -> None:
    assert document(text) == value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(r'"\ud800"', id="high-surrogate"),
        pytest.param(r'{"a": ["\udfff"]}', id="low-surrogate"),
        pytest.param(r'{"\ud800": 1}', id="surrogate-key"),
        pytest.param("9" * 5000, id="huge-integer"),
    ],
)
def test_json_that_no_message_can_hold_is_text(text: str) -> None:
    assert document(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "1e400",
        "-1e400",
        "1e-400",
        "1.2345e-320",
        "12345678901234567890e0",
        "9007199254740993e0",
        "0.1234567890123456789e1",
    ],
)
def test_a_json_number_with_an_exponent_is_exact_or_text(text: str) -> None:
    (number,) = document(f"[{text}]")
    assert is_exact(number, text)


@pytest.mark.parametrize(
    "depth",
    [
        64,
        200,
        pytest.param(253),
        pytest.param(300),
        100_000,
    ],
)
@pytest.mark.parametrize("pair", ["[]", "{}"], ids=["arrays", "objects"])
def test_json_of_any_depth_can_be_sent(pair: str, depth: int) -> None:
    opening, closing = {"[]": ("[", "]"), "{}": ('{"a":', "}")}[pair]
    text = opening * depth + "1" + closing * depth
    rows = [(document(text),)]
    assert to_json({"structuredContent": {"rows": rows}})


def test_a_surrogate_pair_is_one_character() -> None:
    assert document(r'"\ud83d\ude00"') == "\U0001f600"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-BORDER, BORDER)
    | st.floats(-1e9, 1e9).map(lambda number: round(number, 4))
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
)


@pytest.mark.thorough
@given(json_values)
def test_json_comes_back_as_it_went_in(value: Any) -> None:
    assert document(json.dumps(value)) == value


@given(st.text('[]{}",:\\ud80fNaIinty0123456789eE+-. ', max_size=60))
def test_whatever_json_holds_can_be_sent(text: str) -> None:
    sent = to_json(document(text))
    json.loads(sent, parse_constant=lambda name: pytest.fail(name))
