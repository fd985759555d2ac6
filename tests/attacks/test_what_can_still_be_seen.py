"""What a store's manager can learn of other stores' rows: the listed residues, nothing else.

Two databases differ in other stores' rows only. Whatever the manager asks has the same
answer in both, except for what docs/security.md lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.attacks import battery, corpus
from tests.attacks.twins import AWAY, ROLE, SEATTLES, Twin, answer
from tests.conftest import PG_VERSION
from tests.people import SEATTLE
from zava.ai.local import LocalClient
from zava.data.provider import PostgreSQLProvider
from zava.infra.cache import QueryCache
from zava.models import ProductQuestion
from zava.service.metrics.answers import MetricsService
from zava.service.products.recommendations import Recommendations
from zava.service.products.search import ProductSearch
from zava.service.queries.catalog import SchemaCatalog
from zava.service.sales.performance import SalesAnalyticsService
from zava.service.segments import SEGMENTS

pytestmark = pytest.mark.thorough

Pair = tuple[Twin, Twin]

CLOCK_CHANCE_AND_PROCESS = {
    *("now", "statement_timestamp"),
    *("transaction_timestamp", "gen_random_uuid", "random", "random_normal"),
    *("uuidv4", "pg_backend_pid"),
}
"""Functions that answer differently each time or in each process, whatever is stored."""
BY_THE_ORDER_OF_ROWS = {"12-whole-rows-as-json", "12-whole-rows-as-text"}
"""Queries that put rows together without an ORDER BY."""
METRICS = [
    "revenue",
    "units",
    "gross_margin",
    "customers",
    "new_customers",
    "repeat_rate",
]
METRICS_BY = (
    ["month"],
    ["category", "weekday"],
    ["segment"],
    ["new_or_returning", "hour"],
    ["status"],
)
SECURITY = Path(__file__).parents[2] / "docs" / "security.md"
QUERIES = [
    text
    for folder in ("legitimate", "corpus")
    for text in corpus.read(folder)
    if not (text.varies or text.slow or "{{" in text.sql)
    and text.since <= PG_VERSION
    and not any(f"{name}(" in text.sql for name in CLOCK_CHANCE_AND_PROCESS)
]


def differing(both: Pair, asked: Iterable[tuple[str, str]]) -> set[str]:
    quiet, busy = both
    return {
        name
        for name, sql in asked
        if answer(quiet.seattle, sql) != answer(busy.seattle, sql)
    }


def test_the_busy_database_differs_in_every_table_with_a_store(both: Pair) -> None:
    quiet, busy = both
    tables = quiet.superuser.execute(
        "SELECT attrelid::regclass::text FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid"
        " WHERE attname = 'store_id' AND relkind = 'r' AND relnamespace = 'retail'::regnamespace"
        " AND has_any_column_privilege('store_managers', attrelid, 'SELECT')"
    ).fetchall()
    assert len(tables) == 14
    same = {
        table
        for (table,) in tables
        if answer(quiet.superuser, f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} AS t")
        == answer(busy.superuser, f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} AS t")
    }  # fmt: skip
    assert same == set()


def test_no_function_answers_by_other_stores_rows(both: Pair) -> None:
    asked = list(battery.calls(both[0].superuser, ROLE))
    assert len(asked) > 9000
    names = {signature.split("(")[0] for signature in differing(both, asked)}
    assert names <= CLOCK_CHANCE_AND_PROCESS


def test_no_readable_column_differs_by_other_stores_rows(both: Pair) -> None:
    readable = battery.columns(both[0].superuser, ROLE)
    assert sum(map(len, readable.values())) > 1000
    differ = set()
    for relation, columns in readable.items():
        rows = {
            answer(twin.seattle, f"SELECT {', '.join(columns)} FROM {relation}")
            for twin in both
        }
        if len(rows) > 1 or "ERROR" in rows.pop():  # then each column by itself
            asked = [(c, f"SELECT {c} FROM {relation}") for c in columns]
            differ |= {f"{relation}.{c}" for c in differing(both, asked)}
    assert differ == set()


def test_no_query_of_the_corpus_answers_by_other_stores_rows(both: Pair) -> None:
    assert len(QUERIES) > 500
    asked = [(str(text), text.sql) for text in QUERIES]
    assert differing(both, asked) <= BY_THE_ORDER_OF_ROWS


def test_the_quiet_database_s_customers_of_seattle_buy_nowhere_else(both: Pair) -> None:
    quiet, busy = (
        twin.superuser.execute(f"SELECT count(*) FROM ({AWAY}) AS a".encode())
        for twin in both
    )
    assert quiet.fetchall() == [(0,)]
    assert busy.fetchall() > [(500,)]
    marked, anonymous = (
        f"SELECT count(*) FROM {table} AS t WHERE t.store_id <> {SEATTLES} AND {condition}".encode()
        for table, condition in (
            (
                "retail.changed_orders",
                f"t.customer_id IN (SELECT c.customer_id FROM retail.customers AS c WHERE c.store_id = {SEATTLES})",
            ),
            ("retail.orders", "t.customer_id IS NULL AND t.total_amount = 13"),
        )
    )
    assert [t.superuser.execute(marked).fetchall() > [(0,)] for t in both] == [
        False,
        True,
    ]
    assert [t.superuser.execute(anonymous).fetchall() for t in both] == [[(0,)], [(5,)]]


def ageless(answer: Any) -> Any:
    """Return an answer without when it was read, which is the database's own time."""
    if not isinstance(answer, dict):
        return answer
    return {
        name: ageless(part) if name == "period" else part
        for name, part in answer.items()
        if name != "as_of"
    }


def test_no_tool_answers_by_what_customers_buy_elsewhere(both: Pair) -> None:
    def answers(twin: Twin) -> Iterator[Any]:
        provider = PostgreSQLProvider({"conninfo": twin.login})
        provider.open()
        with closing(provider):
            cache = QueryCache()
            clock = datetime(2026, 6, 30, 18, tzinfo=timezone.utc)
            sales = SalesAnalyticsService(provider, cache, clock=lambda: clock)
            for period in ("2026-04", "2026-Q2", "2026-04-02", "2025", "last_12_months", "last_90_days"):  # fmt: skip
                yield sales.get_store_performance(
                    "seattle", period, SEATTLE, detail="full"
                )
                yield sales.get_store_performance("all", period, SEATTLE)
            metrics = MetricsService(
                *(provider, cache),
                max_rows=1000,
                max_result_bytes=10**7,
                clock=lambda: clock,
            )
            for by in METRICS_BY:
                asked = metrics.check(
                    METRICS, by, "2026-Q2", compare="both", max_rows=900
                )
                yield metrics.answer(asked, SEATTLE)
            catalog = SchemaCatalog(provider, cache)
            yield catalog.person(SEATTLE)
            tables = catalog.find(None, "full", SEATTLE).described
            # Which rows are shown follows from how they lie; see below.
            yield [table.model_copy(update={"sample_rows": ()}) for table in tables]
            stock = ["stock_units", "sell_through", "days_since_last_sale"]
            yield metrics.answer(metrics.check(stock, ["product"]), SEATTLE)
            search = ProductSearch(provider, cache, LocalClient())
            recommendations = Recommendations(provider, cache, search.search)
            for segment in SEGMENTS:
                yield recommendations.recommend(SEATTLE, segment=segment)
            for product in ("HTHM001010", "HTWR003010"):
                yield recommendations.recommend(SEATTLE, product=product)
            for in_stock_only in (True, False):
                question = ProductQuestion(
                    "hammer", mode="keyword", in_stock_only=in_stock_only
                )
                yield search.search(question, SEATTLE)

    quiet, busy = ([ageless(each) for each in answers(twin)] for twin in both)
    figures = {row[0]: row[1] for row in quiet[0]["metrics"]["rows"]}
    assert figures["new_customers"] >= 40
    assert busy == quiet


# The residues ------------------------------------------------------------------


def listed(words: str) -> bool:
    section = SECURITY.read_text("utf-8").partition("## What can still be seen")[2]
    return words in section.partition("\n## ")[0]


def test_rows_without_an_order_come_as_they_lie(both: Pair) -> None:
    assert listed("the order of rows without `ORDER BY`")
    gathered = "SELECT string_agg(c.email, '|' {}) FROM retail.customers AS c"
    asked = [(order, gathered.format(order)) for order in ("", "ORDER BY email")]
    assert differing(both, asked) == {""}


def test_a_customer_s_row_moves_when_they_first_buy_in_another_store(
    both: Pair,
) -> None:
    assert listed("has bought in another store for the first time")
    gathered = "SELECT string_agg(customer_id::text, ' ') FROM retail.customers"
    quiet = both[0]
    own = (
        f"(SELECT store_id FROM retail.stores WHERE manager_id = '{SEATTLE}')".encode()
    )
    with quiet.superuser.transaction(force_rollback=True):
        row = quiet.superuser.execute(
            b"SELECT customer_id FROM retail.customers WHERE store_ids = '{}' AND store_id = "
            + own
            + b" ORDER BY ctid OFFSET 20 LIMIT 1"
        ).fetchone()
        assert row is not None
        places = []
        for _ in range(2):
            (ids,) = quiet.superuser.execute(
                f"{gathered} WHERE store_id = ".encode() + own
            ).fetchone() or ("",)
            places.append(ids.split().index(str(row[0])))
            quiet.superuser.execute(
                b"INSERT INTO retail.orders (customer_id, store_id, order_date, total_amount)"
                b" SELECT %s, store_id, now(), 5 FROM retail.stores WHERE store_id <> "
                + own
                + b" LIMIT 1",
                row,
            )
    assert places[0] != places[1]


@pytest.mark.parametrize("method", ["BERNOULLI", "SYSTEM"])
def test_a_repeatable_sample_tells_where_own_rows_lie(both: Pair, method: str) -> None:
    assert listed("`TABLESAMPLE … REPEATABLE`")
    asked = [
        (str(seed), f"SELECT order_id FROM retail.orders TABLESAMPLE {method} (50) REPEATABLE ({seed}) WHERE total_amount = 9")
        for seed in range(20)
    ]  # fmt: skip
    assert differing(both, asked) != set()


def test_the_right_to_execute_does_not_close_a_sample(both: Pair) -> None:
    busy = both[1]
    with busy.superuser.transaction(force_rollback=True):
        busy.superuser.execute(
            "REVOKE EXECUTE ON FUNCTION pg_catalog.bernoulli(internal) FROM PUBLIC"
        )
        busy.superuser.execute(f"SET LOCAL ROLE {ROLE}".encode())
        busy.superuser.execute("SELECT FROM retail.products TABLESAMPLE BERNOULLI (50)")


def test_with_psql_the_planner_tells_how_many_rows_it_expects(both: Pair) -> None:
    assert listed("`EXPLAIN`")
    plans = [
        twin.seattle.execute("EXPLAIN SELECT * FROM retail.orders").fetchall()
        for twin in both
    ]
    assert plans[0] != plans[1]
    assert "syntax error" in answer(both[0].seattle, "EXPLAIN SELECT 1")


def test_the_time_the_start_and_the_process_can_be_seen(both: Pair) -> None:
    assert listed("start time")
    for name in CLOCK_CHANCE_AND_PROCESS - {
        "uuidv4",
        "random",
        "random_normal",
        "gen_random_uuid",
    }:
        both[0].seattle.execute(f"SELECT {name}()".encode())


def test_names_of_databases_roles_and_objects_can_be_seen(both: Pair) -> None:
    assert listed("names of roles and databases")
    seen = (
        both[0]
        .seattle.execute(
            "SELECT (SELECT count(*) FROM pg_database), (SELECT count(*) FROM pg_roles),"
            " to_regclass('retail.identity_key') IS NOT NULL"
        )
        .fetchone()
    )
    assert seen is not None
    assert seen[0] > 1
    assert seen[1] > 1
    assert seen[2] is True


def test_statistics_of_shared_tables_can_be_seen_and_no_others(both: Pair) -> None:
    assert listed("with their statistics")
    rows = (
        both[0]
        .seattle.execute(
            "SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'retail'"
        )
        .fetchall()
    )
    seen = {table for (table,) in rows}
    assert "products" in seen
    assert seen <= {
        *("categories", "product_types", "products", "product_description_embeddings"),
        *("product_search_words", "search_vocabulary", "shared_objects", "refreshes"),
        *("chain", "schema_version"),
    }


def test_a_column_that_is_closed_is_refused_and_not_empty(both: Pair) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        both[0].seattle.execute("SELECT datfrozenxid FROM pg_database")
