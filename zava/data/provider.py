"""PostgreSQLProvider: runs queries as one person and returns their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from zava.data.ceilings import cut
from zava.data.connection import CancellableConnection
from zava.data.identity import IdentityResolver, Judge, explain, parse_user_id
from zava.data.pool import CLOSE_SECONDS, ConnectionPoolManager, Pool
from zava.data.posture.checks import check_posture
from zava.data.query_errors import (
    denied_table,
    explain_denied_columns,
    is_missing_object,
    not_utf8,
    translate,
)
from zava.data.read_ahead import Allowance, LoadedRows, Remainder
from zava.data.replay import describe_server, see_that_it_is_not_behind
from zava.data.retry import with_retry
from zava.data.sales_data import ComparedSpan, SalesData, get_sales_data
from zava.data.statements import statement
from zava.data.streaming import Stream, stream_query
from zava.data.transaction import Query, Rows, prefix_length, run_queries
from zava.errors import (
    ConfigurationError,
    MCPError,
    QueryError,
    ResultTooLargeError,
    UnavailableError,
    ValidationError,
)
from zava.infra.answer_age import note_as_of
from zava.models import Identity, PostureCheck, ResultSet

T = TypeVar("T")

Monitor = Callable[[str, str], AbstractContextManager[None]]
"""Times a block: the query's text, the operation's type."""


CALLERS_QUERY = "query"
"""The operation type of SQL text that comes from the caller."""


class PostgreSQLProvider:
    """Runs queries as one person at a time.

    Args:
        connection_config: See `ConnectionPoolManager`.
        monitor: Times every transaction.
        judge: Sees the database's posture before anyone is served; see
            `IdentityResolver`.

    Attributes:
        connection_pool: None until `open`, and after `close`.
        answering_server: Which server answered the last `ping`; "" for none.
    """

    def __init__(
        self,
        connection_config: dict[str, Any],
        monitor: Monitor = lambda _query, _type: nullcontext(),
        judge: Judge | None = None,
    ) -> None:
        self.connection_pool: Pool | None = None
        self.answering_server = ""
        self._manager = ConnectionPoolManager(connection_config)
        self.config = connection_config
        self._monitor = monitor
        self._max_retries: int = self._manager.config["max_retries"]
        self.identities = IdentityResolver(partial(with_retry, self._manager), judge)

    def open(self) -> None:
        """Make the pool; returns at once, also if the database is down."""
        if self.connection_pool is None:
            self.connection_pool = self._manager.create_pool()

    def close(self) -> None:
        """Close every connection; a second time does nothing."""
        pool, self.connection_pool = self.connection_pool, None
        self._manager.pool = None
        if pool is not None:
            pool.close(CLOSE_SECONDS)

    def resolve_identity(
        self, rls_user_id: str, max_retries: int | None = None, *, anew: bool = False
    ) -> Identity:
        """Return who `rls_user_id` is; see `IdentityResolver.resolve`."""
        attempts = max_retries or self._max_retries
        return self.identities.resolve(rls_user_id, attempts, anew=anew)

    def check_posture(self, identity: Identity | None) -> tuple[PostureCheck, ...]:
        """Return the posture checks; see `zava.data.posture.checks`.

        The check `connection` also says which server answers.

        Raises:
            MCPError: It cannot be asked.
        """

        def check(conn: psycopg.Connection[Any]) -> tuple[PostureCheck, ...]:
            checks = check_posture(conn, identity)
            server = describe_server(conn)
            return tuple(
                check.model_copy(update={"detail": f"{check.detail}; {server}"})
                if check.name == "connection" and server
                else check
                for check in checks
            )

        try:
            return with_retry(self._manager, check, max_retries=1)
        except psycopg.Error as exc:
            raise explain(exc) from exc

    def known_identity(self, rls_user_id: str) -> Identity | None:
        """Return the cached identity of `rls_user_id`, or None; asks no database."""
        return self.identities.known(parse_user_id(rls_user_id))

    def fetch(
        self,
        query: str,
        identity: Identity,
        max_rows: int,
        max_bytes: int | None = None,
        operation: str = CALLERS_QUERY,
    ) -> ResultSet:
        """Run one query as `identity` and return at most `max_rows` rows.

        Args:
            query: The SQL text.
            identity: Who asks.
            max_rows: Rows to read and return at most.
            max_bytes: Bytes that their JSON may take; None for no ceiling.
            operation: What the query is for, in the performance summary.

        Raises:
            QueryError: PostgreSQL refused the SQL text.
            QueryTimeoutError: The query ran longer than the statement timeout.
            ResultTooLargeError: The first row alone exceeds the byte ceiling.
            StaleAnswerError: Only a standby answered that is too far behind.
            StandbyConflictError: A standby cancelled the query, again and again.
            BusyError: No connection came free in time.
            UnavailableError: The connection could not be made or was lost.
            ConfigurationError: zava's own statement names an object that the
                database does not have.
        """
        (result,) = self.fetch_all(
            [Query(query)], identity, max_rows, max_bytes, operation
        )
        return result

    def explain(
        self, query: str, identity: Identity, max_bytes: int | None = None
    ) -> dict[str, Any] | None:
        """Return the plan of one query of `identity`'s; the query does not run.

        The plan shows which tables are read, under which conditions, and what is done
        with their rows. It has no estimates and no choices that follow from what the
        tables hold.

        Args:
            query: The SQL text.
            identity: Who asks.
            max_bytes: Bytes that the plan may take; None for no ceiling.

        Returns:
            The root of the plan as PostgreSQL's JSON has it, or None where it is too
            deep to be read.

        Raises:
            MCPError: As for `fetch`.
        """
        asked = Query(query, is_explained=True)
        (result,) = self.fetch_all([asked], identity, 1, max_bytes)
        (cell,) = result.rows[0]
        return cell[0]["Plan"] if isinstance(cell, list) else None

    def fetch_all(
        self,
        queries: Sequence[Query],
        identity: Identity,
        max_rows: int,
        max_bytes: int | None = None,
        operation: str = CALLERS_QUERY,
    ) -> list[ResultSet]:
        """Run several queries as `identity` in one snapshot.

        Args:
            queries: The SQL texts, with their parameters.
            identity: Who asks.
            max_rows: Rows of each to read and return at most.
            max_bytes: Bytes that the JSON of each may take; None for no ceiling.
            operation: What the queries are for, in the performance summary.

        Raises:
            MCPError: As for `fetch`.
        """
        are_own = operation != CALLERS_QUERY
        run = partial(
            run_queries,
            queries=queries,
            rows=max_rows + 1,
            max_bytes=max_bytes,
            are_own=are_own,
        )
        # PostgreSQL counts an error's position from the start of the whole text.
        offset = prefix_length(queries[0]) if len(queries) == 1 else 0
        text = queries[0].text
        read = self._as_person(run, identity, text, operation, offset=offset)
        note_as_of(read[0].as_of)
        return [cut(rows, max_rows, max_bytes) for rows in read]

    def fetch_ahead(
        self,
        query: str,
        identity: Identity,
        max_rows: int,
        max_bytes: int,
        allowance: Allowance,
    ) -> tuple[ResultSet, Remainder | None]:
        """Run one query of the caller's; if its result is cut, read some rows more.

        The rows past the end are of the same snapshot. Their failure, and their time,
        is not the answer's: what has not arrived within a moment is not kept.

        Args:
            query: The SQL text.
            identity: Who asks.
            max_rows: Rows to return at most.
            max_bytes: Bytes that their JSON may take.
            allowance: What may be read past that.

        Returns:
            The result, and what was read of the query if it is cut.

        Raises:
            MCPError: As for `fetch`.
        """
        run = partial(
            run_queries,
            queries=[Query(query)],
            rows=max_rows + 1,
            max_bytes=max_bytes,
            allowance=allowance,
        )
        (rows,) = self._as_person(
            run, identity, query, CALLERS_QUERY, offset=prefix_length(Query(query))
        )
        note_as_of(rows.as_of)
        result = cut(rows, max_rows, max_bytes)
        return result, rows.read_ahead if result.truncated else None

    def stream(
        self, query: str, identity: Identity, receive: Callable[[Stream], T]
    ) -> T:
        """Run one query of the caller's and let `receive` read its rows, all of them.

        The rows are of one snapshot and arrive in batches.

        Args:
            query: The SQL text.
            identity: Who asks.
            receive: Called with the rows; again, from the beginning, if the
                connection gets lost early on.

        Returns:
            What `receive` returns.

        Raises:
            MCPError: As for `fetch`.
        """

        def run(conn: CancellableConnection, identity: Identity) -> T:
            with stream_query(conn, query, identity) as rows:
                return receive(rows)

        return self._as_person(
            run, identity, query, CALLERS_QUERY, offset=prefix_length(Query(query))
        )

    def page(
        self,
        kept: Remainder | LoadedRows,
        start: int,
        max_rows: int,
        max_bytes: int,
        as_of: datetime,
    ) -> ResultSet:
        """Return the rows of a kept result from row `start` on; asks no database.

        Args:
            kept: What was read ahead.
            start: Rows to leave out.
            max_rows: Rows to return at most.
            max_bytes: Bytes that their JSON may take.
            as_of: What had been committed by then is in them.

        Raises:
            ResultTooLargeError: The first row alone exceeds the byte ceiling.
        """
        rows = Rows(kept.columns, kept.rows(start, max_rows + 1), False, as_of)
        page = cut(rows, max_rows, max_bytes)
        if page.truncated or kept.is_whole:
            return page
        return replace(page, truncated="kept_rows")

    def is_current(self, identity: Identity) -> bool:
        """Ask the database whether an identity is still what the person may see.

        Raises:
            MCPError: As for `resolve_identity`.
        """
        return self.identities.is_current(identity, self._max_retries)

    def _as_person(
        self,
        run: Callable[..., T],
        identity: Identity,
        text: str,
        operation: str,
        *,
        offset: int,
    ) -> T:
        """Call `run` with a connection and an identity; translate what goes wrong."""
        are_own = operation != CALLERS_QUERY
        try:
            with self._monitor(text, operation):
                return with_retry(
                    self._manager,
                    partial(run, identity=identity),
                    self._max_retries,
                    after_refusal=partial(self._run_renewed, run, identity),
                )
        except psycopg.Error as exc:
            if are_own and is_missing_object(exc):
                raise ConfigurationError(
                    "the database's schema is not the one that this zava was made"
                    " with: run `zava init`, which keeps its rows"
                ) from exc
            error = translate(exc, text, offset, is_callers=not are_own)
            table = None if are_own else denied_table(exc)
            if table is not None and isinstance(error, QueryError):
                # The role may have changed within the call.
                person = self.identities.known(identity.user_id) or identity
                error = self._with_readable_columns(error, table, text, person)
            raise error from exc
        except UnicodeDecodeError as exc:
            raise not_utf8(text) from exc
        except MemoryError as exc:
            raise ResultTooLargeError from exc

    def _run_renewed(
        self, run: Callable[..., T], identity: Identity, conn: CancellableConnection
    ) -> T:
        """Call `run` again: the key of the seals has changed, or somebody's rights."""
        conn.rollback()
        see_that_it_is_not_behind(conn)
        return run(conn, identity=self.identities.renew(identity, conn))

    def _with_readable_columns(
        self, error: QueryError, table: str, query: str, identity: Identity
    ) -> QueryError:
        """Ask the catalogue as the person; the first error stands if that fails."""
        asked = Query(statement("denied_columns"), {"table": table})
        try:
            (found,) = self.fetch_all([asked], identity, 1, operation="schema")
        except MCPError:
            return error
        for row in found.dicts():
            error = explain_denied_columns(error, query, row)
        return error

    def execute_query(self, query: str, rls_user_id: str) -> list[dict[str, Any]]:
        """Run one query as `rls_user_id` and return its rows as dicts.

        Of columns that share a name the last one stays; `fetch` keeps all.

        Raises:
            AuthorizationError: Nobody has this user id.
            ValidationError: It is not a UUID, or the result is cut at a ceiling.
            DatabaseError: As for `fetch`.
        """
        max_rows = self._manager.config["max_rows"]
        result = self.fetch(query, self.resolve_identity(rls_user_id), max_rows)
        if result.truncated:
            raise ValidationError(
                "query", query, f"its result exceeds the ceiling {result.truncated}"
            )
        return result.dicts()

    def get_sales_data(
        self,
        store_ids: Sequence[UUID],
        time_period: ComparedSpan,
        identity: Identity,
        **scope: bool,
    ) -> SalesData:
        """Return what stores sold; see `zava.data.sales_data.get_sales_data`."""
        return get_sales_data(self.fetch_all, store_ids, time_period, identity, **scope)

    def ping(self) -> str:
        """Probe the database, also while every pooled connection is in use.

        Returns:
            What is wrong although the database answers; "" for nothing.

        Raises:
            MCPError: The database does not answer.
        """
        self.answering_server = ""
        if self.connection_pool is None:
            raise UnavailableError("the connection pool is not open")
        try:
            self.answering_server = self.connection_pool.probe()
        except psycopg.errors.QueryCanceled as exc:
            raise UnavailableError("the database does not answer") from exc
        except psycopg.Error as exc:
            raise translate(exc) from exc
        stuck = self.connection_pool.count_stuck()
        return f"{stuck} statements cannot be ended in PostgreSQL" if stuck else ""

    def pool_stats(self) -> Mapping[str, float]:
        """Return the pool's sizes and counts, by psycopg_pool's names."""
        return self.connection_pool.get_stats() if self.connection_pool else {}
