"""Steps for which accounts, documents and money are enough, each done with the verbs that a user has."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from billsmith.actions import credits, customers, invoices
from billsmith.actions.invoices import NewInvoice
from billsmith.actions.money import corrections, disputes, methods, payments, refunds
from billsmith.actions.money.collect import collect_invoice
from billsmith.actions.money.corrections import NewCreditNote, NewWriteOff
from billsmith.actions.money.methods import NewMethod
from billsmith.actions.money.payments import NewPayment, PaymentInFull, Wanted
from billsmith.actions.money.refunds import RefundTarget
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.credits import NewCredit
from billsmith.core.customers import CustomerDetails
from billsmith.core.invoices import Adjustment, Document, InvoiceDetails, Item
from billsmith.core.payments.payment import Payment
from billsmith.core.payments.refunds import LineAmount
from billsmith.core.payments.results import GatewayDispute
from billsmith.core.periods import Period
from billsmith.gateways.fake.book import Rule
from billsmith.store.listing import Filters
from tests.cases.report import NotYet, Unreadable
from tests.cases.scenarios import values
from tests.cases.scenarios.reading import Books, Paper, read_books
from tests.cases.scenarios.world import Account, Shown, Take, World, fixed_zone, minor

Driver = Callable[[World, Any], Awaitable[None]]
MOST = 100
REASON = "as the case says"


async def create_account(world: World, step: values.CreateAccount) -> None:
    """A customer, with a method at the fake gateway where the case has one."""
    if step.payment_method not in (None, "always_succeeds"):
        raise NotYet(f"create_account with payment_method {step.payment_method}")
    zone = fixed_zone(step.timezone, world.at)
    parent = None if step.parent is None else world.account(step.parent)
    details = CustomerDetails(
        name=step.account,
        currency=step.currency,
        time_zone=zone,
        bill_cycle_day=step.bill_cycle_day,
        parent_id=None if parent is None else parent.id,
    )
    customer = (await customers.create_customer(world.context, world.call, details)).fresh
    account = Account(step.account, customer.id, zone, step.currency, step.parent)
    account.delegated = step.payment_delegated_to_parent
    world.accounts[step.account] = account
    if step.payment_method is not None:
        account.charged_by_gateway = True
        given = NewMethod(customer.id, "tok_ok", make_default=True)
        await methods.add_method(world.context, world.call, given)


async def advance_clock(world: World, step: values.AdvanceClock) -> None:
    """Forward, doing everything on the way."""
    await world.stand_at(step.to.instant)


async def charge(world: World, step: values.Charge) -> None:
    """A one-off item on an invoice of its own."""
    account = world.account(step.account)
    if account.delegated:
        raise NotYet("a child's invoice that its parent's summary shows (PARENT_SUMMARY)")
    currency = step.currency or account.currency
    period = None
    if step.start_date is not None and step.end_date is not None:
        period = Period(step.start_date.day(account.zone), step.end_date.day(account.zone))
    item = Item("Charge", minor(step.amount, currency), period=period)
    issued_on = None if step.invoice_date is None else step.invoice_date.day(account.zone)
    details = InvoiceDetails(items=(item,), currency=currency, issued_on=issued_on)
    new = NewInvoice(account.id, details, draft=not step.commit)
    made = (await invoices.create_invoice(world.context, world.call, new)).fresh
    world.shown[made.invoice.id, 1] = Shown(
        "EXTERNAL_CHARGE",
        world.today(account) if step.start_date is None else step.start_date.day(account.zone),
        None if step.end_date is None else step.end_date.day(account.zone),
    )


async def credit(world: World, step: values.Credit) -> None:
    """A granted credit; given on an invoice it first lowers what that owes; as a draft it is a negative item of one."""
    account = world.account(step.account)
    amount = minor(step.amount, step.currency or account.currency)
    if not step.commit:
        details = InvoiceDetails(adjustments=(Adjustment(-amount, "Credit"),), currency=step.currency)
        await invoices.create_invoice(world.context, world.call, NewInvoice(account.id, details, draft=True))
        return
    target = None if step.invoice is None else await _paper(world, account, step.invoice)
    if target is not None:
        off = min(amount, target.balance_minor)
        if off:
            given = NewCreditNote("Credit", off)
            note = (await corrections.issue_credit_note(world.context, world.call, target.id, given)).fresh
            world.credit_given_on[note.note.id] = target.id
            amount -= off
    if amount:
        granted = await credits.grant_credit(
            world.context, world.call, account.id, NewCredit(amount, currency=step.currency)
        )
        if target is not None:
            world.credit_given_on[granted.fresh.id] = target.id


async def delete_credit(world: World, step: values.DeleteCredit) -> None:
    """What is left of the credit that came of that document goes."""
    account = world.account(step.account)
    paper = await _paper(world, account, step.invoice)
    of_account = Filters(limit=MOST, customer_id=account.id, hidden=True)
    left = [
        one
        for one in await credits.list_credits(world.context, world.call.tenant, of_account)
        if one.remaining_minor and paper.id in (one.id, one.invoice_id, world.credit_given_on.get(one.id))
    ]
    if not left:
        raise Unreadable(f"document {step.invoice} has no credit left to delete")
    for one in left:
        await credits.delete_credit(world.context, world.call, one.id)


async def adjust_item(world: World, step: values.AdjustItem) -> None:
    """A credit note over one line."""
    account = world.account(step.account)
    books = await read_books(world, account)
    paper = _of(books, step.invoice)
    part = _part(world, books, paper, step.item, step.amount)
    given = NewCreditNote(REASON, lines=(part,))
    await corrections.issue_credit_note(world.context, world.call, paper.id, given)


async def refund(world: World, step: values.Refund) -> None:
    """With item adjustments a credit note corrects the invoice; without them it is owed again, and draws credit."""
    account = world.account(step.account)
    books = await read_books(world, account)
    payment = _payment(books, step.payment)
    amount = None if step.amount is None else minor(step.amount, account.currency)
    lines = tuple(_part(world, books, _of(books, one.invoice), one.item, one.amount) for one in step.item_adjustments)
    if lines:
        whole = sum(line.amount_minor for line in lines)
        given = NewRefund(amount if amount is not None else whole, lines=lines, reason=REASON)
        await refunds.refund(world.context, world.call, RefundTarget(payment_id=payment.payment.id), given)
        return
    paid = [one for one in payment.allocations if one.net_minor]
    if len(paid) < 2:
        given = NewRefund(amount, reopen=bool(paid))
        await refunds.refund(world.context, world.call, RefundTarget(payment_id=payment.payment.id), given)
        return
    left = payment.payment.refundable_minor if amount is None else amount
    for one in sorted(paid, key=lambda one: one.id.int, reverse=True):
        if part := min(left, one.net_minor):
            target = RefundTarget(invoice_id=one.invoice_id)
            await refunds.refund(world.context, world.call, target, NewRefund(part, reopen=True))
            left -= part


async def chargeback(world: World, step: values.Chargeback) -> None:
    """A dispute that is lost: the profile says that the invoice is owed again."""
    account = world.account(step.account)
    payment = _payment(await read_books(world, account), step.payment).payment
    if payment.gateway_id is None:
        await payments.reverse_payment(world.context, world.call, payment.id)
        return
    amount = payment.amount_minor if step.amount is None else minor(step.amount, account.currency)
    for status in ("opened", "lost"):
        said = GatewayDispute(f"dp_{payment.gateway_id}", status, amount, payment.currency, "fraudulent", world.at)
        await disputes.note_disputes(world.context, world.call, payment.id, [said])


async def chargeback_reversal(world: World, step: values.ChargebackReversal) -> None:
    """The money comes back: as a payment by hand, for a dispute that was lost stays so."""
    account = world.account(step.account)
    found = _payment(await read_books(world, account), step.payment)
    ids = [one.invoice_id for one in found.allocations]
    given = NewPayment(
        account.id, found.payment.lost_minor or found.payment.reversed_minor, reference="chargeback reversed",
        invoices=tuple(Wanted(id_) for id_ in ids),
    )  # fmt: skip
    await payments.record_payment(world.context, world.call, given)


async def pay_invoice(world: World, step: values.PayInvoice) -> None:
    """All of it by the gateway where there is a method; a part, or from outside, as a payment that was made by hand."""
    account = world.account(step.account)
    paper = await _paper(world, account, step.invoice)
    if account.charged_by_gateway and step.amount is None and not step.external:
        before = {one.id for one in await _listed_payments(world, account)}
        await collect_invoice(world.context, world.call, paper.id)
        world.asked_payments |= {one.id for one in await _listed_payments(world, account)} - before
    else:
        amount = paper.balance_minor if step.amount is None else minor(step.amount, account.currency)
        owing = [one.invoice.id for one in (paper.document, *paper.also) if one and one.invoice.balance_minor]
        given = NewPayment(account.id, amount, reference=REASON, invoices=tuple(Wanted(id_) for id_ in owing))
        await payments.record_payment(world.context, world.call, given)
    for take in [one for one in world.waiting if (one.account, one.invoice) == (step.account, step.invoice)]:
        world.waiting.remove(take)
        await _take_back(world, account, take)


async def set_gateway(world: World, step: values.SetGateway) -> None:
    """What the gateway answers from now on, or next."""
    if step.processed_amount is not None or step.processed_currency is not None:
        raise NotYet("set_gateway with another processed amount or currency")
    rules = {
        "succeed": None,
        "succeed_next": Rule(world.next_rule(), "ok", next=1),
        "fail_next": Rule(world.next_rule(), "insufficient_funds", next=1),
        "fail_all": Rule(world.next_rule(), "insufficient_funds"),
    }
    if step.mode not in rules:
        raise NotYet(f"set_gateway {step.mode}")
    await world.gateway.script(world.gateway_account, rules[step.mode])


async def write_off(world: World, step: values.WriteOff) -> None:
    """All that the invoice owes."""
    paper = await _paper(world, world.account(step.account), step.invoice)
    await corrections.write_off(world.context, world.call, paper.id, NewWriteOff(REASON))


async def undo_write_off(world: World, step: values.UndoWriteOff) -> None:
    """What of the invoice was written off is owed again."""
    account = world.account(step.account)
    paper = await _paper(world, account, step.invoice)
    of_account = Filters(limit=MOST, customer_id=account.id, hidden=True)
    for one in await corrections.list_write_offs(world.context, world.call.tenant, of_account):
        if one.invoice_id == paper.id and one.left_minor:
            await corrections.undo_write_off(world.context, world.call, one.id)


async def void(world: World, step: values.Void) -> None:
    """Its periods are billed again: the referee's default."""
    paper = await _paper(world, world.account(step.account), step.invoice)
    await corrections.void_invoice(world.context, world.call, paper.id, rebill=True)


async def commit_invoice(world: World, step: values.CommitInvoice) -> None:
    """The draft becomes a document."""
    paper = await _paper(world, world.account(step.account), step.invoice)
    await invoices.finalise_invoice(world.context, world.call, paper.id)


TAGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "AUTO_PAY_OFF": ({"auto_collect": False}, {"auto_collect": True}),
    "AUTO_INVOICING_OFF": ({"invoicing": "off"}, {"invoicing": "on"}),
    "AUTO_INVOICING_DRAFT": ({"invoicing": "draft"}, {"invoicing": "on"}),
    "OVERDUE_ENFORCEMENT_OFF": ({"overdue_exempt": True}, {"overdue_exempt": False}),
}
"""The switches of a customer, set and removed."""


async def set_tag(world: World, step: values.SetTag) -> None:
    """A switch of the customer."""
    await _switch(world, step, 0)


async def remove_tag(world: World, step: values.RemoveTag) -> None:
    """The switch back."""
    await _switch(world, step, 1)


async def _switch(world: World, step: values.SetTag | values.RemoveTag, side: int) -> None:
    if step.tag not in TAGS or step.object != "account":
        raise NotYet(f"tag {step.tag} on {step.object}")
    await _update(world, step.account, **TAGS[step.tag][side])


async def change_account_bill_day(world: World, step: values.ChangeAccountBillDay) -> None:
    """The customer's own day."""
    await _update(world, step.account, bill_cycle_day=step.bill_cycle_day)


async def _update(world: World, account: str, **fields: Any) -> None:
    await customers.update_customer(
        world.context,
        world.call,
        world.account(account).id,
        lambda before: msgspec.structs.replace(before, **fields),
    )


async def transfer_credit_to_parent(world: World, step: values.TransferCreditToParent) -> None:
    """Everything that is left of the child's credit."""
    of_account = Filters(limit=MOST, customer_id=world.account(step.account).id, hidden=True)
    for one in await credits.list_credits(world.context, world.call.tenant, of_account):
        if one.remaining_minor:
            await payments.move_credit(world.context, world.call, one.id)


async def insert_items(world: World, step: values.InsertItems) -> None:
    """Raw items: what is positive is billed (later ones by a supplement), what is negative taken back by credit notes.

    Credit given and drawn is the engine's own doing: the case's figures say whether it did the same.
    """
    account = world.account(step.account)
    books = await read_books(world, account)
    paper = books.paper(step.invoice)
    if paper is None and step.invoice != len(books.papers) + 1:
        raise Unreadable(f"invoice {step.invoice} can't be the next of {len(books.papers)}")
    billed = [one for one in step.items if one.type != "CBA_ADJ" and one.amount >= 0]
    taken = [one for one in step.items if one.type != "CBA_ADJ" and one.amount < 0]
    if billed:
        items = tuple(Item(one.type, minor(one.amount, account.currency)) for one in billed)
        adjusts_id = None if paper is None else paper.id
        details = InvoiceDetails(items=items, currency=account.currency, adjusts_id=adjusts_id)
        made = (await invoices.create_invoice(world.context, world.call, NewInvoice(account.id, details))).fresh
        for line_no, one in enumerate(billed, 1):
            world.shown[made.invoice.id, line_no] = _shown(one)
    if not taken:
        return
    take = Take(step.account, step.invoice, tuple((-minor(one.amount, account.currency), _shown(one)) for one in taken))
    given_as_credit = any(one.type == "CBA_ADJ" and one.amount > 0 for one in step.items)
    paper = await _paper(world, account, step.invoice)
    if given_as_credit and paper.balance_minor:
        world.waiting.append(take)
    else:
        await _take_back(world, account, take)


def _shown(item: values.ExpectedItem) -> Shown:
    days = [one if one is not msgspec.UNSET else None for one in (item.start_date, item.end_date)]
    return Shown(item.type, days[0], days[1])  # type: ignore[arg-type]


async def _take_back(world: World, account: Account, take: Take) -> None:
    """Credit notes over what raw items take back: of the document that has their dates first."""
    for amount, shown in take.items:
        left_to_take = amount
        books = await read_books(world, account)
        paper = _of(books, take.invoice)
        documents = [one for one in (*reversed(paper.also), paper.document) if one is not None]
        documents.sort(key=lambda one: not _shows(world, one, shown))
        for document in documents:
            left = document.invoice.total_minor - sum(
                note.total_minor for note in books.notes.get(document.invoice.id, ())
            )
            part = min(left_to_take, left)
            if part > 0:
                given = NewCreditNote(REASON, part)
                made = await corrections.issue_credit_note(world.context, world.call, document.invoice.id, given)
                world.shown[made.fresh.note.id, None] = shown
                left_to_take -= part
        if left_to_take:
            raise Unreadable(f"more is taken back of invoice {take.invoice} than there is: {left_to_take} too much")


def _shows(world: World, document: Document, shown: Shown) -> bool:
    of_lines = (world.shown.get((document.invoice.id, no)) for no in range(1, len(document.lines) + 1))
    return any(one and (one.start_date, one.end_date) == (shown.start_date, shown.end_date) for one in of_lines)


def _part(world: World, books: Books, paper: Paper, item: int | str, amount: Any) -> LineAmount:
    """A part of a line, by its position or the subscription it belongs to; None: all that is left of it."""
    assert paper.document is not None
    lines = paper.document.lines
    if isinstance(item, int):
        line_no = item + 1
    else:
        owner = world.subscriptions[item]
        line_no = next(no for no, line in enumerate(lines, 1) if line.subscription_id == owner)
    if not 1 <= line_no <= len(lines):
        raise Unreadable(f"there is no item {item}")
    if amount is not None:
        return LineAmount(line_no, minor(amount, books.account.currency))
    left = lines[line_no - 1].total_minor
    for note in books.notes.get(paper.id, ()):
        left -= sum(line.total_minor for line in note.lines if line.invoice_line_no == line_no)
    for other in books.papers:
        for line in other.document.lines if other.document is not None and other.status == "COMMITTED" else ():
            if (line.corrects_invoice_id, line.corrects_line_no) == (paper.id, line_no):
                left += line.total_minor
    return LineAmount(line_no, left)


async def _paper(world: World, account: Account, number: int) -> Paper:
    return _of(await read_books(world, account), number)


async def _listed_payments(world: World, account: Account) -> list[Payment]:
    of_account = Filters(limit=MOST, customer_id=account.id, hidden=True)
    return await payments.list_payments(world.context, world.call.tenant, of_account)


def _payment(books: Books, number: int) -> PaymentInFull:
    if not 0 < number <= len(books.payments):
        raise Unreadable(f"{books.account.name} has no payment {number}, only {len(books.payments)}")
    return books.payments[number - 1]


def _of(books: Books, number: int) -> Paper:
    paper = books.paper(number)
    if paper is None:
        raise Unreadable(f"{books.account.name} has no invoice {number}, only {len(books.papers)}")
    return paper


DRIVERS: dict[type[values.Step], Driver] = {
    values.CreateAccount: create_account,
    values.AdvanceClock: advance_clock,
    values.Charge: charge,
    values.Credit: credit,
    values.DeleteCredit: delete_credit,
    values.AdjustItem: adjust_item,
    values.Refund: refund,
    values.Chargeback: chargeback,
    values.ChargebackReversal: chargeback_reversal,
    values.PayInvoice: pay_invoice,
    values.SetGateway: set_gateway,
    values.WriteOff: write_off,
    values.UndoWriteOff: undo_write_off,
    values.Void: void,
    values.CommitInvoice: commit_invoice,
    values.SetTag: set_tag,
    values.RemoveTag: remove_tag,
    values.ChangeAccountBillDay: change_account_bill_day,
    values.TransferCreditToParent: transfer_credit_to_parent,
    values.InsertItems: insert_items,
}
