"""What the catalogue does to subscribers: moved to a new version, cancelled with their plan. Workers carry it on.

Whom it is about is looked up on the day from which the version is sold, so that nobody is left out who came before.
A few hundred are done in one transaction, which notes what became of each: one that was cut off was not done at all.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import msgspec

from billsmith.actions.calls import Call, ClockMoving, carry_out
from billsmith.actions.catalog import CANCEL, MOVE
from billsmith.actions.context import Context
from billsmith.actions.money.sweeping import in_halves
from billsmith.actions.saving import record_facts
from billsmith.actions.subscriptions.asking import Asked, VersionMove, decided
from billsmith.actions.subscriptions.loading import lock_groups_of
from billsmith.actions.subscriptions.saving import save_altered
from billsmith.core.catalog.plans import PlanVersion
from billsmith.core.customers import not_deleted
from billsmith.core.facts import Fact
from billsmith.core.ids import GroupId, OperationId, PlanVersionId, SubscriptionId, TenantId, read_id, shard_of, show_id
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.days import When
from billsmith.core.subscriptions.group import Altered, Group, member_of
from billsmith.core.subscriptions.timeline import OVER, Timeline
from billsmith.core.tenants import Tenant
from billsmith.core.time_zones import local_day
from billsmith.errors import BillsmithError
from billsmith.store import operations as operation_rows
from billsmith.store import tenants as tenant_rows
from billsmith.store.events import Cause
from billsmith.store.operations import EndedItem
from billsmith.store.pool import Connection
from billsmith.store.selling import catalog as catalog_rows
from billsmith.store.transaction import transact

LEASE = timedelta(minutes=2)
LOOK_AGAIN_AFTER = timedelta(minutes=1)
"""When a version that is not sold yet is looked at again."""
ITEMS_AT_ONCE = 500
OPERATIONS_AT_ONCE = 4
PAGE = 5_000

Told = dict[str, Any]
Wanted = Callable[[Timeline], Asked | None]
"""What is asked of a subscription; None: it is left alone."""


async def carry_on_catalog_moves(context: Context) -> int:
    """Work on some subscriptions of operations that nobody else is carrying on; how many."""
    done = 0
    for kind in (MOVE, CANCEL):

        async def lease(connection: Connection, kind: str = kind) -> list[tuple[TenantId, OperationId]]:
            wall = context.clock.wall()
            return await operation_rows.lease_operations(connection, kind, wall, wall + LEASE, OPERATIONS_AT_ONCE)

        leased = await transact(context.pool, lease)
        owners = await tenant_rows.get_tenants(context.pool, {tenant_id for tenant_id, _ in leased})
        for tenant_id, id_ in leased:
            done += await _carry_on(context, _worker(context, owners[tenant_id]), kind, id_)
    return done


async def carry_on_catalog_moves_of(context: Context, call: Call) -> int:
    """Work on what is due of one tenant by its own clock, whoever has a lease: each subscription is done once."""
    running = await operation_rows.running_operations(context.pool, call.tenant.id, (MOVE, CANCEL))
    return sum([await _carry_on(context, call, operation.kind, operation.id) for operation in running])


def _worker(context: Context, tenant: Tenant) -> Call:
    return Call(tenant, "worker", show_id("request", context.ids.new(shard_of(tenant.id))))


async def _carry_on(context: Context, call: Call, kind: str, id_: OperationId) -> int:
    tenant = call.tenant
    operation = await operation_rows.get_operation(context.pool, tenant.id, id_)
    assert operation is not None, "an operation is never deleted"
    asked = operation.input or {}
    call = msgspec.structs.replace(call, actor=asked.get("actor") or call.actor, reason=asked.get("reason"), keyed=None)
    if not _is_due(context, tenant, asked):
        await operation_rows.extend_lease(context.pool, tenant.id, id_, context.clock.wall() + LOOK_AGAIN_AFTER)
        return 0
    versions = await _versions_left(context, tenant, asked)
    await _gather(context, tenant, id_, [version.id for version in versions])
    wanted = await _wanted(context, tenant, kind, asked, {version.id for version in versions})
    waiting = await operation_rows.waiting_items(context.pool, tenant.id, id_, ITEMS_AT_ONCE)
    items = [SubscriptionId(item.item_id) for item in waiting]

    async def work(some: Sequence[SubscriptionId]) -> int:
        return await _do(context, call, id_, some, wanted)

    async def refuse(one: SubscriptionId, error: Exception) -> None:
        detail = {"code": "internal_error", "detail": f"{type(error).__name__}: {error}"[:500]}
        await operation_rows.end_items(context.pool, tenant.id, id_, [(one, "refused", detail)])

    try:
        done = await in_halves(items, work, refuse)
    except ClockMoving:
        return 0  # when the lease has passed
    if len(items) < ITEMS_AT_ONCE:
        await _complete(context, call, kind, id_)
    else:
        await operation_rows.extend_lease(context.pool, tenant.id, id_, context.clock.wall())  # anybody may go on
    return done


def _is_due(context: Context, tenant: Tenant, asked: Told) -> bool:
    """Whether the day has come from which the new version is sold."""
    sold_from = asked.get("effective_on")
    return sold_from is None or date.fromisoformat(sold_from) <= local_day(context.clock.of(tenant), tenant.time_zone)


async def _versions_left(context: Context, tenant: Tenant, asked: Told) -> list[PlanVersion]:
    """The versions whose subscribers are meant: those before the new one, or all."""
    plan = (await catalog_rows.get_catalog(context.pool, tenant.id)).plans[asked["plan"]]
    if "plan_version" not in asked:
        return list(plan.versions)
    ids = [version.id for version in plan.versions]
    return list(plan.versions[: ids.index(PlanVersionId(read_id("plan_version", asked["plan_version"])))])


async def _gather(context: Context, tenant: Tenant, id_: OperationId, versions: list[PlanVersionId]) -> None:
    """Note whom it is about: once, all of them or none."""

    async def work(connection: Connection) -> None:
        await operation_rows.extend_lease(connection, tenant.id, id_, context.clock.wall() + LEASE)  # one at a time
        if await operation_rows.has_items(connection, tenant.id, id_):
            return
        after: UUID | None = None
        while page := await catalog_rows.subscribers_of(connection, tenant.id, versions, after, PAGE):
            await operation_rows.insert_items(connection, tenant.id, id_, page)
            after = page[-1].item_id

    await transact(context.pool, work)


async def _wanted(context: Context, tenant: Tenant, kind: str, asked: Told, versions: set[PlanVersionId]) -> Wanted:
    """What is done to each; one that has left these versions, or ended, is left alone."""
    version: PlanVersion | None = None
    when: When = cast(When, asked.get("policy", "end_of_term"))
    if kind == MOVE:
        version_id = PlanVersionId(read_id("plan_version", asked["plan_version"]))
        version = (await catalog_rows.get_versions(context.pool, tenant.id, [version_id]))[version_id]
        when = "end_of_term" if asked["moves_on"] is None else date.fromisoformat(asked["moves_on"])

    def wanted(timeline: Timeline) -> Asked | None:
        row = timeline.subscription
        if row.status in OVER or row.plan_version_id not in versions:
            return None
        if version is not None:
            return VersionMove(version, when, _own_prices(timeline, version))
        return Cancel(billing=when)

    return wanted


def _own_prices(timeline: Timeline, version: PlanVersion) -> dict[str, Decimal] | None:
    """What was agreed with this customer holds on, for charges that there still are."""
    agreed = [
        change.prices
        for change in timeline.changes
        if change.undone_at is None and change.plan_version_id == timeline.subscription.plan_version_id
    ]
    codes = {charge.code for phase in version.phases for charge in phase.charges}
    prices = (agreed[-1] if agreed else None) or {}
    return {code: price for code, price in prices.items() if code in codes} or None


async def _do(context: Context, call: Call, id_: OperationId, items: Sequence[SubscriptionId], wanted: Wanted) -> int:
    """Do it to some that nobody else did it to, and note what became of each, in one transaction; how many."""
    tenant = call.tenant

    async def verb(connection: Connection, cause: Cause) -> int:
        # Held by its row until the commit: whoever else carries it on, or cancels it, waits.
        if not await operation_rows.extend_lease(connection, tenant.id, id_, context.clock.wall() + LEASE):
            return 0  # cancelled meanwhile
        waiting = await operation_rows.waiting_of(connection, tenant.id, id_, items)
        groups = await lock_groups_of(connection, tenant, waiting, cause.caused_at)
        altered, ended = _decided(groups, waiting, wanted)
        if altered:
            await save_altered(connection, context, cause, altered)
        await operation_rows.end_items(connection, tenant.id, id_, ended)
        return len(ended)

    return (await carry_out(context, call, verb)).fresh


def _decided(
    groups: dict[SubscriptionId, Group], items: Sequence[SubscriptionId], wanted: Wanted
) -> tuple[list[Altered], list[EndedItem]]:
    """What is to be saved, and what became of each; of a group's members each finds it as the one before left it."""
    now: dict[GroupId, Group] = {}
    altered: list[Altered] = []
    ended: list[EndedItem] = []
    for id_ in items:
        group_id = groups[id_].lead.subscription.group_id
        group = now.get(group_id, groups[id_])
        asked = wanted(member_of(group, id_))
        if asked is None:
            ended.append((id_, "done", {"left_alone": "it has ended, or is not on what this is about any more"}))
            continue
        try:
            not_deleted(group.customer)
            one = decided(group, id_, asked)
        except BillsmithError as error:
            ended.append((id_, "refused", {"code": error.code, "detail": error.detail}))
            continue
        now[group_id] = one.group
        altered.append(one)
        on = [change.billing_on for changed_id, change in one.added if changed_id == id_]
        ended.append((id_, "done", {"from": on[0].isoformat() if on and on[0] is not None else None}))
    return altered, ended


async def _complete(context: Context, call: Call, kind: str, id_: OperationId) -> None:
    tenant = call.tenant

    async def verb(connection: Connection, cause: Cause) -> None:
        operation = await operation_rows.get_operation(connection, tenant.id, id_)
        if operation is None or operation.status != "running":
            return
        await operation_rows.finish_operation(connection, tenant.id, id_, cause.caused_at)
        counts = await operation_rows.count_items(connection, tenant.id, id_)
        items = {f"{one.status} {one.currency}": one.items for one in counts}
        told = {"id": show_id("operation", id_), "kind": kind, "items": items}
        await record_facts(connection, context, cause, [Fact("operation.completed", id_, 2, told, None)])

    await carry_out(context, call, verb)
