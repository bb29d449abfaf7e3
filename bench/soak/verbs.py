"""What people do meanwhile, drawn from one seed: changes, cancels, pauses, refunds, corrections, new subscribers."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from uuid import UUID

from bench.soak.people import Company, token
from bench.subscribers import CHARGES, QUANTITIES, plan_of
from billsmith.actions.context import Context
from billsmith.actions.customers import create_customer
from billsmith.actions.money.corrections import NewCreditNote, NewWriteOff, issue_credit_note, write_off
from billsmith.actions.money.methods import NewMethod, add_method
from billsmith.actions.money.refunds import RefundTarget, refund
from billsmith.actions.subscriptions.asking import QuantityChange, Resume
from billsmith.actions.subscriptions.changing import alter
from billsmith.actions.subscriptions.starting import Order, subscribe
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.customers import CustomerDetails
from billsmith.core.ids import CustomerId, InvoiceId, PaymentId, SubscriptionId, shard_of
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.changing import PlanChange
from billsmith.core.subscriptions.pausing import Pause
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.errors import BillsmithError

AT_ONCE = 8
"""Requests under way: as many as leave the pool a connection for whatever else goes on."""
DRAWN = {
    "quantity": 28,
    "plan": 14,
    "cancel": 7,
    "pause": 8,
    "resume": 7,
    "refund": 12,
    "credit_note": 7,
    "write_off": 4,
    "method": 5,
    "subscribe": 8,
}
"""Of a hundred."""
_PAYMENT = """
    SELECT id, amount_minor - refunded_minor AS left_minor FROM payments
    WHERE tenant_id = $1 AND shard = $2 AND customer_id = $3 AND status = 'succeeded' AND amount_minor > refunded_minor
    ORDER BY id DESC LIMIT 1
"""
_INVOICE = """
    SELECT id, total_minor FROM invoices
    WHERE tenant_id = $1 AND shard = $2 AND customer_id = $3 AND status IN ('open', 'paid') AND direction = 'charge'
    ORDER BY id DESC LIMIT 1
"""
_OVERDUE = "SELECT id FROM invoices WHERE tenant_id = $1 AND status = 'open' ORDER BY id LIMIT 1 OFFSET $2"

Someone = tuple[CustomerId, SubscriptionId]
Verb = Callable[[Context, Company, Someone], Awaitable[None]]


class Nobody(Exception):
    """There is nothing that this verb could be about."""


async def draw(context: Context, company: Company, count: int) -> Counter[str]:
    """So many verbs, a few at once; how many of each were done, or refused and why."""
    done: Counter[str] = Counter()
    room = asyncio.Semaphore(AT_ONCE)
    choice = company.choice
    drawn = [
        (name, choice.choice(company.subscribers))
        for name in choice.choices(list(DRAWN), list(DRAWN.values()), k=count)
    ]

    async def one(name: str, whom: Someone) -> None:
        async with room:
            try:
                await VERBS[name](context, company, whom)
                done[name] += 1
            except Nobody:
                done[f"{name}: nothing there"] += 1
            except BillsmithError as error:
                done[f"{name}: {error.code}"] += 1

    async with asyncio.TaskGroup() as group:
        for name, whom in drawn:
            group.create_task(one(name, whom))
    return done


async def _quantity(context: Context, company: Company, whom: Someone) -> None:
    asked = QuantityChange(Decimal(company.choice.randint(1, QUANTITIES)))
    await alter(context, company.call(), whom[1], asked)


async def _plan(context: Context, company: Company, whom: Someone) -> None:
    billing = company.choice.choice(("immediate", "end_of_term"))
    asked = PlanChange(plan_of(company.choice.randint(1, CHARGES)), billing=billing)
    await alter(context, company.call(), whom[1], asked)


async def _cancel(context: Context, company: Company, whom: Someone) -> None:
    await alter(context, company.call(), whom[1], Cancel(company.choice.choice(("immediate", "end_of_term"))))


async def _pause(context: Context, company: Company, whom: Someone) -> None:
    await alter(context, company.call(), whom[1], Pause())
    company.paused.append(whom[1])


async def _resume(context: Context, company: Company, whom: Someone) -> None:
    if not company.paused:
        raise Nobody
    await alter(context, company.call(), company.paused.popleft(), Resume(Pause()))


async def _refund(context: Context, company: Company, whom: Someone) -> None:
    id_, left_minor = await _newest(context, company, _PAYMENT, whom[0])
    part = company.choice.choice((None, max(1, left_minor // 3)))
    await refund(context, company.call("asked back"), RefundTarget(PaymentId(id_)), NewRefund(part))


async def _credit_note(context: Context, company: Company, whom: Someone) -> None:
    id_, total_minor = await _newest(context, company, _INVOICE, whom[0])
    given = NewCreditNote("not as promised", max(1, total_minor // 10))
    await issue_credit_note(context, company.call(), InvoiceId(id_), given)


async def _write_off(context: Context, company: Company, _: Someone) -> None:
    """One of those that have been owed the longest."""
    row = await context.pool.fetchrow(_OVERDUE, company.tenant.id, company.choice.randrange(20))
    if row is None:
        raise Nobody
    await write_off(context, company.call(), InvoiceId(row["id"]), NewWriteOff("never came"))


async def _method(context: Context, company: Company, whom: Someone) -> None:
    """Another one becomes the default; what waited for it is collected."""
    company.newcomers += 1
    reference = f"tok_ok.n{1_000_000 + company.newcomers}"
    await add_method(context, company.call(), NewMethod(whom[0], reference, make_default=True))


async def _subscribe(context: Context, company: Company, _: Someone) -> None:
    company.newcomers += 1
    nth = company.newcomers
    details = CustomerDetails(f"Newcomer {nth}", external_id=f"new-{nth}", emails=(f"new-{nth}@customer.example",))
    plan, reference = plan_of(company.choice.randint(1, CHARGES)), token(company.choice)
    customer = (await create_customer(context, company.call(), details)).fresh
    await add_method(context, company.call(), NewMethod(customer.id, reference, make_default=True))
    done = (await subscribe(context, company.call(), customer.id, Order(NewSubscription(plan)))).fresh
    company.subscribers.append((customer.id, done.ids[0]))


async def _newest(context: Context, company: Company, sql: str, customer_id: CustomerId) -> tuple[UUID, int]:
    row = await context.pool.fetchrow(sql, company.tenant.id, shard_of(customer_id), customer_id)
    if row is None:
        raise Nobody
    return row[0], row[1]


VERBS: dict[str, Verb] = {
    "quantity": _quantity,
    "plan": _plan,
    "cancel": _cancel,
    "pause": _pause,
    "resume": _resume,
    "refund": _refund,
    "credit_note": _credit_note,
    "write_off": _write_off,
    "method": _method,
    "subscribe": _subscribe,
}
