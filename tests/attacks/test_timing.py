"""No index reads more or fewer entries of other stores for what a manager asks of them.

How long a part of a query takes is no matter of these tests: they look at plans.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.conftest import PG_VERSION
from tests.people import REDMOND, SEATTLE
from zava.admin.embedded import EmbeddedServer

pytestmark = pytest.mark.thorough

LOWEST, HIGHEST = (
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
)
EXPLAIN = (
    "EXPLAIN (ANALYZE, COSTS OFF, BUFFERS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) "
)
# {x} is a customer of one's own, who also buys elsewhere; {other} is another store.
FORMS = {
    "customer": "retail.orders AS o WHERE o.customer_id = '{x}'",
    "customer-in": f"retail.orders AS o WHERE o.customer_id IN ('{{x}}', '{LOWEST}')",
    "range-of-one-customer": "retail.orders AS o WHERE o.customer_id >= '{x}' AND o.customer_id <= '{x}'",
    "rows-of-a-customer": "retail.orders AS o WHERE (o.customer_id, o.store_id) >= ('{x}', '{lowest}')"
    " AND (o.customer_id, o.store_id) <= ('{x}', '{highest}')",
    "rows-of-a-customer-twice": "retail.orders AS o WHERE o.customer_id = '{x}' AND (o.customer_id, o.store_id) >= ('{x}', '{lowest}')"
    " AND (o.customer_id, o.store_id) <= ('{x}', '{highest}')",
    "rows-of-a-customer-elsewhere": "retail.orders AS o WHERE (o.customer_id, o.store_id) >= ('{x}', '{other}')"
    " AND (o.customer_id, o.store_id) <= ('{x}', '{other}')",
    "days-of-a-customer-elsewhere": "retail.orders AS o"
    " WHERE (o.customer_id, o.store_id, o.is_return, o.sold_on) >= ('{x}', '{other}', false, '2026-01-01')"
    " AND (o.customer_id, o.store_id, o.is_return, o.sold_on) < ('{x}', '{other}', false, '2026-07-01')",
    "rows-of-a-store": "retail.orders AS o WHERE (o.store_id, o.customer_id) >= ('{other}', '{x}')"
    " AND (o.store_id, o.customer_id) <= ('{other}', '{x}')",
    "rows-of-a-product": "retail.order_items AS o WHERE (o.product_id, o.store_id) >= ('{product}', '{lowest}')"
    " AND (o.product_id, o.store_id) <= ('{product}', '{highest}')",
    "rows-of-a-product-elsewhere": "retail.order_items AS o WHERE (o.product_id, o.store_id) >= ('{product}', '{other}')"
    " AND (o.product_id, o.store_id) <= ('{product}', '{other}')",
    "product": "retail.order_items AS o WHERE o.product_id = '{product}'",
}  # fmt: skip
OLD_INDEXES = (
    "DROP INDEX retail.orders_store_id_visits_idx, retail.order_items_store_id_product_id_idx",
    "CREATE INDEX ON retail.orders (customer_id, store_id, is_return, sold_on)",
    "CREATE INDEX ON retail.order_items (product_id, store_id)",
)


@pytest.fixture
def owner(cluster: EmbeddedServer, seeded: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(cluster.conninfo(dbname=seeded, user="postgres")) as conn:
        yield conn
        conn.rollback()


def one(conn: psycopg.Connection, sql: str) -> Any:
    row = conn.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def values(owner: psycopg.Connection) -> dict[str, str]:
    own, other = (
        one(owner, f"SELECT store_id FROM retail.stores WHERE manager_id = '{who}'")
        for who in (SEATTLE, REDMOND)
    )
    elsewhere = (
        f"SELECT o.customer_id FROM retail.orders AS o WHERE o.store_id <> '{own}' AND o.customer_id IN"
        f" (SELECT k.customer_id FROM retail.orders AS k WHERE k.store_id = '{own}') GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    )
    product = "SELECT min(product_id::text) FROM retail.order_items"
    return {
        "x": str(one(owner, elsewhere)),
        "other": str(other),
        "product": one(owner, product),
        "lowest": LOWEST,
        "highest": HIGHEST,
    }


def act(conn: psycopg.Connection, user_id: str, role: str) -> None:
    """Go on as a manager whom the server's login serves, within this transaction."""
    conn.execute("SET LOCAL SESSION AUTHORIZATION zava_server")
    seal = one(conn, f"SELECT seal FROM retail.resolve_identity('{user_id}')")
    conn.execute("SELECT retail.set_identity(%s, %s)", (user_id, seal))
    conn.execute(f"SET LOCAL ROLE {role}".encode())
    conn.execute("SET LOCAL cpu_operator_cost = 0")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def scans(conn: psycopg.Connection, rest: str) -> list[dict[str, Any]]:
    """Return the nodes that read the one table of a query, not those of its policy."""
    found = conn.execute(f"{EXPLAIN} SELECT 1 FROM {rest}".encode()).fetchone()
    assert found is not None
    plans = found[0] if isinstance(found[0], list) else json.loads(found[0])
    return [
        node
        for node in nodes(plans[0]["Plan"])
        if "Scan" in node["Node Type"] and node.get("Parent Relationship") != "InitPlan"
    ]


def reads_of_others(conn: psycopg.Connection, rest: str) -> list[str]:
    """Return the scans of a query that can come upon rows that the caller does not see."""
    read = scans(conn, rest)
    assert read
    bad = []
    for node in read:
        removed = node.get("Rows Removed by Filter", 0) + node.get(
            "Rows Removed by Index Recheck", 0
        )
        # A bitmap's heap follows its index.
        is_bound = node["Node Type"] == "Bitmap Heap Scan" or (
            "(store_id = (InitPlan" in node.get("Index Cond", "")
            or "(store_id = $" in node.get("Index Cond", "")
        )
        if removed or not is_bound:
            bad.append(json.dumps(node))
    return bad


@pytest.mark.parametrize("form", FORMS)
def test_no_scan_reads_entries_of_other_stores(
    owner: psycopg.Connection, values: dict[str, str], form: str
) -> None:
    act(owner, SEATTLE, "store_managers")
    assert reads_of_others(owner, FORMS[form].format(**values)) == []


def test_with_the_customer_and_the_product_first_a_scan_would_read_them(
    owner: psycopg.Connection, values: dict[str, str]
) -> None:
    for statement in OLD_INDEXES:
        owner.execute(statement.encode())
    act(owner, SEATTLE, "store_managers")
    conditions = [
        node["Index Cond"]
        for form in ("rows-of-a-customer-elsewhere", "rows-of-a-product-elsewhere")
        for node in scans(owner, FORMS[form].format(**values))
        if "Index Cond" in node
    ]
    first = [
        c for c in conditions if c.startswith(("((customer_id", "((ROW(", "(ROW("))
    ]
    assert first


def removed_for(conn: psycopg.Connection, condition: str) -> int:
    return sum(
        node.get("Rows Removed by Filter", 0) * node["Actual Loops"]
        for node in scans(conn, f"retail.customers AS c WHERE {condition}")
    )


def test_no_index_takes_a_range_of_e_mail_addresses(
    owner: psycopg.Connection, values: dict[str, str]
) -> None:
    theirs = one(
        owner,
        f"SELECT min(email) FROM retail.customers WHERE store_id = '{values['other']}' AND email > 'b'",
    )
    act(owner, SEATTLE, "store_managers_personal")
    within = f"c.store_id = '{values['other']}' AND c.email >= '{{0}}' AND c.email < '{{0}}~'"
    conditions = [within.format(theirs[:length]) for length in (1, 3, len(theirs))] + [
        within.format("!")
    ]
    for condition in conditions:
        assert not any(
            "email" in node.get("Index Cond", "")
            for node in scans(owner, f"retail.customers AS c WHERE {condition}")
        )
    assert removed_for(owner, conditions[2]) == removed_for(owner, conditions[3])


CLOCKS = ["clock_timestamp()", "timeofday()"] + (
    ["uuidv7()", "uuidv7(interval '1 day')"] if PG_VERSION >= 18 else []
)


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("role", ["store_managers", "regional_managers_personal", "zava_server"])  # fmt: skip
def test_nobody_reads_a_clock_within_a_query(
    owner: psycopg.Connection, clock: str, role: str
) -> None:
    owner.execute(f"SET LOCAL ROLE {role}".encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute(f"SELECT {clock}".encode())


def test_no_function_that_a_role_may_call_keeps_others_waiting_for_a_table(
    owner: psycopg.Connection, cluster: EmbeddedServer, seeded: str
) -> None:
    # What autovacuum holds; a function that asks for a lock against it would end it.
    owner.execute("LOCK TABLE retail.orders IN SHARE UPDATE EXCLUSIVE MODE")
    with psycopg.connect(
        cluster.conninfo(dbname=seeded, user="postgres"), autocommit=True
    ) as conn:
        names = conn.execute(
            "SELECT p.oid::regproc::text, format_type(p.proargtypes[0], NULL), p.pronargs FROM pg_proc AS p"
            " WHERE p.proargtypes[0] IN ('regclass'::regtype, 'oid'::regtype) AND p.prokind = 'f' AND p.provariadic = 0"
            " AND has_function_privilege('store_managers', p.oid, 'EXECUTE') AND p.pronargs <= 2"
            " AND (p.pronargs = 1 OR p.proargtypes[1] IN ('bigint'::regtype, 'integer'::regtype, 'boolean'::regtype, 'text'::regtype))"
            " AND p.prorettype <> 'internal'::regtype"
        ).fetchall()
        assert len(names) > 40
        conn.execute("SET lock_timeout = '50ms'")
        conn.execute("SET ROLE store_managers")
        waited = []
        for name, kind, arguments in names:
            call = f"SELECT {name}('retail.orders'::regclass::{kind}{', NULL' * (arguments - 1)})"
            for text in {call, call.replace(", NULL", ", '1'")}:
                try:
                    with conn.transaction(force_rollback=True):
                        conn.execute(text.encode())
                except psycopg.errors.LockNotAvailable:
                    waited.append(text)
                except psycopg.Error:
                    pass
    assert waited == []
