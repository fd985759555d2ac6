"""Database logins that are bound to people: made, listed and removed.

A login may become the group roles of its people and ask for their seals, and
nothing else. Who holds its password can be nobody else, whatever program they
connect with. Works with an administrator's connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from zava.admin.loading import SERVER_LOGIN, DatabaseLoader, set_password
from zava.data.identity import parse_user_id
from zava.data.pool import complete_conninfo
from zava.data.query_errors import translate
from zava.data.statements import statement
from zava.errors import ConfigurationError, DatabaseError, ValidationError
from zava.models import PERSONAL, BoundLogin, ServedUser

if TYPE_CHECKING:
    Connection = psycopg.Connection[dict[str, Any]]

_NAME = re.compile(r"(?!pg_|public$|none$)[a-z_][a-z0-9_]{0,62}")


class BoundLogins:
    """The logins of one database that are bound to people."""

    def __init__(self, loader: DatabaseLoader) -> None:
        self._loader = loader

    def add(
        self, name: str, user_ids: Sequence[str], password: str | None
    ) -> BoundLogin:
        """Make a login, or let one that is there act as more people.

        Args:
            name: Of the login.
            user_ids: The people that it may act as, besides those it may already.
            password: Only its SCRAM verifier is sent; None leaves it as it is.

        Returns:
            The login with everyone that it may act as.

        Raises:
            ValidationError: The name, or an id, is none or unknown.
            ConfigurationError: There is a login of that name that is not zava's.
            DatabaseError: The administrator may not make logins.
        """
        login = _identifier(name)
        wanted = {parse_user_id(text) for text in user_ids}
        with self._loader.as_owner() as conn:
            people = _people(conn)
            _refuse_unknown(wanted, people)
            existing = _read(conn, name)
            if existing is None:
                # What an earlier login of the name left behind: its people were others.
                conn.execute(statement("unbind_login"), {"login": name})
            _become_administrator(conn)
            if existing is None:
                _run(conn, "create_login", login=login)
                _mark(conn, login)
                _limit(conn, login)
            elif not existing["can_login"]:
                _run(conn, "enable_login", login=login)
            if password is not None:
                set_password(conn, name, password)
            for role_name in sorted(_roles(people[user_id] for user_id in wanted)):
                _run(
                    conn,
                    "grant_group",
                    login=login,
                    role_name=sql.Identifier(role_name),
                )
            conn.execute(statement("become_owner"))
            _run(conn, "grant_schema", login=login)
            _run(conn, "grant_identity", login=login)
            for user_id in sorted(wanted):
                values = {"login": name, "user_id": user_id}
                conn.execute(statement("bind_login"), values)
            (bound,) = (entry for entry in _list(conn) if entry.name == name)
        return bound

    def list_all(self) -> list[BoundLogin]:
        """Return every login with the people that it may act as, by name."""
        with self._loader.as_owner() as conn:
            return _list(conn)

    def remove(self, name: str) -> None:
        """Take everything from a login, then drop it.

        Raises:
            ValidationError: It is not a name that a login of zava's can have.
            ConfigurationError: There is no such login, or it has nothing left
                here but cannot be dropped.
        """
        login = _identifier(name)
        with self._loader.as_owner() as conn:
            if name not in {entry.name for entry in _list(conn)}:
                raise ConfigurationError(
                    f"no login {name} is bound to anyone; `zava login list` lists them"
                )
            # By itself: a session of the login may hold a lock on all that follows.
            conn.execute(statement("unbind_login"), {"login": name})
            row = conn.execute(statement("read_login"), {"login": name}).fetchone()
        if row is None:
            return
        if row["is_too_powerful"]:
            self._revoke(login)
            with self._loader.connection() as conn:
                _run(conn, "mark_login", login=login, mark=sql.NULL)  # not ours now
            raise ConfigurationError(
                f"{name} may act as nobody any more; it was not dropped, because"
                " it has rights that zava did not give it"
            )
        self._drop(name, login)

    def _revoke(self, login: sql.Identifier) -> None:
        with self._loader.as_owner() as conn:
            conn.execute(statement("limit_locks"))
            _run(conn, "revoke_identity", login=login)
            _run(conn, "revoke_schema", login=login)

    def _drop(self, name: str, login: sql.Identifier) -> None:
        try:
            with self._loader.connection() as conn:
                conn.execute(statement("limit_locks"))
                _run(conn, "disable_login", login=login)
                _inherit(conn, login)
                # The locks of a superuser close the list of sessions to others.
                with suppress(psycopg.errors.InsufficientPrivilege):
                    conn.execute(statement("end_sessions"), {"login": name})
            self._revoke(login)
            with self._loader.connection() as conn:
                conn.execute(statement("limit_locks"))
                _drop_owned(conn, name, login)
                _run(conn, "drop_login", login=login)
        except DatabaseError as exc:
            raise ConfigurationError(
                f"{name} may act as nobody any more, but was not dropped:"
                f" {exc.message}; see DROP OWNED, in every database"
            ) from exc


def may_act_as_anyone(conninfo: str, login: str) -> bool:
    """Whether the server would connect as `zava_server`.

    Args:
        conninfo: libpq connection string, "" where `login` is given apart.
        login: Name of the login, "" for the default.
    """
    given = conninfo_to_dict(complete_conninfo(conninfo)).get("user", login)
    return given in ("", SERVER_LOGIN)


def _identifier(name: str) -> sql.Identifier:
    if not _NAME.fullmatch(name):
        raise ValidationError(
            "name",
            name,
            "must be 1 to 63 of a-z, 0-9 and _, not start with a digit or pg_,"
            " and be neither public nor none",
        )
    return sql.Identifier(name)


def _refuse_unknown(wanted: set[UUID], people: dict[UUID, ServedUser]) -> None:
    if not wanted:
        raise ValidationError("user", (), "give at least one user id")
    for user_id in sorted(wanted - set(people)):
        raise ValidationError(
            "user", user_id, f"{user_id} is nobody's; `zava users` lists the ids"
        )


def _read(conn: Connection, name: str) -> dict[str, Any] | None:
    """Return what there is under `name`, None for nothing; refuse a stranger."""
    row = conn.execute(statement("read_login"), {"login": name}).fetchone()
    if row is None:
        return None
    if not row["is_zavas"]:
        raise ConfigurationError(
            f"there is a role {name} that zava did not make; choose another name"
        )
    if row["is_too_powerful"]:
        raise ConfigurationError(
            f"the login {name} has rights beyond those of a bound login: take them"
            " from it, or choose another name"
        )
    return row


def _people(conn: Connection) -> dict[UUID, ServedUser]:
    rows = conn.execute(statement("list_users")).fetchall()
    return {row["user_id"]: ServedUser.model_validate(row) for row in rows}


def _roles(people: Iterable[ServedUser]) -> set[str]:
    """Return the roles that read for people; that of personal data for the entitled."""
    return {
        person.role_name + ending
        for person in people
        for ending in ("", PERSONAL)
        if not ending or person.personal_data
    }


def _list(conn: Connection) -> list[BoundLogin]:
    people = _people(conn)
    rows = conn.execute(statement("list_logins")).fetchall()
    return [
        BoundLogin(
            name=row["login"],
            can_login=row["can_login"],
            user_ids=tuple(row["user_ids"]),
            people=tuple(
                people[user_id].name if user_id in people else "nobody any more"
                for user_id in row["user_ids"]
            ),
        )
        for row in rows
    ]


def _become_administrator(conn: Connection) -> None:
    conn.execute(statement("become_administrator"))


def _limit(conn: Connection, login: sql.Identifier) -> None:
    """Give a login the settings that only a superuser can give."""
    row = conn.execute(statement("may_limit_logins")).fetchone()
    if row is not None and row["allowed"]:
        _run(conn, "limit_login", login=login)
        _run(conn, "hide_parameters", login=login)
        _run(conn, "hide_parameters_of_errors", login=login)


def _mark(conn: Connection, login: sql.Identifier) -> None:
    row = conn.execute(statement("login_mark")).fetchone() or {}
    _run(conn, "mark_login", login=login, mark=sql.Literal(row["mark"]))


def _drop_owned(conn: Connection, name: str, login: sql.Identifier) -> None:
    """Drop what a login can make without a privilege; keep anything else."""
    owns = conn.execute(statement("owns_objects"), {"login": name}).fetchone()
    if owns is None or owns["answer"]:
        return  # DROP ROLE names it
    _run(conn, "drop_owned", login=login)


def _inherit(conn: Connection, login: sql.Identifier) -> None:
    """Let an administrator who is no superuser end and drop what is the login's."""
    row = conn.execute(statement("may_limit_logins")).fetchone()
    if row is None or not row["allowed"]:
        _run(conn, "inherit_login", login=login)


def _run(conn: Connection, name: str, **parts: sql.Composable) -> None:
    try:
        conn.execute(sql.SQL(statement(name)).format(**parts))
    except psycopg.errors.InsufficientPrivilege as exc:
        raise ConfigurationError(
            f"the administrator's login may not do this: {translate(exc).message}"
        ) from exc
