"""The one seam where the driver's errors become zava's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import psycopg_pool
from psycopg import errors as pg

from zava.data.connection_errors import ConnectionFailed, explain_refusal
from zava.data.replay import StaleServer, duration
from zava.errors import (
    BusyError,
    ConfigurationError,
    DatabaseError,
    MCPError,
    QueryError,
    QueryTimeoutError,
    ResultTooLargeError,
    StaleAnswerError,
    StandbyConflictError,
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
NO_CLOCK = (
    "closed to queries: now() is the time of the query, and does not move while it"
    " runs; gen_random_uuid() makes a key"
)
NO_RIGHT = "cannot be read, because this person has no right to personal data"
NOT_READABLE = "cannot be read by anybody"
NO_SYSTEM_COLUMN = "cannot be read by anybody (system column)"
NAME_COLUMNS = (
    "name the columns that can be read instead of *, a whole row or NATURAL; count(*)"
    " counts the rows"
)
NO_NAMES = "; an id tells customers apart without their names"
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
TOO_LARGE = (
    "a value is larger than PostgreSQL takes: give it fewer characters, elements or"
    " dimensions"
)
NO_CHARACTER = (
    "a text holds no such character: chr() takes 1 to 55295 and 57344 to 1114111"
)
FEWER_COLUMNS = "select or join fewer columns"
FEWER_ARGUMENTS = "call the function with fewer arguments"
BAD_CALL = (
    "the query calls a function with values that the function cannot take: correct or"
    " leave out that call; if no function is called, tell the operator"
)

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
_DENIED_TABLE = re.compile(
    r"permission denied for (?:table|view|materialized view|foreign table) (.+)",
    re.DOTALL,
)
_SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
_NO_NAMES_IN = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
# Limits of a whole statement, among those of a single value.
_TOO_COMPLEX = re.compile(r"range table|target list|grouping sets|nested|statement")
_DENIED_CLOCK = re.compile(
    r"permission denied for function (?:clock_timestamp|timeofday|uuid.*)"
)
_LEADING_NOISE = re.compile(r"(\s|\(|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
_NOT_HERE = re.compile(r"multiple commands|\bINTO\b")
_PREFIX_WORDS = re.compile(r"\bDECLARE CURSOR\b|\bcursor\b", re.IGNORECASE)


def translate(
    exc: psycopg.Error,
    query: str = "",
    offset: int = 0,
    *,
    is_callers: bool = False,
) -> MCPError:
    """Return the error of zava's tree for one of the driver's.

    Args:
        exc: Any psycopg error; the map is total.
        query: The SQL text of the caller, without what zava put before it.
        offset: How many characters zava put before it.
        is_callers: Whether the caller wrote the SQL text.
    """
    if isinstance(exc, psycopg_pool.PoolTimeout | psycopg_pool.TooManyRequests):
        return BusyError("every database connection is busy or down; try again shortly")
    if isinstance(exc, pg.QueryCanceled | StaleServer | pg.SerializationFailure):
        return _ended_early(exc, query)
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
    if sqlstate[:2] in _QUERY_CLASSES or (is_callers and _is_bad_call(exc)):
        return _query_error(exc, query, offset)
    return DatabaseError("the database failed; its own log says why", query)


def _ended_early(exc: psycopg.Error, query: str) -> MCPError:
    if isinstance(exc, pg.QueryCanceled):
        return QueryTimeoutError(query)
    if not isinstance(exc, StaleServer):
        # A transaction that only reads is in no other one's way, but in the replay's.
        return StandbyConflictError(query)
    old = duration(exc.age)
    what = f"the database server that answers is a standby, {old} behind its primary"
    if exc.most is None:
        return StaleAnswerError(
            f"{what}, and does not know yet what an earlier answer came from: ask again"
            " shortly; if this lasts, the operator has to look at the standby's"
            " replication",
            exc.age,
            query,
        )
    return StaleAnswerError(
        f"{what}, and answers may be {exc.most:g} s old (ZAVA_MAX_STALENESS): ask again"
        " later; the operator can look at the standby's replication, name the primary"
        " too in ZAVA_DATABASE_URL, or allow older answers",
        exc.age,
        query,
    )


def _out_of_a_resource(exc: psycopg.Error, query: str) -> MCPError:
    if isinstance(exc, pg.OutOfMemory) and "shared memory" in str(exc):
        return UnavailableError(
            "PostgreSQL has no room for another lock at the moment: try again shortly",
            query,
        )
    if isinstance(exc, pg.OutOfMemory):
        return QueryError(NO_ROOM, "OUT_OF_MEMORY", query, {"sqlstate": exc.sqlstate})
    if isinstance(exc, pg.ConfigurationLimitExceeded):
        facts = {"sqlstate": exc.sqlstate}
        return QueryError(NO_DISK, "TEMPORARY_SPACE_EXCEEDED", query, facts)
    return BusyError(
        "the database has no memory, disk or connection left; ask for less, or later"
    )


def _is_bad_call(exc: psycopg.Error) -> bool:
    """Whether a function that was called refuses its arguments, without an SQLSTATE.

    PostgreSQL and its extensions report by XX000 what no sensible call brings about.
    Data and indexes that are corrupt have SQLSTATEs of their own.
    """
    return isinstance(exc, pg.InternalError_) and is_raised_by_a_statement(exc)


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether this process, not the database, lacks memory for the result."""
    if isinstance(exc, psycopg.Error):
        return exc.sqlstate is None and any(words in str(exc) for words in _NO_MEMORY)
    return isinstance(exc, MemoryError)


def is_missing_object(exc: psycopg.Error) -> bool:
    """Whether a statement names what the database does not have."""
    return exc.sqlstate in _MISSING


def denied_table(exc: psycopg.Error) -> str | None:
    """Return the table that a statement may not read, at least not all that it names.

    PostgreSQL names neither the schema nor the column.
    """
    if not isinstance(exc, pg.InsufficientPrivilege):
        return None
    found = _DENIED_TABLE.fullmatch(exc.diag.message_primary or "")
    return found[1] if found else None


def explain_denied_columns(
    error: QueryError, query: str, columns: Mapping[str, Sequence[str] | None]
) -> QueryError:
    """Return the error of a denied table with the columns that can be read instead.

    Args:
        error: As PostgreSQL words it.
        query: The SQL text of the caller.
        columns: Of the table, `readable`, `personal` (they take the right to personal
            data, which this person lacks) and `closed` (to everybody).
    """
    words = set(re.findall(r"\w+", _NO_NAMES_IN.sub(" ", query.lower())))
    denied: dict[str, Sequence[str]] = {
        NO_RIGHT: columns["personal"] or (),
        NOT_READABLE: columns["closed"] or (),
    }
    named: dict[str, Sequence[str]] = {
        reason: [name for name in names if name.strip('"').lower() in words]
        for reason, names in {**denied, NO_SYSTEM_COLUMN: _SYSTEM_COLUMNS}.items()
    }
    # A query that names none of them wants them all, by * or otherwise.
    told = named if any(named.values()) else denied
    if not any(told.values()):
        return error
    reasons = [f"{', '.join(names)} {why}" for why, names in told.items() if names]
    readable = f"columns that can be read: {', '.join(columns['readable'] or ())}"
    message = "; ".join([error.message, *reasons, readable])
    facts = dict(error.facts)
    if told[NO_RIGHT] or told[NOT_READABLE]:
        facts["hint"] = NAME_COLUMNS + (NO_NAMES if told[NO_RIGHT] else "")
    return QueryError(message, error.error_code, query, facts)


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
        hint = NO_CLOCK if _DENIED_CLOCK.fullmatch(message) else CLOSED
    hint = _limit(exc, message) or hint  # PostgreSQL's own is for its operator
    if hint:
        facts["hint"] = hint
    if diagnosis.message_detail and not isinstance(exc, pg.InternalError_):
        facts["detail"] = diagnosis.message_detail
    return QueryError(message, _condition(type(exc)), query, facts)


def _limit(exc: psycopg.Error, message: str) -> str | None:
    """Return what to change where a limit of PostgreSQL is exceeded, else None."""
    if isinstance(exc, pg.StatementTooComplex):
        return SIMPLER
    if isinstance(exc, pg.TooManyColumns):
        return FEWER_COLUMNS
    if isinstance(exc, pg.TooManyArguments):
        return FEWER_ARGUMENTS
    if isinstance(exc, pg.InternalError_):
        return TOO_LARGE if "request size" in message else BAD_CALL
    if not isinstance(exc, pg.ProgramLimitExceeded):
        return None
    if re.search(r"\bcharacter\b", message):
        return NO_CHARACTER
    return SIMPLER if _TOO_COMPLEX.search(message) else TOO_LARGE


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
    name = error.__name__.strip("_")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
