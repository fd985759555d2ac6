"""MCPServerManager: the composition root, the only place that builds objects."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from zava import __version__
from zava.ai.client import (
    AIClient,
    AISettings,
    client_of_model,
    create_ai_client,
    memory_of_model,
)
from zava.data.connection import sleep
from zava.data.pool import Pool
from zava.data.provider import PostgreSQLProvider
from zava.errors import ConfigurationError, MCPError
from zava.infra.audit_file import AuditFile
from zava.infra.cache import QueryCache
from zava.infra.cancellation import check_cancelled
from zava.infra.export_folder import ExportFolder, export_folder
from zava.infra.manager import InfrastructureManager
from zava.infra.memory import limit_memory
from zava.infra.sharing import SharedOptions
from zava.infra.telemetry import MetricsCollector
from zava.models import Person, PostureCheck
from zava.protocol.audit import Auditor
from zava.protocol.backpressure import Backpressure
from zava.protocol.pictures import Pictures
from zava.protocol.server import Answer, RetailServer
from zava.protocol.tools import Services
from zava.protocol.workers import WorkerThreads
from zava.service.admission import (
    PostureJudge,
    allowed_checks,
    examine,
    meet_served_user,
    served_user_id,
)
from zava.service.choices import Choices
from zava.service.exports.service import ExportService
from zava.service.health import Probe, check_health
from zava.service.metrics.answers import MetricsService
from zava.service.products.recommendations import Recommendations
from zava.service.products.search import ProductSearch
from zava.service.queries.catalog import SchemaCatalog
from zava.service.queries.executor import QueryExecutor
from zava.service.queries.kept_rows import KeptRows
from zava.service.sales.performance import SalesAnalyticsService
from zava.settings import Settings

SERVER_LOGIN = "zava_server"

# Threads that are started later, besides those in which calls run.
_OTHER_THREADS = 8


class MCPServerManager:
    """Builds the server from settings, starts its parts in order and ends them.

    Use it as a context manager: leaving it shuts down whatever was started.

    Args:
        settings: What to build from.
        logs_to_stderr: As for `InfrastructureManager`.

    Attributes:
        db_pool: The connections, from `startup` to `shutdown`.
        ai_client: The AI service, None where none is configured.
        metrics_collector: What is counted, from `startup` to `shutdown`.
    """

    def __init__(self, settings: Settings, *, logs_to_stderr: bool = True) -> None:
        self.settings = settings
        self.infrastructure = InfrastructureManager(
            settings, logs_to_stderr=logs_to_stderr
        )
        self.db_pool: Pool | None = None
        self.ai_client: AIClient | None = None
        self.metrics_collector: MetricsCollector | None = None
        self._provider: PostgreSQLProvider | None = None
        self._cache: QueryCache | None = None
        self._judge: PostureJudge | None = None
        self._server: RetailServer | None = None
        self._is_up = False
        # What has to be ended, the last first.
        self._started = ExitStack()

    def __enter__(self) -> Self:
        self.startup()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown()

    def startup(self) -> None:
        """Start the parts; on a failure end those that were started.

        A database that cannot be reached is no failure: it may come later.

        Raises:
            ConfigurationError: The identity or a setting has to be mended, or the
                database does not keep stores apart.
        """
        try:
            user_id = served_user_id(self.settings.rls_user_id)
            self._judge = PostureJudge(allowed_checks(self.settings.allow))
            provider = self._open_database()
            # The database answers while the rest is built.
            with ThreadPoolExecutor(max_workers=1) as aside:
                meeting = aside.submit(_meet, provider, user_id)
                self.ai_client = create_ai_client(
                    self.settings,
                    AISettings(),
                    sleep=sleep,
                    check_cancelled=check_cancelled,
                )
                if self.ai_client is not None:
                    self._started.callback(self._step, self.ai_client.close)
                metrics = self.metrics_collector = self._start_metrics()
                server = self._build(provider, metrics, user_id)
                server.introduce(meeting.result())
                self._server = server
        except BaseException:
            self.shutdown()
            raise
        self._is_up = True
        self.infrastructure.logger.info("MCP server startup complete")

    def run(self) -> int:
        """Serve stdio until it ends; return the exit status."""
        return self._started_server().serve()

    def ask(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Return a tool's answer to this process, as `RetailServer.ask` does."""
        return self._started_server().ask(tool, arguments)

    def limit_memory(self) -> None:
        """Set the process's ceiling of memory, as the settings want it."""
        settings = self.settings
        if settings.memory_limit:
            limit_memory(
                settings.memory_limit
                + settings.cache_max_bytes
                + memory_of_model(settings),
                settings.pool_max_size + _OTHER_THREADS,
            )

    def _started_server(self) -> RetailServer:
        if self._server is None:
            raise ConfigurationError("the server was not started")
        return self._server

    def examine(self) -> tuple[PostureCheck, ...]:
        """Return how the database keeps stores apart; nothing is served.

        Raises:
            MCPError: A setting is wrong, or the database cannot be asked.
        """
        try:
            allowed = allowed_checks(self.settings.allow)
            provider = self._open_database()
            return examine(provider, self.settings.rls_user_id, allowed)
        finally:
            self.shutdown()

    def shutdown(self) -> None:
        """End every part that was started, whatever fails on the way."""
        with self._started.pop_all():
            pass
        self.db_pool = self.ai_client = self.metrics_collector = None
        self._provider = self._server = None
        if self._is_up:
            self.infrastructure.logger.info("MCP server shutdown complete")
        self._is_up = False

    def health_check(self) -> dict[str, str]:
        """Return how `database` and `ai_service` are; see `check_health`.

        `server` says which database server answers, where one does; `shared_cache`
        is there where one is configured.
        """
        probes: dict[str, Probe | None] = {
            "database": partial(self._see_database, self._provider)
            if self._provider
            else None,
            "ai_service": self.ai_client.health_check if self.ai_client else None,
        }
        if self._cache is not None and self._cache.shared is not None:
            probes["shared_cache"] = self._cache.shared.health
        health = check_health(probes, self.infrastructure.watch)
        server = self._provider.answering_server if self._provider else ""
        return {**health, "server": server} if server else health

    def _see_database(self, provider: PostgreSQLProvider) -> str:
        """See that the database answers, and that it may be served from."""
        fault = provider.ping()
        provider.resolve_identity(self.settings.rls_user_id, max_retries=1)
        return fault

    def performance_summary(self) -> dict[str, Any]:
        """Return figures by operation, of the pool and of the cache."""
        cache = self._cache
        more = {"shared_cache": cache.shared.stats()} if cache and cache.shared else {}
        return {
            "operations": self.infrastructure.monitor.get_performance_summary(),
            "pool": dict(self._provider.pool_stats()) if self._provider else {},
            "cache": cache.stats() if cache else {},
            **more,
        }

    def _step(self, end: Any) -> None:
        """One step of the shutdown; the next one runs even if it fails."""
        try:
            with self.infrastructure.watch("shutdown"):
                end()
        except MCPError as exc:
            self.infrastructure.logger.error("Error during shutdown: {}", exc.message)

    def _open_database(self) -> PostgreSQLProvider:
        monitor = self.infrastructure.monitor.monitor_query
        provider = PostgreSQLProvider(
            self.settings.connection_config(self._conninfo()), monitor, self._judge
        )
        self._started.callback(self._step, provider.close)
        provider.open()
        self._provider, self.db_pool = provider, provider.connection_pool
        return provider

    def _start_metrics(self) -> MetricsCollector:
        metrics = self.infrastructure.metrics
        self._started.callback(self._step, metrics.flush)
        if self.settings.metrics_port is not None:
            try:
                port = metrics.serve(self.settings.metrics_port)
            except OSError as exc:
                self.infrastructure.logger.warning(
                    "no metrics, ZAVA_METRICS_PORT cannot be used: {}", exc.strerror
                )
                return metrics
            self.infrastructure.logger.info("metrics at http://127.0.0.1:{}", port)
        return metrics

    def _build(
        self, provider: PostgreSQLProvider, metrics: MetricsCollector, user_id: str
    ) -> RetailServer:
        settings = self.settings
        redis_url = settings.redis_url.get_secret_value()
        cache = self._cache = QueryCache(
            redis_url or None,
            shared=self._shared_options(),
            ttl=settings.cache_ttl,
            max_entries=settings.cache_max_entries,
            max_bytes=settings.cache_max_bytes,
            max_age=settings.max_staleness,
            on_lookup=metrics.count_lookup,
        )
        if cache.shared is not None:
            self._started.callback(self._step, cache.close)
            metrics.add_gauges("shared_cache", cache.shared.stats)
        metrics.add_gauges("pool", provider.pool_stats)
        metrics.add_gauges("cache", cache.stats)
        kept_rows = KeptRows(
            max_rows=settings.keep_rows,
            max_bytes=settings.keep_bytes,
            seconds=settings.keep_seconds,
        )
        metrics.add_gauges("kept_rows", kept_rows.stats)
        catalog = SchemaCatalog(provider, cache)
        executor = QueryExecutor(
            provider,
            cache,
            catalog,
            max_rows=settings.max_rows,
            max_result_bytes=settings.max_result_bytes,
            max_query_length=settings.max_query_length,
            kept_rows=kept_rows,
        )
        product_search = ProductSearch(
            provider, cache, self.ai_client, partial(client_of_model, settings)
        )
        backpressure = Backpressure()
        services = Services(
            user_id=user_id,
            workers=WorkerThreads(
                settings.pool_max_size,
                settings.max_waiting_calls,
                backpressure,
                settings.pool_timeout,
            ),
            probes=WorkerThreads(1),
            query_executor=executor,
            catalog=catalog,
            analytics=SalesAnalyticsService(provider, cache),
            metrics=MetricsService(
                provider,
                cache,
                max_rows=settings.max_rows,
                max_result_bytes=settings.max_result_bytes,
                kept_rows=kept_rows,
            ),
            product_search=product_search,
            recommendations=Recommendations(provider, cache, product_search.search),
            choices=Choices(provider, cache, catalog),
            pictures=Pictures(),
            exports=ExportService(
                provider,
                executor,
                ExportFolder(export_folder(settings), 2 * settings.export_timeout),
                max_rows=settings.export_max_rows,
                max_bytes=settings.export_max_bytes,
                timeout=settings.export_timeout,
            ),
            health_check=self.health_check,
            performance_summary=self.performance_summary,
        )
        infrastructure = self.infrastructure
        return RetailServer(
            lambda name: infrastructure.watch(name, user_id),
            services,
            backpressure,
            self._open_audit(provider, user_id),
        )

    def _shared_options(self) -> SharedOptions:
        settings = self.settings
        return SharedOptions(
            # Results of another zava, of another database or with other ceilings
            # are others. An identity's secret is that of a copied database too.
            scope=[
                __version__,
                settings.database_url.get_secret_value(),
                [settings.db_host, settings.db_port, settings.db_name],
                str(settings.data_dir),
                settings.embedded_version,
                [settings.max_rows, settings.max_result_bytes],
                self.ai_client.model if self.ai_client else None,
            ],
            timeout=settings.redis_timeout,
            patience=settings.statement_timeout,
            sleep=sleep,
        )

    def _open_audit(self, provider: PostgreSQLProvider, user_id: str) -> Auditor | None:
        settings = self.settings
        if not settings.audit_file:
            return None
        file = AuditFile(Path(settings.audit_file), sync=settings.audit_sync)
        self._started.callback(self._step, file.close)
        file.open()

        def role_name() -> str | None:
            identity = provider.known_identity(user_id)
            return None if identity is None else identity.role_name

        return Auditor(file, user_id, role_name, is_required=settings.audit_required)

    def _conninfo(self) -> str:
        if not self.settings.is_embedded:
            return self.settings.database_url.get_secret_value()
        from zava.admin.database import EMBEDDED_DATABASE, initialised_server

        embedded = initialised_server(self.settings)
        self._started.callback(self._step, embedded.stop)
        embedded.start()
        login = self.settings.db_user or SERVER_LOGIN
        return embedded.conninfo(dbname=EMBEDDED_DATABASE, user=login)


def _meet(provider: PostgreSQLProvider, user_id: str) -> Person | None:
    """See that the database knows `user_id`; return what they see, where it answers.

    Raises:
        ConfigurationError: As for `meet_served_user`.
    """
    meet_served_user(provider, user_id)
    if provider.known_identity(user_id) is None:
        return None
    try:
        return SchemaCatalog(provider, QueryCache()).person(user_id)
    except MCPError:
        return None  # the tools say so too
