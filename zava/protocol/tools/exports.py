"""The tools that go past the end of an answer: the next rows, a file of all rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Annotated, Any

from mcp_types import CallToolResult, ResourceLink
from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from zava.infra.answer_age import told
from zava.protocol.export_resources import export_uri
from zava.protocol.results import QueryOutput, of_query, query_result, structured_result
from zava.protocol.tools.declaration import (
    Name,
    ToolContext,
    file_writing_tool,
    read_only_tool,
    services_of,
)
from zava.service.exports.formats import MIME_TYPES, Format
from zava.service.exports.service import Export
from zava.service.queries.executor import DEFAULT_ROWS

_PROGRESS_SECONDS = 0.5

Handle = Annotated[str, Field(description="`handle` of a cut result", max_length=100)]


class ExportOutput(TypedDict):
    """A file on the person's machine; `as_of` is when its rows are complete up to."""

    path: str
    uri: str
    format: str
    row_count: int
    bytes: int
    columns: list[str]
    first_rows: list[list[Any]]
    as_of: str
    notes: NotRequired[list[str]]


@read_only_tool("Next rows")
async def get_more_rows(
    ctx: ToolContext, handle: Handle, max_rows: int = DEFAULT_ROWS
) -> Annotated[CallToolResult, QueryOutput]:
    """Return the rows after a cut result, of the same reading.

    Each answer has the handle of the next; none is left at the end. `truncated:
    kept_rows` means that the query has more rows than are kept: aggregate, or use
    export_query.
    """
    services = services_of(ctx)
    executor, user_id = services.query_executor, services.user_id
    more = partial(executor.more, handle, user_id, max_rows)
    answer = await services.workers.run(more)
    return of_query(query_result(answer), answer.query)


@file_writing_tool("Export to a file")
async def export_query(
    ctx: ToolContext,
    postgresql_query: Annotated[
        str | None, Field(description="As in execute_sales_query; or a handle")
    ] = None,
    handle: Handle | None = None,
    format: Format = "csv",
    name: Annotated[Name, Field(description="Words for the file's name")] = "",
) -> Annotated[CallToolResult, ExportOutput]:
    """Write all rows of a query to a new file for the person, not through you.

    For lists to keep or open in a spreadsheet. A handle's query runs again.
    Returns the path and first rows.
    """
    services = services_of(ctx)
    question = services.exports.check(
        postgresql_query, handle, format, name, services.user_id
    )
    async with _progress(ctx) as progress:
        run = partial(
            services.exports.export, question, services.user_id, progress.advance
        )
        export = await services.workers.run(run)
    return _result(export)


class _Progress:
    """How many rows are written; a worker thread writes, the event loop reads."""

    rows = 0

    def advance(self, rows: int) -> None:
        self.rows = rows


@asynccontextmanager
async def _progress(ctx: ToolContext) -> AsyncIterator[_Progress]:
    """Tell the client how far a call is, as long as the block takes."""
    progress = _Progress()

    async def tell() -> None:
        told = 0
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            if (rows := progress.rows) > told:
                told = rows
                await ctx.report_progress(rows, None, f"{rows:,} rows written")

    telling = asyncio.create_task(tell())
    try:
        yield progress
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling


def _result(export: Export) -> CallToolResult:
    uri = export_uri(export)
    answer: dict[str, Any] = {
        "path": str(export.file.path),
        "uri": uri,
        "format": export.format,
        "row_count": export.rows,
        "bytes": export.file.size,
        "columns": [column.name for column in export.columns],
        "first_rows": export.first_rows,
        "as_of": told(export.as_of),
    }
    if export.notes:
        answer["notes"] = export.notes
    result = structured_result(answer)
    link = ResourceLink(
        uri=uri,
        name=export.file.path.name,
        mime_type=MIME_TYPES[export.format],
        size=export.file.size,
    )
    linked = result.model_copy(update={"content": [*result.content, link]})
    return of_query(linked, export.query)
