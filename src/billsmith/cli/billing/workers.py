"""The processes of a run. Each claims customers that nobody else holds, so they need to know nothing of one another.

Workers elsewhere, and the sweep of `billsmith worker`, take part in the same way. One that dies lets go of its batch,
which is rolled back, and the others come to it.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event

import msgspec

from billsmith.actions.billing.runs import START, Turn, bill_batch, customers_waiting, tenants_waiting
from billsmith.actions.calls import ClockMoving
from billsmith.actions.context import Context
from billsmith.actions.money.sweeping import worker_call
from billsmith.cli.importing.memory import collect_rarely, peak_memory_mb
from billsmith.config import Settings
from billsmith.core.ids import TenantId
from billsmith.core.tenants import Tenant
from billsmith.errors import BillsmithError, Unavailable
from billsmith.wiring import open_context

LOOK_EVERY_SECONDS = 0.02
WAIT_FOR_OTHERS_SECONDS = 0.2
ASK_EVERY_SECONDS = 2.0
"""Who has something due is asked so often: that walks over all that was billed and is not forgotten yet."""
LOOKS_AT_THE_END = 10
"""So often a worker looks again for customers that others hold, before it leaves them to them."""


class RunWorkerDied(Unavailable):
    """A worker process ended before its work did; what it had committed stays, starting again goes on from there."""

    code = "run_worker_died"


class Job(msgspec.Struct):
    """What one worker is told."""

    settings: Settings
    url: str
    until_on: date | None
    tenant_id: TenantId | None
    """None: all who live in the real time."""
    customers_at_once: int


class Done(msgspec.Struct):
    """What a worker says after every batch, and at its end by how much its memory has grown."""

    customers: int = 0
    documents: int = 0
    parked: int = 0
    memory_growth_mb: float = 0
    ready_at: float = 0
    """By the machine's own clock, of the first thing that it says."""


class RunWorker(msgspec.Struct):
    """A process that waits for its job, the pipe to it, and what tells it to stop after its batch."""

    process: BaseProcess
    pipe: Connection
    stop: Event


@contextlib.contextmanager
def hired(count: int) -> Iterator[list[RunWorker]]:
    """Worker processes, started now so that they are ready once there is a job; gone at the end, whatever happens."""
    spawn = multiprocessing.get_context("spawn")
    workers: list[RunWorker] = []
    try:
        for _ in range(count):
            ours, theirs = spawn.Pipe()
            stop = spawn.Event()
            process = spawn.Process(target=_work, args=(theirs, stop), daemon=True)
            process.start()
            theirs.close()
            workers.append(RunWorker(process, ours, stop))
        yield workers
    finally:
        for worker in workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in workers:
            worker.process.join()


async def run_job(workers: Sequence[RunWorker], job: Job, on_batch: Callable[[Done], None]) -> float:
    """Have every worker do the job, telling `on_batch` what is done; the seconds from the first one that was ready on.

    Raises RunWorkerDied, and what they raise.
    """
    began = 0.0

    def note(done: Done) -> None:
        nonlocal began
        began = began or done.ready_at
        on_batch(done)

    running = {}
    for worker in workers:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died: its pipe says so below
            worker.pipe.send(job)
        running[worker.pipe] = worker.process
    while running:
        for pipe in wait(list(running), timeout=0):
            assert isinstance(pipe, Connection)
            if not _receive(pipe, note):
                process = running.pop(pipe)
                process.join()
                if process.exitcode:
                    raise RunWorkerDied(f"a worker of the run ended with code {process.exitcode}; start the run again")
        await asyncio.sleep(LOOK_EVERY_SECONDS)  # not waiting in `wait`: the loop must notice an interrupt
    return time.monotonic() - began


def _receive(pipe: Connection, on_batch: Callable[[Done], None]) -> bool:
    """Take what there is; False when the worker has closed its end."""
    try:
        while pipe.poll():
            message = pipe.recv()
            if isinstance(message, BillsmithError):
                raise message
            on_batch(message)
    except (EOFError, ConnectionResetError):
        return False
    return True


def _work(pipe: Connection, stop: Event) -> None:
    """A worker's life. It ends quietly when nobody listens any more; what is committed stays."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    collect_rarely()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        job: Job = pipe.recv()
        try:
            asyncio.run(_do(job, pipe, stop))
        except BillsmithError as error:
            pipe.send(error)
    pipe.close()


async def _do(job: Job, pipe: Connection, stop: Event) -> None:
    settings = msgspec.structs.replace(job.settings, pool_size=2)
    async with open_context(settings, job.url, migrated=False) as context:
        memory, parent = peak_memory_mb(), os.getppid()
        pipe.send(Done(ready_at=time.monotonic()))
        turns = _Turns(context, job)
        while not stop.is_set() and os.getppid() == parent:
            turn = await turns.next()
            if turn is None:
                break
            pipe.send(Done(turn.customers, turn.documents, turn.parked))
        pipe.send(Done(memory_growth_mb=peak_memory_mb() - memory))


class _Turns:
    """Tenants in turn, each a batch, until a whole round finds nothing more to do."""

    def __init__(self, context: Context, job: Job) -> None:
        self._context = context
        self._job = job
        self._waiting: list[Tenant] = []
        self._places: dict[TenantId, tuple[datetime, int]] = {}
        self._more: list[Tenant] = []
        """Those of this round who have more behind their batch."""
        self._asked_at = 0.0
        self._found = True
        self._looks = 0

    async def next(self) -> Turn | None:
        """The next batch; None: all is done."""
        while True:
            if not self._waiting and not await self._another_round():
                return None
            tenant = self._waiting.pop(0)
            call = worker_call(self._context, tenant, "a billing run")
            try:
                after = self._places.get(tenant.id, START)
                turn = await bill_batch(self._context, call, self._job.until_on, after, self._job.customers_at_once)
            except ClockMoving:
                continue
            self._note(tenant, turn)
            if turn.customers:
                return turn

    def _note(self, tenant: Tenant, turn: Turn) -> None:
        if turn.documents or turn.parked or turn.after is not None:
            self._found = True
        if turn.after is None:
            self._places.pop(tenant.id, None)
        else:
            self._places[tenant.id] = turn.after
            self._more.append(tenant)

    async def _another_round(self) -> bool:
        """Whether there is one. What others hold is looked for again a few times, should they fail."""
        if self._more and time.monotonic() < self._asked_at + ASK_EVERY_SECONDS:
            self._waiting, self._more = self._more, []
            return True
        while True:
            self._more, self._asked_at = [], time.monotonic()
            tenants = await tenants_waiting(self._context, self._job.tenant_id)
            if self._found:
                self._looks = 0
            elif self._looks >= LOOKS_AT_THE_END or not await self._others_hold_some(tenants):
                return False
            else:
                self._looks += 1
                await asyncio.sleep(WAIT_FOR_OTHERS_SECONDS)
            if not tenants:
                return False
            self._waiting, self._found = list(tenants), False
            return True

    async def _others_hold_some(self, tenants: Sequence[Tenant]) -> bool:
        for tenant in tenants:
            if await customers_waiting(self._context, tenant, self._job.until_on):
                return True
        return False
