"""The ledger: accounts, and which posting each fact makes. Rule: docs/rules/ledger.md

A posting becomes one transfer: one row with a debit and a credit of the same amount, so it can't be unbalanced.
"""

from collections.abc import Iterable
from datetime import date
from typing import Literal

import msgspec

from billsmith.core.ids import (
    CreditId,
    CreditNoteId,
    CustomerId,
    DisputeId,
    InvoiceId,
    PaymentId,
    RefundId,
    WriteOffId,
)
from billsmith.core.invoices import Invoice, Line

RECEIVABLE = "receivable"
CUSTOMER_CREDIT = "customer_credit"
PAYABLE = "payable"
BILLED_REVENUE = "billed_revenue"
TAX_PAYABLE = "tax_payable"
PAYOUT_COST = "payout_cost"
CREDITS_GRANTED = "credits_granted"
BAD_DEBT = "bad_debt"
SUSPENSE = "suspense"
FEES = "fees"
DISPUTED = "disputed"
DISPUTE_LOSSES = "dispute_losses"
CASH = ("cash:gateway", "cash:external")

PostingKind = Literal[
    "net_billed", "tax_billed", "payout_billed", "negative_total", "absorbed",
    "credit_drawn", "credit_returned", "credit_granted", "credit_expired", "credit_deleted", "credit_moved",
    "payment_allocated", "payment_credited", "payment_suspended", "payment_linked", "payment_fee",
    "payment_reversed", "suspense_released",
    "credit_noted_net", "credit_noted_tax", "refunded_net", "refunded_tax", "refund_reopened", "credit_refunded",
    "refund_returned",
    "dispute_opened", "dispute_won", "dispute_expensed", "dispute_reopened",
    "written_off", "write_off_reversed", "net_voided", "tax_voided", "payout_voided", "negative_total_voided",
    "payout_paid", "payout_bounced",
]  # fmt: skip
"""Which fact moved it. The postings of each: docs/rules/ledger.md"""


class Posting(msgspec.Struct, frozen=True, gc=False):
    """One movement, as yet without an id. The fields stand in the order of the table's columns.

    `amount_minor` > 0; `accounting_on` is the accounting date, the local day on which it counts.
    """

    kind: PostingKind
    debit: str
    credit: str
    amount_minor: int
    currency: str
    accounting_on: date
    period_start_on: date | None = None
    period_end_on: date | None = None
    invoice_id: InvoiceId | None = None
    line_no: int | None = None
    credit_id: CreditId | None = None
    payment_id: PaymentId | None = None
    refund_id: RefundId | None = None
    dispute_id: DisputeId | None = None
    credit_note_id: CreditNoteId | None = None
    write_off_id: WriteOffId | None = None
    to_customer_id: CustomerId | None = None
    """Whose the credit side is, where it is another's: credit moved to the parent."""


class Balance(msgspec.Struct, frozen=True, gc=False):
    """What stands between us and one customer in one currency; none is ever negative."""

    receivable_minor: int = 0
    credit_minor: int = 0
    payable_minor: int = 0


def billed(invoice: Invoice, lines: Iterable[Line], accounting_on: date) -> list[Posting]:
    """Finalise: per line its net and its tax, debit receivable; a negative line mirrored.

    A payout's lines are debit payout_cost, credit payable, tax included.
    """
    postings: list[Posting] = []
    if invoice.direction == "payout":
        for line_no, line in enumerate(lines, 1):
            _post(
                postings, "payout_billed", PAYOUT_COST, PAYABLE, line.total_minor, invoice, line_no, line, accounting_on
            )
        return postings
    for line_no, line in enumerate(lines, 1):
        _post(postings, "net_billed", RECEIVABLE, BILLED_REVENUE, line.net_minor, invoice, line_no, line, accounting_on)
        _post(postings, "tax_billed", RECEIVABLE, TAX_PAYABLE, line.tax_minor, invoice, line_no, line, accounting_on)
    return postings


def _post(
    postings: list[Posting],
    kind: PostingKind,
    debit: str,
    credit: str,
    amount_minor: int,
    invoice: Invoice,
    line_no: int,
    line: Line,
    accounting_on: date,
) -> None:
    if amount_minor == 0:
        return
    if amount_minor < 0:
        debit, credit, amount_minor = credit, debit, -amount_minor
    postings.append(
        Posting(
            kind,
            debit,
            credit,
            amount_minor,
            invoice.currency,
            accounting_on,
            line.period_start_on,
            line.period_end_on,
            invoice.id,
            line_no,
        )
    )


def after(balance: Balance, postings: Iterable[Posting]) -> Balance:
    """The balance once the postings are made."""
    moved = {
        RECEIVABLE: balance.receivable_minor,
        CUSTOMER_CREDIT: -balance.credit_minor,
        PAYABLE: -balance.payable_minor,
    }
    for posting in postings:
        if posting.debit in moved:
            moved[posting.debit] += posting.amount_minor
        if posting.credit in moved:
            moved[posting.credit] -= posting.amount_minor
    return Balance(moved[RECEIVABLE], -moved[CUSTOMER_CREDIT], -moved[PAYABLE])
