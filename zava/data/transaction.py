"""One read-only transaction as one person: identity, role, cursors, rollback."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg import sql

from zava.data.cells import know_array, load_rows
from zava.data.connection import CancellableConnection, transaction_settings
from zava.data.pipeline import Bound, Statement, exchange, prepare
from zava.data.replay import Replay, moment, read_state
from zava.data.statements import statement
from zava.models import Column, Identity

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

# Types whose values are short, whatever they are.
# fmt: off
_NARROW = frozenset({
    "bool", "int2", "int4", "int8", "float4", "float8", "oid", "uuid", "date", "time",
    "timetz", "timestamp", "timestamptz", "interval",
})
# fmt: on
# A value's JSON is at least half as long as the text that PostgreSQL sent.
_SHRINKS = 2
# libpq never shrinks its buffer, so a connection that read a longer row is closed.
_BULKY_ROW = 1024 * 1024


class Rows(NamedTuple):
    """The rows of one query.

    Attributes:
        columns: In the order of the query.
        rows: Of JSON values.
        is_cut: Whether rows beyond the byte ceiling were left out.
        as_of: What was committed on the primary by then is in them.
    """

    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    is_cut: bool
    as_of: datetime


_EVERY_ROW = "ALL"
# The server's state before the snapshot of the transaction that follows. The statements
# of both travel together, so that a pooler sends them to the same server.
_LOOK = tuple(
    Bound(statement(name).encode()) for name in ("begin", "server_state", "rollback")
)

# A table's statistics are those of every store's rows. Where nothing costs anything, no
# estimate decides between two plans: a plan then follows from the text and the schema
# alone. What is off here is not missed: a scan of the table, a nested loop and a sort
# are always possible. PostgreSQL takes the first of two plans that cost the same.
_BLIND: Mapping[str, str] = {
    "seq_page_cost": "0",
    "random_page_cost": "0",
    "cpu_tuple_cost": "0",
    "cpu_index_tuple_cost": "0",
    "cpu_operator_cost": "0",
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "max_parallel_workers_per_gather": "0",
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_bitmapscan": "off",
    "enable_tidscan": "off",
    "enable_material": "off",
    "enable_memoize": "off",
    "enable_incremental_sort": "off",
}


@dataclass(frozen=True, slots=True)
class Query:
    """An SQL text, with psycopg's named parameters where it has any.

    Parameters are put in as quoted literals; a caller's own text has none.

    Attributes:
        is_explained: Whether the plan is wanted, as one cell of JSON. The query does
            not run, and what the plan shows is the same whatever the tables hold.
    """

    text: str
    parameters: Mapping[str, Any] | None = None
    is_explained: bool = False


def run_queries(
    conn: psycopg.Connection[Any],
    queries: Sequence[Query],
    identity: Identity,
    rows: int | None = None,
    max_bytes: int | None = None,
    *,
    are_own: bool = False,
) -> list[Rows]:
    """Run queries as `identity` in one transaction.

    The whole transaction travels as one pipeline, in one round trip: begin,
    identity, role, a cursor and a fetch for each query, rollback. Where a standby may
    answer, a look at its state goes before it in the same round trip. PostgreSQL's
    grammar admits nothing but a single query behind DECLARE CURSOR over the
    extended protocol.

    Args:
        conn: In autocommit mode, outside a transaction.
        queries: The SQL texts, with their parameters.
        identity: Who asks.
        rows: Rows of each query to read at most; None for every row.
        max_bytes: Bytes that the rows' JSON may take; None for no ceiling. Rows that
            cannot fit are left out here; the caller makes the exact cut.
        are_own: Whether the texts are zava's own, without SQL of the caller.

    Raises:
        StaleServer: The answer is older than it may be.
        psycopg.Error: The caller must roll the connection back.
    """
    replay = conn.replay if isinstance(conn, CancellableConnection) else Replay()
    is_watched = replay.is_watched
    seen = replay.seen
    statements: list[Statement] = list(_LOOK) if is_watched else []
    is_single = len(queries) == 1 and not is_watched
    begin = statement("begin" if is_single else "begin_snapshot")
    statements += [Bound(begin.encode()), *transaction_settings(conn)]
    if are_own:
        statements.append(Bound(statement("usual_costs").encode()))
    if any(query.is_explained for query in queries):
        statements += _blind_settings()
    looked = len(statements)
    statements += identity_statements(identity, is_watched=is_watched)
    end = Bound(statement("rollback").encode())
    start = [*statements, end]
    fetched = []
    for number, query in enumerate(queries):
        text = _opening(number, query.is_explained) + query.text
        if query.parameters is not None:
            text = psycopg.ClientCursor(conn).mogrify(text, query.parameters)
        statements.append(_encoded(text))
        if query.is_explained:
            fetched.append(len(statements) - 1)
            continue
        fetched.append(len(statements))
        statements.append(_fetch(number, rows))
    statements.append(end)
    try:
        results = _exchange(conn, statements)
    except psycopg.errors.InsufficientPrivilege as exc:
        _see_that_the_login_holds(conn, start)
        raise exc from None
    if is_watched:
        before, after = read_state(results[1]), read_state(results[looked], 1)
        as_of = replay.admit(before, after, seen)
    elif results[looked].get_value(0, 1) == b"t":
        # Behind a pooler, or after the host's name has moved to a standby.
        replay.is_watched = True
        return run_queries(conn, queries, identity, rows, max_bytes, are_own=are_own)
    else:
        as_of = moment(results[looked].get_value(0, 2) or b"0")
    return [_read(conn, results[n], max_bytes, as_of) for n in fetched]


def _exchange(
    conn: psycopg.Connection[Any], statements: list[Statement]
) -> list[PGresult]:
    if not isinstance(conn, CancellableConnection):
        return exchange(conn, statements)
    usual, conn.patience = conn.patience, conn.query_patience
    started = time.monotonic()
    try:
        if conn.names is not None:
            statements = prepare(conn, statements, conn.names)
        return exchange(conn, statements)
    finally:
        conn.patience = usual
        conn.spent += time.monotonic() - started


def _see_that_the_login_holds(
    conn: psycopg.Connection[Any], start: list[Statement]
) -> None:
    """Close a session whose login was dropped or has lost its rights.

    A login that was dropped and made again is another role, so it needs a new
    connection.

    Raises:
        psycopg.OperationalError: Not even an empty transaction succeeds.
    """
    conn.rollback()
    try:
        _exchange(conn, start)
    except psycopg.Error as exc:
        conn.close()
        raise psycopg.OperationalError("the login of this session has ended") from exc


def prefix_length(query: Query) -> int:
    """How many characters stand before the text of a single query."""
    return len(_opening(0, query.is_explained))


@lru_cache(maxsize=64)
def identity_statements(
    identity: Identity, *, is_watched: bool = False
) -> tuple[Statement, ...]:
    """Return what makes an open transaction `identity`'s: user id, seal, role.

    Args:
        identity: Who asks.
        is_watched: Whether the first result also has the server's state, from its
            second column on; else it has whether the server is a standby, and its time.
    """
    values = (str(identity.user_id).encode(), identity.seal.encode())
    role = sql.SQL(statement("set_role")).format(
        role_name=sql.Identifier(identity.role_name)
    )
    name = "set_identity_and_look" if is_watched else "set_identity"
    return Bound(statement(name).encode(), values), Bound(role.as_bytes())


@lru_cache(maxsize=64)
def _opening(number: int, is_explained: bool) -> str:
    cursor = sql.Identifier(f"zava{number}")
    text = statement("explain") if is_explained else statement("declare")
    return sql.SQL(text).format(cursor=cursor).as_string() + " "


@lru_cache(maxsize=1)
def _blind_settings() -> tuple[bytes, ...]:
    text = sql.SQL(statement("set_transaction"))
    return tuple(
        text.format(name=sql.Identifier(name), value=sql.Literal(value)).as_bytes()
        for name, value in _BLIND.items()
    )


@lru_cache(maxsize=64)
def _fetch(number: int, rows: int | None) -> bytes:
    cursor = sql.Identifier(f"zava{number}")
    count = sql.SQL(_EVERY_ROW) if rows is None else sql.Literal(rows)
    return sql.SQL(statement("fetch")).format(rows=count, cursor=cursor).as_bytes()


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:  # a lone surrogate
        raise psycopg.DataError("the text cannot be encoded as UTF-8") from exc


def _read(
    conn: psycopg.Connection[Any],
    result: PGresult,
    max_bytes: int | None,
    as_of: datetime,
) -> Rows:
    columns = _columns(conn, result)
    if max_bytes is None:
        return Rows(columns, load_rows(result, result.ntuples), False, as_of)
    # Measured before the cells become Python values and JSON, which cost memory.
    wide = [n for n, column in enumerate(columns) if column.type not in _NARROW]
    total = longest = stop = 0
    for row in range(result.ntuples):
        length = sum(len(result.get_value(row, n) or b"") for n in wide)
        longest = max(longest, length)
        total += length
        if total <= _SHRINKS * max_bytes:
            stop = row + 1
    if longest > _BULKY_ROW:
        conn.close()  # libpq never gives back what one row took
    return Rows(columns, load_rows(result, stop), stop < result.ntuples, as_of)


def _columns(conn: psycopg.Connection[Any], result: PGresult) -> tuple[Column, ...]:
    return tuple(
        Column((result.fname(n) or b"").decode(), _type_name(conn, result.ftype(n)))
        for n in range(result.nfields)
    )


def _type_name(conn: psycopg.Connection[Any], oid: int) -> str:
    known = conn.adapters.types.get(oid)
    if known:
        return known.name if known.oid == oid else f"{known.name}[]"
    # A type of an extension or of the database; the connection remembers it.
    row = conn.execute(statement("type_name"), {"oid": oid}).fetchone()
    name, element, base = row or ("unknown", None, 0)
    if element is not None:
        know_array(oid, element, base)
    conn.adapters.types.add(psycopg.types.TypeInfo(name, oid, 0))
    return str(name)
