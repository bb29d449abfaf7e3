"""Refunds: things with states of their own. How they change: `collecting/refunding.py`. Rule: docs/rules/refunds.md"""

from datetime import datetime
from typing import Literal

import msgspec

from billsmith.core.ids import CreditId, CreditNoteId, CustomerId, InvoiceId, PaymentId, RefundId, TenantId
from billsmith.core.payments.results import Decline
from billsmith.errors import Conflict, Invalid

RefundStatus = Literal["pending", "succeeded", "failed", "cancelled"]


class LineAmount(msgspec.Struct, frozen=True, gc=False):
    """A part of one line of an invoice, tax included."""

    line_no: int
    amount_minor: int


class Refund(msgspec.Struct, frozen=True, gc=False):
    """Money given back, from one payment. The fields stand in the order of the table's columns.

    `pending` from the moment it is asked for until its outcome is certain; meanwhile its amount is reserved.
    """

    id: RefundId
    tenant_id: TenantId
    customer_id: CustomerId
    status: RefundStatus
    payment_id: PaymentId
    invoice_id: InvoiceId | None
    """None: it gives back credit that was never spent."""
    credit_id: CreditId | None
    """The credit given back, or the one that it became (`destination` credit)."""
    destination: Literal["gateway", "credit"]
    reopen: bool
    currency: str
    amount_minor: int
    lines: tuple[LineAmount, ...]
    """What of which line it gives back; empty: of all lines in proportion."""
    reason: str | None
    credit_note_id: CreditNoteId | None
    decline: Decline | None
    needs_attention: bool
    """Its outcome is unknown, or the payment is disputed as well."""
    tries: int
    next_try_at: datetime | None
    """When it is to be sent (again); None while a try is under way, and once it has ended."""
    metadata: dict[str, str]
    version: int
    created_at: datetime
    settled_at: datetime | None


class RefundInvalid(Invalid):
    """A refund that can't be meant."""

    code = "refund_invalid"


class RefundRefused(Conflict):
    """More than what was paid and is not yet given back or reserved, or nothing that can be given back."""

    code = "refund_refused"
