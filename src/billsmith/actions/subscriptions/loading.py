"""Loading groups of subscriptions with all that decisions about them need, under their customers' locks."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from billsmith.actions.saving import CustomerNotFound
from billsmith.core.catalog.plans import PlanVersion
from billsmith.core.customers import Customer
from billsmith.core.ids import CustomerId, GroupId, PlanVersionId, SubscriptionId, show_id
from billsmith.core.subscriptions.group import Group, SubscriptionNotThere
from billsmith.core.subscriptions.subscription import Subscription
from billsmith.core.subscriptions.timeline import Timeline, versions_named
from billsmith.core.tenants import Tenant
from billsmith.store import customers as customer_rows
from billsmith.store.pool import Connection, Pool
from billsmith.store.selling import catalog as catalog_rows
from billsmith.store.selling import subscriptions as subscription_rows


async def read_subscription(connection: Connection | Pool, tenant: Tenant, id_: UUID) -> Subscription:
    """Raises SubscriptionNotThere."""
    found = await subscription_rows.get_subscriptions(connection, tenant.id, [id_])
    if id_ not in found:
        raise SubscriptionNotThere(f"there is no subscription {show_id('subscription', id_)}")
    return found[id_]


async def lock_customer(connection: Connection, tenant: Tenant, id_: CustomerId) -> Customer:
    """The customer, locked. Raises CustomerNotFound."""
    found = await customer_rows.lock_customers(connection, tenant.id, [id_])
    if id_ not in found:
        raise CustomerNotFound(f"there is no customer {show_id('customer', id_)}", pointer="/customer")
    return found[id_]


async def lock_group_of(connection: Connection, tenant: Tenant, id_: UUID, at: datetime) -> Group:
    """The group that a subscription belongs to, its customer locked. Raises SubscriptionNotThere."""
    first = await read_subscription(connection, tenant, id_)
    customer = await lock_customer(connection, tenant, first.customer_id)
    return (await load_groups(connection, tenant, {first.group_id: customer}, at))[first.group_id]


async def lock_groups_of(
    connection: Connection, tenant: Tenant, ids: Iterable[SubscriptionId], at: datetime
) -> dict[SubscriptionId, Group]:
    """The groups that subscriptions belong to, their customers locked; one that isn't there is left out."""
    rows = await subscription_rows.get_subscriptions(connection, tenant.id, ids)
    customers = await customer_rows.lock_customers(connection, tenant.id, {one.customer_id for one in rows.values()})
    owners = {one.group_id: customers[one.customer_id] for one in rows.values()}
    groups = await load_groups(connection, tenant, owners, at)
    return {one.id: groups[one.group_id] for one in rows.values()}


async def load_groups(
    connection: Connection | Pool, tenant: Tenant, owners: Mapping[GroupId, Customer], at: datetime
) -> dict[GroupId, Group]:
    """Those of the groups that have members, as they are at an instant; each with its customer."""
    rows = await subscription_rows.subscriptions_of_groups(connection, tenant.id, owners)
    timelines = await load_timelines(connection, tenant, [one for members in rows.values() for one in members])
    versions = await catalog_rows.get_versions(connection, tenant.id, versions_named(timelines.values()))
    catalog = await catalog_rows.get_catalog(connection, tenant.id)
    groups = {}
    for group_id, members in rows.items():
        ordered = sorted(members, key=lambda one: (one.product_kind == "add_on", one.id))  # the base comes first
        own = tuple(timelines[one.id] for one in ordered)
        named = {id_: versions[id_] for id_ in versions_named(own)}
        groups[group_id] = Group(owners[group_id], own, named, catalog, at)
    return groups


async def load_timelines(
    connection: Connection | Pool, tenant: Tenant, subscriptions: Sequence[Subscription]
) -> dict[SubscriptionId, Timeline]:
    """These subscriptions with their changes."""
    changes = await subscription_rows.get_changes(connection, tenant.id, [one.id for one in subscriptions])
    return {one.id: Timeline(one, tuple(changes[one.id])) for one in subscriptions}


async def versions_of(
    connection: Connection | Pool, tenant: Tenant, subscriptions: Iterable[Subscription]
) -> dict[PlanVersionId, PlanVersion]:
    """The plan versions that subscriptions are on, by id."""
    return await catalog_rows.get_versions(connection, tenant.id, {one.plan_version_id for one in subscriptions})
