"""An importer on a new tenant, as many as a test needs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.core.tenants import NewTenant
from tests.imports.running import Importer
from tests.invariants import assert_holds


@pytest.fixture
async def new_importer(
    context: Context, database_url: str, tmp_path: Path
) -> AsyncIterator[Callable[[], Awaitable[Importer]]]:
    """Makes importers, each for a new British tenant; at the end every tenant's books are proven."""
    made: list[Importer] = []

    async def make() -> Importer:
        given = NewTenant(name="The Retail Shop", currency="GBP", time_zone="Europe/London")
        tenant = await tenants.create_tenant(context, given, actor="test", request_id="req_test")
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Importer(context, database_url, Call(tenant, "test", "req_test"), folder))
        return made[-1]

    yield make
    async with context.pool.acquire() as connection:
        for importer in made:
            await assert_holds(connection, importer.call.tenant.id)


@pytest.fixture
async def importer(new_importer: Callable[[], Awaitable[Importer]]) -> Importer:
    """One of them."""
    return await new_importer()
