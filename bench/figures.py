"""Figures: what was measured, each as the median of several runs with its spread."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Figure:
    """One figure of one server.

    Attributes:
        group: What it belongs to.
        who: The server or the tool.
        what: What was measured.
        unit: `ms`, `/s`, `s` or `MB`.
        target: What it should be at least (`/s`) or at most.
        runs: The value of each run.
    """

    group: str
    who: str
    what: str
    unit: str
    target: float | None = None
    runs: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def is_met(self) -> bool | None:
        """Whether the median is as good as the target; None without one."""
        if self.target is None:
            return None
        if self.unit == "/s":
            return self.median >= self.target
        return self.median <= self.target

    def shown(self, value: float) -> str:
        """Return a value with the digits that mean something."""
        if self.unit == "/s" or value >= 100:
            return f"{value:,.0f}"
        return f"{value:.2f}" if value < 10 else f"{value:.1f}"


class Figures:
    """All of them, in the order in which they first came."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str, str], Figure] = {}

    def __iter__(self) -> Iterator[Figure]:
        return iter(self._figures.values())

    def add(
        self,
        group: str,
        who: str,
        what: str,
        unit: str,
        value: float,
        target: float | None = None,
    ) -> None:
        """Add the value of one run."""
        key = (group, who, what)
        if key not in self._figures:
            self._figures[key] = Figure(*key, unit, target)
        self._figures[key].runs.append(value)

    def groups(self) -> list[str]:
        return list(dict.fromkeys(figure.group for figure in self))

    def of(self, group: str) -> list[Figure]:
        return [figure for figure in self if figure.group == group]
