"""The tools that say how stores perform."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from zava.protocol.results import PerformanceOutput, structured_result
from zava.protocol.tools.declaration import (
    Name,
    ToolContext,
    kept_or_run,
    read_only_tool,
    services_of,
)
from zava.service.sales import periods


@read_only_tool("Performance of a store")
async def get_store_performance(
    ctx: ToolContext,
    store_id: Annotated[
        Name,
        Field(
            description="The store's id or name, for example Zava Retail Seattle;"
            " a part of the name will do"
        ),
    ],
    time_period: Annotated[
        Name,
        Field(
            description=f"One of {periods.FORMS}. Days are business days of the"
            " store. A period that is"
            " not over ends with the last whole day that has orders"
        ),
    ],
    fresh: Annotated[
        bool,
        Field(description="Read again, even if the same was just answered"),
    ] = False,
) -> Annotated[CallToolResult, PerformanceOutput]:
    """Return a store's figures for a period, and what stands out.

    Metrics come with unit and definition, compared with the period before and
    with the same period a year ago; null where there is nothing to compare, and
    the second where both are the same. `new_customers` are new to the store;
    `new_to_chain`, for head office only, says how many of them are new to the chain.
    A period that is not over is compared with as many days; `period` and
    `compared_with` hold the days, `end` not included.
    Insights are sentences computed from the metrics, the most important first.
    """
    services = services_of(ctx)
    analytics, user_id = services.analytics, services.user_id
    question = analytics.check(store_id, time_period, fresh=fresh)
    kept = analytics.peek(question, user_id)
    answer = partial(analytics.answer, question, user_id)
    return structured_result(await kept_or_run(services.workers, kept, answer))
