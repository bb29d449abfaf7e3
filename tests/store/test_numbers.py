"""Number series: without gaps and repeats, with eight programs writing at once and being killed on the way."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.core.ids import show_id
from billsmith.core.tenants import NewTenant, Tenant, TenantSettings
from billsmith.store.pool import Pool
from tests.actions.made import customer, invoice
from tests.conftest import NOON
from tests.invariants import assert_holds

WRITERS = 8
KILLS = 16


@contextmanager
def writers(url: str, tenant: Tenant) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Eight programs that write; whoever is killed is replaced by another."""

    def start(nth: int) -> "subprocess.Popen[bytes]":
        command = [
            sys.executable,
            "-m",
            "tests.store.writer",
            url,
            show_id("tenant", tenant.id),
            str(1 + 3 * (nth % 3)),
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    running = [start(nth) for nth in range(WRITERS)]
    try:
        draw = random.Random(11)
        for nth in range(KILLS):
            victim = running.pop(0)
            assert victim.stdout is not None
            assert victim.stdout.read(draw.randint(1, 6)), "the writer ended by itself"  # it is in the midst of it now
            victim.kill()
            victim.communicate()
            if nth < KILLS - WRITERS:
                running.append(start(nth))
        yield running
    finally:
        for left in running:
            left.kill()
            left.communicate()


@pytest.mark.parametrize("numbers_per", ["tenant", "customer"])
async def test_a_series_has_no_gap_and_no_repeat_after_eight_writers_were_killed(
    context: Context, new_database: Callable[..., object], numbers_per: str
) -> None:
    from datetime import UTC, datetime

    import msgspec

    from billsmith.ids import IdMaker
    from billsmith.store.pool import open_pool

    url: str = await new_database()  # type: ignore[misc]
    pool = await open_pool(url)
    alone = msgspec.structs.replace(context, pool=pool, ids=IdMaker(lambda: datetime.now(UTC)))
    given = NewTenant("Busy", "EUR", settings=TenantSettings(numbers_per=numbers_per))  # type: ignore[arg-type]
    tenant = await tenants.create_tenant(alone, given, "test", "req_test")
    call = Call(tenant, "test", "req_test")
    for _ in range(4):
        await customer(alone, call)
    with writers(url, tenant) as running:
        assert running == []
    try:
        await no_gaps(pool, tenant)
        last = await invoice(alone, call, await customer(alone, call), 100)
        assert last.number is not None
        await no_gaps(pool, tenant)
        async with pool.acquire() as connection:
            await assert_holds(connection, tenant.id)
    finally:
        await pool.close()


async def no_gaps(pool: Pool, tenant: Tenant) -> None:
    rows = await pool.fetch(
        "SELECT series, array_agg(sequence ORDER BY sequence) AS taken, count(DISTINCT number) AS printed"
        " FROM invoice_numbers WHERE tenant_id = $1 GROUP BY series",
        tenant.id,
    )
    assert sum(len(row["taken"]) for row in rows) > KILLS
    for row in rows:
        assert row["taken"] == list(range(1, len(row["taken"]) + 1))
        assert row["printed"] == len(row["taken"])
    finalised = await pool.fetchval(
        "SELECT count(*) FROM invoices WHERE tenant_id = $1 AND finalised_at IS NOT NULL", tenant.id
    )
    assert finalised == sum(len(row["taken"]) for row in rows)


async def test_a_series_waits_only_at_the_very_end(context: Context, call: Call, pool: Pool) -> None:
    """Who holds the series keeps nobody from locking customers, drafting, or anything else but taking a number."""
    from tests.actions.made import draft

    owner = await customer(context, call)
    await invoice(context, call, owner, 100)
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute(
            "UPDATE number_series SET next_sequence = next_sequence WHERE tenant_id = $1", call.tenant.id
        )
        await draft(context, call, owner)
        await customer(context, call)
    assert (await invoice(context, call, owner, 1)).number == "INV-000002"
    assert context.clock.wall() == NOON
