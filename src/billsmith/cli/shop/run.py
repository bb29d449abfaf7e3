"""`billsmith demo --shop`: the shop's year imported, settled, partly taken back, and proven against both books."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.money.rehearsing import Comparison, Try, all_documents, all_tries, compare_with_book
from billsmith.actions.totals import totals_of_balances
from billsmith.cli import imports, proof
from billsmith.cli.importing.mapping import parse_mapping
from billsmith.cli.importing.run import ImportOrder, run_import
from billsmith.cli.session import errors, new_request_id, screen
from billsmith.cli.shop.about import CURRENCY, MAPPING, NAME, SHOPS, TIME_ZONE, shown
from billsmith.cli.shop.documents import read_year
from billsmith.cli.shop.outcomes import OUTCOMES, OutcomeTotals, totals
from billsmith.cli.shop.returning import Returns, give_back
from billsmith.cli.shop.settling import Settling, begin_settling
from billsmith.config import Settings
from billsmith.core.invoices import Invoice
from billsmith.core.ledger import Balance
from billsmith.core.payments.payment import Attempt
from billsmith.core.tenants import NewTenant
from billsmith.verify import Report, verify

YEAR_ENDS_AT = datetime(2011, 12, 10, 9, tzinfo=UTC)
SHOP = NewTenant(name=NAME, currency=CURRENCY, time_zone=TIME_ZONE, mode="sandbox", clock_at=YEAR_ENDS_AT)


class Phase(msgspec.Struct, frozen=True):
    """How long a part of the run took, and how much of what was done in it per second."""

    name: str
    seconds: float
    done: int
    of_what: str

    @property
    def per_second(self) -> float:
        """The rate."""
        return self.done / self.seconds if self.seconds else 0.0


class Settled(msgspec.Struct, frozen=True):
    """What came of the year. Amounts are minor units of `currency`; all but the phases is the same in every run."""

    shop: str
    currency: str
    documents: int
    lines: int
    outcomes: tuple[OutcomeTotals, ...]
    """Before anything was taken back."""
    settled_on: str
    tries: int
    """Calls to the gateway by which money was to come."""
    written_off_minor: int
    """Of that nothing was taken back later."""
    returns: Returns
    owed_minor: int
    credit_minor: int
    book: Comparison
    rows_rejected: int
    differences: int
    phases: tuple[Phase, ...]


class Stopwatch:
    """The phases so far."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self._began = time.perf_counter()

    def ended(self, name: str, done: int, of_what: str) -> None:
        """Another phase has ended, and the next begins."""
        now = time.perf_counter()
        self.phases.append(Phase(name, round(now - self._began, 3), done, of_what))
        self._began = now


async def settle_shop(
    context: Context, settings: Settings, database: str, shop: str, file: Path, workers: int, *, quiet: bool
) -> tuple[Settled, Report]:
    """Import, settle, give back, prove. Raises what the import and the verbs raise."""
    watch = Stopwatch()
    tenant = await tenants.create_tenant(context, SHOP, "demo", new_request_id(context))
    call = Call(tenant, "demo", new_request_id(context), "the demo")
    with imports.watched(quiet=quiet) as watcher:
        year = read_year(file, watcher.on_rows)
        leave_out = frozenset(one.name for one in year.returned)
        order = ImportOrder(file, "demo", parse_mapping(MAPPING), workers, create_customers=True, leave_out=leave_out)
        imported = await run_import(context, settings, database, call, order, watcher)
    watch.ended("imported", imported.lines, "lines")
    with progress(quiet=quiet) as on_progress:
        begun = await begin_settling(context, call, year, f"demo-{tenant.id.hex[:12]}", on_progress)
        settled = await begun.settle()
        outcomes, tries = await _outcomes(settled)
        watch.ended("settled", sum(one.invoices for one in outcomes), "invoices")
        call = settled.call
        returns = await give_back(
            context, call, year, lambda done: on_progress("taking back", done, len(year.returned))
        )
        watch.ended("taken back", returns.documents, "documents")
    with proof.watched(quiet=quiet) as on_progress:
        report = await verify(database, tenant_id=tenant.id, on_progress=on_progress)
    comparison, written_off = await _compared(settled)
    watch.ended("verified", report.found, "differences")
    balance = (await totals_of_balances(context, tenant)).get(CURRENCY, Balance())
    return Settled(
        shop=shop,
        currency=CURRENCY,
        documents=imported.documents_made + returns.documents,
        lines=imported.rows - imported.rows_rejected,
        outcomes=outcomes,
        settled_on=str(context.clock.of(call.tenant).date()),
        tries=tries,
        written_off_minor=written_off,
        returns=returns,
        owed_minor=balance.receivable_minor,
        credit_minor=balance.credit_minor,
        book=comparison,
        rows_rejected=imported.rows_rejected,
        differences=report.found,
        phases=tuple(watch.phases),
    ), report


async def _outcomes(settled: Settling) -> tuple[tuple[OutcomeTotals, ...], int]:
    """What became of every invoice, and how many tries it took."""
    context, tenant = settled.context, settled.call.tenant
    of_invoices: dict[Any, list[Attempt]] = {}
    tries = 0
    async for one in all_tries(context, tenant):
        tries += 1
        for invoice_id in one.invoice_ids:
            of_invoices.setdefault(invoice_id, []).append(one.attempt)
    found: list[Invoice] = [one.invoice async for one in all_documents(context, tenant, lines=False)]
    return totals(found, of_invoices), tries


async def _compared(settled: Settling) -> tuple[Comparison, int]:
    """The gateway's book beside ours, and what stays written off."""
    context, tenant = settled.context, settled.call.tenant
    tries: list[Try] = [one async for one in all_tries(context, tenant)]
    written_off = 0
    async for one in all_documents(context, tenant, lines=False):
        written_off += one.invoice.written_off_minor
    return await compare_with_book(context, tenant, settled.account_id, tries), written_off


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on stderr: the phase, how much of it is done, at which rate, and the time that is left."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=errors, transient=True, disable=quiet) as shown_progress:
        running: dict[str, Any] = {}

        def on_progress(phase: str, done: int, of: int) -> None:
            if phase not in running:
                for task in running.values():
                    shown_progress.update(task, visible=False)
                running[phase] = shown_progress.add_task(phase, total=of or None, count="")
            task = running[phase]
            speed = next(one.speed for one in shown_progress.tasks if one.id == task)
            count = f"{done:,} of {of:,}" if of else f"day {done}"
            shown_progress.update(task, completed=done, count=f"{count}, {speed:,.0f}/s" if speed and of else count)

        yield on_progress


def show(settled: Settled) -> None:
    """The year for a person."""
    screen.print()
    screen.print(f"[bold]{NAME}[/bold]  {escape(SHOPS.get(settled.shop, settled.shop))}, settled")
    screen.print()
    table = Table("what became of them", "invoices", "amount", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for outcome in settled.outcomes:
        table.add_row(OUTCOMES[outcome.outcome], f"{outcome.invoices:,}", shown(outcome.amount_minor))
    screen.print(table)
    screen.print()
    screen.print(_figures(settled))
    screen.print()
    for problem in settled.book.disagreements[: proof.ON_SCREEN]:
        screen.print(f"[red]✗[/red] {problem}")
    if settled.rows_rejected:
        screen.print(f"[yellow]{settled.rows_rejected:,} rows could not be used[/yellow]")
    agrees = not settled.book.disagreements
    _mark(
        agrees,
        f"the gateway's book {'agrees' if agrees else 'does not agree'}: {settled.book.operations:,} operations,"
        f" {shown(settled.book.charged_minor)} in, {shown(settled.book.given_back_minor)} given back",
    )
    _mark(
        not settled.differences,
        f"{settled.documents:,} documents, {settled.lines:,} lines;"
        f" verify: {settled.differences:,} difference{'' if settled.differences == 1 else 's'}",
    )


def _figures(settled: Settled) -> Table:
    returns = settled.returns
    figures = Table.grid(padding=(0, 3, 0, 0))
    figures.add_column(style="dim")
    figures.add_column(justify="right")
    figures.add_column(style="dim")
    figures.add_row(
        "taken back, matched", shown(returns.matched_minor),
        f"{returns.credit_notes:,} credit notes, {returns.refunds:,} refunds of {shown(returns.refunded_minor)}",
    )  # fmt: skip
    figures.add_row(
        "taken back, unmatched", shown(returns.unmatched_minor),
        f"{returns.credits:,} times credit; {shown(returns.anonymous_minor)} of it of nobody known",
    )  # fmt: skip
    figures.add_row("written off", shown(settled.written_off_minor), "what stays so")
    figures.add_row("owed to the shop", shown(settled.owed_minor), "")
    figures.add_row("credit outstanding", shown(settled.credit_minor), "the shop owes its customers")
    figures.add_row("the gateway's fees", shown(settled.book.fees_minor), f"{settled.tries:,} tries")
    for phase in settled.phases:
        rate = f"{phase.done:,} {phase.of_what}, {phase.per_second:,.0f}/s"
        figures.add_row(f"{phase.name} in", f"{phase.seconds:.1f} s", "" if phase.of_what == "differences" else rate)
    return figures


def _mark(good: bool, text: str) -> None:
    color, mark = ("green", "✓") if good else ("red", "✗")
    screen.print(f"[{color}]{mark}[/{color}] {text}")
