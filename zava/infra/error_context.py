"""error_handling_context: one call, watched; nothing else replaces what it catches.

A failure leaves it as one of zava's own errors with its code, so that nothing
internal reaches a caller, and as exactly one line in the log. A success is one
line as well.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pydantic
from loguru import logger

from zava.errors import (
    AuthorizationError,
    DatabaseError,
    MCPError,
    QueryError,
    ResultTooLargeError,
    ValidationError,
)
from zava.infra.masking import mask_literals, mask_quoted
from zava.infra.telemetry import MetricsCollector

_LOGGED_QUERY = 100
# SQLSTATE classes whose messages quote the data.
_DATA_CLASSES = ("22", "23", "XX")
# What PostgreSQL quotes of a query: a name, or a literal that it stumbled over.
_QUOTE = re.compile(r'"(.*)', re.DOTALL)


@contextmanager
def error_handling_context(
    operation_name: str,
    user_id: str | None = None,
    *,
    metrics: MetricsCollector | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[dict[str, Any]]:
    """Watch one operation.

    Args:
        operation_name: Label of the metrics and name in the log.
        user_id: Who the operation acts for.
        metrics: Where it is counted.
        clock: Monotonic seconds.

    Yields:
        Facts for the log line, to be filled by the block (rows, query_hash, …).

    Raises:
        MCPError: As the block raised it, code and all; for anything unforeseen
            one that says no more than the operation's name.
    """
    operation = _Operation(operation_name, user_id, metrics, clock)
    try:
        yield operation.facts
    except pydantic.ValidationError as exc:
        error = first_fault(exc)
        operation.failed(error)
        raise error from exc
    except MCPError as exc:
        operation.failed(exc)
        raise
    except MemoryError as exc:
        # The process is at its ceiling; whoever holds most of it lets go of it soon.
        too_large = ResultTooLargeError()
        operation.failed(too_large)
        raise too_large from exc
    except Exception as exc:
        operation.crashed(exc)
        raise MCPError(f"Internal server error in {operation_name}") from exc
    operation.succeeded()


class _Operation:
    """Counts one operation once, and logs it in one line."""

    def __init__(
        self,
        name: str,
        user_id: str | None,
        metrics: MetricsCollector | None,
        clock: Callable[[], float],
    ) -> None:
        self.facts: dict[str, Any] = {}
        self._name = name
        self._user_id = user_id
        self._metrics = metrics
        self._clock = clock
        self._started = clock()

    def succeeded(self) -> None:
        if self._metrics is not None:
            self._metrics.count_success(self._name, self._clock() - self._started)
        self._line("ok").info("{}", self._name)

    def failed(self, error: MCPError) -> None:
        kind, title = _kind(error)
        self._count(kind)
        line = self._line(error.error_code, error_type=kind)
        if isinstance(error, ValidationError):
            line = line.bind(field=error.field)
        if isinstance(error, DatabaseError):
            if error.query:
                query = mask_literals(error.query[:_LOGGED_QUERY])
                logger.debug("query of the failed {}: {}", self._name, query)
            line.error("{} in {}: {}", title, self._name, _loggable(error))
        else:
            line.warning("{} in {}: {}", title, self._name, error.message)

    def crashed(self, exc: Exception) -> None:
        self._count("unexpected")
        line = self._line("MCP_ERROR", error_type="unexpected").opt(exception=exc)
        line.error("Unexpected error in {}: {}", self._name, exc)

    def _count(self, kind: str) -> None:
        if self._metrics is not None:
            self._metrics.count_error(self._name, kind)

    def _line(self, outcome: str, error_type: str | None = None) -> Any:
        return logger.bind(
            operation=self._name,
            user_id=self._user_id,
            ms=round((self._clock() - self._started) * 1000, 3),
            outcome=outcome,
            error_type=error_type,
            **self.facts,
        )


def _kind(error: MCPError) -> tuple[str, str]:
    """Label and title of an error: the three of the contract, or its own code."""
    if isinstance(error, ValidationError):
        return "validation", "Validation error"
    if isinstance(error, AuthorizationError):
        return "authorization", "Authorization error"
    if isinstance(error, DatabaseError):
        return "database", "Database error"
    return error.error_code.lower(), "Error"


def first_fault(exc: pydantic.ValidationError) -> ValidationError:
    """Return the first of pydantic's findings as our own error; values stay out."""
    error = exc.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in error["loc"]) or "arguments"
    return ValidationError(field, None, error["msg"])


def _loggable(exc: DatabaseError) -> str:
    """The message, without the caller's values or SQL."""
    if isinstance(exc, QueryError):
        about_data = exc.facts.get("sqlstate", "")[:2] in _DATA_CLASSES
        message = mask_quoted(exc.message) if about_data else exc.message
        return _QUOTE.sub(lambda token: '"' + mask_literals(token[1]), message)
    if exc.query:
        return exc.message.replace(exc.query[:_LOGGED_QUERY], "(query)")
    return exc.message
