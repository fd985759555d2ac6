"""One round trip: statements that travel together, and what each of them gave.

It drives libpq's pipeline mode by itself. psycopg's own `Connection.pipeline()`
waits on the socket once a statement and keeps a cursor for each; for a
transaction of seven statements that costs more than PostgreSQL's part. The
texts go over the extended protocol, one statement each.

What every transaction needs is prepared once on a connection that leads to
PostgreSQL itself. Behind a pooler nothing is: a name would be left behind on a
server connection that is handed to somebody else.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.waiting import Ready, Wait

if TYPE_CHECKING:
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult


class Bound(NamedTuple):
    """A statement of every transaction, to be prepared where that is possible.

    Attributes:
        text: The SQL, always the same.
        values: Of its parameters `$1`, `$2`, …, as text.
    """

    text: bytes
    values: tuple[bytes, ...] = ()


class _Prepare(NamedTuple):
    """Gives a name to a statement, for as long as the connection lives."""

    name: bytes
    text: bytes


class Prepared(NamedTuple):
    """A statement by its name, and the values of its parameters, as text."""

    name: bytes
    values: tuple[bytes, ...]


Statement = bytes | Bound | _Prepare | Prepared
"""What travels in a pipeline."""

Names = dict[bytes, bytes]
"""The name of each statement that is prepared on a connection, by its text."""

_numbers = itertools.count()
_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)


def exchange(
    conn: psycopg.Connection[Any], statements: Sequence[Statement]
) -> list[PGresult]:
    """Send statements in one pipeline and return the result of each.

    The first that fails ends the others unrun.

    Args:
        conn: In autocommit mode, idle.
        statements: One SQL statement each.

    Raises:
        psycopg.Error: A statement failed; an open transaction is to be rolled back.
    """
    with conn.lock:
        results = conn.wait(_run(conn.pgconn, statements))
    for result in results:
        if result.status in _FAILED:
            raise error_from_result(result, encoding="utf-8")
    if len(results) < len(statements):
        raise psycopg.OperationalError("the connection was lost")
    return results


def prepare(
    conn: psycopg.Connection[Any], statements: Sequence[Statement], names: Names
) -> list[Statement]:
    """Return the statements, those that are bound by the name they are prepared under.

    Each is prepared in a round trip of its own when it is met for the first time.

    Args:
        conn: In autocommit mode, idle, and leading to PostgreSQL itself.
        statements: What is about to be exchanged.
        names: What was prepared on this connection, by text; it is added to.

    Raises:
        psycopg.Error: One cannot be prepared; what was before it is.
    """
    by_name: list[Statement] = []
    for one in statements:
        if not isinstance(one, Bound):
            by_name.append(one)
            continue
        if one.text not in names:
            # Never one that was tried before: a cancelled call may have made it.
            name = b"zava_%d" % next(_numbers)
            exchange(conn, [_Prepare(name, one.text)])
            names[one.text] = name
        by_name.append(Prepared(names[one.text], one.values))
    return by_name


def _send(pgconn: PGconn, statement: Statement) -> None:
    if isinstance(statement, bytes):
        pgconn.send_query_params(statement, None)
    elif isinstance(statement, Prepared):
        pgconn.send_query_prepared(*statement)
    elif isinstance(statement, Bound):
        pgconn.send_query_params(*statement)
    else:
        pgconn.send_prepare(*statement)


def _run(pgconn: PGconn, statements: Sequence[Statement]) -> PQGen[list[PGresult]]:
    # A connection that fails on the way stays in pipeline mode and active, which
    # the pool takes as broken.
    pgconn.enter_pipeline_mode()
    for statement in statements:
        _send(pgconn, statement)
    pgconn.pipeline_sync()
    # A text larger than the socket's buffer goes out piece by piece, while what
    # the server says already is taken in.
    while pgconn.flush():
        ready = yield Wait.RW
        if ready & Ready.R:
            pgconn.consume_input()
    results: list[PGresult] = []
    while pgconn.status != ConnStatus.BAD:
        while pgconn.is_busy():
            if (yield Wait.R):
                pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            continue  # ends the results of one statement
        if result.status == ExecStatus.PIPELINE_SYNC:
            pgconn.exit_pipeline_mode()
            break
        results.append(result)
    return results
