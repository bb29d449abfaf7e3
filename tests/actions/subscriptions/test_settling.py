"""What comes by itself: told when its time has come, once, in a sandbox by the clock that is moved."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from billsmith.actions.advance import move_clock
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.subscriptions.asking import QuantityChange, Resume
from billsmith.actions.subscriptions.reading import get_entitlement, get_timeline
from billsmith.actions.subscriptions.settling import settle_changes_due
from billsmith.clock import FixedClock
from billsmith.core.customers import Customer
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.changing import PlanChange
from billsmith.core.subscriptions.pausing import Pause
from billsmith.core.tenants import Tenant
from billsmith.store.pool import Pool
from billsmith.store.selling import subscriptions as subscription_rows
from tests.actions.made import customer, events, last_sequence
from tests.actions.subscriptions.made import asked, one, sell, told_of_subscriptions

TRIAL_ENDS = datetime(2026, 3, 28, 23, tzinfo=UTC)
"""Midnight of the 29th in Berlin: fourteen days on."""


@pytest.fixture(autouse=True)
async def catalogue(context: Context, call: Call) -> None:
    await sell(context, call)


async def test_a_trial_ends_at_its_instant_and_that_is_told_once(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool, clock: FixedClock
) -> None:
    made = await one(context, call, tim, "server-trial")
    assert made.next_change_at == TRIAL_ENDS
    before = await last_sequence(context, tenant)
    clock.at = TRIAL_ENDS - timedelta(seconds=1)
    await settle_changes_due(context)
    assert await told_of_subscriptions(context, tenant, before) == []
    clock.at = TRIAL_ENDS
    assert await settle_changes_due(context) >= 1
    await settle_changes_due(context)
    assert await told_of_subscriptions(context, tenant, before) == ["subscription.phase_reached"]
    row = (await subscription_rows.get_subscriptions(pool, tenant.id, [made.id]))[made.id]
    assert (row.status, row.phase, row.next_change_at) == ("active", 1, None)
    event = next(one_ for one_ in await events(context, tenant) if one_.type == "subscription.phase_reached")
    assert (event.actor, event.reason, event.data["status"]) == ("worker", "its time came", "active")


async def test_one_that_can_not_be_brought_to_its_state_stops_no_other(
    context: Context, call: Call, tenant: Tenant, pool: Pool, clock: FixedClock
) -> None:
    broken, *others = [await one(context, call, await customer(context, call), "server-trial") for _ in range(4)]
    poison = "UPDATE subscription_changes SET plan_version_id = $3 WHERE tenant_id = $1 AND subscription_id = $2"
    await pool.execute(poison, tenant.id, broken.id, context.ids.new(0))
    before = await last_sequence(context, tenant)
    clock.at = TRIAL_ENDS
    with pytest.raises(KeyError):
        await settle_changes_due(context)
    assert await told_of_subscriptions(context, tenant, before) == ["subscription.phase_reached"] * len(others)
    await pool.execute(poison, tenant.id, broken.id, broken.plan_version_id)
    await settle_changes_due(context)
    assert len(await told_of_subscriptions(context, tenant, before)) == 4


async def test_a_verb_that_comes_before_the_sweep_tells_first_what_had_come_by_itself(
    context: Context, call: Call, tenant: Tenant, tim: Customer, clock: FixedClock
) -> None:
    made = await one(context, call, tim, "server-trial")
    before = await last_sequence(context, tenant)
    clock.at = TRIAL_ENDS + timedelta(hours=1)
    await asked(context, call, made.id, QuantityChange(Decimal(2)))
    assert await told_of_subscriptions(context, tenant, before) == [
        "subscription.phase_reached",
        "subscription.quantity_changed",
    ]
    await settle_changes_due(context)
    assert len(await told_of_subscriptions(context, tenant, before)) == 2


async def test_an_advance_of_a_clock_tells_each_change_on_its_day(
    context: Context, sandbox: Tenant, pool: Pool
) -> None:
    call = Call(sandbox, "test", "req_test")
    await sell(context, call)
    ada = await customer(context, call, name="Ada", time_zone="Europe/Berlin")
    made = await one(context, call, ada, "server-trial", starts_on=date(2026, 3, 20))
    await asked(context, call, made.id, Pause(date(2026, 4, 10)))
    await asked(context, call, made.id, Resume(Pause(date(2026, 4, 20))))
    await asked(context, call, made.id, PlanChange("server-big", billing=date(2026, 5, 1)))
    await asked(context, call, made.id, Cancel(date(2026, 6, 1)))
    before = await last_sequence(context, sandbox)
    await move_clock(context, call, datetime(2026, 7, 1, tzinfo=UTC))
    found = [
        (event.type.removeprefix("subscription."), event.occurred_at.isoformat()[:13])
        for event in await events(context, sandbox, before)
        if event.type.startswith("subscription.")
    ]
    assert found == [
        ("started", "2026-03-19T23"),
        ("phase_reached", "2026-04-02T22"),
        ("paused", "2026-04-09T22"),
        ("resumed", "2026-04-19T22"),
        ("changed", "2026-04-30T22"),
        ("cancelled", "2026-05-31T22"),
    ]


async def test_entitlement_is_known_before_the_sweep_comes(
    context: Context, call: Call, tenant: Tenant, tim: Customer, clock: FixedClock
) -> None:
    made = await one(context, call, tim, "server-trial", starts_on=date(2026, 3, 20))
    starts_at = datetime(2026, 3, 19, 23, tzinfo=UTC)
    found = await get_entitlement(context, tenant, made.id)
    assert (found.entitled, found.since, found.until, found.status) == (False, None, starts_at, "pending")
    await asked(context, call, made.id, Cancel(date(2026, 5, 1)))
    clock.at = datetime(2026, 4, 10, tzinfo=UTC)
    found = await get_entitlement(context, tenant, made.id)
    assert (found.entitled, found.since, found.status) == (True, starts_at, "active")
    assert found.until == datetime(2026, 4, 30, 22, tzinfo=UTC)
    assert found.phase is not None
    assert (found.plan.code, found.phase.number, found.quantity) == ("server-trial", 1, 1)
    clock.at = datetime(2026, 5, 10, tzinfo=UTC)
    found = await get_entitlement(context, tenant, made.id)
    assert (found.entitled, found.since, found.until) == (False, datetime(2026, 4, 30, 22, tzinfo=UTC), None)


async def test_a_timeline_is_told_in_words_past_and_future(
    context: Context, call: Call, tenant: Tenant, tim: Customer, clock: FixedClock
) -> None:
    made = await one(context, call, tim, "server-trial", quantity=Decimal("2.50"))
    await asked(context, call, made.id, PlanChange("server-big", billing=date(2026, 5, 1), quantity=Decimal(10)))
    await asked(context, call, made.id, Cancel(date(2026, 6, 1)))
    clock.at += timedelta(days=20)
    entries = await get_timeline(context, tenant, made.id)
    assert [(entry.words, entry.effective) for entry in entries] == [
        ("begins on Server on trial (server-trial, version 1), quantity 2.5", True),
        ("the phase evergreen begins", True),
        ("goes on with Big server (server-big, version 1), quantity 10", False),
        ("ends", False),
    ]
