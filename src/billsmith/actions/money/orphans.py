"""Money of a gateway's objects that are not ours: suspended as nobody's, until a person says whose it is."""

from uuid import UUID

from msgspec.structs import replace

from billsmith.actions.calls import Call, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.attempts import new_ids
from billsmith.actions.money.payments import PaymentInFull, read_payment
from billsmith.actions.saving import lock_standing, save
from billsmith.core.collecting.outcomes import credited_rest
from billsmith.core.collecting.plans import new_payment_figures
from billsmith.core.customers import not_deleted, today_of
from billsmith.core.decisions import Decision, draw_available, row_changed
from billsmith.core.ids import CustomerId, PaymentId, TransferId, shard_of, show_id
from billsmith.core.ledger import CASH, SUSPENSE, Posting
from billsmith.core.payments.events import StoredEvent
from billsmith.core.payments.payment import Payment
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
