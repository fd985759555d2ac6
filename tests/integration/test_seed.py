"""What seed.sql promises: the chain that it makes, and how it behaves as a program.

The properties are read with plain queries. `owner` holds the seed at scale 0.02;
what needs more orders than that to show is read from `chain`, at scale 0.25.
"""

from __future__ import annotations

import csv
import shutil
import statistics
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.conftest import AS_OF, ROOT, RunPsql
from zava.admin.embedded import EmbeddedServer

pytestmark = pytest.mark.thorough

Owner = psycopg.Connection

SEED = ROOT / "seed"
SCHEMA_SQL = str(ROOT / "schema.sql")
SEED_SQL = str(SEED / "seed.sql")

STEPS = [
    "zava: 1/10 checks",
    "zava: 2/10 reference data",
    "zava: 3/10 customers",
    "zava: 4/10 orders and items",
    "zava: 5/10 inventory",
    "zava: 6/10 sales totals",
    "zava: 7/10 primary and unique keys",
    "zava: 8/10 indexes",
    "zava: 9/10 foreign keys",
    "zava: 10/10 statistics",
    "zava: done",
]
TABLES = [
    "stores", "regional_managers", "regional_manager_stores", "categories", "product_types",
    "products", "customers", "orders", "order_items", "inventory",
]  # fmt: skip
TOTALS = [
    "daily_sales", "daily_product_sales", "monthly_product_sales",
    "daily_repeat_customers", "monthly_repeat_customers", "customer_purchases", "product_pairs",
]  # fmt: skip

# Of every row at scale 0.002 as of 2026-06-30, the same on every PostgreSQL. After
# a change of the rows that is meant, show the new ones and copy them from the left:
#     python -m pytest tests/integration/test_seed.py -k recorded -vv
CHECKSUMS = {
    "stores": "173cf9962fcb2a70b3856d717045c726",
    "regional_managers": "77cf488dd6f4d1e1de68b75d6e526821",
    "regional_manager_stores": "8ff350ed72f72022a35126b3e8feba8e",
    "categories": "41b15601548362a73a4237ffc25ee6c7",
    "product_types": "de176cc9a6423df4b3d5ac084f945474",
    "products": "a7c160c67d3fd32683aff81586829507",
    "customers": "abdb9b62bdca8fb5a5321e025b48d370",
    "orders": "503f5e70fd2eaac0774d672b71f0e173",
    "order_items": "718a52597efefca5f37402168924a84b",
    "inventory": "71c94773bf17a9c9cb6207be08789776",
}

YEAR_WEIGHTS = {2020: 1.0, 2021: 1.1, 2022: 1.21, 2023: 1.15, 2024: 1.265, 2025: 1.392, 2026: 1.531}  # fmt: skip


def rows(conn: Owner, query: str) -> list[tuple[Any, ...]]:
    return conn.execute(query.encode()).fetchall()


def value(conn: Owner, query: str) -> Any:
    [(only,)] = rows(conn, query)
    return only


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
    categories = [list(c.values())[1:] for c in read_csv("categories")]
    return [statistics.mean(float(c[month]) for c in categories) for month in range(12)]


def expected_year_shares(as_of: date) -> dict[int, float]:
    months = expected_month_multipliers()
    weights = dict.fromkeys(YEAR_WEIGHTS, 0.0)
    day = date(2020, 1, 1)
    while day <= as_of:
        weights[day.year] += YEAR_WEIGHTS[day.year] * months[day.month - 1]
        day += timedelta(days=1)
    return {year: weight / sum(weights.values()) for year, weight in weights.items()}


def load_schema(run_psql: RunPsql, conninfo: str) -> None:
    loaded = run_psql(conninfo, "-q", "-v", "ON_ERROR_STOP=1", "-f", SCHEMA_SQL)
    assert loaded.returncode == 0, loaded.stderr


def load_seed(run_psql: RunPsql, conninfo: str, *variables: str) -> None:
    loaded = run_psql(conninfo, *variables, "-f", SEED_SQL)
    assert loaded.returncode == 0, loaded.stderr


SMALL = ("-v", "scale=0.002", "-v", f"as_of={AS_OF}")


def checksums(conninfo: str) -> dict[str, str]:
    with psycopg.connect(conninfo, options="-c TimeZone=UTC -c DateStyle=ISO") as conn:
        return {
            table: value(
                conn,
                f"""
                SELECT md5(coalesce(string_agg(row, E'\\n' ORDER BY row COLLATE "C"), ''))
                FROM (SELECT t::text AS row FROM retail.{table} AS t) AS rows
                """,
            )
            for table in TABLES
        }


def catalogue(conninfo: str) -> list[tuple[Any, ...]]:
    """Constraints, indexes and triggers of the schema, with their comments."""
    with psycopg.connect(conninfo) as conn:
        return rows(
            conn,
            """
            SELECT 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid),
                   obj_description(oid, 'pg_constraint'), convalidated
            FROM pg_constraint WHERE connamespace = 'retail'::regnamespace
            UNION ALL
            SELECT 'index', indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid),
                   obj_description(indexrelid, 'pg_class'), indisvalid
            FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
            WHERE c.relnamespace = 'retail'::regnamespace
            UNION ALL
            SELECT 'trigger', tgrelid::regclass::text, tgname::text, pg_get_triggerdef(oid),
                   obj_description(oid, 'pg_trigger'), tgenabled = 'O'
            FROM pg_trigger
            WHERE NOT tgisinternal
            UNION ALL
            SELECT 'column', attrelid::regclass::text, attname::text, format_type(atttypid, atttypmod),
                   col_description(attrelid, attnum), attnotnull
            FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
            WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind = 'r' AND attnum > 0
            ORDER BY 1, 2, 3, 4
            """,
        )


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
    orders, items = counts.pop("orders"), counts.pop("order_items")
    assert counts == {
        "stores": 8,
        "regional_managers": 4,
        "regional_manager_stores": 17,
        "categories": 9,
        "product_types": 88,
        "products": 424,
        "customers": 1000,
        "inventory": 8 * 424,
    }
    assert orders == pytest.approx(3.97 * 1000, rel=0.05)
    assert items == pytest.approx(2.1 * orders, rel=0.05)


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


def test_customers_order_as_often_as_their_store_lets_expect(chain: Owner) -> None:
    found = dict(
        rows(
            chain,
            """
            SELECT s.name, count(o.order_id)::float / count(DISTINCT c.customer_id)
            FROM retail.stores AS s
            JOIN retail.customers AS c ON c.store_id = s.store_id
            LEFT JOIN retail.orders AS o ON o.customer_id = c.customer_id
            GROUP BY 1
            """,
        )
    )
    assert found == {
        name: pytest.approx(n, rel=0.1)
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
            SELECT s.name, count(*) / (SELECT count(*)::float FROM retail.orders)
            FROM retail.stores AS s
            JOIN retail.orders AS o ON o.store_id = s.store_id
            GROUP BY 1
            """,
        )
    )
    assert found == {
        name: pytest.approx(n / sum(weights.values()), abs=0.01)
        for name, n in weights.items()
    }


def test_everyone_has_ordered_and_only_in_the_home_store(owner: Owner) -> None:
    assert (
        rows(
            owner,
            """
            SELECT c.customer_id FROM retail.customers AS c
            LEFT JOIN retail.orders AS o ON o.customer_id = c.customer_id
            GROUP BY c.customer_id
            HAVING count(o.order_id) NOT BETWEEN 1 AND 15 OR bool_or(o.store_id <> c.store_id)
            """,
        )
        == []
    )


def test_customers_sign_up_within_the_month_before_their_first_order(
    owner: Owner,
) -> None:
    assert (
        rows(
            owner,
            """
            SELECT c.customer_id, c.created_at, min(o.order_date) FROM retail.customers AS c
            JOIN retail.orders AS o ON o.customer_id = c.customer_id
            GROUP BY c.customer_id
            HAVING c.created_at NOT BETWEEN min(o.order_date) - interval '30 days' AND min(o.order_date)
                OR c.created_at < '2020-01-01 00:00+00'
            """,
        )
        == []
    )


def test_emails_are_unique_and_lead_nowhere(owner: Owner) -> None:
    [(customers, emails, reserved)] = rows(
        owner,
        r"""
        SELECT count(*), count(DISTINCT (store_id, email)),
               count(*) FILTER (WHERE email ~ '^[a-z]+\.[a-z]+[0-9]+@example\.(com|org|net)$')
        FROM retail.customers
        """,
    )
    assert emails == reserved == customers


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
        SELECT min(utc)::date, max(utc)::date, min(utc::time)::text, max(utc::time)::text
        FROM (SELECT order_date AT TIME ZONE 'UTC' AS utc FROM retail.orders) AS orders
        """,
    )
    assert first.isoformat() >= "2020-01-01"
    assert last.isoformat() <= AS_OF
    assert earliest >= "08:00:00"
    assert latest <= "20:59:59"


def test_monthly_totals_follow_the_seasons(chain: Owner) -> None:
    # The whole years only, so that every month counts six times.
    found = [
        float(total)
        for (total,) in rows(
            chain,
            """
            SELECT sum(total_amount) FROM retail.orders WHERE order_date < '2026-01-01 00:00+00'
            GROUP BY extract(month FROM order_date AT TIME ZONE 'UTC')
            ORDER BY extract(month FROM order_date AT TIME ZONE 'UTC')
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
                SELECT p.category_id, extract(month FROM i.created_at AT TIME ZONE 'UTC') AS month, count(*) AS sold
                FROM retail.order_items AS i
                JOIN retail.products AS p ON p.product_id = i.product_id
                WHERE i.created_at < '2026-01-01 00:00+00'
                GROUP BY 1, 2
            ) AS months
            JOIN retail.categories AS c ON c.category_id = months.category_id
            GROUP BY 1
            """,
        )
    )
    # A category sells by its own multiplier in a month that sells by the mean.
    for category in read_csv("categories"):
        own = [float(m) for m in list(category.values())[1:]]
        assert statistics.correlation(found[category["name"]], own) > 0.75, category


def test_years_grow_by_a_tenth_but_for_the_dip_of_2023(chain: Owner) -> None:
    found = dict(
        rows(
            chain,
            """
            SELECT extract(year FROM order_date AT TIME ZONE 'UTC')::integer, count(*)
            FROM retail.orders GROUP BY 1
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
            SELECT extract(isodow FROM order_date AT TIME ZONE 'UTC')::integer
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
            JOIN retail.order_items AS i ON i.store_id = s.store_id
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
            JOIN retail.orders AS o ON o.store_id = s.store_id
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
            SELECT status, count(*) / (SELECT count(*)::float FROM retail.orders)
            FROM retail.orders GROUP BY 1
            """,
        )
    )
    assert shares["completed"] == pytest.approx(0.945, abs=0.005)
    assert shares["cancelled"] == pytest.approx(0.03, abs=0.005)
    assert shares["returned"] == pytest.approx(0.02, abs=0.005)
    [(open_share, oldest)] = rows(
        chain,
        f"""
        SELECT avg((status IN ('pending', 'shipped'))::integer) FILTER (WHERE order_date >= date '{AS_OF}' - 6),
               min(order_date) FILTER (WHERE status IN ('pending', 'shipped')) AT TIME ZONE 'UTC' > date '{AS_OF}' - 7
        FROM retail.orders
        """,
    )
    assert open_share > 0.5
    assert oldest is True


def test_orders_have_one_to_five_lines_mostly_one(chain: Owner) -> None:
    found = dict(
        rows(
            chain,
            """
            SELECT lines, count(*) / (SELECT count(*)::float FROM retail.orders)
            FROM (SELECT count(*) AS lines FROM retail.order_items GROUP BY order_id) AS orders
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
                OR total_amount <> quantity * unit_price - discount_amount
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


def test_every_store_stocks_every_product_and_a_few_are_out_of_stock(
    owner: Owner,
) -> None:
    [(pairs, missing, most)] = rows(
        owner,
        """
        SELECT count(*), avg((stock_level = 0)::integer)::float, max(stock_level)
        FROM retail.inventory
        """,
    )
    assert pairs == 8 * 424
    assert missing == pytest.approx(0.03, abs=0.01)
    assert 100 < most < 300


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
        "inventory": f"{AS_OF}T00:00:00",
    }
    for table in TABLES:
        assert value(owner, f"SELECT bool_and(created_at = updated_at) FROM retail.{table}") is True  # fmt: skip
    assert value(owner, "SELECT bool_and(created_at = order_date) FROM retail.orders") is True  # fmt: skip


# The program


def test_the_rows_are_the_recorded_ones_on_every_version(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, *SMALL)
    assert checksums(empty_database) == CHECKSUMS


def test_the_number_of_orders_does_not_depend_on_the_last_day(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, "-v", "scale=0.002", "-v", "as_of=2020-01-31")
    with psycopg.connect(empty_database) as conn:
        [(early, last)] = rows(conn, "SELECT count(*), max(order_date AT TIME ZONE 'UTC')::date FROM retail.orders")  # fmt: skip
    load_seed(run_psql, empty_database, *SMALL, "-v", "reset=yes")
    with psycopg.connect(empty_database) as conn:
        assert value(conn, "SELECT count(*) FROM retail.orders") == early
    assert last <= date(2020, 1, 31)


def test_even_the_smallest_chain_has_a_customer_in_every_store(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, "-v", "scale=0.0001")
    with psycopg.connect(empty_database) as conn:
        counts = rows(conn, "SELECT count(*) FROM retail.customers GROUP BY store_id")
    assert counts == [(1,)] * 8


def test_stdout_holds_one_line_a_step_and_nothing_else(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    loaded = run_psql(empty_database, *SMALL, "-f", SEED_SQL)
    assert (loaded.returncode, loaded.stderr) == (0, "")
    assert loaded.stdout.splitlines() == STEPS


def test_a_filled_database_is_refused_and_left_as_it_was(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, *SMALL)
    before = checksums(empty_database), catalogue(empty_database)
    # Without -v ON_ERROR_STOP: the script sees to that.
    again = run_psql(empty_database, *SMALL, "-f", SEED_SQL)
    assert again.returncode == 3
    assert again.stdout.splitlines() == STEPS[:1]
    [line] = again.stderr.splitlines()
    assert "already holds data" in line
    assert "reset=yes" in line
    assert (checksums(empty_database), catalogue(empty_database)) == before


def test_reset_replaces_the_data_and_keeps_the_logins(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, *SMALL)
    before = checksums(empty_database)
    with psycopg.connect(empty_database) as conn:
        conn.execute("UPDATE retail.customers SET last_name = 'Changed'")
        conn.execute("DELETE FROM retail.order_items")
        conn.execute(
            "INSERT INTO retail.login_identities (login, user_id)"
            " SELECT 'somebody', manager_id FROM retail.stores LIMIT 1"
        )
    load_seed(run_psql, empty_database, *SMALL, "-v", "reset=yes")
    assert checksums(empty_database) == before
    with psycopg.connect(empty_database) as conn:
        assert value(conn, "SELECT count(*) FROM retail.login_identities") == 1


@pytest.mark.parametrize(
    "variable",
    [
        "scale=0",
        "scale=-1",
        "scale=",
        "scale=much",
        "scale=1e3",
        "scale=1001",
        "scale='",
        "as_of=2020-01-30",
        "as_of=2100-01-01",
        "as_of=2026-02-30",
        "as_of=30/06/2026",
        "as_of=today",
        "as_of=2026-06-30'",
        "reset=maybe",
    ],
)
def test_a_bad_variable_is_refused_in_one_line(
    run_psql: RunPsql, database_with_schema: str, variable: str
) -> None:
    refused = run_psql(database_with_schema, "-v", variable, "-f", SEED_SQL)
    assert refused.returncode == 3
    [line] = refused.stderr.splitlines()
    name, _, given = variable.partition("=")
    assert f"zava: {name} must be" in line
    assert f'not "{given}"' in line


@pytest.fixture(scope="module")
def database_with_schema(cluster: EmbeddedServer, run_psql: RunPsql) -> Iterator[str]:
    """A conninfo of a database with the schema, which no test fills."""
    name = f"seed_{uuid.uuid4().hex}"
    with psycopg.connect(
        cluster.conninfo(dbname="postgres", user="postgres"), autocommit=True
    ) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        conninfo = cluster.conninfo(dbname=name, user="postgres")
        load_schema(run_psql, conninfo)
        yield conninfo
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_database_without_the_schema_is_refused(
    run_psql: RunPsql, empty_database: str
) -> None:
    refused = run_psql(empty_database, *SMALL, "-f", SEED_SQL)
    assert refused.returncode == 3
    [line] = refused.stderr.splitlines()
    assert "load schema.sql first" in line


def test_a_folder_without_the_data_files_is_refused_with_the_remedy(
    run_psql: RunPsql, database_with_schema: str, tmp_path: Path
) -> None:
    refused = run_psql(database_with_schema, *SMALL, "-v", f"seed_dir={tmp_path}", "-f", SEED_SQL)  # fmt: skip
    assert refused.returncode == 3
    assert "seed_dir=/path/to/seed" in refused.stderr.splitlines()[-1]
    with psycopg.connect(database_with_schema) as conn:
        assert value(conn, "SELECT count(*) FROM retail.stores") == 0


def test_the_data_files_may_lie_in_a_folder_with_an_awkward_name(
    run_psql: RunPsql, empty_database: str, tmp_path: Path
) -> None:
    folder = tmp_path / 'it\'s a "seed" : folder'
    shutil.copytree(SEED, folder)
    stores = folder / "stores.csv"
    stores.write_text(stores.read_text("utf-8").replace("Zava Retail Kirkland", "Zava Retail Elsewhere"), "utf-8")  # fmt: skip
    managed = folder / "regional_manager_stores.csv"
    managed.write_text(managed.read_text("utf-8").replace("Zava Retail Kirkland", "Zava Retail Elsewhere"), "utf-8")  # fmt: skip
    load_schema(run_psql, empty_database)
    load_seed(run_psql, empty_database, *SMALL, "-v", f"seed_dir={folder}")
    with psycopg.connect(empty_database) as conn:
        assert value(conn, "SELECT count(*) FROM retail.stores WHERE name = 'Zava Retail Elsewhere'") == 1  # fmt: skip


def test_a_misspelt_name_in_a_data_file_stops_the_load(
    run_psql: RunPsql, database_with_schema: str, tmp_path: Path
) -> None:
    folder = tmp_path / "seed"
    shutil.copytree(SEED, folder)
    products = folder / "products.csv"
    products.write_text(products.read_text("utf-8").replace(",Hammers,", ",Hamers,", 1), "utf-8")  # fmt: skip
    refused = run_psql(database_with_schema, *SMALL, "-v", f"seed_dir={folder}", "-f", SEED_SQL)  # fmt: skip
    assert refused.returncode == 3
    assert "null value" in refused.stderr
    with psycopg.connect(database_with_schema) as conn:
        assert value(conn, "SELECT count(*) FROM retail.stores") == 0


def test_keys_indexes_and_comments_come_back_as_they_were(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    with psycopg.connect(empty_database) as conn:
        conn.execute(
            """
            COMMENT ON CONSTRAINT orders_pkey ON retail.orders IS 'it''s the key';
            COMMENT ON INDEX retail.orders_pkey IS 'its index';
            COMMENT ON CONSTRAINT orders_customer_id_store_id_fkey ON retail.orders IS 'who';
            COMMENT ON INDEX retail.order_items_product_id_store_id_idx IS 'what';
            CREATE UNIQUE INDEX "Odd; name" ON retail.orders (order_id DESC) INCLUDE (status) WHERE total_amount > 0;
            CREATE INDEX ON retail.customers (lower(email)) WITH (fillfactor = 70);
            CREATE TABLE retail.refunds (
                order_id uuid REFERENCES retail.orders ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED
            );
            ALTER TABLE retail.refunds OWNER TO zava_owner;
            ALTER TABLE retail.inventory REPLICA IDENTITY USING INDEX inventory_pkey;
            ALTER TABLE retail.customers CLUSTER ON customers_pkey;
            """
        )
    before = catalogue(empty_database)
    load_seed(run_psql, empty_database, *SMALL)
    assert catalogue(empty_database) == before
    with psycopg.connect(empty_database) as conn:
        conn.execute("INSERT INTO retail.refunds SELECT order_id FROM retail.orders LIMIT 1")  # fmt: skip
        assert rows(
            conn,
            """
            SELECT indexrelid::regclass::text, indisclustered, indisreplident FROM pg_index
            WHERE indrelid = ANY ('{retail.customers,retail.inventory}'::regclass[])
                AND (indisclustered OR indisreplident) ORDER BY 1
            """,
        ) == [
            ("retail.customers_pkey", True, False),
            ("retail.inventory_pkey", False, True),
        ]
    # A table that depends on the orders is emptied with them.
    load_seed(run_psql, empty_database, *SMALL, "-v", "reset=yes")
    assert catalogue(empty_database) == before
    with psycopg.connect(empty_database) as conn:
        assert value(conn, "SELECT count(*) FROM retail.refunds") == 0


def test_a_failure_late_in_the_load_leaves_nothing_behind(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    with psycopg.connect(empty_database) as conn:
        conn.execute(
            "ALTER TABLE retail.inventory ADD CONSTRAINT too_strict CHECK (stock_level > 1000)"
        )
    before = catalogue(empty_database)
    failed = run_psql(empty_database, *SMALL, "-f", SEED_SQL)
    assert failed.returncode == 3
    assert failed.stdout.splitlines() == STEPS[:5]
    assert "too_strict" in failed.stderr
    assert catalogue(empty_database) == before
    with psycopg.connect(empty_database) as conn:
        tables = TABLES + TOTALS
        assert [value(conn, f"SELECT count(*) FROM retail.{t}") for t in tables] == [
            0
        ] * len(tables)


def test_a_dba_who_is_no_superuser_can_load_it(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    dba = f"dba_{uuid.uuid4().hex}"
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {dba} LOGIN".encode())
        conn.execute(f"GRANT zava_owner TO {dba} WITH INHERIT FALSE, SET TRUE".encode())
    try:
        load_seed(run_psql, make_conninfo(empty_database, user=dba), *SMALL)
        assert checksums(empty_database) == CHECKSUMS
    finally:
        with psycopg.connect(empty_database, autocommit=True) as conn:
            conn.execute(f"DROP ROLE {dba}".encode())


def test_the_session_keeps_its_settings_and_nothing_of_the_seed(
    run_psql: RunPsql, empty_database: str
) -> None:
    load_schema(run_psql, empty_database)
    query = """
        SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
        WHERE source = 'session' AND context <> 'internal' AND name NOT LIKE 'transaction%'
    """
    temporary = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' UNION ALL SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema()"
    loaded = run_psql(
        empty_database,
        *("-At", "-c", query, *SMALL, "-f", SEED_SQL, "-c", query, "-c", temporary),
    )
    assert loaded.returncode == 0, loaded.stderr
    first, *steps, last, tables, functions = loaded.stdout.splitlines()
    assert steps == STEPS
    assert last == first
    assert (tables, functions) == ("0", "0")
