"""query_metrics: every metric against plain SQL, over random slices, as each kind of person."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import psycopg
import pytest

from tests.conftest import PG_VERSION
from tests.integration.service.metrics import slices
from tests.integration.service.metrics.conftest import PEOPLE, Ask, span
from tests.integration.service.metrics.slices import Figures, Slice
from zava.data.metrics.registry import METRICS

pytestmark = pytest.mark.thorough

PERIODS = (
    *("2026-06", "2026-Q2", "2025", "2026-06-30", "2026-W20", "last_90_days", "ytd"),
    *("2026-03-15..2026-05-14", "2024-12-20..2026-01-10", "2026-02-28..2026-06-30"),
)
SLICES = 60
NOTHING = (0, None)


def rows_of(answer: dict[str, Any], by: tuple[str, ...]) -> Figures:
    """The figures of an answer, by the values of the dimensions."""
    columns = answer["columns"]
    found: Figures = {}
    for row in answer["rows"]:
        cells = dict(zip(columns, row, strict=True))
        key = tuple(
            f"{cells['sku']} {cells['product']}" if name == "product" else cells[name]
            for name in by
        )
        assert key not in found
        found[key] = {name: cells[name] for name in cells if name in METRICS}
    return found


def differences(found: Figures, expected: Figures, metrics: list[str]) -> list[Any]:
    """Where two answers differ; a row of zeros is as good as none."""
    wrong = []
    for key in {*found, *expected}:
        for name in metrics:
            one = found.get(key, {}).get(name)
            other = expected.get(key, {}).get(name)
            if one in NOTHING and other in NOTHING:
                continue
            if one is None or other is None or Decimal(str(one)) != Decimal(str(other)):
                wrong.append((key, name, one, other))
    return wrong


def random_slice(
    draw: random.Random,
    owner: psycopg.Connection,
    stores: list[str],
    days: tuple[str, str],
) -> Slice:
    spans = draw.sample(sorted(slices.SPANS), draw.choice((0, 1)))
    others = sorted({*slices.DIMENSIONS} - {*slices.SPANS})
    by = [*spans, *draw.sample(others, draw.choice((0, 1, 1, 2)))]
    draw.shuffle(by)
    filters = {}
    free = [name for name in others if name not in by and name not in slices.PLACES]
    for name in draw.sample(free, draw.choice((0, 0, 1, 2))):
        values = values_of(owner, name)
        if name == "product":
            values = [value.split(" ")[0] for value in values]
        filters[name] = draw.sample(values, min(len(values), draw.choice((1, 2, 4))))
    return Slice(tuple(stores), *days, by=tuple(by), filters=filters)


VALUES: dict[str, list[Any]] = {
    "weekday": ["Monday", "Wednesday", "Saturday", "Sunday"],
    "hour": list(range(8, 21)),
    "status": ["pending", "shipped", "completed", "cancelled", "returned"],
}
FROM_TABLES = {
    "category": "SELECT name FROM retail.categories",
    "type": "SELECT name FROM retail.product_types GROUP BY 1 HAVING count(*) = 1",
    "brand": "SELECT DISTINCT brand FROM retail.products WHERE brand IS NOT NULL",
    "unit": "SELECT DISTINCT unit FROM retail.products",
    "product": "SELECT sku || ' ' || name FROM retail.products",
}


def values_of(owner: psycopg.Connection, dimension: str) -> list[Any]:
    if dimension not in VALUES:
        rows = owner.execute(f"{FROM_TABLES[dimension]} ORDER BY 1".encode()).fetchall()
        VALUES[dimension] = [value for (value,) in rows]
    return VALUES[dimension]


def drawn(
    draw: random.Random,
    owner: psycopg.Connection,
    chosen: list[str],
    days: tuple[str, str],
) -> tuple[Slice, Slice, Figures]:
    """A slice in which something sold, as asked by SKU and as SQL has it."""
    for _ in range(50):
        some = random_slice(draw, owner, chosen, days)
        filters = dict(some.filters)
        if "product" in filters:
            names = values_of(owner, "product")
            filters["product"] = [
                name for name in names if name.split(" ")[0] in filters["product"]
            ]
        asked = Slice(tuple(chosen), *days, some.by, filters)
        expected = slices.figures(owner, asked)
        if any(v not in NOTHING for row in expected.values() for v in row.values()):
            return some, asked, expected
    raise AssertionError


# Each version of PostgreSQL meets a half of them.
@pytest.mark.parametrize("number", range(PG_VERSION == 18, SLICES, 2))
def test_every_metric_is_what_plain_sql_says(
    ask: Ask,
    owner: psycopg.Connection,
    visible: dict[str, list[str]],
    number: int,
) -> None:
    draw = random.Random(number)
    person = draw.choice(sorted(PEOPLE))
    stores = visible[person]
    chosen = draw.choice((stores, draw.sample(stores, draw.randint(1, len(stores)))))
    period = draw.choice(PERIODS)
    days = ask(person, "revenue", time_period=period)["period"]
    some, asked, expected = drawn(draw, owner, chosen, span(days))
    metrics = [
        name
        for name, metric in METRICS.items()
        if not metric.is_state and not name.endswith("_to_chain")
    ]
    found: Figures = {}
    for first in range(0, len(metrics), 8):
        answer = ask(
            person,
            *metrics[first : first + 8],
            by=some.by,
            time_period=period,
            stores=chosen,
            filters={name: list(values) for name, values in some.filters.items()},
        )
        for key, row in rows_of(answer, some.by).items():
            found.setdefault(key, {}).update(row)
    for row in expected.values():
        row["units_per_order"] = per_order(row)
    assert differences(found, expected, metrics) == [], (person, asked)


def per_order(row: dict[str, Any]) -> Decimal | None:
    if not row.get("orders"):
        return None
    ratio: Decimal = Decimal(row.get("units") or 0) / row["orders"]
    return ratio.quantize(Decimal("0.01"), ROUND_HALF_UP)
