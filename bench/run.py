"""The billing run: one more month of subscriptions that were billed before, by worker processes as `billsmith run` has.

A month before is billed outside the time. Variants: companies, charges of a plan, how many changed in mid-month.
"""

import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import msgspec

from bench.floor import copied, counts, keep, mark
from bench.measured import Figure, Measured, median
from bench.stage import Meter, Spent, Stage, analyse, differences, stage
from bench.subscribers import Share, change_some, fill, found
from billsmith.actions.billing.runs import SWEEP
from billsmith.cli.billing.workers import Done, Job, hired, run_job

CUSTOMERS = 100_000
PAIRS = 3
OF_FLOOR_ASKED = 0.40
GROWTH_ASKED_MB = 64
FIRST_BATCH_ASKED_SECONDS = 1.0
FILLING = 2
"""Processes that fill customers in."""


class Variant(msgspec.Struct, frozen=True):
    """What is billed, and by how many."""

    customers: int = CUSTOMERS
    companies: int = 1
    charges: int = 1
    changed_percent: int = 0
    workers: int = 2
    pairs: int = PAIRS


RUNS = Variant()


class Pair(msgspec.Struct):
    """One run, and the floor right after it."""

    documents: int
    run: Spent
    floor: Spent
    floor_of_added_seconds: float
    written_mb: float
    memory_growth_mb: float
    first_batch_seconds: float
    """From the first worker's being ready to the first commit."""


class Ran(msgspec.Struct, frozen=True):
    """What the workers of one run did together, and when after the first of them was ready."""

    done: Done
    seconds: float
    first_batch_seconds: float


async def run(server_url: str, rows: int | None, variant: Variant | None = None) -> Measured:
    """One more month, so many times from anew, each with its floor right after it."""
    of = variant or RUNS
    if rows is not None:
        of = msgspec.structs.replace(of, customers=rows)
    pairs: list[Pair] = []
    differing: int | None = None
    for nth in range(of.pairs):
        with tempfile.TemporaryDirectory(prefix="billsmith-bench-") as folder:
            async with stage(server_url, customers=1) as on:
                pair, differing = await _pair(on, of, Path(folder), prove=nth == of.pairs - 1)
                pairs.append(pair)
    figures = [
        Figure("documents per second", median([one.documents / one.run.seconds for one in pairs]), "/s"),
        Figure(
            "of the floor", median([one.floor.seconds / one.run.seconds for one in pairs]), "", least=OF_FLOOR_ASKED
        ),
        Figure("the same by CPU time", median([one.floor.cpu_seconds / one.run.cpu_seconds for one in pairs]), ""),
        Figure(
            "of a floor without the rows that are only changed",
            median([one.floor_of_added_seconds / one.run.seconds for one in pairs]),
            "",
        ),
        Figure("CPU per document", median([one.run.cpu_seconds * 1e6 / one.documents for one in pairs]), "µs"),
        Figure("of it ours", median([one.run.ours_cpu_seconds * 1e6 / one.documents for one in pairs]), "µs"),
        Figure("growth of a worker's memory", max(one.memory_growth_mb for one in pairs), "MB", most=GROWTH_ASKED_MB),
        Figure(
            "first batch after a worker is ready",
            max(one.first_batch_seconds for one in pairs),
            "s",
            most=FIRST_BATCH_ASKED_SECONDS,
        ),
    ]
    details = {"variant": msgspec.to_builtins(of), "pairs": msgspec.to_builtins(pairs)}
    return Measured(_name(of), figures, differing, details)


def _name(of: Variant) -> str:
    said = f"Run of {of.customers:,} subscriptions by {of.workers} workers"
    if of.companies > 1:
        said += f", {of.companies} companies"
    if of.charges > 1:
        said += f", {of.charges} charges each"
    if of.changed_percent:
        said += f", {of.changed_percent} % changed in mid-month"
    return said


async def _pair(on: Stage, of: Variant, folder: Path, *, prove: bool) -> tuple[Pair, int | None]:
    this = on.context.clock.wall().date().replace(day=1)
    last = (this - timedelta(days=1)).replace(day=1)
    tenants = await found(on.context, of.companies)
    each = of.customers // of.companies
    shares = [
        Share(on.settings, on.url, tenant, each // FILLING, last, of.charges)
        for tenant in tenants
        for _ in range(FILLING)
    ]
    for start in range(0, len(shares), FILLING):
        await fill(shares[start : start + FILLING])
    await analyse(on.url)
    await billed(on, of, last)
    for tenant in tenants if of.changed_percent else []:
        await change_some(on.context, tenant, of.changed_percent, last + timedelta(days=14))
    await analyse(on.url)
    before, since = await counts(on.url), await mark(on.url)
    meter = await Meter.on(on.url)
    ran = await billed(on, of, this)
    spent = msgspec.structs.replace(meter.spent(), seconds=ran.seconds)
    differing = await differences(on) if prove else None
    kept = await keep(on.url, before, folder, of.workers, since)
    floor = await copied(on.url, kept)
    pair = Pair(
        documents=ran.done.documents,
        run=spent,
        floor=floor.spent,
        floor_of_added_seconds=floor.added_seconds,
        written_mb=kept.octets / 2**20,
        memory_growth_mb=ran.done.memory_growth_mb,
        first_batch_seconds=ran.first_batch_seconds,
    )
    return pair, differing


async def billed(on: Stage, of: Variant, until_on: date) -> Ran:
    """A run by workers that are started before it."""
    total, first_batch_at = Done(), 0.0

    def on_batch(done: Done) -> None:
        nonlocal first_batch_at
        total.add(done)
        if done.customers and not first_batch_at:
            first_batch_at = time.monotonic()

    with hired(of.workers) as workers:
        seconds = await run_job(workers, Job(on.settings, on.url, until_on, None, SWEEP), on_batch)
    if total.parked:
        raise RuntimeError(f"{total.parked} customers could not be billed")
    return Ran(total, seconds, first_batch_at - total.ready_at)
