"""Runs that go on: who dies is replaced, a restart of the server is waited for, several hosts share the work."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from billsmith.cli.billing.workers import Done, Job, hired, run_job
from billsmith.config import Settings, settings_from
from billsmith.store.pool import DatabaseUnavailable
from billsmith.verify import verify
from billsmith.wiring import make_database_anew
from tests.chaos.test_killed_runs import AT_ONCE, COUNTS, CUSTOMERS, DATABASE, a_run, filled
from tests.contexts import TEST_KEY
from tests.private_postgres.conftest import built
from tests.private_postgres.stage import Stage

THIS = datetime.now(UTC).date().replace(day=1)


class Prepared:
    """A server of its own, and in its database customers with a month due."""

    def __init__(self, stage: Stage, settings: Settings, url: str) -> None:
        self.stage = stage
        self.settings = settings
        self.url = url

    async def fetchval(self, sql: str) -> Any:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    async def check_all_billed_once(self) -> None:
        connection = await asyncpg.connect(self.url)
        counts = dict(await connection.fetchrow(COUNTS) or {})
        await connection.close()
        assert (counts["twice"], counts["lost"]) == (0, 0)
        assert counts["invoices"] == counts["numbers"] == counts["sequences"] == counts["last"] == 2 * CUSTOMERS
        report = await verify(self.url)
        assert report.found == 0, [check.name for check in report.checks if check.found]


@pytest.fixture
async def prepared(tmp_path: Path) -> AsyncIterator[Prepared]:
    settings = replace(settings_from(), database_url=None, home=tmp_path)
    last: date = (THIS - timedelta(days=1)).replace(day=1)
    with built() as stage, stage.start() as server:
        url = await make_database_anew(server.url(), DATABASE)
        await filled(settings, url, last)
        assert await a_run(settings, url, last)
        yield Prepared(stage, settings, url)


async def test_a_run_goes_on_though_a_worker_died_and_the_server_was_restarted(prepared: Prepared) -> None:
    done: list[Done] = []
    job = Job(prepared.settings, prepared.url, THIS, None, AT_ONCE)
    with hired(2) as workers:
        running = asyncio.create_task(run_job(workers, job, done.append))
        await _until(lambda: sum(one.documents for one in done) > 0 or running.done())
        died = workers[0].process
        assert died.pid is not None
        os.kill(died.pid, signal.SIGKILL)
        await _until(lambda: workers[0].process is not died or running.done())
        os.kill(prepared.stage.postmaster, signal.SIGQUIT)  # what pg_ctl stop -m immediate sends
        await _until(lambda: sum(one.outages for one in done) > 1 or running.done())
        with prepared.stage.start():
            await asyncio.wait_for(running, 90)
            assert sum(one.outages for one in done) >= 2
            await prepared.check_all_billed_once()


async def test_a_database_that_stays_away_ends_the_run_with_what_to_do(prepared: Prepared) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    job = Job(prepared.settings, nowhere, THIS, None, AT_ONCE, patience_seconds=1)
    with hired(1) as workers, pytest.raises(DatabaseUnavailable, match="start the run again"):
        await run_job(workers, job, lambda done: None)


async def test_runs_and_a_worker_on_several_hosts_bill_everything_once_though_one_is_stopped_and_killed(
    prepared: Prepared, tmp_path: Path
) -> None:
    runs = [_program(prepared, tmp_path, "run", "--json", "--workers", "1") for _ in range(2)]
    worker = _program(prepared, tmp_path, "worker")
    try:
        due = "SELECT count(*) FROM customers WHERE next_bill_at <= statement_timestamp()"
        before = await prepared.fetchval(due)
        while await prepared.fetchval(due) == before:  # noqa: ASYNC110  another program's work
            await asyncio.sleep(0.05)
        os.killpg(runs[0].pid, signal.SIGSTOP)  # a machine that hangs: it keeps what it has locked
        await asyncio.to_thread(runs[1].wait, 120)
        os.killpg(runs[0].pid, signal.SIGKILL)  # now it is gone, and with it its locks
        while await prepared.fetchval(due):  # noqa: ASYNC110  the worker comes to what it left
            await asyncio.sleep(0.1)
        assert runs[1].stdout is not None
        assert json.loads(runs[1].stdout.read())["parked"] == 0
    finally:
        for program in (*runs, worker):
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)
            program.communicate()
    await prepared.check_all_billed_once()


def _program(prepared: Prepared, home: Path, *args: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", "from billsmith.cli.main import main; main()", *args]
    environment = os.environ | {
        "DATABASE_URL": prepared.url, "BILLSMITH_HOME": str(home), "BILLSMITH_SECRET_KEYS": TEST_KEY,
    }  # fmt: skip
    environment.pop("MIGRATE_DATABASE_URL", None)
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )


async def _until(true: Any) -> None:
    while not true():  # noqa: ASYNC110  both have to be looked at
        await asyncio.sleep(0.005)
