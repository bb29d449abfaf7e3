"""Refunds: asked for, reserved, sent by the one pattern, booked when they succeed; of payments, invoices and credit."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from billsmith.actions.calls import Begun, Call, Outcome, carry_out, carry_out_in_steps
from billsmith.actions.context import Context
from billsmith.actions.money.attempts import LEASE, Sending, new_ids, send_and_record
from billsmith.actions.money.loading import load_refundable
from billsmith.actions.money.recovery import recover_first
from billsmith.actions.money.sweeping import in_halves, of_each_tenant
from billsmith.actions.saving import CreditNotFound, InvoiceNotFound, lock_standing, lock_standings, save
from billsmith.core.collecting.plans import new_attempt
from billsmith.core.collecting.refunding import NewRefund, Refundable, refund_asked, refund_failed, refund_succeeded
from billsmith.core.decisions import Decision, Standing, row_changed
from billsmith.core.ids import (
    AttemptId,
    CreditId,
    CustomerId,
    InvoiceId,
    PaymentId,
    RefundId,
    find_id,
    shard_of,
    show_id,
)
from billsmith.core.payments.payment import Payment
from billsmith.core.payments.refunds import Refund, RefundInvalid, RefundRefused
from billsmith.core.payments.results import OperationKind
from billsmith.core.tenants import Tenant
from billsmith.core.time_zones import local_day
from billsmith.errors import NotFound
from billsmith.store import invoices as invoice_rows
from billsmith.store import ledger as ledger_rows
from billsmith.store.events import Cause
from billsmith.store.listing import Filters
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.money import payments as payment_rows
from billsmith.store.money.payments import Due
from billsmith.store.pool import Connection

SWEEP = 500
"""Refunds looked at in one go of the sweep."""
BATCH = 50
PARKED_FOR = timedelta(days=1)
"""Until a refund that could not even begin is tried again."""
LONGEST_REASON = 200


class RefundNotFound(NotFound):
    """No such refund of this tenant."""

    code = "refund_not_found"


class PaymentNotFound(NotFound):
    """No such payment of this tenant."""

    code = "payment_not_found"


class RefundTarget(msgspec.Struct, frozen=True, gc=False):
    """What is given back: exactly one of a payment, an invoice (from the payments that paid it) or unspent credit."""

    payment_id: PaymentId | None = None
    invoice_id: InvoiceId | None = None
    credit_id: CreditId | None = None


class Part(msgspec.Struct, frozen=True, gc=False):
    """A refund of one payment, of several that one request makes."""

    payment_id: PaymentId
    invoice_id: InvoiceId | None
    credit_id: CreditId | None
    given: NewRefund


async def refund(context: Context, call: Call, target: RefundTarget, given: NewRefund) -> Outcome[list[Refund]]:
    """Give money back: one refund for every payment that it has to come from, the latest first.

    What goes to a gateway is sent at once; what goes to credit, or was paid by hand, is booked at once. Raises
    RefundRefused, RefundInvalid, PaymentNotFound, InvoiceNotFound; then nothing is stored.
    """

    async def begin(connection: Connection, cause: Cause) -> Begun[list[Refund]]:
        standing = await lock_standing(
            connection, call.tenant, await _owner(connection, call.tenant, target), owed=True
        )
        ids: list[RefundId] = []
        for part in await _parts(connection, call.tenant, target, given):
            refundable = await load_refundable(
                connection, call.tenant,
                payment_id=part.payment_id, invoice_id=part.invoice_id, credit_id=part.credit_id,
            )  # fmt: skip
            refund_id = RefundId(context.ids.new(shard_of(standing.customer.id)))
            decision = refund_asked(Decision(standing), refundable, part.given, refund_id, cause.caused_at)
            loaded = {standing.customer.id: standing}
            await save(connection, context, cause, loaded, [decision], {})
            standing = decision.standing
            ids.append(refund_id)
        sendings = await begin_refunds(connection, context, cause, call.tenant, ids)
        now = await read_refunds(connection, call.tenant, ids)
        return Begun(now, ",".join(show_id("refund", id_) for id_ in ids), tuple(sendings))

    async def go_on(begun: Begun[list[Refund]]) -> None:
        await send_and_record(context, replace(call, keyed=None), begun.later)

    async def reread(connection: Connection, subject: str) -> list[Refund]:
        return await read_refunds(connection, call.tenant, [find_id("refund", one) for one in subject.split(",")])

    await recover_first(context, call, payment_ids=await _payments_of(context, call.tenant, target))
    return await carry_out_in_steps(context, call, begin, go_on=go_on, reread=reread)


async def begin_refunds(
    connection: Connection, context: Context, cause: Cause, tenant: Tenant, ids: Sequence[UUID]
) -> list[Sending]:
    """Begin to send pending refunds whose customers are locked; book those that need no gateway. What is to be sent."""
    sendings: list[Sending] = []
    accounts = {account.id: account for account in await method_rows.list_accounts(connection, tenant.id)}
    for id_ in ids:
        asked = (await payment_rows.get_refunds(connection, tenant.id, [id_]))[id_]
        if asked.status != "pending" or asked.next_try_at is None:
            continue
        standing = await lock_standing(connection, tenant, asked.customer_id, owed=True)
        refundable = await load_refundable(connection, tenant, asked)
        payment = refundable.paid.payment
        loaded = {standing.customer.id: standing}
        account = None if payment.gateway_account_id is None else accounts.get(payment.gateway_account_id)
        if asked.destination == "credit" or account is None:
            decision = _booked(context, standing, refundable, asked, cause)
            await save(connection, context, cause, loaded, [decision], {})
            continue
        if account.status == "paused":
            continue  # it stays due, and is sent once the account is resumed
        decision, attempt_of = _begun(context, standing, payment, asked, cause)
        await save(connection, context, cause, loaded, [decision], {})
        sendings.append(Sending(tenant, attempt_of, payment, None, account))
    return sendings


async def refunds_due(context: Context) -> int:
    """Send the refunds that are due of all who live in the real time; how many were looked at."""
    due = await payment_rows.refunds_due(context.pool, context.clock.wall(), SWEEP)
    return await of_each_tenant(context, due, send_these, "due")


async def refunds_due_of(context: Context, call: Call) -> int:
    """Send the refunds of one tenant that are due by its own clock; how many were looked at."""
    due = await payment_rows.refunds_due(context.pool, context.clock.of(call.tenant), SWEEP, call.tenant.id)
    await send_these(context, call, due)
    return len(due)


async def send_these(context: Context, call: Call, due: Sequence[Due]) -> None:
    """Send pending refunds of one tenant. One that can't be sent is parked, and stops no other."""
    sendings: list[Sending] = []

    async def begin(part: Sequence[Due]) -> int:
        async def verb(connection: Connection, cause: Cause) -> list[Sending]:
            await lock_standings(connection, call.tenant, {one.customer_id for one in part})
            return await begin_refunds(connection, context, cause, call.tenant, [one.id for one in part])

        begun = (await carry_out(context, call, verb)).fresh
        sendings.extend(begun)
        return len(begun)

    async def park(one: Due, error: Exception) -> None:
        await _park(context, call, one, error)

    for start in range(0, len(due), BATCH):
        sendings.clear()
        try:
            await in_halves(due[start : start + BATCH], begin, park)
        finally:
            await send_and_record(context, call, sendings)


async def _park(context: Context, call: Call, one: Due, error: Exception) -> None:
    """A refund that can't be sent waits a day, and says that somebody should look at it."""

    async def verb(connection: Connection, cause: Cause) -> None:
        standing = await lock_standing(connection, call.tenant, one.customer_id)
        asked = (await read_refunds(connection, call.tenant, [one.id]))[0]
        if asked.status != "pending" or asked.next_try_at is None:
            return
        parked = replace(
            asked, needs_attention=True, next_try_at=cause.caused_at + PARKED_FOR, version=asked.version + 1
        )
        decision = row_changed(Decision(standing), parked)
        await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})

    because = f"it could not be sent: {error}"[:LONGEST_REASON]
    await carry_out(context, replace(call, reason=because), verb)


async def cancel_refund(context: Context, call: Call, id_: UUID) -> Outcome[Refund]:
    """Give up a refund of which no call is under way; what it reserved is free again.

    Raises RefundNotFound, RefundRefused.
    """

    async def verb(connection: Connection, cause: Cause) -> Refund:
        found = (await read_refunds(connection, call.tenant, [id_]))[0]
        standing = await lock_standing(connection, call.tenant, found.customer_id)
        asked = (await read_refunds(connection, call.tenant, [id_]))[0]
        if asked.status != "pending" or asked.next_try_at is None:
            raise RefundRefused(
                f"this refund is {asked.status}" if asked.status != "pending" else "it was sent to the gateway already"
            )
        refundable = await load_refundable(connection, call.tenant, asked)
        decision = refund_failed(Decision(standing), refundable, asked, None, cause.caused_at, cancelled=True)
        await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})
        return (await read_refunds(connection, call.tenant, [id_]))[0]

    return await carry_out(context, call, verb)


async def get_refund(context: Context, tenant: Tenant, id_: UUID) -> Refund:
    """Raises RefundNotFound."""
    return (await read_refunds(context.pool, tenant, [id_]))[0]


async def list_refunds(context: Context, tenant: Tenant, filters: Filters) -> list[Refund]:
    """A page of refunds, newest first; one more than asked for if there are more."""
    return await payment_rows.list_refunds(context.pool, tenant.id, filters)


async def read_refunds(connection: Any, tenant: Tenant, ids: Sequence[UUID]) -> list[Refund]:
    """These refunds, in this order. Raises RefundNotFound."""
    found = await payment_rows.get_refunds(connection, tenant.id, ids)
    for id_ in ids:
        if id_ not in found:
            raise RefundNotFound(f"there is no refund {show_id('refund', id_)}")
    return [found[id_] for id_ in ids]


def _booked(context: Context, standing: Standing, refundable: Refundable, asked: Refund, cause: Cause) -> Decision:
    """A refund to credit, or of money that moved by hand: it has succeeded as soon as it is asked for."""
    fresh = new_ids(context, asked.customer_id)
    on = local_day(cause.caused_at, standing.customer.time_zone)
    return refund_succeeded(Decision(standing), refundable, asked, on, cause.caused_at, fresh)


def _begun(context: Context, standing: Standing, payment: Payment, asked: Refund, cause: Cause) -> Any:
    wall = context.clock.wall()
    told = [show_id("refund", asked.id), show_id("payment", payment.id), str(asked.amount_minor), asked.currency]
    attempt = new_attempt(
        AttemptId(context.ids.new(shard_of(asked.customer_id))),
        OperationKind.REFUND,
        payment,
        asked.amount_minor,
        hashlib.sha256("\0".join(told).encode()).digest(),
        cause.caused_at,
        wall,
        wall + LEASE,
        refund_id=asked.id,
    )
    sent = replace(asked, tries=asked.tries + 1, next_try_at=None, version=asked.version + 1)
    return row_changed(row_changed(Decision(standing), sent), attempt), attempt


async def _payments_of(context: Context, tenant: Tenant, target: RefundTarget) -> list[UUID]:
    """The payments that money would come from, as far as that is known at once."""
    if target.payment_id is not None:
        return [target.payment_id]
    if target.invoice_id is None:
        return []
    allocations = await payment_rows.allocations_of_invoices(context.pool, tenant.id, [target.invoice_id])
    return [allocation.payment_id for allocation in allocations]


async def _owner(connection: Connection, tenant: Tenant, target: RefundTarget) -> CustomerId:
    """Whose lock it needs. Raises RefundInvalid unless exactly one thing is named, and the kinds of NotFound."""
    if sum(one is not None for one in msgspec.structs.astuple(target)) != 1:
        raise RefundInvalid("a refund names exactly one of payment, invoice and credit", pointer="")
    if target.payment_id is not None:
        payments = await payment_rows.get_payments(connection, tenant.id, [target.payment_id])
        if target.payment_id not in payments:
            raise PaymentNotFound(f"there is no payment {show_id('payment', target.payment_id)}", pointer="/payment")
        return payments[target.payment_id].customer_id
    if target.invoice_id is not None:
        document = await invoice_rows.get_document(connection, tenant.id, target.invoice_id)
        if document is None:
            raise InvoiceNotFound(f"there is no invoice {show_id('invoice', target.invoice_id)}", pointer="/invoice")
        return document.invoice.customer_id
    assert target.credit_id is not None
    found = await ledger_rows.get_credits(connection, tenant.id, [target.credit_id])
    if target.credit_id not in found:
        raise CreditNotFound(f"there is no credit {show_id('credit', target.credit_id)}", pointer="/credit")
    return found[target.credit_id].customer_id


async def _parts(connection: Connection, tenant: Tenant, target: RefundTarget, given: NewRefund) -> list[Part]:
    """The refunds that a request comes to."""
    if target.credit_id is not None:
        credit = (await ledger_rows.get_credits(connection, tenant.id, [target.credit_id]))[target.credit_id]
        if credit.payment_id is None or credit.source not in ("payment", "refund"):
            raise RefundRefused("this credit did not come in as money; pay it out instead", pointer="/credit")
        return [Part(credit.payment_id, None, credit.id, given)]
    if target.payment_id is not None:
        return await _parts_of_payment(connection, tenant, target.payment_id, given)
    assert target.invoice_id is not None
    allocations = await payment_rows.allocations_of_invoices(connection, tenant.id, [target.invoice_id])
    paying = [allocation for allocation in reversed(allocations) if allocation.net_minor]
    if not paying:
        raise RefundRefused("nothing that was paid for this invoice is left to be given back", pointer="/invoice")
    if len(paying) == 1 or given.lines:
        return [Part(paying[0].payment_id, target.invoice_id, None, given)]
    return await _spread(connection, tenant, target.invoice_id, [one.payment_id for one in paying], given)


async def _parts_of_payment(
    connection: Connection, tenant: Tenant, payment_id: PaymentId, given: NewRefund
) -> list[Part]:
    """A payment of one invoice gives back of that, one that is all credit, of the credit; else it has to be said."""
    allocations = [
        one for one in await payment_rows.get_allocations(connection, tenant.id, [payment_id]) if one.net_minor
    ]
    credits_ = await ledger_rows.credits_of_payments(connection, tenant.id, [payment_id])
    unspent = [credit for credit in credits_ if credit.remaining_minor and credit.source == "payment"]
    if len(allocations) == 1 and not unspent:
        return [Part(payment_id, allocations[0].invoice_id, None, given)]
    if not allocations and len(unspent) == 1:
        return [Part(payment_id, None, unspent[0].id, given)]
    if not allocations and not unspent:
        raise RefundRefused("nothing of this payment is left to be given back", pointer="/payment")
    raise RefundInvalid(
        "this payment paid several things: say which invoice or credit is to be given back", pointer="/payment"
    )


async def _spread(
    connection: Connection, tenant: Tenant, invoice_id: InvoiceId, payment_ids: Sequence[PaymentId], given: NewRefund
) -> list[Part]:
    """An invoice paid by several payments: the latest gives back first."""
    parts: list[Part] = []
    left = given.amount_minor
    for payment_id in payment_ids:
        if left == 0:
            break
        refundable = await load_refundable(connection, tenant, payment_id=payment_id, invoice_id=invoice_id)
        reserved = sum(one.amount_minor for one in refundable.pending if one.payment_id == payment_id)
        of_invoice = sum(one.net_minor for one in refundable.paid.allocations if one.invoice_id == invoice_id)
        most = min(refundable.paid.payment.refundable_minor - reserved, of_invoice)
        part = most if left is None else min(most, left)
        if part > 0:
            parts.append(Part(payment_id, invoice_id, None, replace(given, amount_minor=part)))
            left = None if left is None else left - part
    if left or not parts:
        raise RefundRefused("less than that was paid for this invoice and is not yet given back", pointer="/amount")
    return parts
