"""How long a period is, and where the nth one after a day begins. Rule: docs/rules/periods.md"""

import calendar
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

import msgspec

from billsmith.errors import Invalid

Unit = Literal["day", "week", "month", "year"]

LONGEST: dict[Unit, int] = {"day": 3660, "week": 520, "month": 120, "year": 10}
"""The most of each unit that one period may have."""
_MONTHS: dict[Unit, int] = {"month": 1, "year": 12}
_DAYS: dict[Unit, int] = {"day": 1, "week": 7}


class Length(msgspec.Struct, frozen=True, gc=False):
    """So many of a unit. Months and years are months for the calendar; days and weeks are days."""

    unit: Unit
    every: int = 1


NAMED: dict[str, Length] = {
    "daily": Length("day"),
    "weekly": Length("week"),
    "biweekly": Length("week", 2),
    "thirty_days": Length("day", 30),
    "thirty_one_days": Length("day", 31),
    "sixty_days": Length("day", 60),
    "ninety_days": Length("day", 90),
    "monthly": Length("month"),
    "bimestrial": Length("month", 2),
    "quarterly": Length("month", 3),
    "triannual": Length("month", 4),
    "biannual": Length("month", 6),
    "annual": Length("year"),
    "sesquiennial": Length("month", 18),
    "biennial": Length("year", 2),
    "triennial": Length("year", 3),
}
"""The names that a length may be given by."""


class LengthInvalid(Invalid):
    """A length of a period that is none, or longer than any that is billed."""

    code = "length_invalid"


def checked_length(length: Length, pointer: str = "") -> Length:
    """The length, if it is one. Raises LengthInvalid."""
    if not 1 <= length.every <= LONGEST[length.unit]:
        raise LengthInvalid(f"between 1 and {LONGEST[length.unit]} {length.unit}s are possible", pointer=pointer)
    return length


def months_of(length: Length) -> int:
    """How many months it has; 0 where it is counted in days."""
    return _MONTHS.get(length.unit, 0) * length.every


def days_of(length: Length) -> int:
    """How many days it has; 0 where it is counted in months."""
    return _DAYS.get(length.unit, 0) * length.every


def later(on: date, length: Length, times: int = 1) -> date:
    """The day that is `times` lengths later, or earlier below zero; a day that its month lacks is the month's last."""
    if months := months_of(length):
        return month_day(on.year, on.month + months * times, on.day)
    return on + timedelta(days=days_of(length) * times)


@lru_cache(8192)
def month_day(year: int, month: int, day: int) -> date:
    """A day of a month, or its last if it is shorter. Months beyond 12 or below 1 are those of other years."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))
