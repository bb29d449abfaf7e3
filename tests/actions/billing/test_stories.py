"""Stories of one customer through the clock, each asserting the lines that came of it and that the books hold."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from billsmith.actions import customers, tenants
from billsmith.actions.advance import move_clock
from billsmith.actions.billing.drafts import hold_draft
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.invoices import delete_draft, edit_draft
from billsmith.actions.subscriptions.asking import QuantityChange, Resume
from billsmith.actions.subscriptions.changing import alter
from billsmith.core.customers import Customer, CustomerDetails
from billsmith.core.invoices import Item
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.changing import PlanChange
from billsmith.core.subscriptions.pausing import Pause
from billsmith.core.tenants import NewTenant, TenantSettings
from tests.actions.subscriptions.made import one, sell
from tests.invariants import assert_holds

STARTS_AT = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)


class Story:
    """A customer of a sandbox whose clock is moved."""

    def __init__(self, context: Context, call: Call, customer: Customer) -> None:
        self.context = context
        self.call = call
        self.customer = customer

    async def go_to(self, year: int, month: int, day: int) -> None:
        moved = await move_clock(self.context, self.call, datetime(year, month, day, 12, tzinfo=UTC))
        tenant = moved.fresh
        self.call = Call(tenant, self.call.actor, self.call.request_id)

    async def set_policies(self, **policies: Any) -> None:
        """Other policies of its company."""
        changed = await tenants.change_settings(self.context, self.call, lambda before: replace(before, **policies))
        self.call = Call(changed.fresh, self.call.actor, self.call.request_id)

    async def change_customer(self, **fields: Any) -> Customer:
        """The customer, with other switches."""
        done = await customers.update_customer(
            self.context, self.call, self.customer.id, lambda details: replace(details, **fields)
        )
        return done.fresh

    async def ids(self) -> list[UUID]:
        """The documents in order."""
        rows = await self.context.pool.fetch(
            "SELECT id FROM invoices WHERE tenant_id = $1 AND customer_id = $2 ORDER BY id",
            self.call.tenant.id,
            self.customer.id,
        )
        return [row[0] for row in rows]

    async def states(self) -> list[str]:
        """The statuses of the documents in order."""
        rows = await self.context.pool.fetch(
            "SELECT status FROM invoices WHERE tenant_id = $1 AND customer_id = $2 ORDER BY id",
            self.call.tenant.id,
            self.customer.id,
        )
        return [row[0] for row in rows]

    async def lines(self) -> list[list[tuple[str, str, str, int]]]:
        """The lines of every document in order: kind, start, end, amount."""
        rows = await self.context.pool.fetch(
            "SELECT i.id, l.kind, l.period_start_on, l.period_end_on, l.amount_minor"
            " FROM invoice_lines l JOIN invoices i ON i.shard = l.shard AND i.id = l.invoice_id"
            " WHERE i.tenant_id = $1 AND i.customer_id = $2 ORDER BY i.id, l.line_no",
            self.call.tenant.id,
            self.customer.id,
        )
        found: dict[object, list[tuple[str, str, str, int]]] = {}
        for row in rows:
            found.setdefault(row[0], []).append((row[1], str(row[2])[5:], str(row[3])[5:], row[4]))
        return list(found.values())


async def begun(context: Context, settings: TenantSettings | None = None) -> Story:
    """Tim, a customer of a sandbox with these settings."""
    given = NewTenant("Cloud", "EUR", mode="sandbox", clock_at=STARTS_AT, settings=settings or TenantSettings())
    call = Call(await tenants.create_tenant(context, given, "test", "req_test"), "test", "req_test")
    await sell(context, call)
    customer = (await customers.create_customer(context, call, CustomerDetails("Tim", bill_cycle_day=1))).fresh
    return Story(context, call, customer)


@pytest.fixture
async def story(context: Context) -> Story:
    return await begun(context)


async def test_a_month_begun_in_the_middle_then_whole_ones(story: Story) -> None:
    await one(story.context, story.call, story.customer, "server")
    await story.go_to(2026, 3, 2)
    assert await story.lines() == [
        [("recurring", "01-10", "02-01", 1419)],
        [("recurring", "02-01", "03-01", 2000)],
        [("recurring", "03-01", "04-01", 2000)],
    ]
    await assert_holds(story.context.pool, story.call.tenant.id)


async def test_a_change_in_the_middle_gives_back_what_is_left_and_bills_the_new_plan(story: Story) -> None:
    it = await one(story.context, story.call, story.customer, "server")
    await story.go_to(2026, 2, 12)
    await alter(story.context, story.call, it.id, PlanChange("server-big", billing="immediate"))
    assert (await story.lines())[2:] == [
        [("recurring", "02-12", "03-01", 3036), ("proration_credit", "02-12", "03-01", -1214)],
    ]
    await story.go_to(2026, 3, 2)
    assert (await story.lines())[3:] == [[("recurring", "03-01", "04-01", 5000)]]
    await assert_holds(story.context.pool, story.call.tenant.id)


async def test_a_pause_gives_back_its_days_and_the_cycle_goes_on(story: Story) -> None:
    it = await one(story.context, story.call, story.customer, "server")
    await story.go_to(2026, 2, 11)
    await alter(story.context, story.call, it.id, Pause())
    await story.go_to(2026, 3, 17)
    await alter(story.context, story.call, it.id, Resume(Pause()))
    await story.go_to(2026, 4, 2)
    assert (await story.lines())[2:] == [
        [("proration_credit", "02-11", "03-01", -1286)],
        [("recurring", "03-17", "04-01", 968)],
        [("recurring", "04-01", "05-01", 2000)],
    ]
    await assert_holds(story.context.pool, story.call.tenant.id)


async def test_a_cancel_at_once_gives_back_and_nothing_more_is_billed(story: Story) -> None:
    it = await one(story.context, story.call, story.customer, "server")
    await story.go_to(2026, 2, 15)
    await alter(story.context, story.call, it.id, Cancel(entitlement="immediate", billing="immediate"))
    await story.go_to(2026, 6, 1)
    assert (await story.lines())[2:] == [[("proration_credit", "02-15", "03-01", -1000)]]
    await assert_holds(story.context.pool, story.call.tenant.id)


async def test_more_of_it_in_the_middle_of_a_month(story: Story) -> None:
    it = await one(story.context, story.call, story.customer, "server")
    await story.go_to(2026, 2, 15)
    await alter(story.context, story.call, it.id, QuantityChange(Decimal(3)))
    assert (await story.lines())[2:] == [
        [("recurring", "02-15", "03-01", 3000), ("proration_credit", "02-15", "03-01", -1000)]
    ]


async def test_a_draft_waits_for_its_window_then_finalises_itself(story: Story) -> None:
    await story.set_policies(draft_window_minutes=60)
    await one(story.context, story.call, story.customer, "server")
    assert await story.states() == ["draft"]
    await story.go_to(2026, 1, 11)
    assert await story.states() == ["open"]
    await assert_holds(story.context.pool, story.call.tenant.id)


async def test_a_held_draft_stays_one_and_a_deleted_one_is_billed_again(story: Story) -> None:
    await story.set_policies(draft_window_minutes=60)
    await one(story.context, story.call, story.customer, "server")
    (id_,) = await story.ids()
    await hold_draft(story.context, story.call, id_)
    await story.go_to(2026, 1, 20)
    assert await story.states() == ["draft"]
    await delete_draft(story.context, story.call, id_)
    await story.go_to(2026, 2, 2)
    assert await story.lines() == [[("recurring", "01-10", "02-01", 1419), ("recurring", "02-01", "03-01", 2000)]]
    assert await story.states() == ["open"]
    await assert_holds(story.context.pool, story.call.tenant.id)


async def test_an_edited_draft_keeps_the_lines_of_its_run(story: Story) -> None:
    await story.set_policies(draft_window_minutes=60)
    await one(story.context, story.call, story.customer, "server")
    (id_,) = await story.ids()
    more = (Item(name="Set-up", amount_minor=500),)
    await edit_draft(story.context, story.call, id_, lambda details: replace(details, items=more))
    assert await story.lines() == [[("recurring", "01-10", "02-01", 1419), ("one_off", "", "", 500)]]
    await story.go_to(2026, 2, 2)
    assert await story.states() == ["open", "open"]
    await assert_holds(story.context.pool, story.call.tenant.id)


async def test_little_waits_for_more(story: Story) -> None:
    await story.set_policies(minimum_to_bill_minor=2500)
    await one(story.context, story.call, story.customer, "server")
    assert await story.lines() == []
    await story.go_to(2026, 2, 2)
    assert await story.lines() == [[("recurring", "01-10", "02-01", 1419), ("recurring", "02-01", "03-01", 2000)]]


async def test_who_is_not_invoiced_is_billed_for_all_of_it_once_switched_on(story: Story) -> None:
    off = await story.change_customer(invoicing="off")
    await one(story.context, story.call, off, "server")
    await story.go_to(2026, 3, 2)
    assert await story.lines() == []
    await story.change_customer(invoicing="on")
    await story.go_to(2026, 3, 3)
    assert [len(document) for document in await story.lines()] == [3]
