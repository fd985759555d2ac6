"""Plain SQL for every metric and dimension, written from their definitions alone.

It reads the tables of orders and lines, as a superuser with an explicit list of stores,
and none of the totals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

COUNTS = "(o.status <> 'cancelled' AND o.status <> 'returned')"
BOUGHT = f"({COUNTS} AND o.total_amount >= 0 AND o.returns_order_id IS NULL)"
BROUGHT_BACK = f"({COUNTS} AND (o.total_amount < 0 OR o.returns_order_id IS NOT NULL))"
DAY = "(o.order_date AT TIME ZONE s.time_zone)::date"
ORDERS = f"""
    SELECT o.*, s.name AS store, s.region, s.is_online, {DAY} AS day,
           extract(hour FROM o.order_date AT TIME ZONE s.time_zone) AS hour,
           {BOUGHT} AS bought, {BROUGHT_BACK} AS brought_back, {COUNTS} AS counts
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE o.store_id = ANY (%(stores)s)
"""
LINES = f"""
    SELECT o.*, i.total_amount AS amount, i.discount_amount + i.coupon_amount AS off, i.line_kind,
           CASE WHEN i.line_kind IN ('sale', 'return') THEN i.quantity ELSE 0 END AS quantity,
           p.sku, p.name AS product, p.brand, p.unit, p.cost, c.name AS category, t.name AS type
    FROM ({ORDERS}) AS o
    JOIN retail.order_items AS i ON i.order_id = o.order_id
    JOIN retail.products AS p ON p.product_id = i.product_id
    LEFT JOIN retail.categories AS c ON c.category_id = p.category_id
    LEFT JOIN retail.product_types AS t ON t.type_id = p.type_id
"""

PLACES = {
    "store": "x.store",
    "region": "x.region",
    "channel": "CASE WHEN x.is_online THEN 'online' ELSE 'store' END",
}
SPANS = {
    "day": "{d}::text",
    "week": "({d} - extract(dow FROM {d})::integer)::text || '..' || ({d} - extract(dow FROM {d})::integer + 6)::text",
    "month": "to_char({d}, 'YYYY-MM')",
    "quarter": """to_char({d}, 'YYYY"-Q"Q')""",
    "year": "to_char({d}, 'YYYY')",
}
PRODUCTS = {
    "category": "x.category",
    "type": "x.type",
    "brand": "x.brand",
    "product": "x.sku || ' ' || x.product",
    "unit": "x.unit",
}
ORDER = {"hour": "x.hour::integer", "status": "x.status"}
WEEKDAY = {"weekday": "trim(to_char(x.day, 'Day'))"}
DIMENSIONS = {
    **PLACES,
    **{name: text.format(d="x.day") for name, text in SPANS.items()},
    **WEEKDAY,
    **PRODUCTS,
    **ORDER,
}

BY_ORDERS = {
    "revenue": "coalesce(sum(x.total_amount) FILTER (WHERE x.counts), 0)",
    "orders": "count(*) FILTER (WHERE x.bought)",
    "average_order_value": "round(sum(x.total_amount) FILTER (WHERE x.counts) / nullif(count(*) FILTER (WHERE x.bought), 0), 2)",
    "open_days": "count(DISTINCT x.day) FILTER (WHERE x.bought)",
    "revenue_per_open_day": "round(sum(x.total_amount) FILTER (WHERE x.counts) / nullif(count(DISTINCT x.day) FILTER (WHERE x.bought), 0), 2)",
    "placed_orders": "count(*) FILTER (WHERE x.bought OR x.status IN ('cancelled', 'returned'))",
    "cancelled_orders": "count(*) FILTER (WHERE x.status = 'cancelled')",
    "cancelled_share": "round(100.0 * count(*) FILTER (WHERE x.status = 'cancelled') / nullif(count(*) FILTER (WHERE x.bought OR NOT x.counts), 0), 2)",
    "returned_orders": "count(*) FILTER (WHERE x.status = 'returned')",
    "returns": "count(*) FILTER (WHERE x.brought_back)",
    "returned_amount": "coalesce(-sum(x.total_amount) FILTER (WHERE x.brought_back), 0)",
    "returned_share": "round(100.0 * (count(*) FILTER (WHERE x.status = 'returned') + count(*) FILTER (WHERE x.brought_back)) / nullif(count(*) FILTER (WHERE x.bought OR NOT x.counts), 0), 2)",
}
ONCE = "count(DISTINCT x.order_id) FILTER (WHERE {})"
HOLDS = ONCE.format("x.bought AND x.line_kind = 'sale'")
GONE = ONCE.format("x.status = 'cancelled'")
BACK = ONCE.format("x.status = 'returned'")
RETURNS = ONCE.format("x.brought_back")
SOLD_DAYS = "count(DISTINCT x.day) FILTER (WHERE x.bought AND x.line_kind = 'sale')"
BY_PRODUCT = {
    "revenue": "coalesce(sum(x.amount) FILTER (WHERE x.counts), 0)",
    "orders": HOLDS,
    "average_order_value": f"round(sum(x.amount) FILTER (WHERE x.counts) / nullif({HOLDS}, 0), 2)",
    "open_days": SOLD_DAYS,
    "revenue_per_open_day": f"round(sum(x.amount) FILTER (WHERE x.counts) / nullif({SOLD_DAYS}, 0), 2)",
    "placed_orders": f"{HOLDS} + {GONE} + {BACK}",
    "cancelled_orders": GONE,
    "cancelled_share": f"round(100.0 * {GONE} / nullif({HOLDS} + {GONE} + {BACK}, 0), 2)",
    "returned_orders": BACK,
    "returns": RETURNS,
    "returned_amount": "coalesce(-sum(x.amount) FILTER (WHERE x.brought_back), 0)",
    "returned_share": f"round(100.0 * ({BACK} + {RETURNS}) / nullif({HOLDS} + {GONE} + {BACK}, 0), 2)",
}
UNITS = "coalesce(sum(x.quantity) FILTER (WHERE x.counts{of_unit}), 0)"
BY_LINES = {
    "units": f"round({UNITS}, 3)",
    "discount": "coalesce(sum(x.off) FILTER (WHERE x.counts), 0)",
    "discount_rate": "round(100 * sum(x.off) FILTER (WHERE x.counts) / nullif(sum(x.amount + x.off) FILTER (WHERE x.counts), 0), 2)",
    "gross_profit": "round(coalesce(sum(x.amount - x.quantity * x.cost) FILTER (WHERE x.counts AND x.cost IS NOT NULL), 0), 2)",
    "gross_margin": "round(100 * sum(x.amount - x.quantity * x.cost) FILTER (WHERE x.counts AND x.cost IS NOT NULL)"
    " / nullif(sum(x.amount) FILTER (WHERE x.counts AND x.cost IS NOT NULL), 0), 2)",
    "costed_share": "round(100 * coalesce(sum(x.amount) FILTER (WHERE x.counts AND x.cost IS NOT NULL), 0) / nullif(sum(x.amount) FILTER (WHERE x.counts), 0), 2)",
}
BUYERS = {
    "customers": "count(*)",
    "new_customers": "count(*) FILTER (WHERE y.is_new)",
    "returning_customers": "count(*) FILTER (WHERE NOT y.is_new)",
    "repeat_rate": "round(100.0 * count(*) FILTER (WHERE y.orders > 1) / count(*), 2)",
    "orders_per_customer": "round(sum(y.orders) / count(*), 2)",
}


@dataclass(frozen=True)
class Slice:
    """What is asked of the tables.

    Attributes:
        stores: Ids.
        start: First day.
        end: The day after the last one.
        by: Dimensions.
        filters: Dimension and values.
    """

    stores: tuple[str, ...]
    start: str
    end: str
    by: tuple[str, ...] = ()
    filters: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def is_of_products(self) -> bool:
        """Whether it is about the lines of orders."""
        return bool({*self.by, *self.filters} & set(PRODUCTS))

    @property
    def of_unit(self) -> str:
        """Limits units to pieces, where more than one unit would be added up."""
        if {"unit", "product"} & set(self.by) or len(self.filters.get("unit", ())) == 1:
            return ""
        return " AND x.unit = 'piece'"


Figures = dict[tuple[Any, ...], dict[str, Any]]


def figures(owner: psycopg.Connection, asked: Slice) -> Figures:
    """Every metric of a slice, by the values of the dimensions; zeros left out."""
    found: Figures = {}
    of_orders = BY_PRODUCT if asked.is_of_products else BY_ORDERS
    for columns, source in (
        (of_orders, LINES if asked.is_of_products else ORDERS),
        ({k: v.format(of_unit=asked.of_unit) for k, v in BY_LINES.items()}, LINES),
    ):
        for row in _rows(owner, asked, _grouped(asked, columns, source)):
            _add(found, asked, row, columns)
    for row in _rows(owner, asked, _buyers(asked)):
        _add(found, asked, row, BUYERS)
    return found


def _add(
    found: Figures, asked: Slice, row: tuple[Any, ...], names: Mapping[str, str]
) -> None:
    keys, values = row[: len(asked.by)], row[len(asked.by) :]
    found.setdefault(keys, {}).update(zip(names, values, strict=True))


def _rows(
    owner: psycopg.Connection, asked: Slice, query: str
) -> Iterator[tuple[Any, ...]]:
    values = {"stores": list(asked.stores), "start": asked.start, "end": asked.end}
    for n, wanted in enumerate(asked.filters.values()):
        values[f"f{n}"] = list(wanted)
    with owner.transaction():
        owner.execute("SET LOCAL TimeZone = 'UTC'")
        yield from owner.execute(query.encode(), values).fetchall()


def _where(asked: Slice) -> str:
    parts = ["x.day >= %(start)s::date", "x.day < %(end)s::date"]
    parts += [
        f"({DIMENSIONS[name]}) = ANY (%(f{n})s)" for n, name in enumerate(asked.filters)
    ]
    return " AND ".join(parts)


def _keys(asked: Slice) -> str:
    return "".join(f"({DIMENSIONS[name]}) AS k{n}, " for n, name in enumerate(asked.by))


def _grouped(asked: Slice, columns: Mapping[str, str], source: str) -> str:
    by = ", ".join(f"k{n}" for n in range(len(asked.by)))
    grouping = f"GROUP BY {by}" if by else ""
    return f"SELECT {_keys(asked)}{', '.join(columns.values())} FROM ({source}) AS x WHERE {_where(asked)} {grouping}"


def _buyers(asked: Slice) -> str:
    """Customers, each once, with the day of their first purchase in the same place."""
    places = [name for name in asked.by if name in PLACES]
    spans = [name for name in asked.by if name in SPANS]
    first_keys = "".join(f", ({PLACES[name]}) AS {name}" for name in places)
    firsts = f"SELECT x.customer_id, min(x.day) AS first_day{first_keys} FROM ({ORDERS}) AS x WHERE x.bought AND x.customer_id IS NOT NULL GROUP BY 1{''.join(f', {n + 3}' for n in range(len(places)))}"
    same = "".join(
        f" AND f.{name} IS NOT DISTINCT FROM ({PLACES[name]})" for name in places
    )
    new = "f.first_day >= %(start)s::date" + "".join(
        f" AND ({SPANS[name].format(d='f.first_day')}) = ({SPANS[name].format(d='x.day')})"
        for name in spans
    )
    source, holds = (
        (LINES, " AND x.line_kind = 'sale'") if asked.is_of_products else (ORDERS, "")
    )
    by = ", ".join(f"k{n}" for n in range(len(asked.by)))
    return f"""
        SELECT {by + ", " if by else ""}{", ".join(BUYERS.values())} FROM (
            SELECT {_keys(asked)}x.customer_id, count(DISTINCT x.order_id) AS orders, bool_or({new}) AS is_new
            FROM ({source}) AS x JOIN ({firsts}) AS f ON f.customer_id = x.customer_id{same}
            WHERE {_where(asked)} AND x.bought{holds}
            GROUP BY {by + ", " if by else ""}x.customer_id
        ) AS y {"GROUP BY " + by if by else "HAVING count(*) > 0"}"""
