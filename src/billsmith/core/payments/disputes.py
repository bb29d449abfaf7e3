"""Disputes: a payer's bank takes money back, for good or not. How they change: `collecting/disputing.py`."""

from datetime import datetime
from typing import Literal

import msgspec

from billsmith.core.ids import CustomerId, DisputeId, PaymentId, TenantId


class Dispute(msgspec.Struct, frozen=True, gc=False):
    """One dispute of one payment. The fields stand in the order of the table's columns."""

    id: DisputeId
    tenant_id: TenantId
    customer_id: CustomerId
    payment_id: PaymentId
    gateway_id: str | None
    status: Literal["open", "won", "lost"]
    outcome: Literal["expensed", "reopened"] | None
    """What a lost one did, as the tenant chose."""
    currency: str
    amount_minor: int
    reason: str | None
    needs_attention: bool
    """It takes more than the payment has left, or a refund was under way at the same time."""
    version: int
    created_at: datetime
    closed_at: datetime | None
