"""The tables of docs/metrics.md, from the registry.

    .venv/bin/python -m tests.metrics_page

writes them into the page; a test compares the page with them.
"""

from __future__ import annotations

import re

from tests.conftest import ROOT
from zava.data.metrics.registry import DIMENSIONS, METRICS, Metric

PAGE = ROOT / "docs" / "metrics.md"
_TABLE = "<!-- {0} -->\n(.*?)<!-- end of {0} -->"


def metrics_table() -> str:
    """One row a metric, in the order of the registry."""
    rows = [
        f"| `{metric.name}` | {metric.label} | {metric.definition} | {metric.unit}"
        f" | {metric.adds} | {_formula(metric)} | {', '.join(sorted(metric.groups))} |"
        for metric in METRICS.values()
    ]
    head = "| name | label | definition | unit | adds up as | measures | dimensions |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows]) + "\n"


def dimensions_table() -> str:
    """One row a dimension."""
    rows = [
        f"| `{dimension.name}` | {dimension.group} | {dimension.definition} |"
        for dimension in DIMENSIONS.values()
    ]
    return "\n".join(["| name | kind | definition |", "|---|---|---|", *rows]) + "\n"


TABLES = {"metrics": metrics_table, "dimensions": dimensions_table}


def tables_of(page: str) -> dict[str, str]:
    """The tables that a page has, by their names."""
    found = {}
    for name in TABLES:
        match = re.search(_TABLE.format(name), page, re.DOTALL)
        assert match is not None, name
        found[name] = match[1]
    return found


def _formula(metric: Metric) -> str:
    if metric.whole is None:
        return f"`{metric.part}`"
    return f"`({metric.part}) / ({metric.whole})`"


def main() -> None:
    """Write the tables into the page."""
    page = PAGE.read_text("utf-8")
    for name, table in tables_of(page).items():
        page = page.replace(
            f"<!-- {name} -->\n{table}", f"<!-- {name} -->\n{TABLES[name]()}"
        )
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
