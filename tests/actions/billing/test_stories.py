"""Stories of one customer through the clock, each asserting the lines that came of it and that the books hold."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from billsmith.actions import customers, tenants
from billsmith.actions.advance import move_clock
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.subscriptions.asking import QuantityChange, Resume
from billsmith.actions.subscriptions.changing import alter
from billsmith.core.customers import Customer, CustomerDetails
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.changing import PlanChange
from billsmith.core.subscriptions.pausing import Pause
from billsmith.core.tenants import NewTenant
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

    async def lines(self) -> list[list[tuple[str, str, str, int]]]:
        """The lines of every document in order: kind, start, end, amount."""
        rows = await self.context.pool.fetch(
            "SELECT i.id, l.kind, l.period_start_on, l.period_end_on, l.amount_minor FROM invoice_lines l JOIN invoices i"
            " ON i.shard = l.shard AND i.id = l.invoice_id WHERE i.tenant_id = $1 AND i.customer_id = $2"
            " ORDER BY i.id, l.line_no",
            self.call.tenant.id,
            self.customer.id,
        )
        found: dict[object, list[tuple[str, str, str, int]]] = {}
        for row in rows:
            found.setdefault(row[0], []).append((row[1], str(row[2])[5:], str(row[3])[5:], row[4]))
        return list(found.values())


@pytest.fixture
async def story(context: Context) -> Story:
    given = NewTenant("Cloud", "EUR", mode="sandbox", clock_at=STARTS_AT)
    made = await tenants.create_tenant(context, given, "test", "req_test")
    call = Call(made, "test", "req_test")
    await sell(context, call)
    customer = (await customers.create_customer(context, call, CustomerDetails("Tim", bill_cycle_day=1))).fresh
    return Story(context, call, customer)


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
