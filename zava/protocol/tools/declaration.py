"""How a tool is declared, and the services that it calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeVar, cast

from mcp.server.mcpserver import Context
from pydantic import Field

from zava.protocol.pictures import Pictures
from zava.protocol.workers import WorkerThreads
from zava.service.choices import Choices
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
    health_check: Callable[[], dict[str, str]]
    performance_summary: Callable[[], dict[str, Any]]


class Declaration(NamedTuple):
    """A tool as the server is told of it.

    Attributes:
        has_view: Whether its answers can be shown as a chart.
    """

    function: Callable[..., Any]
    title: str
    description: str
    has_view: bool


DECLARED: list[Declaration] = []
"""Every tool of the modules that were imported."""


def read_only_tool(title: str, *, has_view: bool = False) -> Callable[[Tool], Tool]:
    """Return the decorator that declares a tool, described by its docstring."""

    def declare(function: Tool) -> Tool:
        description = inspect.getdoc(function) or ""
        DECLARED.append(Declaration(function, title, description, has_view))
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
