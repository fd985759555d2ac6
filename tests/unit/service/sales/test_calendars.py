"""When the weeks and fiscal years of a chain begin and end."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError as ModelError

from zava.service.sales.calendars import Calendar, FiscalGrain, Unit, UnitGrain

NRF = Calendar(week_starts_on=7, fiscal_calendar="4-5-4", fiscal_year_start=2)
WEEK = timedelta(weeks=1)

days = st.dates(date(2000, 1, 1), date(2100, 12, 31))
calendars = st.builds(
    Calendar,
    week_starts_on=st.integers(1, 7),
    fiscal_calendar=st.sampled_from(["calendar", "4-4-5", "4-5-4", "5-4-4"]),
    fiscal_year_start=st.integers(1, 12),
)
weekly_calendars = calendars.filter(lambda calendar: calendar.has_fiscal_weeks)


def year_of(calendar: Calendar, year: int) -> Unit:
    (unit,) = calendar.fiscal_units("fiscal year", year)
    return unit


def weeks_of(units: list[Unit]) -> list[int]:
    return [(unit.end - unit.start) // WEEK for unit in units]


def grains_of(calendar: Calendar) -> list[UnitGrain]:
    """Every grain that the chain has units of."""
    every: list[UnitGrain] = ["week", "ISO week", "month", "quarter", "year"]
    return every + fiscal_grains_of(calendar)


def fiscal_grains_of(calendar: Calendar) -> list[FiscalGrain]:
    every: tuple[FiscalGrain, ...] = get_args(FiscalGrain)
    return [
        grain for grain in every if calendar.has_fiscal_weeks or grain != "fiscal week"
    ]


# nrf.com, "4-5-4 Calendar": the years that the federation has published, and from 2027
# on what its rule says, with the 53rd week of 2028.
@pytest.mark.parametrize(
    ("year", "begins", "weeks"),
    [
        (2010, "2010-01-31", 52),
        (2011, "2011-01-30", 52),
        (2012, "2012-01-29", 53),
        (2013, "2013-02-03", 52),
        (2014, "2014-02-02", 52),
        (2015, "2015-02-01", 52),
        (2016, "2016-01-31", 52),
        (2017, "2017-01-29", 53),
        (2018, "2018-02-04", 52),
        (2019, "2019-02-03", 52),
        (2020, "2020-02-02", 52),
        (2021, "2021-01-31", 52),
        (2022, "2022-01-30", 52),
        (2023, "2023-01-29", 53),
        (2024, "2024-02-04", 52),
        (2025, "2025-02-02", 52),
        (2026, "2026-02-01", 52),
        (2027, "2027-01-31", 52),
        (2028, "2028-01-30", 53),
        (2029, "2029-02-04", 52),
        (2030, "2030-02-03", 52),
    ],
)
def test_the_years_of_the_national_retail_federation(
    year: int, begins: str, weeks: int
) -> None:
    unit = year_of(NRF, year)
    assert unit.name == f"FY{year}"
    assert str(unit.start) == begins
    assert weeks_of([unit]) == [weeks]
    # The Saturday nearest to January 31, and no day between two years.
    last = unit.end - timedelta(days=1)
    assert last.isoweekday() == 6
    assert abs(last - date(year + 1, 1, 31)) <= timedelta(days=3)
    assert unit.end == year_of(NRF, year + 1).start
    assert len(NRF.fiscal_units("fiscal week", year)) == weeks


def test_the_federation_adds_a_week_in_these_years() -> None:
    # "This anomaly has occurred in FY'00, FY'06, FY'12", and in FY'17 and FY'23.
    years = [
        year for year in range(2000, 2031) if weeks_of([year_of(NRF, year)])[0] > 52
    ]
    assert years == [2000, 2006, 2012, 2017, 2023, 2028]


@pytest.mark.parametrize(
    ("fiscal_calendar", "weeks"),
    [("4-4-5", [4, 4, 5]), ("4-5-4", [4, 5, 4]), ("5-4-4", [5, 4, 4])],
)
def test_a_quarter_has_periods_of_so_many_weeks(
    fiscal_calendar: str, weeks: list[int]
) -> None:
    calendar = Calendar.model_validate(
        {**NRF.model_dump(), "fiscal_calendar": fiscal_calendar}
    )
    assert weeks_of(calendar.fiscal_units("fiscal period", 2024)) == weeks * 4
    assert weeks_of(calendar.fiscal_units("fiscal quarter", 2024)) == [13] * 4


def test_a_53rd_week_belongs_to_the_last_period_and_quarter() -> None:
    assert weeks_of(NRF.fiscal_units("fiscal period", 2023)) == [4, 5, 4] * 3 + [
        4,
        5,
        5,
    ]
    assert weeks_of(NRF.fiscal_units("fiscal quarter", 2023)) == [13, 13, 13, 14]


@pytest.mark.parametrize(
    ("month", "first", "end"),
    [
        (1, "2026-01-01", "2027-01-01"),
        (2, "2025-02-01", "2026-02-01"),
        (7, "2025-07-01", "2026-07-01"),
        (12, "2025-12-01", "2026-12-01"),
    ],
)
def test_a_fiscal_year_of_months_is_named_by_the_year_in_which_it_ends(
    month: int, first: str, end: str
) -> None:
    unit = year_of(Calendar(fiscal_year_start=month), 2026)
    assert (unit.name, str(unit.start), str(unit.end)) == ("FY2026", first, end)


def test_a_fiscal_year_of_months_has_no_weeks() -> None:
    assert not Calendar().has_fiscal_weeks
    with pytest.raises(ValueError, match="no weeks"):
        Calendar().fiscal_units("fiscal week", 2026)


@pytest.mark.parametrize(
    "fault",
    [
        {"week_starts_on": 0},
        {"week_starts_on": 8},
        {"fiscal_year_start": 0},
        {"fiscal_year_start": 13},
        {"fiscal_calendar": "4-4-4"},
    ],
)
def test_a_calendar_that_cannot_be_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        Calendar.model_validate(fault)


def test_a_calendar_cannot_be_changed() -> None:
    calendar = Calendar()
    with pytest.raises(ModelError):
        calendar.week_starts_on = 7


@given(weekly_calendars, st.integers(2000, 2100))
def test_a_fiscal_year_of_weeks_begins_on_the_nearest_weekday(
    calendar: Calendar, year: int
) -> None:
    unit = year_of(calendar, year)
    assert unit.start.isoweekday() == calendar.week_starts_on
    first = date(year, calendar.fiscal_year_start, 1)
    assert abs(unit.start - first) <= timedelta(days=3)
    assert weeks_of([unit])[0] in (52, 53)


@given(calendars, st.integers(2000, 2100), st.data())
def test_the_parts_of_a_fiscal_year_follow_each_other(
    calendar: Calendar, year: int, data: st.DataObject
) -> None:
    whole = year_of(calendar, year)
    units = calendar.fiscal_units(
        data.draw(st.sampled_from(fiscal_grains_of(calendar))), year
    )
    assert (units[0].start, units[-1].end) == (whole.start, whole.end)
    for unit, after in pairwise(units):
        assert unit.start < unit.end == after.start
    assert whole.end == year_of(calendar, year + 1).start


@given(calendars, days, st.data())
def test_a_day_belongs_to_one_unit_and_the_next_day_to_the_same_or_the_next(
    calendar: Calendar, day: date, data: st.DataObject
) -> None:
    grain = data.draw(st.sampled_from(grains_of(calendar)))
    unit = calendar.unit_of(grain, day)
    assert unit.start <= day < unit.end
    assert calendar.unit_of(grain, unit.start) == unit
    assert calendar.unit_of(grain, unit.end).start == unit.end
    if calendar.counts_weeks(grain):
        assert (unit.end - unit.start) % WEEK == timedelta()


@given(calendars, days, st.data())
def test_the_unit_a_year_before_is_52_weeks_before_or_has_the_name_of_a_year_before(
    calendar: Calendar, day: date, data: st.DataObject
) -> None:
    grain = data.draw(st.sampled_from(grains_of(calendar)))
    unit = calendar.unit_of(grain, day)
    before = calendar.unit_a_year_before(grain, unit.start)
    if grain in ("week", "ISO week", "fiscal week"):
        assert unit.start - before.start == 52 * WEEK
    else:
        year = 2 if grain.startswith("fiscal") else 0
        assert int(unit.name[year : year + 4]) - 1 == int(before.name[year : year + 4])
        assert unit.name[year + 4 :] == before.name[year + 4 :]
