"""Money that belongs to nobody: of a gateway's objects that are not ours, or another amount than was asked.

It stands in suspense until a person says whose it is.
"""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from msgspec.structs import replace

from billsmith.actions.calls import Begun, Call, Outcome, carry_out, carry_out_in_steps
from billsmith.actions.context import Context
from billsmith.actions.money.attempts import new_ids, send_and_record
from billsmith.actions.money.loading import load_refundable
from billsmith.actions.money.payments import PaymentInFull, Wanted, link_payment, read_payment, read_wanted
from billsmith.actions.money.refunds import begin_refunds
from billsmith.actions.saving import lock_standing, lock_standings, save
from billsmith.core.collecting.outcomes import credited_rest, suspense_released
from billsmith.core.collecting.plans import new_payment_figures
from billsmith.core.collecting.refunding import NewRefund, refund_asked
from billsmith.core.customers import not_deleted, today_of
from billsmith.core.decisions import Decision, draw_available, row_changed
from billsmith.core.ids import CreditId, CustomerId, PaymentId, RefundId, TransferId, find_id, shard_of, show_id
from billsmith.core.ledger import CASH, SUSPENSE, Posting
from billsmith.core.payments.events import StoredEvent
from billsmith.core.payments.payment import AllocationRefused, Payment
from billsmith.core.payments.results import OperationKind, OperationResult, OperationStatus
from billsmith.core.tenants import Tenant
from billsmith.core.time_zones import local_day
from billsmith.errors import Conflict, NotFound
from billsmith.store import ledger as ledger_rows
from billsmith.store.events import Cause
from billsmith.store.money import gateway_events as event_rows
from billsmith.store.money import payments as payment_rows
from billsmith.store.pool import Connection

_CASH = CASH[0]
_INWARDS = (OperationKind.CHARGE,)
_OUTWARDS = (OperationKind.REFUND, OperationKind.PAYOUT)
"""A capture is the success of its charge, and a cancellation moves nothing: neither is counted by itself."""


class GatewayEventNotFound(NotFound):
    """No such event of this tenant's gateways."""

    code = "gateway_event_not_found"


class OrphanRefused(Conflict):
    """There is no money of this event that could be given to a customer."""

    code = "orphan_refused"


async def suspend(context: Context, call: Call, event: StoredEvent, result: OperationResult) -> None:
    """An object that is not ours: what it has moved by now stands in suspense, once, whatever came in which order."""

    async def verb(connection: Connection, cause: Cause) -> None:
        told = await _told(connection, event)
        if await _is_somebodys(connection, event):
            raise OrphanRefused("it was given to a customer meanwhile")  # looked into again, as that payment's
        moved = moved_minor(event.operation_kind, result)
        before = sum(one.suspended_minor or 0 for one in told)
        detail = _said_of(event, result, moved)
        news = moved - before if moved is not None and result.currency is not None else 0
        orphan = replace(event, status="orphan", detail=detail, next_try_at=None)
        if news and result.currency is not None:
            await _post(connection, context, cause, call.tenant, news, result.currency)
            own = (next(one for one in told if one.id == event.id).suspended_minor or 0) + news
            orphan = replace(orphan, suspended_minor=own, currency=result.currency)
        await event_rows.update_gateway_event(connection, orphan)

    await carry_out(context, call, verb)


async def assign_orphan(
    context: Context, call: Call, event_id: UUID, customer_id: CustomerId
) -> Outcome[PaymentInFull]:
    """Give money that came for nobody to a customer: a payment, credit until it is allocated or refunded.

    Raises GatewayEventNotFound, OrphanRefused, CustomerNotFound, CustomerDeleted.
    """

    async def verb(connection: Connection, cause: Cause) -> PaymentInFull:
        event = (await event_rows.get_gateway_events(connection, call.tenant.id, [event_id])).get(event_id)
        if event is None:
            raise GatewayEventNotFound(f"there is no gateway event {show_id('gateway_event', event_id)}")
        standing = await lock_standing(connection, call.tenant, customer_id, owed=True)
        not_deleted(standing.customer)
        told = await _told(connection, event)
        amount = sum(one.suspended_minor or 0 for one in told)
        currency = next((one.currency for one in told if one.currency is not None), None)
        if amount <= 0 or currency is None:
            raise OrphanRefused("no money is suspended for this event")
        payment = _payment(context, call.tenant, event, customer_id, amount, currency, cause)
        on = today_of(standing.customer, cause.caused_at)
        decision = row_changed(Decision(standing), payment, "payment.created")
        decision, payment, _ = credited_rest(
            decision, payment, amount, on, cause.caused_at, new_ids(context, customer_id)
        )
        payment = replace(payment, version=payment.version + 1)
        decision = row_changed(decision, payment, "payment.succeeded")
        decision = draw_available(decision, cause.caused_at, on, on=decision.standing.owed)
        await save(connection, context, cause, {customer_id: standing}, [decision], {})
        await _post(connection, context, cause, call.tenant, -amount, currency)
        for one in told:
            given = f"given to {show_id('payment', payment.id)}"
            await event_rows.update_gateway_event(
                connection, replace(one, status="processed", detail=given, suspended_minor=None, currency=None)
            )
        return await read_payment(connection, call.tenant, payment.id)

    return await carry_out(context, call, verb)


async def release_suspense(
    context: Context, call: Call, payment_id: UUID, to: Literal["credit", "payer"], wanted: Sequence[Wanted] = ()
) -> Outcome[PaymentInFull]:
    """Decide about a payment's money in suspense: it is the customer's, or goes back to the payer.

    The customer's is set against the `wanted` invoices, the rest is credit, drawn as any credit. Raises
    PaymentNotFound, InvoiceNotFound, AllocationRefused, RefundRefused; then nothing is stored.
    """

    async def begin(connection: Connection, cause: Cause) -> Begun[PaymentInFull]:
        if to == "payer" and wanted:
            raise AllocationRefused("what goes back to the payer pays for nothing", pointer="/invoices")
        await read_wanted(connection, call.tenant, wanted)
        payment, credit_id = await _suspense_released(connection, context, call.tenant, cause, payment_id)
        sendings = []
        if to == "payer":
            refund_id = await _refund_asked(connection, context, call.tenant, cause, payment, credit_id)
            sendings = await begin_refunds(connection, context, cause, call.tenant, [refund_id])
        if wanted:
            await link_payment(connection, context, cause, call.tenant, payment_id, wanted)
        if to == "credit":
            await _rest_drawn(connection, context, call.tenant, cause, payment)
        now = await read_payment(connection, call.tenant, payment_id)
        return Begun(now, show_id("payment", payment_id), tuple(sendings))

    async def go_on(begun: Begun[PaymentInFull]) -> None:
        await send_and_record(context, replace(call, keyed=None), begun.later)

    async def reread(connection: Connection, subject: str) -> PaymentInFull:
        return await read_payment(connection, call.tenant, find_id("payment", subject))

    return await carry_out_in_steps(context, call, begin, go_on=go_on, reread=reread)


def moved_minor(kind: OperationKind | None, result: OperationResult) -> int | None:
    """What an object has moved by now: to us, or (below zero) away from us; None: nobody can tell.

    What is in dispute, or was lost by one, is away again.
    """
    if kind not in (*_INWARDS, *_OUTWARDS):
        return 0 if kind is not None else None
    if result.status is not OperationStatus.SUCCEEDED or result.amount_minor is None:
        return 0
    disputed = sum(one.amount_minor for one in result.disputes if one.status != "won")
    return max(0, result.amount_minor - disputed) if kind in _INWARDS else -result.amount_minor


async def _told(connection: Connection, event: StoredEvent) -> list[StoredEvent]:
    """Everything that was told of the event's object, locked."""
    if event.gateway_id is None:
        return [event]
    return await event_rows.lock_orphan(connection, event.tenant_id, event.gateway_account_id, event.gateway_id)


async def _is_somebodys(connection: Connection, event: StoredEvent) -> bool:
    if event.gateway_id is None:
        return False
    account_id = event.gateway_account_id
    found = await payment_rows.find_payment_at_gateway(connection, event.tenant_id, account_id, event.gateway_id)
    return found is not None


async def _post(
    connection: Connection, context: Context, cause: Cause, tenant: Tenant, amount_minor: int, currency: str
) -> None:
    """Into suspense, or (below zero) out of it: a posting of no customer, in the tenant's own shard."""
    sides = (_CASH, SUSPENSE) if amount_minor > 0 else (SUSPENSE, _CASH)
    on = local_day(cause.caused_at, tenant.time_zone)
    posting = Posting("payment_suspended", *sides, abs(amount_minor), currency, on)
    transfer_id = TransferId(context.ids.new(shard_of(tenant.id)))
    await ledger_rows.insert_transfers(connection, tenant.id, cause.id, [(None, transfer_id, posting)])


def _payment(
    context: Context,
    tenant: Tenant,
    event: StoredEvent,
    customer_id: CustomerId,
    amount_minor: int,
    currency: str,
    cause: Cause,
) -> Payment:
    return Payment(
        id=PaymentId(context.ids.new(shard_of(customer_id))),
        tenant_id=tenant.id,
        customer_id=customer_id,
        direction="charge",
        status="succeeded",
        currency=currency,
        amount_minor=amount_minor,
        method_kind="card",
        payment_method_id=None,
        gateway_account_id=event.gateway_account_id,
        gateway_id=event.gateway_id,
        reference=event.operation_id,
        external_id=None,
        received_on=local_day(event.happened_at, tenant.time_zone),
        decline=None,
        metadata={},
        version=1,
        created_at=cause.caused_at,
        settled_at=cause.caused_at,
        **new_payment_figures(),
    )


def _said_of(event: StoredEvent, result: OperationResult, moved: int | None) -> str:
    if moved is None:
        return f"an operation of no known kind that is {result.status}; what it moved is not in the ledger"
    kind = "an operation" if event.operation_kind is None else f"a {event.operation_kind}"
    return f"{kind} that is not ours and is {result.status}"


async def _suspense_released(
    connection: Connection, context: Context, tenant: Tenant, cause: Cause, payment_id: UUID
) -> tuple[Payment, CreditId]:
    first = (await read_payment(connection, tenant, payment_id)).payment
    standing = await lock_standing(connection, tenant, first.customer_id)
    payment = (await read_payment(connection, tenant, payment_id)).payment
    on = today_of(standing.customer, cause.caused_at)
    fresh = new_ids(context, first.customer_id)
    decision, payment, credit_id = suspense_released(Decision(standing), payment, on, cause.caused_at, fresh)
    payment = replace(payment, version=payment.version + 1)
    decision = row_changed(decision, payment, "payment.updated")
    await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})
    return payment, credit_id


async def _refund_asked(
    connection: Connection, context: Context, tenant: Tenant, cause: Cause, payment: Payment, credit_id: CreditId
) -> RefundId:
    standing = await lock_standing(connection, tenant, payment.customer_id)
    refundable = await load_refundable(connection, tenant, payment_id=PaymentId(payment.id), credit_id=credit_id)
    refund_id = RefundId(context.ids.new(shard_of(payment.customer_id)))
    asked = NewRefund(reason="it matched nothing that was asked")
    decision = refund_asked(Decision(standing), refundable, asked, refund_id, cause.caused_at)
    await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})
    return refund_id


async def _rest_drawn(connection: Connection, context: Context, tenant: Tenant, cause: Cause, payment: Payment) -> None:
    """What is left of it is credit as any other."""
    id_ = payment.customer_id
    standings = await lock_standings(connection, tenant, [id_], [id_])
    on = today_of(standings[id_].customer, cause.caused_at)
    decision = draw_available(Decision(standings[id_]), cause.caused_at, on, on=standings[id_].owed)
    if decision.invoices:
        await save(connection, context, cause, standings, [decision], {})
