"""From an answer to what its chart shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from zava.data.metrics.registry import DIMENSIONS, METRICS, span_of
from zava.infra.answer_age import told
from zava.models import ResultSet
from zava.service.charts.forms import Chart, Column, Kind

_NUMBERS = frozenset(
    {"int2", "int4", "int8", "float4", "float8", "numeric", "money", "oid"}
)
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(_NUMBERS, "number"),
    "date": "date",
    "timestamptz": "date",
    "timestamp": "moment",
    **dict.fromkeys(("uuid", "json", "jsonb", "bytea", "interval"), "text"),
}
_ORDERED_TEXT = frozenset({"time", "timetz"})
# What a figure is followed by, and is not of its unit.
_IN_PERCENT = ("_change", "_share")
# What ends the names of figures of other periods.
_SIDES = ("_previous", "_year_before")
# Rows of a chart to which rows of empty spans may be added; ten years have 3,660 days.
_MOST_DRAWN = 5000
_MORE_OF_A_PRODUCT = frozenset({"sku", "unit"})


def chart_of_metrics(
    answer: Mapping[str, Any], metrics: Sequence[str], by: Sequence[str]
) -> Chart:
    """Return the chart of an answer of `MetricsService`.

    Args:
        answer: As the service gives it. Where a span of time has no row, because
            nothing was counted in it, the chart has one.
        metrics: Names of metrics.
        by: Names of dimensions.
    """
    labels = [METRICS[name].label for name in metrics]
    title = ", ".join([labels[0], *(label.lower() for label in labels[1:])])
    if by:
        title += f" by {' and '.join(name.replace('_', ' ') for name in by)}"
    days = answer["period"]
    period = f"{days['first_day']} to {days['last_day']}"
    if answer.get("data_through"):
        period += f" · data through {answer['data_through']}"
    return Chart(
        title=title,
        columns=tuple(_metric_column(name, answer, by) for name in answer["columns"]),
        rows=_with_empty_spans(answer, metrics, by),
        notes=(str(answer["stores"]), period, *_age(answer["as_of"])),
    )


def chart_of_performance(answer: Mapping[str, Any]) -> Chart:
    """Return the chart of an answer of `SalesAnalyticsService`: what has changed.

    Figures of several units are not drawn next to each other; the table has them.
    """
    metrics, period = answer["metrics"], answer["period"]
    columns = [
        Column(name, "number", "%")
        if name.endswith("_change")
        else Column(name, "text")
        for name in metrics["columns"][1:]
    ]
    days = f"{period['first_day']} to {period['last_day']}"
    if period.get("data_through"):
        days += f" · data through {period['data_through']}"
    return Chart(
        title=f"Performance in {period['name']}",
        columns=(Column(metrics["columns"][0], "name"), *columns),
        rows=metrics["rows"],
        notes=(str(metrics["stores"]), days, *_age(period["as_of"])),
    )


def definitions(metrics: Sequence[str]) -> dict[str, str]:
    """Return what metrics mean, by their labels."""
    return {METRICS[name].label: METRICS[name].definition for name in metrics}


def chart_of_rows(result: ResultSet, title: str = "Result of a query") -> Chart:
    """Return the chart of the rows of an SQL query."""
    columns = [
        Column(name, _kind(name, kind, [row[place] for row in result.rows]))
        for place, (name, kind) in enumerate(result.columns)
    ]
    (said,) = _age(told(result.as_of))
    if result.truncated:
        said += f", the first {len(result.rows)} rows"
    return Chart(title, tuple(columns), result.rows, (said,))


def _age(as_of: str | None) -> tuple[str, ...]:
    """Return what a picture says of its age, which goes on without the answer."""
    if as_of is None:
        return ()
    return (f"as of {datetime.fromisoformat(as_of):%Y-%m-%d %H:%M} UTC",)


def _with_empty_spans(
    answer: Mapping[str, Any], metrics: Sequence[str], by: Sequence[str]
) -> Sequence[Sequence[Any]]:
    """Return the rows in the order of time, and one for each span that has none.

    A line from one row to the next would else say that something was counted between
    them. Of several lines each gets only the spans between its first and its last row:
    what it shows may not have been there before, or after.
    """
    rows: Sequence[Sequence[Any]] = answer["rows"]
    columns = answer["columns"]
    spans = {name: number for number, name in enumerate(answer.get("spans", ()))}
    span = span_of(by)
    if not spans or span is None:
        return rows
    place, first_figure = columns.index(span), columns.index(metrics[0])
    groups: dict[tuple[Any, ...], dict[int, Sequence[Any]]] = {}
    for row in rows:
        if row[place] not in spans:
            return rows
        key = (*row[:place], *row[place + 1 : first_figure])
        groups.setdefault(key, {})[spans[row[place]]] = row
    if len(groups) * len(spans) > _MOST_DRAWN:
        return rows
    nothing = [_of_nothing(name) for name in columns[first_figure:]]
    drawn: list[tuple[int, Sequence[Any]]] = []
    for key, known in groups.items():
        if list(known) != sorted(known):
            return rows  # whoever asked wants another order
        first, last = (0, len(spans) - 1) if len(by) == 1 else (min(known), max(known))
        for name, number in spans.items():
            if first <= number <= last:
                empty = (*key[:place], name, *key[place:], *nothing)
                drawn.append((number, known.get(number, empty)))
    return [row for _, row in sorted(drawn, key=itemgetter(0))]


def _of_nothing(column: str) -> int | None:
    """Return the figure of no rows: 0 of what adds up, None of a rate or a change."""
    name = column
    for side in _SIDES:
        name = name.removesuffix(side)
    metric = METRICS.get(name)
    return 0 if metric is not None and metric.whole is None else None


def _metric_column(name: str, answer: Mapping[str, Any], by: Sequence[str]) -> Column:
    if name in by:
        return Column(name, _kind_of_dimension(name))
    if name in _MORE_OF_A_PRODUCT:
        return Column(name, "text")
    if name.endswith("_points"):
        return Column(name, "number", "points")
    if name.endswith(_IN_PERCENT):
        return Column(name, "number", "%")
    # revenue_previous counts what revenue counts.
    known = [each for each in METRICS if name == each or name.startswith(f"{each}_")]
    unit = METRICS[max(known, key=len)].unit if known else ""
    shown = {
        "money": str(answer.get("currency", "")),
        "percent": "%",
        "measure": str(answer.get("unit", "units")),
        "ratio": "",
    }
    return Column(name, "number", shown.get(unit, unit))


def _kind_of_dimension(name: str) -> Kind:
    if name == "day":
        return "date"
    is_ordered = DIMENSIONS[name].is_span or DIMENSIONS[name].is_ordered
    return "ordered" if is_ordered else "name"


def _kind(name: str, postgresql_type: str, values: Sequence[Any]) -> Kind:
    kind = _KINDS.get(postgresql_type)
    if kind == "number" and any(isinstance(value, str) for value in values):
        return "text"  # figures that no number holds
    if kind == "number" and name.lower() in ("year", "month", "hour", "weekday", "dow"):
        return "ordered"
    if kind is not None:
        return kind
    return "ordered" if postgresql_type in _ORDERED_TEXT else "name"
