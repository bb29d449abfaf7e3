"""Facts: what happened to which object, at which version of it. Each becomes one event. Named in the past tense."""

from typing import Any, Literal
from uuid import UUID

import msgspec

from billsmith.core.ids import CustomerId

FactType = Literal[
    "tenant.created",
    "tenant.clock_moved",
    "tenant.updated",
    "key.created",
    "key.revoked",
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "customer.billing_parked",
    "invoice.drafted",
    "invoice.updated",
    "invoice.deleted",
    "invoice.finalised",
    "invoice.credit_applied",
    "invoice.paid",
    "invoice.collection_changed",
    "invoice.payment_started",
    "invoice.payment_failed",
    "invoice.payment_pending",
    "invoice.payment_applied",
    "invoice.payment_reversed",
    "invoice.action_required",
    "invoice.reopened",
    "invoice.corrected",
    "invoice.refunded",
    "invoice.void_pending",
    "invoice.voided",
    "invoice.written_off",
    "invoice.uncollectible",
    "invoice.write_off_reversed",
    "credit.created",
    "credit.drawn",
    "credit.expired",
    "credit.deleted",
    "credit.returned",
    "credit.reserved",
    "credit.released",
    "credit.paid_out",
    "credit.moved",
    "gateway_account.created",
    "gateway_account.updated",
    "gateway_account.paused",
    "gateway_account.resumed",
    "gateway_account.closed",
    "payment_method.created",
    "payment_method.updated",
    "payment_method.detached",
    "payment.created",
    "payment.pending",
    "payment.action_required",
    "payment.unknown",
    "payment.succeeded",
    "payment.failed",
    "payment.cancelled",
    "payment.reversed",
    "payment.allocated",
    "payment.updated",
    "refund.created",
    "refund.unknown",
    "refund.succeeded",
    "refund.failed",
    "refund.cancelled",
    "credit_note.issued",
    "dispute.opened",
    "dispute.won",
    "dispute.lost",
    "write_off.created",
    "write_off.reversed",
    "catalog.updated",
    "plan.retired",
    "subscription.created",
    "subscription.started",
    "subscription.changed",
    "subscription.quantity_changed",
    "subscription.phase_reached",
    "subscription.paused",
    "subscription.resumed",
    "subscription.cancel_scheduled",
    "subscription.cancelled",
    "subscription.change_scheduled",
    "subscription.change_undone",
    "subscription.expired",
    "subscription.transferred",
    "subscription.updated",
    "operation.started",
    "operation.completed",
]


class Fact(msgspec.Struct, frozen=True, gc=False):
    """One change of one object. `object` is the object as it was right after, at `object_version`."""

    type: FactType
    object_id: UUID
    object_version: int
    object: Any
    customer_id: CustomerId | None
