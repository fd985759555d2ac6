"""What the command line shows: tables on stdout, progress on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

# Wide enough that what is piped on has one row in a line.
_WIDTH_OF_A_FILE = 10_000
# The last column is given at least so much of a terminal.
_LAST_COLUMN = 30


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 row, 2,000 rows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of text under their headings; nothing of them is left out.

    The last column goes on in the next line where the terminal ends; every other is
    as wide as its longest text, also where the terminal is not.
    """
    listed = list(rows)
    table = Table(box=None, pad_edge=False)
    for heading in headings[:-1]:
        table.add_column(heading, no_wrap=True, overflow="ignore")
    table.add_column(headings[-1], overflow="fold")
    for row in listed:
        table.add_row(*row)
    widths = [max(map(len, column)) for column in zip(headings, *listed, strict=True)]
    least = sum(width + 1 for width in widths[:-1]) + min(widths[-1], _LAST_COLUMN)
    terminal = Console().width if Console().file.isatty() else _WIDTH_OF_A_FILE
    console = Console(width=max(terminal, least), highlight=False, markup=False)
    with console.capture() as printed:
        console.print(table, soft_wrap=False, crop=False, overflow="ignore")
    for line in printed.get().splitlines():
        console.file.write(f"{line.rstrip()}\n")


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """Yield a function that moves the bar: step, number of steps, name of the step."""
    columns = (
        TextColumn(title),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    console = Console(file=sys.stderr)
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=None)

        def move(step: int, steps: int, name: str) -> None:
            bar.update(task, description=name, completed=step - 1, total=steps)

        yield move


@contextmanager
def row_bar(title: str) -> Iterator[Callable[[str, float, int], None]]:
    """Yield a function that moves a bar: what is done, the share of all, rows so far.

    The bar shows rows per second and the time that is left.
    """
    columns = (
        TextColumn(title),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(file=sys.stderr)
    hidden = not console.is_terminal
    started = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=1.0)

        def move(name: str, share: float, rows: int) -> None:
            speed = rows / max(time.monotonic() - started, 0.001)
            text = f"{name}, {rows:,} rows, {speed:,.0f} a second"
            bar.update(task, description=text, completed=share)

        yield move
