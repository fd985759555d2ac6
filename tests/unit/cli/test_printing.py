"""Rows as a table, as CSV and as JSON: aligned, exact, and harmless in a terminal."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from zava.cli.printing import (
    LONGEST_CELL,
    csv_of,
    fold,
    json_of,
    print_rows,
    remark_of_age,
    texts_of_figures,
)
from zava.service.charts.forms import Column
from zava.service.exports.formulas import harmless

SALES = (
    Column("store", "name"),
    Column("orders", "number"),
    Column("revenue", "number", "USD"),
)
ROWS = (("Seattle", 5246, 1052617.36), ("Redmond", 12, 5), ("Online", None, -0.5))
HOSTILE = "\x1b[31mred\u202e\x9b1m\r\n\u2028"
# PostgreSQL has no text with a NUL, and Python 3.10 reads no CSV with one.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
CELLS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS


@pytest.mark.parametrize(
    ("age", "remark"),
    [
        (timedelta(seconds=-3), []),
        (timedelta(seconds=119), []),
        (timedelta(minutes=2), ["as of 2026-06-30 12:00 UTC, 2 minutes ago"]),
        (timedelta(hours=30), ["as of 2026-06-30 12:00 UTC, 1,800 minutes ago"]),
    ],
)
def test_an_answer_of_minutes_ago_says_how_old_it_is(
    age: timedelta, remark: list[str]
) -> None:
    as_of = "2026-06-30T12:00:00.000+00:00"
    assert remark_of_age(as_of, datetime.fromisoformat(as_of) + age) == remark


def printed(
    capsys: pytest.CaptureFixture[str],
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
    width: int | None = None,
) -> list[str]:
    print_rows(columns, rows, width)
    return capsys.readouterr().out.splitlines()


def test_figures_stand_below_each_other_and_lose_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert printed(capsys, SALES, ROWS) == [
        "store    orders       revenue",
        "Seattle   5,246  1,052,617.36",
        "Redmond      12          5.00",
        "Online                  -0.50",
    ]


@pytest.mark.parametrize(
    ("values", "unit", "texts"),
    [
        ([1, 2000], "", ["1", "2,000"]),
        ([1, 2.0], "USD", ["1.00", "2.00"]),
        ([0.125, 1], "", ["0.125", "1.000"]),
        ([123456789012.1, 0.25], "", ["123,456,789,012.10", "0.25"]),
        (["9007199254740993", 1], "", ["9,007,199,254,740,993", "1"]),
        (["NaN", 1e300, None], "", ["NaN", "1e+300", ""]),
    ],
)
def test_figures_are_as_precise_as_the_most_precise_of_them(
    values: list[Any], unit: str, texts: list[str]
) -> None:
    assert texts_of_figures(values, unit) == texts


@pytest.mark.parametrize("width", [24, 40, 80, None])
def test_nothing_in_a_cell_or_a_heading_moves_the_terminal(
    capsys: pytest.CaptureFixture[str], width: int | None
) -> None:
    columns = (Column(HOSTILE, "name"), Column("n", "number"))
    print_rows(columns, [(HOSTILE, 1)], width)
    out = capsys.readouterr().out
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in out.replace("\n", ""))
    assert not set("\u202e\u2028") & set(out)
    assert r"\x1b[31mred\u202e" in out


def test_a_narrow_terminal_folds_texts_and_no_figures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [("Storage and Organization of the garage", 1, 1052617.36)]
    lines = printed(capsys, SALES, rows, 40)
    assert lines == [
        "store               orders       revenue",
        "Storage and              1  1,052,617.36",
        "Organization of",
        "the garage",
    ]


def test_what_no_terminal_is_wide_enough_for_is_printed_row_by_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = [Column(f"figure_{n}", "number") for n in range(9)]
    lines = printed(capsys, columns, [range(9), range(9)], 40)
    assert lines[:3] == ["-- 1 --", "figure_0  0", "figure_1  1"]
    assert lines.count("figure_8  8") == 2


def test_a_long_cell_is_cut_and_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_rows([Column("t", "name")], [("x" * 500_000,)])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["t", "x" * LONGEST_CELL + "…"]
    assert not print_rows([Column("t", "name")], [("x",)])


def test_a_wide_character_counts_twice(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (Column("name", "name"), Column("n", "number"))
    lines = printed(capsys, columns, [("日本語", 1), ("abc", 2)])
    assert lines == ["name    n", "日本語  1", "abc     2"]


def test_an_answer_without_columns_is_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert printed(capsys, [], [(), ()], 80) == []


@given(
    st.lists(st.tuples(st.text(), st.none() | st.integers(-(10**9), 10**9), st.text())),
    st.integers(30, 120),
)
def test_no_line_is_wider_than_the_terminal(
    rows: list[tuple[str, int | None, str]], width: int
) -> None:
    file = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", file)
        print_rows(
            [Column("a", "name"), Column("b", "number"), Column("c", "text")],
            rows,
            width,
        )
    assert all(cell_len(line) <= width for line in file.getvalue().split("\n"))


@given(st.text(), st.integers(2, 30))
def test_a_folded_text_loses_blanks_alone(text: str, width: int) -> None:
    lines = fold(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2)))
def test_csv_is_read_as_it_was_written(rows: list[list[Any]]) -> None:
    columns = (Column("a,b", "name"), Column('c"', "number"))
    text = csv_of(columns, rows, for_terminal=False)
    heading, *read = csv.reader(io.StringIO(text, newline=""))
    assert heading == ["a,b", 'c"']
    for given_row, read_row in zip(rows, read, strict=True):
        for cell, field in zip(given_row, read_row, strict=True):
            if isinstance(cell, str):
                assert field == harmless(cell)
            elif isinstance(cell, float):
                assert float(field) == cell


def test_csv_is_no_formula_and_harmless_in_a_terminal() -> None:
    columns = (Column("a", "name"), Column("b", "number"))
    rows = [("=1+1", -1), (HOSTILE, None), ([1, {"a": None}], True)]
    assert csv_of(columns, rows, for_terminal=False).startswith("a,b\n'=1+1,-1\n")
    shown = csv_of(columns, rows, for_terminal=True)
    assert "\x1b" not in shown
    assert shown.splitlines()[2:] == [
        r"\x1b[31mred\u202e\x9b1m\r\n\u2028,",
        '"[1,{""a"":null}]",true',
    ]


def test_json_is_exact_and_harmless_in_a_terminal() -> None:
    structured = {"rows": [["Ä", HOSTILE, 1, None]]}
    text = json_of(structured)
    assert json.loads(text) == structured
    assert (
        text
        == '{"rows":[["Ä","\\u001b[31mred\\u202e\\u009b1m\\r\\n\\u2028",1,null]]}\n'
    )
