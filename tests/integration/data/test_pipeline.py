"""Statements that travel together: their results, their failures, their size."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors
from psycopg.pq import PipelineStatus, TransactionStatus

from zava.admin.embedded import EmbeddedServer
from zava.data.pipeline import Bound, Names, Statement, exchange, prepare


@pytest.fixture
def conn(cluster: EmbeddedServer, seeded: str) -> Iterator[psycopg.Connection]:
    conninfo = cluster.conninfo(dbname=seeded, user="postgres")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        yield conn


def is_ready(conn: psycopg.Connection) -> bool:
    return (conn.pgconn.transaction_status, conn.pgconn.pipeline_status) == (
        TransactionStatus.IDLE,
        PipelineStatus.OFF,
    )


def test_each_statement_has_its_result_in_order(conn: psycopg.Connection) -> None:
    results = exchange(conn, [b"BEGIN", b"SELECT 1, 'a'", b"VALUES (2)", b"ROLLBACK"])
    begin, one, two, rollback = results
    assert (begin.command_status, rollback.command_status) == (b"BEGIN", b"ROLLBACK")
    assert (one.get_value(0, 0), one.get_value(0, 1)) == (b"1", b"a")
    assert two.get_value(0, 0) == b"2"
    assert is_ready(conn)


def test_what_is_exchanged_is_not_prepared(conn: psycopg.Connection) -> None:
    for _ in range(10):
        exchange(conn, [b"SELECT 1", Bound(b"SELECT $1::text", (b"x",))])
    assert conn.execute("SELECT * FROM pg_prepared_statements").fetchall() == []


def test_what_comes_again_is_prepared_once(conn: psycopg.Connection) -> None:
    names: Names = {}
    for value in (b"1", b"2"):
        statements: list[Statement] = [
            Bound(b"BEGIN"),
            b"SELECT 3",
            Bound(b"SELECT $1::int", (value,)),
            Bound(b"ROLLBACK"),
        ]
        results = exchange(conn, prepare(conn, statements, names))
        assert results[1].get_value(0, 0) == b"3"
        assert results[2].get_value(0, 0) == value
        assert is_ready(conn)
    kept = conn.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    assert sorted(kept) == [("BEGIN",), ("ROLLBACK",), ("SELECT $1::int",)]


def test_what_cannot_be_prepared_takes_no_name(conn: psycopg.Connection) -> None:
    names: Names = {}
    statements: list[Statement] = [
        Bound(b"BEGIN"),
        Bound(b"SELECT later.f()"),
        Bound(b"ROLLBACK"),
    ]
    for _ in range(2):
        with pytest.raises(errors.InvalidSchemaName):
            prepare(conn, statements, names)
        assert is_ready(conn)
        assert list(names) == [b"BEGIN"]
    conn.execute("CREATE SCHEMA later")
    try:
        conn.execute("CREATE FUNCTION later.f() RETURNS int RETURN 1")
        for body in ("1", "2"):  # a name follows what its function becomes
            conn.execute("DROP FUNCTION later.f()")
            conn.execute(f"CREATE FUNCTION later.f() RETURNS int RETURN {body}")
            results = exchange(conn, prepare(conn, statements, names))
            assert results[1].get_value(0, 0) == body.encode()
    finally:
        conn.execute("DROP SCHEMA later CASCADE")


def test_the_first_failure_is_raised_and_the_rest_does_not_run(
    conn: psycopg.Connection,
) -> None:
    conn.execute("CREATE TEMP TABLE seen (n integer)")
    with pytest.raises(errors.UndefinedTable) as failure:
        exchange(
            conn,
            [
                b"BEGIN",
                b"SELECT * FROM nowhere",
                b"INSERT INTO seen VALUES (1)",
                b"COMMIT",
            ],
        )
    assert failure.value.diag.statement_position == "15"
    assert conn.pgconn.pipeline_status == PipelineStatus.OFF
    conn.rollback()
    assert is_ready(conn)
    assert conn.execute("SELECT count(*) FROM seen").fetchone() == (0,)


def test_two_statements_in_one_text_are_refused(conn: psycopg.Connection) -> None:
    with pytest.raises(errors.SyntaxError):
        exchange(conn, [b"SELECT 1; SELECT 2"])


def test_texts_and_results_larger_than_any_buffer_pass_each_other(
    conn: psycopg.Connection,
) -> None:
    size = 8 * 1024 * 1024
    text = b"SELECT '" + b"x" * size + b"'"
    results = exchange(conn, [text] * 4)
    assert [len(result.get_value(0, 0) or b"") for result in results] == [size] * 4
    assert is_ready(conn)


def test_a_connection_that_is_ended_meanwhile_is_an_error(
    conn: psycopg.Connection,
) -> None:
    ending = b"SELECT pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(psycopg.OperationalError):
        exchange(conn, [b"BEGIN", ending, b"SELECT 1", b"ROLLBACK"])
    assert conn.closed


def test_a_statement_timeout_leaves_the_connection_usable(
    conn: psycopg.Connection,
) -> None:
    with pytest.raises(errors.QueryCanceled):
        exchange(conn, [b"SET statement_timeout = 10", b"SELECT pg_sleep(60)"])
    conn.rollback()
    assert is_ready(conn)
    assert exchange(conn, [b"SELECT 3"])[0].get_value(0, 0) == b"3"
