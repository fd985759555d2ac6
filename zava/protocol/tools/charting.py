"""What an answer carries besides its figures: a picture, and what a view shows.

The view is an MCP App. Its host hands it the result of the call; how the figures are
drawn stands in `_meta`, which no model reads.
https://modelcontextprotocol.io/extensions/apps
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from mcp.server.apps import client_supports_apps
from mcp_types import CallToolResult, ImageContent, ResourceLink, TextContent

from zava.errors import MCPError
from zava.infra.drawing import can_draw, draw
from zava.protocol.pictures import PNG
from zava.protocol.tools.declaration import ToolContext, services_of
from zava.service.charts.forms import Chart, check_form, forms_of
from zava.service.charts.specification import (
    DATA,
    specification,
    specifications,
    values,
)

CHART_META = "zava/chart"

_LINKS_SINCE = "2025-06-18"
_LONGEST_TITLE = 200

ChartForm = Literal["auto", "line", "bar", "stacked_bar", "scatter", "heat_map"]
"""What a caller may ask for; `auto` is what fits the columns best."""


async def charted(
    ctx: ToolContext,
    result: CallToolResult,
    chart_of: Callable[[], Chart],
    *,
    tool: str,
    form: ChartForm | None = None,
    definitions: Mapping[str, str] | None = None,
) -> CallToolResult:
    """Return a result with its picture, if asked for, and with what a view shows.

    A picture that cannot be drawn is no error: the figures stand, and a text says why.

    Args:
        ctx: The call.
        result: The figures.
        chart_of: Makes the chart, where somebody looks at it.
        tool: Which tool the view asks for another period.
        form: What is to be drawn; None for no picture. A picture is an image block, and
            a link to the same bytes for hosts that do not show image blocks.
        definitions: What the figures mean, by their names.
    """
    if form is not None:
        services = services_of(ctx)
        try:
            title, data = await services.workers.run(
                partial(_titled_picture, chart_of, form)
            )
        except MCPError as exc:
            said = f"[{exc.error_code}] {exc.message}"
            result.content.append(TextContent(type="text", text=said))
        else:
            encoded = base64.b64encode(data).decode()
            image = ImageContent(type="image", data=encoded, mime_type=PNG)
            result.content.append(image)
            kept = services.pictures.keep(data, title)
            # An older client refuses an answer with a kind of block that it lacks.
            if kept is not None and (ctx.protocol_version or "") >= _LINKS_SINCE:
                result.content.append(ResourceLink(**kept.facts()))
    if _shows_views(ctx):
        chart = chart_of()
        shown = view_of(chart, tool, definitions or {})
        if chart.rows != (result.structured_content or {}).get("rows"):
            shown["rows"] = [list(row) for row in chart.rows]
        result.meta = {**(result.meta or {}), CHART_META: shown}
    return result


def _shows_views(ctx: ToolContext) -> bool:
    try:
        return client_supports_apps(ctx) and can_draw()
    except ValueError:  # this process calls, and shows the answer itself
        return True


def _titled_picture(
    chart_of: Callable[[], Chart], form: ChartForm
) -> tuple[str, bytes]:
    chart = chart_of()
    return chart.title[:_LONGEST_TITLE], picture(chart, form)


def picture(chart: Chart, form: ChartForm) -> bytes:
    """Return a chart as PNG.

    Raises:
        ValidationError: The form does not fit the columns.
        MCPError: As for `zava.infra.drawing.draw`.
    """
    found = check_form(form, chart)
    spec = specification(chart, found)
    return draw({**spec, "datasets": {DATA: values(chart)}}, "png")


def view_of(chart: Chart, tool: str, definitions: Mapping[str, str]) -> dict[str, Any]:
    """Return what the view reads beside the rows of the structured content."""
    return {
        "tool": tool,
        "title": chart.title,
        "notes": list(chart.notes),
        "columns": [
            {"name": each.name, "kind": each.kind, "unit": each.unit}
            for each in chart.columns
        ],
        "form": forms_of(chart)[0],
        "forms": specifications(chart),
        "definitions": dict(definitions),
    }
