"""MCPServerManager: what is started, in which order, and how it ends."""

from __future__ import annotations

import http.server
import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from loguru import logger

from tests.loglines import captured_log
from tests.people import SEATTLE
from zava.bootstrap import MCPServerManager
from zava.data.provider import PostgreSQLProvider
from zava.errors import ConfigurationError
from zava.infra.telemetry import MetricsCollector
from zava.settings import Settings

AI_VARIABLES = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_AD_TOKEN",
)


def to_stderr(line: str) -> None:
    sys.stderr.write(line)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    """No AI service and no `.env`; the logging is given back as it was."""
    monkeypatch.chdir(tmp_path)
    for name in AI_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logger.remove()
    logger.configure(patcher=lambda _record: None)
    logger.add(to_stderr)
    root.handlers[:] = handlers
    root.setLevel(level)


class Endpoint(http.server.BaseHTTPRequestHandler):
    """An AI service that lists no models."""

    status = 200

    def do_GET(self) -> None:
        """Answer."""
        body = json.dumps({"object": "list", "data": []}).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class RefusingEndpoint(Endpoint):
    """One that knows nobody."""

    status = 401


@contextmanager
def ai_service(
    monkeypatch: pytest.MonkeyPatch, handler: type[Endpoint] = Endpoint
) -> Iterator[None]:
    """Serve an AI service on loopback, and configure it."""
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setenv(
            "OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1"
        )
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def settings(server_conninfo: str) -> Settings:
    return Settings.load(
        database_url=server_conninfo,
        rls_user_id=SEATTLE,
        log_file="none",
        log_level="ERROR",
    )


def with_changes(settings: Settings, **changes: Any) -> Settings:
    return Settings.model_validate({**settings.model_dump(), **changes})


class Recording(MCPServerManager):
    """Notes what is there when each step of the start begins."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.steps: list[tuple[str, bool, bool, bool]] = []
        self.opened: PostgreSQLProvider | None = None

    def _note(self, step: str) -> None:
        parts = (self.db_pool, self.ai_client, self.metrics_collector)
        pool, ai_client, metrics = (part is not None for part in parts)
        self.steps.append((step, pool, ai_client, metrics))

    def _open_database(self) -> PostgreSQLProvider:
        self._note("pool")
        self.opened = super()._open_database()
        return self.opened

    def _start_metrics(self) -> MetricsCollector:
        self._note("metrics")
        return super()._start_metrics()


@pytest.mark.acceptance("A120", "A121", "A122", "A123", "A124", "A128", "D21")
def test_the_parts_are_started_in_order_and_both_ends_are_logged(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ai_service(monkeypatch):
        manager = Recording(settings)
        with captured_log() as log:
            manager.startup()
            manager._note("up")
            manager.shutdown()
            manager._note("down")
    assert manager.steps == [
        ("pool", False, False, False),
        ("metrics", True, True, False),
        ("up", True, True, True),
        ("down", False, False, False),
    ]
    started, ended = "MCP server startup complete", "MCP server shutdown complete"
    assert [text for text in log.messages if text.startswith("MCP")] == [started, ended]
    assert [text for text in log.messages if text.startswith("serving")] == [
        "serving Zava Retail Seattle manager (1 store)"
    ]


@pytest.mark.acceptance("A122", "A130", "D21", "D23")
def test_without_an_ai_service_there_is_none_and_that_is_no_fault(
    settings: Settings,
) -> None:
    none = with_changes(settings, embedding_provider="none")
    with MCPServerManager(none) as manager:
        assert manager.ai_client is None
        health = manager.health_check()
        assert health.pop("server").startswith("primary /")
        assert health == {"database": "healthy", "ai_service": "disabled"}


@pytest.mark.acceptance("A122", "A132")
def test_the_local_model_is_an_ai_service_that_is_always_there(
    settings: Settings,
) -> None:
    local = with_changes(settings, embedding_provider="local")
    with MCPServerManager(local) as manager:
        assert manager.health_check()["ai_service"] == "healthy"


@pytest.mark.acceptance("A125", "A126", "A127")
def test_the_end_closes_the_pool_and_the_ai_service_and_flushes_the_metrics(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ai_service(monkeypatch):
        manager = MCPServerManager(settings)
        manager.startup()
        pool, ai_client = manager.db_pool, manager.ai_client
        assert pool is not None
        assert ai_client is not None
        assert manager.health_check()["ai_service"] == "healthy"
        connection: Any = ai_client._client  # type: ignore[attr-defined]
        with captured_log() as log:
            manager.shutdown()
    assert pool.closed
    assert connection.is_closed()
    assert "totals" in log.messages


@pytest.mark.acceptance("A129", "D22")
def test_a_part_that_cannot_end_is_logged_and_stops_no_other(
    settings: Settings,
) -> None:
    def fail() -> None:
        raise OSError("host db.internal went away")

    manager = MCPServerManager(settings)
    manager.startup()
    pool = manager.db_pool
    assert pool is not None
    manager._started.callback(manager._step, fail)
    with captured_log() as log:
        manager.shutdown()
    assert pool.closed
    errors = [text for text in log.messages if text.startswith("Error during")]
    assert errors == ["Error during shutdown: Internal server error in shutdown"]
    assert log.messages[-1] == "MCP server shutdown complete"
    manager.shutdown()  # again, and nothing is left to be ended


@pytest.mark.acceptance("D22")
def test_a_start_that_fails_midway_ends_what_was_started(settings: Settings) -> None:
    manager = Recording(with_changes(settings, audit_file="/nonexistent/audit.jsonl"))
    with captured_log() as log, pytest.raises(ConfigurationError) as caught:
        manager.startup()
    assert "ZAVA_AUDIT_FILE" in caught.value.message
    assert manager.opened is not None
    assert manager.opened.connection_pool is None
    assert manager.db_pool is None
    assert not [text for text in log.messages if text.startswith("MCP server")]


@pytest.mark.acceptance("A130", "A131", "A132", "A133")
def test_health_asks_the_database_and_the_ai_service(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ai_service(monkeypatch), MCPServerManager(settings) as manager:
        health = manager.health_check()
        assert health.pop("server").startswith("primary /")
        assert health == {"database": "healthy", "ai_service": "healthy"}


@pytest.mark.acceptance("A132", "A133", "A134", "D23")
def test_an_ai_service_that_refuses_leaves_the_database_healthy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ai_service(monkeypatch, RefusingEndpoint), MCPServerManager(settings) as up:
        health = up.health_check()
    assert health["database"] == "healthy"
    assert health["ai_service"].startswith("unhealthy: the AI service failed")
    assert "127.0.0.1" not in health["ai_service"]


@pytest.mark.acceptance("A131", "A133", "A134", "D23")
def test_a_database_that_is_away_leaves_the_ai_service_healthy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = "host=/nonexistent/folder dbname=secret_name user=secret_login"
    with ai_service(monkeypatch):
        manager = MCPServerManager(with_changes(settings, database_url=away))
        with captured_log(), manager:
            health = manager.health_check()
    assert health["ai_service"] == "healthy"
    assert health["database"].startswith("unhealthy: ")
    # libpq's own reason, which names where it looked, and the setting to change.
    assert "ZAVA_DB_HOST" in health["database"]
    assert "secret" not in health["database"]


@pytest.mark.acceptance("A134")
def test_health_can_be_asked_for_before_the_start_and_after_the_end(
    settings: Settings,
) -> None:
    manager = MCPServerManager(settings)
    assert manager.health_check() == {"database": "disabled", "ai_service": "disabled"}
    with manager:
        pass
    assert manager.health_check() == {"database": "disabled", "ai_service": "disabled"}


def test_a_server_that_was_not_started_does_not_run(settings: Settings) -> None:
    with pytest.raises(ConfigurationError):
        MCPServerManager(settings).run()
