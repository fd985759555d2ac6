"""`zava login remove`, whatever a session of the login holds."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests import doctor
from tests.people import SEATTLE
from zava.admin.embedded import EmbeddedServer
from zava.admin.loading import DatabaseLoader
from zava.admin.logins import BoundLogins
from zava.errors import ConfigurationError

pytestmark = pytest.mark.thorough

Connection = psycopg.Connection


@pytest.fixture
def admin(cluster: EmbeddedServer, database: str) -> Iterator[Connection]:
    conninfo = cluster.conninfo(dbname=database, user="postgres")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        yield conn


@pytest.fixture
def logins(cluster: EmbeddedServer, database: str) -> BoundLogins:
    loader = DatabaseLoader(cluster.conninfo(dbname=database, user="postgres"))
    return BoundLogins(loader)


@pytest.fixture
def name(logins: BoundLogins) -> str:
    name = f"login_{uuid.uuid4().hex}"
    logins.add(name, [SEATTLE], None)
    return name


@pytest.fixture
def session(cluster: EmbeddedServer, database: str, name: str) -> Iterator[Connection]:
    """What the login's password opens."""
    conninfo = cluster.conninfo(dbname=database, user=name)
    with psycopg.connect(conninfo, autocommit=True) as conn:
        yield conn


def exists(admin: Connection, name: str) -> bool:
    found = admin.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,))
    return found.fetchone() is not None


@pytest.mark.parametrize(
    "held",
    [
        "GRANT EXECUTE ON FUNCTION retail.resolve_identity(uuid) TO PUBLIC",
        "GRANT USAGE ON SCHEMA retail TO PUBLIC",
        "ALTER ROLE CURRENT_USER SET application_name = 'held'",
    ],
)
def test_no_lock_of_its_sessions_holds_a_removal_up(
    admin: Connection, logins: BoundLogins, session: Connection, name: str, held: str
) -> None:
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    session.execute(held.encode())
    logins.remove(name)
    assert not exists(admin, name)
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")


@pytest.mark.parametrize(
    "left",
    [
        "SELECT lo_create(0)",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
    ],
)
def test_what_a_login_can_always_make_does_not_keep_it(
    admin: Connection, logins: BoundLogins, session: Connection, name: str, left: str
) -> None:
    # The locks of a superuser close large objects.
    admin.execute("GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC")
    session.execute(left.encode())
    logins.remove(name)
    assert not exists(admin, name)


def test_a_login_that_owns_a_table_keeps_it_and_is_taken_up_again(
    admin: Connection, logins: BoundLogins, name: str
) -> None:
    admin.execute(
        f"CREATE TABLE public.theirs AS SELECT 1 AS n; ALTER TABLE public.theirs OWNER TO {name}".encode()
    )
    with pytest.raises(ConfigurationError, match="may act as nobody any more"):
        logins.remove(name)
    (left,) = (entry for entry in logins.list_all() if entry.name == name)
    assert (left.can_login, left.user_ids) == (False, ())
    assert admin.execute("SELECT n FROM public.theirs").fetchall() == [(1,)]
    admin.execute("DROP TABLE public.theirs")
    logins.remove(name)
    assert not exists(admin, name)


def test_a_login_that_was_not_dropped_can_be_given_to_somebody_again(
    admin: Connection, logins: BoundLogins, name: str
) -> None:
    admin.execute(
        f"CREATE TABLE public.theirs AS SELECT 1 AS n; ALTER TABLE public.theirs OWNER TO {name}".encode()
    )
    with pytest.raises(ConfigurationError):
        logins.remove(name)
    assert logins.add(name, [SEATTLE], None).can_login
    admin.execute("DROP TABLE public.theirs")
    logins.remove(name)


@pytest.mark.parametrize("role", ["login", "store_managers"])
def test_default_privileges_of_who_can_make_nothing_stop_nobody(
    cluster: EmbeddedServer,
    database: str,
    logins: BoundLogins,
    session: Connection,
    name: str,
    role: str,
) -> None:
    if role != "login":
        session.execute(f"SET ROLE {role}".encode())
    session.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC")
    try:
        checks = doctor.look(cluster.conninfo(dbname=database, user="zava_server"))
        assert [c.name for c in checks.values() if c.status == "fail"] == []
    finally:
        logins.remove(name)
