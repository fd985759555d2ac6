"""The answer about some stores: short, or with all that is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from zava.service.sales.history import a_few
from zava.service.sales.performance_models import (
    CategoryRow,
    Compared,
    Insight,
    SideName,
    StoreMetrics,
)

Detail = Literal["short", "full"]

MAX_CHARACTERS = 3500
"""Of the JSON of a short answer, whatever the names in it."""
# What the answer gains when it is given out: cached, and as_of.
_RESERVE = 80
_SHORT_FIGURES = (
    "revenue",
    "orders",
    "average_order_value",
    "units",
    "units_per_order",
    "discount_rate",
    "gross_margin",
    "costed_share",
    "customers",
    "new_customers",
    "new_to_chain",
    "cancelled_orders",
    "returned_orders",
    "returns",
    "returned_amount",
)
_SHORT_CATEGORIES = 10
_SHORT_PRODUCTS = 5
_SHORT_INSIGHTS = 4
# So few remain before something else is cut.
_CUTS = (
    ("best_products", 3),
    ("categories", 5),
    ("insights", 3),
    ("best_products", 1),
    ("insights", 2),
    ("categories", 2),
    ("insights", 1),
    ("best_products", 0),
    ("categories", 0),
    ("insights", 0),
)


def present(
    metrics: StoreMetrics, insights: Sequence[Insight], detail: Detail
) -> dict[str, Any]:
    """Return the JSON values of an answer.

    Args:
        metrics: The figures.
        insights: What stands out.
        detail: Whether to keep to `MAX_CHARACTERS`.
    """
    if detail == "full":
        return _answer(metrics, _all_figures(metrics), list(insights))
    answer = _answer(metrics, _short_figures(metrics), list(insights)[:_SHORT_INSIGHTS])
    for name, most in _CUTS:
        if len(_json(answer)) <= MAX_CHARACTERS - _RESERVE:
            break
        _cut(answer, name, most)
    return answer


def _cut(answer: dict[str, Any], name: str, most: int) -> None:
    """Shorten a list of an answer, and say how many there are besides."""
    if name == "insights":
        del answer["insights"][most:]
        return
    table = answer["metrics"].get(name)
    if table is None:
        return
    left_out = len(table["rows"]) - most
    if left_out > 0:
        del table["rows"][most:]
        table["more"] = table.get("more", 0) + left_out
    if not table["rows"]:
        del answer["metrics"][name]


def _answer(
    metrics: StoreMetrics, figures: dict[str, Any], insights: Sequence[Insight]
) -> dict[str, Any]:
    past, scope = metrics.past, metrics.scope
    period: dict[str, Any] = {
        "name": metrics.period_name,
        "first_day": str(metrics.period.start),
        "last_day": metrics.period.form.partition("..")[2],
        "data_through": None if past.through is None else str(past.through),
    }
    if past.behind:
        period["data_through_of_stores"] = a_few(past.behind)
    if metrics.sides:
        period["compared_with"] = {side.name: side.form for side in metrics.sides}
    if past.notes:
        period["notes"] = list(past.notes)
    return {
        "store_id": scope.key,
        "period": period,
        "metrics": {
            "stores": scope.name,
            "currency": metrics.currency,
            "unit": metrics.unit,
            **figures,
        },
        "insights": [insight.model_dump(mode="json") for insight in insights],
    }


def _short_figures(metrics: StoreMetrics) -> dict[str, Any]:
    """Return what fits: figures that say something, the first categories, products."""
    if not metrics.figures:
        return {"columns": ["metric", "value"], "rows": []}
    told = [name for name in _SHORT_FIGURES if _is_told(metrics, name)]
    figures = [(name, metrics.figures[name]) for name in told]
    found = _table(metrics, "metric", figures, has_rates=True)
    rows = metrics.categories[:_SHORT_CATEGORIES]
    if rows:
        found["categories"] = _categories(metrics, rows)
        if len(metrics.categories) > len(rows):
            found["categories"]["more"] = len(metrics.categories) - len(rows)
    if metrics.best_products:
        found["best_products"] = {
            "columns": ["sku", "product", "units", "revenue"],
            "rows": [
                [row.sku, row.name, row.units, row.revenue]
                for row in metrics.best_products[:_SHORT_PRODUCTS]
            ],
        }
    return found


def _is_told(metrics: StoreMetrics, name: str) -> bool:
    """Whether a figure says something that the others do not."""
    figure = metrics.figures.get(name)
    if figure is None:
        return False
    if name == "costed_share":
        return figure.value not in (None, 100)
    if name == "new_to_chain" and metrics.scope.is_chain:
        return False  # whoever is new to the stores is new to the chain
    return any((figure.value, figure.previous, figure.year_before)) or name in (
        "revenue",
        "orders",
    )


def _all_figures(metrics: StoreMetrics) -> dict[str, Any]:
    if not metrics.figures:
        return {"columns": ["metric", "value"], "rows": []}
    best = metrics.best_day
    found: dict[str, Any] = {
        **_table(metrics, "metric", metrics.figures.items(), has_rates=True),
        "other_units": _table(metrics, "unit", metrics.other_units.items()),
        "categories": _categories(metrics, metrics.categories, whole=True),
        "best_products": {
            "columns": [
                *("sku", "product", "units", "revenue", "stock", "days_of_cover")
            ],
            "rows": [
                list(row.model_dump(mode="json").values())
                for row in metrics.best_products
            ],
        },
        "fading_products": {
            "columns": [
                *("sku", "product", "revenue", "revenue_previous", "type"),
                *("type_revenue", "type_revenue_previous"),
            ],
            "rows": [
                [
                    row.sku,
                    row.name,
                    float(row.revenue),
                    float(row.previous_revenue),
                    row.type_name,
                    None if row.type_revenue is None else float(row.type_revenue),
                    None
                    if row.type_previous_revenue is None
                    else float(row.type_previous_revenue),
                ]
                for row in metrics.fading
            ],
        },
        "best_day": None if best is None else best.model_dump(mode="json"),
        "series": {
            "columns": [metrics.bucket, "revenue", "orders"],
            "rows": [
                [str(row.start), row.revenue, row.orders] for row in metrics.series
            ],
        },
    }
    if metrics.stock is not None:
        found["stock"] = {
            "days": metrics.stock.span.form,
            "columns": ["kind", "store", "sku", "product", "stock", "sold"],
            "rows": [
                [
                    "runs out" if row.kind == "short" else "does not sell",
                    row.store_name,
                    row.sku,
                    row.name,
                    float(row.stock_level),
                    float(row.units),
                ]
                for row in metrics.stock.rows
            ],
        }
    if metrics.past.silent:
        found["silent_stores"] = {
            "columns": ["store", "last_day_with_sales"],
            "rows": [[store.name, str(store.last)] for store in metrics.past.silent],
        }
    return found


def _table(
    metrics: StoreMetrics,
    first: str,
    figures: Iterable[tuple[str, Compared]],
    *,
    has_rates: bool = False,
) -> dict[str, Any]:
    sides = [side.name for side in metrics.sides]
    columns = [first, "value"]
    for side in sides:
        columns += [side, f"{side}_change"]
        if has_rates:
            columns.append(f"{side}_points")
    return {
        "columns": columns,
        "rows": [
            [name, figure.value, *_cells(figure, sides, has_rates=has_rates)]
            for name, figure in figures
        ],
    }


def _cells(
    figure: Compared, sides: Sequence[SideName], *, has_rates: bool = False
) -> Iterator[int | float | None]:
    for side in sides:
        yield figure.of(side)
        yield figure.change(side)
        if has_rates:
            yield figure.points(side)


def _categories(
    metrics: StoreMetrics, rows: Sequence[CategoryRow], *, whole: bool = False
) -> dict[str, Any]:
    """Return categories; the revenue of other spans where there is room for it."""
    sides = [side.name for side in metrics.sides]
    columns = ["category", "revenue", "share"]
    for side in sides:
        columns += [side, f"{side}_change"] if whole else [f"{side}_change"]
    return {
        "columns": columns,
        "rows": [
            [
                row.name,
                row.revenue.value,
                row.share,
                *(
                    _cells(row.revenue, sides)
                    if whole
                    else (row.revenue.change(side) for side in sides)
                ),
            ]
            for row in rows
        ],
    }


def _json(answer: Mapping[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
