"""What the catalogue does to subscribers: moved at their renewal or on a day, kept, or cancelled with their plan."""

import asyncio
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billsmith.actions import advance, catalog_moves
from billsmith.actions import catalog as catalogs
from billsmith.actions.calls import Call
from billsmith.actions.catalog import Applied
from billsmith.actions.catalog_moves import carry_on_catalog_moves
from billsmith.actions.context import Context
from billsmith.actions.subscriptions.loading import lock_group_of
from billsmith.core.catalog.given import catalog_given
from billsmith.core.customers import Customer
from billsmith.core.ids import OperationId, SubscriptionId
from billsmith.core.subscriptions.group import member_of
from billsmith.core.subscriptions.subscription import Change
from billsmith.core.subscriptions.timeline import Timeline
from billsmith.core.tenants import Tenant
from billsmith.store import operations as operation_rows
from billsmith.store.operations import OperationItem
from billsmith.store.pool import Pool
from tests.actions.made import customer, everything
from tests.actions.subscriptions.made import CLOUD, one, sell, started, told_of_subscriptions
from tests.invariants import assert_holds


def dearer(plan: str, price: str, **fields: Any) -> dict[str, Any]:
    """A plan with another price."""
    entry = deepcopy(CLOUD["plans"][plan])
    entry["phases"][-1]["charges"][0]["prices"]["EUR"] = price
    return {"plans": {plan: entry | fields}}


async def apply(context: Context, call: Call, document: Any) -> Applied:
    """Apply a document."""
    return (await catalogs.apply_catalog(context, call, catalog_given(document))).fresh


async def items(context: Context, tenant: Tenant, id_: OperationId) -> list[OperationItem]:
    """What became of each item."""
    return await operation_rows.list_items(context.pool, tenant.id, id_, None, None, 100)


async def timeline(context: Context, tenant: Tenant, id_: SubscriptionId) -> Timeline:
    """A subscription with its changes."""
    async with context.pool.acquire() as connection, connection.transaction():
        return member_of(await lock_group_of(connection, tenant, id_, context.clock.wall()), id_)


async def last_change(context: Context, tenant: Tenant, id_: SubscriptionId) -> Change:
    """The newest entry of a timeline."""
    return (await timeline(context, tenant, id_)).changes[-1]


async def test_subscribers_are_moved_at_their_renewal_and_those_of_other_plans_are_left_alone(
    context: Context, call: Call, tim: Customer
) -> None:
    await sell(context, call)
    moved, other = await one(context, call, tim), await one(context, call, tim, "server-big")
    made = await apply(context, call, dearer("server", "25", moves="at_renewal"))
    assert [(one_.version, one_.subscribers, one_.becomes) for one_ in made.made.plans[0].subscribers] == [
        (1, 1, "at_renewal")
    ]
    while await carry_on_catalog_moves(context):
        pass
    operation = made.operations["server"]
    assert [(item.item_id, item.status) for item in await items(context, call.tenant, operation)] == [
        (moved.id, "done")
    ]
    found = await operation_rows.get_operation(context.pool, call.tenant.id, operation)
    assert found is not None
    assert found.status == "completed"
    change = await last_change(context, call.tenant, moved.id)
    version = made.catalog.plans["server"].versions[-1]
    row = (await timeline(context, call.tenant, moved.id)).subscription
    renewal = row.charged_through_on or date(2026, 3, 15)
    assert (change.kind, change.plan_version_id, change.billing_on) == ("plan_changed", version.id, renewal)
    assert (await last_change(context, call.tenant, other.id)).kind == "created"


async def test_subscribers_are_moved_on_the_day_that_was_said_with_the_prices_agreed_with_them(
    context: Context, call: Call, tim: Customer
) -> None:
    await sell(context, call)
    agreed = await one(context, call, tim, prices={"server": Decimal(15)})
    await apply(context, call, dearer("server", "25", moves="at_date", moves_on="2026-05-01"))
    while await carry_on_catalog_moves(context):
        pass
    change = await last_change(context, call.tenant, agreed.id)
    assert (change.kind, change.billing_on, change.prices) == (
        "plan_changed", date(2026, 5, 1), {"server": Decimal(15)},
    )  # fmt: skip


async def test_who_comes_before_the_version_is_sold_is_moved_too(
    context: Context, call: Call, tim: Customer, clock: Any
) -> None:
    await sell(context, call)
    await one(context, call, tim)
    new = dearer("server", "25", effective_on="2026-03-20", moves="at_date", moves_on="2026-04-01")
    operation = (await apply(context, call, new)).operations["server"]
    assert await carry_on_catalog_moves(context) == 0
    await one(context, call, tim)
    assert await items(context, call.tenant, operation) == []
    clock.at += timedelta(days=5)
    assert await carry_on_catalog_moves(context) == 2
    assert [item.status for item in await items(context, call.tenant, operation)] == ["done", "done"]


async def test_without_being_asked_subscribers_stay_on_their_version(
    context: Context, call: Call, tim: Customer, pool: Pool
) -> None:
    await sell(context, call)
    kept = await one(context, call, tim)
    assert (await apply(context, call, dearer("server", "25"))).operations == {}
    assert await carry_on_catalog_moves(context) == 0
    assert (await last_change(context, call.tenant, kept.id)).kind == "created"
    before = await everything(pool, call.tenant)
    later = await apply(context, call, dearer("server", "25"))
    assert later.made.is_empty
    assert {table for table, rows in (await everything(pool, call.tenant)).items() if rows != before[table]} == {
        "causes"
    }


async def test_a_retired_plan_cancels_its_subscribers_if_asked_to_each_with_its_own_result(
    context: Context, call: Call, tim: Customer
) -> None:
    await sell(context, call)
    first, second = await one(context, call, tim), await one(context, call, await customer(context, call))
    retired = (await catalogs.retire_plan(context, call, "server", "immediate")).fresh
    assert retired.operation is not None
    while await carry_on_catalog_moves(context):
        pass
    assert {item.item_id: item.status for item in await items(context, call.tenant, retired.operation)} == {
        first.id: "done", second.id: "done",
    }  # fmt: skip
    for id_ in (first.id, second.id):
        assert (await last_change(context, call.tenant, id_)).kind == "cancelled"


async def test_workers_at_once_move_each_subscriber_once(
    context: Context, call: Call, tim: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a lease ran out while its holder was still at it."""
    monkeypatch.setattr(catalog_moves, "LEASE", timedelta(0))
    monkeypatch.setattr(catalog_moves, "ITEMS_AT_ONCE", 3)
    await sell(context, call)
    moved = [await one(context, call, tim) for _ in range(8)]
    operation = (await apply(context, call, dearer("server", "25", moves="at_renewal"))).operations["server"]
    done = 0
    while ended := sum(await asyncio.gather(*(carry_on_catalog_moves(context) for _ in range(4)))):
        done += ended
    assert done == len(moved)
    assert {item.status for item in await items(context, call.tenant, operation)} == {"done"}
    for subscription in moved:
        changes = (await timeline(context, call.tenant, subscription.id)).changes
        assert [change.kind for change in changes] == ["created", "plan_changed"]


async def test_one_that_can_not_be_moved_stops_no_other_and_says_why(
    context: Context, call: Call, tim: Customer, pool: Pool
) -> None:
    await sell(context, call)
    subscriptions = [await one(context, call, tim) for _ in range(5)]
    broken, priceless = subscriptions[1], subscriptions[3]
    operation = (await apply(context, call, dearer("server", "25", moves="at_renewal"))).operations["server"]
    on = "UPDATE subscription_changes SET plan_version_id = $3 WHERE tenant_id = $1 AND subscription_id = $2"
    sold_in = "UPDATE subscriptions SET currency = $3 WHERE tenant_id = $1 AND id = $2"
    await pool.execute(on, call.tenant.id, broken.id, call.tenant.id)  # a version that there is not
    await pool.execute(sold_in, call.tenant.id, priceless.id, "CHF")
    while await carry_on_catalog_moves(context):
        pass
    found = {item.item_id: item for item in await items(context, call.tenant, operation)}
    assert {id_ for id_, item in found.items() if item.status == "refused"} == {broken.id, priceless.id}
    assert (found[priceless.id].detail or {})["code"] == "currency_without_price"
    assert (found[broken.id].detail or {})["code"] == "internal_error"
    for subscription in (subscriptions[0], subscriptions[2], subscriptions[4]):
        assert (await last_change(context, call.tenant, subscription.id)).kind == "plan_changed"
    await pool.execute(on, call.tenant.id, broken.id, broken.plan_version_id)
    await pool.execute(sold_in, call.tenant.id, priceless.id, "EUR")


async def test_several_of_one_group_are_ended_in_one_go(context: Context, call: Call, tim: Customer) -> None:
    await sell(context, call)
    ids = (await started(context, call, tim, "server", "backup", "backup")).ids
    retired = (await catalogs.retire_plan(context, call, "backup", "immediate")).fresh
    assert retired.operation is not None
    while await carry_on_catalog_moves(context):
        pass
    assert [(await last_change(context, call.tenant, id_)).kind for id_ in ids] == ["created", "cancelled", "cancelled"]
    told = await told_of_subscriptions(context, call.tenant)
    assert told.count("subscription.cancelled") == 2
    await assert_holds(context.pool, call.tenant.id)


async def test_a_subscription_that_left_its_version_meanwhile_is_left_alone(
    context: Context, call: Call, tim: Customer, pool: Pool
) -> None:
    await sell(context, call)
    gone = await one(context, call, tim)
    operation = (await apply(context, call, dearer("server", "25", moves="at_renewal"))).operations["server"]
    await pool.execute("UPDATE subscriptions SET status = 'cancelled' WHERE tenant_id = $1", call.tenant.id)
    while await carry_on_catalog_moves(context):
        pass
    assert await items(context, call.tenant, operation) == []
    await pool.execute("UPDATE subscriptions SET status = 'active' WHERE tenant_id = $1", call.tenant.id)
    assert (await last_change(context, call.tenant, gone.id)).kind == "created"


async def test_a_sandbox_moves_its_subscribers_on_the_day_that_its_clock_reaches(
    context: Context, sandbox: Tenant
) -> None:
    """Before that day is billed: who renews on it renews at the new price."""
    call = Call(sandbox, "test", "req_test")
    await sell(context, call)
    owner = await customer(context, call)
    moved = await one(context, call, owner)
    new = dearer("server", "25", effective_on="2026-04-15", moves="at_date", moves_on="2026-04-15")
    operation = (await apply(context, call, new)).operations["server"]
    await advance.move_clock(context, call, datetime(2026, 4, 20, tzinfo=UTC))
    assert [item.status for item in await items(context, sandbox, operation)] == ["done"]
    change = await last_change(context, sandbox, moved.id)
    assert change.billing_on == date(2026, 4, 15)
    assert change.made_at is not None
    assert change.made_at.date() == date(2026, 4, 15)
