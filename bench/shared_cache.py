r"""What a shared cache gives several processes of one person.

    python -m bench.shared_cache --url 'host=... dbname=... user=zava_server' --user ID

Asks the same twenty questions of each of ten processes that serve one person, once
with memory only and once with a Redis that the benchmark starts: the processes one
after the other, and all of them at once. It only reads the database.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from bench.client import BenchClient
from tests.redis_server import RedisServer

MONTHS = [f"2017-{month:02}" for month in range(1, 13)]
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    *(
        (
            "query_metrics",
            {
                "metrics": ["revenue", "orders", "units"],
                "by": ["store"],
                "time_period": month,
            },
        )
        for month in MONTHS
    ),
    *(
        ("get_store_performance", {"store_id": "all", "time_period": month})
        for month in ("2017-Q1", "2017-Q2", "2017-Q3", "2017-Q4")
    ),
    (
        "query_metrics",
        {"metrics": ["revenue"], "by": ["category", "month"], "time_period": "2017"},
    ),
    ("get_product_recommendations", {"customer_segment": "frequent"}),
    ("get_multiple_table_schemas", {"table_names": ["orders", "order_items"]}),
    (
        "execute_sales_query",
        {
            "postgresql_query": "SELECT date_trunc('week', order_date), count(*),"
            " sum(total_amount) FROM retail.orders GROUP BY 1 ORDER BY 1"
        },
    ),
]

Ask = Callable[[list[BenchClient]], list[list[float]]]


def main() -> None:
    options = parse()
    ways: dict[str, Ask] = {"one after the other": in_turn, "at once": at_once}
    for way, ask in ways.items():
        for is_shared in (False, True):
            with ExitStack() as stack:
                environment = {
                    "ZAVA_DATABASE_URL": options.url,
                    "ZAVA_LOG_FILE": "none",
                    "ZAVA_EMBEDDING_PROVIDER": "none",
                }
                if is_shared:
                    server = stack.enter_context(RedisServer())
                    environment["ZAVA_REDIS_URL"] = server.url
                command = f"{sys.executable} -m zava serve --user {options.user}"
                clients = [
                    stack.enter_context(BenchClient(command, environment))
                    for _ in range(options.processes)
                ]
                started = time.perf_counter()
                seconds = ask(clients)
                total = time.perf_counter() - started
                report(way, is_shared, seconds, total, clients)


def in_turn(clients: list[BenchClient]) -> list[list[float]]:
    return [asked(client) for client in clients]


def at_once(clients: list[BenchClient]) -> list[list[float]]:
    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(asked, clients))


def asked(client: BenchClient) -> list[float]:
    """Return the seconds of every question, one after the other."""
    seconds = []
    for tool, arguments in QUESTIONS:
        started = time.perf_counter()
        client.call(tool, arguments)
        seconds.append(time.perf_counter() - started)
    return seconds


def report(
    way: str,
    is_shared: bool,
    seconds: list[list[float]],
    total: float,
    clients: list[BenchClient],
) -> None:
    summaries = [
        client.call("get_performance_summary", {})["structuredContent"]
        for client in clients
    ]
    queries = sum(
        kind["count"] for each in summaries for kind in each["operations"].values()
    )
    calls = sorted(1000 * one for each in seconds for one in each)
    later = [1000 * one for each in seconds[1:] for one in each]
    print(
        f"{way}, {'shared' if is_shared else 'memory only'}:"
        f" {total:.1f} s in all, {queries} queries,"
        f" p50 {statistics.median(calls):.1f} ms,"
        f" p95 {calls[int(0.95 * len(calls))]:.1f} ms,"
        f" without the first process p50 {statistics.median(later):.1f} ms"
    )
    if is_shared:
        print("  ", [each["shared_cache"] for each in summaries])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--url", required=True, help="libpq connection string")
    parser.add_argument("--user", required=True, help="user id of the person served")
    parser.add_argument("--processes", type=int, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
