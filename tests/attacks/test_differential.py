"""Random analytical queries give what an explicit store filter gives a superuser.

A query is generated once with holes where tables with a store stand. Filled with
the tables it is asked through the tool; filled with `(SELECT … WHERE store_id =
ANY (…))` a superuser answers it, whom no policy concerns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attacks import plain_sql
from tests.attacks.conftest import Outcomes, attacked_copy
from tests.attacks.setting import PEOPLE, Attacked, Servers, Target, ask_all
from tests.conftest import EXAMPLES
from zava.admin.embedded import EmbeddedServer

pytestmark = pytest.mark.thorough

COMPARED = "zava_compared"
ATTEMPTS = settings(
    deadline=None,
    derandomize=False,  # other attempts every time, also where CI has them the same
    max_examples=EXAMPLES,  # each run and each version draws its own
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True)
class Table:
    """What a generated query may do with a table.

    Attributes:
        name: In the schema retail.
        keys: Columns to group and compare by, whose text is unambiguous.
        numbers: Columns to add up; exact, so that their order does not matter.
        joins: How another table may be joined, with `{a}` for this one.
    """

    name: str
    keys: tuple[str, ...]
    numbers: tuple[str, ...]
    joins: tuple[tuple[str, str], ...] = ()


TABLES = {
    table.name: table
    for table in (
        Table(
            "stores",
            ("name", "location", "is_online"),
            ("length({a}.name)",),
            (
                ("orders", "{a}.store_id = {b}.store_id"),
                ("inventory", "{a}.store_id = {b}.store_id"),
                ("daily_sales", "{a}.store_id = {b}.store_id"),
            ),
        ),
        Table(
            "customers",
            ("left({a}.last_name, 2)", "{a}.store_id", "{a}.created_at::date"),
            ("length({a}.email)",),
            (
                ("orders", "{a}.customer_id = {b}.customer_id"),
                ("stores", "{a}.store_id = {b}.store_id"),
            ),
        ),
        Table(
            "orders",
            (
                "{a}.status",
                "{a}.store_id",
                "date_trunc('month', {a}.order_date)",
                "extract(year FROM {a}.order_date)::int",
                "extract(isodow FROM {a}.order_date)::int",
                "{a}.business_day",
                "{a}.is_return",
            ),
            ("{a}.total_amount", "(CASE WHEN {a}.status = 'returned' THEN 1 END)"),
            (
                ("order_items", "{a}.order_id = {b}.order_id"),
                ("customers", "{a}.customer_id = {b}.customer_id"),
                ("stores", "{a}.store_id = {b}.store_id"),
            ),
        ),
        Table(
            "order_items",
            ("trim_scale({a}.quantity)", "{a}.line_kind", "{a}.product_id", "{a}.store_id"),
            ("{a}.total_amount", "trim_scale({a}.quantity)", "trim_scale({a}.unit_price)"),
            (
                ("orders", "{a}.order_id = {b}.order_id"),
                ("products", "{a}.product_id = {b}.product_id"),
                ("inventory", "({a}.store_id, {a}.product_id) = ({b}.store_id, {b}.product_id)"),
            ),
        ),
        Table(
            "inventory",
            ("{a}.store_id", "floor({a}.stock_level / 50)"),
            ("trim_scale({a}.stock_level)",),
            (
                ("products", "{a}.product_id = {b}.product_id"),
                ("stores", "{a}.store_id = {b}.store_id"),
            ),
        ),
        Table("daily_sales", ("{a}.store_id", "date_trunc('year', {a}.day)"), ("{a}.revenue", "{a}.orders", "{a}.returned_amount")),
        Table("monthly_product_sales", ("{a}.store_id", "{a}.month"), ("trim_scale({a}.units)", "{a}.revenue")),
        Table("products", ("{a}.category_id", "left({a}.sku, 2)", "{a}.unit"), ("{a}.cost", "{a}.base_price")),
    )
}  # fmt: skip
AGGREGATES = [
    *("sum({n})", "min({n})", "max({n})", "count({n})", "round(avg({n}), 6)"),
    *("count(*)", "count(DISTINCT {n})", "round(stddev({n}), 6)", "bool_or({n} > 5)"),
    *("sum({n}) FILTER (WHERE {n} > 20)", "(array_agg({n} ORDER BY {n}))[1:3]"),
    *("percentile_disc(0.5) WITHIN GROUP (ORDER BY {n})", "jsonb_agg({n} ORDER BY {n}) -> 0"),
    *("string_agg(DISTINCT {n}::text, ',') IS NOT NULL", "mode() WITHIN GROUP (ORDER BY {n})"),
]  # fmt: skip
WINDOWS = [
    "sum({n}) OVER (PARTITION BY {k})",
    "count(*) OVER (PARTITION BY {k})",
    "rank() OVER (ORDER BY {n})",
    "dense_rank() OVER (PARTITION BY {k} ORDER BY {n} DESC)",
    "max({n}) OVER (ORDER BY {n} RANGE BETWEEN 10 PRECEDING AND CURRENT ROW)",
    "count(*) OVER (ORDER BY {n} GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING)",
    "ntile(4) OVER (ORDER BY {k}, {n}) > 4",
]
FILTERS = [
    "{n} > 30",
    "{n} BETWEEN 5 AND 200",
    "{n} IS NOT NULL",
    "({k})::text >= 'b'",
    "{k} IN (SELECT {k2} FROM <{t}> AS q)",
    "{n} > (SELECT avg({n2}) FROM <{t}> AS q)",
    "{n} >= ALL (SELECT min({n2}) FROM <{t}> AS q GROUP BY {k2})",
    "true",
]
# Once for every row: for tables of a few rows.
CORRELATED = [
    "EXISTS (SELECT FROM <{t}> AS q WHERE {k2} = {k} AND {n2} > {n})",
    "NOT EXISTS (SELECT FROM <{t}> AS q WHERE {k2} = {k} AND {n2} < {n})",
    "{n} = (SELECT max({n2}) FROM <{t}> AS q WHERE {k2} = {k})",
]
SMALL = {"stores", "customers", "products"}


def of(alias: str, text: str) -> str:
    return text.replace("{a}", alias) if "{a}" in text else f"{alias}.{text}"


@st.composite
def block(draw: st.DrawFn) -> str:
    """One SELECT, grouped, windowed or plain, with two columns of one type each."""
    table = TABLES[draw(st.sampled_from(sorted(TABLES)))]
    source = f"<{table.name}> AS a"
    keyed, alias = table, "a"
    join = draw(st.sampled_from((None, *table.joins)))
    if join is not None:
        other, condition = join
        kind = draw(st.sampled_from(["JOIN", "LEFT JOIN", "RIGHT JOIN"]))
        condition = condition.replace("{a}", "a").replace("{b}", "b")
        source += f" {kind} <{other}> AS b ON {condition}"
        if draw(st.booleans()):
            keyed, alias = TABLES[other], "b"
    n = of("a", draw(st.sampled_from(table.numbers)))
    k = of(alias, draw(st.sampled_from(keyed.keys)))
    k1 = draw(st.sampled_from(table.keys))
    filters = [*FILTERS, *CORRELATED] if table.name in SMALL else FILTERS
    condition = draw(st.sampled_from(filters)).format(
        n=n, k=of("a", k1), k2=of("q", k1), n2=of("q", draw(st.sampled_from(table.numbers))), t=table.name
    )  # fmt: skip
    # Rows of a window are few enough to compare one by one.
    form = draw(
        st.sampled_from(["group", "group", "rollup", "window", "distinct", "all"])
    )
    aggregate = draw(st.sampled_from(AGGREGATES)).format(n=n)
    where = f"FROM {source} WHERE {condition}"
    if form == "window":
        window = draw(st.sampled_from(WINDOWS)).format(n=n, k=k)
        return f"SELECT k, md5(string_agg(w, ',' ORDER BY w)) AS v FROM (SELECT ({k})::text AS k, ({window})::text AS w {where}) AS x GROUP BY k"
    if form == "distinct":
        return f"SELECT DISTINCT ({k})::text AS k, ({n} > 50)::text AS v {where}"
    if form == "all":
        return f"SELECT NULL::text AS k, ({aggregate})::text AS v {where}"
    grouping = f"ROLLUP ({k})" if form == "rollup" else k
    having = draw(st.sampled_from(["", " HAVING count(*) > 2"]))
    return f"SELECT ({k})::text AS k, ({aggregate})::text AS v {where} GROUP BY {grouping}{having}"


@st.composite
def query(draw: st.DrawFn) -> str:
    """A block, or several put together, in an order that leaves no choice."""
    first = draw(block())
    form = draw(st.sampled_from(["plain", "with", "set", "lateral", "scalar"]))
    if form == "with":
        kind = draw(st.sampled_from(["", "MATERIALIZED ", "NOT MATERIALIZED "]))
        body = f"WITH c AS {kind}({first}) SELECT c.k, c.v FROM c LEFT JOIN c AS d ON d.k = c.k AND d.v > c.v WHERE d.k IS NULL"
    elif form == "set":
        operator = draw(st.sampled_from(["UNION ALL", "UNION", "INTERSECT", "EXCEPT"]))
        body = f"SELECT * FROM (({first}) {operator} ({draw(block())})) AS s"
    elif form == "lateral":
        body = f"SELECT x.k, x.v FROM <stores> AS s, LATERAL (SELECT * FROM ({first}) AS y WHERE y.v IS NOT NULL AND s.name IS NOT NULL) AS x"
    elif form == "scalar":
        body = f"SELECT c.name AS k, (SELECT max(y.v) FROM ({first}) AS y WHERE y.k > c.name) AS v FROM <categories> AS c"
    else:
        body = first
    limit = draw(
        st.sampled_from(
            ["", " LIMIT 20", " LIMIT 500 OFFSET 3", " FETCH FIRST 5 ROWS ONLY"]
        )
    )
    return f'SELECT * FROM ({body}) AS z ORDER BY k COLLATE "C" NULLS FIRST, v COLLATE "C" NULLS FIRST{limit or " LIMIT 500"}'


WITH_A_STORE = set(TABLES) - {"products"}


def through_policies(text: str) -> str:
    for table in [*TABLES, "categories"]:
        text = text.replace(f"<{table}>", f"retail.{table}")
    return text


def through_a_filter(text: str, stores: tuple[str, ...]) -> str:
    listed = ", ".join(f"'{store}'" for store in stores)
    for table in WITH_A_STORE:
        seen = f"store_id IN ({listed})"
        if table == "customers":  # also where they have bought
            seen += f" OR customer_id IN (SELECT v.customer_id FROM retail.orders AS v WHERE v.store_id IN ({listed}))"
        chosen = f"(SELECT * FROM retail.{table} WHERE {seen})"
        text = text.replace(f"<{table}>", chosen)
    return through_policies(text)


@pytest.fixture(scope="session")
def attacked(cluster: EmbeddedServer, small_template: str) -> Iterator[Attacked]:
    """A small database, because the queries join what they like."""
    with attacked_copy(cluster, small_template, COMPARED) as planted:
        yield planted


@pytest.fixture(scope="module")
def target(cluster: EmbeddedServer, attacked: Attacked) -> Target:
    return Target(cluster.conninfo(dbname=COMPARED, user="zava_server"))


@pytest.fixture(scope="module")
def superuser(
    cluster: EmbeddedServer, attacked: Attacked
) -> Iterator[psycopg.Connection]:
    with plain_sql.connect(cluster.conninfo(dbname=COMPARED, user="postgres")) as conn:
        yield conn


@ATTEMPTS
@given(query())
def test_policies_give_what_an_explicit_filter_gives(
    attacked: Attacked,
    servers: Servers,
    superuser: psycopg.Connection,
    outcomes: Outcomes,
    text: str,
) -> None:
    answers = ask_all(servers, dict.fromkeys(PEOPLE, through_policies(text)))
    for name, answer in answers.items():
        stores = attacked.people[name].stores
        expected: list[Any] = superuser.execute(
            through_a_filter(text, stores).encode()
        ).fetchall()
        assert answer.structured["truncated"] is None
        assert answer.structured["rows"] == json.loads(json.dumps(expected))
        some = "the same" if expected else "the same, without rows"
        outcomes[f"generated queries as {name}", some] += 1
