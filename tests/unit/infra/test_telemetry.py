"""What is timed, slow and said of it; what is counted, and where that can be read."""

from __future__ import annotations

import hashlib
import http.client
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from tests.fakes import FakeClock
from tests.loglines import LogLines, captured_log
from tests.patience import PATIENCE
from zava.errors import QueryError
from zava.infra.telemetry import (
    HISTORY,
    MetricsCollector,
    QueryPerformanceMonitor,
    query_hash,
)

SQL = "SELECT name FROM retail.customers WHERE email = 'jane@example.com'"
LOOPBACK = "127.0.0.1"
Tracked = list[tuple[str, float, bool]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tracked() -> Tracked:
    return []


@pytest.fixture
def monitor(clock: FakeClock, tracked: Tracked) -> QueryPerformanceMonitor:
    return QueryPerformanceMonitor(
        lambda *execution: tracked.append(execution), 1.0, clock
    )


@pytest.fixture
def log() -> Iterator[LogLines]:
    with captured_log("DEBUG") as lines:
        yield lines


class Timed:
    """Runs queries of a given length against a monitor."""

    def __init__(self, monitor: QueryPerformanceMonitor, clock: FakeClock) -> None:
        self._monitor = monitor
        self._clock = clock

    def __call__(
        self, seconds: float, kind: str = "sales", error: BaseException | None = None
    ) -> None:
        """Run one query."""
        with self._monitor.monitor_query(SQL, kind):
            self._clock.advance(seconds)
            if error is not None:
                raise error


@pytest.fixture
def run(monitor: QueryPerformanceMonitor, clock: FakeClock) -> Timed:
    return Timed(monitor, clock)


@pytest.mark.acceptance("A162")
def test_nothing_is_summarised_before_the_first_query(
    monitor: QueryPerformanceMonitor,
) -> None:
    assert monitor.get_performance_summary() == {}
    assert monitor.query_stats["looked-at"].maxlen == HISTORY
    assert monitor.get_performance_summary() == {}


@pytest.mark.acceptance("A156")
def test_a_type_is_unknown_unless_it_is_given(
    monitor: QueryPerformanceMonitor, tracked: Tracked
) -> None:
    with monitor.monitor_query(SQL):
        pass
    assert list(monitor.get_performance_summary()) == ["unknown"]
    assert tracked == [("unknown", 0.0, True)]


@pytest.mark.acceptance("A153", "A154")
def test_the_default_threshold_is_one_second() -> None:
    assert QueryPerformanceMonitor().slow_query_threshold == 1.0


def test_the_default_monitor_times_with_a_real_clock() -> None:
    monitor = QueryPerformanceMonitor()
    with monitor.monitor_query(SQL, "sales"):
        pass
    assert monitor.get_performance_summary()["sales"]["min_duration"] >= 0


@pytest.mark.acceptance("A155", "A158", "A162", "A163")
def test_the_figures_of_a_type_are_its_own(
    monitor: QueryPerformanceMonitor, run: Timed
) -> None:
    for seconds in (0.25, 0.5, 1.5):
        run(seconds, "sales")
    run(2.0, "schema")
    assert monitor.get_performance_summary() == {
        "sales": {
            "count": 3,
            "avg_duration": 0.75,
            "max_duration": 1.5,
            "min_duration": 0.25,
            "slow_queries": 1,
        },
        "schema": {
            "count": 1,
            "avg_duration": 2.0,
            "max_duration": 2.0,
            "min_duration": 2.0,
            "slow_queries": 1,
        },
    }


@pytest.mark.acceptance("A154", "A159")
@pytest.mark.parametrize(
    ("seconds", "slow"),
    [
        pytest.param(1.0, 0, id="at-the-threshold"),
        pytest.param(1.125, 1, id="above"),
        pytest.param(0.5, 0, id="below"),
    ],
)
def test_only_more_than_the_threshold_is_slow(
    monitor: QueryPerformanceMonitor,
    run: Timed,
    log: LogLines,
    seconds: float,
    slow: int,
) -> None:
    run(seconds)
    assert monitor.get_performance_summary()["sales"]["slow_queries"] == slow
    assert log.at_least("INFO").messages == ["Slow query detected"] * slow


@pytest.mark.acceptance("D15")
def test_a_threshold_of_zero_makes_every_query_that_takes_time_slow(
    clock: FakeClock,
) -> None:
    monitor = QueryPerformanceMonitor(slow_query_threshold=0.0, clock=clock)
    run = Timed(monitor, clock)
    run(0.0)
    run(0.125)
    assert monitor.get_performance_summary()["sales"]["slow_queries"] == 1


@pytest.mark.acceptance("D19")
def test_the_history_is_bounded_but_the_counts_are_since_the_start(
    monitor: QueryPerformanceMonitor, run: Timed
) -> None:
    run(9.0)
    for _ in range(HISTORY):
        run(0.5)
    figures = monitor.get_performance_summary()["sales"]
    assert len(monitor.query_stats["sales"]) == HISTORY
    assert (figures["count"], figures["slow_queries"]) == (HISTORY + 1, 1)
    assert (figures["max_duration"], figures["avg_duration"]) == (0.5, 0.5)


@pytest.mark.acceptance("A160", "D18")
def test_an_execution_is_tracked_once_whether_it_succeeds_or_fails(
    run: Timed, tracked: Tracked
) -> None:
    run(0.5, "sales")
    with pytest.raises(LookupError):
        run(0.25, "schema", LookupError())
    assert tracked == [("sales", 0.5, True), ("schema", 0.25, False)]


@pytest.mark.acceptance("A158", "A161")
def test_a_failure_is_raised_on_as_it_is_and_stays_out_of_the_figures(
    monitor: QueryPerformanceMonitor, run: Timed
) -> None:
    error = LookupError("gone")
    with pytest.raises(LookupError) as caught:
        run(5.0, "sales", error)
    assert caught.value is error
    assert monitor.get_performance_summary() == {}
    run(0.5)
    assert monitor.get_performance_summary()["sales"]["count"] == 1


@pytest.mark.acceptance("A161")
@pytest.mark.parametrize(
    ("error", "named"),
    [
        pytest.param(LookupError("secret text"), "LookupError", id="any"),
        pytest.param(QueryError("m", "SYNTAX_ERROR", SQL, {}), "SYNTAX_ERROR", id="us"),
    ],
)
def test_a_failure_is_one_line_with_its_code_but_not_its_text(
    run: Timed, log: LogLines, error: BaseException, named: str
) -> None:
    with pytest.raises(type(error)):
        run(5.0, "sales", error)
    (line,) = log.at_least("INFO")
    assert line.record["level"].name == "ERROR"
    assert line.record["message"] == "Query failed"
    assert line.record["extra"] == {
        "query_hash": query_hash(SQL),
        "duration": 5.0,
        "operation_type": "sales",
        "error": named,
    }


def test_a_cancellation_is_no_failure(
    run: Timed, log: LogLines, tracked: Tracked
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(5.0, "sales", KeyboardInterrupt())
    (line,) = log.at_least("INFO")
    assert line.record["message"] == "Query cancelled"
    assert line.record["level"].name == "INFO"
    assert tracked == []


@pytest.mark.acceptance("A159")
def test_a_slow_query_is_one_warning_with_its_facts(run: Timed, log: LogLines) -> None:
    run(1.5)
    (line,) = log.at_least("INFO")
    assert line.record["level"].name == "WARNING"
    assert line.record["extra"] == {
        "query_hash": query_hash(SQL),
        "duration": 1.5,
        "operation_type": "sales",
    }


@pytest.mark.acceptance("A159", "D26")
@pytest.mark.parametrize("fails", [True, False], ids=["failed", "slow"])
def test_the_text_is_logged_only_for_debugging_without_its_values(
    run: Timed, log: LogLines, fails: bool
) -> None:
    if fails:
        with pytest.raises(LookupError):
            run(2.0, error=LookupError())
    else:
        run(2.0)
    lines = {line.record["level"].name: str(line) for line in log}
    assert "email = ?" in lines.pop("DEBUG")
    assert "retail" not in "".join(lines.values())
    assert "jane" not in "".join(log)


def test_a_fast_query_is_not_logged(run: Timed, log: LogLines) -> None:
    run(0.5)
    assert log == []


def test_a_long_text_is_cut(log: LogLines, monitor: QueryPerformanceMonitor) -> None:
    with pytest.raises(LookupError), monitor.monitor_query("SELECT " + "x" * 10_000):
        raise LookupError
    assert len(log[0]) < 300


@pytest.mark.acceptance("A157", "D26")
def test_the_hash_is_the_start_of_md5() -> None:
    whole = hashlib.md5(SQL.encode(), usedforsecurity=False).hexdigest()
    assert query_hash(SQL) == whole[:8]


@given(st.text())
def test_any_text_has_a_hash_of_eight_hex_digits(text: str) -> None:
    assert query_hash(text) == query_hash(text)
    assert len(query_hash(text)) == 8
    assert set(query_hash(text)) <= set("0123456789abcdef")


def test_a_text_that_is_no_unicode_has_a_hash_all_the_same() -> None:
    assert len(query_hash("\ud800")) == 8


@pytest.mark.acceptance("D19")
def test_no_execution_is_lost_between_threads() -> None:
    monitor = QueryPerformanceMonitor(slow_query_threshold=-1.0)

    def work(_: int) -> None:
        for _ in range(50):
            with monitor.monitor_query(SQL, "sales"):
                monitor.get_performance_summary()

    with captured_log("CRITICAL"), ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    figures = monitor.get_performance_summary()["sales"]
    assert (figures["count"], figures["slow_queries"]) == (400, 400)


@pytest.fixture
def metrics() -> MetricsCollector:
    return MetricsCollector()


@pytest.fixture
def served(metrics: MetricsCollector) -> Iterator[int]:
    """The port of metrics over HTTP."""
    with captured_log():
        yield metrics.serve(0)
        metrics.flush()


def value(metrics: MetricsCollector, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def scrape(port: int) -> str:
    with closing(
        http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE)
    ) as client:
        client.request("GET", "/metrics")
        answer = client.getresponse()
        assert answer.status == 200
        return answer.read().decode()


@pytest.mark.acceptance("A45", "A48", "A49", "A143", "A144", "A145", "A170", "A171")
@pytest.mark.parametrize(
    ("name", "kind", "labels"),
    [
        pytest.param("query_total", "counter", ["type", "status"], id="query"),
        pytest.param("query_duration", "histogram", ["type"], id="query-duration"),
        pytest.param("operation_success", "counter", ["operation"], id="success"),
        pytest.param("operation_error", "counter", ["operation", "type"], id="error"),
        pytest.param("operation_duration", "histogram", ["operation"], id="duration"),
        pytest.param("cache_hit", "counter", ["type"], id="hit"),
        pytest.param("cache_miss", "counter", ["type"], id="miss"),
    ],
)
def test_a_metric_has_the_name_and_the_labels_of_the_contract(
    metrics: MetricsCollector, name: str, kind: str, labels: list[str]
) -> None:
    metric = getattr(metrics, name)
    values = {label: f"some-{label}" for label in labels}
    metric.labels(**values)
    (family,) = metric.collect()
    assert family.type == kind
    assert family.name == name.removesuffix("_total")
    assert family.documentation
    totals = [s for s in family.samples if s.name.endswith(("_total", "_count"))]
    assert [sample.labels for sample in totals] == [values]


def test_the_exposition_of_a_counter_ends_in_total(metrics: MetricsCollector) -> None:
    metrics.query_total.labels("sales", "success").inc()
    metrics.operation_success.labels("op").inc()
    text = generate_latest(metrics.registry).decode()
    assert 'query_total{status="success",type="sales"} 1.0' in text
    assert 'operation_success_total{operation="op"} 1.0' in text


@pytest.mark.parametrize(
    ("hit", "counted"),
    [
        pytest.param(True, ("cache_hit_total", "cache_miss_total"), id="hit"),
        pytest.param(False, ("cache_miss_total", "cache_hit_total"), id="miss"),
    ],
)
def test_a_lookup_is_counted_once_by_its_kind(
    metrics: MetricsCollector, hit: bool, counted: tuple[str, str]
) -> None:
    metrics.count_lookup("query", hit)
    assert value(metrics, counted[0], type="query") == 1
    assert value(metrics, counted[1], type="query") is None


def test_two_collectors_share_nothing() -> None:
    one, other = MetricsCollector(), MetricsCollector()
    one.query_total.labels("sales", "success").inc()
    assert value(other, "query_total", type="sales", status="success") is None


def test_gauges_are_read_at_every_scrape(metrics: MetricsCollector) -> None:
    sizes = {"pool_size": 2.0}
    reads = []

    def read() -> dict[str, float]:
        reads.append(1)
        return dict(sizes)

    metrics.add_gauges("pool", read)
    assert reads == []
    assert value(metrics, "pool_pool_size") == 2
    sizes.update(pool_size=5.0, requests_waiting=1.0)
    assert value(metrics, "pool_pool_size") == 5
    assert value(metrics, "pool_requests_waiting") == 1
    assert len(reads) == 3


def test_gauges_of_two_kinds_stand_side_by_side(metrics: MetricsCollector) -> None:
    metrics.add_gauges("pool", lambda: {"size": 1})
    metrics.add_gauges("cache", lambda: {"size": 2})
    text = generate_latest(metrics.registry).decode()
    assert "# TYPE pool_size gauge\npool_size 1.0" in text
    assert "# TYPE cache_size gauge\ncache_size 2.0" in text


def test_the_metrics_are_scraped_over_http(
    metrics: MetricsCollector, served: int
) -> None:
    metrics.query_total.labels("sales", "error").inc()
    assert 'query_total{status="error",type="sales"} 1.0' in scrape(served)


def test_only_loopback_is_listened_on(metrics: MetricsCollector, served: int) -> None:
    assert metrics._http is not None
    assert metrics._http.socket.getsockname() == (LOOPBACK, served)


def test_after_the_flush_nobody_answers(metrics: MetricsCollector) -> None:
    with captured_log():
        port = metrics.serve(0)
        metrics.flush()
    with closing(socket.socket()) as client:
        assert client.connect_ex((LOOPBACK, port)) != 0


def test_a_second_flush_closes_nothing_twice(metrics: MetricsCollector) -> None:
    with captured_log() as log:
        metrics.serve(0)
        metrics.flush()
        metrics.flush()
    assert log.messages == ["totals", "totals"]


def test_a_port_that_is_taken_is_an_error_of_the_system(
    served: int,
) -> None:
    other = MetricsCollector()
    with pytest.raises(OSError, match="in use"):
        other.serve(served)
    with captured_log():
        other.flush()


@pytest.mark.acceptance("A127")
def test_the_flush_logs_the_totals_in_one_line(metrics: MetricsCollector) -> None:
    metrics.operation_success.labels("one").inc(3)
    metrics.operation_success.labels("other").inc()
    metrics.operation_error.labels("one", "database").inc(2)
    metrics.query_total.labels("sales", "success").inc(5)
    metrics.query_total.labels("sales", "error").inc()
    with captured_log() as log:
        metrics.flush()
    (line,) = log
    assert line.record["level"].name == "INFO"
    assert line.record["extra"] == {"answered": 4, "failed": 2, "queries": 6}
