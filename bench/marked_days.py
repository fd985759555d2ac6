"""What readers of the totals pay for days that changed since the last refresh.

    python -m bench.marked_days
    python -m bench.marked_days --scales 10 50

`get_store_performance` answers a year of the largest store over stdio, past its cache,
while none, one or thirty days of that store are marked as changed. All cases take turns
on one database of each scale; scale 10 has two million orders.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict

import psycopg

from bench import databases
from bench.measures import zava_server

LARGEST = "SELECT store_id FROM retail.orders GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
PERSON = "SELECT manager_id FROM retail.stores WHERE store_id = %s"
YEAR = "2025-07-01..2026-06-30"
# What the sales of the last days would have left: a mark for each order and its customer.
MARK = """
    INSERT INTO retail.changed_orders (store_id, day, customer_id)
    SELECT store_id, business_day, customer_id
    FROM (
        SELECT store_id, business_day, customer_id,
            row_number() OVER (PARTITION BY business_day ORDER BY order_date DESC) AS nth,
            dense_rank() OVER (ORDER BY business_day DESC) AS day_ago
        FROM retail.orders WHERE store_id = %(store)s AND business_day >= '2026-05-15'
    ) AS o
    WHERE day_ago = 1 AND nth <= %(of_today)s OR day_ago <= %(days)s AND nth <= %(a_day)s
"""
EVERY = 1_000_000_000
CASES = {
    "nothing marked": None,
    "today, refreshed 15 minutes ago": {"of_today": 15, "days": 0, "a_day": 0},
    "all of today": {"of_today": EVERY, "days": 0, "a_day": 0},
    "a return on each of 30 days": {"of_today": EVERY, "days": 30, "a_day": 1},
    "all orders of 30 days": {"of_today": EVERY, "days": 30, "a_day": EVERY},
}


def main() -> None:
    """Measure every scale, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--zava", default=f"{sys.executable} -m zava serve", metavar="COMMAND"
    )
    options = parser.parse_args()
    with databases.running_cluster() as cluster:
        for scale in options.scales:
            seconds = databases.seed_database(cluster, scale)
            orders = databases.count_orders(cluster, scale)
            print(f"{orders:,} orders, seeded in {seconds:.0f} s", flush=True)
            name = databases.database_name(scale)
            admin = databases.admin_conninfo(cluster, name)
            server = databases.zava_conninfo(cluster, scale)
            for case, found in measure(admin, server, options).items():
                shown = f"{statistics.median(found):8.1f} ms p50"
                print(f"  {case:36} {shown}, {max(found):8.1f} at most", flush=True)


def measure(
    admin: str, server: str, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Return the milliseconds of every call by case."""
    found: dict[str, list[float]] = defaultdict(list)
    with psycopg.connect(admin, autocommit=True) as conn:
        ((store,),) = conn.execute(LARGEST.encode()).fetchall()
        ((person,),) = conn.execute(PERSON, (store,)).fetchall()
        zava = zava_server("zava", options.zava, server)
        arguments = {"store_id": str(store), "time_period": YEAR, "fresh": True}
        with zava.client(ZAVA_RLS_USER_ID=str(person)) as client:
            for _ in range(options.rounds):
                for case, marks in CASES.items():
                    conn.execute("TRUNCATE retail.changed_orders")
                    if marks:
                        conn.execute(MARK, {"store": store, **marks})
                    conn.execute("VACUUM (ANALYZE) retail.changed_orders")
                    seconds = client.latencies(
                        "get_store_performance", lambda _: arguments, 11
                    )[1:]
                    found[case] += [1000 * second for second in seconds]
    return found


if __name__ == "__main__":
    main()
