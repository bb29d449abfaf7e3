"""Payments: money that moved or may have, the attempts to move it, and what it pays. How they change: `collecting/`."""

from datetime import date, datetime
from typing import Any, Literal

import msgspec

from billsmith.core.ids import (
    AttemptId,
    CustomerId,
    GatewayAccountId,
    InvoiceId,
    PaymentId,
    PaymentMethodId,
    RefundId,
    TenantId,
)
from billsmith.core.payments.results import Decline, NextAction, OperationKind
from billsmith.errors import Conflict, Invalid

PaymentStatus = Literal["processing", "action_required", "succeeded", "failed", "cancelled", "reversed"]
AttemptStatus = Literal[
    "sent", "succeeded", "authorized", "failed", "pending", "requires_action", "unknown", "cancelled", "reversed"
]
LIVE_STATUSES = ("sent", "authorized", "pending", "requires_action", "unknown")
"""Money may still move: at most one such attempt per invoice."""

MethodKind = Literal["card", "bank_account", "external"]


class Payment(msgspec.Struct, frozen=True, gc=False):
    """Money of one payer, in (`charge`) or out (`payout`). The fields stand in the order of the table's columns.

    Once it succeeded: amount = allocated + credited + suspended, less what was given back. Each is a sum of transfers.
    """

    id: PaymentId
    tenant_id: TenantId
    customer_id: CustomerId
    direction: Literal["charge", "payout"]
    status: PaymentStatus
    currency: str
    amount_minor: int
    """Asked; once it succeeded, what really moved."""
    fee_minor: int
    allocated_minor: int
    """Set against invoices now: net of reopening refunds, lost disputes that reopened, and reversals."""
    credited_minor: int
    """What became customer credit, gross."""
    suspended_minor: int
    """What matches nothing asked, until a person decides."""
    refunded_minor: int
    """Given back by refunds that succeeded, to the payer or to credit."""
    disputed_minor: int
    """Held by disputes that are open."""
    lost_minor: int
    """Taken by disputes that were lost."""
    reversed_minor: int
    method_kind: MethodKind
    payment_method_id: PaymentMethodId | None
    gateway_account_id: GatewayAccountId | None
    gateway_id: str | None
    reference: str | None
    """An external payment's own reference: the number of a cheque, the text of a transfer."""
    external_id: str | None
    received_on: date | None
    decline: Decline | None
    metadata: dict[str, str]
    version: int
    created_at: datetime
    settled_at: datetime | None

    @property
    def refundable_minor(self) -> int:
        """What of it can still be given back, refunds in flight left aside."""
        if self.status != "succeeded" or self.direction == "payout":
            return 0
        return max(
            0,
            self.amount_minor
            - self.refunded_minor
            - self.disputed_minor
            - self.lost_minor
            - self.suspended_minor
            - self.reversed_minor,
        )

    @property
    def account(self) -> str:
        """The ledger account of the cash that it moved."""
        return "cash:external" if self.gateway_account_id is None else "cash:gateway"


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One call to a gateway, its id being the idempotency key. The fields stand in the order of the table's columns."""

    id: AttemptId
    tenant_id: TenantId
    customer_id: CustomerId
    kind: OperationKind
    status: AttemptStatus
    payment_id: PaymentId
    refund_id: RefundId | None
    payment_method_id: PaymentMethodId | None
    gateway_account_id: GatewayAccountId
    amount_minor: int
    currency: str
    statement_text: str | None
    fingerprint: bytes
    """Of the request as it was sent: a resend is the same request."""
    sent_at: datetime
    """By the wall clock, like the next: machinery, not a date that a customer sees."""
    lease_until: datetime
    next_check_at: datetime | None
    """When to ask the gateway again; None: nothing more to ask."""
    checks: int
    gateway_id: str | None
    actual_amount_minor: int | None
    actual_currency: str | None
    fee_minor: int
    decline: Decline | None
    next_action: NextAction | None
    settles_at: datetime | None
    raw: bytes | None
    evidence: str | None
    """How a person knew what became of it, where the gateway could not say."""
    version: int
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_live(self) -> bool:
        """Whether money may still move by it."""
        return self.status in LIVE_STATUSES


class Share(msgspec.Struct, frozen=True, gc=False):
    """What of an attempt is meant for which invoice; at most one live attempt has a share of an invoice."""

    attempt_id: AttemptId
    invoice_id: InvoiceId
    tenant_id: TenantId
    amount_minor: int


class Allocation(msgspec.Struct, frozen=True, gc=False):
    """What of a payment is set against an invoice: one row for the two. Fields in the order of the columns."""

    id: Any
    tenant_id: TenantId
    customer_id: CustomerId
    """The invoice's, which may be a child of the payer."""
    payment_id: PaymentId
    invoice_id: InvoiceId
    currency: str
    amount_minor: int
    released_minor: int
    """What of it was taken back: refunds and disputes that reopened, reversals."""
    version: int
    created_at: datetime

    @property
    def net_minor(self) -> int:
        """What it pays now."""
        return self.amount_minor - self.released_minor


class PaymentInvalid(Invalid):
    """A payment that can't be meant."""

    code = "payment_invalid"


class AllocationRefused(Conflict):
    """This payment can't be set against that invoice."""

    code = "allocation_refused"


class NotCollectable(Conflict):
    """There is nothing to collect here, or something is on its way."""

    code = "not_collectable"
