"""Two databases that differ in other stores' rows only, and one person in both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from uuid import uuid4

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from tests.attacks import plain_sql
from tests.people import REDMOND, SEATTLE
from zava.admin.embedded import EmbeddedServer

ROLE = "store_managers_personal"
SEATTLES = f"(SELECT store_id FROM retail.stores WHERE manager_id = '{SEATTLE}')"
REDMONDS = f"(SELECT store_id FROM retail.stores WHERE manager_id = '{REDMOND}')"
# What Seattle's customers buy in other stores; not what they brought back to Seattle, for that return names the order.
AWAY = f"""
    SELECT o.order_id FROM retail.orders AS o
    WHERE o.store_id <> {SEATTLES}
        AND o.customer_id IN (
            SELECT c.customer_id FROM retail.customers AS c WHERE c.store_id = {SEATTLES}
            UNION SELECT k.customer_id FROM retail.orders AS k WHERE k.store_id = {SEATTLES})
        AND NOT EXISTS (SELECT FROM retail.orders AS r WHERE r.returns_order_id = o.order_id AND r.store_id = {SEATTLES})
"""
QUIET = (
    f"WITH away AS ({AWAY}) DELETE FROM retail.orders WHERE store_id <> {SEATTLES}"
    " AND (order_id IN (SELECT order_id FROM away) OR returns_order_id IN (SELECT order_id FROM away))",
    f"UPDATE retail.customers SET store_ids = '{{}}' WHERE store_id = {SEATTLES}",
)
"""What happens in the other one: Seattle's customers have never bought elsewhere."""

_NAME = re.compile(r"twin_[0-9a-f]{32}")
BUSY = (
    "INSERT INTO retail.stores (name, location, manager_id)"
    " VALUES ('Zava Retail Walla Walla', 'Walla Walla', gen_random_uuid())",
    "INSERT INTO retail.customers (store_id, first_name, last_name, email)"
    " SELECT s.store_id, 'N' || g, 'M' || g, g || '@busy.example'"
    f" FROM retail.stores AS s, generate_series(1, 200) AS g WHERE s.manager_id = '{REDMOND}'",
    "INSERT INTO retail.orders (customer_id, store_id, order_date, total_amount)"
    " SELECT c.customer_id, c.store_id, '2026-02-03', 5 FROM retail.customers AS c"
    " WHERE c.email LIKE '%@busy.example'",
    # Each of Seattle's customers buys in Redmond too, some before they come to Seattle and some after.
    "INSERT INTO retail.orders (order_id, customer_id, store_id, order_date, total_amount)"
    f" SELECT md5('away' || c.customer_id || d)::uuid, c.customer_id, {REDMONDS}, d::timestamptz, 500"
    " FROM retail.customers AS c, unnest(ARRAY['2019-06-01', '2025-11-11', '2026-05-05']) AS d"
    f" WHERE c.store_id = {SEATTLES} AND md5(c.customer_id || d) < 'c'",
    "INSERT INTO retail.order_items (order_id, store_id, product_id, quantity, unit_price, total_amount)"
    " SELECT o.order_id, o.store_id, p.product_id, 1, 50, 50"
    " FROM retail.orders AS o, (SELECT product_id FROM retail.products ORDER BY sku LIMIT 10) AS p"
    f" WHERE o.total_amount = 500 AND o.store_id = {REDMONDS}",
    "INSERT INTO retail.orders (store_id, order_date, total_amount)"
    f" SELECT {REDMONDS}, '2026-02-03', 77 FROM generate_series(1, 50)",
    "UPDATE retail.inventory SET stock_level = stock_level + 7"
    f" WHERE store_id <> (SELECT store_id FROM retail.stores WHERE manager_id = '{SEATTLE}')",
    "UPDATE retail.orders SET status = 'returned' WHERE store_id ="
    " (SELECT store_id FROM retail.stores WHERE name = 'Zava Retail Spokane')",
    "DELETE FROM retail.order_items WHERE store_id ="
    " (SELECT store_id FROM retail.stores WHERE name = 'Zava Retail Tacoma')",
    "DELETE FROM retail.order_items WHERE order_id IN (SELECT order_id FROM retail.orders"
    " WHERE store_id = (SELECT store_id FROM retail.stores WHERE name = 'Zava Retail Everett'))",
    "VACUUM (FREEZE) retail.inventory",
)
"""What happens in one of them: rows come, change and go in every store but Seattle."""

REFRESHED = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT retail.refresh_sales_totals();"
    " SELECT retail.refresh_recommendations(); COMMIT",
    # What other stores sell together: so few orders have no pair that is no chance.
    "INSERT INTO retail.product_pairs (store_id, product_id, other_product_id, orders, customers)"
    " SELECT s.store_id, p.product_id, o.product_id, 5, 3 FROM retail.stores AS s,"
    " (SELECT product_id FROM retail.products ORDER BY sku LIMIT 1) AS p,"
    " (SELECT product_id FROM retail.products ORDER BY sku LIMIT 1 OFFSET 1) AS o"
    " WHERE s.name <> 'Zava Retail Seattle' ON CONFLICT DO NOTHING",
    # When the whole chain's totals were refreshed is no store's fact.
    "UPDATE retail.refreshes SET refreshed_at = '2026-04-01'",
)
"""Then the totals are refreshed in both."""

BUSY_AFTER = (
    "UPDATE retail.orders SET total_amount = total_amount + 1"
    f" WHERE store_id <> (SELECT store_id FROM retail.stores WHERE manager_id = '{SEATTLE}')"
    " AND order_date > '2026-05-01'",
)
"""And in one of them the other stores go on."""

BUSY_LAST = (
    f"UPDATE retail.product_pairs SET orders = orders + 1 WHERE store_id <> {SEATTLES}",
    # Also with customers of Seattle, after the refresh; and with anonymous ones.
    "INSERT INTO retail.orders (customer_id, store_id, order_date, total_amount)"
    f" SELECT c.customer_id, {REDMONDS}, d::timestamptz, 31 FROM retail.customers AS c,"
    f" unnest(ARRAY['2019-02-02', '2026-04-02', '2026-06-20']) AS d WHERE c.store_id = {SEATTLES}",
    "INSERT INTO retail.orders (store_id, order_date, total_amount)"
    f" SELECT {REDMONDS}, '2026-06-21', 13 FROM generate_series(1, 5)",
    "INSERT INTO retail.changed_orders (store_id, day, customer_id)"
    " SELECT o.store_id, o.business_day, o.customer_id FROM retail.orders AS o"
    f" WHERE o.store_id <> {SEATTLES} AND o.order_date > '2026-06-01'",
)
"""In the end, when Seattle has sold to new customers, these buy elsewhere too."""

OWN = (
    "INSERT INTO retail.customers (customer_id, store_id, first_name, last_name, email, created_at, updated_at)"
    " SELECT md5('customer' || g)::uuid, s.store_id, 'Own', 'Own', g || '@own.example', '2026-04-01', '2026-04-01'"
    f" FROM retail.stores AS s, generate_series(1, 40) AS g WHERE s.manager_id = '{SEATTLE}'",
    "INSERT INTO retail.orders (order_id, customer_id, store_id, order_date, total_amount, created_at, updated_at)"
    " SELECT md5('order' || email)::uuid, customer_id, store_id, '2026-04-02', 9, '2026-04-02', '2026-04-02'"
    " FROM retail.customers WHERE email LIKE '%@own.example'",
    "UPDATE retail.orders SET status = status WHERE order_id IN (SELECT order_id FROM retail.orders"
    f" WHERE store_id <> (SELECT store_id FROM retail.stores WHERE manager_id = '{SEATTLE}')"
    " ORDER BY order_id LIMIT 50)",
    "VACUUM",
)
"""What happens in both afterwards: Seattle sells the very same, and some of the others'."""


@dataclass(frozen=True)
class Twin:
    """One of the two.

    Attributes:
        seattle: A session that acts as Seattle's manager.
        superuser: Bound by nothing.
        login: How zava's login reaches it.
    """

    seattle: psycopg.Connection
    superuser: psycopg.Connection
    login: str


@contextmanager
def twins(cluster: EmbeddedServer, template: str) -> Iterator[tuple[Twin, Twin]]:
    """Make both from one template, so that object ids are the same, and let one be busy."""
    with ExitStack() as stack:
        admin = stack.enter_context(
            psycopg.connect(
                cluster.conninfo(dbname="postgres", user="postgres"), autocommit=True
            )
        )
        names = [f"twin_{uuid4().hex}" for _ in range(2)]
        for name in names:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
            admin.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC".encode())
            drop = f"DROP DATABASE {name} WITH (FORCE)"
            stack.callback(admin.execute, drop.encode())
        quiet, busy = (_open(stack, cluster, name) for name in names)
        for texts, happens_in in (
            (QUIET, [quiet]),
            (BUSY, [busy]),
            (REFRESHED, [quiet, busy]),
            (BUSY_AFTER, [busy]),
            (OWN, [quiet, busy]),
            (BUSY_LAST, [busy]),
            (("ANALYZE",), [quiet, busy]),
        ):
            for twin in happens_in:
                for text in texts:
                    twin.superuser.execute(text.encode())
        yield quiet, busy


def answer(conn: psycopg.Connection, sql: str) -> str:
    """Return rows or error as text, asked as zava asks: behind a cursor, rolled back.

    Rows are sorted, since without an ORDER BY they come in any order. The twins'
    names are made alike.

    Args:
        conn: A session of a twin.
        sql: One query.
    """
    server = conn.pgconn
    server.exec_(b"BEGIN")
    told = _told(server.exec_params(b"DECLARE asked CURSOR FOR " + sql.encode(), None))
    if not told:
        told = _told(server.exec_(b"FETCH ALL FROM asked"))
    server.exec_(b"ROLLBACK")
    return told


def _told(result: PGresult) -> str:
    if result.status == ExecStatus.FATAL_ERROR:
        return _NAME.sub("twin", result.error_message.decode())
    if result.status == ExecStatus.COMMAND_OK:
        return ""
    rows = (
        [result.get_value(row, column) for column in range(result.nfields)]
        for row in range(result.ntuples)
    )
    return repr(sorted(_NAME.sub("twin", repr(row)) for row in rows))


def _open(stack: ExitStack, cluster: EmbeddedServer, name: str) -> Twin:
    conninfo = cluster.conninfo(dbname=name, user="zava_server")
    seattle = stack.enter_context(plain_sql.connect(conninfo))
    (seal,) = seattle.execute(
        f"SELECT seal FROM retail.resolve_identity('{SEATTLE}')".encode()
    ).fetchone() or ("",)
    for text in (
        f"SET app.current_rls_user_id = '{SEATTLE}'",
        f"SET app.current_rls_seal = '{seal}'",
        "SET default_transaction_read_only = on",
        "SET statement_timeout = '60s'",
        f"SET ROLE {ROLE}",
    ):
        seattle.execute(text.encode())
    superuser = stack.enter_context(
        psycopg.connect(cluster.conninfo(dbname=name, user="postgres"), autocommit=True)
    )
    return Twin(seattle, superuser, conninfo)
