"""InfrastructureManager: logging, metrics and configuration in one hand."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest
from loguru import logger

from tests.loglines import captured_log
from zava.errors import BusyError
from zava.infra.manager import InfrastructureManager, log_file
from zava.infra.telemetry import MetricsCollector, QueryPerformanceMonitor
from zava.settings import Settings


def to_stderr(line: str) -> None:
    sys.stderr.write(line)


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Give loguru and the standard library back as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logger.remove()
    logger.configure(patcher=lambda _record: None)
    logger.add(to_stderr)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(
        log_file=str(tmp_path / "mcp_server.log"),
        log_format="json",
        slow_query_threshold=0.5,
    )


@pytest.fixture
def infrastructure(settings: Settings) -> InfrastructureManager:
    return InfrastructureManager(settings)


def value(manager: InfrastructureManager, name: str, **labels: str) -> float | None:
    return manager.metrics.registry.get_sample_value(name, labels)


@pytest.mark.acceptance("A39", "A45", "A46")
def test_it_holds_the_logger_the_metrics_and_the_settings(
    infrastructure: InfrastructureManager, settings: Settings
) -> None:
    assert infrastructure.config is settings
    assert infrastructure.logger is logger
    assert isinstance(infrastructure.metrics, MetricsCollector)
    assert isinstance(infrastructure.monitor, QueryPerformanceMonitor)
    assert infrastructure.monitor.slow_query_threshold == 0.5


@pytest.mark.acceptance("A40")
def test_its_logger_writes_where_and_how_the_settings_say(
    infrastructure: InfrastructureManager, settings: Settings
) -> None:
    infrastructure.logger.debug("too low")
    infrastructure.logger.info("first")
    (line,) = Path(settings.log_file).read_text().splitlines()
    assert json.loads(line)["message"] == "first"


@pytest.mark.acceptance("A47", "A48", "A49")
@pytest.mark.parametrize(
    ("success", "status"), [(True, "success"), (False, "error")], ids=["ok", "failed"]
)
def test_a_query_is_counted_once_and_timed_in_seconds(
    infrastructure: InfrastructureManager, success: bool, status: str
) -> None:
    infrastructure.track_query_execution("sales", 0.25, success)
    assert value(infrastructure, "query_total", type="sales", status=status) == 1
    assert value(infrastructure, "query_duration_count", type="sales") == 1
    assert value(infrastructure, "query_duration_sum", type="sales") == 0.25
    other = {"success": "error", "error": "success"}[status]
    assert value(infrastructure, "query_total", type="sales", status=other) is None


@pytest.mark.acceptance("A160", "D18")
def test_what_the_monitor_times_is_counted_once(
    infrastructure: InfrastructureManager,
) -> None:
    with infrastructure.monitor.monitor_query("SELECT 1", "sales"):
        pass
    with (
        pytest.raises(BusyError),
        infrastructure.monitor.monitor_query("SELECT 1", "sales"),
    ):
        raise BusyError("busy")
    for status in ("success", "error"):
        assert value(infrastructure, "query_total", type="sales", status=status) == 1
    assert value(infrastructure, "query_duration_count", type="sales") == 2


def test_an_operation_is_watched_with_its_own_metrics(
    infrastructure: InfrastructureManager,
) -> None:
    with captured_log() as log, infrastructure.watch("op", "jane") as facts:
        facts["rows"] = 1
    with pytest.raises(BusyError), infrastructure.watch("op"):
        raise BusyError("busy")
    assert value(infrastructure, "operation_success_total", operation="op") == 1
    errors = value(infrastructure, "operation_error_total", operation="op", type="busy")
    assert errors == 1
    assert log[0].record["extra"]["user_id"] == "jane"


def test_two_infrastructures_count_on_their_own(settings: Settings) -> None:
    one, other = InfrastructureManager(settings), InfrastructureManager(settings)
    one.track_query_execution("sales", 1, True)
    assert value(other, "query_total", type="sales", status="success") is None


@pytest.mark.acceptance("A44")
@pytest.mark.parametrize(
    ("given", "path"),
    [
        pytest.param("none", None, id="none"),
        pytest.param("/var/log/zava.log", Path("/var/log/zava.log"), id="named"),
        pytest.param(
            "",
            platformdirs.user_log_path("zava", appauthor=False) / "mcp_server.log",
            id="default",
        ),
    ],
)
def test_the_log_file_is_where_the_settings_say(given: str, path: Path | None) -> None:
    assert log_file(Settings.load(log_file=given)) == path
