"""What explain_query shows follows from the text and the schema, not from any row.

PostgreSQL's estimates come from statistics of all stores' rows, and so does its choice
between two plans. So zava lets PostgreSQL plan without costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest

from tests.attacks import corpus
from tests.attacks.oracle import Found, Oracle
from tests.attacks.setting import STORE_MANAGER, Attacked
from tests.attacks.twins import Twin
from tests.conftest import PG_VERSION
from tests.people import SEATTLE
from zava.admin.embedded import EmbeddedServer
from zava.data.provider import PostgreSQLProvider
from zava.errors import MCPError
from zava.infra.cache import QueryCache
from zava.service.queries.catalog import SchemaCatalog
from zava.service.queries.executor import QueryExecutor

REDMOND_STORE = (
    "(SELECT store_id FROM retail.stores WHERE name = 'Zava Retail Redmond')"
)
DAYS = [f"20{year}-{month:02}-01" for year in (20, 23, 26) for month in (1, 5, 9)]
PROBES = [
    # Conditions whose share of the rows decides between an index and the table.
    *(f"SELECT * FROM retail.orders WHERE order_date < '{day}'" for day in DAYS),
    *(f"SELECT * FROM retail.orders WHERE order_id < '{n:x}0000000-0000-0000-0000-000000000000'" for n in range(16)),
    *(f"SELECT * FROM retail.orders ORDER BY {column} LIMIT {n}" for column in ("order_date", "order_id") for n in (1, 1000)),
    # Sizes that decide how to join, and from which side.
    "SELECT * FROM retail.orders AS o JOIN retail.order_items AS i USING (order_id)",
    "SELECT * FROM retail.order_items AS i JOIN retail.orders AS o USING (order_id) JOIN retail.customers AS c USING (customer_id)",
    "SELECT 1 FROM retail.orders AS o, retail.customers AS c, retail.inventory AS v, retail.stores AS s WHERE o.store_id = c.store_id AND v.store_id = s.store_id AND s.store_id = o.store_id",
    "SELECT 1 FROM retail.orders AS o FULL JOIN retail.order_items AS i ON i.order_id = o.order_id AND i.store_id = o.store_id",
    "SELECT 1 FROM retail.orders AS o LEFT JOIN LATERAL (SELECT 1 FROM retail.order_items AS i WHERE i.order_id = o.order_id LIMIT 1) AS x ON true",
    # Sizes that decide whether a hash table fits into memory.
    "SELECT customer_id, count(*) FROM retail.orders GROUP BY customer_id",
    "SELECT DISTINCT order_id, total_amount FROM retail.orders",
    "SELECT customer_id, status, count(*) FROM retail.orders GROUP BY CUBE (customer_id, status)",
    "SELECT order_id FROM retail.orders EXCEPT SELECT order_id FROM retail.order_items",
    "SELECT order_id FROM retail.orders UNION SELECT order_id FROM retail.order_items",
    "SELECT 1 FROM retail.orders WHERE order_id NOT IN (SELECT order_id FROM retail.order_items)",
    "SELECT 1 FROM retail.orders WHERE total_amount > 5 OR order_id IN (SELECT order_id FROM retail.order_items)",
    "SELECT 1 FROM retail.orders AS o WHERE total_amount > 5 OR EXISTS (SELECT FROM retail.order_items AS i WHERE i.order_id = o.order_id)",
    "SELECT 1 FROM retail.orders AS o WHERE total_amount > 5 OR EXISTS (SELECT FROM retail.order_items AS i FULL JOIN retail.inventory AS v USING (product_id) WHERE i.order_id = o.order_id)",
    "SELECT (SELECT count(*) FROM retail.orders AS o WHERE o.customer_id = c.customer_id) FROM retail.customers AS c ORDER BY 1",
    "SELECT EXISTS (SELECT FROM retail.order_items AS i WHERE i.order_id = o.order_id) FROM retail.orders AS o ORDER BY 1",
    "SELECT EXISTS (SELECT FROM retail.order_items AS i WHERE i.order_id = o.order_id) AS x, count(*) FROM retail.orders AS o GROUP BY 1 HAVING count(*) > 1",
    "SELECT 1 FROM retail.orders AS o WHERE total_amount > 5 OR EXISTS (SELECT FROM retail.order_items AS i JOIN retail.orders AS k ON k.order_id = i.order_id WHERE i.order_id = o.order_id)",
    "SELECT 1 FROM retail.stores AS s LEFT JOIN retail.orders AS o ON s.store_id = o.store_id AND (o.status = 'x' OR EXISTS (SELECT FROM retail.order_items AS i WHERE i.order_id = o.order_id))",
    "SELECT 1 FROM retail.customers WHERE customer_id IN (SELECT customer_id FROM retail.orders WHERE order_date < '2023-01-01')",
    "WITH RECURSIVE r AS (SELECT order_id FROM retail.orders UNION SELECT i.order_id FROM r JOIN retail.order_items AS i USING (order_id)) SELECT count(*) FROM r",
    # The least and the greatest value, which PostgreSQL looks up in an index for an estimate.
    "SELECT min(order_date), max(order_date) FROM retail.orders",
    "SELECT * FROM retail.orders WHERE order_date > (SELECT max(order_date) FROM retail.orders) - interval '1 day'",
    "SELECT * FROM retail.orders TABLESAMPLE SYSTEM (1)",
    f"SELECT * FROM retail.orders WHERE store_id = {REDMOND_STORE}",
    "SELECT * FROM retail.orders WHERE store_id = '{store}'",
    "SELECT * FROM retail.customers WHERE store_id = '{store}' AND customer_id::text LIKE 'a%'",
    "SELECT * FROM retail.daily_sales WHERE store_id <> '{store}'",
    *(f"SELECT * FROM retail.{view}" for view in ("daily_sales", "daily_product_sales", "monthly_product_sales", "product_pairs")),
]  # fmt: skip
"""Queries for which PostgreSQL's own plan depends on how many rows the tables have."""
QUERIES = [
    text.sql
    for folder in ("legitimate", "corpus")
    for text in corpus.read(folder)
    if "{{" not in text.sql and text.since <= PG_VERSION
]

STATISTICS = (
    "DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'retail'::regnamespace)",
    "UPDATE pg_class SET reltuples = greatest(reltuples, 1) * 100000"
    " WHERE relnamespace = 'retail'::regnamespace AND relkind IN ('r', 'i')",
)
"""Makes the planner believe that every table is another one."""


@contextmanager
def explaining(login: str) -> Iterator[QueryExecutor]:
    with closing(PostgreSQLProvider({"conninfo": login})) as provider:
        provider.open()
        cache = QueryCache()
        yield QueryExecutor(
            provider,
            cache,
            SchemaCatalog(provider, cache),
            max_rows=100,
            max_result_bytes=10**6,
            max_query_length=50_000,
        )


def plans(
    login: str, queries: Iterable[str], user_id: str = SEATTLE
) -> dict[str, dict[str, Any] | str]:
    """What each query is answered with, without when, or the error."""
    answers: dict[str, dict[str, Any] | str] = {}
    with explaining(login) as executor:
        for sql in queries:
            try:
                plan = executor.explain(executor.check(sql), user_id)
                answers[sql] = {k: part for k, part in plan.items() if k != "as_of"}
            except MCPError as exc:
                answers[sql] = f"{exc.error_code} {exc.message}"
    return answers


def shapes(superuser: psycopg.Connection, queries: Iterable[str]) -> list[Any]:
    """PostgreSQL's own plans, without what costs they have."""
    return [
        superuser.execute(f"EXPLAIN (COSTS OFF) {sql}".encode()).fetchall()
        for sql in queries
    ]


def probes(store_id: str) -> list[str]:
    return [sql.replace("{store}", store_id) for sql in PROBES]


def store_of(superuser: psycopg.Connection, name: str) -> str:
    (store_id,) = superuser.execute(
        "SELECT store_id::text FROM retail.stores WHERE name = %s", (name,)
    ).fetchone() or ("",)
    return str(store_id)


def test_a_plan_is_the_same_whatever_other_stores_have(both: tuple[Twin, Twin]) -> None:
    quiet, busy = both
    asked = [*probes(store_of(quiet.superuser, "Zava Retail Redmond")), *QUERIES]
    assert len(asked) > 500
    answers = plans(quiet.login, asked)
    assert sum(isinstance(answer, dict) for answer in answers.values()) > 250
    others = plans(busy.login, asked)
    assert {sql for sql in asked if answers[sql] != others[sql]} == set()


def test_a_plan_is_the_same_whatever_the_statistics_say(
    cluster: EmbeddedServer, database: str
) -> None:
    login = cluster.conninfo(dbname=database, user="zava_server")
    admin = cluster.conninfo(dbname=database, user="postgres")
    with psycopg.connect(admin, autocommit=True) as superuser:
        superuser.execute("ANALYZE")
        asked = [*probes(store_of(superuser, "Zava Retail Redmond")), *QUERIES]
        told = plans(login, asked)
        own = shapes(superuser, asked[: len(PROBES)])
        for text in STATISTICS:
            superuser.execute(text.encode())
        changed = shapes(superuser, asked[: len(PROBES)])
        assert sum(a != b for a, b in zip(own, changed, strict=True)) > 10
        other = plans(login, asked)
    assert {sql for sql in asked if told[sql] != other[sql]} == set()


@pytest.mark.parametrize(
    "sql",
    [
        "ANALYZE SELECT 1",
        "(ANALYZE) SELECT 1",
        "(ANALYZE, COSTS) SELECT 1",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT count(*) FROM retail.orders",
        "/* */ EXPLAIN (ANALYZE) SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT 1;\nEXPLAIN ANALYZE SELECT 1",
        "SELECT 1; COMMIT",
        "SELECT 1 /* ; */ ; -- \nDELETE FROM retail.orders",
        "/* SELECT 1",
        "DECLARE c CURSOR FOR SELECT 1",
        "c CURSOR FOR SELECT 1",
        "EXECUTE zava_0",
        "CREATE TABLE t AS SELECT 1",
        "SELECT 1 INTO t",
        "REFRESH MATERIALIZED VIEW v",
        "DELETE FROM retail.orders",
        "INSERT INTO retail.orders DEFAULT VALUES",
        "MERGE INTO retail.orders USING retail.stores ON false WHEN NOT MATCHED THEN DO NOTHING",
        "WITH d AS (DELETE FROM retail.orders RETURNING 1) SELECT * FROM d",
        "SELECT * FROM retail.orders FOR UPDATE",
        "SELECT * FROM retail.identity_key",
        "SELECT store_ids FROM retail.customers",
        "SELECT * FROM retail.login_identities",
        "SELECT set_config('role', 'none', true)",
        "SELECT pg_sleep(5)",
        "SELECT $1",
    ],
)
def test_only_a_query_that_could_run_is_explained(
    sql: str, both: tuple[Twin, Twin]
) -> None:
    (answer,) = plans(both[0].login, [sql]).values()
    assert isinstance(answer, str), answer


def test_a_query_that_is_explained_does_not_run(both: tuple[Twin, Twin]) -> None:
    asked = [
        # These fail, or take minutes, as soon as a row is read.
        "SELECT 1 / (total_amount - total_amount) FROM retail.orders",
        "SELECT count(*) FROM generate_series(1, 1000000000) AS a, generate_series(1, 1000000000) AS b",
        "SELECT name::integer FROM retail.stores",
    ]
    for answer in plans(both[0].login, asked).values():
        assert isinstance(answer, dict), answer
        assert answer["steps"]


def test_a_plan_holds_no_secret_and_no_row(
    attacked: Attacked, cluster: EmbeddedServer
) -> None:
    oracle: Oracle = attacked.oracles[STORE_MANAGER]
    values: Mapping[str, str] = attacked.values[STORE_MANAGER]
    login = cluster.conninfo(dbname=attacked.owner.info.dbname, user="zava_server")
    texts = [
        text.filled(values)
        for folder in ("legitimate", "corpus")
        for text in corpus.read(folder)
        if text.since <= PG_VERSION
    ]
    person = attacked.people[STORE_MANAGER]
    for sql, answer in plans(login, texts, person.user_id).items():
        assert oracle.find(Found.of_text(str(answer)), sql) == [], sql


def test_psql_s_own_plan_tells_what_zava_s_does_not(both: tuple[Twin, Twin]) -> None:
    quiet, busy = both
    estimated = [
        twin.seattle.execute("EXPLAIN SELECT * FROM retail.orders").fetchall()
        for twin in (quiet, busy)
    ]
    assert estimated[0] != estimated[1]
    (told,) = plans(quiet.login, ["SELECT * FROM retail.orders"]).values()
    assert "rows=" not in str(told)
    assert "cost" not in str(told)
