"""What a store's manager can learn of other stores' rows: the listed residues, nothing else.

Two databases differ in other stores' rows only. Whatever the manager asks has the same
answer in both, except for what docs/security.md lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psycopg
import pytest

from tests.attacks import battery, corpus
from tests.attacks.twins import ROLE, Twin, answer
from tests.conftest import PG_VERSION

Pair = tuple[Twin, Twin]

CLOCK_CHANCE_AND_PROCESS = {
    *("clock_timestamp", "now", "statement_timestamp", "timeofday"),
    *("transaction_timestamp", "gen_random_uuid", "random", "random_normal"),
    *("uuidv4", "uuidv7", "pg_backend_pid"),
}
"""Functions that answer differently each time or in each process, whatever is stored."""
BY_THE_ORDER_OF_ROWS = {"12-whole-rows-as-json", "12-whole-rows-as-text"}
"""Queries that put rows together without an ORDER BY."""
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
    assert len(tables) == 12
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


# The residues ------------------------------------------------------------------


def listed(words: str) -> bool:
    section = SECURITY.read_text("utf-8").partition("## What can still be seen")[2]
    return words in section.partition("\n## ")[0]


def test_rows_without_an_order_come_as_they_lie(both: Pair) -> None:
    assert listed("the order of rows without `ORDER BY`")
    gathered = "SELECT string_agg(c::text, '|' {}) FROM retail.customers AS c"
    asked = [(order, gathered.format(order)) for order in ("", "ORDER BY email")]
    assert differing(both, asked) == {""}


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
        "uuidv7",
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
        *("product_search_words", "search_vocabulary", "shared_objects"),
    }


def test_a_column_that_is_closed_is_refused_and_not_empty(both: Pair) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        both[0].seattle.execute("SELECT datfrozenxid FROM pg_database")
