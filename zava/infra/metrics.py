"""MetricsCollector: every counter, histogram and gauge of a running server.

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
        self._http: HTTPServer | None = None

    def count_lookup(self, kind: str, hit: bool) -> None:
        """Count one lookup in the cache."""
        (self.cache_hit if hit else self.cache_miss).labels(kind).inc()

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
