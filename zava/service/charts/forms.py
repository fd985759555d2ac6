"""Which forms of a chart fit what the columns are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from zava.errors import ValidationError

Kind = Literal["date", "moment", "ordered", "name", "number", "text"]
"""What a column holds.

`date` is a day or a moment in UTC, `moment` one without a zone; `ordered` are texts
whose order in the rows means something, such as months or weekdays. `name` tells rows
apart, `text` only says more of a row.
"""

Form = Literal["line", "bar", "stacked_bar", "scatter", "heat_map", "table"]

FORMS: tuple[Form, ...] = get_args(Form)

MAX_SERIES = 20
"""More colours than these nobody tells apart."""

_MAX_BARS = 200
_TIMES = frozenset({"date", "moment", "ordered"})
_FEW_DIMENSIONS = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a chart.

    Attributes:
        name: As the answer has it.
        kind: What it holds.
        unit: What its numbers count, such as USD or percent; "" where nobody said so.
    """

    name: str
    kind: Kind
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn.

    Attributes:
        title: One line.
        columns: What the rows hold.
        rows: JSON values, by position.
        notes: Source, period and until when there is data, a line each.
    """

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Any]]
    notes: tuple[str, ...] = ()

    @property
    def numbers(self) -> list[int]:
        """The places of the columns that can be measured."""
        return [n for n, each in enumerate(self.columns) if each.kind == "number"]

    @property
    def dimensions(self) -> list[int]:
        """The places of the columns that tell rows apart."""
        return [
            n
            for n, each in enumerate(self.columns)
            if each.kind not in ("number", "text")
        ]

    def measured_together(self) -> list[list[int]]:
        """Return the places of numbers, those of one unit together."""
        found: dict[str, list[int]] = {}
        for place in self.numbers:
            column = self.columns[place]
            found.setdefault(column.unit or column.name, []).append(place)
        return list(found.values())

    def values(self, place: int) -> int:
        """Return how many values a column has."""
        return len({str(row[place]) for row in self.rows})


def forms_of(chart: Chart) -> tuple[Form, ...]:
    """Return the forms that fit a chart, the best first; a table always fits."""
    dimensions, numbers = chart.dimensions, chart.numbers
    if not chart.rows or not numbers or len(dimensions) > _FEW_DIMENSIONS:
        found: list[Form] = []
    elif not dimensions:
        found = ["scatter"] if len(numbers) > 1 and len(chart.rows) > 1 else []
    elif len(dimensions) == 1:
        found = _of_one_dimension(chart, dimensions[0])
    else:
        found = _of_two_dimensions(chart, *dimensions)
    return (*found, "table")


def check_form(form: str, chart: Chart) -> Form:
    """Return the form that is asked for, or the best one for `auto`.

    Raises:
        ValidationError: It does not fit the columns; names those that do.
    """
    fitting = forms_of(chart)
    if fitting == ("table",):
        raise ValidationError(
            "chart",
            form,
            "nothing of this answer can be drawn: it needs rows, figures"
            " and at most two dimensions",
        )
    if form == "auto":
        return fitting[0]
    for each in fitting:
        if each == form:
            return each
    raise ValidationError(
        "chart", form, f"does not fit this answer; auto, {', '.join(fitting[:-1])} do"
    )


def _of_one_dimension(chart: Chart, place: int) -> list[Form]:
    found: list[Form] = []
    is_time = chart.columns[place].kind in _TIMES
    if is_time and len(chart.rows) > 1:
        found.append("line")
    if len(chart.rows) <= _MAX_BARS:
        found.append("bar")
    if len(chart.numbers) > 1 and len(chart.rows) > 1:
        found.append("scatter")
    return found


def _of_two_dimensions(chart: Chart, first: int, second: int) -> list[Form]:
    kinds = (chart.columns[first].kind, chart.columns[second].kind)
    heat: list[Form] = []
    if max(chart.values(first), chart.values(second)) <= _MAX_BARS:
        heat = ["heat_map"]
    if all(kind in _TIMES for kind in kinds):
        return [*heat, *_scattered(chart)]
    series = second if kinds[0] in _TIMES else first
    if kinds[0] not in _TIMES and kinds[1] not in _TIMES:
        series = second
    found: list[Form] = []
    if chart.values(series) <= MAX_SERIES:
        other = first if series == second else second
        if chart.columns[other].kind in _TIMES and chart.values(other) > 1:
            found.append("line")
        if chart.values(other) <= _MAX_BARS:
            found.append("stacked_bar")
    return [*found, *heat, *_scattered(chart)]


def _scattered(chart: Chart) -> list[Form]:
    return ["scatter"] if len(chart.numbers) > 1 and len(chart.rows) > 1 else []


def axis_and_series(chart: Chart) -> tuple[int, int | None]:
    """Return the places of what lies along the axis, and of what has a colour."""
    dimensions = chart.dimensions
    if len(dimensions) == 1:
        return dimensions[0], None
    first, second = dimensions
    if chart.columns[first].kind == "name" and chart.columns[second].kind in _TIMES:
        return second, first
    return first, second
