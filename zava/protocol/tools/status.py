"""The tools that say what time it is, and how the server is."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from mcp_types import CallToolResult

from zava.protocol.results import (
    DateOutput,
    HealthOutput,
    SummaryOutput,
    structured_result,
)
from zava.protocol.tools.declaration import ToolContext, read_only_tool, services_of


@read_only_tool("Current date and time")
async def get_current_utc_date() -> Annotated[CallToolResult, DateOutput]:
    """Return the current date and time in UTC, ISO 8601.

    Call it before answering anything about today, this month or last year.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return structured_result({"current_utc_datetime": now})


@read_only_tool("Health of the server")
async def health_check(
    ctx: ToolContext,
) -> Annotated[CallToolResult, HealthOutput]:
    """Say whether the database and the AI service answer.

    Each is `healthy`, `disabled` (not configured), or `degraded: ` or
    `unhealthy: ` and why. `server` says which database server answers, and of a standby
    how far it is behind.
    """
    services = services_of(ctx)
    health = await services.probes.run(services.health_check)
    return structured_result(dict(health))


@read_only_tool("Performance of the server")
async def get_performance_summary(
    ctx: ToolContext,
) -> Annotated[CallToolResult, SummaryOutput]:
    """Return how long queries took, per operation, and the state of the pool.

    Durations are in seconds: average, maximum, minimum, and how many were
    slow.
    """
    return structured_result(services_of(ctx).performance_summary())
