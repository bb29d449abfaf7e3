"""Refunds: reserved when asked for, booked when they succeed, free again when they fail. Rule: docs/rules/refunds.md"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from billsmith.core.collecting.reopening import Paid, Source, given_back
from billsmith.core.correcting.credit_notes import Corrected, left_of_lines, note_lines, note_postings, refund_note
from billsmith.core.credits import Credit, new_credit
from billsmith.core.decisions import (
    Decision,
    credit_changed,
    draw_available,
    invoice_changed,
    posted,
    row_changed,
    with_credit,
)
from billsmith.core.ids import CreditId, CreditNoteId, RefundId
from billsmith.core.invoices import Invoice
from billsmith.core.ledger import CUSTOMER_CREDIT, SUSPENSE, Posting
from billsmith.core.payments.corrections import CreditNoteLine
from billsmith.core.payments.payment import Payment
from billsmith.core.payments.refunds import LineAmount, Refund, RefundInvalid, RefundRefused
from billsmith.core.payments.results import Decline, DeclineBucket
from billsmith.core.text import DESCRIPTION_LENGTH, block_of_text, metadata
from billsmith.core.time_zones import local_day


class NewRefund(msgspec.Struct, frozen=True, gc=False):
    """What is asked: how much of one payment (None: all that is left), where it goes, what becomes of the invoice."""

    amount_minor: int | None = None
    destination: Literal["gateway", "credit"] = "gateway"
    reopen: bool = False
    lines: tuple[LineAmount, ...] = ()
    reason: str | None = None
    metadata: dict[str, str] = {}


class Refundable(msgspec.Struct, frozen=True, gc=False):
    """One payment and what a refund of it touches: the invoice with its lines, or credit of it that is not spent."""

    paid: Paid
    corrected: Corrected | None
    credit: Credit | None
    pending: tuple[Refund, ...] = ()
    """Refunds of the payment, the invoice or the credit that have not ended."""


def refund_asked(decision: Decision, refundable: Refundable, given: NewRefund, id_: RefundId, at: datetime) -> Decision:
    """Reserve a refund that will be sent. Raises RefundRefused beyond what is left, RefundInvalid.

    Whatever it gives back later is checked now: the lines of the credit note too.
    """
    payment = refundable.paid.payment
    most = _most(refundable, reopen=given.reopen)
    amount = _asked(refundable, given, most)
    invoice = None if refundable.corrected is None else refundable.corrected.invoice
    if invoice is not None and not given.reopen:
        note_lines(_with_pending(refundable), amount, given.lines)
    if refundable.credit is not None and (given.destination == "credit" or given.lines):
        raise RefundInvalid("credit is given back as money, and has no lines", pointer="/destination")
    if given.reopen and (given.lines or given.destination == "credit" or invoice is None):
        raise RefundInvalid("a refund that reopens its invoice has no lines and goes to the payer", pointer="/reopen")
    refund = Refund(
        id=id_,
        tenant_id=payment.tenant_id,
        customer_id=decision.standing.customer.id,
        status="pending",
        payment_id=payment.id,
        invoice_id=None if invoice is None else invoice.id,
        credit_id=None if refundable.credit is None else refundable.credit.id,
        destination=given.destination,
        reopen=given.reopen,
        currency=payment.currency,
        amount_minor=amount,
        lines=given.lines,
        reason=None if given.reason is None else block_of_text(given.reason, DESCRIPTION_LENGTH, "/reason"),
        credit_note_id=None,
        decline=None,
        needs_attention=payment.disputed_minor > 0,
        tries=0,
        next_try_at=at,
        metadata=metadata(given.metadata),
        version=1,
        created_at=at,
        settled_at=None,
    )
    decision = row_changed(decision, refund, "refund.created")
    if refundable.credit is not None:
        credit = refundable.credit
        reserved = replace(credit, reserved_minor=credit.reserved_minor + amount, version=credit.version + 1)
        decision = credit_changed(decision, reserved, "credit.reserved", [])
    return decision


def refund_succeeded(
    decision: Decision, refundable: Refundable, refund: Refund, on: date, at: datetime, fresh: Iterator[UUID]
) -> Decision:
    """Book a refund: with a credit note, reopening the invoice, or as credit given back."""
    paid = refundable.paid
    payment = replace(
        paid.payment,
        refunded_minor=paid.payment.refunded_minor + refund.amount_minor,
        version=paid.payment.version + 1,
    )
    done = replace(
        refund, status="succeeded", settled_at=at, next_try_at=None, decline=None, version=refund.version + 1
    )
    if refundable.credit is not None:
        decision = _credit_refunded(decision, refundable.credit, refund, payment, on)
    elif refund.reopen:
        source = Source("refund_reopened", payment.account, refund_id=refund.id)
        of_invoice = tuple(one for one in paid.allocations if one.invoice_id == refund.invoice_id)
        only = replace(paid, payment=payment, credits=(), uses=(), allocations=of_invoice)
        decision, payment = given_back(decision, only, refund.amount_minor, source, on, at)
    else:
        decision, done = _with_note(decision, refundable, done, payment, on, at, fresh)
    decision = row_changed(row_changed(decision, payment, "payment.updated"), done, "refund.succeeded")
    return draw_available(decision, at, on, on=decision.standing.owed)


def refund_failed(
    decision: Decision,
    refundable: Refundable,
    refund: Refund,
    decline: Decline | None,
    at: datetime,
    *,
    cancelled: bool = False,
) -> Decision:
    """Nothing was given back, for good: what was reserved is free again."""
    ended = replace(
        refund,
        status="cancelled" if cancelled else "failed",
        decline=decline,
        settled_at=at,
        next_try_at=None,
        needs_attention=False,
        version=refund.version + 1,
    )
    decision = row_changed(decision, ended, "refund.cancelled" if cancelled else "refund.failed")
    if refundable.credit is None:
        return decision
    credit = refundable.credit
    free = replace(credit, reserved_minor=credit.reserved_minor - refund.amount_minor, version=credit.version + 1)
    decision = credit_changed(decision, free, "credit.released", [])
    on = local_day(at, decision.standing.customer.time_zone)
    return draw_available(decision, at, on, on=decision.standing.owed)


def refund_returned(
    decision: Decision,
    payment: Payment,
    refund: Refund,
    decline: Decline | None,
    on: date,
    at: datetime,
    fresh: Iterator[UUID],
) -> Decision:
    """A bank returned what a refund had given back: it failed after all, and its amount is the customer's credit.

    What it corrected stays corrected: we owe the customer the money that could not be delivered. An invoice that it had
    reopened may draw that credit.
    """
    credit_id = CreditId(next(fresh))
    amount = refund.amount_minor
    credit = new_credit(
        credit_id, refund.tenant_id, refund.customer_id, "payment", refund.currency, amount, on, at,
        payment_id=payment.id, reason="a refund that came back",
    )  # fmt: skip
    posting = Posting(
        "refund_returned", payment.account, CUSTOMER_CREDIT, amount, refund.currency, on,
        credit_id=credit_id, payment_id=payment.id, refund_id=refund.id,
    )  # fmt: skip
    decision = with_credit(decision, credit, [posting])
    payment = replace(
        payment,
        refunded_minor=payment.refunded_minor - amount,
        credited_minor=payment.credited_minor + amount,
        version=payment.version + 1,
    )
    failed = replace(
        refund, status="failed", decline=decline or _RETURNED, needs_attention=True, version=refund.version + 1
    )
    decision = row_changed(row_changed(decision, payment, "payment.updated"), failed, "refund.failed")
    return draw_available(decision, at, on, on=decision.standing.owed)


_RETURNED = Decline(
    DeclineBucket.RETRY_LATER, "returned", "Your bank returned the refund.", "the bank returned what was given back"
)


def _most(refundable: Refundable, *, reopen: bool) -> int:
    """What can be asked for: left of the payment, of what it paid of the invoice and no note took back, of credit."""
    payment = refundable.paid.payment
    reserved = sum(refund.amount_minor for refund in refundable.pending if refund.payment_id == payment.id)
    most = payment.refundable_minor - reserved
    if refundable.credit is not None:
        return min(most, refundable.credit.remaining_minor)
    assert refundable.corrected is not None
    invoice = refundable.corrected.invoice
    of_invoice = sum(one.net_minor for one in refundable.paid.allocations if one.invoice_id == invoice.id)
    pending = sum(refund.amount_minor for refund in refundable.pending if refund.invoice_id == invoice.id)
    most = min(most, of_invoice, invoice.paid_minor - invoice.refunded_minor - pending)
    if not reopen:
        most = min(most, sum(net + tax for net, tax in left_of_lines(_with_pending(refundable))))
    return max(0, most)


def _asked(refundable: Refundable, given: NewRefund, most: int) -> int:
    if most <= 0:
        reserved = any(refundable.pending)
        raise RefundRefused(
            "all that is left of this payment is reserved by a refund under way"
            if reserved
            else "nothing of this payment is left to be given back"
        )
    amount = given.amount_minor
    if amount is None:
        amount = sum(line.amount_minor for line in given.lines) if given.lines else most
    if amount <= 0:
        raise RefundInvalid("a refund is more than zero", pointer="/amount")
    if amount > most:
        raise RefundRefused(f"at most {most} of this payment can be given back", pointer="/amount")
    return amount


def _with_pending(refundable: Refundable) -> Corrected:
    """The invoice as if the refunds under way had issued their credit notes already."""
    corrected = refundable.corrected
    assert corrected is not None
    for refund in refundable.pending:
        if refund.invoice_id == corrected.invoice.id and not refund.reopen:
            lines = note_lines(corrected, refund.amount_minor, refund.lines)
            note = refund_note(
                corrected, lines, "reserved", CreditNoteId(refund.id), refund.created_at.date(), refund.created_at
            )
            corrected = replace(corrected, notes=(*corrected.notes, note))
    return corrected


def _credit_refunded(decision: Decision, credit: Credit, refund: Refund, payment: Payment, on: date) -> Decision:
    paid_out = replace(
        credit,
        reserved_minor=credit.reserved_minor - refund.amount_minor,
        paid_out_minor=credit.paid_out_minor + refund.amount_minor,
        version=credit.version + 1,
    )
    posting = Posting(
        "credit_refunded", CUSTOMER_CREDIT, payment.account, refund.amount_minor, refund.currency, on,
        credit_id=credit.id, payment_id=payment.id, refund_id=refund.id,
    )  # fmt: skip
    return credit_changed(decision, paid_out, "credit.paid_out", [posting])


def _with_note(
    decision: Decision,
    refundable: Refundable,
    refund: Refund,
    payment: Payment,
    on: date,
    at: datetime,
    fresh: Iterator[UUID],
) -> tuple[Decision, Refund]:
    corrected = refundable.corrected
    assert corrected is not None
    invoice = corrected.invoice
    amount = _still_paid(corrected, refund)
    if amount < refund.amount_minor:
        # The money has left, though what it was to give back is gone (a reversal meanwhile): a person has to see it.
        over = Posting(
            "refund_reopened", SUSPENSE, payment.account, refund.amount_minor - amount, refund.currency, on,
            payment_id=payment.id, refund_id=refund.id,
        )  # fmt: skip
        decision = posted(decision, [over])
        refund = replace(refund, needs_attention=True)
    if amount == 0:
        return decision, refund
    lines = _lines_of(corrected, refund, amount)
    note = refund_note(corrected, lines, refund.reason or "refund", CreditNoteId(next(fresh)), on, at)
    note = replace(note, refund_id=refund.id)
    if refund.destination == "credit":
        credit_id = CreditId(next(fresh))
        note = replace(note, credit_id=credit_id)
        credit = new_credit(
            credit_id, refund.tenant_id, invoice.customer_id, "refund", refund.currency, amount, on, at,
            invoice_id=invoice.id, payment_id=payment.id, reason=refund.reason,
        )  # fmt: skip
        postings = note_postings(note, amount, CUSTOMER_CREDIT, ("refunded_net", "refunded_tax"), credit_id=credit_id)
        decision = with_credit(decision, credit, _of_payment(postings, payment))
        refund = replace(refund, credit_id=credit_id)
    else:
        postings = note_postings(note, amount, payment.account, ("refunded_net", "refunded_tax"))
        decision = posted(decision, _of_payment(postings, payment))
    decision = row_changed(decision, note, "credit_note.issued")
    changed = replace(invoice, refunded_minor=invoice.refunded_minor + amount, version=invoice.version + 1)
    decision = invoice_changed(decision, changed, "invoice.refunded")
    return decision, replace(refund, credit_note_id=note.id)


def _still_paid(corrected: Corrected, refund: Refund) -> int:
    """What a refund can still take back of its invoice."""
    invoice = corrected.invoice
    left = sum(net + tax for net, tax in left_of_lines(corrected))
    return max(0, min(refund.amount_minor, invoice.paid_minor - invoice.refunded_minor, left))


def _lines_of(corrected: Corrected, refund: Refund, amount: int) -> Sequence[CreditNoteLine]:
    """The lines as they were asked for; in proportion where those can no longer be had."""
    left = left_of_lines(corrected)
    fits = all(line.amount_minor <= sum(left[line.line_no - 1]) for line in refund.lines)
    return note_lines(corrected, amount, refund.lines if fits and amount == refund.amount_minor else ())


def _of_payment(postings: Sequence[Posting], payment: Payment) -> list[Posting]:
    return [replace(posting, payment_id=payment.id) for posting in postings]


def pays(invoice: Invoice) -> bool:
    """Whether something was paid for it that a refund could give back."""
    return invoice.direction == "charge" and invoice.paid_minor > invoice.refunded_minor
