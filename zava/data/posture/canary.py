"""A canary: a look for rows of other stores in every table with a store.

It looks as the person served, with a seal that does not fit, as somebody else and
as nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from zava.data.connection import transaction_settings
from zava.data.pipeline import Statement, exchange
from zava.data.posture.findings import LOAD_AGAIN, make_check
from zava.data.statements import statement
from zava.data.transaction import identity_statements
from zava.models import Identity, PostureCheck

_PROBES = {"customers": "canary_probe_customers"}
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)


def send_canary(
    conn: psycopg.Connection[Any], identity: Identity
) -> tuple[PostureCheck, PostureCheck]:
    """Return how `identity` and `canary` went.

    Args:
        conn: The server's own login, in autocommit mode, outside a transaction.
        identity: Who is served.
    """
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
    stores, others = look(
        conn,
        identity,
        [_query("canary_stores"), _probe(conn, tables, identity.store_ids)],
    )
    looks = {"of another store": others}
    for name, disguise in disguises.items():
        nobody = [_query("canary_nobody")] if disguise is None else []
        *_, looks[name] = look(
            conn, disguise or identity, [*nobody, _probe(conn, tables, ())]
        )
    seen = [UUID(text) for text in stores]
    faults = [
        (f"{table} shows rows {name}", LOAD_AGAIN)
        for name, shown in looks.items()
        for table in shown
    ]
    if not tables:
        faults = [("no table can be read", LOAD_AGAIN)]
    return (
        _judge_identity(identity, seen),
        make_check("canary", "a look for other stores' rows finds none", faults),
    )


def _judge_identity(identity: Identity, seen: Iterable[UUID]) -> PostureCheck:
    faults = []
    if not identity.store_ids:
        faults.append(
            ("it sees no store", "list its stores in retail.regional_manager_stores")
        )
    if identity.group == "store_managers" and len(identity.store_ids) > 1:
        faults.append(("a store manager of several stores", LOAD_AGAIN))
    if set(seen) != set(identity.store_ids):
        faults.append(
            (
                "it does not see exactly the stores that it has",
                LOAD_AGAIN,
            )
        )
    promise = f"it sees its own stores, {len(identity.store_ids)} in number"
    return make_check("identity", promise, faults)


def look(
    conn: psycopg.Connection[Any], identity: Identity, queries: Sequence[Statement]
) -> list[list[str]]:
    """Return the first column of each query, as `identity`; empty if refused.

    Args:
        conn: The server's own login, in autocommit mode, outside a transaction.
        identity: Who looks.
        queries: Without parameters.
    """
    before = [
        _query("posture_begin"),
        *transaction_settings(conn),
        *map(_query, ("posture_patience", "canary_by_index")),
        *identity_statements(identity),
    ]
    try:
        results = exchange(conn, [*before, *queries])
    except psycopg.errors.InvalidAuthorizationSpecification:
        return [[] for _ in queries]
    finally:
        conn.rollback()
    return [
        [(result.get_value(row, 0) or b"").decode() for row in range(result.ntuples)]
        for result in results[len(before) :]
    ]


def _query(name: str) -> Statement:
    return statement(name).encode()


def _probe(
    conn: psycopg.Connection[Any], tables: Sequence[str], known: Sequence[UUID]
) -> Statement:
    """A look into every table for rows of stores that are not `known`."""
    edges = sorted(known)
    gaps = {"after": [_FIRST, *edges], "before": [*edges, _LAST]}
    probes = [
        sql.SQL(statement(_PROBES.get(table, "canary_probe"))).format(
            name=sql.Literal(table), table=sql.Identifier(table)
        )
        for table in tables
    ]
    text = sql.SQL(" UNION ALL ").join(probes)
    return psycopg.ClientCursor(conn).mogrify(text, gaps).encode()
