"""IdentityResolver: from a user id to an identity that the database has sealed.

Every query needs an identity, and only this module makes one. Before it returns an
identity it runs the posture checks, so no query reaches a database that does not keep
stores apart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import psycopg
import pydantic
from psycopg.rows import dict_row

from zava.data.connection import transaction_settings
from zava.data.posture.checks import check_posture
from zava.data.query_errors import is_missing_object, translate
from zava.data.retry import is_transient
from zava.data.schema_version import check_schema_version
from zava.data.statements import statement
from zava.errors import (
    AuthorizationError,
    ConfigurationError,
    MCPError,
    UnavailableError,
    ValidationError,
)
from zava.models import Identity, PostureCheck

_NIL = UUID(int=0)
# zava resolves an identity again after this time, so that a revoked login or a new
# region takes effect in a running server.
_SECONDS = 300.0
_NOT_GRANTED = "42501"

Lend = Callable[[Callable[[psycopg.Connection[Any]], Any], int], Any]
"""Calls a function with a connection, in at most so many attempts."""


Judge = Callable[[Sequence[PostureCheck]], None]
"""Raises a ConfigurationError unless the database may be served from."""


class IdentityResolver:
    """Resolves user ids over lent connections; safe for threads.

    Args:
        lend: Calls a function with a connection of the pool.
        judge: Receives the posture checks of each resolution and raises if the
            database must not be served; None skips the checks.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        lend: Lend,
        judge: Judge | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lend = lend
        self._judge = judge
        self._clock = clock
        self._known: dict[UUID, tuple[float, Identity]] = {}
        self._lock = threading.Lock()

    def known(self, user_id: UUID) -> Identity | None:
        """Return the remembered identity, or None; asks no database."""
        with self._lock:
            resolved_at, identity = self._known.get(user_id, (0.0, None))
        fresh = identity is not None and self._clock() - resolved_at < _SECONDS
        return identity if fresh else None

    def resolve(
        self, rls_user_id: str, max_retries: int, *, anew: bool = False
    ) -> Identity:
        """Return the identity of `rls_user_id`, with the database's seal.

        Args:
            rls_user_id: A user id.
            max_retries: Attempts in all while the connection gets lost.
            anew: Ask the database whether a remembered identity still holds.

        Raises:
            ValidationError: The id is not a UUID, or the nil UUID.
            AuthorizationError: Nobody has this id, or this login may not act as them.
            ConfigurationError: schema.sql has not been loaded, or the database
                does not keep stores apart.
            UnavailableError: The database cannot be reached.
        """
        user_id = parse_user_id(rls_user_id)
        identity = self.known(user_id)
        if (
            anew
            and identity is not None
            and not self.is_current(identity, max_retries, of_schema=False)
        ):
            # Nothing that was kept for this person as they were is given out any more.
            with self._lock:
                self._known.pop(user_id, None)
            identity = None
        if identity is not None:
            return identity
        ask = partial(self._ask, user_id=user_id)
        try:
            found = self._lend(ask, max_retries)
        except psycopg.Error as exc:
            raise explain(exc) from exc
        return self._learn(user_id, *found)

    def renew(self, identity: Identity, conn: psycopg.Connection[Any]) -> Identity:
        """Resolve an identity again that a server has refused.

        Args:
            identity: The refused identity: of its seal, its store or its right to
                personal data.
            conn: To that server. Another one may not have replayed the change yet, or
                may have replayed more.

        Raises:
            psycopg.Error: The connection got lost.
            UnavailableError: The person sees other stores since the call began, or
                reads personal data. The answer would be kept for the person before.
            MCPError: As for `resolve`.
        """
        user_id = identity.user_id
        with self._lock:
            self._known.pop(user_id, None)
        try:
            found = self._ask(conn, user_id)
        except psycopg.Error as exc:
            if is_transient(exc):
                raise
            raise explain(exc) from exc
        renewed = self._learn(user_id, *found)
        if (renewed.group, renewed.store_ids) != (
            identity.group,
            identity.store_ids,
        ) or (renewed.reads_personal_data and not identity.reads_personal_data):
            raise UnavailableError(
                "what this person may see has just changed: ask again"
            )
        return renewed

    def is_current(
        self, identity: Identity, max_retries: int, *, of_schema: bool = True
    ) -> bool:
        """Ask the database whether a person still sees what an identity says.

        The seal does not count: it may have been renewed meanwhile.

        Args:
            identity: Resolved earlier.
            max_retries: As for `resolve`.
            of_schema: Ask for the schema's version as well, which takes ten times as
                long.

        Raises:
            MCPError: As for `resolve`.
        """
        ask = partial(_read, user_id=identity.user_id, of_schema=of_schema)
        try:
            row = self._lend(ask, max_retries)
        except psycopg.Error as exc:
            raise explain(exc) from exc
        if row is None:
            return False
        kept = {"seal": identity.seal, "cache_secret": identity.cache_secret}
        if not of_schema:
            kept["schema_version"] = identity.schema_version
        return _identity({**row, **kept}) == identity

    def _ask(
        self, conn: psycopg.Connection[Any], user_id: UUID
    ) -> tuple[Identity | None, Sequence[PostureCheck]]:
        try:
            row = _read(conn, user_id)
        except psycopg.Error as exc:
            if is_missing_object(exc):
                check_schema_version(conn)
            raise
        identity = None if row is None else _identity(row)
        if self._judge is None or identity is None:
            return identity, ()
        return identity, check_posture(conn, identity)

    def _learn(
        self,
        user_id: UUID,
        identity: Identity | None,
        checks: Sequence[PostureCheck],
    ) -> Identity:
        """Remember who somebody is, if the database may be served from."""
        if identity is None:
            raise AuthorizationError(
                "no such user, or not one that this database login may act as:"
                f" {user_id}; `zava users` lists who can be served",
                str(user_id),
            )
        if self._judge is not None:
            self._judge(checks)
        with self._lock:
            self._known[user_id] = (self._clock(), identity)
        return identity


def _identity(row: Mapping[str, Any]) -> Identity:
    try:
        return Identity.model_validate(row)
    except pydantic.ValidationError as exc:
        raise ConfigurationError(
            "retail.resolve_identity is not the function of this zava's schema.sql: run"
            " `zava init`, which keeps its rows"
        ) from exc


def explain(exc: psycopg.Error) -> MCPError:
    """Translate a failure of the resolution into an error that names the remedy."""
    if is_missing_object(exc):
        return ConfigurationError(
            "this database has no retail schema, or that of an older zava: run"
            " `zava init`, which keeps its rows"
        )
    if exc.sqlstate == _NOT_GRANTED:
        return ConfigurationError(
            "this login may not act for anybody: `zava login add NAME --user ID` makes"
            " one that may, and `zava init` gives an older one what it lacks"
        )
    if isinstance(exc, psycopg.errors.QueryCanceled):
        return UnavailableError("the database did not answer in time")
    if isinstance(exc, psycopg.errors.ReadOnlySqlTransaction):
        return ConfigurationError(
            "this database is a standby on which a query could become its login again:"
            " have a superuser load schema.sql on the primary"
        )
    return translate(exc)


def _read(
    conn: psycopg.Connection[Any], user_id: UUID, *, of_schema: bool = True
) -> dict[str, Any] | None:
    read_in = partial(_read_in, conn, user_id, of_schema=of_schema)
    try:
        return read_in("begin_identity")
    except psycopg.errors.FeatureNotSupported:
        pass  # a standby
    try:
        return read_in("begin_identity_on_standby")
    except psycopg.errors.ReadOnlySqlTransaction as exc:
        # It may just have been promoted.
        try:
            return read_in("begin_identity")
        except psycopg.errors.FeatureNotSupported:
            raise exc from None


def _read_in(
    conn: psycopg.Connection[Any], user_id: UUID, begin: str, *, of_schema: bool
) -> dict[str, Any] | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(statement(begin))
        try:
            for text in transaction_settings(conn):
                cursor.execute(text)
            cursor.execute(statement("resolve_identity"), {"user_id": user_id})
            row = cursor.fetchone()
            if row is None or not of_schema:
                return row
            version = cursor.execute(statement("schema_fingerprint")).fetchone()
            return {**row, **(version or {})}
        finally:
            conn.rollback()


@lru_cache(maxsize=64)
def parse_user_id(text: str) -> UUID:
    """Return the user id.

    Raises:
        ValidationError: It is not a UUID, or the nil UUID, which is nobody's.
    """
    try:
        user_id = UUID(text)
    except ValueError:
        raise ValidationError(
            "rls_user_id", text, "must be a UUID; `zava users` lists them"
        ) from None
    if user_id == _NIL:
        raise ValidationError(
            "rls_user_id", text, "the nil UUID is nobody's; `zava users` lists them"
        )
    return user_id
