"""From version 1 of the schema to version 2: the same rows, the schema of a new one.

schema_1.sql and schema_1_first_release.sql are version 1 as it was released, frozen.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.string import TextLoader

from tests import doctor
from tests.conftest import ROOT, RunPsql, clone, temporary_database
from tests.patience import PATIENCE
from tests.people import SEATTLE
from zava.admin.embedded import EmbeddedServer, find_binary
from zava.admin.loading import DatabaseLoader
from zava.admin.totals import refresh_totals
from zava.data.statements import database_file

pytestmark = pytest.mark.thorough

HERE = Path(__file__).parent
MIGRATION = str(database_file("migrations/2_retail_model.sql"))
CATALOGUE = (HERE / "catalogue.sql").read_text("utf-8")
TODAY_S = "schema_1"
FIRST = "schema_1_first_release"

# Sums that readers see, of all columns that version 1 had.
FIGURES = {
    "daily_sales": "store_id, day, revenue, orders, cancelled_orders, returned_orders, customers",
    "daily_product_sales": "store_id, day, product_id, units, revenue, discount",
    "monthly_product_sales": "store_id, month, product_id, units, revenue, discount",
}
SPANS = (
    "SELECT s.store_id, c.first_day, c.end_day, c.customers, c.new_customers"
    " FROM retail.stores AS s, retail.count_customers("
    "s.store_id, '{2026-01-01,2026-02-10,2026-01-05}', '{2026-02-01,2026-02-20,2026-04-11}') AS c"
)

# What does not differ between the versions 1 is asked of one.
todays = pytest.mark.parametrize("version_1", [TODAY_S], indirect=True)

Rows = Counter[tuple[Any, ...]]


def superuser(cluster: EmbeddedServer, name: str) -> str:
    return cluster.conninfo(dbname=name, user="postgres")


def execute(conninfo: str, *texts: str) -> None:
    with psycopg.connect(conninfo) as conn:
        for text in texts:
            conn.execute(text.encode())


def rows(conninfo: str, query: str) -> Rows:
    """The rows of a query, without their order; an array is a tuple, a date a text."""
    with psycopg.connect(conninfo) as conn:
        conn.adapters.register_loader("date", TextLoader)  # -infinity is one, too
        found = conn.execute(query.encode()).fetchall()
    return Counter(
        tuple(tuple(cell) if isinstance(cell, list) else cell for cell in row)
        for row in found
    )


def catalogue(conninfo: str) -> set[tuple[Any, ...]]:
    return set(rows(conninfo, CATALOGUE))


def tables(conninfo: str) -> dict[str, str]:
    """The tables of the schema, each with its columns in a list."""
    found = rows(
        conninfo,
        "SELECT c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname)"
        " FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind = 'r'"
        " AND a.attnum > 0 AND NOT a.attisdropped GROUP BY 1",
    )
    return dict(found.elements())


def contents(conninfo: str, columns: dict[str, str]) -> dict[str, Rows]:
    return {
        table: rows(conninfo, f"SELECT {listed} FROM retail.{table}")
        for table, listed in columns.items()
    }


def figures(conninfo: str) -> dict[str, Rows]:
    return {
        view: rows(conninfo, f"SELECT {columns} FROM retail.{view}")
        for view, columns in FIGURES.items()
    }


@dataclass(frozen=True)
class State:
    """What a database holds."""

    catalogue: set[tuple[Any, ...]]
    columns: dict[str, str]
    contents: dict[str, Rows]


def state(conninfo: str) -> State:
    columns = tables(conninfo)
    return State(catalogue(conninfo), columns, contents(conninfo, columns))


@pytest.fixture(scope="module", params=[TODAY_S, FIRST])
def version_1(
    request: pytest.FixtureRequest, cluster: EmbeddedServer, run_psql: RunPsql
) -> Iterator[str]:
    """The name of a database of version 1 with data that nobody connects to."""
    name = f"zava_{request.param}"
    admin = superuser(cluster, "postgres")
    with psycopg.connect(admin, autocommit=True) as conn:
        create = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'"
        conn.execute(sql.SQL(create).format(sql.Identifier(name)))
    files = [str(HERE / f"{request.param}.sql"), str(HERE / "sales_1.sql")]
    loaded = run_psql(
        superuser(cluster, name),
        *("-q", "-v", "ON_ERROR_STOP=1"),
        *(part for file in files for part in ("-f", file)),
    )
    assert loaded.returncode == 0, loaded.stderr
    if request.param == TODAY_S:
        with psycopg.connect(superuser(cluster, name)) as conn:
            conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            conn.execute("SET LOCAL ROLE zava_owner")
            conn.execute("SELECT retail.refresh_sales_totals()")
            conn.execute("SELECT retail.refresh_recommendations()")
    # Some days are written after the totals were kept.
    execute(
        superuser(cluster, name),
        "UPDATE retail.orders SET status = 'cancelled' WHERE order_id < '10000000-0000-0000-0000-000000000000'",
        "DELETE FROM retail.order_items WHERE order_id > 'f8000000-0000-0000-0000-000000000000'",
    )
    yield name
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        )


@pytest.fixture
def old(
    cluster: EmbeddedServer, version_1: str, temporary: Callable[[str], str]
) -> str:
    """A superuser's conninfo of a database of version 1 of the test's own."""
    return temporary(version_1)


@pytest.fixture
def temporary(cluster: EmbeddedServer) -> Iterator[Callable[[str], str]]:
    """Clones databases that are dropped after the test."""
    made: list[str] = []

    def make(template: str) -> str:
        name = f"migrated_{len(made)}"
        clone(cluster, template, name)
        made.append(name)
        conninfo = superuser(cluster, name)
        grant = sql.SQL("GRANT TEMPORARY ON DATABASE {} TO zava_owner")
        with psycopg.connect(conninfo) as conn:
            conn.execute(grant.format(sql.Identifier(name)))
        return conninfo

    yield make
    with psycopg.connect(superuser(cluster, "postgres"), autocommit=True) as conn:
        for name in made:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            conn.execute(drop.format(sql.Identifier(name)))


Migrate = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def migrate(run_psql: RunPsql) -> Migrate:
    def run(conninfo: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_psql(conninfo, "-v", "ON_ERROR_STOP=1", *arguments, "-f", MIGRATION)

    return run


def test_a_migrated_schema_is_that_of_a_new_database(
    old: str, migrate: Migrate, empty_database: str, run_psql: RunPsql
) -> None:
    new = run_psql(
        empty_database,
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-f",
        str(database_file("schema.sql")),
    )
    assert new.returncode == 0, new.stderr
    done = migrate(old)
    assert done.returncode == 0, done.stderr
    expected, found = catalogue(empty_database), catalogue(old)
    assert sorted(found - expected) == []
    assert sorted(expected - found) == []
    versions = rows(old, "SELECT version FROM retail.schema_version")
    assert versions == Counter([(1,), (2,)])


def test_a_migration_keeps_every_row_and_every_figure(
    old: str, migrate: Migrate
) -> None:
    before, sums = state(old), figures(old)
    has_spans = "kept_visits" in before.columns
    customers = rows(old, SPANS) if has_spans else None
    assert before.contents["orders"].total() == 300
    assert migrate(old).returncode == 0

    gone = before.columns.keys() - tables(old).keys()
    assert gone <= {
        *FIGURES, "customer_purchases", "daily_repeat_customers", "monthly_repeat_customers",
    }  # fmt: skip
    # What is recommended is counted again, with the customers behind it, and the words
    # of products are taken apart again.
    anew = {"product_pairs", "segment_products", "refreshes"}
    anew |= {"product_search_words", "search_vocabulary"}
    kept = before.columns.keys() - gone - anew
    if not has_spans:
        # The first release kept the order's day in its lines, too.
        columns = before.columns["order_items"].replace("sold_on, ", "")
        lines = rows(old, f"SELECT {columns} FROM retail.order_items")
        assert lines.total() == before.contents["order_items"].total()
        kept -= {"order_items"}
    after = contents(old, {table: before.columns[table] for table in kept})
    for table in kept:
        assert after[table] == before.contents[table], table

    # Whether the totals are as they were kept, counted from the orders, or both.
    assert figures(old) == sums
    assert customers is None or rows(old, SPANS) == customers
    execute(old, "SELECT retail.mark_all_orders()")
    assert figures(old) == sums
    assert customers is None or rows(old, SPANS) == customers
    assert rows(old, "SELECT count(*) FROM retail.product_pairs") == Counter([(0,)])
    assert refresh_totals(DatabaseLoader(old), lambda *_: None).recommendations
    assert rows(old, "SELECT count(*) FROM retail.changed_orders") == Counter([(0,)])
    assert rows(old, "SELECT count(*) FROM retail.segment_products") != Counter([(0,)])
    assert figures(old) == sums
    assert customers is None or rows(old, SPANS) == customers


def test_new_columns_say_what_version_1_meant(old: str, migrate: Migrate) -> None:
    assert migrate(old).returncode == 0
    for table, fault in {
        "stores": "time_zone <> 'UTC' OR num_nonnulls(source_id, region, opened_on, closed_on) > 0",
        "orders": "business_day <> (order_date AT TIME ZONE 'UTC')::date OR is_return"
        " OR sold_on IS DISTINCT FROM CASE WHEN status IN ('cancelled', 'returned') THEN NULL ELSE business_day END"
        " OR num_nonnulls(source_id, paid_amount, returns_order_id) > 0",
        "order_items": "line_kind <> 'sale' OR coupon_amount <> 0 OR manufacturer_coupon_amount <> 0",
        "inventory": "counted_at <> updated_at",
        "customers": "store_ids <> '{}' OR num_nonnulls(signed_up_on, loyalty_number) > 0",
        "products": "unit <> 'piece' OR attributes <> '{}' OR brand IS NOT NULL",
    }.items():
        wrong = rows(
            old, f"SELECT count(*) FROM retail.{table} WHERE ({fault}) IS NOT FALSE"
        )
        assert wrong == Counter([(0,)]), table
    assert rows(old, "SELECT currency, default_time_zone FROM retail.chain") == Counter(
        [("USD", "UTC")]
    )


def test_a_migrated_database_takes_new_rows_and_real_time_zones(
    old: str, migrate: Migrate
) -> None:
    assert migrate(old).returncode == 0
    execute(
        old,
        "INSERT INTO retail.orders (store_id, order_date, total_amount, status)"
        " SELECT store_id, '2026-05-01 02:00Z', -5, 'completed' FROM retail.stores",
        "INSERT INTO retail.inventory SELECT s.store_id, p.product_id, 0.5"
        " FROM retail.stores AS s, retail.products AS p WHERE p.sku = 'SKU12'",
        "UPDATE retail.stores SET time_zone = 'America/Los_Angeles'",
        "SELECT retail.recompute_business_days()",
    )
    days = rows(
        old,
        "SELECT DISTINCT business_day::text, is_return FROM retail.orders WHERE order_date >= '2026-05-01'",
    )
    assert days == Counter([("2026-04-30", True)])
    fresh = "SELECT count(*) FROM retail.inventory WHERE counted_at > now() - interval '1 hour'"
    assert rows(old, fresh) == Counter([(3,)])


def test_the_doctor_finds_nothing_in_a_migrated_database(
    old: str, migrate: Migrate
) -> None:
    assert migrate(old).returncode == 0
    refresh_totals(DatabaseLoader(old), lambda *_: None)
    server = psycopg.conninfo.make_conninfo(old, user="zava_server")
    checks = doctor.look(server, SEATTLE)
    assert [c for c in checks.values() if c.status == "fail"] == []
    assert {"identity", "canary", "structure", "definitions"} <= checks.keys()


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(
    old: str, migrate: Migrate
) -> None:
    before = state(old)
    told = migrate(old, "-v", "dry_run=yes")
    assert (told.returncode, told.stderr) == (0, "")
    lines = {
        cells[0]: cells[1:]
        for cells in (
            [cell.strip() for cell in line.split("|")]
            for line in told.stdout.splitlines()
        )
        if len(cells) == 6
    }
    assert lines["retail.orders"][0] == "300"
    assert lines["retail.orders"][2] == "rewritten"
    assert lines["retail.stores"][2] == "altered"
    assert lines["retail.stores"][4] == "ACCESS EXCLUSIVE"
    assert "readers and tills wait" in lines["in all"][2]
    assert state(old) == before


def test_a_migration_says_which_tables_it_rewrites(old: str, migrate: Migrate) -> None:
    told = migrate(old)
    assert "NOTICE:  retail.orders is rewritten: 300 rows, about 0.0 s" in told.stderr
    assert "retail.stores" not in told.stderr
    assert told.stdout.splitlines()[-1].endswith("zava refresh")


@pytest.mark.once
@todays
@pytest.mark.parametrize("table", ["orders", "order_items", "stores"])
def test_a_reader_s_open_transaction_makes_a_migration_give_up_soon(
    old: str, migrate: Migrate, table: str
) -> None:
    before = state(old)
    with psycopg.connect(old) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute(
            sql.SQL("SELECT count(*) FROM retail.{}").format(sql.Identifier(table))
        )
        refused = migrate(old)
        assert refused.returncode == 3
        assert f"retail.{table} is in use, so nothing was changed" in refused.stderr
        assert (
            f"the transactions of process {reader.info.backend_pid} have ended"
            in refused.stderr
        )
    assert state(old) == before
    assert migrate(old).returncode == 0


# What stops a migration: at its n-th command that changes the catalogue. The last are
# of schema.sql.
STOPS = {
    "error": "RAISE EXCEPTION 'stopped'",
    "full disk": "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'",
    "end of the backend": "PERFORM pg_terminate_backend(pg_backend_pid())",
    "end of psql": "PERFORM pg_advisory_lock(1)",
}


def stop_at(conninfo: str, nth: int, how: str) -> None:
    """Let the n-th command of the next session fail."""
    execute(
        conninfo,
        "CREATE SEQUENCE public.seen",
        "CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER"
        " SET lock_timeout = 0 AS $$"
        f" BEGIN IF nextval('public.seen') = {nth} THEN {STOPS[how]}; END IF; END $$",
        "CREATE EVENT TRIGGER stop ON ddl_command_end EXECUTE FUNCTION public.stop()",
    )


def stop_no_more(conninfo: str) -> None:
    execute(
        conninfo,
        "DROP EVENT TRIGGER stop",
        "DROP FUNCTION public.stop()",
        "DROP SEQUENCE public.seen",
    )


@pytest.mark.once
@todays
@pytest.mark.parametrize("nth", [1, 33, 300])
@pytest.mark.parametrize("how", ["error", "full disk", "end of the backend"])
def test_a_migration_that_is_interrupted_leaves_version_1_whole(
    old: str, migrate: Migrate, how: str, nth: int
) -> None:
    before = state(old)
    stop_at(old, nth, how)
    assert migrate(old).returncode in (2, 3)
    stop_no_more(old)
    assert state(old) == before
    if how == "error":
        assert migrate(old).returncode == 0


@pytest.mark.once
@todays
@pytest.mark.parametrize("nth", [33, 300])
def test_a_migration_whose_psql_is_killed_leaves_version_1_whole(
    old: str, migrate: Migrate, pg_version: int, nth: int
) -> None:
    before = state(old)
    stop_at(old, nth, "end of psql")
    with psycopg.connect(old, autocommit=True) as gate:
        gate.execute("SELECT pg_advisory_lock(1)")
        psql = subprocess.Popen(
            [find_binary("psql", pg_version), "-X", "-d", old, "-f", MIGRATION],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 1"
        deadline, pause = time.monotonic() + PATIENCE, threading.Event()
        while not gate.execute(waits).fetchone():
            assert time.monotonic() < deadline
            pause.wait(0.01)
        psql.kill()
        psql.wait()
        gate.execute("SELECT pg_advisory_unlock(1)")
        # The migration holds this lock until PostgreSQL has given it up.
        gate.execute("SELECT pg_advisory_lock(8042377203211093361)")
    stop_no_more(old)
    assert state(old) == before


@todays
def test_a_view_of_the_operator_s_stops_a_migration_and_is_kept(
    old: str, migrate: Migrate
) -> None:
    execute(
        old, "CREATE VIEW public.mine AS SELECT sum(quantity) FROM retail.order_items"
    )
    before = state(old)
    refused = migrate(old)
    assert refused.returncode == 3
    assert "view mine" in refused.stderr
    assert state(old) == before


@todays
def test_a_second_migration_and_one_of_nothing_are_refused(
    old: str, migrate: Migrate, empty_database: str
) -> None:
    assert "no retail schema" in migrate(empty_database).stderr
    assert migrate(old).returncode == 0
    again = migrate(old)
    assert again.returncode == 3
    assert "version 2 of the schema already" in again.stderr


def test_schema_sql_leaves_version_1_alone_and_names_the_migration(
    old: str, run_psql: RunPsql
) -> None:
    before = state(old)
    refused = run_psql(
        old, "-v", "ON_ERROR_STOP=1", "-f", str(database_file("schema.sql"))
    )
    assert refused.returncode == 3
    assert "migrations/2_retail_model.sql" in refused.stderr
    assert state(old) == before


EARLIER = (
    # What a database of this version was made without before.
    "ALTER TABLE retail.chain DROP COLUMN frequent_share, DROP COLUMN big_spender_share,"
    " DROP COLUMN usual_gap_quantile, DROP COLUMN new_for_days, DROP COLUMN lapsed_after_days",
    "ALTER TABLE retail.product_pairs DROP COLUMN customers",
    "DROP TABLE retail.kept_chain_sales, retail.kept_chain_product_sales,"
    " retail.changed_products, retail.customer_segments, retail.chain_customer_segments,"
    " retail.chain_product_pairs CASCADE",
    "DROP FUNCTION retail.resolve_identity(uuid)",
    "CREATE FUNCTION retail.resolve_identity(user_id uuid, OUT role_name text,"
    " OUT display_name text, OUT store_ids uuid[], OUT seal text) RETURNS SETOF record"
    " LANGUAGE sql SECURITY DEFINER AS $$ SELECT '', '', NULL::uuid[], '' $$",
)
CHAIN_SALES = "SELECT * FROM retail.kept_chain_sales"


def test_schema_sql_brings_a_database_of_its_version_forward(
    cluster: EmbeddedServer, template: str, run_psql: RunPsql
) -> None:
    for name in temporary_database(cluster, template):
        conninfo = superuser(cluster, name)
        before, sales = catalogue(conninfo), rows(conninfo, CHAIN_SALES)
        assert sales
        execute(conninfo, *EARLIER)
        loaded = run_psql(conninfo, "-v", "ON_ERROR_STOP=1", "-f", "schema.sql")
        assert loaded.returncode == 0, loaded.stderr
        assert catalogue(conninfo) == before
        assert rows(conninfo, CHAIN_SALES) == sales
