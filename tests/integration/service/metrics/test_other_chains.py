"""What the seed has not: levels of categories, time zones, stores that fell silent, 4-5-4."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.conftest import temporary_database
from tests.integration.service.metrics.conftest import Ask, dicts, service_of
from tests.people import SEATTLE, regional_manager
from zava.admin.embedded import EmbeddedServer
from zava.data.provider import PostgreSQLProvider
from zava.errors import AuthorizationError, ValidationError
from zava.service.sales.calendars import Calendar

pytestmark = pytest.mark.thorough

NOW = datetime(2026, 7, 1, 19, tzinfo=timezone.utc)
HEAD_OFFICE = regional_manager("Head Office")
CHANGES = (
    # Hammers below Hand Tools, and a second category of the same name below Paint.
    "INSERT INTO retail.categories (name, parent_category_id)"
    " SELECT 'Striking', category_id FROM retail.categories WHERE name IN ('Hand Tools', 'Power Tools')",
    "INSERT INTO retail.categories (name, parent_category_id)"
    " SELECT 'Heavy', c.category_id FROM retail.categories AS c"
    " JOIN retail.categories AS p ON p.category_id = c.parent_category_id WHERE p.name = 'Hand Tools'",
    "UPDATE retail.products AS p SET type_id = NULL, category_id = (SELECT k.category_id FROM retail.categories AS k WHERE k.name = 'Heavy')"
    " FROM retail.product_types AS t WHERE t.type_id = p.type_id AND t.name = 'Hammers'",
    "UPDATE retail.products AS p SET type_id = NULL, category_id = (SELECT k.category_id FROM retail.categories AS k"
    " JOIN retail.categories AS a ON a.category_id = k.parent_category_id WHERE k.name = 'Striking' AND a.name = 'Power Tools')"
    " FROM retail.product_types AS t WHERE t.type_id = p.type_id AND t.name = 'Drills'",
    "UPDATE retail.chain SET fiscal_calendar = '4-5-4', fiscal_year_start = 2",
    "UPDATE retail.stores SET region = NULL WHERE name = 'Zava Retail Kirkland'",
    "UPDATE retail.stores SET time_zone = 'America/New_York' WHERE name = 'Zava Retail Online'",
    "SELECT retail.recompute_business_days()",
    # Spokane's feed ended; Everett has never sold.
    "DELETE FROM retail.orders WHERE store_id = (SELECT store_id FROM retail.stores WHERE name = 'Zava Retail Spokane')"
    " AND business_day > '2026-05-20' AND order_id NOT IN (SELECT returns_order_id FROM retail.orders WHERE returns_order_id IS NOT NULL)",
    "DELETE FROM retail.orders WHERE store_id = (SELECT store_id FROM retail.stores WHERE name = 'Zava Retail Spokane')"
    " AND business_day > '2026-05-20'",
    "DELETE FROM retail.orders WHERE store_id = (SELECT store_id FROM retail.stores WHERE name = 'Zava Retail Everett')",
)


@pytest.fixture(scope="module")
def changed(cluster: EmbeddedServer, template: str) -> Iterator[psycopg.Connection]:
    for name in temporary_database(cluster, template):
        with psycopg.connect(
            cluster.conninfo(dbname=name, user="postgres"), autocommit=True
        ) as conn:
            for text in CHANGES:
                conn.execute(text.encode())
            yield conn


@pytest.fixture(scope="module")
def there(cluster: EmbeddedServer, changed: psycopg.Connection) -> Iterator[Ask]:
    conninfo = cluster.conninfo(dbname=changed.info.dbname, user="zava_server")
    provider = PostgreSQLProvider({"conninfo": conninfo})
    provider.open()
    service = service_of(provider, lambda: NOW)

    def ask(person: str, *metrics: str, **how: Any) -> dict[str, Any]:
        question = service.check(metrics, **{"max_rows": 5000, **how})
        return service.answer(question, person)

    yield ask
    provider.close()


def value(conn: psycopg.Connection, query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def revenue_below(conn: psycopg.Connection, name: str) -> Decimal:
    return Decimal(
        value(
            conn,
            "SELECT sum(i.total_amount) FROM retail.order_items AS i JOIN retail.orders AS o USING (order_id)"
            " JOIN retail.products AS p USING (product_id) WHERE o.sold_on BETWEEN '2026-01-01' AND '2026-06-30'"
            " AND p.category_id = ANY (retail.categories_below((SELECT category_id FROM retail.categories"
            f" WHERE name = '{name}')))",
        )
    )


def test_categories_have_their_levels(there: Ask, changed: psycopg.Connection) -> None:
    answer = there(
        *(HEAD_OFFICE, "revenue"),
        by=["category", "category_2", "category_3"],
        time_period="ytd",
    )
    rows = {tuple(row[:3]): row[3] for row in answer["rows"]}
    below = {key for key in rows if key[1] is not None}
    assert below == {
        ("Hand Tools", "Hand Tools > Striking", "Heavy"),
        ("Power Tools", "Power Tools > Striking", None),
    }
    tops = dicts(there(HEAD_OFFICE, "revenue", by=["category"], time_period="ytd"))
    found = {row["category"]: Decimal(str(row["revenue"])) for row in tops}
    for name in ("Hand Tools", "Power Tools", "Paint & Finishes"):
        assert found[name] == revenue_below(changed, name)


def test_a_filter_takes_a_category_of_its_own_level(
    there: Ask, changed: psycopg.Connection
) -> None:
    heavy = there(
        HEAD_OFFICE, "revenue", time_period="ytd", filters={"category_3": "heavy"}
    )
    assert Decimal(str(heavy["rows"][0][0])) == revenue_below(changed, "Heavy")
    both = there(
        HEAD_OFFICE, "revenue", time_period="ytd", filters={"category_2": "striking"}
    )
    one = there(
        *(HEAD_OFFICE, "revenue"),
        time_period="ytd",
        filters={"category_2": "Hand Tools > Striking"},
    )
    assert one["rows"] == heavy["rows"]
    assert both["rows"][0][0] > one["rows"][0][0]
    with pytest.raises(ValidationError, match="heavy is no category, but a category_3"):
        there(HEAD_OFFICE, "revenue", filters={"category": "heavy"})


@pytest.mark.parametrize(
    "dimension", ["fiscal_week", "fiscal_period", "fiscal_quarter", "fiscal_year"]
)
def test_fiscal_spans_are_those_of_the_chain_s_calendar(
    there: Ask, changed: psycopg.Connection, dimension: str
) -> None:
    calendar = Calendar(week_starts_on=7, fiscal_calendar="4-5-4", fiscal_year_start=2)
    days = changed.execute(
        "SELECT business_day, sum(total_amount) FROM retail.orders WHERE sold_on IS NOT NULL"
        " AND business_day >= '2025-08-01' AND business_day < '2026-07-01' GROUP BY 1"
    ).fetchall()
    expected: dict[str, Decimal] = {}
    for day, revenue in days:
        name = calendar.unit_of(dimension.replace("_", " "), day).name  # type: ignore[arg-type]
        expected[name] = expected.get(name, Decimal(0)) + revenue
    answer = there(
        *(HEAD_OFFICE, "revenue"),
        by=[dimension],
        time_period="2025-08-01..2026-06-30",
    )
    assert {row[0]: Decimal(str(row[1])) for row in answer["rows"]} == expected


def test_a_store_whose_data_ends_earlier_is_named(
    there: Ask, changed: psycopg.Connection
) -> None:
    last = value(
        changed,
        "SELECT max(business_day) FROM retail.orders WHERE store_id ="
        " (SELECT store_id FROM retail.stores WHERE name = 'Zava Retail Spokane')",
    )
    answer = there(HEAD_OFFICE, "revenue", "days_since_last_order", by=["store"])
    assert answer["data_through"] == "2026-06-30"
    behind = answer["data_through_of_stores"]
    assert behind["Zava Retail Spokane"] == str(last)
    # The three that are furthest behind, and how many more there are.
    assert list(behind.values())[:3] == sorted(list(behind.values())[:3])
    assert len(behind) <= 4
    days = {row["store"]: row["days_since_last_order"] for row in dicts(answer)}
    assert days["Zava Retail Spokane"] == (date(2026, 6, 30) - last).days
    assert days["Zava Retail Seattle"] == 0
    alone = there(
        HEAD_OFFICE,
        "revenue",
        stores=["spokane"],
        time_period="2026-05",
        compare="previous",
    )
    assert alone["period"]["last_day"] == alone["data_through"] == str(last)
    first = alone["compared_with"]["previous"]
    assert date.fromisoformat(first["last_day"]) - date.fromisoformat(
        first["first_day"]
    ) == (last - date(2026, 5, 1))


def test_a_store_without_an_order_has_none(there: Ask) -> None:
    answer = there(HEAD_OFFICE, "revenue", stores=["everett"])
    assert (answer["rows"], answer["data_through"]) == ([], None)


def test_stores_are_named_by_region_name_part_or_id(
    there: Ask, changed: psycopg.Connection
) -> None:
    seattle = value(
        changed, "SELECT store_id FROM retail.stores WHERE name = 'Zava Retail Seattle'"
    )
    for stores, expected in (
        (["seattle"], "Zava Retail Seattle"),
        ([str(seattle)], "Zava Retail Seattle"),
        (["seattle", "TACOMA"], "Zava Retail Seattle, Zava Retail Tacoma"),
        (["Puget Sound"], "5 of the 8 you see"),
        (["all stores"], "all 8 you see"),
        (["Puget Sound", "spokane"], "6 of the 8 you see"),
    ):
        assert there(HEAD_OFFICE, "revenue", stores=stores)["stores"] == expected
    filtered = there(
        HEAD_OFFICE,
        "revenue",
        filters={"region": "puget sound", "not store": ["seattle"]},
    )
    assert filtered["stores"] == "4 of the 8 you see"
    online = there(HEAD_OFFICE, "revenue", filters={"channel": "online"})
    assert online["stores"] == "Zava Retail Online"
    assert (
        there(
            *(HEAD_OFFICE, "revenue"),
            by=["region"],
            time_period="ytd",
            order_by=["region"],
        )["rows"][-1][0]
        is None
    )
    with pytest.raises(ValidationError, match="several stores match"):
        there(HEAD_OFFICE, "revenue", stores=["zava"])
    with pytest.raises(ValidationError, match="there is no region north"):
        there(HEAD_OFFICE, "revenue", filters={"region": "north"})
    with pytest.raises(ValidationError, match="no store is left"):
        there(HEAD_OFFICE, "revenue", stores=["seattle"], filters={"channel": "online"})


def test_a_store_that_the_person_does_not_see_is_as_good_as_none(there: Ask) -> None:
    for name in ("Zava Retail Redmond", "Zava Retail Nowhere"):
        with pytest.raises(AuthorizationError, match=r"you see Zava Retail Seattle"):
            there(SEATTLE, "revenue", stores=[name])
        with pytest.raises(AuthorizationError):
            there(SEATTLE, "revenue", filters={"store": name})


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"brand": "wexlnd"}, "there is no brand wexlnd; near: Wexlund"),
        ({"type": "wrnches"}, r"no type wrnches; near: .*Wrench"),
        ({"status": "open"}, "there is no status open; near: "),
        ({"segment": "vip"}, "there is no segment vip"),
        ({"weekday": "fryday"}, "there is no weekday fryday; near: friday"),
        ({"hour": 25}, "hour is a number from 0 to 23"),
        ({"product": "no such thing"}, "semantic_search_products finds it"),
        ({"month": "soon"}, "must be one of today"),
        ({"month": "2020-01"}, "leave no day"),
        ({"channel": "fax"}, "channel is store or online"),
    ],
)
def test_a_value_that_does_not_exist_gets_near_ones(
    there: Ask, filters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        there(HEAD_OFFICE, "revenue", filters=filters)


def test_of_near_values_those_with_the_most_products_come_first(
    changed: psycopg.Connection, there: Ask
) -> None:
    held = changed.execute(
        "SELECT y.name, count(p.product_id) FROM retail.product_types AS y"
        " LEFT JOIN retail.products AS p USING (type_id)"
        " WHERE y.name ~* '\\mpaint' GROUP BY y.name"
    ).fetchall()
    with pytest.raises(ValidationError) as caught:
        there(HEAD_OFFICE, "revenue", filters={"type": "paint"})
    listed, _, more = caught.value.message.partition("near: ")[2].partition(" and ")
    names = listed.split(", ")
    sizes: dict[str, int] = dict(held)
    counts = [sizes[name] for name in names if name in sizes]
    assert len(counts) > 1
    assert counts == sorted(counts, reverse=True)
    assert not more or more.endswith(" more")


def test_a_region_is_said_to_be_of_the_stores_that_the_person_sees(there: Ask) -> None:
    note = "a region's figures are of the stores that you see in it"
    assert note in there(SEATTLE, "revenue", by=["region"])["notes"]
    assert note in there(SEATTLE, "revenue", stores=["Puget Sound"])["notes"]
    assert note not in there(SEATTLE, "revenue").get("notes", [])
    assert note not in there(HEAD_OFFICE, "revenue", by=["region"]).get("notes", [])


def test_a_column_that_is_not_there_gets_those_that_are(there: Ask) -> None:
    with pytest.raises(
        ValidationError, match=r"orders is no column; there are revenue$"
    ):
        there(HEAD_OFFICE, "revenue", having=["orders > 3"])
    with pytest.raises(ValidationError, match=r"there are store, revenue$"):
        there(HEAD_OFFICE, "revenue", by=["store"], order_by=["-orders"])
    with pytest.raises(ValidationError, match="fiscal"):
        there(HEAD_OFFICE, "revenue", time_period="FY2026-W60")


def test_a_period_may_be_written_as_people_do(there: Ask) -> None:
    for written, form in (
        ("Q2 2026", "2026-Q2"),
        ("June 2026", "2026-06"),
        ("since 2026-06-05", "2026-06-05..2026-07-01"),
        ("2026-06-04 to 2026-06-10", "2026-06-04..2026-06-10"),
        ("FY2026 Q1", "FY2026-Q1"),
    ):
        one = there(HEAD_OFFICE, "revenue", by=["week"], time_period=written)
        assert one == there(HEAD_OFFICE, "revenue", by=["week"], time_period=form)


def test_a_day_is_the_chain_s_where_stores_have_several_time_zones(
    cluster: EmbeddedServer, changed: psycopg.Connection
) -> None:
    conninfo = cluster.conninfo(dbname=changed.info.dbname, user="zava_server")
    provider = PostgreSQLProvider({"conninfo": conninfo})
    provider.open()
    # The first minutes of July in New York.
    now = datetime(2026, 7, 1, 4, 30, tzinfo=timezone.utc)
    service = service_of(provider, lambda: now)

    def first_day(stores: list[str]) -> date:
        question = service.check(["revenue"], (), "last_2_days", stores)
        return date.fromisoformat(
            service.answer(question, HEAD_OFFICE)["period"]["first_day"]
        )

    try:
        assert first_day(["online"]) == date(2026, 6, 29)
        assert first_day(["seattle"]) == date(2026, 6, 28)
        assert first_day([]) == date(2026, 6, 28)
    finally:
        provider.close()


def test_figures_are_exact_while_days_wait_for_the_refresh(
    there: Ask, changed: psycopg.Connection
) -> None:
    how: dict[str, Any] = {
        "by": ["month", "category"],
        "time_period": "2026-Q2",
        "fresh": True,
    }
    store = "(SELECT store_id FROM retail.stores WHERE name = 'Zava Retail Seattle')"
    before = there(SEATTLE, "revenue", "units", "customers", **how)["rows"]
    with changed.transaction():
        changed.execute(
            "INSERT INTO retail.orders (order_id, store_id, customer_id, order_date, total_amount, status)"
            f" SELECT md5('late' || g)::uuid, {store}, (SELECT customer_id FROM retail.customers WHERE store_id = {store} ORDER BY 1 LIMIT 1 OFFSET g),"
            " timestamptz '2026-05-05 20:00Z' + g * interval '5 days', 100, 'completed' FROM generate_series(1, 8) AS g".encode()
        )
        changed.execute(
            "INSERT INTO retail.order_items (order_id, store_id, product_id, quantity, unit_price, total_amount)"
            f" SELECT md5('late' || g)::uuid, {store}, (SELECT product_id FROM retail.products ORDER BY sku LIMIT 1), 2, 50, 100"
            " FROM generate_series(1, 8) AS g".encode()
        )
    marked = there(SEATTLE, "revenue", "units", "customers", **how)["rows"]
    assert (
        sum(Decimal(str(row[2])) for row in marked)
        == sum(Decimal(str(row[2])) for row in before) + 800
    )
    changed.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    changed.execute("SELECT retail.refresh_sales_totals()")
    changed.execute("COMMIT")
    assert there(SEATTLE, "revenue", "units", "customers", **how)["rows"] == marked
    # From the lines themselves, which also have rows for what was cancelled.
    by_line = {**how, "filters": {"not hour": 3}, "having": ["customers > 0"]}
    lines = there(SEATTLE, "revenue", "units", "customers", **by_line)["rows"]
    assert lines == [row for row in marked if row[-1]]


def test_a_period_of_days_that_are_still_to_come_has_no_rows(there: Ask) -> None:
    answer = there(HEAD_OFFICE, "revenue", time_period="2026-12")
    assert answer["rows"] == []
    stock = there(SEATTLE, "stock_value", time_period=str(NOW.date() + timedelta(9)))
    assert stock["rows"][0][0] > 0


def test_a_chain_that_gets_a_store_goes_on_showing_the_others(
    cluster: EmbeddedServer, template: str
) -> None:
    asked: dict[str, Any] = {"by": ["category"], "time_period": "2026-06"}
    for name in temporary_database(cluster, template):
        conninfo = cluster.conninfo(dbname=name, user="zava_server")
        with closing(PostgreSQLProvider({"conninfo": conninfo})) as provider:
            provider.open()
            service = service_of(provider, lambda: NOW)
            names = ["revenue", "gross_margin"]
            question = service.check(names, **asked, show_sql=True, fresh=True)
            before = service.answer(question, HEAD_OFFICE)
            assert "retail.chain_sales(" in before["sql"]
            assert len(before["rows"]) > 5
            superuser = cluster.conninfo(dbname=name, user="postgres")
            with psycopg.connect(superuser) as conn:
                conn.execute("INSERT INTO retail.stores (name) VALUES ('Zava Yakima')")
            # The service still knows the stores of a moment ago.
            assert service.answer(question, HEAD_OFFICE)["rows"] == before["rows"]
