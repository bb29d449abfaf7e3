"""Lengths of periods, and the bill day: boundaries are counted from the anchor, never from the previous boundary."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.cycles.bill_days import bill_day_of_month, first_bill_on, next_occurrence, nth_bill_on
from billsmith.core.cycles.lengths import (
    LONGEST,
    NAMED,
    Length,
    LengthInvalid,
    checked_length,
    days_of,
    later,
    month_day,
    months_of,
)
from tests.core.cycles.made import DAYS, LENGTHS, MONTHLY

BILL_DAYS = st.integers(1, 31)


@pytest.mark.parametrize(
    ("start", "named", "ends"),
    [
        ("2026-01-31", "monthly", ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("2024-02-29", "annual", ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("2026-11-30", "quarterly", ["2027-02-28", "2027-05-30"]),
        ("2024-02-29", "biennial", ["2026-02-28", "2028-02-29"]),
        ("2024-08-31", "sesquiennial", ["2026-02-28", "2027-08-31"]),
        ("2026-02-28", "weekly", ["2026-03-07", "2026-03-14"]),
        ("2024-02-28", "daily", ["2024-02-29", "2024-03-01"]),
        ("2026-01-01", "thirty_days", ["2026-01-31", "2026-03-02"]),
    ],
)
def test_the_nth_period_is_counted_from_the_start(start: str, named: str, ends: list[str]):
    first = date.fromisoformat(start)
    assert [str(later(first, NAMED[named], n + 1)) for n in range(len(ends))] == ends


@pytest.mark.parametrize(
    ("start", "named", "bill_day", "first"),
    [
        ("2026-01-10", "monthly", 1, "2026-02-01"),
        ("2026-01-10", "monthly", 10, "2026-01-10"),
        ("2026-01-10", "monthly", 31, "2026-01-31"),
        ("2026-02-28", "monthly", 31, "2026-02-28"),
        ("2026-12-31", "monthly", 30, "2027-01-30"),
        ("2026-03-15", "annual", 1, "2027-03-01"),
        ("2026-11-15", "quarterly", 10, "2027-02-10"),
        ("2024-02-29", "annual", 28, "2025-02-28"),
    ],
)
def test_the_first_bill_date_is_the_day_in_the_starts_month_or_a_period_later(
    start: str, named: str, bill_day: int, first: str
):
    assert str(first_bill_on(date.fromisoformat(start), NAMED[named], bill_day)) == first


def test_the_last_day_of_the_month_comes_back_after_february():
    found = [str(nth_bill_on(date(2026, 1, 31), MONTHLY, 31, n)) for n in range(4)]
    assert found == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]


@pytest.mark.parametrize(
    ("on", "bill_day", "found"),
    [("2026-02-19", 31, "2026-02-28"), ("2026-02-28", 31, "2026-02-28"), ("2026-01-31", 30, "2026-02-28"),
     ("2026-12-31", 1, "2027-01-01"), ("2026-05-05", 5, "2026-05-05")],
)  # fmt: skip
def test_the_next_occurrence_of_a_bill_day_may_be_today(on: str, bill_day: int, found: str):
    assert str(next_occurrence(bill_day, date.fromisoformat(on))) == found


@given(DAYS, BILL_DAYS)
def test_the_next_occurrence_is_the_first_such_day(on: date, bill_day: int):
    found = next_occurrence(bill_day, on)
    before = [on + timedelta(days=n) for n in range((found - on).days)]
    assert found == bill_day_of_month(found, bill_day)
    assert all(day != bill_day_of_month(day, bill_day) for day in before)


@given(DAYS, LENGTHS.filter(months_of), BILL_DAYS)
def test_the_first_bill_date_is_never_before_the_start_nor_a_period_after_it(on: date, length: Length, bill_day: int):
    first = first_bill_on(on, length, bill_day)
    assert on <= first
    assert month_day(first.year, first.month - months_of(length), bill_day) < on


@given(DAYS, LENGTHS, st.integers(-20, 20))
def test_a_length_later_in_days_can_be_taken_back_and_in_months_keeps_the_day_or_ends_the_month(
    on: date, length: Length, times: int
):
    found = later(on, length, times)
    if months_of(length):
        assert (found.year - on.year) * 12 + found.month - on.month == months_of(length) * times
        assert found.day == on.day or (found.day < on.day and (found + timedelta(days=1)).day == 1)
    else:
        assert (found - on).days == days_of(length) * times
        assert later(found, length, -times) == on


@pytest.mark.parametrize("length", [Length("day", 0), Length("month", -1), Length("year", 11), Length("week", 521)])
def test_a_length_that_is_none_or_too_long_is_refused(length: Length):
    with pytest.raises(LengthInvalid) as refused:
        checked_length(length, "/every")
    assert [error.pointer for error in refused.value.errors] == ["/every"]


def test_every_named_length_and_the_longest_are_accepted():
    longest = [Length(unit, most) for unit, most in LONGEST.items()]
    for length in (*NAMED.values(), *longest):
        assert checked_length(length) == length
        assert bool(months_of(length)) != bool(days_of(length))
