"""Loading what a run needs of locked customers: a handful of reads for all of them together."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import msgspec

from billsmith.core.billing.due import Bought
from billsmith.core.billing.entries import Covered
from billsmith.core.customers import Customer
from billsmith.core.ids import CustomerId, GroupId, SubscriptionId, TenantId
from billsmith.core.subscriptions.cancelling import cancelled_on
from billsmith.core.subscriptions.stretches import Stretch, stretches
from billsmith.core.subscriptions.subscription import Subscription
from billsmith.core.subscriptions.timeline import Timeline, Versions, versions_named
from billsmith.store.pool import Connection
from billsmith.store.selling import catalog as catalog_rows
from billsmith.store.selling import coverage as coverage_rows
from billsmith.store.selling import subscriptions as subscription_rows


class Loaded(msgspec.Struct, frozen=True):
    """The subscriptions of one customer that a run by a day has to do with, each as a run sees it."""

    bought: tuple[Bought, ...]
    others_next_on: date | None
    """When a run next has to do with the others."""


async def load_bought(
    connection: Connection, tenant_id: TenantId, customers: Collection[Customer], days: Mapping[CustomerId, date]
) -> dict[CustomerId, Loaded]:
    """What of these customers is due by a day of each; of subscriptions that changed, the lines from the change on too.

    What is not due is not read, so that a run costs what it has to do.
    """
    rows = await subscription_rows.due_of_customers(connection, tenant_id, days)
    next_days = await subscription_rows.next_bill_days(connection, tenant_id, days)
    due = [one for of_customer in rows.values() for one in of_customer]
    bases = await _other_bases(connection, tenant_id, due)
    others: dict[CustomerId, list[Subscription]] = {}
    for base in bases:
        others.setdefault(base.customer_id, []).append(base)
    every = [*due, *bases]
    changes = await subscription_rows.get_changes(connection, tenant_id, [one.id for one in every])
    timelines = {one.id: Timeline(one, tuple(changes.get(one.id, ()))) for one in every}
    versions = await catalog_rows.get_versions(connection, tenant_id, versions_named(timelines.values()))
    again = {one.id: one.rework_from_on for one in due if one.rework_from_on is not None}
    covered = await coverage_rows.covered_from(connection, tenant_id, again) if again else {}
    return {
        one.id: Loaded(
            _bought(one, rows.get(one.id, ()), others.get(one.id, ()), timelines, versions, covered),
            next_days.get(one.id),
        )
        for one in customers
    }


async def _other_bases(connection: Connection, tenant_id: TenantId, due: Sequence[Subscription]) -> list[Subscription]:
    """The bases of add-ons that are due, where the base itself is not: its bill cycle day may count."""
    there = {one.group_id for one in due if one.product_kind == "base"}
    wanted = {one.group_id for one in due if one.product_kind == "add_on"} - there
    if not wanted:
        return []
    groups = await subscription_rows.subscriptions_of_groups(connection, tenant_id, wanted)
    return [one for members in groups.values() for one in members if one.product_kind == "base"]


def _bought(
    customer: Customer,
    subscriptions: Sequence[Subscription],
    other_bases: Sequence[Subscription],
    timelines: Mapping[SubscriptionId, Timeline],
    versions: Versions,
    covered: Mapping[SubscriptionId, Sequence[Covered]],
) -> tuple[Bought, ...]:
    billed = {one.id: stretches(timelines[one.id], versions) for one in subscriptions}
    bases: dict[GroupId, tuple[Stretch, ...]] = {
        one.group_id: billed[one.id] for one in subscriptions if one.product_kind == "base"
    }
    for one in other_bases:
        bases[one.group_id] = stretches(timelines[one.id], versions)
    return tuple(
        Bought(
            subscription=one,
            stretches=billed[one.id],
            base=bases.get(one.group_id, ()) if one.product_kind == "add_on" else (),
            versions=versions,
            zone=customer.time_zone,
            covered=tuple(covered.get(one.id, ())),
            cancelled_on=cancelled_on(timelines[one.id]),
        )
        for one in subscriptions
    )
