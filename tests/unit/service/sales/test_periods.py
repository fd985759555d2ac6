"""How a period may be named, and what it is compared with."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError as ModelError

from zava.errors import ValidationError
from zava.service.sales.periods import FORMS, Period, parse_period

TODAY = date(2026, 6, 30)
WORDS = (
    "today",
    "yesterday",
    "last_7_days",
    "last_30_days",
    "last_90_days",
    "last_12_months",
    "mtd",
    "qtd",
    "ytd",
)


def days_of(period: Period) -> tuple[str, str]:
    """First day and last day."""
    last = period.end - timedelta(days=1)
    return str(period.start.date()), str(last.date())


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
        ("2026", "2026-01-01", "2026-12-31"),
        ("2026-Q3", "2026-07-01", "2026-09-30"),
        ("2026-Q4", "2026-10-01", "2026-12-31"),
        ("2026-07", "2026-07-01", "2026-07-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2026-07-01..2026-07-31", "2026-07-01", "2026-07-31"),
        ("2024-02-29..2024-02-29", "2024-02-29", "2024-02-29"),
        ("2016-01-01..2025-12-31", "2016-01-01", "2025-12-31"),
        ("2000", "2000-01-01", "2000-12-31"),
        ("2100", "2100-01-01", "2100-12-31"),
    ],
)
def test_a_form_stands_for_these_days(text: str, first: str, last: str) -> None:
    period = parse_period(text, TODAY)
    assert days_of(period) == (first, last)
    assert period.name == text
    assert period.start.tzinfo is timezone.utc
    assert (
        period.days == (date.fromisoformat(last) - date.fromisoformat(first)).days + 1
    )


@pytest.mark.parametrize("text", [*WORDS, "2026-q3", "2026-Q3"])
def test_case_and_blanks_around_do_not_matter(text: str) -> None:
    plain = parse_period(text, TODAY)
    for variant in (text.upper(), text.capitalize(), f" \t{text}\n"):
        assert parse_period(variant, TODAY) == plain


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "tomorrow",
        "last_8_days",
        "last 7 days",
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
        "2026-07-01",
        "2026-07-31..2026-07-01",
        "2026-07-01...2026-07-31",
        "2016-01-01..2026-01-01",
        "1999-12-31..2000-01-02",
        "2100-12-31..2101-01-01",
        "2026-07-01 .. 2026-07-31",
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
        parse_period(text, TODAY)
    assert caught.value.field == "time_period"
    assert (
        caught.value.message
        == f"Validation failed for time_period: must be one of {FORMS}"
    )
    for form in (*WORDS, "2026", "2026-Q3", "2026-07", "2026-07-01..2026-07-31"):
        assert form in FORMS


@pytest.mark.parametrize(
    ("text", "previous", "year_before"),
    [
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
    period = parse_period(text, TODAY)
    assert period.previous().name == previous
    assert period.year_before().name == year_before


def test_a_long_month_to_date_is_compared_with_as_much_as_the_one_before_has() -> None:
    period = parse_period("mtd", date(2026, 3, 31))
    assert days_of(period.previous()) == ("2026-02-01", "2026-02-28")


def test_what_a_to_date_period_is_compared_with_is_itself_to_date() -> None:
    period = parse_period("mtd", date(2026, 6, 10))
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
    period = parse_period("last_12_months", date.fromisoformat(today))
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
    period = parse_period(text, date.fromisoformat(today))
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
        ("last_7_days", "2026-06-30", "2026-06-17..2026-06-22", None),
        ("last_12_months", "2026-06-30", "2024-07-01..2025-06-29", None),
    ],
)
def test_what_is_cut_is_compared_with_as_much(
    text: str, end: str, previous: str, year_before: str | None
) -> None:
    period = parse_period(text, TODAY).until(
        datetime.fromisoformat(end).replace(tzinfo=timezone.utc)
    )
    assert period.name == text
    assert period.end.date().isoformat() == end
    assert period.previous().name == previous
    if year_before:
        assert period.year_before().name == year_before


def test_a_cut_that_leaves_nothing_or_everything_is_none() -> None:
    period = parse_period("mtd", TODAY)
    for end in (period.start, period.end, period.end + timedelta(days=1)):
        assert period.until(end) == period


def test_a_period_cannot_be_changed() -> None:
    period = parse_period("2026", TODAY)
    with pytest.raises(ModelError):
        period.name = "2027"


days = st.dates(date(2000, 1, 1), date(2100, 12, 31))


@st.composite
def ranges(draw: st.DrawFn) -> str:
    first = draw(days)
    length = draw(st.integers(0, 3651))
    last = min(first + timedelta(days=length), date(2100, 12, 31))
    return f"{first}..{last}"


forms = st.one_of(
    st.sampled_from(WORDS),
    days.map(lambda day: f"{day:%Y}"),
    days.map(lambda day: f"{day:%Y-%m}"),
    days.map(lambda day: f"{day:%Y}-Q{(day.month + 2) // 3}"),
    ranges(),
)


@given(
    st.one_of(
        st.text(),
        st.from_regex(r"\s*[0-9]{1,5}(-[Qq]?[0-9]{1,3}){0,3}(\.\.[-0-9]*)?\s*"),
    ),
    days,
)
def test_any_text_gives_a_period_or_a_validation_error(text: str, today: date) -> None:
    try:
        period = parse_period(text, today)
    except ValidationError:
        return
    assert period.end > period.start


@given(forms, days)
def test_every_form_is_read_and_has_spans_to_compare_with(
    text: str, today: date
) -> None:
    period = parse_period(text, today)
    previous, year_before = period.previous(), period.year_before()
    for span in (period, previous, year_before):
        assert span.start < span.end
        for moment in (span.start, span.end):
            assert moment == datetime(
                moment.year, moment.month, moment.day, tzinfo=timezone.utc
            )
    assert previous.end <= period.start
    assert year_before.end < period.end
    assert abs((period.start - year_before.start).days - 365) <= 1
    assert abs(year_before.days - period.days) <= 1


@given(forms.filter(lambda text: text not in WORDS), days, days)
def test_a_form_with_dates_does_not_depend_on_the_day(
    text: str, one: date, other: date
) -> None:
    assert parse_period(text, one) == parse_period(text, other)


@given(forms, days)
def test_rolling_periods_are_compared_with_as_many_days(text: str, today: date) -> None:
    period = parse_period(text, today)
    if period.grain == "day" and period.previous() != period.year_before():
        assert period.previous().days == period.days
        assert period.previous().end == period.start


@given(days)
def test_twelve_months_hold_every_day_of_the_year_once(today: date) -> None:
    period = parse_period("last_12_months", today)
    for span in (period, period.previous(), period.previous().previous()):
        first = span.start.date()
        dates = [first + timedelta(days=n) for n in range(span.days)]
        named = {(day.month, day.day) for day in dates}
        assert len(named) == len(dates)
        assert len(named - {(2, 29)}) == 365
    assert period.previous() == period.year_before()
    assert period.previous().end == period.start


@given(forms, days, st.integers(0, 400))
def test_no_two_comparisons_are_nearly_the_same(
    text: str, today: date, cut: int
) -> None:
    whole = parse_period(text, today)
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


@given(forms, days, st.integers(1, 400))
def test_a_part_is_compared_with_parts_that_are_as_long(
    text: str, today: date, cut: int
) -> None:
    whole = parse_period(text, today)
    period = whole.until(whole.start + timedelta(days=cut))
    year_before = period.year_before()
    # A leap day on either side, and the ends of months that are shorter.
    assert abs(year_before.days - period.days) <= 1
    if period is not whole:
        assert period.previous().days <= period.days + 1
        assert period.previous().start == whole.previous().start
        assert year_before.start == whole.year_before().start
