"""The tables of totals equal what they sum up, whatever is written, by whomever."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.conftest import RunPsql
from zava.admin.embedded import EmbeddedServer

pytestmark = pytest.mark.thorough

Conn = psycopg.Connection

DAYS = ["2026-01-05", "2026-01-31", "2026-02-01", "2026-02-17", "2026-03-01"]
STATUSES = ["pending", "shipped", "completed", "cancelled", "returned"]
COUNTED = "status NOT IN ('cancelled', 'returned')"
DAY = "(order_date AT TIME ZONE 'UTC')::date"
LINES = f"""
    SELECT i.store_id, i.product_id, i.quantity, i.total_amount, i.discount_amount, {DAY} AS day
    FROM retail.order_items AS i JOIN retail.orders AS o USING (order_id) WHERE {COUNTED}
"""
VISITS = f"""
    SELECT store_id, day, lag(day) OVER (PARTITION BY store_id, customer_id ORDER BY day) AS previous_day
    FROM (SELECT DISTINCT store_id, customer_id, {DAY} AS day FROM retail.orders WHERE {COUNTED}) AS d
"""
# Each table's rows, and the same from orders and items by definition.
DEFINITIONS = {
    "daily_sales": (
        "SELECT store_id, day, revenue, orders, cancelled_orders, returned_orders FROM retail.daily_sales",
        f"""
        SELECT store_id, {DAY}, coalesce(sum(total_amount) FILTER (WHERE {COUNTED}), 0), count(*) FILTER (WHERE {COUNTED}),
               count(*) FILTER (WHERE status = 'cancelled'), count(*) FILTER (WHERE status = 'returned')
        FROM retail.orders GROUP BY 1, 2
        """,
    ),
    "customers": (
        "SELECT store_id, day, customers, new_customers FROM retail.daily_sales WHERE customers > 0 OR new_customers > 0",
        f"SELECT store_id, day, count(*), count(*) - count(previous_day) FROM ({VISITS}) AS v GROUP BY 1, 2",
    ),
    "daily_product_sales": (
        "SELECT store_id, day, product_id, units, revenue, discount FROM retail.daily_product_sales",
        f"SELECT store_id, day, product_id, sum(quantity), sum(total_amount), sum(discount_amount) FROM ({LINES}) AS l GROUP BY 1, 2, 3",
    ),
    "monthly_product_sales": (
        "SELECT store_id, month, product_id, units, revenue, discount FROM retail.monthly_product_sales",
        f"""
        SELECT store_id, date_trunc('month', day)::date, product_id, sum(quantity), sum(total_amount), sum(discount_amount)
        FROM ({LINES}) AS l GROUP BY 1, 2, 3
        """,
    ),
    "daily_repeat_customers": (
        "SELECT store_id, previous_day, day, customers FROM retail.daily_repeat_customers WHERE customers <> 0",
        f"SELECT store_id, previous_day, day, count(*) FROM ({VISITS}) AS v WHERE previous_day IS NOT NULL GROUP BY 1, 2, 3",
    ),
    "monthly_repeat_customers": (
        "SELECT store_id, previous_month, day, customers FROM retail.monthly_repeat_customers WHERE customers <> 0",
        f"""
        SELECT store_id, date_trunc('month', previous_day)::date, day, count(*)
        FROM ({VISITS}) AS v WHERE previous_day IS NOT NULL GROUP BY 1, 2, 3
        """,
    ),
    "customer_purchases": (
        """
        SELECT store_id, customer_id, days, orders, spent,
               (SELECT array_agg(b.product_id ORDER BY b.product_id) FROM unnest(baskets) AS b (product_id))
        FROM retail.customer_purchases WHERE orders > 0
        """,
        f"""
        SELECT store_id, customer_id, array_agg(DISTINCT {DAY} ORDER BY {DAY}), count(*), sum(total_amount),
               (SELECT array_agg(b.product_id ORDER BY b.product_id)
                FROM (SELECT DISTINCT o.order_id, i.product_id FROM retail.orders AS o JOIN retail.order_items AS i USING (order_id)
                      WHERE o.customer_id = c.customer_id AND {COUNTED}
                      UNION ALL
                      SELECT o.order_id, NULL FROM retail.orders AS o WHERE o.customer_id = c.customer_id AND {COUNTED}) AS b)
        FROM retail.orders AS c WHERE {COUNTED} GROUP BY 1, 2
        """,
    ),
    "product_pairs": (
        "SELECT store_id, product_id, other_product_id, orders FROM retail.product_pairs WHERE orders <> 0",
        f"""
        SELECT one.store_id, one.product_id, other.product_id, count(DISTINCT o.order_id)
        FROM retail.orders AS o
        JOIN retail.order_items AS one USING (order_id)
        JOIN retail.order_items AS other USING (order_id)
        WHERE {COUNTED} GROUP BY 1, 2, 3
        """,
    ),
    "sold_on": (
        "SELECT order_item_id, sold_on FROM retail.order_items",
        f"SELECT order_item_id, CASE WHEN {COUNTED} THEN {DAY} END FROM retail.order_items JOIN retail.orders USING (order_id)",
    ),
}
# Statements of the kinds that an application may send. %(n)s draws rows at random.
SOME_ORDERS = "(SELECT order_id FROM retail.orders ORDER BY md5(order_id || %(seed)s) LIMIT %(n)s)"
SOME_ITEMS = "(SELECT order_item_id FROM retail.order_items ORDER BY md5(order_item_id || %(seed)s) LIMIT %(n)s)"
NEW_ORDERS = """
    INSERT INTO retail.orders (customer_id, store_id, order_date, total_amount, status)
    SELECT customer_id, store_id, (%(day)s || ' 23:30+00')::timestamptz + n * interval '17 minutes', 10 * n, %(status)s
    FROM (SELECT customer_id, store_id FROM retail.customers ORDER BY md5(customer_id || %(seed)s) LIMIT 3) AS c,
         generate_series(1, %(n)s) AS n
    RETURNING order_id, store_id
"""
ITEMS_OF = """
    INSERT INTO retail.order_items (order_id, store_id, product_id, quantity, unit_price, discount_amount, total_amount)
    SELECT o.order_id, o.store_id, p.product_id, %(n)s, 7, 2, 7 * %(n)s - 2
    FROM {orders} AS o, (SELECT product_id FROM retail.products ORDER BY sku LIMIT 3) AS p
"""
STATEMENTS = {
    "orders alone": NEW_ORDERS,
    "items of orders that are there": ITEMS_OF.format(orders=f"(SELECT order_id, store_id FROM retail.orders WHERE order_id IN {SOME_ORDERS})"),
    "orders and items at once": f"WITH o AS ({NEW_ORDERS}) {ITEMS_OF.format(orders='o')}",
    "a status": f"UPDATE retail.orders SET status = %(status)s WHERE order_id IN {SOME_ORDERS}",
    "a date": f"UPDATE retail.orders SET order_date = (%(day)s || ' 00:10+00')::timestamptz WHERE order_id IN {SOME_ORDERS}",
    "an amount": f"UPDATE retail.orders SET total_amount = total_amount + 1.25 WHERE order_id IN {SOME_ORDERS}",
    "a status and a date of all": "UPDATE retail.orders SET status = %(status)s, order_date = order_date + interval '1 day' WHERE total_amount > 10 * %(n)s",
    "a customer": f"""
        UPDATE retail.orders AS o SET customer_id = (SELECT max(c.customer_id::text)::uuid FROM retail.customers AS c WHERE c.store_id = o.store_id)
        WHERE order_id IN {SOME_ORDERS}""",
    "a store, items and all": f"""
        WITH moved AS (
            UPDATE retail.orders AS o SET store_id = c.store_id, customer_id = c.customer_id, status = %(status)s
            FROM (SELECT * FROM retail.customers ORDER BY md5(customer_id || %(seed)s) LIMIT 1) AS c
            WHERE order_id IN {SOME_ORDERS} RETURNING o.order_id, o.store_id
        )
        UPDATE retail.order_items AS i SET store_id = m.store_id, quantity = 1, unit_price = 9, discount_amount = 0, total_amount = 9
        FROM moved AS m WHERE m.order_id = i.order_id""",
    "another order for items": f"""
        UPDATE retail.order_items AS i SET order_id = o.order_id, store_id = o.store_id
        FROM (SELECT order_id, store_id FROM retail.orders ORDER BY md5(order_id || %(seed)s) LIMIT 1) AS o
        WHERE order_item_id IN {SOME_ITEMS}""",
    "quantities and products": f"""
        UPDATE retail.order_items SET quantity = %(n)s, total_amount = %(n)s * unit_price - discount_amount,
            product_id = (SELECT product_id FROM retail.products ORDER BY md5(product_id || %(seed)s) LIMIT 1)
        WHERE order_item_id IN {SOME_ITEMS}""",
    "a forged day of items": f"UPDATE retail.order_items SET sold_on = %(day)s WHERE order_item_id IN {SOME_ITEMS}",
    "items deleted": f"DELETE FROM retail.order_items WHERE order_item_id IN {SOME_ITEMS}",
    "orders deleted, and their items with them": f"DELETE FROM retail.orders WHERE order_id IN {SOME_ORDERS}",
    "items and their orders deleted at once": f"""
        WITH chosen AS {SOME_ORDERS}, i AS (DELETE FROM retail.order_items WHERE order_id IN (SELECT * FROM chosen))
        DELETE FROM retail.orders WHERE order_id IN (SELECT * FROM chosen)""",
    "an order replaced": f"""
        INSERT INTO retail.orders SELECT order_id, customer_id, store_id, order_date, 99, 'pending' FROM retail.orders WHERE order_id IN {SOME_ORDERS}
        ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, total_amount = excluded.total_amount""",
    "orders merged": f"""
        MERGE INTO retail.orders AS o USING (SELECT order_id FROM retail.orders WHERE order_id IN {SOME_ORDERS}) AS c ON c.order_id = o.order_id
        WHEN MATCHED AND o.total_amount > 15 THEN DELETE
        WHEN MATCHED THEN UPDATE SET status = %(status)s""",
    "customers deleted, with their orders": f"""
        WITH chosen AS (SELECT customer_id FROM retail.orders WHERE order_id IN {SOME_ORDERS} LIMIT 1),
             o AS (DELETE FROM retail.orders WHERE customer_id IN (SELECT * FROM chosen))
        DELETE FROM retail.customers WHERE customer_id IN (SELECT * FROM chosen)""",
}  # fmt: skip


def differences(conn: Conn) -> dict[str, list[Any]]:
    """Rows of the totals that are wrong, and rows that they lack."""
    found = {}
    for name, (kept, computed) in DEFINITIONS.items():
        query = f"(({kept}) EXCEPT ALL ({computed})) UNION ALL (({computed}) EXCEPT ALL ({kept}))"
        rows = conn.execute(query.encode()).fetchall()
        if rows:
            found[name] = rows
    return found


def draw(rng: random.Random) -> dict[str, Any]:
    return {
        "seed": str(rng.random()),
        "n": rng.randint(1, 6),
        "day": rng.choice(DAYS),
        "status": rng.choice(STATUSES),
    }


def make_small(conn: Conn) -> None:
    """Leave two stores and six customers, without orders."""
    conn.execute("TRUNCATE retail.orders CASCADE")
    conn.execute(
        """
        DELETE FROM retail.customers WHERE customer_id NOT IN (
            SELECT customer_id FROM (
                SELECT customer_id, row_number() OVER (PARTITION BY store_id ORDER BY customer_id) AS nth
                FROM retail.customers
                WHERE store_id IN (SELECT store_id FROM retail.stores ORDER BY store_id LIMIT 2)
            ) AS numbered WHERE nth <= 3)
        """
    )


@pytest.fixture
def chain(cluster: EmbeddedServer, database: str) -> str:
    """The conninfo of a small chain of the test's own."""
    conninfo = cluster.conninfo(dbname=database, user="postgres")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        make_small(conn)
    return conninfo


@pytest.fixture
def conn(cluster: EmbeddedServer, seeded: str) -> Iterator[Conn]:
    """A connection to a small chain that is rolled back in the end."""
    with psycopg.connect(cluster.conninfo(dbname=seeded, user="postgres")) as conn:
        make_small(conn)
        yield conn
        conn.rollback()


def test_the_seed_s_totals_are_what_its_rows_add_up_to(owner: Conn) -> None:
    assert differences(owner) == {}
    for name in DEFINITIONS:
        table = "daily_sales" if name == "customers" else name
        if table != "sold_on":
            row = owner.execute(f"SELECT count(*) FROM retail.{table}".encode())
            assert row.fetchall() > [(100,)]


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.thorough) for n in range(1, 8))]
)
def test_totals_follow_statements_of_every_kind_in_any_order(
    conn: Conn, seed: int
) -> None:
    rng = random.Random(seed)
    for round_ in range(60):
        name = rng.choice(list(STATEMENTS)) if round_ > 6 else "orders and items at once"  # fmt: skip
        with conn.transaction():
            conn.execute(STATEMENTS[name].encode(), draw(rng))
            if rng.random() < 0.1:
                raise psycopg.Rollback
        assert differences(conn) == {}, (round_, name)


@pytest.mark.parametrize("name", STATEMENTS)
def test_totals_follow_a_statement(conn: Conn, name: str) -> None:
    rng = random.Random(name)
    for _ in range(3):
        conn.execute(STATEMENTS["orders and items at once"].encode(), draw(rng))
    changed = conn.execute(STATEMENTS[name].encode(), {**draw(rng), "n": 2}).rowcount
    assert changed > 0
    assert differences(conn) == {}


@pytest.mark.parametrize("table", ["orders", "order_items", "customers", "stores"])
def test_emptied_tables_leave_no_totals(conn: Conn, table: str) -> None:
    conn.execute(STATEMENTS["orders and items at once"].encode(), draw(random.Random(1)))  # fmt: skip
    conn.execute(f"TRUNCATE retail.{table} CASCADE".encode())
    assert differences(conn) == {}
    for total in ("daily_sales", "monthly_product_sales", "daily_repeat_customers"):
        rows = conn.execute(f"SELECT 1 FROM retail.{total}".encode()).fetchall()
        assert rows == [] or table == "order_items"


def test_copied_rows_are_added_up(conn: Conn) -> None:
    lines = conn.execute(
        "SELECT gen_random_uuid()::text, customer_id::text, store_id::text FROM retail.customers, generate_series(1, 50)"
    ).fetchall()
    with conn.cursor().copy(
        "COPY retail.orders (order_id, customer_id, store_id, total_amount) FROM STDIN"
    ) as copy:
        for line in lines:
            copy.write_row((*line, "12.50"))
    assert differences(conn) == {}
    assert conn.execute("SELECT sum(orders) FROM retail.daily_sales").fetchall() == [
        (len(lines),)
    ]


RETRIED = (errors.DeadlockDetected, errors.SerializationFailure)


@pytest.mark.parametrize(
    "isolation",
    ["read committed", pytest.param("serializable", marks=pytest.mark.thorough)],
)
def test_totals_are_right_when_several_write_at_once(
    chain: str, isolation: str
) -> None:
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        try:
            with psycopg.connect(chain, autocommit=True) as conn:
                conn.execute(f"SET default_transaction_isolation = '{isolation}'".encode())  # fmt: skip
                conn.execute("SET deadlock_timeout = '10ms'")
                for _ in range(25):
                    repeat_until_done(conn, rng)
        except BaseException as exc:
            failures.append(exc)
            raise

    with psycopg.connect(chain, autocommit=True) as conn:
        conn.execute(STATEMENTS["orders and items at once"].encode(), draw(random.Random(0)))  # fmt: skip
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert differences(conn) == {}


def repeat_until_done(conn: Conn, rng: random.Random) -> None:
    names = rng.sample([n for n in STATEMENTS if "customers deleted" not in n], 2)
    values = draw(rng)
    while True:
        try:
            with conn.transaction():
                for name in names:
                    conn.execute(STATEMENTS[name].encode(), values)
            return
        except RETRIED:
            continue
        except errors.ForeignKeyViolation:
            return  # another one deleted the order meanwhile: refused, and rolled back


def test_two_first_orders_of_one_customer_at_once_make_one_new_customer(
    chain: str,
) -> None:
    order = """
        INSERT INTO retail.orders (customer_id, store_id, order_date, total_amount)
        SELECT customer_id, store_id, %s, 5 FROM retail.customers ORDER BY customer_id LIMIT 1
    """
    with (
        psycopg.connect(chain) as one,
        psycopg.connect(chain) as other,
        psycopg.connect(chain, autocommit=True) as watcher,
    ):
        one.execute(order, ("2026-03-05 12:00+00",))

        def place_an_earlier_order() -> None:
            other.execute(order, ("2026-03-01 12:00+00",))
            other.commit()

        thread = threading.Thread(target=place_an_earlier_order)
        thread.start()
        wait_for_a_lock(watcher)
        one.commit()
        thread.join()
        assert watcher.execute(
            "SELECT day::text, customers, new_customers FROM retail.daily_sales ORDER BY day"
        ).fetchall() == [("2026-03-01", 1, 1), ("2026-03-05", 1, 0)]
        assert differences(watcher) == {}


def test_a_writer_with_an_old_snapshot_fails_instead_of_miscounting(chain: str) -> None:
    order = """
        INSERT INTO retail.orders (customer_id, store_id, order_date, total_amount)
        SELECT customer_id, store_id, %s, 5 FROM retail.customers ORDER BY customer_id LIMIT 1
    """
    with psycopg.connect(chain) as old, psycopg.connect(chain, autocommit=True) as conn:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT 1 FROM retail.orders")
        conn.execute(order, ("2026-03-05 12:00+00",))
        with pytest.raises(errors.SerializationFailure):
            old.execute(order, ("2026-03-01 12:00+00",))
        assert differences(conn) == {}


def wait_for_a_lock(conn: Conn) -> None:
    """Wait until some transaction waits for another."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    pause = threading.Event()
    for _ in range(2000):
        if conn.execute(waiting).fetchall() != [(0,)]:
            return
        pause.wait(0.01)
    pytest.fail("nobody waits")


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO retail.daily_sales (store_id, day) SELECT store_id, '2026-01-01' FROM retail.stores",
        "UPDATE retail.daily_product_sales SET units = 0",
        "DELETE FROM retail.monthly_product_sales",
        "UPDATE retail.daily_repeat_customers SET customers = 0",
        "DELETE FROM retail.monthly_repeat_customers",
        "UPDATE retail.customer_purchases SET days = '{}'",
        "DELETE FROM retail.product_pairs",
    ],
)
@pytest.mark.parametrize("role", ["postgres", "zava_owner"])
def test_not_even_the_owner_writes_totals_by_hand(
    owner: Conn, role: str, write: str
) -> None:
    with (
        owner.transaction(force_rollback=True),
        pytest.raises(errors.ObjectNotInPrerequisiteState) as refused,
    ):
        owner.execute(f"SET LOCAL ROLE {role}".encode())
        owner.execute(write.encode())
    assert "rebuild_sales_totals" in (refused.value.diag.message_hint or "")


def test_whoever_may_write_orders_needs_no_right_on_the_totals(conn: Conn) -> None:
    conn.execute("CREATE ROLE till NOLOGIN BYPASSRLS")
    conn.execute("GRANT USAGE ON SCHEMA retail TO till")
    conn.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON retail.orders, retail.order_items TO till")  # fmt: skip
    conn.execute("GRANT SELECT ON retail.customers, retail.products TO till")
    conn.execute("SET ROLE till")
    rng = random.Random(5)
    for name in ("orders and items at once", "a status", "items deleted"):
        conn.execute(STATEMENTS[name].encode(), draw(rng))
    conn.execute("RESET ROLE")
    assert differences(conn) == {}
    assert conn.execute("SELECT 1 FROM retail.daily_sales").fetchall() != []


def test_rows_written_without_triggers_are_added_up_on_request(conn: Conn) -> None:
    rng = random.Random(2)
    conn.execute(STATEMENTS["orders and items at once"].encode(), draw(rng))
    conn.execute("SET session_replication_role = replica")
    for name in ("orders and items at once", "a status", "a date"):
        conn.execute(STATEMENTS[name].encode(), draw(rng))
    conn.execute("RESET session_replication_role")
    assert differences(conn) != {}
    conn.execute("SET ROLE zava_owner")
    conn.execute("SELECT retail.rebuild_sales_totals()")
    conn.execute("RESET ROLE")
    assert differences(conn) == {}
    # And the triggers are on again.
    conn.execute(STATEMENTS["a status and a date of all"].encode(), draw(rng))
    assert differences(conn) == {}


def test_an_older_database_gets_its_totals_when_the_schema_is_loaded(
    cluster: EmbeddedServer, database: str, run_psql: RunPsql
) -> None:
    conninfo = cluster.conninfo(dbname=database, user="postgres")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        before = totals(conn)
        make_older(conn)
    loaded = run_psql(conninfo, "-q", "-v", "ON_ERROR_STOP=1", "-f", "schema.sql")
    assert (loaded.returncode, loaded.stderr) == (0, "")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        assert totals(conn) == before
        assert differences(conn) == {}
        conn.execute(STATEMENTS["orders and items at once"].encode(), draw(random.Random(3)))  # fmt: skip
        assert differences(conn) == {}


def totals(conn: Conn) -> list[Any]:
    return [
        sorted(conn.execute(kept.encode()).fetchall())
        for name, (kept, _) in DEFINITIONS.items()
        if name != "sold_on"
    ]


def make_older(conn: Conn) -> None:
    """Take away what databases without totals do not have."""
    conn.execute(
        """
        DROP TABLE retail.daily_sales, retail.daily_product_sales, retail.monthly_product_sales,
            retail.daily_repeat_customers, retail.monthly_repeat_customers, retail.customer_purchases, retail.product_pairs;
        DROP FUNCTION retail.total_orders, retail.total_order_items, retail.total_purchases, retail.set_sold_on,
            retail.empty_sales_totals CASCADE;
        ALTER TABLE retail.orders DROP COLUMN sold_on;
        ALTER TABLE retail.order_items DROP COLUMN sold_on;
        """
    )
