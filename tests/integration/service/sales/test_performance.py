"""get_store_performance: its numbers against SQL of their own, and who may ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tests.people import REDMOND, SEATTLE, STORE_MANAGERS, STRANGER
from zava.data.metrics.registry import METRICS
from zava.data.provider import PostgreSQLProvider
from zava.data.sales_data import get_sales_data
from zava.data.transaction import Query
from zava.errors import AuthorizationError, MCPError, ValidationError
from zava.infra.cache import QueryCache
from zava.models import ResultSet
from zava.service.sales.calendars import Calendar
from zava.service.sales.insights import REVENUE_MOVED_PERCENT
from zava.service.sales.performance import MAX_STORE_ID, SalesAnalyticsService
from zava.service.sales.periods import parse_period

Owner = psycopg.Connection

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
NOW = datetime(2026, 6, 30, 18, tzinfo=timezone.utc)
SEATTLE_STORE = "Zava Retail Seattle"
PERIODS = (
    "2025",
    "2025-Q3",
    "2025-12",
    "last_12_months",
    "2020",
    "2026-01-05..2026-05-20",
)

# Every store of the seed goes by the clock of Los Angeles.
DAY = "(order_date AT TIME ZONE 'America/Los_Angeles')::date"
COUNTED = f"""
    SELECT *, {DAY} AS day FROM retail.orders
    WHERE store_id = %(store)s AND {DAY} >= %(start)s::date AND {DAY} < %(end)s::date
        AND status <> 'cancelled' AND status <> 'returned'
"""
BOUGHT = f"SELECT * FROM ({COUNTED}) AS c WHERE total_amount >= 0"
# Each figure by its definition, one query a figure.
FIGURES = {
    "revenue": f"SELECT sum(total_amount) FROM ({COUNTED}) AS o",
    "orders": f"SELECT count(*) FROM ({BOUGHT}) AS o",
    "average_order_value": f"SELECT sum(total_amount) / (SELECT count(*) FROM ({BOUGHT}) AS b) FROM ({COUNTED}) AS o",
    "units": f"SELECT sum(quantity) FROM ({COUNTED}) AS o JOIN retail.order_items USING (order_id) JOIN retail.products USING (product_id) WHERE unit = 'piece'",
    "units_per_order": f"SELECT sum(quantity) FILTER (WHERE unit = 'piece') / count(DISTINCT order_id) FILTER (WHERE o.total_amount >= 0) FROM ({COUNTED}) AS o JOIN retail.order_items USING (order_id) JOIN retail.products USING (product_id)",
    "discount_rate": f"SELECT 100 * sum(i.discount_amount + i.coupon_amount) / sum(i.total_amount + i.discount_amount + i.coupon_amount) FROM ({COUNTED}) AS o JOIN retail.order_items AS i USING (order_id)",
    "gross_margin": f"SELECT 100 * (sum(i.total_amount) - sum(p.cost * i.quantity)) / sum(i.total_amount) FROM ({COUNTED}) AS o JOIN retail.order_items AS i USING (order_id) JOIN retail.products AS p USING (product_id) WHERE p.cost IS NOT NULL",
    "customers": f"SELECT count(DISTINCT customer_id) FROM ({BOUGHT}) AS o",
    "new_customers": f"""
        SELECT count(*) FROM (
            SELECT min({DAY}) AS first FROM retail.orders
            WHERE store_id = %(store)s AND status <> 'cancelled' AND status <> 'returned' AND total_amount >= 0 AND customer_id IS NOT NULL
            GROUP BY customer_id
        ) AS c WHERE first >= %(start)s::date AND first < %(end)s::date""",
}
PLACED = f"SELECT * FROM retail.orders WHERE store_id = %(store)s AND {DAY} >= %(start)s::date AND {DAY} < %(end)s::date"
STATUSES = {
    "returns": f"SELECT count(*) FROM ({COUNTED}) AS o WHERE total_amount < 0",
    "returned_amount": f"SELECT -sum(total_amount) FROM ({COUNTED}) AS o WHERE total_amount < 0",
    "costed_share": f"SELECT 100 * sum(i.total_amount) FILTER (WHERE p.cost IS NOT NULL) / sum(i.total_amount) FROM ({COUNTED}) AS o JOIN retail.order_items AS i USING (order_id) JOIN retail.products AS p USING (product_id)",
    "cancelled_orders": f"SELECT count(*) FROM ({PLACED}) AS o WHERE status = 'cancelled'",
    "cancelled_share": f"SELECT 100 * avg((status = 'cancelled')::integer) FROM ({PLACED}) AS o WHERE total_amount >= 0",
    "returned_orders": f"SELECT count(*) FROM ({PLACED}) AS o WHERE status = 'returned'",
    "returned_share": f"SELECT 100.0 * (count(*) FILTER (WHERE status = 'returned') + count(*) FILTER (WHERE total_amount < 0)) / count(*) FILTER (WHERE total_amount >= 0) FROM ({PLACED}) AS o",
}
BY_CATEGORY = f"""
    SELECT c.name, sum(i.total_amount) AS revenue
    FROM ({COUNTED}) AS o
    JOIN retail.order_items AS i USING (order_id)
    JOIN retail.products AS p USING (product_id)
    JOIN retail.categories AS c ON c.category_id = p.category_id
    GROUP BY c.name"""
BY_PRODUCT = f"""
    SELECT p.sku, p.name, sum(i.quantity) AS units, sum(i.total_amount) AS revenue, min(v.stock_level) AS stock
    FROM ({COUNTED}) AS o
    JOIN retail.order_items AS i USING (order_id)
    JOIN retail.products AS p USING (product_id)
    LEFT JOIN retail.inventory AS v ON v.product_id = p.product_id AND v.store_id = o.store_id
    GROUP BY p.product_id"""
BY_TYPE = f"""
    SELECT sku, type, sum(units), sum(revenue), count(*) FILTER (WHERE bought), max(revenue) FILTER (WHERE bought)
    FROM (
        SELECT p.sku, t.name AS type, coalesce(o.customer_id, o.order_id) AS buyer, sum(i.quantity) AS units,
               sum(i.total_amount) AS revenue, bool_or(o.total_amount >= 0) AS bought
        FROM ({COUNTED.replace("store_id = %(store)s", "store_id <> %(store)s")}) AS o
        JOIN retail.order_items AS i USING (order_id)
        JOIN retail.products AS p USING (product_id)
        JOIN retail.product_types AS t ON t.type_id = p.type_id
        GROUP BY 1, 2, 3
    ) AS b
    GROUP BY 1, 2"""
BY_DAY = f"SELECT day, sum(total_amount), count(*) FILTER (WHERE total_amount >= 0) FROM ({COUNTED}) AS o GROUP BY 1 ORDER BY 1"
BY_MONTH = f"SELECT date_trunc('month', day)::date, sum(total_amount), count(*) FILTER (WHERE total_amount >= 0) FROM ({COUNTED}) AS o GROUP BY 1 ORDER BY 1"

# Of every store but one that there is not.
ANY_STORE = STRANGER

Span = tuple[str, str]


class CountingProvider(PostgreSQLProvider):
    """Notes how often it was asked."""

    def __init__(self, connection_config: dict[str, Any]) -> None:
        super().__init__(connection_config)
        self.asked: list[int] = []

    def fetch_all(
        self, queries: Sequence[Query], *args: Any, **kwargs: Any
    ) -> list[ResultSet]:
        """Note it and answer."""
        self.asked.append(len(queries))
        return super().fetch_all(queries, *args, **kwargs)


@pytest.fixture
def service(provider: PostgreSQLProvider) -> SalesAnalyticsService:
    return SalesAnalyticsService(provider, QueryCache(), clock=lambda: NOW)


@pytest.fixture(scope="session")
def stores(owner: Owner) -> dict[str, str]:
    """The id of every store, by name."""
    rows = owner.execute("SELECT name, store_id::text FROM retail.stores").fetchall()
    return dict(rows)


@pytest.fixture(scope="session")
def head_office(owner: Owner) -> str:
    return manager(owner, "Head Office")


def manager(owner: Owner, name: str) -> str:
    query = "SELECT user_id::text FROM retail.regional_managers WHERE name = %s"
    row = owner.execute(query, (name,)).fetchone()
    assert row is not None
    return str(row[0])


def rows_of(owner: Owner, query: str, store: str, span: Span) -> list[tuple[Any, ...]]:
    with owner.transaction():
        owner.execute("SET LOCAL TimeZone = 'UTC'")
        values = {"store": store, "start": span[0], "end": span[1]}
        return owner.execute(query.encode(), values).fetchall()


def value_of(owner: Owner, query: str, store: str, span: Span) -> Any:
    ((value,),) = rows_of(owner, query, store, span)
    return value


def cents(value: Any, digits: str = "0.01") -> float | None:
    if value is None:
        return None
    return float(Decimal(value).quantize(Decimal(digits), ROUND_HALF_UP))


def growth(now: Any, before: Any) -> float | None:
    return cents(100 * (Decimal(now) - before) / before) if before else None


def span_of(first_day: str, last_day: str) -> Span:
    return first_day, str(date.fromisoformat(last_day) + timedelta(days=1))


def spans_of(result: dict[str, Any]) -> dict[str, Span]:
    """The spans of an answer, each with the day after its last one."""
    period = result["period"]
    spans = period.get("compared_with", {})
    return {
        "current": span_of(period["first_day"], period["last_day"]),
        **{name: span_of(*days.split("..")) for name, days in spans.items()},
    }


def table(part: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table by the names of its columns."""
    return [dict(zip(part["columns"], row, strict=True)) for row in part["rows"]]


def figures(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of the figures by the names of metrics."""
    return {row.pop("metric"): row for row in table(result["metrics"])}


def full(
    service: SalesAnalyticsService, store: str, period: str, person: str
) -> dict[str, Any]:
    return service.get_store_performance(store, period, person, detail="full")


@pytest.mark.acceptance("A14", "A23")
@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_agrees_with_sql_written_from_its_definition(
    service: SalesAnalyticsService,
    owner: Owner,
    stores: dict[str, str],
    period: str,
    name: str,
) -> None:
    result = full(service, "seattle", period, SEATTLE)
    figure = figures(result)[name]
    spans = spans_of(result)
    exact = {
        span: value_of(owner, FIGURES[name], stores[SEATTLE_STORE], bounds)
        for span, bounds in spans.items()
    }
    assert figure["value"] == cents(exact["current"])
    assert figure["value"] or name == "new_customers"
    for span in ("previous", "year_before"):
        if span not in spans:  # it is the same as the other, or before the first order
            assert span not in figure
            continue
        assert figure[span] == cents(exact[span])
        if METRICS[name].is_percent:
            assert figure[f"{span}_change"] is None
            points = cents(exact["current"] - exact[span])
            assert figure[f"{span}_points"] == points
        else:
            assert figure[f"{span}_change"] == growth(exact["current"], exact[span])


def test_a_year_is_compared_once_with_the_year_before_it(
    service: SalesAnalyticsService,
) -> None:
    result = service.get_store_performance("seattle", "2025", SEATTLE)
    assert spans_of(result) == {
        "current": ("2025-01-01", "2026-01-01"),
        "year_before": ("2024-01-01", "2025-01-01"),
    }


@pytest.mark.parametrize("name", STATUSES)
def test_cancelled_and_returned_orders_agree_with_sql(
    service: SalesAnalyticsService, owner: Owner, stores: dict[str, str], name: str
) -> None:
    result = full(service, "seattle", "2025", SEATTLE)
    span = spans_of(result)["current"]
    exact = value_of(owner, STATUSES[name], stores[SEATTLE_STORE], span)
    assert figures(result)[name]["value"] == cents(exact)


@pytest.mark.acceptance("A23")
@pytest.mark.parametrize("period", ["2025", "2025-Q3"])
def test_categories_agree_with_sql(
    service: SalesAnalyticsService, owner: Owner, stores: dict[str, str], period: str
) -> None:
    result = full(service, "seattle", period, SEATTLE)
    exact: dict[str, dict[str, Decimal]] = {
        span: dict(rows_of(owner, BY_CATEGORY, stores[SEATTLE_STORE], bounds))
        for span, bounds in spans_of(result).items()
    }
    now = exact.pop("current")
    total = sum(now.values())
    rows = table(result["metrics"]["categories"])
    names = {name for revenues in (now, *exact.values()) for name in revenues}
    assert [row["category"] for row in rows] == sorted(
        names, key=lambda name: -now.get(name, 0)
    )
    for row in rows:
        name = row.pop("category")
        expected = {
            "revenue": cents(now.get(name, 0)),
            "share": cents(100 * now.get(name, Decimal(0)) / total),
        }
        for span, revenues in exact.items():
            before = revenues.get(name, 0)
            expected[span] = cents(before)
            expected[f"{span}_change"] = growth(now.get(name, 0), before)
        assert row == expected


def test_best_products_and_their_stock_agree_with_sql(
    service: SalesAnalyticsService, owner: Owner, stores: dict[str, str]
) -> None:
    result = full(service, "seattle", "2025", SEATTLE)
    span = spans_of(result)["current"]
    products = rows_of(owner, BY_PRODUCT, stores[SEATTLE_STORE], span)
    best = sorted(products, key=lambda row: -row[3])[:10]
    assert table(result["metrics"]["best_products"]) == [
        {
            "sku": sku,
            "product": name,
            "units": units,
            "revenue": cents(revenue),
            "stock": stock,
            "days_of_cover": None
            if stock is None
            else cents(stock / (Decimal(units) / 365), "0.1"),
        }
        for sku, name, units, revenue, stock in best
    ]


@pytest.mark.parametrize("period", ["2025-Q4", "2025-Q3"])
def test_fading_products_fell_as_their_type_did_and_not_by_one_customer(
    service: SalesAnalyticsService, owner: Owner, head_office: str, period: str
) -> None:
    result = full(service, "all", period, head_office)
    spans, store = spans_of(result), ANY_STORE
    now = {row[0]: row for row in rows_of(owner, BY_TYPE, store, spans["current"])}
    days = {
        span: (date.fromisoformat(end) - date.fromisoformat(start)).days
        for span, (start, end) in spans.items()
    }
    length = Decimal(days["current"]) / days["previous"]
    types: dict[str, list[Decimal]] = {}
    before = rows_of(owner, BY_TYPE, store, spans["previous"])
    for each, at in ((now.values(), 0), (before, 1)):
        for _, kind, _, revenue, _, _ in each:
            types.setdefault(kind, [Decimal(0), Decimal(0)])[at] += revenue
    fallen = []
    for sku, kind, units, revenue, buyers, largest in before:
        left = now[sku][3] if sku in now else Decimal(0)
        loss, loss_of_type = (
            revenue * length - left,
            types[kind][1] * length - types[kind][0],
        )
        fell = units >= 10 and left <= revenue * length * Decimal("0.7")
        if fell and 2 * loss_of_type >= loss:
            fallen.append((left - revenue, sku, buyers, largest / revenue))
    fallen.sort()
    expected = [
        sku for _, sku, buyers, share in fallen[:5] if buyers >= 5 and share < 0.5
    ]
    rows = table(result["metrics"]["fading_products"])
    assert [row["sku"] for row in rows] == expected
    assert rows
    for row in rows:
        assert row["type_revenue"] == cents(types[row["type"]][0])
        assert row["type_revenue_previous"] == cents(types[row["type"]][1])


@pytest.mark.parametrize("period", ["2025", "2025-07"])
def test_the_series_and_the_best_day_agree_with_sql(
    service: SalesAnalyticsService, owner: Owner, stores: dict[str, str], period: str
) -> None:
    result = full(service, "seattle", period, SEATTLE)
    span = spans_of(result)["current"]
    series = result["metrics"]["series"]
    query = {"day": BY_DAY, "month": BY_MONTH}[series["columns"][0]]
    exact = rows_of(owner, query, stores[SEATTLE_STORE], span)
    assert [row for row in series["rows"] if row[2]] == [
        [str(day), cents(revenue), orders] for day, revenue, orders in exact
    ]
    assert len(series["rows"]) == {"2025": 12, "2025-07": 31}[period]
    days = rows_of(owner, BY_DAY, stores[SEATTLE_STORE], span)
    best = max(days, key=lambda row: row[1])
    assert result["metrics"]["best_day"] == {
        "start": str(best[0]),
        "revenue": cents(best[1]),
        "orders": best[2],
    }


class RecordingService(SalesAnalyticsService):
    """Notes its steps."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.steps: list[str] = []

    def _validate_store_access(self, *args: Any) -> Any:
        self.steps.append("access")
        return super()._validate_store_access(*args)

    def _calculate_metrics(self, sales_data: Any, *args: Any) -> Any:
        self.steps.append(f"metrics of {type(sales_data).__name__}")
        return super()._calculate_metrics(sales_data, *args)

    def _generate_insights(self, metrics: Any) -> Any:
        self.steps.append(f"insights of {type(metrics).__name__}")
        return super()._generate_insights(metrics)


@pytest.mark.acceptance("A13", "A15", "A17", "A18", "A19")
def test_access_comes_before_the_data_and_insights_come_of_the_metrics(
    provider: PostgreSQLProvider,
) -> None:
    service = RecordingService(provider, QueryCache(), clock=lambda: NOW)
    assert service.db_provider is provider
    service.get_store_performance("seattle", "2025", SEATTLE)
    assert service.steps == [
        "access",
        "metrics of SalesData",
        "insights of StoreMetrics",
    ]
    with pytest.raises(AuthorizationError):
        service.get_store_performance("redmond", "2025", SEATTLE)
    assert service.steps[3:] == ["access"]


@pytest.mark.acceptance("A19", "A23")
def test_the_first_insight_tells_the_figures_of_the_database(
    service: SalesAnalyticsService, owner: Owner, stores: dict[str, str]
) -> None:
    result = service.get_store_performance("seattle", "2025", SEATTLE)
    spans, store = spans_of(result), stores[SEATTLE_STORE]
    now, before = (
        (
            value_of(owner, FIGURES["revenue"], store, spans[span]),
            value_of(owner, FIGURES["orders"], store, spans[span]),
        )
        for span in ("current", "year_before")
    )
    change = growth(now[0], before[0])
    assert change is not None
    assert abs(change) >= REVENUE_MOVED_PERCENT
    direction = "up" if change > 0 else "down"
    assert result["insights"][0]["text"] == (
        f"Revenue of ${now[0]:,.0f} from {now[1]:,} orders is {direction}"
        f" {abs(change):.1f}% on 2024"
        f" (${before[0]:,.0f} from {before[1]:,} orders)."
    )


@pytest.mark.acceptance("A14", "A20")
def test_the_result_has_exactly_these_keys(service: SalesAnalyticsService) -> None:
    result = service.get_store_performance("seattle", " YTD ", SEATTLE)
    assert list(result) == ["store_id", "period", "metrics", "insights"]
    as_of = datetime.fromisoformat(result["period"].pop("as_of"))
    assert as_of.utcoffset() == timedelta(0)  # the database's own time
    assert result["period"] == {
        "name": "ytd",
        "first_day": "2026-01-01",
        "last_day": "2026-06-29",  # the day that is not over is left out
        "data_through": "2026-06-29",
        "compared_with": {"year_before": "2025-01-01..2025-06-29"},
        "cached": False,
    }
    assert result["metrics"]["stores"] == SEATTLE_STORE


@pytest.mark.parametrize(
    ("now", "period", "end", "previous"),
    [
        ("2026-06-30T00:00:01", "ytd", "2026-06-30", ("2025-01-01", "2025-06-30")),
        ("2026-06-30T23:59:59", "ytd", "2026-06-30", ("2025-01-01", "2025-06-30")),
        ("2026-06-11T08:00:00", "mtd", "2026-06-11", ("2026-05-01", "2026-05-11")),
        ("2026-06-11T08:00:00", "2026-06", "2026-06-11", ("2026-05-01", "2026-05-11")),
        ("2026-06-11T08:00:00", "2026", "2026-06-11", ("2025-01-01", "2025-06-11")),
        # Nothing is loaded after June.
        ("2026-09-15T08:00:00", "ytd", "2026-07-01", ("2025-01-01", "2025-07-01")),
        # What is over is whole.
        ("2026-06-11T08:00:00", "2026-05", "2026-06-01", ("2026-04-01", "2026-05-01")),
    ],
)
def test_both_sides_of_a_comparison_end_with_the_last_whole_day_that_has_data(
    provider: PostgreSQLProvider,
    owner: Owner,
    stores: dict[str, str],
    now: str,
    period: str,
    end: str,
    previous: tuple[str, str],
) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=LOS_ANGELES)
    service = SalesAnalyticsService(provider, QueryCache(), clock=lambda: moment)
    result = service.get_store_performance("seattle", period, SEATTLE)
    spans = spans_of(result)
    assert spans["current"][1] == end
    side = next(name for name in ("previous", "year_before") if name in spans)
    assert spans[side] == previous
    revenue = figures(result)["revenue"]
    exact = {
        span: value_of(owner, FIGURES["revenue"], stores[SEATTLE_STORE], bounds)
        for span, bounds in spans.items()
    }
    assert revenue["value"] == cents(exact["current"])
    assert revenue[side] == cents(exact[side])


@pytest.mark.parametrize("period", ["today", "wtd"])
def test_a_day_that_is_not_over_is_compared_with_nothing(
    provider: PostgreSQLProvider, owner: Owner, stores: dict[str, str], period: str
) -> None:
    sundays = (
        f"SELECT max(day) FROM ({COUNTED}) AS o WHERE extract(isodow FROM day) = 7"
    )
    span = ("2025-01-01", "2026-06-01")
    sunday = value_of(owner, sundays, stores[SEATTLE_STORE], span)
    moment = datetime(sunday.year, sunday.month, sunday.day, 18, tzinfo=LOS_ANGELES)
    service = SalesAnalyticsService(provider, QueryCache(), clock=lambda: moment)
    result = service.get_store_performance("seattle", period, SEATTLE)
    assert result["period"]["last_day"] == str(sunday)
    assert result["period"]["notes"] == ["today is not over, so it is not compared"]
    assert figures(result)["revenue"].keys() == {"value"}


def test_the_year_2020_has_nothing_to_be_compared_with(
    service: SalesAnalyticsService,
) -> None:
    result = full(service, "seattle", "2020", SEATTLE)
    found = figures(result)
    assert found["revenue"]["value"] > 0
    assert found["revenue"].keys() == {"value"}
    assert "compared_with" not in result["period"]
    assert result["metrics"]["fading_products"]["rows"] == []
    assert result["metrics"]["categories"]["columns"] == [
        "category",
        "revenue",
        "share",
    ]
    # Whoever bought in the first year bought there for the first time.
    assert found["new_customers"] == found["customers"]


@pytest.mark.parametrize("period", ["2019", "2000-01", "2019-12-31..2019-12-31"])
def test_a_period_before_the_first_order_is_refused_with_its_day(
    service: SalesAnalyticsService, period: str
) -> None:
    with pytest.raises(
        ValidationError, match="first order, which was on 2020-01-"
    ) as e:
        service.get_store_performance("seattle", period, SEATTLE)
    assert e.value.field == "time_period"


@pytest.mark.parametrize(
    ("now", "period", "sentence"),
    [
        pytest.param(
            "2026-06-30",
            "2100",
            "2100 is in the future. The data ends 2026-06-30.",
            id="in the future",
        ),
        pytest.param(
            "2026-07-03",
            "yesterday",
            "The data ends 2026-06-30: 2026-07-02 is not loaded.",
            id="yesterday",
        ),
        pytest.param(
            "2026-11-28",
            "last_30_days",
            "The data ends 2026-06-30: 2026-10-30 to 2026-11-28 is not loaded.",
            id="last_30_days",
        ),
        pytest.param(
            "2026-11-28",
            "today",
            "The data ends 2026-06-30: 2026-11-28 is not loaded.",
            id="today",
        ),
    ],
)
def test_a_period_after_the_data_says_where_the_data_ends(
    provider: PostgreSQLProvider, now: str, period: str, sentence: str
) -> None:
    moment = datetime.fromisoformat(f"{now}T11:00").replace(tzinfo=LOS_ANGELES)
    service = SalesAnalyticsService(provider, QueryCache(), clock=lambda: moment)
    for detail in ("short", "full"):
        result = service.get_store_performance(
            "seattle", period, SEATTLE, detail=detail
        )
        assert [insight["text"] for insight in result["insights"]] == [sentence]
        assert result["metrics"]["rows"] == []
        assert result["period"]["data_through"] in sentence


def test_a_store_that_never_sold_is_an_answer_without_figures(
    cluster: Any, database: str
) -> None:
    owner_conninfo = cluster.conninfo(dbname=database, user="postgres")
    with psycopg.connect(owner_conninfo, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO retail.stores (name, location, manager_id) VALUES ('Zava Retail Yakima', 'Yakima', %s)",
            (STRANGER,),
        )
    conninfo = cluster.conninfo(dbname=database, user="zava_server")
    provider = PostgreSQLProvider({"conninfo": conninfo})
    provider.open()
    try:
        service = SalesAnalyticsService(provider, QueryCache(), clock=lambda: NOW)
        result = service.get_store_performance("yakima", "ytd", STRANGER)
    finally:
        provider.close()
    assert [insight["text"] for insight in result["insights"]] == [
        "The store has never had an order."
    ]
    assert result["period"]["data_through"] is None
    assert result["metrics"]["rows"] == []


@pytest.mark.acceptance("A15", "A21")
@pytest.mark.parametrize("store", STORE_MANAGERS)
def test_a_store_manager_may_ask_for_their_store_and_no_other(
    service: SalesAnalyticsService, stores: dict[str, str], store: str
) -> None:
    for other, store_id in stores.items():
        for wanted in (store_id, store_id.upper(), other, f" {other.upper()} "):
            if other == store:
                result = service.get_store_performance(
                    wanted, "mtd", STORE_MANAGERS[store]
                )
                assert result["store_id"] == store_id
            else:
                with pytest.raises(AuthorizationError):
                    service.get_store_performance(wanted, "mtd", STORE_MANAGERS[store])


def test_a_regional_manager_may_ask_for_the_stores_of_the_region(
    service: SalesAnalyticsService, owner: Owner, stores: dict[str, str]
) -> None:
    region = manager(owner, "Eastern Washington Region")
    result = service.get_store_performance("spokane", "mtd", region)
    assert result["store_id"] == stores["Zava Retail Spokane"]
    for wanted in ("seattle", stores[SEATTLE_STORE]):
        with pytest.raises(AuthorizationError):
            service.get_store_performance(wanted, "mtd", region)


def test_head_office_may_ask_for_every_store_and_sees_what_its_manager_sees(
    service: SalesAnalyticsService, stores: dict[str, str], head_office: str
) -> None:
    for name, store_id in stores.items():
        seen = full(service, store_id, "2025", head_office)["metrics"]
        by_manager = full(service, name, "2025", STORE_MANAGERS[name])["metrics"]
        of_chain = [row for row in seen["rows"] if row[0].endswith("_to_chain")]
        assert [row[0] for row in of_chain] == ["new_to_chain", "returning_to_chain"]
        assert of_chain[0][1] > 0
        seen["rows"] = [row for row in seen["rows"] if row not in of_chain]
        assert seen == by_manager
        assert seen["stores"] == name


NEW_TO_CHAIN = f"""
    SELECT count(DISTINCT customer_id) FROM ({BOUGHT}) AS b
    WHERE customer_id NOT IN (
        SELECT customer_id FROM retail.orders
        WHERE status <> 'cancelled' AND status <> 'returned' AND total_amount >= 0 AND customer_id IS NOT NULL
            AND {DAY} < %(start)s::date)"""


@pytest.mark.parametrize("period", PERIODS)
def test_head_office_is_told_who_of_a_store_s_new_customers_is_new_to_the_chain(
    service: SalesAnalyticsService,
    owner: Owner,
    stores: dict[str, str],
    head_office: str,
    period: str,
) -> None:
    some_are_not = False
    for name, store_id in stores.items():
        result = full(service, name, period, head_office)
        metrics, spans = figures(result), spans_of(result)
        figure = metrics["new_to_chain"]
        exact = value_of(owner, NEW_TO_CHAIN, store_id, spans["current"])
        assert figure["value"] == exact
        some_are_not |= exact < metrics["new_customers"]["value"]
        for span in ("previous", "year_before"):
            if span in figure:
                then = value_of(owner, NEW_TO_CHAIN, store_id, spans[span])
                assert figure[span] == then
                assert figure[f"{span}_change"] == growth(exact, then)
    assert some_are_not or period == "2020"


def test_nobody_else_is_told_who_bought_in_other_stores_before(
    service: SalesAnalyticsService, owner: Owner
) -> None:
    region = manager(owner, "Puget Sound Region")
    for person in (SEATTLE, region):
        result = full(service, "seattle", "2025", person)
        assert "new_customers" in figures(result)
        assert "_to_chain" not in str(result)


def test_customers_of_several_stores_are_counted_once_for_whoever_sees_them(
    provider: PostgreSQLProvider, owner: Owner, head_office: str
) -> None:
    counted = (
        "SELECT customers, new_customers, new_to_chain"
        " FROM retail.count_customers_of_stores('{2025-01-01}', '{2026-01-01}')"
    )
    region = manager(owner, "Puget Sound Region")
    by_stores = (
        "SELECT sum(c.customers) AS customers FROM retail.stores AS s,"
        " retail.count_customers(s.store_id, '{2025-01-01}', '{2026-01-01}') AS c"
    )
    for person in (SEATTLE, region, head_office):
        identity = provider.resolve_identity(person)
        expected = owner.execute(
            f"""
            WITH bought AS (
                SELECT customer_id, min({DAY}) AS first, bool_or({DAY} BETWEEN '2025-01-01' AND '2025-12-31') AS is_there
                FROM retail.orders
                WHERE store_id = ANY (%s) AND status NOT IN ('cancelled', 'returned') AND total_amount >= 0
                    AND customer_id IS NOT NULL
                GROUP BY 1)
            SELECT count(*) FILTER (WHERE is_there),
                   count(*) FILTER (WHERE first BETWEEN '2025-01-01' AND '2025-12-31') FROM bought
            """.encode(),
            (list(identity.store_ids),),
        ).fetchone()
        assert expected is not None
        customers, new = expected
        (row,) = provider.execute_query(counted, person)
        chain = new if person == head_office else None
        assert row == {
            "customers": customers,
            "new_customers": new,
            "new_to_chain": chain,
        }
        (summed,) = provider.execute_query(by_stores, person)
        assert (summed["customers"] > customers) == (person != SEATTLE)


@pytest.mark.acceptance("A15", "A16", "A21", "D10")
@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param("", id="the foreign store's id"),
        pytest.param("Zava Retail Redmond", id="its name"),
        pytest.param("redmond", id="a part of it"),
        pytest.param(STRANGER, id="an unknown id"),
        pytest.param("Zava Retail Atlantis", id="an unknown name"),
        pytest.param("%", id="a wildcard"),
        pytest.param("x\0", id="a NUL"),
        pytest.param("\ud800", id="a lone surrogate"),
    ],
)
def test_foreign_and_unknown_stores_give_the_same_error(
    service: SalesAnalyticsService, stores: dict[str, str], wanted: str
) -> None:
    with pytest.raises(AuthorizationError) as caught:
        service.get_store_performance(
            wanted or stores["Zava Retail Redmond"], "2025", SEATTLE
        )
    error = caught.value
    assert (error.message, error.user_id) == ("Access denied for store", SEATTLE)
    assert (error.error_code, error.details()) == ("AUTHORIZATION_ERROR", {})


@pytest.mark.acceptance("A17", "A21")
def test_the_data_itself_is_refused_for_a_foreign_store(
    provider: PostgreSQLProvider, stores: dict[str, str]
) -> None:
    period = parse_period("2025", NOW.date(), Calendar())
    identity = provider.resolve_identity(SEATTLE)
    for store_id in (stores["Zava Retail Redmond"], STRANGER):
        with pytest.raises(AuthorizationError) as caught:
            get_sales_data(provider.fetch_all, [UUID(store_id)], period, identity)
        assert caught.value.message == "Access denied for store"


def test_a_name_that_several_visible_stores_have_is_refused_with_their_names(
    service: SalesAnalyticsService, stores: dict[str, str], head_office: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        service.get_store_performance("e", "2025", head_office)
    assert caught.value.field == "store_id"
    for name in stores:
        assert name in caught.value.message


def test_the_stores_that_match_are_those_that_the_caller_sees(
    service: SalesAnalyticsService, owner: Owner
) -> None:
    # "Zava" is every store of the chain and two of this region.
    with pytest.raises(ValidationError) as caught:
        service.get_store_performance("zava", "2025", manager(owner, "Digital Region"))
    assert caught.value.message.endswith(
        "several stores match: Zava Retail Online, Zava Retail Seattle"
    )
    result = service.get_store_performance("zava", "2025", REDMOND)
    assert result["metrics"]["stores"] == "Zava Retail Redmond"


@pytest.mark.parametrize("wanted", ["", "  ", "x" * (MAX_STORE_ID + 1), "x" * 10_000])
def test_a_store_needs_a_name_of_reasonable_length(
    service: SalesAnalyticsService, wanted: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        service.get_store_performance(wanted, "2025", SEATTLE)
    assert caught.value.field == "store_id"
    assert "xxx" not in caught.value.message


@pytest.mark.parametrize("who", [STRANGER, "nobody", ""])
def test_somebody_unknown_gets_nothing(
    service: SalesAnalyticsService, who: str
) -> None:
    with pytest.raises(MCPError) as caught:
        service.get_store_performance("seattle", "2025", who)
    assert caught.value.error_code in ("AUTHORIZATION_ERROR", "VALIDATION_ERROR")


@pytest.mark.acceptance("A24")
def test_a_kept_answer_says_so_and_a_fresh_one_does_not(
    service: SalesAnalyticsService, stores: dict[str, str], head_office: str
) -> None:
    def cached(store_id: str, period: str, user: str, *, fresh: bool = False) -> bool:
        result = service.get_store_performance(store_id, period, user, fresh=fresh)
        return bool(result["period"]["cached"])

    assert not cached("seattle", "2025", SEATTLE)
    assert cached(stores[SEATTLE_STORE], " 2025", SEATTLE)
    assert not cached("seattle", "2025", SEATTLE, fresh=True)
    assert cached("seattle", "2025", SEATTLE)
    assert not cached("seattle", "2024", SEATTLE)
    # The same days under another name.
    assert not cached("seattle", "2025-01-01..2025-12-31", SEATTLE)
    assert not cached("seattle", "2025", head_office)


def test_a_kept_answer_cannot_be_changed_by_whoever_got_it(
    service: SalesAnalyticsService,
) -> None:
    first = service.get_store_performance("seattle", "2025", SEATTLE)
    first["insights"].append("Everything is free.")
    first["metrics"]["rows"][0][1] = 0
    second = service.get_store_performance("seattle", "2025", SEATTLE)
    assert "Everything is free." not in second["insights"]
    assert figures(second)["revenue"]["value"] > 0


def test_relative_periods_are_read_anew_on_another_day(
    provider: PostgreSQLProvider,
) -> None:
    now = NOW
    service = SalesAnalyticsService(provider, QueryCache(), clock=lambda: now)
    today = service.get_store_performance("seattle", "today", SEATTLE)
    now = NOW + timedelta(days=1)
    tomorrow = service.get_store_performance("seattle", "today", SEATTLE)
    assert today["period"]["last_day"] == "2026-06-30"
    assert tomorrow["period"]["last_day"] == "2026-07-01"
    assert not tomorrow["period"]["cached"]


@pytest.mark.acceptance("A15", "A24")
def test_an_answer_takes_few_round_trips_and_a_kept_or_refused_one_none(
    server_conninfo: str, stores: dict[str, str]
) -> None:
    provider = CountingProvider({"conninfo": server_conninfo})
    provider.open()
    try:
        service = SalesAnalyticsService(provider, QueryCache(), clock=lambda: NOW)
        service.get_store_performance("seattle", "2025", SEATTLE)
        # The visible stores, once for all; until when there is data; everything else.
        assert provider.asked == [1, 1, 4]
        service.get_store_performance("seattle", "2025", SEATTLE)
        with pytest.raises(AuthorizationError):
            service.get_store_performance(
                stores["Zava Retail Redmond"], "2025", SEATTLE
            )
        assert provider.asked == [1, 1, 4]
    finally:
        provider.close()


def test_the_service_works_by_the_clock_of_the_world_unless_told_otherwise(
    provider: PostgreSQLProvider,
) -> None:
    service = SalesAnalyticsService(provider, QueryCache())
    result = service.get_store_performance("seattle", "yesterday", SEATTLE)
    end = date.fromisoformat(result["period"]["last_day"])
    assert abs(end - datetime.now(LOS_ANGELES).date()) <= timedelta(days=1)


def test_a_period_is_of_the_store_s_own_days(
    provider: PostgreSQLProvider, owner: Owner, stores: dict[str, str]
) -> None:
    # In UTC it is the first of July already.
    evening = datetime(2026, 6, 30, 23, 30, tzinfo=LOS_ANGELES)
    service = SalesAnalyticsService(provider, QueryCache(), clock=lambda: evening)
    result = service.get_store_performance("seattle", "today", SEATTLE)
    span = spans_of(result)["current"]
    assert span == ("2026-06-30", "2026-07-01")
    exact = value_of(owner, FIGURES["revenue"], stores[SEATTLE_STORE], span)
    assert figures(result)["revenue"]["value"] == cents(exact)


def test_a_kept_day_ends_when_the_store_s_day_ends(
    provider: PostgreSQLProvider,
) -> None:
    now = datetime(2026, 6, 29, 23, 59, 59, tzinfo=LOS_ANGELES)
    service = SalesAnalyticsService(provider, QueryCache(), clock=lambda: now)
    question = service.check("seattle", "today")
    assert service.answer(question, SEATTLE)["period"]["first_day"] == "2026-06-29"
    assert service.peek(question, SEATTLE) is not None
    now += timedelta(seconds=1)
    assert service.peek(question, SEATTLE) is None
    assert service.answer(question, SEATTLE)["period"]["first_day"] == "2026-06-30"


def test_what_is_sold_by_another_measure_stands_apart(
    service: SalesAnalyticsService, owner: Owner, stores: dict[str, str]
) -> None:
    result = full(service, "seattle", "2025", SEATTLE)
    span = spans_of(result)["current"]
    query = f"SELECT p.unit, sum(i.quantity) FROM ({COUNTED}) AS o JOIN retail.order_items AS i USING (order_id) JOIN retail.products AS p USING (product_id) GROUP BY 1"
    exact = dict(rows_of(owner, query, stores[SEATTLE_STORE], span))
    assert result["metrics"]["unit"] == "piece"
    rows = table(result["metrics"]["other_units"])
    others = {row["unit"]: row["value"] for row in rows}
    assert others == {unit: units for unit, units in exact.items() if unit != "piece"}
    assert set(others) == {"ft", "lb"}
