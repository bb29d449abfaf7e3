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
"""Kill at every so manieth point, whatever the gateway does: `make crash` at each one."""
SAMPLED = 20
"""Without that, at every 20th: all of them while the gateway is as usual, and again while it does the rest in turn."""
FEWEST_POINTS = 100


@pytest.fixture(scope="session")
async def killer(books: Path) -> AsyncIterator[Killer]:
    """Forks what will be killed."""
    async with killer_over(books) as one:
        yield one


class Victims:
    """Runs with a database each."""

    def __init__(self, killer: Killer, books: Path, new_database: Callable[..., Any]) -> None:
        self._killer, self._books, self._new_database = killer, books, new_database

    async def run(self, verb: str, behaviour: str, **how: Any) -> tuple[Run, list[str]]:
        """A verb, killed and recovered, and all that was wrong afterwards."""
        url = await self._new_database()
        await _hurry(url)
        pool = await open_pool(url)
        try:
            run = await kill_at_points(self._killer, pool, url, self._books, verb, behaviour, **how)
            return run, await violations(pool, self._books, run)
        finally:
            await pool.close()


async def _hurry(url: str) -> None:
    """Commits are not waited for on the disk: it is our processes that are killed, never the server."""
    connection = await asyncpg.connect(url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await connection.close()


@pytest.fixture
def victims(killer: Killer, books: Path, new_database: Callable[..., Any]) -> Victims:
    return Victims(killer, books, new_database)


@pytest.mark.parametrize("verb", VERBS)
async def test_killed_at_any_line_it_is_recovered(verb: str, victims: Victims) -> None:
    runs = []
    behaviours = list(VERBS[verb].tokens)
    for nth, behaviour in enumerate(behaviours):
        in_turn = 1 if nth == 0 else len(behaviours) - 1
        every, first = (EVERY, 1) if EVERY else (SAMPLED * in_turn, SAMPLED * max(nth, 1) // 2)
        runs.append(await victims.run(verb, behaviour, every=every, first=first))
    print(f"\n{table(runs)}")
    found = [f"{run.verb}, {run.behaviour}: {problem}" for run, problems in runs for problem in problems]
    assert not found, f"{len(found)} violations:\n" + "\n".join(found[:50])
    assert min(run.points for run, _ in runs) >= FEWEST_POINTS


async def test_a_call_before_the_commit_is_caught(victims: Victims) -> None:
    run, found = await victims.run("collect", "ok", every=10, first=5, plant="call before the commit")
    assert [problem for problem in found if "the book has" in problem or "charged 2" in problem], table([(run, found)])
