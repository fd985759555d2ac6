"""The oracle fires on every kind of leak, and only on leaks."""

from __future__ import annotations

import psycopg
import pytest

from tests.attacks.oracle import Found
from tests.attacks.setting import HEAD_OFFICE, PEOPLE, REGION, STORE_MANAGER, Attacked

pytestmark = [pytest.mark.thorough, pytest.mark.once]

OWN = (
    "SELECT * FROM retail.{table} WHERE store_id = ANY (%s::uuid[]) -- {table}",
    "SELECT {figure} FROM retail.{table} WHERE store_id = ANY (%s::uuid[])",
)
FIGURES = {
    "customers": "count(*)",
    "orders": "count(*), sum(total_amount), avg(total_amount)",
    "order_items": "count(*), sum(quantity), sum(total_amount)",
    "inventory": "count(*), sum(stock_level)",
    "stores": "count(*)",
}


def leaked(owner: psycopg.Connection, sql: str, *values: object) -> Found:
    """What a superuser gets, and a careless server would hand on."""
    cursor = owner.execute(sql.encode(), values or None)
    assert cursor.description is not None
    types = [column.type_display for column in cursor.description]
    names = {"bigint": "int8", "integer": "int4", "double precision": "float8"}
    rows = [[shown(cell) for cell in row] for row in cursor]
    return Found.of_rows([names.get(t, t) for t in types], rows)


def shown(cell: object) -> object:
    return "\\x" + cell.hex() if isinstance(cell, bytes) else cell


@pytest.mark.parametrize("name", [STORE_MANAGER, REGION])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT store_id FROM retail.stores",
        "SELECT upper(store_id::text) FROM retail.stores",
        "SELECT replace(store_id::text, '-', '') FROM retail.stores",
        "SELECT manager_id FROM retail.stores",
        "SELECT name FROM retail.stores",
        "SELECT upper(name) FROM retail.stores",
        "SELECT user_id FROM retail.regional_managers",
        "SELECT email FROM retail.customers",
        "SELECT string_agg(email, ';') FROM retail.customers",
        "SELECT customer_id FROM retail.customers",
        "SELECT c FROM retail.customers AS c",
        "SELECT jsonb_agg(o) FROM retail.orders AS o",
        "SELECT order_id FROM retail.orders",
        "SELECT array_agg(order_item_id) FROM retail.order_items",
        "SELECT first_name FROM retail.customers",
        "SELECT count(*) FROM retail.orders",
        "SELECT count(*) FROM retail.customers",
        "SELECT count(*) FROM retail.order_items",
        "SELECT sum(stock_level) FROM retail.inventory",
        "SELECT sum(total_amount) FROM retail.orders",
        "SELECT store_id::text::bytea, sum(total_amount) FROM retail.order_items GROUP BY 1",
        "SELECT max(total_amount) * 1.0 FROM retail.orders JOIN retail.stores USING (store_id) WHERE location LIKE 'Spokane%'",
        "SELECT 'sum ' || sum(total_amount) FROM retail.orders",
        "SELECT n_live_tup, reltuples::bigint FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid WHERE s.relname = 'customers'",
    ],
)
def test_a_planted_leak_of_rows_is_found(
    attacked: Attacked, name: str, sql: str
) -> None:
    assert attacked.oracles[name].find(leaked(attacked.owner, sql), sql)


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT key FROM retail.identity_key",
        "SELECT encode(key, 'hex') FROM retail.identity_key",
        "SELECT query FROM pg_stat_activity",
        "SELECT data FROM pg_largeobject",
        "SELECT convert_from(lo_get(oid), 'UTF8') FROM pg_largeobject_metadata",
        "SELECT user_id FROM retail.regional_manager_stores",
    ],
)
def test_a_planted_leak_of_a_secret_is_found(
    attacked: Attacked, name: str, sql: str
) -> None:
    assert attacked.oracles[name].find(leaked(attacked.owner, sql), sql)


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("of", PEOPLE)
def test_a_seal_is_found_whosever_it_is(attacked: Attacked, name: str, of: str) -> None:
    seal = attacked.values[of]["own_seal"]
    text = Found.of_text(f"[INVALID_TEXT_REPRESENTATION] uuid: {seal.upper()}")
    assert attacked.oracles[name].find(text, "SELECT 1")
    assert not attacked.oracles[name].find(text, f"SELECT '{seal}'::uuid")


def test_a_leak_in_the_text_of_an_error_is_found(attacked: Attacked) -> None:
    values = attacked.values[STORE_MANAGER]
    for secret in (values["other_email"], values["other_order"], "zava retail online"):
        text = Found.of_text(f'[X] invalid input syntax for type integer: "{secret}"')
        assert attacked.oracles[STORE_MANAGER].find(text, "SELECT 1")
        # What the query itself says comes from the asker.
        assert not attacked.oracles[STORE_MANAGER].find(text, f"SELECT '{secret}'")


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("table", FIGURES)
@pytest.mark.parametrize("form", OWN, ids=["rows", "figures"])
def test_own_rows_and_figures_are_no_leak(
    attacked: Attacked, name: str, table: str, form: str
) -> None:
    sql = form.format(table=table, figure=FIGURES[table])
    if table == "stores" and form == OWN[0]:
        # The person of another store is not one's own, even where the store is.
        sql = sql.replace("*", "store_id, name, location", 1)
    if table == "customers":  # where they buy besides is nobody's to read
        sql = sql.replace("SELECT *", "SELECT customer_id, store_id, email")
    found = leaked(attacked.owner, sql, list(attacked.people[name].stores))
    assert attacked.oracles[name].find(found, "SELECT 1") == []


def test_the_catalogue_is_no_leak(attacked: Attacked) -> None:
    for table in ("categories", "product_types", "products"):
        found = leaked(attacked.owner, f"SELECT * FROM retail.{table}")
        for name in PEOPLE:
            assert attacked.oracles[name].find(found, "SELECT 1") == []


def test_head_office_has_no_foreign_store(attacked: Attacked) -> None:
    assert (
        attacked.oracles[HEAD_OFFICE].find(
            leaked(attacked.owner, "SELECT * FROM retail.orders"), "SELECT 1"
        )
        == []
    )
