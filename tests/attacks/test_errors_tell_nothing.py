"""No error tells of another store's row: policies are applied before whatever may fail.

Each expression fails on a row of another store. A superuser, whom no policy binds, meets
the error; a store manager does not.
"""

from __future__ import annotations

import pytest

from tests.attacks.twins import Twin, answer

pytestmark = pytest.mark.thorough

TABLES = [
    *("stores", "customers", "orders", "order_items", "inventory", "kept_daily_sales"),
    *("kept_daily_product_sales", "kept_monthly_product_sales", "kept_visits"),
    *(
        "changed_orders",
        "kept_customers",
        "product_pairs",
        "segment_products",
        "customer_segments",
    ),
]


# What holds, with a hole for the value that fails and the one that does not.
CONDITIONS = {
    "division": ("1 / ? > 0", "0", "1"),
    "modulo": ("5 % ? > 0", "0", "3"),
    "numeric-division": ("1.0 / ? > 0", "0", "1"),
    "cast-to-int": ("?::int = 1", "'x'", "'1'"),
    "cast-to-uuid": ("?::uuid IS NOT NULL", "'x'", "'00000000-0000-0000-0000-000000000001'"),
    "cast-to-date": ("?::date IS NOT NULL", "'x'", "'2026-01-01'"),
    "cast-to-json": ("?::jsonb IS NOT NULL", "'{'", "'{}'"),
    "cast-to-inet": ("?::inet IS NOT NULL", "'x'", "'::1'"),
    "cast-to-class": ("?::regclass IS NOT NULL", "'no.such'", "'retail.orders'"),
    "cast-to-boolean": ("?::bool", "'x'", "'t'"),
    "cast-to-array": ("?::int[] IS NOT NULL", "'{'", "'{1}'"),
    "cast-to-vector": ("?::public.vector IS NOT NULL", "'x'", "'[1]'"),
    "vector-dimensions": ("public.l2_distance('[1,2]', ?::public.vector) >= 0", "'[1]'", "'[1,2]'"),
    "bad-call": ("public.vector_accum(?::float8[], '[1]') IS NOT NULL", "'{}'", "'{0}'"),
    "json-path": ("NOT jsonb_path_exists('{}', ?::jsonpath)", "'$..'", "'$.a'"),
    "regular-expression": ("'a' ~ ?", "'('", "'a'"),
    "like-escape": ("'ab' LIKE ('a' || ?)", "chr(92)", "'b'"),
    "similar-escape": ("'a' SIMILAR TO 'a' ESCAPE ?", "'xy'", "'#'"),
    "square-root": ("sqrt(?) = 1", "-1", "1"),
    "logarithm": ("ln(?) = 0", "0", "1"),
    "power": ("power(?::float8, 999) = 1", "10", "1"),
    "integer-overflow": ("2147483647 + ? > 0", "1", "0"),
    "zero-byte": ("chr(?) = 'A'", "0", "65"),
    "substring": ("substring('abc', 1, ?) = 'a'", "-1", "1"),
    "byte-out-of-range": ("get_byte('a', ?) = 97", "9", "0"),
    "impossible-date": ("make_date(2026, ?, 1) IS NOT NULL", "13", "1"),
    "date-part": ("date_part(?, date '2026-01-01') = 1", "'x'", "'day'"),
    "time-zone": ("now() AT TIME ZONE ? IS NOT NULL", "'x/y'", "'UTC'"),
    "hexadecimal": ("decode(?, 'hex') IS NOT NULL", "'x'", "'41'"),
    "encoding": ("convert_from(?, 'UTF8') = 'a'", "bytea '\\xff'", "bytea 'a'"),
    "too-large": ("repeat('x', ?) = 'x'", "2000000000", "1"),
    "format": ("format(?) = 'a'", "'%z'", "'a'"),
    "series-without-step": ("EXISTS (SELECT FROM generate_series(1, 2, ?))", "0", "1"),
}  # fmt: skip


def filled(text: str, bad: str, good: str) -> str:
    value = f"(CASE WHEN <foreign> THEN {bad} ELSE {good} END)"
    return text.replace("?", value)


_ONE = filled("1 / ?", "0", "1")
# Where in a query the expression can stand.
PLACES = {
    "select-list": f"SELECT max({_ONE}) FROM <t> AS t",
    "negated": f"SELECT count(*) FROM <t> AS t WHERE NOT {_ONE} < 0",
    "after-foreign-filter": f"SELECT count(*) FROM <t> AS t WHERE <foreign> AND {_ONE} > 0",
    "or": f"SELECT count(*) FROM <t> AS t WHERE false OR {_ONE} > 0",
    "group-by": f"SELECT {_ONE}, count(*) FROM <t> AS t GROUP BY 1",
    "rollup": f"SELECT {_ONE}, count(*) FROM <t> AS t GROUP BY ROLLUP (1)",
    "having": f"SELECT count(*) FROM <t> AS t GROUP BY t.store_id HAVING {_ONE} > 0",
    "order-by": f"SELECT 1 FROM <t> AS t ORDER BY {_ONE} LIMIT 1",
    "distinct": f"SELECT DISTINCT {_ONE} FROM <t> AS t",
    "distinct-on": f"SELECT DISTINCT ON ({_ONE}) 1 FROM <t> AS t",
    "filter": f"SELECT count(*) FILTER (WHERE {_ONE} > 0) FROM <t> AS t",
    "window": f"SELECT count(*) OVER (PARTITION BY {_ONE}) FROM <t> AS t",
    "join": f"SELECT count(*) FROM (VALUES (1)) AS v (x) JOIN <t> AS t ON v.x = {_ONE}",
    "left-join": f"SELECT count(*) FROM (VALUES (1)) AS v (x) LEFT JOIN <t> AS t ON v.x = {_ONE}",
    "full-join": f"SELECT count(*) FROM <t> AS t FULL JOIN (VALUES (1)) AS v (x) ON v.x = {_ONE}",
    "join-of-stores": f"SELECT count(*) FROM <t> AS t JOIN retail.stores AS s ON s.store_id = t.store_id AND {_ONE} > 0",
    "lateral": f"SELECT count(*) FROM <t> AS t, LATERAL (SELECT {_ONE} AS x) AS l WHERE l.x > 0",
    "exists": f"SELECT exists(SELECT FROM <t> AS t WHERE {_ONE} > 1)",
    "in": f"SELECT 2 IN (SELECT {_ONE} FROM <t> AS t)",
    "not-in": f"SELECT 2 NOT IN (SELECT {_ONE} FROM <t> AS t)",
    "scalar": f"SELECT (SELECT max({_ONE}) FROM <t> AS t)",
    "array": f"SELECT cardinality(ARRAY(SELECT {_ONE} FROM <t> AS t))",
    "materialized": f"WITH w AS MATERIALIZED (SELECT {_ONE} AS x FROM <t> AS t) SELECT max(x) FROM w",
    "not-materialized": f"WITH w AS NOT MATERIALIZED (SELECT {_ONE} AS x FROM <t> AS t) SELECT count(*) FROM w WHERE x > 0",
    "union": f"SELECT 1 UNION SELECT {_ONE} FROM <t> AS t",
    "except": f"SELECT {_ONE} FROM <t> AS t EXCEPT SELECT 1",
    "sample": f"SELECT count(*) FROM <t> AS t TABLESAMPLE SYSTEM (100) WHERE {_ONE} > 0",
    "row-comparison": f"SELECT count(*) FROM <t> AS t WHERE ({_ONE}, 1) = (1, 1)",
}  # fmt: skip
SHAPES = {
    **{
        name: f"SELECT count(*) FROM <t> AS t WHERE {filled(*condition)}"
        for name, condition in CONDITIONS.items()
    },
    **PLACES,
}


def own_store(twin: Twin) -> str:
    row = twin.seattle.execute("SELECT store_id FROM retail.stores").fetchone()
    assert row is not None
    return str(row[0])


def stranger_to(twin: Twin) -> str:
    """Return the key of a customer whom the session does not see."""
    seen = {
        key
        for (key,) in twin.seattle.execute("SELECT customer_id FROM retail.customers")
    }
    keys = twin.superuser.execute("SELECT customer_id FROM retail.customers ORDER BY 1")
    return next(str(key) for (key,) in keys if key not in seen)


@pytest.mark.parametrize("shape", SHAPES)
def test_another_stores_row_brings_about_no_error(
    both: tuple[Twin, Twin], shape: str
) -> None:
    quiet = both[0]
    own, stranger = own_store(quiet), stranger_to(quiet)
    for table in TABLES:
        foreign = f"t.store_id <> '{own}'"
        if table == "customers":  # one whose home is elsewhere may have bought here
            foreign = f"t.customer_id = '{stranger}'"
        sql = SHAPES[shape].replace("<t>", f"retail.{table}")
        sql = sql.replace("<foreign>", foreign)
        if table == "customers":
            sql = sql.replace("GROUP BY t.store_id", "GROUP BY t.customer_id")
        told = answer(quiet.seattle, sql)
        assert (table, told[:1], told) == (table, "[", told)
        unbound = answer(quiet.superuser, sql)
        assert (table, unbound[:5]) == (table, "ERROR")
