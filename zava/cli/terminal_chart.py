"""A chart as lines of characters, for a terminal.

Lines are drawn with dots of braille, two across and four down in each character, bars
with eighths of blocks; where the encoding has neither, with * and #. What is drawn can
be told apart without colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from zava.cli.printing import fold, texts_of_figures
from zava.infra.logs import escape
from zava.service.charts.forms import Chart, Form, axis_and_series, check_form

NARROWEST = 24
"""Characters that a chart needs."""

MOST_BARS = 60
"""Bars below each other; more of them are no picture."""

_WIDTH_OF_A_FILE = 80
_HEIGHT = 10
_HEIGHT_OF_A_SERIES = 2
_INK = "cyan"
_FAINT = "dim"
_WIDEST_CELL = 4
# The difference of two figures has to be a number, too.
_LARGEST = 1e300
_STEPS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 9.0, 10.0)
_SUFFIXES = ((1e12, "T"), (1e9, "bn"), (1e6, "M"), (1e3, "k"))

Point = tuple[float, float | None]


class _Glyphs(NamedTuple):
    """What a terminal can show.

    Attributes:
        parts: Of a bar's last character, none to all of it.
        shades: From little to much.
        across: Dots across a character.
        down: Dots down a character.
    """

    parts: str
    shades: str
    across: int
    down: int


_UNICODE = _Glyphs(" ▏▎▍▌▋▊▉█", "░▒▓█", 2, 4)
_ASCII = _Glyphs(" #", ".:*#", 1, 1)
# Bits of a braille character, by dots across and down.
_BRAILLE = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def print_chart(chart: Chart, form: str, width: int | None = None) -> None:
    """Print a chart as wide as the terminal, or as lines of 80 characters in a file.

    Args:
        chart: What is drawn.
        form: One of `forms_of(chart)`, or `auto`.
        width: Of a line, where it is not the terminal's.

    Raises:
        ValidationError: The form does not fit the columns.
    """
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if width is None:
        width = console.width if console.is_terminal else _WIDTH_OF_A_FILE
    for line in drawn(chart, check_form(form, chart), width, console.encoding):
        line.rstrip()
        console.print(line)


def drawn(chart: Chart, form: Form, width: int, encoding: str) -> Iterator[Text]:
    """Yield a chart line by line.

    Args:
        chart: What is drawn.
        form: One of `forms_of(chart)`.
        width: Characters of a line; `NARROWEST` at least.
        encoding: What the lines will be written in.
    """
    glyphs = (
        _UNICODE if _is_known(_UNICODE.parts + _UNICODE.shades, encoding) else _ASCII
    )
    width = max(width, NARROWEST)
    for line in fold(escape(chart.title), width):
        yield Text(line, style="bold")
    for note in chart.notes:
        for line in fold(escape(note), width):
            yield Text(line, style=_FAINT)
    draw: Mapping[Form, Callable[[Chart, int, int, _Glyphs], Iterator[Text]]] = {
        "line": _lines,
        "bar": _bars,
        "stacked_bar": _bars,
        "heat_map": _heat_map,
        "scatter": _scatter,
    }
    figures = chart.numbers[:1] if form == "scatter" else chart.numbers
    for place in figures:
        yield Text()
        if form == "scatter":
            across, up = (_titled(chart, n) for n in chart.numbers[:2])
            yield from _headed(f"{up} by {across}", width)
        elif len(figures) > 1 or _titled(chart, place) != chart.title:
            yield from _headed(_titled(chart, place), width)
        yield from draw[form](chart, place, width, glyphs)


def _is_known(characters: str, encoding: str) -> bool:
    try:
        (characters + "\u28ff").encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _headed(text: str, width: int) -> Iterator[Text]:
    for line in fold(text, width):
        yield Text(line)


# Bars


def _bars(chart: Chart, place: int, width: int, glyphs: _Glyphs) -> Iterator[Text]:
    axis, series = axis_and_series(chart)
    rows = chart.rows[:MOST_BARS]
    texts = texts_of_figures([row[place] for row in rows], chart.columns[place].unit)
    values = [_number(row[place]) for row in rows]
    label_of = axis if series is None else series
    indent = "" if series is None else "  "
    labels = [indent + _label(row[label_of]) for row in rows]
    rest = max(map(cell_len, texts), default=0)
    size = min(max(map(cell_len, labels)), max(width - rest - 10, width // 3, 4))
    room = max(width - size - rest - 3, 1)
    low = min(0.0, *(each for each in values if each is not None), 0.0)
    high = max(0.0, *(each for each in values if each is not None), 0.0)
    said: str | None = None
    order = list(range(len(rows)))
    if series is not None:  # what belongs together stands together
        turns = {name: n for n, name in enumerate(dict.fromkeys(_names(rows, axis)))}
        order.sort(key=lambda number: turns[_label(rows[number][axis])])
    for number in order:
        if series is not None and (heading := _label(rows[number][axis])) != said:
            yield Text(set_cell_size(heading, min(cell_len(heading), width)))
            said = heading
        bar = _bar(values[number], low, high, room, glyphs)
        yield Text.assemble(
            _sized(labels[number], size), " ", (bar, _INK), f" {texts[number]:>{rest}}"
        )
    if len(chart.rows) > MOST_BARS:
        yield Text(f"{len(chart.rows) - MOST_BARS:,} more, as a table", style=_FAINT)


def _bar(
    value: float | None, low: float, high: float, room: int, glyphs: _Glyphs
) -> str:
    """A bar from zero, which is where the lowest value leaves it."""
    reach = high - low
    if value is None or not reach:
        return " " * room
    zero = round(-low / reach * room)
    if value < 0:
        cells = min(max(round(-value / reach * room), 1), zero)
        return (" " * (zero - cells) + glyphs.parts[-1] * cells).ljust(room)
    steps = len(glyphs.parts) - 1
    length = round(value / reach * room * steps)
    whole, part = divmod(max(length, 1 if value else 0), steps)
    bar = " " * zero + glyphs.parts[-1] * whole + (glyphs.parts[part] if part else "")
    return bar[:room].ljust(room)


# Lines


def _lines(chart: Chart, place: int, width: int, glyphs: _Glyphs) -> Iterator[Text]:
    axis, series = axis_and_series(chart)
    where = _positions(chart, axis)
    points: dict[str, list[Point]] = {}
    for at, row in zip(where, chart.rows, strict=True):
        name = "" if series is None else _label(row[series])
        points.setdefault(name, []).append((at, _number(row[place])))
    ends = [
        _label(chart.rows[where.index(each)][axis]) for each in (min(where), max(where))
    ]
    values = [
        value for each in points.values() for _, value in each if value is not None
    ]
    low, high = _bounds(values)
    span = (min(where), max(where))
    if series is None:
        yield from _framed(points[""], span, (low, high), ends, width, glyphs)
        return
    last = [_in_order(each)[-1][1] for each in points.values()]
    texts = texts_of_figures(last, chart.columns[place].unit)
    size = min(max(map(cell_len, points)), width // 3)
    rest = max(map(len, texts))
    room = max(width - size - rest - 2, 4)
    for (name, each), text in zip(points.items(), texts, strict=True):
        canvas = _Canvas(room, _HEIGHT_OF_A_SERIES, span, (low, high), glyphs)
        canvas.join(_in_order(each))
        for number, line in enumerate(canvas.lines()):
            is_first = number == 0
            yield Text.assemble(
                _sized(name if is_first else "", size),
                " ",
                (line, _INK),
                f" {text if is_first else '':>{rest}}",
            )
    yield Text(f"{' ' * size} {_spread(ends, room)}", style=_FAINT)
    said = f"each from {compact(low)} to {compact(high)}; at the right: {ends[1]}"
    for line in fold(said, width):
        yield Text(line, style=_FAINT)


def _scatter(chart: Chart, place: int, width: int, glyphs: _Glyphs) -> Iterator[Text]:
    points = [
        (at, _number(row[chart.numbers[1]]))
        for row in chart.rows
        if (at := _number(row[place])) is not None
    ]
    across = [at for at, _ in points]
    up = [value for _, value in points if value is not None]
    if not across or not up:
        return
    span, bounds = (min(across), max(across)), (min(up), max(up))
    ends = [compact(each) for each in span]
    yield from _framed(points, span, bounds, ends, width, glyphs, is_joined=False)


def _framed(
    points: Sequence[Point],
    span: tuple[float, float],
    bounds: tuple[float, float],
    ends: Sequence[str],
    width: int,
    glyphs: _Glyphs,
    *,
    is_joined: bool = True,
) -> Iterator[Text]:
    """Yield a canvas with what stands at its left and below it."""
    low, high = bounds
    marks = {0: high, (_HEIGHT - 1) // 2: None, _HEIGHT - 1: low}
    texts = {n: compact(value) for n, value in marks.items() if value is not None}
    size = max(map(len, texts.values()))
    canvas = _Canvas(width - size - 2, _HEIGHT, span, bounds, glyphs)
    if is_joined:
        canvas.join(_in_order(points))
    else:
        canvas.dot(points)
    wall = "│" if glyphs is _UNICODE else "|"
    for number, line in enumerate(canvas.lines()):
        yield Text.assemble(
            (f"{texts.get(number, ''):>{size}} {wall}", _FAINT), (line.rstrip(), _INK)
        )
    yield Text(f"{' ' * size}  {_spread(ends, width - size - 2)}", style=_FAINT)


class _Canvas:
    """Dots in a grid of characters.

    Args:
        width: Characters.
        height: Lines.
        span: What lies at the left and at the right.
        bounds: What lies below and above.
        glyphs: How many dots a character has.
    """

    def __init__(
        self,
        width: int,
        height: int,
        span: tuple[float, float],
        bounds: tuple[float, float],
        glyphs: _Glyphs,
    ) -> None:
        self._glyphs = glyphs
        self._cells = [[0] * width for _ in range(height)]
        self._most = (width * glyphs.across - 1, height * glyphs.down - 1)
        self._span, self._bounds = span, bounds

    def join(self, points: Sequence[Point]) -> None:
        """Draw a line through points, from left to right; None interrupts it."""
        self.dot(points)
        for (at, value), (then, other) in pairwise(points):
            if value is None or other is None:
                continue
            (x, y), (to_x, to_y) = self._dot_of(at, value), self._dot_of(then, other)
            steps = max(abs(to_x - x), abs(to_y - y))
            for step in range(1, steps):
                share = step / steps
                self._set(round(x + share * (to_x - x)), round(y + share * (to_y - y)))

    def dot(self, points: Sequence[Point]) -> None:
        """Draw points by themselves."""
        for at, value in points:
            if value is not None:
                self._set(*self._dot_of(at, value))

    def lines(self) -> list[str]:
        """Return what was drawn, the highest line first."""
        if self._glyphs is _ASCII:
            return [
                "".join("*" if cell else " " for cell in row) for row in self._cells
            ]
        return [
            "".join(chr(0x2800 + cell) if cell else " " for cell in row)
            for row in self._cells
        ]

    def _dot_of(self, at: float, value: float) -> tuple[int, int]:
        x = _share(at, *self._span) * self._most[0]
        y = (1 - _share(value, *self._bounds)) * self._most[1]
        return round(x), round(y)

    def _set(self, x: int, y: int) -> None:
        column, dot_across = divmod(x, self._glyphs.across)
        row, dot_down = divmod(y, self._glyphs.down)
        self._cells[row][column] |= _BRAILLE[dot_across][dot_down]


# Heat maps


def _heat_map(chart: Chart, place: int, width: int, glyphs: _Glyphs) -> Iterator[Text]:
    across, down = chart.dimensions
    if chart.values(down) > chart.values(across):
        across, down = down, across
    columns = list(dict.fromkeys(_label(row[across]) for row in chart.rows))
    names = list(dict.fromkeys(_label(row[down]) for row in chart.rows))
    size = min(max(map(cell_len, names)), width // 3)
    cell = min((width - size - 1) // len(columns), _WIDEST_CELL)
    if cell < 1:
        yield from _bars(chart, place, width, glyphs)
        return
    values = {
        (_label(row[across]), _label(row[down])): _number(row[place])
        for row in chart.rows
    }
    known = [value for value in values.values() if value is not None]
    if not known:
        return
    low, high = min(known), max(known)
    for name in names:
        shades = [
            _shade(values.get((column, name)), low, high, glyphs.shades) * cell
            for column in columns
        ]
        yield Text.assemble(_sized(name, size), " ", ("".join(shades), _INK))
    ends = _spread((columns[0], columns[-1]), cell * len(columns))
    yield Text(f"{' ' * size} {ends}", style=_FAINT)
    steps = len(glyphs.shades)
    legend = [
        f"{shade} from {compact(low + number * (high - low) / steps)}"
        for number, shade in enumerate(glyphs.shades)
    ]
    for line in fold(f"{'  '.join(legend)}  to {compact(high)}", width):
        yield Text(line, style=_FAINT)


def _shade(value: float | None, low: float, high: float, shades: str) -> str:
    if value is None:
        return " "
    return shades[min(int(_share(value, low, high) * len(shades)), len(shades) - 1)]


# Numbers and names


def compact(value: float) -> str:
    """Return a number for an axis, with three or four digits: 1.25M."""
    for limit, suffix in _SUFFIXES:
        if abs(value) >= limit * 0.9995:  # which is rounded up
            return f"{round(value / limit, 2):g}{suffix}"
    return f"{value:.4g}"


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """From zero, or below it, to a round number."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    if low == high:
        return 0.0, 1.0
    return 0.0 - _round_up(-low), _round_up(high)


def _round_up(value: float) -> float:
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((s * power for s in _STEPS if s * power >= value), value)


def _in_order(points: Sequence[Point]) -> list[Point]:
    """Points from left to right."""
    return sorted(points, key=itemgetter(0))


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two others; the middle if these are one."""
    return (value - low) / (high - low) if high > low else 0.5


def _number(value: Any) -> float | None:
    """A figure, None for what is none."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < _LARGEST else None


def _positions(chart: Chart, axis: int) -> list[float]:
    """Where each row lies along the axis: at its time, or at its turn."""
    if chart.columns[axis].kind in ("date", "moment"):
        try:
            return [
                datetime.fromisoformat(row[axis])
                .replace(tzinfo=timezone.utc)
                .timestamp()
                for row in chart.rows
            ]
        except (TypeError, ValueError, OverflowError):
            pass  # infinity, null, or a year that Python has not
    turns = {
        name: float(turn)
        for turn, name in enumerate(dict.fromkeys(str(row[axis]) for row in chart.rows))
    }
    return [turns[str(row[axis])] for row in chart.rows]


def _spread(ends: Sequence[str], width: int) -> str:
    """The first text at the left and the last one at the right."""
    first, last = ends
    gap = width - cell_len(first) - cell_len(last)
    if first == last or gap < 1:
        return _sized(first, min(cell_len(first), width))
    return f"{first}{' ' * gap}{last}"


def _sized(text: str, size: int) -> str:
    """A text that is so wide, cut if it is wider."""
    if cell_len(text) > size:
        return f"{set_cell_size(text, size - 1)}…" if size > 1 else text[:size]
    return set_cell_size(text, size)


def _label(value: Any) -> str:
    return "unknown" if value is None else escape(str(value))


def _names(rows: Sequence[Sequence[Any]], place: int) -> list[str]:
    return [_label(row[place]) for row in rows]


def _titled(chart: Chart, place: int) -> str:
    column = chart.columns[place]
    name = escape(column.name)
    return name if column.unit in ("", column.name) else f"{name} ({column.unit})"
