"""Segments, new and returning customers, head office's figures, and stock, against plain SQL."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.integration.service.metrics.conftest import Ask, dicts
from tests.integration.service.metrics.slices import LINES, ORDERS
from zava.errors import ValidationError

pytestmark = pytest.mark.thorough

START, END = "2026-04-01", "2026-07-01"
IN_PERIOD = f"x.day >= '{START}' AND x.day < '{END}'"
# Of each store, or of the chain; tests/integration/test_sales_totals.py compares who is in them with the orders.
SEGMENTS = f"""
    WITH x AS ({ORDERS}), segments AS ({{segments}}), told AS (
        SELECT x.*, CASE WHEN x.customer_id IS NULL THEN 'anonymous' ELSE coalesce(g.segment, 'other') END AS segment
        FROM x LEFT JOIN segments AS g ON g.customer_id = x.customer_id AND g.scope = {{scope}}
        WHERE {IN_PERIOD}
    )
"""
OF_STORES = "SELECT store_id AS scope, customer_id, unnest(segments) AS segment FROM retail.customer_segments"
OF_THE_CHAIN = "SELECT 1 AS scope, customer_id, unnest(segments) AS segment FROM retail.chain_customer_segments"
SCOPES = {
    "a manager": {"segments": OF_STORES, "scope": "x.store_id"},
    "a regional manager": {"segments": OF_STORES, "scope": "x.store_id"},
    "head office": {"segments": OF_THE_CHAIN, "scope": "1"},
}


def rows_of(
    owner: psycopg.Connection, query: str, stores: list[str]
) -> list[tuple[Any, ...]]:
    return owner.execute(query.encode(), {"stores": stores}).fetchall()


@pytest.mark.parametrize("person", SCOPES)
def test_segments_are_those_of_each_store_or_of_the_chain(
    ask: Ask, owner: psycopg.Connection, visible: dict[str, list[str]], person: str
) -> None:
    answer = ask(
        person, "revenue", "orders", "customers", by=["segment"], time_period="2026-Q2"
    )
    query = (
        SEGMENTS.format(**SCOPES[person])
        + "SELECT segment, coalesce(sum(total_amount) FILTER (WHERE counts), 0), count(*) FILTER (WHERE bought),"
        " count(DISTINCT customer_id) FILTER (WHERE bought) FROM told GROUP BY 1"
    )
    expected = {row[0]: row[1:] for row in rows_of(owner, query, visible[person])}
    assert len(expected) > 3
    found = {row[0]: tuple(Decimal(str(v)) for v in row[1:]) for row in answer["rows"]}
    assert found == {key: tuple(map(Decimal, row)) for key, row in expected.items()}
    (note,) = answer["notes"]
    assert note.startswith("segments as of 2")
    rule = "each store has its own rules"
    if person != "a regional manager":
        rule = "new: first purchase in the last 90 days; frequent: at least"
    assert rule in note


@pytest.mark.parametrize("person", SCOPES)
def test_a_filter_on_segments_counts_whoever_is_in_two_of_them_once(
    ask: Ask, owner: psycopg.Connection, visible: dict[str, list[str]], person: str
) -> None:
    query = (
        SEGMENTS.format(**SCOPES[person])
        + "SELECT sum(total_amount), count(*) FROM (SELECT DISTINCT order_id, total_amount, bought FROM told"
        " WHERE counts AND segment {}) AS o WHERE {}"
    )
    wanted = ["frequent", "big_spender", "anonymous"]
    listed = ", ".join(f"'{name}'" for name in wanted)
    for how, condition in (
        ("segment", f"IN ({listed})"),
        ("not segment", f"NOT IN ({listed})"),
    ):
        answer = ask(
            person, "revenue", "orders", time_period="2026-Q2", filters={how: wanted}
        )
        if how == "not segment":
            # Whoever is in one of these and in another one is left out too.
            condition += f" AND order_id NOT IN (SELECT order_id FROM told WHERE segment IN ({listed}))"
        ((revenue, _),) = rows_of(
            owner, query.format(condition, "true"), visible[person]
        )
        ((_, orders),) = rows_of(
            owner, query.format(condition, "bought"), visible[person]
        )
        assert [Decimal(str(v)) for v in answer["rows"][0]] == [revenue, orders]


@pytest.mark.parametrize("by", [(), ("store",), ("month",), ("category",)])
def test_orders_of_new_and_of_returning_customers(
    ask: Ask,
    owner: psycopg.Connection,
    visible: dict[str, list[str]],
    by: tuple[str, ...],
) -> None:
    stores = visible["a regional manager"]
    answer = ask(
        *("a regional manager", "revenue", "customers"),
        by=[*by, "new_or_returning"],
        time_period="2026-Q2",
    )
    source, amount = (
        (LINES, "amount") if by == ("category",) else (ORDERS, "total_amount")
    )
    same = "AND f.store = x.store" if by == ("store",) else ""
    spans = (
        "AND to_char(f.first_day, 'YYYY-MM') = to_char(x.day, 'YYYY-MM')"
        if by == ("month",)
        else ""
    )
    key = {
        "store": "x.store",
        "month": "to_char(x.day, 'YYYY-MM')",
        "category": "x.category",
    }.get(by[0] if by else "", "1")
    kind = "sale" if by == ("category",) else ""
    firsts = f"SELECT customer_id, {'store,' if same else ''} min(day) AS first_day FROM ({ORDERS}) AS x WHERE bought GROUP BY 1{', 2' if same else ''}"
    query = f"""
        SELECT {key}, CASE WHEN x.customer_id IS NULL THEN 'anonymous'
                   WHEN f.first_day >= '{START}' AND f.first_day < '{END}' {spans} THEN 'new' ELSE 'returning' END,
               coalesce(sum(x.{amount}) FILTER (WHERE x.counts), 0),
               count(DISTINCT x.customer_id) FILTER (WHERE x.bought {"AND x.line_kind = 'sale'" if kind else ""})
        FROM ({source}) AS x LEFT JOIN ({firsts}) AS f ON f.customer_id = x.customer_id {same}
        WHERE {IN_PERIOD} GROUP BY 1, 2"""
    expected = {
        (*((row[0],) if by else ()), row[1]): (Decimal(row[2]), row[3])
        for row in rows_of(owner, query, stores)
        if (row[2], row[3]) != (0, 0)
    }
    found = {
        tuple(row[:-2]): (Decimal(str(row[-2])), row[-1])
        for row in answer["rows"]
        if (row[-2], row[-1]) != (0, 0)
    }
    assert found == expected
    assert {key[-1] for key in found} == {"new", "returning", "anonymous"}


def test_whoever_has_not_bought_yet_is_not_new(
    ask: Ask, owner: psycopg.Connection, visible: dict[str, list[str]]
) -> None:
    person = "a regional manager"
    answer = ask(
        *(person, "returns", "cancelled_orders"),
        by=["store", "new_or_returning"],
        time_period="2026-Q2",
    )
    query = f"""
        WITH x AS ({ORDERS}), f AS (SELECT store, customer_id, min(day) AS first_day FROM x WHERE bought GROUP BY 1, 2)
        SELECT count(*) FILTER (WHERE f.first_day >= '{START}'), count(*) FILTER (WHERE f.first_day IS NULL)
        FROM x LEFT JOIN f USING (store, customer_id)
        WHERE {IN_PERIOD} AND (brought_back OR status = 'cancelled') AND customer_id IS NOT NULL"""
    ((of_new, of_nobody_yet),) = rows_of(owner, query, visible[person])
    assert of_nobody_yet > 0
    found = [row for row in dicts(answer) if row["new_or_returning"] == "new"]
    assert sum(row["returns"] + row["cancelled_orders"] for row in found) == of_new


@pytest.mark.parametrize("by", [(), ("store",), ("region",), ("month",)])
def test_head_office_knows_who_is_new_to_the_chain(
    ask: Ask,
    owner: psycopg.Connection,
    visible: dict[str, list[str]],
    by: tuple[str, ...],
) -> None:
    stores = visible["head office"]
    some = stores if by else stores[:3]
    answer = ask(
        *("head office", "customers", "new_to_chain", "returning_to_chain"),
        by=by,
        stores=some,
        time_period="2026-Q2",
        compare="year_before",
    )
    key = {
        "store": "x.store",
        "region": "x.region",
        "month": "to_char(x.day, 'YYYY-MM')",
    }.get(by[0] if by else "", "1")
    # First in these stores, and in no other before the span.
    query = f"""
        WITH every AS (SELECT x.* FROM ({ORDERS.replace("%(stores)s", "ARRAY(SELECT store_id FROM retail.stores)")}) AS x WHERE bought),
        x AS (SELECT * FROM every WHERE store_id = ANY (%(stores)s))
        SELECT {key}, count(DISTINCT x.customer_id), count(DISTINCT x.customer_id) FILTER (WHERE NOT EXISTS (
            SELECT FROM every AS e WHERE e.customer_id = x.customer_id AND e.day < {{first}}))
        FROM x WHERE x.day >= '{{start}}' AND x.day < '{{end}}' GROUP BY 1"""
    sides = {}
    for name, year in (("", 2026), ("_year_before", 2025)):
        first = "date_trunc('month', x.day)" if by == ("month",) else f"'{year}-04-01'"
        text = query.format(first=first, start=f"{year}-04-01", end=f"{year}-07-01")
        for place, customers, new in rows_of(owner, text, some):
            shown = str(place).replace("2025", "2026") if by == ("month",) else place
            sides[name, shown if by else None] = (customers, new, customers - new)
    for row in dicts(answer):
        for name in ("", "_year_before"):
            place = row[by[0]] if by else None
            found = tuple(
                row[f"{metric}{name}"]
                for metric in ("customers", "new_to_chain", "returning_to_chain")
            )
            assert found == sides[name, place]


def test_nobody_else_is_told_who_is_new_to_the_chain(ask: Ask) -> None:
    for person in ("a manager", "a regional manager"):
        with pytest.raises(ValidationError, match="known to head office only"):
            ask(person, "customers", "new_to_chain")


def test_stock_is_not_compared(ask: Ask) -> None:
    answer = ask("a manager", "stock_value", compare="previous")
    assert answer["columns"] == ["stock_value", "stock_costed_share"]
    assert answer["notes"] == [
        "stock and last days have no earlier figures to compare with"
    ]
    both = ask("a manager", "stock_value", "revenue", compare="previous")
    assert both["columns"] == [
        "stock_value",
        "revenue",
        "revenue_previous",
        "revenue_previous_change",
        "stock_costed_share",
    ]


def test_units_say_what_they_are_counted_in(ask: Ask) -> None:
    assert ask("a manager", "units", by=["category"])["unit"] == "piece"
    by_unit = ask("a manager", "units", by=["unit"], time_period="2025")
    assert "unit" not in by_unit
    assert {row[0] for row in by_unit["rows"]} == {"piece", "ft", "lb"}
    by_product = ask(
        "a manager", "units", by=["product"], filters={"unit": "ft"}, time_period="2026"
    )
    assert by_product["columns"] == ["sku", "product", "unit", "units"]
    assert {row[2] for row in by_product["rows"]} == {"ft"}
    assert "unit" not in ask("a manager", "revenue", by=["product"])["columns"]
