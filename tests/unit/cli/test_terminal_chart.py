"""Charts of characters: what is drawn, how wide, and in which characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from zava.cli.terminal_chart import MOST_BARS, compact, drawn, print_chart
from zava.errors import ValidationError
from zava.service.charts.forms import Chart, Column, Form, forms_of

MONTHS = [(f"2026-{n:02}", n * 10.0) for n in range(1, 13)]
NAMES = [("Paint", 100), ("Lumber", 50), ("Tools", None), ("Returns", -50)]
HOURS = [(day, hour, 7 * hour) for day in ("Mo", "Tu") for hour in range(24)]
PLACES = [(f"2026-{n:02}", place, n) for n in range(1, 13) for place in ("A", "B")]


def chart(rows: Sequence[Sequence[Any]], *kinds: Any) -> Chart:
    columns = tuple(Column(f"c{n}", kind) for n, kind in enumerate(kinds))
    return Chart("Title", columns, rows, ("a note",))


ONE: dict[Form, Chart] = {
    "line": chart(MONTHS, "ordered", "number"),
    "bar": chart(NAMES, "name", "number"),
    "stacked_bar": chart(PLACES, "ordered", "name", "number"),
    "heat_map": chart(HOURS, "ordered", "ordered", "number"),
    "scatter": chart([(n, n * n) for n in range(9)], "number", "number"),
}


def lines_of(
    chart: Chart, form: Form, width: int = 60, encoding: str = "utf-8"
) -> list[str]:
    return [line.plain for line in drawn(chart, form, width, encoding)]


def test_bars_begin_at_zero_and_are_as_long_as_their_figures() -> None:
    assert [line.rstrip() for line in lines_of(ONE["bar"], "bar", 31)[4:]] == [
        "Paint         ████████████ 100",
        "Lumber        ██████        50",
        "Tools",
        "Returns ██████             -50",
    ]


@pytest.mark.parametrize("width", [24, 40, 80, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("form", ONE)
def test_every_form_fits_the_terminal_and_its_encoding(
    form: Form, encoding: str, width: int
) -> None:
    lines = lines_of(ONE[form], form, width, encoding)
    assert lines[:2] == ["Title", "a note"]
    assert max(map(cell_len, lines)) <= width
    if encoding != "utf-8":
        assert "".join(lines).replace("…", "").isascii()


def test_a_line_rises_with_its_figures() -> None:
    rows = [line[5:] for line in lines_of(ONE["line"], "line", 60, "ascii")[4:14]]
    firsts = [row.index("*") for row in rows if "*" in row]
    assert firsts == sorted(firsts, reverse=True)


def test_a_line_is_interrupted_where_a_figure_is_not_known() -> None:
    rows = [("a", 5), ("b", None), ("c", 5)]
    gap = chart(rows, "ordered", "number")
    lines = lines_of(gap, "line", 40, "ascii")
    (drawn_line,) = [line for line in lines if "*" in line]
    assert drawn_line.count("*") == 2


def test_days_lie_at_their_distance() -> None:
    rows = [
        ("2026-01-01", 1),
        ("2026-01-02", None),
        ("2026-01-11", 1),
        ("2026-01-06", 1),
    ]
    lines = lines_of(chart(rows, "date", "number"), "line", 60, "ascii")
    (marked,) = [line for line in lines if "*" in line]
    assert marked.count("*") > 20
    assert "2026-01-01" in lines[-1]
    assert lines[-1].endswith("2026-01-11")


def test_a_heat_map_has_a_line_for_each_value_and_a_legend() -> None:
    lines = lines_of(ONE["heat_map"], "heat_map", 80)[4:]
    assert [line.split()[0] for line in lines[:2]] == ["Mo", "Tu"]
    assert set("░▒▓█") <= set(lines[0])
    assert "to 161" in lines[-1]


def test_more_bars_than_a_picture_holds_are_counted() -> None:
    many = chart([(f"n{n}", n) for n in range(MOST_BARS + 5)], "name", "number")
    lines = lines_of(many, "bar")
    assert lines[-1] == "5 more, as a table"


def test_hostile_names_move_nothing() -> None:
    rows = [("\x1b[31m\u202ex", 1), ("y\n\x9b", 2)]
    text = "".join(lines_of(chart(rows, "name", "number"), "bar"))
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(999, "999"), (1000, "1k"), (999_999, "1M"), (-1.25e6, "-1.25M"), (0.5, "0.5")],
)  # fmt: skip
def test_numbers_of_an_axis_are_short(value: float, text: str) -> None:
    assert compact(value) == text


def test_what_does_not_fit_the_columns_is_refused() -> None:
    with pytest.raises(ValidationError, match="does not fit"):
        print_chart(ONE["bar"], "heat_map", 80)


@given(
    st.lists(
        st.tuples(
            st.text(), st.text(), st.none() | st.floats() | st.integers(-(10**9), 10**9)
        )
    ),
    st.sampled_from(["date", "ordered", "name"]),
    st.integers(60, 120),
)
# A label that begins with a character without width, cut in the middle.
@example([("\U000f8714 garden tools", "\u200d hand tools", 1)], "name", 60)
@example([("\ufe0f garden tools " * 9, "\u200d hand tools " * 9, 1)], "ordered", 60)
def test_every_answer_can_be_drawn(
    rows: list[tuple[Any, ...]], kind: str, width: int
) -> None:
    given_chart = chart(rows, kind, "name", "number")
    for form in forms_of(given_chart):
        if form != "table":
            lines = lines_of(given_chart, form, width)
            assert max(map(cell_len, lines)) <= width
