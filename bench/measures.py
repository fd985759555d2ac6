"""What is measured of a server, and how."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.client import Arguments, BenchClient
from bench.figures import Figures
from bench.search_quality import read_questions

IN_FLIGHT = 16
WARM_UP = 200
SEATTLE = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
HEAD_OFFICE = "f671a49b-04d3-4f72-8f5c-2a93a7a100d2"
QUERY = "execute_sales_query"
RECOMMEND = "get_product_recommendations"
PRODUCT = "16 oz Fiberglass Claw Hammer"
SEARCH = "semantic_search_products"
MANY_ROWS = 10_000

CALLS = "`select <n>` over stdio"
PROCESS = "The process"
SEARCHES = "`semantic_search_products` over stdio, 20 products of 424"
RESULT = f"A result of {MANY_ROWS:,} rows by 6 columns"

# A number that was not asked for yet, so that no cache can know the answer.
_numbers = itertools.count(1_000_000)

_SIX_COLUMNS = f"""
    SELECT order_id, order_date, status, total_amount, customer_id,
           extract(year FROM order_date)::integer AS year
    FROM retail.orders LIMIT {MANY_ROWS}
"""


@dataclass(frozen=True)
class Server:
    """A server to be measured.

    Attributes:
        name: How it is called in the tables.
        command: How a shell would start it.
        tool: Its tool that runs SQL.
        argument: Of that tool, the one that takes the SQL.
        environment: Variables of the process.
        targets: By what is measured.
    """

    name: str
    command: str
    tool: str
    argument: str
    environment: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)

    def client(self, **variables: str) -> BenchClient:
        return BenchClient(self.command, {**self.environment, **variables})

    def new_query(self, _number: int) -> dict[str, Any]:
        return {self.argument: f"select {next(_numbers)}"}


def zava_server(name: str, command: str, conninfo: str) -> Server:
    """Return zava as a server to be measured."""
    return Server(
        name,
        command,
        QUERY,
        "postgresql_query",
        {
            "ZAVA_DATABASE_URL": conninfo,
            "ZAVA_RLS_USER_ID": SEATTLE,
            "ZAVA_LOG_FILE": "none",
        },
        {"p50": 0.60, "16 in flight": 1500, "start": 0.6, "memory": 90},
    )


def measure_calls(server: Server, figures: Figures, calls: int) -> None:
    """Measure start-up, latency, throughput and memory of a server, one run."""

    def add(group: str, what: str, unit: str, value: float, key: str = "") -> None:
        figures.add(group, server.name, what, unit, value, server.targets.get(key))

    with server.client() as client:
        started = time.perf_counter()
        client.call(server.tool, server.new_query(0))
        first = time.perf_counter() - started
        client.latencies(server.tool, server.new_query, WARM_UP)
        seconds = client.latencies(server.tool, server.new_query, calls)
        memory = client.resident()
        rate = client.rate(server.tool, server.new_query, 2 * calls, IN_FLIGHT)
        add(CALLS, "p50", "ms", 1000 * statistics.median(seconds), "p50")
        add(CALLS, "p95", "ms", 1000 * _percentile(seconds, 0.95))
        add(CALLS, f"{IN_FLIGHT} in flight", "/s", rate, "16 in flight")
        add(PROCESS, "start to initialize answered", "s", client.startup, "start")
        add(PROCESS, "first call", "ms", 1000 * first)
        add(
            PROCESS,
            f"memory after {calls + WARM_UP:,} calls",
            "MB",
            memory / 2**20,
            "memory",
        )


def measure_cache(server: Server, figures: Figures, calls: int) -> None:
    """Measure zava's calls that need no database, one run."""
    with server.client() as client:
        for name, tool, arguments, targets in (
            (
                "zava, from its cache",
                QUERY,
                {"postgresql_query": "select 1"},
                (0.30, 3500),
            ),
            ("zava, get_current_utc_date", "get_current_utc_date", {}, (None, None)),
        ):
            # Not bound by the closure: the same every time.
            same = _always(arguments)
            client.latencies(tool, same, WARM_UP)
            seconds = client.latencies(tool, same, calls)
            rate = client.rate(tool, same, 2 * calls, IN_FLIGHT)
            latency, throughput = targets
            figures.add(
                CALLS, name, "p50", "ms", 1000 * statistics.median(seconds), latency
            )
            figures.add(CALLS, name, "p95", "ms", 1000 * _percentile(seconds, 0.95))
            figures.add(CALLS, name, f"{IN_FLIGHT} in flight", "/s", rate, throughput)


def measure_result(server: Server, figures: Figures, times: int) -> None:
    """Measure a large result of zava, from the call to the parsed answer, one run."""
    ceilings = {"ZAVA_MAX_ROWS": str(MANY_ROWS), "ZAVA_MAX_RESULT_BYTES": "16000000"}
    with server.client(**ceilings) as client:
        arguments = {"postgresql_query": _SIX_COLUMNS, "max_rows": MANY_ROWS}
        for what, fresh in (("read", True), ("from the cache", False)):
            seconds = []
            for _ in range(times):
                started = time.perf_counter()
                result = client.call(QUERY, {**arguments, "fresh": fresh})
                seconds.append(time.perf_counter() - started)
                assert len(result["structuredContent"]["rows"]) == MANY_ROWS
            target = 60 if fresh else None
            figures.add(
                RESULT,
                "zava",
                f"{what}, until parsed",
                "ms",
                1000 * statistics.median(seconds),
                target,
            )
        text = json.dumps(result)
        started = time.perf_counter()
        json.loads(text)
        parse = time.perf_counter() - started
        figures.add(RESULT, "zava", "of it the client's json.loads", "ms", 1000 * parse)


def measure_search(server: Server, figures: Figures) -> None:
    """Measure the product search with every question of the evaluation, one run."""
    questions = [question.text for question in read_questions()]

    def asked(mode: str) -> Arguments:
        return lambda n: {"query_description": questions[n], "mode": mode}

    with server.client() as client:
        started = time.perf_counter()
        client.call(SEARCH, {"query_description": "leaking pipes"})
        first = time.perf_counter() - started
        figures.add(SEARCHES, "hybrid", "first", "ms", 1000 * first)
        # Words alone first: that opens what is opened once and embeds no question.
        for mode, target in (("keyword", None), ("hybrid", 5.0), ("semantic", None)):
            seconds = client.latencies(SEARCH, asked(mode), len(questions))
            _add_latencies(figures, mode, seconds, target)
        seconds = client.latencies(SEARCH, asked("hybrid"), len(questions))
        _add_latencies(figures, "hybrid, asked again: cached", seconds, 1.0)


def _add_latencies(
    figures: Figures, who: str, seconds: list[float], target: float | None
) -> None:
    figures.add(SEARCHES, who, "p50", "ms", 1000 * statistics.median(seconds))
    p95 = 1000 * _percentile(seconds, 0.95)
    figures.add(SEARCHES, who, "p95", "ms", p95, target)


GROWTH: dict[str, tuple[str, dict[str, Any]]] = {
    "get_store_performance, a year": (
        "get_store_performance",
        {"store_id": "seattle", "time_period": "2025"},
    ),
    "get_store_performance, a year from mid-month": (
        "get_store_performance",
        {"store_id": "seattle", "time_period": "2025-03-15..2026-03-14"},
    ),
    "execute_sales_query, revenue by month from daily_sales": (
        QUERY,
        {
            "postgresql_query": "SELECT date_trunc('month', day) AS month, sum(revenue)"
            " FROM retail.daily_sales GROUP BY 1 ORDER BY 1"
        },
    ),
    "execute_sales_query, orders of one day": (
        QUERY,
        {
            "postgresql_query": "SELECT count(*), sum(total_amount) FROM retail.orders"
            " WHERE order_date >= '2026-06-01' AND order_date < '2026-06-02'"
        },
    ),
    "execute_sales_query, stock of a product": (
        QUERY,
        {
            "postgresql_query": "SELECT p.name, i.stock_level FROM retail.inventory AS i"
            " JOIN retail.products AS p USING (product_id) ORDER BY p.sku LIMIT 1"
        },
    ),
    "semantic_search_products": (SEARCH, {"query_description": "leaking pipes"}),
    "find_similar_products": ("find_similar_products", {"product": PRODUCT}),
    "get_product_recommendations, with a product": (RECOMMEND, {"product": PRODUCT}),
    "get_product_recommendations, who spent most": (
        RECOMMEND,
        {"customer_segment": "big_spender"},
    ),
    "get_multiple_table_schemas": (
        "get_multiple_table_schemas",
        {"table_names": ["orders", "order_items", "products"]},
    ),
    "health_check": ("health_check", {}),
    "get_performance_summary": ("get_performance_summary", {}),
}


OF_EVERY_STORE: dict[str, tuple[str, dict[str, Any]]] = {
    f"{name}, head office": GROWTH[name]
    for name in (
        "get_product_recommendations, with a product",
        "get_product_recommendations, who spent most",
    )
}
# Milliseconds: read, and from the cache.
TARGETS = {"get_store_performance": (60, 1)}
HAVE_FRESH = (QUERY, SEARCH, RECOMMEND, "get_store_performance")


def measure_growth(server: Server, figures: Figures, orders: int, times: int) -> None:
    """Measure every tool on one database, one run: first, read again, cached."""
    group = f"Tools with {orders:,} orders"

    def add(name: str, what: str, seconds: float, target: float | None = None) -> None:
        figures.add(group, name, what, "ms", 1000 * seconds, target)

    for person, cases in ((SEATTLE, GROWTH), (HEAD_OFFICE, OF_EVERY_STORE)):
        with server.client(ZAVA_RLS_USER_ID=person) as client:
            for name, (tool, arguments) in cases.items():
                read_target, kept_target = TARGETS.get(tool, (None, None))
                has_fresh = tool in HAVE_FRESH
                again = {**arguments, "fresh": True} if has_fresh else arguments
                started = time.perf_counter()
                client.call(tool, arguments)
                add(name, "first", time.perf_counter() - started)
                seconds = client.latencies(tool, _always(again), times)
                what = "again" if has_fresh else "again, as it is"
                add(name, what, statistics.median(seconds), read_target)
                if has_fresh:
                    seconds = client.latencies(tool, _always(arguments), times)
                    add(name, "cached", statistics.median(seconds), kept_target)


def _always(arguments: dict[str, Any]) -> Any:
    return lambda _number: arguments


def _percentile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[int(share * (len(seconds) - 1))]
