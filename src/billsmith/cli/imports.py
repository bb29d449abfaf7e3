"""`billsmith invoices import FILE`"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from billsmith.actions.context import Context
from billsmith.cli.importing.mapping import parse_mapping
from billsmith.cli.importing.run import ImportOrder, ImportSummary, Watcher, run_import
from billsmith.cli.session import JsonOption, TenantOption, call_for, errors, fail, in_context, print_json, screen
from billsmith.config import Settings
from billsmith.errors import BillsmithError

app = typer.Typer(help="Invoices in bulk.", no_args_is_help=True)

REJECTED = 3
"""Exit code when everything usable was imported and some rows were not usable."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines, one invoice line per row; .gz is fine.")],
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", "-m", help="field=Column, as often as needed; metadata.KEY=Column keeps a column."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Under this name the import is gone on with; default: the file's name.")
    ] = None,
    tenant: TenantOption = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes; default: one per core.")] = None,
    create_customers: Annotated[
        bool, typer.Option("--create-customers", help="Make customers that are missing, by external id.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(help="Where unusable rows go; default: FILE.rejects.csv, beside the file or else here."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, store nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import documents, each made of the rows that name it; finalised in the order of their dates.

    Start it again whenever it was cut off: every document is made once per import. A document with an unusable row is
    held back whole. Its own number is kept as the external number.

    Example: billsmith invoices import shop.csv.gz -m document=InvoiceNo -m customer=CustomerID -m issued_on=InvoiceDate
    -m name=Description -m quantity=Quantity -m unit_price=UnitPrice --create-customers
    """
    try:
        mapping = parse_mapping(map_ or [])
    except BillsmithError as error:
        fail(error)
    order = ImportOrder(
        path=file,
        name=name or file.name,
        mapping=mapping,
        workers=workers or os.cpu_count() or 1,
        create_customers=create_customers,
        dry_run=dry_run,
        rejects=rejects,
    )

    async def work(context: Context, settings: Settings, url: str) -> ImportSummary:
        with watched(quiet=as_json) as watcher:
            return await run_import(context, settings, url, await call_for(context, tenant), order, watcher)

    summary = in_context(work)
    if as_json:
        print_json(summary)
    else:
        show(summary)
    if summary.rows_rejected:
        raise typer.Exit(REJECTED)


@contextmanager
def watched(*, quiet: bool) -> Iterator[Watcher]:
    """A progress bar on stderr: rows read, then lines made with rate and time left."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=errors, transient=True, disable=quiet) as progress:
        reading = progress.add_task("reading", total=None, rate="rows")
        making = progress.add_task("making documents", total=None, rate="lines", visible=False)

        def on_rows(count: int) -> None:
            progress.update(reading, completed=count)

        def on_lines(count: int, of: int) -> None:
            progress.update(reading, visible=False)
            speed = progress.tasks[making].speed
            rate = f"lines, {speed:,.0f}/s" if speed else "lines"
            progress.update(making, completed=count, total=of, rate=rate, visible=True)

        yield Watcher(on_rows, on_lines)


def show(summary: ImportSummary) -> None:
    """What came of the import, for a person."""
    verb = "would be made" if summary.dry_run else "made"
    screen.print(
        f"[green]✓[/green] {summary.documents_made:,} documents {verb}, {summary.lines:,} lines"
        f" in {summary.seconds:.1f} s ({summary.lines_per_second:,.0f} lines/s)"
    )
    if summary.documents_made_before:
        screen.print(
            f"  {summary.documents_made_before:,} documents ({summary.lines_made_before:,} lines) had been made by this"
            " import before"
        )
    if summary.rows_rejected:
        screen.print(
            f"  [yellow]{summary.rows_rejected:,} rows could not be used[/yellow]"
            f" ({summary.documents_refused:,} documents held back)"
        )
        screen.print(f"  The reasons are in {summary.rejects}. Mend it and import it with --name", end=" ")
        screen.print(repr(summary.name), markup=False)
