"""What the operator has set for the database or the login does not change answers."""

from __future__ import annotations

import psycopg
import pytest

from tests.conftest import StartPooler
from tests.people import SEATTLE
from zava.admin.embedded import EmbeddedServer
from zava.data.provider import PostgreSQLProvider

pytestmark = pytest.mark.thorough

# A setting that a database may come with, and a question that it would change.
SETTINGS = [
    ("extra_float_digits", "0", "SELECT (0.1::float8 + 0.2)::text", "0.30000000000000004"),
    ("bytea_output", "escape", "SELECT '\\xff'::bytea::text", "\\xff"),
    ("standard_conforming_strings", "off", "SELECT 'a\\\\b'", "a\\\\b"),
    ("backslash_quote", "on", "SELECT E'a''b'", "a'b"),
    ("quote_all_identifiers", "on", "SELECT quote_ident('orders')", "orders"),
    ("transform_null_equals", "on", "SELECT (NULL = NULL) IS NULL", True),
    ("array_nulls", "off", "SELECT ('{NULL}'::text[])[1] IS NULL", True),
    ("timezone", "America/Los_Angeles", "SELECT '2026-01-01 00:00+00'::timestamptz::text", "2026-01-01 00:00:00+00"),
    ("datestyle", "'German, DMY'", "SELECT ('03/04/2026'::date)::text", "2026-03-04"),
    ("intervalstyle", "iso_8601", "SELECT '36 hours'::interval::text", "36:00:00"),
    ("search_path", "pg_catalog", "SELECT count(*) FROM stores", 1),
    ("default_text_search_config", "'pg_catalog.simple'", "SELECT to_tsvector('hammers')::text", "'hammer':1"),
    ("default_transaction_read_only", "on", "SELECT count(*) FROM retail.stores", 1),
    ("default_transaction_isolation", "serializable", "SELECT count(*) FROM retail.stores", 1),
    ("statement_timeout", "200", "SELECT count(*) FROM retail.stores, generate_series(1, 5000000)", 5000000),
    ("lock_timeout", "1", "SELECT count(*) FROM retail.stores", 1),
    ("row_security", "off", "SELECT count(*) FROM retail.stores", 1),
    ("client_encoding", "latin1", "SELECT 'Zoë €'", "Zoë €"),
    ("timezone_abbreviations", "India", "SELECT '2026-01-01 00:00 IST'::timestamptz::text", "2025-12-31 22:00:00+00"),
]  # fmt: skip


@pytest.mark.parametrize("way", ["direct", "pooled"])
@pytest.mark.parametrize("where", ["database", "login"])
def test_settings_of_the_database_and_the_login_change_no_answer(
    cluster: EmbeddedServer,
    database: str,
    start_pooler: StartPooler,
    where: str,
    way: str,
) -> None:
    admin = cluster.conninfo(dbname=database, user="postgres")
    target = (
        f"DATABASE {database}"
        if where == "database"
        else f"ROLE zava_server IN DATABASE {database}"
    )
    with psycopg.connect(admin, autocommit=True) as conn:
        for name, value, _, _ in SETTINGS:
            quoted = value if value.startswith("'") else f"'{value}'"
            conn.execute(f"ALTER {target} SET {name} = {quoted}".encode())
    conninfo = cluster.conninfo(dbname=database, user="zava_server")
    if way == "pooled":
        conninfo = start_pooler(conninfo)
    provider = PostgreSQLProvider({"conninfo": conninfo})
    provider.open()
    try:
        seattle = provider.resolve_identity(SEATTLE)
        answers = {
            name: provider.fetch(query, seattle, 5).rows
            for name, _, query, _ in SETTINGS
        }
        posture = provider.check_posture(seattle)
    finally:
        provider.close()
    assert answers == {name: ((expected,),) for name, _, _, expected in SETTINGS}
    assert {check.name for check in posture if check.status != "pass"} == {"login"}
