"""The shapes that tools return: typed for the schema, compact for the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult, JSONRPCError, JSONRPCMessage, TextContent
from pydantic_core import to_json
from typing_extensions import TypedDict

from zava.errors import MCPError, ValidationError
from zava.models import TableSchema
from zava.service.queries.executor import QueryAnswer

ERROR_META = "zava/error"

MAX_BYTES = 256 * 1024
"""Most bytes of an answer; rows have a setting instead, ZAVA_MAX_RESULT_BYTES."""

_LONGEST_TEXT = 1000
_SHORTEST_TEXT = 8
_MOST_ITEMS = 1000
_MOST_FACTS = 20
# What a description can do without, the least needed first.
_DISPENSABLE = ("comment", "default", "values")


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
    """How stores did in a period, and what stands out."""

    store_id: str
    period: dict[str, Any]
    metrics: dict[str, Any]
    insights: list[dict[str, Any]]


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
    head = {"columns": [{"name": name, "type": kind} for name, kind in result.columns]}
    tail = {
        "row_count": len(result.rows),
        "truncated": result.truncated,
        "cached": answer.cached,
        "as_of": result.as_of.isoformat(timespec="milliseconds"),
        "elapsed_ms": answer.elapsed_ms,
    }
    rows = ",".join(result.row_texts)
    text = f'{_compact(head)[:-1]},"rows":[{rows}],{_compact(tail)[1:]}'
    structured: dict[str, Any] = {**head, "rows": result.rows, **tail}
    return _success(text, structured)


def schemas_result(tables: tuple[TableSchema, ...]) -> CallToolResult:
    """Return table descriptions; what is null or empty is left out.

    Raises:
        ValidationError: They are longer than an answer may be, also without samples.
    """
    described = [table.model_dump(mode="json") for table in tables]
    structured = {"tables": [_without_blanks(table) for table in described]}
    text = _compact(structured)
    if not _fits(text):
        for table in structured["tables"]:
            if table.pop("sample_rows", None) is not None:
                _leave_out(table, "sample rows")
        text = _compact(structured)
    if not _fits(text) and len(tables) == 1:
        (table,) = structured["tables"]
        for name in _DISPENSABLE:
            for column in table["columns"]:
                column.pop(name, None)
            _leave_out(table, f"each column's {name}")
            text = _compact(structured)
            if _fits(text):
                break
    if not _fits(text):
        raise ValidationError(
            "table_names", len(tables), "the descriptions are too long: ask for fewer"
        )
    return _success(text, structured)


def _leave_out(table: dict[str, Any], what: str) -> None:
    said = table.get("note")
    note = f"{what} left out: the answer would be too long"
    table["note"] = f"{said}; {note}" if said else note


def _fits(text: str) -> bool:
    return len(text) <= MAX_BYTES and len(text.encode()) <= MAX_BYTES


def metrics_result(answer: dict[str, Any]) -> CallToolResult:
    """Return figures whole: their rows were cut at the operator's ceilings."""
    return _success(_compact(answer), answer)


def structured_result(structured: dict[str, Any]) -> CallToolResult:
    """Return a small structure; texts in it are cut until it fits."""
    longest = _LONGEST_TEXT
    while True:
        bounded = _bounded(structured, longest)
        text = _compact(bounded)
        if _fits(text) or longest <= _SHORTEST_TEXT:
            return _success(text, bounded)
        longest //= 2


def error_result(error: MCPError) -> CallToolResult:
    """Return a failure: the code first, then what the model needs to mend it.

    The details go into `_meta`, not into the structured content: clients check
    that against the tool's output schema even when it is an error.
    """
    details = {
        name: _bounded(value, _LONGEST_TEXT, _MOST_FACTS)
        for name, value in error.details().items()
    }
    lines = [f"[{error.error_code}] {_cut(error.message)}"]
    lines += [
        f"{name}: {', '.join(value) if isinstance(value, list) else value}"
        for name, value in details.items()
        if name != "field"
    ]
    meta = {ERROR_META: {"code": error.error_code, **details}}
    content = TextContent(type="text", text=_clean("\n".join(lines)))
    return CallToolResult(content=[content], is_error=True, _meta=meta)


def bounded_error(message: JSONRPCMessage) -> JSONRPCMessage:
    """Return a message; the texts of a JSON-RPC error are cut."""
    if not isinstance(message, JSONRPCError):
        return message
    error = message.error
    changes: dict[str, Any] = {"message": _cut(error.message)}
    if len(str(error.data)) > _LONGEST_TEXT:
        changes["data"] = None
    return message.model_copy(update={"error": error.model_copy(update=changes)})


def _bounded(value: Any, longest: int, most: int = _MOST_ITEMS) -> Any:
    """A value with every text in it cut, and every list."""
    if isinstance(value, str):
        return _cut(value, longest)
    if isinstance(value, Mapping):
        return {
            _cut(str(name), _LONGEST_TEXT): _bounded(item, longest, most)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_bounded(item, longest, most) for item in value[:most]]
    return value


def _cut(text: str, longest: int = _LONGEST_TEXT) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


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
