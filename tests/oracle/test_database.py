"""The same stories in a sandbox whose clock is moved: its lines are those that agree with the oracle.

ORACLE_SEEDS=60 tells more of them.
"""

import os
import random
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from billsmith.actions import customers
from billsmith.actions.advance import move_clock
from billsmith.actions.billing.runs import bill_customer, bill_due_of
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.subscriptions.changing import alter
from billsmith.actions.subscriptions.starting import Order, subscribe
from billsmith.core.customers import Customer, CustomerDetails
from billsmith.core.subscriptions.pausing import Pause
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.verify import verify
from tests.invariants import assert_holds
from tests.oracle.drawing import drawn_story
from tests.oracle.engine import Engine, noon
from tests.oracle.selling import sandbox
from tests.oracle.stories import LATER, Done, Told
from tests.oracle.test_days import assert_agrees

SEEDS = int(os.environ.get("ORACLE_SEEDS", "8"))
Row = tuple[int, str, date, date | None, int]


class Sandbox:
    """One customer in a sandbox of its own, to whom a story happens."""

    def __init__(self, context: Context, call: Call, customer: Customer) -> None:
        self.context = context
        self.call = call
        self.customer = customer
        self.ids: list[Any] = []

    async def go_to(self, today: date) -> None:
        if noon(today) > self.context.clock.of(self.call.tenant):
            tenant = (await move_clock(self.context, self.call, noon(today))).fresh
            self.call = replace(self.call, tenant=tenant)

    async def do(self, nth: int, done: Done) -> None:
        if isinstance(done, NewSubscription):
            order = Order(done, base=self.ids[0] if self.ids else None)
            made = (await subscribe(self.context, self.call, self.customer.id, order)).fresh
            self.ids.append(made.ids[0])
        elif isinstance(done, date):
            await bill_customer(self.context, self.call, self.customer.id, done)
        else:
            await alter(self.context, self.call, self.ids[nth], self._named(done))

    def _named(self, asked: Any) -> Any:
        """A pause of one of them names it by its id here."""
        pause = getattr(asked, "pause", asked)
        if not isinstance(pause, Pause) or pause.only is None:
            return asked
        named = replace(pause, only=self.ids[[Engine(None).id_of(nth) for nth in range(2)].index(pause.only)])
        return named if pause is asked else replace(asked, pause=named)

    async def rows(self) -> list[Row]:
        """Every line that bills or gives back, as (subscription, kind, from, to, amount)."""
        rows = await self.context.pool.fetch(
            "SELECT subscription_id, kind, period_start_on, period_end_on, amount_minor FROM invoice_lines"
            " WHERE tenant_id = $1",
            self.call.tenant.id,
        )
        return sorted(((self.ids.index(row[0]), *tuple(row)[1:]) for row in rows), key=str)


def rows_of(engine: Engine) -> list[Row]:
    """The same of a story in memory."""
    found: list[Row] = []
    for line in engine.lines:
        nth = next(nth for nth in range(2) if engine.id_of(nth) == line.subscription_id)
        found.append((nth, line.kind, line.period_start_on, line.period_end_on, line.amount_minor))
        for one in line.given_back:
            found.append((nth, "proration_credit", one.period.start_on, one.period.end_on, -one.amount_minor))
    return sorted(found, key=str)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_story_in_the_database_has_the_same_lines(context: Context, database_url: str, seed: int) -> None:
    story = drawn_story(random.Random(seed), most_steps=8)
    told = Told(story, on_clock=True)
    for wait, step in story["steps"]:
        told.tell(wait, step)
    told.wait(LATER)
    assert_agrees(told)

    call = await sandbox(context, story["start"])
    details = CustomerDetails("Tim", bill_cycle_day=story["customers_day"])
    on = Sandbox(context, call, (await customers.create_customer(context, call, details)).fresh)
    for today, nth, done in told.did:
        await on.go_to(today)
        await on.do(nth, done)
    await on.go_to(told.today)
    assert await on.rows() == rows_of(told.engine)

    assert await bill_due_of(context, on.call) == 0
    assert (await bill_customer(context, on.call, on.customer.id)).fresh == []
    await assert_holds(context.pool, call.tenant.id)
    assert [check for check in (await verify(database_url)).checks if check.found] == []
