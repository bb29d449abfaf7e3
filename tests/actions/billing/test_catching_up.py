"""Missed periods, and too little to be billed: what one tenant or another makes of them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from billsmith.actions.advance import move_clock
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.core.tenants import TenantSettings
from tests.actions.billing.test_stories import Story, begun
from tests.actions.subscriptions.made import one
from tests.invariants import assert_holds

SMALL = 5000


async def story_of(context: Context, settings: TenantSettings) -> Story:
    """A customer of a sandbox with these settings, on a server for 20.00 a month from 10 January."""
    story = await begun(context, settings)
    await one(context, story.call, story.customer, "server")
    return story


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
async def test_too_little_waits_until_it_is_enough(context: Context, catch_up: Any) -> None:
    story = await story_of(context, TenantSettings(catch_up=catch_up, minimum_to_bill_minor=SMALL))
    await story.go_to(2026, 2, 20)
    assert await story.lines() == []
    await story.go_to(2026, 4, 2)
    assert await story.lines() == [[FIRST, *LATER[:2]]]
    await assert_holds(story.context.pool, story.call.tenant.id)
