"""QueryPerformanceMonitor: how long queries take, and which are slow."""

from __future__ import annotations

import hashlib
import statistics
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from loguru import logger

from zava.infra.masking import mask_literals

HISTORY = 1000
"""Durations kept per operation type; percentiles are over these."""

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
                "p50": _percentile(seconds, 50),
                "p95": _percentile(seconds, 95),
                "p99": _percentile(seconds, 99),
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


def _percentile(seconds: list[float], percent: int) -> float:
    """Nearest rank: the smallest value that `percent` of all do not exceed."""
    rank = -(-len(seconds) * percent // 100)
    return round(sorted(seconds)[rank - 1], 6)
