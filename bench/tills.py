"""What the sales totals cost those who sell: with zava's triggers and without any.

    python -m bench.tills
    python -m bench.tills --scale 10
    python -m bench.tills --before 4aef1b6

Two databases hold the same seed; in one of them all triggers of orders and order_items
but those of foreign keys are disabled. A third may hold schema and seed of an earlier
revision. All are measured in turns. What is measured: an order with two lines from
BEGIN to COMMIT, also of a customer with many orders; cancelling an order; orders in
bulk; orders a second of several tills in one store that take 20 ms before each commit;
and the bytes that an order adds to the tables and writes to the log, page images aside.
At last a refresh.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import tarfile
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from bench import databases

BARE = (
    "ALTER TABLE retail.orders DISABLE TRIGGER USER",
    "ALTER TABLE retail.order_items DISABLE TRIGGER USER",
    # What a trigger would set.
    "ALTER TABLE retail.orders ALTER COLUMN business_day SET DEFAULT current_date",
)
CUSTOMER = """
    SELECT customer_id, store_id FROM retail.orders GROUP BY 1, 2
    ORDER BY count(*) DESC, customer_id LIMIT 1
"""
BUYERS = "SELECT customer_id, store_id FROM retail.customers ORDER BY random() LIMIT %s"
ORDER = """
    INSERT INTO retail.orders (customer_id, store_id, total_amount, status)
    VALUES (%s, %s, 30, 'completed') RETURNING order_id
"""
LINE = """
    INSERT INTO retail.order_items
        (order_id, store_id, product_id, quantity, unit_price, total_amount)
    SELECT %s, %s, product_id, 1, 15, 15 FROM retail.products ORDER BY sku OFFSET %s LIMIT 1
"""
CANCEL = "UPDATE retail.orders SET status = 'cancelled' WHERE order_id = %s"
BULK = """
    WITH o AS (
        INSERT INTO retail.orders (customer_id, store_id, order_date, total_amount)
        SELECT c.customer_id, c.store_id, now() - n * interval '1 minute', 30
        FROM (SELECT customer_id, store_id FROM retail.customers LIMIT 200) AS c,
             generate_series(1, 10) AS n
        RETURNING order_id, store_id
    )
    INSERT INTO retail.order_items
        (order_id, store_id, product_id, quantity, unit_price, total_amount)
    SELECT o.order_id, o.store_id, p.product_id, 1, 15, 15
    FROM o, (SELECT product_id FROM retail.products LIMIT 2) AS p
"""
MANY = """
    INSERT INTO retail.orders (customer_id, store_id, order_date, total_amount)
    SELECT %s, %s, timestamptz '2025-01-01' + n * interval '1 minute', 5
    FROM generate_series(1, %s) AS n
"""
PAUSE = 0.02
RELOAD = "SELECT pg_reload_conf()"
WRITTEN = """
    SELECT sum(pg_total_relation_size(c.oid)) - sum(m.size), sum(m.size),
        pg_current_wal_insert_lsn() - '0/0'::pg_lsn
    FROM pg_class AS c
    CROSS JOIN LATERAL (
        SELECT CASE WHEN relname = 'changed_orders' THEN pg_total_relation_size(c.oid)
            ELSE 0 END
    ) AS m (size)
    WHERE relkind = 'r' AND relnamespace = 'retail'::regnamespace
"""


def main() -> None:
    """Measure in turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="of each run of tills"
    )
    parser.add_argument("--orders", type=int, default=200, help="of each round")
    parser.add_argument(
        "--many", type=int, default=10_000, help="orders of one customer"
    )
    parser.add_argument("--before", help="a revision of git to compare with")
    options = parser.parse_args()
    with databases.running_cluster() as cluster:
        shops = {
            shop: databases.admin_conninfo(cluster, shop) for shop in ("zava", "bare")
        }
        for conninfo in shops.values():
            databases.seed(conninfo, options.scale)
        if options.before:
            shops["before"] = databases.admin_conninfo(cluster, "before")
            with tempfile.TemporaryDirectory() as folder:
                check_out(options.before, Path(folder))
                databases.seed(shops["before"], options.scale, Path(folder))
        with psycopg.connect(shops["bare"]) as conn:
            for statement in BARE:
                conn.execute(statement.encode())
        figures = measure(shops, options)
    for what, by_shop in figures.items():
        shown = "  ".join(
            f"{k} {statistics.median(v):10.2f}" for k, v in by_shop.items()
        )
        print(f"{what:48} {shown}")


def measure(
    shops: dict[str, str], options: argparse.Namespace
) -> dict[str, dict[str, list[float]]]:
    """Return every figure by what it is and by database; one value for each round."""
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    busy = {}
    for shop, conninfo in shops.items():
        with psycopg.connect(conninfo, autocommit=True) as conn:
            buyer = one(conn, CUSTOMER)
            busy[shop] = buyer
            conn.execute(MANY, (*buyer, options.many))
    for _ in range(5):
        for shop, conninfo in shops.items():
            with psycopg.connect(conninfo, autocommit=True) as conn:
                buyers = conn.execute(BUYERS, (options.orders,)).fetchall()
                seconds = [timed(partial(sell, conn, b)) for b in buyers]
                figures["an order with two lines, ms"][shop] += seconds
                seconds = [timed(partial(sell, conn, busy[shop])) for _ in range(20)]
                figures[f"of a customer with {options.many:,} orders, ms"][shop] += (
                    seconds
                )
                sold = [sell(conn, buyer) for buyer in buyers[:50]]
                seconds = [timed(partial(conn.execute, CANCEL, (o,))) for o in sold]
                figures["cancel an order, ms"][shop] += seconds
                figures["2,000 orders in bulk, ms"][shop].append(
                    timed(partial(conn.execute, BULK))
                )
    for _ in range(3):
        for tills in (1, 16):
            for shop, conninfo in shops.items():
                rate = orders_a_second(conninfo, busy[shop][1], tills, options.seconds)
                figures[f"{tills} tills in one store, orders/s"][shop].append(rate)
    for shop, conninfo in shops.items():
        with psycopg.connect(conninfo, autocommit=True) as conn:
            for what, bytes_ in bytes_an_order(conn).items():
                figures[what][shop].append(bytes_)
    with psycopg.connect(shops["zava"]) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        figures["the refresh after all that, ms"]["zava"].append(
            timed(lambda: conn.execute("SELECT retail.refresh_sales_totals()"))
        )
    return figures


def bytes_an_order(conn: psycopg.Connection) -> dict[str, float]:
    """Return the bytes of an order with two lines: on disk, marks until a refresh, log.

    On disk is measured in bulk: as many orders as split the pages of indexes evenly.
    """
    size, _, _ = one(conn, WRITTEN)
    for days in range(30):
        conn.execute(BULK.replace("now()", f"now() - interval '{10 * days} days'"))
    size_after, _, _ = one(conn, WRITTEN)
    for statement in ("ALTER SYSTEM SET full_page_writes = off", RELOAD, "CHECKPOINT"):
        conn.execute(statement.encode())
    buyers = conn.execute(BUYERS, (2_000,)).fetchall()
    _, marks, written = one(conn, WRITTEN)
    for buyer in buyers:
        sell(conn, buyer)
    _, marks_after, written_after = one(conn, WRITTEN)
    for statement in ("ALTER SYSTEM RESET full_page_writes", RELOAD):
        conn.execute(statement.encode())
    return {
        "on disk, bytes an order": float(size_after - size) / 60_000,
        "marks until a refresh, bytes an order": (marks_after - marks) / len(buyers),
        "log, bytes an order": float(written_after - written) / len(buyers),
    }


def check_out(revision: str, folder: Path) -> None:
    """Write the schema and the seed of a revision into a folder."""
    archive = subprocess.run(
        ["git", "archive", revision, "schema.sql", "seed"],
        cwd=databases.ROOT,
        check=True,
        capture_output=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def sell(conn: psycopg.Connection, buyer: tuple[Any, ...], pause: float = 0) -> Any:
    """Write an order with two lines in one transaction; return its id."""
    with conn.transaction():
        (order_id,) = one(conn, ORDER, buyer)
        for n in range(2):
            conn.execute(LINE, (order_id, buyer[1], n))
        time.sleep(pause)
    return order_id


def one(conn: psycopg.Connection, sql: str, values: Any = None) -> tuple[Any, ...]:
    row = conn.execute(sql.encode(), values).fetchone()
    assert row is not None
    return tuple(row)


def timed(act: Callable[[], Any]) -> float:
    """Return the milliseconds that something takes."""
    started = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - started)


def orders_a_second(conninfo: str, store_id: Any, tills: int, seconds: float) -> float:
    """Return the orders a second of some tills in one store, each with its customer."""
    done = [0] * tills
    until = time.monotonic() + seconds

    def work(number: int) -> None:
        with psycopg.connect(conninfo, autocommit=True) as conn:
            customer = one(
                conn,
                "SELECT customer_id FROM retail.customers WHERE store_id = %s"
                " ORDER BY customer_id OFFSET %s LIMIT 1",
                (store_id, number),
            )
            while time.monotonic() < until:
                sell(conn, (customer[0], store_id), PAUSE)
                done[number] += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(tills)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds


if __name__ == "__main__":
    main()
