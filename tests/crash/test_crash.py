"""Killed between any two lines, nothing is lost, nothing happens twice, and our view is the gateway's book."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from billsmith.store.pool import open_pool
from tests.crash.aftermath import table, violations
from tests.crash.killing import Killer, Run, kill_at_points, killer_over
from tests.crash.worlds import VERBS

EVERY = int(os.environ.get("CRASH_EVERY", "20"))
"""`make crash` kills at every point, the default suite at every 20th."""
FEWEST_POINTS = 100
SPREAD = 7
"""Each behaviour begins so much further on, so that together they come by more lines."""


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
        pool = await open_pool(url)
        try:
            run = await kill_at_points(self._killer, pool, url, self._books, verb, behaviour, **how)
            return run, await violations(pool, self._books, run)
        finally:
            await pool.close()


@pytest.fixture
def victims(killer: Killer, books: Path, new_database: Callable[..., Any]) -> Victims:
    return Victims(killer, books, new_database)


@pytest.mark.parametrize("verb", VERBS)
async def test_killed_at_any_line_it_is_recovered(verb: str, victims: Victims) -> None:
    runs = []
    for nth, behaviour in enumerate(VERBS[verb].tokens):
        runs.append(await victims.run(verb, behaviour, every=EVERY, first=1 + nth * SPREAD % EVERY))
    print(f"\n{table(runs)}")
    found = [f"{run.verb}, {run.behaviour}: {problem}" for run, problems in runs for problem in problems]
    assert not found, f"{len(found)} violations:\n" + "\n".join(found[:50])
    assert min(run.points for run, _ in runs) >= FEWEST_POINTS


async def test_a_call_before_the_commit_is_caught(victims: Victims) -> None:
    run, found = await victims.run("collect", "ok", every=10, first=5, plant="call before the commit")
    assert [problem for problem in found if "the book has" in problem or "charged 2" in problem], table([(run, found)])
