"""The shapes that tools return: typed for the schema, compact for the model."""

from __future__ import annotations

from typing import Any

from mcp_types import CallToolResult, TextContent
from pydantic_core import to_json
from typing_extensions import TypedDict

from zava.errors import MCPError
from zava.models import TableSchema
from zava.service.queries import QueryAnswer

ERROR_META = "zava/error"


class ColumnOutput(TypedDict):
    """A result column."""

    name: str
    type: str


class QueryOutput(TypedDict):
    """A query's result; `rows` are positional, in the order of `columns`.

    `truncated` names the ceiling that cut the rows off, or is null.
    `as_of` is when the rows were read, `cached` whether for an earlier call.
    """

    columns: list[ColumnOutput]
    rows: list[list[Any]]
    row_count: int
    truncated: str | None
    cached: bool
    as_of: str
    elapsed_ms: float


class SchemasOutput(TypedDict):
    """Descriptions of tables."""

    tables: list[dict[str, Any]]


class PerformanceOutput(TypedDict):
    """How a store did in a period, and what stands out."""

    store_id: str
    period: dict[str, Any]
    metrics: dict[str, Any]
    insights: list[str]


class DateOutput(TypedDict):
    """The server's clock."""

    current_utc_datetime: str


class HealthOutput(TypedDict):
    """Whether each part answers."""

    database: str
    ai_service: str


class SummaryOutput(TypedDict):
    """Figures by operation, of the pool and of the cache."""

    operations: dict[str, dict[str, float]]
    pool: dict[str, float]
    cache: dict[str, float]


def query_result(answer: QueryAnswer) -> CallToolResult:
    """Return rows as text and as structure; their JSON text was made only once."""
    result = answer.result
    structured: dict[str, Any] = {
        "columns": [column._asdict() for column in result.columns],
        "rows": result.rows,
        "row_count": len(result.rows),
        "truncated": result.truncated,
        "cached": answer.cached,
        "as_of": result.as_of.isoformat(timespec="milliseconds"),
        "elapsed_ms": answer.elapsed_ms,
    }
    head = _compact({"columns": structured["columns"]})[:-1]
    tail = _compact(
        {k: v for k, v in structured.items() if k not in ("columns", "rows")}
    )
    text = f'{head},"rows":[{",".join(result.row_texts)}],{tail[1:]}'
    return _success(text, structured)


def schemas_result(tables: tuple[TableSchema, ...]) -> CallToolResult:
    """Return table descriptions; what is null or empty is left out."""
    structured = {
        "tables": [_without_blanks(table.model_dump(mode="json")) for table in tables]
    }
    return _success(_compact(structured), structured)


def structured_result(structured: dict[str, Any]) -> CallToolResult:
    """Return a small structure as it is."""
    return _success(_compact(structured), structured)


def error_result(error: MCPError) -> CallToolResult:
    """Return a failure: the code first, then what the model needs to mend it.

    The details go into `_meta`, not into the structured content: clients check
    that against the tool's output schema even when it is an error.
    """
    details = error.details()
    lines = [f"[{error.error_code}] {error.message}"]
    lines += [
        f"{name}: {', '.join(value) if isinstance(value, list) else value}"
        for name, value in details.items()
        if name != "field"
    ]
    meta = {ERROR_META: {"code": error.error_code, **details}}
    content = TextContent(type="text", text=_clean("\n".join(lines)))
    return CallToolResult(content=[content], is_error=True, _meta=meta)


def _success(text: str, structured: dict[str, Any]) -> CallToolResult:
    content = TextContent(type="text", text=text)
    return CallToolResult(content=[content], structured_content=structured)


def _compact(value: Any) -> str:
    return to_json(value).decode()


def _clean(text: str) -> str:
    # A lone surrogate has no UTF-8 and would end the transport.
    return text.encode("utf-8", "replace").decode()


def _without_blanks(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: _without_blanks(v) for k, v in value.items() if v not in (None, [], "")
        }
    if isinstance(value, list):
        return [_without_blanks(item) for item in value]
    return value
