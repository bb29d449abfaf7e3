"""Money in that world: every kind of payment, refund, correction and dispute, decided by core and saved as verbs do."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from billsmith.actions.calls import Call, carry_out
from billsmith.actions.context import Context
from billsmith.actions.customers import create_customer, update_customer
from billsmith.actions.invoices import NewInvoice, create_invoice
from billsmith.actions.money.attempts import new_ids
from billsmith.actions.money.corrections import (
    NewCreditNote,
    NewWriteOff,
    issue_credit_note,
    undo_write_off,
    void_invoice,
    write_off,
)
from billsmith.actions.money.loading import load_paid, load_voidable
from billsmith.actions.money.payments import (
    NewPayment,
    Wanted,
    allocate_payment,
    move_credit,
    record_payment,
    reverse_payment,
)
from billsmith.actions.money.refunds import RefundTarget, refund
from billsmith.actions.saving import lock_standings, save
from billsmith.core.collecting.disputing import dispute_lost, dispute_opened, dispute_won
from billsmith.core.collecting.outcomes import Paying, ended, recorded
from billsmith.core.collecting.plans import begun
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.collecting.reopening import payment_reversed
from billsmith.core.customers import Customer, CustomerDetails
from billsmith.core.decisions import Decision, row_changed
from billsmith.core.facts import Fact
from billsmith.core.ids import DisputeId, GatewayAccountId, PaymentMethodId, shard_of, show_id
from billsmith.core.invoices import Invoice, InvoiceDetails, Item
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod
from billsmith.core.payments.payment import Attempt
from billsmith.core.payments.results import Decline, DeclineBucket, GatewayDispute, OperationResult, OperationStatus
from billsmith.core.taxes import Tax
from billsmith.core.time_zones import local_day
from billsmith.store import invoices as invoice_rows
from billsmith.store.money import corrections as correction_rows
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.money import payments as payment_rows
from billsmith.store.pool import Connection

DONE = OperationResult(OperationStatus.SUCCEEDED, "at_gateway", fee_minor=30)
NO = OperationResult(
    OperationStatus.FAILED, decline=Decline(DeclineBucket.RETRY_LATER, "insufficient_funds", "No.", "no")
)


class Money:
    """One company's customer Mia, whose money moves in every way there is."""

    def __init__(self, context: Context, call: Call, mia: Customer, vat: Tax) -> None:
        self.context, self.call, self.mia, self.vat = context, call, mia, vat

    @property
    def at(self) -> Any:
        return self.context.clock.of(self.call.tenant)

    @property
    def ids(self) -> Iterator[UUID]:
        return new_ids(self.context, self.mia.id)

    async def owe(self, amount: int, *more: Item, **details: Any) -> Invoice:
        items = (Item("month", amount, tax=self.vat), *more)
        given = NewInvoice(self.mia.id, InvoiceDetails(items=items, **details))
        return (await create_invoice(self.context, self.call, given)).fresh.invoice

    async def credit_of(self, payment_id: Any) -> Any:
        """The credit that a payment became."""
        return await self.context.pool.fetchval(
            "SELECT id FROM credits WHERE payment_id = $1 AND source = 'payment'", payment_id
        )

    async def decide(self, decided: Callable[[Connection, Any], Any]) -> Decision:
        """One transaction: Mia's standing locked, a decision made and saved."""

        async def verb(connection: Connection, cause: Any) -> Decision:
            standings = await lock_standings(connection, self.call.tenant, [self.mia.id], [self.mia.id])
            decision: Decision = await decided(connection, standings[self.mia.id])
            await save(connection, self.context, cause, standings, [decision], {})
            return decision

        return (await carry_out(self.context, self.call, verb)).fresh

    async def account(self) -> PaymentMethod:
        """A gateway account, and a card there."""
        tenant = self.call.tenant
        id_ = GatewayAccountId(self.context.ids.new(shard_of(tenant.id)))
        sealed = self.context.vault.seal(b"{}", show_id("gateway_account", id_))
        card = PaymentMethod(
            PaymentMethodId(next(self.ids)), tenant.id, self.mia.id, id_, "tok", "card", "active", "visa", "4242",
            2030, 1, None, None, {}, 1, self.at, self.at,
        )  # fmt: skip

        async def make(connection: Connection, standing: Any) -> Decision:
            account = GatewayAccount(tenant.id, id_, "fake", "Cards", True, "active", None, {}, sealed, {}, 1, self.at)
            await method_rows.insert_account(connection, account)
            await method_rows.insert_methods(connection, [card])
            made = Fact("gateway_account.created", account.id, 1, account, None)
            return Decision(standing, facts=(made, Fact("payment_method.created", card.id, 1, card, self.mia.id)))

        await self.decide(make)
        return card

    async def begin(self, card: PaymentMethod, *invoices: Invoice) -> Attempt:
        """A charge that was sent."""

        async def begin(connection: Connection, standing: Any) -> Decision:
            found = await invoice_rows.lock_invoices(connection, self.call.tenant.id, [one.id for one in invoices])
            wall = self.context.clock.wall()
            return begun(
                Decision(standing), list(found.values()), card, self.ids, b"f", self.at, wall,
                wall + timedelta(minutes=1),
            )  # fmt: skip

        decision = await self.decide(begin)
        return next(row for row in decision.rows if isinstance(row, Attempt))

    async def hear(self, attempt: Attempt, result: OperationResult) -> None:
        """What the gateway says of it."""
        tenant = self.call.tenant

        async def hear(connection: Connection, standing: Any) -> Decision:
            current = (await payment_rows.get_attempts(connection, tenant.id, [attempt.id]))[attempt.id]
            if result.status is OperationStatus.REVERSED:
                decision = row_changed(Decision(standing), ended(current, result, self.at, None))
                paid = await load_paid(connection, tenant, attempt.payment_id)
                return payment_reversed(decision, paid, self.today, self.at)
            shares = tuple((await payment_rows.get_shares(connection, tenant.id, [attempt.id]))[attempt.id])
            invoices: Any = await invoice_rows.lock_invoices(connection, tenant.id, [one.invoice_id for one in shares])
            write_offs = await correction_rows.write_offs_of_invoices(connection, tenant.id, invoices)
            payment = (await payment_rows.get_payments(connection, tenant.id, [attempt.payment_id]))[attempt.payment_id]
            voidables = {
                id_: await load_voidable(connection, tenant, one)
                for id_, one in invoices.items()
                if one.collection_state == "void_pending"
            }
            paying = Paying(payment, current, shares, invoices, (), _by_invoice(write_offs), voidables)
            return recorded(standing, paying, result, self.at, None, self.ids)

        await self.decide(hear)

    @property
    def today(self) -> Any:
        return local_day(self.at, self.mia.time_zone)

    async def dispute(self, payment_id: Any, amount: int, ends: str | None) -> None:
        """The bank holds an amount; perhaps it is won or lost."""
        tenant, id_ = self.call.tenant, DisputeId(next(self.ids))
        said = GatewayDispute(f"dp_{id_}", "opened", amount, "EUR", "fraudulent", self.at)

        async def opened(connection: Connection, standing: Any) -> Decision:
            payment = (await load_paid(connection, tenant, payment_id)).payment
            said_here = replace(said, currency=payment.currency)
            return dispute_opened(Decision(standing), payment, said_here, id_, 0, self.today, self.at)

        async def closed(connection: Connection, standing: Any) -> Decision:
            paid = await load_paid(connection, tenant, payment_id)
            dispute = (await payment_rows.get_disputes(connection, tenant.id, [id_]))[id_]
            if ends == "won":
                return dispute_won(Decision(standing), paid.payment, dispute, self.today, self.at)
            settings = replace(standing.tenant.settings, dispute_lost=ends)
            chosen = replace(standing, tenant=replace(standing.tenant, settings=settings))
            return dispute_lost(Decision(chosen), paid, dispute, self.today, self.at)

        await self.decide(opened)
        if ends:
            await self.decide(closed)


def _by_invoice(write_offs: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for one in write_offs:
        found[one.invoice_id] = (*found.get(one.invoice_id, ()), one)
    return found


async def move_money(context: Context, call: Call, vat: Tax, parent: Customer) -> None:
    """Everything that can happen to money so far, for a new customer."""
    given = CustomerDetails("Mia", parent_id=parent.id)
    mia = (await create_customer(context, call, given)).fresh
    money = Money(context, call, mia, vat)
    card = await money.account()
    await _charges(money, card)
    await _corrections(money)
    await _by_hand(money)
    await _disputes(money, card)
    await _left_open(money, card)


async def _charges(money: Money, card: PaymentMethod) -> None:
    """One over two invoices, declined and then paid, of another amount, reversed, a payout paid and bounced."""
    both = [await money.owe(1000, Item("less", -100, tax=money.vat)), await money.owe(2000)]
    await money.hear(await money.begin(card, *both), NO)
    await money.hear(await money.begin(card, *both), DONE)
    odd = await money.begin(card, await money.owe(400))
    await money.hear(odd, replace(DONE, amount_minor=399))
    for ends in (DONE, DONE, replace(DONE, amount_minor=7)):
        payout = await money.begin(card, await money.owe(500, direction="payout"))
        await money.hear(payout, ends)
    await money.hear(payout, OperationResult(OperationStatus.REVERSED))
    bounced = await money.begin(card, await money.owe(600))
    await money.hear(bounced, DONE)
    await money.hear(bounced, OperationResult(OperationStatus.REVERSED))
    late = await money.owe(900)
    charge = await money.begin(card, late)
    await void_invoice(money.context, money.call, late.id, rebill=False)
    await money.hear(charge, DONE)


async def _corrections(money: Money) -> None:
    """Notes against owed, written-off and paid parts, write-offs undone, recovered and left, voids of both signs."""
    context, call = money.context, money.call
    noted = await money.owe(1000, Item("less", -200))
    await issue_credit_note(context, call, noted.id, NewCreditNote("a part", 300))
    await write_off(context, call, noted.id, NewWriteOff("old", 100))
    await record_payment(context, call, NewPayment(money.mia.id, 200, invoices=(Wanted(noted.id),)))
    await issue_credit_note(context, call, noted.id, NewCreditNote("the rest"))
    gone = await money.owe(700)
    await write_off(context, call, gone.id, NewWriteOff("moved away"))
    await record_payment(context, call, NewPayment(money.mia.id, 500, invoices=(Wanted(gone.id),)))
    undone = (await write_off(context, call, (await money.owe(800)).id, NewWriteOff("mistake"))).fresh
    await undo_write_off(context, call, undone.id)
    await void_invoice(context, call, undone.invoice_id, rebill=True)
    await void_invoice(context, call, (await money.owe(300, direction="payout")).id, rebill=False)


async def _by_hand(money: Money) -> None:
    """Credit of an overpayment: linked, drawn, given back, moved to the parent; refunds of every kind."""
    context, call = money.context, money.call
    over = (await record_payment(context, call, NewPayment(money.mia.id, 100_000, invoices=()))).fresh.payment
    await void_invoice(context, call, (await money.owe(50)).id, rebill=False)
    await refund(context, call, RefundTarget(credit_id=await money.credit_of(over.id)), NewRefund(100))
    settled = await money.owe(1000)
    await issue_credit_note(context, call, settled.id, NewCreditNote("sorry", 10))
    await _spend_all(money)
    for destination, reopen in (("gateway", False), ("credit", False), ("gateway", True)):
        bought = await money.owe(1000)
        payment = NewPayment(money.mia.id, bought.balance_minor, invoices=(Wanted(bought.id),))
        made = (await record_payment(context, call, payment)).fresh.payment
        given = NewRefund(250, destination, reopen, reason="returned")  # type: ignore[arg-type]
        await refund(context, call, RefundTarget(invoice_id=bought.id), given)
        await _spend_all(money)
    await reverse_payment(context, call, made.id)
    await update_customer(context, call, money.mia.id, lambda details: replace(details, draw_credit=False))
    early = (await record_payment(context, call, NewPayment(money.mia.id, 500, invoices=()))).fresh.payment
    await allocate_payment(context, call, early.id, [Wanted((await money.owe(300)).id)])
    asked = RefundTarget(credit_id=await money.credit_of(early.id))
    await refund(context, call, asked, NewRefund(20))


async def _spend_all(money: Money) -> None:
    """Move what credit is left to the parent."""
    rows = await money.context.pool.fetch(
        "SELECT id FROM credits WHERE customer_id = $1 AND remaining_minor > 0 ORDER BY id", money.mia.id
    )
    for row in rows:
        await move_credit(money.context, money.call, row["id"])


async def _disputes(money: Money, card: PaymentMethod) -> None:
    for amount, ends in ((100, None), (200, "won"), (300, "expense"), (400, "reopen")):
        attempt = await money.begin(card, await money.owe(1000))
        await money.hear(attempt, DONE)
        await money.dispute(attempt.payment_id, amount, ends)


async def _left_open(money: Money, card: PaymentMethod) -> None:
    """A charge that is pending, one just sent, a refund under way, a payment linked to a later invoice."""
    pending = await money.begin(card, await money.owe(110))
    await money.hear(pending, OperationResult(OperationStatus.PENDING, "at_gateway"))
    await money.begin(card, await money.owe(120))
