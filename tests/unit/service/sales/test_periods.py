"""How a period may be named, and what it is compared with."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError as ModelError

from zava.errors import ValidationError
from zava.service.sales.calendars import Calendar
from zava.service.sales.periods import (
    FORMS,
    NO_FISCAL_WEEKS,
    OFFERED,
    Period,
    offered_periods,
    parse_period,
)

TODAY = date(2026, 6, 30)
PLAIN = Calendar()
SUNDAYS = Calendar(week_starts_on=7)
JULY = Calendar(fiscal_year_start=7)
NRF = Calendar(week_starts_on=7, fiscal_calendar="4-5-4", fiscal_year_start=2)
WORDS = (
    "today",
    "yesterday",
    "last_7_days",
    "last_30_days",
    "last_90_days",
    "last_12_months",
    "wtd",
    "mtd",
    "qtd",
    "ytd",
    "this_week",
    "this_month",
    "this_quarter",
    "this_year",
    "last_week",
    "last_month",
    "last_quarter",
    "last_year",
)


def days_of(period: Period) -> tuple[str, str]:
    """First day and last day."""
    last = period.end - timedelta(days=1)
    return str(period.start), str(last)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("today", "2026-06-30", "2026-06-30"),
        ("yesterday", "2026-06-29", "2026-06-29"),
        ("last_7_days", "2026-06-24", "2026-06-30"),
        ("last_30_days", "2026-06-01", "2026-06-30"),
        ("last_90_days", "2026-04-02", "2026-06-30"),
        ("last_12_months", "2025-07-01", "2026-06-30"),
        ("mtd", "2026-06-01", "2026-06-30"),
        ("qtd", "2026-04-01", "2026-06-30"),
        ("ytd", "2026-01-01", "2026-06-30"),
        ("last_1_days", "2026-06-30", "2026-06-30"),
        ("last_3660_days", "2016-06-23", "2026-06-30"),
        ("wtd", "2026-06-29", "2026-06-30"),
        ("this_week", "2026-06-29", "2026-06-30"),
        ("this_month", "2026-06-01", "2026-06-30"),
        ("this_quarter", "2026-04-01", "2026-06-30"),
        ("this_year", "2026-01-01", "2026-06-30"),
        ("last_week", "2026-06-22", "2026-06-28"),
        ("last_month", "2026-05-01", "2026-05-31"),
        ("last_quarter", "2026-01-01", "2026-03-31"),
        ("last_year", "2025-01-01", "2025-12-31"),
        ("2026", "2026-01-01", "2026-12-31"),
        ("2026-Q3", "2026-07-01", "2026-09-30"),
        ("2026-Q4", "2026-10-01", "2026-12-31"),
        ("2026-07", "2026-07-01", "2026-07-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2026-07-04", "2026-07-04", "2026-07-04"),
        ("2026-W27", "2026-06-29", "2026-07-05"),
        ("2026-W01", "2025-12-29", "2026-01-04"),
        ("2026-W53", "2026-12-28", "2027-01-03"),
        ("2026-07-01..2026-07-31", "2026-07-01", "2026-07-31"),
        ("2024-02-29..2024-02-29", "2024-02-29", "2024-02-29"),
        ("2016-01-01..2025-12-31", "2016-01-01", "2025-12-31"),
        ("2000", "2000-01-01", "2000-12-31"),
        ("2100", "2100-01-01", "2100-12-31"),
        ("FY2026", "2026-01-01", "2026-12-31"),
        ("FY2026-Q2", "2026-04-01", "2026-06-30"),
        ("FY2026-P03", "2026-03-01", "2026-03-31"),
    ],
)
def test_a_form_stands_for_these_days(text: str, first: str, last: str) -> None:
    period = parse_period(text, TODAY, PLAIN)
    assert days_of(period) == (first, last)
    assert period.name == text
    assert (
        period.days == (date.fromisoformat(last) - date.fromisoformat(first)).days + 1
    )


@pytest.mark.parametrize(
    ("text", "calendar", "first", "last"),
    [
        # June 30, 2026 is a Tuesday.
        ("wtd", SUNDAYS, "2026-06-28", "2026-06-30"),
        ("last_week", SUNDAYS, "2026-06-21", "2026-06-27"),
        ("wtd", Calendar(week_starts_on=2), "2026-06-30", "2026-06-30"),
        ("wtd", Calendar(week_starts_on=3), "2026-06-24", "2026-06-30"),
        ("2026-W27", SUNDAYS, "2026-06-29", "2026-07-05"),
        ("this_quarter", JULY, "2026-04-01", "2026-06-30"),
        ("this_year", JULY, "2026-01-01", "2026-06-30"),
        ("FY2026", JULY, "2025-07-01", "2026-06-30"),
        ("FY2026-Q1", JULY, "2025-07-01", "2025-09-30"),
        ("FY2026-Q4", JULY, "2026-04-01", "2026-06-30"),
        ("FY2026-P01", JULY, "2025-07-01", "2025-07-31"),
        ("FY2024-P08", JULY, "2024-02-01", "2024-02-29"),
        ("FY2026", NRF, "2026-02-01", "2027-01-30"),
        ("FY2026-Q2", NRF, "2026-05-03", "2026-08-01"),
        ("FY2026-P03", NRF, "2026-04-05", "2026-05-02"),
        ("FY2026-W14", NRF, "2026-05-03", "2026-05-09"),
        ("FY2023", NRF, "2023-01-29", "2024-02-03"),
        ("FY2023-Q4", NRF, "2023-10-29", "2024-02-03"),
        ("FY2023-P12", NRF, "2023-12-31", "2024-02-03"),
        ("FY2023-W53", NRF, "2024-01-28", "2024-02-03"),
    ],
)
def test_weeks_and_fiscal_forms_follow_the_calendar_of_the_chain(
    text: str, calendar: Calendar, first: str, last: str
) -> None:
    period = parse_period(text, TODAY, calendar)
    assert days_of(period) == (first, last)
    assert period.name == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("last week", "last_week"),
        ("this-month", "this_month"),
        ("Last 30 Days", "last_30_days"),
        ("last-12-months", "last_12_months"),
        ("last   45 days", "last_45_days"),
    ],
)
def test_words_may_stand_apart(text: str, name: str) -> None:
    assert parse_period(text, TODAY, PLAIN) == parse_period(name, TODAY, PLAIN)
    assert parse_period(text, TODAY, PLAIN).name == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2026/07", "2026-07"),
        ("2026/07/04", "2026-07-04"),
        ("July 2026", "2026-07"),
        ("Jul 2026", "2026-07"),
        ("sep. 2025", "2025-09"),
        ("MAY 2026", "2026-05"),
        ("Q3 2026", "2026-q3"),
        ("Q3 of 2026", "2026-q3"),
        ("2026 Q3", "2026-q3"),
        ("FY2026 Q2", "FY2026-Q2"),
        ("P03 FY2026", "FY2026-P03"),
        ("W14 FY2026", "FY2026-W14"),
        ("week 27 2026", "2026-W27"),
        ("week 7 of 2026", "2026-W07"),
        ("2026-07-04 to 2026-07-10", "2026-07-04..2026-07-10"),
        ("from 2026-07-04 until 2026-07-10", "2026-07-04..2026-07-10"),
        ("2026-07-04 - 2026-07-10", "2026-07-04..2026-07-10"),
        ("since 2026-05-01", "2026-05-01..2026-06-30"),
        ("since 2026-06-30", "2026-06-30..2026-06-30"),
        ("year to date", "this_year"),
        ("Previous Month", "last_month"),
        ("past 7 days", "last_7_days"),
    ],
)
def test_what_people_write_stands_for_a_form(text: str, name: str) -> None:
    calendar = Calendar(fiscal_calendar="4-5-4", fiscal_year_start=2)
    found = parse_period(text, TODAY, calendar)
    assert found == parse_period(name, TODAY, calendar)


@pytest.mark.parametrize(
    "text",
    [
        *("week 54 2026", "week 0 2026", "Q5 2026", "2026/13", "Ju 2026", "Julia 2026"),
        *("since 2026-07-01", "since 2010-01-01", "since yesterday", "past week"),
        *("2026-07-10 to 2026-07-04", "07/04/2026", "July", "P13 FY2026", "H1 2026"),
        *("past 0 days", "previous 7 days", "last 4 weeks", "all time"),
    ],
)
def test_what_may_mean_several_things_or_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="must be one of today"):
        parse_period(text, TODAY, NRF)


def test_a_numbered_week_is_no_form_where_weeks_may_be_counted_in_another_way() -> None:
    with pytest.raises(ValidationError, match="an ISO week like 2026-W27"):
        parse_period("week 27 2026", TODAY, SUNDAYS)


@pytest.mark.parametrize("text", ["FY2026-W01", " fy2026-w14 ", "FY2026-W99"])
def test_weeks_of_a_fiscal_year_of_months_are_refused_with_the_reason(
    text: str,
) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_period(text, TODAY, JULY)
    assert caught.value.field == "time_period"
    assert caught.value.message.endswith(NO_FISCAL_WEEKS)


@pytest.mark.parametrize(
    "text", [*WORDS, "2026-q3", "2026-Q3", "2026-w27", "fy2026-p03"]
)
def test_case_and_blanks_around_do_not_matter(text: str) -> None:
    plain = parse_period(text, TODAY, PLAIN)
    for variant in (text.upper(), text.capitalize(), f" \t{text}\n"):
        assert parse_period(variant, TODAY, PLAIN) == plain


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "tomorrow",
        "last_0_days",
        "last_07_days",
        "last_-1_days",
        "last -30 days",
        "last--7-days",
        "last_+7_days",
        "last_7.0_days",
        "last_1 0_days",
        "last_\u0661_days",
        "\uff12\uff10\uff12\uff16",
        "last_3661_days",
        "last_days",
        "last_13_months",
        "next_week",
        "this_day",
        "lastweek",
        "1999",
        "2101",
        "0000",
        "202",
        "20266",
        "2026-13",
        "2026-00",
        "2026-7",
        "2026-Q0",
        "2026-Q5",
        "2026-02-30..2026-03-01",
        "2026-02-29",
        "1999-12-31",
        "2101-01-01",
        "2026-7-4",
        "20260704",
        "2026-W00",
        "2025-W53",
        "2026-W54",
        "2026-W7",
        "1999-W52",
        "2026-07-31..2026-07-01",
        "2026-07-01...2026-07-31",
        "2016-01-01..2026-01-01",
        "1999-12-31..2000-01-02",
        "2100-12-31..2101-01-01",
        "2026-07-01 .. 2026-07-31",
        "FY1999",
        "FY2101",
        "FY26",
        "FY2026-Q0",
        "FY2026-Q5",
        "FY2026-P00",
        "FY2026-P13",
        "FY2026-P3",
        "FY2026-W00",
        "FY2026-W53",
        "FY2026-W-1",
        "FY2026-07",
        "٢٠٢٦",
        "2026\0",
        "\ud800",
        "2026'; DROP TABLE retail.orders; --",
        pytest.param("x" * 10_000, id="10,000 characters"),
        pytest.param("2" * 10_000, id="10,000 digits"),
    ],
)
def test_anything_else_is_refused_and_every_form_listed(text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_period(text, TODAY, NRF)
    assert caught.value.field == "time_period"
    assert (
        caught.value.message
        == f"Validation failed for time_period: must be one of {FORMS}"
    )


@pytest.mark.parametrize(
    "form",
    [
        "today",
        "yesterday",
        "last_30_days",
        "last_12_months",
        "wtd",
        "mtd",
        "qtd",
        "ytd",
        "this_month",
        "last_month",
        "2026-07-04",
        "2026-W27",
        "2026-07",
        "2026-Q3",
        "2026",
        "2026-07-01..2026-07-31",
        "FY2026-W14",
        "FY2026-P03",
        "FY2026-Q2",
        "FY2026",
    ],
)
def test_the_list_names_every_form_by_an_example(form: str) -> None:
    assert re.search(rf"(^| ){re.escape(form)}(,| )", FORMS)
    assert parse_period(form, TODAY, NRF).name == form


def test_the_list_of_forms_is_short() -> None:
    assert len(FORMS) < 450


@pytest.mark.parametrize(
    ("text", "previous", "year_before"),
    [
        ("2026-07-04", "2026-07-03..2026-07-03", "2025-07-04..2025-07-04"),
        ("2024-02-29", "2024-02-28..2024-02-28", "2023-02-28..2023-02-28"),
        ("wtd", "2026-06-22..2026-06-23", "2025-06-30..2025-07-01"),
        ("last_week", "2026-W25", "2025-W26"),
        ("last_month", "2026-04", "2025-05"),
        ("last_quarter", "2025-Q4", "2025-Q1"),
        ("last_year", "2024", "2024"),
        ("2026-W27", "2026-W26", "2025-W27"),
        ("2026-W01", "2025-W52", "2025-W01"),
        ("2026-W53", "2026-W52", "2026-W01"),
        ("2027-W01", "2026-W53", "2026-W02"),
        ("FY2026", "FY2025", "FY2025"),
        ("FY2026-Q1", "FY2025-Q4", "FY2025-Q1"),
        ("FY2026-P01", "FY2025-P12", "FY2025-P01"),
        ("today", "2026-06-29..2026-06-29", "2025-06-30..2025-06-30"),
        ("yesterday", "2026-06-28..2026-06-28", "2025-06-29..2025-06-29"),
        ("last_7_days", "2026-06-17..2026-06-23", "2025-06-24..2025-06-30"),
        ("last_12_months", "2024-07-01..2025-06-30", "2024-07-01..2025-06-30"),
        ("mtd", "2026-05-01..2026-05-30", "2025-06-01..2025-06-30"),
        ("qtd", "2026-01-01..2026-03-31", "2025-04-01..2025-06-30"),
        ("ytd", "2025-01-01..2025-06-30", "2025-01-01..2025-06-30"),
        ("2026", "2025", "2025"),
        ("2026-Q1", "2025-Q4", "2025-Q1"),
        ("2026-01", "2025-12", "2025-01"),
        ("2025-02", "2025-01", "2024-02"),
        ("2024-02", "2024-01", "2023-02"),
        ("2024-02-29..2024-02-29", "2024-02-28..2024-02-28", "2023-02-28..2023-02-28"),
        ("2024-02-01..2024-02-28", "2024-01-04..2024-01-31", "2023-02-01..2023-02-28"),
        ("2024-02-01..2024-02-29", "2024-01-03..2024-01-31", "2023-02-01..2023-02-28"),
    ],
)
def test_a_period_knows_what_to_compare_it_with(
    text: str, previous: str, year_before: str
) -> None:
    period = parse_period(text, TODAY, PLAIN)
    assert period.previous().name == previous
    assert period.year_before().name == year_before


@pytest.mark.parametrize(
    ("text", "calendar", "previous", "year_before"),
    [
        ("wtd", SUNDAYS, "2026-06-21..2026-06-23", "2025-06-29..2025-07-01"),
        ("last_week", SUNDAYS, "2026-06-14..2026-06-20", "2025-06-22..2025-06-28"),
        ("FY2024-P08", JULY, "FY2024-P07", "FY2023-P08"),
        ("FY2026-P03", NRF, "FY2026-P02", "FY2025-P03"),
        ("FY2026-Q1", NRF, "FY2025-Q4", "FY2025-Q1"),
        ("FY2026-W14", NRF, "FY2026-W13", "FY2025-W14"),
        ("FY2026-W01", NRF, "FY2025-W52", "FY2025-W01"),
        # Of a year with a 53rd week, and of the year after.
        ("FY2023", NRF, "FY2022", "FY2022"),
        ("FY2023-P12", NRF, "FY2023-P11", "FY2022-P12"),
        ("FY2023-W53", NRF, "FY2023-W52", "FY2023-W01"),
        ("FY2024-W01", NRF, "FY2023-W53", "FY2023-W02"),
        ("FY2024-P01", NRF, "FY2023-P12", "FY2023-P01"),
        ("FY2024", NRF, "FY2023", "FY2023"),
    ],
)
def test_the_calendar_of_the_chain_says_what_to_compare_with(
    text: str, calendar: Calendar, previous: str, year_before: str
) -> None:
    period = parse_period(text, TODAY, calendar)
    assert period.previous().name == previous
    assert period.year_before().name == year_before


def test_a_long_month_to_date_is_compared_with_as_much_as_the_one_before_has() -> None:
    period = parse_period("mtd", date(2026, 3, 31), PLAIN)
    assert days_of(period.previous()) == ("2026-02-01", "2026-02-28")


def test_what_a_to_date_period_is_compared_with_is_itself_to_date() -> None:
    period = parse_period("mtd", date(2026, 6, 10), PLAIN)
    assert days_of(period.previous().previous()) == ("2026-04-01", "2026-04-10")


@pytest.mark.parametrize(
    ("today", "first"),
    [
        ("2028-02-27", "2027-02-28"),
        ("2028-02-28", "2027-03-01"),
        ("2028-02-29", "2027-03-01"),
        ("2028-03-01", "2027-03-02"),
        ("2029-02-28", "2028-03-01"),
        ("2027-02-28", "2026-03-01"),
        ("2026-12-31", "2026-01-01"),
        ("2026-03-30", "2025-03-31"),
    ],
)
def test_twelve_months_are_calendar_months(today: str, first: str) -> None:
    period = parse_period("last_12_months", date.fromisoformat(today), PLAIN)
    assert days_of(period) == (first, today)


@pytest.mark.parametrize(
    ("text", "today", "compared"),
    [
        ("ytd", "2028-06-30", "2027-01-01..2027-06-30"),
        ("ytd", "2028-02-29", "2027-01-01..2027-02-28"),
        ("ytd", "2029-12-31", "2028-01-01..2028-12-31"),
        ("last_12_months", "2028-02-29", "2026-03-01..2027-02-28"),
        ("last_12_months", "2029-02-28", "2027-03-01..2028-02-29"),
        ("2028-01-01..2028-12-31", "2029-01-01", "2027-01-01..2027-12-31"),
        ("2029-01-01..2029-12-31", "2029-01-01", "2028-01-01..2028-12-31"),
        ("2027-03-01..2028-02-29", "2029-01-01", "2026-03-01..2027-02-28"),
        ("2028", "2029-01-01", "2027"),
    ],
)
def test_where_the_period_before_is_the_year_before_there_is_one_comparison(
    text: str, today: str, compared: str
) -> None:
    period = parse_period(text, date.fromisoformat(today), PLAIN)
    assert period.previous() == period.year_before()
    assert period.previous().name == compared


@pytest.mark.parametrize(
    ("text", "end", "previous", "year_before"),
    [
        ("ytd", "2026-06-30", "2025-01-01..2025-06-29", "2025-01-01..2025-06-29"),
        ("mtd", "2026-06-30", "2026-05-01..2026-05-29", "2025-06-01..2025-06-29"),
        ("qtd", "2026-06-30", "2026-01-01..2026-03-31", "2025-04-01..2025-06-29"),
        ("2026", "2026-06-30", "2025-01-01..2025-06-29", "2025-01-01..2025-06-29"),
        ("2026-06", "2026-06-11", "2026-05-01..2026-05-10", "2025-06-01..2025-06-10"),
        ("2026-Q2", "2026-05-01", "2026-01-01..2026-01-30", "2025-04-01..2025-04-30"),
        ("wtd", "2026-06-30", "2026-06-22..2026-06-22", "2025-06-30..2025-06-30"),
        ("2026-W26", "2026-06-25", "2026-06-15..2026-06-17", "2025-06-23..2025-06-25"),
        ("FY2026", "2026-06-30", "2025-01-01..2025-06-29", "2025-01-01..2025-06-29"),
        ("last_7_days", "2026-06-30", "2026-06-16..2026-06-22", None),
        ("last_12_months", "2026-06-30", "2024-06-30..2025-06-29", None),
    ],
)
def test_what_is_cut_is_compared_with_as_much(
    text: str, end: str, previous: str, year_before: str | None
) -> None:
    period = parse_period(text, TODAY, PLAIN).until(date.fromisoformat(end))
    assert period.name == text
    assert period.end.isoformat() == end
    assert period.previous().name == previous
    if year_before:
        assert period.year_before().name == year_before


@pytest.mark.parametrize(
    ("text", "end", "previous", "year_before"),
    [
        # As many days of the fiscal year before, whatever the date.
        ("FY2026", "2026-03-01", "2025-02-02..2025-03-01", "2025-02-02..2025-03-01"),
        (
            "FY2026-P03",
            "2026-04-12",
            "2026-03-01..2026-03-07",
            "2025-04-06..2025-04-12",
        ),
        # P12 of FY2022 has four weeks, that of FY2023 has five.
        (
            "FY2023-P12",
            "2024-02-02",
            "2023-11-26..2023-12-28",
            "2023-01-01..2023-01-28",
        ),
        ("FY2023", "2024-02-02", "2022-01-30..2023-01-28", "2022-01-30..2023-01-28"),
    ],
)
def test_a_part_of_a_fiscal_year_of_weeks_is_compared_with_as_many_days(
    text: str, end: str, previous: str, year_before: str
) -> None:
    period = parse_period(text, TODAY, NRF).until(date.fromisoformat(end))
    assert period.previous().name == previous
    assert period.year_before().name == year_before


def test_a_cut_that_leaves_nothing_or_everything_is_none() -> None:
    period = parse_period("mtd", TODAY, PLAIN)
    for end in (period.start, period.end, period.end + timedelta(days=1)):
        assert period.until(end) == period


def test_a_period_cannot_be_changed() -> None:
    period = parse_period("2026", TODAY, PLAIN)
    with pytest.raises(ModelError):
        period.name = "2027"


days = st.dates(date(2000, 1, 1), date(2100, 12, 31))
calendars = st.builds(
    Calendar,
    week_starts_on=st.integers(1, 7),
    fiscal_calendar=st.sampled_from(["calendar", "4-4-5", "4-5-4", "5-4-4"]),
    fiscal_year_start=st.integers(1, 12),
)


@st.composite
def ranges(draw: st.DrawFn) -> str:
    first = draw(days)
    length = draw(st.integers(0, 3651))
    last = min(first + timedelta(days=length), date(2100, 12, 31))
    return f"{first}..{last}"


rolling = st.integers(1, 3660).map("last_{}_days".format)
weeks = days.filter(lambda day: day.isocalendar().year >= 2000).map(
    lambda day: f"{day.isocalendar().year}-W{day.isocalendar().week:02}"
)
dated = st.one_of(
    days.map(str),
    days.map(lambda day: f"{day:%Y}"),
    days.map(lambda day: f"{day:%Y-%m}"),
    days.map(lambda day: f"{day:%Y}-Q{(day.month + 2) // 3}"),
    weeks,
    ranges(),
)
fiscal_years = st.integers(2000, 2100).map("FY{}".format)
fiscal_parts = st.one_of(
    st.integers(1, 4).map("-Q{}".format),
    st.integers(1, 12).map("-P{:02}".format),
)
fiscal_weeks = st.integers(1, 52).map("-W{:02}".format)


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, Calendar]:
    """A form, and a calendar by which it can be read."""
    calendar = draw(calendars)
    parts = fiscal_parts | fiscal_weeks if calendar.has_fiscal_weeks else fiscal_parts
    fiscal = st.builds(str.__add__, fiscal_years, st.just("") | parts)
    text = draw(st.one_of(st.sampled_from(WORDS), rolling, dated, fiscal))
    return text, calendar


def by_weeks(period: Period) -> bool:
    """Whether a period is one of a fiscal year of weeks, but no week."""
    grains = ("fiscal period", "fiscal quarter", "fiscal year")
    return period.grain in grains and period.calendar.has_fiscal_weeks


@given(
    st.one_of(
        st.text(),
        st.from_regex(
            r"\s*(FY)?[0-9]{1,5}(-[QqWwPp]?[0-9]{1,3}){0,3}(\.\.[-0-9]*)?\s*"
        ),
        st.from_regex(r"(this|last)[ _-]([0-9]{0,5}[ _-])?(day|week|month|year)s?"),
    ),
    days,
    calendars,
)
def test_any_text_gives_a_period_or_a_validation_error(
    text: str, today: date, calendar: Calendar
) -> None:
    try:
        period = parse_period(text, today, calendar)
    except ValidationError:
        return
    assert period.end > period.start


@given(questions(), days)
def test_every_form_is_read_and_has_spans_to_compare_with(
    question: tuple[str, Calendar], today: date
) -> None:
    text, calendar = question
    period = parse_period(text, today, calendar)
    assert period.name == text
    previous, year_before = period.previous(), period.year_before()
    for span in (period, previous, year_before):
        assert span.start < span.end
        assert type(span.start) is type(span.end) is date
    assert previous.end <= period.start
    assert year_before.end < period.end
    # A fiscal year of weeks has a week more now and then.
    more = timedelta(days=7 if by_weeks(period) else 1)
    assert abs(period.start - year_before.start - timedelta(days=365)) <= more
    assert (
        abs((year_before.end - year_before.start) - (period.end - period.start)) <= more
    )


@given(questions(), days)
def test_the_name_of_a_period_and_of_what_it_is_compared_with_gives_its_days(
    question: tuple[str, Calendar], today: date
) -> None:
    text, calendar = question
    period = parse_period(text, today, calendar)
    for span in (period, period.previous(), period.year_before()):
        # Names of the years before 2000 and of days beyond ten years are refused.
        if span.start.year > 2000 and span.days < 3650:
            again = parse_period(span.name, today, calendar)
            assert (again.start, again.end) == (span.start, span.end)


@given(
    st.one_of(
        st.sampled_from(["wtd", "this_week", "last_week"]),
        weeks,
        st.builds(str.__add__, fiscal_years, fiscal_weeks),
    ),
    days,
    calendars.filter(lambda calendar: calendar.has_fiscal_weeks),
)
def test_weeks_are_compared_with_the_same_weekdays(
    text: str, today: date, calendar: Calendar
) -> None:
    period = parse_period(text, today, calendar)
    for part in (period, period.until(period.start + timedelta(days=3))):
        previous, year_before = part.previous(), part.year_before()
        assert part.start - previous.start == timedelta(weeks=1)
        assert part.start - year_before.start == timedelta(weeks=52)
        assert previous.days == year_before.days == part.days


@given(st.sampled_from(["week", "month", "quarter", "year"]), days, calendars)
def test_a_unit_to_date_begins_where_the_last_one_ends_and_holds_today(
    unit: str, today: date, calendar: Calendar
) -> None:
    this = parse_period(f"this_{unit}", today, calendar)
    to_date = parse_period(f"{unit[0]}td", today, calendar)
    last = parse_period(f"last_{unit}", today, calendar)
    assert last.end == this.start
    assert this.end == today + timedelta(days=1)
    assert this.model_copy(update={"name": to_date.name}) == to_date


@given(dated, days, days, calendars)
def test_a_form_with_dates_does_not_depend_on_the_day(
    text: str, one: date, other: date, calendar: Calendar
) -> None:
    assert parse_period(text, one, calendar) == parse_period(text, other, calendar)


@given(questions(), days)
def test_rolling_periods_are_compared_with_as_many_days(
    question: tuple[str, Calendar], today: date
) -> None:
    text, calendar = question
    period = parse_period(text, today, calendar)
    if period.grain == "day" and period.previous() != period.year_before():
        assert period.previous().days == period.days
        assert period.previous().end == period.start


@given(days)
def test_twelve_months_hold_every_day_of_the_year_once(today: date) -> None:
    period = parse_period("last_12_months", today, PLAIN)
    for span in (period, period.previous(), period.previous().previous()):
        dates = [span.start + timedelta(days=n) for n in range(span.days)]
        named = {(day.month, day.day) for day in dates}
        assert len(named) == len(dates)
        assert len(named - {(2, 29)}) == 365
    assert period.previous() == period.year_before()
    assert period.previous().end == period.start


# A year and a day, cut: the span just before it begins two days before a year ago.
@example(("2000-01-01..2001-01-01", PLAIN), date(2000, 1, 1), 61)
@given(questions(), days, st.integers(0, 400))
def test_no_two_comparisons_are_nearly_the_same(
    question: tuple[str, Calendar], today: date, cut: int
) -> None:
    text, calendar = question
    whole = parse_period(text, today, calendar)
    period = whole.until(whole.start + timedelta(days=cut))
    previous, year_before = period.previous(), period.year_before()
    assert previous.end <= period.start
    # Of more than a year the same days a year before reach into the period itself.
    overlaps = year_before.end > period.start
    if period.days > 60 and previous != year_before and not overlaps:
        apart = max(
            abs(previous.start - year_before.start), abs(previous.end - year_before.end)
        )
        assert apart > timedelta(days=3)


@example(("FY2023-P12", NRF), date(2026, 6, 30), 34)
@example(("last_366_days", PLAIN), date(2000, 1, 1), 1)
@given(questions(), days, st.integers(1, 400))
def test_a_part_is_compared_with_parts_that_are_as_long(
    question: tuple[str, Calendar], today: date, cut: int
) -> None:
    text, calendar = question
    whole = parse_period(text, today, calendar)
    period = whole.until(whole.start + timedelta(days=cut))
    if period.rolls and period != whole:
        assert abs(period.days - whole.days) <= (whole.grain == "12 months")
        return
    year_before = period.year_before()
    if not by_weeks(period):
        # A leap day on either side, and the ends of months that are shorter.
        assert abs(year_before.days - period.days) <= 1
    elif period is not whole:
        assert year_before.days == min(period.days, whole.year_before().days)
    if period is not whole:
        assert period.previous().days <= period.days + 1
        # Or the year before, where the span before begins a day or two off.
        assert (
            period.previous() == year_before
            or period.previous().start == whole.previous().start
        )
        assert year_before.start == whole.year_before().start


@pytest.mark.parametrize(
    "last", [date(2026, 6, 29), date(2027, 1, 1), date(2002, 3, 1)]
)
@pytest.mark.parametrize(
    "calendar",
    [
        Calendar(),
        Calendar(week_starts_on=7, fiscal_calendar="4-5-4", fiscal_year_start=2),
        Calendar(fiscal_year_start=7),
    ],
    ids=["plain", "weeks", "months"],
)
def test_what_is_offered_is_understood_and_holds_the_last_day_or_earlier_ones(
    last: date, calendar: Calendar
) -> None:
    offered = offered_periods(last, calendar)
    assert len(set(offered)) == len(offered)
    for name in offered:
        period = parse_period(name, last, calendar)
        assert period.name == name
        assert period.start <= last
    units = [name for name in offered if name not in OFFERED]
    assert parse_period(units[0], last, calendar).end > last
