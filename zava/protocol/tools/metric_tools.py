"""The tools that answer from the chain's own metrics."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from mcp_types import CallToolResult
from pydantic import Field
from typing_extensions import TypedDict

from zava.protocol.results import metrics_result, structured_result
from zava.protocol.tools.charting import ChartForm, charted
from zava.protocol.tools.declaration import (
    ToolContext,
    kept_or_run,
    read_only_tool,
    services_of,
)
from zava.service.charts.drawn_answers import chart_of_metrics, definitions
from zava.service.metrics.answers import (
    DEFAULT_COVER_DAYS,
    DEFAULT_PERIOD,
    DEFAULT_ROWS,
)
from zava.service.sales.history import Compare


class MetricsList(TypedDict):
    """By name."""

    metrics: dict[str, str]
    dimensions: dict[str, str]


class MetricsOutput(TypedDict):
    """Positional rows.

    `as_of` is the time up to which the figures are complete, `cached` whether they were
    read for an earlier call.
    """

    columns: list[str]
    rows: list[list[Any]]
    row_count: int
    cached: bool
    as_of: str


@read_only_tool("Find metrics")
async def list_metrics(
    ctx: ToolContext,
    search: Annotated[
        str | None, Field(description="Words, such as basket or out of stock")
    ] = None,
) -> Annotated[CallToolResult, MetricsList]:
    """Find metrics and dimensions, with definitions; all names without words."""
    return structured_result(services_of(ctx).metrics.find(search))


@read_only_tool("Query metrics", has_view=True)
async def query_metrics(
    ctx: ToolContext,
    metrics: Annotated[
        list[str], Field(description="Such as revenue, customers, stock_units")
    ],
    by: Annotated[
        list[str] | None,
        Field(description="Up to 3 dimensions, such as month, category"),
    ] = None,
    time_period: Annotated[
        str, Field(description="As in get_store_performance")
    ] = DEFAULT_PERIOD,
    stores: Annotated[
        list[str] | None, Field(description="Names, ids or regions; all by default")
    ] = None,
    compare: Compare | None = None,
    filters: Annotated[
        dict[str, Any] | None,
        Field(description='{"category": ["Paint", "Lumber"], "not brand": "X"}'),
    ] = None,
    having: Annotated[
        list[str] | None, Field(description="Such as revenue > 1000")
    ] = None,
    order_by: Annotated[
        list[str] | None, Field(description="-revenue: highest first")
    ] = None,
    top: Annotated[
        int | None,
        Field(
            description="Highest values of the last dimension, and others; -5: lowest"
        ),
    ] = None,
    shares: Annotated[
        bool, Field(description="Percent within the dimensions before the last")
    ] = False,
    cover_days: int = DEFAULT_COVER_DAYS,
    max_rows: int = DEFAULT_ROWS,
    show_sql: bool = False,
    chart: Annotated[ChartForm | None, Field(description="With a picture")] = None,
    fresh: bool = False,
) -> Annotated[CallToolResult, MetricsOutput]:
    """Return governed figures; prefer it to SQL. list_metrics has the names.

    The period ends at `data_through`; what it is compared with is cut alike.
    Changes and shares are in percent, `_points` in percentage points.
    """
    services = services_of(ctx)
    service, user_id = services.metrics, services.user_id
    question = service.check(
        metrics,
        by or (),
        time_period,
        stores or (),
        compare=compare,
        filters=filters,
        having=having or (),
        order_by=order_by or (),
        top=top,
        shares=shares,
        cover_days=cover_days,
        max_rows=max_rows,
        show_sql=show_sql,
        fresh=fresh,
    )
    kept = service.peek(question, user_id)
    answer = partial(service.answer, question, user_id)
    figures = await kept_or_run(services.workers, kept, answer)
    return await charted(
        ctx,
        metrics_result(figures),
        partial(chart_of_metrics, figures, question.metrics, question.by),
        tool="query_metrics",
        form=chart,
        definitions=definitions(question.metrics),
    )
