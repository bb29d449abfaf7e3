"""After the kill: another process starts, asks, repeats, sweeps; then what must hold is checked in every world."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from billsmith.actions.calls import Outcome
from billsmith.actions.context import Context
from billsmith.actions.deliver import number_events
from billsmith.actions.money import collect, recovery, refunds
from billsmith.core.ids import show_id
from billsmith.errors import BillsmithError
from billsmith.gateways.fake.history import Movement
from billsmith.gateways.port import GatewayAccount
from billsmith.store import idempotency
from billsmith.store.pool import Pool
from tests.crash.killing import Killed, Run
from tests.crash.worlds import BEGINS_AT, GIVEN_BACK, OWED, VERBS, context_at
from tests.invariants import check
from tests.money_invariants import book_agrees, nothing_hangs

STARTS_AGAIN_AFTER = timedelta(minutes=10)
SWEPT_AFTER = (timedelta(minutes=20), timedelta(days=1, hours=1), timedelta(days=1, hours=2), timedelta(days=2))
"""What the repeats left open is asked about once its lease has passed, what is pending once it is decided."""
REPEATED_AT_ONCE = 8
MOST_ROUNDS = 200

# What may have come of it: the invoice's status, and what the gateway's book says has moved.
_CHARGED, _GIVEN_BACK = f"charge {OWED}", f"refund {-GIVEN_BACK}"
_UNPAID, _PAID = ("open",), ("paid", _CHARGED)
_REFUNDED = ("paid", _CHARGED, _GIVEN_BACK)
_VOID, _VOID_AND_RETURNED = ("void",), ("void", _CHARGED, f"refund {-OWED}")
ENDS: dict[str, set[tuple[str, ...]]] = {
    "collect": {_PAID},
    "give a method": {_PAID},
    "create with a method": {_PAID},
    "refund": {_REFUNDED},
    "void": {_VOID},
    # Money that comes after the void goes back; a void that comes after the money is refused.
    "void, charge in flight": {_VOID, _VOID_AND_RETURNED, _PAID},
    "recover a charge": {_PAID},
    "recover a refund": {_REFUNDED},
}
DECLINED: dict[str, set[tuple[str, ...]]] = {
    "refund": {_PAID},
    "recover a refund": {_PAID},
    "void, charge in flight": {_VOID},
}
"""Every other verb leaves the invoice unpaid then."""


async def violations(pool: Pool, books: Path, run: Run) -> list[str]:
    """Recover every world of a run as a process that has just started does; all that is wrong afterwards."""
    verb, worlds = VERBS[run.verb], run.killed
    again = context_at(pool, books, BEGINS_AT + STARTS_AGAIN_AFTER)
    found: list[str] = []
    # Whoever asked repeats before recovery in every other world, after it in the others.
    for part in (worlds[::2], worlds[1::2]):
        if verb.keyed:
            found += await _repeated(again, run, part)
        found += await _until_quiet(again)
    for after in SWEPT_AFTER:
        later = context_at(pool, books, BEGINS_AT + after)
        found += await _until_quiet(later)
    while await number_events(later):
        pass
    if verb.keyed:
        found += await _answers_are_kept(later, run)
    found += await nothing_hangs(pool, later.clock.wall(), timedelta(0))
    found += await _breaches(pool, worlds)
    return found + await _ends(later, run)


async def _repeated(context: Context, run: Run, worlds: Sequence[Killed]) -> list[str]:
    verb = VERBS[run.verb]
    room = asyncio.Semaphore(REPEATED_AT_ONCE)

    async def one(killed: Killed) -> list[str]:
        async with room:
            try:
                await verb.ask(context, killed.world)
            except BillsmithError as refusal:
                return [] if verb.may_be_refused else [f"{killed}: its repeat is refused: {refusal!r}"]
        return []

    return [problem for problems in await asyncio.gather(*map(one, worlds)) for problem in problems]


async def _until_quiet(context: Context) -> list[str]:
    """Sweep until nothing is due."""
    sweeps = (recovery.recover_cut_off, recovery.ask_about_waiting, refunds.refunds_due, collect.collect_due)
    for _ in range(MOST_ROUNDS):
        if not sum([await sweep(context) for sweep in sweeps]):
            return []
    return [f"the sweeps find something to do again and again at {context.clock.wall()}"]


async def _answers_are_kept(context: Context, run: Run) -> list[str]:
    """The key is completed, and whoever repeats gets the stored answer."""
    found = []
    for killed in run.killed:
        stored = await idempotency.get_key(context.pool, killed.world.tenant.id, killed.world.key)
        if stored is None and VERBS[run.verb].may_be_refused:
            continue  # a refusal is not kept
        if stored is None or stored.answer is None:
            found.append(f"{killed}: its key is not completed: {stored}")
            continue
        outcome: Any = await VERBS[run.verb].ask(context, killed.world)
        assert isinstance(outcome, Outcome)
        if not outcome.replayed or outcome.answer is None or outcome.answer.body != stored.answer:
            found.append(f"{killed}: a repeat gets {outcome}, stored is {stored}")
    return found


async def _breaches(pool: Pool, worlds: Sequence[Killed]) -> list[str]:
    """The invariants, over all worlds at once; only where something is wrong is it looked up in which."""
    if not await check(pool):
        return []
    found = []
    for killed in worlds:
        found += [f"{killed}: {breach}" for breach in await check(pool, killed.world.tenant.id)]
    return found or await check(pool)


async def _ends(context: Context, run: Run) -> list[str]:
    """In each world the book has what we have, and what came of it is one of the ends it may have."""
    may_end = DECLINED.get(run.verb, {_UNPAID}) if run.behaviour == "declined" else ENDS[run.verb]
    found = []
    for killed in run.killed:
        tenant_id = killed.world.tenant.id
        moved = await _moved(context, killed)
        rows = await context.pool.fetch("SELECT status FROM invoices WHERE tenant_id = $1", tenant_id)
        ended = (*(row["status"] for row in rows), *sorted(f"{one.what} {one.amount_minor}" for one in moved))
        if ended not in may_end:
            found.append(f"{killed}: it ended with {ended}")
        different = await book_agrees(context.pool, moved, tenant_id)
        found += [f"{killed}: {difference}" for difference in different]
    return found


async def _moved(context: Context, killed: Killed) -> list[Movement]:
    """What the world's book says, read by the gateway itself."""
    tenant = killed.world.tenant
    row = await context.pool.fetchrow("SELECT id, settings FROM gateway_accounts WHERE tenant_id = $1", tenant.id)
    assert row is not None
    id_ = show_id("gateway_account", row["id"])
    account = GatewayAccount(
        id=id_, gateway="fake", mode="live", settings=row["settings"], credentials={"api_key": "fake_key"}
    )
    gateway: Any = context.gateways.gateway("fake")
    moved: list[Movement] = await gateway.movements(account, context.clock.wall())
    return moved


def table(runs: Sequence[tuple[Run, list[str]]]) -> str:
    """Points per verb and behaviour, for people."""
    lines = [f"{'verb':<24}{'gateway':<22}{'points':>7}{'killed':>8}{'violations':>12}"]
    for run, found in runs:
        lines.append(f"{run.verb:<24}{run.behaviour:<22}{run.points:>7}{len(run.killed) - 1:>8}{len(found):>12}")
    return "\n".join(lines)
