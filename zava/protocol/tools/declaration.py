"""How a tool is declared, and the services that it calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeVar, cast

from mcp.server.mcpserver import Context
from mcp_types import ToolAnnotations
from pydantic import Field

from zava.protocol.pictures import Pictures
from zava.protocol.workers import WorkerThreads
from zava.service.choices import Choices
from zava.service.exports.service import ExportService
from zava.service.metrics.answers import MetricsService
from zava.service.products.recommendations import Recommendations
from zava.service.products.search import ProductSearch
from zava.service.queries.catalog import SchemaCatalog
from zava.service.queries.executor import QueryExecutor
from zava.service.sales.performance import SalesAnalyticsService

T = TypeVar("T")
Tool = TypeVar("Tool", bound=Callable[..., Any])

ToolContext = Context[Any, Any]

# A longer name is refused before the call waits for a worker thread.
Name = Annotated[str, Field(max_length=1000)]


@dataclass(frozen=True)
class Services:
    """The services that tools call, and the person served.

    Attributes:
        user_id: The person served.
        workers: Where blocking calls run.
        probes: The same for the health check, which is answered also while every
            other thread is busy.
        pictures: Those drawn last.
    """

    user_id: str
    workers: WorkerThreads
    probes: WorkerThreads
    query_executor: QueryExecutor
    catalog: SchemaCatalog
    analytics: SalesAnalyticsService
    metrics: MetricsService
    product_search: ProductSearch
    recommendations: Recommendations
    choices: Choices
    pictures: Pictures
    exports: ExportService
    health_check: Callable[[], dict[str, str]]
    performance_summary: Callable[[], dict[str, Any]]


# Nothing here writes, and the world that is asked is one database.
_READ_ONLY = ToolAnnotations(
    read_only_hint=True,
    destructive_hint=False,
    idempotent_hint=True,
    open_world_hint=False,
)
# A new file each time, and none that was there is touched.
_ADDS_A_FILE = ToolAnnotations(
    read_only_hint=False,
    destructive_hint=False,
    idempotent_hint=False,
    open_world_hint=False,
)


class Declaration(NamedTuple):
    """A tool as the server is told of it.

    Attributes:
        has_view: Whether its answers can be shown as a chart.
    """

    function: Callable[..., Any]
    title: str
    description: str
    annotations: ToolAnnotations
    has_view: bool


DECLARED: list[Declaration] = []
"""Every tool of the modules that were imported."""


def read_only_tool(title: str, *, has_view: bool = False) -> Callable[[Tool], Tool]:
    """Return the decorator that declares a tool, described by its docstring."""
    return _tool(title, _READ_ONLY, has_view=has_view)


def file_writing_tool(title: str) -> Callable[[Tool], Tool]:
    """Return the decorator of a tool that adds a file on the person's machine."""
    return _tool(title, _ADDS_A_FILE)


def _tool(
    title: str, hints: ToolAnnotations, *, has_view: bool = False
) -> Callable[[Tool], Tool]:
    def declare(function: Tool) -> Tool:
        description = inspect.getdoc(function) or ""
        DECLARED.append(Declaration(function, title, description, hints, has_view))
        return function

    return declare


def services_of(ctx: ToolContext) -> Services:
    """Return the services of the server that received this call."""
    return cast("Services", cast("Any", ctx.mcp_server).services)


async def kept_or_run(
    workers: WorkerThreads, kept: T | None, call: Callable[[], T]
) -> T:
    """Return the kept answer, or run `call` in a worker thread if there is none."""
    return await workers.run(call) if kept is None else kept
