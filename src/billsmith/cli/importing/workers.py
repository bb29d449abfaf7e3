"""The second pass: worker processes make the documents, each customer's on one worker, in the order of their dates."""

import asyncio
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

import msgspec

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.imports import ImportDocument, ImportResult, check_document, import_documents
from billsmith.cli.importing.building import RowInvalid, build, issued_on
from billsmith.cli.importing.spool import SpooledDocument, SpooledRow, customer_key, read_document
from billsmith.config import Settings
from billsmith.core.ids import CustomerId
from billsmith.core.operations import Operation
from billsmith.errors import BillsmithError, Unavailable
from billsmith.wiring import open_context

LINES_AT_ONCE = 2_500
DOCUMENTS_AT_ONCE = 400

_ITEM = re.compile(r"/items/(\d+)")


class WorkerDied(Unavailable):
    """A worker process ended before its work did; what it had committed stays, starting again goes on from there."""

    code = "worker_died"


class Job(msgspec.Struct):
    """What one worker is told."""

    settings: Settings
    url: str
    call: Call
    operation: Operation
    spool: Path
    documents: list[SpooledDocument]
    customers: dict[str, CustomerId]
    metadata_keys: tuple[str, ...]
    dry_run: bool


class BatchDone(msgspec.Struct):
    """What a worker says after every batch."""

    made: int = 0
    made_before: int = 0
    lines: int = 0
    rejected: dict[int, str] = {}
    """Row numbers with the reason why they were not used."""
    refused_documents: int = 0


def in_order(documents: Sequence[SpooledDocument]) -> tuple[list[SpooledDocument], dict[str, str]]:
    """The documents by date, then first row; and by name the reason of those that have no date."""
    dated, refused = [], {}
    for document in documents:
        try:
            dated.append((issued_on(document), document.first_row, document))
        except RowInvalid as error:
            refused[document.name] = error.detail
    dated.sort(key=lambda entry: entry[:2])
    return [document for _, _, document in dated], refused


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


def run_workers(jobs: Sequence[Job], on_batch: Callable[[BatchDone], None]) -> None:
    """Run each job in its own process, telling `on_batch` what is done. Raises WorkerDied, and what they raise."""
    spawn = multiprocessing.get_context("spawn")
    running = {}
    for job in jobs:
        ours, theirs = spawn.Pipe(duplex=False)
        worker = spawn.Process(target=_work, args=(job, theirs), daemon=True)
        worker.start()
        theirs.close()
        running[ours] = worker
    try:
        while running:
            for pipe in wait(list(running)):
                assert isinstance(pipe, Connection)
                if not _receive(pipe, on_batch):
                    worker = running.pop(pipe)
                    worker.join()
                    if worker.exitcode:
                        raise WorkerDied(f"an import worker ended with code {worker.exitcode}; start the import again")
    finally:
        for worker in running.values():
            worker.terminate()
            worker.join()


def _receive(pipe: Connection, on_batch: Callable[[BatchDone], None]) -> bool:
    """Take one message; False when the worker has closed its end."""
    try:
        message = pipe.recv()
    except EOFError:
        return False
    if isinstance(message, BillsmithError):
        raise message
    on_batch(message)
    return True


def _work(job: Job, pipe: Connection) -> None:
    try:
        asyncio.run(_make_documents(job, pipe))
    except BillsmithError as error:
        pipe.send(error)
    finally:
        pipe.close()


async def _make_documents(job: Job, pipe: Connection) -> None:
    parent = os.getppid()
    async with open_context(job.settings, job.url, migrated=False) as context:
        for batch in _batches(job):
            if os.getppid() != parent:
                return  # nobody listens any more; what is committed stays
            pipe.send(await _make_batch(context, job, batch))


def _batches(job: Job) -> Iterator[list[tuple[SpooledDocument, list[SpooledRow]]]]:
    batch: list[tuple[SpooledDocument, list[SpooledRow]]] = []
    lines = 0
    with job.spool.open("rb") as stream:
        for document in job.documents:
            batch.append((document, read_document(stream, document)))
            lines += document.row_count
            if lines >= LINES_AT_ONCE or len(batch) >= DOCUMENTS_AT_ONCE:
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
            built = _built(job, document, rows)
            if job.dry_run:
                check_document(job.call.tenant, built)
            wanted.append(built)
        except BillsmithError as error:
            _refuse(done, rows, error)
    if job.dry_run:
        done.made = len(wanted)
        done.lines = sum(len(rows_of[document.name]) for document in wanted)
        return done
    for result in await import_documents(context, job.call, job.operation, wanted) if wanted else ():
        _count(done, result, rows_of[result.name])
    return done


def _built(job: Job, document: SpooledDocument, rows: list[SpooledRow]) -> ImportDocument:
    key, _ = customer_key(document)
    customer_id = job.customers.get(key)
    if customer_id is None:
        reason = f"there is no customer {key!r}" if key else "this document names no customer"
        raise RowInvalid(f"row {document.first_row}: {reason}")
    return build(document, rows, customer_id, job.metadata_keys, job.call.tenant.currency)


def _count(done: BatchDone, result: ImportResult, rows: list[SpooledRow]) -> None:
    if result.status == "refused":
        assert result.refusal is not None
        _refuse(done, rows, result.refusal.error)
    elif result.status == "made_before":
        done.made_before += 1
        done.lines += len(rows)
    else:
        done.made += 1
        done.lines += len(rows)


def _refuse(done: BatchDone, rows: list[SpooledRow], error: BillsmithError) -> None:
    """Hold a document back whole: half a document would be a wrong one. Each of its rows gets the reason."""
    done.refused_documents += 1
    culprit = next((_ITEM.match(field.pointer) for field in error.errors if _ITEM.match(field.pointer)), None)
    reason = f"row {rows[int(culprit[1])][0]}: {error.detail}" if culprit else error.detail
    for number, _, _ in rows:
        done.rejected[number] = reason
