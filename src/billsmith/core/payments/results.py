"""What a gateway says became of an operation: its status, what really moved, and why it was declined."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec


class OperationKind(StrEnum):
    """What a gateway can be asked to do with money."""

    CHARGE = "charge"
    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"
    PAYOUT = "payout"


class OperationStatus(StrEnum):
    """Where an operation stands at the gateway. `unknown`: the reply was lost or makes no sense; ask again."""

    SUCCEEDED = "succeeded"
    AUTHORIZED = "authorized"
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    # Not answers to a first call: what a later look finds.
    EXPIRED = "expired"
    """An authorization that was not captured in time."""
    REVERSED = "reversed"
    """It had succeeded; the money went back weeks later (a returned bank debit, a bounced payout)."""


class DeclineBucket(StrEnum):
    """What a decline means for the next try."""

    RETRY_LATER = "retry_later"
    """Insufficient funds, issuer down."""
    NEEDS_NEW_METHOD = "needs_new_method"
    """Expired, closed, revoked."""
    NEEDS_ACTION = "needs_action"
    """The customer has to authenticate."""
    NEVER = "never"
    """Lost, stolen, fraud."""
    CONFIG = "config"
    """Our own set-up is wrong."""


class Decline(msgspec.Struct, frozen=True, gc=False):
    """Why money did not move. Only `public_message` may be shown to the customer."""

    bucket: DeclineBucket
    code: str
    """The gateway's own word, for instance `insufficient_funds`."""
    public_message: str
    private_message: str
    advice: str | None = None
    """The card network's advice on trying again, as the gateway passes it on."""


class NextAction(msgspec.Struct, frozen=True, gc=False):
    """What the customer has to do before an operation can go on."""

    kind: Literal["redirect", "show"]
    url: str | None = None
    text: str | None = None


class GatewayDispute(msgspec.Struct, frozen=True, gc=False):
    """A customer's bank takes a charge, or a part of it, back for the time being."""

    id: str
    status: Literal["opened", "won", "lost"]
    amount_minor: int
    currency: str
    reason: str
    opened_at: datetime
    decided_at: datetime | None = None


class OperationResult(msgspec.Struct, frozen=True, gc=False):
    """What became of one operation. The amount is what really moved, which may differ from what was asked."""

    status: OperationStatus
    gateway_id: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    fee_minor: int = 0
    """What the gateway keeps, in the same currency."""
    next_action: NextAction | None = None
    decline: Decline | None = None
    settles_at: datetime | None = None
    """When a pending operation is expected to be decided."""
    happened_at: datetime | None = None
    """When the gateway says that it came to this status."""
    disputes: tuple[GatewayDispute, ...] = ()
    raw: bytes = b""
    """The gateway's reply as it came, without secrets and without anything of a card but its last four digits."""
