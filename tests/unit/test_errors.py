"""The tree of errors: names, codes, messages and details."""

from __future__ import annotations

import inspect
import json

import pytest

from zava import errors
from zava.errors import (
    AuditError,
    AuthorizationError,
    BusyError,
    ChartError,
    ConfigurationError,
    ConnectionSettingsError,
    DatabaseError,
    EmbeddingError,
    ExportError,
    HandleError,
    MCPError,
    QueryError,
    QueryTimeoutError,
    ResultTooLargeError,
    StaleAnswerError,
    StandbyConflictError,
    UnavailableError,
    ValidationError,
)

FACTS = {"sqlstate": "42601", "position": 3}

EXAMPLES = [
    pytest.param(MCPError("m"), "MCP_ERROR", id="root"),
    pytest.param(MCPError("m", "OTHER"), "OTHER", id="root-with-code"),
    pytest.param(AuditError(), "AUDIT_FAILED", id="audit"),
    pytest.param(AuthorizationError("m"), "AUTHORIZATION_ERROR", id="authorization"),
    pytest.param(BusyError("m"), "BUSY", id="busy"),
    pytest.param(ChartError("m"), "CHART_ERROR", id="chart"),
    pytest.param(ConfigurationError("m"), "CONFIGURATION_ERROR", id="configuration"),
    pytest.param(
        ConnectionSettingsError("m"), "CONFIGURATION_ERROR", id="connection-settings"
    ),
    pytest.param(DatabaseError("m", "q"), "DATABASE_ERROR", id="database"),
    pytest.param(
        QueryError("m", "SYNTAX_ERROR", "q", FACTS), "SYNTAX_ERROR", id="query"
    ),
    pytest.param(QueryTimeoutError("q"), "QUERY_TIMEOUT", id="query-timeout"),
    pytest.param(StaleAnswerError("m", 61.04, "q"), "STALE_ANSWER", id="stale"),
    pytest.param(StandbyConflictError("q"), "STANDBY_CONFLICT", id="conflict"),
    pytest.param(UnavailableError("m", "q"), "UNAVAILABLE", id="unavailable"),
    pytest.param(EmbeddingError("m"), "EMBEDDING_ERROR", id="embedding"),
    pytest.param(ExportError("m"), "EXPORT_FAILED", id="export"),
    pytest.param(HandleError(600), "HANDLE_EXPIRED", id="handle"),
    pytest.param(ResultTooLargeError("m"), "RESULT_TOO_LARGE", id="result-too-large"),
    pytest.param(ValidationError("f", 1, "c"), "VALIDATION_ERROR", id="validation"),
]

CLASSES = [
    member
    for _, member in inspect.getmembers(errors, inspect.isclass)
    if member.__module__ == errors.__name__
]


def test_every_class_has_an_example_here() -> None:
    given = {type(case.values[0]) for case in EXAMPLES}
    assert given == set(CLASSES)


@pytest.mark.parametrize("error_class", CLASSES)
def test_every_error_ends_in_error_and_hangs_on_the_tree(
    error_class: type[BaseException],
) -> None:
    assert error_class.__name__.endswith("Error")
    assert issubclass(error_class, MCPError)


@pytest.mark.parametrize("error_class", CLASSES)
def test_every_error_is_drawn_in_the_module_docstring(
    error_class: type[BaseException],
) -> None:
    assert error_class.__name__ in (errors.__doc__ or "")


@pytest.mark.acceptance("A138")
@pytest.mark.parametrize(
    "error_class", [QueryError, QueryTimeoutError, UnavailableError]
)
def test_what_postgresql_refuses_is_a_database_error(
    error_class: type[DatabaseError],
) -> None:
    assert issubclass(error_class, DatabaseError)


@pytest.mark.acceptance("A135", "A136", "A137", "A138", "A140")
@pytest.mark.parametrize(("error", "code"), EXAMPLES)
def test_an_error_has_its_code_and_is_its_message(error: MCPError, code: str) -> None:
    assert error.error_code == code
    assert str(error) == error.message != ""


@pytest.mark.parametrize(("error", "code"), EXAMPLES)
def test_details_are_json(error: MCPError, code: str) -> None:
    assert json.loads(json.dumps(error.details())) == error.details(), code


def test_the_facts_of_a_query_error_are_a_copy() -> None:
    facts = dict(FACTS)
    error = QueryError("m", "SYNTAX_ERROR", "q", facts)
    facts.clear()
    assert error.details() == FACTS


@pytest.mark.acceptance("A137")
def test_an_authorization_error_keeps_the_user_id_for_the_log() -> None:
    error = AuthorizationError("m", "somebody")
    assert error.user_id == "somebody"
    assert error.details() == {}


@pytest.mark.acceptance("A136", "A138", "A139", "D16")
@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("", "Query timeout: ", id="empty"),
        pytest.param("SELECT 1", "Query timeout: SELECT 1", id="short"),
        pytest.param("x" * 100, "Query timeout: " + "x" * 100, id="just-fits"),
        pytest.param("x" * 101, "Query timeout: " + "x" * 100 + "...", id="cut"),
        pytest.param("é" * 999, "Query timeout: " + "é" * 100 + "...", id="not-ascii"),
    ],
)
def test_a_timeout_names_at_most_a_hundred_characters_of_the_query(
    query: str, message: str
) -> None:
    error = QueryTimeoutError(query)
    assert error.message == message
    assert error.query == query


@pytest.mark.acceptance("A140", "A141")
def test_a_validation_error_names_the_field_and_what_would_do_but_not_the_value() -> (
    None
):
    error = ValidationError("max_rows", "hunter2", "must be 1 or more")
    assert error.message == "Validation failed for max_rows: must be 1 or more"
    assert error.value == "hunter2"
    assert error.details() == {"field": "max_rows"}
