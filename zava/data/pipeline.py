"""One round trip: several statements in one pipeline of libpq.

psycopg's own `Connection.pipeline()` waits on the socket for each statement and keeps
a cursor for each. For a transaction of seven statements that costs more time than
PostgreSQL needs. So this module drives libpq's pipeline mode itself. Each text travels
over the extended protocol, which admits one statement in a text.

On a direct connection the statements of every transaction are prepared once. Behind a
pooler zava prepares nothing, because the pooler gives the server connection, and the
prepared name with it, to other clients.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.waiting import Ready, Wait

from zava.data.read_ahead import PART_ROWS, ReadAhead

if TYPE_CHECKING:
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult


class Bound(NamedTuple):
    """A statement of every transaction; prepared where the connection allows it.

    Attributes:
        text: The SQL, always the same.
        values: Of its parameters `$1`, `$2`, …, as text.
    """

    text: bytes
    values: tuple[bytes, ...] = ()


class _Prepare(NamedTuple):
    """The preparation of a statement under a name, for the connection's life."""

    name: bytes
    text: bytes


class Prepared(NamedTuple):
    """A prepared statement by its name, with its parameters as text."""

    name: bytes
    values: tuple[bytes, ...]


Statement = bytes | Bound | _Prepare | Prepared
"""One element of a pipeline."""

Names = dict[bytes, bytes]
"""Prepared statements of one connection: text -> name."""

_numbers = itertools.count()
# A query decides how long its error's text is; half a gigabyte is possible.
_BULKY_ERROR = 1024 * 1024
_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)
_PARTS = (ExecStatus.TUPLES_CHUNK, ExecStatus.SINGLE_TUPLE)


def exchange(
    conn: psycopg.Connection[Any],
    statements: Sequence[Statement],
    ahead: ReadAhead | None = None,
) -> list[PGresult]:
    """Send statements in one pipeline and return the result of each.

    After a statement that fails PostgreSQL skips the rest.

    Args:
        conn: In autocommit mode, idle.
        statements: One SQL statement each.
        ahead: Takes the rows of one of them in parts. If that statement fails, the
            results before it are returned all the same, and the transaction is rolled
            back.

    Raises:
        psycopg.Error: A statement failed; the caller must roll back.
    """
    results: list[PGresult] = []
    run = _run(conn.pgconn, statements, results, ahead)
    try:
        with conn.lock:
            conn.wait(run)
    except (MemoryError, psycopg.errors.QueryCanceled):
        if ahead is None or not ahead.is_begun:
            raise
        conn.close()  # it may be closed already
        ahead.give_up()
        return results
    if ahead is not None and ahead.is_begun and ahead.has_failed(results):
        ahead.give_up()
        _roll_back(conn, results[ahead.number])
        return results[: ahead.number]
    for result in results:
        if result.status in _FAILED:
            error = error_from_result(result, encoding="utf-8")
            if len(str(error)) > _BULKY_ERROR:
                conn.close()  # libpq keeps a buffer of that length otherwise
            raise error
    if len(results) < len(statements):
        raise psycopg.OperationalError("the connection was lost")
    return results


def prepare(
    conn: psycopg.Connection[Any], statements: Sequence[Statement], names: Names
) -> list[Statement]:
    """Replace each `Bound` statement by its prepared name.

    A statement without a name is prepared first, in a round trip of its own.

    Args:
        conn: In autocommit mode, idle, without a pooler in between.
        statements: The statements of the next exchange.
        names: The prepared statements of this connection; new ones are added.

    Raises:
        psycopg.Error: PostgreSQL refused to prepare a statement.
    """
    by_name: list[Statement] = []
    for one in statements:
        if not isinstance(one, Bound):
            by_name.append(one)
            continue
        if one.text not in names:
            # A new name each time: a cancelled call may have prepared the last one.
            name = b"zava_%d" % next(_numbers)
            exchange(conn, [_Prepare(name, one.text)])
            names[one.text] = name
        by_name.append(Prepared(names[one.text], one.values))
    return by_name


def _send(pgconn: PGconn, statement: Statement) -> None:
    if isinstance(statement, Prepared):
        pgconn.send_query_prepared(*statement)
    elif isinstance(statement, bytes):
        pgconn.send_query_params(statement, None)
    elif isinstance(statement, Bound):
        pgconn.send_query_params(*statement)
    else:
        pgconn.send_prepare(*statement)


def _roll_back(conn: psycopg.Connection[Any], failure: PGresult) -> None:
    """End the transaction of a statement whose failure does not matter."""
    error = error_from_result(failure, encoding="utf-8")
    is_bulky = len(str(error)) > _BULKY_ERROR
    if is_bulky or isinstance(error, psycopg.errors.InsufficientResources):
        conn.close()  # as after any statement that took too much
        return
    conn.rollback()


def _run(
    pgconn: PGconn,
    statements: Sequence[Statement],
    results: list[PGresult],
    ahead: ReadAhead | None,
) -> PQGen[None]:
    # After a failure the connection stays in pipeline mode, and the pool discards it.
    pgconn.enter_pipeline_mode()
    for number, statement in enumerate(statements):
        if ahead is not None and number == ahead.number:
            # The rows before it arrive at once, whatever time it takes itself.
            pgconn.send_flush_request()
        _send(pgconn, statement)
    pgconn.pipeline_sync()
    # A text larger than the socket's buffer leaves in pieces; the loop reads the
    # server's answers meanwhile, so that neither side blocks.
    while pgconn.flush():
        ready = yield Wait.RW
        if ready & Ready.R:
            pgconn.consume_input()
    while pgconn.status != ConnStatus.BAD:
        while pgconn.is_busy():
            if (yield Wait.R):
                pgconn.consume_input()
            elif ahead is not None:
                ahead.look()
        result = pgconn.get_result()
        if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
            pgconn.exit_pipeline_mode()
            break
        _receive(pgconn, result, results, ahead)


def _receive(
    pgconn: PGconn,
    result: PGresult | None,
    results: list[PGresult],
    ahead: ReadAhead | None,
) -> None:
    """Put a result where it belongs; None ends the results of one statement."""
    if result is None:
        if ahead is not None and ahead.begins_after(results):
            _read_in_parts(pgconn)
    elif ahead is not None and result.status in _PARTS:
        ahead.take(result)
    else:
        results.append(result)


def _read_in_parts(pgconn: PGconn) -> None:
    """Let the rows of the next result arrive in parts, not all in one."""
    with suppress(psycopg.NotSupportedError):  # libpq before 17
        pgconn.set_chunked_rows_mode(PART_ROWS)
        return
    pgconn.set_single_row_mode()
