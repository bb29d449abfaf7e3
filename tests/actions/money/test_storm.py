"""Everything at once: a thousand verbs on twenty invoices of five customers, and what is left is right to the cent."""

import asyncio
import random
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from billsmith.actions.context import Context
from billsmith.actions.credits import grant_credit
from billsmith.actions.money import attempts, collect, corrections, payments, recovery, refunds
from billsmith.actions.money.attempts import LEASE
from billsmith.clock import FixedClock
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.credits import NewCredit
from billsmith.core.customers import Customer
from billsmith.core.ids import InvoiceId
from billsmith.core.invoices import Document
from billsmith.errors import Conflict, Invalid, NotFound
from billsmith.store.money import payments as payment_rows
from tests.actions.money.stage import Stage, new_stage
from tests.invariants import assert_holds
from tests.money_invariants import book_agrees

TOKENS = [
    "tok_ok", "tok_insufficient_funds", "tok_expired_card", "tok_lost_reply_after", "tok_lost_reply_before",
    "tok_pending_1d_succeed", "tok_pending_1d_fail", "tok_raises_value_error_after_capture", "tok_slow_50ms",
    "tok_ok.refund_fails", "tok_ok.refund_lost_reply_after", "tok_ok.refund_pending_1d_fail",
]  # fmt: skip
OPERATIONS = 1000
AT_ONCE = 40
QUIET_AFTER_DAYS = 25
"""Every retry has ended, every pending payment is decided."""


class Storm:
    """A world of five customers with four invoices each, and one random verb after another."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.random = stage, random.Random(seed)
        self.customers: list[Customer] = []
        self.invoices: list[Document] = []
        self.methods: dict[Any, list[Any]] = {}
        self.ends: Counter[str] = Counter()

    async def prepare(self) -> None:
        """Customers with every kind of method, and invoices that owe."""
        for number in range(5):
            customer = await self.stage.customer(f"Customer {number}")
            self.customers.append(customer)
            self.methods[customer.id] = [await self.stage.method(customer, token) for token in TOKENS]
            for _ in range(4):
                self.invoices.append(await self.stage.invoice(customer, self.random.randint(1, 20_000)))

    async def one(self) -> None:
        """One verb; refusals are answers, anything else fails the test."""
        verb = self.random.choice(VERBS)
        try:
            await verb(self, self.random.choice(self.invoices))
        except (Conflict, Invalid, NotFound) as refusal:
            self.ends[f"{verb.__name__}: {refusal.code}"] += 1
        else:
            self.ends[f"{verb.__name__}: done"] += 1


async def collect_one(storm: Storm, document: Document) -> None:
    await collect.collect_invoice(storm.stage.context, storm.stage.call, document.invoice.id)


async def change_method(storm: Storm, document: Document) -> None:
    method = storm.random.choice(storm.methods[document.invoice.customer_id])
    default = storm.random.random() < 0.3
    await collect.give_method(storm.stage.context, storm.stage.call, document.invoice.id, method.id, default=default)


async def cancel(storm: Storm, document: Document) -> None:
    if storm.random.random() < 0.3:
        await corrections.void_invoice(storm.stage.context, storm.stage.call, document.invoice.id, rebill=False)


async def replace_one(storm: Storm, document: Document) -> None:
    customer = next(one for one in storm.customers if one.id == document.invoice.customer_id)
    place = storm.invoices.index(document) if document in storm.invoices else None
    fresh = await storm.stage.invoice(customer, storm.random.randint(1, 20_000))
    if place is not None:
        storm.invoices[place] = fresh


async def refund_some(storm: Storm, document: Document) -> None:
    amount = storm.random.choice([None, storm.random.randint(1, 5_000)])
    given = NewRefund(amount, storm.random.choice(["gateway", "gateway", "credit"]), reopen=storm.random.random() < 0.2)
    target = refunds.RefundTarget(invoice_id=InvoiceId(document.invoice.id))
    await refunds.refund(storm.stage.context, storm.stage.call, target, given)


async def write_off(storm: Storm, document: Document) -> None:
    amount = storm.random.choice([None, storm.random.randint(1, 3_000)])
    given = corrections.NewWriteOff("storm", amount)
    done = await corrections.write_off(storm.stage.context, storm.stage.call, document.invoice.id, given)
    if storm.random.random() < 0.5:
        await corrections.undo_write_off(storm.stage.context, storm.stage.call, done.fresh.id)


async def correct(storm: Storm, document: Document) -> None:
    given = corrections.NewCreditNote("storm", storm.random.randint(1, 3_000))
    await corrections.issue_credit_note(storm.stage.context, storm.stage.call, document.invoice.id, given)


async def grant(storm: Storm, document: Document) -> None:
    given = NewCredit(storm.random.randint(1, 2_000))
    await grant_credit(storm.stage.context, storm.stage.call, document.invoice.customer_id, given)


async def pay_by_hand(storm: Storm, document: Document) -> None:
    given = payments.NewPayment(document.invoice.customer_id, storm.random.randint(1, 8_000))
    await payments.record_payment(storm.stage.context, storm.stage.call, given)


async def hear_again(storm: Storm, document: Document) -> None:
    """What a webhook does, sent twice: the gateway is asked again about attempts, in any order."""
    context, tenant = storm.stage.context, storm.stage.call.tenant
    found = await payment_rows.attempts_of_invoice(context.pool, tenant.id, document.invoice.id)
    ids = [attempt.id for attempt in found]
    storm.random.shuffle(ids)
    for sending in await attempts.load_sendings(context.pool, context, tenant, ids[:3]):
        if sending.attempt.status == "sent":
            continue  # its sender is at work, or recovery's
        heard = await attempts.ask(context, sending)
        await attempts.record(context, storm.stage.call, {sending.attempt.id: heard})
        await attempts.record(context, storm.stage.call, {sending.attempt.id: heard})


VERBS = [
    collect_one, collect_one, change_method, change_method, cancel, replace_one, refund_some, refund_some, write_off,
    correct, grant, pay_by_hand, hear_again, hear_again,
]  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_thousand_verbs_at_once_leave_everything_right(context: Context, clock: FixedClock, seed: int) -> None:
    stage = await new_stage(context, book=f"storm-{uuid.uuid4().hex[:8]}", clock_at=None)
    storm = Storm(stage, seed)
    await storm.prepare()
    room = asyncio.Semaphore(AT_ONCE)

    async def bounded() -> None:
        async with room:
            await storm.one()

    async with asyncio.TaskGroup() as group:
        for _ in range(OPERATIONS):
            group.create_task(bounded())
    tenant_id = stage.call.tenant.id
    assert not [end for end in storm.ends if end.endswith("database_refused")]
    await assert_holds(context.pool, tenant_id)
    for name in {verb.__name__ for verb in VERBS}:
        assert storm.ends[f"{name}: done"], f"{name} was never done: the storm is too mild"
    for _ in range(QUIET_AFTER_DAYS):
        clock.at += timedelta(days=1)
        for sweep in (recovery.recover_cut_off, recovery.ask_about_waiting, refunds.refunds_due, collect.collect_due):
            await sweep(context)
    clock.at += LEASE  # the last day's collecting may have lost replies, too
    await recovery.recover_cut_off(context)
    await assert_holds(context.pool, tenant_id)
    assert not await context.pool.fetch("SELECT FROM attempts WHERE tenant_id = $1 AND status = 'sent'", tenant_id)
    movements = await stage.gateway.movements(stage.opened, clock.at)
    assert await book_agrees(context.pool, movements, tenant_id) == []
