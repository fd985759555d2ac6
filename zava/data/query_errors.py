"""The one seam where the driver's errors become zava's."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import psycopg_pool
from psycopg import errors as pg

from zava.data.connection_errors import ConnectionFailed, explain_refusal
from zava.errors import (
    BusyError,
    ConfigurationError,
    DatabaseError,
    MCPError,
    QueryError,
    QueryTimeoutError,
    ResultTooLargeError,
    UnavailableError,
)

ONLY_A_QUERY = (
    "only a single SELECT-like query can run here: SELECT, WITH, VALUES or TABLE"
)
CLOSED = (
    "closed to queries: settings, server statistics, system columns, other people's"
    " rights and functions with effects; get_multiple_table_schemas describes what can"
    " be read, and count(*) counts the rows of it"
)
NO_VALUES = (
    "the SQL text holds a parameter such as $1, for which there is no value: write the"
    " value itself"
)

NO_DISK = (
    "the query sorts, joins or returns more than its temporary space holds: filter or"
    " aggregate earlier, or select less"
)
NO_ROOM = (
    "the query takes more memory than PostgreSQL has for one: work on fewer values at"
    " once, cut long ones with left(), and aggregate earlier"
)
SIMPLER = "write it shorter and less nested"

# A schema, function, table or column is not there.
_MISSING = ("3F000", "42883", "42P01", "42703")
# The server ended the connection: idle in a transaction, or in one for too long.
_ENDED_BY_A_TIMEOUT = ("25P03", "25P04")
# libpq's own words, in English whatever the language of the system.
_NO_MEMORY = ("cannot allocate memory", "out of memory")
_UNAVAILABLE = (
    "the database cannot be reached, zava's log says why;"
    " it is tried again at the next call"
)
# SQLSTATE classes in which the SQL text, or the data that it meets, is at fault.
# fmt: off
_QUERY_CLASSES = frozenset({
    "0A", "10", "20", "21", "22", "23", "24", "25", "26", "28", "2B", "2D", "2F", "34",
    "38", "39", "3B", "3D", "3F", "40", "42", "44", "54", "55", "HV", "P0",
})
# fmt: on
_LEADING_NOISE = re.compile(r"(\s|\(|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
_NOT_HERE = re.compile(r"multiple commands|\bINTO\b")
_PREFIX_WORDS = re.compile(r"\bDECLARE CURSOR\b|\bcursor\b", re.IGNORECASE)


def translate(exc: psycopg.Error, query: str = "", offset: int = 0) -> MCPError:
    """Return the error of zava's tree for one of the driver's.

    Args:
        exc: Any psycopg error; the map is total.
        query: The SQL text of the caller, without what zava put before it.
        offset: How many characters zava put before it.
    """
    if isinstance(exc, psycopg_pool.PoolTimeout | psycopg_pool.TooManyRequests):
        return BusyError("every database connection is busy or down; try again shortly")
    if isinstance(exc, pg.QueryCanceled):
        return QueryTimeoutError(query)
    if is_out_of_memory(exc):
        return ResultTooLargeError()
    sqlstate = exc.sqlstate
    if sqlstate is None:
        return _without_sqlstate(exc, query)
    if is_unbound_parameter(exc):
        return QueryError(NO_VALUES, "UNDEFINED_PARAMETER", query, {})
    if sqlstate[:2] in ("08", "57") or sqlstate in _ENDED_BY_A_TIMEOUT:
        return UnavailableError(_UNAVAILABLE, query)
    if sqlstate[:2] == "28" and not is_raised_by_a_statement(exc):
        return ConfigurationError(
            "the database refused the login: check ZAVA_DATABASE_URL and its password"
        )
    if sqlstate[:2] == "53":
        return _out_of_a_resource(exc, query)
    if sqlstate[:2] in _QUERY_CLASSES:
        return _query_error(exc, query, offset)
    return DatabaseError("the database failed; its own log says why", query)


def _out_of_a_resource(exc: psycopg.Error, query: str) -> MCPError:
    if isinstance(exc, pg.OutOfMemory):
        return QueryError(NO_ROOM, "OUT_OF_MEMORY", query, {"sqlstate": exc.sqlstate})
    if isinstance(exc, pg.ConfigurationLimitExceeded):
        facts = {"sqlstate": exc.sqlstate}
        return QueryError(NO_DISK, "TEMPORARY_SPACE_EXCEEDED", query, facts)
    return BusyError(
        "the database has no memory, disk or connection left; ask for less, or later"
    )


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether this process, not the database, lacks memory for the result."""
    if isinstance(exc, psycopg.Error):
        return exc.sqlstate is None and any(words in str(exc) for words in _NO_MEMORY)
    return isinstance(exc, MemoryError)


def is_missing_object(exc: psycopg.Error) -> bool:
    """Whether a statement names what the database does not have."""
    return exc.sqlstate in _MISSING


def is_unbound_parameter(exc: BaseException) -> bool:
    """Whether a parameter without a value, not a broken protocol, is to blame.

    PostgreSQL calls both a protocol violation. A broken protocol, and whatever a
    pooler reports by this code, ends the connection, which is worse than an error.
    """
    return isinstance(exc, pg.ProtocolViolation) and is_raised_by_a_statement(exc)


def is_raised_by_a_statement(exc: psycopg.Error) -> bool:
    """Whether a statement failed, not the login or the connection."""
    return exc.diag.severity_nonlocalized == "ERROR"


def _without_sqlstate(exc: psycopg.Error, query: str) -> MCPError:
    """No answer from a server: the connection failed, or the driver refused."""
    if isinstance(exc, ConnectionFailed):
        return explain_refusal(exc)
    if isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError):
        return UnavailableError(_UNAVAILABLE, query)
    if isinstance(exc, psycopg.DataError):
        return QueryError(
            "the SQL text holds a character that PostgreSQL cannot take",
            "CHARACTER_NOT_IN_REPERTOIRE",
            query,
            {},
        )
    return DatabaseError("the database driver failed", query)


def not_utf8(query: str) -> QueryError:
    """Return the error of a query whose result is not in UTF-8."""
    return QueryError(
        "the result is not in UTF-8: leave client_encoding as it is",
        "CHARACTER_NOT_IN_REPERTOIRE",
        query,
        {},
    )


def _query_error(exc: psycopg.Error, query: str, offset: int) -> QueryError:
    diagnosis = exc.diag
    facts: dict[str, Any] = {"sqlstate": exc.sqlstate}
    message = diagnosis.message_primary or "the query failed"
    hint = diagnosis.message_hint
    position = _position(diagnosis.statement_position, offset)
    if position is not None:
        facts["position"] = position
    if _is_not_a_query(exc, query, position):
        hint = ONLY_A_QUERY
    if isinstance(exc, pg.InsufficientPrivilege):
        hint = CLOSED
    if isinstance(exc, pg.ProgramLimitExceeded | pg.StatementTooComplex):
        hint = SIMPLER  # PostgreSQL's own is for its operator
    if hint:
        facts["hint"] = hint
    if diagnosis.message_detail:
        facts["detail"] = diagnosis.message_detail
    return QueryError(message, _condition(type(exc)), query, facts)


def _position(given: str | None, offset: int) -> int | None:
    """1-based in the caller's text; None where the fault lies in zava's prefix."""
    if given is None or int(given) <= offset:
        return None
    return int(given) - offset


def _is_not_a_query(exc: psycopg.Error, query: str, position: int | None) -> bool:
    if isinstance(exc, pg.InvalidCursorDefinition | pg.FeatureNotSupported):
        return bool(_PREFIX_WORDS.search(exc.diag.message_primary or ""))
    if not isinstance(exc, pg.SyntaxError):
        return False
    if _NOT_HERE.search(exc.diag.message_primary or ""):
        return True
    # The very first word is what the grammar stumbled over.
    noise = _LEADING_NOISE.match(query)
    return position is not None and noise is not None and position <= noise.end() + 1


def _condition(error: type[psycopg.Error]) -> str:
    """PostgreSQL's name of the condition, e.g. UNDEFINED_TABLE."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", error.__name__).upper()
