"""A hot standby: every transaction there only reads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors as pg

from tests.conftest import SCALE, clone
from tests.folders import make_folder
from tests.people import SEATTLE
from zava.admin.data_quality import DATA_CHECKS, check_data
from zava.admin.embedded import EmbeddedServer
from zava.admin.loading import DatabaseLoader
from zava.data.provider import PostgreSQLProvider
from zava.errors import ConfigurationError

pytestmark = pytest.mark.thorough

_GRANT = "GRANT EXECUTE ON FUNCTION set_config(text, text, boolean) TO"
CHANGES = {
    "locked": "SELECT",
    "open": f"{_GRANT} PUBLIC",
    "of_group": f"{_GRANT} store_managers",
}


@pytest.fixture(scope="module")
def standby(pg_version: int) -> Iterator[EmbeddedServer]:
    """`locked`; `open` where set_config is; `of_group` where it is to a group."""
    folder = make_folder()
    try:
        with EmbeddedServer(folder, version=pg_version) as primary:
            admin = primary.conninfo(dbname="postgres", user="postgres")
            first, *others = CHANGES
            DatabaseLoader(admin).create_database(first)
            loader = DatabaseLoader(primary.conninfo(dbname=first, user="postgres"))
            loader.load_schema()
            loader.load_seed(float(SCALE) / 10, "2026-06-30", lambda *_: None)
            for name in others:
                clone(primary, first, name)
            for name, change in CHANGES.items():
                conninfo = primary.conninfo(dbname=name, user="postgres")
                with psycopg.connect(conninfo) as conn:
                    conn.execute(change.encode())
        cluster = folder / f"postgresql-{pg_version}"
        (cluster / "standby.signal").touch()
        with EmbeddedServer(folder, version=pg_version) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def names(standby: EmbeddedServer, database: str) -> list[str]:
    conninfo = standby.conninfo(dbname=database, user="zava_server")
    provider = PostgreSQLProvider({"conninfo": conninfo})
    provider.open()
    try:
        seattle = provider.resolve_identity(SEATTLE)
        return [
            row[0] for row in provider.fetch("SELECT name FROM stores", seattle, 9).rows
        ]
    finally:
        provider.close()


def test_a_standby_with_the_locks_serves(standby: EmbeddedServer) -> None:
    assert names(standby, "locked") == ["Zava Retail Seattle"]


@pytest.mark.parametrize("database", ["open", "of_group"])
def test_a_standby_on_which_a_query_could_become_its_login_serves_nobody(
    standby: EmbeddedServer, database: str
) -> None:
    with pytest.raises(ConfigurationError, match="standby"):
        names(standby, database)


def test_on_a_standby_a_grant_to_the_group_alone_is_seen_by_the_database(
    standby: EmbeddedServer,
) -> None:
    conninfo = standby.conninfo(dbname="of_group", user="zava_server")
    with psycopg.connect(conninfo) as conn, pytest.raises(pg.ReadOnlySqlTransaction):
        conn.execute("SELECT seal FROM retail.resolve_identity(%s)", (SEATTLE,))


def test_the_data_can_be_looked_at_on_a_standby(standby: EmbeddedServer) -> None:
    conninfo = standby.conninfo(dbname="locked", user="postgres")
    checks = check_data(DatabaseLoader(conninfo), lambda *_: None)
    assert tuple(check.name for check in checks) == DATA_CHECKS
