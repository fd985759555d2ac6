"""`--replace-days` deletes what the files do not have, and no day that they do not."""

from __future__ import annotations

from datetime import date

import pytest

from tests.integration.admin.importing.conftest import FILES, Chain
from zava.admin.importing.report import ReplacedDays
from zava.errors import ConfigurationError, DatabaseError

pytestmark = [pytest.mark.thorough, pytest.mark.once]

MONDAY = date(2017, 3, 6)
MARCH = (date(2017, 3, 1), date(2017, 3, 31))
HEADER = "source_id,store,order_date,total_amount\n"
# Store 1 is closed on the third; store 2 has one day.
WEEK = HEADER + (
    "a1,1,2017-03-01,1\na2,1,2017-03-02,1\na4,1,2017-03-04,1\nb2,2,2017-03-02,1\n"
)


def orders(chain: Chain) -> str:
    return " ".join(
        row[0] for row in chain.rows("SELECT source_id FROM retail.orders ORDER BY 1")
    )


@pytest.fixture
def week(chain: Chain) -> Chain:
    """A chain with four orders, each with a line."""
    chain.write_all(
        orders=WEEK,
        order_items="order,product,quantity,total_amount\n"
        + "".join(f"{order},10,1,1\n" for order in ("a1", "a2", "a4", "b2")),
    )
    chain.load()
    return chain


def test_replaced_days_lose_what_the_files_do_not_have(chain: Chain) -> None:
    chain.write_all(orders=FILES["orders"] + "o4,1,,2017-03-06 11:00,1.29\n")
    chain.load()
    rest = FILES["order_items"].replace("o1,10,1,1.29\n", "")
    chain.write_all(
        orders=FILES["orders"].replace("o3,1,,2017-03-06 10:00,1.29\n", ""),
        order_items=rest.replace("o3,10,1,1.29\n", ""),
    )
    assert chain.load().tables[-2].deleted == 0
    assert orders(chain) == "o1 o2 o3 o4"
    report = chain.load(replace_days=(MONDAY, MONDAY))
    deleted = {t.table: t.deleted for t in report.tables if t.deleted}
    assert deleted == {"orders": 2, "order_items": 1}
    assert report.replaced_days == ReplacedDays(
        MONDAY, MONDAY, days=1, deleted_lines=1, kept_orders=0, other_orders=1
    )
    assert orders(chain) == "o1 o2"
    assert chain.value("SELECT count(*) FROM retail.order_items") == 2


def test_days_of_which_the_files_have_no_order_stay(week: Chain) -> None:
    file = week.write("orders.csv", HEADER + "a9,1,2017-03-02,1\n")
    report = week.load(file, replace_days=MARCH)
    assert report.replaced_days == ReplacedDays(
        *MARCH, days=1, deleted_lines=1, kept_orders=2, other_orders=0
    )
    assert orders(week) == "a1 a4 a9 b2"


def test_days_without_any_order_in_the_files_are_refused(week: Chain) -> None:
    file = week.write("orders.csv", HEADER + "a9,1,2017-03-02,1\n")
    day = (date(2017, 3, 4), date(2017, 3, 4))
    with pytest.raises(ConfigurationError, match="no order on the business days"):
        week.load(file, replace_days=day)
    assert orders(week) == "a1 a2 a4 b2"


def test_days_without_an_order_go_if_that_is_said_in_the_stores_of_the_files(
    week: Chain,
) -> None:
    file = week.write("orders.csv", HEADER + "a9,1,2017-03-02,1\n")
    report = week.load(file, replace_days=MARCH, replaces_empty_days=True)
    assert report.replaced_days == ReplacedDays(
        *MARCH, days=31, deleted_lines=3, kept_orders=0, other_orders=0
    )
    assert orders(week) == "a9 b2"


def test_an_order_that_a_later_return_names_is_not_replaced_away(chain: Chain) -> None:
    returned = "r1,1,,2017-03-08 10:00,-1.29,o3\n"
    header, *rest = FILES["orders"].splitlines()
    rows = "\n".join([header + ",returns_order", *(f"{r}," for r in rest), returned])
    chain.write_all(orders=rows)
    chain.load()
    assert chain.value("SELECT is_return FROM retail.orders WHERE source_id = 'r1'")
    chain.write_all(
        orders=FILES["orders"].replace("o3,1,,2017-03-06 10:00,1.29\n", ""),
        order_items=FILES["order_items"].replace("o3,10,1,1.29\n", ""),
    )
    with pytest.raises(DatabaseError, match="the return r1"):
        chain.load(replace_days=(MONDAY, MONDAY))
    assert chain.value("SELECT count(*) FROM retail.orders") == 4


def test_a_row_of_no_order_stops_the_replacing_of_its_day(
    week: Chain, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = week.write("orders.csv", HEADER + "a1,1,2017-03-01,1\n,1,2017-03-01,5\n")
    rejects = tmp_path_factory.mktemp("rejects") / "rejects.csv"
    report = week.load(file, replace_days=MARCH, reject_file=rejects)
    assert report.status == "nothing_loaded"
    assert "so its day cannot be replaced" in report.obstacles[0]
    assert week.load(file, reject_file=rejects).status == "loaded_with_rejects"
