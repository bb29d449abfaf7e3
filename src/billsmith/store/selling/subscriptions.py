"""Subscriptions and their timelines. All writes are under the customers' locks."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from uuid import UUID

import asyncpg
import msgspec

from billsmith.core.ids import CustomerId, GroupId, SubscriptionId, TenantId, shard_of
from billsmith.core.subscriptions.subscription import Change, Subscription
from billsmith.store.customers import split_ids
from billsmith.store.labels import labels_of
from billsmith.store.listing import Filters, list_ids
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("subscriptions")
_FIELDS = Subscription.__struct_fields__
_BILLING = ("charged_through", "rework_from_on", "next_bill_on")
"""How far runs have come: what every renewal moves, in a narrow table of its own."""
_FIXED = tuple(name for name in _FIELDS if name not in _BILLING)
_COLUMNS = ("shard", "labels", *_FIXED)
_BILLING_COLUMNS = ("shard", "subscription_id", "tenant_id", "customer_id", *_BILLING)
_CHANGE_COLUMNS = ("shard", "tenant_id", "subscription_id", *Change.__struct_fields__)
_MOVING = (
    "status", "plan_version_id", "phase", "quantity", "starts_on", "ends_on", "next_change_at", "version",
)  # fmt: skip
"""What verbs move besides; the rest is fixed at creation, or a label."""

Billing = tuple[SubscriptionId, dict[str, date], date | None, date | None]
"""A subscription with `charged_through`, `rework_from_on` and `next_bill_on`."""

Dated = tuple[SubscriptionId, Change]
"""An entry with the timeline that it belongs to."""


async def insert_subscriptions(connection: Connection, subscriptions: Sequence[Subscription]) -> None:
    """New subscriptions; that their external ids are free was looked up before."""
    if not subscriptions:
        return
    records = [
        (shard_of(one.id), labels_of(one.tenant_id, one.tags, one.metadata), *_values(one, _FIXED))
        for one in subscriptions
    ]
    await connection.copy_records_to_table("subscriptions", records=records, columns=_COLUMNS)
    billing = [
        (shard_of(one.id), one.id, one.tenant_id, one.customer_id, *_values(one, _BILLING)) for one in subscriptions
    ]
    await connection.copy_records_to_table("subscription_billing", records=billing, columns=_BILLING_COLUMNS)


async def insert_changes(connection: Connection, tenant_id: TenantId, changes: Sequence[Dated]) -> None:
    """New entries of timelines, at positions that are free."""
    if not changes:
        return
    records = [(shard_of(id_), tenant_id, id_, *msgspec.structs.astuple(change)) for id_, change in changes]
    await connection.copy_records_to_table("subscription_changes", records=records, columns=_CHANGE_COLUMNS)


async def undo_changes(connection: Connection, tenant_id: TenantId, changes: Sequence[Dated]) -> None:
    """Store when these entries were undone."""
    if not changes:
        return
    columns = zip(*((shard_of(id_), id_, change.position, change.undone_at) for id_, change in changes), strict=True)
    await connection.execute(_SQL["undo_changes"], tenant_id, *map(list, columns))


async def update_subscriptions(
    connection: Connection, tenant_id: TenantId, subscriptions: Sequence[Subscription]
) -> None:
    """Store where subscriptions stand: everything but their labels. Each of them once."""
    if not subscriptions:
        return
    columns = zip(*((shard_of(one.id), one.id, *_values(one, _MOVING)) for one in subscriptions), strict=True)
    await connection.execute(_SQL["update_subscriptions"], tenant_id, *map(list, columns))
    await move_billing(connection, tenant_id, [billing_of(one) for one in subscriptions])


def billing_of(one: Subscription) -> Billing:
    """How far runs have come with a subscription."""
    return one.id, one.charged_through, one.rework_from_on, one.next_bill_on


async def move_billing(connection: Connection, tenant_id: TenantId, moved: Sequence[Billing]) -> None:
    """Store how far runs have come with subscriptions, each of them once. Under their customers' locks."""
    if not moved:
        return
    ids, *columns = zip(*moved, strict=True)
    await connection.execute(_SQL["move_billing"], tenant_id, [shard_of(id_) for id_ in ids], ids, *columns)


async def relabel_subscription(connection: Connection, subscription: Subscription) -> None:
    """Store its external id, metadata and tags."""
    await connection.execute(
        _SQL["relabel_subscription"],
        subscription.tenant_id,
        shard_of(subscription.id),
        subscription.id,
        subscription.external_id,
        subscription.metadata,
        subscription.tags,
        labels_of(subscription.tenant_id, subscription.tags, subscription.metadata),
        subscription.version,
    )


async def wake_customers_to_bill(
    connection: Connection, tenant_id: TenantId, bill_at: Mapping[CustomerId, datetime]
) -> None:
    """Have customers billed at these instants, unless they are already earlier. Under their locks."""
    if not bill_at:
        return
    ids = sorted(bill_at)
    await connection.execute(
        _SQL["wake_customers_to_bill"], tenant_id, [shard_of(id_) for id_ in ids], ids, [bill_at[id_] for id_ in ids]
    )


async def set_next_bill_at(
    connection: Connection, tenant_id: TenantId, bill_at: Mapping[CustomerId, datetime | None]
) -> None:
    """Have customers billed at these instants and not before; None: never by themselves. Under their locks."""
    ids = sorted(bill_at)
    await connection.execute(
        _SQL["set_next_bill_at"], tenant_id, [shard_of(id_) for id_ in ids], ids, [bill_at[id_] for id_ in ids]
    )


async def get_subscriptions(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]
) -> dict[UUID, Subscription]:
    """Those of the subscriptions that exist."""
    rows = await connection.fetch(_SQL["get_subscriptions"], tenant_id, *split_ids(ids))
    return {row["id"]: _subscription(row) for row in rows}


async def subscriptions_of_groups(
    connection: Connection | Pool, tenant_id: TenantId, group_ids: Iterable[GroupId]
) -> dict[GroupId, list[Subscription]]:
    """All members of these groups, cancelled ones too, oldest first."""
    rows = await connection.fetch(_SQL["subscriptions_of_groups"], tenant_id, *split_ids(group_ids))
    found: dict[GroupId, list[Subscription]] = {}
    for row in rows:
        found.setdefault(row["group_id"], []).append(_subscription(row))
    return found


async def unsettled_of_customers(
    connection: Connection, tenant_id: TenantId, customer_ids: Iterable[CustomerId]
) -> dict[CustomerId, list[Subscription]]:
    """The customers' subscriptions that may still change or be billed, oldest first; not what is over and settled."""
    rows = await connection.fetch(_SQL["unsettled_subscriptions_of_customers"], tenant_id, *split_ids(customer_ids))
    found: dict[CustomerId, list[Subscription]] = {}
    for row in rows:
        found.setdefault(row["customer_id"], []).append(_subscription(row))
    return found


async def due_of_customers(
    connection: Connection, tenant_id: TenantId, days: Mapping[CustomerId, date]
) -> dict[CustomerId, list[Subscription]]:
    """The subscriptions that a run by a day of each customer has to do with, oldest first."""
    shards, ids = split_ids(days)
    until = [days[CustomerId(id_)] for id_ in ids]
    rows = await connection.fetch(_SQL["due_subscriptions_of_customers"], tenant_id, shards, ids, until)
    found: dict[CustomerId, list[Subscription]] = {}
    for row in rows:
        found.setdefault(row["customer_id"], []).append(_subscription(row))
    return found


async def next_bill_days(
    connection: Connection, tenant_id: TenantId, days: Mapping[CustomerId, date]
) -> dict[CustomerId, date | None]:
    """When a run next has something to do for each customer, after a day."""
    shards, ids = split_ids(days)
    until = [days[CustomerId(id_)] for id_ in ids]
    rows = await connection.fetch(_SQL["next_bill_days_of_customers"], tenant_id, shards, ids, until)
    return {row["customer"]: row["next_on"] for row in rows}


async def get_changes(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[SubscriptionId]
) -> dict[SubscriptionId, list[Change]]:
    """The timelines of these subscriptions in the order of their positions, undone entries among them."""
    found: dict[SubscriptionId, list[Change]] = {}
    for row in await connection.fetch(_SQL["changes_of_subscriptions"], tenant_id, *split_ids(ids)):
        found.setdefault(row["subscription_id"], []).append(_change(row))
    return found


async def find_subscriptions(
    connection: Connection | Pool, tenant_id: TenantId, names: Sequence[tuple[CustomerId, str]]
) -> dict[tuple[CustomerId, str], SubscriptionId]:
    """Which subscriptions of these customers have these external ids."""
    if not names:
        return {}
    columns = zip(*((shard_of(customer_id), customer_id, name) for customer_id, name in names), strict=True)
    rows = await connection.fetch(_SQL["subscriptions_by_external_id"], tenant_id, *map(list, columns))
    return {(row["customer_id"], row["external_id"]): row["id"] for row in rows}


async def list_subscriptions(
    connection: Connection | Pool, tenant_id: TenantId, filters: Filters
) -> list[Subscription]:
    """A page of subscriptions, newest first; one more than asked for if there are more."""
    rows = await list_ids(connection, _SQL["list_subscriptions"], "subscriptions", tenant_id, filters)
    ids = [row["id"] for row in rows]
    found = await get_subscriptions(connection, tenant_id, ids)
    return [found[id_] for id_ in ids if id_ in found]


class DueChange(msgspec.Struct, frozen=True, gc=False):
    """A subscription of which something changes by itself."""

    tenant_id: TenantId
    customer_id: CustomerId
    group_id: GroupId
    subscription_id: SubscriptionId
    change_at: datetime


async def due_changes(
    connection: Connection | Pool, at: datetime, limit: int, after: DueChange | None = None
) -> list[DueChange]:
    """Of all who live in the real time, what changes by `at`, first to change first, from behind `after` on."""
    since = (
        (datetime.min.replace(tzinfo=UTC), UUID(int=0)) if after is None else (after.change_at, after.subscription_id)
    )
    return [DueChange(*row) for row in await connection.fetch(_SQL["due_subscriptions"], at, limit, *since)]


async def due_changes_of(
    connection: Connection | Pool, tenant_id: TenantId, at: datetime, limit: int
) -> list[DueChange]:
    """One tenant's subscriptions of which something changes by `at`, first to change first."""
    rows = await connection.fetch(_SQL["due_subscriptions_of_tenant"], tenant_id, at, limit)
    return [DueChange(*row) for row in rows]


def _values(subscription: Subscription, names: Sequence[str]) -> tuple[object, ...]:
    return tuple(getattr(subscription, name) for name in names)


def _subscription(row: asyncpg.Record) -> Subscription:
    return msgspec.convert(dict(row), Subscription)


def _change(row: asyncpg.Record) -> Change:
    fields = dict(row)
    del fields["subscription_id"]
    return msgspec.convert(fields, Change)
