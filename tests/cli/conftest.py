"""Programs that are gone after their test, databases of their own, and a tenant's key."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.clock import Clock
from billsmith.core.tenants import NewTenant, Scope
from billsmith.private_postgres import find_binaries
from billsmith.private_postgres.placement import place
from billsmith.private_postgres.server import Supervisor
from billsmith.store.pool import open_pool
from tests.cli.program import Program, folder_for_everybody
from tests.contexts import context_over

StartProgram = Callable[..., Program]


@pytest.fixture
def start(home: Path) -> Iterator[StartProgram]:
    """Starts a command; it is killed at the end of the test if it still runs."""
    started: list[Program] = []

    def begin(*args: str, dev: bool = False, **environment: str) -> Program:
        program = Program(*args, environment={"BILLSMITH_HOME": str(home), **environment}, dev=dev)
        started.append(program)
        return program

    yield begin
    for program in started:
        program.close()


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder for a private server, which is stopped at the end, whoever left it running."""
    folder = folder_for_everybody()
    yield folder
    placement = place(folder)
    if placement.cluster.is_dir() and Supervisor(placement, find_binaries()).answers():
        stop = [find_binaries().program("pg_ctl"), "stop", "-m", "immediate", "-D", "data"]
        placement.account.run(stop, placement.cluster)
    for made in (folder, placement.sockets, placement.storage):
        shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
async def database(new_database: Any) -> str:
    """The URL of a migrated database of this test's own."""
    return str(await new_database())


@pytest.fixture
async def empty_database(new_database: Any) -> str:
    """The URL of a database in which nothing was made yet."""
    return str(await new_database("template0"))


@pytest.fixture
async def key(database: str) -> str:
    """An admin key of the one tenant in `database`."""
    return await new_key(database)


@pytest.fixture
async def owner(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to `database` with every right."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def new_key(url: str) -> str:
    """An admin key of a new tenant."""
    pool = await open_pool(url)
    context = context_over(pool, Clock())
    try:
        given = NewTenant(name="Steve's Cloud", currency="EUR", time_zone="Europe/Berlin")
        tenant = await tenants.create_tenant(context, given, actor="test", request_id="req_test")
        call = Call(tenant, "test", "req_test")
        return (await tenants.create_key(context, call, "test", [Scope.ADMIN])).fresh.secret
    finally:
        await pool.close()
