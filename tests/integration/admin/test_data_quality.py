"""`zava doctor --data`: contradictions and gaps in the chain's data, made on purpose."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.conftest import RunPsql, clone
from zava.admin.data_quality import DATA_CHECKS, DataCheck, check_data
from zava.admin.embedded import EmbeddedServer
from zava.admin.loading import DatabaseLoader
from zava.errors import ConfigurationError, DatabaseError

pytestmark = [pytest.mark.thorough, pytest.mark.once]

TEMPLATE = "zava_data_quality_template"
DATABASE = "zava_data_quality"

# Two stores with three days each. It is noon in North when it is 20:00 in South. R1 brings S1 back.
CLEAN = """
INSERT INTO retail.stores (store_id, source_id, name, time_zone, opened_on) VALUES
    (md5('North')::uuid, '1', 'North', 'America/Los_Angeles', '2024-01-01'),
    (md5('South')::uuid, '2', 'South', 'UTC', '2024-01-01');
INSERT INTO retail.categories (category_id, source_id, name, parent_category_id) VALUES
    (md5('K1')::uuid, 'K1', 'Tools', NULL),
    (md5('K2')::uuid, 'K2', 'Hand Tools', md5('K1')::uuid),
    (md5('K3')::uuid, 'K3', 'Hammers', md5('K2')::uuid);
INSERT INTO retail.product_types (category_id, source_id, name) VALUES
    (md5('K3')::uuid, 'T1', 'Claw Hammers'), (md5('K3')::uuid, 'T2', 'Mallets');
INSERT INTO retail.products (product_id, sku, source_id, name, description, category_id, cost, base_price) VALUES
    (md5('P1')::uuid, 'SKU-1', 'P1', 'Hammer', 'Drives nails', md5('K3')::uuid, 5, 10),
    (md5('P2')::uuid, 'SKU-2', NULL, 'Saw', 'Cuts wood', md5('K2')::uuid, 5, 10);
INSERT INTO retail.customers (customer_id, source_id, store_id, first_name, email) VALUES
    (md5('C1')::uuid, 'C1', md5('North')::uuid, 'Ann', 'ann@example.com'),
    (md5('C2')::uuid, 'C2', md5('South')::uuid, 'Bob', 'bob@example.com');
INSERT INTO retail.orders (order_id, source_id, store_id, customer_id, order_date, total_amount, status)
SELECT md5(left(s.name, 1) || n)::uuid, left(s.name, 1) || n, s.store_id,
       md5(CASE s.name WHEN 'North' THEN 'C1' ELSE 'C2' END)::uuid,
       timestamptz '2024-03-01 20:00Z' + (n - 1) * interval '1 day', 10, 'completed'
FROM retail.stores AS s CROSS JOIN generate_series(1, 3) AS n;
INSERT INTO retail.orders (order_id, source_id, store_id, customer_id, order_date, total_amount, status, returns_order_id)
VALUES (md5('R1')::uuid, 'R1', md5('South')::uuid, md5('C2')::uuid, '2024-03-03 20:00Z', -10, 'completed', md5('S1')::uuid);
INSERT INTO retail.order_items (source_id, order_id, store_id, product_id, quantity, unit_price, total_amount, line_kind)
SELECT o.source_id || '/1', o.order_id, o.store_id, md5('P1')::uuid, sign(o.total_amount), 10, o.total_amount,
       CASE WHEN o.is_return THEN 'return' ELSE 'sale' END
FROM retail.orders AS o;
INSERT INTO retail.inventory (store_id, product_id, stock_level)
SELECT s.store_id, p.product_id, 5 FROM retail.stores AS s CROSS JOIN retail.products AS p;
"""


@pytest.fixture(scope="module")
def clean_chain(cluster: EmbeddedServer, run_psql: RunPsql) -> Iterator[str]:
    """The name of a small chain's database to clone."""
    execute(
        cluster.conninfo(dbname="postgres", user="postgres"),
        f"CREATE DATABASE {TEMPLATE} TEMPLATE template0 ENCODING 'UTF8'",
    )
    conninfo = cluster.conninfo(dbname=TEMPLATE, user="postgres")
    options = ("-q", "-v", "ON_ERROR_STOP=1", "-f", "schema.sql", "-c", CLEAN)
    loaded = run_psql(conninfo, *options)
    assert loaded.returncode == 0, loaded.stderr
    yield TEMPLATE
    drop(cluster, TEMPLATE)


@pytest.fixture
def chain(cluster: EmbeddedServer, clean_chain: str) -> Iterator[str]:
    """A superuser's conninfo of a small chain of the test's own."""
    clone(cluster, clean_chain, DATABASE)
    yield cluster.conninfo(dbname=DATABASE, user="postgres")
    drop(cluster, DATABASE)


def drop(cluster: EmbeddedServer, name: str) -> None:
    conninfo = cluster.conninfo(dbname="postgres", user="postgres")
    execute(conninfo, f"DROP DATABASE {name} WITH (FORCE)")


def execute(conninfo: str, sql: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(sql.encode())


def nothing(_step: int, _steps: int, _name: str) -> None:
    """Nobody watches."""


def found(conninfo: str) -> dict[str, DataCheck]:
    """What is wrong, by the name of the check."""
    checks = check_data(DatabaseLoader(conninfo), nothing)
    return {check.name: check for check in checks if check.status != "pass"}


def counts(conninfo: str) -> dict[str, int]:
    return {name: check.count for name, check in found(conninfo).items()}


def set_order(key: str, change: str) -> str:
    return f"UPDATE retail.orders SET {change} WHERE source_id = '{key}'"


def set_store(name: str, change: str) -> str:
    return f"UPDATE retail.stores SET {change} WHERE name = '{name}'"


def test_a_clean_chain_passes_every_check(chain: str) -> None:
    steps: list[tuple[int, int, str]] = []
    loader = DatabaseLoader(chain)
    checks = check_data(loader, lambda *step: steps.append(step))
    assert {c.name: c.status for c in checks} == dict.fromkeys(DATA_CHECKS, "pass")
    assert tuple(c.name for c in checks) == DATA_CHECKS
    assert [step for step, _, _ in steps] == list(range(1, len(DATA_CHECKS) + 1))
    assert {(c.count, c.examples, *c.per_store) for c in checks} == {(0, ())}


def test_a_chain_without_any_data_passes_every_check(chain: str) -> None:
    execute(chain, "TRUNCATE retail.stores, retail.products, retail.categories CASCADE")
    assert found(chain) == {}


FAULTS = [
    pytest.param(
        "order_totals",
        set_order("N1", "total_amount = 10.02"),
        1,
        ("N1 (total 10.02, lines 10.00)",),
        id="order-and-lines",
    ),
    pytest.param(
        "future_orders",
        set_order("N3", "order_date = '9999-01-01 20:00Z'"),
        1,
        ("N3 (9999-01-01)",),
        id="future",
    ),
    pytest.param(
        "returns_before_purchase",
        set_order("R1", "order_date = '2024-02-28 20:00Z'"),
        1,
        ("R1 (2024-02-28, bought 2024-03-01)",),
        id="return-first",
    ),
    pytest.param(
        "source_id_keys",
        "DROP INDEX retail.orders_source_id_key",
        1,
        ("orders (no index)",),
        id="no-index",
    ),
    pytest.param(
        "source_id_keys",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'retail.products_source_id_key'::regclass",
        1,
        ("products (invalid index)",),
        id="invalid-index",
    ),
    pytest.param(
        "category_rings",
        # K3 is below the ring, not in it.
        "UPDATE retail.categories SET parent_category_id = md5('K2')::uuid WHERE source_id = 'K1'",
        2,
        ("K2", "K1"),
        id="ring",
    ),
]

NOTES = [
    pytest.param(
        "orders_without_lines",
        "DELETE FROM retail.order_items WHERE source_id IN ('N2/1', 'S3/1')",
        2,
        ("S3", "N2"),
        id="no-lines",
    ),
    pytest.param(
        "sales_before_opening",
        set_store("North", "opened_on = '2024-03-02'"),
        1,
        ("N1 (2024-03-01, North opened 2024-03-02)",),
        id="before-opening",
    ),
    pytest.param(
        "sales_after_closing",
        # R1 is of that day too, and no sale.
        set_store("South", "closed_on = '2024-03-02'"),
        1,
        ("S3 (2024-03-03, South closed 2024-03-02)",),
        id="after-closing",
    ),
    pytest.param(
        "moved_days",
        "UPDATE retail.chain SET day_starts_at = '13:00'",
        3,
        (
            "N3 (2024-03-03, by the clock 2024-03-02)",
            "N2 (2024-03-02, by the clock 2024-03-01)",
            "N1 (2024-03-01, by the clock 2024-02-29)",
        ),
        id="moved-days",
    ),
    pytest.param(
        "returns_without_purchase",
        set_order("R1", "returns_order_id = NULL"),
        1,
        ("R1",),
        id="return-of-nothing",
    ),
    pytest.param(
        "returns_beyond_purchase",
        set_order("R1", "total_amount = -12")
        + "; UPDATE retail.order_items SET total_amount = -12 WHERE source_id = 'R1/1'",
        1,
        ("S1 (total 10.00, given back 12.00)",),
        id="return-of-more",
    ),
    pytest.param(
        "products_without_category",
        "UPDATE retail.products SET category_id = NULL",
        2,
        ("P1", "SKU-2"),
        id="no-category",
    ),
    pytest.param(
        "products_without_cost",
        "UPDATE retail.products SET cost = NULL WHERE source_id = 'P1'",
        1,
        ("P1",),
        id="no-cost",
    ),
    pytest.param(
        "products_without_base_price",
        "UPDATE retail.products SET base_price = NULL WHERE sku = 'SKU-2'",
        1,
        ("SKU-2",),
        id="no-price",
    ),
    pytest.param(
        "products_without_description",
        "UPDATE retail.products SET description = ' ' WHERE source_id = 'P1'",
        1,
        ("P1",),
        id="no-description",
    ),
    pytest.param(
        "products_of_one_name",
        "UPDATE retail.products SET name = 'Hammer'",
        2,
        ("Hammer (2 products)",),
        id="one-name",
    ),
    pytest.param(
        "customers_without_sale",
        "INSERT INTO retail.customers (store_id, source_id) VALUES (md5('North')::uuid, 'C3')",
        1,
        ("C3",),
        id="no-sale",
    ),
    pytest.param(
        "shared_emails",
        "UPDATE retail.customers SET email = ' ANN@example.com' WHERE source_id = 'C2'",
        2,
        (),
        id="one-email",
    ),
    pytest.param(
        "stores_without_stock",
        "DELETE FROM retail.inventory WHERE store_id = md5('North')::uuid",
        1,
        ("North",),
        id="no-stock",
    ),
    pytest.param(
        "negative_stock",
        "UPDATE retail.inventory SET stock_level = -2 WHERE (store_id, product_id) = (md5('South')::uuid, md5('P1')::uuid)",
        1,
        ("P1 (South, -2)",),
        id="negative-stock",
    ),
]


@pytest.mark.parametrize(("name", "change", "count", "examples"), FAULTS)
def test_a_contradiction_is_a_fault_and_nothing_else(
    chain: str, name: str, change: str, count: int, examples: tuple[str, ...]
) -> None:
    execute(chain, change)
    (check,) = found(chain).values()
    assert (check.name, check.status) == (name, "fault")
    assert (check.count, check.examples) == (count, examples)


@pytest.mark.parametrize(("name", "change", "count", "examples"), NOTES)
def test_a_gap_is_a_note_and_nothing_else(
    chain: str, name: str, change: str, count: int, examples: tuple[str, ...]
) -> None:
    execute(chain, change)
    (check,) = found(chain).values()
    assert (check.name, check.status) == (name, "note")
    assert (check.count, check.examples) == (count, examples)


def test_a_cent_between_an_order_and_its_lines_is_rounding(chain: str) -> None:
    execute(chain, set_order("N1", "total_amount = 10.01"))
    assert found(chain) == {}


def test_three_examples_are_the_newest(chain: str) -> None:
    execute(chain, "UPDATE retail.orders SET total_amount = 20 WHERE NOT is_return")
    check = found(chain)["order_totals"]
    assert check.count == 6
    assert [example[1:3] for example in check.examples] == ["3 ", "3 ", "2 "]


# Days and stores


def test_days_without_sales_are_counted_per_store(chain: str) -> None:
    execute(chain, "DELETE FROM retail.orders WHERE source_id IN ('N2', 'S2')")
    execute(chain, set_order("N3", "order_date = '2024-03-05 20:00Z'"))
    check = found(chain)["days_without_sales"]
    assert (check.status, check.count) == ("note", 4)
    assert check.examples == (
        "North (3, the first 2024-03-02)",
        "South (1, the first 2024-03-02)",
    )
    assert check.per_store == {"North": 3, "South": 1}


@pytest.mark.parametrize("change", ["status = 'cancelled'", "status = 'returned'"])
def test_a_day_with_cancelled_orders_only_has_no_sales(chain: str, change: str) -> None:
    execute(chain, set_order("N2", change))
    assert counts(chain) == {"days_without_sales": 1}


@pytest.mark.parametrize(
    "change",
    [
        set_store("North", "opened_on = '2024-03-03'"),
        set_store("North", "closed_on = '2024-03-01'"),
    ],
)
def test_a_store_that_is_not_open_lacks_no_days(chain: str, change: str) -> None:
    execute(chain, set_order("N2", "status = 'cancelled'"))
    execute(chain, change)
    assert "days_without_sales" not in found(chain)


def test_a_store_without_opening_days_is_looked_at_between_its_sales(
    chain: str,
) -> None:
    execute(chain, "UPDATE retail.stores SET opened_on = NULL")
    assert found(chain) == {}


def test_a_store_is_silent_after_more_than_a_week(chain: str) -> None:
    shift = "UPDATE retail.orders SET order_date = order_date + interval '{} days' WHERE source_id LIKE 'N%'"
    execute(chain, shift.format(7))
    assert found(chain) == {}
    execute(chain, shift.format(1))
    check = found(chain)["silent_stores"]
    assert (check.status, check.count) == ("note", 1)
    assert check.examples == ("South (last sale 2024-03-03)",)


@pytest.mark.parametrize(
    ("closed_on", "names"),
    [("2024-03-10", set()), ("2024-03-11", {"silent_stores"})],
)
def test_a_store_that_closed_after_its_last_sale_is_not_silent(
    chain: str, closed_on: str, names: set[str]
) -> None:
    execute(
        chain,
        "UPDATE retail.orders SET order_date = order_date + interval '30 days' WHERE source_id LIKE 'N%'",
    )
    execute(chain, set_store("South", f"closed_on = '{closed_on}'"))
    assert set(found(chain)) == names


@pytest.mark.parametrize(
    ("opened_on", "names"),
    [
        ("2024-03-03", {"silent_stores", "stores_without_stock"}),
        ("9999-01-01", set()),
    ],
)
def test_a_store_without_any_sale_is_silent_once_it_has_opened(
    chain: str, opened_on: str, names: set[str]
) -> None:
    execute(
        chain,
        f"INSERT INTO retail.stores (name, opened_on) VALUES ('West', '{opened_on}')",
    )
    checks = found(chain)
    assert set(checks) == names
    if names:
        assert checks["silent_stores"].examples == ("West (no sale ever)",)


def test_an_order_of_the_future_makes_no_store_silent_and_no_gap(chain: str) -> None:
    execute(chain, set_order("S3", "order_date = '9999-01-01 20:00Z'"))
    assert counts(chain) == {"future_orders": 1}


# Customers


def test_a_customer_of_no_store_is_seen_by_nobody(chain: str) -> None:
    execute(chain, "INSERT INTO retail.customers (source_id) VALUES ('C3')")
    checks = found(chain)
    assert set(checks) == {"customers_without_sale", "customers_nobody_sees"}
    assert {check.examples for check in checks.values()} == {("C3",)}
    execute(chain, "UPDATE retail.customers SET store_id = NULL WHERE source_id = 'C1'")
    # Orders show a customer to the stores of the orders.
    assert counts(chain)["customers_nobody_sees"] == 1


def test_no_e_mail_address_is_among_the_examples(chain: str) -> None:
    execute(
        chain,
        "INSERT INTO retail.customers (source_id, email) VALUES"
        " ('eve@example.com', 'eve@example.com'), ('EVE@example.com', 'eve@example.com')",
    )
    checks = found(chain)
    assert set(checks) == {
        "customers_without_sale",
        "customers_nobody_sees",
        "shared_emails",
        "similar_source_ids_customers",
    }
    assert "@" not in "".join(e for c in checks.values() for e in c.examples)
    assert {check.count for check in checks.values()} == {2}


# Keys of the chain


@pytest.mark.parametrize(
    "table",
    [
        *("stores", "categories", "product_types", "products"),
        *("customers", "orders", "order_items"),
    ],
)
def test_keys_that_differ_in_blanks_case_or_zeros_are_found_in_each_table(
    chain: str, table: str
) -> None:
    execute(
        chain,
        f"""
        UPDATE retail.{table} SET source_id = NULL;
        UPDATE retail.{table} AS t SET source_id = CASE n WHEN 1 THEN '00AB 7 ' ELSE 'ab7' END
        FROM (SELECT ctid, row_number() OVER () AS n FROM retail.{table} LIMIT 2) AS k WHERE t.ctid = k.ctid
        """,
    )
    (check,) = found(chain).values()
    assert (check.name, check.status) == (f"similar_source_ids_{table}", "note")
    assert (check.count, check.examples) == (2, ("'00AB 7 ' = 'ab7'",))


def test_zeros_are_similar_to_zeros_and_to_nothing_else(chain: str) -> None:
    keys = "('0'), ('00'), (' '), ('10'), ('1'), ('100')"
    execute(
        chain,
        f"INSERT INTO retail.categories (source_id, name) SELECT k, k || '.' FROM (VALUES {keys}) AS v (k)",
    )
    check = found(chain)["similar_source_ids_categories"]
    assert (check.count, check.examples) == (2, ("'0' = '00'",))


def test_equal_keys_are_found_where_the_index_is_gone(chain: str) -> None:
    execute(chain, "DROP INDEX retail.customers_source_id_key")
    execute(chain, "UPDATE retail.customers SET source_id = 'C1'")
    checks = found(chain)
    assert set(checks) == {"source_id_keys", "similar_source_ids_customers"}
    assert checks["similar_source_ids_customers"].examples == ("'C1' = 'C1'",)


# Stock


@pytest.mark.parametrize(("days", "is_found"), [(27, True), (28, False)])
def test_a_product_sold_in_the_last_28_days_needs_stock(
    chain: str, days: int, is_found: bool
) -> None:
    execute(
        chain,
        f"""
        DELETE FROM retail.inventory WHERE (store_id, product_id) = (md5('North')::uuid, md5('P1')::uuid);
        UPDATE retail.orders SET order_date = order_date + interval '{days} days' WHERE source_id LIKE 'S%';
        UPDATE retail.orders SET status = 'cancelled' WHERE source_id IN ('N1', 'N2')
        """,
    )
    check = found(chain).get("sold_without_stock")
    assert (check is not None) == is_found
    if check is not None:
        assert (check.status, check.count) == ("note", 1)
        assert check.examples == ("P1 (North)",)
        assert check.per_store == {"North": 1}


def test_a_closed_store_needs_no_stock(chain: str) -> None:
    execute(chain, set_store("North", "closed_on = '2024-03-03'"))
    execute(
        chain,
        "DELETE FROM retail.inventory WHERE store_id = md5('North')::uuid AND product_id = md5('P1')::uuid",
    )
    assert found(chain) == {}
    execute(chain, "DELETE FROM retail.inventory WHERE store_id = md5('North')::uuid")
    assert found(chain) == {}


# How it looks


def test_a_database_without_the_schema_is_named(empty_database: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_data(DatabaseLoader(empty_database), nothing)
    assert "zava init" in refused.value.message


def test_a_check_that_takes_too_long_is_named(
    cluster: EmbeddedServer, seeded: str
) -> None:
    loader = DatabaseLoader(cluster.conninfo(dbname=seeded, user="postgres"))
    with pytest.raises(DatabaseError) as ended:
        check_data(loader, nothing, timeout=0.001)
    assert "order_totals" in ended.value.message


def test_a_table_that_is_being_changed_is_not_waited_for_long(chain: str) -> None:
    with psycopg.connect(chain) as conn:
        conn.execute("LOCK TABLE retail.orders IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseError) as refused:
            check_data(DatabaseLoader(chain), nothing, timeout=0.05)
    assert "changing or emptying" in refused.value.message


def test_every_check_sees_the_rows_of_one_moment(chain: str) -> None:
    def spoil(step: int, _steps: int, _name: str) -> None:
        if step == 2:  # the snapshot is that of the first check
            execute(chain, "DELETE FROM retail.inventory")

    checks = check_data(DatabaseLoader(chain), spoil)
    assert {check.status for check in checks} == {"pass"}
    assert "stores_without_stock" in found(chain)
