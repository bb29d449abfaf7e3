"""One import from beginning to end: spool, customers, workers, rejects."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.imports import (
    Customers,
    begin_import,
    find_customers,
    find_import,
    finish_import,
    import_customers,
    suppose_customers,
)
from billsmith.cli.importing.mapping import resolve
from billsmith.cli.importing.memory import peak_memory_mb
from billsmith.cli.importing.reading import columns_of, rows
from billsmith.cli.importing.rejects import rejects_path, write_rejects
from billsmith.cli.importing.spool import Spool, SpooledDocument, customer_key, spool
from billsmith.cli.importing.workers import LINES_AT_ONCE, BatchDone, Job, Worker, hired, in_order, run_jobs, share_out
from billsmith.config import Settings
from billsmith.core.customers import CustomerDetails

CUSTOMERS_AT_ONCE = 1_000


class ImportOrder(msgspec.Struct, frozen=True):
    """What to import and how."""

    path: Path
    name: str
    """The import's name: under it a second start goes on where the first one ended."""
    mapping: Mapping[str, str]
    workers: int
    create_customers: bool = False
    dry_run: bool = False
    rejects: Path | None = None
    lines_at_once: int = LINES_AT_ONCE
    leave_out: frozenset[str] = frozenset()
    """Documents that are none of this import."""


class ImportSummary(msgspec.Struct):
    """What came of an import: documents and their lines made by this run, made by it before, and held back.

    `lines_per_second` counts the lines of this run over all of its time. The growth of memory is that of the peak of
    this process, and of the worker that grew most, each by itself over what it had before the first row.
    """

    name: str
    rows: int = 0
    documents_made: int = 0
    lines: int = 0
    documents_made_before: int = 0
    lines_made_before: int = 0
    documents_refused: int = 0
    rows_rejected: int = 0
    rejects: str | None = None
    customers: int = 0
    seconds: float = 0
    lines_per_second: float = 0
    memory_growth_mb: float = 0
    worker_memory_growth_mb: float = 0
    dry_run: bool = False


class Watcher(msgspec.Struct, frozen=True):
    """Who is told how far it is: rows read in the first pass, then lines of `of` in the second."""

    on_rows: Callable[[int], None]
    on_lines: Callable[[int, int], None]


async def run_import(
    context: Context, settings: Settings, url: str, call: Call, order: ImportOrder, watcher: Watcher
) -> ImportSummary:
    """Import a file.

    Raises MappingInvalid, FileMissing, FileUnreadable, RejectsNotWritable, UnusableText (of the name) before anything
    is stored; later WorkerDied and DatabaseUnavailable, upon which starting again goes on.
    """
    started, memory = time.perf_counter(), peak_memory_mb()
    columns = columns_of(order.path)
    mapping = resolve(order.mapping, columns)
    rejects = rejects_path(order.path, order.rejects)
    summary = ImportSummary(order.name, dry_run=order.dry_run)
    with hired(order.workers) as workers, tempfile.TemporaryDirectory(prefix="billsmith-import-") as folder:
        spooled = spool(rows(order.path, columns), mapping, Path(folder) / "rows", watcher.on_rows)
        documents, undated = in_order(list(spooled.documents.values()), call.tenant.time_zone)
        refused = undated | spooled.spoiled
        left_out = order.leave_out.union(refused)
        documents = [document for document in documents if document.name not in left_out]
        begin = find_import if order.dry_run else begin_import
        operation = await begin(context, call, order.name)
        customers = await _customers(context, call, order, documents)
        jobs = [
            Job(
                settings=settings,
                url=url,
                call=call,
                operation=operation,
                dry_run=order.dry_run,
                spool=spooled.path,
                mapping=mapping,
                documents=share,
                customers=_needed(share, customers),
                lines_at_once=order.lines_at_once,
            )
            for share in share_out(documents, order.workers)
            if share
        ]
        await _run(workers, jobs, summary, refused, watcher)
    if operation is not None and not order.dry_run:
        await finish_import(context, call, operation)
    if refused or spooled.bad_rows:
        write_rejects(order.path, columns, mapping.document, refused, spooled.bad_rows, rejects)
        summary.rejects = str(rejects)
    _sum_up(summary, spooled, refused)
    summary.customers = len(customers)
    summary.seconds = time.perf_counter() - started
    summary.lines_per_second = summary.lines / summary.seconds
    summary.memory_growth_mb = peak_memory_mb() - memory
    return summary


async def _run(
    workers: Sequence[Worker], jobs: Sequence[Job], summary: ImportSummary, refused: dict[str, str], watcher: Watcher
) -> None:
    """Let the workers make the documents; what they refuse is added to `refused`."""
    of = sum(document.row_count for job in jobs for document in job.documents)

    def on_batch(done: BatchDone) -> None:
        summary.documents_made += done.made
        summary.documents_made_before += done.made_before
        summary.lines += done.lines
        summary.lines_made_before += done.lines_before
        summary.worker_memory_growth_mb = max(summary.worker_memory_growth_mb, done.memory_growth_mb)
        refused.update(done.refused)
        watcher.on_lines(summary.lines + summary.lines_made_before, of)

    await run_jobs(workers, jobs, on_batch)


def _sum_up(summary: ImportSummary, spooled: Spool, refused: Mapping[str, str]) -> None:
    held_back = [spooled.documents[name] for name in refused if name in spooled.documents]
    summary.rows = spooled.row_count
    summary.documents_refused = len(held_back)
    summary.rows_rejected = len(spooled.bad_rows) + sum(document.row_count for document in held_back)


def _needed(share: list[SpooledDocument], customers: Customers) -> Customers:
    keys = {customer_key(document)[0] for document in share}
    return {key: customers[key] for key in keys if key}


async def _customers(
    context: Context, call: Call, order: ImportOrder, documents: Sequence[SpooledDocument]
) -> Customers:
    """The customers that the documents name, by external id; missing ones are made if that was asked for."""
    ask = import_customers if order.create_customers else find_customers
    if order.create_customers and order.dry_run:
        ask = suppose_customers
    found: Customers = {}
    for part in _parts(_named(documents)):
        found |= await ask(context, call, part)
    return found


def _named(documents: Sequence[SpooledDocument]) -> list[CustomerDetails]:
    wanted: dict[str, CustomerDetails] = {}
    for document in documents:
        key, walk_in = customer_key(document)
        if key and key not in wanted:
            wanted[key] = _details(document, key, walk_in)
    return list(wanted.values())


def _parts(given: list[CustomerDetails]) -> Iterator[list[CustomerDetails]]:
    for start in range(0, len(given), CUSTOMERS_AT_ONCE):
        yield given[start : start + CUSTOMERS_AT_ONCE]


def _details(document: SpooledDocument, key: str, walk_in: bool) -> CustomerDetails:
    """A walk-in customer gathers the documents of people who are no customers, so it draws no credit."""
    if walk_in:
        return CustomerDetails(name=f"Walk-in {document.walk_in}", external_id=key, draw_credit=False)
    return CustomerDetails(name=document.customer_name or f"Customer {key}", external_id=key)
