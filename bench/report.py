"""What comes out: tables in Markdown, and a chart in SVG without any library."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from html import escape
from importlib.metadata import version

from bench.figures import Figure, Figures
from bench.measures import CALLS

_BAR, _GAP, _LABEL, _WIDTH = 18, 8, 230, 760
_OURS, _THEIRS = "#2f6f8f", "#b9b9b9"


def machine(postgres: str) -> str:
    """Return one line on where and with what it was measured; no host's name."""
    packages = ("mcp", "psycopg", "pydantic")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    day = datetime.now(timezone.utc).date()
    return (
        f"{day}, {os.cpu_count()} cores ({platform.machine()}), Python"
        f" {platform.python_version()}, PostgreSQL {postgres} on the same machine with"
        f" its normal durability; zava {version('zava')}, {versions}."
    )


def tables(figures: Figures, runs: int) -> str:
    """Return a table per group: the median of the runs, and their spread."""
    parts = []
    for group in figures.groups():
        of_group = figures.of(group)
        names = list(dict.fromkeys(figure.what for figure in of_group))
        heads = [_head(name, of_group) for name in names]
        lines = [
            f"### {group}",
            "",
            f"| | {' | '.join(heads)} |",
            "|---" * (len(names) + 1) + "|",
        ]
        for who in dict.fromkeys(figure.who for figure in of_group):
            found = {f.what: f for f in of_group if f.who == who}
            cells = [_cell(found.get(name)) for name in names]
            lines.append(f"| {who} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    note = (
        f"Each figure is the median of {runs} runs, with the lowest and the highest in"
        " brackets; **bold** has a target and is as good, *slanted* is not."
    )
    return "\n\n".join([note, *parts]) + "\n"


def _head(name: str, figures: list[Figure]) -> str:
    unit = next(figure.unit for figure in figures if figure.what == name)
    return f"{name}, {unit}" if unit != "/s" else f"{name}, calls/s"


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    text = figure.shown(figure.median)
    if figure.is_met is not None:
        mark = "**" if figure.is_met else "*"
        text = f"{mark}{text}{mark}"
    if len(figure.runs) > 1:
        low, high = figure.shown(min(figure.runs)), figure.shown(max(figure.runs))
        text += f" ({low} to {high})"
    return text


def chart(figures: Figures) -> str:
    """Return an SVG of latency and throughput of every server."""
    shown = {"p50": "ms, lower is better", "16 in flight": "calls/s, higher is better"}
    rows: list[str] = []
    y = 30
    for what, title in shown.items():
        bars = [f for f in figures.of(CALLS) if f.what == what]
        if not bars:
            continue
        most = max(bar.median for bar in bars)
        rows.append(
            f'<text x="10" y="{y}" class="title">{escape(f"{what}: {title}")}</text>'
        )
        y += 14
        for bar in sorted(bars, key=lambda bar: bar.median, reverse=what != "p50"):
            width = max(1.0, bar.median / most * (_WIDTH - _LABEL - 90))
            color = _OURS if bar.who.startswith("zava") else _THEIRS
            middle = y + _BAR - 5
            rows.append(
                f'<text x="{_LABEL - 8}" y="{middle}" class="name">{escape(bar.who)}</text>'
                f'<rect x="{_LABEL}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{color}"/>'
                f'<text x="{_LABEL + width + 6:.1f}" y="{middle}">{bar.shown(bar.median)}</text>'
            )
            y += _BAR + _GAP
        y += 26
    style = (
        "text{font:12px sans-serif;fill:#333}.name{text-anchor:end}"
        ".title{font-weight:bold}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}">'
        f"<title>Calls of select n over stdio</title><style>{style}</style>"
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(rows)}</svg>\n'
    )
