"""Loads schema.sql and the seed into any database, and lists who can be served.

psql does the loading, the same way as a DBA does it by hand. What is here works
with an administrator's connection and is never part of `zava serve`.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row, scalar_row

from zava.admin.psql import LockedError, OnLine, OnStep, run_psql
from zava.data.pool import complete_conninfo
from zava.data.query_errors import translate
from zava.data.schema_version import needs_migration, other_version
from zava.data.statements import database_file, statement
from zava.errors import ConfigurationError, DatabaseError
from zava.models import ServedUser

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER_LOGIN = "zava_server"

# schema.sql waits two seconds for a lock, lest others wait behind it.
_LOCK_ATTEMPTS = 10
_LOCK_PAUSE = 1.0

# What a standby answers to a statement that writes, locks or begins to write.
_NOT_ON_A_STANDBY = (
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.ObjectNotInPrerequisiteState,
)

_MIGRATION = "migrations/2_retail_model.sql"


class DatabaseLoader:
    """Works on one database as its administrator.

    Args:
        admin_conninfo: Of a superuser, or a role with CREATEROLE and CREATE on
            the database.
    """

    def __init__(self, admin_conninfo: str) -> None:
        self._conninfo = complete_conninfo(admin_conninfo)

    def create_database(self, name: str) -> None:
        """Make the database `name` if it is not there."""
        with self.connection() as conn:
            if not _is_true(conn, "database_exists", {"name": name}):
                create = sql.SQL(statement("create_database"))
                conn.execute(create.format(name=sql.Identifier(name)))

    def load_schema(self) -> str:
        """Run schema.sql and return its warnings, "" for none.

        Raises:
            ConfigurationError: The database cannot be reached, or has version 1 of the
                schema, or psql is missing.
            DatabaseError: PostgreSQL refused a statement.
        """
        # psql's own complaint about a connection, or a version, has no remedy.
        if self.needs_migration():
            raise other_version(1)
        return self._run_file("schema.sql")

    def needs_migration(self) -> bool:
        """Whether the database has version 1 of the schema."""
        with self.connection() as conn:
            return needs_migration(conn)

    def migration_plan(self) -> str:
        """Return a table of what `migrate` would do; nothing is changed."""
        lines: list[str] = []
        self._run_file(_MIGRATION, "-v", "dry_run=yes", on_line=lines.append)
        return "\n".join(lines).strip()

    def migrate(self, on_step: OnStep, on_line: OnLine) -> str:
        """Bring version 1 of the schema to version 2; return warnings, "" for none.

        A migration that fails leaves version 1 as it was.

        Args:
            on_step: Told of each step.
            on_line: Given the lines that say what remains to be done.

        Raises:
            ConfigurationError: psql is missing.
            DatabaseError: PostgreSQL refused a statement, or a table is in use.
        """
        said = self._run_file(_MIGRATION, on_step=on_step, on_line=on_line)
        # The plan has what the notices say.
        return "\n".join(x for x in said.splitlines() if not x.startswith("NOTICE:"))

    def _run_file(
        self,
        name: str,
        *arguments: str,
        on_step: OnStep | None = None,
        on_line: OnLine | None = None,
    ) -> str:
        """Run a file of psql's, again and again while a table is in use."""
        self.check_writable()
        file = str(database_file(name))
        for _ in range(_LOCK_ATTEMPTS):
            try:
                return run_psql(
                    self._conninfo,
                    *(*arguments, "-f", file),
                    on_step=on_step,
                    on_line=on_line,
                )
            except LockedError:
                time.sleep(_LOCK_PAUSE)
        raise DatabaseError(
            "a table is in use for too long, so nothing was changed: run this again"
            " when the longest transactions have ended"
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only administrator's command at work on this database.

        Another one waits; on a server where such locks are closed nobody does.

        Raises:
            DatabaseError: Another one has been at work for too long.
        """
        with self.connection() as conn:
            conn.execute(statement("limit_turn"))
            try:
                conn.execute(statement("take_turn"))
            except psycopg.errors.InsufficientPrivilege:
                pass
            except psycopg.errors.LockNotAvailable as exc:
                raise DatabaseError(
                    "another command of an administrator has been at work here for a"
                    " minute, or a session holds its place: SELECT pid FROM pg_locks"
                    " WHERE locktype = 'advisory' names it"
                ) from exc
            yield

    def check_writable(self) -> None:
        """Raise a ConfigurationError if the server is a standby."""
        with self.connection() as conn:
            if _is_true(conn, "is_standby"):
                raise on_a_standby()

    def has_schema(self) -> bool:
        """Whether schema.sql has been loaded."""
        with self.connection() as conn:
            return _is_true(conn, "schema_exists")

    def check_schema(self) -> None:
        """Raise a ConfigurationError unless this zava's schema has been loaded."""
        if not self.has_schema():
            raise ConfigurationError(
                "this database has no retail schema: run `zava init`"
            )
        if self.needs_migration():
            raise other_version(1)

    def has_server_login(self) -> bool:
        """Whether the server's login is there; it belongs to the whole cluster."""
        with self.connection() as conn:
            return _is_true(conn, "login_exists", {"login": SERVER_LOGIN})

    def has_data(self) -> bool:
        """Whether there are stores or customers, which a seed must not touch."""
        with self.as_owner() as conn:
            return _is_true(conn, "has_data")

    def load_seed(self, scale: float, as_of: str | None, on_step: OnStep) -> None:
        """Run seed/seed.sql; `as_of` is an ISO date, None for today."""
        self.check_writable()
        variables = [
            "-v",
            f"scale={scale:f}",
            "-v",
            f"seed_dir={database_file('seed')}",
        ]
        if as_of is not None:
            variables += ["-v", f"as_of={as_of}"]
        run_psql(
            self._conninfo,
            *variables,
            "-f",
            str(database_file("seed/seed.sql")),
            on_step=on_step,
        )

    def set_server_password(self, password: str) -> None:
        """Give the server's login a password; only its SCRAM verifier is sent."""
        with self.connection() as conn:
            set_password(conn, SERVER_LOGIN, password)

    def server_conninfo(self, password: str, login: str = SERVER_LOGIN) -> str:
        """Return the connection string of a login to this database."""
        return make_conninfo(self._conninfo, user=login, password=password)

    def list_users(self) -> list[ServedUser]:
        """Return everybody whom the server can act for, store managers first."""
        with self.as_owner() as conn:
            rows = conn.execute(statement("list_users")).fetchall()
        return [ServedUser.model_validate(row) for row in rows]

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """Yield the administrator's connection, in autocommit mode.

        Raises:
            ConfigurationError: The database cannot be reached, or schema.sql has not
                been loaded.
            DatabaseError: PostgreSQL refused a statement.
        """
        try:
            opened = psycopg.connect(
                self._conninfo,
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=10,
            )
        except psycopg.OperationalError as exc:
            # Whoever administers the database may know what libpq knows.
            reason = str(exc).partition("\n")[0]
            raise ConfigurationError(
                f"{reason}; check --admin-url or ZAVA_ADMIN_URL"
            ) from exc
        is_standby = False
        try:
            with opened as conn:
                is_standby = _is_true(conn, "is_standby")
                yield conn
        except _NOT_ON_A_STANDBY as exc:
            raise (on_a_standby() if is_standby else translate(exc)) from exc
        except psycopg.errors.UndefinedTable as exc:
            raise ConfigurationError(
                "this database has no retail schema: run `zava init`"
            ) from exc
        except psycopg.Error as exc:
            raise translate(exc) from exc

    @contextmanager
    def as_owner(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """Yield a connection in a transaction of the schema's owner.

        The tables force row level security on everyone but the owner's policy.

        Raises:
            MCPError: As for `connection`.
        """
        with self.connection() as conn:
            self.check_schema()
            with conn.transaction():
                conn.execute(statement("become_owner"))
                yield conn


def on_a_standby() -> ConfigurationError:
    """Return the error that says where a command that writes has to go."""
    return ConfigurationError(
        "this server is a standby and only reads, so nothing was changed: give"
        " --admin-url or ZAVA_ADMIN_URL of the primary, or name all servers in it with"
        " target_session_attrs=primary"
    )


def become_loader(conn: psycopg.Connection[Any], role: str | None = None) -> None:
    """Act as the owner of the schema, or as zava_loader, in this transaction.

    Args:
        conn: In a transaction.
        role: What `loading_role` gave, None to ask for it now.

    Raises:
        ConfigurationError: The login is neither an administrator's nor a loader's.
    """
    role = role or loading_role(conn)
    become = sql.SQL(statement("become_role"))
    conn.execute(become.format(role_name=sql.Identifier(role)))


def loading_role(conn: psycopg.Connection[Any]) -> str:
    """Return whom the login may act as to load and refresh.

    Raises:
        ConfigurationError: The login is neither an administrator's nor a loader's.
    """
    with conn.cursor(row_factory=scalar_row) as cursor:
        role = cursor.execute(statement("loading_role")).fetchone()
    if not role:
        raise ConfigurationError(
            "this login may not load: GRANT zava_loader to it, or give --admin-url"
        )
    return str(role)


def is_administrator(conn: psycopg.Connection[Any]) -> bool:
    """Whether the login may act as the owner of the schema.

    Raises:
        ConfigurationError: The login is neither an administrator's nor a loader's.
    """
    return loading_role(conn) == "zava_owner"


def set_password(conn: psycopg.Connection[Any], login: str, password: str) -> None:
    """Give a login a password; only its SCRAM verifier is sent."""
    verifier = conn.pgconn.encrypt_password(
        password.encode(), login.encode(), b"scram-sha-256"
    ).decode()
    alter = sql.SQL(statement("set_password"))
    conn.execute(
        alter.format(login=sql.Identifier(login), verifier=sql.Literal(verifier))
    )


def _is_true(
    conn: psycopg.Connection[Any], name: str, values: dict[str, Any] | None = None
) -> bool:
    """Run a statement that answers with one boolean."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(statement(name), values).fetchone())
