"""MetricsCollector: names, labels, and where the figures can be read."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from prometheus_client import generate_latest

from tests.loglines import captured_log
from zava.infra.metrics import MetricsCollector

LOOPBACK = "127.0.0.1"


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
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=20)) as client:
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
