"""get_store_performance of stores, regions and all: against query_metrics, and in few words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from typing import Any

import psycopg
import pytest

from tests.conftest import temporary_database
from tests.people import REDMOND, SEATTLE, STORE_MANAGERS, regional_manager
from zava.data.metrics.registry import METRICS
from zava.data.provider import PostgreSQLProvider
from zava.errors import AuthorizationError, ValidationError
from zava.infra.cache import QueryCache
from zava.service.metrics.answers import MetricsService
from zava.service.sales.performance import SalesAnalyticsService
from zava.service.sales.presentation import MAX_CHARACTERS

NOW = datetime(2026, 7, 1, 19, tzinfo=timezone.utc)
HEAD_OFFICE = regional_manager("Head Office")
REGION = regional_manager("Puget Sound Region")
KIRKLAND = STORE_MANAGERS["Zava Retail Kirkland"]
SCOPES = {
    "a store": ("seattle", SEATTLE),
    "a store of several": ("bellevue", REGION),
    "a region": ("Puget Sound", HEAD_OFFICE),
    "all of a region": ("all stores", REGION),
    "the chain": ("all", HEAD_OFFICE),
}
PERIODS = ("2026-05", "2026-02", "2026-06", "2025", "2025-Q3", "last_90_days", "ytd")
FALLEN = "Zava Retail Online"
LAST = date(2026, 5, 14)
"""The day of its last order."""


class Chain:
    """Both services on one database."""

    def __init__(self, provider: PostgreSQLProvider) -> None:
        self.sales = SalesAnalyticsService(provider, QueryCache(), clock=lambda: NOW)
        self.metrics = MetricsService(
            provider,
            QueryCache(),
            max_rows=5000,
            max_result_bytes=10**7,
            clock=lambda: NOW,
        )

    def ask(self, store: str, period: str, person: str, **how: Any) -> dict[str, Any]:
        """Ask for the performance of stores."""
        return self.sales.get_store_performance(store, period, person, **how)

    def query(self, arguments: Mapping[str, Any], person: str) -> dict[str, Any]:
        """Ask for metrics."""
        question = self.metrics.check(**arguments)
        return self.metrics.answer(question, person)


@pytest.fixture(scope="module")
def chain(provider: PostgreSQLProvider) -> Chain:
    return Chain(provider)


# What the seed has none of: a store that fell silent, names as long as they may be,
# stock that runs out, and a product that one customer alone bought.
OF_FALLEN = (
    f"business_day > '{LAST}'"
    f" AND store_id = (SELECT store_id FROM retail.stores WHERE name = '{FALLEN}')"
)
CHANGES = (
    f"DELETE FROM retail.orders WHERE {OF_FALLEN} AND returns_order_id IS NOT NULL",
    f"UPDATE retail.orders SET returns_order_id = NULL WHERE returns_order_id IN (SELECT order_id FROM retail.orders WHERE {OF_FALLEN})",
    f"DELETE FROM retail.orders WHERE {OF_FALLEN}",
    "UPDATE retail.products SET name = rpad(name, 200, ' and one word more')",
    "UPDATE retail.categories SET name = rpad(name, 100, ' and more')",
    "UPDATE retail.inventory SET stock_level = 1",
)


@pytest.fixture(scope="module")
def changed(cluster: Any, template: str) -> Iterator[Chain]:
    for name in temporary_database(cluster, template):
        owner = cluster.conninfo(dbname=name, user="postgres")
        with psycopg.connect(owner, autocommit=True) as conn:
            for change in CHANGES:
                conn.execute(change.encode())
        provider = PostgreSQLProvider(
            {"conninfo": cluster.conninfo(dbname=name, user="zava_server")}
        )
        provider.open()
        try:
            yield Chain(provider)
        finally:
            provider.close()


def table(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(part["columns"], row, strict=True)) for row in part["rows"]]


def compact(answer: dict[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.thorough
@pytest.mark.once
@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("scope", SCOPES)
def test_figures_are_those_of_query_metrics(
    chain: Chain, changed: Chain, scope: str, period: str
) -> None:
    store, person = SCOPES[scope]
    if period in ("ytd", "2025-Q3"):
        chain = changed  # with days that no refresh has seen
    answer = chain.ask(store, period, person, detail="full")
    found = {row.pop("metric"): row for row in table(answer["metrics"])}
    common = {"time_period": period, "stores": [store], "compare": "both"}
    names = list(found)
    for first in range(0, len(names), 8):
        queried = chain.query({**common, "metrics": names[first : first + 8]}, person)
        (row,) = table(queried)
        for name in names[first : first + 8]:
            expected = {
                column.replace(name, "value", 1).removeprefix("value_"): row[column]
                for column in row
                if metric_of(column) == name
            }
            # The table has both columns; a figure changes in one of them.
            other = "_change" if METRICS[name].is_percent else "_points"
            for column in [each for each in found[name] if each.endswith(other)]:
                assert found[name].pop(column) is None
            assert found[name] == pytest.approx(expected), name
        assert queried["period"] == {
            name: answer["period"][name] for name in ("first_day", "last_day")
        }
        assert queried["data_through"] == answer["period"]["data_through"]
    queried = chain.query(
        {**common, "metrics": ["revenue"], "by": ["category"], "shares": True}, person
    )
    assert {
        row["category"]: row["revenue"]
        for row in table(answer["metrics"]["categories"])
    } == {row["category"]: row["revenue"] for row in table(queried)}
    queried = chain.query(
        {**common, "metrics": ["revenue", "units"], "by": ["product"], "max_rows": 10},
        person,
    )
    assert [
        (row["sku"], row["revenue"], row["units"])
        for row in table(answer["metrics"]["best_products"])
    ] == [(row["sku"], row["revenue"], row["units"]) for row in table(queried)]


def metric_of(column: str) -> str:
    """The longest name of a metric that a column begins with."""
    names = [n for n in METRICS if column == n or column.startswith(f"{n}_")]
    return max(names, key=len)


@pytest.mark.thorough
@pytest.mark.once
@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_short_answer_keeps_to_its_length_whatever_the_names(
    chain: Chain, changed: Chain, scope: str, period: str
) -> None:
    store, person = SCOPES[scope]
    for each in (chain, changed):
        short = each.ask(store, period, person)
        assert len(compact(short)) <= MAX_CHARACTERS
        names = [row[0] for row in short["metrics"]["rows"]]
        assert {"revenue", "orders", "customers"} <= {*names}


@pytest.mark.thorough
@pytest.mark.once
@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("scope", SCOPES)
def test_every_insight_s_query_shows_the_numbers_of_its_sentence(
    chain: Chain, changed: Chain, scope: str, period: str
) -> None:
    store, person = SCOPES[scope]
    for each in (chain, changed):
        for insight in each.ask(store, period, person, detail="full")["insights"]:
            queried = each.query(insight["query_metrics"], person)
            text, numbers = insight["text"], numbers_of(queried)
            for row in queried["rows"]:
                for cell in row:
                    if isinstance(cell, str):
                        text = text.replace(cell, "")
            text = re.sub(r"\b20\d\d(-\d\d){0,2}\b", "", text)
            for said in re.findall(r"(?<![-\w.])[0-9][0-9,]*(?:\.[0-9]+)?", text):
                is_shown = any(is_near(said, number) for number in numbers)
                assert is_shown, (said, insight, queried)


def is_near(said: str, number: float) -> bool:
    """Whether a number is another one, rounded."""
    digits = len(said.partition(".")[2])
    return bool(abs(float(said.replace(",", "")) - abs(number)) <= 0.5001 * 10**-digits)


def numbers_of(answer: dict[str, Any]) -> list[float]:
    """The figures of an answer, and what a reader computes of them at a glance."""
    rows = table(answer)
    found = [
        float(c) for row in rows for c in row.values() if isinstance(c, int | float)
    ]
    found += [answer["row_count"], answer.get("total_rows", 0)]
    sides = {"": answer["period"], **answer.get("compared_with", {})}
    days = {name: days_of(side) for name, side in sides.items()}
    found += days.values()
    for row in rows:
        if "new_customers" in row:
            found += [
                100 * row[f"new_customers{end}"] / row[f"customers{end}"]
                for end in ("", "_previous", "_year_before")
                if row.get(f"customers{end}")
            ]
        for name in days:
            if name and row.get(f"revenue_{name}"):
                now, then = (
                    row["revenue"] / days[""],
                    row[f"revenue_{name}"] / days[name],
                )
                found.append(100 * (now / then - 1))
    for column in ("revenue", "revenue_previous", "revenue_year_before"):
        cells = [row[column] for row in rows if row.get(column) is not None]
        if len(cells) > 1 and sum(cells):
            found += [100 * cell / sum(cells) for cell in cells]
            open_days = [row for row in rows if row.get("orders", 1)]
            found += [
                sum(cells) / len(open_days),
                max(cells) / (sum(cells) / len(open_days)),
            ]
    # Days of stock in whose window they were counted.
    return [*found, 90.0]


def days_of(span: dict[str, str]) -> int:
    last = date.fromisoformat(span["last_day"])
    return (last - date.fromisoformat(span["first_day"])).days + 1


def test_a_region_of_which_a_person_sees_a_part_is_said_to_be_that(
    chain: Chain,
) -> None:
    seen = chain.ask("puget sound", "2025", REDMOND)
    assert "of the stores that you see in it" in " ".join(seen["period"]["notes"])
    for name, person in (("all", REDMOND), ("puget sound", HEAD_OFFICE)):
        notes = chain.ask(name, "2025", person)["period"].get("notes", [])
        assert "of the stores that you see in it" not in " ".join(notes)


def test_all_and_a_region_are_the_stores_that_the_person_sees(chain: Chain) -> None:
    for name in ("all", " ALL stores", "every store"):
        assert chain.ask(name, "2025", HEAD_OFFICE)["store_id"] == "all"
    assert chain.ask("all", "2025", HEAD_OFFICE)["metrics"]["stores"] == "8 stores"
    region = chain.ask("puget sound region", "2025", HEAD_OFFICE)
    assert region["store_id"] == "Puget Sound"
    assert region["metrics"]["stores"] == "6 stores of Puget Sound"
    # The region of others, or what a manager sees of it.
    with pytest.raises(AuthorizationError):
        chain.ask("Eastern Washington", "2025", REGION)
    own = chain.ask("all", "2025", REDMOND)
    by_name = chain.ask("redmond", "2025", REDMOND)
    assert own["metrics"] == by_name["metrics"]
    assert own["store_id"] == "all"


def test_a_name_that_many_stores_have_lists_ten(chain: Chain) -> None:
    with pytest.raises(ValidationError, match="several stores match: Zava Retail B"):
        chain.ask("zava", "2025", HEAD_OFFICE)


def test_a_store_that_fell_silent_is_compared_until_then_and_says_so(
    changed: Chain,
) -> None:
    answer = changed.ask("online", "2026-05", HEAD_OFFICE)
    period = answer["period"]
    assert period["last_day"] == period["data_through"] == str(LAST)
    assert period["compared_with"]["previous"] == f"2026-04-01..2026-04-{LAST:%d}"
    text = answer["insights"][0]["text"]
    assert text.startswith(f"No sales since {LAST + timedelta(1)}: the last day with")
    # Afterwards there are no figures, and no "no sales".
    answer = changed.ask("online", "2026-06", HEAD_OFFICE)
    assert answer["metrics"]["rows"] == []
    assert answer["insights"][0]["text"] == text
    # Its manager sees no other store, so nobody knows whether the data is late.
    own = changed.ask("online", "2026-06", STORE_MANAGERS[FALLEN])
    assert [insight["text"] for insight in own["insights"]] == [
        f"The data ends {LAST}: 2026-06 is not loaded."
    ]


def test_the_chain_names_the_stores_that_fell_silent(changed: Chain) -> None:
    answer = changed.ask("all", "2026-05", HEAD_OFFICE)
    text = f"No sales any more: {FALLEN} since {LAST + timedelta(1)}."
    assert answer["insights"][0]["text"] == text
    assert answer["period"]["data_through_of_stores"][FALLEN] == str(LAST)
    answer = changed.ask("all", "2026-04", HEAD_OFFICE)
    assert "No sales" not in str(answer["insights"])


def test_stock_speaks_only_of_a_period_that_ends_now(changed: Chain) -> None:
    for period, speaks in (("2026-06", True), ("2026-04", False), ("2025", False)):
        answer = changed.ask("seattle", period, SEATTLE, detail="full")
        assert ("stock" in answer["metrics"]) is speaks
        texts = [insight["text"] for insight in answer["insights"]]
        assert any("in stock" in text for text in texts) is speaks


def test_stock_that_runs_out_or_does_not_sell_agrees_with_sql(
    changed: Chain, provider: PostgreSQLProvider
) -> None:
    answer = changed.ask("seattle", "2026-06", SEATTLE, detail="full")
    stock = table(answer["metrics"]["stock"])
    assert answer["metrics"]["stock"]["days"] == "2026-04-02..2026-06-30"
    # The sales of Seattle are those of the seed.
    sold = provider.execute_query(
        "SELECT p.sku, sum(d.units) AS units FROM retail.daily_product_sales AS d JOIN retail.products AS p USING (product_id)"
        " WHERE d.day BETWEEN '2026-04-02' AND '2026-06-30' GROUP BY 1",
        SEATTLE,
    )
    units = {row["sku"]: Decimal(row["units"]) for row in sold}
    short = {sku for sku, count in units.items() if count >= 10 and 14 * count > 90}
    told = [row for row in stock if row["kind"] == "runs out"]
    assert {row["sku"] for row in told} == short
    assert all(row["sold"] == units[row["sku"]] for row in told)
    idle = [row["sku"] for row in stock if row["kind"] == "does not sell"]
    assert len(idle) == 10
    assert not [sku for sku in idle if units.get(sku, 0) > 0]


def test_scopes_and_details_are_kept_apart(chain: Chain) -> None:
    found = {
        (store, detail): compact(
            chain.ask(store, "2025-11", HEAD_OFFICE, detail=detail)
        )
        for store, detail in product(
            ("all", "Puget Sound", "seattle"), ("short", "full")
        )
    }
    assert len({*found.values()}) == 6
    with pytest.raises(ValidationError):
        chain.ask("all", "2025-11", HEAD_OFFICE, detail="some")
