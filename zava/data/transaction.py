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
from zava.data.read_ahead import (
    Allowance,
    ReadAhead,
    Remainder,
    row_length,
    wide_columns,
)
from zava.data.replay import Replay, StaleServer, moment, read_state
from zava.data.statements import statement
from zava.models import Column, Identity

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

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
        read_ahead: What was read for the answer and past it, where that was asked for.
    """

    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    is_cut: bool
    as_of: datetime
    read_ahead: Remainder | None = None


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


class Watch:
    """How old the answer of one transaction is, asked for in its own round trip.

    Args:
        conn: The connection of the transaction.

    Attributes:
        is_on: Whether a standby may answer. Then the statements of `before` go first,
            the transaction is one of REPEATABLE READ, and its identity is set by
            `identity_statements(…, is_watched=True)`.
    """

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self._replay = (
            conn.replay if isinstance(conn, CancellableConnection) else Replay()
        )
        self._seen = self._replay.seen
        self.is_on = self._replay.is_watched

    def before(self) -> Sequence[Statement]:
        """Return what is sent before the transaction begins."""
        return _LOOK if self.is_on else ()

    def as_of(self, results: Sequence[PGresult], looked: int) -> datetime:
        """Return the time up to which the answer is complete.

        Args:
            results: Of the statements of the round trip.
            looked: The place of the first statement of the identity.

        Raises:
            StaleServer: The answer is older than it may be, or comes from a standby
                where none was expected; the next attempt is watched.
        """
        if self.is_on:
            before, after = read_state(results[1]), read_state(results[looked], 1)
            return self._replay.admit(before, after, self._seen)
        if results[looked].get_value(0, 1) == b"t":
            # Behind a pooler, or after the host's name has moved to a standby.
            self._replay.is_watched = True
            raise StaleServer("a standby answers")
        return moment(results[looked].get_value(0, 2) or b"0")


def run_queries(
    conn: psycopg.Connection[Any],
    queries: Sequence[Query],
    identity: Identity,
    rows: int | None = None,
    max_bytes: int | None = None,
    *,
    are_own: bool = False,
    allowance: Allowance | None = None,
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
        allowance: What may be read past `rows` of a single query.

    Raises:
        StaleServer: The answer is older than it may be.
        psycopg.Error: The caller must roll the connection back.
    """
    watch = Watch(conn)
    is_single = len(queries) == 1 and not watch.is_on
    begin = statement("begin" if is_single else "begin_snapshot")
    statements = [*watch.before(), Bound(begin.encode()), *transaction_settings(conn)]
    if are_own:
        statements.append(Bound(statement("usual_costs").encode()))
    if any(query.is_explained for query in queries):
        statements += _blind_settings()
    looked = len(statements)
    statements += identity_statements(identity, is_watched=watch.is_on)
    end = Bound(statement("rollback").encode())
    start = [*statements, end]
    fetched = []
    for number, query in enumerate(queries):
        text = opening(number, query.is_explained) + query.text
        if query.parameters is not None:
            text = psycopg.ClientCursor(conn).mogrify(text, query.parameters)
        statements.append(encoded(text))
        if query.is_explained:
            fetched.append(len(statements) - 1)
            continue
        fetched.append(len(statements))
        statements.append(fetch(number, rows))
    ahead = None
    if allowance is not None and rows is not None:
        ahead = ReadAhead(conn, len(statements), rows, allowance)
        statements.append(Bound(fetch(0, allowance.rows)))
    statements.append(end)
    try:
        results = exchange_patiently(conn, statements, ahead)
    except psycopg.errors.InsufficientPrivilege as exc:
        see_that_the_login_holds(conn, start)
        raise exc from None
    as_of = watch.as_of(results, looked)
    read = [_read(conn, results[n], max_bytes, as_of) for n in fetched]
    if ahead is None:
        return read
    (only,) = read
    kept = ahead.remainder(results[fetched[0]], only.columns)
    return [only._replace(read_ahead=kept)]


def exchange_patiently(
    conn: psycopg.Connection[Any],
    statements: list[Statement],
    ahead: ReadAhead | None = None,
) -> list[PGresult]:
    """Send the statements of a caller's query; see `exchange`.

    The connection's patience is that of a query, and its time counts as spent.
    """
    if not isinstance(conn, CancellableConnection):
        return exchange(conn, statements, ahead)
    usual, conn.patience = conn.patience, conn.query_patience
    started = time.monotonic()
    try:
        if conn.names is not None:
            statements = prepare(conn, statements, conn.names)
        return exchange(conn, statements, ahead)
    finally:
        conn.patience = usual
        conn.spent += time.monotonic() - started


def see_that_the_login_holds(
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
        exchange_patiently(conn, start)
    except psycopg.Error as exc:
        conn.close()
        raise psycopg.OperationalError("the login of this session has ended") from exc


def prefix_length(query: Query) -> int:
    """How many characters stand before the text of a single query."""
    return len(opening(0, query.is_explained))


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
def opening(number: int, is_explained: bool) -> str:
    """Return what stands before the text of a query; it ends with a blank."""
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
def fetch(number: int, rows: int | None) -> bytes:
    """Return the statement that reads so many rows of a query, None for every row."""
    cursor = sql.Identifier(f"zava{number}")
    count = sql.SQL(_EVERY_ROW) if rows is None else sql.Literal(rows)
    return sql.SQL(statement("fetch")).format(rows=count, cursor=cursor).as_bytes()


def encoded(text: str) -> bytes:
    """Return a statement as it is sent.

    Raises:
        psycopg.DataError: The text holds a lone surrogate.
    """
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
    columns = columns_of(conn, result)
    if max_bytes is None:
        return Rows(columns, load_rows(result, result.ntuples), False, as_of)
    # Measured before the cells become Python values and JSON, which cost memory.
    wide = wide_columns(result)
    total = longest = stop = 0
    for row in range(result.ntuples):
        length = row_length(result, row, wide)
        longest = max(longest, length)
        total += length
        if total <= _SHRINKS * max_bytes:
            stop = row + 1
    if longest > _BULKY_ROW:
        conn.close()  # libpq never gives back what one row took
    return Rows(columns, load_rows(result, stop), stop < result.ntuples, as_of)


def columns_of(conn: psycopg.Connection[Any], result: PGresult) -> tuple[Column, ...]:
    """Return names and types; asks the database for a type that is new to it."""
    return tuple(
        Column((result.fname(n) or b"").decode(), _type_name(conn, result.ftype(n)))
        for n in range(result.nfields)
    )


def _type_name(conn: psycopg.Connection[Any], oid: int) -> str:
    known = conn.adapters.types.get(oid)
    if known:
        return known.name if known.oid == oid else f"{known.name}[]"
    if conn.closed:
        return "unknown"  # its rows arrived before that
    # A type of an extension or of the database; the connection remembers it.
    row = conn.execute(statement("type_name"), {"oid": oid}).fetchone()
    name, element, base = row or ("unknown", None, 0)
    if element is not None:
        know_array(oid, element, base)
    conn.adapters.types.add(psycopg.types.TypeInfo(name, oid, 0))
    return str(name)
