"""A program that forks a process per point and sees it die: `python -m tests.crash.child BOOKS`.

It has no event loop and no pool, so that nothing of them is inherited. A line of JSON per job comes in; for each, one
goes out when its process has ended. After an empty line it waits until all have. So everything is imported once, and
each process is as one that was just started.
"""

import asyncio
import os
import sys
import traceback
from pathlib import Path

import msgspec

from billsmith.actions.context import Context
from billsmith.store.pool import open_pool
from tests.crash import plants
from tests.crash.points import Points
from tests.crash.worlds import BEGINS_AT, VERBS, World, context_at

AT_ONCE = 2


class Job(msgspec.Struct, frozen=True):
    """Carry out a verb in one world and die at its n-th point; 0: live, and count them."""

    number: int
    url: str
    verb: str
    world: World
    point: int
    plant: str | None = None


class Said(msgspec.Struct, frozen=True):
    """What is heard of a job: how many points it passed, where it was killed, and in the end, how the process ended."""

    number: int
    passed: int | None = None
    place: str | None = None
    status: int | None = None


def main(books: Path) -> None:
    """Fork a process for every job that comes in, a few at a time."""
    running: dict[int, int] = {}
    for line in sys.stdin.buffer:
        is_job = bool(line.strip())
        while len(running) >= (AT_ONCE if is_job else 1):
            _see_one_end(running)
        if is_job:
            job = msgspec.json.decode(line, type=Job)
            if (pid := os.fork()) == 0:
                _live(job, books)
            running[pid] = job.number


def _see_one_end(running: dict[int, int]) -> None:
    pid, status = os.wait()
    _say(Said(running.pop(pid), status=os.waitstatus_to_exitcode(status)))


def _live(job: Job, books: Path) -> None:
    """The life of one process; it never returns."""
    try:
        asyncio.run(_carry_out(job, books))
        os._exit(0)
    except BaseException:  # noqa: BLE001  whatever it is, the process ends here, and tells
        traceback.print_exc()
        os._exit(1)


async def _carry_out(job: Job, books: Path) -> None:
    verb = VERBS[job.verb]
    pool = await open_pool(job.url, size=2)
    context: Context = context_at(pool, books, BEGINS_AT + verb.begins_after)
    if job.plant is not None:
        plants.PLANTS[job.plant]()
    points = Points(job.point or None, lambda place: _say(Said(job.number, place=place)))
    points.start()
    await verb.ask(context, job.world)
    points.stop()
    _say(Said(job.number, passed=points.passed))


def _say(said: Said) -> None:
    os.write(sys.stdout.fileno(), msgspec.json.encode(said) + b"\n")  # short enough to be written as one


if __name__ == "__main__":
    main(Path(sys.argv[1]))
