"""The shapes that tools return: typed for the schema, compact for the model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mcp.shared.exceptions import MCPError as SdkError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolResult,
    JSONRPCError,
    JSONRPCMessage,
    TextContent,
)
from pydantic_core import to_json
from typing_extensions import NotRequired, TypedDict

from zava.errors import AuthorizationError, MCPError, ValidationError
from zava.infra.answer_age import told
from zava.models import ColumnSchema, ForeignKey, Person, TableSchema, Truncation
from zava.service.queries.catalog import SAMPLE_ROWS, Described, Detail, Found
from zava.service.queries.executor import QueryAnswer

ERROR_META = "zava/error"
QUERY_META = "zava/query_sha256"
"""Which query an answer to a handle belongs to."""

MAX_BYTES = 256 * 1024
"""Most bytes of an answer; rows have a setting instead, ZAVA_MAX_RESULT_BYTES."""

_LONGEST_TEXT = 1000
_SHORTEST_TEXT = 8
_LONGEST_NAME = 60
_MOST_ITEMS = 1000
_MOST_FACTS = 20
_MORE: Mapping[Truncation, str] = {
    "max_rows": "there are more rows: sum up or filter in SQL, raise max_rows, or count"
    " them with SELECT count(*) FROM (the query) AS q",
    "max_bytes": "there are more rows than may be sent at once: select fewer columns,"
    " shorten texts with left(), or sum up",
    "kept_rows": "the query has more rows than are kept: sum up, or use export_query",
}
_NEXT = "; get_more_rows gives the next"
# What a description can do without, the least needed first.
_DISPENSABLE = ("comment", "values")
# Of no use in a question about the chain.
_BOOKKEEPING = frozenset(
    {"created_at", "updated_at", "only_row", "managers_read_personal_data"}
)
_SHORT_TYPES = {
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "time without time zone": "time",
    "time with time zone": "timetz",
    "character varying": "varchar",
    "character": "char",
    "double precision": "float8",
}
# Of a length or a precision a reader learns nothing.
_TYPE = re.compile(r"^([a-z ]*[a-z])(?:\([\d,]+\))?")
# What stands for "null", what retail.chain says, and what an administrator does.
_SAID_ELSEWHERE = re.compile(
    r"[;,] (?:empty if not known|in the chain's currency|in its currency)\b"
    r"|\. After a change run .*$"
)
_KEYS = {"primary key": "pk", "unique": "unique"}
_OWN_KEY = re.compile(r"^(The chain's own key) of the \w+$")
_WRITTEN = ("text", "character", "json")
_LONGEST_CELL = 60


class ColumnOutput(TypedDict):
    """A result column."""

    name: str
    type: str


class QueryOutput(TypedDict):
    """A query's result; `rows` are positional, in the order of `columns`.

    `truncated` names the ceiling that cut the rows off, or is null; `more` says how to
    get the rest. `as_of` is the time up to which the rows are complete, `cached`
    whether they were read for an earlier call. `handle` is for get_more_rows.
    """

    columns: list[ColumnOutput]
    rows: list[list[Any]]
    row_count: int
    truncated: str | None
    more: NotRequired[str]
    cached: bool
    as_of: str
    elapsed_ms: float
    handle: NotRequired[str]


class SchemasOutput(TypedDict):
    """Descriptions of tables, and what the person sees of them.

    `as_of` is the time up to which this is complete.
    """

    person: dict[str, Any]
    tables: list[dict[str, Any]]
    as_of: str


class TablesOutput(TypedDict):
    """Tables by name, or with more of each; `as_of` as for `SchemasOutput`."""

    person: dict[str, Any]
    tables: Any
    left_out: int
    as_of: str


class PlanOutput(TypedDict):
    """What a query does, each step below what uses it, and what serves it.

    `as_of` is the time up to which the tables and indexes are as described.
    """

    steps: list[str]
    tables: list[dict[str, Any]]
    notes: list[str]
    as_of: str


class PerformanceOutput(TypedDict):
    """How stores did in a period, and what stands out.

    `period` has `cached`, and `as_of`, the time up to which the figures are complete.
    """

    store_id: str
    period: dict[str, Any]
    metrics: dict[str, Any]
    insights: list[dict[str, Any]]


class DateOutput(TypedDict):
    """The server's clock."""

    current_utc_datetime: str


class HealthOutput(TypedDict):
    """Whether each part answers, and which database server does."""

    database: str
    ai_service: str
    server: NotRequired[str]


class SummaryOutput(TypedDict):
    """Figures by operation, of the pool and of the cache."""

    operations: dict[str, dict[str, float]]
    pool: dict[str, float]
    cache: dict[str, float]


def query_result(answer: QueryAnswer) -> CallToolResult:
    """Return rows as text and as structure; their JSON text was made only once."""
    result = answer.result
    head = {"columns": [{"name": name, "type": kind} for name, kind in result.columns]}
    tail: dict[str, Any] = {
        "row_count": len(result.rows),
        "truncated": result.truncated,
        **({"more": _more(answer, result.truncated)} if result.truncated else {}),
        "cached": answer.cached,
        "as_of": told(result.as_of),
        "elapsed_ms": answer.elapsed_ms,
    }
    if answer.handle is not None:
        tail["handle"] = answer.handle
    rows = ",".join(result.row_texts)
    text = f'{_compact(head)[:-1]},"rows":[{rows}],{_compact(tail)[1:]}'
    structured: dict[str, Any] = {**head, "rows": result.rows, **tail}
    return _success(text, structured)


def _more(answer: QueryAnswer, ceiling: Truncation) -> str:
    return _MORE[ceiling] + (_NEXT if answer.handle is not None else "")


def query_digest(query: str) -> str:
    """Return what stands for an SQL text in the audit record."""
    return hashlib.sha256(query.encode("utf-8", "replace")).hexdigest()


def of_query(result: CallToolResult, query: str) -> CallToolResult:
    """Return a result that says which query it belongs to."""
    meta = {**(result.meta or {}), QUERY_META: query_digest(query)}
    return result.model_copy(update={"meta": meta})


def schemas_result(described: Described) -> CallToolResult:
    """Return table descriptions in the shortest form that says everything.

    Raises:
        ValidationError: They are longer than an answer may be, also without samples.
    """
    tables = described.tables
    structured: dict[str, Any] = {
        "person": told_person(described.person),
        "tables": [_table(table) for table in tables],
        "as_of": told(described.as_of),
    }
    text = _compact(structured)
    if not _fits(text):
        for table in structured["tables"]:
            table.pop("sample_columns", None)
            if table.pop("sample_rows", None) is not None:
                _leave_out(table, "sample rows")
        text = _compact(structured)
    if not _fits(text) and len(tables) == 1:
        (table,) = structured["tables"]
        for number, name in enumerate(_DISPENSABLE, start=1):
            without = _DISPENSABLE[:number]
            table["columns"] = _columns(tables[0], without)
            _leave_out(table, f"each column's {name}")
            text = _compact(structured)
            if _fits(text):
                break
    if not _fits(text):
        raise ValidationError(
            "table_names", len(tables), "the descriptions are too long: ask for fewer"
        )
    return _success(text, structured)


def tables_result(found: Found, detail: Detail) -> CallToolResult:
    """Return tables that were found, with as much of each as was asked for.

    Raises:
        ValidationError: As for `schemas_result`.
    """
    if detail == "full":
        result = schemas_result(Described(found.person, found.described, found.as_of))
        structured = dict(result.structured_content or {})
    elif detail == "names":
        structured = {"person": told_person(found.person), "tables": list(found.tables)}
    else:
        structured = {
            "person": told_person(found.person),
            "tables": {
                name: f"{text or ''} ({', '.join(_told_columns(columns))})".lstrip()
                for name, (text, columns) in found.tables.items()
            },
        }
    structured |= {"left_out": found.left_out, "as_of": told(found.as_of)}
    if detail == "full":
        return _success(_compact(structured), structured)
    return structured_result(structured)


def _told_columns(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name not in _BOOKKEEPING]


def told_person(person: Person) -> dict[str, Any]:
    """Return who a person is, the first of their stores, and until when data reach."""
    names = ", ".join(map(_in_a_line, person.names))
    more = person.stores - len(person.names)
    return {
        "name": _in_a_line(person.name),
        "stores": f"{names} and {more} more" if more else names,
        "data_through": person.data_through and str(person.data_through),
    }


def _in_a_line(name: str) -> str:
    return " ".join(name.split())[:_LONGEST_NAME]


def _table(table: TableSchema) -> dict[str, Any]:
    """Return a table without what is empty, and with nothing said twice."""
    several = [
        f"({', '.join(key.columns)}) -> {key.references}"
        for key in table.foreign_keys
        if len(key.columns) > 1
    ]
    parts: dict[str, Any] = {
        "table": table.table,
        "description": table.description,
        "columns": _columns(table),
        "foreign_keys": several,
        **_samples(table),
        "note": table.note,
    }
    return {name: part for name, part in parts.items() if part}


def _columns(table: TableSchema, without: Sequence[str] = ()) -> dict[str, str]:
    """Return each column's type and what else is known of it, in a line."""
    references = {
        key.columns[0]: _reference(key)
        for key in table.foreign_keys
        if len(key.columns) == 1
    }
    constants = _constants(table)
    told = {}
    for column in table.columns:
        if column.name in _BOOKKEEPING:
            continue
        facts = [references.get(column.name, "")]
        if column.name in constants and "values" not in without:
            facts.append(f"here {constants[column.name]}")
        told[column.name] = _column(column, facts, without)
    return told


def _constants(table: TableSchema) -> dict[str, str]:
    """Return what every row of a small table has in common, by column."""
    if not _is_whole(table):
        return {}
    first, *others = table.sample_rows
    return {
        name: cell if isinstance(cell, str) else _compact(cell)
        for name, cell in first.items()
        if cell not in (None, "", []) and all(row.get(name) == cell for row in others)
        if not isinstance(cell, str) or len(cell) <= _LONGEST_CELL
    }


def _is_whole(table: TableSchema) -> bool:
    """Whether the samples of a table are all its rows, and there are any."""
    return len(table.sample_rows) not in (0, SAMPLE_ROWS)


def _column(column: ColumnSchema, facts: Sequence[str], without: Sequence[str]) -> str:
    kind = _TYPE.sub(lambda found: _SHORT_TYPES.get(found[1], found[1]), column.type)
    parts = [f"{kind} null" if column.nullable else kind]
    if column.key in _KEYS:
        parts.append(_KEYS[column.key])
    parts += filter(None, facts)
    comment = "" if "comment" in without else _comment(column)
    values = () if "values" in without else column.values or ()
    if not all(value in comment for value in values):
        parts.append(f"one of {', '.join(values)}")
    if comment:
        parts.append(comment)
    return "; ".join(parts)


def _reference(key: ForeignKey) -> str:
    if key.columns == key.referenced_columns:
        return f"-> {key.references}"
    return f"-> {key.references}({', '.join(key.referenced_columns)})"


def _comment(column: ColumnSchema) -> str:
    """Return a comment without what every table says, or the column's type and key."""
    comment = column.comment or ""
    if column.key == "primary key" and comment.startswith("Key of the "):
        return ""
    comment = _OWN_KEY.sub(r"\1", comment)
    return _SAID_ELSEWHERE.sub("", comment)


def _samples(table: TableSchema) -> dict[str, Any]:
    """Return rows of a table, positional: a small table whole, without its keys.

    Of a larger table only the texts of a row, which show how they are written.
    """
    rows = table.sample_rows
    is_whole, constants = _is_whole(table), _constants(table)
    if not is_whole:
        rows = rows[:1]
    columns = [
        column.name
        for column in table.columns
        if column.type != "uuid"
        and column.name not in constants
        and column.name not in _BOOKKEEPING
        and (is_whole or (column.type.startswith(_WRITTEN) and not column.values))
        and any(row.get(column.name) not in (None, "", []) for row in rows)
    ]
    if not columns:
        return {}
    cells = [[_short(row.get(name)) for name in columns] for row in rows]
    return {"sample_columns": columns, "sample_rows": cells}


def _short(cell: Any) -> Any:
    return _cut(cell, _LONGEST_CELL) if isinstance(cell, str) else cell


def _leave_out(table: dict[str, Any], what: str) -> None:
    said = table.get("note")
    note = f"{what} left out: the answer would be too long"
    table["note"] = f"{said}; {note}" if said else note


def _fits(text: str) -> bool:
    return len(text) <= MAX_BYTES and len(text.encode()) <= MAX_BYTES


def metrics_result(answer: dict[str, Any]) -> CallToolResult:
    """Return figures whole: their rows were cut at the operator's ceilings."""
    # The names of spans without a row are for a picture alone.
    shown = {name: value for name, value in answer.items() if name != "spans"}
    return _success(_compact(shown), shown)


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


def protocol_error(error: MCPError) -> SdkError:
    """Return a failure of what is no tool, which JSON-RPC calls an error.

    Its text and its facts are those of `error_result`.
    """
    told = error_result(error)
    text = "".join(part.text for part in told.content if isinstance(part, TextContent))
    is_callers = isinstance(error, ValidationError | AuthorizationError)
    code = INVALID_PARAMS if is_callers else INTERNAL_ERROR
    return SdkError(code, text, (told.meta or {})[ERROR_META])


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
