"""The processes of a run. Each claims customers that nobody else holds, so they need to know nothing of one another.

Workers elsewhere, and the sweep of `billsmith worker`, take part in the same way. One that dies lets go of its batch,
which is rolled back, and the others come to it; another takes its place. One that loses the database waits for it.
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
from billsmith.actions.money.sweeping import NOBODYS_FAULT, worker_call
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
DATABASE_PATIENCE_SECONDS = 60.0
"""How long a worker waits for a database that went away, such as for its restart."""
ASK_AGAIN_SECONDS = 0.5
REPLACEMENTS = 3
"""So often each worker is replaced by another, should it die."""


class RunWorkerDied(Unavailable):
    """Workers ended before their work did; what they had committed stays, starting again goes on from there."""

    code = "run_worker_died"


class Job(msgspec.Struct):
    """What one worker is told."""

    settings: Settings
    url: str
    until_on: date | None
    tenant_id: TenantId | None
    """None: all who live in the real time."""
    customers_at_once: int
    patience_seconds: float = DATABASE_PATIENCE_SECONDS


class Done(msgspec.Struct):
    """What a worker says after every batch, and at its end by how much its memory has grown."""

    customers: int = 0
    documents: int = 0
    parked: int = 0
    outages: int = 0
    """How often the database went away from it, or it from us."""
    memory_growth_mb: float = 0
    ready_at: float = 0
    """By the machine's own clock, of the first thing that it says."""

    def add(self, other: "Done") -> None:
        """Count in what else was done, by whomever; memory is that of the worker that grew most."""
        self.customers += other.customers
        self.documents += other.documents
        self.parked += other.parked
        self.outages += other.outages
        self.memory_growth_mb = max(self.memory_growth_mb, other.memory_growth_mb)
        self.ready_at = self.ready_at or other.ready_at


class RunWorker(msgspec.Struct):
    """A process that waits for its job, the pipe to it, and what tells it to stop after its batch."""

    process: BaseProcess
    pipe: Connection
    stop: Event
    told_to_stop: bool = False

    def end_soon(self) -> None:
        """Have it stop after its batch."""
        self.told_to_stop = True
        self.stop.set()


@contextlib.contextmanager
def hired(count: int) -> Iterator[list[RunWorker]]:
    """Worker processes, started now so that they are ready once there is a job; gone at the end, whatever happens."""
    workers: list[RunWorker] = []
    try:
        for _ in range(count):
            workers.append(_hire())
        yield workers
    finally:
        for worker in workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in workers:
            worker.process.join()


def _hire() -> RunWorker:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    stop = spawn.Event()
    process = spawn.Process(target=_work, args=(theirs, stop), daemon=True)
    process.start()
    theirs.close()
    return RunWorker(process, ours, stop)


async def run_job(workers: list[RunWorker], job: Job, on_batch: Callable[[Done], None]) -> float:
    """Have every worker do the job, telling `on_batch` what is done; the seconds from the first one that was ready on.

    One that dies is replaced in `workers`. Raises RunWorkerDied where that happens too often, and what they raise.
    """
    began, replacements = 0.0, REPLACEMENTS * len(workers)

    def note(done: Done) -> None:
        nonlocal began
        began = began or done.ready_at
        on_batch(done)

    for worker in workers:
        _tell(worker, job)
    running = {worker.pipe: nth for nth, worker in enumerate(workers)}
    while running:
        for pipe in wait(list(running), timeout=0):
            assert isinstance(pipe, Connection)
            if _receive(pipe, note):
                continue
            nth = running.pop(pipe)
            worker = workers[nth]
            worker.process.join()
            if not worker.process.exitcode or worker.told_to_stop:
                continue
            if not replacements:
                raise RunWorkerDied(
                    f"workers of the run keep ending, the last with code {worker.process.exitcode}; start the run again"
                )
            replacements -= 1
            pipe.close()
            workers[nth] = _hire()
            _tell(workers[nth], job)
            running[workers[nth].pipe] = nth
            note(Done(outages=1))
        await asyncio.sleep(LOOK_EVERY_SECONDS)  # not waiting in `wait`: the loop must notice an interrupt
    return time.monotonic() - began


def _tell(worker: RunWorker, job: Job) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died: its pipe says so later
        worker.pipe.send(job)


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
    """The job, again on new connections where the database went away, until it has been away for too long."""
    settings = msgspec.structs.replace(job.settings, pool_size=2)
    memory = peak_memory_mb()
    away_since: float | None = None
    parent = os.getppid()

    def goes_on() -> bool:
        return not stop.is_set() and os.getppid() == parent

    def note(done: Done) -> None:
        nonlocal away_since
        away_since = None
        pipe.send(done)

    while goes_on():
        try:
            async with open_context(settings, job.url, migrated=False) as context:
                memory = memory if away_since else peak_memory_mb()
                pipe.send(Done(ready_at=time.monotonic()))
                await _turns(context, job, goes_on, note)
            break
        except NOBODYS_FAULT as error:
            if away_since is None:
                away_since = time.monotonic()
                pipe.send(Done(outages=1))
            if time.monotonic() - away_since >= job.patience_seconds:
                said = f"{error.detail}; waited {job.patience_seconds:.0f} s for it: start the run again to go on"
                raise type(error)(said) from error
            await asyncio.sleep(ASK_AGAIN_SECONDS)
    pipe.send(Done(memory_growth_mb=peak_memory_mb() - memory))


async def _turns(context: Context, job: Job, goes_on: Callable[[], bool], note: Callable[[Done], None]) -> None:
    turns = _Turns(context, job)
    while goes_on():
        turn = await turns.next()
        if turn is None:
            return
        note(Done(turn.customers, turn.documents, turn.parked))


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
