"""Recording what was heard of attempts, within a transaction: under the customers' locks, with all that follows."""

from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from billsmith.actions.context import Context
from billsmith.actions.money.loading import by_invoice_id, load_paid, load_refundable, load_voidable
from billsmith.actions.saving import lock_standings, save
from billsmith.core.collecting.asking import next_look
from billsmith.core.collecting.outcomes import Paying, ended, may_change, recorded
from billsmith.core.collecting.refunding import refund_failed, refund_returned, refund_succeeded
from billsmith.core.collecting.reopening import payment_reversed
from billsmith.core.correcting.voiding import Voidable
from billsmith.core.decisions import Decision, Standing, row_changed
from billsmith.core.ids import AttemptId, CustomerId, InvoiceId, PaymentId, PaymentMethodId, shard_of
from billsmith.core.invoices import Invoice
from billsmith.core.payments.corrections import WriteOff
from billsmith.core.payments.payment import Allocation, Attempt, Payment, Share
from billsmith.core.payments.policy import NETWORK_WINDOW
from billsmith.core.payments.refunds import Refund
from billsmith.core.payments.results import Decline, DeclineBucket, OperationKind, OperationResult, OperationStatus
from billsmith.core.tenants import Tenant
from billsmith.core.time_zones import local_day
from billsmith.store import invoices as invoice_rows
from billsmith.store.events import Cause
from billsmith.store.money import corrections as correction_rows
from billsmith.store.money import payments as payment_rows
from billsmith.store.pool import Connection

REFUND_AGAIN = timedelta(minutes=5)
"""After a call that surely did not reach the gateway; twice as long after each further one, up to a day."""
LONGEST_REFUND_PAUSE = timedelta(days=1)
TRIES_UNTIL_NOTICED = 10
"""Of a refund that never reaches the gateway; then somebody should look, while it goes on being tried."""


class Heard(msgspec.Struct, frozen=True, gc=False):
    """What came of a call or a look: the result, or that surely nothing happened. None of both: nothing was heard."""

    result: OperationResult | None = None
    not_submitted: bool = False
    account_refused: str | None = None
    """The gateway does not accept the account's credentials: nothing more is sent until somebody mends them."""
    evidence: str | None = None
    version: int | None = None
    """Of the attempt that it is true of. What was concluded of one call does not hold once another one was begun."""

    @property
    def is_news(self) -> bool:
        """Whether there is anything to be recorded."""
        return self.result is not None or self.not_submitted


async def record_in(
    connection: Connection,
    context: Context,
    cause: Cause,
    tenant: Tenant,
    heard: Mapping[AttemptId, Heard],
    owners: Set[CustomerId],
) -> list[AttemptId]:
    """Note what was heard of attempts, one of each of these customers; which of them that changed.

    What somebody else noted meanwhile stays: a result is only recorded where it is news.
    """
    assert len(owners) == len(heard), "several outcomes for one customer are recorded one after the other"
    standings = await lock_standings(connection, tenant, owners, owners)
    attempts = await payment_rows.get_attempts(connection, tenant.id, heard)  # as they are under the lock
    attempts = {id_: attempt for id_, attempt in attempts.items() if is_news(attempt, heard[AttemptId(id_)])}
    touched = await _load_touched(connection, tenant, attempts.values(), heard, cause.caused_at)
    decisions = []
    for attempt in attempts.values():
        standing = standings[attempt.customer_id]
        one = heard[attempt.id]
        decisions.append(await _decide(connection, context, cause, standing, attempt, one, touched))
    await save(connection, context, cause, standings, decisions, {})
    return [attempt.id for attempt in attempts.values()]


def new_ids(context: Context, customer_id: CustomerId) -> Iterator[UUID]:
    """Fresh ids in the customer's shard, as many as a decision asks for."""
    while True:
        yield context.ids.new(shard_of(customer_id))


def is_news(attempt: Attempt, heard: Heard) -> bool:
    """Whether it says anything that is not known of the attempt. What is no news now will never be."""
    if heard.version is not None and heard.version != attempt.version:
        return False
    status = OperationStatus.FAILED if heard.result is None else heard.result.status
    if status is OperationStatus.UNKNOWN:
        return attempt.status == "sent"  # what is known to wait at the gateway does not become less known
    return may_change(attempt, status)


async def _decide(
    connection: Connection,
    context: Context,
    cause: Cause,
    standing: Standing,
    attempt: Attempt,
    heard: Heard,
    touched: "Touched",
) -> Decision:
    result = heard.result or OperationResult(OperationStatus.FAILED)
    if heard.evidence is not None:
        attempt = replace(attempt, evidence=heard.evidence)
    at = cause.caused_at
    next_check_at = next_look(attempt, result, at)
    fresh = new_ids(context, attempt.customer_id)
    if result.status is OperationStatus.REVERSED and attempt.status == "succeeded":
        if attempt.kind is OperationKind.REFUND:
            return await _refund_came_back(connection, standing, attempt, result, at, fresh)
        paid = await load_paid(connection, standing.tenant, attempt.payment_id)
        decision = row_changed(Decision(standing), ended(attempt, result, at, None))
        return payment_reversed(decision, paid, local_day(at, standing.customer.time_zone), at)
    if result.status is OperationStatus.REVERSED:
        result = replace(result, status=OperationStatus.FAILED, decline=result.decline or _REVERSED_EARLY)
    if attempt.kind is OperationKind.REFUND:
        return await _decide_refund(connection, standing, attempt, result, next_check_at, heard, at, fresh)
    paying = touched.paying(attempt)
    return recorded(standing, paying, result, at, next_check_at, fresh, not_submitted=heard.not_submitted)


async def _decide_refund(
    connection: Connection,
    standing: Standing,
    attempt: Attempt,
    result: OperationResult,
    next_check_at: datetime | None,
    heard: Heard,
    at: datetime,
    fresh: Iterator[UUID],
) -> Decision:
    assert attempt.refund_id is not None
    decision = row_changed(Decision(standing), ended(attempt, result, at, next_check_at))
    refund = (await payment_rows.get_refunds(connection, standing.tenant.id, [attempt.refund_id]))[attempt.refund_id]
    on = local_day(at, standing.customer.time_zone)
    if refund.status != "pending":
        return decision
    if heard.not_submitted or _our_set_up_is_wrong(result):
        return row_changed(decision, _to_be_sent_again(refund, at, paused=not heard.not_submitted))
    refundable = await load_refundable(connection, standing.tenant, refund)
    match result.status:
        case OperationStatus.SUCCEEDED:
            return refund_succeeded(decision, refundable, refund, on, at, fresh)
        case OperationStatus.FAILED | OperationStatus.EXPIRED:
            return refund_failed(decision, refundable, refund, result.decline, at)
        case OperationStatus.CANCELLED:
            return refund_failed(decision, refundable, refund, result.decline, at, cancelled=True)
        case OperationStatus.UNKNOWN:
            flagged = replace(refund, needs_attention=True, version=refund.version + 1)
            return row_changed(decision, flagged, "refund.unknown")
        case _:
            return decision


async def _refund_came_back(
    connection: Connection,
    standing: Standing,
    attempt: Attempt,
    result: OperationResult,
    at: datetime,
    fresh: Iterator[UUID],
) -> Decision:
    """The payer's bank would not have the money that was given back: it is with us, and we owe it to the customer."""
    assert attempt.refund_id is not None
    tenant_id = standing.tenant.id
    refund = (await payment_rows.get_refunds(connection, tenant_id, [attempt.refund_id]))[attempt.refund_id]
    payment = (await payment_rows.get_payments(connection, tenant_id, [attempt.payment_id]))[attempt.payment_id]
    decision = row_changed(Decision(standing), ended(attempt, result, at, None))
    if refund.status != "succeeded":
        return decision
    on = local_day(at, standing.customer.time_zone)
    return refund_returned(decision, payment, refund, result.decline, on, at, fresh)


def _to_be_sent_again(refund: Refund, at: datetime, *, paused: bool) -> Refund:
    pause = REFUND_AGAIN * 2 ** min(max(refund.tries - 1, 0), 10)
    return replace(
        refund,
        next_try_at=at if paused else at + min(pause, LONGEST_REFUND_PAUSE),
        needs_attention=refund.needs_attention or refund.tries >= TRIES_UNTIL_NOTICED,
        version=refund.version + 1,
    )


def _succeeded(heard: Heard) -> bool:
    return heard.result is not None and heard.result.status is OperationStatus.SUCCEEDED


def _our_set_up_is_wrong(result: OperationResult) -> bool:
    return result.decline is not None and result.decline.bucket is DeclineBucket.CONFIG


class Touched(msgspec.Struct, frozen=True):
    """What the outcomes of a batch of charges and payouts may touch, read set-wise under the customers' locks."""

    payments: dict[Any, Payment]
    shares: dict[AttemptId, list[Share]]
    invoices: dict[InvoiceId, Invoice]
    allocations: dict[PaymentId, tuple[Allocation, ...]]
    write_offs: dict[InvoiceId, tuple[WriteOff, ...]]
    voidables: dict[InvoiceId, Voidable]
    tries: dict[tuple[InvoiceId, PaymentMethodId], int]

    def paying(self, attempt: Attempt) -> Paying:
        """The part that one attempt may touch."""
        shares = tuple(self.shares.get(attempt.id, ()))
        ids = [share.invoice_id for share in shares]
        method_id = attempt.payment_method_id
        tries = {} if method_id is None else {id_: self.tries.get((id_, method_id), 1) for id_ in ids}
        return Paying(
            self.payments[attempt.payment_id],
            attempt,
            shares,
            {id_: self.invoices[id_] for id_ in ids},
            self.allocations.get(attempt.payment_id, ()),
            {id_: self.write_offs[id_] for id_ in ids if id_ in self.write_offs},
            {id_: self.voidables[id_] for id_ in ids if id_ in self.voidables},
            tries,
        )


async def _load_touched(
    connection: Connection,
    tenant: Tenant,
    attempts: Iterable[Attempt],
    heard: Mapping[AttemptId, Heard],
    at: datetime,
) -> Touched:
    moving = [attempt for attempt in attempts if attempt.kind in (OperationKind.CHARGE, OperationKind.PAYOUT)]
    payment_ids = [attempt.payment_id for attempt in moving]
    payments = await payment_rows.get_payments(connection, tenant.id, payment_ids)
    shares = await payment_rows.get_shares(connection, tenant.id, [attempt.id for attempt in moving])
    invoice_ids = [share.invoice_id for of_attempt in shares.values() for share in of_attempt]
    invoices = by_invoice_id(await invoice_rows.lock_invoices(connection, tenant.id, invoice_ids))
    allocations: dict[PaymentId, tuple[Allocation, ...]] = {}
    for allocation in await payment_rows.get_allocations(connection, tenant.id, payment_ids):
        allocations[allocation.payment_id] = (*allocations.get(allocation.payment_id, ()), allocation)
    written = [invoice.id for invoice in invoices.values() if invoice.written_off_minor]
    write_offs: dict[InvoiceId, tuple[WriteOff, ...]] = {}
    for one in await correction_rows.write_offs_of_invoices(connection, tenant.id, written) if written else ():
        write_offs[one.invoice_id] = (*write_offs.get(one.invoice_id, ()), one)
    voidables = {
        invoice.id: await load_voidable(connection, tenant, invoice)
        for invoice in invoices.values()
        if invoice.collection_state == "void_pending"
    }
    failed = [attempt.id for attempt in moving if not _succeeded(heard[attempt.id])]
    tried = {share.invoice_id for id_ in failed for share in shares.get(id_, ())}
    tries = await payment_rows.count_tries(connection, tenant.id, tried, at - NETWORK_WINDOW) if tried else {}
    return Touched(payments, shares, invoices, allocations, write_offs, voidables, tries)


_REVERSED_EARLY = Decline(
    DeclineBucket.RETRY_LATER, "reversed", "Your bank returned the payment.", "reversed before it had succeeded"
)
