"""One import from beginning to end: spool, customers, workers, rejects."""

import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.imports import begin_import, find_customers, finish_import, import_customers
from billsmith.cli.importing.mapping import ColumnMapping, resolve
from billsmith.cli.importing.reading import columns_of, rows
from billsmith.cli.importing.rejects import write_rejects
from billsmith.cli.importing.spool import Spool, SpooledDocument, customer_key, read_document, spool
from billsmith.cli.importing.workers import BatchDone, Job, in_order, run_workers, share_out
from billsmith.config import Settings
from billsmith.core.customers import CustomerDetails
from billsmith.core.ids import CustomerId

CUSTOMERS_AT_ONCE = 1_000


class ImportOrder(msgspec.Struct, frozen=True):
    """What to import and how."""

    path: Path
    name: str
    """The import's name: under it a second start goes on where the first one ended."""
    mapping: Mapping[str, str]
    workers: int
    create_customers: bool
    dry_run: bool
    rejects: Path


class ImportSummary(msgspec.Struct):
    """What came of an import. `lines` counts those of documents made now or before."""

    name: str
    rows: int = 0
    documents_made: int = 0
    documents_made_before: int = 0
    documents_refused: int = 0
    lines: int = 0
    rows_rejected: int = 0
    rejects: str | None = None
    customers: int = 0
    seconds: float = 0
    lines_per_second: float = 0
    memory_growth_mb: float = 0
    dry_run: bool = False


class Watcher(msgspec.Struct, frozen=True):
    """Who is told how far it is: rows read in the first pass, then lines of `of` in the second."""

    on_rows: Callable[[int], None]
    on_lines: Callable[[int, int], None]


async def run_import(
    context: Context, settings: Settings, url: str, call: Call, order: ImportOrder, watcher: Watcher
) -> ImportSummary:
    """Import a file. Raises MappingInvalid, FileMissing, FileUnreadable before anything is stored; WorkerDied."""
    started, memory = time.perf_counter(), _peak_memory_mb()
    mapping = resolve(order.mapping, columns_of(order.path))
    summary = ImportSummary(order.name, dry_run=order.dry_run)
    with tempfile.TemporaryDirectory(prefix="billsmith-import-") as folder:
        columns = columns_of(order.path)
        spooled = spool(rows(order.path, columns), mapping, Path(folder) / "rows", watcher.on_rows)
        customers = await _customers(context, call, order, spooled)
        await _make(context, settings, url, call, order, mapping, spooled, customers, summary, watcher)
    if spooled.rejected:
        summary.rejects = str(write_rejects(order.path, columns, spooled.rejected, order.rejects))
    summary.rows, summary.rows_rejected = spooled.row_count, len(spooled.rejected)
    summary.customers = len(customers)
    summary.seconds = time.perf_counter() - started
    summary.lines_per_second = summary.lines / summary.seconds
    summary.memory_growth_mb = _peak_memory_mb() - memory
    return summary


async def _make(
    context: Context,
    settings: Settings,
    url: str,
    call: Call,
    order: ImportOrder,
    mapping: ColumnMapping,
    spooled: Spool,
    customers: dict[str, CustomerId],
    summary: ImportSummary,
    watcher: Watcher,
) -> None:
    documents, undated = in_order(spooled.documents)
    _reject_undated(spooled, undated, summary)
    operation = await begin_import(context, call, order.name)
    of = sum(document.row_count for document in documents)

    def on_batch(done: BatchDone) -> None:
        summary.documents_made += done.made
        summary.documents_made_before += done.made_before
        summary.documents_refused += done.refused_documents
        summary.lines += done.lines
        spooled.rejected.update(done.rejected)
        watcher.on_lines(summary.lines, of)

    shares = share_out(documents, order.workers)
    jobs = [
        Job(
            settings=settings,
            url=url,
            call=call,
            operation=operation,
            spool=spooled.path,
            documents=share,
            customers=_needed(share, customers),
            metadata_keys=tuple(key for key, _ in mapping.metadata),
            dry_run=order.dry_run,
        )
        for share in shares
        if share
    ]
    run_workers(jobs, on_batch)
    if not order.dry_run:
        await finish_import(context, call, operation)


def _needed(share: list[SpooledDocument], customers: dict[str, CustomerId]) -> dict[str, CustomerId]:
    keys = {customer_key(document)[0] for document in share}
    return {key: customers[key] for key in keys if key in customers}


def _reject_undated(spooled: Spool, undated: dict[str, str], summary: ImportSummary) -> None:
    """Documents whose first row has no date: every row of theirs gets the reason."""
    for document in spooled.documents:
        if document.name in undated:
            summary.documents_refused += 1
            with spooled.path.open("rb") as stream:
                spooled.rejected.update({row[0]: undated[document.name] for row in read_document(stream, document)})


async def _customers(context: Context, call: Call, order: ImportOrder, spooled: Spool) -> dict[str, CustomerId]:
    """The customers that the documents name, by external id; missing ones are made if that was asked for."""
    wanted: dict[str, CustomerDetails] = {}
    for document in spooled.documents:
        key, walk_in = customer_key(document)
        if key and key not in wanted:
            wanted[key] = _details(document, key, walk_in)
    found: dict[str, CustomerId] = {}
    names = list(wanted)
    for start in range(0, len(names), CUSTOMERS_AT_ONCE):
        part = names[start : start + CUSTOMERS_AT_ONCE]
        if order.create_customers and not order.dry_run:
            found |= await import_customers(context, call, [wanted[name] for name in part])
        elif order.create_customers:
            found |= dict.fromkeys(part, CustomerId(context.ids.new(0)))  # a dry run judges documents, not customers
        else:
            found |= await find_customers(context, call, part)
    return found


def _details(document: SpooledDocument, key: str, walk_in: bool) -> CustomerDetails:
    """A walk-in customer gathers the documents of people who are no customers, so it draws no credit."""
    if walk_in:
        return CustomerDetails(name=f"Walk-in {document.walk_in}", external_id=key, draw_credit=False)
    return CustomerDetails(name=document.customer_name or f"Customer {key}", external_id=key)


def _peak_memory_mb() -> float:
    """The most memory this program and its workers, each by itself, have had."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return own / 1024
