"""The view of an answer in a real browser, inside a frame as hosts make it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.stdio_process import StdioProcess
from tests.view.conftest import Show, View

YEAR = {"time_period": "2025", "max_rows": 1000}
ANSWERS: dict[str, tuple[str, dict[str, Any], int]] = {
    "line": ("query_metrics", {"metrics": ["revenue"], "by": ["month"]}, 12),
    "bar": ("query_metrics", {"metrics": ["revenue"], "by": ["category"]}, 9),
    "stacked_bar": (
        "query_metrics",
        {"metrics": ["revenue"], "by": ["month", "category"]},
        100,
    ),
    "heat_map": (
        "query_metrics",
        {"metrics": ["orders"], "by": ["weekday", "hour"]},
        50,
    ),
    "scatter": (
        "query_metrics",
        {"metrics": ["revenue", "orders"], "by": ["category"]},
        9,
    ),
}
"""Of each form: what is asked, and how many marks there are at least."""

LABELS = {
    "line": "Line",
    "bar": "Bars",
    "stacked_bar": "Stacked bars",
    "scatter": "Scatter",
    "heat_map": "Heat map",
}
HOSTILE = """
    SELECT n AS "</script><script>alert(1)</script>",
        '</script><img src=x onerror=alert(1)>' || n AS "a.b[0]'\\\\ (",
        chr(8238) || 'abc' || chr(10) || '<b>' AS bidi,
        repeat('x', 500000) AS long, '=1+1' AS formula
    FROM generate_series(1, 2) AS n
"""
POINTS = "SELECT n * 1.5 AS x, n % 97 AS y FROM generate_series(1, 10000) AS n"
FIFTY = "SELECT n, n * 2 AS twice FROM generate_series(1, 50) AS n ORDER BY n"
FAINT = """
    [...document.querySelectorAll("#chart svg [aria-roledescription]")]
        .filter(each => each.getAttribute("opacity") === "0.08").length
"""
PAINTED = """
    (canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
        .data.some(each => each))(document.querySelector("#chart canvas"))
"""
MARKUP = "document.querySelectorAll('#table img, #table b, #table script').length"


def drawn(view: View) -> int:
    """How many marks the chart has."""
    marks = view.frame.locator("#chart svg [aria-roledescription]")
    marks.first.wait_for()
    count: int = marks.count()
    return count


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("form", ANSWERS)
def test_each_form_is_drawn_from_a_real_answer(
    show: Show, form: str, theme: str
) -> None:
    tool, asked, marks = ANSWERS[form]
    view = show(tool, theme=theme, **asked, **YEAR)
    chosen = view.frame.get_by_role("radio", name=LABELS[form], exact=True)
    chosen.click()
    expect(chosen).to_have_attribute("aria-checked", "true")
    view.frame.locator("#chart svg").wait_for()
    if form != "line":
        assert drawn(view) >= marks
    ink = view.says("getComputedStyle(document.body).color")
    paper = view.says("getComputedStyle(document.body).backgroundColor")
    assert (sum(rgb(ink)) > sum(rgb(paper))) == (theme == "dark")


def rgb(colour: str) -> list[int]:
    return [int(part) for part in colour.strip("rgb()").split(",")]


def test_a_table_sorts_by_its_columns(show: Show) -> None:
    view = show("query_metrics", metrics=["revenue"], by=["category"], **YEAR)
    view.frame.get_by_role("radio", name="Table").click()
    head = view.frame.get_by_role("columnheader", name="revenue")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    cells = view.frame.locator("#table td.number")
    figures = [float(text.replace(",", "")) for text in cells.all_text_contents()]
    assert figures == sorted(figures, reverse=True) != figures[::-1]
    head.get_by_role("button").click()
    assert [float(t.replace(",", "")) for t in cells.all_text_contents()] == figures[
        ::-1
    ]


def test_forms_are_chosen_by_the_keyboard(show: Show) -> None:
    view = show("query_metrics", metrics=["revenue"], by=["month"], **YEAR)
    view.frame.get_by_role("radio", name="Line").focus()
    view.page.keyboard.press("ArrowRight")
    expect(view.frame.get_by_role("radio", name="Bars")).to_be_focused()
    view.page.keyboard.press("ArrowLeft")
    view.page.keyboard.press("ArrowLeft")
    expect(view.frame.get_by_role("radio", name="Table")).to_be_focused()
    view.page.keyboard.press("Tab")
    view.page.keyboard.press("Tab")
    view.page.keyboard.press("Tab")
    expect(view.frame.locator("#table table")).to_be_visible()


@pytest.mark.parametrize("form", ["Line", "Stacked bars", "Heat map", "Table"])
def test_a_narrow_frame_shows_all_of_it(show: Show, form: str) -> None:
    asked = {"metrics": ["revenue"], "by": ["month", "category"]}
    view = show("query_metrics", width=320, **asked, **YEAR)
    view.frame.get_by_role("radio", name=form, exact=True).click()
    shown = view.frame.locator("#table table" if form == "Table" else "#chart svg")
    shown.wait_for()
    assert view.says("document.body.scrollWidth") <= 320


def test_a_legend_hides_series(show: Show) -> None:
    asked = {"metrics": ["revenue"], "by": ["month", "category"]}
    view = show("query_metrics", **asked, **YEAR)
    view.frame.locator("#chart svg .role-legend-symbol path").first.click()
    view.page.frames[1].wait_for_function(FAINT)


def test_numbers_are_under_the_pointer(show: Show, server: StdioProcess) -> None:
    view = show("query_metrics", metrics=["revenue"], by=["category"], **YEAR)
    view.frame.locator("#chart svg [aria-roledescription=bar]").first.hover()
    tip = view.frame.locator("#vg-tooltip-element")
    expect(tip).to_be_visible()
    best = server.call("query_metrics", metrics=["revenue"], by=["category"], **YEAR)
    name, revenue = best.structured["rows"][0]
    expect(tip).to_contain_text(name)
    expect(tip).to_contain_text(f"{revenue:,.2f}".rstrip("0").rstrip("."))


def test_another_period_is_asked_of_the_server(
    show: Show, server: StdioProcess
) -> None:
    view = show("query_metrics", metrics=["revenue"], by=["month"], **YEAR)
    view.frame.get_by_label("Period").fill("2024-Q1")
    view.frame.get_by_role("button", name="Show").click()
    view.frame.get_by_text("2024-01-01 to 2024-03-31").wait_for()
    view.frame.get_by_role("radio", name="Table").click()
    assert view.frame.locator("#table tbody tr").count() == 3
    view.frame.get_by_label("Period").fill("whenever")
    view.frame.get_by_role("button", name="Show").click()
    expect(view.frame.locator("#status")).to_contain_text("[VALIDATION_ERROR]")


def test_definitions_are_at_hand(show: Show) -> None:
    view = show("query_metrics", metrics=["gross_margin"], by=["month"], **YEAR)
    view.frame.get_by_text("Definitions").click()
    expect(view.frame.locator("#definitions dd").first).to_contain_text("cost")


def test_ten_thousand_points_are_drawn(show: Show) -> None:
    view = show("execute_sales_query", postgresql_query=POINTS, max_rows=10000)
    view.frame.locator("#chart canvas").wait_for()
    assert view.says(PAINTED)
    view.frame.get_by_role("radio", name="Table").click()
    expect(view.frame.locator("#status")).to_contain_text("of 10000 rows are shown")


@pytest.mark.parametrize("asked", [{}, {"max_rows": 20}], ids=["default", "20"])
def test_the_next_rows_come_to_those_that_are_shown(
    show: Show, asked: dict[str, int]
) -> None:
    view = show("execute_sales_query", postgresql_query=FIFTY, **asked)
    view.frame.get_by_role("radio", name="Table").click()
    rows = view.frame.locator("#table tbody tr")
    more = view.frame.get_by_role("button", name="More rows")
    expect(rows).to_have_count(20)
    more.click()
    expect(rows).to_have_count(40)
    more.click()
    expect(rows).to_have_count(50)
    expect(more).to_be_hidden()
    numbers = [int(text) for text in rows.locator("td:first-child").all_inner_texts()]
    assert numbers == list(range(1, 51))
    expect(view.frame.locator("#status")).to_have_text("50 rows.")


def test_hostile_names_and_texts_are_texts(show: Show) -> None:
    view = show("execute_sales_query", postgresql_query=HOSTILE, max_rows=5)
    view.frame.locator("#table table, #chart svg").first.wait_for()
    view.frame.get_by_role("radio", name="Table").click()
    assert view.says(MARKUP) == 0
    text = view.frame.locator("#table").inner_text()
    assert "<img src=x onerror=alert(1)>1" in text
    assert "\u202e" not in text
    assert len(text) < 5000


def save(view: View, name: str, folder: Path) -> Path:
    with view.page.expect_download() as waiting:
        view.frame.get_by_role("button", name=name).click()
    path: Path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_figures_and_drawings_are_saved(
    show: Show, server: StdioProcess, tmp_path: Path
) -> None:
    asked = {"metrics": ["revenue"], "by": ["category"]}
    view = show("query_metrics", **asked, **YEAR)
    view.frame.locator("#chart svg").wait_for()
    table = save(view, "Save CSV", tmp_path)
    assert table.name == "Revenue-by-category.csv"
    read = list(csv.reader(io.StringIO(table.read_text("utf-8-sig"))))
    answer = server.call("query_metrics", **asked, **YEAR).structured
    assert read[0] == answer["columns"]
    assert [[row[0], float(row[1])] for row in read[1:]] == answer["rows"]
    drawing = save(view, "Save SVG", tmp_path).read_text()
    assert drawing.startswith("<svg")
    for part in ("Revenue by category", "Zava Retail Seattle", "data through"):
        assert part in drawing
    assert save(view, "Save PNG", tmp_path).read_bytes().startswith(b"\x89PNG")


def test_a_formula_leaves_as_text(show: Show, tmp_path: Path) -> None:
    view = show("execute_sales_query", postgresql_query="SELECT '=1+1' AS a, -1 AS b")
    view.frame.get_by_role("radio", name="Table").click()
    saved = save(view, "Save CSV", tmp_path).read_bytes()
    assert saved == b"\xef\xbb\xbfa,b\r\n'=1+1,-1\r\n"


def test_the_document_is_small_and_evaluates_nothing(document: str) -> None:
    assert len(document.encode()) < 1_000_000
    assert "</script" not in document.split("<script>", 2)[1].split("</script>")[0]
