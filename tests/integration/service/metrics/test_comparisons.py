"""Periods of query_metrics, what they are compared with, and where both are cut."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import psycopg
import pytest

from tests.integration.service.metrics import slices
from tests.integration.service.metrics.conftest import (
    PEOPLE,
    Ask,
    dicts,
    service_of,
    span,
)
from tests.integration.service.metrics.slices import Slice
from tests.people import SEATTLE
from zava.data.provider import PostgreSQLProvider
from zava.errors import ValidationError
from zava.service.metrics.answers import MetricsService

pytestmark = pytest.mark.thorough

METRICS = ("revenue", "orders", "gross_margin", "customers", "units")


# The last day that the seed has, and a day when nothing more is loaded.
THE_LAST_DAY = datetime(2026, 6, 30, 19, tzinfo=timezone.utc)
THREE_DAYS_LATER = datetime(2026, 7, 3, 19, tzinfo=timezone.utc)


def service_on(provider: PostgreSQLProvider, now: datetime) -> MetricsService:
    return service_of(provider, lambda: now)


def change(now: Any, before: Any) -> Decimal | None:
    if not before:
        return None
    exact = 100 * (Decimal(now) - Decimal(before)) / abs(Decimal(before))
    return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)


@pytest.mark.parametrize("by", [(), ("category",), ("weekday",)])
@pytest.mark.parametrize("person", ["a manager", "head office"])
def test_each_side_is_what_plain_sql_says_of_its_days(
    ask: Ask,
    owner: psycopg.Connection,
    visible: dict[str, list[str]],
    person: str,
    by: tuple[str, ...],
) -> None:
    answer = ask(person, *METRICS, by=by, time_period="2026-Q2", compare="both")
    spans = {"": answer["period"]}
    spans |= {f"_{name}": days for name, days in answer["compared_with"].items()}
    assert list(spans) == ["", "_previous", "_year_before"]
    stores = tuple(visible[person])
    expected = {
        name: slices.figures(owner, Slice(stores, *span(days), by=by))
        for name, days in spans.items()
    }
    rows = dicts(answer)
    assert len(rows) >= 1
    for row in rows:
        key = tuple(row[name] for name in by)
        for metric in METRICS:
            values = {name: found[key][metric] for name, found in expected.items()}
            for name, value in values.items():
                assert Decimal(str(row[metric + name])) == value
                if name and metric in ("revenue", "orders", "customers"):
                    assert row[f"{metric}{name}_change"] == pytest.approx(
                        float(change(values[""], value) or 0)
                    )


def test_a_rate_changes_by_percentage_points(ask: Ask) -> None:
    answer = ask(
        *("head office", "discount_rate", "returned_share"),
        by=["store"],
        time_period="2026-Q2",
        compare="previous",
        having=["discount_rate_previous_points != 0"],
        order_by=["-discount_rate_previous_points"],
    )
    rows = dicts(answer)
    assert rows
    for row in rows:
        assert not [column for column in row if column.endswith("_change")]
        for rate in ("discount_rate", "returned_share"):
            points = row[rate] - row[f"{rate}_previous"]
            # Of exact figures, so that each of the three may be rounded.
            assert row[f"{rate}_previous_points"] == pytest.approx(points, abs=0.011)


def test_a_period_that_is_not_over_ends_with_the_last_whole_day_on_both_sides(
    ask: Ask,
) -> None:
    answer = ask("a manager", "revenue", time_period="ytd", compare="year_before")
    assert answer["data_through"] == "2026-06-30"
    assert answer["period"] == {"first_day": "2026-01-01", "last_day": "2026-06-30"}
    assert answer["compared_with"] == {
        "year_before": {"first_day": "2025-01-01", "last_day": "2025-06-30"}
    }


def test_a_rolling_period_keeps_its_days_where_the_data_ends_earlier(
    provider: PostgreSQLProvider,
) -> None:
    later = service_on(provider, THREE_DAYS_LATER)
    question = later.check(["revenue"], time_period="last_7_days", compare="previous")
    answer = later.answer(question, SEATTLE)
    assert answer["period"] == {"first_day": "2026-06-24", "last_day": "2026-06-30"}
    assert answer["compared_with"] == {
        "previous": {"first_day": "2026-06-17", "last_day": "2026-06-23"}
    }
    assert answer["notes"] == [
        "the data ends on 2026-06-30: last_7_days is counted up to that day"
    ]
    stock = later.answer(later.check(["stock_value"]), SEATTLE)
    assert "notes" not in stock


def test_the_whole_days_before_a_day_that_is_not_over_are_as_many_as_asked_for(
    provider: PostgreSQLProvider,
) -> None:
    service = service_on(provider, THE_LAST_DAY)
    question = service.check(["orders"], time_period="last_7_days", compare="previous")
    answer = service.answer(question, SEATTLE)
    assert answer["period"] == {"first_day": "2026-06-23", "last_day": "2026-06-29"}
    assert answer["compared_with"] == {
        "previous": {"first_day": "2026-06-16", "last_day": "2026-06-22"}
    }
    assert "notes" not in answer


def test_data_that_ends_earlier_cuts_both_sides_there(
    provider: PostgreSQLProvider,
) -> None:
    later = service_on(provider, THREE_DAYS_LATER)
    question = later.check(
        ["revenue"], time_period="2026-06-27..2026-07-03", compare="previous"
    )
    answer = later.answer(question, SEATTLE)
    assert answer["period"] == {"first_day": "2026-06-27", "last_day": "2026-06-30"}
    assert answer["compared_with"] == {
        "previous": {"first_day": "2026-06-20", "last_day": "2026-06-23"}
    }
    assert answer["notes"] == ["the data ends on 2026-06-30, within the period"]
    yesterday = later.check(["revenue"], time_period="yesterday")
    answer = later.answer(yesterday, SEATTLE)
    assert answer["rows"] == []
    assert answer["data_through"] == "2026-06-30"
    assert answer["notes"] == ["the data ends on 2026-06-30, before the period"]


def test_today_is_not_compared(provider: PostgreSQLProvider) -> None:
    service = service_on(provider, THE_LAST_DAY)
    question = service.check(["orders"], time_period="today", compare="both")
    answer = service.answer(question, PEOPLE["head office"])
    assert answer["columns"] == ["orders"]
    assert answer["rows"][0][0] > 0
    assert answer["data_through"] == "2026-06-30"
    assert "compared_with" not in answer
    assert answer["notes"] == ["today is not over, so it is not compared"]


def test_months_stand_against_the_months_of_the_year_before(
    ask: Ask, owner: psycopg.Connection, visible: dict[str, list[str]]
) -> None:
    answer = ask(
        *("head office", "revenue", "customers"),
        by=["month"],
        time_period="2025-09-10..2026-04-20",
        compare="year_before",
    )
    stores = tuple(visible["head office"])
    before = span(answer["compared_with"]["year_before"])
    expected = slices.figures(owner, Slice(stores, *before, by=("month",)))
    rows = dicts(answer)
    assert rows[0]["month"] == "2025-09"
    assert len(rows) == 8
    for row in rows:
        year, month = row["month"].split("-")
        then = expected[(f"{int(year) - 1}-{month}",)]
        assert Decimal(str(row["revenue_year_before"])) == then["revenue"]
        assert row["customers_year_before"] == then["customers"]


def test_days_stand_against_days_as_far_from_the_beginning(
    ask: Ask, owner: psycopg.Connection, visible: dict[str, list[str]]
) -> None:
    answer = ask(
        *("a manager", "revenue"), by=["day"], time_period="2026-03", compare="previous"
    )
    stores = tuple(visible["a manager"])
    expected = slices.figures(
        owner, Slice(stores, "2026-02-01", "2026-03-01", by=("day",))
    )
    for row in dicts(answer):
        february = row["day"].replace("-03-", "-02-")
        value = expected.get((february,), {"revenue": 0})["revenue"]
        assert Decimal(str(row["revenue_previous"])) == value


def test_weeks_that_begin_apart_stand_against_as_many_days(
    ask: Ask, owner: psycopg.Connection, visible: dict[str, list[str]]
) -> None:
    answer = ask(
        *("a manager", "orders"), by=["week"], time_period="2026-05", compare="previous"
    )
    # May begins on a Friday, so its first week has two days; April's first two are those.
    first = dicts(answer)[0]
    assert first["week"] == "2026-04-26..2026-05-02"
    stores = tuple(visible["a manager"])
    expected = slices.figures(owner, Slice(stores, "2026-04-01", "2026-04-03"))
    assert first["orders_previous"] == expected[()]["orders"]


def test_a_span_before_the_first_order_is_left_out(ask: Ask) -> None:
    first = ask("a manager", "revenue", time_period="2020-01-01..2026-06-30")
    (note,) = ask(
        *("a manager", "revenue"),
        time_period="2020-01-01..2026-06-30",
        compare="previous",
    )["notes"]
    assert note.endswith(": previous left out")
    assert "notes" not in first
    with pytest.raises(ValidationError, match="lies before the first order"):
        ask("a manager", "revenue", time_period="2012")


def test_both_comparisons_with_the_same_days_are_one(ask: Ask) -> None:
    answer = ask("a manager", "revenue", time_period="2025", compare="both")
    assert list(answer["compared_with"]) == ["year_before"]
    assert answer["columns"] == [
        "revenue",
        "revenue_year_before",
        "revenue_year_before_change",
    ]


def test_a_filter_on_spans_leaves_the_others_out_on_both_sides(
    ask: Ask, owner: psycopg.Connection, visible: dict[str, list[str]]
) -> None:
    answer = ask(
        *("a manager", "revenue", "orders", "units", "customers"),
        time_period="2026-Q2",
        compare="year_before",
        filters={"month": ["2026-04", "2026-06"], "not weekday": "sunday"},
    )
    (row,) = dicts(answer)
    total = {"": Decimal(0), "_year_before": Decimal(0)}
    for month in ("2026-04-01 2026-05-01", "2026-06-01 2026-07-01"):
        for name, year in (("", "2026"), ("_year_before", "2025")):
            start, end = month.replace("2026", year).split()
            found = slices.figures(
                owner,
                Slice(tuple(visible["a manager"]), start, end, by=("weekday",)),
            )
            total[name] += sum(
                figures["revenue"]
                for (day,), figures in found.items()
                if day != "Sunday"
            )
    assert {name: Decimal(str(row["revenue" + name])) for name in total} == total
