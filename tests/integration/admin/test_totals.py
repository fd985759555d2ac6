"""`zava refresh`: what was written since is added to what is kept."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from tests import doctor
from zava.admin.embedded import EmbeddedServer
from zava.admin.loading import DatabaseLoader
from zava.admin.totals import refresh_totals
from zava.errors import ConfigurationError
from zava.models import PostureCheck

pytestmark = pytest.mark.thorough


def nothing(_step: int, _steps: int, _name: str) -> None:
    """Nobody watches."""


@pytest.fixture
def superuser(cluster: EmbeddedServer, database: str) -> str:
    return cluster.conninfo(dbname=database, user="postgres")


def marked_days(conninfo: str) -> int:
    with psycopg.connect(conninfo) as conn:
        row = conn.execute(
            "SELECT count(DISTINCT (store_id, day)) FROM retail.changed_orders"
        ).fetchone()
    assert row is not None
    return int(row[0])


def execute(conninfo: str, sql: str) -> None:
    with psycopg.connect(conninfo) as conn:
        conn.execute(sql.encode())


def test_a_refresh_says_what_it_has_done(superuser: str) -> None:
    days = marked_days(superuser)
    steps: list[tuple[int, int, str]] = []
    done = refresh_totals(DatabaseLoader(superuser), lambda *step: steps.append(step))
    assert (done.days, done.recommendations) == (days, False)
    assert days > 0
    assert marked_days(superuser) == 0
    assert steps == [(1, 1, f"{days} days of stores")]
    again = refresh_totals(DatabaseLoader(superuser), nothing)
    assert (again.days, again.recommendations) == (0, False)


def test_recommendations_are_counted_when_asked_for_or_a_day_old(
    superuser: str,
) -> None:
    loader = DatabaseLoader(superuser)
    execute(superuser, "DELETE FROM retail.product_pairs")
    assert refresh_totals(loader, nothing, recommendations=True).recommendations
    with psycopg.connect(superuser) as conn:
        assert conn.execute("SELECT 1 FROM retail.product_pairs").fetchall() != []
    assert not refresh_totals(loader, nothing).recommendations
    execute(
        superuser,
        "UPDATE retail.refreshes SET refreshed_at = now() - interval '25 hours'",
    )
    assert refresh_totals(loader, nothing).recommendations
    execute(superuser, "UPDATE retail.refreshes SET refreshed_at = NULL")
    assert refresh_totals(loader, nothing).recommendations


def test_a_second_refresh_waits_and_finds_nothing_to_do(superuser: str) -> None:
    days = marked_days(superuser)
    found: list[int] = []

    def refresh() -> None:
        found.append(refresh_totals(DatabaseLoader(superuser), nothing).days)

    threads = [threading.Thread(target=refresh) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, days]


SQL_REFRESH = "SELECT retail.refresh_sales_totals()"


def wait_for_a_waiter(superuser: str) -> None:
    """Return when somebody waits for retail.refreshes."""
    waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'retail.refreshes'::regclass"
    with psycopg.connect(superuser, autocommit=True) as conn:
        while not conn.execute(waits).fetchall():
            pass


def test_a_refresh_waits_for_one_by_sql(superuser: str) -> None:
    found: list[int] = []

    def refresh() -> None:
        found.append(refresh_totals(DatabaseLoader(superuser), nothing).days)

    with psycopg.connect(superuser) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.execute(SQL_REFRESH)
        thread = threading.Thread(target=refresh)
        thread.start()
        wait_for_a_waiter(superuser)
        conn.commit()
    thread.join()
    assert found == [0]


def test_a_refresh_by_sql_waits_for_a_vacuum_of_its_table(superuser: str) -> None:
    days = marked_days(superuser)
    found: list[Any] = []

    def refresh() -> None:
        with psycopg.connect(superuser) as conn:
            conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            found.extend(conn.execute(SQL_REFRESH).fetchall())

    with psycopg.connect(superuser) as conn:
        # As VACUUM takes it.
        conn.execute("LOCK TABLE retail.refreshes IN SHARE UPDATE EXCLUSIVE MODE")
        thread = threading.Thread(target=refresh)
        thread.start()
        wait_for_a_waiter(superuser)
        conn.rollback()
    thread.join()
    assert found == [(days,)]


def test_a_database_without_the_schema_is_named(empty_database: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        refresh_totals(DatabaseLoader(empty_database), nothing)
    assert "zava init" in refused.value.message


def totals_check(cluster: EmbeddedServer, database: str) -> PostureCheck:
    conninfo = cluster.conninfo(dbname=database, user="zava_server")
    return doctor.look(conninfo)["totals"]


def test_the_doctor_warns_when_nobody_refreshes(
    cluster: EmbeddedServer, database: str, superuser: str
) -> None:
    assert totals_check(cluster, database).status == "pass"
    execute(
        superuser, "UPDATE retail.refreshes SET refreshed_at = '2026-05-01 12:00+00'"
    )
    overdue = totals_check(cluster, database)
    assert overdue.status == "warn"
    # The days of this person's store alone.
    assert "20 days of stores" in overdue.detail
    assert "2026-05-01 12:00" in overdue.detail
    execute(superuser, "UPDATE retail.refreshes SET refreshed_at = NULL")
    assert "never" in totals_check(cluster, database).detail
    refresh_totals(DatabaseLoader(superuser), nothing)
    assert totals_check(cluster, database).status == "pass"
