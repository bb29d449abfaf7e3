"""Where all is right, verify finds nothing, whoever else is writing; and what is wrong it reports in bounds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import pytest

from billsmith.actions.calls import Call
from billsmith.actions.credits import grant_credit
from billsmith.actions.customers import create_customer
from billsmith.actions.deliver import number_events_of
from billsmith.actions.tenants import create_tenant
from billsmith.clock import FixedClock
from billsmith.core.credits import NewCredit
from billsmith.core.customers import CustomerDetails
from billsmith.core.invoices import Item
from billsmith.core.ledger import PostingKind
from billsmith.core.tenants import NewTenant
from billsmith.store.pool import open_pool
from billsmith.verify import Progress, read_checks, verify
from billsmith.verify.run import CONNECTIONS, SHOWN, DatabaseUnreadable, SchemaUnknown
from tests.contexts import context_over
from tests.invariants import assert_holds
from tests.verify.conftest import Owner
from tests.verify.world import VAT, World, charge

ROUNDS = 15
WRITERS = 4


def test_every_kind_of_posting_is_known_by_what_it_moves() -> None:
    sql = next(check.sql for check in read_checks() if check.name == "transfer_postings")
    unknown = [kind for kind in get_args(PostingKind) if f"('{kind}', " not in sql]
    assert unknown == []


async def test_a_world_made_through_actions_has_no_difference(world: World, world_url: str) -> None:
    told = []
    report = await verify(world_url, on_check=told.append)
    assert report.differences == ()
    assert report.found == 0
    assert sorted(check.name for check in report.checks) == sorted(check.name for check in read_checks())
    assert sorted(told, key=lambda check: check.name) == list(report.checks)
    assert report.rows["invoices"] > 30


async def test_who_watches_hears_of_every_check_that_begins_and_ends(world: World, world_url: str) -> None:
    heard: list[Progress] = []
    await verify(world_url, on_progress=heard.append)
    names = {check.name for check in read_checks()}
    assert {name for progress in heard for name in progress.under_way} == names
    assert [progress.ended for progress in heard] == sorted(progress.ended for progress in heard)
    last = heard[-1]
    assert (last.ended, last.under_way) == (last.checks, ()) == (len(names), ())
    assert last.rows_read == last.rows > 0
    assert max(len(progress.under_way) for progress in heard) == CONNECTIONS


async def test_the_invariants_hold_in_that_world(world: World, owner: Owner) -> None:
    await assert_holds(owner)
    await assert_holds(owner, world.second.id)


async def test_one_tenant_is_looked_at_alone(world: World, world_url: str, owner: Owner) -> None:
    report = await verify(world_url, tenant_id=world.first.id)
    assert report.found == 0
    of_tenant = await owner.fetchval("SELECT count(*) FROM invoices WHERE tenant_id = $1", world.first.id)
    assert report.rows["invoices"] == of_tenant


async def test_the_difference_of_another_tenant_is_left_to_it(world: World, unguarded: Owner) -> None:
    await unguarded.execute("UPDATE invoices SET paid_minor = 1 WHERE tenant_id = $1", world.first.id)
    assert (await verify(unguarded, tenant_id=world.second.id)).found == 0
    found = (await verify(unguarded, tenant_id=world.first.id)).differences
    assert {difference.tenant_id for difference in found} == {world.first.id}


async def test_what_is_named_is_bounded_and_the_rest_is_counted(world: World, unguarded: Owner) -> None:
    events = await unguarded.fetchval("SELECT count(*) FROM events")
    assert events > SHOWN
    await unguarded.execute("UPDATE events SET cause_id = id")
    report = await verify(unguarded)
    parents = next(check for check in report.checks if check.name == "event_parents")
    assert parents.found == events
    assert len(parents.differences) == SHOWN
    assert report.found == events


async def test_a_free_connection_is_given_back_as_it_was(world: World, owner: Owner) -> None:
    before = await owner.fetchval("SHOW work_mem")
    assert (await verify(owner)).found == 0
    assert not owner.is_in_transaction()
    assert await owner.fetchval("SHOW work_mem") == before


async def test_a_reader_is_enough(world: World, owner: Owner) -> None:
    await owner.execute("SET ROLE billsmith_program")
    assert (await verify(owner)).found == 0


async def test_who_may_not_read_is_told_so(world: World, owner: Owner) -> None:
    async with _undone(owner):
        await owner.execute("SET LOCAL ROLE pg_signal_backend")
        with pytest.raises(DatabaseUnreadable, match="permission denied"):
            await verify(owner)


async def test_a_database_without_our_tables_is_told_apart(world: World, owner: Owner) -> None:
    async with _undone(owner):
        await owner.execute("ALTER TABLE transfers RENAME TO moves")
        with pytest.raises(SchemaUnknown, match="billsmith migrate"):
            await verify(owner)


async def test_a_database_that_is_not_there_is_unreadable(server_url: Callable[[str], str]) -> None:
    with pytest.raises(DatabaseUnreadable):
        await verify(server_url("billsmith_never_made"))


async def test_a_running_system_gives_no_false_difference(new_database: Callable[..., object]) -> None:
    """Four writers post, draw credit and number events all the while; every run sees one instant of it."""
    url: str = await new_database()  # type: ignore[misc]
    pool = await open_pool(url)
    context = context_over(pool, FixedClock(datetime(2026, 3, 15, tzinfo=UTC)))
    tenant = await create_tenant(context, NewTenant("Busy", "EUR"), "test", "req_busy")
    call, done = Call(tenant, "test", "req_busy"), asyncio.Event()

    async def write(name: str) -> int:
        customer = (await create_customer(context, call, CustomerDetails(name))).fresh
        rounds = 0
        while not done.is_set():
            await charge(context, call, customer, Item("month", 1000, tax=VAT), Item("x", unit_price=Decimal("0.1")))
            await grant_credit(context, call, customer.id, NewCredit(700))
            await number_events_of(context, tenant)
            rounds += 1
        return rounds

    writers = [asyncio.create_task(write(f"customer {n}")) for n in range(WRITERS)]
    seen = []
    for _ in range(ROUNDS):
        report = await verify(url)
        assert report.differences == ()
        seen.append(report.rows["invoices"])
        await assert_holds(pool, tenant.id)
    done.set()
    assert min(await asyncio.gather(*writers)) > 0
    await pool.close()
    assert len(set(seen)) > 1, "nothing was written while verify ran"


@asynccontextmanager
async def _undone(connection: Owner) -> AsyncIterator[None]:
    """A transaction whose changes are never kept."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()
