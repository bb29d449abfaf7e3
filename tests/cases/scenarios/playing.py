"""One case from its start: its steps done in order, and after each of them what it asserts compared."""

import asyncio
import traceback
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from billsmith.actions.billing.runs import bill_customer
from billsmith.actions.context import Context
from billsmith.errors import BillsmithError
from tests.cases.report import NotYet, Unreadable, Verdict
from tests.cases.scenarios import comparing, money_steps, previews, subscription_steps
from tests.cases.scenarios.reading import Books, read_books
from tests.cases.scenarios.subscription_figures import subscriptions_differ
from tests.cases.scenarios.values import Expectation, Scenario, Step, scenario_of
from tests.cases.scenarios.world import World, open_world
from tests.invariants import check

DRIVERS = money_steps.DRIVERS | subscription_steps.DRIVERS | previews.DRIVERS
AT_ONCE = 4
"""Cases that are played at the same time, each in a tenant of its own."""


async def play_all(context: Context, cases: Sequence[dict[str, Any]]) -> list[Verdict]:
    """Every case, several at once; the verdicts in the order of the cases."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(raw: dict[str, Any]) -> Verdict:
        async with turn:
            return await play(context, raw)

    return list(await asyncio.gather(*(one(raw) for raw in cases)))


async def play(context: Context, raw: dict[str, Any]) -> Verdict:
    """One case, in a sandbox of its own."""
    try:
        scenario = scenario_of(raw)
        _check_possible(scenario)
        world = await open_world(context, scenario.id, scenario.steps[0].at.instant, scenario.config)
        await subscription_steps.load_catalogs(world, scenario)
        found = await _played(world, scenario)
        found += [f"invariant: {breach}" for breach in await check(context.pool, world.call.tenant.id)]
    except NotYet as error:
        return Verdict(raw["id"], "skipped", (str(error),))
    except Unreadable as error:
        return Verdict(raw["id"], "failed", (f"this case can't be played: {error}",))
    return Verdict(raw["id"], "failed" if found else "passed", tuple(found))


def _check_possible(scenario: Scenario) -> None:
    for step in scenario.steps:
        if type(step) not in DRIVERS:
            raise NotYet(f"step {step.do}")
    for blocks in scenario.expect.values():
        for block in blocks:
            if block.overdue_state is not None or any(one.overdue_state for one in block.accounts.values()):
                raise NotYet("expectation overdue_state (dunning does not exist yet)")


async def _played(world: World, scenario: Scenario) -> list[str]:
    found: list[str] = []
    for position, step in enumerate(scenario.steps):
        blocks = scenario.expect.get(position, ())
        counts = await _counts(world) if any(block.no_new_invoice for block in blocks) else {}
        refused = await _done(world, step)
        expected = next((block.error for block in blocks if block.error is not None), None)
        where = f"after step {position} ({step.do})"
        if refused is not None and expected is None:
            return [*found, f"{where}: refused: {refused}"]
        if refused is None and expected is not None:
            found.append(f"{where}: was done, expected to be refused with {expected}")
        for block in blocks:
            differ = await _differences(world, block, counts)
            found += [f"{where}: {line}" if not line.startswith(" ") else line for line in differ]
    return found


async def _done(world: World, step: Step) -> str | None:
    """Do a step and what falls due with it; why it was refused, if it was."""
    try:
        if step.at.instant > world.at:
            await world.stand_at(step.at.instant)
        await DRIVERS[type(step)](world, step)
        await world.stand_at(world.at)
    except BillsmithError as error:
        return f"{error.code}: {error.detail}"
    except (NotYet, Unreadable):
        raise
    except Exception as error:  # noqa: BLE001 - a defect of the engine fails this case, and stops no other
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({last.filename.rpartition('/')[2]}:{last.lineno})"
    return None


async def _counts(world: World) -> dict[str, int]:
    return {name: len((await read_books(world, one)).papers) for name, one in world.accounts.items()}


async def _differences(world: World, block: Expectation, before: dict[str, int]) -> list[str]:
    if not world.accounts:
        return []
    books = {name: await read_books(world, account) for name, account in world.accounts.items()}
    found: list[str] = []
    first = next(iter(books.values()))
    found += comparing.figures_differ(block, first)
    for name, figures in block.accounts.items():
        found += comparing.figures_differ(figures, books[name])
    for expected in block.invoices:
        of = first if expected.account is None else books[expected.account]
        found += comparing.invoice_differs(expected, of, comparing.days_of(world, of.account.zone))
    found += comparing.payments_differ(block.payments, first)
    if block.no_new_invoice:
        found += _more(before, books, "no_new_invoice")
    found += await subscriptions_differ(world, block)
    if block.dry_run is not UNSET:
        found += previews.preview_differs(world, block, first)
    if block.nothing_more_to_invoice:
        for account in world.accounts.values():
            await bill_customer(world.context, world.call, account.id)
        now = {name: await read_books(world, one) for name, one in world.accounts.items()}
        found += _more({name: len(one.papers) for name, one in books.items()}, now, "nothing_more_to_invoice")
    return found


def _more(before: dict[str, int], now: dict[str, Books], what: str) -> list[str]:
    found = []
    for name, books in now.items():
        if len(books.papers) > before.get(name, 0):
            last = books.papers[-1]
            found.append(f"{what}: {name} has {len(books.papers)} documents, had {before.get(name, 0)}; the last:")
            found += comparing.items_differ((), last.items, books.account.currency)
    return found
