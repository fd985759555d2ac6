"""The tools that say how stores perform."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from zava.protocol.results import PerformanceOutput, structured_result
from zava.protocol.tools.charting import ChartForm, charted
from zava.protocol.tools.declaration import (
    Name,
    ToolContext,
    kept_or_run,
    read_only_tool,
    services_of,
)
from zava.service.charts.drawn_answers import chart_of_performance
from zava.service.sales import periods
from zava.service.sales.presentation import Detail


@read_only_tool("Performance of stores", has_view=True)
async def get_store_performance(
    ctx: ToolContext,
    store_id: Annotated[
        Name,
        Field(description="A store's id, name or part of it; a region; or all"),
    ],
    time_period: Annotated[
        Name,
        Field(description=f"One of {periods.FORMS}"),
    ],
    detail: Annotated[
        Detail,
        Field(description="full adds series, all metrics, more products, stock"),
    ] = "short",
    chart: Annotated[ChartForm | None, Field(description="With a picture")] = None,
    fresh: Annotated[
        bool,
        Field(description="Read again, even if the same was just answered"),
    ] = False,
) -> Annotated[CallToolResult, PerformanceOutput]:
    """Return how a store, a region or all stores did in a period, and what stands out.

    `metrics` are those of list_metrics, against the period before and a year before,
    changes in percent, those of rates in percentage points (`_points`); both sides
    end at `last_day`, the last whole day with data.
    Each insight comes with the query_metrics arguments that show its numbers.
    For other groupings use query_metrics.
    """
    services = services_of(ctx)
    analytics, user_id = services.analytics, services.user_id
    question = analytics.check(store_id, time_period, detail=detail, fresh=fresh)
    kept = analytics.peek(question, user_id)
    answer = partial(analytics.answer, question, user_id)
    figures = await kept_or_run(services.workers, kept, answer)
    return await charted(
        ctx,
        structured_result(figures),
        partial(chart_of_performance, figures),
        tool="get_store_performance",
        form=chart,
    )
