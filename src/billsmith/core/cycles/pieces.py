"""The periods of a charge between two days, whole ones and pieces, and when each is due.

Rules: docs/rules/periods.md, docs/rules/proration.md
"""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import takewhile
from typing import Literal

import msgspec

from billsmith.core.cycles.bill_days import first_bill_on, nth_bill_on
from billsmith.core.cycles.lengths import Length, days_of, later, months_of
from billsmith.core.cycles.proration import Proration, Share, share_of
from billsmith.core.periods import Period

Timing = Literal["in_advance", "in_arrears"]


class Cycle(msgspec.Struct, frozen=True, gc=False):
    """How a charge repeats between two days."""

    start_on: date
    end_on: date | None
    length: Length
    bill_day: int
    """Counts for months only."""
    anchor_on: date
    """Counts for days only: where periods are counted from, on or before the start."""
    timing: Timing = "in_advance"
    proration: Proration = "by_day"
    zone: str = "UTC"


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A period to be billed, or a piece of the full one that it belongs to, and which part of its price that is."""

    period: Period
    full: Period
    share: Share
    due_on: date
    """In advance: when it starts. In arrears: when it ends."""


def pieces(cycle: Cycle, until_on: date, from_on: date | None = None) -> tuple[Piece, ...]:
    """Every piece that is due by `until_on`, in order; those that end by `from_on` are left out without a walk."""
    return tuple(takewhile(lambda piece: piece.due_on <= until_on, all_pieces(cycle, from_on)))


def next_due_on(cycle: Cycle, after_on: date) -> date | None:
    """When the next piece after a day is due; None: there is none."""
    return next((piece.due_on for piece in all_pieces(cycle, after_on) if piece.due_on > after_on), None)


def all_pieces(cycle: Cycle, from_on: date | None = None) -> Iterator[Piece]:
    """Every piece that ends after `from_on`, in order, without an end where the cycle has none."""
    bounds = _bounds_in_months(cycle, from_on) if months_of(cycle.length) else _bounds_in_days(cycle, from_on)
    full_start = next(bounds)
    for full_end in bounds:
        start_on = max(full_start, cycle.start_on)
        end_on = full_end if cycle.end_on is None else min(full_end, cycle.end_on)
        if start_on < end_on and (from_on is None or end_on > from_on):
            yield _piece(cycle, Period(start_on, end_on), full_start, full_end)
        if end_on != full_end or full_end == cycle.end_on:
            return
        full_start = full_end


def _piece(cycle: Cycle, period: Period, full_start: date, full_end: date) -> Piece:
    full = Period(full_start, full_end)
    if months_of(cycle.length) and period != full:
        # A piece belongs to a period by plain calendar, counted from the bill date that it touches, or from its end.
        if period.end_on == full_end or full_start < cycle.start_on:
            full = Period(later(period.end_on, cycle.length, -1), period.end_on)
        else:
            full = Period(full_start, later(full_start, cycle.length))
    share = share_of(period, full, cycle.length, cycle.proration, cycle.zone)
    return Piece(period, full, share, period.start_on if cycle.timing == "in_advance" else period.end_on)


def _bounds_in_months(cycle: Cycle, from_on: date | None) -> Iterator[date]:
    """Bill dates, from the last one on or before both days on; the one before the first bill date is plain calendar."""
    first_on = first_bill_on(cycle.start_on, cycle.length, cycle.bill_day)
    months = months_of(cycle.length)
    n = -1 if first_on > cycle.start_on else 0
    if from_on is not None and from_on > first_on:
        n = max(n, ((from_on.year - first_on.year) * 12 + from_on.month - first_on.month) // months - 1)
    while True:
        yield later(first_on, cycle.length, -1) if n < 0 else nth_bill_on(first_on, cycle.length, cycle.bill_day, n)
        n += 1


def _bounds_in_days(cycle: Cycle, from_on: date | None) -> Iterator[date]:
    days = days_of(cycle.length)
    seen_from = cycle.start_on if from_on is None else max(cycle.start_on, from_on)
    n = max(0, (seen_from - cycle.anchor_on).days // days)
    while True:
        yield cycle.anchor_on + timedelta(days=days * n)
        n += 1
