"""QueryExecutor: the caller's own SQL, checked, run and cached."""

from __future__ import annotations

import difflib
import re
import time
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from zava.data.provider import PostgreSQLProvider
from zava.errors import HandleError, MCPError, QueryError, ValidationError
from zava.infra.answer_age import reading, told
from zava.infra.cache import QueryCache
from zava.infra.sharing import Sharing
from zava.models import Identity, ResultSet
from zava.service.queries.catalog import SchemaCatalog
from zava.service.queries.kept_rows import KeptResult, KeptRows, next_handle
from zava.service.queries.plans import explained, tables_of

DEFAULT_ROWS = 20

# PostgreSQL reads what follows a comment's start again for each start that is nested
# in it, and cannot be interrupted meanwhile: 40,000 of them take it many seconds.
_MAX_COMMENTS = 1000

_QUOTED = re.compile(r'"([^"]+)"|column ([\w.]+)')
_MISSING = {"UNDEFINED_TABLE", "UNDEFINED_COLUMN"}
_NEAR = 5
# The start of a block of Markdown, with or without the name of a language; a query
# may begin on the same line.
_FENCE = re.compile(
    r"\s*(`+|~{3,})[ \t]*(?:(?:sql|postgres(?:ql)?|pgsql|psql)\b"
    r"|(?!(?:select|with|values|table)\b)[\w+-]+(?=[ \t]*[\r\n]))?",
    re.IGNORECASE,
)
_WHITE = " \t\r\n\f\v"
# Format and control characters, and spaces that are not SQL's.
_INVISIBLE = {"Cf", "Cc", "Zs", "Zl", "Zp", "Cn", "Co"}
# Typographic quotes of every language, primes, accents, and what MySQL quotes with.
_QUOTE_CATEGORIES = {"Pi", "Pf"}
_QUOTES = frozenset("\u201a\u201e\u2032\u2033\u2035\u2036\u00b4`\uff02\uff07\uff40")
_EXPLAIN = re.compile(r"\s*explain\b", re.IGNORECASE)
_CONSTANT = re.compile(r"'(?:[^']|'')*'")
_MISREAD = {"SYNTAX_ERROR", "UNDEFINED_FUNCTION", "INVALID_SCHEMA_NAME"} | _MISSING


class Question(NamedTuple):
    """A query that was found fit to be sent.

    Attributes:
        text: One SELECT, WITH, VALUES or TABLE query.
        max_rows: Rows to return at most.
        fresh: Ask the database even if the answer is kept.
    """

    text: str
    max_rows: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """A result and how it came about.

    Attributes:
        result: The rows.
        cached: Whether they were read for an earlier call.
        elapsed_ms: Milliseconds from the question to the rows.
        handle: For the rows past the end, while they are kept; else None.
        query: The SQL text.
    """

    result: ResultSet
    cached: bool
    elapsed_ms: float
    handle: str | None = None
    query: str = ""


class QueryExecutor:
    """Runs SQL text for one caller.

    Args:
        provider: Where the rows come from.
        cache: Where they are kept.
        catalog: For near names when a table or column is unknown.
        max_rows: The operator's ceiling of rows.
        max_result_bytes: The operator's ceiling of the rows' JSON.
        max_query_length: The operator's ceiling of the text, in characters.
        kept_rows: Where rows past the end of a cut result are kept; None for nowhere.
    """

    def __init__(
        self,
        provider: PostgreSQLProvider,
        cache: QueryCache,
        catalog: SchemaCatalog,
        *,
        max_rows: int,
        max_result_bytes: int,
        max_query_length: int,
        kept_rows: KeptRows | None = None,
    ) -> None:
        self._provider = provider
        self._cache = cache
        self._catalog = catalog
        self._max_rows = max_rows
        self._max_result_bytes = max_result_bytes
        self._max_query_length = max_query_length
        self._kept_rows = kept_rows or KeptRows(max_rows=0, max_bytes=0, seconds=0)

    def peek(self, question: Question, rls_user_id: str) -> QueryAnswer | None:
        """Return the kept answer to a question, or None; never waits for anything."""
        started = time.perf_counter()
        identity = self._provider.known_identity(rls_user_id)
        if question.fresh or identity is None:
            return None
        result = self._cache.peek(self._key(question, identity))
        if result is None:
            return None
        return self._answered(question, result, started, cached=True)

    def execute(
        self,
        postgresql_query: str,
        rls_user_id: str,
        *,
        max_rows: int = DEFAULT_ROWS,
        fresh: bool = False,
    ) -> QueryAnswer:
        """Return the rows of one query, as far as the caller may see them.

        Args:
            postgresql_query: One SELECT, WITH, VALUES or TABLE query.
            rls_user_id: Who asks.
            max_rows: Rows to return at most.
            fresh: Ask the database even if the answer is kept.

        Raises:
            ValidationError: As for `check`.
            MCPError: As for `answer`.
        """
        question = self.check(postgresql_query, max_rows=max_rows, fresh=fresh)
        return self.answer(question, rls_user_id)

    def answer(self, question: Question, rls_user_id: str) -> QueryAnswer:
        """Return the rows of a question, as far as the caller may see them.

        Raises:
            QueryError: PostgreSQL does not accept the text.
            MCPError: As for `PostgreSQLProvider.fetch`.
        """
        started = time.perf_counter()
        identity = self._provider.resolve_identity(rls_user_id, anew=question.fresh)

        fetch = partial(self._fetch, question, identity)
        try:
            result, cached = self._cache.obtain(
                self._key(question, identity),
                fetch,
                fresh=question.fresh,
                sharing=Sharing(identity, ResultSet, _is_whole_elsewhere),
            )
        except QueryError as exc:
            self.suggest(exc, question.text, rls_user_id)
            raise
        return self._answered(question, result, started, cached=cached)

    def more(self, handle: str, rls_user_id: str, max_rows: int) -> QueryAnswer:
        """Return the rows that follow an answer, of the same reading.

        Args:
            handle: Of an answer.
            rls_user_id: Who asks.
            max_rows: Rows to return at most.

        Raises:
            HandleError: The rows are not kept, or not for this person as they are now.
            ValidationError: `max_rows` is out of range, or the handle is of no row.
            MCPError: The database does not say who the person is.
        """
        started = time.perf_counter()
        max_rows = self._checked_rows(max_rows)
        kept, start = self._kept_rows.find(handle, rls_user_id)
        if not self._provider.is_current(kept.identity):
            self._kept_rows.drop(handle)
            raise HandleError(self._kept_rows.seconds)
        count = kept.remainder.row_count
        if start >= count:
            raise ValidationError(
                "handle",
                handle,
                f"is of row {start + 1}, and {count} rows are kept: give a handle as an"
                " answer has it; the last page has none",
            )
        page = self._provider.page(
            kept.remainder, start, max_rows, self._max_result_bytes, kept.as_of
        )
        is_end = page.truncated in (None, "kept_rows")
        following = None if is_end else next_handle(handle, len(page.rows))
        elapsed = _milliseconds_since(started)
        return QueryAnswer(page, True, elapsed, following, kept.query)

    def query_of(self, handle: str, rls_user_id: str) -> str:
        """Return the SQL text of the result that a handle is for.

        Raises:
            HandleError: The rows are not kept, or not for this person.
        """
        kept, _ = self._kept_rows.find(handle, rls_user_id)
        return kept.query

    def explain(self, question: Question, rls_user_id: str) -> dict[str, Any]:
        """Return how PostgreSQL understands a question, without running it.

        Returns:
            `steps`, `tables` and `notes`, see `zava.service.queries.plans.explained`;
            `as_of`, the time up to which tables and indexes are as described.

        Raises:
            QueryError: PostgreSQL does not accept the text.
            MCPError: As for `PostgreSQLProvider.explain`.
        """
        identity = self._provider.resolve_identity(rls_user_id)
        with reading() as read:
            try:
                plan = self._provider.explain(
                    question.text, identity, self._max_result_bytes
                )
            except QueryError as exc:
                self.suggest(exc, question.text, rls_user_id)
                raise
            if plan is None:
                raise ValidationError(
                    "postgresql_query", question.text, "is nested too deeply to explain"
                )
            indexes = self._catalog.indexes_of(tables_of(plan), rls_user_id)
        return {**explained(plan, indexes), "as_of": told(read.as_of)}

    def check(
        self,
        postgresql_query: str,
        *,
        max_rows: int = DEFAULT_ROWS,
        fresh: bool = False,
    ) -> Question:
        """Return what is to be asked; its text is without the fence of a code block.

        Args:
            postgresql_query: One SELECT, WITH, VALUES or TABLE query.
            max_rows: Rows to return at most.
            fresh: Ask the database even if the answer is kept.

        Raises:
            ValidationError: The text is empty or too long, or `max_rows` is out
                of range.
        """
        query = _unfenced(postgresql_query)
        if not query.strip():
            raise ValidationError("postgresql_query", query, "must not be empty")
        if len(query) > self._max_query_length:
            raise ValidationError(
                "postgresql_query",
                query,
                f"must be at most {self._max_query_length} characters",
            )
        if query.count("/*") > _MAX_COMMENTS:
            raise ValidationError(
                "postgresql_query", query, f"must hold at most {_MAX_COMMENTS} comments"
            )
        if "\0" in query:
            raise ValidationError(
                "postgresql_query", query, "must not hold a NUL character"
            )
        max_rows = self._checked_rows(max_rows)
        first = query.lstrip(_WHITE)[:1]
        if unicodedata.category(first) in _INVISIBLE:
            raise ValidationError(
                "postgresql_query", query, f"begins with {_named(first)}: leave it out"
            )
        return Question(query, max_rows, fresh)

    def _checked_rows(self, max_rows: int) -> int:
        if max_rows == DEFAULT_ROWS:
            max_rows = min(max_rows, self._max_rows)  # nobody has asked for more
        if not 1 <= max_rows <= self._max_rows:
            raise ValidationError(
                "max_rows", max_rows, f"must be between 1 and {self._max_rows}"
            )
        return max_rows

    def _fetch(self, question: Question, identity: Identity) -> ResultSet:
        """Ask the database; keep the rows past the end of a cut result."""
        asked = (question.text, identity, question.max_rows, self._max_result_bytes)
        allowance = self._kept_rows.allowance
        if allowance is None:
            return self._provider.fetch(*asked)
        result, rest = self._provider.fetch_ahead(*asked, allowance)
        if rest is None or rest.row_count <= len(result.rows):
            return result
        kept = KeptResult(question.text, identity, rest, result.as_of)
        handle = self._kept_rows.keep(kept, len(result.rows))
        return replace(result, handle=handle)

    def _answered(
        self, question: Question, result: ResultSet, started: float, *, cached: bool
    ) -> QueryAnswer:
        handle = result.handle
        if handle is not None and not self._kept_rows.holds(handle):
            handle = None
        elapsed = _milliseconds_since(started)
        return QueryAnswer(result, cached, elapsed, handle, question.text)

    def _key(self, question: Question, identity: Identity) -> str:
        asked = (question.text, identity, question.max_rows)
        return self._cache.key("execute_sales_query", *asked)

    def suggest(self, error: QueryError, query: str, rls_user_id: str) -> None:
        """Add to an error what makes the next try succeed.

        Args:
            error: Gets near names of tables and columns, or a character's name.
            query: The SQL text that failed.
            rls_user_id: Who asks.
        """
        if error.error_code in _MISREAD and (remark := _remark(query)):
            error.facts["hint"] = remark
        elif error.error_code == "SYNTAX_ERROR" and _EXPLAIN.match(query):
            error.facts["hint"] = "give explain_query the query without EXPLAIN"
        found = _QUOTED.search(error.message)
        if error.error_code not in _MISSING or found is None:
            return
        missing = (found[1] or found[2]).rpartition(".")[2]
        try:
            if error.error_code == "UNDEFINED_TABLE":
                near = self._catalog.near_tables(missing, rls_user_id)
            else:
                near = _near_columns(
                    missing, self._catalog.columns_of(query, rls_user_id)
                )
        except MCPError:
            return  # the first error says more than this one
        if near:
            error.facts["suggestions"] = near


def _is_whole_elsewhere(result: ResultSet) -> bool:
    """Whether another process can say as much: the rows past the end stay in this."""
    return result.handle is None


def _near_columns(missing: str, tables: Mapping[str, Sequence[str]]) -> list[str]:
    """Return columns of the query's own tables with near names, each with its table."""
    names = {column.lower() for columns in tables.values() for column in columns}
    near = difflib.get_close_matches(
        missing[:63].lower(), sorted(names), n=_NEAR, cutoff=0.5
    )
    qualified = [
        f"{table}.{column}"
        for name in near
        for table, columns in tables.items()
        for column in columns
        if column.lower() == name
    ]
    return qualified[:_NEAR]


def _unfenced(query: str) -> str:
    """Return a query without the fence of a code block, if it stands in one.

    No query of PostgreSQL's begins with an operator, which is what a fence would be.
    """
    if "`" not in query and "~" not in query:
        return query
    opening = _FENCE.match(query)
    if opening is None:
        return query
    return query[opening.end() :].rstrip(_WHITE).removesuffix(opening[1])


def _remark(query: str) -> str | None:
    """Name a character that is no SQL outside of constants, or return None."""
    for character in _CONSTANT.sub("''", query):
        category = unicodedata.category(character)
        if character in _QUOTES or category in _QUOTE_CATEGORIES:
            return (
                f"the text holds {_named(character)}: SQL quotes with ' and names"
                ' with "'
            )
        if character not in _WHITE and category in _INVISIBLE:
            return f"the text holds {_named(character)}: write a plain space, or none"
    return None


def _named(character: str) -> str:
    name = unicodedata.name(character, "a control character")
    return f"U+{ord(character):04X} ({name})"


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
