"""Stock: every metric against plain SQL over random slices, and what would make rates lie."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.conftest import PG_VERSION, temporary_database
from tests.integration.service.metrics.conftest import (
    NOW,
    PEOPLE,
    Ask,
    dicts,
    service_of,
    span,
)
from tests.integration.service.metrics.slices import LINES, ORDERS
from tests.integration.service.metrics.test_figures import values_of
from tests.people import SEATTLE, regional_manager
from zava.admin.embedded import EmbeddedServer
from zava.data.metrics.registry import MEASURES, METRICS
from zava.data.provider import PostgreSQLProvider
from zava.errors import ValidationError

HEAD_OFFICE = regional_manager("Head Office")
SLICES = 40
PERIODS = (
    *("2026-06", "2026-Q2", "2025", "last_7_days", "2026-06-30", "last_90_days"),
    *("2026-03-15..2026-05-14", "2026-02-28..2026-06-30", "last_12_months"),
)
STATUSES = ("selling", "not_selling", "sold_out", "empty")
STOCK = [
    name
    for name, metric in METRICS.items()
    if all(MEASURES[each].is_of_stock for each in metric.measures)
]
# One row a store and product whose stock is known, of stores that are open.
ROWS = f"""
    WITH lines AS (SELECT x.* FROM ({LINES}) AS x WHERE x.counts
    ), days AS (
        SELECT store_id, sku, day, sum(quantity) AS units, sum(amount) AS revenue FROM lines GROUP BY 1, 2, 3
    ), marked AS (
        SELECT days.*, is_in, month, sum(units) OVER (PARTITION BY store_id, sku, month) AS in_month,
               month >= %(start)s::date AND month + interval '1 month' <= %(end)s::date AS is_whole
        FROM days CROSS JOIN LATERAL (
            SELECT day >= %(start)s::date AND day < %(end)s::date AS is_in, date_trunc('month', day)::date AS month) AS p
    ), sums AS (
        -- Of a month that is whole what sold in it, less what came back, says whether something sold.
        SELECT store_id, sku, sum(units) FILTER (WHERE is_in) AS units, sum(revenue) FILTER (WHERE is_in) AS revenue,
               coalesce(bool_or(in_month > 0 AND month < date_trunc('month', %(start)s::date)
                                AND month >= date_trunc('month', %(start)s::date) - interval '3 months'
                                OR units > 0 AND day < %(start)s::date AND month = date_trunc('month', %(start)s::date)), false) AS is_known,
               min(day) FILTER (WHERE is_in AND units > 0 AND (in_month > 0 OR NOT is_whole)) AS first_day,
               max(day) FILTER (WHERE units > 0 AND day < %(end)s::date) AS last_sold_on,
               coalesce(bool_or(is_in AND units > 0), false) AS has_sold
        FROM marked GROUP BY 1, 2
    ), traded AS (
        SELECT s.store_id, max(o.day) AS last_day FROM retail.stores AS s
        LEFT JOIN ({ORDERS}) AS o ON o.store_id = s.store_id AND o.bought AND o.day < %(end)s::date GROUP BY 1
    ), told AS (
        SELECT s.name AS store, s.region, CASE WHEN s.is_online THEN 'online' ELSE 'store' END AS channel,
               c.name AS category, t.name AS type, p.brand, p.sku || ' ' || p.name AS product, p.unit, p.cost,
               CASE WHEN v.stock_level > 0 THEN v.stock_level ELSE 0 END AS on_hand,
               greatest(coalesce(u.units, 0), 0) AS sold, u.revenue, u.last_sold_on, coalesce(u.has_sold, false) AS has_sold,
               CASE WHEN u.is_known THEN %(start)s::date ELSE u.first_day END AS first_day,
               CASE WHEN %(end)s::date - a.last_day > 7 THEN a.last_day + 1 WHEN a.last_day IS NOT NULL THEN %(end)s::date END AS end_day
        FROM retail.inventory AS v
        JOIN retail.stores AS s ON s.store_id = v.store_id
        JOIN traded AS a ON a.store_id = v.store_id
        JOIN retail.products AS p ON p.product_id = v.product_id
        LEFT JOIN sums AS u ON u.store_id = v.store_id AND u.sku = p.sku
        LEFT JOIN retail.categories AS c ON c.category_id = p.category_id
        LEFT JOIN retail.product_types AS t ON t.type_id = p.type_id
        WHERE v.store_id = ANY (%(stores)s) AND (s.closed_on IS NULL OR s.closed_on >= '2026-07-01')
    ), spread AS (
        SELECT told.*, CASE WHEN end_day > %(start)s::date THEN
                            greatest(end_day - coalesce(first_day, %(start)s::date), least(7, end_day - %(start)s::date)) END AS days
        FROM told
    ), needed AS (
        SELECT spread.*, CASE WHEN unit = 'piece' THEN ceil(lacking) ELSE lacking END AS needs
        FROM spread CROSS JOIN LATERAL (
            SELECT CASE WHEN %(cover)s * sold / days > on_hand THEN %(cover)s * sold / days - on_hand WHEN days IS NOT NULL THEN 0 END) AS l (lacking)
    ), x AS (
        SELECT needed.*, CASE WHEN days IS NULL THEN 'unknown' WHEN on_hand > 0 THEN CASE WHEN has_sold THEN 'selling' ELSE 'not_selling' END
                              WHEN has_sold THEN 'sold_out' ELSE 'empty' END AS stock_status
        FROM needed
    )
"""
OF_UNIT = (
    "sum(CASE WHEN x.unit = 'piece' OR {any_unit} THEN {what} ELSE 0 * {what} END)"
)
KEYS = (
    *("store", "region", "channel", "category", "type", "brand", "product", "unit"),
    "stock_status",
)


def figures_of(any_unit: str) -> dict[str, str]:
    def of_unit(what: str) -> str:
        return OF_UNIT.format(any_unit=any_unit, what=what)

    units, rate, sold = of_unit("on_hand"), of_unit("sold / days"), of_unit("sold")
    found = {
        "stock_units": f"round({units}, 3)",
        "stock_value": "round(sum(on_hand * cost), 2)",
        "stock_costed_share": "round(100.0 * count(*) FILTER (WHERE on_hand > 0 AND cost IS NOT NULL) / nullif(count(*) FILTER (WHERE on_hand > 0), 0), 2)",
        "products_in_stock": "count(*) FILTER (WHERE on_hand > 0)",
        "out_of_stock_products": "count(*) FILTER (WHERE on_hand = 0)",
        "units_sold_a_day": f"round({rate}, 3)",
        "revenue_a_day": "round(sum(CASE WHEN sold > 0 THEN revenue ELSE 0 END / days), 2)",
        "days_of_cover": f"round({units} / nullif({rate}, 0), 1)",
        "units_to_reorder": f"round({of_unit('needs')}, 3)",
        "reorder_cost": "round(sum(needs * cost), 2)",
        "days_since_last_sale": "min(%(end)s::date - 1 - last_sold_on)",
        "sell_through": f"round(100 * {sold} / nullif({sold} + {units}, 0), 2)",
    }
    assert set(found) == set(STOCK)
    return found


Figures = dict[tuple[Any, ...], dict[str, Decimal | None]]


def expected_of(
    owner: psycopg.Connection,
    stores: list[str],
    days: tuple[str, str],
    by: tuple[str, ...] = (),
    filters: dict[str, list[str]] | None = None,
    cover_days: int = 14,
) -> Figures:
    """What plain SQL says; a count of no rows is as unknown as a sum of none."""
    filters = filters or {}
    has_one_unit = {"unit", "product"} & set(by) or len(filters.get("unit", ())) == 1
    columns = figures_of("true" if has_one_unit else "false")
    keys = "".join(f"x.{name}, " for name in by)
    where = " AND ".join(f"x.{name} = ANY (%(f{n})s)" for n, name in enumerate(filters))
    query = f"{ROWS} SELECT {keys}{', '.join(columns.values())}, count(*) FROM x"
    query += f" WHERE {where}" if where else ""
    query += f" GROUP BY {keys.removesuffix(', ')}" if by else ""
    values: dict[str, Any] = {
        "stores": stores,
        "start": days[0],
        "end": days[1],
        "cover": cover_days,
    }
    values |= {f"f{n}": wanted for n, wanted in enumerate(filters.values())}
    found = {}
    for *row, count in owner.execute(query.encode(), values).fetchall():
        figures = row[len(by) :] if count else [None] * len(columns)
        found[tuple(row[: len(by)])] = dict(zip(columns, figures, strict=True))
    return found


def differences(found: Figures, expected: Figures) -> list[Any]:
    """Where two answers differ; null is not 0."""
    wrong: list[Any] = [(key, "row") for key in {*found} ^ {*expected}]
    for key in {*found} & {*expected}:
        wrong += [
            (key, name, figure, expected[key][name])
            for name, figure in found[key].items()
            if figure != expected[key][name]
        ]
    return wrong


def found_in(answer: dict[str, Any], by: tuple[str, ...] = ()) -> Figures:
    found: Figures = {}
    for row in dicts(answer):
        key = tuple(
            f"{row['sku']} {row['product']}" if name == "product" else row[name]
            for name in by
        )
        assert key not in found
        found[key] = {
            name: None if row[name] is None else Decimal(str(row[name]))
            for name in STOCK
            if name in row
        }
    return found


def random_question(
    draw: random.Random, owner: psycopg.Connection
) -> tuple[tuple[str, ...], dict[str, list[str]]]:
    by = tuple(draw.sample(KEYS, draw.choice((0, 1, 1, 2))))
    filters = {}
    free = [name for name in KEYS[3:] if name not in by]
    for name in draw.sample(free, draw.choice((0, 0, 1, 2))):
        values = STATUSES if name == "stock_status" else values_of(owner, name)
        filters[name] = draw.sample(values, min(len(values), draw.choice((1, 2, 4))))
    return by, filters


@pytest.mark.thorough
# Each version of PostgreSQL meets a half of them.
@pytest.mark.parametrize("number", range(PG_VERSION == 18, SLICES, 2))
def test_every_metric_of_stock_is_what_plain_sql_says(
    ask: Ask, owner: psycopg.Connection, visible: dict[str, list[str]], number: int
) -> None:
    draw = random.Random(number)
    person = draw.choice(sorted(PEOPLE))
    seen = visible[person]
    chosen = draw.choice((seen, draw.sample(seen, draw.randint(1, len(seen)))))
    by, filters = random_question(draw, owner)
    cover_days = draw.choice((1, 14, 30))
    answer = ask(
        person,
        *STOCK,
        by=by,
        stores=chosen,
        time_period=draw.choice(PERIODS),
        cover_days=cover_days,
        filters={
            name: [value.split(" ")[0] for value in values]
            if name == "product"
            else values
            for name, values in filters.items()
        },
    )
    days = span(answer["period"])
    expected = expected_of(owner, chosen, days, by, filters, cover_days)
    assert differences(found_in(answer, by), expected) == [], (person, by, filters)


@pytest.mark.thorough
def test_what_runs_out_first_comes_first_with_stock_and_rate(ask: Ask) -> None:
    answer = ask(
        *("a manager", "days_of_cover"),
        by=["product"],
        order_by=["days_of_cover"],
        filters={"stock_status": "selling"},
        max_rows=10,
    )
    assert answer["columns"] == [
        *("sku", "product", "unit", "days_of_cover", "stock_units", "units_sold_a_day")
    ]
    cover = [row["days_of_cover"] for row in dicts(answer)]
    assert cover == sorted(cover)
    assert len(cover) == 10
    for row in dicts(answer):
        assert row["stock_units"] > 0
        assert row["units_sold_a_day"] == pytest.approx(
            row["stock_units"] / row["days_of_cover"], rel=0.01
        )


def test_what_is_at_zero_and_still_asked_for_says_what_is_at_stake(
    ask: Ask, owner: psycopg.Connection, visible: dict[str, list[str]]
) -> None:
    answer = ask(
        *("head office", "revenue_a_day", "units_sold_a_day", "days_since_last_sale"),
        by=["product", "store"],
        filters={"stock_status": "sold_out"},
        time_period="2026-06",
    )
    rows = dicts(answer)
    assert rows
    zero = {
        (sku, store)
        for sku, store in owner.execute(
            "SELECT p.sku, s.name FROM retail.inventory AS v JOIN retail.products AS p USING (product_id)"
            " JOIN retail.stores AS s USING (store_id) WHERE v.stock_level <= 0"
        )
    }
    for row in rows:
        assert (row["sku"], row["store"]) in zero
        assert row["units_sold_a_day"] > 0
        assert row["days_since_last_sale"] is not None
    assert answer["notes"][0].startswith("stock has no past")


@pytest.mark.thorough
def test_what_does_not_sell_has_stock_and_no_sale_in_the_period(ask: Ask) -> None:
    answer = ask(
        *("a manager", "stock_value", "stock_units", "days_since_last_sale"),
        "units_sold_a_day",
        by=["product"],
        filters={"stock_status": "not_selling"},
        time_period="last_30_days",
    )
    rows = dicts(answer)
    assert rows
    for row in rows:
        assert row["stock_units"] > 0
        assert row["units_sold_a_day"] == 0
    days = [row["days_since_last_sale"] or 999 for row in rows]
    assert max(days) > 60


@pytest.mark.thorough
def test_a_reorder_shows_its_arithmetic(ask: Ask) -> None:
    for cover_days in (7, 60):
        answer = ask(
            *("a manager", "units_to_reorder", "reorder_cost"),
            by=["product"],
            time_period="2026-06",
            cover_days=cover_days,
            having=["units_to_reorder > 0"],
        )
        assert answer["cover_days"] == cover_days
        for row in dicts(answer):
            lacking = cover_days * row["units_sold_a_day"] - row["stock_units"]
            whole = row["unit"] == "piece"
            assert row["units_to_reorder"] == pytest.approx(
                lacking + (0.5 if whole else 0), abs=0.54 if whole else 0.04
            )
            assert not whole or row["units_to_reorder"] == int(row["units_to_reorder"])
    assert "cover_days" not in ask("a manager", "stock_value")


def test_a_status_of_stock_that_does_not_exist_gets_those_that_do(ask: Ask) -> None:
    with pytest.raises(ValidationError, match=r"near: .*sold_out"):
        ask("a manager", "stock_units", filters={"stock_status": "sold out"})


# A chain of which much is known: Kirkland is closed, Spokane fell silent, Everett has
# no inventory. Three products of Seattle: one is new, one of unknown cost has less than
# none, of one more came back than was sold. Nothing of them but what is inserted here.
NAMES = ("Seattle", "Kirkland", "Spokane", "Everett")
CHANGES = (
    "DELETE FROM retail.orders",
    "DELETE FROM retail.inventory WHERE store_id = (SELECT store_id FROM retail.stores WHERE name = 'Zava Retail Everett')",
    "UPDATE retail.stores SET closed_on = '2026-06-15' WHERE name = 'Zava Retail Kirkland'",
    "UPDATE retail.inventory SET stock_level = 20",
    "CREATE TEMPORARY TABLE chosen AS SELECT product_id, sku, row_number() OVER (ORDER BY sku) AS n FROM retail.products"
    " WHERE unit = 'piece' AND cost IS NOT NULL LIMIT 4",
    "UPDATE retail.products SET cost = NULL WHERE product_id = (SELECT product_id FROM chosen WHERE n = 3)",
    "UPDATE retail.inventory SET stock_level = -5 WHERE product_id = (SELECT product_id FROM chosen WHERE n = 3)",
)
SALES = (
    # store, product, day, units
    *(("Seattle", 1, f"2026-06-{day:02}", 2) for day in range(1, 31)),
    *(("Seattle", 2, f"2026-06-{day:02}", 3) for day in range(21, 31)),
    *(("Seattle", 3, f"2026-06-{day:02}", 1) for day in range(1, 31, 2)),
    *(("Seattle", 3, f"2026-05-{day:02}", 1) for day in range(1, 31, 2)),
    ("Seattle", 4, "2026-04-10", 5),
    ("Seattle", 4, "2026-06-20", 1),
    ("Seattle", 4, "2026-06-21", -3),
    *(("Kirkland", 1, f"2026-06-{day:02}", 4) for day in range(1, 16)),
    *(("Spokane", 1, f"2026-06-{day:02}", 4) for day in range(1, 11)),
    *(("Spokane", 1, f"2026-05-{day:02}", 4) for day in range(1, 31)),
    *(("Everett", 1, f"2026-06-{day:02}", 4) for day in range(1, 31)),
)


def insert_sales(conn: psycopg.Connection) -> None:
    for number, (store, product, day, units) in enumerate(SALES):
        values = {
            "key": f"sale {number}",
            "store": f"Zava Retail {store}",
            "product": product,
            "at": f"{day} 20:00Z",
            "units": units,
            "kind": "sale" if units > 0 else "return",
        }
        conn.execute(
            "INSERT INTO retail.orders (order_id, store_id, order_date, total_amount, status)"
            " SELECT md5(%(key)s)::uuid, store_id, %(at)s, 10 * %(units)s, 'completed' FROM retail.stores WHERE name = %(store)s",
            values,
        )
        conn.execute(
            "INSERT INTO retail.order_items (order_id, store_id, product_id, line_kind, quantity, unit_price, total_amount)"
            " SELECT o.order_id, o.store_id, (SELECT product_id FROM chosen WHERE n = %(product)s), %(kind)s, %(units)s, 10, 10 * %(units)s"
            " FROM retail.orders AS o WHERE o.order_id = md5(%(key)s)::uuid",
            values,
        )


@pytest.fixture(scope="module")
def changed(
    cluster: EmbeddedServer, small_template: str
) -> Iterator[psycopg.Connection]:
    for name in temporary_database(cluster, small_template):
        with psycopg.connect(
            cluster.conninfo(dbname=name, user="postgres"), autocommit=True
        ) as conn:
            for text in CHANGES:
                conn.execute(text.encode())
            insert_sales(conn)
            yield conn


@pytest.fixture(scope="module")
def there(cluster: EmbeddedServer, changed: psycopg.Connection) -> Iterator[Ask]:
    conninfo = cluster.conninfo(dbname=changed.info.dbname, user="zava_server")
    provider = PostgreSQLProvider({"conninfo": conninfo})
    provider.open()
    service = service_of(provider)

    def ask(person: str, *metrics: str, **how: Any) -> dict[str, Any]:
        question = service.check(metrics, **{"max_rows": 5000, "fresh": True, **how})
        return service.answer(question, person)

    yield ask
    provider.close()


@pytest.fixture(scope="module")
def skus(changed: psycopg.Connection) -> list[str]:
    rows = changed.execute("SELECT sku FROM chosen ORDER BY n").fetchall()
    return ["", *(sku for (sku,) in rows)]


def rates(answer: dict[str, Any]) -> dict[str, Any]:
    return {row["sku"]: row["units_sold_a_day"] for row in dicts(answer)}


def test_a_product_counts_from_its_first_sale_where_it_is_new(
    there: Ask, skus: list[str]
) -> None:
    how: dict[str, Any] = {"by": ["product"], "stores": ["seattle"]}
    june = rates(there(SEATTLE, "units_sold_a_day", time_period="2026-06", **how))
    # Sold on the last ten days, and on no day before the period.
    assert (june[skus[1]], june[skus[2]]) == (2, 3)
    quarter = rates(there(SEATTLE, "units_sold_a_day", time_period="2026-Q2", **how))
    # Within a month that is read whole the day is known too.
    assert (quarter[skus[1]], quarter[skus[2]]) == (2, 3)
    assert quarter[skus[3]] == round(30 / 61, 3)
    # Known from before the period: all of its days count, with or without a sale.
    part = there(
        SEATTLE, "units_sold_a_day", time_period="2026-06-16..2026-06-30", **how
    )
    assert rates(part)[skus[3]] == round(7 / 15, 3)
    # A week at least, so that two days of a new product are no trend.
    early = there(
        SEATTLE, "units_sold_a_day", time_period="2026-06-01..2026-06-22", **how
    )
    assert rates(early)[skus[2]] == round(6 / 7, 3)
    short = there(
        SEATTLE, "units_sold_a_day", time_period="2026-06-20..2026-06-22", **how
    )
    assert rates(short)[skus[2]] == 2


def test_returns_do_not_undo_that_a_product_sold_and_less_than_none_is_none(
    there: Ask, skus: list[str]
) -> None:
    answer = there(
        *(SEATTLE, "stock_units", "units_to_reorder", "reorder_cost", "revenue_a_day"),
        by=["product", "stock_status"],
        stores=["seattle"],
        time_period="2026-06",
        cover_days=31,
    )
    rows = {row["sku"]: row for row in dicts(answer)}
    came_back, below = rows[skus[4]], rows[skus[3]]
    assert came_back["stock_status"] == "selling"
    assert (came_back["units_sold_a_day"], came_back["units_to_reorder"]) == (0, 0)
    assert came_back["revenue_a_day"] == 0
    # 31 days of half a piece, and nothing on hand. Nobody knows what these cost.
    assert below["stock_status"] == "sold_out"
    assert (below["stock_units"], below["units_to_reorder"]) == (0, 16)
    assert below["reorder_cost"] is None
    assert rows[skus[1]]["units_to_reorder"] == 42
    assert rows[skus[1]]["reorder_cost"] > 0
    # On these days it only came back.
    later = there(
        *(SEATTLE, "stock_units"),
        by=["stock_status"],
        stores=["seattle"],
        time_period="2026-06-21..2026-06-30",
        filters={"product": skus[4]},
    )
    assert later["rows"] == [["not_selling", 20]]


def test_a_store_that_is_closed_has_no_stock(there: Ask, skus: list[str]) -> None:
    every = there(HEAD_OFFICE, "stock_units", by=["store"], time_period="2026-06")
    assert "Zava Retail Kirkland" not in {row["store"] for row in dicts(every)}
    assert (
        "stock of closed stores is left out: Zava Retail Kirkland (2026-06-15)"
        in (every["notes"])
    )
    alone = there(HEAD_OFFICE, "units_to_reorder", stores=["kirkland"])
    assert alone["rows"] == []
    assert alone["notes"][0] == "stock is not known: these stores have no inventory"


def test_a_store_that_fell_silent_sold_until_its_last_order(
    there: Ask, skus: list[str]
) -> None:
    how: dict[str, Any] = {"by": ["product", "stock_status"], "stores": ["spokane"]}
    june = there(HEAD_OFFICE, "units_sold_a_day", time_period="2026-06", **how)
    assert rates(june)[skus[1]] == 4
    quarter = there(
        *(HEAD_OFFICE, "units_sold_a_day"),
        by=["product"],
        stores=["spokane", "seattle"],
        time_period="2026-05-02..2026-06-30",
    )
    # 156 on 40 days in one store, 60 on 30 of its 60 days in the other.
    assert rates(quarter)[skus[1]] == round(156 / 40 + 60 / 30, 3)
    later = there(
        *(HEAD_OFFICE, "days_of_cover", "units_to_reorder"),
        by=["stock_status"],
        stores=["spokane", "seattle"],
        filters={"store": ["spokane"]},
        time_period="2026-06-20..2026-06-30",
    )
    (note,) = [each for each in later["notes"] if "the data ends" in each]
    assert note.endswith(", before the period")
    (row,) = dicts(later)
    assert row["stock_status"] == "unknown"
    assert (row["units_sold_a_day"], row["units_to_reorder"]) == (None, None)


def test_unknown_stock_is_unknown_and_said_to_be(there: Ask, skus: list[str]) -> None:
    alone = there(
        HEAD_OFFICE, "stock_units", "out_of_stock_products", stores=["everett"]
    )
    assert (alone["rows"], alone["row_count"]) == ([], 0)
    assert alone["notes"] == ["stock is not known: these stores have no inventory"]
    mixed = there(
        *(HEAD_OFFICE, "revenue", "days_of_cover", "out_of_stock_products"),
        by=["store"],
        stores=["everett", "seattle"],
        time_period="2026-06",
    )
    rows = {row["store"]: row for row in dicts(mixed)}
    everett = rows["Zava Retail Everett"]
    assert everett["revenue"] == 1200
    assert (everett["stock_units"], everett["out_of_stock_products"]) == (None, None)
    assert rows["Zava Retail Seattle"]["out_of_stock_products"] == 1
    assert mixed["notes"] == [
        "of 2 stores the stock of 1 is known",
        "a product sold where its stock is not known",
    ]
    only = there(
        *(HEAD_OFFICE, "revenue", "stock_units"),
        stores=["everett"],
        time_period="2026-06",
    )
    assert only["rows"] == [[1200.0, None]]


def test_what_stock_is_worth_leaves_out_what_costs_are_not_known(
    there: Ask, changed: psycopg.Connection, skus: list[str]
) -> None:
    answer = there(SEATTLE, "stock_value", filters={"product": skus[1:]})
    ((value,),) = changed.execute(
        "SELECT sum(20 * p.cost) FROM retail.products AS p JOIN chosen USING (product_id)"
    ).fetchall()
    (row,) = dicts(answer)
    assert Decimal(str(row["stock_value"])) == round(value, 2)
    assert row["stock_costed_share"] == 100
    unknown = there(SEATTLE, "stock_value", filters={"product": skus[3]})
    assert dicts(unknown) == [{"stock_value": None, "stock_costed_share": None}]


def test_the_figures_of_the_changed_chain_are_what_plain_sql_says(
    there: Ask, changed: psycopg.Connection
) -> None:
    stores = [
        str(store_id)
        for (store_id,) in changed.execute("SELECT store_id FROM retail.stores")
    ]
    for period in ("2026-06", "2026-Q2", "2026-05-10..2026-06-24", "last_7_days"):
        for by in ((), ("store", "stock_status"), ("product",)):
            answer = there(HEAD_OFFICE, *STOCK, by=by, time_period=period)
            days = span(answer["period"])
            expected = expected_of(changed, stores, days, by)
            assert differences(found_in(answer, by), expected) == [], (period, by)


def test_today_is_not_over_so_it_is_no_day_of_a_rate(
    there: Ask, skus: list[str]
) -> None:
    answer = there(
        SEATTLE, "units_sold_a_day", by=["product"], time_period="last_8_days"
    )
    last = date.fromisoformat(answer["period"]["last_day"])
    assert last == NOW.date() - timedelta(1)
    assert rates(answer)[skus[1]] == 2
