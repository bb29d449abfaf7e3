"""Which part of a period's price a piece of it costs. Rule: docs/rules/proration.md"""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal

import msgspec

from billsmith.core.cycles.lengths import Length, months_of
from billsmith.core.periods import Period
from billsmith.core.time_zones import local_midnight

Proration = Literal["by_day", "none", "full_period", "fixed_days", "by_second"]
"""`by_day`: its days ÷ the days of its period. `none`: a piece is free. `full_period`: a piece costs as much as all.
`fixed_days`: every month has 30 days. `by_second`: its seconds ÷ those of its period, in the customer's zone."""

DAYS_IN_FIXED_MONTH = 30


class Share(msgspec.Struct, frozen=True, gc=False):
    """A part of a whole, as it was counted: 15 of 30 days are not yet a half."""

    part: int
    whole: int

    @property
    def fraction(self) -> Fraction:
        """The part as a number."""
        return Fraction(self.part, self.whole)


ALL = Share(1, 1)
NOTHING = Share(0, 1)


def share_of(piece: Period, full: Period, length: Length, proration: Proration, zone: str = "UTC") -> Share:
    """What a piece costs of the full period that it belongs to; a full period always costs all."""
    if piece == full:
        return ALL
    if proration == "by_day":
        return Share(days_between(piece), days_between(full))
    if proration == "full_period":
        return ALL
    if proration == "none":
        return NOTHING
    if proration == "by_second":
        return Share(seconds_between(piece, zone), seconds_between(full, zone))
    if months := months_of(length):
        whole = DAYS_IN_FIXED_MONTH * months
        # 28 February to 30 March would be 32 of 30 days.
        return Share(min(days_in_fixed_months(piece), whole), whole)
    return Share(days_between(piece), days_between(full))


def share_of_instants(start_at: datetime, end_at: datetime, full_start_at: datetime, full_end_at: datetime) -> Share:
    """`by_second` between instants, the way a change in the middle of a day is counted."""
    return Share((end_at - start_at) // timedelta(seconds=1), (full_end_at - full_start_at) // timedelta(seconds=1))


def days_between(period: Period) -> int:
    """How many days a period has."""
    return (period.end_on - period.start_on).days


def days_in_fixed_months(piece: Period, fixed: int = DAYS_IN_FIXED_MONTH) -> int:
    """Its days where every month has `fixed`: so many for each month that begins in it, and the days in between."""
    start, end = piece.start_on, piece.end_on
    return ((end.year - start.year) * 12 + end.month - start.month) * fixed + end.day - start.day


def seconds_between(period: Period, zone: str) -> int:
    """How many seconds a period has in a zone: a day of a clock change has 23 or 25 hours."""
    return (local_midnight(period.end_on, zone) - local_midnight(period.start_on, zone)) // timedelta(seconds=1)
