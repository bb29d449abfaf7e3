"""The one pattern by which money moves: write the intent, call with a stored key, record; recover by asking.

tx 1 commits the attempt before anything is sent (`collect.py`, `refunds.py` begin them). `send` calls the gateway with
no transaction open. `record` notes what was heard, in one transaction with all that follows from it. What is cut off
anywhere is asked about by `recovery.py` once the lease has passed: so a crash loses nothing and charges nobody twice.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from billsmith.actions.calls import Call, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.recording import Heard, is_news, new_ids, record_in
from billsmith.actions.money.sweeping import in_halves, worker_call
from billsmith.actions.pacing import Pace, Resting
from billsmith.actions.saving import lock_standings, record_facts, save
from billsmith.core.collecting.asking import next_look
from billsmith.core.decisions import Decision, row_changed
from billsmith.core.facts import Fact
from billsmith.core.ids import AttemptId, CustomerId, show_id
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod
from billsmith.core.payments.payment import Attempt, Payment
from billsmith.core.payments.results import (
    Decline,
    DeclineBucket,
    OperationKind,
    OperationResult,
    OperationStatus,
)
from billsmith.core.tenants import Tenant
from billsmith.gateways import calling, port
from billsmith.gateways.registry import NoSuchGateway
from billsmith.store import invoices as invoice_rows
from billsmith.store.events import Cause
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.money import payments as payment_rows
from billsmith.store.pool import Connection
from billsmith.store.transaction import no_transaction_open
from billsmith.vault import SecretNotOpenable

__all__ = ["Heard", "new_ids"]

LEASE = timedelta(seconds=60)
LEASE_LEFT_TO_SEND = timedelta(seconds=30)
"""The sender gives up with less: a call takes up to 25 s, so that recovery never overlaps one."""
LONGEST_REASON = 200


class Sending(msgspec.Struct, frozen=True):
    """An attempt that is committed, and all that is needed to send it."""

    tenant: Tenant
    attempt: Attempt
    payment: Payment
    method: PaymentMethod | None
    account: GatewayAccount


async def send(context: Context, sending: Sending, opened: port.GatewayAccount | None = None) -> Heard:
    """Call the gateway once, on its account as it was opened before. Nothing heard: recovery asks."""
    attempt = sending.attempt
    nothing_sent = Heard(not_submitted=True, version=attempt.version)
    pace = context.pacing.of(sending.account.id, sending.account.settings)
    try:
        gateway = context.gateways.gateway(sending.account.gateway)
        account = opened or opened_account(context, sending.tenant, sending.account)
        async with pace.turn(_may_wait_seconds(context, attempt)):
            if _may_wait_seconds(context, attempt) <= 0:
                return Heard()
            result = await calling.submit(
                gateway,
                account,
                operation_of(sending),
                context.clock.of(sending.tenant),
                assert_no_transaction=no_transaction_open,
            )
    except (NoSuchGateway, SecretNotOpenable) as error:
        return replace(nothing_sent, account_refused=error.detail)
    except Resting:
        return nothing_sent
    except calling.NAMED as error:
        return _refused(sending, pace, error)
    pace.reached()
    return Heard(result)


async def send_and_record(context: Context, call: Call, sendings: Sequence[Sending]) -> None:
    """Send all of them at once, and record what was heard in one transaction per round."""
    opened = _opened_accounts(context, sendings)
    heard = await asyncio.gather(*(send(context, sending, opened.get(sending.account.id)) for sending in sendings))
    sent = {sending.attempt.id: sending.attempt for sending in sendings}
    await record(context, call, dict(zip(sent, heard, strict=True)), sent)
    silent = [sending for sending, one in zip(sendings, heard, strict=True) if not one.is_news]
    if silent and call.tenant.clock_at is not None:
        await _let_go(context, call, silent)


async def record(
    context: Context, call: Call, heard: Mapping[AttemptId, Heard], sent: Mapping[AttemptId, Attempt] | None = None
) -> int:
    """Note what was heard of attempts of one tenant; how many changed. Several of one customer: one after the other.

    One that can't be recorded stops no other: it is parked as `unknown`, with the reason. Accounts that were refused
    are paused before, so that nothing new is sent on them. `sent`: the attempts as the caller knows them. Raises
    DatabaseUnavailable, ClockMoving.
    """
    if not heard:
        return 0
    call = replace(call, keyed=None)
    attempts: Mapping[Any, Attempt] = sent or await payment_rows.get_attempts(context.pool, call.tenant.id, heard)
    for account_id, because in _refused_accounts(attempts.values(), heard).items():
        await pause_account(context, call, account_id, because)

    async def note(ids: Sequence[AttemptId]) -> int:
        async def verb(connection: Connection, cause: Cause) -> list[AttemptId]:
            owners = {attempts[id_].customer_id for id_ in ids}
            return await record_in(connection, context, cause, call.tenant, {id_: heard[id_] for id_ in ids}, owners)

        return len((await carry_out(context, call, verb)).fresh)

    async def park(id_: AttemptId, error: Exception) -> None:
        because = f"its outcome can't be recorded: {error}"[:LONGEST_REASON]
        if not await _park(context, replace(call, reason=because), id_):
            raise error

    rounds = _rounds(attempt for attempt in attempts.values() if _may_be_news(attempt, heard[attempt.id]))
    return sum([await in_halves(ids, note, park) for ids in rounds])


async def ask(context: Context, sending: Sending, clock_holder: UUID | None = None, *, resend: bool = True) -> Heard:
    """What became of an attempt, as the gateway knows it: by its id or ours, else by sending the same once more.

    Before the lease has passed only what is found counts. A resend has the same key and body, is made only while the
    gateway remembers the key, and once only where the gateway is certain that it never saw the first. With a newer
    wish (a void) it is given up instead; without `resend` as well.
    """
    attempt = sending.attempt
    pace = context.pacing.of(sending.account.id, sending.account.settings)
    try:
        gateway = context.gateways.gateway(sending.account.gateway)
        account = opened_account(context, sending.tenant, sending.account)
        window = timedelta(seconds=calling.capabilities_of(gateway, account).key_window_seconds)
        async with pace.turn(LEASE_LEFT_TO_SEND.total_seconds()):
            found = await calling.find(
                gateway,
                account,
                operation_of(sending),
                context.clock.of(sending.tenant),
                assert_no_transaction=no_transaction_open,
            )
    except (*calling.NAMED, NoSuchGateway, SecretNotOpenable) as error:
        if isinstance(error, port.RateLimited):
            pace.rest(error.retry_after_seconds)
        refused = error.detail if isinstance(error, port.AuthFailed) else None
        return replace(_silence(context, attempt), account_refused=refused)
    except Resting:
        return _silence(context, attempt)
    pace.reached()
    if isinstance(found, OperationResult):
        return Heard(found)
    if attempt.status not in ("sent", "unknown") or context.clock.wall() < attempt.lease_until:
        return Heard()
    may_resend = resend and context.clock.wall() < attempt.sent_at + window and not (found.certain and attempt.checks)
    if may_resend and (again := await _resent(context, sending, clock_holder, found.certain)):
        return again
    return Heard(not_submitted=True, version=attempt.version) if found.certain else _silence(context, attempt)


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
    """The account as its gateway needs it, credentials in the clear: never logged, never stored.

    Raises SecretNotOpenable.
    """
    id_ = show_id("gateway_account", account.id)
    credentials = msgspec.json.decode(context.vault.open(account.sealed_credentials, id_), type=dict[str, str])
    return port.GatewayAccount(
        id=id_,
        gateway=account.gateway,
        mode=tenant.mode,
        settings=account.settings,
        credentials=credentials,
    )


async def pause_account(context: Context, call: Call, account_id: UUID, because: str) -> None:
    """Stop sending anything to a gateway that does not accept our credentials, until somebody mends them."""

    async def verb(connection: Connection, cause: Cause) -> None:
        account = await method_rows.lock_account(connection, call.tenant.id, account_id)
        if account is None or account.status != "active":
            return
        stopped = replace(
            account, status="paused", paused_because=because[:LONGEST_REASON], version=account.version + 1
        )
        await method_rows.update_account(connection, stopped)
        fact = Fact("gateway_account.paused", stopped.id, stopped.version, stopped, None)
        await record_facts(connection, context, cause, [fact])

    await carry_out(context, replace(call, keyed=None), verb)


def _opened_accounts(context: Context, sendings: Iterable[Sending]) -> dict[UUID, port.GatewayAccount]:
    """The accounts of a batch, opened once; one that can't be is left out: who sends on it says so."""
    opened: dict[UUID, port.GatewayAccount] = {}
    for sending in sendings:
        if sending.account.id not in opened:
            with contextlib.suppress(SecretNotOpenable):
                opened[sending.account.id] = opened_account(context, sending.tenant, sending.account)
    return opened


def _may_wait_seconds(context: Context, attempt: Attempt) -> float:
    """For how many seconds the call may still wait for its turn."""
    return (attempt.lease_until - context.clock.wall() - LEASE_LEFT_TO_SEND).total_seconds()


def _refused(sending: Sending, pace: Pace, error: Exception) -> Heard:
    """What one of the port's exceptions says about a call: true of this call only, not of one before it."""
    version = sending.attempt.version
    detail = getattr(error, "detail", str(error))
    match error:
        case port.OutcomeUnknown():
            return Heard()
        case port.RateLimited():
            pace.rest(error.retry_after_seconds)
            return Heard(not_submitted=True, version=version)
        case port.NotSubmitted():
            pace.not_reached()
            return Heard(not_submitted=True, version=version)
        case port.AuthFailed():
            result = _declined(DeclineBucket.CONFIG, "auth_failed", detail)
            return Heard(result, account_refused=detail, version=version)
        case _:
            return Heard(_declined(DeclineBucket.NEVER, "invalid_request", detail), version=version)


def _silence(context: Context, attempt: Attempt) -> Heard:
    """Nothing was heard: once the lease has passed, the outcome of a call that was cut off is unknown."""
    if attempt.status == "sent" and context.clock.wall() >= attempt.lease_until:
        return Heard(OperationResult(OperationStatus.UNKNOWN), version=attempt.version)
    return Heard()


async def _resent(context: Context, sending: Sending, clock_holder: UUID | None, certain: bool) -> Heard | None:
    """Send once more under a new lease, so that nobody else does at the same time; None: it is no longer wanted.

    `certain`: the first one surely never arrived, so that what is said of this call is all there is to say.
    """
    if sending.account.status != "active":
        return None
    wall = context.clock.wall()
    call = worker_call(context, sending.tenant, "the first call was cut off", clock_holder)

    async def verb(connection: Connection, cause: Cause) -> Attempt | None:
        standings = await lock_standings(connection, sending.tenant, [sending.attempt.customer_id])
        standing = standings[sending.attempt.customer_id]
        found = await payment_rows.get_attempts(connection, sending.tenant.id, [sending.attempt.id])
        attempt = found[sending.attempt.id]
        deleted = standing.customer.deleted_at is not None and attempt.kind is OperationKind.CHARGE
        if (
            attempt.version != sending.attempt.version
            or deleted
            or await _unwanted(connection, sending.tenant, attempt)
        ):
            return None
        unknown = OperationResult(OperationStatus.UNKNOWN)
        again = replace(
            attempt,
            lease_until=wall + LEASE,
            next_check_at=wall + LEASE if attempt.status == "sent" else next_look(attempt, unknown, cause.caused_at),
            checks=attempt.checks + 1,
            version=attempt.version + 1,
        )
        await save(connection, context, cause, standings, [row_changed(Decision(standing), again)], {})
        return again

    again = (await carry_out(context, call, verb)).result
    if again is None:
        return None
    sending = replace(sending, attempt=again)
    heard = await send(context, sending)
    if not heard.is_news and sending.tenant.clock_at is not None:
        await _let_go(context, call, [sending])
    of_the_first = certain or heard.version is None
    return heard if of_the_first else Heard(account_refused=heard.account_refused)


async def _unwanted(connection: Connection, tenant: Tenant, attempt: Attempt) -> bool:
    """Whether an invoice of it is to be voided: then what surely was not sent is not sent again."""
    shares = (await payment_rows.get_shares(connection, tenant.id, [attempt.id])).get(attempt.id, [])
    documents = await invoice_rows.get_documents(
        connection, tenant.id, [share.invoice_id for share in shares], lines=False
    )
    return any(document.invoice.collection_state == "void_pending" for document in documents.values())


async def _let_go(context: Context, call: Call, silent: Sequence[Sending]) -> None:
    """In a sandbox with a time of its own nobody waits for a lease: the call has ended, and may be asked about now."""
    wall = context.clock.wall()

    async def verb(connection: Connection, cause: Cause) -> None:
        standings = await lock_standings(connection, call.tenant, {one.attempt.customer_id for one in silent})
        attempts = await payment_rows.get_attempts(connection, call.tenant.id, [one.attempt.id for one in silent])
        decisions = []
        for sending in silent:
            attempt = attempts[sending.attempt.id]
            if attempt.version == sending.attempt.version and attempt.status == "sent":
                free = replace(attempt, lease_until=wall, next_check_at=wall, version=attempt.version + 1)
                decisions.append(row_changed(Decision(standings[attempt.customer_id]), free))
        await save(connection, context, cause, standings, decisions, {})

    await carry_out(context, replace(call, keyed=None), verb)


async def _park(context: Context, call: Call, id_: AttemptId) -> bool:
    """Nobody can say what became of it: it is `unknown`, told, and looked at again later. False: it has ended."""

    async def verb(connection: Connection, cause: Cause) -> bool:
        before = (await payment_rows.get_attempts(connection, call.tenant.id, [id_]))[id_]
        standings = await lock_standings(connection, call.tenant, [before.customer_id])
        attempt = (await payment_rows.get_attempts(connection, call.tenant.id, [id_]))[id_]
        if not attempt.is_live:
            return False
        unknown = OperationResult(OperationStatus.UNKNOWN)
        parked = replace(
            attempt,
            status="unknown",
            next_check_at=next_look(attempt, unknown, cause.caused_at),
            checks=attempt.checks + 1,
            version=attempt.version + 1,
        )
        decision = row_changed(Decision(standings[attempt.customer_id]), parked)
        payment = (await payment_rows.get_payments(connection, call.tenant.id, [attempt.payment_id]))[
            attempt.payment_id
        ]
        told = replace(payment, version=payment.version + 1)
        decision = row_changed(decision, told, "payment.unknown")
        await save(connection, context, cause, standings, [decision], {})
        return True

    return (await carry_out(context, call, verb)).fresh


def _may_be_news(attempt: Attempt, heard: Heard) -> bool:
    """Looked at before anything is locked: most of what gateways tell is known from their answers."""
    return heard.is_news and is_news(attempt, heard)


def _rounds(attempts: Iterable[Attempt]) -> list[list[AttemptId]]:
    """The first attempt of each customer, then the second of each, and so on."""
    rounds: list[list[AttemptId]] = []
    taken: dict[CustomerId, int] = {}
    for attempt in sorted(attempts, key=lambda one: one.id.int):
        nth = taken[attempt.customer_id] = taken.get(attempt.customer_id, -1) + 1
        if nth == len(rounds):
            rounds.append([])
        rounds[nth].append(attempt.id)
    return rounds


def _refused_accounts(attempts: Iterable[Attempt], heard: Mapping[AttemptId, Heard]) -> dict[UUID, str]:
    """Accounts to be paused: their credentials are not accepted, or a decline says that our set-up is wrong."""
    refused: dict[UUID, str] = {}
    for attempt in attempts:
        one = heard[attempt.id]
        decline = None if one.result is None else one.result.decline
        if one.account_refused is not None:
            refused[attempt.gateway_account_id] = one.account_refused
        elif decline is not None and decline.bucket is DeclineBucket.CONFIG and attempt.is_live:
            refused[attempt.gateway_account_id] = f"{decline.code}: {decline.private_message}"
    return refused


def _declined(bucket: DeclineBucket, code: str, detail: str) -> OperationResult:
    decline = Decline(bucket, code, "The payment could not be made.", detail)
    return OperationResult(OperationStatus.FAILED, decline=decline)
