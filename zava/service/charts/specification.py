"""From a chart to a Vega-Lite specification.

The specification names its data `rows` and holds none: the fields are `c0`, `c1`, … by
the place of the column, so that no name of a column is read as a path or an expression.
https://vega.github.io/vega-lite/docs/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zava.service.charts.forms import Chart, Column, Form, axis_and_series, forms_of

DATA = "rows"
"""The name of the data."""

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_SERIES = "series"
_VALUE = "value"
_UPRIGHT = 8
_LONG_NAME = 12
_HEIGHT = 320
_BAR_HEIGHT = 22
_NUMBERS = ",.2~f"


def values(chart: Chart) -> list[dict[str, Any]]:
    """Return the rows by the names of their fields."""
    return [{_field(n): value for n, value in enumerate(row)} for row in chart.rows]


def specifications(chart: Chart) -> list[dict[str, Any]]:
    """Return every form that can be drawn, the best first, for each unit of figures.

    Returns:
        JSON values, each with `form`, `measure` and the `spec`, which is interactive.
        A table has none.
    """
    found = []
    for form in forms_of(chart):
        if form == "table":
            continue
        # A scatter sets two figures against each other, whatever they count.
        groups = [chart.numbers[:2]] if form == "scatter" else _measured(chart, form)
        for places in groups:
            measure = ", ".join(chart.columns[place].name for place in places)
            spec = specification(chart, form, places, is_interactive=True)
            found.append({"form": form, "measure": measure, "spec": spec})
    return found


def specification(
    chart: Chart,
    form: Form,
    places: Sequence[int] | None = None,
    *,
    is_interactive: bool = False,
) -> dict[str, Any]:
    """Return a form as Vega-Lite.

    Args:
        chart: What is drawn.
        form: One of `forms_of(chart)` other than a table.
        places: The figures that are drawn; the first ones of one unit by default.
        is_interactive: Whether a legend hides series and the width is its container's.
    """
    if places is None:
        places = chart.numbers[:2] if form == "scatter" else _measured(chart, form)[0]
    build = {
        "line": _line,
        "bar": _bar,
        "stacked_bar": _stacked_bar,
        "scatter": _scatter,
        "heat_map": _heat_map,
    }[form]
    spec: dict[str, Any] = {
        "$schema": _SCHEMA,
        "title": {
            "text": chart.title,
            "subtitle": list(chart.notes),
            "anchor": "start",
        },
        "data": {"name": DATA},
        "width": "container" if is_interactive else 760,
        **build(chart, list(places)),
    }
    if is_interactive:
        spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    if is_interactive and "color" in spec["encoding"] and form != "heat_map":
        field = spec["encoding"]["color"]["field"]
        select = {"type": "point", "fields": [field], "toggle": "true"}
        spec["params"] = [{"name": "shown", "select": select, "bind": "legend"}]
        spec["encoding"]["opacity"] = {
            "condition": {"param": "shown", "value": 1},
            "value": 0.08,
        }
    return spec


def _measured(chart: Chart, form: Form) -> list[list[int]]:
    """The figures that one drawing shows, and those that others show."""
    groups = chart.measured_together()
    if form in ("line", "bar") and len(chart.dimensions) == 1:
        return groups
    return [[place] for place in chart.numbers]


def _line(chart: Chart, places: list[int]) -> dict[str, Any]:
    axis, series = axis_and_series(chart)
    few = len(chart.rows) <= 100 * (1 if series is None else chart.values(series))
    body = _series(chart, axis, series, places)
    return {
        **body,
        "mark": {"type": "line", "point": few, "invalid": "break-paths-show-domains"},
        "height": _HEIGHT,
    }


def _bar(chart: Chart, places: list[int]) -> dict[str, Any]:
    axis, _ = axis_and_series(chart)
    body = _series(chart, axis, None, places)
    _as_whole_days(chart, axis, body)
    column = chart.columns[axis]
    if len(places) > 1:
        body["encoding"]["xOffset"] = {"field": _SERIES, "type": "nominal"}
    longest = max((len(str(row[axis])) for row in chart.rows), default=0)
    if column.kind != "name" or (len(chart.rows) <= _UPRIGHT and longest <= _LONG_NAME):
        return {**body, "mark": {"type": "bar"}, "height": _HEIGHT}
    return {**_lying(body), "mark": {"type": "bar"}, "height": _lines(chart, axis)}


def _stacked_bar(chart: Chart, places: list[int]) -> dict[str, Any]:
    axis, series = axis_and_series(chart)
    body = _series(chart, axis, series, places[:1])
    body["encoding"]["y"]["stack"] = "zero"
    _as_whole_days(chart, axis, body)
    if chart.columns[axis].kind == "name" and chart.values(axis) > _UPRIGHT:
        return {**_lying(body), "mark": {"type": "bar"}, "height": _lines(chart, axis)}
    return {**body, "mark": {"type": "bar"}, "height": _HEIGHT}


def _scatter(chart: Chart, places: list[int]) -> dict[str, Any]:
    first, second = places
    encoding: dict[str, Any] = {
        "x": _number(chart.columns[first], first, zero=False),
        "y": _number(chart.columns[second], second, zero=False),
        "tooltip": _tooltip(chart),
    }
    for place in chart.dimensions:
        if chart.columns[place].kind == "name" and chart.values(place) <= _UPRIGHT:
            encoding["color"] = _color(chart, place)
            break
    mark = {"type": "point", "filled": True, "opacity": 0.7}
    return {"encoding": encoding, "mark": mark, "height": _HEIGHT}


def _heat_map(chart: Chart, places: list[int]) -> dict[str, Any]:
    across, down = chart.dimensions
    # The longer one lies across.
    if chart.values(down) > chart.values(across):
        across, down = down, across
    figure = chart.columns[places[0]]
    return {
        "mark": "rect",
        "encoding": {
            "x": _category(chart, across),
            "y": _category(chart, down),
            "color": {
                "field": _field(places[0]),
                "type": "quantitative",
                "title": _titled(figure),
                "scale": {"scheme": "blues"},
            },
            "tooltip": _tooltip(chart),
        },
        "height": _lines(chart, down),
    }


def _series(
    chart: Chart, axis: int, series: int | None, places: list[int]
) -> dict[str, Any]:
    """What lies along the axis, the figures, and a colour for each series."""
    body: dict[str, Any] = {}
    encoding: dict[str, Any] = {"x": _along(chart, axis)}
    if len(places) == 1 or series is not None:
        encoding["y"] = _number(chart.columns[places[0]], places[0])
        if series is not None:
            encoding["color"] = _color(chart, series)
    else:
        # Names as data, since an expression would read them.
        known = [{"key": _field(n), "name": chart.columns[n].name} for n in places]
        lookup = {"data": {"values": known}, "key": "key", "fields": ["name"]}
        body["transform"] = [
            {"fold": [_field(n) for n in places], "as": ["field", _VALUE]},
            {"lookup": "field", "from": lookup, "as": [_SERIES]},
        ]
        encoding["y"] = {
            "field": _VALUE,
            "type": "quantitative",
            "title": chart.columns[places[0]].unit or None,
        }
        encoding["color"] = {
            "field": _SERIES,
            "type": "nominal",
            "title": None,
            "sort": [each["name"] for each in known],
        }
    encoding["tooltip"] = _tooltip(chart)
    return {**body, "encoding": encoding}


def _along(chart: Chart, place: int) -> dict[str, Any]:
    column = chart.columns[place]
    if column.kind in ("date", "moment"):
        found: dict[str, Any] = {
            "field": _field(place),
            "type": "temporal",
            "title": column.name,
        }
        if column.kind == "date":
            found["scale"] = {"type": "utc"}
        return found
    return _category(chart, place)


def _category(chart: Chart, place: int) -> dict[str, Any]:
    """In the order of the rows."""
    return {
        "field": _field(place),
        "type": "ordinal",
        "title": chart.columns[place].name,
        "sort": None,
        "axis": {"labelLimit": 180},
    }


def _number(column: Column, place: int, *, zero: bool = True) -> dict[str, Any]:
    return {
        "field": _field(place),
        "type": "quantitative",
        "title": _titled(column),
        "scale": {"zero": zero},
    }


def _color(chart: Chart, place: int) -> dict[str, Any]:
    return {
        "field": _field(place),
        "type": "nominal",
        "title": chart.columns[place].name,
        "sort": None,
    }


def _tooltip(chart: Chart) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for place, column in enumerate(chart.columns):
        each = {"field": _field(place), "title": _titled(column)}
        if column.kind == "number":
            each |= {"type": "quantitative", "format": _NUMBERS}
        else:
            each |= {"type": "nominal"}
        found.append(each)
    return found


def _lines(chart: Chart, place: int) -> int:
    """The height of a line for each value; Vega-Lite warns of its own steps."""
    return _BAR_HEIGHT * max(chart.values(place), 1)


def _as_whole_days(chart: Chart, axis: int, body: dict[str, Any]) -> None:
    """Make bars of days as wide as a day."""
    if chart.columns[axis].kind == "date":
        body["encoding"]["x"]["timeUnit"] = "utcyearmonthdate"


def _lying(body: dict[str, Any]) -> dict[str, Any]:
    """Bars from left to right, where names are long or many."""
    encoding = dict(body["encoding"])
    encoding["x"], encoding["y"] = encoding["y"], encoding["x"]
    if "xOffset" in encoding:
        encoding["yOffset"] = encoding.pop("xOffset")
    return {**body, "encoding": encoding}


def _titled(column: Column) -> str:
    if column.unit in ("", column.name):
        return column.name
    return f"{column.name} ({column.unit})"


def _field(place: int) -> str:
    return f"c{place}"
