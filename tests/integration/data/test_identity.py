"""Whose identity a transaction has: how it is given, how it ends, what shows of it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors as pg

from tests.conftest import StartPooler
from tests.people import REDMOND, SEATTLE
from zava.admin.embedded import EmbeddedServer
from zava.admin.loading import DatabaseLoader
from zava.admin.logins import BoundLogins
from zava.data.pipeline import exchange
from zava.data.provider import PostgreSQLProvider
from zava.data.transaction import identity_statements
from zava.errors import (
    AuthorizationError,
    ConfigurationError,
    QueryError,
    UnavailableError,
)
from zava.models import Identity, PostureCheck
from zava.service.admission import PostureJudge, accept

STORES = "SELECT name FROM retail.stores"
NEW_KEY = "UPDATE retail.identity_key SET key = sha256(key) || key"
# What a database is without a superuser: the functions of its last section stay open.
WITHOUT_LOCKS = """
    GRANT EXECUTE ON FUNCTION set_config(text, text, boolean), current_setting(text),
        current_setting(text, boolean), ts_stat(text), pg_terminate_backend(integer, bigint),
        query_to_xml(text, boolean, boolean, text), pg_stat_get_activity(integer) TO PUBLIC
"""
MULTIPLE = frozenset({"set_config", "server_functions"})


def all_rows(conn: psycopg.Connection[Any], query: str, *values: object) -> list[Any]:
    return conn.execute(query.encode(), values).fetchall()


@pytest.fixture
def superuser(
    cluster: EmbeddedServer, database: str
) -> Iterator[psycopg.Connection[Any]]:
    conninfo = cluster.conninfo(dbname=database, user="postgres")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        yield conn


@pytest.fixture
def server(cluster: EmbeddedServer, database: str) -> Iterator[PostgreSQLProvider]:
    """Serves `database` as zava_server."""
    yield from serve(cluster.conninfo(dbname=database, user="zava_server"))


@pytest.fixture
def pooled_server(
    cluster: EmbeddedServer, database: str, start_pooler: StartPooler
) -> Iterator[PostgreSQLProvider]:
    """The same behind PgBouncer."""
    conninfo = cluster.conninfo(dbname=database, user="zava_server")
    yield from serve(start_pooler(conninfo))


def serve(conninfo: str) -> Iterator[PostgreSQLProvider]:
    provider = PostgreSQLProvider({"conninfo": conninfo, "max_size": 2})
    provider.open()
    yield provider
    provider.close()


@pytest.fixture
def logins(cluster: EmbeddedServer, database: str) -> BoundLogins:
    admin = cluster.conninfo(dbname=database, user="postgres")
    return BoundLogins(DatabaseLoader(admin))


@pytest.fixture
def name(logins: BoundLogins) -> Iterator[str]:
    """A login for Seattle alone."""
    login = f"login_{uuid.uuid4().hex}"
    logins.add(login, [SEATTLE], "a password")
    yield login
    if login in {entry.name for entry in logins.list_all()}:
        logins.remove(login)


def names(provider: PostgreSQLProvider, identity: Identity) -> list[str]:
    return [row[0] for row in provider.fetch(STORES, identity, 20).rows]


# How it is given -----------------------------------------------------------------


@pytest.mark.parametrize(
    "begin",
    [
        "BEGIN READ ONLY",
        "BEGIN; SET TRANSACTION READ ONLY",
        "BEGIN; SET LOCAL transaction_read_only = on",
        "SET default_transaction_read_only = on; BEGIN",
    ],
)
def test_no_seal_is_given_in_a_transaction_that_only_reads(
    server_conninfo: str, begin: str
) -> None:
    with psycopg.connect(server_conninfo, autocommit=True) as conn:
        for text in begin.split("; "):
            conn.execute(text.encode())
        with pytest.raises(pg.ReadOnlySqlTransaction):
            all_rows(conn, "SELECT * FROM retail.resolve_identity(%s)", SEATTLE)


def test_a_login_whose_default_is_to_read_is_served_all_the_same(
    server: PostgreSQLProvider, superuser: psycopg.Connection[Any], database: str
) -> None:
    superuser.execute(
        f"ALTER ROLE zava_server IN DATABASE {database}"
        " SET default_transaction_read_only = on".encode()
    )
    assert names(server, server.resolve_identity(SEATTLE)) == ["Zava Retail Seattle"]


def test_what_is_cached_has_a_secret_that_follows_from_who_asks_and_the_key(
    cluster: EmbeddedServer,
    database: str,
    name: str,
    superuser: psycopg.Connection[Any],
) -> None:
    def secret(login: str, user_id: str) -> str:
        conninfo = cluster.conninfo(dbname=database, user=login)
        with psycopg.connect(conninfo, autocommit=True) as conn:
            ((secret, seal),) = all_rows(
                conn,
                "SELECT cache_secret, seal FROM retail.resolve_identity(%s)",
                user_id,
            )
        assert secret != seal
        return str(secret)

    first = secret("zava_server", SEATTLE)
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert secret("zava_server", SEATTLE) == first
    others = {secret("zava_server", REDMOND), secret(name, SEATTLE)}
    superuser.execute(NEW_KEY)
    others.add(secret("zava_server", SEATTLE))
    assert len(others - {first}) == 3


def test_the_secret_of_what_is_cached_stands_in_no_text_about_an_identity(
    server: PostgreSQLProvider,
) -> None:
    identity = server.resolve_identity(SEATTLE)
    assert identity.cache_secret not in f"{identity} {identity!r}"


BACK_TO_THE_LOGIN = (
    "WITH a AS MATERIALIZED (SELECT set_config('role', 'none', true) AS r)"
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "SELECT s.word FROM a, LATERAL ts_stat('select array_to_tsvector(array[seal])"
            f" from retail.resolve_identity(''{REDMOND}'')' || left(r, 0)) AS s",
            id="ts_stat",
        ),
        pytest.param(
            "SELECT query_to_xml('select seal from retail.resolve_identity("
            f"''{REDMOND}'')' || left(r, 0), true, false, '')::text FROM a",
            id="query_to_xml",
        ),
        pytest.param(
            f"SELECT i.seal FROM a, LATERAL retail.resolve_identity('{REDMOND}') AS i",
            id="plain",
        ),
        pytest.param(
            "SELECT s.word FROM (SELECT set_config('transaction_read_only', 'off', true)"
            " || r AS r FROM a) AS b, LATERAL ts_stat('select array_to_tsvector("
            f"array[seal]) from retail.resolve_identity(''{REDMOND}'')' || left(r, 0)) AS s",
            id="read-write-again",
        ),
    ],
)
def test_a_query_that_gets_back_to_its_login_seals_nothing(
    server: PostgreSQLProvider, superuser: psycopg.Connection[Any], text: str
) -> None:
    superuser.execute(WITHOUT_LOCKS)
    seattle = server.resolve_identity(SEATTLE)
    with pytest.raises(QueryError):
        server.fetch(f"{BACK_TO_THE_LOGIN} {text}", seattle, 10)


def test_nothing_secret_stands_in_the_text_of_a_statement(
    server: PostgreSQLProvider, superuser: psycopg.Connection[Any], database: str
) -> None:
    seattle = server.resolve_identity(SEATTLE)
    seen = set()
    with psycopg.connect(server.config["conninfo"], autocommit=True) as conn:
        # Whoever watches sees the last statement of each session. Each statement of a
        # transaction is made the last one in turn.
        sent = [b"BEGIN READ ONLY", *identity_statements(seattle)]
        for length in range(1, len(sent) + 1):
            exchange(conn, sent[:length])
            seen |= {
                row[0]
                for row in superuser.execute(
                    "SELECT query FROM pg_stat_activity WHERE pid = %s",
                    (conn.info.backend_pid,),
                )
            }
            conn.rollback()
        all_rows(conn, "SELECT * FROM retail.resolve_identity(%s)", uuid.UUID(SEATTLE))
        seen |= {
            row[0]
            for row in superuser.execute(
                "SELECT query FROM pg_stat_activity WHERE datname = %s", (database,)
            )
        }
    texts = " ".join(seen)
    assert "set_identity" in texts
    assert SEATTLE not in texts
    assert seattle.seal not in texts


def test_nothing_secret_stands_in_the_server_s_log(
    cluster: EmbeddedServer,
    database: str,
    superuser: psycopg.Connection[Any],
    name: str,
) -> None:
    for setting in ("log_statement = 'all'", "log_min_duration_statement = 0"):
        superuser.execute(f"ALTER DATABASE {database} SET {setting}".encode())
    superuser.execute(
        f"ALTER DATABASE {database} SET log_parameter_max_length_on_error = -1".encode()
    )
    ((folder,),) = all_rows(superuser, "SHOW data_directory")
    log = Path(folder).with_suffix(".log")
    before = log.stat().st_size
    for login in (name, "zava_server"):
        for served in serve(cluster.conninfo(dbname=database, user=login)):
            seattle = served.resolve_identity(SEATTLE)
            names(served, seattle)
            with pytest.raises(QueryError):
                served.fetch("SELECT 1 / 0", seattle, 1)
            logged = log.read_bytes()[before:].decode()
            assert "retail.set_identity" in logged
            assert SEATTLE not in logged
            assert seattle.seal not in logged


def test_the_messages_of_a_person_s_own_session_name_no_key_and_nobody_else(
    session: psycopg.Connection[Any], superuser: psycopg.Connection[Any]
) -> None:
    secrets = {
        row[0]
        for row in superuser.execute(
            "SELECT encode(key, 'hex') FROM retail.identity_key"
            " UNION ALL SELECT manager_id::text FROM retail.stores"
            " WHERE manager_id <> %(own)s UNION ALL SELECT store_id::text"
            " FROM retail.stores WHERE manager_id <> %(own)s",
            {"own": SEATTLE},
        )
    }
    messages: list[str] = []
    session.add_notice_handler(
        lambda notice: messages.append(
            f"{notice.message_primary} {notice.message_detail} {notice.context}"
        )
    )
    with session.transaction():
        for tree in ("parse", "rewritten", "plan"):
            session.execute(f"SET LOCAL debug_print_{tree} = on".encode())
        session.execute("SET LOCAL client_min_messages = debug5")
        assert all_rows(session, STORES) == [("Zava Retail Seattle",)]
    # PostgreSQL breaks lines anywhere, and shows a constant as signed bytes.
    text = "".join(" ".join(messages).split())
    signed = {
        "".join(str(b - 256 * (b > 127)) for b in bytes.fromhex(s.replace("-", "")))
        for s in secrets
    }
    assert "PLANNEDSTMT" in text
    assert len(secrets) > 2
    assert not [secret for secret in secrets | signed if secret in text]


def test_a_plan_that_was_made_as_the_group_reads_nothing_as_the_login(
    session: psycopg.Connection[Any],
) -> None:
    session.execute("PREPARE p AS SELECT count(*) FROM retail.orders")
    assert all_rows(session, "EXECUTE p")[0][0] > 0
    session.execute("SET ROLE NONE")
    with pytest.raises(pg.InsufficientPrivilege):
        all_rows(session, "EXECUTE p")


# How it ends -----------------------------------------------------------------------


@pytest.fixture
def session(
    cluster: EmbeddedServer, database: str, name: str
) -> Iterator[psycopg.Connection[Any]]:
    """A session of the bound login that keeps the seal of Seattle, as its group."""
    conninfo = cluster.conninfo(dbname=database, user=name)
    with psycopg.connect(conninfo, autocommit=True) as conn:
        ((seal,),) = all_rows(
            conn, "SELECT seal FROM retail.resolve_identity(%s)", SEATTLE
        )
        conn.execute(f"SET app.current_rls_user_id = '{SEATTLE}'".encode())
        conn.execute(f"SET app.current_rls_seal = '{seal}'".encode())
        conn.execute("SET ROLE store_managers")
        assert all_rows(conn, STORES) == [("Zava Retail Seattle",)]
        yield conn


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("DELETE FROM retail.login_identities", id="deleted"),
        pytest.param(
            f"UPDATE retail.login_identities SET user_id = '{REDMOND}'", id="re-bound"
        ),
        pytest.param(NEW_KEY, id="new-key"),
    ],
)
def test_a_kept_seal_ends_with_its_binding(
    session: psycopg.Connection[Any], superuser: psycopg.Connection[Any], change: str
) -> None:
    superuser.execute(change.encode())
    with pytest.raises(pg.InvalidAuthorizationSpecification):
        all_rows(session, STORES)


def test_a_kept_seal_ends_when_its_login_is_removed_or_made_again_for_another(
    session: psycopg.Connection[Any], logins: BoundLogins, name: str
) -> None:
    logins.remove(name)
    with pytest.raises(psycopg.Error):
        all_rows(session, STORES)
    logins.add(name, [REDMOND], "a password")
    with pytest.raises(psycopg.Error):
        all_rows(session, STORES)


def test_an_old_seal_is_worth_nothing_to_a_login_of_the_same_name(
    cluster: EmbeddedServer,
    database: str,
    session: psycopg.Connection[Any],
    logins: BoundLogins,
    name: str,
) -> None:
    ((seal,),) = all_rows(session, "SHOW app.current_rls_seal")
    logins.remove(name)
    logins.add(name, [REDMOND], "a password")
    conninfo = cluster.conninfo(dbname=database, user=name)
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(f"SET app.current_rls_user_id = '{SEATTLE}'".encode())
        conn.execute(f"SET app.current_rls_seal = '{seal}'".encode())
        conn.execute("SET ROLE store_managers")
        with pytest.raises(pg.InvalidAuthorizationSpecification):
            all_rows(conn, STORES)


@pytest.mark.parametrize("served", ["server", "pooled_server"])
def test_a_new_key_costs_no_answer(
    request: pytest.FixtureRequest, superuser: psycopg.Connection[Any], served: str
) -> None:
    provider: PostgreSQLProvider = request.getfixturevalue(served)
    before = provider.resolve_identity(SEATTLE)
    superuser.execute(NEW_KEY)
    assert names(provider, before) == ["Zava Retail Seattle"]
    # The next call begins with the new seal.
    assert provider.resolve_identity(SEATTLE).seal != before.seal


def test_a_person_whose_stores_changed_is_told_so_and_then_answered(
    server: PostgreSQLProvider, superuser: psycopg.Connection[Any]
) -> None:
    before = server.resolve_identity(SEATTLE)
    superuser.execute(NEW_KEY)
    superuser.execute(
        "WITH r AS (INSERT INTO retail.regional_managers (user_id, name)"
        f" VALUES ('{SEATTLE}', 'Two') RETURNING user_id)"
        " INSERT INTO retail.regional_manager_stores (user_id, store_id)"
        " SELECT r.user_id, s.store_id FROM r, retail.stores AS s LIMIT 2"
    )
    with pytest.raises(UnavailableError, match="ask again"):
        names(server, before)
    assert len(names(server, server.resolve_identity(SEATTLE))) == 2


def test_a_login_that_may_act_as_a_person_no_longer_is_refused_and_forgets(
    cluster: EmbeddedServer,
    database: str,
    name: str,
    superuser: psycopg.Connection[Any],
) -> None:
    for served in serve(cluster.conninfo(dbname=database, user=name)):
        seattle = served.resolve_identity(SEATTLE)
        superuser.execute("DELETE FROM retail.login_identities")
        with pytest.raises(AuthorizationError):
            names(served, seattle)
        assert served.known_identity(SEATTLE) is None


def test_a_query_that_claims_another_s_identity_is_told_so(
    server: PostgreSQLProvider, superuser: psycopg.Connection[Any]
) -> None:
    superuser.execute(WITHOUT_LOCKS)
    text = (
        "WITH s AS MATERIALIZED (SELECT set_config('app.current_rls_user_id',"
        f" '{REDMOND}', true) AS x) SELECT t.name FROM s, LATERAL"
        " (SELECT name, s.x FROM retail.stores) AS t"
    )
    with pytest.raises(QueryError) as refusal:
        server.fetch(text, server.resolve_identity(SEATTLE), 5)
    assert refusal.value.error_code == "INVALID_AUTHORIZATION_SPECIFICATION"


# Who is served without the locks ---------------------------------------------------


def posture(
    conninfo: str, user_id: str, allowed: frozenset[str] = MULTIPLE
) -> tuple[PostureCheck, ...]:
    provider = PostgreSQLProvider({"conninfo": conninfo, "max_size": 2})
    provider.open()
    try:
        checks = provider.check_posture(provider.resolve_identity(user_id))
    finally:
        provider.close()
    return accept(checks, allowed)


def failures(checks: tuple[PostureCheck, ...]) -> set[str]:
    return {check.name for check in checks if check.status == "fail"}


@pytest.mark.parametrize("binding", ["zava_server", "two people"])
def test_without_locks_a_login_of_several_people_is_refused_whatever_is_allowed(
    cluster: EmbeddedServer,
    database: str,
    superuser: psycopg.Connection[Any],
    logins: BoundLogins,
    name: str,
    binding: str,
) -> None:
    superuser.execute(WITHOUT_LOCKS)
    login = "zava_server" if binding == "zava_server" else name
    if login == name:
        logins.add(name, [REDMOND], None)
    checks = posture(cluster.conninfo(dbname=database, user=login), SEATTLE)
    assert failures(checks) == MULTIPLE
    assert all("zava login add" in c.remedy for c in checks if c.name in MULTIPLE)
    with pytest.raises(ConfigurationError, match="set_config"):
        PostureJudge(MULTIPLE)(checks)


def test_without_locks_a_bound_login_is_served_where_the_operator_allows_it(
    cluster: EmbeddedServer,
    database: str,
    superuser: psycopg.Connection[Any],
    name: str,
) -> None:
    superuser.execute(WITHOUT_LOCKS)
    conninfo = cluster.conninfo(dbname=database, user=name)
    assert failures(posture(conninfo, SEATTLE, frozenset())) == MULTIPLE
    assert failures(posture(conninfo, SEATTLE)) == set()


def test_a_login_made_before_it_could_tell_is_given_that_by_the_schema(
    cluster: EmbeddedServer,
    database: str,
    superuser: psycopg.Connection[Any],
    name: str,
) -> None:
    superuser.execute(
        f"REVOKE EXECUTE ON FUNCTION retail.login_is_bound(), retail.set_identity(uuid, text) FROM {name}".encode()
    )
    conninfo = cluster.conninfo(dbname=database, user=name)
    with pytest.raises(ConfigurationError, match="zava init"):
        posture(conninfo, SEATTLE)
    DatabaseLoader(cluster.conninfo(dbname=database, user="postgres")).load_schema()
    assert failures(posture(conninfo, SEATTLE)) == set()


def test_a_result_in_another_encoding_is_an_error_and_the_next_is_right(
    cluster: EmbeddedServer,
    database: str,
    superuser: psycopg.Connection[Any],
    name: str,
) -> None:
    superuser.execute(WITHOUT_LOCKS)
    for served in serve(cluster.conninfo(dbname=database, user=name)):
        seattle = served.resolve_identity(SEATTLE)
        for encoding in ("LATIN1", "EUC_JP"):
            text = f"SELECT set_config('client_encoding', '{encoding}', true), 'Zoë'"
            with pytest.raises(QueryError) as refusal:
                served.fetch(text, seattle, 5)
            assert refusal.value.error_code == "CHARACTER_NOT_IN_REPERTOIRE"
        assert served.fetch("SELECT 'Zoë'", seattle, 5).rows == (("Zoë",),)


def test_the_doctor_s_remedies_close_a_database_that_no_superuser_loaded(
    cluster: EmbeddedServer,
    database: str,
    superuser: psycopg.Connection[Any],
    name: str,
) -> None:
    superuser.execute(WITHOUT_LOCKS)
    superuser.execute(
        "REVOKE EXECUTE ON FUNCTION set_config(text, text, boolean),"
        " current_setting(text), current_setting(text, boolean) FROM zava_owner"
    )
    for login in (name, "zava_server"):
        conninfo = cluster.conninfo(dbname=database, user=login)
        for check in posture(conninfo, SEATTLE, frozenset()):
            if check.status == "fail":
                for fault in check.faults:
                    superuser.execute(fault.remedy.encode())
        checks = posture(conninfo, SEATTLE, frozenset())
        assert failures(checks) == set()
        for served in serve(conninfo):
            seattle = served.resolve_identity(SEATTLE)
            assert names(served, seattle) == ["Zava Retail Seattle"]
