"""The other end of `child.py`: points are enumerated by a run that lives, then each has its process and its world."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from billsmith.store.pool import Pool
from tests.crash.child import Job, Said
from tests.crash.worlds import BEGINS_AT, VERBS, World, context_at, new_world

PREPARED_AT_ONCE = 8
KILLED = -9


class Killed(msgspec.Struct, frozen=True):
    """A world whose process was killed at a point, and where that was; point 0: it lived to the end."""

    world: World
    point: int
    place: str

    def __str__(self) -> str:
        return f"point {self.point} ({self.place})"


class Run(msgspec.Struct, frozen=True):
    """A verb against one behaviour of the gateway: how many points there are, and the worlds in which it was killed."""

    verb: str
    behaviour: str
    points: int
    killed: tuple[Killed, ...]


class Killer:
    """Runs jobs in processes of their own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, jobs: Sequence[Job]) -> dict[int, Said]:
        """What was heard of each job, once all have ended."""
        writer, reader = self._process.stdin, self._process.stdout
        assert writer is not None
        assert reader is not None
        writer.write(b"".join(msgspec.json.encode(job) + b"\n" for job in jobs) + b"\n")
        heard = {job.number: Said(job.number) for job in jobs}
        left = len(jobs)
        while left:
            line = await reader.readline()
            assert line, "the program that forks has ended"
            said = msgspec.json.decode(line, type=Said)
            before = heard[said.number]
            heard[said.number] = Said(
                said.number,
                before.passed if said.passed is None else said.passed,
                before.place if said.place is None else said.place,
                said.status,
            )
            left -= said.status is not None
        return heard


@asynccontextmanager
async def killer_over(books: Path) -> AsyncIterator[Killer]:
    """A killer whose processes use these books."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.crash.child", str(books),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Killer(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def kill_at_points(
    killer: Killer,
    pool: Pool,
    url: str,
    books: Path,
    verb: str,
    behaviour: str,
    *,
    every: int,
    first: int,
    plant: str | None = None,
) -> Run:
    """Kill a verb at every nth of its points, from the `first`; one more world lives, and counts them."""
    worlds = await _worlds(pool, books, verb, behaviour, 1)
    counted = (await killer.run([Job(0, url, verb, worlds[0], 0, plant)]))[0]
    assert counted.status == 0, f"{verb}, {behaviour}: it failed without being killed (see its traceback)"
    assert counted.passed is not None
    points = range(first, counted.passed + 1, every)
    worlds += await _worlds(pool, books, verb, behaviour, len(points))
    jobs = [Job(number, url, verb, worlds[number], point, plant) for number, point in enumerate(points, 1)]
    heard = await killer.run(jobs)
    unlike = [f"point {job.point}: {heard[job.number]}" for job in jobs if heard[job.number].status != KILLED]
    assert not unlike, f"{verb}, {behaviour}: not killed where the first run passed: {unlike[:5]}"
    killed = [Killed(job.world, job.point, heard[job.number].place or "?") for job in jobs]
    return Run(verb, behaviour, counted.passed, (Killed(worlds[0], 0, "not killed"), *killed))


async def _worlds(pool: Pool, books: Path, verb: str, behaviour: str, count: int) -> list[World]:
    context = context_at(pool, books, BEGINS_AT)
    room = asyncio.Semaphore(PREPARED_AT_ONCE)

    async def one(number: int) -> World:
        async with room:
            return await new_world(context, VERBS[verb], behaviour, number)

    return list(await asyncio.gather(*(one(number) for number in range(count))))
