"""Invoices and their lines: values, states, and what is given to make them. How they are computed: `invoicing.py`."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from billsmith.core.discounts import Discount
from billsmith.core.ids import CustomerId, InvoiceId, PaymentMethodId, SnapshotId, SubscriptionId, TenantId, show_id
from billsmith.core.parties import Party
from billsmith.core.payments.policy import CollectionPolicy
from billsmith.core.payments.results import Decline
from billsmith.core.periods import Period
from billsmith.core.taxes import Tax
from billsmith.errors import Conflict

Status = Literal["draft", "open", "paid", "void", "uncollectible", "awaiting_payment", "abandoned"]
CollectionState = Literal[
    "no_method", "scheduled", "processing", "action_required", "retrying", "failed", "stopped", "void_pending"
]
Direction = Literal["charge", "payout"]
CollectionReason = Literal[
    "auto_collect_off", "external_method", "on_update", "needs_new_method", "needs_action", "awaiting_customer",
    "retries_used_up", "never", "gateway_paused", "not_submitted", "amount_mismatch", "reopened", "held",
    "customer_deleted", "parked",
]  # fmt: skip
"""Why an invoice is in its collection state, where the state alone does not say."""
LineKind = Literal["recurring", "fixed", "usage", "one_off", "proration_credit", "adjustment"]

_LIVE = ("processing", "void_pending")

LINES = 1000
"""On one pushed invoice. Imports may have more."""


class Item(msgspec.Struct, frozen=True, gc=False):
    """What a caller gives for one line. A text alone is an item without an amount.

    `amount_minor` or `unit_price` (major units, up to 12 places; quantity 1 unless given) or neither; both must agree.
    `category` and `volume` are shown and never computed with.
    """

    name: str
    amount_minor: int | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    unit_price: Decimal | None = None
    period: Period | None = None
    volume: str | None = None
    category: str | None = None
    tax: Tax | None = None
    discount: Discount | None = None


class Adjustment(msgspec.Struct, frozen=True, gc=False):
    """An amount on top (or, negative, off), with the reason that a person will read."""

    amount_minor: int
    reason: str


class InvoiceDetails(msgspec.Struct, frozen=True, gc=False):
    """Everything a caller may say about an invoice, when it is made and while it is a draft."""

    items: tuple[Item, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    amount_minor: int | None = None
    """The total that the lines must add up to, tax included; one item without an amount takes the rest."""
    currency: str | None = None
    direction: Direction = "charge"
    title: str | None = None
    memo: str | None = None
    period: Period | None = None
    issued_on: date | None = None
    """Given for documents of the past; otherwise the customer's day of finalisation."""
    due_on: date | None = None
    terms_days: int | None = None
    external_id: str | None = None
    external_number: str | None = None
    payment_method_id: PaymentMethodId | None = None
    """Collected with this one, at once; None: the customer's default, if there is one."""
    collection_policy: CollectionPolicy | None = None
    statement_text: str | None = None
    """What the payer's bank prints (`appears_on_statement_as`)."""
    adjusts_id: InvoiceId | None = None
    """The invoice that this one corrects upwards; they are collected together."""
    revises_id: InvoiceId | None = None
    """The void invoice that this one is a new version of."""
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line of a document. The fields stand in the order of the table's columns, after its key.

    base = amount − discount. Exclusive tax: net = base, tax = net × rate. Inclusive: tax = base × rate ÷ (1 + rate),
    net = base − tax. total = net + tax. Rule: docs/rules/totals.md
    """

    kind: LineKind
    description: str
    category: str | None
    quantity: Decimal | None
    unit: str | None
    unit_price: Decimal | None
    volume: str | None
    amount_minor: int
    discount_minor: int
    discount_percent: Decimal | None
    tax_percent: Decimal | None
    tax_inclusive: bool
    net_minor: int
    tax_minor: int
    total_minor: int
    period_start_on: date | None
    period_end_on: date | None
    time_zone: str | None
    share: str | None = None
    """Of a piece of a period: which part of the price it costs, "22/31". None: all of it."""
    subscription_id: SubscriptionId | None = None
    corrects_invoice_id: InvoiceId | None = None
    """Of a proration credit: the line of which it gives back the unused part."""
    corrects_line_no: int | None = None


class Invoice(msgspec.Struct, frozen=True, gc=False):
    """A document without its lines. The fields stand in the order of the table's columns.

    A draft's totals are what its lines come to; its balance is zero until it is finalised.
    """

    id: InvoiceId
    tenant_id: TenantId
    customer_id: CustomerId
    status: Status
    collection_state: CollectionState | None
    direction: Direction
    currency: str
    external_id: str | None
    external_number: str | None
    title: str | None
    memo: str | None
    period_start_on: date | None
    period_end_on: date | None
    terms_days: int | None
    issued_on: date | None
    due_on: date | None
    line_count: int
    net_minor: int
    tax_minor: int
    total_minor: int
    paid_minor: int
    credit_applied_minor: int
    credit_noted_minor: int
    written_off_minor: int
    voided_minor: int
    moved_to_credit_minor: int
    absorbed_minor: int
    refunded_minor: int
    """What of `paid_minor` was given back with a credit note, the invoice staying settled."""
    payment_method_id: PaymentMethodId | None
    collection_policy: CollectionPolicy | None
    statement_text: str | None
    next_collect_at: datetime | None
    attempt_count: int
    """Tries that counted since the method or the debt last changed."""
    collection_reason: CollectionReason | None
    last_decline: Decline | None
    adjusts_id: InvoiceId | None
    revises_id: InvoiceId | None
    revised_by_id: InvoiceId | None
    rebill: bool | None
    """Of a void invoice: whether its periods are to be billed again."""
    metadata: dict[str, str]
    tags: tuple[str, ...]
    seller_snapshot_id: SnapshotId | None
    buyer_snapshot_id: SnapshotId | None
    version: int
    created_at: datetime
    finalised_at: datetime | None
    settled_at: datetime | None
    finalise_at: datetime | None = None
    """Of a draft that a run made: when it finalises itself."""
    unrecoverable_minor: int = 0
    """What of `written_off_minor` later documents absorbed, giving back what was never paid."""

    @property
    def has_live_attempt(self) -> bool:
        """Whether money may be on its way for it: in flight, pending at the bank, unknown, or with the customer."""
        return self.collection_state in _LIVE or (
            self.collection_state == "action_required" and self.collection_reason == "awaiting_customer"
        )

    @property
    def balance_minor(self) -> int:
        """What is still owed; zero on a draft."""
        return 0 if self.finalised_at is None else self.total_minor - self.accounted_for_minor

    @property
    def recoverable_minor(self) -> int:
        """What was written off and can still be reversed, recovered or corrected."""
        return self.written_off_minor - self.unrecoverable_minor

    @property
    def accounted_for_minor(self) -> int:
        """What of the total is no longer owed, whatever became of it."""
        return (
            self.paid_minor
            + self.credit_applied_minor
            + self.credit_noted_minor
            + self.written_off_minor
            + self.voided_minor
            + self.moved_to_credit_minor
            + self.absorbed_minor
        )


class Document(msgspec.Struct, frozen=True, gc=False):
    """An invoice with everything that is printed on it. `number`, seller and buyer are None on a draft."""

    invoice: Invoice
    lines: tuple[Line, ...]
    number: str | None
    seller: Party | None
    buyer: Party | None


class InvoiceNotDraft(Conflict):
    """A finalised invoice keeps its lines, amounts, dates and texts."""

    code = "invoice_not_draft"


def still_draft(invoice: Invoice) -> None:
    """Raises InvoiceNotDraft."""
    if invoice.status != "draft":
        raise InvoiceNotDraft(
            f"invoice {show_id('invoice', invoice.id)} is {invoice.status}; only a draft can be changed or deleted",
            facts={"invoice": show_id("invoice", invoice.id), "status": invoice.status},
        )
