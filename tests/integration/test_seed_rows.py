"""What the chain that seed.sql makes looks like.

The properties are read with plain queries. `owner` holds the seed at scale 0.02;
what needs more orders than that to show is read from `chain`, at scale 0.25.
"""

from __future__ import annotations

import csv
import statistics
import uuid
from collections.abc import Iterator
from datetime import date, timedelta

import psycopg
import pytest

from tests.conftest import AS_OF, RunPsql
from tests.integration.seeding import (
    SEED,
    TABLES,
    Owner,
    load_schema,
    load_seed,
    rows,
    value,
)
from zava.admin.embedded import EmbeddedServer

# The rows are the same on every version: test_seed.py holds that.
pytestmark = [pytest.mark.thorough, pytest.mark.once]

MONTHS = [
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]  # fmt: skip

YEAR_WEIGHTS = {2020: 1.0, 2021: 1.1, 2022: 1.21, 2023: 1.15, 2024: 1.265, 2025: 1.392, 2026: 1.531}  # fmt: skip


def read_csv(name: str) -> list[dict[str, str]]:
    with (SEED / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def expected_customers(whole: int) -> dict[str, float]:
    stores = read_csv("stores")
    weights = sum(int(s["customer_weight"]) for s in stores)
    return {s["name"]: whole * int(s["customer_weight"]) / weights for s in stores}


def expected_orders_per_customer() -> dict[str, float]:
    shares = [0.20, 0.40, 0.20, 0.10, 0.07, 0.03]
    return {
        store["name"]: sum(
            share * max(1, round(float(store["order_frequency"]) * 100) * base // 100)
            for base, share in enumerate(shares)
        )
        for store in read_csv("stores")
    }


def expected_month_multipliers() -> list[float]:
    """For January to December, how well the chain sells."""
    categories = read_csv("categories")
    return [statistics.mean(float(c[month]) for c in categories) for month in MONTHS]


def expected_year_shares(as_of: date) -> dict[int, float]:
    months = expected_month_multipliers()
    weights = dict.fromkeys(YEAR_WEIGHTS, 0.0)
    day = date(2020, 1, 1)
    while day <= as_of:
        weights[day.year] += YEAR_WEIGHTS[day.year] * months[day.month - 1]
        day += timedelta(days=1)
    return {year: weight / sum(weights.values()) for year, weight in weights.items()}


@pytest.fixture(scope="module")
def chain(cluster: EmbeddedServer, run_psql: RunPsql) -> Iterator[Owner]:
    """A quarter of the whole chain, to read from."""
    name = f"seed_{uuid.uuid4().hex}"
    postgres = cluster.conninfo(dbname="postgres", user="postgres")
    conninfo = cluster.conninfo(dbname=name, user="postgres")
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        try:
            load_schema(run_psql, conninfo)
            load_seed(run_psql, conninfo, "-v", "scale=0.25", "-v", f"as_of={AS_OF}")
            with psycopg.connect(conninfo, autocommit=True) as conn:
                yield conn
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


# The chain


def test_every_table_has_the_rows_that_its_scale_promises(owner: Owner) -> None:
    counts = {t: value(owner, f"SELECT count(*) FROM retail.{t}") for t in TABLES}
    counts.pop("orders")
    counts.pop("order_items")
    assert counts == {
        "stores": 8,
        "regional_managers": 4,
        "regional_manager_stores": 17,
        "categories": 9,
        "product_types": 88,
        "products": 424,
        "customers": 1000,
        "inventory": pytest.approx(0.98 * 8 * 424, rel=0.01),
    }
    [(orders, returns)] = rows(owner, "SELECT count(*) FILTER (WHERE NOT is_return), count(*) FILTER (WHERE is_return) FROM retail.orders")  # fmt: skip
    items = value(owner, "SELECT count(*) FROM retail.order_items WHERE line_kind = 'sale'")  # fmt: skip
    assert orders == pytest.approx(3.97 * 1000, rel=0.05)
    assert items == pytest.approx(2.1 * orders, rel=0.05)
    assert 0.01 * orders < returns < 0.02 * orders


def test_head_office_is_a_regional_manager_with_every_store(owner: Owner) -> None:
    found = dict(
        rows(
            owner,
            """
            SELECT m.name, count(*) FROM retail.regional_managers AS m
            JOIN retail.regional_manager_stores AS s ON s.user_id = m.user_id
            GROUP BY 1
            """,
        )
    )
    assert found == {
        "Head Office": 8,
        "Puget Sound Region": 6,
        "Eastern Washington Region": 1,
        "Digital Region": 2,
    }


def test_regional_managers_are_ordinary_random_uuids(owner: Owner) -> None:
    ids = [
        user_id
        for (user_id,) in rows(owner, "SELECT user_id FROM retail.regional_managers")
    ]
    assert {(i.version, i.variant) for i in ids} == {(4, uuid.RFC_4122)}


def test_customers_are_spread_over_the_stores_by_weight(owner: Owner) -> None:
    found = dict(
        rows(
            owner,
            """
            SELECT s.name, count(*) FROM retail.stores AS s
            JOIN retail.customers AS c ON c.store_id = s.store_id
            GROUP BY 1
            """,
        )
    )
    assert found == {
        name: pytest.approx(n, abs=1) for name, n in expected_customers(1000).items()
    }


def test_the_chain_sells_in_dollars_in_the_time_zone_of_its_stores(
    owner: Owner,
) -> None:
    assert rows(
        owner,
        """
        SELECT name, currency, default_time_zone, day_starts_at::text, week_starts_on, fiscal_calendar, fiscal_year_start
        FROM retail.chain
        """,
    ) == [("Zava", "USD", "America/Los_Angeles", "00:00:00", 7, "calendar", 1)]
    assert rows(owner, "SELECT DISTINCT time_zone FROM retail.stores") == [("America/Los_Angeles",)]  # fmt: skip
    # Each had opened before the first order.
    assert value(owner, "SELECT bool_and(opened_on < '2020-01-01' AND closed_on IS NULL) FROM retail.stores") is True  # fmt: skip


def test_a_regional_manager_has_all_the_stores_of_the_region(owner: Owner) -> None:
    found = dict(
        rows(
            owner,
            """
            SELECT s.region, array_agg(s.name ORDER BY s.name) FROM retail.stores AS s
            JOIN retail.regional_manager_stores AS r ON r.store_id = s.store_id
            JOIN retail.regional_managers AS m ON m.user_id = r.user_id AND m.name = s.region || ' Region'
            GROUP BY 1
            """,
        )
    )
    regions = {region for (region,) in rows(owner, "SELECT region FROM retail.stores")}
    assert regions == {*found, "Online"} == {"Puget Sound", "Eastern Washington", "Online"}  # fmt: skip
    for region, names in found.items():
        assert value(owner, f"SELECT count(*) FROM retail.stores WHERE region = '{region}'") == len(names)  # fmt: skip


@pytest.mark.parametrize(
    ("table", "form"),
    [
        pytest.param("stores", "^1[0-9]{2}$", id="stores-by-number"),
        pytest.param("categories", "^[A-Z]{2}$", id="categories-by-letters"),
        pytest.param("product_types", "^[A-Z]{4}$", id="types-by-letters"),
        pytest.param("products", "^[A-Z]{4}[0-9]{6}$", id="products-by-sku"),
        pytest.param("customers", "^C[0-9]+$", id="customers-by-number"),
        pytest.param("orders", "^1[0-9]{2}-[0-9]{6}-R?[1-9][0-9]*$", id="orders-by-receipt"),
    ],
)  # fmt: skip
def test_the_chain_has_keys_of_its_own(owner: Owner, table: str, form: str) -> None:
    assert rows(owner, f"SELECT source_id FROM retail.{table} WHERE source_id !~ '{form}' OR source_id IS NULL") == []  # fmt: skip


def test_a_sku_begins_with_the_letters_of_its_category_and_type(owner: Owner) -> None:
    assert (
        rows(
            owner,
            """
            SELECT p.sku FROM retail.products AS p
            JOIN retail.product_types AS t ON t.type_id = p.type_id
            JOIN retail.categories AS c ON c.category_id = p.category_id
            WHERE p.source_id <> p.sku OR NOT starts_with(p.sku, t.source_id) OR NOT starts_with(p.sku, c.source_id)
            """,
        )
        == []
    )


def test_receipts_are_numbered_by_store_and_day(owner: Owner) -> None:
    assert (
        rows(
            owner,
            """
            SELECT numbered.source_id, numbered.receipt FROM (
                SELECT o.source_id, s.source_id || to_char(o.business_day, '-YYMMDD-')
                       || CASE WHEN o.is_return THEN 'R' ELSE '' END || row_number() OVER (
                           PARTITION BY o.store_id, o.business_day, o.is_return ORDER BY o.order_date) AS receipt
                FROM retail.orders AS o JOIN retail.stores AS s ON s.store_id = o.store_id
            ) AS numbered
            WHERE numbered.source_id <> numbered.receipt
            """,
        )
        == []
    )


def test_lines_have_no_key_of_the_chain_and_so_no_index_entry(owner: Owner) -> None:
    assert value(owner, "SELECT count(source_id) FROM retail.order_items") == 0


def test_customers_order_as_often_as_their_store_lets_expect(chain: Owner) -> None:
    # Anonymous orders count for nobody: of the later orders in a shop eight in a hundred.
    stores = read_csv("stores")
    named = {s["name"]: 1.0 if s["is_online"] == "true" else 0.92 for s in stores}
    found = dict(
        rows(
            chain,
            """
            SELECT s.name, count(o.order_id)::float / count(DISTINCT c.customer_id)
            FROM retail.stores AS s
            JOIN retail.customers AS c ON c.store_id = s.store_id
            LEFT JOIN retail.orders AS o ON o.customer_id = c.customer_id AND NOT o.is_return
            GROUP BY 1
            """,
        )
    )
    assert found == {
        name: pytest.approx(1 + (n - 1) * named[name], rel=0.1)
        for name, n in expected_orders_per_customer().items()
    }


def test_orders_are_shared_by_the_stores_as_weight_and_frequency_say(
    chain: Owner,
) -> None:
    per_customer = expected_orders_per_customer()
    weights = {s: n * per_customer[s] for s, n in expected_customers(1).items()}
    found = dict(
        rows(
            chain,
            """
            SELECT s.name, count(*) / (SELECT count(*)::float FROM retail.orders WHERE NOT is_return)
            FROM retail.stores AS s
            JOIN retail.orders AS o ON o.store_id = s.store_id AND NOT o.is_return
            GROUP BY 1
            """,
        )
    )
    assert found == {
        name: pytest.approx(n / sum(weights.values()), abs=0.01)
        for name, n in weights.items()
    }


def test_everyone_has_ordered(owner: Owner) -> None:
    assert (
        rows(
            owner,
            """
            SELECT c.customer_id FROM retail.customers AS c
            LEFT JOIN retail.orders AS o ON o.customer_id = c.customer_id AND NOT o.is_return
            GROUP BY c.customer_id
            HAVING count(o.order_id) NOT BETWEEN 1 AND 15
            """,
        )
        == []
    )


def test_eight_in_a_hundred_orders_are_made_away_from_home(chain: Owner) -> None:
    [(away, smallest)] = rows(
        chain,
        """
        SELECT sum(away) / sum(orders)::float, min(away) FROM (
            SELECT o.store_id, count(*) AS orders, count(*) FILTER (WHERE c.store_id <> o.store_id) AS away
            FROM retail.orders AS o JOIN retail.customers AS c ON c.customer_id = o.customer_id
            WHERE NOT o.is_return
            GROUP BY 1
        ) AS stores
        """,
    )
    assert away == pytest.approx(0.08, abs=0.01)
    assert smallest > 0


def test_customers_are_shown_to_the_stores_where_they_have_bought(
    owner: Owner,
) -> None:
    # What retail.mark_all_orders() would make of it, so the load has nothing left to do.
    [(wrong, visitors)] = rows(
        owner,
        """
        SELECT count(*) FILTER (WHERE c.store_ids <> v.store_ids), count(*) FILTER (WHERE c.store_ids <> '{}')
        FROM retail.customers AS c CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(DISTINCT o.store_id ORDER BY o.store_id), '{}') AS store_ids
            FROM retail.orders AS o WHERE o.customer_id = c.customer_id AND o.store_id <> c.store_id
        ) AS v
        """,
    )
    assert wrong == 0
    assert visitors > 100


def test_six_in_a_hundred_orders_in_a_shop_are_anonymous_and_none_online(
    chain: Owner,
) -> None:
    found = dict(
        rows(
            chain,
            """
            SELECT s.is_online, avg((o.customer_id IS NULL)::integer)::float
            FROM retail.orders AS o JOIN retail.stores AS s ON s.store_id = o.store_id
            WHERE NOT o.is_return GROUP BY 1
            """,
        )
    )
    assert found == {True: 0, False: pytest.approx(0.06, abs=0.01)}


def test_customers_sign_up_within_the_month_before_their_first_order(
    owner: Owner,
) -> None:
    assert (
        rows(
            owner,
            """
            SELECT c.customer_id, c.created_at, min(o.order_date) FROM retail.customers AS c
            JOIN retail.stores AS s ON s.store_id = c.store_id
            JOIN retail.orders AS o ON o.customer_id = c.customer_id
            GROUP BY c.customer_id, s.time_zone
            HAVING c.created_at NOT BETWEEN min(o.order_date) - interval '30 days' AND min(o.order_date)
                OR c.signed_up_on <> (c.created_at AT TIME ZONE s.time_zone)::date
                OR c.signed_up_on NOT BETWEEN '2020-01-01' AND min(o.business_day)
            """,
        )
        == []
    )


def test_emails_are_unique_and_lead_nowhere(owner: Owner) -> None:
    [(given, emails, reserved)] = rows(
        owner,
        r"""
        SELECT count(email), count(DISTINCT (store_id, email)) FILTER (WHERE email IS NOT NULL),
               count(*) FILTER (WHERE email ~ '^[a-z]+\.[a-z]+[0-9]+@example\.(com|org|net)$')
        FROM retail.customers
        """,
    )
    assert emails == reserved == given


def test_a_few_customers_give_no_email_and_most_have_a_loyalty_card(
    chain: Owner,
) -> None:
    [(nameless, without_email, cards, different)] = rows(
        chain,
        """
        SELECT count(*) FILTER (WHERE first_name IS NULL OR last_name IS NULL), avg((email IS NULL)::integer)::float,
               avg((loyalty_number IS NOT NULL)::integer)::float,
               count(DISTINCT loyalty_number) = count(loyalty_number)
        FROM retail.customers
        """,
    )
    assert nameless == 0
    assert without_email == pytest.approx(0.05, abs=0.01)
    assert cards == pytest.approx(0.60, abs=0.02)
    assert different is True


def test_names_come_from_long_lists(owner: Owner) -> None:
    [(first, last)] = rows(
        owner,
        "SELECT count(DISTINCT first_name), count(DISTINCT last_name) FROM retail.customers",
    )
    assert first >= 120
    assert last >= 200


def test_orders_lie_between_2020_and_the_evening_of_the_last_day(owner: Owner) -> None:
    [(first, last, earliest, latest)] = rows(
        owner,
        """
        SELECT min(here)::date, max(here)::date, min(here::time)::text, max(here::time)::text
        FROM (
            SELECT o.order_date AT TIME ZONE s.time_zone AS here
            FROM retail.orders AS o JOIN retail.stores AS s ON s.store_id = o.store_id
        ) AS orders
        """,
    )
    assert first.isoformat() >= "2020-01-01"
    assert last.isoformat() == AS_OF
    assert earliest >= "08:00:00"
    assert latest <= "20:59:59"


def test_every_order_lies_on_the_local_day_of_its_store(chain: Owner) -> None:
    [(wrong, after_midnight_utc)] = rows(
        chain,
        """
        SELECT count(*) FILTER (WHERE o.business_day <> retail.local_day(o.order_date, s.time_zone, c.day_starts_at)),
               count(*) FILTER (WHERE o.business_day <> (o.order_date AT TIME ZONE 'UTC')::date)
        FROM retail.orders AS o
        JOIN retail.stores AS s ON s.store_id = o.store_id
        CROSS JOIN retail.chain AS c
        """,
    )
    assert wrong == 0
    assert after_midnight_utc > 1000


def test_the_clocks_change_between_orders(chain: Owner) -> None:
    # The store opens at 08:00 on its own clock in winter and in summer.
    found = dict(
        rows(
            chain,
            """
            SELECT extract(month FROM business_day)::integer, min((order_date AT TIME ZONE 'UTC')::time)::text
            FROM retail.orders WHERE (order_date AT TIME ZONE 'UTC')::date = business_day
            AND extract(month FROM business_day) IN (1, 7) GROUP BY 1
            """,
        )
    )
    assert "16:00" <= found[1] < "16:30"
    assert "15:00" <= found[7] < "15:30"


def test_monthly_totals_follow_the_seasons(chain: Owner) -> None:
    # The whole years only, so that every month counts six times.
    found = [
        float(total)
        for (total,) in rows(
            chain,
            """
            SELECT sum(total_amount) FROM retail.orders WHERE business_day < '2026-01-01'
            GROUP BY extract(month FROM business_day)
            ORDER BY extract(month FROM business_day)
            """,
        )
    ]
    assert statistics.correlation(found, expected_month_multipliers()) > 0.95
    assert max(found) / min(found) > 1.3


def test_each_category_has_seasons_of_its_own(chain: Owner) -> None:
    found = dict(
        rows(
            chain,
            """
            SELECT c.name, array_agg(sold ORDER BY month)
            FROM (
                SELECT p.category_id, extract(month FROM o.business_day) AS month, count(*) AS sold
                FROM retail.order_items AS i
                JOIN retail.orders AS o ON o.order_id = i.order_id
                JOIN retail.products AS p ON p.product_id = i.product_id
                WHERE o.business_day < '2026-01-01' AND NOT o.is_return
                GROUP BY 1, 2
            ) AS months
            JOIN retail.categories AS c ON c.category_id = months.category_id
            GROUP BY 1
            """,
        )
    )
    # A category sells by its own multiplier in a month that sells by the mean.
    for category in read_csv("categories"):
        own = [float(category[month]) for month in MONTHS]
        assert statistics.correlation(found[category["name"]], own) > 0.75, category


def test_years_grow_by_a_tenth_but_for_the_dip_of_2023(chain: Owner) -> None:
    found = dict(
        rows(
            chain,
            """
            SELECT extract(year FROM business_day)::integer, count(*)
            FROM retail.orders WHERE NOT is_return GROUP BY 1
            """,
        )
    )
    whole = sum(found.values())
    expected = expected_year_shares(date.fromisoformat(AS_OF))
    assert found == {
        year: pytest.approx(whole * share, rel=0.03) for year, share in expected.items()
    }
    assert found[2020] < found[2021] < found[2022] > found[2023] < found[2024] < found[2025]  # fmt: skip


def test_weekends_are_the_busiest_days(chain: Owner) -> None:
    found = [
        day
        for (day,) in rows(
            chain,
            """
            SELECT extract(isodow FROM business_day)::integer
            FROM retail.orders GROUP BY 1 ORDER BY count(*) DESC
            """,
        )
    ]
    assert found[:2] == [6, 7]


def test_units_on_a_line_follow_the_order_value_of_the_store(chain: Owner) -> None:
    found = dict(
        rows(
            chain,
            """
            SELECT s.name, avg(i.quantity)::float FROM retail.stores AS s
            JOIN retail.order_items AS i ON i.store_id = s.store_id AND i.line_kind = 'sale'
            JOIN retail.products AS p ON p.product_id = i.product_id AND p.unit = 'piece'
            GROUP BY 1
            """,
        )
    )
    base = {1: 0.60, 2: 0.25, 3: 0.10, 4: 0.03, 5: 0.02}
    assert found == {
        store["name"]: pytest.approx(
            sum(max(1, q * float(store["order_value"])) * p for q, p in base.items()),
            rel=0.05,
        )
        for store in read_csv("stores")
    }


def test_an_average_order_is_worth_more_where_the_order_value_is_higher(
    chain: Owner,
) -> None:
    found = dict(
        rows(
            chain,
            """
            SELECT s.name, avg(o.total_amount) FROM retail.stores AS s
            JOIN retail.orders AS o ON o.store_id = s.store_id AND NOT o.is_return
            GROUP BY 1
            """,
        )
    )
    busy = [f"Zava Retail {s}" for s in ("Online", "Seattle", "Bellevue", "Tacoma")]
    quiet = [f"Zava Retail {s}" for s in ("Spokane", "Everett", "Redmond", "Kirkland")]
    assert sorted(busy, key=lambda name: -found[name]) == busy
    assert max(found[name] for name in quiet) < found["Zava Retail Tacoma"]


def test_old_orders_are_settled_and_new_ones_under_way(chain: Owner) -> None:
    shares = dict(
        rows(
            chain,
            """
            SELECT status, count(*) / (SELECT count(*)::float FROM retail.orders WHERE NOT is_return)
            FROM retail.orders WHERE NOT is_return GROUP BY 1
            """,
        )
    )
    assert shares["completed"] == pytest.approx(0.945, abs=0.005)
    assert shares["cancelled"] == pytest.approx(0.03, abs=0.005)
    assert shares["returned"] == pytest.approx(0.02, abs=0.005)
    [(open_share, oldest)] = rows(
        chain,
        f"""
        SELECT avg((status IN ('pending', 'shipped'))::integer) FILTER (WHERE business_day >= date '{AS_OF}' - 6),
               min(business_day) FILTER (WHERE status IN ('pending', 'shipped')) > date '{AS_OF}' - 7
        FROM retail.orders WHERE NOT is_return
        """,
    )
    assert open_share > 0.5
    assert oldest is True


def test_orders_have_one_to_five_lines_mostly_one(chain: Owner) -> None:
    found = dict(
        rows(
            chain,
            """
            SELECT lines, count(*) / (SELECT count(*)::float FROM retail.orders WHERE NOT is_return)
            FROM (SELECT count(*) AS lines FROM retail.order_items WHERE line_kind = 'sale' GROUP BY order_id) AS orders
            GROUP BY 1
            """,
        )
    )
    expected = {1: 0.40, 2: 0.30, 3: 0.15, 4: 0.10, 5: 0.05}
    assert found == {n: pytest.approx(p, abs=0.01) for n, p in expected.items()}


def test_no_product_comes_twice_in_an_order(chain: Owner) -> None:
    assert (
        rows(
            chain,
            "SELECT order_id FROM retail.order_items GROUP BY order_id, product_id HAVING count(*) > 1",
        )
        == []
    )


def test_an_order_is_worth_exactly_its_items(chain: Owner) -> None:
    assert (
        rows(
            chain,
            """
            SELECT o.order_id FROM retail.orders AS o
            LEFT JOIN retail.order_items AS i ON i.order_id = o.order_id
            GROUP BY o.order_id
            HAVING o.total_amount IS DISTINCT FROM sum(i.total_amount)
                OR bool_or(i.store_id <> o.store_id OR i.created_at <> o.order_date)
            """,
        )
        == []
    )


def test_prices_vary_by_a_fifth_around_the_list_price(owner: Owner) -> None:
    [(outside, cheap, dear)] = rows(
        owner,
        """
        SELECT count(*) FILTER (WHERE i.unit_price NOT BETWEEN 0.8 * p.base_price - 0.005 AND 1.2 * p.base_price + 0.005),
               min(i.unit_price / p.base_price), max(i.unit_price / p.base_price)
        FROM retail.order_items AS i JOIN retail.products AS p ON p.product_id = i.product_id
        """,
    )
    assert outside == 0
    assert cheap < 0.81
    assert dear > 1.19


def test_three_lines_in_twenty_are_discounted_at_five_levels(chain: Owner) -> None:
    found = dict(
        rows(
            chain,
            """
            SELECT discount_percent, count(*) / (SELECT count(*)::float FROM retail.order_items)
            FROM retail.order_items GROUP BY 1
            """,
        )
    )
    assert found == {
        0: pytest.approx(0.85, abs=0.01),
        **{level: pytest.approx(0.03, abs=0.005) for level in (5, 10, 15, 20, 25)},
    }


def test_a_discount_is_its_percent_of_the_line_rounded_to_the_cent(
    owner: Owner,
) -> None:
    assert (
        rows(
            owner,
            """
            SELECT order_item_id FROM retail.order_items
            WHERE discount_amount <> round(quantity * unit_price * discount_percent / 100, 2)
                OR total_amount <> round(quantity * unit_price, 2) - discount_amount - coupon_amount
            """,
        )
        == []
    )


def test_most_lines_of_an_order_are_of_one_category(chain: Owner) -> None:
    share = value(
        chain,
        """
        SELECT sum(largest) / sum(lines)::float
        FROM (
            SELECT order_id, max(lines) AS largest, sum(lines) AS lines
            FROM (
                SELECT i.order_id, p.category_id, count(*) AS lines
                FROM retail.order_items AS i JOIN retail.products AS p ON p.product_id = i.product_id
                GROUP BY 1, 2
            ) AS categories
            GROUP BY order_id
            HAVING sum(lines) > 2
        ) AS orders
        """,
    )
    assert 0.8 < share < 0.95


@pytest.mark.parametrize(
    ("bought", "goes_with"),
    [
        pytest.param("Interior Paint", "Rollers", id="paint-and-rollers"),
        pytest.param("Drills", "Screws", id="drills-and-screws"),
        pytest.param("Hoses", "Sprinklers", id="hoses-and-sprinklers"),
        pytest.param("Pegboard", "Hooks & Hangers", id="pegboard-and-hooks"),
    ],
)
def test_what_goes_together_is_bought_together(
    chain: Owner, bought: str, goes_with: str
) -> None:
    [(together, alone)] = rows(
        chain,
        f"""
        WITH orders AS (
            SELECT i.order_id, bool_or(t.name = '{bought}') AS bought, bool_or(t.name = '{goes_with}') AS with_it
            FROM retail.order_items AS i
            JOIN retail.products AS p ON p.product_id = i.product_id
            JOIN retail.product_types AS t ON t.type_id = p.type_id
            GROUP BY 1
            HAVING count(*) > 1
        )
        SELECT avg(with_it::integer) FILTER (WHERE bought), avg(with_it::integer) FILTER (WHERE NOT bought) FROM orders
        """,
    )
    assert together > 2 * alone


def test_some_products_sell_much_better_than_others_and_some_fade_or_rise(
    chain: Owner,
) -> None:
    found = rows(
        chain,
        """
        SELECT count(i.order_item_id),
               count(i.order_item_id) FILTER (WHERE i.created_at < '2022-01-01 00:00+00') + 1,
               count(i.order_item_id) FILTER (WHERE i.created_at BETWEEN '2024-01-01 00:00+00' AND '2026-01-01 00:00+00') + 1
        FROM retail.products AS p LEFT JOIN retail.order_items AS i ON i.product_id = p.product_id
        GROUP BY p.product_id
        """,
    )
    sold = sorted(n for n, _, _ in found)
    assert sold[0] > 0
    assert sold[-1] > 3 * statistics.median(sold)
    assert sum(late > 3 * early for _, early, late in found) >= 20
    assert sum(early > 1.5 * late for _, early, late in found) >= 20


def test_stock_is_known_of_most_products_and_a_few_are_out_of_stock(
    owner: Owner,
) -> None:
    [(pairs, missing, most, counted)] = rows(
        owner,
        f"""
        SELECT count(*), avg((stock_level = 0)::integer)::float, max(stock_level) FILTER (WHERE p.unit = 'piece'),
               bool_and(counted_at = timestamp '{AS_OF} 06:00' AT TIME ZONE s.time_zone)
        FROM retail.inventory AS i
        JOIN retail.products AS p ON p.product_id = i.product_id
        JOIN retail.stores AS s ON s.store_id = i.store_id
        """,
    )
    assert 8 * 424 - pairs == pytest.approx(0.02 * 8 * 424, rel=0.3)
    assert missing == pytest.approx(0.03, abs=0.01)
    assert 100 < most < 300
    assert counted is True


def test_some_products_are_sold_by_length_or_weight_in_fractions(chain: Owner) -> None:
    assert set(
        rows(
            chain,
            """
            SELECT p.unit, count(DISTINCT p.product_id), bool_and(i.quantity % u.step = 0), bool_or(i.quantity % (2 * u.step) <> 0)
            FROM retail.products AS p
            JOIN retail.order_items AS i ON i.product_id = p.product_id
            JOIN (VALUES ('piece', 1), ('ft', 0.5), ('lb', 0.25)) AS u (unit, step) ON u.unit = p.unit
            GROUP BY 1
            """,
        )
    ) == {("piece", 418, True, True), ("ft", 2, True, True), ("lb", 4, True, True)}


def test_margins_are_a_third_and_three_costs_are_not_known(owner: Owner) -> None:
    [(unknown, wrong)] = rows(
        owner,
        """
        SELECT count(*) FILTER (WHERE cost IS NULL), count(*) FILTER (WHERE abs(cost / 0.67 - base_price) > 0.01)
        FROM retail.products WHERE base_price IS NOT NULL
        """,
    )
    assert (unknown, wrong) == (3, 0)


def test_most_products_have_a_brand_and_attributes(owner: Owner) -> None:
    [(branded, brands, described, scalars)] = rows(
        owner,
        """
        SELECT count(brand), count(DISTINCT brand), count(*) FILTER (WHERE attributes <> '{}'),
               bool_and(NOT jsonb_path_exists(attributes, '$.* ? (@.type() != "string" && @.type() != "number")'))
        FROM retail.products
        """,
    )
    assert 300 < branded < 424
    assert 10 <= brands <= 20
    assert 300 < described < 424
    assert scalars is True


# Returns and coupons


def test_some_completed_orders_come_back_within_a_month_as_orders_of_their_own(
    chain: Owner,
) -> None:
    [(share, wrong, elsewhere)] = rows(
        chain,
        """
        SELECT count(*) / (SELECT count(*)::float FROM retail.orders WHERE status = 'completed' AND NOT is_return),
               count(*) FILTER (
                   WHERE r.business_day - o.business_day NOT BETWEEN 1 AND 30 OR r.customer_id IS DISTINCT FROM o.customer_id
                       OR (r.status, o.status, o.is_return) <> ('completed', 'completed', false)
                       OR r.total_amount >= 0 OR r.total_amount < -o.total_amount),
               avg((r.store_id <> o.store_id)::integer)::float
        FROM retail.orders AS r JOIN retail.orders AS o ON o.order_id = r.returns_order_id
        """,
    )
    assert share == pytest.approx(0.015, abs=0.002)
    assert wrong == 0
    assert 0.05 < elsewhere < 0.25
    assert value(chain, "SELECT count(*) FROM retail.orders WHERE is_return AND returns_order_id IS NULL") == 0  # fmt: skip


def test_only_what_was_bought_online_goes_back_to_the_web_shop(chain: Owner) -> None:
    [(to_web_shop, to_a_shop)] = rows(
        chain,
        """
        SELECT count(*) FILTER (WHERE t.is_online AND NOT b.is_online),
               count(*) FILTER (WHERE b.is_online AND NOT t.is_online)
        FROM retail.orders AS r
        JOIN retail.orders AS o ON o.order_id = r.returns_order_id
        JOIN retail.stores AS t ON t.store_id = r.store_id
        JOIN retail.stores AS b ON b.store_id = o.store_id
        """,
    )
    assert to_web_shop == 0
    assert to_a_shop > 0


def test_a_returned_line_is_a_line_of_the_order_with_its_signs_turned(
    chain: Owner,
) -> None:
    [(returned, matched, several)] = rows(
        chain,
        """
        WITH returned AS (
            SELECT i.*, o.returns_order_id, count(*) OVER (PARTITION BY i.order_id) AS lines
            FROM retail.order_items AS i JOIN retail.orders AS o ON o.order_id = i.order_id
            WHERE o.is_return
        )
        SELECT count(*), count(*) FILTER (
                   WHERE r.line_kind = 'return' AND r.quantity = -i.quantity AND r.quantity < 0
                       AND r.unit_price = i.unit_price AND r.total_amount = -i.total_amount
                       AND r.discount_amount = -i.discount_amount AND r.coupon_amount = -i.coupon_amount
                       AND r.manufacturer_coupon_amount = -i.manufacturer_coupon_amount),
               count(DISTINCT r.order_id) FILTER (WHERE r.lines > 1)
        FROM returned AS r
        LEFT JOIN retail.order_items AS i ON i.order_id = r.returns_order_id AND i.product_id = r.product_id
        """,
    )
    assert matched == returned
    assert several > 50
    assert value(chain, "SELECT count(*) FROM retail.order_items AS i JOIN retail.orders AS o USING (order_id) WHERE (i.line_kind = 'return') <> o.is_return") == 0  # fmt: skip


def test_a_line_in_a_hundred_has_a_coupon_and_one_in_two_hundred_a_manufacturers(
    chain: Owner,
) -> None:
    [(coupons, manufacturers, both, largest)] = rows(
        chain,
        """
        SELECT avg((coupon_amount > 0)::integer)::float, avg((manufacturer_coupon_amount > 0)::integer)::float,
               count(*) FILTER (WHERE coupon_amount > 0 AND manufacturer_coupon_amount > 0),
               max((coupon_amount + manufacturer_coupon_amount) / (total_amount + coupon_amount))
        FROM retail.order_items WHERE line_kind = 'sale'
        """,
    )
    assert coupons == pytest.approx(0.01, abs=0.002)
    assert manufacturers == pytest.approx(0.005, abs=0.001)
    assert both == 0
    assert largest <= 0.25


def test_what_was_paid_is_given_where_a_manufacturer_pays_a_part(chain: Owner) -> None:
    [(wrong, given)] = rows(
        chain,
        """
        SELECT count(*) FILTER (WHERE o.paid_amount IS DISTINCT FROM CASE WHEN i.coupons <> 0 THEN o.total_amount - i.coupons END),
               count(o.paid_amount)
        FROM retail.orders AS o
        JOIN (SELECT order_id, sum(manufacturer_coupon_amount) AS coupons FROM retail.order_items GROUP BY 1) AS i
            ON i.order_id = o.order_id
        """,
    )
    assert wrong == 0
    assert given > 100


def test_larger_stores_hold_more_stock(owner: Owner) -> None:
    found = dict(
        rows(
            owner,
            """
            SELECT s.name, avg(i.stock_level)::float FROM retail.stores AS s
            JOIN retail.inventory AS i ON i.store_id = s.store_id
            GROUP BY 1
            """,
        )
    )
    weights = {s["name"]: float(s["customer_weight"]) for s in read_csv("stores")}
    names = sorted(weights)
    assert (
        statistics.correlation([found[n] for n in names], [weights[n] for n in names])
        > 0.99
    )


def test_times_of_rows_are_those_of_the_events_not_of_the_load(owner: Owner) -> None:
    assert {
        table: rows(
            owner,
            f"SELECT DISTINCT created_at AT TIME ZONE 'UTC' FROM retail.{table}",
        )[0][0].isoformat()
        for table in ("stores", "products", "inventory")
    } == {
        "stores": "2020-01-01T00:00:00",
        "products": "2020-01-01T00:00:00",
        "inventory": f"{AS_OF}T13:00:00",  # 06:00 in the stores
    }
    for table in TABLES:
        assert value(owner, f"SELECT bool_and(created_at = updated_at) FROM retail.{table}") is True  # fmt: skip
    assert value(owner, "SELECT bool_and(created_at = order_date) FROM retail.orders") is True  # fmt: skip
