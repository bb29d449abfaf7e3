"""Missed periods, and too little to be billed: what one tenant or another makes of them."""

from datetime import UTC, datetime

import pytest

from billsmith.actions import customers, tenants
from billsmith.actions.advance import move_clock
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.core.customers import CustomerDetails
from billsmith.core.tenants import NewTenant, TenantSettings
from tests.actions.billing.test_stories import STARTS_AT, Story
from tests.actions.subscriptions.made import one, sell
from tests.invariants import assert_holds

SMALL = 5000


async def story_of(context: Context, settings: TenantSettings) -> Story:
    """A customer of a sandbox with these settings, on a server for 20.00 a month from 10 January."""
    given = NewTenant("Cloud", "EUR", mode="sandbox", clock_at=STARTS_AT, settings=settings)
    call = Call(await tenants.create_tenant(context, given, "test", "req_test"), "test", "req_test")
    await sell(context, call)
    customer = (await customers.create_customer(context, call, CustomerDetails("Tim", bill_cycle_day=1))).fresh
    await one(context, call, customer, "server")
    return Story(context, call, customer)


FIRST = ("recurring", "01-10", "02-01", 1419)
LATER = [("recurring", f"0{month}-01", f"0{month + 1}-01", 2000) for month in (2, 3, 4)]


@pytest.mark.parametrize(
    ("settings", "documents"),
    [
        (TenantSettings(catch_up="one_invoice"), [[FIRST], LATER]),
        (TenantSettings(catch_up="one_per_due_date"), [[FIRST], *([line] for line in LATER)]),
        (TenantSettings(catch_up="one_invoice", minimum_to_bill_minor=SMALL), [[FIRST, *LATER]]),
        (TenantSettings(catch_up="one_per_due_date", minimum_to_bill_minor=SMALL), [[FIRST, *LATER[:2]]]),
    ],
)
async def test_after_a_jump_missed_periods_are_on_one_invoice_or_on_one_for_each_date(
    context: Context, settings: TenantSettings, documents: object
) -> None:
    story = await story_of(context, settings)
    moved = await move_clock(context, story.call, datetime(2026, 4, 2, 12, tzinfo=UTC), jump=True)
    story.call = Call(moved.fresh, "test", "req_test")
    assert await story.lines() == documents
    await assert_holds(story.context.pool, story.call.tenant.id)


@pytest.mark.parametrize("catch_up", ["one_invoice", "one_per_due_date"])
async def test_too_little_waits_until_it_is_enough(context: Context, catch_up: object) -> None:
    story = await story_of(context, TenantSettings(catch_up=catch_up, minimum_to_bill_minor=SMALL))  # type: ignore[arg-type]
    await story.go_to(2026, 2, 20)
    assert await story.lines() == []
    await story.go_to(2026, 4, 2)
    assert await story.lines() == [[FIRST, *LATER[:2]]]
    await assert_holds(story.context.pool, story.call.tenant.id)
