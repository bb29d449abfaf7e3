"""Disputes as gateways tell of them: opened, won, lost, each once, in any order; and looked up."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from billsmith.actions.calls import Call, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.loading import load_paid
from billsmith.actions.saving import lock_standing, save
from billsmith.core.collecting.disputing import dispute_lost, dispute_opened, dispute_won
from billsmith.core.customers import today_of
from billsmith.core.decisions import Decision, Standing
from billsmith.core.ids import DisputeId, PaymentId, shard_of, show_id
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.payment import Payment
from billsmith.core.payments.results import GatewayDispute
from billsmith.core.tenants import Tenant
from billsmith.errors import Conflict, NotFound
from billsmith.store.events import Cause
from billsmith.store.listing import Filters
from billsmith.store.money import payments as payment_rows
from billsmith.store.pool import Connection


class DisputeNotFound(NotFound):
    """No such dispute of this tenant."""

    code = "dispute_not_found"


class DisputeUnclear(Conflict):
    """What the gateway says of a dispute does not fit the payment that it is about: somebody has to look."""

    code = "dispute_unclear"


async def note_disputes(context: Context, call: Call, payment_id: PaymentId, said: Sequence[GatewayDispute]) -> int:
    """Take over what a gateway says of a payment's disputes, as they are now; how many changed.

    Raises DisputeUnclear.
    """
    changed = 0
    for one in sorted(said, key=lambda dispute: (dispute.opened_at, dispute.id)):

        async def verb(connection: Connection, cause: Cause, one: GatewayDispute = one) -> bool:
            return await _note(connection, context, cause, call.tenant, payment_id, one)

        changed += (await carry_out(context, replace(call, keyed=None), verb)).fresh
    return changed


async def get_dispute(context: Context, tenant: Tenant, id_: UUID) -> Dispute:
    """Raises DisputeNotFound."""
    found = await payment_rows.get_disputes(context.pool, tenant.id, [id_])
    if id_ not in found:
        raise DisputeNotFound(f"there is no dispute {show_id('dispute', id_)}")
    return found[id_]


async def list_disputes(context: Context, tenant: Tenant, filters: Filters) -> list[Dispute]:
    """A page of disputes, newest first; one more than asked for if there are more."""
    return await payment_rows.list_disputes(context.pool, tenant.id, filters)


async def _note(
    connection: Connection,
    context: Context,
    cause: Cause,
    tenant: Tenant,
    payment_id: PaymentId,
    said: GatewayDispute,
) -> bool:
    first = (await payment_rows.get_payments(connection, tenant.id, [payment_id]))[payment_id]
    standing = await lock_standing(connection, tenant, first.customer_id, owed=True)
    payment = (await payment_rows.get_payments(connection, tenant.id, [payment_id]))[payment_id]
    known = next(
        (
            dispute
            for dispute in await payment_rows.disputes_of_payments(connection, tenant.id, [payment_id])
            if dispute.gateway_id == said.id
        ),
        None,
    )
    if known is not None and (known.status != "open" or said.status == "opened"):
        return False  # it is closed for good, or nothing is new
    decision = Decision(standing)
    if known is None:
        _check(payment, said)
        decision = await _opened(connection, context, decision, payment, said, cause.caused_at)
    if said.status != "opened":
        decision = await _closed(connection, decision, payment, known, said, cause.caused_at)
    await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})
    return True


def _check(payment: Payment, said: GatewayDispute) -> None:
    if payment.status not in ("succeeded", "reversed") or payment.direction != "charge":
        raise DisputeUnclear(f"payment {show_id('payment', payment.id)} is {payment.status}, and yet in dispute")
    if said.currency != payment.currency or said.amount_minor <= 0:
        raise DisputeUnclear(
            f"a dispute over {said.amount_minor} {said.currency} of a payment in {payment.currency} is not understood"
        )


async def _opened(
    connection: Connection,
    context: Context,
    decision: Decision,
    payment: Payment,
    said: GatewayDispute,
    at: datetime,
) -> Decision:
    pending = await payment_rows.pending_refunds(connection, payment.tenant_id, [payment.id])
    return dispute_opened(
        decision,
        payment,
        said,
        DisputeId(context.ids.new(shard_of(payment.customer_id))),
        sum(refund.amount_minor for refund in pending if refund.payment_id == payment.id),
        today_of(decision.standing.customer, at),
        at,
    )


async def _closed(
    connection: Connection,
    decision: Decision,
    payment: Payment,
    known: Dispute | None,
    said: GatewayDispute,
    at: datetime,
) -> Decision:
    """Won or lost, also one that was heard of only now."""
    standing: Standing = decision.standing
    for row in decision.rows:
        if isinstance(row, Payment):
            payment = row
        elif isinstance(row, Dispute):
            known = row
    assert known is not None
    on = today_of(standing.customer, at)
    if said.status == "won":
        return dispute_won(decision, payment, known, on, at)
    paid = await load_paid(connection, standing.tenant, payment.id)
    return dispute_lost(decision, replace(paid, payment=payment), known, on, at)
