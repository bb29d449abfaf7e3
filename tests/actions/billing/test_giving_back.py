"""What is given back of an invoice that is owed, written off or paid: in the books of the database."""

from typing import Any

from billsmith.actions.money.corrections import NewWriteOff, write_off
from billsmith.actions.money.payments import NewPayment, record_payment
from billsmith.actions.subscriptions.changing import alter
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.changing import PlanChange
from tests.actions.billing.test_stories import Story, story
from tests.actions.subscriptions.made import one
from tests.invariants import assert_holds

__all__ = ["story"]

NOW = Cancel(entitlement="immediate", billing="immediate")


async def figures(it: Story) -> list[tuple[str, int, int, int]]:
    """Of each document its status, what it owes, what it absorbed, and what of it can't be recovered."""
    rows = await it.context.pool.fetch(
        "SELECT status, balance_minor, absorbed_minor, unrecoverable_minor FROM invoices WHERE tenant_id = $1"
        " ORDER BY id",
        it.call.tenant.id,
    )
    return [tuple(row.values()) for row in rows]


async def credit_left(it: Story) -> int:
    found: Any = await it.context.pool.fetchval(
        "SELECT sum(remaining_minor) FROM credits WHERE tenant_id = $1", it.call.tenant.id
    )
    return int(found or 0)


async def test_what_is_still_owed_is_owed_no_more(story: Story) -> None:
    it = await one(story.context, story.call, story.customer, "server")
    await story.go_to(2026, 2, 15)
    await alter(story.context, story.call, it.id, NOW)
    assert await figures(story) == [("open", 1419, 0, 0), ("open", 1000, 0, 0), ("paid", 0, 0, 0)]
    assert await credit_left(story) == 0, "nothing was paid, so no credit is free to be spent"
    await assert_holds(story.context.pool, story.call.tenant.id)


async def test_what_was_written_off_is_absorbed_and_pays_for_nothing(story: Story) -> None:
    it = await one(story.context, story.call, story.customer, "server")
    await story.go_to(2026, 2, 15)
    await write_off(story.context, story.call, (await story.ids())[-1], NewWriteOff("The customer is gone"))
    await alter(story.context, story.call, it.id, PlanChange("server-big", billing="immediate"))
    assert await figures(story) == [
        ("open", 1419, 0, 0), ("uncollectible", 0, 0, 1000), ("open", 2500, -1000, 0),
    ]  # fmt: skip
    await assert_holds(story.context.pool, story.call.tenant.id)
    await alter(story.context, story.call, it.id, NOW)
    assert await credit_left(story) == 0
    assert (await figures(story))[2:] == [("paid", 0, -1000, 0), ("paid", 0, 0, 0)]
    await assert_holds(story.context.pool, story.call.tenant.id)


async def test_what_was_paid_is_the_customers(story: Story) -> None:
    it = await one(story.context, story.call, story.customer, "server")
    await story.go_to(2026, 2, 15)
    given = NewPayment(story.customer.id, 3419, "EUR")
    await record_payment(story.context, story.call, given)
    await alter(story.context, story.call, it.id, NOW)
    assert await figures(story) == [("paid", 0, 0, 0), ("paid", 0, 0, 0), ("paid", 0, 0, 0)]
    assert await credit_left(story) == 1000
    await assert_holds(story.context.pool, story.call.tenant.id)
