"""Shares, the first values and others, thresholds, order, ceilings and the SQL."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from typing import Any

import pytest

from tests.integration.service.metrics.conftest import PEOPLE, Ask, dicts
from zava.data.provider import PostgreSQLProvider
from zava.service.metrics.answers import MetricsService


def percent(part: Any, whole: Any) -> float:
    exact = 100 * Decimal(str(part)) / Decimal(str(whole))
    return float(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))


def test_shares_are_of_the_total(ask: Ask) -> None:
    rows = dicts(ask("head office", "revenue", "orders", by=["store"], shares=True))
    for metric in ("revenue", "orders"):
        total = sum(Decimal(str(row[metric])) for row in rows)
        for row in rows:
            assert row[f"{metric}_share"] == percent(row[metric], total)


def test_shares_are_within_the_dimensions_before_the_last(ask: Ask) -> None:
    answer = ask(
        "a manager",
        "revenue",
        by=["month", "category"],
        time_period="2026-Q2",
        shares=True,
    )
    for _, found in groupby(dicts(answer), lambda row: row["month"]):
        rows = list(found)
        total = sum(Decimal(str(row["revenue"])) for row in rows)
        assert [row["revenue_share"] for row in rows] == [
            percent(row["revenue"], total) for row in rows
        ]


def test_what_does_not_add_up_has_no_share(ask: Ask) -> None:
    answer = ask(
        "a manager",
        "orders",
        "average_order_value",
        "customers",
        by=["category"],
        shares=True,
    )
    assert not [name for name in answer["columns"] if name.endswith("_share")]


def test_the_first_values_leave_the_others_in_one_row(ask: Ask) -> None:
    metrics = ("revenue", "gross_margin", "customers", "units")
    how: dict[str, Any] = {
        "by": ["category"],
        "time_period": "2026-Q2",
        "compare": "previous",
        "shares": True,
    }
    every = dicts(ask("head office", *metrics, **how))
    *first, others = dicts(ask("head office", *metrics, **how, top=3))
    assert first == every[:3]
    assert others["category"] == f"others ({len(every) - 3})"
    for name in ("revenue", "revenue_previous", "units"):
        assert Decimal(str(others[name])) == sum(
            Decimal(str(row[name])) for row in every[3:]
        )
    assert others["revenue_share"] == pytest.approx(
        100 - sum(row["revenue_share"] for row in first), abs=0.02
    )
    # A margin of several comes from their sums; customers may be in several.
    assert (
        min(row["gross_margin"] for row in every[3:])
        < others["gross_margin"]
        < max(row["gross_margin"] for row in every[3:])
    )
    assert others["customers"] is None


def test_the_first_values_are_those_of_each_group(ask: Ask) -> None:
    how: dict[str, Any] = {"by": ["store", "product"], "time_period": "2026-Q2"}
    every = dicts(ask("a regional manager", "revenue", **how))
    some = dicts(ask("a regional manager", "revenue", **how, top=2))
    stores = {row["store"] for row in every}
    assert len(stores) == 6
    for store in stores:
        all_of, few = (
            [row for row in rows if row["store"] == store] for rows in (every, some)
        )
        assert few[:2] == all_of[:2]
        assert few[2]["product"] == f"others ({len(all_of) - 2})"
        assert sum(Decimal(str(r["revenue"])) for r in few) == sum(
            Decimal(str(r["revenue"])) for r in all_of
        )


def test_the_lowest_come_first_with_a_negative_top(ask: Ask) -> None:
    every = dicts(ask("head office", "revenue", by=["type"]))
    lowest = dicts(ask("head office", "revenue", by=["type"], top=-2))
    values = sorted(row["revenue"] for row in every)
    assert [row["revenue"] for row in lowest[:2]] == values[:2]
    assert lowest[2]["type"].startswith("others (")


def test_a_single_other_keeps_its_distinct_count(ask: Ask) -> None:
    every = dicts(ask("a regional manager", "revenue", "customers", by=["store"]))
    *_, others = dicts(
        ask("a regional manager", "revenue", "customers", by=["store"], top=5)
    )
    assert others["customers"] == every[-1]["customers"]


def test_thresholds_look_at_any_column_of_figures(ask: Ask) -> None:
    how: dict[str, Any] = {
        "by": ["type"],
        "time_period": "2026-Q2",
        "compare": "previous",
        "shares": True,
    }
    every = dicts(ask("head office", "revenue", "orders", **how))
    kept = dicts(ask("head office", "revenue", "orders", **how,
                     having=["revenue_previous_change < -5", "orders>=3", "revenue_share > 0.1"]))  # fmt: skip
    expected = [
        row for row in every
        if (row["revenue_previous_change"] or 0) < -5 and row["orders"] >= 3 and row["revenue_share"] > 0.1
    ]  # fmt: skip
    assert kept == expected
    assert 0 < len(kept) < len(every)


def test_rows_come_in_the_order_that_is_asked_for(ask: Ask) -> None:
    rows = dicts(
        ask("head office", "revenue", "orders", by=["store"], order_by=["-orders"])
    )
    assert [row["orders"] for row in rows] == sorted(
        (row["orders"] for row in rows), reverse=True
    )
    names = [
        row["store"]
        for row in dicts(
            ask("head office", "revenue", by=["store"], order_by=["store"])
        )
    ]
    assert names == sorted(names)
    weekdays = [
        row["weekday"]
        for row in dicts(
            ask("head office", "revenue", by=["weekday"], time_period="2026-05")
        )
    ]
    assert weekdays == [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
    ]
    days = [
        row["day"]
        for row in dicts(
            ask("head office", "revenue", by=["day"], time_period="2026-05")
        )
    ]
    assert days == sorted(days)


def test_rows_that_are_cut_off_are_counted(ask: Ask) -> None:
    answer = ask("head office", "revenue", by=["product"], max_rows=7)
    assert (answer["row_count"], answer["truncated"]) == (7, "max_rows")
    assert answer["total_rows"] == len(
        ask("head office", "revenue", by=["product"])["rows"]
    )


def test_an_answer_says_each_thing_once(ask: Ask) -> None:
    answer = ask("a manager", "revenue", by=["month"])
    assert set(answer) == {
        "period",
        "data_through",
        "stores",
        "currency",
        "columns",
        "rows",
        "row_count",
        "cached",
        "as_of",
    }
    assert answer["stores"] == "Zava Retail Seattle"
    assert ask("head office", "revenue")["stores"] == "all 8 you see"


def test_the_sql_on_request_gives_the_same_rows(
    ask: Ask, provider: PostgreSQLProvider
) -> None:
    how: dict[str, Any] = {
        "by": ["month", "category"], "time_period": "2026-Q2", "compare": "year_before", "top": 2, "shares": True,
        "filters": {"not brand": "Wexlund", "weekday": ["monday", "friday"]}, "having": ["revenue > 10"],
    }  # fmt: skip
    answer = ask(
        "a manager", "revenue", "customers", "gross_margin", **how, show_sql=True
    )
    identity = provider.resolve_identity(PEOPLE["a manager"])
    again = provider.fetch(answer["sql"], identity, 5000)
    assert [list(row[:-1]) for row in again.rows] == answer["rows"]
    assert "sql" not in ask("a manager", "revenue", **how)


def test_a_kept_answer_is_used_again_until_it_is_asked_afresh(
    service: MetricsService,
) -> None:
    question = service.check(["discount"], ["brand"], "2026-05")
    first = service.answer(question, PEOPLE["a manager"])
    kept = service.peek(question, PEOPLE["a manager"])
    assert kept == {**first, "cached": True}
    assert service.peek(question, PEOPLE["the online manager"]) is None
    with_sql = service.check(["discount"], ["brand"], "2026-05", show_sql=True)
    assert service.peek(with_sql, PEOPLE["a manager"])["sql"].startswith("WITH")  # type: ignore[index]
    fresh = service.check(["discount"], ["brand"], "2026-05", fresh=True)
    assert service.peek(fresh, PEOPLE["a manager"]) is None


def test_notes_say_what_a_figure_does_not_count(ask: Ask) -> None:
    def notes(*metrics: str, **how: Any) -> str:
        return " | ".join(ask("head office", *metrics, **how).get("notes", []))

    by_status = notes("orders", by=["status"])
    assert "orders are those sold; placed_orders has every status" in by_status
    assert "placed_orders" not in notes("orders", by=["month"])
    shares = notes("revenue", "customers", by=["store"], shares=True)
    assert "no shares of what does not add up: customers" in shares
    year: dict[str, Any] = {"filters": {"unit": "ft"}, "time_period": "2026"}
    feet = ask("head office", "units", **year)
    assert feet["unit"] == "ft"
    assert feet["rows"][0][0] > 0
    by_product = ask("head office", "units", by=["product"], **year)
    cable = by_product["rows"][0][0]
    none = notes("units", filters={"product": cable}, time_period="2026")
    assert "only products sold by the piece are counted" in none
    pieces = ask("head office", "units")
    assert pieces["unit"] == "piece"
    assert "notes" not in pieces


def test_spans_in_which_nothing_was_counted_have_no_row_and_are_told(
    ask: Ask, provider: PostgreSQLProvider
) -> None:
    found = ask("a manager", "orders", by=["type"], time_period="2026-05")["rows"]
    kind = str(min((row for row in found if row[1] > 1), key=lambda row: row[1])[0])
    about: dict[str, Any] = {"filters": {"type": kind}, "time_period": "2026-05"}
    answer = ask("a manager", "revenue", by=["day"], **about)
    sold = provider.fetch(
        "SELECT DISTINCT o.business_day FROM retail.orders AS o"
        " JOIN retail.order_items AS i USING (order_id)"
        " JOIN retail.products AS p USING (product_id)"
        " JOIN retail.product_types AS t USING (type_id)"
        f" WHERE t.name = $${kind}$$ AND o.business_day >= '2026-05-01'"
        " AND o.business_day < '2026-06-01' AND o.sold_on IS NOT NULL ORDER BY 1",
        provider.resolve_identity(PEOPLE["a manager"]),
        50,
    )
    days = [f"2026-05-{day:02}" for day in range(1, 32)]
    assert 0 < len(sold.rows) < 31
    assert [row[0] for row in answer["rows"]] == [row[0] for row in sold.rows]
    assert answer["spans"] == days
    said = f"days without a row, as nothing was counted: {31 - len(sold.rows)} of 31"
    assert said in answer["notes"]
    for cut in ({"having": ["revenue > 10"]}, {"top": 2}, {"max_rows": 1}):
        assert "spans" not in ask("a manager", "revenue", by=["day"], **about, **cut)
    mondays = {"type": kind, "weekday": "Monday"}
    asked = {**about, "filters": mondays, "time_period": "2026-Q2"}
    assert "spans" not in ask("a manager", "revenue", by=["day"], **asked)
    assert "spans" not in ask("a manager", "revenue", by=["month"])
