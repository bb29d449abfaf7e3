"""Looking at subscriptions: one, a page of them, what their customers may use, and their timelines in words."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from msgspec.structs import replace

from billsmith.actions.context import Context
from billsmith.actions.subscriptions.loading import load_timelines, read_subscription, versions_of
from billsmith.actions.subscriptions.objects import (
    EntitlementObject,
    SubscriptionObject,
    TimelineEntryObject,
    phase_reference,
    plan_reference,
    subscription_object,
)
from billsmith.actions.subscriptions.saving import Done
from billsmith.actions.subscriptions.telling import told
from billsmith.core.ids import CustomerId, GroupId, show_id
from billsmith.core.subscriptions.entitlement import entitlement_at
from billsmith.core.subscriptions.group import SubscriptionNotThere
from billsmith.core.subscriptions.subscription import Subscription
from billsmith.core.subscriptions.timeline import Timeline, Versions, versions_named
from billsmith.core.tenants import Tenant
from billsmith.store import customers as customer_rows
from billsmith.store.listing import Filters
from billsmith.store.selling import catalog as catalog_rows
from billsmith.store.selling import subscriptions as subscription_rows


class Known(msgspec.Struct, frozen=True, gc=False):
    """A subscription with its timeline, what that names, and the time zone that its days are in."""

    timeline: Timeline
    versions: Versions
    zone: str


async def get_subscription(context: Context, tenant: Tenant, id_: UUID, *, add_ons: bool = False) -> SubscriptionObject:
    """The subscription as it is shown, if asked for with the add-ons of its group. Raises SubscriptionNotThere."""
    row = await read_subscription(context.pool, tenant, id_)
    return (await _shown(context, tenant, [row], add_ons=add_ons))[0]


async def group_exists(context: Context, tenant: Tenant, id_: UUID) -> None:
    """Raises SubscriptionNotThere where the tenant has no such group."""
    if not await subscription_rows.subscriptions_of_groups(context.pool, tenant.id, [GroupId(id_)]):
        raise SubscriptionNotThere(f"there is no group {show_id('group', id_)}")


async def list_subscriptions(
    context: Context, tenant: Tenant, filters: Filters, *, add_ons: bool = False
) -> list[SubscriptionObject]:
    """A page of subscriptions, newest first; one more than asked for if there are more. Raises FilterTooBroad.

    `plan` among the filters means every version of the plan with that code.
    """
    if (code := filters.equal.get("plan")) is not None:
        plan = (await catalog_rows.get_catalog(context.pool, tenant.id)).plans.get(code)
        if plan is None:
            return []
        others = {name: value for name, value in filters.equal.items() if name != "plan"}
        ids = [version.id for version in plan.versions]
        filters = replace(filters, equal={**others, "plan_version_id": ids})
    rows = await subscription_rows.list_subscriptions(context.pool, tenant.id, filters)
    return await _shown(context, tenant, rows, add_ons=add_ons)


async def newest_subscriptions(
    context: Context, tenant: Tenant, limit: int, customer_id: CustomerId | None, **equal: str | None
) -> list[SubscriptionObject]:
    """The newest, hidden ones too, of a customer or of all, with these values where they are said."""
    said = {name: value for name, value in equal.items() if value is not None}
    filters = Filters(limit, customer_id=customer_id, equal=said, hidden=True)
    return (await list_subscriptions(context, tenant, filters))[:limit]


async def get_entitlement(context: Context, tenant: Tenant, id_: UUID) -> EntitlementObject:
    """Whether it may be used now. Raises SubscriptionNotThere."""
    known = await _known(context, tenant, id_)
    row, at = known.timeline.subscription, context.clock.of(tenant)
    found = entitlement_at(known.timeline, known.versions, at, known.zone)
    version = known.versions[found.state.plan_version_id]
    return EntitlementObject(
        subscription=show_id("subscription", row.id),
        customer=show_id("customer", row.customer_id),
        entitled=found.state.entitled,
        since=found.since,
        until=found.until,
        status=found.state.status,
        plan=plan_reference(version),
        phase=phase_reference(version, found.state.phase),
        quantity=found.state.quantity,
        at=at,
    )


async def get_timeline(context: Context, tenant: Tenant, id_: UUID) -> list[TimelineEntryObject]:
    """Everything that happened to it and is going to, in order. Raises SubscriptionNotThere."""
    known = await _known(context, tenant, id_)
    return told(known.timeline, known.versions, context.clock.of(tenant), known.zone)


def done_object(done: Done) -> SubscriptionObject:
    """What a verb came to as it is shown: the subscription, a base with its add-ons, and what was billed at once."""
    row = done.subscription
    add_ons = tuple(
        member.subscription for member in done.group.members if member.subscription.product_kind == "add_on"
    )
    shown = subscription_object(row, done.group.versions, add_ons if row.product_kind == "base" else None)
    invoices = tuple(show_id("invoice", document.invoice.id) for document in done.documents)
    return replace(shown, invoices=invoices)


async def _known(context: Context, tenant: Tenant, id_: UUID) -> Known:
    async with context.pool.acquire() as connection:
        row = await read_subscription(connection, tenant, id_)
        customer = (await customer_rows.get_customers(connection, tenant.id, [row.customer_id]))[row.customer_id]
        timeline = (await load_timelines(connection, tenant, [row]))[row.id]
        versions = await catalog_rows.get_versions(connection, tenant.id, versions_named([timeline]))
    return Known(timeline, versions, customer.time_zone)


async def _shown(
    context: Context, tenant: Tenant, rows: Sequence[Subscription], *, add_ons: bool
) -> list[SubscriptionObject]:
    others: dict[GroupId, list[Subscription]] = {}
    if add_ons and rows:
        wanted = {row.group_id for row in rows if row.product_kind == "base"}
        others = await subscription_rows.subscriptions_of_groups(context.pool, tenant.id, wanted)
    everyone = [*rows, *(one for members in others.values() for one in members)]
    versions = await versions_of(context.pool, tenant, everyone)
    return [
        subscription_object(
            row,
            versions,
            tuple(one for one in others.get(row.group_id, ()) if one.id != row.id) if add_ons else None,
        )
        for row in rows
    ]
