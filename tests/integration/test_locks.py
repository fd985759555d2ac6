"""Each lock of docs/security.md by itself, with the others taken away.

Where a lock can be seen to matter, the same attack is also made without it and
has to succeed: a test that passes with every lock open would prove nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import psycopg
import pytest
from psycopg import errors as pg

from tests.integration.careless_changes import GROUPS
from tests.people import REDMOND, SEATTLE
from zava.admin.embedded import EmbeddedServer
from zava.data.pipeline import exchange
from zava.data.provider import PostgreSQLProvider
from zava.data.statements import statement
from zava.data.transaction import Query, run_queries
from zava.errors import QueryError
from zava.models import Identity

pytestmark = pytest.mark.thorough

Connection = psycopg.Connection[Any]


def value(conn: Connection, query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@dataclass(frozen=True)
class Shop:
    """A database of this module's, changed as a test needs it."""

    superuser: Connection  # bound by no role, grant or policy
    server: PostgreSQLProvider
    seattle: Identity


OpenShop = Callable[..., Shop]


@pytest.fixture(scope="module")
def open_shop(cluster: EmbeddedServer, template: str) -> Iterator[OpenShop]:
    """Return the database on which the given statements have been run, and no others."""
    conninfo = partial(cluster.conninfo, user="postgres")
    with ExitStack() as stack:
        connect = partial(psycopg.connect, autocommit=True)
        postgres = stack.enter_context(connect(conninfo(dbname="postgres")))

        @cache
        def open_one(*statements: str) -> Shop:
            name = f"test_{uuid.uuid4().hex}"
            postgres.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
            drop = f"DROP DATABASE {name} WITH (FORCE)"
            stack.callback(postgres.execute, drop.encode())
            superuser = stack.enter_context(connect(conninfo(dbname=name)))
            superuser.execute(
                f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC".encode()
            )
            login = cluster.conninfo(dbname=name, user="zava_server")
            server = PostgreSQLProvider(
                {"conninfo": login, "min_size": 1, "max_size": 1}
            )
            stack.callback(server.close)
            server.open()
            seattle = server.resolve_identity(SEATTLE)
            for text in statements:
                superuser.execute(text.encode())
            return Shop(superuser, server, seattle)

        yield open_one


@pytest.fixture(scope="module")
def powerful() -> Identity:
    """An identity whose role is a superuser's: the role lock taken away."""
    values = {
        "user_id": SEATTLE,
        "role_name": "postgres",
        "display_name": "",
        "store_ids": (),
        "seal": "0" * 64,
        "schema_version": "",
    }
    return Identity.model_construct(**values)  # type: ignore[arg-type]


# 1. The grammar behind DECLARE CURSOR ---------------------------------------

NO_QUERIES = [
    "INSERT INTO retail.categories (name) VALUES ('stolen')",
    "UPDATE retail.orders SET status = 'pending'",
    "DELETE FROM retail.order_items",
    "TRUNCATE retail.order_items",
    "MERGE INTO retail.categories AS c USING (VALUES ('stolen')) AS v (n) ON false"
    " WHEN NOT MATCHED THEN INSERT (name) VALUES (v.n)",
    "WITH w AS (INSERT INTO retail.categories (name) VALUES ('stolen') RETURNING 1) SELECT * FROM w",
    "WITH w AS (DELETE FROM retail.order_items RETURNING 1) SELECT 1",
    "CREATE TABLE public.stolen ()",
    "SELECT 1 INTO public.stolen",
    "SELECT 1; CREATE TABLE public.stolen ()",
    "SELECT 1; COMMIT; CREATE TABLE public.stolen ()",
    "COMMIT",
    "ROLLBACK",
    "SET ROLE postgres",
    "SET TRANSACTION READ WRITE",
    f"SET app.current_rls_user_id = '{REDMOND}'",
    "RESET ALL",
    "DO $$ BEGIN CREATE TABLE public.stolen (); END $$",
    "CALL nothing()",
    "COPY retail.orders TO STDOUT",
    "COPY retail.orders TO PROGRAM 'true'",
    "PREPARE p AS SELECT 1",
    "EXPLAIN ANALYZE DELETE FROM retail.order_items",
    "EXPLAIN SELECT 1",
    "SHOW port",
    "LISTEN x",
    "LOCK TABLE retail.orders",
    "VACUUM",
    "GRANT ALL ON retail.orders TO PUBLIC",
]


@pytest.mark.parametrize("text", NO_QUERIES)
def test_the_grammar_alone_admits_one_query_and_nothing_else(
    open_shop: OpenShop, text: str
) -> None:
    superuser = open_shop().superuser
    before = whole_state(superuser)
    declare = statement("declare").replace("{cursor}", "zava0") + " "
    # Read and write, as a superuser, and committed.
    texts = ["BEGIN READ WRITE", declare + text, "FETCH ALL FROM zava0", "COMMIT"]
    with pytest.raises(
        (pg.SyntaxError, pg.FeatureNotSupported, pg.InvalidCursorDefinition)
    ):
        exchange(superuser, [t.encode() for t in texts])
    superuser.rollback()
    assert whole_state(superuser) == before


def whole_state(conn: Connection) -> list[Any]:
    return [
        value(conn, "SELECT count(*) FROM retail.categories"),
        value(conn, "SELECT count(*) FROM retail.order_items"),
        value(conn, "SELECT count(*) FROM retail.orders WHERE status = 'pending'"),
        value(conn, "SELECT to_regclass('public.stolen')"),
        value(conn, "SELECT session_user || current_user"),
        value(conn, "SELECT current_setting('app.current_rls_user_id', true)"),
        value(conn, "SELECT relacl::text FROM pg_class WHERE relname = 'orders'"),
    ]


# 2. Read only, rolled back, fetched as far as asked --------------------------

WRITER = """
    CREATE FUNCTION public.write() RETURNS int LANGUAGE sql AS $$
        INSERT INTO retail.categories (name) VALUES ('stolen') RETURNING 1
    $$
"""


def test_a_read_only_transaction_alone_keeps_a_function_from_writing(
    open_shop: OpenShop, powerful: Identity
) -> None:
    superuser = open_shop(WRITER).superuser
    with pytest.raises(pg.ReadOnlySqlTransaction):
        run_queries(superuser, [Query("SELECT public.write()")], powerful)
    superuser.rollback()
    assert "READ ONLY" in statement("begin_snapshot")


def test_the_rollback_alone_undoes_what_a_query_wrote(open_shop: OpenShop) -> None:
    superuser = open_shop(WRITER).superuser
    count = "SELECT count(*) FROM retail.categories WHERE name = 'stolen'"
    superuser.execute("BEGIN READ WRITE")
    superuser.execute("SELECT public.write()")
    assert value(superuser, count) == 1
    superuser.execute(statement("rollback").encode())
    assert value(superuser, count) == 0


@pytest.mark.parametrize("text", ["SELECT name FROM retail.stores", "SELECT 1 / 0"])
def test_nothing_of_a_caller_outlives_the_transaction(
    open_shop: OpenShop, text: str
) -> None:
    shop = open_shop()
    with suppress(QueryError):
        shop.server.fetch(text, shop.seattle, 10)
    with lent_connection(shop) as conn:
        assert value(conn, "SELECT current_user") == "zava_server"
        assert value(conn, "SHOW app.current_rls_user_id") == ""
        assert value(conn, "SHOW app.current_rls_seal") == ""
        assert value(conn, "SHOW transaction_read_only") == "off"


def test_only_the_rows_that_are_asked_for_are_ever_made(open_shop: OpenShop) -> None:
    shop = open_shop()
    text = "SELECT generate_series(1, 1000000000000)"
    result = shop.server.fetch(text, shop.seattle, 10)
    assert len(result.rows) == 10
    assert result.truncated == "max_rows"


# 3. The role ----------------------------------------------------------------


@pytest.mark.parametrize("role", ["store_managers", "regional_managers"])
@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO retail.categories (name) VALUES ('stolen')",
        "UPDATE retail.orders SET status = 'pending'",
        "DELETE FROM retail.order_items",
        "TRUNCATE retail.order_items",
        "CREATE TABLE retail.stolen ()",
        "CREATE TABLE public.stolen ()",
        "CREATE TEMPORARY TABLE stolen ()",
        "CREATE SCHEMA stolen",
        "ALTER TABLE retail.orders DISABLE ROW LEVEL SECURITY",
        "SELECT key FROM retail.identity_key",
        "SELECT login FROM retail.login_identities",
        "SELECT name FROM retail.regional_managers",
        "SELECT store_id FROM retail.regional_manager_stores",
        f"SELECT retail.resolve_identity('{REDMOND}')",
        f"SELECT retail.identity_seal('{REDMOND}')",
        "SELECT retail.sealed_user_id()",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_hba_file_rules",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "GRANT SELECT ON retail.orders TO PUBLIC",
    ],
)
def test_the_role_alone_may_read_the_shop_s_tables_and_nothing_else(
    open_shop: OpenShop, role: str, text: str
) -> None:
    # Read and write, without a cursor, and without row level security.
    shop = open_shop("ALTER TABLE retail.orders DISABLE ROW LEVEL SECURITY")
    superuser = shop.superuser
    superuser.execute(f"SET SESSION AUTHORIZATION {role}".encode())
    try:
        with pytest.raises(pg.InsufficientPrivilege):
            superuser.execute(text.encode())
        assert value(superuser, "SELECT count(*) FROM retail.orders") > 0
    finally:
        superuser.execute("RESET SESSION AUTHORIZATION")


def test_the_transaction_runs_as_the_group_and_not_as_the_login(
    open_shop: OpenShop,
) -> None:
    shop = open_shop()
    text = "SELECT current_user, session_user"
    result = shop.server.fetch(text, shop.seattle, 1)
    assert result.rows == (("store_managers_personal", "zava_server"),)


# 4 and 5. Closed functions, and the seal --------------------------------------

UNSEALED = """
    CREATE OR REPLACE FUNCTION retail.sealed_user_id() RETURNS uuid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN nullif(current_setting('app.current_rls_user_id', true), '')::uuid
"""
OPEN = "GRANT EXECUTE ON FUNCTION set_config(text, text, boolean) TO PUBLIC"

SETTING = "'app.current_rls_' || 'user_id'"
SWITCHES = [
    pytest.param(
        f"WITH s AS MATERIALIZED (SELECT set_config({SETTING}, '{REDMOND}', true) AS x)"
        " SELECT name FROM s, LATERAL (SELECT name, s.x FROM retail.stores) AS t",
        id="materialized",
    ),
    pytest.param(
        f"SELECT t.name FROM (VALUES (set_config({SETTING}, '{REDMOND}', false))) AS v (x)"
        " CROSS JOIN LATERAL (SELECT name FROM retail.stores WHERE v.x <> '' OFFSET 0) AS t",
        id="values",
    ),
    pytest.param(
        f"SELECT CASE WHEN set_config({SETTING}, '{REDMOND}', true) <> ''"
        " THEN (SELECT string_agg(name, ',') FROM retail.stores) END",
        id="case",
    ),
    pytest.param(
        f"SELECT pg_catalog . \"set_config\"({SETTING}, '{REDMOND}', true),"
        " (SELECT string_agg(name, ',') FROM retail.stores WHERE random() >= 0)",
        id="target-list",
    ),
]


def stores_seen(shop: Shop, text: str) -> str:
    """The rows of a query as text, or the code of its refusal."""
    try:
        return str(shop.server.fetch(text, shop.seattle, 10).rows)
    except QueryError as exc:
        return exc.error_code


@contextmanager
def lent_connection(shop: Shop) -> Iterator[Connection]:
    """The server's connection, to do with what a query could not; reset after."""
    pool = shop.server.connection_pool
    assert pool is not None
    with pool.checkout() as conn:
        yield conn
        conn.execute("RESET ALL")
        conn.execute("RESET ROLE")


@pytest.mark.parametrize("text", SWITCHES)
def test_without_both_a_query_reads_another_store(
    open_shop: OpenShop, text: str
) -> None:
    assert "Redmond" in stores_seen(open_shop(UNSEALED, OPEN), text)


@pytest.mark.parametrize("text", SWITCHES)
def test_a_closed_set_config_alone_keeps_a_query_from_another_store(
    open_shop: OpenShop, text: str
) -> None:
    assert stores_seen(open_shop(UNSEALED), text) == "INSUFFICIENT_PRIVILEGE"


@pytest.mark.parametrize("text", SWITCHES)
def test_the_seal_alone_keeps_a_query_from_another_store(
    open_shop: OpenShop, text: str
) -> None:
    shop = open_shop(OPEN)
    assert "Redmond" not in stores_seen(shop, text)
    # What a query set does not stay for the next caller either.
    own = stores_seen(shop, "SELECT name FROM retail.stores")
    assert own == "(('Zava Retail Seattle',),)"


def test_the_seal_alone_needs_neither_cursor_nor_transaction(
    open_shop: OpenShop,
) -> None:
    shop = open_shop(OPEN)
    with lent_connection(shop) as conn:
        conn.execute("SET ROLE store_managers")

        def stores(user_id: str) -> Any:
            for name, text in (("user_id", user_id), ("seal", shop.seattle.seal)):
                conn.execute(
                    "SELECT set_config(%s, %s, false)",
                    (f"app.current_rls_{name}", text),
                )
            return value(conn, "SELECT count(*) FROM retail.stores")

        assert stores(SEATTLE) == 1
        with pytest.raises(pg.InvalidAuthorizationSpecification):
            stores(REDMOND)


def test_a_new_key_makes_every_seal_worthless(open_shop: OpenShop) -> None:
    shop = open_shop("UPDATE retail.identity_key SET key = sha256(key) || key")
    with lent_connection(shop) as conn:
        with pytest.raises(pg.InvalidAuthorizationSpecification):
            run_queries(conn, [Query("SELECT name FROM retail.stores")], shop.seattle)
        conn.rollback()


# Row level security itself ----------------------------------------------------


@pytest.mark.parametrize(
    "user_id",
    [pytest.param(SEATTLE, id="seattle"), pytest.param(REDMOND, id="redmond")],
)
def test_the_policies_alone_show_each_person_their_store(
    open_shop: OpenShop, user_id: str
) -> None:
    # Without cursor, read only or rollback, with the functions open.
    shop = open_shop(OPEN)
    identity = shop.server.resolve_identity(user_id)
    tables = ("stores", "customers", "orders", "order_items", "inventory")
    with lent_connection(shop) as conn:
        conn.execute("SET ROLE store_managers")
        conn.execute(f"SET app.current_rls_user_id = '{user_id}'".encode())
        conn.execute(f"SET app.current_rls_seal = '{identity.seal}'".encode())
        for table in tables:
            query = f"SELECT DISTINCT store_id FROM retail.{table}"
            if table == "customers":  # also those who have bought here
                query += " WHERE customer_id NOT IN (SELECT customer_id FROM retail.orders WHERE customer_id IS NOT NULL)"
            seen = conn.execute(query.encode())
            assert {row[0] for row in seen} <= set(identity.store_ids)
            seen = conn.execute(
                f"SELECT DISTINCT store_id FROM retail.{table}".encode()
            )
            assert {row[0] for row in seen} >= set(identity.store_ids)


@pytest.mark.parametrize("is_granted", [False, True], ids=["columns", "whole-table"])
@pytest.mark.parametrize("group", [*GROUPS, *(f"{group}_personal" for group in GROUPS)])
def test_whoever_becomes_a_group_cannot_drop_what_it_owns(
    cluster: EmbeddedServer, database: str, group: str, is_granted: bool
) -> None:
    # PostgreSQL would take the group out of the policies, and its rights away.
    policies = (
        "SELECT polname, polroles::text FROM pg_policy ORDER BY polrelid, polname"
    )
    admin = cluster.conninfo(dbname=database, user="postgres")
    with psycopg.connect(admin, autocommit=True) as superuser:
        if is_granted:
            superuser.execute(
                f"GRANT SELECT ON retail.customers, retail.orders, retail.chain TO {group}".encode()
            )
        before = superuser.execute(policies).fetchall()
        login = cluster.conninfo(dbname=database, user="zava_server")
        with psycopg.connect(login, autocommit=True) as conn:
            conn.execute(f"SET ROLE {group}".encode())
            with pytest.raises(pg.InsufficientPrivilege):
                conn.execute(f"DROP OWNED BY {group}".encode())
            with pytest.raises(pg.InsufficientPrivilege):
                conn.execute(f"REASSIGN OWNED BY {group} TO zava_owner".encode())
        assert superuser.execute(policies).fetchall() == before
