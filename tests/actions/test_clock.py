"""A sandbox's clock: only forward, still where something is due, moved by one at a time, nobody writing meanwhile."""

import asyncio
from datetime import timedelta

import pytest

from billsmith.actions import credits, customers, tenants
from billsmith.actions.advance import CLOCK_HELD_FOR, move_clock
from billsmith.actions.calls import Call, ClockMoving
from billsmith.actions.context import Context
from billsmith.actions.credits import expire_credits
from billsmith.clock import FixedClock
from billsmith.core.customers import CustomerDetails
from billsmith.core.ids import show_id
from billsmith.core.tenants import ClockNotMovable, NewTenant, Tenant
from billsmith.store import tenants as tenant_rows
from billsmith.store.pool import Pool
from tests.actions.made import credit, customer, events, everything, keyed, last_sequence, moved, refused, told
from tests.conftest import NOON
from tests.invariants import assert_holds

DAY = timedelta(days=1)


@pytest.fixture
def at_noon(sandbox: Tenant) -> Call:
    """A call in the sandbox."""
    return Call(sandbox, "test", "req_test")


async def stands_at(context: Context, tenant: Tenant) -> object:
    return (await tenants.find_tenant(context, show_id("tenant", tenant.id))).clock_at


async def test_a_sandbox_lives_at_its_own_time(context: Context, at_noon: Call, clock: FixedClock) -> None:
    clock.at = NOON + 100 * DAY
    assert (await customer(context, at_noon)).created_at == NOON
    tenant = (await move_clock(context, at_noon, NOON + DAY)).fresh
    assert (tenant.clock_at, tenant.version) == (NOON + DAY, 2)
    # Who still has the tenant as it was before the move writes at the right time all the same.
    assert (await customer(context, at_noon)).created_at == NOON + DAY
    (event,) = [event for event in await events(context, tenant) if event.type == "tenant.clock_moved"]
    assert (event.occurred_at, event.object_version) == (NOON + DAY, 2)


async def test_it_only_moves_forward_and_never_for_live_tenants(
    context: Context, at_noon: Call, call: Call, pool: Pool
) -> None:
    await credit(context, at_noon, await customer(context, at_noon), 100, expires_at=NOON + DAY)
    await move_clock(context, at_noon, NOON + DAY / 2)
    async with refused(pool, at_noon.tenant, ClockNotMovable):
        await move_clock(context, at_noon, NOON)
    async with refused(pool, call.tenant, ClockNotMovable):
        await move_clock(context, call, NOON + 9 * DAY)


async def test_a_refused_move_does_not_work_off_what_is_overdue(
    context: Context, clock: FixedClock, pool: Pool
) -> None:
    tenant = await tenants.create_tenant(
        context, NewTenant(name="Real", currency="EUR", mode="sandbox"), "test", "req_test"
    )
    real = Call(tenant, "test", "req_test")
    await credit(context, real, await customer(context, real), 100, expires_at=NOON + DAY)
    clock.at = NOON + 3 * DAY
    async with refused(pool, tenant, ClockNotMovable):
        await move_clock(context, real, NOON + 2 * DAY)
    assert (await move_clock(context, real, NOON + 4 * DAY)).fresh.clock_at == NOON + 4 * DAY
    assert "credit.expired" in await told(context, tenant)


async def test_it_stands_still_at_every_instant_at_which_something_is_due_in_order(
    context: Context, at_noon: Call, pool: Pool
) -> None:
    owner = await customer(context, at_noon)
    late = await credit(context, at_noon, owner, 100, expires_at=NOON + 5 * DAY)
    soon = await credit(context, at_noon, owner, 200, expires_at=NOON + 2 * DAY)
    kept = await credit(context, at_noon, owner, 400, expires_at=NOON + 11 * DAY)
    start = await last_sequence(context, at_noon.tenant)
    await move_clock(context, at_noon, NOON + 10 * DAY)
    happened = [
        (event.type, event.occurred_at, event.object_id) for event in await events(context, at_noon.tenant, start)
    ]
    me = show_id("tenant", at_noon.tenant.id)
    # Events of one customer are in order among themselves; those of the tenant, too.
    assert [entry for entry in happened if entry[2] == me] == [
        ("tenant.clock_moved", NOON + days * DAY, me) for days in (2, 5, 10)
    ]
    assert [entry for entry in happened if entry[2] != me] == [
        ("credit.expired", NOON + 2 * DAY, show_id("credit", soon.id)),
        ("credit.expired", NOON + 5 * DAY, show_id("credit", late.id)),
    ]
    remaining = await credits.get_credit(context, at_noon.tenant, kept.id)
    assert remaining.remaining_minor == 400
    on = await pool.fetch("SELECT accounting_on FROM transfers WHERE tenant_id = $1 ORDER BY id", at_noon.tenant.id)
    assert [row[0] for row in on[-2:]] == [(NOON + 2 * DAY).date(), (NOON + 5 * DAY).date()]
    async with pool.acquire() as connection:
        await assert_holds(connection, at_noon.tenant.id)


async def test_a_jump_goes_there_at_once_and_then_works_off_what_is_due(context: Context, at_noon: Call) -> None:
    owner = await customer(context, at_noon)
    for days in (2, 5):
        await credit(context, at_noon, owner, 100, expires_at=NOON + days * DAY)
    start = await last_sequence(context, at_noon.tenant)
    tenant = (await move_clock(context, at_noon, NOON + 10 * DAY, jump=True)).fresh
    assert (tenant.clock_at, tenant.version) == (NOON + 10 * DAY, 2)
    happened = await told(context, tenant, start)
    assert happened == ["tenant.clock_moved", "credit.expired", "credit.expired"]


async def test_an_advance_that_was_cut_off_is_gone_on_with(
    context: Context, at_noon: Call, sandbox: Tenant, clock: FixedClock, pool: Pool
) -> None:
    owner = await customer(context, at_noon)
    for days in (2, 5):
        await credit(context, at_noon, owner, 100, expires_at=NOON + days * DAY)
    # A process that died right after it had moved the clock to the first due instant.
    holder = context.ids.new(0)
    async with pool.acquire() as connection:
        assert await tenant_rows.hold_clock(connection, sandbox.id, holder, clock.at, clock.at + CLOCK_HELD_FOR)
        await tenant_rows.move_clock(connection, moved(sandbox, NOON + 2 * DAY))
    async with refused(pool, sandbox, ClockMoving):
        await move_clock(context, at_noon, NOON + 10 * DAY)
    clock.at += CLOCK_HELD_FOR
    tenant = (await move_clock(context, at_noon, NOON + 10 * DAY)).fresh
    assert tenant.clock_at == NOON + 10 * DAY
    assert (await told(context, sandbox)).count("credit.expired") == 2


async def test_while_the_clock_is_held_other_writes_are_refused_and_change_nothing(
    context: Context, at_noon: Call, sandbox: Tenant, clock: FixedClock, pool: Pool, call: Call
) -> None:
    owner = await customer(context, at_noon)
    async with pool.acquire() as connection:
        await tenant_rows.hold_clock(connection, sandbox.id, context.ids.new(0), clock.at, clock.at + CLOCK_HELD_FOR)
    async with refused(pool, sandbox, ClockMoving):
        await customer(context, at_noon)
    async with refused(pool, sandbox, ClockMoving):
        await credit(context, keyed(at_noon, "one"), owner, 100)
    await customer(context, call)  # another tenant's writes go on
    clock.at += CLOCK_HELD_FOR
    await customer(context, at_noon)  # whoever held it gave no sign


async def test_an_advance_that_lost_its_clock_to_another_does_nothing_more(
    context: Context, at_noon: Call, sandbox: Tenant, clock: FixedClock, pool: Pool
) -> None:
    ours, theirs = context.ids.many(2, 0)
    async with pool.acquire() as connection:
        await tenant_rows.hold_clock(connection, sandbox.id, ours, clock.at, clock.at + CLOCK_HELD_FOR)
        clock.at += CLOCK_HELD_FOR
        assert await tenant_rows.hold_clock(connection, sandbox.id, theirs, clock.at, clock.at + CLOCK_HELD_FOR)
        assert not await tenant_rows.hold_clock(connection, sandbox.id, ours, clock.at, clock.at + CLOCK_HELD_FOR)
    step = Call(sandbox, "test", "req_test", clock_holder=ours)
    async with refused(pool, sandbox, ClockMoving):
        await customers.create_customer(context, step, CustomerDetails("Late"))
    async with pool.acquire() as connection:
        await tenant_rows.release_clock(connection, sandbox.id, ours)  # not ours any more: nothing happens
    async with refused(pool, sandbox, ClockMoving):
        await customer(context, at_noon)


async def test_of_two_advances_at_once_one_is_refused_and_the_clock_is_free_afterwards(
    context: Context, at_noon: Call, sandbox: Tenant
) -> None:
    owner = await customer(context, at_noon)
    for days in range(1, 9):
        await credit(context, at_noon, owner, 100, expires_at=NOON + days * DAY)
    ended = await asyncio.gather(
        *(move_clock(context, at_noon, NOON + 10 * DAY) for _ in range(4)), return_exceptions=True
    )
    assert {type(end).__name__ for end in ended} <= {"Outcome", "ClockMoving"}
    assert any(not isinstance(end, ClockMoving) for end in ended)
    assert (await told(context, sandbox)).count("credit.expired") == 8
    assert await stands_at(context, sandbox) == NOON + 10 * DAY
    await customer(context, at_noon)


async def test_writes_beside_an_advance_are_done_whole_or_refused(
    context: Context, at_noon: Call, sandbox: Tenant, pool: Pool
) -> None:
    owner = await customer(context, at_noon)
    for days in range(1, 9):
        await credit(context, at_noon, owner, 100, expires_at=NOON + days * DAY)
    advance = asyncio.create_task(move_clock(context, at_noon, NOON + 10 * DAY))
    made = []
    while not advance.done():
        try:
            made.append(await customer(context, at_noon))
        except ClockMoving:
            continue
    await advance
    # Nobody wrote at an instant on the way: before the advance, or after it.
    assert {one.created_at for one in made} <= {NOON, NOON + 10 * DAY}
    async with pool.acquire() as connection:
        await assert_holds(connection, sandbox.id)


async def test_an_advance_under_a_key_is_done_once(
    context: Context, at_noon: Call, sandbox: Tenant, pool: Pool
) -> None:
    first = await move_clock(context, keyed(at_noon, "advance"), NOON + DAY)
    assert first.answer is not None
    before = await everything(pool, sandbox)
    again = await move_clock(context, keyed(at_noon, "advance"), NOON + DAY)
    assert (again.replayed, again.answer) == (True, first.answer)
    assert await everything(pool, sandbox) == before


async def test_the_sweep_of_the_real_time_leaves_moved_sandboxes_alone(
    context: Context, at_noon: Call, call: Call, clock: FixedClock
) -> None:
    theirs = await credit(context, at_noon, await customer(context, at_noon), 100, expires_at=NOON + DAY)
    ours = await credit(context, call, await customer(context, call), 100, expires_at=NOON + DAY)
    clock.at = NOON + 2 * DAY
    await expire_credits(context)
    assert (await credits.get_credit(context, at_noon.tenant, theirs.id)).remaining_minor == 100
    assert (await credits.get_credit(context, call.tenant, ours.id)).remaining_minor == 0
