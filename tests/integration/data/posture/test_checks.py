"""Every check of the posture: passed by the database as it is, failed by a broken one."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from tests.conftest import PG_VERSION, ROOT
from tests.doctor import look
from tests.people import REDMOND, SEATTLE, STRANGER
from zava.admin.embedded import EmbeddedServer
from zava.admin.loading import DatabaseLoader
from zava.admin.logins import BoundLogins
from zava.cli import main
from zava.data.posture.checks import CHECKS, check_clock, check_version
from zava.data.posture.definitions import VIEW_DIGESTS
from zava.data.provider import PostgreSQLProvider
from zava.data.statements import statement
from zava.errors import ConfigurationError, UnavailableError
from zava.models import PostureCheck
from zava.service.admission import PostureJudge, accept, allowed_checks

pytestmark = pytest.mark.thorough

HEAD_OFFICE = (
    "SELECT user_id::text FROM retail.regional_managers WHERE name = 'Head Office'"
)


def faults(checks: dict[str, PostureCheck]) -> dict[str, str]:
    return {c.name: c.status for c in checks.values() if c.status != "pass"}


def run(conninfo: str, *statements: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as conn:
        for text in statements:
            conn.execute(text.encode())


@pytest.fixture
def admin(cluster: EmbeddedServer, database: str) -> str:
    return cluster.conninfo(dbname=database, user="postgres")


@pytest.fixture
def served(cluster: EmbeddedServer, database: str) -> str:
    return cluster.conninfo(dbname=database, user="zava_server")


@pytest.mark.parametrize("person", ["a store manager", "head office"])
def test_the_database_as_it_is_loaded_passes_every_check(
    server_conninfo: str, owner: psycopg.Connection, person: str
) -> None:
    row = owner.execute(HEAD_OFFICE.encode()).fetchone()
    assert row is not None
    checks = look(server_conninfo, SEATTLE if person == "a store manager" else row[0])
    assert tuple(checks) == CHECKS
    assert faults(checks) == {"login": "warn"}  # it may act as anyone
    assert not [c for c in checks.values() if c.status == "pass" and c.remedy]


def test_a_login_of_one_s_own_passes_without_a_warning(
    cluster: EmbeddedServer, own_login: tuple[str, str]
) -> None:
    assert faults(look(own_login[1])) == {}


VIEW = "CREATE VIEW {0} {1} AS SELECT * FROM retail.orders; GRANT SELECT ON {0} TO {2}"
DEFINER = "CREATE FUNCTION {} RETURNS SETOF retail.orders LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT * FROM retail.orders'"
POLICY = "CREATE POLICY mine ON retail.orders {}"
UNSEALED = """
    CREATE OR REPLACE FUNCTION retail.sealed_user_id() RETURNS uuid LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    RETURN nullif(current_setting('app.current_rls_user_id', true), '')::uuid
"""
SEATTLE_FOR_EVERYONE = f"""
    CREATE OR REPLACE FUNCTION retail.get_current_user_store() RETURNS uuid LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT store_id FROM retail.stores WHERE manager_id = '{SEATTLE}' $$
"""

# What is done to the database, and the checks that have to say so.
BROKEN = {
    "pgvector-too-old": ({"pgvector"}, "UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'"),
    "rls-off": ({"row_security", "relations", "canary"}, "ALTER TABLE retail.orders DISABLE ROW LEVEL SECURITY"),
    "rls-not-forced": ({"row_security"}, "ALTER TABLE retail.inventory NO FORCE ROW LEVEL SECURITY"),
    "new-table-without-rls": ({"row_security", "relations", "policies"}, "CREATE TABLE retail.visits (store_id uuid); GRANT SELECT (store_id) ON retail.visits TO store_managers"),
    "new-table-that-nobody-reads": (set(), "CREATE TABLE retail.visits (store_id uuid)"),
    "table-elsewhere-without-rls": ({"row_security", "relations"}, "CREATE TABLE public.visits (store_id uuid); GRANT SELECT ON public.visits TO PUBLIC"),
    "no-policy": ({"policies", "canary"}, "DROP POLICY store_manager_orders ON retail.orders"),
    "new-table-without-policy": (
        {"policies"},
        "CREATE TABLE retail.visits (store_id uuid); ALTER TABLE retail.visits ENABLE ROW LEVEL SECURITY;"
        " ALTER TABLE retail.visits FORCE ROW LEVEL SECURITY; GRANT SELECT (store_id) ON retail.visits TO store_managers",
    ),
    "policy-true": ({"policies", "canary"}, POLICY.format("TO store_managers USING (true)")),
    "policy-for-nobody": ({"policies", "canary"}, POLICY.format("USING (retail.get_current_user_store() IS NULL)")),
    "policy-for-the-public": ({"policies", "canary"}, POLICY.format("USING (true)")),
    "policy-or-true": (
        {"policies", "canary"},
        POLICY.format("FOR SELECT TO store_managers USING (store_id = (SELECT retail.get_current_user_store()) OR total_amount > 0)"),
    ),
    "policy-of-the-other-group": ({"policies"}, POLICY.format("TO regional_managers USING (status = 'pending')")),
    "table-of-orders-without-store": (
        {"relations", "system_columns"},
        "CREATE TABLE retail.notes (order_id uuid, store_id_of_order uuid, note text, FOREIGN KEY (order_id, store_id_of_order)"
        " REFERENCES retail.orders (order_id, store_id)); GRANT SELECT ON retail.notes TO regional_managers",
    ),
    "view": ({"relations"}, VIEW.format("retail.all_orders", "", "store_managers")),
    "view-elsewhere": ({"relations"}, VIEW.format("public.all_orders", "", "PUBLIC")),
    "view-that-says-no": ({"relations"}, VIEW.format("retail.all_orders", "WITH (security_invoker = false)", "store_managers")),
    "view-of-a-view": (
        {"relations"},
        "CREATE VIEW retail.inner_orders WITH (security_invoker = true) AS SELECT * FROM retail.orders;"
        "CREATE VIEW public.outer_orders AS SELECT * FROM retail.inner_orders; GRANT SELECT (order_id) ON public.outer_orders TO PUBLIC",
    ),
    "materialized-view": (
        {"relations"},
        "CREATE MATERIALIZED VIEW retail.totals AS SELECT store_id, sum(total_amount) FROM retail.orders GROUP BY 1;"
        "GRANT SELECT ON retail.totals TO store_managers",
    ),
    "foreign-table": (
        {"relations"},
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        "CREATE FOREIGN TABLE public.elsewhere (a int) SERVER s; GRANT SELECT ON public.elsewhere TO PUBLIC",
    ),
    "definer-in-retail": ({"functions"}, DEFINER.format("retail.orders_of_all()") + "; GRANT EXECUTE ON FUNCTION retail.orders_of_all() TO store_managers"),
    "definer-elsewhere": ({"functions"}, DEFINER.format("public.orders_of_all()")),
    "definer-without-search-path": ({"functions", "definitions"}, "ALTER FUNCTION retail.get_current_user_store() RESET search_path"),
    "definer-with-temporary-first": ({"functions", "definitions"}, "ALTER FUNCTION retail.resolve_identity(uuid) SET search_path = ''"),
    "insert": ({"write_grants"}, "GRANT INSERT ON retail.orders TO store_managers"),
    "update-of-a-column": ({"write_grants"}, "GRANT UPDATE (status) ON retail.orders TO regional_managers"),
    "truncate-by-the-public": ({"write_grants"}, "GRANT TRUNCATE ON retail.categories TO PUBLIC"),
    "create-in-public": ({"create_grants"}, "GRANT CREATE ON SCHEMA public TO PUBLIC"),
    "create-in-retail": ({"create_grants"}, "GRANT CREATE ON SCHEMA retail TO store_managers"),
    "create-schemas": ({"create_grants"}, "GRANT CREATE ON DATABASE {database} TO zava_server"),
    "temporary": ({"temporary"}, "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC"),
    "key-readable": ({"secrets", "relations", "system_columns"}, "GRANT SELECT ON retail.identity_key TO store_managers"),
    "logins-readable": ({"secrets", "relations"}, "GRANT SELECT (login) ON retail.login_identities TO PUBLIC"),
    "system-columns": ({"system_columns"}, "GRANT SELECT ON retail.orders TO store_managers"),
    "email-readable": ({"personal_data"}, "GRANT SELECT (email) ON retail.customers TO store_managers"),
    "customers-readable": ({"personal_data", "columns", "system_columns"}, "GRANT SELECT ON retail.customers TO regional_managers"),
    "other-stores-readable": ({"columns"}, "GRANT SELECT (store_ids) ON retail.customers TO store_managers"),
    "column-for-everybody": ({"columns", "policies"}, "GRANT SELECT (customer_id) ON retail.orders TO PUBLIC"),
    "column-that-is-generated": (
        {"structure"},
        "ALTER TABLE retail.customers DROP COLUMN source_id CASCADE, ADD COLUMN source_id text GENERATED ALWAYS AS (lower(email)) STORED;"
        " GRANT SELECT (source_id) ON retail.customers TO store_managers, regional_managers",
    ),
    "right-not-asked": ({"personal_data"}, "DROP POLICY personal_data_customers ON retail.customers"),
    "right-asked-of-one-group": ({"personal_data"}, "ALTER POLICY personal_data_customers ON retail.customers TO store_managers_personal"),
    "right-that-is-true": ({"personal_data", "policies"}, "ALTER POLICY personal_data_customers ON retail.customers USING (true)"),
    "rights-readable": ({"secrets", "relations"}, "GRANT SELECT (may_read) ON retail.personal_data_rights TO PUBLIC"),
    "set-config": ({"set_config"}, "GRANT EXECUTE ON FUNCTION set_config(text, text, boolean) TO PUBLIC"),
    "sleep": ({"server_functions"}, "GRANT EXECUTE ON FUNCTION pg_sleep(double precision) TO store_managers"),
    "activity": ({"server_statistics"}, "GRANT SELECT ON pg_stat_activity TO PUBLIC"),
    "sizes": ({"server_statistics"}, "GRANT EXECUTE ON FUNCTION pg_relation_size(regclass, text) TO regional_managers"),
    "pages": ({"server_statistics"}, "GRANT SELECT (relpages) ON pg_class TO store_managers"),
    "multixacts": ({"server_statistics"}, "GRANT SELECT (datminmxid) ON pg_database TO zava_server"),
    "settings-of-others": ({"server_statistics"}, "GRANT SELECT (useconfig) ON pg_user TO PUBLIC"),
    "row-counts": ({"server_statistics"}, "GRANT SELECT ON pg_class TO PUBLIC"),
    "owner-of-a-table": ({"owner", "relations", "columns", "policies", "write_grants", "system_columns"}, "ALTER TABLE retail.orders OWNER TO zava_server"),
    "owner-of-a-function": ({"owner", "definitions", "functions"}, "ALTER FUNCTION retail.get_user_store_list() OWNER TO zava_server"),
    "owner-of-the-database": ({"owner", "memberships", "create_grants", "temporary"}, "ALTER DATABASE {database} OWNER TO zava_server"),
    "no-seal-needed": ({"canary", "definitions"}, UNSEALED),
    "one-store-for-everyone": ({"canary", "definitions"}, SEATTLE_FOR_EVERYONE),
}  # fmt: skip


# Each version of PostgreSQL meets a half of them.
@pytest.mark.parametrize("broken", list(BROKEN)[PG_VERSION == 18 :: 2])
def test_a_broken_database_fails_the_check_that_is_for_it(
    admin: str, served: str, database: str, broken: str
) -> None:
    expected, statements = BROKEN[broken]
    run(admin, statements.replace("{database}", database))
    checks = look(served)
    assert set(faults(checks)) - {"login"} == expected
    warns = {"temporary", "system_columns", "server_statistics"}
    for name in expected:
        assert checks[name].status == ("warn" if name in warns else "fail")
        assert checks[name].remedy


@pytest.mark.parametrize(
    ("here", "said"),
    [(1000.0, ""), (1059.0, ""), (4600.0, "3600 s ahead of"), (100.0, "900 s behind")],
)
def test_a_clock_that_is_wrong_is_told(here: float, said: str) -> None:
    check = check_clock(1000.0, here)
    assert check.status == ("warn" if said else "pass")
    assert said in check.detail


def test_the_remedy_for_columns_of_the_catalogue_closes_what_was_closed(
    admin: str, served: str
) -> None:
    readable = """
        SELECT a.attrelid::regclass::text, a.attname FROM pg_attribute AS a
        WHERE a.attrelid IN ('pg_class'::regclass, 'pg_database'::regclass,
                             'pg_roles'::regclass, 'pg_user'::regclass, 'pg_attribute'::regclass,
                             'pg_foreign_table'::regclass, 'pg_foreign_data_wrapper'::regclass)
            AND has_column_privilege('store_managers', a.attrelid, a.attnum, 'SELECT')
    """
    with psycopg.connect(admin, autocommit=True) as conn:
        before = set(conn.execute(readable))
        conn.execute(
            "GRANT SELECT ON pg_class, pg_database, pg_roles, pg_user, pg_attribute,"
            " pg_foreign_table, pg_foreign_data_wrapper TO PUBLIC"
        )
        # A check shows three remedies at once.
        for _ in range(3):
            for remedy in look(served)["server_statistics"].remedy.split("; "):
                if not remedy.startswith("and "):
                    conn.execute(remedy.encode())
        assert set(conn.execute(readable)) == before
    assert set(faults(look(served))) == {"login"}


def test_the_digests_of_views_are_those_of_the_schema(
    owner: psycopg.Connection,
) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("SET LOCAL search_path = pg_catalog")
        printed = owner.execute(
            "SELECT relname, left(encode(sha256(convert_to(regexp_replace("
            "pg_get_viewdef(oid), '\\s+', ' ', 'g'), 'UTF8')), 'hex'), 32) FROM pg_class"
            " WHERE relnamespace = 'retail'::regnamespace AND relkind = 'v'"
        ).fetchall()
    assert dict(printed) == VIEW_DIGESTS


def test_a_role_for_personal_data_without_the_right_is_a_warning(
    cluster: EmbeddedServer, own_login: tuple[str, str]
) -> None:
    login, conninfo = own_login
    admin = re.sub(r"user=\S+", "user=postgres", conninfo)
    run(admin, "UPDATE retail.chain SET managers_read_personal_data = false")
    for role in ("store_managers_personal", "regional_managers_personal"):
        run(
            admin,
            f"REVOKE {role} FROM {login}",
            f"GRANT {role} TO {login} WITH INHERIT FALSE, SET TRUE",
        )
        checks = look(conninfo)
        assert faults(checks) == {"personal_role": "warn"}
        assert (
            f"REVOKE {role} FROM {login} GRANTED BY" in checks["personal_role"].remedy
        )
        run(admin, checks["personal_role"].remedy)
        assert faults(look(conninfo)) == {}
    # With the right the role of the person is as it should be, until the right ends.
    run(
        admin,
        "UPDATE retail.chain SET managers_read_personal_data = true",
        f"GRANT store_managers_personal TO {login} WITH INHERIT FALSE, SET TRUE",
    )
    assert faults(look(conninfo)) == {}
    run(admin, "UPDATE retail.chain SET managers_read_personal_data = false")
    assert faults(look(conninfo)) == {"personal_role": "warn"}
    run(admin, "UPDATE retail.chain SET managers_read_personal_data = true")
    assert faults(look(conninfo)) == {}


SHARED = """
    CREATE TABLE retail.holidays AS SELECT DATE '2026-12-25' AS day;
    GRANT SELECT (day) ON retail.holidays TO store_managers;
    CREATE FUNCTION public.easter(integer) RETURNS date LANGUAGE sql AS 'SELECT make_date($1, 4, 5)';
    CREATE SEQUENCE public.tickets; GRANT SELECT ON public.tickets TO PUBLIC;
    INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    VALUES (97001, 'unaccent', 10, 'public'::regnamespace, true, '1');
    CREATE FUNCTION public.unaccent(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
    ALTER EXTENSION unaccent ADD FUNCTION public.unaccent(text);
"""
LISTED = """
    INSERT INTO retail.shared_objects (object, reason) VALUES
        ('retail.holidays', 'the calendar is everybody''s'), ('public.easter(integer)', 'arithmetic'),
        ('public.tickets', 'no store''s'), ('extension unaccent', 'changes text only')
"""


def test_what_the_operator_has_listed_as_shared_passes(admin: str, served: str) -> None:
    run(admin, SHARED)
    assert set(faults(look(served))) - {"login"} == {
        "relations",
        "functions",
        "sequences",
        "extensions",
    }
    run(admin, LISTED)
    assert set(faults(look(served))) == {"login"}


def test_what_no_role_in_reach_may_use_is_nobody_s_business(
    admin: str, served: str
) -> None:
    run(
        admin,
        "CREATE SCHEMA finance; CREATE TABLE finance.ledger AS SELECT * FROM retail.orders",
        "CREATE VIEW finance.v AS SELECT * FROM finance.ledger; GRANT SELECT ON finance.v TO PUBLIC",
        "CREATE FUNCTION finance.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "CREATE SEQUENCE finance.s; CREATE TABLE public.staff (name text)",
        "GRANT SELECT ON finance.ledger, finance.s TO pg_monitor; CREATE TABLE finance.closed (x int)",
        "CREATE FUNCTION finance.is_code(text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN true; END'",
        "CREATE DOMAIN finance.code AS text CHECK (finance.is_code(VALUE))",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR postgres SERVER s",
        "CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO pg_monitor",
    )
    assert set(faults(look(served))) == {"login"}


def test_views_with_their_caller_s_rights_and_closed_copies_pass(
    admin: str, served: str
) -> None:
    run(
        admin,
        VIEW.format("retail.mine", "WITH (security_invoker)", "store_managers"),
        "CREATE VIEW retail.closed AS SELECT * FROM retail.orders",
        "CREATE MATERIALIZED VIEW retail.copy AS SELECT * FROM retail.orders",
    )
    assert faults(look(served)) == {"login": "warn"}


@pytest.mark.parametrize(
    ("statements", "user_id"),
    [
        pytest.param("DELETE FROM retail.regional_manager_stores", "", id="no-stores"),
        pytest.param(
            """
            CREATE OR REPLACE FUNCTION retail.get_user_store_list() RETURNS uuid[]
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            AS $$ SELECT ARRAY(SELECT store_id FROM retail.stores LIMIT 3)
                  WHERE retail.sealed_user_id() IS NOT NULL $$
            """,
            "",
            id="too-few",
        ),
        pytest.param(
            """
            CREATE OR REPLACE FUNCTION retail.resolve_identity(user_id uuid,
                OUT role_name text, OUT display_name text, OUT store_ids uuid[], OUT seal text,
                OUT cache_secret text)
            RETURNS SETOF record LANGUAGE sql STABLE STRICT SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp
            AS $$ SELECT 'store_managers', 'x', ARRAY(SELECT store_id FROM retail.stores),
                         retail.identity_seal(user_id), repeat('0', 64) $$
            """,
            SEATTLE,
            id="a-store-manager-of-all",
        ),
        pytest.param("SELECT", STRANGER, id="a-stranger"),
    ],
)
def test_an_identity_that_sees_nothing_or_not_its_own_fails(
    admin: str,
    served: str,
    owner: psycopg.Connection,
    statements: str,
    user_id: str,
) -> None:
    run(admin, statements)
    row = owner.execute(HEAD_OFFICE.encode()).fetchone()
    assert row is not None
    assert look(served, user_id or row[0])["identity"].status == "fail"


def test_a_database_that_cannot_be_checked_in_time_counts_as_down(
    admin: str, served: str
) -> None:
    judged: list[object] = []
    provider = PostgreSQLProvider({"conninfo": served}, judge=judged.append)
    provider.open()
    with psycopg.connect(admin) as conn:
        conn.execute("LOCK TABLE retail.orders")
        with pytest.raises(UnavailableError):
            provider.resolve_identity(SEATTLE)
        assert judged == []
    assert provider.resolve_identity(SEATTLE).display_name
    provider.close()
    assert len(judged) == 1


def test_without_a_person_the_canary_is_a_warning(server_conninfo: str) -> None:
    assert faults(look(server_conninfo, "")) == {
        "login": "warn",
        "identity": "warn",
        "canary": "warn",
        "personal_role": "warn",
        "totals": "warn",
    }


@pytest.fixture(scope="module")
def own_login(cluster: EmbeddedServer, template: str) -> Iterator[tuple[str, str]]:
    """The Seattle manager's own login, and its conninfo; roles are the cluster's."""
    database = f"test_{uuid.uuid4().hex}"
    login = f"login_{uuid.uuid4().hex}"
    maintenance = cluster.conninfo(dbname="postgres", user="postgres")
    run(
        maintenance,
        f"CREATE DATABASE {database} TEMPLATE {template}",
        f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
    )
    admin = cluster.conninfo(dbname=database, user="postgres")
    logins = BoundLogins(DatabaseLoader(admin))
    logins.add(login, [SEATTLE], "a password")
    yield login, cluster.conninfo(dbname=database, user=login)
    logins.remove(login)
    run(maintenance, f"DROP DATABASE {database} WITH (FORCE)")


@pytest.mark.parametrize(
    ("check", "grant", "revoke"),
    [
        ("superuser", "ALTER ROLE {} SUPERUSER", "ALTER ROLE {} NOSUPERUSER"),
        ("superuser", "GRANT postgres TO {}", "REVOKE postgres FROM {}"),
        ("bypassrls", "ALTER ROLE {} BYPASSRLS", "ALTER ROLE {} NOBYPASSRLS"),
        ("role_attributes", "ALTER ROLE {} CREATEROLE", "ALTER ROLE {} NOCREATEROLE"),
        ("role_attributes", "ALTER ROLE {} CREATEDB", "ALTER ROLE {} NOCREATEDB"),
        (
            "role_attributes",
            "ALTER ROLE {} REPLICATION",
            "ALTER ROLE {} NOREPLICATION",
        ),
        (
            "owner",
            "GRANT zava_owner TO {} WITH INHERIT FALSE",
            "REVOKE zava_owner FROM {}",
        ),
        ("memberships", "GRANT zava_server TO {}", "REVOKE zava_server FROM {}"),
        (
            "memberships",
            "GRANT pg_read_all_data TO {}",
            "REVOKE pg_read_all_data FROM {}",
        ),
        (
            "memberships",
            "GRANT store_managers TO {} WITH INHERIT TRUE",
            "GRANT store_managers TO {} WITH INHERIT FALSE",
        ),
        (
            "memberships",
            "GRANT store_managers TO {} WITH ADMIN TRUE",
            "GRANT store_managers TO {} WITH ADMIN FALSE",
        ),
    ],
)
def test_a_login_with_too_many_rights_fails(
    owner: psycopg.Connection,
    own_login: tuple[str, str],
    check: str,
    grant: str,
    revoke: str,
) -> None:
    login, conninfo = own_login
    owner.execute(grant.format(login).encode())
    try:
        assert look(conninfo)[check].status == "fail"
    finally:
        owner.execute(revoke.format(login).encode())
    assert faults(look(conninfo)) == {}


@pytest.mark.parametrize(
    ("version", "status"), [(150012, "fail"), (160000, "pass"), (180004, "pass")]
)
def test_postgresql_has_to_be_16_or_newer(version: int, status: str) -> None:
    assert check_version(version).status == status


def test_the_checks_know_the_very_functions_and_views_that_the_schema_closes() -> None:
    schema = (ROOT / "schema.sql").read_text(encoding="utf-8")

    def patterns(text: str) -> set[str]:
        without_comments = re.sub(r"--.*", "", text)
        return set(re.findall(r"'([^']+)'", without_comments))

    closed = {
        name: patterns(body)
        for name, body in re.findall(
            r"(\w+) CONSTANT text\[\] := ARRAY\[(.*?)\];", schema, re.DOTALL
        )
    }
    known = [
        patterns(body)
        for name in ("posture_server_functions", "posture_server_statistics")
        for body in re.findall(
            r"LIKE ANY \(ARRAY\[(.*?)\]\)", statement(name), re.DOTALL
        )
    ]
    assert known == [
        closed["misused_functions"],
        closed["monitoring_functions"],
        closed["monitoring_views"],
    ]


def test_a_failure_can_be_allowed_by_its_name_alone() -> None:
    def check(name: str, status: str) -> PostureCheck:
        return PostureCheck.model_validate(
            {"name": name, "status": status, "detail": "it", "remedy": "SELECT"}
        )

    checks = [
        check("relations", "fail"),
        check("owner", "fail"),
        check("login", "warn"),
    ]
    accepted = accept(checks, frozenset({"relations", "login"}))
    assert [c.status for c in accepted] == ["warn", "fail", "warn"]
    with pytest.raises(ConfigurationError) as refusal:
        PostureJudge(frozenset({"relations"}))(checks)
    assert "owner" in refusal.value.message
    assert "relations" not in refusal.value.message
    PostureJudge(frozenset({"relations", "owner"}))(checks)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", set()),
        ("relations", {"relations"}),
        (" relations , owner,", {"relations", "owner"}),
    ],
)
def test_allowed_checks_are_separated_by_commas(text: str, names: set[str]) -> None:
    assert allowed_checks(text) == names


@pytest.mark.parametrize(
    "text", ["all", "*", "relation", "relations owner", "RELATIONS"]
)
def test_there_is_no_name_for_all_checks_nor_for_a_misspelt_one(text: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        allowed_checks(text)
    assert "canary" in refusal.value.message


def doctor(*arguments: str) -> tuple[int, Any]:
    done = CliRunner().invoke(main, ["doctor", "--json", *arguments])
    return done.exit_code, json.loads(done.stdout)


def test_the_doctor_s_exit_status_says_whether_anything_fails(
    admin: str, served: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZAVA_DATABASE_URL", served)
    monkeypatch.setenv("ZAVA_LOG_FILE", "none")
    status, checks = doctor("--user", SEATTLE)
    assert status == 0
    assert tuple(c["name"] for c in checks) == CHECKS
    run(admin, "GRANT CREATE ON SCHEMA public TO PUBLIC")
    status, checks = doctor("--user", REDMOND)
    assert status == 1
    assert [c["remedy"] for c in checks if c["status"] == "fail"] == [
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC, regional_managers CASCADE;"
        " REVOKE CREATE ON SCHEMA public FROM PUBLIC, regional_managers_personal CASCADE;"
        " REVOKE CREATE ON SCHEMA public FROM PUBLIC, store_managers CASCADE;"
        " /* and 2 more */"
    ]
    status, checks = doctor("--user", SEATTLE, "--allow", "create_grants")
    assert status == 0
    assert {c["name"] for c in checks if c["status"] == "warn"} == {
        "login",
        "create_grants",
    }
    table = CliRunner().invoke(main, ["doctor", "--user", SEATTLE])
    assert table.exit_code == 1
    assert "REVOKE CREATE ON SCHEMA public" in table.output


@pytest.mark.parametrize("fault", ["down", "no-schema"])
def test_the_doctor_says_in_one_line_why_it_cannot_look(
    cluster: EmbeddedServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fault: str,
) -> None:
    conninfo = cluster.conninfo(dbname="postgres", user="postgres")
    if fault == "down":
        conninfo += " port=1"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZAVA_DATABASE_URL", conninfo)
    monkeypatch.setenv("ZAVA_LOG_FILE", "none")
    done = CliRunner().invoke(main, ["doctor", "--user", SEATTLE])
    assert done.exit_code == 1
    assert done.stdout == ""
    last: Sequence[str] = done.stderr.strip().splitlines()
    assert last[-1].startswith("zava: ")
