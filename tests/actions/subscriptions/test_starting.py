"""Starting subscriptions: alone, with add-ons, joining a base. What is stored is what was asked."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.customers import delete_customer
from billsmith.actions.saving import CustomerNotFound, ExternalIdTaken
from billsmith.actions.subscriptions.reading import get_subscription
from billsmith.actions.subscriptions.starting import Order, subscribe
from billsmith.core.customers import Customer, CustomerDeleted
from billsmith.core.ids import CustomerId, SubscriptionId, show_id
from billsmith.core.subscriptions.group import SubscriptionNotThere
from billsmith.core.subscriptions.starting import AddOnNotAvailable, NewSubscription, PlanNotThere
from billsmith.core.tenants import Tenant
from billsmith.core.text import UnusableText
from billsmith.store.pool import Pool
from billsmith.store.selling import subscriptions as subscription_rows
from tests.actions.made import customer, events, refused
from tests.actions.subscriptions.made import one, sell, started, told_of_subscriptions

TODAY = date(2026, 3, 15)


@pytest.fixture(autouse=True)
async def catalogue(context: Context, call: Call) -> None:
    await sell(context, call)


async def test_a_subscription_is_read_back_as_it_was_made(
    context: Context, call: Call, tim: Customer, pool: Pool
) -> None:
    made = await started(
        context, call, tim, quantity=Decimal("2.5"), prices={"server": Decimal("17.123456789012")}, external_id="s-1",
        metadata={"rack": "7"}, tags=("red",), bill_cycle_day=31, ends_after_periods=3,
        billed_through_on=date(2026, 4, 1), bill="later",
    )  # fmt: skip
    row = made.group.lead.subscription
    assert (row.status, row.starts_on, row.ends_on) == ("active", TODAY, date(2026, 6, 15))
    stored = (await subscription_rows.get_subscriptions(pool, call.tenant.id, [row.id]))[row.id]
    assert stored == row
    changes = (await subscription_rows.get_changes(pool, call.tenant.id, [row.id]))[row.id]
    assert tuple(changes) == made.group.lead.changes


async def test_a_base_comes_with_its_add_ons_or_not_at_all(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool
) -> None:
    made = await started(context, call, tim, "server", "backup", "support", starts_on=date(2026, 4, 1))
    assert len(made.ids) == len(made.group.members) == 3
    assert {member.subscription.group_id for member in made.group.members} == {made.group.lead.subscription.group_id}
    assert [member.subscription.starts_on for member in made.group.members] == [date(2026, 4, 1)] * 3
    assert [member.subscription.status for member in made.group.members] == ["pending"] * 3
    async with refused(pool, tenant, AddOnNotAvailable, match="backup is not available on cluster") as _:
        await started(context, call, tim, "cluster", "support", "backup")


async def test_an_add_on_joins_a_base_of_the_same_customer_only(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool
) -> None:
    base = await one(context, call, tim)
    ada = await customer(context, call, name="Ada")
    async with refused(pool, tenant, SubscriptionNotThere):
        await subscribe(context, call, ada.id, Order(NewSubscription("backup"), base=base.id))
    async with refused(pool, tenant, AddOnNotAvailable):
        await subscribe(context, call, tim.id, Order(NewSubscription("backup")))
    joined = (await subscribe(context, call, tim.id, Order(NewSubscription("backup"), base=base.id))).fresh
    assert joined.group.lead.subscription.id == base.id
    assert joined.ids == (joined.group.members[1].subscription.id,)


async def test_what_is_told_shows_the_subscription_as_a_reader_sees_it(
    context: Context, call: Call, tenant: Tenant, tim: Customer
) -> None:
    made = await one(context, call, tim, "server-trial")
    assert await told_of_subscriptions(context, tenant) == ["subscription.created", "subscription.started"]
    event = next(one_ for one_ in await events(context, tenant) if one_.type == "subscription.started")
    assert event.data["plan"]["code"] == "server-trial"
    assert event.data["phase"] == {"number": 0, "kind": "trial"}
    assert event.customer == show_id("customer", tim.id)
    shown = await get_subscription(context, tenant, made.id)
    assert event.data["status"] == shown.status == "trialing"
    assert event.object_version == shown.version


async def test_an_external_id_is_had_once_by_a_customer_and_the_refusal_names_who_has_it(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool
) -> None:
    first = await one(context, call, tim, external_id="s-1")
    async with refused(pool, tenant, ExternalIdTaken, match=show_id("subscription", first.id)):
        await one(context, call, tim, external_id="s-1")
    ada = await customer(context, call, name="Ada")
    assert (await one(context, call, ada, external_id="s-1")).external_id == "s-1"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"plan": "nothing"}, PlanNotThere),
        ({"plan": "server", "external_id": "a\0b"}, UnusableText),
        ({"plan": "server", "tags": ("Red",)}, UnusableText),
    ],
)
async def test_what_can_not_be_started_changes_nothing(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool, fields: dict[str, Any], error: type
) -> None:
    async with refused(pool, tenant, error):
        await one(context, call, tim, **fields)


async def test_nobody_and_the_deleted_subscribe_to_nothing(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool
) -> None:
    nobody = CustomerId(context.ids.new(7))
    async with refused(pool, tenant, CustomerNotFound):
        await subscribe(context, call, nobody, Order(NewSubscription("server")))
    await delete_customer(context, call, tim.id)
    async with refused(pool, tenant, CustomerDeleted):
        await one(context, call, tim)
    with pytest.raises(SubscriptionNotThere):
        await get_subscription(context, tenant, SubscriptionId(context.ids.new(7)))
