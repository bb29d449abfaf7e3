"""Gateway accounts and payment methods: where money is asked for, and how a customer pays. Tokens only, never cards."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from billsmith.core.ids import CustomerId, GatewayAccountId, PaymentMethodId, TenantId
from billsmith.core.payments.payment import MethodKind
from billsmith.core.payments.results import NextAction
from billsmith.errors import Conflict, Invalid


class GatewayAccount(msgspec.Struct, frozen=True, gc=False):
    """A tenant's account at a gateway. The fields stand in the order of the table's columns."""

    tenant_id: TenantId
    id: GatewayAccountId
    gateway: str
    """The gateway's name in the registry: `fake`, `external`, a plugin's."""
    name: str
    is_default: bool
    status: Literal["active", "paused", "closed"]
    """`paused`: nothing is sent until a person says so; what was due waits."""
    paused_because: str | None
    settings: dict[str, Any]
    sealed_credentials: bytes
    metadata: dict[str, str]
    version: int
    created_at: datetime


class PaymentMethod(msgspec.Struct, frozen=True, gc=False):
    """The gateway's own token for a card or bank account. The fields stand in the order of the table's columns."""

    id: PaymentMethodId
    tenant_id: TenantId
    customer_id: CustomerId
    gateway_account_id: GatewayAccountId
    token: str
    kind: MethodKind
    status: Literal["pending", "active", "failed", "detached"]
    """`pending`: the customer has to do `next_action` first."""
    brand: str | None
    last4: str | None
    expires_year: int | None
    expires_month: int | None
    setup_id: str | None
    next_action: NextAction | None
    metadata: dict[str, str]
    version: int
    created_at: datetime
    validated_at: datetime | None
    """When the gateway last said that it can be used."""


class PaymentMethodUnusable(Conflict):
    """Detached, failed, or not set up yet."""

    code = "payment_method_unusable"


class PaymentMethodInvalid(Invalid):
    """A reference that no gateway account of this tenant can use."""

    code = "payment_method_invalid"


class GatewayAccountUnusable(Conflict):
    """Closed, or paused until a person says that it works again."""

    code = "gateway_account_unusable"


def usable(method: PaymentMethod) -> PaymentMethod:
    """The method itself. Raises PaymentMethodUnusable."""
    if method.status != "active":
        raise PaymentMethodUnusable(f"this payment method is {method.status}", pointer="/payment_method")
    return method
