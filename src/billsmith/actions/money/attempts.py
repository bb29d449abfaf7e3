"""The one pattern by which money moves: write the intent, call with a stored key, record; recover by asking.

tx 1 commits the attempt before anything is sent (`collect.py`, `refunds.py` begin them). `send` calls the gateway with
no transaction open. `record` notes what was heard, in one transaction with all that follows from it. What is cut off
anywhere is asked about by `recover` once the lease has passed: so a crash loses nothing and charges nobody twice.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from billsmith.actions.calls import Call, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.loading import by_invoice_id, load_paid, load_refundable, load_voidable
from billsmith.actions.saving import lock_standings, record_facts, save
from billsmith.core.collecting.outcomes import Paying, ended, may_change, recorded
from billsmith.core.collecting.refunding import refund_failed, refund_succeeded
from billsmith.core.collecting.reopening import payment_reversed
from billsmith.core.correcting.voiding import Voidable
from billsmith.core.decisions import Decision, Standing, row_changed
from billsmith.core.facts import Fact
from billsmith.core.ids import AttemptId, CustomerId, InvoiceId, PaymentId, PaymentMethodId, shard_of, show_id
from billsmith.core.invoices import Invoice
from billsmith.core.payments.corrections import WriteOff
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod
from billsmith.core.payments.payment import Allocation, Attempt, Payment, Share
from billsmith.core.payments.policy import NETWORK_WINDOW
from billsmith.core.payments.results import (
    Decline,
    DeclineBucket,
    OperationKind,
    OperationResult,
    OperationStatus,
)
from billsmith.core.tenants import Tenant
from billsmith.core.time_zones import local_day
from billsmith.gateways import calling, port
from billsmith.gateways.amounts import NotRepresentable
from billsmith.gateways.references import ReferenceRefused
from billsmith.store import corrections as correction_rows
from billsmith.store import invoices as invoice_rows
from billsmith.store import payment_methods as method_rows
from billsmith.store import payments as payment_rows
from billsmith.store.events import Cause
from billsmith.store.pool import Connection
from billsmith.store.transaction import no_transaction_open

LEASE = timedelta(seconds=60)
LEASE_LEFT_TO_SEND = timedelta(seconds=30)
"""The sender gives up with less: a call takes up to 25 s, so that recovery never overlaps one."""
ASK_UNKNOWN_AGAIN = timedelta(hours=1)
ASK_PENDING_AGAIN = timedelta(days=1)
MOST_CHECKS_BY_THE_HOUR = 24
"""Of an unknown outcome; after that it is asked about once a day, and stays with the people who resolve it."""


class Heard(msgspec.Struct, frozen=True, gc=False):
    """What came of a call or a look: the result, or that surely nothing happened. None of both: nothing was heard."""

    result: OperationResult | None = None
    not_submitted: bool = False
    account_refused: str | None = None
    """The gateway does not accept the account's credentials: nothing more is sent until somebody mends them."""
    evidence: str | None = None


class Sending(msgspec.Struct, frozen=True):
    """An attempt that is committed, and all that is needed to send it."""

    tenant: Tenant
    attempt: Attempt
    payment: Payment
    method: PaymentMethod | None
    account: GatewayAccount


class Recorded(msgspec.Struct, frozen=True):
    """What the records of a batch came to: accounts that have to be paused."""

    changed: int = 0
    refused_accounts: dict[UUID, str] = {}


async def send(context: Context, sending: Sending) -> Heard:
    """Call the gateway once. Nothing heard (a lost reply, a lease too short): recovery asks."""
    attempt = sending.attempt
    if attempt.lease_until - context.clock.wall() < LEASE_LEFT_TO_SEND:
        return Heard()
    try:
        gateway = context.gateways.gateway(sending.account.gateway)
        result = await calling.submit(
            gateway,
            opened_account(context, sending.tenant, sending.account),
            operation_of(sending),
            context.clock.of(sending.tenant),
            assert_no_transaction=no_transaction_open,
        )
    except (port.NotSubmitted, port.RateLimited):
        return Heard(not_submitted=True)
    except port.AuthFailed as error:
        return Heard(_declined(DeclineBucket.CONFIG, "auth_failed", error.detail), account_refused=error.detail)
    except (port.InvalidRequest, port.Unsupported, NotRepresentable, ReferenceRefused) as error:
        return Heard(_declined(DeclineBucket.NEVER, "invalid_request", error.detail))
    except port.OutcomeUnknown:
        return Heard()
    return Heard(result)


async def send_and_record(context: Context, call: Call, sendings: Sequence[Sending]) -> None:
    """Send all of them at once, and record what was heard in one transaction per round."""
    heard = await asyncio.gather(*(send(context, sending) for sending in sendings))
    await record(context, call, dict(zip([sending.attempt.id for sending in sendings], heard, strict=True)))


async def record(context: Context, call: Call, heard: dict[AttemptId, Heard]) -> int:
    """Note what was heard of attempts of one tenant; how many changed. Several of one customer: one after the other.

    What somebody else noted meanwhile stays: a result is only recorded where it is news.
    """
    waiting = {id_: one for id_, one in heard.items() if one.result is not None or one.not_submitted}
    changed = 0
    refused: dict[UUID, str] = {}
    while waiting:
        attempts = await payment_rows.get_attempts(context.pool, call.tenant.id, waiting)
        batch: dict[CustomerId, AttemptId] = {}
        for attempt in attempts.values():
            batch.setdefault(attempt.customer_id, attempt.id)
        of_round = {id_: waiting[id_] for id_ in batch.values()}
        if not of_round:
            break
        done = await _record_round(context, call, of_round)
        changed += done.changed
        refused |= done.refused_accounts
        waiting = {id_: one for id_, one in waiting.items() if id_ not in of_round and id_ in attempts}
    for account_id, because in refused.items():
        await pause_account(context, call, account_id, because)
    return changed


async def recover(context: Context, tenant: Tenant, due: Sequence[payment_rows.Due]) -> int:
    """Ask the gateways about attempts of one tenant that were cut off or are not decided; how many changed."""
    loaded = await load_sendings(context.pool, context, tenant, [one.id for one in due])
    heard: dict[AttemptId, Heard] = {}
    answers = await asyncio.gather(*(ask(context, sending) for sending in loaded))
    for sending, answer in zip(loaded, answers, strict=True):
        heard[sending.attempt.id] = answer
    call = Call(tenant, "worker", _request_id(context, tenant), "what became of a payment")
    changed = await record(context, call, heard)
    silent = [sending for sending in loaded if not _says_something(heard[sending.attempt.id])]
    return changed + await _note_silence(context, call, silent)


async def ask(context: Context, sending: Sending) -> Heard:
    """What became of an attempt, as the gateway knows it: by its id or ours, else by sending the same once more.

    A resend has the same key and body, is sent only while the gateway remembers the key, and only where the gateway is
    certain that it never saw the first, or can't look it up. With a newer wish (a void) it is given up instead.
    """
    account = opened_account(context, sending.tenant, sending.account)
    at = context.clock.of(sending.tenant)
    attempt = sending.attempt
    try:
        gateway = context.gateways.gateway(sending.account.gateway)
        capabilities = gateway.capabilities(account)
        found = await calling.find(
            gateway, account, operation_of(sending), at, assert_no_transaction=no_transaction_open
        )
        if isinstance(found, OperationResult):
            return Heard(found)
        window = timedelta(seconds=capabilities.key_window_seconds)
        if attempt.status not in ("sent", "unknown"):
            return Heard()
        if context.clock.wall() < attempt.sent_at + window and (again := await _resent(context, sending)) is not None:
            return again
        if found.certain:
            return Heard(not_submitted=True)
    except port.GatewayError as error:
        refused = error.detail if isinstance(error, port.AuthFailed) else None
        return Heard(account_refused=refused)
    return Heard(OperationResult(OperationStatus.UNKNOWN)) if attempt.status == "sent" else Heard()


async def load_sendings(connection: Any, context: Context, tenant: Tenant, ids: Iterable[AttemptId]) -> list[Sending]:
    """What is needed to send attempts, or to ask about them."""
    attempts = await payment_rows.get_attempts(connection, tenant.id, ids)
    payments = await payment_rows.get_payments(connection, tenant.id, {one.payment_id for one in attempts.values()})
    method_ids = {one.payment_method_id for one in attempts.values() if one.payment_method_id is not None}
    methods = await method_rows.get_methods(connection, tenant.id, method_ids)
    accounts = {account.id: account for account in await method_rows.list_accounts(connection, tenant.id)}
    return [
        Sending(
            tenant,
            attempt,
            payments[attempt.payment_id],
            None if attempt.payment_method_id is None else methods[attempt.payment_method_id],
            accounts[attempt.gateway_account_id],
        )
        for attempt in attempts.values()
    ]


def operation_of(sending: Sending) -> port.GatewayOperation:
    """The request of an attempt: always the same for the same attempt, whoever sends it and whenever."""
    attempt = sending.attempt
    return port.GatewayOperation(
        id=show_id("attempt", attempt.id),
        kind=attempt.kind,
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
        reference=show_id("payment", attempt.payment_id),
        payment_method=None if sending.method is None else sending.method.token,
        related_id=sending.payment.gateway_id if attempt.kind is OperationKind.REFUND else None,
        statement_text=attempt.statement_text,
        gateway_id=attempt.gateway_id,
    )


def opened_account(context: Context, tenant: Tenant, account: GatewayAccount) -> port.GatewayAccount:
    """The account as its gateway needs it, credentials in the clear: never logged, never stored."""
    id_ = show_id("gateway_account", account.id)
    credentials = msgspec.json.decode(context.vault.open(account.sealed_credentials, id_), type=dict[str, str])
    return port.GatewayAccount(
        id=id_,
        gateway=account.gateway,
        mode=tenant.mode,
        settings=account.settings,
        credentials=credentials,
    )


def new_ids(context: Context, customer_id: CustomerId) -> Iterator[UUID]:
    """Fresh ids in the customer's shard, as many as a decision asks for."""
    while True:
        yield context.ids.new(shard_of(customer_id))


async def pause_account(context: Context, call: Call, account_id: UUID, because: str) -> None:
    """Stop sending anything to a gateway that does not accept our credentials, until somebody mends them."""

    async def verb(connection: Connection, cause: Cause) -> None:
        account = await method_rows.lock_account(connection, call.tenant.id, account_id)
        if account is None or account.status != "active":
            return
        stopped = replace(account, status="paused", paused_because=because, version=account.version + 1)
        await method_rows.update_account(connection, stopped)
        fact = Fact("gateway_account.paused", stopped.id, stopped.version, stopped, None)
        await record_facts(connection, context, cause, [fact])

    await carry_out(context, replace(call, keyed=None), verb)


async def _resent(context: Context, sending: Sending) -> Heard | None:
    """Send once more under a new lease, so that nobody else does at the same time; None: it is no longer wanted."""
    wall = context.clock.wall()
    call = Call(sending.tenant, "worker", _request_id(context, sending.tenant), "the first call was cut off")

    async def verb(connection: Connection, cause: Cause) -> Attempt | None:
        standings = await lock_standings(connection, sending.tenant, [sending.attempt.customer_id])
        standing = standings[sending.attempt.customer_id]
        found = await payment_rows.get_attempts(connection, sending.tenant.id, [sending.attempt.id])
        attempt = found[sending.attempt.id]
        if attempt.version != sending.attempt.version or await _unwanted(connection, sending.tenant, attempt):
            return None
        again = replace(
            attempt,
            status="sent",
            lease_until=wall + LEASE,
            next_check_at=wall + LEASE,
            version=attempt.version + 1,
        )
        decision = row_changed(Decision(standing), again)
        await save(connection, context, cause, standings, [decision], {})
        return again

    again = (await carry_out(context, call, verb)).result
    if again is None:
        return None
    return await send(context, replace(sending, attempt=again))


async def _unwanted(connection: Connection, tenant: Tenant, attempt: Attempt) -> bool:
    """Whether an invoice of it is to be voided: then what surely was not sent is not sent again."""
    shares = (await payment_rows.get_shares(connection, tenant.id, [attempt.id])).get(attempt.id, [])
    documents = await invoice_rows.get_documents(
        connection, tenant.id, [share.invoice_id for share in shares], lines=False
    )
    return any(document.invoice.collection_state == "void_pending" for document in documents.values())


async def _record_round(context: Context, call: Call, heard: dict[AttemptId, Heard]) -> Recorded:
    async def verb(connection: Connection, cause: Cause) -> Recorded:
        first = await payment_rows.get_attempts(connection, call.tenant.id, heard)
        standings = await lock_standings(
            connection,
            call.tenant,
            {attempt.customer_id for attempt in first.values()},
            {attempt.customer_id for attempt in first.values()},
        )
        attempts = await payment_rows.get_attempts(connection, call.tenant.id, heard)  # as they are under the lock
        touched = await _load_touched(connection, call.tenant, attempts.values(), cause.caused_at)
        decisions = []
        refused: dict[UUID, str] = {}
        for attempt in attempts.values():
            one = heard[attempt.id]
            if one.account_refused is not None:
                refused[attempt.gateway_account_id] = one.account_refused
            standing = standings[attempt.customer_id]
            decision = await _decide(connection, context, cause, standing, attempt, one, touched)
            if decision is not None:
                decisions.append(decision)
        await save(connection, context, cause, standings, decisions, {})
        return Recorded(len(decisions), refused)

    return (await carry_out(context, replace(call, keyed=None), verb)).fresh


async def _decide(
    connection: Connection,
    context: Context,
    cause: Cause,
    standing: Standing,
    attempt: Attempt,
    heard: Heard,
    touched: "Touched",
) -> Decision | None:
    result = heard.result or OperationResult(OperationStatus.FAILED)
    if not may_change(attempt, result.status):
        return None
    if heard.evidence is not None:
        attempt = replace(attempt, evidence=heard.evidence)
    at = cause.caused_at
    next_check_at = _next_check(context, attempt, result, at)
    fresh = new_ids(context, attempt.customer_id)
    if result.status is OperationStatus.REVERSED and attempt.status == "succeeded":
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
    if heard.not_submitted:
        again = replace(refund, next_try_at=at + REFUND_AGAIN, version=refund.version + 1)
        return row_changed(decision, again)
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


class Touched(msgspec.Struct, frozen=True):
    """What the outcomes of a batch of charges and payouts may touch, read set-wise under the customers' locks."""

    payments: dict[Any, Payment]
    shares: dict[AttemptId, list[Share]]
    invoices: dict[InvoiceId, Invoice]
    allocations: dict[PaymentId, tuple[Allocation, ...]]
    write_offs: dict[InvoiceId, tuple[WriteOff, ...]]
    voidables: dict[InvoiceId, Voidable]
    tries: dict[PaymentMethodId, int]

    def paying(self, attempt: Attempt) -> Paying:
        """The part that one attempt may touch."""
        shares = tuple(self.shares.get(attempt.id, ()))
        ids = [share.invoice_id for share in shares]
        tries = 1 if attempt.payment_method_id is None else self.tries.get(attempt.payment_method_id, 1)
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


async def _load_touched(connection: Connection, tenant: Tenant, attempts: Iterable[Attempt], at: datetime) -> Touched:
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
    methods = [attempt.payment_method_id for attempt in moving if attempt.payment_method_id is not None]
    tries = await payment_rows.count_tries(connection, tenant.id, methods, at - NETWORK_WINDOW)
    return Touched(payments, shares, invoices, allocations, write_offs, voidables, tries)


async def _note_silence(context: Context, call: Call, silent: Sequence[Sending]) -> int:
    """Those of which nothing new was heard are asked about again later."""
    if not silent:
        return 0

    async def verb(connection: Connection, cause: Cause) -> int:
        standings = await lock_standings(connection, call.tenant, {one.attempt.customer_id for one in silent})
        attempts = await payment_rows.get_attempts(connection, call.tenant.id, [one.attempt.id for one in silent])
        decisions = []
        for sending in silent:
            attempt = attempts[sending.attempt.id]
            if attempt.version != sending.attempt.version or not attempt.is_live:
                continue
            status = OperationStatus.UNKNOWN if attempt.status == "sent" else OperationStatus(attempt.status)
            result = OperationResult(status)
            next_check_at = _next_check(context, attempt, result, cause.caused_at)
            later = replace(
                attempt, next_check_at=next_check_at, checks=attempt.checks + 1, version=attempt.version + 1
            )
            decisions.append(row_changed(Decision(standings[attempt.customer_id]), later))
        await save(connection, context, cause, standings, decisions, {})
        return 0

    return (await carry_out(context, call, verb)).fresh


def _next_check(context: Context, attempt: Attempt, result: OperationResult, at: datetime) -> datetime | None:
    """When to ask again: by the tenant's clock, except for what was cut off, which is machinery."""
    match result.status:
        case OperationStatus.UNKNOWN:
            if attempt.status == "sent" and attempt.checks == 0:
                return at + ASK_UNKNOWN_AGAIN
            return at + (ASK_UNKNOWN_AGAIN if attempt.checks < MOST_CHECKS_BY_THE_HOUR else ASK_PENDING_AGAIN)
        case OperationStatus.PENDING | OperationStatus.AUTHORIZED:
            settles_at = result.settles_at or attempt.settles_at
            return settles_at if settles_at is not None and settles_at > at else at + ASK_PENDING_AGAIN
        case OperationStatus.REQUIRES_ACTION:
            return at + ASK_UNKNOWN_AGAIN
        case _:
            return None


def _declined(bucket: DeclineBucket, code: str, detail: str) -> OperationResult:
    decline = Decline(bucket, code, "The payment could not be made.", detail)
    return OperationResult(OperationStatus.FAILED, decline=decline)


_REVERSED_EARLY = Decline(
    DeclineBucket.RETRY_LATER, "reversed", "Your bank returned the payment.", "reversed before it had succeeded"
)
REFUND_AGAIN = timedelta(minutes=5)


def _says_something(heard: Heard) -> bool:
    return heard.result is not None or heard.not_submitted


def _request_id(context: Context, tenant: Tenant) -> str:
    return show_id("request", context.ids.new(shard_of(tenant.id)))
