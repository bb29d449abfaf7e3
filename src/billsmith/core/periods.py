"""Periods of service: half-open local dates in a customer's time zone. Rule: docs/rules/periods.md"""

from datetime import date

import msgspec

from billsmith.errors import Invalid


class PeriodBackwards(Invalid):
    """A period that ends before it starts."""

    code = "period_backwards"


class Period(msgspec.Struct, frozen=True, gc=False):
    """`[start_on, end_on)`: the end is the first day that no longer belongs to it. Start = end is a single instant."""

    start_on: date
    end_on: date


def period(start_on: date, end_on: date, pointer: str = "/period") -> Period:
    """The period between two dates. Raises PeriodBackwards."""
    if end_on < start_on:
        raise PeriodBackwards(f"the period ends on {end_on}, before it starts on {start_on}", pointer=f"{pointer}/end")
    return Period(start_on, end_on)
