"""The second pass: worker processes make the documents, each customer's on one worker, in the order of their dates."""

import asyncio
import contextlib
import multiprocessing
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.imports import Customers, ImportDocument, ImportResult, check_documents, import_documents
from billsmith.actions.invoices import Refusal
from billsmith.cli.importing.building import RowInvalid, build, issued_at
from billsmith.cli.importing.mapping import ColumnMapping
from billsmith.cli.importing.memory import collect_rarely, peak_memory_mb
from billsmith.cli.importing.spool import SpooledDocument, SpooledRow, customer_key, read_document
from billsmith.config import Settings
from billsmith.core.operations import Operation
from billsmith.errors import BillsmithError, Unavailable
from billsmith.wiring import open_context, refresh_statistics

LINES_AT_ONCE = 5_000
DOCUMENTS_AT_ONCE = 800
LOOK_EVERY_SECONDS = 0.02

# Batches. A database that was empty thinks that next to nothing is owed, and would read all of it for every batch.
_COUNT_AFTER = (2, 8, 32)

_ITEM = re.compile(r"/items/(\d+)")


class WorkerDied(Unavailable):
    """A worker process ended before its work did; what it had committed stays, starting again goes on from there."""

    code = "worker_died"


class Job(msgspec.Struct):
    """What one worker is told. Without an `operation` nothing is stored, documents are only checked."""

    settings: Settings
    url: str
    call: Call
    operation: Operation | None
    dry_run: bool
    spool: Path
    mapping: ColumnMapping
    documents: list[SpooledDocument]
    customers: Customers
    lines_at_once: int = LINES_AT_ONCE


class BatchDone(msgspec.Struct):
    """What a worker says after every batch, and at its end how much memory it came to need."""

    made: int = 0
    made_before: int = 0
    lines: int = 0
    lines_before: int = 0
    refused: dict[str, str] = {}
    """Documents held back, with the reason."""
    memory_growth_mb: float = 0


class Worker(msgspec.Struct):
    """A process that waits for its job, and the pipe to it."""

    process: BaseProcess
    pipe: Connection


def in_order(documents: Sequence[SpooledDocument], zone: str) -> tuple[list[SpooledDocument], dict[str, str]]:
    """The documents by date (and time, where they have one), then first row; and why others have no date, by name."""
    dated: list[tuple[datetime, int, SpooledDocument]] = []
    undated = {}
    for document in documents:
        try:
            dated.append((issued_at(document, zone), document.first_row, document))
        except RowInvalid as error:
            undated[document.name] = error.detail
    dated.sort(key=lambda entry: entry[:2])
    return [document for _, _, document in dated], undated


def share_out(documents: Sequence[SpooledDocument], workers: int) -> list[list[SpooledDocument]]:
    """Split documents so that a customer is on one worker and workers have about as many lines; order is kept."""
    lines: dict[str, int] = {}
    for document in documents:
        key, _ = customer_key(document)
        lines[key] = lines.get(key, 0) + document.row_count
    load = [0] * workers
    worker_of = {}
    for key in sorted(lines, key=lambda name: (-lines[name], name)):
        lightest = load.index(min(load))
        worker_of[key] = lightest
        load[lightest] += lines[key]
    shares: list[list[SpooledDocument]] = [[] for _ in range(workers)]
    for document in documents:
        shares[worker_of[customer_key(document)[0]]].append(document)
    return shares


@contextlib.contextmanager
def hired(count: int) -> Iterator[list[Worker]]:
    """Worker processes, started now so that they are ready once there is a job; gone at the end, whatever happens."""
    spawn = multiprocessing.get_context("spawn")
    workers: list[Worker] = []
    try:
        for _ in range(count):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=_work, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            workers.append(Worker(process, ours))
        yield workers
    finally:
        for worker in workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in workers:
            worker.process.join()


async def run_jobs(workers: Sequence[Worker], jobs: Sequence[Job], on_batch: Callable[[BatchDone], None]) -> None:
    """Give each worker its job, telling `on_batch` what is done. Raises WorkerDied, and what they raise."""
    running = {}
    for worker, job in zip(workers, jobs, strict=False):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died: its pipe says so below
            worker.pipe.send(job)
        running[worker.pipe] = worker.process
    while running:
        for pipe in wait(list(running), timeout=0):
            assert isinstance(pipe, Connection)
            if not _receive(pipe, on_batch):
                process = running.pop(pipe)
                process.join()
                if process.exitcode:
                    raise WorkerDied(f"an import worker ended with code {process.exitcode}; start the import again")
        await asyncio.sleep(LOOK_EVERY_SECONDS)  # not waiting in `wait`: the loop must notice an interrupt


def _receive(pipe: Connection, on_batch: Callable[[BatchDone], None]) -> bool:
    """Take one message; False when the worker has closed its end."""
    try:
        message = pipe.recv()
    except (EOFError, ConnectionResetError):
        return False
    if isinstance(message, BillsmithError):
        raise message
    on_batch(message)
    return True


def _work(pipe: Connection) -> None:
    """A worker's life. It ends quietly when nobody listens any more; what is committed stays."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    collect_rarely()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        job: Job = pipe.recv()
        try:
            asyncio.run(_make_documents(job, pipe))
        except BillsmithError as error:
            pipe.send(error)
    pipe.close()


async def _make_documents(job: Job, pipe: Connection) -> None:
    parent, memory = os.getppid(), peak_memory_mb()
    async with open_context(job.settings, job.url, migrated=False) as context:
        for nth, batch in enumerate(_batches(job), 1):
            if os.getppid() != parent:
                return
            pipe.send(await _make_batch(context, job, batch))
            if nth in _COUNT_AFTER and not job.dry_run:
                await refresh_statistics(job.url)
        pipe.send(BatchDone(memory_growth_mb=peak_memory_mb() - memory))


def _batches(job: Job) -> Iterator[list[tuple[SpooledDocument, list[SpooledRow]]]]:
    batch: list[tuple[SpooledDocument, list[SpooledRow]]] = []
    lines, unpack = 0, job.mapping.unpacker()
    with job.spool.open("rb") as stream:
        for document in job.documents:
            batch.append((document, read_document(stream, document, unpack)))
            lines += document.row_count
            if lines >= job.lines_at_once or len(batch) >= DOCUMENTS_AT_ONCE:
                yield batch
                batch, lines = [], 0
    if batch:
        yield batch


async def _make_batch(
    context: Context, job: Job, batch: Sequence[tuple[SpooledDocument, list[SpooledRow]]]
) -> BatchDone:
    done = BatchDone()
    wanted: list[ImportDocument] = []
    rows_of = {document.name: rows for document, rows in batch}
    for document, rows in batch:
        try:
            wanted.append(_built(job, document, rows))
        except BillsmithError as error:
            done.refused[document.name] = error.detail
    if not wanted:
        return done
    if job.operation is None or job.dry_run:
        results = await check_documents(context, job.call, job.operation, wanted)
    else:
        results = await import_documents(context, job.call, job.operation, wanted)
    for result in results:
        _count(done, result, rows_of[result.name])
    return done


def _built(job: Job, document: SpooledDocument, rows: list[SpooledRow]) -> ImportDocument:
    key, _ = customer_key(document)
    if not key:
        raise RowInvalid(f"row {document.first_row}: this document names no customer")
    found = job.customers[key]
    if isinstance(found, Refusal):
        raise RowInvalid(f"row {document.first_row}: customer {key[:80]!r}: {found.error.detail}")
    tenant = job.call.tenant
    keys = [key for key, _ in job.mapping.metadata]
    return build(document, rows, found, keys, tenant.currency, tenant.time_zone)


def _count(done: BatchDone, result: ImportResult, rows: list[SpooledRow]) -> None:
    if result.status == "refused":
        assert result.refusal is not None
        done.refused[result.name] = _reason(rows, result.refusal.error)
    elif result.status == "made_before":
        done.made_before += 1
        done.lines_before += len(rows)
    else:
        done.made += 1
        done.lines += len(rows)


def _reason(rows: list[SpooledRow], error: BillsmithError) -> str:
    """What is wrong with a document, and with which of its rows."""
    culprit = next((found for field in error.errors if (found := _ITEM.match(field.pointer))), None)
    return f"row {rows[int(culprit[1])][0]}: {error.detail}" if culprit else error.detail
