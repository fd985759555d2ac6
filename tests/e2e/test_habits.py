"""What clients and models send, and what they understand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.conftest import clone
from tests.e2e.conftest import Start
from tests.e2e.stdio_process import INITIALIZE, StdioProcess
from tests.patience import PATIENCE
from tests.people import SEATTLE
from zava.admin.embedded import EmbeddedServer

CEILING = 256 * 1024 + 64 * 1024


def test_an_argument_that_a_tool_has_not_is_ignored(server: StdioProcess) -> None:
    answer = server.query("SELECT 1", toolCallId="x", user_id="y", ctx="z", limit=5)
    assert answer.structured["rows"] == [[1]]
    assert not server.call("get_current_utc_date", zone="CET").is_error


def test_null_is_the_default(server: StdioProcess) -> None:
    answer = server.query("SELECT generate_series(1, 30)", max_rows=None, fresh=None)
    assert answer.structured["row_count"] == 20
    answer = server.call(
        "semantic_search_products",
        query_description="paint",
        category=None,
        max_price=None,
        mode=None,
    )
    assert not answer.is_error


def test_a_number_is_its_text_where_a_text_is_meant(server: StdioProcess) -> None:
    for year in (2026, 2026.0):
        answer = server.call(
            "get_store_performance", store_id="Seattle", time_period=year
        )
        assert not answer.is_error, answer.text
    assert server.query("SELECT 1", max_rows="5", fresh="false").structured
    one = server.call("get_multiple_table_schemas", table_names="orders")
    assert one.structured["tables"][0]["table"] == "retail.orders"


def test_schemas_hold_nothing_that_gateways_refuse(server: StdioProcess) -> None:
    tools = server.request("tools/list")["tools"]
    assert len(tools) >= 9
    for tool in tools:
        for schema in (tool["inputSchema"], tool["outputSchema"]):
            text = json.dumps(schema)
            for word in ("anyOf", "oneOf", "$ref", "$defs", '"null"'):
                assert word not in text, (tool["name"], word)


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT 10.0/4", [[2.5]]),
        ("SELECT avg(x) FROM (VALUES (1), (2)) AS v (x)", [[1.5]]),
        ("SELECT 12.00::numeric", [[12.0]]),
        (
            "SELECT x FROM (VALUES (0.5), (0.1234567890123456789)) AS v (x)",
            [["0.5"], ["0.1234567890123456789"]],
        ),
        (
            "SELECT x FROM (VALUES (1::bigint), (9007199254740993)) AS v (x)",
            [["1"], ["9007199254740993"]],
        ),
        ("SELECT x FROM (VALUES (1.5::float8), ('NaN')) AS v (x)", [["1.5"], ["NaN"]]),
        ("SELECT x FROM (VALUES (1.5), (NULL)) AS v (x)", [[1.5], [None]]),
        (
            "SELECT x FROM (VALUES (1.0/3), (NULL)) AS v (x)",
            [["0.33333333333333333333"], [None]],
        ),
        ("SELECT ARRAY[0.5, 0.25, NULL]", [[[0.5, 0.25, None]]]),
        (
            "SELECT ARRAY[0.5, 0.1234567890123456789]",
            [[["0.5", "0.1234567890123456789"]]],
        ),
        (
            "SELECT ARRAY[[1::bigint], [9007199254740993]]",
            [[[["1"], ["9007199254740993"]]]],
        ),
        (
            "SELECT x FROM (VALUES (ARRAY[1.5]), (ARRAY['NaN'::numeric]), (NULL)) AS v (x)",
            [[["1.5"]], [["NaN"]], [None]],
        ),
        (
            "SELECT 9007199254740992::bigint, -9007199254740993",
            [[2**53, "-9007199254740993"]],
        ),
        ("SELECT '1.5'::money, interval '1 day 02:00'", [["$1.50", "1 day 02:00:00"]]),
        (
            "SELECT 'Infinity'::float8, '-Infinity'::numeric",
            [["Infinity", "-Infinity"]],
        ),
    ],
)
def test_a_column_is_all_numbers_or_all_text(
    server: StdioProcess, sql: str, rows: list[Any]
) -> None:
    answer = server.query(sql).structured["rows"]
    assert answer == rows
    assert [list(map(type, row)) for row in answer] == [
        list(map(type, row)) for row in rows
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "```sql\nSELECT 1\n```",
        "```\nSELECT 1;\n```",
        "  ```postgresql\nSELECT 1```  ",
        "```SQL\nSELECT 1```",
        "```SELECT 1```",
        "```SELECT\n1\n```",
        "```sql SELECT 1```",
        "```sql\r\nSELECT 1\r\n```\r\n",
        "~~~sql\nSELECT 1\n~~~",
        "```pgplsql\nSELECT 1",
        "`SELECT 1`",
    ],
)
def test_the_fence_of_a_code_block_is_dropped(server: StdioProcess, sql: str) -> None:
    assert server.query(sql).structured["rows"] == [[1]]


def test_what_looks_like_a_fence_in_a_text_stays(server: StdioProcess) -> None:
    answer = server.query("```sql\nSELECT '```', '~~~' -- ```\n```")
    assert answer.structured["rows"] == [["```", "~~~"]]


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u200b", "U+200B"),
        ("\ufeff", "U+FEFF"),
        ("\u2060", "U+2060"),
        ("\u00a0", "U+00A0"),
        ("\u202e", "U+202E"),
    ],
)
def test_an_invisible_character_is_named(
    server: StdioProcess, character: str, name: str
) -> None:
    answer = server.query(f"{character}SELECT 1")
    assert answer.error["code"] == "VALIDATION_ERROR"
    assert name in answer.text


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT \u2018a\u2019", "U+2018"),
        ("SELECT 'a\u2019", "U+2019"),
        ("SELECT \u201ccount\u201d(*) FROM retail.orders", "U+201C"),
        ("SELECT 1 FROM \u201eretail\u201c.orders", "U+201E"),
        ("SELECT \u00abname\u00bb FROM retail.stores", "U+00AB"),
        ("SELECT \u2032a\u2032", "U+2032"),
        ("SELECT `name` FROM retail.stores", "U+0060"),
        ("SELECT\u00a01", "U+00A0"),
        ("SELECT\u30001", "U+3000"),
        ("SELECT\u00ad 1", "U+00AD"),
        ("-- a comment\n\u200bSELECT 1", "U+200B"),
    ],
)
def test_a_character_that_is_no_sql_is_named(
    server: StdioProcess, sql: str, name: str
) -> None:
    answer = server.query(sql)
    assert name in answer.error["hint"]
    assert "SELECT-like" not in answer.text


def test_a_character_in_a_constant_is_not_what_is_wrong(server: StdioProcess) -> None:
    assert server.query("SELECT 'it\u2019s\u00a0here'").structured["row_count"] == 1
    answer = server.query("SELECT 'it\u2019s' FROM FROM")
    assert "U+2019" not in answer.text


def test_a_column_is_looked_for_in_the_query_s_own_tables(server: StdioProcess) -> None:
    answer = server.query("SELECT unit_prise FROM retail.order_items")
    assert answer.error["suggestions"][0] == "order_items.unit_price"
    answer = server.query("SELECT unit_price FROM retail.orders")
    assert not [s for s in answer.error.get("suggestions", []) if "unit_price" in s]


@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        ('[{"jsonrpc":"2.0","id":1,"method":"ping"}]', None),
        ('{"jsonrpc":"2.0","id":2.5,"method":"ping"}', 2.5),
        ('{"jsonrpc":"1.0","id":7,"method":"ping"}', 7),
        ('{"id":8,"method":"ping"}', 8),
        ('{"jsonrpc":"2.0","id":null,"method":"ping"}', None),
        ('{"jsonrpc":"2.0","id":{},"method":"ping"}', None),
        ("this is no JSON", None),
        ("5", None),
        ("null", None),
        ('{"jsonrpc":"2.0","id":NaN,"method":"ping"}', None),
        ('{"jsonrpc":"2.0","id":1e999,"method":"ping"}', None),
        ('{"jsonrpc":"2.0","id":true,"method":"ping"}', None),
        ('{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', None),
        (f'{{"jsonrpc":"2.0","id":"{"i" * 100_000}","method":"ping"}}', None),
        (f'[{"1," * 5000}{{"jsonrpc":"2.0","id":1,"method":"ping"}}]', None),
        (f'{{"jsonrpc":"1.0","id":7,"method":"m","params":{{"x":"{"x" * 9000}"}}}}', 7),
        (
            f'{{"method":"m","params":{{"x":"{"x" * 9000}"}},"id":2.5,"jsonrpc":"2.0"}}',
            2.5,
        ),
        (
            f'{{"jsonrpc":"2.0","id":null,"method":"m","params":{{"x":"{"x" * 9000}"}}}}',
            None,
        ),
        (f'{{"x":"{"x" * 9000}"}}', None),
        ("[" * 100_000, None),
        (f'{{"method":"m","x":"{"x" * 17_000_000}","id":2.5,"y":1}}', None),
    ],
    ids=range(21),
)
def test_what_is_no_request_is_answered_under_its_id_or_null(
    server: StdioProcess, line: str, request_id: object
) -> None:
    server.write(line.encode() + b"\n")
    told = server.lines.get(timeout=PATIENCE) or b""
    answer = json.loads(told, parse_constant=pytest.fail)
    assert answer["id"] == request_id
    assert len(told) < 2000
    assert answer["error"]["code"] in (-32600, -32700)
    assert server.query("SELECT 1").structured["rows"] == [[1]]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("prompts/get", {"name": "nothing"}),
        ("tools/list", {"cursor": "wrong"}),
        ("tools/list", {"cursor": ""}),
        ("prompts/list", {"cursor": "wrong"}),
        ("resources/list", {"cursor": "wrong"}),
        ("resources/templates/list", {"cursor": "wrong"}),
        ("prompts/get", {"name": "n" * 1_000_000}),
        ("resources/read", {"uri": "zava://" + "n" * 1_000_000}),
        ("resources/read", {"uri": "zava://nothing"}),
    ],
)
def test_what_is_not_there_is_an_invalid_parameter(
    server: StdioProcess, method: str, params: dict[str, Any]
) -> None:
    answer = server.receive(server.ask(method, params))
    assert answer["error"]["code"] == -32602
    assert len(json.dumps(answer)) < 4000
    assert "Traceback" not in server.stderr


@pytest.mark.parametrize("form", ["2.0", "2", '"2"'])
def test_a_request_is_answered_under_its_id(start: Start, form: str) -> None:
    process = start()
    process.write(b'{"jsonrpc":"2.0","id":%s,"method":"ping"}\n' % form.encode())
    assert json.loads(process.lines.get(timeout=PATIENCE) or b"")["id"] == json.loads(
        form
    )


def test_a_method_that_is_not_there_is_not_repeated_at_length(
    server: StdioProcess,
) -> None:
    answer = server.receive(server.ask("m" * 1_000_000))
    assert answer["error"]["code"] == -32601
    assert len(json.dumps(answer)) < 4000


def test_a_byte_order_mark_before_the_first_message_is_skipped(start: Start) -> None:
    process = start(handshake=False)
    message = {"id": 1, "method": "initialize", "params": INITIALIZE}
    process.write(b"\xef\xbb\xbf" + process.encode(message))
    assert process.receive(1)["result"]["serverInfo"]


HOSTILE = [
    "SELECT repeat('x', 20000000)::int",
    "SELECT repeat(chr(27) || '[31m\"', 2000000)::int",
    "SELECT repeat('g', 10000000)::uuid",
    "SELECT " + ", ".join(f'1 AS "{"c" * 58}{n:04}"' for n in range(1600)),
    f'SELECT "{"x" * 60}" FROM retail.orders',
    "SELECT " + "x" * 50_000,
    "SELECT * FROM retail." + "t" * 60,
    "SELECT repeat('x', 300000), repeat('y', 300000)",
]


@pytest.mark.parametrize("sql", HOSTILE, ids=range(len(HOSTILE)))
def test_every_answer_of_a_query_has_a_ceiling(server: StdioProcess, sql: str) -> None:
    answer = server.query(sql)
    size = len(json.dumps(answer.result))
    assert size < (8_000 if answer.is_error else 2 * CEILING)


SHOP = """
    CREATE TYPE retail.level AS ENUM ('low', 'high');
    CREATE DOMAIN retail.score AS integer;
    CREATE TABLE retail."MixedCase" (id int, "Odd Name" text, l retail.level);
    INSERT INTO retail."MixedCase" VALUES (1, repeat('long', 200000), 'low'),
        (2, repeat('long', 200000), 'high'), (3, 'x', 'low');
    COMMENT ON TABLE retail."MixedCase" IS 'a table';
    CREATE VIEW retail.divides WITH (security_invoker) AS SELECT 1 / (id - 1) AS x FROM retail."MixedCase";
    CREATE VIEW retail.closed WITH (security_invoker) AS SELECT key FROM retail.identity_key;
    GRANT SELECT ON retail."MixedCase", retail.divides, retail.closed TO store_managers;
    INSERT INTO retail.shared_objects VALUES ('retail."MixedCase"', 'test');
    DO $$ BEGIN FOR n IN 0..2999 LOOP
        EXECUTE format('CREATE TABLE retail.t_%s (a int, b int, c int)', n);
        IF n % 2 = 1 THEN EXECUTE format('GRANT SELECT ON retail.t_%s TO store_managers', n); END IF;
    END LOOP; END $$;
    DO $$ BEGIN
        EXECUTE 'CREATE TYPE retail.many AS ENUM (' || (SELECT string_agg(quote_literal('label ' || g), ',') FROM generate_series(1, 300) g) || ')';
        EXECUTE 'CREATE TABLE retail.chosen ("CODE" text CHECK ("CODE" IN (' || (SELECT string_agg(quote_literal(repeat('v', 50) || g), ',') FROM generate_series(1, 9000) g) || ')), m retail.many, d text DEFAULT ' || quote_literal(repeat('d', 500000)) || ')';
        EXECUTE 'CREATE TABLE retail.wide (' || (SELECT string_agg(format('c_%s text', g), ',') FROM generate_series(1, 1000) g) || ')';
        FOR n IN 1..1000 LOOP EXECUTE format('COMMENT ON COLUMN retail.wide.c_%s IS %L', n, repeat('大', 2000)); END LOOP;
        CREATE TABLE retail."Odd Table" ("UNIT_PRICE" int);
        GRANT SELECT ON retail.chosen, retail.wide, retail."Odd Table" TO store_managers;
    END $$;
    UPDATE retail.products SET description = repeat('paint ', 15000)
    WHERE product_id IN (SELECT product_id FROM retail.products WHERE name ILIKE '%paint%' LIMIT 5);
"""


@pytest.fixture(scope="module")
def odd(
    cluster: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StdioProcess]:
    """A server of a database with odd tables and very many; the tests only read."""
    name = "zava_odd"
    clone(cluster, template, name)
    admin = cluster.conninfo(dbname=name, user="postgres")
    with psycopg.connect(admin, autocommit=True) as conn:
        for statement in SHOP.split(";\n"):
            if "DO $$" in statement:
                break
            conn.execute(statement.encode())
        conn.execute(SHOP[SHOP.index("DO $$") : SHOP.index("UPDATE")].encode())
        conn.execute(SHOP[SHOP.index("UPDATE") :].encode())
    variables = {
        "ZAVA_DATABASE_URL": cluster.conninfo(dbname=name, user="zava_server"),
        "ZAVA_ALLOW": "relations",
        "ZAVA_LOG_LEVEL": "ERROR",
    }
    with StdioProcess(SEATTLE, tmp_path_factory.mktemp("odd"), variables) as process:
        process.initialize()
        yield process


@pytest.mark.once
@pytest.mark.thorough
def test_odd_tables_are_described_and_cost_no_other_its_description(
    odd: StdioProcess,
) -> None:
    def described(*names: str) -> dict[str, Any]:
        answer = odd.call("get_multiple_table_schemas", table_names=list(names))
        assert not answer.is_error, answer.text
        assert len(answer.text) < CEILING
        return {table["table"]: table for table in answer.structured["tables"]}

    assert "sample_rows" in described("orders")["retail.orders"]
    assert len(described("t_2999")["retail.t_2999"]["columns"]) == 3
    for name in ('"MixedCase"', "MixedCase", 'retail."MixedCase"', "mixedcase"):
        (table,) = described(name).values()
        assert table["table"] == 'retail."MixedCase"'
        assert "one of low, high" in list(table["columns"].values())[2]
        assert len(table["sample_rows"][0][0]) <= 61
    for name in ("divides", "closed"):
        (table,) = described(name).values()
        assert "sample_rows" not in table
        assert "cannot be read" in table["note"]
    answer = odd.call("get_multiple_table_schemas", table_names=["t_unknown"])
    assert len(answer.text) < 500
    answer = odd.query('SELECT * FROM retail."MixedCas"')
    assert 'retail."MixedCase"' in answer.error["suggestions"]


@pytest.mark.once
@pytest.mark.thorough
def test_a_description_has_a_ceiling_in_bytes(odd: StdioProcess) -> None:
    for names in (["chosen"], ["wide"], ["wide", "orders"], ["MixedCase"] * 20):
        answer = odd.call("get_multiple_table_schemas", table_names=names)
        assert len(answer.text.encode()) <= 256 * 1024, names
        if len(set(names)) == 1:
            assert answer.structured["tables"][0]["columns"]
    (wide,) = odd.call("get_multiple_table_schemas", table_names=["wide"]).structured[
        "tables"
    ]
    assert len(wide["columns"]) == 1000
    assert "comment left out" in wide["note"]
    (chosen,) = odd.call(
        "get_multiple_table_schemas", table_names=["chosen"]
    ).structured["tables"]
    # Some of the values would pass for all.
    assert not any("one of" in column for column in chosen["columns"].values())


@pytest.mark.once
@pytest.mark.thorough
def test_a_column_is_suggested_as_it_has_to_be_written(odd: StdioProcess) -> None:
    for sql in (
        'SELECT unit_price FROM retail."Odd Table"',
        'SELECT unitprice FROM retail."Odd Table"',
    ):
        suggestions = odd.query(sql).error["suggestions"]
        assert suggestions == ['"Odd Table"."UNIT_PRICE"']
    suggestions = odd.query("SELECT code FROM retail.chosen").error["suggestions"]
    assert suggestions[0] == 'chosen."CODE"'


@pytest.mark.once
@pytest.mark.thorough
def test_arrays_of_the_database_s_own_types_are_lists(odd: StdioProcess) -> None:
    rows = odd.query(
        "SELECT ARRAY['low', 'high']::retail.level[], ARRAY[1, 2]::retail.score[],"
        " ARRAY[ROW(1, 2, 3)::retail.t_1, NULL]"
    ).structured["rows"]
    assert rows == [[["low", "high"], [1, 2], ["(1,2,3)", None]]]


@pytest.mark.once
@pytest.mark.thorough
def test_descriptions_are_cut_in_a_search(odd: StdioProcess) -> None:
    answer = odd.call("semantic_search_products", query_description="paint")
    assert not answer.is_error
    assert len(answer.text) < CEILING


GIVEN = {
    "postgresql_query": "SELECT 1",
    "table_names": ["orders"],
    "store_id": "Seattle",
    "time_period": "2026",
    "query_description": "paint",
}
LONG = ["x" * 500_000, "\u5927" * 200_000, "\x1b[31m\"'\\" * 50_000, "1," * 50_000]


@pytest.mark.once
@pytest.mark.thorough
@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
def test_no_argument_of_any_tool_makes_an_answer_long(
    server: StdioProcess, text: str
) -> None:
    # Of lists and objects one text tells enough.
    values = (text, [text] * 3, {"x": text}) if text == LONG[0] else (text,)
    for tool in server.request("tools/list")["tools"]:
        schema = tool["inputSchema"]
        needed = {name: GIVEN.get(name, "x") for name in schema.get("required", ())}
        for name in [*schema.get("properties", {}), text]:
            for value in values:
                answer = server.call(tool["name"], **{**needed, name: value})
                size = len(json.dumps(answer.result))
                assert size < (12_000 if answer.is_error else 2 * CEILING), name[:50]
