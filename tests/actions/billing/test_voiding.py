"""What a void means for the periods that it billed."""

from billsmith.actions.money.corrections import void_invoice
from billsmith.actions.subscriptions.changing import alter
from billsmith.core.subscriptions.cancelling import Cancel
from tests.actions.billing.test_stories import Story, story
from tests.actions.subscriptions.made import one
from tests.invariants import assert_holds

__all__ = ["story"]


async def test_periods_of_a_void_invoice_are_billed_again_with_the_next_ones(story: Story) -> None:
    await one(story.context, story.call, story.customer, "server")
    await story.go_to(2026, 2, 2)
    await void_invoice(story.context, story.call, (await story.ids())[-1], rebill=True)
    await story.go_to(2026, 2, 20)
    assert (await story.lines())[2:] == [], "there is time to correct what was wrong with it"
    await story.go_to(2026, 3, 2)
    assert (await story.lines())[2:] == [[("recurring", "02-01", "03-01", 2000), ("recurring", "03-01", "04-01", 2000)]]
    await assert_holds(story.context.pool, story.call.tenant.id)


async def test_where_nothing_more_is_due_they_are_billed_again_at_once(story: Story) -> None:
    it = await one(story.context, story.call, story.customer, "server")
    await story.go_to(2026, 2, 2)
    await alter(story.context, story.call, it.id, Cancel(entitlement="end_of_term", billing="end_of_term"))
    await story.go_to(2026, 3, 2)
    await void_invoice(story.context, story.call, (await story.ids())[-1], rebill=True)
    await story.go_to(2026, 3, 3)
    assert (await story.lines())[2:] == [[("recurring", "02-01", "03-01", 2000)]]
    await assert_holds(story.context.pool, story.call.tenant.id)


async def test_without_rebilling_they_stay_covered(story: Story) -> None:
    await one(story.context, story.call, story.customer, "server")
    await story.go_to(2026, 2, 2)
    await void_invoice(story.context, story.call, (await story.ids())[-1], rebill=False)
    await story.go_to(2026, 3, 2)
    assert (await story.lines())[2:] == [[("recurring", "03-01", "04-01", 2000)]]
    await assert_holds(story.context.pool, story.call.tenant.id)
