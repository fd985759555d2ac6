"""What is attacked: a database with planted canaries, and the people who ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import psycopg

from tests.attacks.oracle import CANARY, Found, Oracle, Person
from tests.e2e.stdio_process import Answer, StdioProcess
from tests.people import SEATTLE

STORE_MANAGER = "store-manager"
REGION = "regional-manager"
HEAD_OFFICE = "head-office"
TOOL = "execute_sales_query"
EVERY_ROW = 1000
PEOPLE = (STORE_MANAGER, REGION, HEAD_OFFICE)
_REGIONS = {REGION: "Puget Sound Region", HEAD_OFFICE: "Head Office"}
# Whose rows each of them goes for.
_VICTIMS = {
    STORE_MANAGER: "Zava Retail Redmond",
    REGION: "Zava Retail Spokane",
    HEAD_OFFICE: "Zava Retail Online",
}

Servers = dict[str, StdioProcess]
"""By the name of the person served."""

WITNESS = """
SELECT (SELECT array_agg(name ORDER BY name) FROM retail.stores),
       (SELECT count(*) FROM retail.orders),
       (SELECT count(*) FROM retail.customers),
       current_user, session_user, pg_my_temp_schema()::int, current_schemas(true)::text[],
       extract(timezone FROM now()), to_char(date '2026-03-01', 'TMMonth'),
       1.5::float8::text, interval '36 hours'::text, date '2026-03-01'::text
"""
"""A question whose answer shows the state of the connection and of the person."""


_TABLES = (
    *("stores", "customers", "orders", "order_items", "inventory", "categories"),
    *("product_types", "products", "regional_managers", "regional_manager_stores"),
    *("login_identities", "identity_key", "personal_data_rights", "chain"),
    *("daily_sales", "daily_product_sales"),
    *(
        "monthly_product_sales",
        "kept_visits",
        "kept_customers",
        "product_pairs",
        "segment_products",
        "customer_segments",
    ),
)
_FINGERPRINT = {
    **{table: f"SELECT * FROM retail.{table}" for table in _TABLES},
    "relations": "SELECT oid, relname, relkind, relacl, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relnamespace <> 'pg_toast'::regnamespace",
    "functions": "SELECT oid, proname, proacl, prosrc, proconfig FROM pg_proc",
    "schemas": "SELECT nspname, nspacl FROM pg_namespace",
    "roles": "SELECT * FROM pg_authid",
    "memberships": "SELECT * FROM pg_auth_members",
    "settings of roles": "SELECT * FROM pg_db_role_setting",
    "policies": "SELECT * FROM pg_policy",
    "descriptions": "SELECT * FROM pg_description WHERE objoid >= 16384",
    "extensions": "SELECT * FROM pg_extension",
    "large objects": "SELECT * FROM pg_largeobject",
    "replication slots": "SELECT slot_name FROM pg_replication_slots",
    "prepared transactions": "SELECT * FROM pg_prepared_xacts",
    "advisory locks": "SELECT * FROM pg_locks WHERE locktype = 'advisory'",
    "open transactions": "SELECT state FROM pg_stat_activity WHERE usename = 'zava_server' AND state <> 'idle'",
    "configuration": "SELECT name, setting FROM pg_settings WHERE source <> 'session'",
    "files": "SELECT pg_stat_file('/tmp/zava-canary', true) IS NULL",
}


@dataclass(frozen=True)
class Target:
    """Where the servers under attack find their database.

    Attributes:
        conninfo: libpq connection string of the server's login.
        settings: More `ZAVA_…` variables.
    """

    conninfo: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Attacked:
    """A seeded database with canaries in it.

    Attributes:
        owner: A superuser's connection.
        people: The people who ask, by name.
        oracles: What each of them must not see.
        values: What the placeholders of the corpus stand for, by person.
    """

    owner: psycopg.Connection
    people: dict[str, Person]
    oracles: dict[str, Oracle]
    values: dict[str, dict[str, str]]


@contextmanager
def plant(owner: psycopg.Connection, login: str) -> Iterator[Attacked]:
    """Plant canaries, and keep a session of the same login with one in its SQL.

    Args:
        owner: A superuser's connection, in autocommit mode.
        login: libpq connection string of the server's login.
    """
    canaries = _plant_rows(owner)
    session_canary = f"{CANARY}-{uuid4().hex}"
    object_canary = f"{CANARY}-{uuid4().hex}"
    owner.execute("SELECT lo_from_bytea(0, %s)", (object_canary.encode(),))
    people = _people(owner)
    with psycopg.connect(login, autocommit=True) as bystander:
        seals = {name: _seal(bystander, person) for name, person in people.items()}
        (key,) = one(owner, "SELECT encode(key, 'hex') FROM retail.identity_key")
        secrets = [key, *seals.values(), session_canary, object_canary]
        oracles, values = {}, {}
        for name, person in people.items():
            hidden = [c for store, c in canaries.items() if store not in person.stores]
            oracles[name] = Oracle(owner, person, [*secrets, *hidden])
            values[name] = {
                **_victim(owner, name),
                "own_manager": person.user_id,
                "own_store": person.stores[0],
                "own_seal": seals[name],
                "head_office": people[HEAD_OFFICE].user_id,
                "other_pid": str(bystander.info.backend_pid),
            }
        bystander.execute(f"SELECT '{session_canary}'".encode())
        yield Attacked(owner, people, oracles, values)


def ask_all(servers: Servers, sql: dict[str, str]) -> dict[str, Answer]:
    """Ask everybody at once, each something of their own."""
    asked = {
        name: server.ask_tool(TOOL, postgresql_query=sql[name], max_rows=EVERY_ROW)
        for name, server in servers.items()
    }
    return {
        name: Answer(servers[name].receive(request)["result"])
        for name, request in asked.items()
    }


def found(answer: Answer) -> Found:
    """Return what the oracle has to search of an answer."""
    if answer.is_error:
        return Found.of_text(f"{answer.text} {answer.error}")
    structured = answer.structured
    # The time and the duration are left out: numbers of nobody's.
    columns = structured["columns"]
    result = Found.of_rows([c["type"] for c in columns], structured["rows"])
    names = " ".join(column["name"] for column in columns)
    return Found(f"{names} {result.text}", result.numbers)


def fingerprint(owner: psycopg.Connection) -> dict[str, str]:
    """Return what an attack could have changed: rows, objects, rights, sessions."""
    return {
        part: one(
            owner,
            f"SELECT coalesce(md5(string_agg(x::text, '|' ORDER BY x::text)), '') FROM ({query}) AS x",
        )[0]
        for part, query in _FINGERPRINT.items()
    }


def is_at_rest(owner: psycopg.Connection) -> bool:
    """Whether nobody of zava's login is at work or in a transaction."""
    return not owner.execute(_FINGERPRINT["open transactions"].encode()).fetchall()


def one(conn: psycopg.Connection, query: str, *values: object) -> tuple[str, ...]:
    """Return the only row, its columns as text."""
    (row,) = conn.execute(query.encode(), values).fetchall()
    return tuple(str(value) for value in row)


def _plant_rows(owner: psycopg.Connection) -> dict[str, str]:
    """Give every store a customer with an order that nothing else looks like."""
    canaries = {}
    stores = owner.execute("SELECT store_id FROM retail.stores ORDER BY name")
    for number, (store_id,) in enumerate(stores.fetchall()):
        canary = f"{CANARY}-{uuid4().hex[:16]}"
        canaries[str(store_id)] = canary
        owner.execute(
            "WITH c AS (INSERT INTO retail.customers (store_id, first_name, last_name, email)"
            " VALUES (%(store)s, %(canary)s::text, %(canary)s::text, %(canary)s::text || '@example.com')"
            " RETURNING customer_id)"
            " INSERT INTO retail.orders (customer_id, store_id, order_date, total_amount)"
            " SELECT customer_id, %(store)s, '2026-06-01', %(amount)s FROM c",
            {"store": store_id, "canary": canary, "amount": f"{1234567 + number}.89"},
        )
    owner.execute("ANALYZE")
    return canaries


def _people(owner: psycopg.Connection) -> dict[str, Person]:
    _, store = one(
        owner,
        "SELECT name, store_id FROM retail.stores WHERE manager_id = %s",
        SEATTLE,
    )
    people = {STORE_MANAGER: Person(STORE_MANAGER, SEATTLE, (store,))}
    for name, region in _REGIONS.items():
        rows = owner.execute(
            "SELECT m.user_id::text, r.store_id::text"
            " FROM retail.regional_managers AS m"
            " JOIN retail.regional_manager_stores AS r USING (user_id) WHERE m.name = %s",
            (region,),
        ).fetchall()
        people[name] = Person(name, rows[0][0], tuple(store for _, store in rows))
    return people


def _seal(login: psycopg.Connection, person: Person) -> str:
    (seal,) = one(login, "SELECT seal FROM retail.resolve_identity(%s)", person.user_id)
    return seal


def _victim(owner: psycopg.Connection, name: str) -> dict[str, str]:
    names = ("other_manager", "other_store", "other_email", "other_order")
    row = one(
        owner,
        "SELECT s.manager_id, s.store_id, c.email, o.order_id"
        " FROM retail.stores AS s JOIN retail.customers AS c USING (store_id)"
        " JOIN retail.orders AS o USING (customer_id)"
        " WHERE s.name = %s AND c.email <> '' AND c.store_ids = '{}'"
        " ORDER BY c.email, o.order_id LIMIT 1",
        _VICTIMS[name],
    )
    return dict(zip(names, row, strict=True))
