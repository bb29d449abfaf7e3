"""Decisions: what a verb changes for one customer, gathered step by step, and the standing once it is saved.

Every function takes a decision and gives a larger one back. The standing in it is always as it will be, so that one
step sees what the step before did: postings move the balances, credit that arises is there to be drawn.
"""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from msgspec.structs import replace

from billsmith.core.credits import Credit, Draw, draw_posting, drawn, draws
from billsmith.core.customers import Customer
from billsmith.core.facts import Fact, FactType
from billsmith.core.ids import CreditId
from billsmith.core.invoices import Invoice, Status
from billsmith.core.ledger import Balance, Posting, after
from billsmith.core.payments.corrections import CreditNote, WriteOff
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.payment import Allocation, Attempt, Payment, Share
from billsmith.core.payments.policy import COLLECTION_ENDED
from billsmith.core.payments.refunds import Refund
from billsmith.core.tenants import Tenant

Row = Payment | Attempt | Allocation | Refund | CreditNote | WriteOff | Dispute
"""What else a decision may make or change: version 1 is new, a later version replaces the row."""


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What of one customer a decision needs, loaded under its lock.

    `credits` have something left; `owed` are its open charge invoices, loaded only where credit may arise.
    """

    tenant: Tenant
    customer: Customer
    balances: dict[str, Balance] = {}
    credits: tuple[Credit, ...] = ()
    owed: tuple[Invoice, ...] = ()
    parent: Customer | None = None
    """Who may pay for it: as it was read, not locked."""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What is to be saved, and the customer's standing once it is. Later entries for the same id replace earlier."""

    standing: Standing
    invoices: tuple[Invoice, ...] = ()
    credits: tuple[Credit, ...] = ()
    rows: tuple[Row, ...] = ()
    shares: tuple[Share, ...] = ()
    postings: tuple[Posting, ...] = ()
    facts: tuple[Fact, ...] = ()


def posted(decision: Decision, postings: Sequence[Posting]) -> Decision:
    """Add postings, and move the balances by them."""
    if not postings:
        return decision
    standing = decision.standing
    balances = dict(standing.balances)
    for currency in dict.fromkeys(posting.currency for posting in postings):
        moved = [posting for posting in postings if posting.currency == currency]
        balances[currency] = after(balances.get(currency, Balance()), moved)
    return replace(decision, standing=replace(standing, balances=balances), postings=(*decision.postings, *postings))


def invoice_changed(decision: Decision, invoice: Invoice, type_: FactType) -> Decision:
    """An invoice as it is now, with the fact about it. Among those owed it is replaced, or left out once settled."""
    standing = decision.standing
    if any(other.id == invoice.id for other in standing.owed):
        owed = tuple(invoice if other.id == invoice.id else other for other in standing.owed)
        standing = replace(standing, owed=tuple(other for other in owed if other.status == "open"))
    return replace(
        decision,
        standing=standing,
        invoices=(*decision.invoices, invoice),
        facts=(*decision.facts, invoice_fact(type_, invoice)),
    )


def row_changed(decision: Decision, row: Row, type_: FactType | None = None) -> Decision:
    """A payment, refund or other row as it is now, with the fact about it if it is one to be told."""
    facts = decision.facts
    if type_ is not None:
        assert not isinstance(row, Allocation)
        facts = (*facts, Fact(type_, row.id, row.version, row, row.customer_id))
    return replace(decision, rows=(*decision.rows, row), facts=facts)


def with_credit(decision: Decision, credit: Credit, postings: Sequence[Posting]) -> Decision:
    """A credit that has just come to be."""
    standing = decision.standing
    decision = replace(decision, standing=replace(standing, credits=(*standing.credits, credit)))
    return posted(_credit_told(decision, credit, "credit.created"), postings)


def credit_changed(decision: Decision, credit: Credit, type_: FactType, postings: Sequence[Posting]) -> Decision:
    """A credit of which something was taken or given back; one with nothing left is no longer there to be drawn."""
    standing = decision.standing
    others = tuple(other for other in standing.credits if other.id != credit.id)
    left = (*others, credit) if credit.remaining_minor else others
    decision = replace(decision, standing=replace(standing, credits=left))
    return posted(_credit_told(decision, credit, type_), postings)


def draw_available(decision: Decision, at: datetime, accounting_on: date, on: Sequence[Invoice]) -> Decision:
    """Draw what credit there is on the given invoices, unless the customer is switched off for it.

    Each draw is accounted for on `accounting_on`, or later where its credit or its invoice is of a later day. An
    invoice with a live attempt is left alone until that has ended.
    """
    standing = decision.standing
    if not standing.customer.draw_credit or not standing.credits or not on:
        return decision
    for currency in sorted({invoice.currency for invoice in on}):
        made = draws(
            (credit for credit in decision.standing.credits if credit.currency == currency),
            (invoice for invoice in on if invoice.currency == currency and not invoice.has_live_attempt),
            at,
        )
        for draw in made:
            decision = _drawn(decision, draw, at, accounting_on)
    return decision


def draw_for_corrected(
    decision: Decision, credit_id: CreditId, corrected: Sequence[Invoice], at: datetime, accounting_on: date
) -> Decision:
    """Draw what was given back on the invoices that it corrects, as far as they are owed, whatever else stands there.

    Neither the customer's switch nor an attempt under way keeps it: what that captures too much is credit then.
    """
    standing = decision.standing
    ids = {invoice.id for invoice in corrected}
    others = tuple(invoice for invoice in standing.owed if invoice.id not in ids)
    there = tuple(invoice for invoice in corrected if invoice.balance_minor)
    decision = replace(decision, standing=replace(standing, owed=(*others, *there)))
    credits_ = [credit for credit in standing.credits if credit.id == credit_id]
    for draw in draws(credits_, there, at):
        decision = _drawn(decision, draw, at, accounting_on)
    return decision


def owing(decision: Decision, invoice: Invoice) -> Decision:
    """Remember an invoice as owed, so that credit can be drawn on it: now, or later in the same transaction."""
    standing = decision.standing
    if not standing.customer.draw_credit:
        return decision
    others = tuple(other for other in standing.owed if other.id != invoice.id)
    return replace(decision, standing=replace(standing, owed=(*others, invoice)))


def settled_if_paid(invoice: Invoice, at: datetime) -> Invoice:
    """The invoice, out of collection if nothing is owed any more: `paid`, unless a part of it stays written off."""
    if invoice.balance_minor or invoice.status not in ("open", "uncollectible"):
        return invoice
    status: Status = "uncollectible" if invoice.written_off_minor else "paid"
    settled_at = at if invoice.settled_at is None else invoice.settled_at
    return replace(invoice, status=status, settled_at=settled_at, **COLLECTION_ENDED)


def settled_fact(before: Invoice, now: Invoice, otherwise: FactType) -> FactType:
    """What is told of an invoice that was paid, credited or corrected: that it is settled, if it just came to be."""
    if now.status == before.status:
        return otherwise
    facts: dict[str, FactType] = {"paid": "invoice.paid", "uncollectible": "invoice.uncollectible"}
    return facts.get(now.status, otherwise)


def invoice_fact(type_: FactType, invoice: Invoice) -> Fact:
    """A fact about an invoice as it is now."""
    return Fact(type_, invoice.id, invoice.version, invoice, invoice.customer_id)


def _credit_told(decision: Decision, credit: Credit, type_: FactType) -> Decision:
    return replace(
        decision,
        credits=(*decision.credits, credit),
        facts=(*decision.facts, Fact(type_, credit.id, credit.version, credit, credit.customer_id)),
    )


def _drawn(decision: Decision, draw: Draw, at: datetime, accounting_on: date) -> Decision:
    standing = decision.standing
    credit = drawn(next(credit for credit in standing.credits if credit.id == draw.credit_id), draw.amount_minor)
    before = next(invoice for invoice in standing.owed if invoice.id == draw.invoice_id)
    invoice = settled_if_paid(
        replace(
            before,
            credit_applied_minor=before.credit_applied_minor + draw.amount_minor,
            version=before.version + 1,
        ),
        at,
    )
    both_there_on = max(accounting_on, credit.granted_on, invoice.issued_on or accounting_on)
    decision = credit_changed(decision, credit, "credit.drawn", [draw_posting(draw, invoice.currency, both_there_on)])
    return invoice_changed(decision, invoice, settled_fact(before, invoice, "invoice.credit_applied"))
