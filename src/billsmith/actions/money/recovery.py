"""Recovery: attempts that were cut off, are pending or unknown are asked about, until they are decided.

At boot and every minute, for everybody; by a sandbox's own clock for what waits; and before anything else is done to
the same payment.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from billsmith.actions.calls import Call, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.attempts import Sending, ask, load_sendings, record
from billsmith.actions.money.recording import Heard
from billsmith.actions.money.sweeping import in_halves, of_each_tenant
from billsmith.actions.saving import lock_standings, save
from billsmith.core.collecting.asking import another_day_unknown, next_look
from billsmith.core.decisions import Decision, row_changed
from billsmith.core.ids import AttemptId
from billsmith.core.payments.payment import Attempt
from billsmith.core.payments.results import OperationResult, OperationStatus
from billsmith.store.events import Cause
from billsmith.store.money import payments as payment_rows
from billsmith.store.money.payments import Due
from billsmith.store.pool import Connection

SWEEP = 500
"""Attempts asked about in one go of a sweep."""
BATCH = 100


async def recover_cut_off(context: Context) -> int:
    """Ask about calls of every tenant that did not come back, once their lease has passed; how many were looked at.

    Sandboxes with a clock of their own, too: a lease is machinery, and lives in the real time.
    """
    due = await payment_rows.cut_off_attempts(context.pool, context.clock.wall(), SWEEP)
    return await of_each_tenant(context, due, recover, "what became of a call that was cut off")


async def ask_about_waiting(context: Context) -> int:
    """Ask about what is pending or unknown of all who live in the real time; how many were looked at."""
    due = await payment_rows.checks_due(context.pool, context.clock.wall(), SWEEP)
    return await of_each_tenant(context, due, recover, "what became of a payment")


async def recover_of(context: Context, call: Call) -> int:
    """Ask about everything of one tenant that is cut off, or due to be asked about by its own clock; how many."""
    cut_off = await payment_rows.cut_off_attempts_of(context.pool, call.tenant.id, context.clock.wall(), SWEEP)
    waiting = await payment_rows.checks_due(context.pool, context.clock.of(call.tenant), SWEEP, call.tenant.id)
    due = [*cut_off, *waiting]
    await recover(context, call, due)
    return len(due)


async def recover_first(
    context: Context,
    call: Call,
    *,
    invoice_ids: Sequence[UUID] = (),
    payment_ids: Sequence[UUID] = (),
    resend: bool = True,
) -> None:
    """Before more is done to invoices or payments: what is unknown of them, or was cut off, is asked about now."""
    tenant_id = call.tenant.id
    live = await payment_rows.live_attempts(context.pool, tenant_id, invoice_ids) if invoice_ids else {}
    found = list((await payment_rows.get_attempts(context.pool, tenant_id, set(live.values()))).values())
    if payment_ids:
        found += await payment_rows.attempts_of_payments(context.pool, tenant_id, payment_ids)
    wall = context.clock.wall()
    open_ = [one for one in found if one.status in ("sent", "unknown") and one.lease_until <= wall]
    if open_:
        due = [Due(tenant_id, one.customer_id, one.id, wall) for one in open_]
        await recover(context, replace(call, keyed=None), due, resend=resend)


async def recover(context: Context, call: Call, due: Sequence[Due], *, resend: bool = True) -> int:
    """Ask the gateways about attempts of one tenant, and record what is heard; how many changed."""
    changed = 0
    for start in range(0, len(due), BATCH):
        ids = [one.id for one in due[start : start + BATCH]]
        loaded = [one for one in await load_sendings(context.pool, context, call.tenant, ids) if one.attempt.is_live]
        answers = await asyncio.gather(*(ask(context, sending, call.clock_holder, resend=resend) for sending in loaded))
        heard = {sending.attempt.id: answer for sending, answer in zip(loaded, answers, strict=True)}
        changed += await record(context, call, heard)
        await _ask_later(context, call, loaded, heard)
    return changed


async def _ask_later(context: Context, call: Call, asked: Sequence[Sending], heard: dict[AttemptId, Heard]) -> None:
    """Those about which nothing new was heard are asked about again later; at the end of each day that is told."""
    call = replace(call, keyed=None)
    by_id = {sending.attempt.id: sending.attempt for sending in asked}

    async def put_off(ids: Sequence[AttemptId]) -> int:
        async def verb(connection: Connection, cause: Cause) -> int:
            standings = await lock_standings(connection, call.tenant, {by_id[id_].customer_id for id_ in ids})
            attempts = await payment_rows.get_attempts(connection, call.tenant.id, ids)
            same = [one for one in attempts.values() if one.version == by_id[one.id].version and one.is_live]
            told = [one.payment_id for one in same if another_day_unknown(one)]
            payments = await payment_rows.get_payments(connection, call.tenant.id, told)
            decisions: dict[UUID, Decision] = {}
            for attempt in same:
                decision = decisions.get(attempt.customer_id, Decision(standings[attempt.customer_id]))
                decision = row_changed(decision, _asked_later(attempt, heard[attempt.id], cause.caused_at))
                if (payment := payments.get(attempt.payment_id)) is not None:
                    decision = row_changed(decision, replace(payment, version=payment.version + 1), "payment.unknown")
                decisions[attempt.customer_id] = decision
            await save(connection, context, cause, standings, list(decisions.values()), {})
            return len(same)

        return (await carry_out(context, call, verb)).fresh

    async def park(id_: AttemptId, error: Exception) -> None:
        raise error

    current = await payment_rows.get_attempts(context.pool, call.tenant.id, by_id)
    unchanged = [id_ for id_, one in by_id.items() if current[id_].version == one.version]
    await in_halves(unchanged, put_off, park)


def _asked_later(attempt: Attempt, heard: Heard, at: datetime) -> Attempt:
    result = heard.result
    if result is None or result.status.value != attempt.status:
        status = OperationStatus.UNKNOWN if attempt.status == "sent" else OperationStatus(attempt.status)
        result = OperationResult(status)
    return replace(
        attempt,
        next_check_at=max(attempt.lease_until, at) if attempt.status == "sent" else next_look(attempt, result, at),
        settles_at=result.settles_at or attempt.settles_at,
        checks=attempt.checks + 1,
        version=attempt.version + 1,
    )
