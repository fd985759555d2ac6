"""Text that a spreadsheet would run as a formula is made harmless.

A spreadsheet takes a cell of a CSV file for a formula if it begins with one of these
characters. Where the spreadsheet's separator is a semicolon or a tab, a cell may also
begin within a text. Numbers stay numbers.
"""

from __future__ import annotations

import re

_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
_BEGINS = re.compile(rf"[\t\r]|\s*[{_SIGNS}]")
_BEGINS_WITHIN = re.compile(rf"([;\t\r\n])(?=[\s\"']*[{_SIGNS}])")
_RISKY = re.compile(rf"\A(?:{_BEGINS.pattern})|{_BEGINS_WITHIN.pattern}")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_MARK = "'"


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run a text that is typed into a cell."""
    return bool(_BEGINS.match(text)) and not _NUMBER.fullmatch(text)


def is_risky(text: str) -> bool:
    """Whether a text of a CSV file might become a formula."""
    return bool(_RISKY.search(text)) and not _NUMBER.fullmatch(text)


def harmless(text: str) -> str:
    """Return a text with an apostrophe before whatever might become a formula."""
    if not is_risky(text):
        return text
    within = _BEGINS_WITHIN.sub(rf"\1{_MARK}", text)
    return _MARK + within if _BEGINS.match(text) else within
