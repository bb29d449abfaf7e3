"""Facts: what happened to which object, at which version of it. Each becomes one event. Named in the past tense."""

from typing import Any, Literal
from uuid import UUID

import msgspec

from billsmith.core.ids import CustomerId

FactType = Literal[
    "tenant.created",
    "tenant.clock_moved",
    "key.created",
    "key.revoked",
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "invoice.drafted",
    "invoice.updated",
    "invoice.deleted",
    "invoice.finalised",
    "invoice.credit_applied",
    "invoice.paid",
    "credit.created",
    "credit.drawn",
    "credit.expired",
    "credit.deleted",
]


class Fact(msgspec.Struct, frozen=True, gc=False):
    """One change of one object. `object` is the object as it was right after, at `object_version`."""

    type: FactType
    object_id: UUID
    object_version: int
    object: Any
    customer_id: CustomerId | None
