"""When the database itself refuses, the last line of defence: the culprit stands alone."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.core.tenants import NewTenant
from billsmith.store.pool import open_pool
from tests.contexts import context_over
from tests.imports.running import Importer
from tests.invariants import assert_holds


@pytest.fixture
async def poisoned(
    context: Context, new_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> AsyncIterator[Importer]:
    """An importer on a database that refuses documents with the memo `poison`."""
    url = await new_database()
    owner = await asyncpg.connect(url)
    await owner.execute("ALTER TABLE invoices ADD CONSTRAINT poison CHECK (memo IS DISTINCT FROM 'poison')")
    await owner.close()
    pool = await open_pool(url)
    own = context_over(pool, context.clock, context.ids)
    tenant = await tenants.create_tenant(
        own, NewTenant(name="Poisoned", currency="GBP", time_zone="UTC"), actor="test", request_id="req_test"
    )
    yield Importer(own, url, Call(tenant, "test", "req_test"), tmp_path)
    async with pool.acquire() as connection:
        await assert_holds(connection, tenant.id)
    await pool.close()


async def test_documents_that_the_database_refuses_stand_alone(poisoned: Importer) -> None:
    rows = [f"F-{n},c{n % 5},2026-01-31,5,{'poison' if n in (7, 8, 31) else ''}" for n in range(60)]
    path = poisoned.write("x.csv", *rows, header="document,customer,issued_on,amount,memo")
    summary = await poisoned.run(path, workers=2)
    assert (summary.documents_made, summary.documents_refused) == (57, 3)
    assert {row["document"] for row in poisoned.rejected()} == {"F-7", "F-8", "F-31"}
    assert all(reason.startswith("the database refused this: ") for reason in poisoned.reasons())
    path.write_text(path.read_text().replace("poison", "fine"))
    assert (await poisoned.run(path, workers=2)).documents_made == 3
