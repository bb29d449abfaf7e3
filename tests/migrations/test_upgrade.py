"""A database that an earlier version filled is brought up to date, and goes on as if it had always been of today."""

from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from billsmith.actions import advance, deliver, invoices, tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.invoices import NewInvoice
from billsmith.clock import FixedClock
from billsmith.core.ids import CustomerId
from billsmith.core.invoices import InvoiceDetails
from billsmith.ids import IdMaker
from billsmith.store import migrations
from billsmith.store.listing import Filters
from billsmith.store.pool import Pool, open_pool
from tests.conftest import NOON
from tests.contexts import context_over
from tests.invariants import assert_holds, finalised
from tests.migrations.catalogue import catalogue
from tests.migrations.conftest import MakeDatabase
from tests.migrations.populate import FOLDER, fill
from tests.migrations.test_schema import SCHEMA, run

FILLED = sorted(FOLDER.glob("*.sql"))
ALL = sorted(migrations.FOLDER.glob("*.sql"))
LATER = datetime(2026, 4, 1, tzinfo=UTC)


def as_of(filled: Path, folder: Path) -> str:
    """What was written down; the migrations of that version are laid into `folder`."""
    for path in ALL:
        if path.stem <= filled.stem:
            (folder / path.name).write_bytes(path.read_bytes())
    return filled.read_text()


async def counted(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return {
            name: await connection.fetchval(f"SELECT count(*) FROM {name}")
            for (name,) in names
            if name != "schema_migrations"
        }
    finally:
        await connection.close()


@pytest.mark.parametrize("filled", FILLED, ids=lambda path: path.stem)
async def test_a_filled_database_is_upgraded_with_nothing_lost(
    empty_database: MakeDatabase, tmp_path: Path, filled: Path
) -> None:
    url, written = await empty_database(), await empty_database()
    content = as_of(filled, tmp_path)
    await migrations.migrate(url, NOON, tmp_path)
    await run(url, content)
    before = await counted(url)
    pool = await open_pool(url)
    documents = await finalised(pool)
    assert await migrations.migrate(url, LATER) == [path.name for path in ALL if path.stem > filled.stem]
    await run(written, SCHEMA.read_text())
    assert await catalogue(url) == await catalogue(written)
    after = await counted(url)
    assert {name: after[name] for name in before} == before
    try:
        await assert_holds(pool, None, documents)
        await goes_on(pool)
        await assert_holds(pool, None, documents)
    finally:
        await pool.close()


async def goes_on(pool: Pool) -> None:
    """Today's verbs read everything, and write on where the earlier version stopped."""
    clock = FixedClock(LATER)
    context = context_over(pool, clock, IdMaker(clock.wall))
    for tenant in await tenants.list_tenants(context):
        call = Call(tenant, "test", "req_test")
        await deliver.number_events_of(context, tenant)
        events = await deliver.events_after(context, tenant, 0, 1000)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        documents = await invoices.list_invoices(context, tenant, Filters(100, hidden=True), lines=True)
        if tenant.mode == "live":
            assert {document.invoice.status for document in documents} >= {"draft", "open", "paid"}
            await one_more(context, call, CustomerId(documents[0].invoice.customer_id))
        else:
            assert (await advance.move_clock(context, call, LATER)).fresh.clock_at == LATER


async def one_more(context: Context, call: Call, owner: CustomerId) -> None:
    taken = await context.pool.fetchval(
        "SELECT max(sequence) FROM invoice_numbers JOIN invoices ON invoices.id = invoice_id"
        " WHERE invoices.tenant_id = $1 AND ($2 OR customer_id = $3)",
        call.tenant.id,
        call.tenant.settings.numbers_per == "tenant",
        owner,
    )
    made = await invoices.create_invoice(context, call, NewInvoice(owner, InvoiceDetails(amount_minor=7)))
    assert str(made.fresh.number).endswith(f"{taken + 1:0{call.tenant.settings.number_digits}d}")


def test_a_filled_database_is_there_for_every_migration_but_the_newest() -> None:
    """Missing one? `python -m tests.migrations.populate`, run before the new migration was added, writes it."""
    assert [path.stem for path in FILLED][: len(ALL) - 1] == [path.stem for path in ALL[:-1]]


async def test_what_is_written_down_comes_back_the_same(empty_database: MakeDatabase) -> None:
    one, two = await empty_database(), await empty_database()
    text = await fill(one, FixedClock(NOON))
    await migrations.migrate(two, NOON)
    await run(two, text)
    first, second = await counted(one), await counted(two)
    assert first == second
    assert min(first.values()) > 0, "every table has something in it"
