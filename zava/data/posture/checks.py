"""Whether the database keeps stores apart: read from its catalogue, and tried.

The catalogue is read as the server's own login, in one round trip. What is tried is
in `zava.data.posture.canary`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from zava.data.connection import CancellableConnection, transaction_settings
from zava.data.posture.canary import look, send_canary
from zava.data.posture.definitions import (
    VIEW_DIGESTS,
    columns,
    definitions,
    generated_columns,
    grants,
    triggers,
    views,
)
from zava.data.posture.findings import LOAD_AGAIN, make_check
from zava.data.retry import is_transient
from zava.data.schema_version import check_schema_version
from zava.data.statements import statement
from zava.errors import UnavailableError
from zava.models import Identity, PostureCheck

# An answer may be under way for some of them.
_SKEW_SECONDS = 60
_OLDEST = 160000


@dataclass(frozen=True, slots=True)
class _Rule:
    """A check of the catalogue: its name in posture.sql, what holds if it passes."""

    statement: str
    promise: str
    fails: bool = True

    @property
    def name(self) -> str:
        return self.statement.removeprefix("posture_")


_RULES = (
    _Rule("posture_pgvector", "pgvector is 0.8 or newer"),
    _Rule("posture_superuser", "the login is no superuser and no member of one"),
    _Rule("posture_bypassrls", "no role in reach bypasses row level security"),
    _Rule(
        "posture_role_attributes",
        "no role in reach makes roles or databases, or replicates",
    ),
    _Rule("posture_owner", "the login owns nothing here and is no member of an owner"),
    _Rule("posture_memberships", "the login becomes its groups and inherits nothing"),
    _Rule("posture_grantors", "nobody but an owner has granted a right to them"),
    _Rule("posture_structure", "zava's tables and views are those of its schema.sql"),
    _Rule(
        "posture_row_security",
        "row level security is forced on every table with a store",
    ),
    _Rule(
        "posture_policies", "policies show the stores of the identity and nothing else"
    ),
    _Rule("posture_relations", "no unknown table, view or copy is in reach"),
    _Rule("posture_columns", "no column is in reach that schema.sql does not open"),
    _Rule("posture_sequences", "no sequence is in reach"),
    _Rule("posture_functions", "no unknown function is in reach"),
    _Rule("posture_definitions", "zava's functions are those of its schema.sql"),
    _Rule("posture_extensions", "no extension but pgvector is in reach"),
    _Rule(
        "posture_catalogue_grants", "PostgreSQL's own objects are not opened further"
    ),
    _Rule(
        "posture_default_privileges",
        "default privileges open nothing that is made later",
    ),
    _Rule("posture_write_grants", "no role in reach may write"),
    _Rule("posture_create_grants", "no role in reach may create"),
    _Rule("posture_temporary", "no role in reach makes temporary objects", fails=False),
    _Rule(
        "posture_secrets",
        "queries cannot read the key of the seals, nor who may see what",
    ),
    _Rule(
        "posture_personal_data",
        "personal data of customers are for those who have the right to them",
    ),
    _Rule("posture_system_columns", "system columns are closed", fails=False),
    _Rule("posture_set_config", "a query cannot change settings"),
    _Rule("posture_server_functions", "functions with lasting effects are closed"),
    _Rule(
        "posture_server_statistics", "the server's statistics are closed", fails=False
    ),
    _Rule(
        "posture_parameters", "no role in reach may set a parameter that is not for it"
    ),
    _Rule("posture_leakproof", "no unknown function is leakproof"),
    _Rule("posture_login", "the login may act as one person only", fails=False),
)

_OF_A_PERSON = ("identity", "canary", "personal_role", "totals")

CHECKS = (
    "postgresql",
    "connection",
    "clock",
    "login_settings",
    *(rule.name for rule in _RULES),
    *_OF_A_PERSON,
)
"""The names of all checks, in the order in which they are shown."""


def check_posture(
    conn: psycopg.Connection[Any], identity: Identity | None
) -> tuple[PostureCheck, ...]:
    """Return every check with how it went.

    Args:
        conn: The server's own login, in autocommit mode, outside a transaction.
        identity: Who is served; None leaves the canary out, which is a warning.

    Raises:
        ConfigurationError: The database has another version of the schema.
        UnavailableError: A table is locked, or has no index with store_id.
        psycopg.Error: The catalogue could not be read.
    """
    try:
        check_schema_version(conn)
        return _check_all(conn, identity)
    except psycopg.errors.QueryCanceled as exc:
        raise UnavailableError(
            "the database could not be checked in time, perhaps because a table is"
            " locked; it is checked again at the next call"
        ) from exc


def _check_all(
    conn: psycopg.Connection[Any], identity: Identity | None
) -> tuple[PostureCheck, ...]:
    checks = [
        check_version(conn.info.server_version),
        _check_connection(conn),
        _read_clock(conn),
        _read_login_settings(conn),
        *_read_catalogue(conn),
    ]
    if identity is None:
        nobody = PostureCheck(
            name="canary",
            status="warn",
            detail="nobody to look as: give --user ID",
        )
        return (
            *checks,
            *(nobody.model_copy(update={"name": name}) for name in _OF_A_PERSON),
        )
    try:
        return (
            *checks,
            *send_canary(conn, identity),
            _read_personal_role(conn, identity),
            _read_totals(conn, identity),
        )
    except psycopg.Error as exc:
        if isinstance(exc, psycopg.errors.QueryCanceled) or is_transient(exc):
            raise
        # A function or a grant of zava's was changed, and another check says which.
        fault = [(exc.diag.message_primary or "a look fails", LOAD_AGAIN)]
        return (*checks, *(make_check(name, "", fault) for name in _OF_A_PERSON))


def _read_personal_role(
    conn: psycopg.Connection[Any], identity: Identity
) -> PostureCheck:
    """Say whether the login of a person may read personal data without their right.

    Nothing is read by it over zava: with psql a condition can run before the policy.
    A warning, because a person whose right has ended is served in the plain role.
    """
    faults = conn.execute(
        statement("posture_personal_role"), {"role_name": identity.role_name}
    ).fetchall()
    promise = "the login has no role for personal data but that of its person"
    return make_check("personal_role", promise, faults, fails=False)


def _read_totals(conn: psycopg.Connection[Any], identity: Identity) -> PostureCheck:
    """Say whether the person's answers are slow because nobody refreshes the totals."""
    (overdue,) = look(conn, identity, [statement("totals_overdue").encode()])
    faults = [
        (days, "/* run zava refresh every 10 to 15 minutes */") for days in overdue
    ]
    return make_check("totals", "the sales totals are refreshed", faults, fails=False)


def check_version(version: int) -> PostureCheck:
    """Return the check of PostgreSQL's version number, such as 160004."""
    old = [(f"version {version // 10000}", "upgrade PostgreSQL")]
    faults = old if version < _OLDEST else []
    return make_check("postgresql", "PostgreSQL is 16 or newer", faults)


def _check_connection(conn: psycopg.Connection[Any]) -> PostureCheck:
    """Say which way statements go; either is as safe as the other."""
    pooled = isinstance(conn, CancellableConnection) and conn.is_pooled
    way = (
        "through a pooler: settings go with each transaction, nothing is prepared"
        if pooled
        else "straight to PostgreSQL"
    )
    return make_check("connection", way, [])


def _read_clock(conn: psycopg.Connection[Any]) -> PostureCheck:
    row = conn.execute(statement("clock")).fetchone()
    here = datetime.now(timezone.utc).timestamp()
    return check_clock(float(row[0]) if row else here, here)


def check_clock(database: float, here: float) -> PostureCheck:
    """Return the check of this machine's clock; both in seconds since 1970."""
    ahead = round(here - database)
    way = "ahead of" if ahead > 0 else "behind"
    fault = (
        f"this machine's clock is {abs(ahead)} s {way} PostgreSQL's",
        "/* set the clock of this machine: periods such as today follow it */",
    )
    faults = [fault] if abs(ahead) > _SKEW_SECONDS else []
    promise = "this machine's clock and PostgreSQL's agree"
    return make_check("clock", promise, faults, fails=False)


def _read_login_settings(conn: psycopg.Connection[Any]) -> PostureCheck:
    """Check the two settings of the login that only a superuser can give."""
    wanted = {
        "shown_parameters": ("log_parameter_max_length", "0", {"0"}),
        "shown_temporary_files": ("temp_file_limit", "'2GB'", None),
    }
    login = sql.Identifier(conn.info.user).as_string()
    faults = []
    for name, (setting, value, good) in wanted.items():
        row = conn.execute(statement(name)).fetchone()
        current = str(row[0]) if row else ""
        if current not in good if good else current == "-1":
            fault = f"{setting} is {current}"
            remedy = f"ALTER ROLE {login} SET {setting} = {value};"
            faults.append((fault, remedy))
    promise = "the login's settings keep parameters out of the log, and files small"
    return make_check("login_settings", promise, faults, fails=False)


def _ask(
    conn: psycopg.Connection[Any],
    rule: _Rule,
    values: Mapping[str, Any],
    *,
    has_strangers: bool,
) -> psycopg.Cursor[Any]:
    text = statement(rule.statement).replace("{roles}", statement("posture_roles"))
    if "{reached}" in text:
        # To follow what leads to a function costs more than all else of the check.
        name = "posture_reached" if has_strangers else "posture_reached_nothing"
        text = text.replace("{reached}", statement(name))
    used = {name: value for name, value in values.items() if f"%({name})s" in text}
    return conn.execute(text, used) if used else conn.execute(text.encode())


def _known() -> dict[str, Any]:
    """Return what schema.sql makes, as the statements call it."""
    return {
        "known": [definition["name"] for definition in definitions()],
        "definitions": Jsonb(definitions()),
        "columns": list(columns()),
        "generated": list(generated_columns()),
        "grant_roles": [role for role, _, _ in grants()],
        "grant_tables": [table for _, table, _ in grants()],
        "grant_columns": [column for _, _, column in grants()],
        "triggers": Jsonb(triggers()),
        "views": list(views()),
        "view_digests": Jsonb(VIEW_DIGESTS),
    }


def _read_catalogue(conn: psycopg.Connection[Any]) -> Iterator[PostureCheck]:
    values = _known()
    row = conn.execute(
        statement("posture_strangers"), {"known": values["known"]}
    ).fetchone()
    has_strangers = row is None or bool(row[0])
    with conn.pipeline():
        conn.execute(statement("posture_begin"))
        for text in transaction_settings(conn):
            conn.execute(text)
        conn.execute(statement("posture_search_path"))
        conn.execute(statement("posture_patience"))
        cursors = [
            _ask(conn, rule, values, has_strangers=has_strangers) for rule in _RULES
        ]
        conn.execute(statement("rollback"))
    for rule, cursor in zip(_RULES, cursors, strict=True):
        yield make_check(rule.name, rule.promise, cursor.fetchall(), fails=rule.fails)
