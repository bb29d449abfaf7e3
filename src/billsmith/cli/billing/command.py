"""`billsmith run`"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from billsmith.actions.billing.forecast import Forecast, customers_to_forecast, forecast
from billsmith.actions.billing.runs import (
    SWEEP,
    check_not_ahead,
    customers_waiting,
    parked_customers,
    retry_parked,
    tenants_waiting,
)
from billsmith.actions.context import Context
from billsmith.actions.tenants import list_tenants
from billsmith.cli.billing.workers import Done, Job, hired, run_job
from billsmith.cli.session import JsonOption, TenantOption, call_for, errors, in_context, print_json, screen
from billsmith.config import Settings
from billsmith.core.ids import show_id
from billsmith.core.money import show_amount
from billsmith.core.tenants import Tenant

PARKED = 3
"""Exit code when everybody else was billed, and some customers are parked."""
LISTED = 1000


class RunSummary(msgspec.Struct):
    """What a run did."""

    until: str | None
    customers: int = 0
    documents: int = 0
    parked: int = 0
    outages: int = 0
    """How often a worker died and was replaced, or lost the database and waited for it."""
    seconds: float = 0
    workers: int = 0
    worker_memory_growth_mb: float = 0
    stopped: bool = False

    @property
    def documents_per_second(self) -> float:
        """Over the whole run."""
        return self.documents / self.seconds if self.seconds else 0.0


def run(
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Bill what is due by this day; default: by each customer's today."),
    ] = None,
    tenant: TenantOption = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes; default: one per core.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Work it out, for later days too; store nothing.")] = False,
    parked: Annotated[bool, typer.Option("--parked", help="List the customers that runs leave out, and why.")] = False,
    retry: Annotated[bool, typer.Option("--retry-parked", help="Bill those again, with all others.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bill every customer for what is due, in one run: what the worker does by itself all the time.

    Without --tenant of all that live in the real time. Ctrl-C ends the batches under way; start it again to go on. A
    customer that can't be billed is parked with its reason, and stops no other. Exit code 3: some are parked.

    Example: billsmith run --until 2026-03-01 --dry-run
    """
    until_on = None if until is None else until.date()
    if parked:
        in_context(lambda context, settings, url: _list_parked(context, tenant, as_json=as_json))
    elif dry_run:
        in_context(lambda context, settings, url: _look(context, tenant, until_on, as_json=as_json))
    else:

        async def work(context: Context, settings: Settings, url: str) -> RunSummary:
            if retry:
                await _retry(context, tenant)
            return await _run(context, settings, url, tenant, until_on, workers or os.cpu_count() or 1, as_json)

        summary = in_context(work)
        if as_json:
            print_json(summary)
        else:
            _show(summary)
        if summary.parked:
            raise typer.Exit(PARKED)


async def _run(
    context: Context,
    settings: Settings,
    url: str,
    tenant: str | None,
    until_on: date | None,
    workers: int,
    quiet: bool,
) -> RunSummary:
    only = None if tenant is None else (await call_for(context, tenant)).tenant
    tenants = await tenants_waiting(context, None if only is None else only.id)
    check_not_ahead(context, [only] if only else await _of_real_time(context), until_on)
    waiting = sum([await customers_waiting(context, one, until_on) for one in tenants])
    until = None if until_on is None else until_on.isoformat()
    if not waiting:
        return RunSummary(until, workers=workers)
    job = Job(settings, url, until_on, None if only is None else only.id, SWEEP)
    total, stopped, began = Done(), False, time.perf_counter()
    with hired(workers) as processes, _watched(waiting, quiet=quiet) as show:

        def on_batch(done: Done) -> None:
            total.add(done)
            show(total.customers)

        running = asyncio.create_task(run_job(processes, job, on_batch))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:  # Ctrl-C: what is under way is ended, the rest stays for the next run
            for process in processes:
                process.end_soon()
            stopped = True
            await running
    return RunSummary(
        until=until,
        customers=total.customers,
        documents=total.documents,
        parked=total.parked,
        outages=total.outages,
        seconds=round(time.perf_counter() - began, 3),
        workers=workers,
        worker_memory_growth_mb=total.memory_growth_mb,
        stopped=stopped,
    )


async def _retry(context: Context, tenant: str | None) -> None:
    for one in await _meant(context, tenant):
        await retry_parked(context, await call_for(context, show_id("tenant", one.id), "parked customers again"))


async def _of_real_time(context: Context) -> list[Tenant]:
    return [one for one in await list_tenants(context) if one.clock_at is None]


async def _meant(context: Context, tenant: str | None) -> list[Tenant]:
    return await list_tenants(context) if tenant is None else [(await call_for(context, tenant)).tenant]


async def _list_parked(context: Context, tenant: str | None, *, as_json: bool) -> None:
    found = [(one, parked) for one in await _meant(context, tenant) for parked in await parked_customers(context, one)]
    if as_json:
        print_json(
            [
                {
                    "tenant": show_id("tenant", one.id),
                    "customer": show_id("customer", parked.id),
                    "name": parked.name,
                    "because": parked.because,
                }
                for one, parked in found
            ]
        )
        return
    if not found:
        screen.print("[green]✓[/green] nobody is parked")
        return
    table = Table("tenant", "customer", "name", "because", box=None)
    for one, parked in found[:LISTED]:
        table.add_row(escape(one.name), show_id("customer", parked.id), escape(parked.name), escape(parked.because))
    screen.print(table)
    screen.print("Mend what stands in their way, then: billsmith run --retry-parked", markup=False)


async def _look(context: Context, tenant: str | None, until_on: date | None, *, as_json: bool) -> None:
    total = Forecast()
    # without a name, those that live in a time of their own are left out
    meant = [one for one in await _meant(context, tenant) if tenant is not None or one.clock_at is None]
    waiting = sum([await customers_to_forecast(context, one, until_on) for one in meant])
    with _watched(waiting, quiet=as_json, doing="working out") as show:
        for one in meant:
            async for batch in forecast(context, one, until_on):
                total.add(batch)
                show(total.looked_at)
    if as_json:
        print_json(total)
        return
    screen.print(f"[green]✓[/green] {total.customers:,} customers have something due; nothing was stored")
    table = Table("currency", "documents", "lines", "total", box=None)
    for currency, found in sorted(total.sums.items()):
        amount = show_amount(found.total_minor, currency)
        table.add_row(currency, f"{found.documents:,}", f"{found.lines:,}", amount)
    if total.sums:
        screen.print(table)
    if total.refused:
        screen.print(f"  [yellow]{total.refused:,} of them could not be billed[/yellow] and would be parked")


@contextmanager
def _watched(waiting: int, *, quiet: bool, doing: str = "billing") -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr: customers done, how fast, and the time left."""
    columns = (
        SpinnerColumn(), TextColumn(doing), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=errors, transient=True, disable=quiet) as progress:
        billing = progress.add_task("customers", total=waiting)

        def show(customers: int) -> None:
            speed = progress.tasks[billing].speed
            rate = f"customers, {speed:,.0f}/s" if speed else "customers"
            progress.update(billing, completed=customers, total=max(waiting, customers), description=rate)

        yield show


def _show(summary: RunSummary) -> None:
    if not summary.customers:
        screen.print("[green]✓[/green] nothing is due")
        return
    rate = f"{summary.documents_per_second:,.0f}/s"
    screen.print(
        f"[green]✓[/green] {summary.documents:,} documents of {summary.customers:,} customers"
        f" in {summary.seconds:.1f} s ({rate})"
    )
    if summary.outages:
        screen.print(f"  {summary.outages} times a worker or the database was lost; the run went on")
    if summary.stopped:
        screen.print("  stopped; start it again to go on")
    if summary.parked:
        screen.print(f"  [yellow]{summary.parked:,} could not be billed[/yellow]; billsmith run --parked says why")
