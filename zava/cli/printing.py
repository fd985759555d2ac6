"""How the rows of an answer are printed: as a table, as CSV or as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console

from zava.infra.logs import escape
from zava.service.charts.forms import Column
from zava.service.exports.formulas import harmless

LONGEST_CELL = 200
"""Characters of a cell of a table; CSV and JSON have all of it."""

_OLD = timedelta(minutes=2)

_GAP = "  "
# A column of texts, and every heading, is given at least so much of a terminal.
_NARROWEST = 12
_MONEY = re.compile(r"[A-Z]{3}")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_QUOTE = '"'
_QUOTED = re.compile(r'[",\r\n]')
# What JSON may hold as it is, and a terminal may not.
_UNSAFE_IN_JSON = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def print_rows(
    columns: Sequence[Column], rows: Sequence[Sequence[Any]], width: int | None = None
) -> bool:
    """Print rows under their headings, or each by itself where they are too wide.

    Control characters are written as escapes. In a terminal long texts go on in the
    next line; in a file each row is a line.

    Args:
        columns: What the rows hold; figures are grouped by thousands.
        rows: JSON values.
        width: Of a line; by default the terminal's, and none in a file.

    Returns:
        Whether cells were cut that are longer than `LONGEST_CELL`.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    if width is None and console.file.isatty():
        width = console.width
    table = [_column_of_texts(each, place, rows) for place, each in enumerate(columns)]
    was_cut = any(len(text) > LONGEST_CELL for texts in table for text in texts)
    table = [[_cut(text) for text in texts] for texts in table]
    right = [_is_of_numbers(each, n, rows) for n, each in enumerate(columns)]
    for line in _lines(table, right, width):
        console.file.write(f"{line.rstrip()}\n")
    return was_cut


def csv_of(
    columns: Sequence[Column], rows: Sequence[Sequence[Any]], *, for_terminal: bool
) -> str:
    """Return rows as CSV (RFC 4180 with plain line feeds), null as nothing.

    A text that a spreadsheet would run as a formula is made harmless, as in an export.

    Args:
        columns: Their names are the first line.
        rows: JSON values.
        for_terminal: Whether control characters are written as escapes.
    """

    def field(value: Any) -> str:
        text = _plain(value)
        if isinstance(value, str):
            text = harmless(text)
        if for_terminal:
            text = escape(text)
        # The csv module leaves a lone carriage return as it is before a line feed.
        return f'"{text.replace(_QUOTE, 2 * _QUOTE)}"' if _QUOTED.search(text) else text

    lines = [[each.name for each in columns], *rows]
    return "".join(f"{','.join(map(field, line))}\n" for line in lines)


def json_of(structured: Mapping[str, Any]) -> str:
    """Return an answer as one line of JSON that is harmless in a terminal."""
    text = json.dumps(structured, ensure_ascii=False, separators=(",", ":"))
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def remark_of_age(as_of: str, now: datetime) -> list[str]:
    """Return what has to be said of an answer that is old, if it is.

    Args:
        as_of: The time up to which the answer is complete, ISO 8601.
        now: The time.
    """
    complete = datetime.fromisoformat(as_of)
    if now - complete < _OLD:
        return []
    minutes = (now - complete) // timedelta(minutes=1)
    return [f"as of {complete:%Y-%m-%d %H:%M} UTC, {minutes:,} minutes ago"]


def texts_of_figures(values: Sequence[Any], unit: str = "") -> list[str]:
    """Return figures as people read them: `1,052,617.36`, all as precise as the first.

    Args:
        values: Numbers, their texts, or None.
        unit: Of money, such as USD, has two decimals at least.
    """
    numbers = [_decimal(value) for value in values]
    exponents = [each.as_tuple().exponent for each in numbers if each is not None]
    places = max((-e for e in exponents if isinstance(e, int)), default=0)
    if places or _MONEY.fullmatch(unit):
        places = max(places, 2 if _MONEY.fullmatch(unit) else 1)
    return [
        _plain(value) if number is None else f"{number:,.{places}f}"
        for value, number in zip(values, numbers, strict=True)
    ]


def _decimal(value: Any) -> Decimal | None:
    """A figure exactly as it was written, None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        text = str(int(value))
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _column_of_texts(
    column: Column, place: int, rows: Sequence[Sequence[Any]]
) -> list[str]:
    """The heading and the cells of a column."""
    values = [row[place] for row in rows]
    is_figure = column.kind == "number"
    texts = texts_of_figures(values, column.unit) if is_figure else map(_plain, values)
    return [escape(column.name), *map(escape, texts)]


def _is_of_numbers(column: Column, place: int, rows: Sequence[Sequence[Any]]) -> bool:
    if column.kind == "number":
        return True
    if column.kind == "name":
        return False
    values = [row[place] for row in rows if row[place] is not None]
    return bool(values) and all(_decimal(value) is not None for value in values)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


def _lines(
    table: Sequence[Sequence[str]], right: Sequence[bool], width: int | None
) -> Iterator[str]:
    """Yield a table line by line; of each column all cells are given, heading first."""
    if not table:
        return
    widths = [max(map(cell_len, texts)) for texts in table]
    if width is not None:
        figures = [
            max(map(cell_len, texts[1:]), default=0) if is_right else 0
            for texts, is_right in zip(table, right, strict=True)
        ]
        fitting = _fitted(widths, figures, width)
        if fitting is None:
            yield from _records(table, width)
            return
        widths = fitting
    for row in zip(*table, strict=True):
        cells = [fold(text, size) for text, size in zip(row, widths, strict=True)]
        for place in range(max(map(len, cells))):
            parts = [cell[place] if place < len(cell) else "" for cell in cells]
            yield _GAP.join(
                " " * (size - cell_len(part)) + part
                if is_right
                else set_cell_size(part, size)
                for part, size, is_right in zip(parts, widths, right, strict=True)
            )


def _fitted(
    widths: Sequence[int], figures: Sequence[int], width: int
) -> list[int] | None:
    """Make columns as narrow as a line needs; None where that is too narrow.

    Args:
        widths: Of each column's longest text.
        figures: Of each column's longest figure, which is never folded.
        width: Of the line.
    """
    fitted = list(widths)
    gaps = len(_GAP) * (len(widths) - 1)
    least = [
        max(min(size, _NARROWEST), figure)
        for size, figure in zip(widths, figures, strict=True)
    ]
    if sum(least) + gaps > width:
        return None
    while (excess := sum(fitted) + gaps - width) > 0:
        # The widest gives way until it is as wide as the next.
        room = [size - low for size, low in zip(fitted, least, strict=True)]
        widest = max((n for n in range(len(fitted)) if room[n]), key=fitted.__getitem__)
        others = [s for n, s in enumerate(fitted) if room[n] and s < fitted[widest]]
        step = fitted[widest] - max(others, default=least[widest])
        fitted[widest] -= max(min(excess, step, room[widest]), 1)
    return fitted


def _records(table: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yield each row by itself, a column in a line."""
    headings = [texts[0] for texts in table]
    size = min(max(map(cell_len, headings)), max(width // 2, 1))
    rest = max(width - size - len(_GAP), 1)
    for number in range(1, len(table[0])):
        yield f"-- {number} --"
        for heading, texts in zip(headings, table, strict=True):
            names, values = fold(heading, size), fold(texts[number], rest)
            for place in range(max(len(names), len(values))):
                name = names[place] if place < len(names) else ""
                value = values[place] if place < len(values) else ""
                yield f"{set_cell_size(name, size)}{_GAP}{value}"


def fold(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` cells, at a blank or `_` if near."""
    lines = []
    while cell_len(text) > width:
        end = _end_of_line(text, width)
        blank = text.rfind(" ", width // 3, end + 1)
        joint = text.rfind("_", width // 3, end) + 1
        cut = max(blank, joint, 0) or end
        lines.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*lines, text] if text or not lines else lines


def _end_of_line(text: str, width: int) -> int:
    """How many characters of a text are `width` cells wide at most, one at least."""
    end = min(len(text), width)
    while end > 1 and cell_len(text[:end]) > width:
        end -= 1
    return max(end, 1)
