"""One customer's share of a billing run: all that its subscriptions have due, and when they next have.

Rule: docs/rules/what-is-billed-when.md
"""

from collections.abc import Sequence
from datetime import date

import msgspec
from msgspec.structs import replace

from billsmith.core.billing.documents import Bill, bills
from billsmith.core.billing.due import Bought, due, first_due
from billsmith.core.billing.entries import Entry
from billsmith.core.customers import Customer
from billsmith.core.invoices import Direction
from billsmith.core.subscriptions.subscription import Subscription
from billsmith.core.tenants import TenantSettings


class CustomerBilled(msgspec.Struct, frozen=True, gc=False):
    """What one customer is to be billed, and what it is afterwards."""

    customer: Customer
    """With its bill cycle day, if a line of this run gave it one."""
    bills: tuple[Bill, ...]
    bought: tuple[Bought, ...]
    """As they will be."""
    next_on: date | None
    """When a run next has something to do."""

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """The subscriptions as they will be."""
        return tuple(one.subscription for one in self.bought)


def bill(
    customer: Customer,
    bought: Sequence[Bought],
    settings: TenantSettings,
    until_on: date,
    others_next_on: date | None = None,
) -> CustomerBilled:
    """What is due by a day, as documents. Less than the tenant's minimum waits, as long as more will come.

    `others_next_on`: when a run next has to do with subscriptions of the customer that are not among these.
    """
    entries: list[Entry] = []
    after: list[Bought] = []
    now = customer
    for one in _bases_first(bought):
        if not _has_to_do(one, until_on):
            after.append(one)
            continue
        found = due(one, until_on, now.bill_cycle_day)
        if found.bill_cycle_day is not None:
            now = replace(now, bill_cycle_day=found.bill_cycle_day, version=now.version + 1)
        entries += found.entries
        after.append(replace(one, subscription=found.subscription, covered=()))
    made = bills(customer, settings, entries)
    days = (first_due(one.subscription for one in after), others_next_on)
    next_on = min((on for on in days if on is not None), default=None)
    if _waits(made, settings, next_on):
        return CustomerBilled(customer, (), tuple(bought), next_on)
    return CustomerBilled(now, made, tuple(after), next_on)


def _bases_first(bought: Sequence[Bought]) -> list[Bought]:
    return sorted(bought, key=lambda one: (one.subscription.group_id, bool(one.base), one.subscription.id))


def _has_to_do(one: Bought, until_on: date) -> bool:
    row = one.subscription
    return (row.next_bill_on is not None and row.next_bill_on <= until_on) or (
        row.rework_from_on is not None and row.rework_from_on <= until_on
    )


def _waits(made: Sequence[Bill], settings: TenantSettings, next_on: date | None) -> bool:
    """Whether all of it is too little; amounts of two currencies, or directions, don't add up to anything."""
    totals: dict[tuple[Direction, str], int] = {}
    for one in made:
        kind = (one.direction, one.currency)
        totals[kind] = totals.get(kind, 0) + one.total_minor
    too_little = all(0 < total < settings.minimum_to_bill_minor for total in totals.values())
    return next_on is not None and bool(totals) and too_little
