"""Which days are on lines and should not be, and which should be and are not. Rule: docs/rules/corrections.md

Lines are compared by their days: a day on a line with one key pays for a day that is owed with an equal key, whatever
the bounds of the two. So moving a bill day, or a change that was taken back, corrects nothing that is paid for.
"""

from collections.abc import Hashable, Iterable, Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec

from billsmith.core.cycles.proration import days_between, days_in_fixed_months
from billsmith.core.money import round_half_away
from billsmith.core.periods import Period
from billsmith.errors import Invalid


class Owed(msgspec.Struct, frozen=True, gc=False):
    """A line that should exist. `key`: what its price depends on; equal keys cost the same a day."""

    key: Hashable
    period: Period
    amount: Fraction
    """Of all its days, in minor units, not rounded."""
    about: Any = None
    """What it is for: carried along, never read here."""
    fixed_months: bool = False
    """Whether its days are counted as if every month had 30."""


class GivenBack(msgspec.Struct, frozen=True, gc=False):
    """Days of a line that were given back, and what for: zero or more, in minor units."""

    period: Period
    amount_minor: int


class Billed(msgspec.Struct, frozen=True, gc=False):
    """A line that exists, with what was corrected of it: `adjusted_minor` by hand, without days."""

    key: Hashable
    period: Period
    amount_minor: int
    given_back: tuple[GivenBack, ...] = ()
    adjusted_minor: int = 0
    about: Any = None
    fixed_months: bool = False

    @property
    def left_minor(self) -> int:
        """What of it was not corrected yet; never on the other side of zero."""
        return left_of(self.amount_minor, self.adjusted_minor + sum(one.amount_minor for one in self.given_back))


class Missing(msgspec.Struct, frozen=True, gc=False):
    """Days to be billed: all or a part of an owed line."""

    owed: Owed
    period: Period
    amount_minor: int


class Superfluous(msgspec.Struct, frozen=True, gc=False):
    """Days to be given back: all or a part of a billed line. The amount is below zero, or zero if nothing is left."""

    billed: Billed
    period: Period
    amount_minor: int


class Differences(msgspec.Struct, frozen=True, gc=False):
    """What to add, each in the order of days."""

    missing: tuple[Missing, ...]
    superfluous: tuple[Superfluous, ...]


class LinesInconsistent(Invalid):
    """Lines and corrections that can't have come about."""

    code = "lines_inconsistent"


def left_of(amount_minor: int, corrected_minor: int) -> int:
    """What of a line was not corrected yet; never on the other side of zero."""
    left = amount_minor - corrected_minor
    return max(left, 0) if amount_minor >= 0 else min(left, 0)


def differences(owed: Sequence[Owed], billed: Sequence[Billed], from_on: date = date.min) -> Differences:
    """What should exist − what exists, for one charge of one subscription; days before `from_on` are left as they are.

    A missing part of a line costs its share by days, rounded once, half away from zero. A line of nothing is never
    given back. Raises LinesInconsistent.
    """
    open_days = _consistent(billed)
    _refuse_backwards(line.period for line in owed)
    _refuse_overlaps((line.key, line.period) for line in owed)
    by_key: dict[Hashable, list[int]] = {}
    # Lines with something left pay for days before one of equal price that was corrected to nothing does.
    for nth in sorted(range(len(billed)), key=lambda nth: not billed[nth].left_minor):
        by_key.setdefault(billed[nth].key, []).append(nth)
    missing = []
    for line in sorted(owed, key=lambda one: one.period.start_on):
        wanted = _from(from_on, [line.period]) if _days([line.period]) else []
        for nth in by_key.get(line.key, ()):
            if wanted and _overlap(line.period, billed[nth].period):
                matched = _days_in_both(wanted, open_days[nth])
                wanted, open_days[nth] = _without(wanted, matched), _without(open_days[nth], matched)
        missing += [Missing(line, days, _part(line.amount, line, days)) for days in wanted]
    superfluous = []
    for existing, days_left in zip(billed, open_days, strict=True):
        if existing.amount_minor:
            superfluous += _given_back(existing, _from(from_on, days_left))
    return Differences(
        tuple(sorted(missing, key=lambda one: one.period.start_on)),
        tuple(sorted(superfluous, key=lambda one: one.period.start_on)),
    )


def remaining(billed: Iterable[Billed]) -> tuple[tuple[Billed, Period, int], ...]:
    """What stays billed once all that was given back is taken off: by days, each part rounded once.

    Raises LinesInconsistent.
    """
    lines = sorted(billed, key=lambda one: one.period.start_on)
    return tuple(
        (line, days, _part(Fraction(line.amount_minor), line, days))
        for line, kept in zip(lines, _consistent(lines), strict=True)
        for days in kept
    )


def _given_back(line: Billed, days_left: Iterable[Period]) -> list[Superfluous]:
    found, left = [], line.left_minor
    for days in days_left:
        part = _part(Fraction(line.amount_minor), line, days)
        part = min(part, left) if line.amount_minor > 0 else max(part, left)
        left -= part
        found.append(Superfluous(line, days, -part))
    return found


def _part(amount: Fraction, line: Owed | Billed, days: Period) -> int:
    if days == line.period:
        return round_half_away(amount)
    part, whole = days_between(days), days_between(line.period)
    if line.fixed_months and days_in_fixed_months(line.period) > 0:
        part, whole = days_in_fixed_months(days), days_in_fixed_months(line.period)
    return round_half_away(amount * part / whole)


def _consistent(billed: Sequence[Billed]) -> list[list[Period]]:
    """The days that each line still pays for. Raises LinesInconsistent, also where two pay for a day at one price.

    A line that was corrected to nothing pays twice for nothing: so a credit note is the way out for one line too many.
    """
    for line in billed:
        _refuse_backwards([line.period, *(one.period for one in line.given_back)])
        _refuse_too_much(line)
    kept = [_kept_days(line) for line in billed]
    _refuse_overlaps(
        (line.key, days) for line, left in zip(billed, kept, strict=True) if line.left_minor for days in left
    )
    return kept


def _refuse_too_much(line: Billed) -> None:
    """No correction is larger than its line, or on its side of zero."""
    corrections = [one.amount_minor for one in line.given_back]
    if line.adjusted_minor:
        corrections.append(line.adjusted_minor)
    sign = 1 if line.amount_minor > 0 else -1
    # A void line goes on covering its days for nothing; what was given back of it before is of no account.
    if line.amount_minor and any(not 0 <= sign * one <= sign * line.amount_minor for one in corrections):
        raise LinesInconsistent(f"of {line.amount_minor} minor units more was corrected than all: {corrections}")


def _refuse_backwards(periods: Iterable[Period]) -> None:
    for one in periods:
        if one.end_on < one.start_on:
            raise LinesInconsistent(f"{one.end_on}, the end, is before {one.start_on}, the start")


def _refuse_overlaps(days: Iterable[tuple[Hashable, Period]]) -> None:
    by_key: dict[Hashable, list[Period]] = {}
    for key, period in days:
        by_key.setdefault(key, []).append(period)
    for periods in by_key.values():
        periods.sort(key=lambda one: one.start_on)
        for one, following in pairwise(periods):
            if _overlap(one, following):
                raise LinesInconsistent(
                    f"the days {following.start_on} to {min(one.end_on, following.end_on)} are there twice"
                )


def _kept_days(line: Billed) -> list[Period]:
    """The days of a line that were not given back."""
    if not _days([line.period]):
        raise LinesInconsistent(f"a line from {line.period.start_on} to {line.period.end_on} has no days")
    kept = [line.period]
    for one in line.given_back:
        after = _without(kept, [one.period])
        if _days(kept) - _days(after) != _days([one.period]):
            raise LinesInconsistent(
                f"the days {one.period.start_on} to {one.period.end_on} were given back twice, or never billed"
            )
        kept = after
    return kept


def _days(periods: Iterable[Period]) -> int:
    return sum(map(days_between, periods))


def _overlap(one: Period, other: Period) -> bool:
    return one.start_on < other.end_on and other.start_on < one.end_on


def _from(on: date, periods: Iterable[Period]) -> list[Period]:
    return [Period(max(on, period.start_on), period.end_on) for period in periods if period.end_on > on]


def _days_in_both(these: Iterable[Period], those: Iterable[Period]) -> list[Period]:
    return [
        Period(max(one.start_on, other.start_on), min(one.end_on, other.end_on))
        for one in these
        for other in those
        if max(one.start_on, other.start_on) < min(one.end_on, other.end_on)
    ]


def _without(periods: Iterable[Period], taken: Iterable[Period]) -> list[Period]:
    left = list(periods)
    for cut in taken:
        left = [rest for period in left for rest in _cut(period, cut)]
    return left


def _cut(period: Period, cut: Period) -> list[Period]:
    before = Period(period.start_on, min(period.end_on, cut.start_on))
    after = Period(max(period.start_on, cut.end_on), period.end_on)
    return [rest for rest in (before, after) if rest.start_on < rest.end_on]


def last_day_paid_for(billed: Iterable[Billed], given_back: Sequence[Superfluous]) -> date | None:
    """The end of the last days that stay on lines once these are given back; None: nothing does."""
    ends = [
        days.end_on
        for line in billed
        for days in _without(_kept_days(line), [one.period for one in given_back if one.billed is line])
    ]
    return max(ends, default=None)
