"""Loading what a run needs of locked customers: a handful of reads for all of them together."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import msgspec

from billsmith.core.billing.due import Bought
from billsmith.core.billing.entries import Covered
from billsmith.core.customers import Customer
from billsmith.core.ids import CustomerId, GroupId, PlanVersionId, SubscriptionId, TenantId
from billsmith.core.subscriptions.stretches import Stretch, stretches
from billsmith.core.subscriptions.subscription import Change, Subscription
from billsmith.core.subscriptions.timeline import Timeline, Versions, live
from billsmith.store import catalog as catalog_rows
from billsmith.store import coverage as coverage_rows
from billsmith.store import subscriptions as subscription_rows
from billsmith.store.pool import Connection


class Loaded(msgspec.Struct, frozen=True):
    """The subscriptions of one customer that a run may still have to do with, each as a run sees it."""

    customer: Customer
    bought: tuple[Bought, ...]


async def load_bought(
    connection: Connection, tenant_id: TenantId, customers: Collection[Customer]
) -> dict[CustomerId, Loaded]:
    """What these customers have bought; of each subscription that changed, its lines from the change on, too."""
    rows = await subscription_rows.unsettled_of_customers(connection, tenant_id, [one.id for one in customers])
    every = [one for of_customer in rows.values() for one in of_customer]
    changes = await subscription_rows.get_changes(connection, tenant_id, [one.id for one in every])
    versions = await catalog_rows.get_versions(connection, tenant_id, _named(every, changes))
    again = {one.id: one.rework_from_on for one in every if one.rework_from_on is not None}
    covered = await coverage_rows.covered_from(connection, tenant_id, again) if again else {}
    return {
        customer.id: Loaded(customer, _bought(customer, rows.get(customer.id, ()), changes, versions, covered))
        for customer in customers
    }


def _named(
    subscriptions: Sequence[Subscription], changes: Mapping[SubscriptionId, Sequence[Change]]
) -> set[PlanVersionId]:
    named = {one.plan_version_id for one in subscriptions}
    for of_one in changes.values():
        named.update(change.plan_version_id for change in of_one if change.plan_version_id is not None)
    return named


def _bought(
    customer: Customer,
    subscriptions: Sequence[Subscription],
    changes: Mapping[SubscriptionId, Sequence[Change]],
    versions: Versions,
    covered: Mapping[SubscriptionId, Sequence[Covered]],
) -> tuple[Bought, ...]:
    timelines = [Timeline(one, tuple(changes.get(one.id, ()))) for one in subscriptions]
    billed = {one.subscription.id: stretches(one, versions) for one in timelines}
    bases: dict[GroupId, tuple[Stretch, ...]] = {
        one.group_id: billed[one.id] for one in subscriptions if one.product_kind == "base"
    }
    return tuple(
        Bought(
            subscription=one.subscription,
            stretches=billed[one.subscription.id],
            base=bases.get(one.subscription.group_id, ()) if one.subscription.product_kind == "add_on" else (),
            versions=versions,
            zone=customer.time_zone,
            covered=tuple(covered.get(one.subscription.id, ())),
            cancelled_on=_cancelled_on(one),
        )
        for one in timelines
    )


def _cancelled_on(timeline: Timeline) -> date | None:
    days = [change.billing_on for change in live(timeline) if change.kind == "cancelled"]
    return min((on for on in days if on is not None), default=None)
