"""The worker: every sweep in a loop of its own, so that a slow or failing one doesn't hold up the others."""

import asyncio
import time
from collections.abc import Sequence

import structlog
from prometheus_client import Counter, Gauge, Histogram

from billsmith.actions.context import Context
from billsmith.errors import Unavailable
from billsmith.worker.sweeps import SWEEPS, Sweep

HEARTBEAT_SECONDS = 60
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30

DONE = Counter("billsmith_sweep_done", "What a sweep has done: events numbered, credits expired, …", ["sweep"])
FAILED = Counter("billsmith_sweep_failures", "Runs of a sweep that ended in an error.", ["sweep"])
SECONDS = Histogram("billsmith_sweep_seconds", "How long one run of a sweep took.", ["sweep"])
ALIVE_AT = Gauge("billsmith_sweep_alive_timestamp_seconds", "When a sweep last ended well.", ["sweep"])

log = structlog.get_logger("billsmith.worker")


class Worker:
    """Runs sweeps until it is told to stop; each then ends its batch."""

    def __init__(
        self, context: Context, sweeps: Sequence[Sweep] = SWEEPS, heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._context = context
        self._sweeps = sweeps
        self._heartbeat_seconds = heartbeat_seconds
        self._done = dict.fromkeys((sweep.name for sweep in sweeps), 0)
        self._failures = dict.fromkeys((sweep.name for sweep in sweeps), 0)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set and the batches under way have ended."""
        log.info("worker started", sweeps=[sweep.name for sweep in self._sweeps])
        async with asyncio.TaskGroup() as group:
            for sweep in self._sweeps:
                group.create_task(self._repeat(sweep, stop), name=f"sweep {sweep.name}")
            group.create_task(self._tell_that_it_lives(stop), name="heartbeat")
        log.info("worker stopped")

    async def _repeat(self, sweep: Sweep, stop: asyncio.Event) -> None:
        while not stop.is_set():
            done = await self._run_once(sweep)
            if done is None:
                await _pause(stop, _pause_after(self._failures[sweep.name]))
            elif done < sweep.more_from:
                await _pause(stop, sweep.every_seconds)

    async def _run_once(self, sweep: Sweep) -> int | None:
        """How much was done; None if it failed, which is told here and stays without effect on the other sweeps."""
        started = time.perf_counter()
        try:
            done = await sweep.run(self._context)
        except Exception as error:  # noqa: BLE001  the outermost loop: whatever it is, the next run may work
            self._note_failure(sweep, error)
            return None
        self._note_success(sweep, done, time.perf_counter() - started)
        return done

    def _note_failure(self, sweep: Sweep, error: Exception) -> None:
        self._failures[sweep.name] += 1
        FAILED.labels(sweep.name).inc()
        expected = isinstance(error, Unavailable)  # an outage says all in one line, a defect needs its traceback
        log.error(
            "sweep failed",
            sweep=sweep.name,
            error=str(error),
            code=error.code if isinstance(error, Unavailable) else None,
            failures=self._failures[sweep.name],
            next_try_seconds=_pause_after(self._failures[sweep.name]),
            exc_info=None if expected else error,
        )

    def _note_success(self, sweep: Sweep, done: int, seconds: float) -> None:
        if self._failures[sweep.name]:
            log.info("sweep works again", sweep=sweep.name, failures=self._failures[sweep.name])
            self._failures[sweep.name] = 0
        self._done[sweep.name] += done
        DONE.labels(sweep.name).inc(done)
        SECONDS.labels(sweep.name).observe(seconds)
        ALIVE_AT.labels(sweep.name).set(self._context.clock.wall().timestamp())
        log.debug("sweep", sweep=sweep.name, done=done, seconds=round(seconds, 4))

    async def _tell_that_it_lives(self, stop: asyncio.Event) -> None:
        while not await _pause(stop, self._heartbeat_seconds):
            failing = [name for name, failures in self._failures.items() if failures]
            log.info("worker lives", done=self._done, failing=failing)
            self._done = dict.fromkeys(self._done, 0)


def _pause_after(failures: int) -> float:
    """Half a second after the first failure, doubled with each further one, up to half a minute."""
    return float(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 10)))


async def _pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until `stop` is set; whether it is."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
