"""Moving a sandbox's clock: forward, from one instant at which something falls due to the next, doing it then."""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from billsmith.actions.billing.drafts import finalise_due_of
from billsmith.actions.billing.runs import bill_due_of
from billsmith.actions.calls import Call, ClockMoving, Outcome, answered_before, carry_out
from billsmith.actions.catalog_moves import carry_on_catalog_moves_of
from billsmith.actions.context import Context
from billsmith.actions.credits import expire_credits_of
from billsmith.actions.money.bulk import carry_on_bulk_refunds_of
from billsmith.actions.money.collect import collect_due_of
from billsmith.actions.money.recovery import recover_of
from billsmith.actions.money.refunds import refunds_due_of
from billsmith.actions.money.rumours import hear_changes_of, next_change
from billsmith.actions.objects import tenant_object
from billsmith.actions.saving import record_facts
from billsmith.actions.subscriptions.settling import settle_changes_of
from billsmith.core.facts import Fact
from billsmith.core.ids import TenantId, shard_of
from billsmith.core.tenants import Tenant, clock_moved
from billsmith.errors import Conflict
from billsmith.store import due as due_rows
from billsmith.store import tenants as tenant_rows
from billsmith.store.events import Cause
from billsmith.store.pool import Connection, DatabaseUnavailable
from billsmith.store.transaction import transact

CLOCK_HELD_FOR = timedelta(minutes=1)
"""How long an advance that gives no sign keeps a sandbox's clock; after each step it has as long again."""
MOST_ROUNDS = 10_000
"""Of looking at what is due at one instant. What never ends is a defect, and must not hold the clock for ever."""

Step = Callable[[datetime], None]

# What the worker does for those who live in the real time, by the sandbox's own clock, in this order at each instant.
DUE: tuple[Callable[[Context, Call], Awaitable[int]], ...] = (
    carry_on_catalog_moves_of,
    settle_changes_of,
    bill_due_of,
    finalise_due_of,
    hear_changes_of,
    recover_of,
    carry_on_bulk_refunds_of,
    refunds_due_of,
    collect_due_of,
    expire_credits_of,
)


class ClockStuck(Conflict):
    """At one instant there is always more to do; the clock stays there, and moving it again goes on."""

    code = "clock_stuck"


async def move_clock(
    context: Context, call: Call, to: datetime, *, jump: bool = False, on_step: Step | None = None
) -> Outcome[Tenant]:
    """Move a sandbox forward, standing still at every instant at which something falls due, to do it then.

    `jump` goes there at once and then works off what fell due. Other writes of the tenant are refused meanwhile. Cut
    off in the middle, it stands at one of those instants; moving it again goes on from there. Raises ClockNotMovable,
    ClockMoving.
    """
    if (before := await answered_before(context, call)) is not None:
        return before
    tenant, holder = await _hold_clock(context, call, to)
    step = msgspec.structs.replace(call, tenant=tenant, keyed=None, clock_holder=holder)
    try:
        if jump:
            tenant = (await _stand_at(context, step, to)).fresh
        await _work_off(context, msgspec.structs.replace(step, tenant=tenant))
        done_until = None
        while (due := await _next_due(context, tenant, to)) is not None:
            if done_until is not None and due <= done_until:
                raise _stuck(done_until)
            tenant = (await _stand_at(context, step, due)).fresh
            if on_step is not None:
                on_step(context.clock.of(tenant))
            await _work_off(context, msgspec.structs.replace(step, tenant=tenant))
            done_until = context.clock.of(tenant)
        last = msgspec.structs.replace(step, keyed=call.keyed)
        return await _stand_at(context, last, to, then_release=True)
    finally:
        with contextlib.suppress(DatabaseUnavailable):
            await tenant_rows.release_clock(context.pool, call.tenant.id, holder)


async def _next_due(context: Context, tenant: Tenant, to: datetime) -> datetime | None:
    """The next instant up to `to` at which something falls due here, or at a gateway."""
    instants = [await due_rows.next_due(context.pool, tenant.id), await next_change(context, tenant, to)]
    return min((at for at in instants if at is not None and at <= to), default=None)


async def _work_off(context: Context, step: Call) -> None:
    """Do all that is due at the instant at which the clock stands, and what that makes due at once."""
    holder = step.clock_holder
    assert holder is not None

    async def keep(connection: Connection) -> None:
        await _keep_clock(connection, context, step.tenant.id, holder)

    for _ in range(MOST_ROUNDS):
        done = 0
        for work in DUE:
            if looked_at := await work(context, step):
                await transact(context.pool, keep)
                done += looked_at
        if not done:
            return
    raise _stuck(context.clock.of(step.tenant))


def _stuck(at: datetime) -> ClockStuck:
    return ClockStuck(f"at {at.isoformat()} there is always more to do")


async def _hold_clock(context: Context, call: Call, to: datetime) -> tuple[Tenant, UUID]:
    """The tenant, and who holds its clock now: nobody else moves it or writes. Raises ClockNotMovable, ClockMoving."""
    holder = context.ids.new(shard_of(call.tenant.id))

    async def work(connection: Connection) -> tuple[Tenant, UUID]:
        tenant = await tenant_rows.lock_tenant(connection, call.tenant.id)
        assert tenant is not None
        clock_moved(tenant, to, context.clock.of(tenant))
        await _keep_clock(connection, context, tenant.id, holder)
        return tenant, holder

    return await transact(context.pool, work)


async def _keep_clock(connection: Connection, context: Context, tenant_id: TenantId, holder: UUID) -> None:
    at = context.clock.wall()
    if not await tenant_rows.hold_clock(connection, tenant_id, holder, at, at + CLOCK_HELD_FOR):
        raise ClockMoving("the clock of this sandbox is being moved already")


async def _stand_at(context: Context, call: Call, to: datetime, *, then_release: bool = False) -> Outcome[Tenant]:
    """The clock at `to`; where that is past, it stays: what fell due before today is done today."""
    holder = call.clock_holder
    assert holder is not None

    async def verb(connection: Connection, cause: Cause) -> Tenant:
        tenant = await tenant_rows.lock_tenant(connection, call.tenant.id)
        assert tenant is not None
        if tenant.clock_at is None or tenant.clock_at < to:
            now = context.clock.of(tenant)
            tenant = clock_moved(tenant, max(to, now), now)
            await tenant_rows.move_clock(connection, tenant)
            fact = Fact("tenant.clock_moved", tenant.id, tenant.version, tenant_object(tenant), None)
            await record_facts(connection, context, msgspec.structs.replace(cause, caused_at=tenant.clock_at), [fact])
        if then_release:
            await tenant_rows.release_clock(connection, tenant.id, holder)
        else:
            await _keep_clock(connection, context, tenant.id, holder)
        return tenant

    return await carry_out(context, call, verb)
