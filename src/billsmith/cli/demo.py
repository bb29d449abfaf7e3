"""`billsmith demo`: a shop's year of invoices, imported and proven."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.totals import totals_by_metadata, totals_of_balances
from billsmith.cli import imports, proof
from billsmith.cli.generated_shop import DOCUMENTS, write_shop
from billsmith.cli.importing.mapping import parse_mapping
from billsmith.cli.importing.reading import FileMissing
from billsmith.cli.importing.run import ImportOrder, ImportSummary, run_import
from billsmith.cli.session import FAILED, JsonOption, errors, fail, new_request_id, print_json, screen, settings_or_fail
from billsmith.cli.shop import run as shop_run
from billsmith.cli.shop.about import CURRENCY, MAPPING, NAME, SHOPS, TIME_ZONE
from billsmith.cli.shop.about import shown as _money
from billsmith.config import Settings
from billsmith.core.ledger import Balance
from billsmith.core.tenants import NewTenant
from billsmith.errors import BillsmithError
from billsmith.verify import Report, verify
from billsmith.wiring import make_database_anew, open_context, open_database, remove_database

DATABASE = "billsmith_demo"
SETTLED_DATABASE = "billsmith_demo_shop"
"""Of its own, so that both may run at the same time."""
SHOP = NewTenant(name=NAME, currency=CURRENCY, time_zone=TIME_ZONE)
BAR = 12


class CountryTotals(msgspec.Struct, frozen=True):
    """What the documents of one country come to, in minor units."""

    country: str
    documents: int
    lines: int
    total_minor: int
    owed_minor: int


class DemoSummary(msgspec.Struct, frozen=True):
    """What a person, or a program, is told at the end. Amounts are minor units of `currency`."""

    shop: str
    """`real`, `generated`, or the file that was named."""
    currency: str
    documents: int
    lines: int
    total_minor: int
    owed_minor: int
    credit_minor: int
    countries: tuple[CountryTotals, ...]
    imported: ImportSummary
    differences: int
    verify_seconds: float


def demo(
    data: Annotated[
        Path | None, typer.Option(help="Another file with the columns of the shop's; default: the shop's, if there.")
    ] = None,
    generated: Annotated[bool, typer.Option("--generated", help="A generated shop, even if the real one is there.")] = (
        False
    ),
    documents: Annotated[int, typer.Option(min=1, help="How many documents a generated shop has.")] = DOCUMENTS,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes; default: one per core.")] = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the demo's database where it is, to look around.")
    ] = False,
    shop: Annotated[
        bool,
        typer.Option("--shop", help="Settle the year, too: payments over the fake gateway, returns, write-offs."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import a whole year of a shop's invoices into a database of its own, sum it up, and prove every figure.

    The shop is a real one where its data is (BILLSMITH_SHARED), otherwise a generated one of the same shape. The
    database `billsmith_demo` is made anew every time. Exit code 1 if a figure could not be proven.

    With --shop the year is settled as well, in `billsmith_demo_shop`: a scripted share of its customers is declined,
    pays late, pays with another card or never; replies are lost; what was returned is credited line by line; and the
    gateway's own book is compared.

    Example: billsmith demo --keep
    """
    settings = settings_or_fail()
    try:
        with _shop_file(settings, data, generated, documents) as (which, file), open_database(settings) as url:
            run = _Run(settings, url, which, file, workers or os.cpu_count() or 1, keep, as_json)
            summary: DemoSummary | shop_run.Settled
            if shop:
                summary, report = asyncio.run(_in_a_database(run, SETTLED_DATABASE, _settle))
            else:
                summary, report = asyncio.run(_in_a_database(run, DATABASE, _import))
    except BillsmithError as error:
        fail(error)
    if as_json:
        print_json(summary)
    else:
        if isinstance(summary, DemoSummary):
            show(summary)
        else:
            shop_run.show(summary)
        for check in report.checks:
            proof.show_differences(check)
    if _is_wrong(summary):
        raise typer.Exit(FAILED)


def _is_wrong(summary: DemoSummary | shop_run.Settled) -> bool:
    if isinstance(summary, DemoSummary):
        return bool(summary.differences or summary.imported.rows_rejected)
    return bool(summary.differences or summary.rows_rejected or summary.book.disagreements)


@contextmanager
def _shop_file(settings: Settings, data: Path | None, generated: bool, documents: int) -> Iterator[tuple[str, Path]]:
    """(what shop it is, its file); a generated one is gone afterwards."""
    real = settings.shared / "data" / "online_retail.csv.gz"
    if data is not None:
        if not data.is_file():
            raise FileMissing(f"there is no file {data}")
        yield str(data), data
    elif real.is_file() and not generated:
        yield "real", real
    else:
        with tempfile.TemporaryDirectory(prefix="billsmith-demo-") as folder:
            file = Path(folder) / "generated_shop.csv"
            write_shop(file, documents)
            yield "generated", file


class _Run(msgspec.Struct, frozen=True):
    """One run of the demo: what of, where, and how."""

    settings: Settings
    url: str
    shop: str
    file: Path
    workers: int
    keep: bool
    quiet: bool


Summary = TypeVar("Summary")
Work = Callable[[Context, _Run, str], Awaitable[tuple[Summary, Report]]]


async def _in_a_database(run: _Run, name: str, work: Work[Summary]) -> tuple[Summary, Report]:
    """Do `work` in a database made anew, which is gone afterwards unless it is to be kept."""
    database = await make_database_anew(run.url, name)
    with tempfile.TemporaryDirectory(prefix="billsmith-demo-") as folder:
        # Whichever server it is on, this database is ours alone: migrated here, and used as its owner. What else is
        # kept of it, keys and the fake gateway's book, goes with it.
        home = run.settings.home if run.keep else Path(folder)
        own = msgspec.structs.replace(run.settings, database_url=None, home=home)
        try:
            async with open_context(own, database) as context:
                done = await work(context, msgspec.structs.replace(run, settings=own), database)
        finally:
            if not run.keep:
                await remove_database(run.url, name)
    if run.keep and not run.quiet:
        errors.print(f"The database is kept: DATABASE_URL={database}", markup=False, soft_wrap=True)
    return done


async def _import(context: Context, run: _Run, database: str) -> tuple[DemoSummary, Report]:
    tenant = await tenants.create_tenant(context, SHOP, "demo", new_request_id(context))
    call = Call(tenant, "demo", new_request_id(context), "the demo")
    order = ImportOrder(run.file, "demo", parse_mapping(MAPPING), run.workers, create_customers=True)
    with imports.watched(quiet=run.quiet) as watcher:
        imported = await run_import(context, run.settings, database, call, order, watcher)
    with proof.watched(quiet=run.quiet) as on_progress:
        report = await verify(database, tenant_id=tenant.id, on_progress=on_progress)
    return await _summed_up(context, call, run.shop, imported, report), report


async def _settle(context: Context, run: _Run, database: str) -> tuple[shop_run.Settled, Report]:
    return await shop_run.settle_shop(context, run.settings, database, run.shop, run.file, run.workers, quiet=run.quiet)


async def _summed_up(context: Context, call: Call, shop: str, imported: ImportSummary, report: Report) -> DemoSummary:
    found = await totals_by_metadata(context, call.tenant, "country")
    balance = (await totals_of_balances(context, call.tenant)).get(CURRENCY, Balance())
    countries = tuple(
        CountryTotals(entry.value, entry.documents, entry.lines, entry.total_minor, entry.owed_minor) for entry in found
    )
    return DemoSummary(
        shop=shop,
        currency=CURRENCY,
        documents=sum(country.documents for country in countries),
        lines=sum(country.lines for country in countries),
        total_minor=sum(country.total_minor for country in countries),
        owed_minor=balance.receivable_minor,
        credit_minor=balance.credit_minor,
        countries=countries,
        imported=imported,
        differences=report.found,
        verify_seconds=report.seconds,
    )


def show(summary: DemoSummary) -> None:
    """The summary for a person: what came in, from where, what is owed, how long it took, and that it is right."""
    screen.print()
    screen.print(f"[bold]{SHOP.name}[/bold]  {escape(SHOPS.get(summary.shop, summary.shop))}")
    screen.print()
    screen.print(_countries(summary))
    screen.print()
    imported = summary.imported
    figures = Table.grid(padding=(0, 3, 0, 0))
    figures.add_column(style="dim")
    figures.add_column(justify="right")
    figures.add_column(style="dim")
    figures.add_row("owed to the shop", f"[bold]{_money(summary.owed_minor)}[/bold]", "")
    figures.add_row("credit outstanding", f"[bold]{_money(summary.credit_minor)}[/bold]", "the shop owes its customers")
    figures.add_row("imported in", f"{imported.seconds:.1f} s", f"{imported.lines_per_second:,.0f} lines/s")
    figures.add_row("verified in", f"{summary.verify_seconds:.1f} s", "every stored figure, from raw rows")
    screen.print(figures)
    if imported.rows_rejected:
        screen.print(f"[yellow]{imported.rows_rejected:,} rows could not be used[/yellow]; see {imported.rejects}")
    screen.print()
    color, mark = ("red", "✗") if summary.differences else ("green", "✓")
    screen.print(
        f"[{color}]{mark}[/{color}] {summary.documents:,} documents, {summary.lines:,} lines,"
        f" {_money(summary.total_minor)};"
        f" verify: {summary.differences:,} difference{'' if summary.differences == 1 else 's'}"
    )


def _countries(summary: DemoSummary) -> Table:
    table = Table("country", "documents", "lines", "total", "owed", "", box=None, pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[1:5]:
        column.justify = "right"
    most = max((country.total_minor for country in summary.countries), default=0)
    for country in summary.countries:
        # A cubic scale: next to one country that has most of it, the others would be nothing.
        length = round(BAR * (max(country.total_minor, 0) / most) ** (1 / 3)) if most > 0 else 0
        table.add_row(
            escape(country.country) or "(none)",
            f"{country.documents:,}",
            f"{country.lines:,}",
            _money(country.total_minor),
            _money(country.owed_minor),
            f"[green]{'▇' * length}[/green]",
        )
    return table
