"""Money that goes back by itself: what it paid is owed again. Rules: docs/rules/disputes.md, docs/rules/payments.md"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from billsmith.core.collecting.plans import failed_plan, method_of
from billsmith.core.credits import Credit, returned
from billsmith.core.decisions import (
    Decision,
    credit_changed,
    draw_available,
    invoice_changed,
    owing,
    posted,
    row_changed,
)
from billsmith.core.ids import CreditId, DisputeId, InvoiceId, RefundId
from billsmith.core.invoices import Invoice
from billsmith.core.ledger import CUSTOMER_CREDIT, PAYABLE, RECEIVABLE, SUSPENSE, Posting, PostingKind
from billsmith.core.payments.payment import Allocation, Payment
from billsmith.core.payments.policy import COLLECTION_ENDED
from billsmith.core.payments.results import Decline, DeclineBucket

REVERSED = Decline(
    DeclineBucket.RETRY_LATER, "reversed", "Your bank returned the payment.", "the bank returned the payment"
)


class CreditUse(msgspec.Struct, frozen=True, gc=False):
    """What a credit pays: a part of an invoice, net."""

    credit_id: CreditId
    invoice_id: InvoiceId
    amount_minor: int


class Paid(msgspec.Struct, frozen=True, gc=False):
    """A payment that succeeded, and all that became of it; every invoice named in allocations and uses is there."""

    payment: Payment
    allocations: tuple[Allocation, ...]
    invoices: Mapping[InvoiceId, Invoice]
    credits: tuple[Credit, ...] = ()
    """The credits that it became, whatever is left of them."""
    uses: tuple[CreditUse, ...] = ()


class Source(msgspec.Struct, frozen=True, gc=False):
    """On which account the money goes back, and by which fact."""

    kind: PostingKind
    account: str
    refund_id: RefundId | None = None
    dispute_id: DisputeId | None = None
    after: Literal["stopped", "failed_try"] = "stopped"
    """`stopped`: never charged again by itself. `failed_try`: collected again as the policy says."""


def given_back(
    decision: Decision, paid: Paid, amount_minor: int, source: Source, on: date, at: datetime
) -> tuple[Decision, Payment]:
    """Take `amount_minor` of a payment back, in this order, so that nothing that is owed to nobody is created:

    what is in suspense, credit of it that is not spent, invoices that it paid (latest first; not what was refunded
    already), invoices that its credit paid (latest first). What is left after that (credit that was paid out, moved or
    has expired) is posted to suspense for a person to see. Other credit is drawn on what is owed again. The payment's
    version is the caller's to raise.
    """
    payment = paid.payment
    suspended = min(amount_minor, payment.suspended_minor)
    if suspended:
        decision = posted(decision, [_posting(source, SUSPENSE, suspended, payment, on)])
        payment = replace(payment, suspended_minor=payment.suspended_minor - suspended)
    left = amount_minor - suspended
    for credit in paid.credits:
        part = min(left, credit.remaining_minor)
        if part:
            decision = _credit_taken(decision, credit, part, payment, source, on)
            left -= part
    invoices = dict(paid.invoices)
    for allocation in sorted(paid.allocations, key=lambda one: one.id.int, reverse=True):
        of_invoice = invoices[allocation.invoice_id]
        part = min(left, allocation.net_minor, of_invoice.paid_minor - of_invoice.refunded_minor)
        if part:
            decision, invoices, payment = _allocation_released(
                decision, allocation, part, payment, invoices, source, on, at
            )
            left -= part
    for use in sorted(paid.uses, key=lambda one: one.invoice_id.int, reverse=True):
        part = min(left, use.amount_minor)
        if part:
            decision, invoices = _use_undone(decision, paid, use, part, payment, invoices, source, on, at)
            left -= part
    if left:
        decision = posted(decision, [_posting(source, SUSPENSE, left, payment, on)])
    return draw_available(decision, at, on, on=decision.standing.owed), payment


def payment_reversed(decision: Decision, paid: Paid, on: date, at: datetime) -> Decision:
    """A bank took a payment back weeks later: entries of its own; what it paid counts as tried once more and failed."""
    payment = paid.payment
    # What a refund turned into credit never left as money: the bank takes it, too.
    kept = sum(credit.amount_minor for credit in paid.credits if credit.source == "refund")
    gone = payment.refunded_minor - kept + payment.lost_minor + payment.disputed_minor + payment.reversed_minor
    amount = max(0, payment.amount_minor - gone)
    if payment.direction == "payout":
        return _bounced(decision, paid, on, at)
    source = Source("payment_reversed", payment.account, after="failed_try")
    decision, payment = given_back(decision, paid, amount, source, on, at)
    payment = replace(
        payment,
        status="reversed",
        decline=REVERSED,
        reversed_minor=payment.reversed_minor + amount,
        version=payment.version + 1,
    )
    return row_changed(decision, payment, "payment.reversed")


def reopened(decision: Decision, invoice: Invoice, source: Source, at: datetime) -> Invoice:
    """An invoice whose figures were just changed, as owed again. Its version is raised."""
    invoice = replace(invoice, version=invoice.version + 1)
    if invoice.balance_minor == 0:
        return invoice
    if invoice.has_live_attempt:
        return replace(invoice, status="open", settled_at=None)
    invoice = replace(invoice, status="open", settled_at=None, **COLLECTION_ENDED)
    if source.after == "failed_try":
        tried_with = method_of(decision.standing, invoice)
        return failed_plan(decision.standing, invoice, tried_with, REVERSED, 1, at)
    return replace(invoice, collection_state="stopped", collection_reason="reopened")


def _bounced(decision: Decision, paid: Paid, on: date, at: datetime) -> Decision:
    payment = paid.payment
    invoices = dict(paid.invoices)
    if payment.suspended_minor:
        returned_to = Source("payout_bounced", SUSPENSE)
        decision = posted(decision, [_posting(returned_to, payment.account, payment.suspended_minor, payment, on)])
    for allocation in paid.allocations:
        part = allocation.net_minor
        if not part:
            continue
        invoice = invoices[allocation.invoice_id]
        decision = posted(
            decision,
            [Posting(
                "payout_bounced", payment.account, PAYABLE, part, payment.currency, on,
                invoice_id=invoice.id, payment_id=payment.id,
            )],
        )  # fmt: skip
        decision = row_changed(decision, _released(allocation, part))
        source = Source("payout_bounced", payment.account, after="failed_try")
        invoice = reopened(decision, replace(invoice, paid_minor=invoice.paid_minor - part), source, at)
        decision = invoice_changed(decision, invoice, "invoice.payment_reversed")
    payment = replace(
        payment,
        status="reversed",
        decline=REVERSED,
        allocated_minor=0,
        suspended_minor=0,
        reversed_minor=payment.amount_minor,
        version=payment.version + 1,
    )
    return row_changed(decision, payment, "payment.reversed")


def _credit_taken(
    decision: Decision, credit: Credit, part: int, payment: Payment, source: Source, on: date
) -> Decision:
    taken = replace(credit, paid_out_minor=credit.paid_out_minor + part, version=credit.version + 1)
    posting = replace(_posting(source, CUSTOMER_CREDIT, part, payment, on), credit_id=credit.id)
    return credit_changed(decision, taken, "credit.paid_out", [posting])


def _allocation_released(
    decision: Decision,
    allocation: Allocation,
    part: int,
    payment: Payment,
    invoices: dict[InvoiceId, Invoice],
    source: Source,
    on: date,
    at: datetime,
) -> tuple[Decision, dict[InvoiceId, Invoice], Payment]:
    invoice = invoices[allocation.invoice_id]
    decision = posted(decision, [_posting(source, RECEIVABLE, part, payment, on, invoice)])
    decision = row_changed(decision, _released(allocation, part))
    invoice = reopened(decision, replace(invoice, paid_minor=invoice.paid_minor - part), source, at)
    return (
        owing(invoice_changed(decision, invoice, _told(source)), invoice),
        {**invoices, invoice.id: invoice},
        replace(payment, allocated_minor=payment.allocated_minor - part),
    )


def _use_undone(
    decision: Decision,
    paid: Paid,
    use: CreditUse,
    part: int,
    payment: Payment,
    invoices: dict[InvoiceId, Invoice],
    source: Source,
    on: date,
    at: datetime,
) -> tuple[Decision, dict[InvoiceId, Invoice]]:
    """What credit of this payment paid is owed again: the credit comes back first, then the money goes."""
    invoice = invoices[use.invoice_id]
    credits: dict[Any, Credit] = {credit.id: credit for credit in paid.credits}
    credits |= {credit.id: credit for credit in decision.credits}
    back = returned(credits[use.credit_id], part)
    posting = Posting(
        "credit_returned", RECEIVABLE, CUSTOMER_CREDIT, part, payment.currency, on,
        invoice_id=invoice.id, credit_id=back.id,
    )  # fmt: skip
    decision = credit_changed(decision, back, "credit.returned", [posting])
    decision = _credit_taken(decision, back, part, payment, source, on)
    invoice = replace(invoice, credit_applied_minor=invoice.credit_applied_minor - part)
    invoice = reopened(decision, invoice, source, at)
    return owing(invoice_changed(decision, invoice, _told(source)), invoice), {**invoices, invoice.id: invoice}


def _told(source: Source) -> Literal["invoice.payment_reversed", "invoice.reopened"]:
    return "invoice.payment_reversed" if source.after == "failed_try" else "invoice.reopened"


def _released(allocation: Allocation, part: int) -> Allocation:
    return replace(allocation, released_minor=allocation.released_minor + part, version=allocation.version + 1)


def _posting(
    source: Source, debit: str, amount_minor: int, payment: Payment, on: date, invoice: Invoice | None = None
) -> Posting:
    return Posting(
        source.kind, debit, source.account, amount_minor, payment.currency, on,
        invoice_id=None if invoice is None else invoice.id, payment_id=payment.id, refund_id=source.refund_id,
        dispute_id=source.dispute_id,
    )  # fmt: skip


def touched_invoices(allocations: Sequence[Allocation], uses: Sequence[CreditUse]) -> set[InvoiceId]:
    """The invoices that `Paid` has to hold."""
    return {allocation.invoice_id for allocation in allocations} | {use.invoice_id for use in uses}
