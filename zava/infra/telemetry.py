"""What is counted and timed in a running server.

Each figure is counted in one place only: operations by the error context,
queries by `InfrastructureManager.track_query_execution`, lookups by the cache.
Pool and cache sizes are read when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from loguru import logger

if TYPE_CHECKING:
    from http.server import HTTPServer

    from prometheus_client import CollectorRegistry


import hashlib
import statistics
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from zava.infra.masking import mask_literals

Gauges = Callable[[], Mapping[str, float]]
"""Reads some gauges: name without prefix -> value now."""


class MetricsCollector:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        registry = CollectorRegistry()
        self.registry: CollectorRegistry = registry
        self.query_total = Counter(
            "query_total",
            "Queries sent to PostgreSQL",
            ("type", "status"),
            registry=registry,
        )
        self.query_duration = Histogram(
            "query_duration", "Seconds that a query took", ("type",), registry=registry
        )
        self.operation_success = Counter(
            "operation_success", "Calls answered", ("operation",), registry=registry
        )
        self.operation_error = Counter(
            "operation_error", "Calls failed", ("operation", "type"), registry=registry
        )
        self.operation_duration = Histogram(
            "operation_duration",
            "Seconds that an answered call took",
            ("operation",),
            registry=registry,
        )
        self.cache_hit = Counter(
            "cache_hit", "Lookups answered by the cache", ("type",), registry=registry
        )
        self.cache_miss = Counter(
            "cache_miss", "Lookups that ran a query", ("type",), registry=registry
        )
        # prometheus_client takes longer to find a metric by its labels than to count.
        # It keeps every one that was ever found as well.
        self._labelled: Callable[..., Any] = cache(
            lambda metric, *labels: metric.labels(*labels)
        )
        self._http: HTTPServer | None = None

    def count_success(self, operation: str, seconds: float) -> None:
        """Count one answered call."""
        self._labelled(self.operation_success, operation).inc()
        self._labelled(self.operation_duration, operation).observe(seconds)

    def count_error(self, operation: str, kind: str) -> None:
        """Count one failed call."""
        self._labelled(self.operation_error, operation, kind).inc()

    def count_query(self, kind: str, seconds: float, success: bool) -> None:
        """Count one query that was sent to PostgreSQL."""
        status = "success" if success else "error"
        self._labelled(self.query_total, kind, status).inc()
        self._labelled(self.query_duration, kind).observe(seconds)

    def count_lookup(self, kind: str, hit: bool) -> None:
        """Count one lookup in the cache."""
        self._labelled(self.cache_hit if hit else self.cache_miss, kind).inc()

    def add_gauges(self, prefix: str, read: Gauges) -> None:
        """Publish what `read` returns, under `<prefix>_<name>`, at every scrape."""
        self.registry.register(_GaugeReader(prefix, read))

    def serve(self, port: int) -> int:
        """Publish the metrics over HTTP on loopback; return the port.

        Args:
            port: 0 for any that is free.
        """
        from prometheus_client import start_http_server

        self._http, _ = start_http_server(port, "127.0.0.1", self.registry)
        return int(self._http.server_port)

    def flush(self) -> None:
        """Log the totals, as nobody can scrape them any more, and stop publishing."""
        totals = {
            name: sum(
                int(sample.value)
                for family in metric.collect()
                for sample in family.samples
                if sample.name.endswith("_total")
            )
            for name, metric in (
                ("answered", self.operation_success),
                ("failed", self.operation_error),
                ("queries", self.query_total),
            )
        }
        logger.bind(**totals).info("totals")
        http, self._http = self._http, None
        if http is not None:
            http.shutdown()
            http.server_close()


class _GaugeReader:
    """A prometheus collector over a function."""

    def __init__(self, prefix: str, read: Gauges) -> None:
        self._prefix = prefix
        self._read = read

    def describe(self) -> list[Any]:
        return []  # nothing is read at registration

    def collect(self) -> list[Any]:
        from prometheus_client.core import GaugeMetricFamily

        return [
            GaugeMetricFamily(f"{self._prefix}_{name}", name, value=value)
            for name, value in self._read().items()
        ]


HISTORY = 1000
"""Durations kept per operation type; average and extremes are over these."""

Track = Callable[[str, float, bool], None]
"""Counts one execution: operation type, seconds, success."""


class QueryPerformanceMonitor:
    """Times queries by operation type; safe for threads.

    Args:
        track: Told of every execution, once.
        slow_query_threshold: Seconds; more than that is slow.
        clock: Monotonic seconds.
        logs_failures: Whether a failure is a line of its own; not where whoever
            asked for the query logs it.
    """

    def __init__(
        self,
        track: Track = lambda _type, _seconds, _success: None,
        slow_query_threshold: float = 1.0,
        clock: Callable[[], float] = time.perf_counter,
        *,
        logs_failures: bool = True,
    ) -> None:
        self._logs_failures = logs_failures
        self.slow_query_threshold = slow_query_threshold
        self.query_stats: defaultdict[str, deque[float]] = defaultdict(
            lambda: deque(maxlen=HISTORY)
        )
        self._track = track
        self._clock = clock
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._slow: defaultdict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    @contextmanager
    def monitor_query(
        self, query: str, operation_type: str = "unknown"
    ) -> Iterator[None]:
        """Time the block; a failure is counted, but not timed.

        A cancellation is no failure: it was meant.
        """
        started = self._clock()
        try:
            yield
        except Exception as exc:
            duration = self._clock() - started
            self._track(operation_type, duration, False)
            self._log(query, operation_type, duration).bind(
                error=getattr(exc, "error_code", type(exc).__name__)
            ).log("ERROR" if self._logs_failures else "DEBUG", "Query failed")
            raise
        except BaseException:
            duration = self._clock() - started
            self._log(query, operation_type, duration).info("Query cancelled")
            raise
        duration = self._clock() - started
        slow = duration > self.slow_query_threshold
        with self._lock:
            self.query_stats[operation_type].append(duration)
            self._counts[operation_type] += 1
            self._slow[operation_type] += slow
        self._track(operation_type, duration, True)
        if slow:
            self._log(query, operation_type, duration).warning("Slow query detected")

    def get_performance_summary(self) -> dict[str, Any]:
        """Return figures by operation type, durations in seconds.

        `count` and `slow_queries` are since the start; the rest is over the last
        `HISTORY` executions. Types without an execution are left out.
        """
        with self._lock:
            stats = {kind: list(seconds) for kind, seconds in self.query_stats.items()}
            counts, slow = dict(self._counts), dict(self._slow)
        return {
            kind: {
                "count": counts.get(kind, len(seconds)),
                "avg_duration": round(statistics.fmean(seconds), 6),
                "max_duration": round(max(seconds), 6),
                "min_duration": round(min(seconds), 6),
                "slow_queries": slow.get(kind, 0),
            }
            for kind, seconds in stats.items()
            if seconds
        }

    def _log(self, query: str, operation_type: str, duration: float) -> Any:
        logger.debug("query {}: {}", query_hash(query), mask_literals(query[:200]))
        return logger.bind(
            query_hash=query_hash(query),
            duration=round(duration, 6),
            operation_type=operation_type,
        )


def query_hash(query: str) -> str:
    """Return a short label of a text, to find it again in a log; no protection."""
    digest = hashlib.md5(query.encode("utf-8", "replace"), usedforsecurity=False)
    return digest.hexdigest()[:8]
