"""Calls of every function that a role may execute, with arguments of each type.

Each call is one expression. What it answers, be it a value or an error, is what a
tenant can learn from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, product

import psycopg

TRIES = 6
"""How many combinations of arguments each function is called with."""

FUNCTIONS = """
SELECT p.oid::regprocedure::text, p.prokind::text, quote_ident(n.nspname) || '.' || quote_ident(p.proname),
       ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, i) ORDER BY i)
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE has_function_privilege(%(role)s, p.oid, 'EXECUTE') AND has_schema_privilege(%(role)s, n.oid, 'USAGE')
    AND p.prokind IN ('f', 'a') AND p.provariadic = 0
    AND NOT 'internal'::regtype = ANY (p.proargtypes::oid[])
    AND p.prorettype <> ALL (ARRAY['trigger', 'event_trigger', 'internal', 'language_handler']::regtype[])
ORDER BY 1
"""

ORDERS = "'retail.orders'"
NUMBERS = ("1", "0", "-1")
SAMPLES: Mapping[str, tuple[str, ...]] = {
    "oid": (
        f"{ORDERS}::regclass::oid",
        "(SELECT oid FROM pg_database WHERE datname = 'template1')",
        "'retail.orders_pkey'::regclass::oid",
        "'zava_owner'::regrole::oid",
        "16384",
    ),
    "regclass": (f"{ORDERS}::regclass", "'retail.identity_key'::regclass"),
    "name": (ORDERS, "'template1'", "'store_managers'"),
    "text": (ORDERS, "'retail'", "'SELECT'", "'1'"),
    "cstring": (f"{ORDERS}::cstring",),
    "character varying": (ORDERS,),
    "integer": NUMBERS,
    "smallint": NUMBERS,
    "bigint": NUMBERS,
    "numeric": NUMBERS,
    "real": NUMBERS,
    "double precision": NUMBERS,
    "boolean": ("true", "false"),
    "xid": ("'3'::xid", "'750'::xid"),
    "xid8": ("'3'::xid8", "'750'::xid8"),
    "tid": ("'(0,1)'::tid",),
    "uuid": ("'00000000-0000-0000-0000-000000000001'::uuid",),
    "pg_lsn": ("'0/1'::pg_lsn",),
    "pg_snapshot": ("'1:9:'::pg_snapshot",),
    "date": ("date '2026-03-01'",),
    "timestamp without time zone": ("timestamp '2026-03-01'",),
    "timestamp with time zone": ("timestamptz '2026-03-01'",),
    "interval": ("interval '1 day'",),
    "json": ("'{}'::json",),
    "jsonb": ("'{}'::jsonb",),
    "anyelement": ("1", "(SELECT max(name) FROM retail.stores)"),
    "anyarray": ("ARRAY[1]",),
    '"any"': ("'x'::text", "(SELECT max(name) FROM retail.products)"),
}


def calls(conn: psycopg.Connection, role: str) -> Iterator[tuple[str, str]]:
    """Return the signature and the SQL of each call, those of one function together."""
    functions = conn.execute(FUNCTIONS.encode(), {"role": role}).fetchall()
    for signature, kind, name, types in functions:
        choices = [SAMPLES.get(t, (f"NULL::{t}", f"'1'::{t}")) for t in types]
        for arguments in islice(product(*choices), TRIES):
            listed = ", ".join(arguments)
            if kind == "a" and not types:
                listed = "*"
            yield signature, f"SELECT {name}({listed})"


COLUMNS = """
SELECT c.oid::regclass::text, quote_ident(a.attname)
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT a.attisdropped
    AND has_schema_privilege(%(role)s, c.relnamespace, 'USAGE') AND has_column_privilege(%(role)s, c.oid, a.attnum, 'SELECT')
ORDER BY 1, a.attnum
"""


def columns(conn: psycopg.Connection, role: str) -> Mapping[str, list[str]]:
    """Return the columns that a role may read by their relation, system columns too."""
    rows = conn.execute(COLUMNS.encode(), {"role": role}).fetchall()
    found: dict[str, list[str]] = {}
    for relation, column in rows:
        found.setdefault(relation, []).append(column)
    return found
