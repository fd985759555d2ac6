"""A person without the right to personal data reads no name and no address of anybody."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests.attacks import corpus
from tests.attacks.conftest import Outcomes
from tests.attacks.corpus import ANSWER, Text
from tests.attacks.oracle import CANARY
from tests.attacks.setting import EVERY_ROW, TOOL, Attacked, Target, found, one
from tests.conftest import PG_VERSION
from tests.e2e.stdio_process import StdioProcess
from tests.people import REDMOND
from zava.admin.embedded import EmbeddedServer
from zava.admin.loading import DatabaseLoader
from zava.admin.logins import BoundLogins

pytestmark = pytest.mark.thorough

ATTACKS = [text for text in corpus.read("personal") if text.since <= PG_VERSION]
REFUSED = [text for text in ATTACKS if text.expect == {"INSUFFICIENT_PRIVILEGE"}]


@pytest.fixture(scope="module")
def server(
    target: Target, attacked: Attacked, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StdioProcess]:
    """The server of a store manager without the right."""
    variables = {
        "ZAVA_DATABASE_URL": target.conninfo,
        "ZAVA_CACHE_TTL": "0",
        "ZAVA_LOG_LEVEL": "ERROR",
        **target.settings,
    }
    folder = tmp_path_factory.mktemp("without-the-right")
    with StdioProcess(REDMOND, folder, variables) as process:
        process.initialize()
        yield process


@pytest.fixture(scope="module")
def values(attacked: Attacked) -> dict[str, str]:
    (store,) = one(
        attacked.owner,
        "SELECT store_id FROM retail.stores WHERE manager_id = %s",
        REDMOND,
    )
    return {"own_manager": REDMOND, "own_store": store}


@pytest.fixture(scope="module")
def personal(attacked: Attacked) -> frozenset[str]:
    """E-mail addresses, whole names and loyalty numbers of every store's customers."""
    rows = attacked.owner.execute(
        "SELECT lower(email), lower(first_name || ' ' || last_name), lower(first_name || ',' || last_name), loyalty_number FROM retail.customers"
    )
    return frozenset(text for row in rows for text in row if text)


def test_every_attack_has_a_name_of_its_own() -> None:
    assert len(ATTACKS) >= 90
    assert len({str(attack) for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_an_attack_on_personal_data_brings_none(
    server: StdioProcess,
    values: dict[str, str],
    personal: frozenset[str],
    outcomes: Outcomes,
    attack: Text,
) -> None:
    sql = attack.filled(values)
    answer = server.call(TOOL, postgresql_query=sql, max_rows=EVERY_ROW)
    text = found(answer).text.lower()
    assert CANARY not in text
    assert [leak for leak in personal if leak in text and leak not in sql.lower()] == []
    code = answer.error["code"] if answer.is_error else ANSWER
    assert (code, answer.text[:500]) == (*attack.expect, answer.text[:500])
    outcomes["attacks on personal data", "refused" if answer.is_error else ANSWER] += 1


@pytest.mark.parametrize("attack", REFUSED, ids=str)
def test_only_a_missing_right_stops_an_attack_on_personal_data(
    attacked: Attacked, values: dict[str, str], attack: Text
) -> None:
    with attacked.owner.transaction(force_rollback=True):
        attacked.owner.execute(f"EXPLAIN {attack.filled(values)}".encode())


# Each reads values. With a password a condition may run before the policy: see docs/security.md.
WAYS = {
    "columns": "SELECT email, first_name, last_name, loyalty_number FROM retail.customers",
    "count": "SELECT count(*) FROM retail.customers",
    "like": "SELECT count(*) FROM retail.customers WHERE email LIKE '%a%'",
    "fails-at-a-value": "SELECT email::int FROM retail.customers",
    "join": "SELECT o.order_id, c.email FROM retail.orders AS o LEFT JOIN retail.customers AS c USING (customer_id)",
    "aggregate": "SELECT string_agg(email, ' ') FROM retail.customers",
    "cursor": "DECLARE mine CURSOR FOR SELECT email FROM retail.customers; FETCH ALL FROM mine",
    "explain-analyze": "EXPLAIN ANALYZE SELECT email FROM retail.customers",
}


def become(conn: psycopg.Connection, way: str) -> None:
    """Read personal data as Redmond's manager in a role that the login takes itself."""
    role, seal = one(
        conn, "SELECT role_name, seal FROM retail.resolve_identity(%s)", REDMOND
    )
    assert role == "store_managers"
    with conn.transaction():
        conn.execute("SELECT retail.set_identity(%s, %s)", (REDMOND, seal))
        conn.execute("SET LOCAL ROLE store_managers_personal")
        conn.execute(WAYS[way].encode())


@pytest.mark.parametrize("way", WAYS)
def test_a_login_that_takes_the_role_of_personal_data_by_itself_meets_the_mark(
    cluster: EmbeddedServer, attacked: Attacked, way: str
) -> None:
    dbname = attacked.owner.info.dbname
    conninfo = cluster.conninfo(dbname=dbname, user="zava_server")
    with (
        psycopg.connect(conninfo, autocommit=True) as conn,
        pytest.raises(psycopg.errors.InvalidAuthorizationSpecification),
    ):
        become(conn, way)


def test_a_login_of_a_person_without_the_right_cannot_take_that_role(
    cluster: EmbeddedServer, database: str
) -> None:
    admin = cluster.conninfo(dbname=database, user="postgres")
    logins = BoundLogins(DatabaseLoader(admin))
    login = f"login_{uuid.uuid4().hex}"
    logins.add(login, [REDMOND], None)
    try:
        conninfo = cluster.conninfo(dbname=database, user=login)
        with (
            psycopg.connect(conninfo, autocommit=True) as conn,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            become(conn, "columns")
    finally:
        logins.remove(login)


def test_without_an_identity_the_role_of_personal_data_shows_no_row(
    cluster: EmbeddedServer, attacked: Attacked
) -> None:
    dbname = attacked.owner.info.dbname
    conninfo = cluster.conninfo(dbname=dbname, user="zava_server")
    with psycopg.connect(conninfo) as conn:
        conn.execute("SET LOCAL ROLE store_managers_personal")
        assert one(conn, "SELECT count(email) FROM retail.customers") == ("0",)
