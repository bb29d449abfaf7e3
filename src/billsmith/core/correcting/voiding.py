"""Voiding an invoice: its number stays, its amounts are mirrored. Rule: docs/rules/void.md"""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from msgspec.structs import replace

from billsmith.core.correcting.credit_notes import Corrected, left_of_lines
from billsmith.core.correcting.write_offs import write_offs_reversed
from billsmith.core.credits import Credit, returned
from billsmith.core.decisions import Decision, credit_changed, draw_available, invoice_changed, posted
from billsmith.core.ids import CreditId
from billsmith.core.invoices import Invoice
from billsmith.core.ledger import (
    BILLED_REVENUE,
    CUSTOMER_CREDIT,
    PAYABLE,
    PAYOUT_COST,
    RECEIVABLE,
    TAX_PAYABLE,
    Posting,
    PostingKind,
)
from billsmith.core.payments.corrections import CorrectionRefused
from billsmith.core.payments.policy import COLLECTION_ENDED


class Drawn(msgspec.Struct, frozen=True, gc=False):
    """What of a credit an invoice has drawn, net; the credit as it is, whatever is left of it."""

    credit: Credit
    amount_minor: int


class Voidable(msgspec.Struct, frozen=True, gc=False):
    """Everything that decides whether and how an invoice is voided."""

    corrected: Corrected
    drawn: tuple[Drawn, ...] = ()
    own_credit: Credit | None = None
    """The credit that its negative total became."""
    corrected_by: tuple[str, ...] = ()
    """Later documents that correct one of its lines and stand: their shown ids."""


def void_asked(decision: Decision, voidable: Voidable, rebill: bool, on: date, at: datetime) -> Decision:
    """Void now, or, with a charge under way, as soon as it has ended (`void_pending`).

    Raises CorrectionRefused for drafts, what is void already, what was paid, and what a later document corrects.
    """
    invoice = voidable.corrected.invoice
    if invoice.status not in ("open", "paid", "uncollectible") or invoice.collection_state == "void_pending":
        state = "being voided" if invoice.collection_state == "void_pending" else invoice.status
        raise CorrectionRefused(f"this invoice is {state}; it can't be voided")
    if invoice.paid_minor:
        raise CorrectionRefused("money was paid for this invoice; refund it, or correct it by a credit note")
    if any(note.paid_minor for note in voidable.corrected.notes):
        raise CorrectionRefused("a credit note gave back some of what was settled; the invoice has to stay")
    if invoice.absorbed_minor:
        raise CorrectionRefused("it gave back what had been written off; correct it by a credit note or an invoice")
    if voidable.corrected_by:
        raise CorrectionRefused(
            f"{', '.join(voidable.corrected_by)} corrects this invoice; void that first",
            facts={"corrected_by": voidable.corrected_by[0]},
        )
    if invoice.has_live_attempt and invoice.direction == "payout":
        raise CorrectionRefused("a payout is under way; wait for what becomes of it")
    if invoice.has_live_attempt:
        pending = replace(
            invoice,
            collection_state="void_pending",
            collection_reason=None,
            next_collect_at=None,
            rebill=rebill,
            version=invoice.version + 1,
        )
        return invoice_changed(decision, pending, "invoice.void_pending")
    decision = voided(decision, voidable, rebill, on, at)
    return draw_available(decision, at, on, on=decision.standing.owed)


def voided(decision: Decision, voidable: Voidable, rebill: bool, on: date, at: datetime) -> Decision:
    """Mirror what is left of the invoice; write-offs are reversed first, drawn credit comes back.

    Raises CorrectionRefused where credit that it gave is spent elsewhere.
    """
    corrected = voidable.corrected
    invoice = corrected.invoice
    decision = _own_credit_taken_back(decision, voidable, on)
    invoice = replace(invoice, moved_to_credit_minor=0)
    if invoice.written_off_minor:
        decision, invoice = write_offs_reversed(decision, invoice, corrected.write_offs, invoice.written_off_minor, on)
    latest = {credit.id: credit for credit in decision.credits}
    for draw in voidable.drawn:
        credit = returned(latest.get(draw.credit.id, draw.credit), draw.amount_minor)
        decision = credit_changed(decision, credit, "credit.returned", [_returned(invoice, draw, on)])
    decision = posted(decision, _mirrored(corrected, on))
    invoice = replace(
        invoice,
        status="void",
        credit_applied_minor=invoice.credit_applied_minor - sum(draw.amount_minor for draw in voidable.drawn),
        voided_minor=invoice.total_minor - invoice.credit_noted_minor,
        settled_at=at,
        rebill=rebill,
        version=invoice.version + 1,
        **COLLECTION_ENDED,
    )
    return invoice_changed(decision, invoice, "invoice.voided")


def credit_spent(credit: Credit) -> bool:
    """Whether anything of it was used in a way that can't be taken back here."""
    return credit.remaining_minor != credit.amount_minor


def _own_credit_taken_back(decision: Decision, voidable: Voidable, on: date) -> Decision:
    credit, invoice = voidable.own_credit, voidable.corrected.invoice
    if credit is None:
        return decision
    if credit_spent(credit):
        raise CorrectionRefused("the credit that this document gave is spent; what it paid has to be undone first")
    gone = replace(credit, deleted_minor=credit.remaining_minor, version=credit.version + 1)
    posting = Posting(
        "negative_total_voided", CUSTOMER_CREDIT, RECEIVABLE, credit.remaining_minor, credit.currency, on,
        invoice_id=invoice.id, credit_id=credit.id,
    )  # fmt: skip
    return credit_changed(decision, gone, "credit.deleted", [posting])


def _returned(invoice: Invoice, draw: Drawn, on: date) -> Posting:
    return Posting(
        "credit_returned", RECEIVABLE, CUSTOMER_CREDIT, draw.amount_minor, invoice.currency, on,
        invoice_id=invoice.id, credit_id=CreditId(draw.credit.id),
    )  # fmt: skip


def _mirrored(corrected: Corrected, on: date) -> Sequence[Posting]:
    invoice = corrected.invoice
    postings = []
    for line_no, (net, tax) in enumerate(left_of_lines(corrected), 1):
        line = corrected.lines[line_no - 1]
        kinds: list[tuple[PostingKind, str, str, int]] = (
            [("payout_voided", PAYABLE, PAYOUT_COST, net + tax)]
            if invoice.direction == "payout"
            else [("net_voided", BILLED_REVENUE, RECEIVABLE, net), ("tax_voided", TAX_PAYABLE, RECEIVABLE, tax)]
        )
        for kind, debit, credit, amount in kinds:
            sides = (debit, credit) if amount > 0 else (credit, debit)
            span = line.period_start_on, line.period_end_on
            if amount:
                postings.append(Posting(kind, *sides, abs(amount), invoice.currency, on, *span, invoice.id, line_no))
    return postings
