"""Events of gateways as we keep them: a hint that something changed, never the truth about it."""

from datetime import datetime
from typing import Literal

import msgspec

from billsmith.core.ids import GatewayAccountId, GatewayEventId, TenantId
from billsmith.core.payments.results import OperationKind

StoredStatus = Literal["received", "processed", "orphan", "ignored", "parked"]
"""`orphan`: about an object that is not ours; `parked`: it could not be looked into, and somebody has to."""


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """One event, without what came on the wire. The fields stand in the order of the queries' columns."""

    tenant_id: TenantId
    id: GatewayEventId
    gateway_account_id: GatewayAccountId
    gateway_event_id: str
    kind: Literal["operation", "dispute", "method", "other"]
    type: str
    operation_kind: OperationKind | None
    operation_id: str | None
    gateway_id: str | None
    happened_at: datetime
    status: StoredStatus
    detail: str | None
    suspended_minor: int | None
    """Of an orphan: what it moved into suspense; below zero, out of it."""
    currency: str | None
    tries: int
    received_at: datetime
    """By the wall clock, like the next."""
    next_try_at: datetime | None
