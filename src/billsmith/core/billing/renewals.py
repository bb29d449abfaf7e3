"""Plain renewals, worked out from one row each: what nearly all of a run is. Rule: docs/rules/what-is-billed-when.md

`renewed` says the same as `due`, or nothing where it can't be sure to: then `due` has to be asked.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import msgspec

from billsmith.core.billing.entries import whole_amount
from billsmith.core.catalog.plans import Charge, PlanVersion
from billsmith.core.catalog.rules import BillAlignment
from billsmith.core.cycles.bill_days import first_bill_on
from billsmith.core.cycles.lengths import month_day, months_of
from billsmith.core.ids import SubscriptionId
from billsmith.core.subscriptions.bill_days import ONE, price_of
from billsmith.core.subscriptions.phases import phase_spans

MOST_PERIODS = 1000
"""Of one charge at once; beyond, `due` is asked."""


class Renewable(msgspec.Struct, frozen=True, gc=False):
    """A subscription of which nothing changed since it was created, as far as its renewals depend on it."""

    id: SubscriptionId
    plan: PlanVersion
    currency: str
    quantity: Decimal
    prices: Mapping[str, Decimal] | None
    starts_on: date
    aligned_on: date
    bill_alignment: BillAlignment
    own_bill_day: int | None
    has_base: bool
    """Whether it is an add-on, which may follow its base's day."""
    billed_through_on: date | None
    charged_through: Mapping[str, date]
    next_bill_on: date


class Renewal(msgspec.Struct, frozen=True, gc=False):
    """One more whole period of a charge, at its whole price."""

    charge: Charge
    period_start_on: date
    period_end_on: date
    unit_price: Decimal
    quantity: Decimal
    amount_minor: int


class Renewed(msgspec.Struct, frozen=True, gc=False):
    """What is due, in the order of its periods, and where the subscription stands afterwards."""

    phase_no: int
    renewals: tuple[Renewal, ...]
    charged_through: dict[str, date]
    next_bill_on: date


def renewed(one: Renewable, until_on: date, customers_day: int | None) -> Renewed | None:
    """All that is due by a day of one that is in the last phase of its plan; None: it is not as plain as that."""
    phase_no, phase_starts_on = _last_phase(one.plan, one.aligned_on)
    # Days before the alignment, if there are any, belong to the first phase.
    start_on = max(one.starts_on, phase_starts_on) if phase_no else one.starts_on
    if start_on >= one.next_bill_on or one.next_bill_on > until_on:
        return None  # a fixed charge may be due with its start
    day = _bill_day(one, phase_no, start_on, customers_day)
    if day is None:
        return None
    if one.billed_through_on is not None:
        start_on = max(start_on, one.billed_through_on)
    charged_through = dict(one.charged_through)
    found: list[Renewal] = []
    next_on = date.max
    for charge in one.plan.phases[phase_no].charges:
        if charge.kind != "recurring":
            continue
        assert charge.length is not None
        months = months_of(charge.length)
        through_on = charged_through.get(charge.code)
        if through_on is None or not months or charge.timing != "in_advance":
            return None
        first_on = first_bill_on(start_on, charge.length, day)
        if not _is_bill_date(through_on, first_on, months, day):
            return None
        if through_on > until_on:
            if month_day(through_on.year, through_on.month - months, day) > until_on:
                return None  # it is on lines further ahead than its next period
        else:
            through_on = _renew(found, one, charge, through_on, until_on, months, day)
            charged_through[charge.code] = through_on
        next_on = min(next_on, through_on)
    if not found or len(found) > MOST_PERIODS:
        return None
    if len(found) > 1:
        found.sort(key=lambda renewal: renewal.period_start_on)
    return Renewed(phase_no, tuple(found), charged_through, next_on)


def _renew(
    found: list[Renewal], one: Renewable, charge: Charge, through_on: date, until_on: date, months: int, day: int
) -> date:
    """Add every period that starts by `until_on`; where the last one ends."""
    price = price_of(charge, one.prices, one.currency)
    quantity = one.quantity if charge.per_unit else ONE
    amount = whole_amount(price, quantity, one.currency)
    while through_on <= until_on:
        end_on = month_day(through_on.year, through_on.month + months, day)
        found.append(Renewal(charge, through_on, end_on, price, quantity, amount))
        through_on = end_on
    return through_on


def _is_bill_date(on: date, first_on: date, months: int, day: int) -> bool:
    if on < first_on or on != month_day(on.year, on.month, day):
        return False
    return ((on.year - first_on.year) * 12 + on.month - first_on.month) % months == 0


def _bill_day(one: Renewable, phase_no: int, start_on: date, customers_day: int | None) -> int | None:
    """Whose day its periods follow, as `bill_day_of` says; None where that takes more than this row."""
    if one.own_bill_day is not None:
        return one.own_bill_day
    if one.bill_alignment == "account":
        return customers_day
    if phase_no or (one.bill_alignment == "group" and one.has_base):
        return None
    return start_on.day


def _last_phase(plan: PlanVersion, aligned_on: date) -> tuple[int, date]:
    """(which, from when): the phase that never ends, if the plan has one."""
    if len(plan.phases) == 1 and plan.phases[0].duration is None:
        return 0, aligned_on
    span = phase_spans(plan, aligned_on)[-1]
    return span.phase_no, span.starts_on if span.ends_on is None else date.max
