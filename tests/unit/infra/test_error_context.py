"""error_handling_context: what leaves it, what is counted, what is logged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest

from tests.fakes import FakeClock
from tests.loglines import LogLines, captured_log
from zava.errors import (
    AuthorizationError,
    BusyError,
    ConfigurationError,
    DatabaseError,
    MCPError,
    QueryError,
    QueryTimeoutError,
    ResultTooLargeError,
    UnavailableError,
    ValidationError,
)
from zava.infra.error_context import error_handling_context, first_fault
from zava.infra.telemetry import MetricsCollector

USER = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
QUERY = "SELECT 'private' FROM retail.customers"

ERRORS = [
    pytest.param(
        ValidationError("max_rows", 0, "must be positive"),
        ("validation", "WARNING", "Validation error in op: Validation failed for"),
        id="validation",
    ),
    pytest.param(
        AuthorizationError("not yours", USER),
        ("authorization", "WARNING", "Authorization error in op: not yours"),
        id="authorization",
    ),
    pytest.param(
        DatabaseError("it failed", QUERY),
        ("database", "ERROR", "Database error in op: it failed"),
        id="database",
    ),
    pytest.param(
        DatabaseError("it failed"),
        ("database", "ERROR", "Database error in op: it failed"),
        id="database-without-query",
    ),
    pytest.param(
        QueryTimeoutError(QUERY),
        ("database", "ERROR", "Database error in op: Query timeout: (query)"),
        id="query-timeout",
    ),
    pytest.param(
        UnavailableError("gone", QUERY),
        ("database", "ERROR", "Database error in op: gone"),
        id="unavailable",
    ),
    pytest.param(
        QueryError("no such table", "UNDEFINED_TABLE", QUERY, {"sqlstate": "42P01"}),
        ("database", "ERROR", "Database error in op: no such table"),
        id="query",
    ),
    pytest.param(
        BusyError("all busy"),
        ("busy", "WARNING", "Error in op: all busy"),
        id="busy",
    ),
    pytest.param(
        ConfigurationError("mend it"),
        ("configuration_error", "WARNING", "Error in op: mend it"),
        id="configuration",
    ),
    pytest.param(
        ResultTooLargeError("one row"),
        ("result_too_large", "WARNING", "Error in op: one row"),
        id="too-large",
    ),
    pytest.param(
        MCPError("plain", "SPECIAL"),
        ("special", "WARNING", "Error in op: plain"),
        id="code-of-its-own",
    ),
]


class Arguments(pydantic.BaseModel):
    """Any model."""

    rows: int
    tables: list[str]


@pytest.fixture
def metrics() -> MetricsCollector:
    return MetricsCollector()


@pytest.fixture
def log() -> Iterator[LogLines]:
    with captured_log("DEBUG") as lines:
        yield lines


def counted(metrics: MetricsCollector) -> dict[tuple[str, ...], float]:
    """Every operation counter that is not zero, by its name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name.startswith("operation") and sample.value
        if sample.name.endswith(("_total", "_count"))
    }


def only_line(log: LogLines) -> Any:
    (line,) = log.at_least("INFO")
    return line.record


@pytest.mark.acceptance("A142", "A143", "A144")
def test_a_success_is_counted_and_timed_once(metrics: MetricsCollector) -> None:
    clock = FakeClock()
    with error_handling_context("op", USER, metrics=metrics, clock=clock):
        clock.advance(0.25)
    assert counted(metrics) == {
        ("operation_success_total", "op"): 1,
        ("operation_duration_count", "op"): 1,
    }
    seconds = metrics.registry.get_sample_value(
        "operation_duration_sum", {"operation": "op"}
    )
    assert seconds == 0.25


def test_a_success_is_one_line_with_the_facts_that_the_block_gave(
    log: LogLines,
) -> None:
    clock = FakeClock()
    with error_handling_context("op", USER, clock=clock) as facts:
        facts["rows"] = 7
        facts["query_hash"] = "0a1b2c3d"
        clock.advance(0.5)
    record = only_line(log)
    assert (record["level"].name, record["message"]) == ("INFO", "op")
    assert record["extra"] == {
        "operation": "op",
        "user_id": USER,
        "ms": 500.0,
        "outcome": "ok",
        "error_type": None,
        "rows": 7,
        "query_hash": "0a1b2c3d",
    }


@pytest.mark.acceptance("A147", "A148", "A149", "A150", "D17")
@pytest.mark.parametrize(("error", "expected"), ERRORS)
def test_an_error_of_ours_leaves_as_it_is(
    error: MCPError, expected: tuple[str, str, str]
) -> None:
    code = error.error_code
    with pytest.raises(MCPError) as caught, error_handling_context("op", USER):
        raise error
    assert caught.value is error
    assert caught.value.error_code == code
    assert caught.value.__cause__ is None


@pytest.mark.acceptance("A144", "A145", "A146", "A150")
@pytest.mark.parametrize(("error", "expected"), ERRORS)
def test_an_error_is_counted_once_under_its_type_and_not_timed(
    metrics: MetricsCollector, error: MCPError, expected: tuple[str, str, str]
) -> None:
    with (
        pytest.raises(MCPError),
        error_handling_context("op", USER, metrics=metrics),
    ):
        raise error
    assert counted(metrics) == {("operation_error_total", "op", expected[0]): 1}


@pytest.mark.acceptance("A147", "A148", "A149", "A150")
@pytest.mark.parametrize(("error", "expected"), ERRORS)
def test_an_error_is_one_line_with_the_facts_that_the_block_gave(
    log: LogLines, error: MCPError, expected: tuple[str, str, str]
) -> None:
    kind, level, text = expected
    with pytest.raises(MCPError), error_handling_context("op", USER) as facts:
        facts["query_hash"] = "0a1b2c3d"
        raise error
    record = only_line(log)
    assert record["level"].name == level
    assert record["message"].startswith(text)
    assert record["exception"] is None
    extra = record["extra"]
    assert extra["error_type"] == kind
    assert extra["outcome"] == error.error_code
    assert (extra["operation"], extra["user_id"]) == ("op", USER)
    assert extra["query_hash"] == "0a1b2c3d"


@pytest.mark.acceptance("A147")
def test_the_line_of_a_validation_error_names_the_field(log: LogLines) -> None:
    with pytest.raises(ValidationError), error_handling_context("op"):
        raise ValidationError("max_rows", "private", "must be a number")
    assert only_line(log)["extra"]["field"] == "max_rows"
    assert "private" not in "".join(map(str, log))


@pytest.mark.acceptance("A149", "D26")
def test_the_text_of_a_failed_query_is_logged_only_for_debugging_without_values(
    log: LogLines,
) -> None:
    with pytest.raises(DatabaseError), error_handling_context("op"):
        raise DatabaseError("it failed", QUERY + " " * 200 + "behind_the_cut")
    (debugging,) = [line for line in log if line.record["level"].name == "DEBUG"]
    assert "SELECT ? FROM retail.customers" in debugging
    assert "behind_the_cut" not in debugging
    assert "retail" not in only_line(log)["message"]
    assert "private" not in "".join(log)


@pytest.mark.acceptance("D26")
@pytest.mark.parametrize(
    ("message", "sqlstate"),
    [
        pytest.param('invalid input syntax for type uuid: "private"', "22P02", id="22"),
        pytest.param('duplicate key "private"', "23505", id="23"),
        pytest.param(
            """syntax error at or near "'private'\"""",
            "42601",
            id="literal-token",
        ),
        pytest.param(
            """unterminated quoted string at or near "'private FROM""",
            "42601",
            id="unterminated",
        ),
        pytest.param(
            'invalid input syntax for type integer: "a" private"',
            "22P02",
            id="value-with-a-quote",
        ),
    ],
)
def test_a_value_that_postgresql_quotes_is_not_logged_but_reaches_the_caller(
    log: LogLines, message: str, sqlstate: str
) -> None:
    error = QueryError(message, "CODE", QUERY, {"sqlstate": sqlstate})
    with pytest.raises(QueryError) as caught, error_handling_context("op"):
        raise error
    assert caught.value.message == message
    assert "private" not in "".join(log)


def test_an_identifier_that_postgresql_quotes_is_logged(log: LogLines) -> None:
    text = 'relation "product" does not exist'
    with pytest.raises(QueryError), error_handling_context("op"):
        raise QueryError(text, "UNDEFINED_TABLE", QUERY, {"sqlstate": "42P01"})
    assert text in only_line(log)["message"]


@pytest.mark.acceptance("A146", "A151", "A152", "D17")
def test_an_unexpected_error_is_replaced_by_one_that_tells_nothing(
    metrics: MetricsCollector, log: LogLines
) -> None:
    inner = LookupError("host db.internal, file /etc/zava")
    with (
        pytest.raises(MCPError) as caught,
        error_handling_context("op", USER, metrics=metrics) as facts,
    ):
        facts["rows"] = 3
        raise inner
    assert type(caught.value) is MCPError
    assert caught.value.message == "Internal server error in op"
    assert caught.value.error_code == "MCP_ERROR"
    assert caught.value.__cause__ is inner
    assert counted(metrics) == {("operation_error_total", "op", "unexpected"): 1}
    record = only_line(log)
    assert record["level"].name == "ERROR"
    assert record["message"] == f"Unexpected error in op: {inner}"
    assert record["exception"].value is inner
    assert record["extra"]["error_type"] == "unexpected"
    assert (record["extra"]["user_id"], record["extra"]["rows"]) == (USER, 3)
    assert "Traceback" in log[-1]
    assert "LookupError" in log[-1]


def test_braces_in_an_error_are_logged_as_they_are(log: LogLines) -> None:
    for error in (KeyError("{0} {x}"), MCPError("{0} {x}")):
        with pytest.raises(MCPError), error_handling_context("{op}"):
            raise error
    assert all("{0} {x}" in message for message in log.messages)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(KeyboardInterrupt(), id="interrupt"),
        pytest.param(SystemExit(1), id="exit"),
        pytest.param(asyncio.CancelledError(), id="cancelled"),
        pytest.param(GeneratorExit(), id="generator-exit"),
    ],
)
def test_what_is_no_error_passes_uncounted_and_unlogged(
    metrics: MetricsCollector, log: LogLines, error: BaseException
) -> None:
    with (
        pytest.raises(type(error)) as caught,
        error_handling_context("op", USER, metrics=metrics),
    ):
        raise error
    assert caught.value is error
    assert counted(metrics) == {}
    assert log == []


@pytest.mark.acceptance("D17")
@pytest.mark.parametrize(("error", "expected"), ERRORS)
def test_nested_contexts_keep_the_error_and_its_code(
    metrics: MetricsCollector,
    log: LogLines,
    error: MCPError,
    expected: tuple[str, str, str],
) -> None:
    with (
        pytest.raises(MCPError) as caught,
        error_handling_context("outer", metrics=metrics),
        error_handling_context("inner", metrics=metrics),
    ):
        raise error
    assert caught.value is error
    assert counted(metrics) == {
        ("operation_error_total", "inner", expected[0]): 1,
        ("operation_error_total", "outer", expected[0]): 1,
    }
    assert [line.record["extra"]["operation"] for line in log.at_least("INFO")] == [
        "inner",
        "outer",
    ]


def test_an_unexpected_error_is_replaced_once_and_traced_once(log: LogLines) -> None:
    with (
        pytest.raises(MCPError) as caught,
        error_handling_context("outer"),
        error_handling_context("inner"),
    ):
        raise LookupError("gone")
    assert caught.value.message == "Internal server error in inner"
    assert sum("Traceback" in line for line in log) == 1


@pytest.mark.acceptance("D17")
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        pytest.param({"rows": "private", "tables": []}, "rows", id="top"),
        pytest.param({"rows": 1, "tables": ["a", 2]}, "tables.1", id="nested"),
        pytest.param("private", "arguments", id="no-field"),
    ],
)
def test_a_finding_of_pydantic_becomes_our_own_validation_error(
    metrics: MetricsCollector, log: LogLines, arguments: Any, field: str
) -> None:
    with (
        pytest.raises(ValidationError) as caught,
        error_handling_context("op", USER, metrics=metrics),
    ):
        Arguments.model_validate(arguments)
    assert caught.value.field == field
    assert caught.value.value is None
    assert isinstance(caught.value.__cause__, pydantic.ValidationError)
    assert "private" not in caught.value.message
    assert counted(metrics) == {("operation_error_total", "op", "validation"): 1}
    assert only_line(log)["extra"]["field"] == field
    assert "private" not in "".join(log)


def test_the_first_finding_of_pydantic_is_told() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        Arguments.model_validate({})
    assert first_fault(caught.value).field == "rows"


@pytest.mark.acceptance("A142", "D15")
def test_it_is_a_plain_context_manager_that_needs_no_metrics() -> None:
    with error_handling_context("op") as facts:
        assert facts == {}


def test_a_lack_of_memory_is_a_result_that_is_too_large() -> None:
    with (
        captured_log() as lines,
        pytest.raises(ResultTooLargeError) as caught,
        error_handling_context("op"),
    ):
        raise MemoryError
    assert isinstance(caught.value.__cause__, MemoryError)
    (line,) = lines
    assert line.record["extra"]["outcome"] == "RESULT_TOO_LARGE"
