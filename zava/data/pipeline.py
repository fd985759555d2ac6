"""One round trip: statements that travel together, and what each of them gave.

It drives libpq's pipeline mode by itself. psycopg's own `Connection.pipeline()`
waits on the socket once a statement and keeps a cursor for each; for a
transaction of seven statements that costs more than PostgreSQL's part. The
texts go over the extended protocol, one statement each, and none is prepared:
they are parsed in microseconds, and nothing is left behind on a server
connection that a pooler may hand to somebody else.
"""

from __future__ import annotations

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
    """A statement with the values of its parameters `$1`, `$2`, …, as text."""

    text: bytes
    values: tuple[bytes, ...]


Statement = bytes | Bound
"""What travels in a pipeline: SQL text, with or without values."""

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


def _run(pgconn: PGconn, statements: Sequence[Statement]) -> PQGen[list[PGresult]]:
    # A connection that fails on the way stays in pipeline mode and active, which
    # the pool takes as broken.
    pgconn.enter_pipeline_mode()
    for statement in statements:
        if isinstance(statement, Bound):
            pgconn.send_query_params(*statement)
        else:
            pgconn.send_query_params(statement, None)
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
