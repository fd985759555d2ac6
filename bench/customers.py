"""What it costs that a store sees customers who live elsewhere and have bought there.

    python -m bench.customers
    python -m bench.customers --scale 10

Two databases hold the same seed; in one of them the policies of customers know the home
store alone, as in the first design. The largest store's manager and head office ask
both in turns, each query in zava's own transaction. Scale 10 has 500,000 customers.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict

import psycopg

from bench import databases
from bench.marked_days import LARGEST, PERSON
from bench.measures import HEAD_OFFICE
from zava.data.identity import IdentityResolver
from zava.data.transaction import Query, run_queries

HOME_ONLY = (
    "ALTER POLICY store_manager_customers ON retail.customers"
    " USING (store_id = (SELECT retail.get_current_user_store()))",
    "ALTER POLICY regional_manager_customers ON retail.customers"
    " USING (store_id = ANY ((SELECT retail.get_user_store_list())::uuid[]))",
)
QUERIES = {
    "count of customers": "SELECT count(*) FROM retail.customers",
    "customers by month of sign-up": (
        "SELECT date_trunc('month', signed_up_on), count(*) FROM retail.customers GROUP BY 1"
    ),
    "orders joined with customers": (
        "SELECT count(*), sum(o.total_amount) FROM retail.orders AS o"
        " JOIN retail.customers AS c ON c.customer_id = o.customer_id"
    ),
    "the 20 best customers of a year": (
        "SELECT c.source_id, sum(o.total_amount) FROM retail.orders AS o"
        " JOIN retail.customers AS c ON c.customer_id = o.customer_id"
        " WHERE o.business_day >= '2025-07-01' GROUP BY c.customer_id ORDER BY 2 DESC LIMIT 20"
    ),
    "one customer by key": (
        "SELECT count(*) FROM retail.customers WHERE customer_id = ("
        "SELECT customer_id FROM retail.orders WHERE customer_id IS NOT NULL LIMIT 1)"
    ),
}


def main() -> None:
    """Measure in turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with databases.running_cluster() as cluster:
        databases.seed_database(cluster, options.scale)
        name = databases.database_name(options.scale)
        admin = databases.admin_conninfo(cluster, "postgres")
        with psycopg.connect(admin, autocommit=True) as conn:
            conn.execute(
                f"CREATE DATABASE home TEMPLATE {name} STRATEGY FILE_COPY".encode()
            )
        with psycopg.connect(databases.admin_conninfo(cluster, "home")) as conn:
            for statement in HOME_ONLY:
                conn.execute(statement.encode())
        with psycopg.connect(databases.admin_conninfo(cluster, name)) as conn:
            ((store,),) = conn.execute(LARGEST.encode()).fetchall()
            ((person,),) = conn.execute(PERSON, (store,)).fetchall()
        people = {"the largest store": str(person), "head office": HEAD_OFFICE}
        shops = {
            shop: cluster.conninfo(dbname=dbname, user="zava_server")
            for shop, dbname in (("zava", name), ("home", "home"))
        }
        measure(shops, people, options.rounds)


def measure(shops: dict[str, str], people: dict[str, str], rounds: int) -> None:
    """Ask every query of both databases as everyone, and print the medians."""
    for who, person in people.items():
        for what, sql in QUERIES.items():
            found: dict[str, list[float]] = defaultdict(list)
            for _ in range(rounds):
                for shop, conninfo in shops.items():
                    found[shop].append(seconds(conninfo, person, sql))
            medians = {shop: 1000 * statistics.median(s) for shop, s in found.items()}
            shown = "  ".join(f"{shop} {ms:9.1f} ms" for shop, ms in medians.items())
            print(f"{who:18} {what:34} {shown}", flush=True)


def seconds(conninfo: str, person: str, sql: str) -> float:
    """Return how long the second of two equal queries on a new connection takes."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        identity = IdentityResolver(lambda ask, _retries: ask(conn)).resolve(person, 1)
        for _ in range(2):
            started = time.perf_counter()
            run_queries(conn, [Query(sql)], identity, 1000)
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
