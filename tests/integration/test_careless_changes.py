"""One careless change at a time: wherever another store's row shows, the doctor fails.

After each change every role in reach reads all that it may read, and tries what the
change opened. Then the remedies that the doctor prints are run until it passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from tests import doctor
from tests.conftest import PG_VERSION, RunPsql, load
from tests.integration.careless_changes import AMOUNT, GROUPS, Change, every_change
from tests.people import REDMOND, SEATTLE
from zava.admin.embedded import EmbeddedServer
from zava.admin.loading import DatabaseLoader

pytestmark = pytest.mark.thorough

# Each version of PostgreSQL meets a half of every kind.
CHANGES = [
    change
    for number, change in enumerate(every_change())
    if change.since <= PG_VERSION
    and (change.since > 16 or number % 2 == (PG_VERSION == 18))
]
CANARY = "canary-of-redmond"
# A few rows of each store are read hundreds of times.
SCALE = "0.0005"
PLANT = f"""
    DELETE FROM retail.inventory USING retail.products AS p WHERE p.product_id = inventory.product_id AND p.sku NOT LIKE 'HTHM%';
    DELETE FROM retail.search_vocabulary WHERE word > 'b';
    UPDATE retail.customers SET email = '{CANARY}@example.com'
    WHERE customer_id = (SELECT customer_id FROM retail.orders JOIN retail.stores USING (store_id)
                         WHERE manager_id = '{REDMOND}' LIMIT 1);
    UPDATE retail.orders SET total_amount = {AMOUNT}
    WHERE order_id = (SELECT order_id FROM retail.orders JOIN retail.stores USING (store_id)
                      WHERE manager_id = '{REDMOND}' LIMIT 1);
"""
# Queries that look for the marks in each table that a role may read.
READABLE = """
    SELECT format('SELECT %%4$L WHERE EXISTS (SELECT FROM %%1$s WHERE concat_ws('' '', %%2$s) LIKE ANY (%%3$L))', c.oid::regclass,
                  string_agg(quote_ident(a.attname), ', '), %(patterns)s::text[],
                  format('%%s shows %%s', c.oid::regclass, %(mark)s::text))
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relnamespace::regnamespace::text NOT IN
        ('pg_catalog', 'information_schema', 'pg_toast')
        AND has_schema_privilege(%(role)s, c.relnamespace, 'USAGE') AND has_column_privilege(%(role)s, c.oid, a.attnum, 'SELECT')
    GROUP BY c.oid
"""
# A group's role for personal data reads all that the group reads, and more.
ROLES = (*(f"{group}_personal" for group in GROUPS), "zava_server")
# Another store's, whatever the role: its keys, its customer, its order.
MARKS = f"""
    SELECT ARRAY[s.store_id::text, '{CANARY}', '{AMOUNT}', 'order no ', (SELECT encode(key, 'hex') FROM retail.identity_key),
                 'SCRAM-SHA-256$', 'pg_hba.conf']
    FROM retail.stores AS s WHERE s.manager_id = '{REDMOND}'
"""


@pytest.fixture(scope="module")
def planted(cluster: EmbeddedServer, run_psql: RunPsql) -> Iterator[str]:
    """A template with the canaries in it."""
    admin = cluster.conninfo(dbname="postgres", user="postgres")
    name = "zava_careless"
    load(cluster, run_psql, name, SCALE)
    with psycopg.connect(admin, autocommit=True) as conn:
        superuser = cluster.conninfo(dbname=name, user="postgres")
        with psycopg.connect(superuser, autocommit=True) as inside:
            inside.execute(PLANT.encode())
            inside.execute("ANALYZE")
        yield name
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def shop(cluster: EmbeddedServer, planted: str) -> Iterator[str]:
    """The name of a database of the test's own."""
    admin = cluster.conninfo(dbname="postgres", user="postgres")
    name = "zava_careless_clone"
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute(
            f"CREATE DATABASE {name} TEMPLATE {planted} STRATEGY FILE_COPY".encode()
        )
        conn.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC".encode())
        yield name
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def shown(login: str, superuser: psycopg.Connection[Any], change: Change) -> set[str]:
    """What other stores' rows and secrets show to the roles in reach, by where."""
    ((marks,),) = superuser.execute(MARKS.encode()).fetchall()
    patterns = [f"%{mark}%" for mark in marks]
    found = set()

    def shows(conn: psycopg.Connection[Any], query: str) -> bool:
        try:
            rows = conn.execute(query.encode()).fetchall()
        except psycopg.Error as exc:
            text = str(exc)  # an error may tell as much as a row
        else:
            text = " ".join(str(row[0]) for row in rows)
        return any(mark in text for mark in marks) or text in ("16\n", "18\n")

    with psycopg.connect(login, autocommit=True) as conn:
        for role in ROLES:
            conn.execute("DISCARD ALL")
            _become(conn, role, forged="!forged" in change.reads)
            readable = {"role": role, "patterns": patterns, "mark": marks[0]}
            queries = [query for (query,) in superuser.execute(READABLE, readable)]
            together = " UNION ALL ".join(queries or ["SELECT '' WHERE false"])
            try:
                found |= {where for (where,) in conn.execute(together.encode())}
            except psycopg.Error:
                found |= {query for query in queries if shows(conn, query)}
            found |= {
                read for read in change.reads if read != "!forged" and shows(conn, read)
            }
    return found


def _become(conn: psycopg.Connection[Any], role: str, *, forged: bool) -> None:
    with suppress(psycopg.Error):
        row = conn.execute(
            "SELECT seal FROM retail.resolve_identity(%s)", (SEATTLE,)
        ).fetchone()
        seal = "0" * 64 if forged or row is None else row[0]
        user_id = REDMOND if forged else SEATTLE
        conn.execute(f"SET app.current_rls_user_id = '{user_id}'".encode())
        conn.execute(f"SET app.current_rls_seal = '{seal}'".encode())
    with suppress(psycopg.Error):
        conn.execute(f"SET ROLE {role}".encode())


@pytest.fixture
def undo(cluster: EmbeddedServer) -> Iterator[list[str]]:
    statements: list[str] = []
    yield statements
    admin = cluster.conninfo(dbname="postgres", user="postgres")
    with psycopg.connect(admin, autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode())


def test_there_are_many_changes_of_every_kind() -> None:
    names = [change.name for change in every_change()]
    assert len(names) == len(set(names)) >= 170


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_the_doctor_names_a_careless_change_and_mends_it(
    cluster: EmbeddedServer,
    undo: list[str],
    shop: str,
    change: Change,
) -> None:
    admin = cluster.conninfo(dbname=shop, user="postgres")
    login = cluster.conninfo(dbname=shop, user="zava_server")
    if change.undo:
        undo.append(change.undo)
    with psycopg.connect(admin, autocommit=True) as superuser:
        superuser.execute(
            change.sql.replace("{database}", shop).replace("{canary}", CANARY).encode()
        )
        seen = shown(login, superuser, change)
        checks = doctor.look(login)
        worst = {check.status for check in checks.values() if check.name != "login"}
        if change.is_harmless:
            assert (worst, seen) == ({"pass"}, set())
        elif change.only_warns:
            assert ("warn" in worst, "fail" in worst, seen) == (True, False, set())
        else:
            assert "fail" in worst, seen
        if change.by_hand:
            superuser.execute(change.by_hand.encode())
            checks = doctor.look(login)
        for _ in range(12):
            faults = [
                check
                for check in checks.values()
                if check.status != "pass"
                and check.name not in ("login", "canary", "personal_role", "totals")
            ]
            if not faults:
                break
            for check in faults:
                assert check.remedy, check
                with suppress(psycopg.errors.UndefinedObject):
                    superuser.execute(check.remedy.encode())
            if any("load schema.sql" in check.remedy for check in faults):
                DatabaseLoader(admin).load_schema()
            checks = doctor.look(login)
        assert {c.name: c.detail for c in checks.values() if c.status != "pass"} == {
            "login": "zava_server"
        }
        assert not seen or shown(login, superuser, change) == set()


def test_the_changes_show_other_stores_rows_often(
    cluster: EmbeddedServer, shop: str
) -> None:
    # A look that finds nothing anywhere would prove nothing.
    admin = cluster.conninfo(dbname=shop, user="postgres")
    login = cluster.conninfo(dbname=shop, user="zava_server")
    with psycopg.connect(admin, autocommit=True) as superuser:
        assert shown(login, superuser, CHANGES[0]) == set()
        superuser.execute(CHANGES[0].sql.encode())
        assert shown(login, superuser, CHANGES[0]) != set()
