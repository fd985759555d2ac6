"""Database logins that are bound to people: made, listed, removed, and attacked.

The attacks connect with psycopg alone, as anyone who holds the password can.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from tests.people import NIL, REDMOND, SEATTLE, STRANGER
from zava.admin.embedded import EmbeddedServer
from zava.admin.loading import DatabaseLoader
from zava.admin.logins import BoundLogins
from zava.cli import main
from zava.data.provider import PostgreSQLProvider
from zava.errors import (
    AuthorizationError,
    ConfigurationError,
    MCPError,
    ValidationError,
)

pytestmark = pytest.mark.thorough

Connection = psycopg.Connection[Any]

TABLES_WITH_A_STORE = (
    "stores",
    "customers",
    "orders",
    "order_items",
    "inventory",
    "regional_manager_stores",
)
GROUPS = ("store_managers", "regional_managers")


def all_rows(conn: Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    return conn.execute(query.encode(), values or None).fetchall()


@pytest.fixture
def admin_conninfo(cluster: EmbeddedServer, database: str) -> str:
    return cluster.conninfo(dbname=database, user="postgres")


@pytest.fixture
def logins(admin_conninfo: str) -> BoundLogins:
    return BoundLogins(DatabaseLoader(admin_conninfo))


@pytest.fixture
def name(cluster: EmbeddedServer) -> Iterator[str]:
    """A login's name of the test's own; roles belong to the whole cluster."""
    name = f"login_{uuid.uuid4().hex}"
    yield name
    conninfo = cluster.conninfo(dbname="postgres", user="postgres")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        in_use = all_rows(conn, "SELECT FROM pg_roles WHERE rolname = %s", name)
        assert not in_use, f"{name} was left behind"


@pytest.fixture
def head_office(owner: psycopg.Connection) -> str:
    query = (
        "SELECT user_id::text FROM retail.regional_managers WHERE name = 'Head Office'"
    )
    ((user_id,),) = all_rows(owner, query)
    return str(user_id)


def test_a_login_serves_its_people_and_nobody_else(
    cluster: EmbeddedServer, database: str, logins: BoundLogins, name: str
) -> None:
    bound = logins.add(name, [SEATTLE], "a password")
    assert bound.people == ("Zava Retail Seattle manager",)
    provider = PostgreSQLProvider(
        {"conninfo": cluster.conninfo(dbname=database, user=name)}
    )
    provider.open()
    try:
        rows = provider.execute_query("SELECT name FROM retail.stores", SEATTLE)
        assert rows == [{"name": "Zava Retail Seattle"}]
        for user_id in (REDMOND, STRANGER):
            with pytest.raises(AuthorizationError):
                provider.execute_query("SELECT 1", user_id)
    finally:
        provider.close()
        logins.remove(name)


def test_a_login_has_the_least_that_it_needs(
    owner: psycopg.Connection, logins: BoundLogins, name: str, admin_conninfo: str
) -> None:
    logins.add(name, [SEATTLE], "a password")
    with psycopg.connect(admin_conninfo, autocommit=True) as conn:
        attributes = all_rows(
            conn,
            "SELECT rolcanlogin, rolinherit, rolsuper, rolbypassrls, rolcreaterole,"
            " rolcreatedb, rolreplication, rolpassword LIKE 'SCRAM-SHA-256$%%'"
            " FROM pg_authid WHERE rolname = %s",
            name,
        )
        memberships = all_rows(
            conn,
            "SELECT roleid::regrole::text, inherit_option, set_option, admin_option"
            " FROM pg_auth_members WHERE member = to_regrole(%s)",
            name,
        )
        grants = all_rows(
            conn,
            "SELECT s.classid::regclass::text, count(*) FROM pg_shdepend AS s"
            " WHERE s.refobjid = to_regrole(%s) AND s.dbid = (SELECT oid FROM"
            " pg_database WHERE datname = current_database()) GROUP BY 1 ORDER BY 1",
            name,
        )
    logins.remove(name)
    assert attributes == [(True, False, False, False, False, False, False, True)]
    assert sorted(memberships) == [
        ("store_managers", False, True, False),
        ("store_managers_personal", False, True, False),
    ]
    assert grants == [("pg_namespace", 1), ("pg_proc", 4)]


def test_a_login_may_be_given_more_people_and_keeps_its_password(
    logins: BoundLogins, name: str, head_office: str, owner: psycopg.Connection
) -> None:
    def verifier() -> list[tuple[Any, ...]]:
        query = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
        return all_rows(owner, query, name)

    logins.add(name, [SEATTLE], "a password")
    before = verifier()
    for _ in range(2):
        bound = logins.add(name, [SEATTLE, head_office], None)
        assert set(bound.people) == {"Zava Retail Seattle manager", "Head Office"}
        assert [entry for entry in logins.list_all() if entry.name == name] == [bound]
    assert verifier() == before
    logins.remove(name)
    assert name not in {entry.name for entry in logins.list_all()}


@pytest.mark.parametrize(
    ("login", "user_ids"),
    [
        pytest.param("some_login", [NIL], id="nil-id"),
        pytest.param("some_login", [STRANGER], id="unknown-id"),
        pytest.param("some_login", [SEATTLE, STRANGER], id="one-unknown-id"),
        pytest.param("some_login", ["f47ac10b"], id="malformed-id"),
        pytest.param("some_login", [], id="nobody"),
        pytest.param("", [SEATTLE], id="empty-name"),
        pytest.param("Seattle", [SEATTLE], id="upper-case"),
        pytest.param("pg_seattle", [SEATTLE], id="reserved-prefix"),
        pytest.param("public", [SEATTLE], id="public"),
        pytest.param('a"; DROP ROLE zava_server; --', [SEATTLE], id="sql"),
        pytest.param("a" * 64, [SEATTLE], id="too-long"),
    ],
)
def test_a_bad_name_or_id_makes_no_login(
    logins: BoundLogins, login: str, user_ids: list[str]
) -> None:
    with pytest.raises(ValidationError):
        logins.add(login, user_ids, "a password")
    assert logins.list_all() == []


@pytest.mark.parametrize("login", ["postgres", "zava_server", "zava_owner", *GROUPS])
def test_a_role_that_zava_did_not_make_is_left_alone(
    logins: BoundLogins, login: str
) -> None:
    with pytest.raises(ConfigurationError):
        logins.add(login, [SEATTLE], "a password")
    with pytest.raises(ConfigurationError):
        logins.remove(login)
    assert logins.list_all() == []


def test_what_an_earlier_login_of_a_name_left_behind_is_not_taken_over(
    logins: BoundLogins, admin_conninfo: str, name: str
) -> None:
    with psycopg.connect(admin_conninfo) as conn:
        conn.execute(
            "INSERT INTO retail.login_identities (login, user_id) VALUES (%s, %s)",
            (name, REDMOND),
        )
    bound = logins.add(name, [SEATTLE], "secret-of-the-new-one")
    assert [str(user_id) for user_id in bound.user_ids] == [SEATTLE]
    logins.remove(name)


def test_a_login_whose_rows_were_deleted_is_listed_bound_again_and_removed(
    logins: BoundLogins, admin_conninfo: str, name: str
) -> None:
    for bind_again in (True, False):
        logins.add(name, [SEATTLE], None)
        with psycopg.connect(admin_conninfo) as conn:
            conn.execute("DELETE FROM retail.login_identities")
        (listed,) = logins.list_all()
        assert (listed.name, listed.user_ids, listed.can_login) == (name, (), True)
        if bind_again:
            bound = logins.add(name, [REDMOND], None)
            assert [str(user_id) for user_id in bound.user_ids] == [REDMOND]
        logins.remove(name)
        assert logins.list_all() == []


def test_a_running_server_goes_on_when_its_login_was_made_anew(
    cluster: EmbeddedServer, database: str, logins: BoundLogins, name: str
) -> None:
    logins.add(name, [SEATTLE], None)
    conninfo = cluster.conninfo(dbname=database, user=name)
    provider = PostgreSQLProvider({"conninfo": conninfo})
    provider.open()
    try:
        seattle = provider.resolve_identity(SEATTLE)
        query = "SELECT count(*) FROM retail.stores"
        assert provider.fetch(query, seattle, 1).rows == ((1,),)
        logins.remove(name)
        with pytest.raises(MCPError):
            provider.fetch(query, seattle, 1)
        logins.add(name, [SEATTLE], None)
        assert provider.fetch(query, seattle, 1).rows == ((1,),)
    finally:
        provider.close()
        logins.remove(name)


@pytest.mark.parametrize(
    "grant",
    [
        "GRANT pg_read_all_data TO {}",
        "ALTER ROLE {} SUPERUSER",
        "ALTER ROLE {} BYPASSRLS",
        "ALTER ROLE {} CREATEROLE",
        "ALTER ROLE {} CREATEDB",
        "ALTER ROLE {} REPLICATION",
    ],
)
def test_a_bound_login_that_grew_powerful_is_unbound_and_not_dropped(
    logins: BoundLogins, name: str, owner: psycopg.Connection, grant: str
) -> None:
    logins.add(name, [SEATTLE], "a password")
    owner.execute(grant.format(name).encode())
    try:
        with pytest.raises(ConfigurationError):
            logins.add(name, [REDMOND], None)
        with pytest.raises(ConfigurationError):
            logins.remove(name)
        assert logins.list_all() == []
    finally:
        owner.execute(f"DROP ROLE {name}".encode())


def test_a_login_that_cannot_be_dropped_can_do_nothing_any_more(
    cluster: EmbeddedServer,
    database: str,
    logins: BoundLogins,
    name: str,
    admin_conninfo: str,
) -> None:
    logins.add(name, [SEATTLE], "a password")
    with psycopg.connect(admin_conninfo, autocommit=True) as conn:
        conn.execute(f"CREATE SCHEMA theirs AUTHORIZATION {name}".encode())
        with pytest.raises(ConfigurationError):
            logins.remove(name)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(cluster.conninfo(dbname=database, user=name))
        conn.execute(f"ALTER ROLE {name} LOGIN".encode())
        with (
            psycopg.connect(cluster.conninfo(dbname=database, user=name)) as session,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            all_rows(session, "SELECT retail.resolve_identity(%s)", SEATTLE)
        conn.execute("DROP SCHEMA theirs")
        conn.execute(f"DROP ROLE {name}".encode())


def test_an_open_session_of_a_removed_login_sees_nothing_more(
    cluster: EmbeddedServer, database: str, logins: BoundLogins, name: str
) -> None:
    logins.add(name, [SEATTLE], "a password")
    with psycopg.connect(
        cluster.conninfo(dbname=database, user=name), autocommit=True
    ) as conn:
        become(conn, SEATTLE, seal_of(conn, SEATTLE))
        conn.execute("SET ROLE store_managers")
        assert all_rows(conn, "SELECT count(*) FROM retail.stores") == [(1,)]
        logins.remove(name)
        with pytest.raises(psycopg.Error):
            all_rows(conn, "SELECT count(*) FROM retail.stores")


def test_a_login_gets_the_role_of_personal_data_with_the_right_to_them(
    logins: BoundLogins, name: str, admin_conninfo: str
) -> None:
    members = (
        "SELECT roleid::regrole::text FROM pg_auth_members"
        " WHERE member = to_regrole(%s) ORDER BY 1"
    )
    with psycopg.connect(admin_conninfo, autocommit=True) as conn:
        logins.add(name, [REDMOND], None)
        without = all_rows(conn, members, name)
        conn.execute("UPDATE retail.personal_data_rights SET may_read = true")
        logins.add(name, [REDMOND], None)
        added_again = all_rows(conn, members, name)
        conn.execute(f"REVOKE store_managers_personal FROM {name}".encode())
        DatabaseLoader(admin_conninfo).load_schema()
        loaded_again = all_rows(conn, members, name)
    logins.remove(name)
    assert without == [("store_managers",)]
    assert (
        added_again
        == loaded_again
        == [("store_managers",), ("store_managers_personal",)]
    )


def test_an_administrator_without_superuser_can_make_logins(
    cluster: EmbeddedServer,
    database: str,
    name: str,
    owner: psycopg.Connection,
) -> None:
    admin = f"admin_{uuid.uuid4().hex}"
    owner.execute(f"CREATE ROLE {admin} LOGIN CREATEROLE".encode())
    groups = ", ".join(f"{group}, {group}_personal" for group in GROUPS)
    owner.execute(f"GRANT {groups} TO {admin} WITH ADMIN OPTION".encode())
    conninfo = cluster.conninfo(dbname=database, user=admin)
    logins = BoundLogins(DatabaseLoader(conninfo))
    try:
        with pytest.raises(MCPError):
            logins.add(name, [SEATTLE], "a password")  # not yet the owner's
        owner.execute(f"GRANT zava_owner TO {admin}".encode())
        assert logins.add(name, [SEATTLE], "a password").can_login
        logins.remove(name)
    finally:
        owner.execute(f"DROP ROLE {admin}".encode())


def test_the_commands_make_list_and_remove_a_login(
    admin_conninfo: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZAVA_ADMIN_URL", admin_conninfo)

    def zava(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["login", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    made = zava("add", name, "--user", SEATTLE, "--password", "horse battery")
    assert "may act as Zava Retail Seattle manager" in made
    (url,) = (
        line.split("ZAVA_DATABASE_URL=", 1)[1].strip("'")
        for line in made.splitlines()
        if line.startswith("  ZAVA_DATABASE_URL=") and "client-config" not in line
    )
    assert "password='horse battery'" in url.replace("'\"'\"'", "'")
    assert SEATTLE in zava("list")
    assert "as it was" in zava("add", name, "--user", REDMOND)
    assert "removed" in zava("remove", name)
    assert SEATTLE not in zava("list")
    again = CliRunner().invoke(main, ["login", "remove", name])
    assert again.exit_code == 1
    for option in ("--admin-url", "--password"):
        empty = CliRunner().invoke(
            main, ["login", "add", name, "--user", SEATTLE, option, ""]
        )
        assert empty.exit_code == 2
    with psycopg.connect(admin_conninfo) as conn:
        conn.execute(
            "INSERT INTO retail.login_identities (login, user_id) VALUES (%s, %s)",
            (name, REDMOND),
        )
    assert "password=" in zava("add", name, "--user", SEATTLE)
    zava("remove", name)


# Attacks by whoever holds the password --------------------------------------


def seal_of(conn: Connection, user_id: str) -> str | None:
    rows = all_rows(conn, "SELECT seal FROM retail.resolve_identity(%s)", user_id)
    return rows[0][0] if rows else None


def become(conn: Connection, user_id: str, seal: str | None) -> None:
    conn.execute(f"SET app.current_rls_user_id = '{user_id}'".encode())
    conn.execute(f"SET app.current_rls_seal = '{seal or ''}'".encode())


def visible_stores(conn: Connection) -> set[str]:
    """The stores of every row that the session can read, as any of its roles."""
    seen = set()
    for role in ("none", *GROUPS):
        for table in TABLES_WITH_A_STORE:
            try:
                conn.execute(f"SET ROLE {role}".encode())
                query = f"SELECT DISTINCT store_id::text FROM retail.{table} AS t"
                if table == "customers":  # also those who have bought here
                    query += " WHERE NOT EXISTS (SELECT FROM retail.orders AS o WHERE o.customer_id = t.customer_id)"
                seen |= {row[0] for row in all_rows(conn, query)}
            except psycopg.Error:
                conn.rollback()
    conn.execute("RESET ROLE")
    return seen


@pytest.fixture(scope="module")
def attacked(
    cluster: EmbeddedServer, template: str
) -> Iterator[tuple[str, str, set[str]]]:
    """Conninfo of the Seattle manager's login, its name, and its store.

    The login may make temporary objects: a database whose owner did not take
    that right from the public has to hold as well.
    """
    database = f"test_{uuid.uuid4().hex}"
    login = f"login_{uuid.uuid4().hex}"
    maintenance = cluster.conninfo(dbname="postgres", user="postgres")
    with psycopg.connect(maintenance, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {database} TEMPLATE {template}".encode())
        conn.execute(f"GRANT TEMPORARY ON DATABASE {database} TO PUBLIC".encode())
    admin_conninfo = cluster.conninfo(dbname=database, user="postgres")
    logins = BoundLogins(DatabaseLoader(admin_conninfo))
    logins.add(login, [SEATTLE], "a password")
    with psycopg.connect(admin_conninfo) as conn:
        query = "SELECT store_id::text FROM retail.stores WHERE manager_id = %s"
        ((store_id,),) = all_rows(conn, query, SEATTLE)
    yield cluster.conninfo(dbname=database, user=login), login, {store_id}
    logins.remove(login)
    with psycopg.connect(maintenance, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())


@pytest.fixture
def session(attacked: tuple[str, str, set[str]]) -> Iterator[Connection]:
    with psycopg.connect(attacked[0], autocommit=True) as conn:
        yield conn


def test_a_bound_login_sees_its_own_store(
    session: Connection, attacked: tuple[str, str, set[str]]
) -> None:
    become(session, SEATTLE, seal_of(session, SEATTLE))
    assert visible_stores(session) == attacked[2]


@pytest.mark.parametrize("user_id", [REDMOND, STRANGER, NIL])
def test_a_bound_login_gets_no_seal_for_anyone_else(
    session: Connection, user_id: str
) -> None:
    assert seal_of(session, user_id) is None


@pytest.mark.parametrize(
    "whose",
    [
        pytest.param("own", id="own-seal"),
        pytest.param("server", id="seal-of-another-login"),
        pytest.param("forged", id="forged"),
        pytest.param("none", id="none"),
    ],
)
def test_no_seal_that_a_bound_login_can_come_by_opens_another_store(
    session: Connection,
    attacked: tuple[str, str, set[str]],
    cluster: EmbeddedServer,
    whose: str,
) -> None:
    database = session.info.dbname
    with psycopg.connect(
        cluster.conninfo(dbname=database, user="zava_server")
    ) as server:
        seals = {
            "own": seal_of(session, SEATTLE),
            "server": seal_of(server, REDMOND),
            "forged": "0" * 64,
            "none": None,
        }
    become(session, REDMOND, seals[whose])
    assert visible_stores(session) == set()


SHADOWING_TYPE = """
    CREATE FUNCTION pg_temp.evil(v pg_catalog.{type}) RETURNS boolean
    LANGUAGE plpgsql AS $$
    BEGIN
        RAISE NOTICE '%', (SELECT key FROM retail.identity_key);
        RETURN true;
    END $$;
    CREATE DOMAIN pg_temp.{type} AS pg_catalog.{type} CHECK (pg_temp.evil(VALUE));
"""

ATTACKS = [
    pytest.param(["SET ROLE zava_owner"], id="set-role-owner"),
    pytest.param(["SET ROLE zava_server"], id="set-role-server"),
    pytest.param(["SET ROLE postgres"], id="set-role-superuser"),
    pytest.param(["SET SESSION AUTHORIZATION zava_server"], id="session-authorization"),
    pytest.param(["SET session_authorization = 'postgres'"], id="session-auth-setting"),
    pytest.param(["SET ROLE store_managers", "RESET ROLE", "SET ROLE zava_owner"], id="reset-role"),
    pytest.param(["RESET ALL", "DISCARD ALL"], id="reset-all"),
    pytest.param(["SET row_security = off"], id="row-security-off"),
    pytest.param(["SET session_replication_role = replica"], id="replica"),
    pytest.param(["SET search_path = pg_temp, retail"], id="search-path"),
    pytest.param([f"SELECT set_config('app.current_rls_user_id', '{REDMOND}', false)"], id="set-config"),
    pytest.param([f"SET app.current_rls_user_id = '{REDMOND}'"], id="switched-id"),
    pytest.param([f"SET app.current_rls_user_id = '{REDMOND.upper()}'"], id="switched-id-upper"),
    pytest.param(["INSERT INTO retail.login_identities SELECT session_user, manager_id FROM retail.stores"], id="bind-oneself"),
    pytest.param(["UPDATE retail.stores SET manager_id = manager_id"], id="update"),
    pytest.param(["GRANT zava_owner TO CURRENT_USER", "SET ROLE zava_owner"], id="grant-owner"),
    pytest.param(["GRANT pg_read_all_data TO CURRENT_USER"], id="grant-read-all"),
    pytest.param(["ALTER ROLE CURRENT_USER BYPASSRLS"], id="bypassrls"),
    pytest.param(["ALTER ROLE CURRENT_USER SUPERUSER"], id="superuser"),
    pytest.param(["ALTER ROLE CURRENT_USER RENAME TO zava_server_2"], id="rename"),
    pytest.param(["ALTER TABLE retail.orders DISABLE ROW LEVEL SECURITY"], id="disable-rls"),
    pytest.param(["CREATE POLICY mine ON retail.orders USING (true)"], id="create-policy"),
    pytest.param(["CREATE OR REPLACE FUNCTION retail.sealed_user_id() RETURNS uuid LANGUAGE sql RETURN NULL"], id="replace-function"),
    pytest.param(["CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql RETURN 1"], id="create-function"),
    pytest.param(["CREATE SCHEMA mine"], id="create-schema"),
    pytest.param(["CREATE TEMP VIEW stores AS SELECT * FROM retail.stores"], id="temp-view"),
    pytest.param(["CREATE TEMP TABLE stores (store_id uuid, manager_id uuid)",
                  f"INSERT INTO stores SELECT gen_random_uuid(), '{SEATTLE}'"], id="temp-table-stores"),
    pytest.param(["CREATE TEMP TABLE login_identities (login name, user_id uuid)",
                  f"INSERT INTO login_identities VALUES (session_user, '{REDMOND}')"], id="temp-table-logins"),
    pytest.param(["CREATE TEMP TABLE pg_roles (rolname name)"], id="temp-catalogue"),
    pytest.param(["CREATE FUNCTION pg_temp.leak(u uuid) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS"
                  " $$ BEGIN RAISE NOTICE '%', u; RETURN true; END $$"], id="cheap-function"),
    pytest.param(["CREATE FUNCTION pg_temp.yes(uuid, uuid) RETURNS boolean LANGUAGE sql RETURN true",
                  "CREATE OPERATOR pg_temp.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = pg_temp.yes)"], id="operator"),
    pytest.param(["DO $$ BEGIN PERFORM retail.sealed_user_id(); END $$"], id="do-block"),
    pytest.param([f"DO $$ BEGIN EXECUTE 'SET app.current_rls_user_id = ''{REDMOND}'''; END $$"], id="do-set"),
    pytest.param(["PREPARE q AS SELECT * FROM retail.orders", "SET ROLE store_managers", "EXECUTE q"], id="prepared"),
    pytest.param([f"SELECT retail.identity_seal('{REDMOND}')"], id="ask-for-a-seal"),
    pytest.param(["SELECT key FROM retail.identity_key"], id="the-key"),
    pytest.param(["COPY retail.identity_key TO STDOUT"], id="copy-key"),
    pytest.param(["COPY (SELECT 1) TO PROGRAM 'true'"], id="copy-program"),
    pytest.param(["CREATE EXTENSION dblink"], id="extension"),
    pytest.param(["CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw"], id="foreign-server"),
    pytest.param(["SELECT lo_import('/etc/passwd')"], id="file"),
    pytest.param(["SELECT pg_read_file('PG_VERSION')"], id="read-file"),
    pytest.param(["SECURITY LABEL ON ROLE CURRENT_USER IS 'x'"], id="label"),
    pytest.param(["REASSIGN OWNED BY zava_owner TO CURRENT_USER"], id="reassign"),
    pytest.param([SHADOWING_TYPE.format(type="uuid")], id="type-uuid"),
    pytest.param([SHADOWING_TYPE.format(type="text")], id="type-text"),
]  # fmt: skip


@pytest.mark.parametrize("statements", ATTACKS)
def test_no_sql_of_a_bound_login_opens_another_store(
    session: Connection,
    attacked: tuple[str, str, set[str]],
    statements: Sequence[str],
) -> None:
    heard: list[str] = []
    session.add_notice_handler(lambda said: heard.append(said.message_primary or ""))
    become(session, SEATTLE, seal_of(session, SEATTLE))
    for text in statements:
        try:
            session.execute(text.encode())
        except psycopg.Error:
            continue
    assert visible_stores(session) <= attacked[2]
    assert seal_of(session, REDMOND) is None
    assert not [text for text in heard if "\\x" in text]  # the key of the seals


def test_a_function_of_the_login_s_own_never_meets_a_row_that_the_policy_hides(
    session: Connection, attacked: tuple[str, str, set[str]]
) -> None:
    heard: set[str] = set()
    session.add_notice_handler(lambda said: heard.add(said.message_primary or ""))
    session.execute(
        "CREATE FUNCTION pg_temp.leak(u uuid) RETURNS boolean COST 0.0001"
        " LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', u; RETURN true; END $$"
    )
    session.execute("GRANT ALL ON FUNCTION pg_temp.leak(uuid) TO PUBLIC")
    become(session, SEATTLE, seal_of(session, SEATTLE))
    session.execute("SET ROLE store_managers")
    session.execute("SELECT FROM retail.inventory WHERE pg_temp.leak(store_id)")
    assert heard <= attacked[2]


def test_a_bound_login_reads_nothing_as_itself(session: Connection) -> None:
    become(session, SEATTLE, seal_of(session, SEATTLE))
    for table in (*TABLES_WITH_A_STORE, "login_identities", "identity_key", "products"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            all_rows(session, f"SELECT FROM retail.{table}")


def test_a_login_has_the_ceiling_of_temporary_files(
    logins: BoundLogins, name: str, cluster: EmbeddedServer, database: str
) -> None:
    logins.add(name, [SEATTLE], None)
    with psycopg.connect(cluster.conninfo(dbname=database, user=name)) as conn:
        assert all_rows(conn, "SHOW temp_file_limit") == [("2GB",)]
    logins.remove(name)
