"""A sale belongs to the local day of its store: clocks that change, late nights, moves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

Conn = psycopg.Connection

SELL = """
    INSERT INTO retail.orders (store_id, order_date, total_amount)
    SELECT store_id, %s::timestamptz, 5 FROM retail.stores WHERE name = 'Clock'
    RETURNING order_id, business_day::text
"""


@pytest.fixture
def conn(owner: Conn) -> Iterator[Conn]:
    """The seed with a store of its own in Los Angeles; rolled back in the end."""
    with owner.transaction(force_rollback=True):
        owner.execute("INSERT INTO retail.stores (name) VALUES ('Clock')")
        yield owner


def sell(conn: Conn, moment: str) -> tuple[Any, str]:
    row = conn.execute(SELL, (moment,)).fetchone()
    assert row is not None
    return row[0], row[1]


def test_a_store_without_a_time_zone_gets_the_chain_s(conn: Conn) -> None:
    zone = conn.execute("SELECT time_zone FROM retail.stores WHERE name = 'Clock'")
    assert zone.fetchall() == [("America/Los_Angeles",)]


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        pytest.param("2026-01-15 07:59:59Z", "2026-01-14", id="winter, 23:59:59"),
        pytest.param("2026-01-15 08:00:00Z", "2026-01-15", id="winter, midnight"),
        pytest.param("2026-07-15 06:59:59Z", "2026-07-14", id="summer, 23:59:59"),
        pytest.param("2026-07-15 07:00:00Z", "2026-07-15", id="summer, midnight"),
        # The day of 23 hours.
        pytest.param("2026-03-08 08:00:00Z", "2026-03-08", id="23 hours, first"),
        pytest.param("2026-03-09 06:59:59Z", "2026-03-08", id="23 hours, last"),
        pytest.param("2026-03-09 07:00:00Z", "2026-03-09", id="23 hours, over"),
        # The day of 25 hours, in which 01:30 comes twice.
        pytest.param("2026-11-01 07:00:00Z", "2026-11-01", id="25 hours, first"),
        pytest.param("2026-11-01 08:30:00Z", "2026-11-01", id="01:30"),
        pytest.param("2026-11-01 09:30:00Z", "2026-11-01", id="01:30 again"),
        pytest.param("2026-11-02 07:59:59Z", "2026-11-01", id="25 hours, last"),
        pytest.param("2026-11-02 08:00:00Z", "2026-11-02", id="25 hours, over"),
    ],
)
def test_a_sale_is_of_the_day_that_the_store_s_clock_shows(
    conn: Conn, moment: str, day: str
) -> None:
    assert sell(conn, moment)[1] == day


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-01-15 11:59:59Z", "2026-01-14"),  # 03:59:59
        ("2026-01-15 12:00:00Z", "2026-01-15"),  # 04:00
        ("2026-03-08 10:59:59Z", "2026-03-07"),  # 03:59:59, an hour early
        ("2026-03-08 11:00:00Z", "2026-03-08"),
        ("2026-11-01 11:59:59Z", "2026-10-31"),  # 03:59:59, an hour late
        ("2026-11-01 12:00:00Z", "2026-11-01"),
    ],
)
def test_a_day_that_begins_at_four_holds_the_night_before(
    conn: Conn, moment: str, day: str
) -> None:
    conn.execute("UPDATE retail.chain SET day_starts_at = '04:00'")
    assert sell(conn, moment)[1] == day


def test_a_day_that_the_chain_gives_stays(conn: Conn) -> None:
    order, _ = sell(conn, "2026-07-15 12:00Z")
    day = "SELECT business_day::text, sold_on::text FROM retail.orders WHERE order_id = %s"
    conn.execute(
        "UPDATE retail.orders SET business_day = '2026-07-20' WHERE order_id = %s",
        (order,),
    )
    assert conn.execute(day, (order,)).fetchall() == [("2026-07-20", "2026-07-20")]
    conn.execute(
        "UPDATE retail.orders SET status = 'completed' WHERE order_id = %s", (order,)
    )
    assert conn.execute(day, (order,)).fetchall() == [("2026-07-20", "2026-07-20")]
    # Another moment is another day.
    conn.execute(
        "UPDATE retail.orders SET order_date = '2026-07-16 12:00Z' WHERE order_id = %s",
        (order,),
    )
    assert conn.execute(day, (order,)).fetchall() == [("2026-07-16", "2026-07-16")]


def test_a_store_that_moves_takes_its_days_along_and_others_do_not(conn: Conn) -> None:
    early, late = "2026-07-15 03:00Z", "2026-07-16 03:00Z"
    orders = [sell(conn, moment)[0] for moment in (early, late)]
    others = "SELECT md5(string_agg(order_id || business_day::text, ',' ORDER BY order_id)) FROM retail.orders WHERE order_id <> ALL (%s)"
    before = conn.execute(others, (orders,)).fetchall()
    conn.execute("DELETE FROM retail.changed_orders")
    conn.execute(
        "UPDATE retail.stores SET time_zone = 'Asia/Tokyo' WHERE name = 'Clock'"
    )
    recompute = "SELECT retail.recompute_business_days(ARRAY(SELECT store_id FROM retail.stores WHERE name = 'Clock'), %s::timestamptz)"
    days = "SELECT business_day::text FROM retail.orders WHERE order_id = ANY (%s) ORDER BY 1"
    assert conn.execute(recompute, (late,)).fetchall() == [(1,)]
    assert conn.execute(days, (orders,)).fetchall() == [
        ("2026-07-14",),
        ("2026-07-16",),
    ]
    assert conn.execute(recompute, ("-infinity",)).fetchall() == [(1,)]
    assert conn.execute(days, (orders,)).fetchall() == [
        ("2026-07-15",),
        ("2026-07-16",),
    ]
    assert conn.execute(others, (orders,)).fetchall() == before
    # Both the old days and the new ones are marked.
    marked = conn.execute(
        "SELECT DISTINCT day::text FROM retail.changed_orders ORDER BY 1"
    )
    assert marked.fetchall() == [("2026-07-14",), ("2026-07-15",), ("2026-07-16",)]


def test_the_current_day_of_several_time_zones_is_the_chain_s(conn: Conn) -> None:
    conn.execute("UPDATE retail.chain SET default_time_zone = 'Pacific/Kiritimati'")
    here = "SELECT retail.current_business_day() = (now() AT TIME ZONE %s)::date"
    assert conn.execute(here, ("America/Los_Angeles",)).fetchall() == [(True,)]
    conn.execute(
        "UPDATE retail.stores SET time_zone = 'Asia/Tokyo' WHERE name = 'Clock'"
    )
    assert conn.execute(here, ("Pacific/Kiritimati",)).fetchall() == [(True,)]
    store = "SELECT retail.current_business_day(store_id) = (now() AT TIME ZONE 'Asia/Tokyo')::date FROM retail.stores WHERE name = 'Clock'"
    assert conn.execute(store).fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (
            "UPDATE retail.stores SET time_zone = 'Mars/Base'",
            errors.InvalidParameterValue,
        ),
        (
            "UPDATE retail.chain SET default_time_zone = ''",
            errors.InvalidParameterValue,
        ),
        ("UPDATE retail.orders SET order_date = 'infinity'", errors.CheckViolation),
        ("UPDATE retail.orders SET total_amount = 'NaN'", errors.CheckViolation),
        ("UPDATE retail.order_items SET quantity = 'NaN'", errors.CheckViolation),
        ("UPDATE retail.orders SET business_day = 'infinity'", errors.CheckViolation),
        ("INSERT INTO retail.chain (only_row) VALUES (false)", errors.CheckViolation),
    ],
)
def test_what_is_no_day_no_zone_and_no_amount_is_refused(
    conn: Conn, statement: str, error: type[psycopg.Error]
) -> None:
    with pytest.raises(error), conn.transaction():
        conn.execute(statement.encode())
