"""What a model reads of a query that does not run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.people import REDMOND, SEATTLE, regional_manager
from zava.data.provider import PostgreSQLProvider
from zava.errors import QueryError, ValidationError
from zava.infra.cache import QueryCache
from zava.service.queries.catalog import SchemaCatalog
from zava.service.queries.executor import QueryExecutor


@pytest.fixture
def executor(provider: PostgreSQLProvider) -> QueryExecutor:
    cache = QueryCache()
    return QueryExecutor(
        provider,
        cache,
        SchemaCatalog(provider, cache),
        max_rows=100,
        max_result_bytes=256 * 1024,
        max_query_length=10_000,
    )


def explain(executor: QueryExecutor, sql: str, user_id: str = SEATTLE) -> Any:
    return executor.explain(executor.check(sql), user_id)


def test_a_plan_shows_the_steps_the_conditions_and_what_serves_them(
    executor: QueryExecutor,
) -> None:
    answer = explain(
        executor,
        "SELECT c.customer_id, count(*) FROM retail.orders AS o"
        " JOIN retail.customers AS c USING (customer_id)"
        " WHERE o.business_day >= '2026-01-01' AND o.total_amount > 500"
        " GROUP BY 1 ORDER BY 2 DESC LIMIT 5",
    )
    assert answer["steps"] == [
        "limit",
        "  sort by (count(*)) DESC",
        "    aggregate by c.customer_id",
        "      inner join on o.customer_id = c.customer_id",
        "        read retail.orders o",
        "        read retail.customers c",
    ]
    orders, customers = answer["tables"]
    assert (
        orders["indexes"]["orders_store_id_business_day_idx"]
        == "store_id, business_day"
    )
    assert orders["no_index_for"] == ["o.total_amount > '500'::numeric"]
    assert customers == {
        "table": "retail.customers",
        "as": "c",
        "indexes": {"customers_pkey": "customer_id"},
    }


@pytest.mark.parametrize("user_id", [SEATTLE, REDMOND, regional_manager("Head Office")])
def test_the_policies_are_not_told_and_their_index_is_taken_for_granted(
    executor: QueryExecutor, user_id: str
) -> None:
    answer = explain(executor, "SELECT * FROM retail.orders", user_id)
    assert answer["tables"] == [
        {"table": "retail.orders", "reads": "every row of the person's stores"}
    ]
    answer = explain(executor, "SELECT customer_id FROM retail.customers", user_id)
    assert answer["tables"] == [
        {"table": "retail.customers", "reads": "every row of the person's stores"}
    ]


@pytest.mark.parametrize(
    ("condition", "indexes"),
    [
        ("sku = 'HTHM001010'", ["products_sku_key"]),
        ("'HTHM001010' = sku", ["products_sku_key"]),
        ("sku IN ('A', 'B')", ["products_sku_key"]),
        ("sku > 'A' AND sku < 'B'", ["products_sku_key"]),
        ("lower(sku) = 'a'", []),
        ("sku <> 'A'", []),
        ("sku LIKE 'A%'", []),
        ("name = 'AND sku = 1' AND name <> ''", []),
        ("category_id IS NULL", ["products_category_id_idx"]),
    ],
)
def test_an_index_serves_a_condition_on_its_first_columns(
    executor: QueryExecutor, condition: str, indexes: list[str]
) -> None:
    answer = explain(executor, f"SELECT * FROM retail.products WHERE {condition}")
    (table,) = answer["tables"]
    assert list(table.get("indexes", ())) == indexes
    assert bool(table.get("no_index_for")) == (not indexes)
    assert ("reads" in table) == (not indexes)


def test_subqueries_are_named_and_those_in_expressions_are_not_shown(
    executor: QueryExecutor,
) -> None:
    answer = explain(
        executor,
        "SELECT 1 FROM retail.products AS p"
        " WHERE p.base_price > (SELECT avg(base_price) FROM retail.products)"
        " AND (p.cost > 5 OR EXISTS (SELECT FROM retail.inventory AS v"
        " WHERE v.product_id = p.product_id))",
    )
    assert answer["steps"] == [
        "read retail.products p",
        "  subquery 1: aggregate",
        "    read retail.products",
        "  a subquery",
    ]
    product, _ = answer["tables"]
    assert sorted(product["conditions"]) == [
        "an expression with a subquery",
        "p.base_price > subquery 1.col1",
    ] or sorted(product["conditions"]) == [
        "an expression with a subquery",
        "p.base_price > subquery 1",
    ]
    assert answer["notes"] == [
        "a subquery in an expression is not shown: explain it by itself"
    ]


@pytest.mark.parametrize(
    ("sql", "steps"),
    [
        ("SELECT 1", ["one row of values"]),
        ("VALUES (1), (2)", ["read values *VALUES*"]),
        ("SELECT g FROM generate_series(1, 3) AS g", ["read function generate_series"]),
        ("TABLE retail.stores", ["read retail.stores"]),
        ("```sql\nTABLE retail.stores\n```", ["read retail.stores"]),
    ],
)
def test_every_form_of_a_query_is_explained(
    executor: QueryExecutor, sql: str, steps: list[str]
) -> None:
    assert explain(executor, sql)["steps"] == steps


def test_a_condition_that_no_row_meets_is_said_first(executor: QueryExecutor) -> None:
    answer = explain(executor, "SELECT * FROM retail.orders WHERE false")
    assert answer["steps"][0] == "no row can match"


def test_a_long_plan_is_cut_and_says_so(executor: QueryExecutor) -> None:
    sql = " UNION ALL ".join(["TABLE retail.stores"] * 180)
    answer = explain(executor, sql)
    assert len(answer["steps"]) == 150
    assert len(answer["tables"]) == 40
    assert answer["notes"] == [
        "of 181 steps and 180 tables the first are shown",
    ]


def test_an_error_is_that_of_the_query(executor: QueryExecutor) -> None:
    with pytest.raises(QueryError) as caught:
        explain(executor, "SELECT nme FROM retail.stores")
    assert caught.value.error_code == "UNDEFINED_COLUMN"
    assert caught.value.facts["position"] == 8
    assert caught.value.facts["suggestions"] == ["stores.name"]
    with pytest.raises(QueryError) as caught:
        explain(executor, "EXPLAIN ANALYZE SELECT 1")
    assert "without EXPLAIN" in caught.value.facts["hint"]
    with pytest.raises(QueryError) as caught:
        explain(executor, "SELECT store_ids FROM retail.customers")
    assert "columns that can be read" in caught.value.message
    with pytest.raises(ValidationError):
        explain(executor, " ")


def test_a_connection_plans_as_usual_after_it_has_explained(
    provider: PostgreSQLProvider, executor: QueryExecutor
) -> None:
    assert explain(executor, "TABLE retail.stores")
    assert provider.connection_pool is not None
    # The connection that came back last is lent first.
    with provider.connection_pool.connection() as conn:
        assert conn.execute("SHOW enable_indexscan").fetchone() == ("on",)
