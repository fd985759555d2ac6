"""What execute_sales_query answers."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.e2e.conftest import Start
from tests.e2e.stdio_process import StdioProcess
from tests.people import REDMOND, SEATTLE, regional_manager
from zava.admin.embedded import EmbeddedServer

SALES = (
    "SELECT s.name, count(*), sum(total_amount) FROM retail.orders o"
    " JOIN retail.stores s USING (store_id) GROUP BY 1"
)


def test_a_result_is_the_same_as_text_and_as_structure(server: StdioProcess) -> None:
    answer = server.query("SELECT 1 AS n, 'x' AS t, NULL AS nothing")
    structured = answer.structured
    assert json.loads(answer.text) == structured
    assert structured["columns"] == [
        {"name": "n", "type": "int4"},
        {"name": "t", "type": "text"},
        {"name": "nothing", "type": "text"},
    ]
    assert structured["rows"] == [[1, "x", None]]
    assert structured["row_count"] == 1
    assert structured["truncated"] is None
    assert structured["elapsed_ms"] > 0
    assert datetime.fromisoformat(structured["as_of"]).utcoffset() == timedelta(0)
    assert not answer.is_error


def test_the_text_is_compact(server: StdioProcess) -> None:
    text = server.query("SELECT 1, 2").text
    assert "\n" not in text
    assert ": " not in text


def test_columns_may_share_a_name(server: StdioProcess) -> None:
    structured = server.query("SELECT 1 AS a, 2 AS a, 3 AS b").structured
    assert [column["name"] for column in structured["columns"]] == ["a", "a", "b"]
    assert structured["rows"] == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("sql", "type_name", "value"),
    [
        ("9007199254740992::int8", "int8", 9007199254740992),
        ("9007199254740993::int8", "int8", "9007199254740993"),
        ("(-9223372036854775808)::int8", "int8", "-9223372036854775808"),
        ("19.99::numeric(10,2)", "numeric", 19.99),
        ("12345678901234567890.5::numeric", "numeric", "12345678901234567890.5"),
        ("0.1::float4", "float4", 0.1),
        ("0.1::float8 + 0.2::float8", "float8", 0.30000000000000004),
        ("'NaN'::float8", "float8", "NaN"),
        ("'-Infinity'::float8", "float8", "-Infinity"),
        ("'NaN'::numeric", "numeric", "NaN"),
        ("true", "bool", True),
        ("NULL::int", "int4", None),
        ("''", "text", ""),
        ("date '2026-07-31'", "date", "2026-07-31"),
        (
            "timestamptz '2026-07-31 12:00+02'",
            "timestamptz",
            "2026-07-31T10:00:00+00:00",
        ),
        ("timestamp '2026-07-31 12:00'", "timestamp", "2026-07-31T12:00:00"),
        ("interval '1 day 2 hours'", "interval", "1 day 02:00:00"),
        (
            "'f47ac10b-58cc-4372-a567-0e02b2c3d479'::uuid",
            "uuid",
            "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        ),
        ("'\\x00ff'::bytea", "bytea", "\\x00ff"),
        ("ARRAY[1.5, NULL, 2]::numeric[]", "numeric[]", [1.5, None, 2]),
        ("ARRAY[[1, 2], [3, 4]]", "int4[]", [[1, 2], [3, 4]]),
        (
            """'{"a": [1, 12345678901234567890]}'::jsonb""",
            "jsonb",
            {"a": [1, "12345678901234567890"]},
        ),
        (r"""'"\ud800"'::json""", "json", r'"\ud800"'),
        ("ROW(1, 'x')", "record", "(1,x)"),
        ("'[1,2]'::vector", "vector", "[1,2]"),
    ],
)
def test_a_cell_is_exact_json(
    server: StdioProcess, sql: str, type_name: str, value: Any
) -> None:
    structured = server.query(f"SELECT {sql} AS x").structured
    assert structured["columns"] == [{"name": "x", "type": type_name}]
    ((cell,),) = structured["rows"]
    assert cell == value
    assert type(cell) is type(value)


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("repeat('9', 5000)::numeric", id="huge-numeric"),
        pytest.param("(repeat('[', 252) || repeat(']', 252))::json", id="deep-json"),
        pytest.param(
            "(repeat('[', 400) || repeat(']', 400))::json",
            id="deeper-json",
        ),
        pytest.param("'1e400'::json", id="json-beyond-double"),
    ],
)
def test_a_cell_at_the_border_is_answered(server: StdioProcess, sql: str) -> None:
    answer = server.query(f"SELECT {sql} AS x")
    assert answer.structured["row_count"] == 1
    assert json.loads(answer.text, parse_constant=pytest.fail) == answer.structured


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select 1;",
        "  -- a comment\nSELECT 1",
        "/* a comment */ (SELECT 1)",
        "VALUES (1)",
        "WITH a AS (SELECT 1) TABLE a",
        "WITH RECURSIVE a(n) AS (VALUES (1)) SELECT n FROM a",
        "SELECT 1 -- the end",
    ],
)
def test_every_form_of_a_query_is_run(server: StdioProcess, sql: str) -> None:
    assert server.query(sql).structured["rows"] == [[1]]


@pytest.mark.parametrize(
    "sql", ["SELECT 1 WHERE false", "SELECT FROM generate_series(1, 0)"]
)
def test_no_rows_are_a_result(server: StdioProcess, sql: str) -> None:
    structured = server.query(sql).structured
    assert structured["rows"] == []
    assert structured["row_count"] == 0
    assert structured["truncated"] is None


@pytest.mark.parametrize(
    ("max_rows", "count", "truncated"),
    [(3, 3, "max_rows"), (9, 9, "max_rows"), (10, 10, None), (1000, 10, None)],
)
def test_rows_beyond_the_ceiling_are_cut_and_that_is_said(
    server: StdioProcess, max_rows: int, count: int, truncated: str | None
) -> None:
    sql = "SELECT n FROM generate_series(1, 10) AS n"
    structured = server.query(sql, max_rows=max_rows).structured
    assert structured["rows"] == [[n] for n in range(1, count + 1)]
    assert structured["row_count"] == count
    assert structured["truncated"] == truncated


def test_twenty_rows_come_unless_more_are_asked_for(server: StdioProcess) -> None:
    structured = server.query("SELECT n FROM generate_series(1, 21) AS n").structured
    assert structured["row_count"] == 20
    assert structured["truncated"] == "max_rows"


def test_an_endless_query_ends_at_the_ceiling(server: StdioProcess) -> None:
    sql = "WITH RECURSIVE a(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM a) TABLE a"
    assert server.query(sql, max_rows=5).structured["row_count"] == 5


def test_bytes_beyond_the_ceiling_are_cut_and_that_is_said(start: Start) -> None:
    process = start(max_result_bytes="1024", log_level="ERROR")
    answer = process.query("SELECT repeat('x', 100) FROM generate_series(1, 20)")
    structured = answer.structured
    assert structured["truncated"] == "max_bytes"
    assert 0 < structured["row_count"] == len(structured["rows"]) < 20
    assert len(json.dumps(structured["rows"], separators=(",", ":"))) <= 1024 + 2
    error = process.query("SELECT repeat('x', 5000)").error
    assert error["code"] == "RESULT_TOO_LARGE"


def test_the_operators_ceiling_of_rows_holds(start: Start) -> None:
    process = start(max_rows="5", cache_ttl="0", log_level="ERROR")
    sql = "SELECT n FROM generate_series(1, 10) AS n"
    assert process.query(sql, max_rows=5).structured["row_count"] == 5
    error = process.query(sql, max_rows=6).error
    assert error == {"code": "VALIDATION_ERROR", "field": "max_rows"}
    # And without time, the cache keeps nothing.
    assert not process.query(sql, max_rows=5).structured["cached"]


def test_a_low_ceiling_of_rows_lowers_the_default_too(start: Start) -> None:
    process = start(max_rows="5", log_level="ERROR")
    sql = "SELECT n FROM generate_series(1, 10) AS n"
    assert process.query(sql).structured["row_count"] == 5


@pytest.mark.acceptance("A24")
def test_the_same_question_is_answered_from_the_cache_until_asked_afresh(
    start: Start, cluster: EmbeddedServer, database: str
) -> None:
    conninfo = cluster.conninfo(dbname=database, user="zava_server")
    process = start(database_url=conninfo, log_level="ERROR")
    sql = "SELECT location FROM retail.stores"
    first = process.query(sql).structured
    with psycopg.connect(
        cluster.conninfo(dbname=database, user="postgres"), autocommit=True
    ) as conn:
        conn.execute("UPDATE retail.stores SET location = 'Moved'")
    second = process.query(sql).structured
    assert (first["cached"], second["cached"]) == (False, True)
    assert second["rows"] == first["rows"] != [["Moved"]]
    assert second["as_of"] == first["as_of"]
    fresh = process.query(sql, fresh=True).structured
    assert (fresh["cached"], fresh["rows"]) == (False, [["Moved"]])
    again = process.query(sql).structured
    assert (again["cached"], again["rows"]) == (True, [["Moved"]])


def test_another_question_is_not_answered_from_the_cache(server: StdioProcess) -> None:
    server.query("SELECT 4711")
    assert not server.query("SELECT 4711", max_rows=3).structured["cached"]
    assert not server.query("SELECT  4711").structured["cached"]


@pytest.mark.acceptance("A5", "A89")
def test_the_same_question_shows_each_person_their_stores(
    start: Start, owner: psycopg.Connection
) -> None:
    truth = {
        name: (count, total) for name, count, total in owner.execute(SALES).fetchall()
    }
    assert len(truth) == 8
    stores = {
        SEATTLE: {"Zava Retail Seattle"},
        REDMOND: {"Zava Retail Redmond"},
        regional_manager("Head Office"): set(truth),
    }
    # Started side by side: a start takes most of the time.
    processes = {
        user: start(user, handshake=False, log_level="ERROR") for user in stores
    }
    for user, process in processes.items():
        process.initialize()
        rows = process.query(SALES).structured["rows"]
        seen = {name: (count, Decimal(str(total))) for name, count, total in rows}
        assert seen == {name: truth[name] for name in stores[user]}
