"""Preview, then do it at the same instant: the same documents apart from ids. PREVIEWS=1000 for all situations."""

import os
import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from billsmith.actions import customers
from billsmith.actions.advance import move_clock
from billsmith.actions.billing.runs import bill_customer
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.subscriptions.asking import Asked, BillDayChange, QuantityChange, Resume, Undo
from billsmith.actions.subscriptions.changing import alter
from billsmith.actions.subscriptions.previewing import preview_alter, preview_subscribe
from billsmith.actions.subscriptions.starting import Order, subscribe
from billsmith.core.customers import CustomerDetails
from billsmith.core.ids import CustomerId, SubscriptionId
from billsmith.core.invoices import Document
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.changing import PlanChange
from billsmith.core.subscriptions.pausing import Pause
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.errors import BillsmithError
from tests.invariants import assert_holds
from tests.oracle.asked import PLANS
from tests.oracle.drawing import drawn_step
from tests.oracle.engine import noon
from tests.oracle.selling import sandbox
from tests.oracle.stories import ADDED, BASES

SITUATIONS = int(os.environ.get("PREVIEWS", "150"))
AT_ONE_INSTANT = 25
STARTS_ON = date(2024, 1, 30)


class Shop:
    """A sandbox with customers and all that they subscribed to."""

    def __init__(self, context: Context, call: Call, by: random.Random) -> None:
        self.context = context
        self.call = call
        self.by = by
        self.today = STARTS_ON
        self.bought: dict[CustomerId, list[SubscriptionId]] = {}
        self.previewed = 0
        self.with_lines = 0

    async def wait(self) -> None:
        self.today += timedelta(days=self.by.choice([1, 5, 13, 28, 31]))
        tenant = (await move_clock(self.context, self.call, noon(self.today))).fresh
        self.call = replace(self.call, tenant=tenant)

    async def situation(self) -> None:
        """Something for someone: what the preview shows is what is done, or both are refused alike."""
        if len(self.bought) < 20:
            details = CustomerDetails("Tim", bill_cycle_day=self.by.choice([None, 1, 15, 31]))
            self.bought[(await customers.create_customer(self.context, self.call, details)).fresh.id] = []
        id_ = self.by.choice(list(self.bought))
        until_on = self.by.choice([None, None, self.today + timedelta(days=self.by.randint(0, 60))])
        theirs = self.bought[id_]
        if not theirs or self.by.random() < 0.15:
            await self._compare(*self._starting(id_, until_on))
        else:
            await self._compare(*self._altering(id_, self.by.choice(theirs), until_on))

    def _starting(self, id_: CustomerId, until_on: date | None) -> tuple[Any, Any]:
        theirs = self.bought[id_]
        base = self.by.choice([None, *theirs])
        plan = self.by.choice(BASES if base is None else ADDED)
        order = Order(NewSubscription(plan, Decimal(self.by.choice(["1", "2.5", "0"]))), base=base)

        async def do() -> list[Document]:
            done = (await subscribe(self.context, self.call, id_, order, "now" if until_on is None else "later")).fresh
            theirs.append(done.ids[0])
            return await self._billed(id_, list(done.documents), until_on)

        return preview_subscribe(self.context, self.call, id_, order, until_on), do

    def _altering(self, id_: CustomerId, of: SubscriptionId, until_on: date | None) -> tuple[Any, Any]:
        asked = self._asked(drawn_step(self.by))

        async def do() -> list[Document]:
            done = (await alter(self.context, self.call, of, asked, "now" if until_on is None else "later")).fresh
            return await self._billed(id_, list(done.documents), until_on)

        return preview_alter(self.context, self.call, of, asked, until_on), do

    async def _billed(self, id_: CustomerId, documents: list[Document], until_on: date | None) -> list[Document]:
        if until_on is None:
            return documents
        return (await bill_customer(self.context, self.call, id_, until_on)).fresh

    def _asked(self, step: tuple[Any, ...]) -> Asked:
        match step:
            case ("plan", _, plan, when, quantity, price, _, day):
                prices = {"fee": Decimal(price)} if price and "fee" in str(PLANS[plan]) else None
                return PlanChange(plan, quantity and Decimal(quantity), prices, day, self._when(when))
            case ("quantity", _, quantity, when):
                return QuantityChange(Decimal(quantity), self._when(when))
            case ("bill_day", _, day, days):
                return BillDayChange(day, self._on(days))
            case ("pause", _, days):
                return Pause(self._on(days))
            case ("resume", _, days):
                return Resume(Pause(self._on(days)))
            case ("cancel", _, when, refund):
                return Cancel(self._when(when), refund=refund)
            case ("undo", _, what):
                return Undo(what)
        return QuantityChange(Decimal(self.by.randint(0, 9)))

    def _when(self, when: Any) -> Any:
        return self._on(when) if isinstance(when, int) else when

    def _on(self, days: int | None) -> date | None:
        return None if days is None else self.today + timedelta(days=days)

    async def _compare(self, preview: Any, do: Any) -> None:
        before = await self._counts()
        shown = await _result(preview)
        assert await self._counts() == before, "a preview leaves nothing"
        done = await _result(do())
        if isinstance(done, str):
            assert shown == done
            return
        assert not isinstance(shown, str), f"previewed as {shown}, and done"
        assert _apart_from_ids(shown, done) == _apart_from_ids(done, shown)
        self.previewed += 1
        self.with_lines += bool(done)

    async def _counts(self) -> Any:
        return await self.context.pool.fetchrow(
            "SELECT (SELECT count(*) FROM events WHERE tenant_id = $1), (SELECT count(*) FROM invoices WHERE tenant_id"
            " = $1), (SELECT count(*) FROM subscription_changes WHERE tenant_id = $1)",
            self.call.tenant.id,
        )


async def _result(coming: Any) -> list[Document] | str:
    try:
        found: list[Document] = await coming
    except BillsmithError as error:
        return error.code
    return found


def _apart_from_ids(documents: list[Document], others: list[Document]) -> Any:
    """All of them as plain values; ids that the others lack are told apart by where they first appear."""
    known = {leaf for leaf in _leaves(msgspec.structs.asdict(one) for one in others) if isinstance(leaf, UUID)}
    new: dict[UUID, str] = {}
    return [
        new.setdefault(leaf, f"new {len(new)}") if isinstance(leaf, UUID) and leaf not in known else leaf
        for leaf in _leaves(msgspec.structs.asdict(one) for one in documents)
    ]


def _leaves(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        yield type(value).__name__
        yield from _leaves(msgspec.structs.asdict(value))
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _leaves(one)
    elif isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        yield value
    else:
        for one in value:
            yield from _leaves(one)


async def test_what_a_preview_shows_is_what_is_done(context: Context) -> None:
    shop = Shop(context, await sandbox(context, STARTS_ON), random.Random(4))
    while shop.previewed < SITUATIONS:
        for _ in range(AT_ONE_INSTANT):
            await shop.situation()
        await shop.wait()
    assert shop.with_lines > shop.previewed // 3
    await assert_holds(context.pool, shop.call.tenant.id)
