r"""What calls cost PostgreSQL and zava, and what somebody costs who asks nothing.

    python -m bench.sizing
    python -m bench.sizing --database 'host=... dbname=... user=postgres' --year 2017 \
        --store-manager ID --region-manager ID --head-office ID

The first makes a database with the seed. The second takes one that is there, on this
host, as a superuser. zava asks with the login `zava_server`. The part `refresh` marks
the last day's sales as changed and refreshes the totals, which leaves them as they were.
The part `pooler` needs a PgBouncer on this host. Linux only.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from bench import databases
from bench.client import BenchClient
from bench.measures import HEAD_OFFICE, QUERY, SEARCH, SEATTLE, zava_server
from bench.processes import (
    family,
    parent,
    processor_seconds,
    proportional,
    resident,
)
from tests.people import regional_manager
from tests.pooler import PgBouncer
from zava.admin.loading import DatabaseLoader
from zava.admin.totals import refresh_totals

PARTS = ("costs", "refresh", "idle", "pooler")
PERFORMANCE, METRICS = "get_store_performance", "query_metrics"
WARM_UP = 3
REFRESHES = 5
# An idle backend's figures are known after ten seconds.
SETTLED = 12
PAGE = 8192
MEGABYTE = 2**20
LOGIN = "zava_server"
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE usename = %s AND datname = %s"
TRAFFIC = """
    SELECT blks_hit + blks_read, xact_commit + xact_rollback
    FROM pg_stat_database WHERE datname = current_database()
"""
MARK = """
    INSERT INTO retail.changed_orders (store_id, day, customer_id)
    SELECT store_id, business_day, customer_id FROM retail.orders
    WHERE business_day = (SELECT max(business_day) FROM retail.orders)
"""


class Database:
    """A database and its server's processes.

    Args:
        admin: A superuser's connection string.
    """

    def __init__(self, admin: str) -> None:
        self.admin = admin
        self._conn = psycopg.connect(admin, autocommit=True)
        self._postmaster = parent(self._conn.info.backend_pid)
        folders = self._conn.execute("SHOW unix_socket_directories").fetchone()
        assert folders
        folder = folders[0].split(",")[0].strip('"')
        self.login = make_conninfo(admin, user=LOGIN, host=folder)

    def processor_seconds(self) -> float:
        """Return the processor time of the whole server."""
        return processor_seconds(self._postmaster)

    def backends(self) -> list[int]:
        """Return the process ids of zava's connections."""
        name = self._conn.info.dbname
        return [pid for (pid,) in self._conn.execute(BACKENDS, (LOGIN, name))]

    def traffic(self) -> tuple[int, int]:
        """Return pages read, and transactions, of whoever has disconnected."""
        self._conn.execute("SELECT pg_stat_clear_snapshot()")
        row = self._conn.execute(TRAFFIC).fetchone()
        assert row
        return row[0], row[1]

    def wait_for_nobody(self) -> None:
        """Wait until the connections have ended: then their figures are known."""
        while self.backends():
            time.sleep(0.05)

    def mark_last_day(self) -> int:
        """Mark the last day's sales as changed; return how many."""
        return self._conn.execute(MARK).rowcount


def main() -> None:
    """Measure, and print tables."""
    options = parse()
    with databases_of(options) as admin:
        database = Database(admin)
        if "costs" in options.parts:
            costs(database, options)
        if "refresh" in options.parts:
            refresh(database)
        if "idle" in options.parts:
            idle(database, options, database.login, "straight", {})
            closing = {"ZAVA_POOL_MIN_SIZE": "0", "ZAVA_POOL_MAX_IDLE": "2"}
            idle(database, options, database.login, "ZAVA_POOL_MIN_SIZE=0", closing)
        if "pooler" in options.parts:
            database.wait_for_nobody()
            with PgBouncer(database.login) as pooler:
                idle(database, options, pooler.conninfo, "PgBouncer", {})
                behind(database, pooler, options)


@contextmanager
def databases_of(options: argparse.Namespace) -> Iterator[str]:
    """Yield a superuser's connection string."""
    if options.database:
        yield options.database
        return
    with databases.running_cluster() as cluster:
        databases.seed_database(cluster, options.scale)
        databases.embed_products(cluster, options.scale)
        name = databases.database_name(options.scale)
        yield databases.admin_conninfo(cluster, name)


def questions(options: argparse.Namespace) -> Iterator[tuple[str, str, str, Any]]:
    """Yield who asks, what, the tool and its arguments."""
    year = {"time_period": options.year, "fresh": True}
    by_category = {"metrics": ["revenue"], "by": ["month", "category"]}
    people = (
        ("a store's manager", options.store_manager, "all"),
        ("a region's manager", options.region_manager, "all"),
        ("head office", options.head_office, "all"),
    )
    for who, user_id, stores in people:
        if who == "a store's manager":
            yield f"{who}: `select n`", user_id, QUERY, None
            words = {"query_description": "milk", "fresh": True}
            yield f"{who}: product search", user_id, SEARCH, words
        yield f"{who}: performance", user_id, PERFORMANCE, {"store_id": stores, **year}
        yield f"{who}: metrics", user_id, METRICS, {**by_category, **year}


def costs(database: Database, options: argparse.Namespace) -> None:
    """Print what each question costs."""
    print(
        "| a year | p50, ms | PostgreSQL's processor, ms | zava's processor, ms"
        " | pages read, MB | answer, kB |\n|---|---|---|---|---|---|"
    )
    for what, user_id, tool, given in questions(options):
        calls = options.calls if given else 20 * options.calls
        zava = zava_server("zava", options.zava, database.login)

        def arguments(number: int, given: Any = given, zava: Any = zava) -> Any:
            return given or zava.new_query(number)

        pages = []
        for measured in (0, calls):
            database.wait_for_nobody()
            before, _ = database.traffic()
            with zava.client(ZAVA_RLS_USER_ID=user_id) as client:
                client.latencies(tool, arguments, WARM_UP)
                spent, own = database.processor_seconds(), client.processor_seconds()
                seconds = client.latencies(tool, arguments, measured)
                spent = database.processor_seconds() - spent
                own = client.processor_seconds() - own
                size = len(str(client.call(tool, arguments(0))["content"]))
            database.wait_for_nobody()
            pages.append(database.traffic()[0] - before)
        print(
            f"| {what} | {1000 * statistics.median(seconds):.1f}"
            f" | {1000 * spent / calls:.2f} | {1000 * own / calls:.2f}"
            f" | {(pages[1] - pages[0]) / calls * PAGE / MEGABYTE:.2f}"
            f" | {size / 1000:.1f} |",
            flush=True,
        )


def refresh(database: Database) -> None:
    """Print what a refresh costs after the last day's sales."""
    loader = DatabaseLoader(database.admin)
    took, spent, orders = [], [], 0
    for _ in range(REFRESHES):
        orders = database.mark_last_day()
        before, started = database.processor_seconds(), time.perf_counter()
        refresh_totals(loader, lambda *_: None)
        took.append(time.perf_counter() - started)
        spent.append(database.processor_seconds() - before)
    print(
        f"\na refresh after {orders:,} sales of a day: {statistics.median(took):.2f} s,"
        f" {statistics.median(spent):.2f} s of PostgreSQL's processor\n"
    )


def idle(
    database: Database,
    options: argparse.Namespace,
    conninfo: str,
    how: str,
    environment: dict[str, str],
) -> None:
    """Print what processes cost that have asked once and ask nothing more."""
    zava = zava_server("zava", options.zava, conninfo)
    variables = {"ZAVA_RLS_USER_ID": options.store_manager, **environment}
    with ExitStack() as stack:
        clients = []
        for _ in range(options.processes):
            clients.append(stack.enter_context(zava.client(**variables)))
            clients[-1].call(QUERY, zava.new_query(0))
        time.sleep(SETTLED)
        server = database.processor_seconds()
        own = sum(client.processor_seconds() for client in clients)
        _, transactions = database.traffic()
        connections = database.backends()
        report_memory(clients, connections, how)
        time.sleep(options.idle)
        own = sum(client.processor_seconds() for client in clients) - own
        server = database.processor_seconds() - server
        asked = database.traffic()[1] - transactions
        again = [once(client, zava.new_query(0)) for client in clients]
    minutes = options.idle / 60
    print(
        f"in a minute without a question each process took"
        f" {1000 * own / minutes / options.processes:.0f} ms of processor time; all"
        f" {options.processes} together {asked / minutes:.0f} transactions, the server"
        f" {1000 * server / minutes:.0f} ms; the next call took"
        f" {1000 * statistics.median(again):.1f} ms\n",
        flush=True,
    )


def report_memory(
    clients: Sequence[BenchClient], connections: Sequence[int], how: str
) -> None:
    mine = [pid for client in clients for pid in family(client.pid)]
    count = len(clients)
    print(
        f"{count} processes, {how}: {sum(map(resident, mine)) / count / MEGABYTE:.0f} MB"
        f" resident each, {sum(map(proportional, mine)) / count / MEGABYTE:.0f} MB with"
        f" its part of what they share; {len(connections)} connections"
    )
    if connections:
        each = sum(map(proportional, connections)) / len(connections) / MEGABYTE
        print(f"a connection's backend: {each:.1f} MB without shared memory")


def behind(database: Database, pooler: PgBouncer, options: argparse.Namespace) -> None:
    """Print what the way through PgBouncer costs a small call."""
    for run in range(options.rounds):
        for how, conninfo in (
            ("straight", database.login),
            ("PgBouncer", pooler.conninfo),
        ):
            zava = zava_server("zava", options.zava, conninfo)
            with zava.client(ZAVA_RLS_USER_ID=options.store_manager) as client:
                client.latencies(QUERY, zava.new_query, 200)
                before = (database.processor_seconds(), processor_seconds(pooler.pid))
                seconds = client.latencies(QUERY, zava.new_query, 2000)
                spent = database.processor_seconds() - before[0]
                pooling = processor_seconds(pooler.pid) - before[1]
            print(
                f"run {run + 1}, {how}: p50 {1000 * statistics.median(seconds):.2f} ms,"
                f" PostgreSQL {1000 * spent / 2000:.2f} ms, PgBouncer"
                f" {1000 * pooling / 2000:.2f} ms a call",
                flush=True,
            )


def once(client: BenchClient, arguments: dict[str, Any]) -> float:
    """Return the seconds of one call."""
    (seconds,) = client.latencies(QUERY, lambda _: arguments, 1)
    return seconds


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--database", metavar="CONNINFO")
    parser.add_argument("--store-manager", default=SEATTLE, metavar="USER_ID")
    parser.add_argument(
        "--region-manager",
        default=regional_manager("Puget Sound Region"),
        metavar="USER_ID",
    )
    parser.add_argument("--head-office", default=HEAD_OFFICE, metavar="USER_ID")
    parser.add_argument("--year", default="2025")
    parser.add_argument("--calls", type=int, default=50, help="of each question")
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--idle", type=float, default=60.0, help="seconds")
    parser.add_argument("--rounds", type=int, default=3, help="with PgBouncer")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--zava", default=f"{sys.executable} -m zava serve", metavar="COMMAND"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
