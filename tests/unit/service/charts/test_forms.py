"""Which forms fit what the columns are, and what Vega-Lite is told of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pytest

from zava.data.metrics.registry import METRICS
from zava.errors import ValidationError
from zava.models import Column as ResultColumn
from zava.models import ResultSet
from zava.service.charts.drawn_answers import chart_of_metrics, chart_of_rows
from zava.service.charts.forms import Chart, Column, Form, check_form, forms_of
from zava.service.charts.specification import specification, specifications, values

MONTH = Column("month", "ordered")
DAY = Column("day", "date")
STORE = Column("store", "name")
CATEGORY = Column("category", "name")
WEEKDAY = Column("weekday", "ordered")
HOUR = Column("hour", "ordered")
REVENUE = Column("revenue", "number", "USD")
BEFORE = Column("revenue_previous", "number", "USD")
ORDERS = Column("orders", "number", "orders")


def chart(*columns: Column, rows: int = 4) -> Chart:
    """A chart whose rows differ in every column."""
    cells = [
        [n if each.kind == "number" else f"{each.name} {n}" for each in columns]
        for n in range(rows)
    ]
    return Chart("Title", columns, cells, ("Seattle", "2025"))


@pytest.mark.parametrize(
    ("columns", "forms"),
    [
        ((MONTH, REVENUE), ("line", "bar", "table")),
        ((DAY, REVENUE, BEFORE), ("line", "bar", "scatter", "table")),
        ((CATEGORY, REVENUE), ("bar", "table")),
        ((CATEGORY, REVENUE, ORDERS), ("bar", "scatter", "table")),
        ((MONTH, CATEGORY, REVENUE), ("line", "stacked_bar", "heat_map", "table")),
        ((STORE, CATEGORY, REVENUE), ("stacked_bar", "heat_map", "table")),
        ((WEEKDAY, HOUR, ORDERS), ("heat_map", "table")),
        ((REVENUE, ORDERS), ("scatter", "table")),
        ((STORE, CATEGORY, MONTH, REVENUE), ("table",)),
        ((STORE, CATEGORY), ("table",)),
    ],
)
def test_the_columns_say_which_forms_fit(
    columns: tuple[Column, ...], forms: tuple[Form, ...]
) -> None:
    assert forms_of(chart(*columns)) == forms


def test_what_has_no_rows_or_too_many_series_is_a_table() -> None:
    assert forms_of(chart(MONTH, REVENUE, rows=0)) == ("table",)
    assert "line" not in forms_of(chart(MONTH, CATEGORY, REVENUE, rows=30))
    assert forms_of(chart(MONTH, REVENUE, rows=1)) == ("bar", "table")


def test_a_form_that_does_not_fit_is_refused_with_those_that_do() -> None:
    assert check_form("auto", chart(MONTH, REVENUE)) == "line"
    with pytest.raises(ValidationError, match="auto, line, bar do"):
        check_form("heat_map", chart(MONTH, REVENUE))
    with pytest.raises(ValidationError, match="nothing of this answer can be drawn"):
        check_form("auto", chart(STORE, CATEGORY))


def test_figures_of_one_unit_share_a_drawing_and_others_get_their_own() -> None:
    found = specifications(chart(MONTH, REVENUE, BEFORE, ORDERS))
    assert [(each["form"], each["measure"]) for each in found] == [
        ("line", "revenue, revenue_previous"),
        ("line", "orders"),
        ("bar", "revenue, revenue_previous"),
        ("bar", "orders"),
        ("scatter", "revenue, revenue_previous"),
    ]


def test_a_name_is_never_a_path_or_an_expression() -> None:
    hostile = "a.b[0]'\"); alert(1) //"
    named = Chart(
        hostile,
        (Column(hostile, "name"), Column(hostile, "number"), Column("n", "number")),
        [[hostile, 1, 2]],
    )
    assert values(named) == [{"c0": hostile, "c1": 1, "c2": 2}]
    for form in ("bar", "heat_map", "scatter"):
        if form not in forms_of(named):
            continue
        spec = specification(named, form, is_interactive=True)
        assert set(_fields(spec)) <= {"c0", "c1", "c2", "series", "value"}
        assert not {"calculate", "expr", "filter", "labelExpr"} & set(_keys(spec))


def _fields(value: Any) -> list[str]:
    return [text for key, text in _pairs(value) if key == "field"]


def _keys(value: Any) -> list[str]:
    return [key for key, _ in _pairs(value)]


def _pairs(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        inner = [pair for item in value.values() for pair in _pairs(item)]
        return [*value.items(), *inner]
    if isinstance(value, list):
        return [pair for item in value for pair in _pairs(item)]
    return []


def test_a_specification_is_json_and_holds_no_rows() -> None:
    for each in specifications(chart(MONTH, CATEGORY, REVENUE)):
        text = json.dumps(each)
        assert "month 1" not in text
        assert len(text) < 2500


def test_an_answer_of_metrics_says_source_period_age_and_units() -> None:
    answer = {
        "period": {"first_day": "2026-06-01", "last_day": "2026-06-29"},
        "data_through": "2026-06-29",
        "stores": "Zava Retail Seattle",
        "currency": "EUR",
        "as_of": "2026-06-30T08:30:59.999+00:00",
        "columns": [
            *("sku", "product", "month", "revenue", "revenue_share"),
            *("revenue_previous_change", "orders", "gross_margin"),
            "gross_margin_previous_points",
        ],
        "rows": [],
    }
    found = chart_of_metrics(
        answer, ["revenue", "orders", "gross_margin"], ["product", "month"]
    )
    assert found.title.endswith(" by product and month")
    assert found.notes == (
        "Zava Retail Seattle",
        "2026-06-01 to 2026-06-29 · data through 2026-06-29",
        "as of 2026-06-30 08:30 UTC",
    )
    kinds = {each.name: (each.kind, each.unit) for each in found.columns}
    assert kinds == {
        "sku": ("text", ""),
        "product": ("name", ""),
        "month": ("ordered", ""),
        "revenue": ("number", "EUR"),
        "revenue_share": ("number", "%"),
        "revenue_previous_change": ("number", "%"),
        "orders": ("number", "orders"),
        "gross_margin": ("number", "%"),
        "gross_margin_previous_points": ("number", "points"),
    }


def of_months(
    by: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> list[list[Any]]:
    """The rows that are drawn of rows by month from January to April."""
    answer = {
        "period": {"first_day": "2026-01-01", "last_day": "2026-04-30"},
        "stores": "Zava Retail Seattle",
        "as_of": None,
        "columns": list(columns),
        "rows": rows,
        "spans": ["2026-01", "2026-02", "2026-03", "2026-04"],
    }
    metrics = [name for name in columns if name in METRICS]
    return [list(row) for row in chart_of_metrics(answer, metrics, by).rows]


def test_a_line_does_not_cross_a_span_in_which_nothing_was_counted() -> None:
    columns = [
        *("month", "revenue", "revenue_previous", "revenue_previous_change"),
        *("average_order_value", "orders"),
    ]
    known = ["2026-02", 5.0, 4.0, 25.0, 2.5, 2]
    drawn = of_months(["month"], columns, [known])
    empty = [0, 0, None, None, 0]
    months = [["2026-01", *empty], known, ["2026-03", *empty], ["2026-04", *empty]]
    assert drawn == months


def test_of_several_lines_each_is_drawn_from_its_first_to_its_last_span() -> None:
    rows = [
        ["A", "1", "2026-01", 1.0],
        ["A", "1", "2026-04", 4.0],
        ["B", "2", "2026-02", 2.0],
        ["B", "2", "2026-03", 3.0],
    ]
    drawn = of_months(["product", "month"], ["sku", "product", "month", "units"], rows)
    assert drawn == [
        ["A", "1", "2026-01", 1.0],
        ["A", "1", "2026-02", 0],
        ["B", "2", "2026-02", 2.0],
        ["A", "1", "2026-03", 0],
        ["B", "2", "2026-03", 3.0],
        ["A", "1", "2026-04", 4.0],
    ]


def test_a_chart_does_not_grow_without_end() -> None:
    columns = ["sku", "product", "month", "units"]
    rows = [
        [f"{n}", f"P {n}", month, 1.0]
        for n in range(1250)
        for month in ("2026-01", "2026-03")
    ]
    assert len(of_months(["product", "month"], columns, rows)) == 3750
    one_more: list[list[Any]] = [*rows, ["x", "P x", "2026-01", 1.0]]
    assert of_months(["product", "month"], columns, one_more) == one_more


def test_rows_in_an_order_of_the_caller_s_are_drawn_as_they_are() -> None:
    rows = [["2026-03", 3.0], ["2026-01", 1.0]]
    assert of_months(["month"], ["month", "revenue"], rows) == rows


def test_rows_of_sql_are_drawn_by_their_types() -> None:
    result = ResultSet(
        columns=(
            ResultColumn("day", "date"),
            ResultColumn("store", "varchar"),
            ResultColumn("id", "uuid"),
            ResultColumn("revenue", "numeric"),
            ResultColumn("exact", "numeric"),
            ResultColumn("hour", "int4"),
        ),
        rows=(("2026-06-01", "Seattle", "0-0", 1.5, "0.1234567890123456789", 8),),
        row_texts=("",),
        truncated="max_rows",
        as_of=datetime(2026, 7, 1, 8, 30, tzinfo=timezone.utc),
    )
    found = chart_of_rows(result)
    assert [each.kind for each in found.columns] == [
        *("date", "name", "text", "number", "text", "ordered"),
    ]
    assert found.notes == ("as of 2026-07-01 08:30 UTC, the first 1 rows",)
