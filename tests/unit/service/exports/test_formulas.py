"""Which texts a spreadsheet would run, and what becomes of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zava.service.exports.formulas import harmless, is_formula

FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://x")',
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\tx",
    "\rx",
    " =1",
    "\uff1d1+1",
    "+49 171 555",
]
HARMLESS = ["", "a=b", "Hammer", "-5", "+5.25", "1-2", "'=1", "a;b", "x\ny", "O'Neil"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe_and_stays_readable(text: str) -> None:
    assert is_formula(text)
    assert harmless(text) == "'" + text


@pytest.mark.parametrize("text", HARMLESS)
def test_any_other_text_and_a_plain_number_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("\t=1", "'\t'=1"),
        ("a\n@x", "a\n'@x"),
        ('a;"=1"', 'a;\'"=1"'),
    ],
)
def test_a_formula_behind_another_separator_is_one_too(text: str, made: str) -> None:
    assert harmless(text) == made


@given(st.text(alphabet="=+-@;\t\r\n'\" a1.", max_size=12))
def test_no_cell_begins_with_a_sign_whatever_the_separator(text: str) -> None:
    made = harmless(text)
    if re.fullmatch(r"[+-]?\d+(\.\d+)?", text):
        assert made == text
        return
    for cell in re.split(r"[;\t\r\n]", made):
        assert not re.match(r"\s*[=+\-@]", cell)
    assert made.replace("'", "") == text.replace("'", "")
