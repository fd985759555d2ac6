"""Whether the database keeps stores apart: read from its catalogue, and tried.

The catalogue is read as the server's own login, in one round trip. Then a canary
looks for rows of other stores in every table with a store, as the person served,
with a seal that does not fit, as somebody else and as nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from zava.data.cancellation import CancellableConnection
from zava.data.statements import statement
from zava.data.transaction import identity_statements
from zava.errors import UnavailableError
from zava.models import Identity, PostureCheck

_OLDEST = 160000
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)
_SHOWN = 3


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
    _Rule(
        "posture_row_security",
        "row level security is forced on every table with a store",
    ),
    _Rule(
        "posture_policies", "policies show the stores of the identity and nothing else"
    ),
    _Rule(
        "posture_references",
        "no table in reach hangs on a store's rows without policies",
    ),
    _Rule("posture_views", "every view in reach reads with its caller's rights"),
    _Rule("posture_materialized_views", "no copy of stores' rows is in reach"),
    _Rule("posture_foreign_tables", "no foreign table is in reach"),
    _Rule("posture_functions", "no unknown SECURITY DEFINER function is in reach"),
    _Rule("posture_write_grants", "no role in reach may write"),
    _Rule("posture_create_grants", "no role in reach may create"),
    _Rule("posture_temporary", "no role in reach makes temporary objects", fails=False),
    _Rule("posture_secrets", "who may see what is hidden, and the key of the seals"),
    _Rule("posture_system_columns", "system columns are closed", fails=False),
    _Rule("posture_set_config", "a query cannot change settings"),
    _Rule("posture_server_functions", "functions with lasting effects are closed"),
    _Rule(
        "posture_server_statistics", "the server's statistics are closed", fails=False
    ),
    _Rule("posture_login", "the login may act as its own people only", fails=False),
)

CHECKS = (
    "postgresql",
    "connection",
    *(rule.name for rule in _RULES),
    "identity",
    "canary",
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
        UnavailableError: A table is locked, or has no index with store_id.
        psycopg.Error: The catalogue could not be read.
    """
    try:
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
        *_read_catalogue(conn),
    ]
    if identity is None:
        nobody = PostureCheck(
            name="canary",
            status="warn",
            detail="nobody to look as: give --user ID",
        )
        return (*checks, nobody.model_copy(update={"name": "identity"}), nobody)
    return (*checks, *_send_canary(conn, identity))


def check_version(version: int) -> PostureCheck:
    """Return the check of PostgreSQL's version number, such as 160004."""
    old = [(f"version {version // 10000}", "upgrade PostgreSQL")]
    faults = old if version < _OLDEST else []
    return _check("postgresql", "PostgreSQL is 16 or newer", faults)


def _check(
    name: str, promise: str, faults: Sequence[tuple[str, str]], *, fails: bool = True
) -> PostureCheck:
    if not faults:
        return PostureCheck(name=name, status="pass", detail=promise)
    return PostureCheck(
        name=name,
        status="fail" if fails else "warn",
        detail=_some([fault for fault, _ in faults], ", "),
        remedy=_some([remedy for _, remedy in faults], " "),
    )


def _check_connection(conn: psycopg.Connection[Any]) -> PostureCheck:
    """Say which way statements go; either is as safe as the other."""
    pooled = isinstance(conn, CancellableConnection) and conn.is_pooled
    way = (
        "through a pooler: settings go with each transaction, nothing is prepared"
        if pooled
        else "straight to PostgreSQL"
    )
    return _check("connection", way, [])


def _some(texts: Sequence[str], separator: str) -> str:
    unique = list(dict.fromkeys(texts))
    more = f" and {len(unique) - _SHOWN} more" if len(unique) > _SHOWN else ""
    return separator.join(unique[:_SHOWN]) + more


def _read_catalogue(conn: psycopg.Connection[Any]) -> Iterator[PostureCheck]:
    with conn.pipeline():
        conn.execute(statement("posture_begin"))
        conn.execute(statement("posture_search_path"))
        conn.execute(statement("posture_patience"))
        cursors = [conn.execute(statement(rule.statement).encode()) for rule in _RULES]
        conn.execute(statement("rollback"))
    for rule, cursor in zip(_RULES, cursors, strict=True):
        yield _check(rule.name, rule.promise, cursor.fetchall(), fails=rule.fails)


def _send_canary(
    conn: psycopg.Connection[Any], identity: Identity
) -> tuple[PostureCheck, PostureCheck]:
    """Return how `identity` and `canary` went."""
    disguises = {
        "with a forged seal": identity.model_copy(update={"seal": "0" * 64}),
        "as somebody else": identity.model_copy(update={"user_id": uuid4()}),
        "as nobody": None,
    }
    tables = [
        row[0]
        for row in conn.execute(
            statement("posture_tenant_tables"), {"role_name": identity.role_name}
        )
    ]
    with conn.pipeline():
        conn.execute(statement("posture_begin"))
        conn.execute(statement("posture_patience"))
        conn.execute(statement("canary_by_index"))
        _become(conn, identity)
        stores = conn.execute(statement("canary_stores"))
        looks = {"of another store": _probe(conn, tables, identity.store_ids)}
        for name, disguise in disguises.items():
            conn.execute(statement("canary_role_none"))
            _become(conn, disguise or identity)
            if disguise is None:
                conn.execute(statement("canary_nobody"))
            looks[name] = _probe(conn, tables, ())
        conn.execute(statement("rollback"))
    seen = [row[0] for row in stores.fetchall()]
    faults = [
        (f"{table} shows rows {name}", "load schema.sql again")
        for name, cursor in looks.items()
        for (table,) in cursor.fetchall()
    ]
    if not tables:
        faults = [("no table can be read", "load schema.sql again")]
    return (
        _judge_identity(identity, seen),
        _check("canary", "a look for other stores' rows finds none", faults),
    )


def _judge_identity(identity: Identity, seen: Iterable[UUID]) -> PostureCheck:
    faults = []
    if not identity.store_ids:
        faults.append(
            ("it sees no store", "list its stores in retail.regional_manager_stores")
        )
    if identity.role_name == "store_managers" and len(identity.store_ids) > 1:
        faults.append(("a store manager of several stores", "load schema.sql again"))
    if set(seen) != set(identity.store_ids):
        faults.append(
            ("it does not see exactly the stores that it has", "load schema.sql again")
        )
    promise = f"it sees its own stores, {len(identity.store_ids)} in number"
    return _check("identity", promise, faults)


def _become(conn: psycopg.Connection[Any], identity: Identity) -> None:
    for setting in identity_statements(identity):
        conn.execute(setting)


def _probe(
    conn: psycopg.Connection[Any], tables: Sequence[str], known: Sequence[UUID]
) -> psycopg.Cursor[Any]:
    """Look in every table for rows of stores that are not `known`."""
    edges = sorted(known)
    gaps = {"after": [_FIRST, *edges], "before": [*edges, _LAST]}
    probe = sql.SQL(statement("canary_probe"))
    probes = [
        probe.format(name=sql.Literal(table), table=sql.Identifier(table))
        for table in tables
    ]
    return conn.execute(sql.SQL(" UNION ALL ").join(probes), gaps)
