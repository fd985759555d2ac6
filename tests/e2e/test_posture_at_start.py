"""A server whose database does not keep stores apart: it serves nobody."""

from __future__ import annotations

import psycopg
import pytest

from tests.e2e.conftest import Start
from tests.e2e.flaky_proxy import FlakyProxy
from tests.people import SEATTLE
from zava.admin.embedded import EmbeddedServer

pytestmark = pytest.mark.thorough

SQL = "SELECT name FROM retail.stores"
ROWS = [["Zava Retail Seattle"]]
BREAK = "ALTER TABLE retail.orders DISABLE ROW LEVEL SECURITY"
MEND = "ALTER TABLE retail.orders ENABLE ROW LEVEL SECURITY"


@pytest.fixture
def admin(cluster: EmbeddedServer, database: str) -> psycopg.Connection:
    conninfo = cluster.conninfo(dbname=database, user="postgres")
    return psycopg.connect(conninfo, autocommit=True)


@pytest.fixture
def served(cluster: EmbeddedServer, database: str) -> str:
    return cluster.conninfo(dbname=database, user="zava_server")


@pytest.mark.acceptance("D11")
def test_it_does_not_start_and_says_which_check_fails_and_how_to_mend_it(
    start: Start, admin: psycopg.Connection, served: str
) -> None:
    with admin:
        admin.execute(BREAK)
    process = start(handshake=False, database_url=served)
    process.refusal()
    assert "row_security" in process.stderr
    assert "canary" in process.stderr
    assert "ALTER TABLE retail.orders ENABLE ROW LEVEL SECURITY" in process.stderr


def test_a_failure_that_the_operator_allows_does_not_keep_it_from_starting(
    start: Start, admin: psycopg.Connection, served: str
) -> None:
    with admin:
        admin.execute("GRANT CREATE ON SCHEMA retail TO PUBLIC")
        admin.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
        admin.execute("GRANT UPDATE ON retail.categories TO PUBLIC")
    one = start(handshake=False, database_url=served, allow="create_grants")
    one.refusal()
    assert "check write_grants," in one.stderr
    both = start(database_url=served, allow="create_grants,write_grants")
    assert both.query(SQL).structured["rows"] == ROWS


def test_what_lets_a_query_become_its_login_is_not_allowed_to_zava_server(
    start: Start, admin: psycopg.Connection, served: str
) -> None:
    with admin:
        admin.execute("GRANT EXECUTE ON FUNCTION ts_stat(text) TO PUBLIC")
    refused = start(handshake=False, database_url=served, allow="server_functions")
    refused.refusal()
    assert "check server_functions," in refused.stderr
    assert "zava login add" in refused.stderr


@pytest.mark.parametrize("allow", ["all", "cannary"])
def test_a_check_that_does_not_exist_cannot_be_allowed(
    start: Start, allow: str
) -> None:
    process = start(handshake=False, allow=allow)
    process.refusal()
    assert f"no check '{allow}'" in process.stderr


def test_a_database_that_comes_up_broken_is_not_read_until_it_is_mended(
    start: Start, admin: psycopg.Connection, served: str
) -> None:
    with FlakyProxy(served) as proxy, admin:
        process = start(database_url=proxy.conninfo, retry_attempts="1")
        assert process.query(SQL).error["code"] == "UNAVAILABLE"
        admin.execute(BREAK)
        proxy.up()
        for name, arguments in (
            ("execute_sales_query", {"postgresql_query": SQL}),
            ("get_multiple_table_schemas", {"table_names": ["orders"]}),
            ("get_store_performance", {"store_id": "Seattle", "time_period": "2026"}),
        ):
            answer = process.call(name, **arguments)
            assert answer.error["code"] == "CONFIGURATION_ERROR"
            assert "row_security" in answer.text
            assert "retail.orders" not in answer.text  # that is for the operator
        health = process.call("health_check").structured["database"]
        assert health.startswith("unhealthy: ")
        assert "row_security" in health
        admin.execute(MEND)
        assert process.query(SQL).structured["rows"] == ROWS
        assert process.call("health_check").structured["database"] == "healthy"


def test_a_superuser_serves_nobody_even_if_bound_to_somebody(
    start: Start, admin: psycopg.Connection
) -> None:
    superuser = admin.info.dsn
    with admin:
        admin.execute(
            "INSERT INTO retail.login_identities (login, user_id) VALUES (%s, %s)",
            ("postgres", SEATTLE),
        )
    process = start(handshake=False, database_url=superuser)
    process.refusal()
    assert "check superuser fails" in process.stderr
