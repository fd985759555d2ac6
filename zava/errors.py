"""Every error that zava raises on purpose, as one tree.

    MCPError                      MCP_ERROR
    ├── AuditError                AUDIT_FAILED          the call could not be recorded
    ├── AuthorizationError        AUTHORIZATION_ERROR   the caller may not see that
    ├── BusyError                 BUSY                  nothing came free in time
    ├── ChartError                CHART_ERROR           a picture cannot be drawn
    ├── ConfigurationError        CONFIGURATION_ERROR   for the operator to mend
    │   └── ConnectionSettingsError    (the same)         the database lets nobody in
    ├── DatabaseError             DATABASE_ERROR        PostgreSQL refused or failed
    │   ├── QueryError            (by SQLSTATE)         the SQL text is at fault
    │   ├── QueryTimeoutError     QUERY_TIMEOUT         statement_timeout ended it
    │   ├── StaleAnswerError      STALE_ANSWER          only servers that are behind
    │   ├── StandbyConflictError  STANDBY_CONFLICT      a standby cancelled the query
    │   └── UnavailableError      UNAVAILABLE           the database cannot be reached
    ├── EmbeddingError            EMBEDDING_ERROR       the embedding service failed
    ├── ExportError               EXPORT_FAILED         no file was written
    ├── HandleError               HANDLE_EXPIRED        the rows are not kept any more
    ├── ResultTooLargeError       RESULT_TOO_LARGE      one row alone is too large
    └── ValidationError           VALIDATION_ERROR      an argument is at fault

The code is what a program matches on; the message says how to mend it and is
safe to show: no password, traceback or row of the data is ever put into it. Where no
connection can be made it is libpq's own reason, with host, database and login.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_QUERY_EXCERPT = 100

NO_MEMORY = (
    "the server's memory does not hold this result beside what else it is at work on:"
    " select fewer columns or rows, cut long ones with left(), or aggregate"
)


class MCPError(Exception):
    """The root of the tree.

    Args:
        message: What went wrong and how to mend it, safe to show to anyone.
        error_code: Stable and upper case, for programs.
    """

    def __init__(self, message: str, error_code: str = "MCP_ERROR") -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code

    def details(self) -> dict[str, Any]:
        """Facts for a program, next to the code; JSON-serialisable."""
        return {}


class AuditError(MCPError):
    """The call could not be recorded, and without that it may not be answered."""

    def __init__(
        self,
        message: str = "the call could not be recorded, so it is not answered: the"
        " operator has to mend the audit file, zava's log says why",
    ) -> None:
        super().__init__(message, "AUDIT_FAILED")


class AuthorizationError(MCPError):
    """The caller may not see what was asked for, or there is no such thing."""

    def __init__(self, message: str, user_id: str | None = None) -> None:
        super().__init__(message, "AUTHORIZATION_ERROR")
        self.user_id = user_id


class BusyError(MCPError):
    """Every connection or thread is taken and none came free in time."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "BUSY")


class ChartError(MCPError):
    """A picture of an answer could not be drawn; the figures are there without it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "CHART_ERROR")


class ConfigurationError(MCPError):
    """A setting, an identity or the database's own set-up has to be mended."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "CONFIGURATION_ERROR")


class ConnectionSettingsError(ConfigurationError):
    """The database is there and takes no connection with these settings."""


class DatabaseError(MCPError):
    """PostgreSQL refused or failed; `query` is the SQL text, for the log only."""

    def __init__(self, message: str, query: str | None = None) -> None:
        super().__init__(message, "DATABASE_ERROR")
        self.query = query


class QueryError(DatabaseError):
    """The SQL text itself is at fault, and `facts` says where.

    Args:
        message: PostgreSQL's own message, in one line.
        error_code: PostgreSQL's condition name in upper case, e.g. `SYNTAX_ERROR`.
        query: The SQL text.
        facts: `sqlstate`, and where known `position` (1-based, in characters),
            `hint`, `detail` and `suggestions`.
    """

    def __init__(
        self, message: str, error_code: str, query: str, facts: Mapping[str, Any]
    ) -> None:
        super().__init__(message, query)
        self.error_code = error_code
        self.facts = dict(facts)

    def details(self) -> dict[str, Any]:
        """The facts that were given."""
        return self.facts


class QueryTimeoutError(DatabaseError):
    """statement_timeout ended the query."""

    def __init__(self, query: str) -> None:
        excerpt = query[:_QUERY_EXCERPT]
        if len(query) > _QUERY_EXCERPT:
            excerpt += "..."
        super().__init__(f"Query timeout: {excerpt}", query)
        self.error_code = "QUERY_TIMEOUT"


class StaleAnswerError(DatabaseError):
    """Only a standby answered that is behind, and the answer is not given out.

    Args:
        message: What is wrong and what to do.
        age: Seconds that the answer would have been old.
    """

    def __init__(self, message: str, age: float, query: str | None = None) -> None:
        super().__init__(message, query)
        self.error_code = "STALE_ANSWER"
        self.age = age

    def details(self) -> dict[str, Any]:
        """The age of the answer in seconds."""
        return {"age_seconds": round(self.age, 1)}


class StandbyConflictError(DatabaseError):
    """A standby cancelled the query, because it kept changes from being replayed."""

    def __init__(self, query: str) -> None:
        super().__init__(
            "the standby cancelled the query at each attempt, because the query kept"
            " changes of the primary from being replayed: ask for less, such as a"
            " shorter period, or ask again. The operator can set hot_standby_feedback ="
            " on at the standby",
            query,
        )
        self.error_code = "STANDBY_CONFLICT"


class UnavailableError(DatabaseError):
    """The database cannot be reached, or the connection to it was lost."""

    def __init__(self, message: str, query: str | None = None) -> None:
        super().__init__(message, query)
        self.error_code = "UNAVAILABLE"


class EmbeddingError(MCPError):
    """The service that turns text into vectors failed, or is left alone for now."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "EMBEDDING_ERROR")


class ExportError(MCPError):
    """A file could not be written, and nothing of it was left."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "EXPORT_FAILED")


class HandleError(MCPError):
    """A handle is unknown, expired or another person's; which of these is not told.

    Args:
        seconds: How long rows are kept.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"no rows are kept under this handle: they stay for {seconds:g} seconds"
            " and make room for newer ones. Run the query again with fresh: true, or"
            " use export_query for all rows",
            "HANDLE_EXPIRED",
        )


class ResultTooLargeError(MCPError):
    """One row alone exceeds a ceiling of the operator's: of a result, or of memory."""

    def __init__(self, message: str = NO_MEMORY) -> None:
        super().__init__(message, "RESULT_TOO_LARGE")


class ValidationError(MCPError):
    """An argument is at fault.

    Args:
        field: The argument's name.
        value: What was given; kept for the log, never part of the message.
        constraint: What would have been accepted.
    """

    def __init__(self, field: str, value: object, constraint: str) -> None:
        super().__init__(
            f"Validation failed for {field}: {constraint}", "VALIDATION_ERROR"
        )
        self.field = field
        self.value = value
        self.constraint = constraint

    def details(self) -> dict[str, Any]:
        """The field's name."""
        return {"field": self.field}
