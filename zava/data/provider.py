"""PostgreSQLProvider: questions in, rows out, as one person at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from zava.data.ceilings import cut
from zava.data.connections import CLOSE_SECONDS, Pool
from zava.data.failures import is_missing_object, not_utf8, translate
from zava.data.identity import IdentityResolver, Judge, explain, parse_user_id
from zava.data.pool import ConnectionPoolManager
from zava.data.posture import check_posture
from zava.data.sales import ComparedSpan, SalesData, get_sales_data
from zava.data.transaction import Query, Rows, prefix_length, run_queries
from zava.errors import (
    ConfigurationError,
    ResultTooLargeError,
    UnavailableError,
    ValidationError,
)
from zava.models import Identity, PostureCheck, ResultSet

if TYPE_CHECKING:
    from zava.data.cancellation import CancellableConnection

Monitor = Callable[[str, str], AbstractContextManager[None]]
"""Times a block: the query's text, the operation's type."""


CALLERS_QUERY = "query"
"""The operation of SQL text that is not zava's own."""


class PostgreSQLProvider:
    """Runs queries as one person at a time.

    Args:
        connection_config: See `ConnectionPoolManager`; also `max_rows`=1000, the
            ceiling of `execute_query`, and `max_retries`=5, the attempts at a query
            whose connection gets lost.
        monitor: Times every transaction.
        judge: Sees the database's posture before anyone is served; see
            `IdentityResolver`.

    Attributes:
        connection_pool: None until `open`, and after `close`.
    """

    def __init__(
        self,
        connection_config: dict[str, Any],
        monitor: Monitor = lambda _query, _type: nullcontext(),
        judge: Judge | None = None,
    ) -> None:
        self.config = connection_config
        self.connection_pool: Pool | None = None
        self._manager = ConnectionPoolManager(connection_config)
        self._monitor = monitor
        self._max_retries: int = connection_config.get("max_retries", 5)
        self.identities = IdentityResolver(self._manager.with_retry, judge)

    def open(self) -> None:
        """Make the pool; returns at once, whether or not the database is there."""
        if self.connection_pool is None:
            self.connection_pool = self._manager.create_pool()

    def close(self) -> None:
        """Close every connection; a second time does nothing."""
        pool, self.connection_pool = self.connection_pool, None
        self._manager.pool = None
        if pool is not None:
            pool.close(CLOSE_SECONDS)

    def resolve_identity(
        self, rls_user_id: str, max_retries: int | None = None
    ) -> Identity:
        """Return who `rls_user_id` is; see `IdentityResolver.resolve`."""
        return self.identities.resolve(rls_user_id, max_retries or self._max_retries)

    def check_posture(self, identity: Identity | None) -> tuple[PostureCheck, ...]:
        """Return how the database keeps stores apart; see `zava.data.posture`.

        Raises:
            MCPError: It cannot be asked.
        """

        def check(conn: CancellableConnection) -> tuple[PostureCheck, ...]:
            return check_posture(conn, identity)

        try:
            return self._manager.with_retry(check, max_retries=1)
        except psycopg.Error as exc:
            raise explain(exc) from exc

    def known_identity(self, rls_user_id: str) -> Identity | None:
        """Return who `rls_user_id` is if that is remembered, without asking."""
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
            QueryError: The SQL text is at fault.
            QueryTimeoutError: It ran longer than the statement timeout.
            ResultTooLargeError: The first row alone exceeds the byte ceiling.
            BusyError: No connection came free in time.
            UnavailableError: The connection could not be made or was lost.
            ConfigurationError: A statement of zava's own, and the database lacks
                what it names.
        """
        (result,) = self.fetch_all(
            [Query(query)], identity, max_rows, max_bytes, operation
        )
        return result

    def fetch_all(
        self,
        queries: Sequence[Query],
        identity: Identity,
        max_rows: int,
        max_bytes: int | None = None,
        operation: str = CALLERS_QUERY,
    ) -> list[ResultSet]:
        """Run several queries as `identity`, all on the same state of the data.

        Args:
            queries: The SQL texts, with their parameters.
            identity: Who asks.
            max_rows: Rows of each to read and return at most.
            max_bytes: Bytes that the JSON of each may take; None for no ceiling.
            operation: What the queries are for, in the performance summary.

        Raises:
            MCPError: As for `fetch`.
        """

        def run(as_whom: Identity) -> list[Rows]:
            def transact(conn: CancellableConnection) -> list[Rows]:
                return run_queries(
                    conn, queries, as_whom, max_rows + 1, max_bytes, are_own=are_own
                )

            return self._manager.with_retry(transact, self._max_retries)

        are_own = operation != CALLERS_QUERY
        text = queries[0].text
        # Errors name a position in the text that was sent.
        offset = prefix_length() if len(queries) == 1 else 0
        try:
            with self._monitor(text, operation):
                try:
                    read = run(identity)
                except psycopg.errors.InvalidAuthorizationSpecification:
                    # The key of the seals has changed, or the person's rights have.
                    read = run(self.identities.renew(identity, self._max_retries))
        except psycopg.Error as exc:
            if are_own and is_missing_object(exc):
                raise ConfigurationError(
                    "the database's schema is not the one that this zava was made"
                    " with: run `zava init`, which keeps its rows"
                ) from exc
            raise translate(exc, text, offset) from exc
        except UnicodeDecodeError as exc:
            raise not_utf8(text) from exc
        except MemoryError as exc:
            raise ResultTooLargeError from exc
        return [cut(rows, max_rows, max_bytes) for rows in read]

    def execute_query(self, query: str, rls_user_id: str) -> list[dict[str, Any]]:
        """Run one query as `rls_user_id` and return its rows as dicts.

        Of columns that share a name the last one stays; `fetch` keeps all.

        Raises:
            AuthorizationError: Nobody has this user id.
            ValidationError: It is not a UUID, or the result is cut at a ceiling.
            DatabaseError: As for `fetch`.
        """
        max_rows = self.config.get("max_rows", 1000)
        result = self.fetch(query, self.resolve_identity(rls_user_id), max_rows)
        if result.truncated:
            raise ValidationError(
                "query", query, f"its result exceeds the ceiling {result.truncated}"
            )
        names = [column.name for column in result.columns]
        return [dict(zip(names, row, strict=True)) for row in result.rows]

    def get_sales_data(
        self, store_id: UUID, time_period: ComparedSpan, identity: Identity
    ) -> SalesData:
        """Return what a store sold; see `zava.data.sales.get_sales_data`."""
        return get_sales_data(self.fetch_all, store_id, time_period, identity)

    def ping(self) -> str:
        """See that the database answers, also while every connection is at work.

        Returns:
            What is wrong although it answers, "" for nothing.

        Raises:
            MCPError: It does not.
        """
        if self.connection_pool is None:
            raise UnavailableError("the connection pool is not open")
        try:
            self.connection_pool.probe()
        except psycopg.errors.QueryCanceled as exc:
            raise UnavailableError("the database does not answer") from exc
        except psycopg.Error as exc:
            raise translate(exc) from exc
        stuck = self.connection_pool.count_stuck()
        return f"{stuck} statements cannot be ended in PostgreSQL" if stuck else ""

    def pool_stats(self) -> Mapping[str, float]:
        """Return the pool's sizes and counts, by psycopg_pool's names."""
        return self.connection_pool.get_stats() if self.connection_pool else {}
