"""Runs whose workers and whose server are killed at random: nothing lost, nothing twice, numbers without gaps.

A few thousand subscriptions and one seed by default. More: BILLSMITH_CHAOS_CUSTOMERS=200000 BILLSMITH_CHAOS_SEEDS=5.
"""

import asyncio
import contextlib
import os
import random
import signal
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from bench.subscribers import Share, fill, found
from msgspec.structs import replace

from billsmith.cli.billing.workers import Done, Job, RunWorker, RunWorkerDied, hired, run_job
from billsmith.config import Settings, settings_from
from billsmith.core.tenants import Tenant
from billsmith.store.pool import DatabaseUnavailable
from billsmith.verify import verify
from billsmith.wiring import make_database_anew, open_context
from tests.private_postgres.conftest import built
from tests.private_postgres.stage import Stage

CUSTOMERS = int(os.environ.get("BILLSMITH_CHAOS_CUSTOMERS", "2000"))
SEEDS = int(os.environ.get("BILLSMITH_CHAOS_SEEDS", "1"))
AT_ONCE = max(20, CUSTOMERS // 200)
BATCHES = CUSTOMERS // AT_ONCE
KILLS = 6
"""Spread over the whole run: on average a seventh of its batches lies before each, and behind the last."""
A_BATCH_SECONDS = max(0.05, AT_ONCE / 4000)
WORKERS = 2
DATABASE = "billsmith_chaos"

COUNTS = """
SELECT (SELECT count(*) FROM invoices) AS invoices,
    (SELECT count(*) FROM subscriptions) AS subscriptions,
    (SELECT count(*) FROM (SELECT FROM coverage GROUP BY subscription_id, charge, period_start_on HAVING count(*) > 1)
        AS x) AS twice,
    (SELECT count(*) FROM subscriptions AS s WHERE (SELECT count(*) FROM coverage AS c
        WHERE c.shard = s.shard AND c.subscription_id = s.id) <> 2) AS lost,
    (SELECT count(*) FROM invoice_numbers) AS numbers,
    (SELECT count(DISTINCT sequence) FROM invoice_numbers) AS sequences,
    (SELECT max(sequence) FROM invoice_numbers) AS last
"""


class Killing:
    """Kills what a seed says, while a run is going on."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.choice = random.Random(seed)
        self.left = KILLS
        self.workers = self.servers = self.before = 0
        self.after: list[int] = []
        """How many batches of the whole run were done at each kill."""

    async def go_on(self, workers: list[RunWorker], running: "asyncio.Task[float]", batches: list[Done]) -> None:
        """After some batches, in the middle of others, one worker or the server, with no time to say goodbye."""
        wanted = len(batches) + self.choice.randint(1, 2 * BATCHES // (KILLS + 1))
        while len(batches) < wanted and not running.done():  # noqa: ASYNC110  both have to be looked at
            await asyncio.sleep(0.001)
        loop = asyncio.get_running_loop()
        until = loop.time() + self.choice.random() * A_BATCH_SECONDS
        while loop.time() < until and not running.done():  # noqa: ASYNC110  in the middle of a batch, not at its end
            await asyncio.sleep(0.001)
        if running.done() or not self.left:
            return
        self.left -= 1
        self.after.append(self.before + len(batches))
        if self.choice.random() < 0.5:
            process = self.choice.choice(workers).process
            assert process.pid is not None
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
                self.workers += 1
        else:
            os.kill(self.stage.postmaster, signal.SIGQUIT)  # what pg_ctl stop -m immediate sends
            self.servers += 1


async def a_run(settings: Settings, url: str, until_on: date, killing: Killing | None = None) -> bool:
    """Whether it came to its end."""
    batches: list[Done] = []

    def note(done: Done) -> None:
        if done.customers:
            batches.append(done)

    job = Job(settings, url, until_on, None, AT_ONCE, patience_seconds=0)
    with hired(WORKERS) as workers:
        running = asyncio.create_task(run_job(workers, job, note))
        while killing is not None and killing.left and not running.done():
            await killing.go_on(workers, running, batches)  # a worker that is killed is replaced, and the run goes on
        try:
            await running
        except (RunWorkerDied, DatabaseUnavailable):
            return False
        finally:
            if killing is not None:
                killing.before += len(batches)
    assert sum(done.parked for done in batches) == 0, "who is not to blame is not parked"
    return True


async def filled(settings: Settings, url: str, starts_on: date) -> Tenant:
    async with open_context(settings, url) as context:
        (tenant,) = await found(context, 1)
    await fill([Share(settings, url, tenant, CUSTOMERS // 2, starts_on, 1)] * 2)
    return tenant


async def until_done(settings: Settings, url: str, until_on: date, stage: Stage, killing: Killing) -> int:
    """Start the run, and the server where it was killed, until there is nothing more to do; how often."""
    for times in range(1, 10 * KILLS):
        with stage.start():
            ended = await a_run(settings, url, until_on, killing if killing.left else None)
            if ended and not killing.left:
                return times
            if ended:  # it was through before the last kill
                killing.left = 0
    raise AssertionError("it never came to an end")


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_run_that_is_killed_again_and_again_makes_every_document_once(seed: int, tmp_path: Path) -> None:
    this = datetime.now(UTC).date().replace(day=1)
    last = (this - timedelta(days=1)).replace(day=1)
    settings = replace(settings_from(), database_url=None, home=tmp_path)
    with built() as stage:
        with stage.start() as server:
            url = await make_database_anew(server.url(), DATABASE)
            await filled(settings, url, last)
            assert await a_run(settings, url, last)
        killing = Killing(stage, seed)
        times = await until_done(settings, url, this, stage, killing)
        with stage.start():
            connection = await asyncpg.connect(url)
            counts = dict(await connection.fetchrow(COUNTS) or {})
            await connection.close()
            report = await verify(url)
        print(
            f"seed {seed}: {killing.workers} workers and {killing.servers} servers killed,"
            f" after batches {killing.after}, {times} starts, {counts}, verify: {report.found} differences"
        )
        assert killing.workers + killing.servers > 0
        assert (counts["twice"], counts["lost"]) == (0, 0)
        assert counts["invoices"] == counts["numbers"] == counts["sequences"] == counts["last"] == 2 * CUSTOMERS
        assert report.found == 0, [check.name for check in report.checks if check.found]
