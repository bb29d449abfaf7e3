"""Killed between any two lines, nothing is lost, nothing happens twice, and our view is the gateway's book."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from billsmith.store.pool import open_pool
from tests.crash.aftermath import table, violations
from tests.crash.killing import Killer, Run, kill_at_points, killer_over
from tests.crash.worlds import VERBS

EVERY = int(os.environ.get("CRASH_EVERY", "0"))
"""Kill at every nth point for each behaviour of the gateway: `make crash` at each one."""
SAMPLED = 20
"""Without that, every 20th point of a verb has its turn, each with the next of the gateway's behaviours."""
FEWEST_POINTS = 100
MOST_WORLDS = 250


@pytest.fixture(scope="session")
async def killer(books: Path) -> AsyncIterator[Killer]:
    """Forks what will be killed."""
    async with killer_over(books) as one:
        yield one


class Victims:
    """Runs, with a new database whenever one has so many worlds that checking them all takes long."""

    def __init__(self, killer: Killer, books: Path, new_database: Callable[..., Any]) -> None:
        self._killer, self._books, self._new_database = killer, books, new_database
        self._url, self._worlds = "", MOST_WORLDS

    async def run(self, verb: str, behaviour: str, **how: Any) -> tuple[Run, list[str]]:
        """A verb, killed and recovered, and all that was wrong afterwards."""
        if self._worlds >= MOST_WORLDS:
            self._url, self._worlds = await self._new_database(), 0
            await _hurry(self._url)
        pool = await open_pool(self._url)
        try:
            run = await kill_at_points(self._killer, pool, self._url, self._books, verb, behaviour, **how)
            self._worlds += len(run.killed)
            return run, await violations(pool, self._books, run)
        finally:
            await pool.close()


async def _hurry(url: str) -> None:
    """Commits are not waited for on the disk: it is our processes that are killed, never the server."""
    connection = await asyncpg.connect(url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await connection.close()


@pytest.fixture(scope="session")
def victims(killer: Killer, books: Path, new_database: Callable[..., Any]) -> Victims:
    return Victims(killer, books, new_database)


@pytest.mark.parametrize("verb", VERBS)
async def test_killed_at_any_line_it_is_recovered(verb: str, victims: Victims) -> None:
    runs = []
    behaviours = list(VERBS[verb].tokens)
    for nth, behaviour in enumerate(behaviours):
        every, first = (EVERY, 1) if EVERY else (SAMPLED * len(behaviours), SAMPLED * nth + SAMPLED // 2)
        runs.append(await victims.run(verb, behaviour, every=every, first=first))
    print(f"\n{table(runs)}")
    found = [f"{run.verb}, {run.behaviour}: {problem}" for run, problems in runs for problem in problems]
    assert not found, f"{len(found)} violations:\n" + "\n".join(found[:50])
    assert min(run.points for run, _ in runs) >= FEWEST_POINTS


async def test_a_call_before_the_commit_is_caught(victims: Victims) -> None:
    run, found = await victims.run("collect", "ok", every=40, first=5, plant="call before the commit")
    assert [problem for problem in found if "the book has" in problem], table([(run, found)])
