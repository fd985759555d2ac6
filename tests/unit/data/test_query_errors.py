"""Every error of the driver becomes the fitting one of zava's tree."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import psycopg_pool
import pytest
from psycopg import errors as pg

from zava.data.connection_errors import ConnectionFailed, explain_refusal, refusal
from zava.data.query_errors import FEWER_ARGUMENTS, FEWER_COLUMNS, SIMPLER, translate
from zava.data.replay import StaleServer
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

QUERY = "SELECT secret FROM somewhere"


def descendants(error_class: type[psycopg.Error]) -> Iterator[type[psycopg.Error]]:
    yield error_class
    for child in error_class.__subclasses__():
        yield from descendants(child)


EVERY_CLASS = sorted(
    set(descendants(psycopg.Error)), key=lambda error: (error.__module__, str(error))
)


def test_the_classes_under_test_are_all_of_the_driver() -> None:
    assert len(EVERY_CLASS) > 250
    assert {pg.UndefinedTable, psycopg_pool.PoolTimeout} <= set(EVERY_CLASS)


@pytest.mark.acceptance("A12", "D23")
@pytest.mark.parametrize(
    "error_class", EVERY_CLASS, ids=lambda error_class: error_class.__name__
)
def test_every_error_of_the_driver_has_a_place(
    error_class: type[psycopg.Error],
) -> None:
    error = translate(error_class("host=db.internal user=zava_server"), QUERY)
    assert isinstance(error, DatabaseError | BusyError | ConfigurationError)
    assert re.fullmatch(r"[A-Z][A-Z0-9_]*[A-Z0-9]", error.error_code)
    if error_class is not ConnectionFailed:  # whose reason is for who set it up
        assert "db.internal" not in error.message
        assert "zava_server" not in error.message


@pytest.mark.acceptance("A34")
@pytest.mark.parametrize(
    ("error_class", "expected"),
    [
        (pg.SyntaxError, QueryError),
        (pg.UndefinedTable, QueryError),
        (pg.UndefinedColumn, QueryError),
        (pg.DivisionByZero, QueryError),
        (pg.InvalidTextRepresentation, QueryError),
        (pg.InsufficientPrivilege, QueryError),
        (pg.ReadOnlySqlTransaction, QueryError),
        (pg.FeatureNotSupported, QueryError),
        (pg.StatementTooComplex, QueryError),
        (pg.CardinalityViolation, QueryError),
        (pg.RaiseException, QueryError),
        (pg.SerializationFailure, StandbyConflictError),
        pytest.param(pg.InvalidArgumentForXquery, QueryError),
        (pg.QueryCanceled, QueryTimeoutError),
        (StaleServer, StaleAnswerError),
        (pg.AdminShutdown, UnavailableError),
        (pg.CrashShutdown, UnavailableError),
        (pg.CannotConnectNow, UnavailableError),
        (pg.DatabaseDropped, UnavailableError),
        (pg.ConnectionFailure, UnavailableError),
        pytest.param(pg.IdleInTransactionSessionTimeout, UnavailableError),
        pytest.param(pg.TransactionTimeout, UnavailableError),
        (pg.ConnectionTimeout, UnavailableError),
        (psycopg.OperationalError, UnavailableError),
        (psycopg.InterfaceError, UnavailableError),
        (psycopg_pool.PoolClosed, UnavailableError),
        (psycopg_pool.PoolTimeout, BusyError),
        (pg.TooManyConnections, BusyError),
        (pg.OutOfMemory, QueryError),
        (pg.DiskFull, BusyError),
        (pg.InvalidPassword, ConfigurationError),
        (pg.InvalidAuthorizationSpecification, ConfigurationError),
        pytest.param(pg.ConfigurationLimitExceeded, QueryError),
        (pg.InternalError_, DatabaseError),
        (pg.DataCorrupted, DatabaseError),
        (pg.IoError, DatabaseError),
        (psycopg.Error, DatabaseError),
    ],
)
def test_an_error_becomes_the_one_that_fits(
    error_class: type[psycopg.Error], expected: type[MCPError]
) -> None:
    error = translate(error_class("text of the driver"), QUERY)
    assert type(error) is expected


@pytest.mark.parametrize(
    ("error_class", "name"),
    [
        (pg.SyntaxError, "SYNTAX_ERROR"),
        (pg.UndefinedTable, "UNDEFINED_TABLE"),
        (pg.InsufficientPrivilege, "INSUFFICIENT_PRIVILEGE"),
        (pg.InvalidTextRepresentation, "INVALID_TEXT_REPRESENTATION"),
        (pg.SqlJsonItemCannotBeCastToTargetType, None),
        (pg.DivisionByZero, "DIVISION_BY_ZERO"),
    ],
)
def test_a_query_error_has_the_name_of_its_condition(
    error_class: type[psycopg.Error], name: str | None
) -> None:
    error = translate(error_class(""), QUERY)
    assert isinstance(error, QueryError)
    expected = name or "SQL_JSON_ITEM_CANNOT_BE_CAST_TO_TARGET_TYPE"
    assert error.error_code == expected
    assert error.details()["sqlstate"] == error_class.sqlstate


def test_a_query_error_has_a_message_even_without_one() -> None:
    assert translate(pg.SyntaxError(), QUERY).message


def test_a_text_that_the_driver_cannot_encode_is_the_querys_fault() -> None:
    error = translate(psycopg.DataError("cannot dump"), QUERY)
    assert isinstance(error, QueryError)
    assert error.query == QUERY


@pytest.mark.parametrize(
    "error_class", [pg.SyntaxError, pg.QueryCanceled, pg.AdminShutdown, psycopg.Error]
)
def test_the_query_stays_with_the_error_for_the_log(
    error_class: type[psycopg.Error],
) -> None:
    error = translate(error_class(""), QUERY)
    assert isinstance(error, DatabaseError)
    assert error.query == QUERY


def test_a_cancelled_query_says_which() -> None:
    assert QUERY in translate(pg.QueryCanceled(), QUERY).message


@pytest.mark.parametrize(
    "words",
    ["cannot allocate memory for input buffer", "out of memory for query result"],
)
def test_a_result_that_libpq_has_no_memory_for_is_too_large(words: str) -> None:
    for error_class in (psycopg.DatabaseError, psycopg.OperationalError):
        assert isinstance(translate(error_class(words), QUERY), ResultTooLargeError)


def test_memory_that_the_database_lacks_is_the_query_s_to_mend() -> None:
    error = translate(pg.OutOfMemory("out of memory"), QUERY)
    assert error.error_code == "OUT_OF_MEMORY"


def test_a_full_table_of_locks_is_not_the_query_s_and_is_over_soon() -> None:
    text = "out of shared memory"
    assert isinstance(translate(pg.OutOfMemory(text), QUERY), UnavailableError)
    told = refusal(psycopg.OperationalError(f"connection failed: FATAL:  {text}"))
    assert isinstance(explain_refusal(told), UnavailableError)


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        pytest.param(pg.StatementTooComplex(), SIMPLER, id="depth"),
        pytest.param(pg.TooManyColumns(), FEWER_COLUMNS, id="columns"),
        pytest.param(pg.TooManyArguments(), FEWER_ARGUMENTS, id="arguments"),
    ],
)
def test_what_exceeds_a_limit_comes_with_what_to_change(
    error: psycopg.Error, hint: str
) -> None:
    assert translate(error, QUERY).details()["hint"] == hint
