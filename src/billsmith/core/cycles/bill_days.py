"""The bill cycle day: on which day of the month periods begin. Rule: docs/rules/periods.md

Lengths that are counted in days know none: their periods are counted from their own start.
"""

from datetime import date

from billsmith.core.cycles.lengths import Length, month_day, months_of


def first_bill_on(start_on: date, length: Length, bill_day: int) -> date:
    """The bill day in the start's month, moved on by one period if that is before the start. Months only."""
    on = bill_day_of_month(start_on, bill_day)
    if on >= start_on:
        return on
    return month_day(on.year, on.month + months_of(length), bill_day)


def next_occurrence(bill_day: int, on: date) -> date:
    """The first day from `on` on, itself included, that is this day of its month, or the last of a shorter one."""
    this_month = bill_day_of_month(on, bill_day)
    return this_month if this_month >= on else month_day(on.year, on.month + 1, bill_day)


def bill_day_of_month(on: date, bill_day: int) -> date:
    """The bill day in the month of a day."""
    return month_day(on.year, on.month, bill_day)


def nth_bill_on(first_on: date, length: Length, bill_day: int, n: int) -> date:
    """Where the nth period after the first bill date begins: from that date, so that 31 comes back after February."""
    return month_day(first_on.year, first_on.month + months_of(length) * n, bill_day)
