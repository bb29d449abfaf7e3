"""What is asked of subscriptions: done or scheduled, stored, told, undone, or refused in one piece."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.credits import list_credits
from billsmith.actions.customers import delete_customer
from billsmith.actions.saving import ExternalIdTaken
from billsmith.actions.subscriptions.asking import Asked, BillDayChange, QuantityChange, Resume, Undo, VersionMove
from billsmith.actions.subscriptions.changing import Labels, relabel
from billsmith.actions.subscriptions.transferring import transfer
from billsmith.clock import FixedClock
from billsmith.core.customers import Customer, CustomerDeleted
from billsmith.core.ids import SubscriptionId
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.changing import PlanChange
from billsmith.core.subscriptions.group import SubscriptionNotThere, SubscriptionOver
from billsmith.core.subscriptions.moving import TransferToItself
from billsmith.core.subscriptions.pausing import Pause
from billsmith.core.subscriptions.starting import SubscriptionFieldInvalid
from billsmith.core.subscriptions.undoing import NothingToUndo, Undoable
from billsmith.core.tenants import Tenant
from billsmith.store.listing import Filters
from billsmith.store.pool import Pool
from billsmith.store.selling import subscriptions as subscription_rows
from tests.actions.made import customer, last_sequence, refused, told
from tests.actions.subscriptions.made import alter_group, asked, at, one, row, sell, started, told_of_subscriptions

TODAY = date(2026, 3, 15)
APRIL = date(2026, 4, 1)


@pytest.fixture(autouse=True)
async def catalogue(context: Context, call: Call) -> None:
    await sell(context, call)


async def kinds(pool: Pool, tenant: Tenant, id_: SubscriptionId) -> list[str]:
    """The live entries of a timeline as stored."""
    changes = (await subscription_rows.get_changes(pool, tenant.id, [id_]))[id_]
    return [change.kind for change in changes if change.undone_at is None]


CASES: list[tuple[Asked, str, str]] = [
    (PlanChange("server-big", billing="immediate"), "plan_changed", "subscription.changed"),
    (PlanChange("server-big", billing=APRIL), "plan_changed", "subscription.change_scheduled"),
    (QuantityChange(Decimal(3)), "quantity_changed", "subscription.quantity_changed"),
    (QuantityChange(Decimal(3), APRIL), "quantity_changed", "subscription.change_scheduled"),
    (BillDayChange(7), "bill_day_changed", "subscription.updated"),
    (Cancel("immediate"), "cancelled", "subscription.cancelled"),
    (Cancel(APRIL), "cancelled", "subscription.cancel_scheduled"),
    (Pause(), "paused", "subscription.paused"),
    (Pause(APRIL), "paused", "subscription.change_scheduled"),
]


@pytest.mark.parametrize(("change", "kind", "fact"), CASES)
async def test_what_is_asked_is_on_the_timeline_and_is_told(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool, change: Asked, kind: str, fact: str
) -> None:
    made = await one(context, call, tim, bill="later")
    before = await last_sequence(context, tenant)
    after = await asked(context, call, made.id, change, "later")
    assert await kinds(pool, tenant, made.id) == ["created", kind]
    assert await told(context, tenant, before) == [fact]
    assert (await subscription_rows.get_subscriptions(pool, tenant.id, [made.id]))[made.id] == after


@pytest.mark.parametrize("change", [change for change, _, _ in CASES])
async def test_a_customer_wakes_up_for_billing_on_the_first_day_that_is_due(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool, change: Asked
) -> None:
    made = await one(context, call, tim, bill="later")
    async with pool.acquire() as connection:
        await subscription_rows.set_next_bill_at(connection, tenant.id, {tim.id: None})
    after = await asked(context, call, made.id, change, "later")
    woken = await pool.fetchval("SELECT next_bill_at FROM customers WHERE id = $1", tim.id)
    assert after.next_bill_on == TODAY  # nothing was billed yet
    assert woken == at("2026-03-14", 23)  # midnight in Berlin


@pytest.mark.parametrize(
    ("change", "undo"),
    [
        (PlanChange("cluster", billing=APRIL), "plan"),
        (QuantityChange(Decimal(3), APRIL), "quantity"),
        (BillDayChange(7), "bill_day"),
        (Cancel(APRIL), "cancel"),
        (Pause(APRIL), "pause"),
    ],
)
async def test_what_is_pending_is_undone_and_leaves_no_trace_but_on_the_timeline(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool, change: Asked, undo: Undoable
) -> None:
    made = await started(context, call, tim, "server", "backup")
    await alter_group(context, call, made.ids[0], change)
    group = await alter_group(context, call, made.ids[0], Undo(undo))
    for before, after in zip(made.group.members, group.members, strict=True):
        kept = after.subscription
        assert (kept.status, kept.ends_on, kept.next_change_at) == ("active", None, None)
        assert kept.plan_version_id == before.subscription.plan_version_id
        assert await kinds(pool, tenant, kept.id) == ["created"]
    async with refused(pool, tenant, NothingToUndo):
        await alter_group(context, call, made.ids[0], Undo(undo))


async def test_a_base_takes_its_add_ons_along(context: Context, call: Call, tim: Customer) -> None:
    made = await started(context, call, tim, "server", "backup", "support")
    group = await alter_group(context, call, made.ids[0], PlanChange("cluster", billing=APRIL))
    assert [row(group, id_).ends_on for id_ in made.ids] == [None, APRIL, None]
    group = await alter_group(context, call, made.ids[0], Cancel(TODAY + timedelta(days=3)))
    assert [row(group, id_).ends_on for id_ in made.ids] == [TODAY + timedelta(days=3)] * 3


async def test_a_pause_ends_with_a_resume(context: Context, call: Call, tim: Customer, clock: FixedClock) -> None:
    made = await started(context, call, tim, "server", "backup")
    await alter_group(context, call, made.ids[1], Pause())
    clock.at += timedelta(days=10)
    group = await alter_group(context, call, made.ids[0], Resume(Pause()))
    assert {member.subscription.status for member in group.members} == {"active"}


async def test_a_cancel_with_a_fixed_refund_grants_credit_in_the_same_breath(
    context: Context, call: Call, tenant: Tenant, tim: Customer
) -> None:
    made = await one(context, call, tim)
    await asked(context, call, made.id, Cancel("immediate", refund="none", credit_minor=700))
    (credit,) = await list_credits(context, tenant, Filters(10))
    assert (credit.amount_minor, credit.source, credit.currency) == (700, "granted", "EUR")


async def test_subscribers_of_an_older_version_are_moved_to_a_newer_one(
    context: Context, call: Call, tim: Customer
) -> None:
    made = await started(context, call, tim)
    version = made.group.catalog.plans["server-big"].versions[0]
    after = await asked(context, call, made.ids[0], VersionMove(version, "immediate"))
    assert after.plan_version_id == version.id


async def test_labels_change_alone(context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool) -> None:
    made = await one(context, call, tim, external_id="one", metadata={"a": "1"})
    await one(context, call, tim, external_id="two")
    await relabel(context, call, made.id, Labels(metadata={"b": "2"}, tags=("red",)))
    kept = (await subscription_rows.get_subscriptions(pool, tenant.id, [made.id]))[made.id]
    assert (kept.external_id, kept.metadata, kept.tags) == ("one", {"b": "2"}, ("red",))
    async with refused(pool, tenant, ExternalIdTaken):
        await relabel(context, call, made.id, Labels(external_id="two"))
    await relabel(context, call, made.id, Labels(external_id=None))
    again = await one(context, call, tim, external_id="one")
    assert again.id != made.id


async def test_a_group_is_transferred_with_new_ids_and_its_place_on_the_timeline(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool
) -> None:
    made = await started(context, call, tim, "server-trial", "backup", external_id="s-1")
    ada = await customer(context, call, name="Ada")
    before = await last_sequence(context, tenant)
    arrived = (await transfer(context, call, made.ids[1], ada.id)).fresh
    assert [member.subscription.customer_id for member in arrived.group.members] == [ada.id, ada.id]
    assert arrived.group.lead.subscription.status == "trialing"
    assert arrived.group.lead.subscription.next_change_at == made.group.lead.subscription.next_change_at
    left = await subscription_rows.get_subscriptions(pool, tenant.id, made.ids)
    assert {one_.status for one_ in left.values()} == {"cancelled"}
    kinds_told = await told_of_subscriptions(context, tenant, before)
    assert kinds_told.count("subscription.transferred") == 2
    assert kinds_told.count("subscription.created") == 2
    async with refused(pool, tenant, SubscriptionOver):
        await transfer(context, call, made.ids[0], ada.id)
    async with refused(pool, tenant, TransferToItself):
        await transfer(context, call, arrived.ids[0], ada.id)


async def test_what_is_refused_has_changed_nothing(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool
) -> None:
    made = await one(context, call, tim)
    async with refused(pool, tenant, SubscriptionFieldInvalid):
        await asked(context, call, made.id, QuantityChange(Decimal(-1)))
    async with refused(pool, tenant, SubscriptionNotThere):
        await asked(context, call, SubscriptionId(context.ids.new(5)), QuantityChange(Decimal(1)))
    await asked(context, call, made.id, Cancel("immediate"))
    for change in (PlanChange("server-big"), QuantityChange(Decimal(2)), Pause(), Cancel("immediate")):
        async with refused(pool, tenant, SubscriptionOver):
            await asked(context, call, made.id, change)


async def test_with_a_customer_its_subscriptions_are_over_and_nothing_is_billed_any_more(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool
) -> None:
    made = await started(context, call, tim, "server-trial", "backup", bill="later")
    later = await one(context, call, tim, "domain", starts_on=APRIL, bill="later")
    paused = await one(context, call, tim, bill="later")
    await asked(context, call, paused.id, Pause(), "later")
    await asked(context, call, paused.id, Cancel(APRIL), "later")
    before = await last_sequence(context, tenant)
    await delete_customer(context, call, tim.id)
    ids = [*made.ids, later.id, paused.id]
    rows = await subscription_rows.get_subscriptions(pool, tenant.id, ids)
    assert {one_.status for one_ in rows.values()} == {"cancelled"}
    assert {(one_.next_bill_on, one_.rework_from_on, one_.next_change_at) for one_ in rows.values()} == {(None,) * 3}
    assert rows[later.id].ends_on == rows[later.id].starts_on
    assert await pool.fetchval("SELECT next_bill_at FROM customers WHERE id = $1", tim.id) is None
    assert await told(context, tenant, before) == ["subscription.cancelled"] * 4 + ["customer.deleted"]
    for change in (Undo("cancel"), Resume(Pause()), QuantityChange(Decimal(2))):
        async with refused(pool, tenant, CustomerDeleted):
            await asked(context, call, paused.id, change)


async def test_a_verb_of_another_tenant_finds_nothing(
    context: Context, call: Call, tenant: Tenant, other: Call, tim: Customer, pool: Pool
) -> None:
    made = await one(context, call, tim)
    ada = await customer(context, other, name="Ada")
    async with refused(pool, tenant, SubscriptionNotThere):
        await asked(context, other, made.id, Cancel("immediate"))
    async with refused(pool, tenant, SubscriptionNotThere):
        await transfer(context, other, made.id, ada.id)
