"""Sweeps repeat, fail, recover and stop, each by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from billsmith.actions.context import Context
from billsmith.store.pool import DatabaseUnavailable
from billsmith.worker import loop
from billsmith.worker.loop import Worker
from billsmith.worker.sweeps import SWEEPS, Sweep

LONG = 3600.0


class Scripted:
    """A sweep whose runs end as scripted; the last entry is repeated. Tells when the script is through."""

    def __init__(self, *script: int | Exception) -> None:
        self.runs = 0
        self.through = asyncio.Event()
        self._script = script

    async def __call__(self, context: Context) -> int:
        step = self._script[min(self.runs, len(self._script) - 1)]
        self.runs += 1
        if self.runs >= len(self._script):
            self.through.set()
        if isinstance(step, Exception):
            raise step
        return step


async def run_until(context: Context, sweeps: list[Sweep], end: Awaitable[Any]) -> list[Any]:
    """Run a worker until `end`, then stop it; what it logged."""
    stop = asyncio.Event()
    with capture_logs() as logged:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            group.create_task(Worker(context, sweeps).run(stop))
            await end
            stop.set()
    return logged


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_PAUSE_SECONDS", 0.001)


async def test_it_goes_on_at_once_while_full_batches_come_and_then_waits(context: Context) -> None:
    sweep = Scripted(10, 10, 3)
    await run_until(context, [Sweep("full", LONG, sweep, 10)], sweep.through.wait())
    assert sweep.runs == 3


async def test_a_sweep_that_fails_is_tried_again_and_told(context: Context) -> None:
    sweep = Scripted(ValueError("odd"), ValueError("odd"), 0)
    logged = await run_until(context, [Sweep("odd", LONG, sweep)], sweep.through.wait())
    failed = [entry for entry in logged if entry["event"] == "sweep failed"]
    assert [entry["failures"] for entry in failed] == [1, 2]
    assert failed[1]["next_try_seconds"] == 2 * failed[0]["next_try_seconds"]
    assert failed[0]["exc_info"] is not None
    assert [entry["failures"] for entry in logged if entry["event"] == "sweep works again"] == [2]
    assert REGISTRY.get_sample_value("billsmith_sweep_failures_total", {"sweep": "odd"}) == 2


async def test_an_outage_is_told_in_one_line_without_a_traceback(context: Context) -> None:
    sweep = Scripted(DatabaseUnavailable("gone"), 0)
    logged = await run_until(context, [Sweep("out", LONG, sweep)], sweep.through.wait())
    told = next(entry for entry in logged if entry["event"] == "sweep failed")
    assert (told["error"], told["code"], told["exc_info"]) == ("gone", "database_unavailable", None)


async def test_a_failing_sweep_does_not_stop_the_others(context: Context) -> None:
    bad, good = Scripted(ValueError("odd")), Scripted(1, 1, 1, 0)
    await run_until(context, [Sweep("bad", LONG, bad), Sweep("good", LONG, good)], good.through.wait())
    assert good.runs == 4


async def test_a_batch_under_way_is_ended_before_it_stops(context: Context) -> None:
    began, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(context: Context) -> int:
        began.set()
        await may_end.wait()
        ended.set()
        return 1

    stop = asyncio.Event()
    working = asyncio.create_task(Worker(context, [Sweep("slow", LONG, slow)]).run(stop))
    await began.wait()
    stop.set()
    await asyncio.sleep(0)
    assert not working.done()
    may_end.set()
    await asyncio.wait_for(working, 20)
    assert ended.is_set()


async def test_its_heartbeat_says_what_was_done_since_the_last(context: Context) -> None:
    stop, sweep = asyncio.Event(), Scripted(5, 0)
    with capture_logs() as logged:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            group.create_task(Worker(context, [Sweep("five", LONG, sweep)], heartbeat_seconds=0.01).run(stop))
            while sum(entry["done"]["five"] for entry in logged if entry["event"] == "worker lives") < 5:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            stop.set()
    beats = [entry for entry in logged if entry["event"] == "worker lives"]
    assert sum(beat["done"]["five"] for beat in beats) == 5
    assert all(beat["failing"] == [] for beat in beats)


def test_pauses_grow_to_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    pauses: Callable[[int], float] = loop._pause_after
    assert [pauses(failures) for failures in (1, 2, 3, 7, 1000)] == [0.5, 1, 2, 30, 30]


def test_every_sweep_has_a_name_of_its_own() -> None:
    assert len({sweep.name for sweep in SWEEPS}) == len(SWEEPS)
