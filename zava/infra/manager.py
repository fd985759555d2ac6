"""InfrastructureManager: logging, metrics and configuration in one hand."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
from loguru import logger

from zava.infra.error_context import error_handling_context
from zava.infra.logs import set_up_logging
from zava.infra.telemetry import MetricsCollector, QueryPerformanceMonitor
from zava.settings import Settings

if TYPE_CHECKING:
    from loguru import Logger

LOG_FILE = "mcp_server.log"
NO_FILE = "none"


class InfrastructureManager:
    """Sets up what every layer stands on.

    Args:
        settings: Of the process.
        logs_to_stderr: False where stderr is for a command's own lines.

    Attributes:
        logger: Where every line goes.
        metrics: What is counted.
        config: The settings.
        monitor: How long queries take.
    """

    def __init__(self, settings: Settings, *, logs_to_stderr: bool = True) -> None:
        self._logs_to_stderr = logs_to_stderr
        self.config = self._load_configuration(settings)
        self.logger = self._setup_logging()
        self.metrics = self._setup_metrics()
        self.monitor = QueryPerformanceMonitor(
            self.track_query_execution,
            self.config.slow_query_threshold,
            logs_failures=False,  # a call is one line, also where its query fails
        )

    def track_query_execution(
        self, query_type: str, duration: float, success: bool
    ) -> None:
        """Count one query: its type, its seconds, whether it succeeded.

        This is the only place where queries are counted and timed.
        """
        self.metrics.count_query(query_type, duration, success)

    def watch(
        self, operation_name: str, user_id: str | None = None
    ) -> AbstractContextManager[dict[str, Any]]:
        """Return the error context of one operation, counted in our metrics."""
        return error_handling_context(operation_name, user_id, metrics=self.metrics)

    def _load_configuration(self, settings: Settings) -> Settings:
        return settings

    def _setup_logging(self) -> Logger:
        config = self.config
        set_up_logging(
            config.log_level,
            config.log_format,
            log_file(config),
            to_stderr=self._logs_to_stderr,
        )
        return logger

    def _setup_metrics(self) -> MetricsCollector:
        return MetricsCollector()


def log_file(settings: Settings) -> Path | None:
    """Return where the log file is, None for no file."""
    if settings.log_file == NO_FILE:
        return None
    if settings.log_file:
        return Path(settings.log_file)
    return platformdirs.user_log_path("zava", appauthor=False) / LOG_FILE
