"""Days, local times and moments: each sale falls on the day that its file says."""

from __future__ import annotations

from datetime import date

import pytest

from tests.integration.admin.importing.conftest import Chain
from zava.errors import ConfigurationError

pytestmark = [pytest.mark.thorough, pytest.mark.once]

STORES = (
    "source_id,name,time_zone\n"
    "1,North,Europe/Berlin\n2,South,America/New_York\n3,Rio,America/Sao_Paulo\n"
)
ORDERS = (
    "SELECT source_id, to_char(order_date AT TIME ZONE 'UTC', 'MM-DD HH24:MI:SS'),"
    " business_day::text FROM retail.orders ORDER BY source_id"
)


def write(chain: Chain, store: str, *times: str) -> None:
    chain.write("stores.csv", STORES)
    orders = "".join(f"{n},{store},{time},1.00\n" for n, time in enumerate(times))
    chain.write("orders.csv", "source_id,store,order_date,total_amount\n" + orders)


@pytest.mark.parametrize("store", ["1", "2"])
def test_a_date_without_a_time_is_that_business_day_wherever_the_store_is(
    chain: Chain, store: str
) -> None:
    write(chain, store, "2026-03-05", "20260305", "Mar 5 2026", "2026-03-05 00:10")
    assert chain.load().status == "loaded"
    moment = {"1": "03-04 23:00:00", "2": "03-05 05:00:00"}[store]
    assert [row[1:] for row in chain.rows(ORDERS)[:3]] == [(moment, "2026-03-05")] * 3
    assert chain.rows(ORDERS)[3][2] == "2026-03-05"


def test_a_business_day_that_begins_at_four_holds_its_dates_and_not_its_midnight(
    chain: Chain,
) -> None:
    chain.write("chain.csv", "name,day_starts_at\nNight Shops,04:00\n")
    write(chain, "2", "2026-03-05", "2026-03-05 00:00", "2026-03-05 04:00")
    assert chain.load().status == "loaded"
    assert chain.rows(ORDERS) == [
        ("0", "03-05 09:00:00", "2026-03-05"),
        ("1", "03-05 05:00:00", "2026-03-04"),
        ("2", "03-05 09:00:00", "2026-03-05"),
    ]
    assert chain.value("SELECT retail.recompute_business_days()") == 0
    assert not chain.load().has_changed_anything


def test_an_expression_that_is_a_date_is_a_business_day_also_of_counts(
    chain: Chain,
) -> None:
    write(chain, "2")
    chain.write("till.csv", "id,day\na,05.03.2026\n")
    chain.load(
        mapping="""
        [files.stores]
        [files.orders]
        [files.till]
        [tables.stores]
        [tables.products]
        file = "till"
        columns = { source_id = "'p'", name = "'Milk'" }
        [tables.orders]
        file = "till"
        columns = { source_id = "id", store = "'2'", order_date = "to_date(day, 'DD.MM.YYYY')", total_amount = "'1'" }
        [tables.inventory]
        file = "till"
        columns = { store = "'2'", product = "'p'", stock_level = "'7'", counted_at = "to_date(day, 'DD.MM.YYYY')" }
        """
    )
    assert chain.rows(ORDERS) == [("a", "03-05 05:00:00", "2026-03-05")]
    assert chain.value("SELECT counted_at = '2026-03-05 05:00Z' FROM retail.inventory")


def test_a_day_that_begins_in_a_gap_of_the_clocks_begins_behind_it(
    chain: Chain,
) -> None:
    write(chain, "3", "2017-10-15")
    assert chain.load().status == "loaded"
    assert chain.rows(ORDERS) == [("0", "10-15 03:00:00", "2017-10-15")]


def test_every_zone_that_postgresql_reads_in_a_text_counts(chain: Chain) -> None:
    texts = {
        "2026-03-05 12:00 America/Los_Angeles": "03-05 20:00:00",
        "2026-03-05 12:00 PST": "03-05 20:00:00",
        "2026-03-05 12:00 pst": "03-05 20:00:00",
        "2026-03-05 12:00 +02": "03-05 10:00:00",
        "2026-03-05 12:00 +02:00": "03-05 10:00:00",
        "2026-03-05 12:00+02": "03-05 10:00:00",
        "2026-03-05T12:00:00.0+0530": "03-05 06:30:00",
        "2026-03-05T12:00:00Z": "03-05 12:00:00",
        "2026-03-05 12:00 zulu": "03-05 12:00:00",
        "2026-03-05 12:00 GMT": "03-05 12:00:00",
        "2026-03-05 12:00 Etc/GMT+5": "03-05 17:00:00",
        "2026-03-05 12:00 EST5EDT": "03-05 17:00:00",
        "Thu Mar 05 12:00:00 2026 PST": "03-05 20:00:00",
        "2026-03-05 12:00 MET DST": "03-05 10:00:00",
        "2026-03-05 12:00": "03-05 17:00:00",
        "2026-03-05 12:00:00.000": "03-05 17:00:00",
        "Thu Mar 05 12:00:00 2026": "03-05 17:00:00",
    }
    write(chain, "2", *texts)
    report = chain.load()
    assert report.status == "loaded", report.rejects
    read = {int(row[0]): row[1] for row in chain.rows(ORDERS)}
    assert [read[n] for n in range(len(texts))] == list(texts.values())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-03-05 12:00 UTC+2", "hours that PostgreSQL counts westward"),
        ("2026-03-05 12:00 GMT-05:00", "hours that PostgreSQL counts westward"),
        ("2026-03-05Z", "a day has no zone"),
        ("2026-03-05 +02", "a day has no zone"),
        ("2026-03-05 12:00 Uhr", "invalid input syntax"),
        ("2026-03-05 12:00 Mars/Olympus", "not recognized"),
        ("now", "no fixed time"),
        ("Today 10:00", "no fixed time"),
        ("infinity", "no fixed time"),
        ("1899-12-30T10:00", "breaks the rule orders_business_day_range"),
        ("1899-12-30", "breaks the rule orders_business_day_range"),
        ("0001-01-01T10:00Z", "breaks the rule orders_business_day_range"),
        ("10000-01-01", "breaks the rule orders_business_day_range"),
    ],
)
def test_a_time_that_cannot_be_meant_is_a_bad_row_with_its_line(
    chain: Chain, text: str, reason: str
) -> None:
    write(chain, "2", "2026-03-05", text)
    report = chain.load()
    assert [(r.line, r.table, r.column) for r in report.rejects] == [
        (3, "orders", "order_date")
    ]
    assert reason in report.rejects[0].reason


def test_a_day_of_any_column_is_a_written_one(chain: Chain) -> None:
    chain.write("stores.csv", "source_id,name,opened_on\n1,North,today\n")
    (reject,) = chain.load().rejects
    assert (reject.column, reject.value) == ("opened_on", "today")
    assert "no fixed day" in reject.reason


TILL = """
[files.stores]
[files.orders]
[files.till]
[tables.stores]
[tables.orders]
file = "till"
[tables.orders.columns]
source_id = "id"
store = "'2'"
total_amount = "'1'"
"""


@pytest.mark.parametrize(
    "column",
    [
        "order_date = \"to_timestamp(day, 'DD.MM.YYYY')\"",
        "order_date = 'substr(\"when\", 1, 16)::timestamptz'",
        'business_day = "to_timestamp(epoch::int)::date"',
        "order_date = \"min(to_timestamp(day, 'DD.MM.YYYY'))\"",
    ],
)
def test_a_time_that_hangs_on_the_zone_of_the_session_is_refused(
    chain: Chain, column: str
) -> None:
    write(chain, "2")
    chain.write("till.csv", "id,day,when,epoch\na,05.03.2026,2026-03-05 23:00,1\n")
    with pytest.raises(ConfigurationError, match="depends on the time zone"):
        chain.load(mapping=TILL + column)


@pytest.mark.parametrize(
    "column",
    [
        "order_date = \"to_timestamp(day, 'DD.MM.YYYY')::timestamp\"",
        "order_date = \"to_timestamp(day, 'DD.MM.YYYY')::timestamp AT TIME ZONE 'America/New_York'\"",
        "business_day = \"to_timestamp(day, 'DD.MM.YYYY')::date\"",
    ],
)
def test_a_time_that_names_its_zone_or_none_is_taken(chain: Chain, column: str) -> None:
    write(chain, "2")
    chain.write("till.csv", "id,day\na,05.03.2026\n")
    assert chain.load(mapping=TILL + column).status == "loaded"
    assert chain.rows(ORDERS) == [("a", "03-05 05:00:00", "2026-03-05")]


def test_an_order_has_its_day_from_the_files_and_never_from_the_clock(
    chain: Chain,
) -> None:
    write(chain, "2")
    chain.write("till.csv", "id\na\n")
    with pytest.raises(ConfigurationError, match="a new row needs order_date"):
        chain.load(mapping=TILL)
    chain.write("orders.csv", "source_id,order_date\na,2026-03-05 10:00\n")
    with pytest.raises(ConfigurationError, match="order_date needs store"):
        chain.load(mapping="[files.orders]\n[tables.orders]\n")
    assert chain.load(
        mapping=TILL + "business_day = \"'2026-03-05'\"", replace_days=None
    ).first_day == date(2026, 3, 5)
