"""How seed.sql behaves as a program, and that its rows are the same everywhere."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.conftest import AS_OF, RunPsql
from tests.integration.seeding import (
    SEED,
    SEED_SQL,
    TABLES,
    load_schema,
    load_seed,
    rows,
    value,
)
from zava.admin.embedded import EmbeddedServer

pytestmark = pytest.mark.thorough

STEPS = [
    "zava: 1/10 checks",
    "zava: 2/10 reference data",
    "zava: 3/10 orders and items",
    "zava: 4/10 customers",
    "zava: 5/10 inventory",
    "zava: 6/10 primary and unique keys",
    "zava: 7/10 indexes",
    "zava: 8/10 foreign keys",
    "zava: 9/10 statistics",
    "zava: 10/10 sales totals",
    "zava: done",
]
TOTALS = [
    "kept_daily_sales", "kept_daily_product_sales", "kept_monthly_product_sales",
    "kept_visits", "changed_orders", "kept_customers", "product_pairs", "segment_products", "customer_segments",
]  # fmt: skip

# Of every row at scale 0.002 as of 2026-06-30, the same on every PostgreSQL. After
# a change of the rows that is meant, show the new ones and copy them from the left:
#     python -m pytest tests/integration/test_seed.py -k recorded -vv
CHECKSUMS = {
    "stores": "b5289051d12191e4327a8cda86ae99b2",
    "regional_managers": "77cf488dd6f4d1e1de68b75d6e526821",
    "regional_manager_stores": "8ff350ed72f72022a35126b3e8feba8e",
    "categories": "4f3f22e3c29a27dd0223251644057aef",
    "product_types": "253541651366bbf4951a25fdba1b67ff",
    "products": "0fb18a1d8dbec6826ca486f19746a30c",
    "customers": "c743a296f7c94f8d1679d5fce259cf7a",
    "orders": "863111fff373dc26008e37ebf0670f01",
    "order_items": "7648301273f6f00628660f3177f35247",
    "inventory": "6e76fd6f977110ee4dd5c168079968a1",
}


SMALL = ("-v", "scale=0.002", "-v", f"as_of={AS_OF}")


def checksums(conninfo: str) -> dict[str, str]:
    with psycopg.connect(conninfo, options="-c TimeZone=UTC -c DateStyle=ISO") as conn:
        return {
            table: value(
                conn,
                f"""
                SELECT md5(coalesce(string_agg(row, E'\\n' ORDER BY row COLLATE "C"), ''))
                FROM (SELECT t::text AS row FROM retail.{table} AS t) AS rows
                """,
            )
            for table in TABLES
        }


def catalogue(conninfo: str) -> list[tuple[Any, ...]]:
    """Constraints, indexes and triggers of the schema, with their comments."""
    with psycopg.connect(conninfo) as conn:
        return rows(
            conn,
            """
            SELECT 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid),
                   obj_description(oid, 'pg_constraint'), convalidated
            FROM pg_constraint WHERE connamespace = 'retail'::regnamespace
            UNION ALL
            SELECT 'index', indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid),
                   obj_description(indexrelid, 'pg_class'), indisvalid
            FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
            WHERE c.relnamespace = 'retail'::regnamespace
            UNION ALL
            SELECT 'trigger', tgrelid::regclass::text, tgname::text, pg_get_triggerdef(oid),
                   obj_description(oid, 'pg_trigger'), tgenabled = 'O'
            FROM pg_trigger
            WHERE NOT tgisinternal
            UNION ALL
            SELECT 'column', attrelid::regclass::text, attname::text, format_type(atttypid, atttypmod),
                   col_description(attrelid, attnum), attnotnull
            FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
            WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind = 'r' AND attnum > 0
            ORDER BY 1, 2, 3, 4
            """,
        )


# The program


def test_the_rows_are_the_recorded_ones_on_every_version(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, *SMALL)
    assert checksums(empty_database) == CHECKSUMS


@pytest.mark.once
def test_the_number_of_orders_does_not_depend_on_the_last_day(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, "-v", "scale=0.002", "-v", "as_of=2020-01-31")
    with psycopg.connect(empty_database) as conn:
        [(early, last)] = rows(conn, "SELECT count(*) FILTER (WHERE NOT is_return), max(business_day) FROM retail.orders")  # fmt: skip
    load_seed(run_psql, empty_database, *SMALL, "-v", "reset=yes")
    with psycopg.connect(empty_database) as conn:
        assert value(conn, "SELECT count(*) FROM retail.orders WHERE NOT is_return") == early  # fmt: skip
    assert last <= date(2020, 1, 31)


@pytest.mark.once
def test_even_the_smallest_chain_has_a_customer_in_every_store(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, "-v", "scale=0.0001")
    with psycopg.connect(empty_database) as conn:
        counts = rows(conn, "SELECT count(*) FROM retail.customers GROUP BY store_id")
    assert counts == [(1,)] * 8


@pytest.mark.once
def test_stdout_holds_one_line_a_step_and_nothing_else(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    loaded = run_psql(empty_database, *SMALL, "-f", SEED_SQL)
    assert (loaded.returncode, loaded.stderr) == (0, "")
    assert loaded.stdout.splitlines() == STEPS


@pytest.mark.once
def test_a_filled_database_is_refused_and_left_as_it_was(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, *SMALL)
    before = checksums(empty_database), catalogue(empty_database)
    # Without -v ON_ERROR_STOP: the script sees to that.
    again = run_psql(empty_database, *SMALL, "-f", SEED_SQL)
    assert again.returncode == 3
    assert again.stdout.splitlines() == STEPS[:1]
    [line] = again.stderr.splitlines()
    assert "already holds data" in line
    assert "reset=yes" in line
    assert (checksums(empty_database), catalogue(empty_database)) == before


@pytest.mark.once
def test_reset_replaces_the_data_and_keeps_the_logins(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, *SMALL)
    before = checksums(empty_database)
    with psycopg.connect(empty_database) as conn:
        conn.execute("UPDATE retail.customers SET last_name = 'Changed'")
        conn.execute("DELETE FROM retail.order_items")
        conn.execute(
            "INSERT INTO retail.login_identities (login, user_id)"
            " SELECT 'somebody', manager_id FROM retail.stores LIMIT 1"
        )
    load_seed(run_psql, empty_database, *SMALL, "-v", "reset=yes")
    assert checksums(empty_database) == before
    with psycopg.connect(empty_database) as conn:
        assert value(conn, "SELECT count(*) FROM retail.login_identities") == 1


@pytest.mark.once
def test_a_chain_of_its_own_is_refused_until_reset(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute("UPDATE retail.chain SET currency = 'CAD'")
    refused = run_psql(empty_database, *SMALL, "-f", SEED_SQL)
    assert refused.returncode == 3
    assert "already holds data (chain)" in refused.stderr
    load_seed(run_psql, empty_database, *SMALL, "-v", "reset=yes")
    with psycopg.connect(empty_database) as conn:
        assert value(conn, "SELECT currency FROM retail.chain") == "USD"


def test_without_a_date_the_last_day_is_today_in_the_time_zone_of_the_chain(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, "-v", "scale=0.0001")
    with psycopg.connect(empty_database) as conn:
        counted, today = rows(
            conn,
            """
            SELECT max(counted_at AT TIME ZONE 'America/Los_Angeles')::date FROM retail.inventory
            UNION ALL SELECT retail.current_business_day()
            """,
        )
    # Midnight may have come between the two.
    assert counted[0] in (today[0], today[0] - timedelta(days=1))


@pytest.mark.parametrize(
    "variable",
    [
        "scale=0",
        "scale=-1",
        "scale=",
        "scale=much",
        "scale=1e3",
        "scale=1001",
        "scale='",
        "as_of=2020-01-30",
        "as_of=2100-01-01",
        "as_of=2026-02-30",
        "as_of=30/06/2026",
        "as_of=today",
        "as_of=2026-06-30'",
        "reset=maybe",
    ],
)
def test_a_bad_variable_is_refused_in_one_line(
    run_psql: RunPsql, database_with_schema: str, variable: str
) -> None:
    refused = run_psql(database_with_schema, "-v", variable, "-f", SEED_SQL)
    assert refused.returncode == 3
    [line] = refused.stderr.splitlines()
    name, _, given = variable.partition("=")
    assert f"zava: {name} must be" in line
    assert f'not "{given}"' in line


@pytest.fixture(scope="module")
def database_with_schema(cluster: EmbeddedServer, run_psql: RunPsql) -> Iterator[str]:
    """A conninfo of a database with the schema, which no test fills."""
    name = f"seed_{uuid.uuid4().hex}"
    with psycopg.connect(
        cluster.conninfo(dbname="postgres", user="postgres"), autocommit=True
    ) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        conninfo = cluster.conninfo(dbname=name, user="postgres")
        load_schema(run_psql, conninfo)
        yield conninfo
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_database_without_the_schema_is_refused(
    run_psql: RunPsql, empty_database: str
) -> None:
    refused = run_psql(empty_database, *SMALL, "-f", SEED_SQL)
    assert refused.returncode == 3
    [line] = refused.stderr.splitlines()
    assert "load schema.sql first" in line


def test_a_folder_without_the_data_files_is_refused_with_the_remedy(
    run_psql: RunPsql, database_with_schema: str, tmp_path: Path
) -> None:
    refused = run_psql(database_with_schema, *SMALL, "-v", f"seed_dir={tmp_path}", "-f", SEED_SQL)  # fmt: skip
    assert refused.returncode == 3
    assert "seed_dir=/path/to/seed" in refused.stderr.splitlines()[-1]
    with psycopg.connect(database_with_schema) as conn:
        assert value(conn, "SELECT count(*) FROM retail.stores") == 0


@pytest.mark.once
def test_the_data_files_may_lie_in_a_folder_with_an_awkward_name(
    run_psql: RunPsql, empty_database: str, tmp_path: Path
) -> None:
    folder = tmp_path / 'it\'s a "seed" : folder'
    shutil.copytree(SEED, folder)
    stores = folder / "stores.csv"
    stores.write_text(stores.read_text("utf-8").replace("Zava Retail Kirkland", "Zava Retail Elsewhere"), "utf-8")  # fmt: skip
    managed = folder / "regional_manager_stores.csv"
    managed.write_text(managed.read_text("utf-8").replace("Zava Retail Kirkland", "Zava Retail Elsewhere"), "utf-8")  # fmt: skip
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, *SMALL, "-v", f"seed_dir={folder}")
    with psycopg.connect(empty_database) as conn:
        assert value(conn, "SELECT count(*) FROM retail.stores WHERE name = 'Zava Retail Elsewhere'") == 1  # fmt: skip


@pytest.mark.once
def test_a_misspelt_name_in_a_data_file_stops_the_load(
    run_psql: RunPsql, database_with_schema: str, tmp_path: Path
) -> None:
    folder = tmp_path / "seed"
    shutil.copytree(SEED, folder)
    products = folder / "products.csv"
    products.write_text(products.read_text("utf-8").replace(",Hammers,", ",Hamers,", 1), "utf-8")  # fmt: skip
    refused = run_psql(database_with_schema, *SMALL, "-v", f"seed_dir={folder}", "-f", SEED_SQL)  # fmt: skip
    assert refused.returncode == 3
    assert "a type that product_types.csv lacks" in refused.stderr
    with psycopg.connect(database_with_schema) as conn:
        assert value(conn, "SELECT count(*) FROM retail.stores") == 0


def test_keys_indexes_and_comments_come_back_as_they_were(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    with psycopg.connect(empty_database) as conn:
        conn.execute(
            """
            COMMENT ON CONSTRAINT orders_pkey ON retail.orders IS 'it''s the key';
            COMMENT ON INDEX retail.orders_pkey IS 'its index';
            COMMENT ON CONSTRAINT orders_customer_id_fkey ON retail.orders IS 'who';
            COMMENT ON INDEX retail.order_items_store_id_product_id_idx IS 'what';
            CREATE UNIQUE INDEX "Odd; name" ON retail.orders (order_id DESC) INCLUDE (status) WHERE total_amount > 0;
            CREATE INDEX ON retail.customers (lower(email)) WITH (fillfactor = 70);
            CREATE TABLE retail.refunds (
                order_id uuid REFERENCES retail.orders ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED
            );
            ALTER TABLE retail.refunds OWNER TO zava_owner;
            ALTER TABLE retail.inventory REPLICA IDENTITY USING INDEX inventory_pkey;
            ALTER TABLE retail.customers CLUSTER ON customers_pkey;
            """
        )
    before = catalogue(empty_database)
    load_seed(run_psql, empty_database, *SMALL)
    assert catalogue(empty_database) == before
    with psycopg.connect(empty_database) as conn:
        conn.execute("INSERT INTO retail.refunds SELECT order_id FROM retail.orders LIMIT 1")  # fmt: skip
        assert rows(
            conn,
            """
            SELECT indexrelid::regclass::text, indisclustered, indisreplident FROM pg_index
            WHERE indrelid = ANY ('{retail.customers,retail.inventory}'::regclass[])
                AND (indisclustered OR indisreplident) ORDER BY 1
            """,
        ) == [
            ("retail.customers_pkey", True, False),
            ("retail.inventory_pkey", False, True),
        ]
    # A table that depends on the orders is emptied with them.
    load_seed(run_psql, empty_database, *SMALL, "-v", "reset=yes")
    assert catalogue(empty_database) == before
    with psycopg.connect(empty_database) as conn:
        assert value(conn, "SELECT count(*) FROM retail.refunds") == 0


@pytest.mark.once
def test_a_failure_late_in_the_load_leaves_nothing_behind(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    with psycopg.connect(empty_database) as conn:
        conn.execute(
            "ALTER TABLE retail.inventory ADD CONSTRAINT too_strict CHECK (stock_level > 1000)"
        )
    before = catalogue(empty_database)
    failed = run_psql(empty_database, *SMALL, "-f", SEED_SQL)
    assert failed.returncode == 3
    assert failed.stdout.splitlines() == STEPS[:5]
    assert "too_strict" in failed.stderr
    assert catalogue(empty_database) == before
    with psycopg.connect(empty_database) as conn:
        tables = TABLES + TOTALS
        assert [value(conn, f"SELECT count(*) FROM retail.{t}") for t in tables] == [
            0
        ] * len(tables)


def test_a_dba_who_is_no_superuser_can_load_it(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    dba = f"dba_{uuid.uuid4().hex}"
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {dba} LOGIN".encode())
        conn.execute(f"GRANT zava_owner TO {dba} WITH INHERIT FALSE, SET TRUE".encode())
    try:
        load_seed(run_psql, make_conninfo(empty_database, user=dba), *SMALL)
        assert checksums(empty_database) == CHECKSUMS
    finally:
        with psycopg.connect(empty_database, autocommit=True) as conn:
            conn.execute(f"DROP ROLE {dba}".encode())


def test_the_session_keeps_its_settings_and_nothing_of_the_seed(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    query = """
        SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
        WHERE source = 'session' AND context <> 'internal' AND name NOT LIKE 'transaction%'
    """
    temporary = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' UNION ALL SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema()"
    loaded = run_psql(
        empty_database,
        *("-At", "-c", query, *SMALL, "-f", SEED_SQL, "-c", query, "-c", temporary),
    )
    assert loaded.returncode == 0, loaded.stderr
    first, *steps, last, tables, functions = loaded.stdout.splitlines()
    assert steps == STEPS
    assert last == first
    assert (tables, functions) == ("0", "0")
