"""What gateways tell: a hint that something changed. What it is now is read from the gateway, and recorded as news."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from billsmith.actions.calls import Call, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.attempts import ask, load_sendings, opened_account, pause_account, record
from billsmith.actions.money.disputes import note_disputes
from billsmith.actions.money.loading import load_paid
from billsmith.actions.money.methods import validate_method
from billsmith.actions.money.orphans import GatewayEventNotFound, suspend
from billsmith.actions.money.sweeping import NOBODYS_FAULT, of_each_tenant
from billsmith.actions.saving import lock_standing, save
from billsmith.core.collecting.reopening import payment_reversed
from billsmith.core.customers import today_of
from billsmith.core.decisions import Decision
from billsmith.core.ids import AttemptId, MalformedId, PaymentId, PaymentMethodId, read_id, show_id
from billsmith.core.payments.events import StoredEvent, StoredStatus
from billsmith.core.payments.methods import GatewayAccount
from billsmith.core.payments.results import OperationKind, OperationResult, OperationStatus
from billsmith.core.tenants import Tenant
from billsmith.errors import Conflict, Unavailable
from billsmith.gateways import calling, port
from billsmith.store.events import Cause
from billsmith.store.listing import Filters
from billsmith.store.money import gateway_events as event_rows
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.money import payments as payment_rows
from billsmith.store.money.gateway_events import Told
from billsmith.store.pool import Connection
from billsmith.store.transaction import no_transaction_open

SWEEP = 500
AT_ONCE = 20
LEASE = timedelta(minutes=2)
"""How long one event may take: asking is cut after 25 s, recording what it tells takes no time to speak of."""
AGAIN = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 300, 600, 1440, 1440))
"""After each try at which nothing could be learned; then it is parked, and a person has to look."""
PAUSED_FOR = timedelta(minutes=15)
LONGEST_DETAIL = 300


class EventNotParked(Conflict):
    """Only what was given up is looked into again because somebody says so."""

    code = "gateway_event_not_parked"


class NothingLearned(Unavailable):
    """The gateway could not say what became of the object that its event is about."""

    code = "gateway_event_unexplained"


async def look_into_gateway_events(context: Context) -> int:
    """Look into the events of all tenants that are due; how many were looked into."""
    wall = context.clock.wall()
    due = await event_rows.lease_gateway_events(context.pool, wall, wall + LEASE, SWEEP)
    return await of_each_tenant(context, due, look_into, "a gateway's event")


async def look_into_gateway_events_of(context: Context, call: Call) -> int:
    """Look into one tenant's events that are due; how many were looked into."""
    wall = context.clock.wall()
    due = await event_rows.lease_gateway_events(context.pool, wall, wall + LEASE, SWEEP, call.tenant.id)
    await look_into(context, call, due)
    return len(due)


async def look_into(context: Context, call: Call, told: Sequence[Told]) -> None:
    """Look into these events of one tenant, a few at once; one that fails is put off, and stops no other.

    Raises DatabaseUnavailable, ClockMoving: then they are due again once their lease has passed.
    """
    room = asyncio.Semaphore(AT_ONCE)
    call = replace(call, keyed=None)

    async def one(event: StoredEvent) -> None:
        async with room:
            await _look_into(context, call, event)

    found = await event_rows.get_gateway_events(context.pool, call.tenant.id, [each.id for each in told])
    ends = await asyncio.gather(*(one(event) for event in found.values()), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end


async def retry_gateway_event(context: Context, call: Call, id_: UUID) -> Outcome[StoredEvent]:
    """Look into a parked event again, soon. Raises GatewayEventNotFound, EventNotParked."""

    async def verb(connection: Connection, cause: Cause) -> StoredEvent:
        event = await event_rows.lock_gateway_event(connection, call.tenant.id, id_)
        if event is None:
            raise GatewayEventNotFound(f"there is no gateway event {show_id('gateway_event', id_)}")
        if event.status != "parked":
            raise EventNotParked(f"this event is {event.status}, not parked")
        again = replace(event, status="received", tries=0, next_try_at=context.clock.wall())
        await event_rows.update_gateway_event(connection, again)
        return again

    return await carry_out(context, call, verb)


async def get_gateway_event(context: Context, tenant: Tenant, id_: UUID) -> StoredEvent:
    """Raises GatewayEventNotFound."""
    found = await event_rows.get_gateway_events(context.pool, tenant.id, [id_])
    if id_ not in found:
        raise GatewayEventNotFound(f"there is no gateway event {show_id('gateway_event', id_)}")
    return found[id_]


async def list_gateway_events(context: Context, tenant: Tenant, filters: Filters) -> list[StoredEvent]:
    """A page of what gateways told, newest first; one more than asked for if there are more."""
    return await event_rows.list_gateway_events(context.pool, tenant.id, filters)


async def _look_into(context: Context, call: Call, event: StoredEvent) -> None:
    """What came of it is stored, whatever it is."""
    if event.status != "received":
        return
    account = await method_rows.get_account(context.pool, call.tenant.id, event.gateway_account_id)
    assert account is not None, "an account is never deleted"
    if account.status == "paused":
        await event_rows.update_gateway_event(
            context.pool, replace(event, next_try_at=context.clock.wall() + PAUSED_FOR)
        )
        return
    (ended,) = await asyncio.gather(_learn(context, call, account, event), return_exceptions=True)
    if isinstance(ended, NOBODYS_FAULT) or (ended is not None and not isinstance(ended, Exception)):
        raise ended
    if ended is not None:
        await event_rows.update_gateway_event(context.pool, _put_off(context, event, ended))


def _put_off(context: Context, event: StoredEvent, error: Exception) -> StoredEvent:
    detail = f"{type(error).__name__}: {error}"[:LONGEST_DETAIL]
    if event.tries >= len(AGAIN):
        return replace(event, status="parked", detail=detail, tries=event.tries + 1, next_try_at=None)
    next_try_at = context.clock.wall() + AGAIN[event.tries]
    return replace(event, detail=detail, tries=event.tries + 1, next_try_at=next_try_at)


async def _learn(context: Context, call: Call, account: GatewayAccount, event: StoredEvent) -> None:
    """Ask the gateway about the event's object, and record what it says."""
    if event.kind == "method":
        await _method_told(context, call, account, event)
        return
    attempt_id = await _attempt_of(context, event)
    if attempt_id is not None:
        await _attempt_told(context, call, attempt_id)
        await _ended(context, event)
        return
    result = await _found(context, call, account, event)
    payment_id = None
    if event.gateway_id is not None:
        payment_id = await payment_rows.find_payment_at_gateway(
            context.pool, call.tenant.id, account.id, event.gateway_id
        )
    if payment_id is None:
        await suspend(context, call, event, result)
        return
    await _payment_told(context, call, payment_id, result)
    await _ended(context, event)


async def _attempt_of(context: Context, event: StoredEvent) -> AttemptId | None:
    """Our attempt that the event is about, by our id or the gateway's; one of another account is not meant."""
    tenant_id, account_id = event.tenant_id, event.gateway_account_id
    ids: list[UUID] = []
    if event.operation_id is not None:
        with contextlib.suppress(MalformedId):  # somebody else's operation of the same gateway account
            ids.append(read_id("attempt", event.operation_id))
    if not ids and event.gateway_id is not None:
        ids += await payment_rows.find_attempts_at_gateway(context.pool, tenant_id, account_id, event.gateway_id)
    found = await payment_rows.get_attempts(context.pool, tenant_id, ids)
    ours = [id_ for id_ in ids if id_ in found and found[id_].gateway_account_id == account_id]
    return AttemptId(ours[0]) if ours else None


async def _attempt_told(context: Context, call: Call, attempt_id: AttemptId) -> None:
    (sending,) = await load_sendings(context.pool, context, call.tenant, [attempt_id])
    heard = await ask(context, sending, call.clock_holder)
    await record(context, call, {attempt_id: heard})
    if heard.account_refused is not None:
        await pause_account(context, call, sending.account.id, heard.account_refused)
    if heard.result is None or heard.result.status is OperationStatus.UNKNOWN:
        raise NothingLearned("the gateway did not say what became of it")
    if heard.result.disputes:
        await note_disputes(context, call, sending.payment.id, heard.result.disputes)


async def _found(context: Context, call: Call, account: GatewayAccount, event: StoredEvent) -> OperationResult:
    """What the gateway says of an object of which we have no attempt. Raises NothingLearned, and the port's."""
    gateway = context.gateways.gateway(account.gateway)
    operation = port.GatewayOperation(
        id=event.operation_id or event.gateway_id or "",
        kind=event.operation_kind or OperationKind.CHARGE,
        amount_minor=0,
        currency="",
        reference="",
        gateway_id=event.gateway_id,
    )
    try:
        found = await calling.find(
            gateway,
            opened_account(context, call.tenant, account),
            operation,
            context.clock.of(call.tenant),
            assert_no_transaction=no_transaction_open,
        )
    except port.AuthFailed as error:
        await pause_account(context, call, account.id, error.detail)
        raise
    if not isinstance(found, OperationResult):
        raise NothingLearned("the gateway does not know the object that its event is about")
    return found


async def _payment_told(context: Context, call: Call, payment_id: PaymentId, result: OperationResult) -> None:
    """A payment that we did not make ourselves, but that a person gave to a customer."""

    async def verb(connection: Connection, cause: Cause) -> None:
        first = (await payment_rows.get_payments(connection, call.tenant.id, [payment_id]))[payment_id]
        standing = await lock_standing(connection, call.tenant, first.customer_id, owed=True)
        paid = await load_paid(connection, call.tenant, payment_id)
        if result.status is not OperationStatus.REVERSED or paid.payment.status != "succeeded":
            return
        on = today_of(standing.customer, cause.caused_at)
        decision = payment_reversed(Decision(standing), paid, on, cause.caused_at)
        await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})

    await carry_out(context, call, verb)
    if result.disputes:
        await note_disputes(context, call, payment_id, result.disputes)


async def _method_told(context: Context, call: Call, account: GatewayAccount, event: StoredEvent) -> None:
    """A set-up was finished, or a stored method has changed."""
    method_id = None
    if event.operation_id is not None:
        with contextlib.suppress(MalformedId):
            method_id = PaymentMethodId(read_id("payment_method", event.operation_id))
    if method_id is None and event.gateway_id is not None:
        method_id = await method_rows.find_setup(context.pool, call.tenant.id, account.id, event.gateway_id)
    found = {} if method_id is None else await method_rows.get_methods(context.pool, call.tenant.id, [method_id])
    method = next(iter(found.values()), None)
    if method is None or method.gateway_account_id != account.id or method.status == "detached":
        await _ended(context, event, "ignored")
        return
    await validate_method(context, call, method.id)
    await _ended(context, event)


async def _ended(context: Context, event: StoredEvent, status: StoredStatus = "processed") -> None:
    await event_rows.update_gateway_event(context.pool, replace(event, status=status, detail=None, next_try_at=None))
