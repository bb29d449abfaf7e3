"""What one subscription has to have billed by a day. Rule: docs/rules/what-is-billed-when.md

Plain renewals follow from `charged_through` alone, so that they cost the same after ten years. Only where something
changed (`rework_from_on`) are the lines there compared with those that should be, from the day of the change on.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

import msgspec
from msgspec.structs import replace

from billsmith.core.billing.differences import (
    Billed,
    Missing,
    Owed,
    Superfluous,
    differences,
    last_day_paid_for,
    left_of,
)
from billsmith.core.billing.entries import (
    Covered,
    Entry,
    counts_fixed_months,
    cycle_of,
    exact_amount,
    starting_fixed,
    whole_amount,
)
from billsmith.core.catalog.plans import Charge
from billsmith.core.cycles.pieces import Cycle, Piece, all_pieces, next_due_on, pieces
from billsmith.core.cycles.proration import ALL, Share, days_between
from billsmith.core.money import round_half_away
from billsmith.core.periods import Period
from billsmith.core.subscriptions.bill_days import bill_day_of, quantity_of, recurring, sets_customers_day, unit_price
from billsmith.core.subscriptions.stretches import Stretch
from billsmith.core.subscriptions.subscription import Subscription
from billsmith.core.subscriptions.timeline import Versions


class Bought(msgspec.Struct, frozen=True, gc=False):
    """A subscription as a run sees it."""

    subscription: Subscription
    stretches: tuple[Stretch, ...]
    """All of them."""
    base: tuple[Stretch, ...]
    """Those of its group's base, where it is an add-on."""
    versions: Versions
    zone: str
    covered: tuple[Covered, ...] = ()
    """Where something is to be worked out again: the lines that reach beyond `rework_from_on`, or start after it."""
    cancelled_on: date | None = None
    """The first day that is no longer billed, where that is because it was cancelled."""


class Due(msgspec.Struct, frozen=True, gc=False):
    """The entries of one subscription, and it as it will be once they are on lines."""

    subscription: Subscription
    entries: tuple[Entry, ...]
    bill_cycle_day: int | None
    """The customer's, where this run is the first to give it one."""


def due(bought: Bought, until_on: date, customers_day: int | None) -> Due:
    """What is to be billed and given back by `until_on`. Run again with the result it adds nothing."""
    run = _Run(bought, until_on, customers_day)
    if bought.subscription.rework_from_on is None:
        entries = [*run.new_fixed(), *run.renewals()]
        deferred_on = None
    else:
        entries, deferred_on = run.reworked()
    entries.sort(key=lambda entry: (entry.period_start_on, entry.amount_minor < 0))
    after = replace(
        bought.subscription,
        charged_through=run.charged_through,
        rework_from_on=deferred_on,
        next_bill_on=run.next_bill_on(deferred_on),
    )
    return Due(after, tuple(entries), run.given_day)


class _Run:
    """One subscription's share of a run: what is worked out on the way, gathered in one place."""

    def __init__(self, bought: Bought, until_on: date, customers_day: int | None) -> None:
        self.bought = bought
        self.subscription = bought.subscription
        self.until_on = until_on
        self.customers_day = customers_day
        self.given_day = self._day_to_give()
        self.covered = [line for line in bought.covered if not line.released]
        self.charged_through = dict(bought.subscription.charged_through)

    # What should exist

    def cycles(self) -> Iterator[tuple[Stretch, Charge, Cycle]]:
        bought, day = self.bought, self.customers_day or self.given_day
        for stretch in bought.stretches:
            bill_day = bill_day_of(stretch, bought.stretches, bought.base, day, self.subscription.currency)
            for charge in recurring(stretch):
                cycle = cycle_of(stretch, charge, bill_day, self.subscription, bought.zone)
                if cycle is not None:
                    yield stretch, charge, cycle

    def fixed_from(self, from_on: date, until_on: date) -> Iterator[tuple[Stretch, Charge]]:
        elsewhere_on = self.subscription.billed_through_on
        for stretch in self.bought.stretches:
            if from_on <= stretch.start_on <= until_on and (elsewhere_on is None or stretch.start_on >= elsewhere_on):
                for charge in starting_fixed(stretch):
                    yield stretch, charge

    # Plain renewals

    def new_fixed(self) -> list[Entry]:
        """What came due before the date that this run was to be on is on lines already."""
        from_on = self.subscription.next_bill_on or date.max
        return [self._fixed_entry(stretch, charge) for stretch, charge in self.fixed_from(from_on, self.until_on)]

    def renewals(self) -> list[Entry]:
        entries = []
        for stretch, charge, cycle in self.cycles():
            through_on = self.charged_through.get(charge.code)
            for piece in pieces(cycle, self.until_on, through_on):
                if through_on is not None and piece.period.start_on < through_on:
                    entries += self._rest_of(stretch, charge, piece, through_on)
                else:
                    entries.append(self._recurring_entry(stretch, charge, piece))
                self._charged(charge, piece.period.end_on)
        return entries

    def _rest_of(self, stretch: Stretch, charge: Charge, piece: Piece, from_on: date) -> list[Entry]:
        """Where the day that it follows moved meanwhile, such as its base's: days on a line are not billed again."""
        owed = self._owed_line(stretch, charge, piece)
        return [self._missing_entry(one) for one in differences([owed], [], from_on).missing]

    # Worked out again

    def reworked(self) -> tuple[list[Entry], date | None]:
        from_on = self.subscription.rework_from_on
        assert from_on is not None
        entries = self._fixed_again(from_on)
        deferred: set[date] = set()
        for code in self._codes(from_on):
            billed = [self._billed(line) for line in self.covered if line.charge == code and _has_days(line)]
            since_on = self._unbilled_from(code, from_on)
            owed = self._owed(code, since_on)
            found = differences(owed, billed, since_on)
            waiting = {one.period.start_on for one in found.superfluous if self._waits_for_change(one.period.start_on)}
            deferred |= waiting
            now = [one for one in found.superfluous if one.period.start_on not in waiting]
            missing = [one for one in found.missing if self._is_due(one)]
            entries += [self._missing_entry(one) for one in missing]
            entries += [self._credit_entry(one) for one in now]
            self._recharge(code, since_on, _ends_paid_for(owed, billed, now, missing))
        return entries, min(deferred, default=None)

    def _waits_for_change(self, superfluous_from_on: date) -> bool:
        """Whether a change that has not taken effect yet makes days superfluous: it may be undone until then."""
        bounds = (on for one in self.bought.stretches for on in (one.start_on, one.end_on) if on is not None)
        return any(self.until_on < on <= superfluous_from_on for on in bounds)

    def _unbilled_from(self, code: str, from_on: date) -> date:
        """Days before the change that are not on lines yet, such as those of a charge in arrears, are billed too."""
        row = self.subscription
        begins_on = max(row.starts_on, row.billed_through_on or row.starts_on)
        return min(from_on, self.charged_through.get(code, begins_on))

    def _codes(self, from_on: date) -> list[str]:
        """Every recurring charge that has lines in the window, or should have."""
        covered = [line.charge for line in self.covered if line.kind == "recurring"]
        should = [
            charge.code
            for stretch in self.bought.stretches
            for charge in recurring(stretch)
            if stretch.end_on is None or stretch.end_on > self._unbilled_from(charge.code, from_on)
        ]
        return list(dict.fromkeys([*should, *covered]))

    def _owed(self, code: str, from_on: date) -> list[Owed]:
        """What is due; and where it has a day of its own, what days on lines belong to, even if that is due later."""
        ends = [line.period_end_on for line in self.covered if line.charge == code and line.period_end_on]
        covered_to = max(ends, default=date.min)
        owed = []
        for stretch, charge, cycle in self.cycles():
            if charge.code == code:
                looked_to = self._looked_to(charge)
                keeps = stretch.own_bill_day is not None  # another day of its own gives nothing back
                for piece in all_pieces(cycle, from_on):
                    if piece.due_on > looked_to and not (keeps and piece.period.start_on < covered_to):
                        break
                    owed.append(self._owed_line(stretch, charge, piece))
        return owed

    def _is_due(self, missing: Missing) -> bool:
        _, charge, piece = missing.owed.about
        return bool(piece.due_on <= self._looked_to(charge))

    def _looked_to(self, charge: Charge) -> date:
        """Lines may have been made for days ahead of this one: those are compared with what should be there, too."""
        lines = [line for line in self.covered if line.charge == charge.code]
        if charge.timing == "in_advance":
            return max([self.until_on, *(line.period_start_on for line in lines)])
        return max([self.until_on, *(line.period_end_on for line in lines if line.period_end_on)])

    def _owed_line(self, stretch: Stretch, charge: Charge, piece: Piece) -> Owed:
        currency = self.subscription.currency
        price, quantity = unit_price(stretch, charge, currency), quantity_of(stretch, charge)
        amount = exact_amount(price, quantity, piece.share.fraction, currency)
        key = (stretch.plan.plan, stretch.phase_no, price, quantity)
        fixed_months = counts_fixed_months(charge)
        return Owed(key, piece.period, amount, about=(stretch, charge, piece), fixed_months=fixed_months)

    def _billed(self, line: Covered) -> Billed:
        assert line.period_end_on is not None
        plan = self.bought.versions[line.plan_version_id].plan
        amount = 0 if line.void else line.amount_minor
        return Billed(
            (plan, line.phase, line.unit_price, line.quantity),
            Period(line.period_start_on, line.period_end_on),
            amount,
            line.given_back,
            0 if line.void else line.adjusted_minor,
            about=line,
            fixed_months=counts_fixed_months(self._charge_of(line)),
        )

    def _fixed_again(self, from_on: date) -> list[Entry]:
        there = {
            (line.charge, line.period_start_on, line.plan_version_id, line.phase): line
            for line in self.covered
            if line.kind == "fixed" and not line.given_back
        }
        entries = []
        for stretch, charge in self.fixed_from(min(from_on, self.subscription.next_bill_on or from_on), self.until_on):
            key = (charge.code, stretch.start_on, stretch.plan.id, stretch.phase_no)
            if there.pop(key, None) is None:
                entries.append(self._fixed_entry(stretch, charge))
        return [*entries, *self._fixed_given_back()]

    def _fixed_given_back(self) -> Iterator[Entry]:
        """On cancel: what the plan calls refundable, whole; of what never began, also what was not paid yet."""
        cancelled_on = self.bought.cancelled_on
        if cancelled_on is None or cancelled_on > self.until_on:
            return
        for line in self.covered:
            if line.kind != "fixed" or line.given_back or line.void:
                continue
            if line.period_end_on is not None and line.period_end_on <= cancelled_on:
                continue
            left = left_of(line.amount_minor, line.adjusted_minor)
            charge = self._charge_of(line)
            if charge.refundable:
                amount = left
            elif line.period_start_on >= cancelled_on:
                amount = min(left, line.owed_minor)
            else:
                continue
            if amount:
                yield self._fixed_credit(line, charge, amount, cancelled_on)

    # Entries

    def _fixed_entry(self, stretch: Stretch, charge: Charge) -> Entry:
        currency = self.subscription.currency
        price, quantity = unit_price(stretch, charge, currency), quantity_of(stretch, charge)
        # Beside recurring charges it pays for no days of its own: those say how far the phase is billed.
        ends_on = None if any(recurring(stretch)) else stretch.phase_ends_on
        self.charged_through[charge.code] = max(
            self.charged_through.get(charge.code, date.min), ends_on or stretch.start_on
        )
        return Entry(
            self.subscription, "fixed", charge, stretch.plan, stretch.phase_no, stretch.start_on, ends_on, quantity,
            price, whole_amount(price, quantity, currency), stretch.start_on,
        )  # fmt: skip

    def _recurring_entry(self, stretch: Stretch, charge: Charge, piece: Piece) -> Entry:
        owed = self._owed_line(stretch, charge, piece)
        return self._entry(owed, piece.period, round_half_away(owed.amount), piece.share)

    def _missing_entry(self, missing: Missing) -> Entry:
        piece: Piece = missing.owed.about[2]
        share = piece.share
        if missing.period != piece.period:
            share = Share(share.part * days_between(missing.period), share.whole * days_between(piece.period))
            share = _shortened(share, missing.period, piece)
        return self._entry(missing.owed, missing.period, missing.amount_minor, share)

    def _entry(self, owed: Owed, days: Period, amount_minor: int, share: Share) -> Entry:
        stretch, charge, piece = owed.about
        currency = self.subscription.currency
        due_on = max(piece.due_on, days.start_on) if charge.timing == "in_advance" else piece.due_on
        return Entry(
            self.subscription, "recurring", charge, stretch.plan, stretch.phase_no, days.start_on, days.end_on,
            quantity_of(stretch, charge), unit_price(stretch, charge, currency), amount_minor, due_on,
            None if share == ALL else share,
        )  # fmt: skip

    def _credit_entry(self, superfluous: Superfluous) -> Entry:
        line: Covered = superfluous.billed.about
        whole = superfluous.billed.period
        days = superfluous.period
        return Entry(
            self.subscription, "proration_credit", self._charge_of(line), self.bought.versions[line.plan_version_id],
            line.phase, days.start_on, days.end_on, line.quantity, line.unit_price, superfluous.amount_minor,
            days.start_on, None if days == whole else Share(days_between(days), days_between(whole)), line,
        )  # fmt: skip

    def _fixed_credit(self, line: Covered, charge: Charge, amount_minor: int, on: date) -> Entry:
        return Entry(
            self.subscription, "proration_credit", charge, self.bought.versions[line.plan_version_id], line.phase,
            line.period_start_on, line.period_end_on, line.quantity, line.unit_price, -amount_minor, on, None, line,
        )  # fmt: skip

    def _charge_of(self, line: Covered) -> Charge:
        phase = self.bought.versions[line.plan_version_id].phases[line.phase]
        return next(charge for charge in phase.charges if charge.code == line.charge)

    # Where it stands afterwards

    def _charged(self, charge: Charge, through_on: date) -> None:
        self.charged_through[charge.code] = max(self.charged_through.get(charge.code, date.min), through_on)

    def _recharge(self, code: str, from_on: date, ends: Iterable[date]) -> None:
        before = self.charged_through.pop(code, None)
        reached = [*ends] if before is None else [*ends, min(before, from_on)]
        if reached:
            self.charged_through[code] = max(reached)

    def _day_to_give(self) -> int | None:
        """The day of a customer who has none yet: where the first charge begins that gives one, now or later."""
        if self.customers_day is not None:
            return None
        for stretch in self.bought.stretches:
            start_on = max(stretch.start_on, self.subscription.billed_through_on or stretch.start_on)
            if stretch.end_on is not None and stretch.end_on <= start_on:
                continue
            for charge in recurring(stretch):
                currency = self.subscription.currency
                price = whole_amount(unit_price(stretch, charge, currency), quantity_of(stretch, charge), currency)
                if sets_customers_day(stretch, charge, price):
                    return start_on.day
        return None

    def next_bill_on(self, deferred_on: date | None) -> date | None:
        """The next date on which something falls due by itself."""
        days = [] if deferred_on is None else [deferred_on]
        days += [stretch.start_on for stretch, _ in self.fixed_from(self.until_on + timedelta(days=1), date.max)]
        for _, _, cycle in self.cycles():
            if cycle.end_on is None or cycle.end_on > self.until_on or cycle.timing == "in_arrears":
                next_on = next_due_on(cycle, self.until_on)
                if next_on is not None:
                    days.append(next_on)
        return min(days, default=None)


def _ends_paid_for(
    owed: Sequence[Owed], billed: Sequence[Billed], given_back: Sequence[Superfluous], missing: Sequence[Missing]
) -> Iterator[date]:
    """Up to which days a charge is on lines now. A line of nothing is never given back: of it, what is owed counts."""
    end_on = last_day_paid_for([line for line in billed if line.amount_minor], given_back)
    if end_on is not None:
        yield end_on
    yield from (one.period.end_on for one in missing)
    for line in billed:
        if not line.amount_minor:
            for one in owed:
                if one.key == line.key and one.period.start_on < line.period.end_on:
                    yield min(one.period.end_on, line.period.end_on)


def _has_days(line: Covered) -> bool:
    return line.kind == "recurring" and line.period_end_on is not None


def _shortened(share: Share, days: Period, piece: Piece) -> Share:
    """3/30 rather than 93/930: as days of the full period, where that is the same."""
    plain = Share(days_between(days), days_between(piece.full))
    if plain.fraction == share.fraction:
        return plain
    lowest = share.fraction
    return Share(lowest.numerator, lowest.denominator)


def first_due(subscriptions: Iterable[Subscription]) -> date | None:
    """The earliest date on which one of them needs a run."""
    return min((one.next_bill_on for one in subscriptions if one.next_bill_on is not None), default=None)
