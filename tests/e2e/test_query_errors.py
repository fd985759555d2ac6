"""Every failure says what kind it is and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.stdio_process import Answer, StdioProcess
from tests.people import regional_manager
from zava.data.query_errors import (
    BAD_CALL,
    FEWER_COLUMNS,
    NO_CHARACTER,
    SIMPLER,
    TOO_LARGE,
)

ONLY_A_QUERY = "only a single SELECT-like query can run here"
QUERY_FIELD = {"code": "VALIDATION_ERROR", "field": "postgresql_query"}
LEAKS = ("Traceback", "psycopg", "zava_server", "store_managers", ".py", "/tmp")  # noqa: S108


@pytest.fixture(autouse=True)
def connections_stay_clean(server: StdioProcess) -> Iterator[None]:
    """After every failure the next questions are answered."""
    yield
    for _ in range(3):
        answer = server.query("SELECT current_user, 1", fresh=True)
        assert answer.structured["rows"] == [["store_managers_personal", 1]]


def assert_failure(answer: Answer) -> dict[str, Any]:
    error = answer.error
    assert answer.text.startswith(f"[{error['code']}] ")
    assert "structuredContent" not in answer.result
    assert not [leak for leak in LEAKS if leak in answer.text]
    return error


@pytest.mark.acceptance("A12")
@pytest.mark.parametrize(
    ("sql", "code", "sqlstate", "position"),
    [
        ("SELECT 1 FORM x", "SYNTAX_ERROR", "42601", 15),
        ("SELECT 'é', 1 +", "SYNTAX_ERROR", "42601", 16),
        ("SELECT * FROM retail.no_such", "UNDEFINED_TABLE", "42P01", 15),
        ("SELECT nome FROM retail.stores", "UNDEFINED_COLUMN", "42703", 8),
        ("SELECT no_such(1)", "UNDEFINED_FUNCTION", "42883", 8),
        ("SELECT 'x'::int", "INVALID_TEXT_REPRESENTATION", "22P02", 8),
        ("SELECT 1/0", "DIVISION_BY_ZERO", "22012", None),
        ("SELECT count(*) OVER FROM x", "SYNTAX_ERROR", "42601", 22),
        (
            "SELECT name, count(*) FROM retail.stores",
            "GROUPING_ERROR",
            "42803",
            8,
        ),
        (
            "SELECT set_config('a.b', 'c', true)",
            "INSUFFICIENT_PRIVILEGE",
            "42501",
            None,
        ),
        ("SELECT pg_sleep(1)", "INSUFFICIENT_PRIVILEGE", "42501", None),
        (
            "SELECT * FROM retail.stores FOR UPDATE",
            "READ_ONLY_SQL_TRANSACTION",
            "25006",
            None,
        ),
    ],
)
def test_an_sql_error_tells_all_that_is_needed_to_mend_it(
    server: StdioProcess, sql: str, code: str, sqlstate: str, position: int | None
) -> None:
    answer = server.query(sql)
    error = assert_failure(answer)
    assert error["code"] == code
    assert error["sqlstate"] == sqlstate
    assert error.get("position") == position
    assert sqlstate in answer.text
    assert ONLY_A_QUERY not in answer.text


def test_postgresqls_hint_is_handed_on(server: StdioProcess) -> None:
    answer = server.query("SELECT nam FROM retail.stores")
    error = assert_failure(answer)
    assert error["hint"] in answer.text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT $1",
        "SELECT name FROM retail.stores WHERE store_id = $1::uuid LIMIT $2",
    ],
)
def test_a_parameter_without_a_value_is_the_query_s_fault_and_is_not_tried_again(
    server: StdioProcess, sql: str
) -> None:
    summary = "get_performance_summary"
    before = server.call(summary).structured["pool"]["requests_num"]
    error = assert_failure(server.query(sql))
    assert error["code"] == "UNDEFINED_PARAMETER"
    assert server.call(summary).structured["pool"]["requests_num"] - before == 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT amvalidate(403)",
        "SELECT public.vector_accum('{}'::float8[], '[1,2,3]')",
    ],
)
def test_a_bad_call_of_an_internal_function_is_the_query_s_fault(
    server: StdioProcess, sql: str
) -> None:
    summary = "get_performance_summary"
    before = server.call(summary).structured["pool"]
    answer = server.query(sql)
    error = assert_failure(answer)
    assert error["code"] == "INTERNAL_ERROR"
    assert error["sqlstate"] == "XX000"
    assert error["hint"] == BAD_CALL
    assert "its own log" not in answer.text
    pool = server.call(summary).structured["pool"]
    assert pool["requests_num"] - before["requests_num"] == 1
    assert pool.get("connections_num") == before.get("connections_num")
    assert server.call("health_check").structured["database"] == "healthy"


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("SELECT chr(0)", NO_CHARACTER),
        ("SELECT chr(1114112)", NO_CHARACTER),
        ("SELECT chr(55296)", NO_CHARACTER),
        ("SELECT lpad('', 1073741823, 'x')", TOO_LARGE),
        ("SELECT public.sparsevec_to_vector('{1:1}/20000', -1, false)", TOO_LARGE),
        ("SELECT array_fill(1, ARRAY[100000, 100000])", TOO_LARGE),
        (f"SELECT {'+'.join(['1'] * 20000)}", SIMPLER),
        (f"SELECT {', '.join(['1'] * 1700)}", FEWER_COLUMNS),
    ],
)
def test_a_limit_comes_with_a_hint_that_fits(
    server: StdioProcess, sql: str, hint: str
) -> None:
    assert assert_failure(server.query(sql))["hint"] == hint


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT current_setting('TimeZone')",
        "SELECT ctid FROM retail.orders",
        "SELECT reltuples FROM pg_class",
        "SELECT * FROM retail.identity_key",
        "SELECT * FROM pg_stat_activity",
    ],
)
def test_what_is_closed_is_said_to_be_closed(server: StdioProcess, sql: str) -> None:
    error = assert_failure(server.query(sql))
    assert error["code"] == "INSUFFICIENT_PRIVILEGE"
    assert "closed to queries" in error["hint"]


@pytest.mark.parametrize("clock", ["clock_timestamp()", "pg_catalog.timeofday()"])
def test_the_error_of_a_closed_clock_names_now(
    server: StdioProcess, clock: str
) -> None:
    error = assert_failure(server.query(f"SELECT {clock}"))
    assert error["code"] == "INSUFFICIENT_PRIVILEGE"
    assert "now() is the time of the query" in error["hint"]


@pytest.mark.parametrize(
    ("sql", "near"),
    [
        ("SELECT 1 FROM retail.product", "retail.products"),
        ("SELECT 1 FROM order_item", "retail.order_items"),
        ("SELECT totl_amount FROM retail.orders", "orders.total_amount"),
        ("SELECT o.ordr_date FROM retail.orders o", "orders.order_date"),
    ],
)
def test_an_unknown_name_comes_with_near_ones(
    server: StdioProcess, sql: str, near: str
) -> None:
    answer = server.query(sql)
    assert assert_failure(answer)["suggestions"][0] == near
    assert near in answer.text


@pytest.mark.acceptance("D4", "D5")
@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM retail.orders",
        "UPDATE retail.stores SET name = 'x'",
        "INSERT INTO retail.categories (name) VALUES ('x')",
        "TRUNCATE retail.orders",
        "MERGE INTO retail.stores s USING x ON true WHEN MATCHED THEN DELETE",
        "WITH x AS (DELETE FROM retail.orders RETURNING 1) SELECT * FROM x",
        "SELECT 1; SELECT 2",
        "SELECT 1 INTO x",
        "SELECT 1; COMMIT; DROP TABLE retail.orders",
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "SET ROLE postgres",
        "RESET ROLE",
        "SHOW work_mem",
        "DO $$ BEGIN END $$",
        "COPY retail.stores TO STDOUT",
        "CALL x()",
        "DECLARE c CURSOR FOR SELECT 1",
        "FETCH ALL FROM zava",
        "PREPARE x AS SELECT 1",
        "CREATE TABLE x ()",
        "LISTEN x",
        "LOCK retail.stores",
        "/* SELECT */ -- SELECT\n(DELETE FROM retail.orders)",
        ";",
        "-- nothing",
        "what were the sales of last month?",
    ],
)
def test_anything_but_one_query_is_refused_with_what_would_do(
    server: StdioProcess, sql: str
) -> None:
    answer = server.query(sql)
    error = assert_failure(answer)
    assert ONLY_A_QUERY in error["hint"]
    assert ONLY_A_QUERY in answer.text
    assert len(error["sqlstate"]) == 5


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("", id="empty"),
        pytest.param(" \n\t ", id="blank"),
        pytest.param("SELECT '" + "x" * 1_000_000 + "'", id="one-megabyte"),
        pytest.param("SELECT '\0'", id="nul"),
    ],
)
def test_a_text_that_is_no_question_is_refused(server: StdioProcess, sql: str) -> None:
    assert assert_failure(server.query(sql)) == QUERY_FIELD


@pytest.mark.acceptance("A10", "A12")
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        pytest.param({"max_rows": 0}, "max_rows", id="zero"),
        pytest.param({"max_rows": -1}, "max_rows", id="negative"),
        pytest.param({"max_rows": 10**9}, "max_rows", id="billion"),
        pytest.param({"max_rows": 10**30}, "max_rows", id="beyond-int8"),
        pytest.param({"max_rows": "many"}, "max_rows", id="not-a-number"),
        pytest.param({"max_rows": 1.5}, "max_rows", id="half-a-row"),
        pytest.param({"fresh": "perhaps"}, "fresh", id="not-a-boolean"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused_by_name(
    server: StdioProcess, arguments: dict[str, Any], field: str
) -> None:
    error = assert_failure(server.query("SELECT 1", **arguments))
    assert error == {"code": "VALIDATION_ERROR", "field": field}


@pytest.mark.acceptance("A9", "A10", "A12")
@pytest.mark.parametrize(
    ("tool", "arguments", "field"),
    [
        ("execute_sales_query", {}, "postgresql_query"),
        ("execute_sales_query", {"postgresql_query": None}, "postgresql_query"),
        ("execute_sales_query", {"postgresql_query": ["SELECT 1"]}, "postgresql_query"),
        ("get_multiple_table_schemas", {}, "table_names"),
        ("get_multiple_table_schemas", {"table_names": []}, "table_names"),
        ("get_multiple_table_schemas", {"table_names": ["a"] * 21}, "table_names"),
        ("get_multiple_table_schemas", {"table_names": ["pg_class"]}, "table_names"),
        ("get_multiple_table_schemas", {"table_names": [""]}, "table_names"),
        ("get_store_performance", {"time_period": "2025"}, "store_id"),
        ("get_store_performance", {"store_id": "seattle"}, "time_period"),
        *(
            pytest.param(
                "get_store_performance",
                {"store_id": name, "time_period": "2025"},
                "store_id",
                id=f"store-{number}",
            )
            for number, name in enumerate(["", "  ", "x" * 10_000, None, ["seattle"]])
        ),
        *(
            pytest.param(
                "get_store_performance",
                {"store_id": "seattle", "time_period": period},
                "time_period",
                id=f"period-{number}",
            )
            for number, period in enumerate(
                [
                    "",
                    "some week",
                    "2026-07-31..2026-07-01",
                    "1700-01-01..2100-01-01",
                    "2001-01-01..2026-01-01",
                    "2019",
                    "x" * 10_000,
                    7,
                ]
            )
        ),
        ("no_such_tool", {}, "name"),
    ],
)
def test_a_call_that_cannot_be_made_is_refused_by_name(
    server: StdioProcess, tool: str, arguments: dict[str, Any], field: str
) -> None:
    error = assert_failure(server.call(tool, **arguments))
    assert error == {"code": "VALIDATION_ERROR", "field": field}


@pytest.mark.parametrize(
    ("tool", "arguments", "limit"),
    [
        (
            "get_product_recommendations",
            {"product": "x" * 5001},
            "at most 5000 characters",
        ),
        (
            "get_product_recommendations",
            {"product": ["SKU"] * 2000},
            "at most 5000 characters",
        ),
        ("find_similar_products", {"product": "x" * 201}, "at most 200 characters"),
        (
            "semantic_search_products",
            {"query_description": "x" * 10_001},
            "at most 10000 characters",
        ),
        (
            "get_store_performance",
            {"store_id": "x" * 1001, "time_period": "2026"},
            "at most 1000 characters",
        ),
        (
            "get_multiple_table_schemas",
            {"table_names": ["x" * 1001]},
            "at most 1000 characters",
        ),
        ("get_multiple_table_schemas", {"table_names": ["x"] * 21}, "at most 20 items"),
        ("execute_sales_query", {"postgresql_query": "SELECT 1", "max_rows": True}, ""),
        (
            "execute_sales_query",
            {"postgresql_query": "SELECT 1", "max_rows": "1_0"},
            "must be a number",
        ),
    ],
)
def test_an_argument_beyond_a_limit_is_told_the_limit(
    server: StdioProcess, tool: str, arguments: dict[str, Any], limit: str
) -> None:
    answer = server.call(tool, **arguments)
    assert assert_failure(answer)["code"] == "VALIDATION_ERROR"
    assert limit in answer.text


def test_an_unknown_period_lists_those_that_there_are(server: StdioProcess) -> None:
    answer = server.call(
        "get_store_performance", store_id="seattle", time_period="some week"
    )
    for form in ("last_30_days", "mtd", "2026-Q3", "2026-07-01..2026-07-31"):
        assert form in answer.text


def test_a_name_that_two_stores_have_is_refused_with_both(start: Start) -> None:
    region = regional_manager("Digital Region")
    answer = start(region, log_level="ERROR").call(
        "get_store_performance", store_id="zava", time_period="2025"
    )
    assert assert_failure(answer) == {"code": "VALIDATION_ERROR", "field": "store_id"}
    assert "Zava Retail Online, Zava Retail Seattle" in answer.text


def test_an_unknown_table_comes_with_the_near_one_first(server: StdioProcess) -> None:
    answer = server.call("get_multiple_table_schemas", table_names=["retail.order"])
    assert_failure(answer)
    assert answer.text.index("retail.orders") < answer.text.index("retail.stores")


@pytest.mark.acceptance("A34", "D14")
def test_a_query_that_takes_too_long_is_ended(start: Start) -> None:
    process = start(statement_timeout="1", log_level="ERROR")
    sql = "SELECT count(*) FROM generate_series(1, 1e6) a, generate_series(1, 1e6) b"
    answer = process.query(sql)
    assert assert_failure(answer) == {"code": "QUERY_TIMEOUT"}
    assert process.query("SELECT 1").structured["rows"] == [[1]]


def test_explain_is_refused_with_the_tool_that_does_it(server: StdioProcess) -> None:
    error = assert_failure(server.query("EXPLAIN SELECT 1"))
    assert "explain_query" in error["hint"]
