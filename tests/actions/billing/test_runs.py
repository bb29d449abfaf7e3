"""Runs of many: the same as one by one, at once as alone, late as in time; who can't be billed stops nobody."""

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from billsmith.actions import customers, tenants
from billsmith.actions.billing import runs
from billsmith.actions.billing.forecast import Forecast, forecast
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.subscriptions.asking import QuantityChange
from billsmith.actions.subscriptions.changing import alter
from billsmith.clock import FixedClock
from billsmith.core.customers import Customer, CustomerDetails
from billsmith.core.tenants import NewTenant, Tenant
from tests.actions.subscriptions.made import CLOUD, evergreen, one, recurring, sell
from tests.invariants import assert_holds

WEEKLY = CLOUD | {
    "plans": CLOUD["plans"]
    | {"paper": {"product": "domain", "name": "Paper", "phases": [evergreen(recurring("paper", "7", "weekly"))]}}
}


async def people(context: Context, call: Call, count: int, **details: Any) -> list[Customer]:
    return [
        (await customers.create_customer(context, call, CustomerDetails(f"Customer {nth}", **details))).fresh
        for nth in range(count)
    ]


async def run_all(context: Context, call: Call, until_on: date | None = None, limit: int = 3) -> runs.Turn:
    """Batches until there is nothing more behind the last one; what they came to together."""
    after, customers_, documents, parked = runs.START, 0, 0, 0
    while True:
        turn = await runs.bill_batch(context, call, until_on, after, limit)
        customers_, documents, parked = customers_ + turn.customers, documents + turn.documents, parked + turn.parked
        if turn.after is None:
            return runs.Turn(customers_, documents, parked)
        after = turn.after


async def documents(context: Context, tenant: Tenant) -> Counter[Any]:
    """Every line with its invoice, postings, coverage and facts, without ids and times."""
    rows = await context.pool.fetch(
        "SELECT c.name, i.status, i.collection_state, i.currency, i.issued_on, i.due_on, i.period_start_on,"
        " i.period_end_on, i.line_count, i.total_minor, i.version, l.line_no, l.kind, l.description, l.quantity,"
        " l.unit_price, l.amount_minor, l.net_minor, l.tax_minor, l.time_zone, l.share, l.period_start_on AS f,"
        " l.period_end_on AS t, v.charge, v.revision, v.plan_version_id, v.phase,"
        " (SELECT array_agg((t.kind, t.debit, t.credit, t.amount_minor, t.accounting_on)::text ORDER BY t.line_no,"
        "  t.kind) FROM transfers t WHERE t.shard = i.shard AND t.invoice_id = i.id) AS postings,"
        " (SELECT array_agg((e.type, e.object_version, e.object - 'next_collect_at')::text ORDER BY e.id)"
        "  FROM events e WHERE e.shard = i.shard AND e.object_id = i.id) AS told"
        " FROM invoices i JOIN customers c ON c.shard = i.shard AND c.id = i.customer_id"
        " JOIN invoice_lines l ON l.shard = i.shard AND l.invoice_id = i.id"
        " LEFT JOIN coverage v ON v.shard = l.shard AND v.invoice_id = i.id AND v.line_no = l.line_no"
        " WHERE i.tenant_id = $1",
        tenant.id,
    )
    return Counter(str(tuple(row)) for row in rows)


async def numbers(context: Context, tenant: Tenant) -> list[int]:
    rows = await context.pool.fetch("SELECT sequence FROM invoice_numbers WHERE tenant_id = $1 ORDER BY 1", tenant.id)
    return [row["sequence"] for row in rows]


async def test_what_is_printed_is_what_the_rules_write(
    context: Context, call: Call, tenant: Tenant, clock: FixedClock
) -> None:
    """Pairs of customers with the same subscriptions: one of each in a batch, the other by itself."""
    await sell(context, call, WEEKLY)
    plans = ("server", "paper", "cluster", "server-trial", "domain")
    here = await people(context, call, 10, bill_cycle_day=20)
    there = await people(context, call, 10, bill_cycle_day=20)
    for nth, (in_batch, alone) in enumerate(zip(here, there, strict=True)):
        for owner in (in_batch, alone):
            await one(context, call, owner, plans[nth % 5], quantity=Decimal(1 + nth % 3))
            if nth > 5:
                await one(context, call, owner, "paper")
    for days in (10, 21, 60):
        clock.at += timedelta(days=days)
        for alone in there:
            await runs.bill_customer(context, call, alone.id)
        await run_all(context, call)
        found = await documents(context, tenant)
        assert all(times % 2 == 0 for times in found.values()), [row for row, times in found.items() if times % 2]
    await assert_holds(context.pool, tenant.id)


async def test_runs_at_once_make_what_one_makes(
    context: Context, call: Call, tenant: Tenant, clock: FixedClock
) -> None:
    await sell(context, call)
    for owner in await people(context, call, 20, bill_cycle_day=20):
        await one(context, call, owner, "server")
    before = len(await numbers(context, tenant))
    clock.at += timedelta(days=10)
    await asyncio.gather(*(run_all(context, call) for _ in range(4)))
    await run_all(context, call)
    assert await numbers(context, tenant) == list(range(1, before + 21))
    assert set((await documents(context, tenant)).values()) == {1}
    await assert_holds(context.pool, tenant.id)


async def test_forty_days_of_downtime_are_forty_days_of_runs(
    context: Context, call: Call, tenant: Tenant, clock: FixedClock
) -> None:
    await sell(context, call, WEEKLY)
    daily, late = await people(context, call, 2, bill_cycle_day=20)
    for owner in (daily, late):
        await one(context, call, owner, "paper")
        await one(context, call, owner, "server")
    for _ in range(40):
        clock.at += timedelta(days=1)
        await runs.bill_customer(context, call, daily.id)
    assert (await run_all(context, call)).documents == 1
    rows = await context.pool.fetch(
        "SELECT customer_id, kind, description, l.amount_minor, l.period_start_on, l.period_end_on, share"
        " FROM invoice_lines l JOIN invoices i ON i.shard = l.shard AND i.id = l.invoice_id WHERE i.tenant_id = $1",
        tenant.id,
    )
    lines = {owner.id: sorted(str(tuple(row)[1:]) for row in rows if row[0] == owner.id) for owner in (daily, late)}
    assert lines[daily.id] == lines[late.id]
    assert len(lines[late.id]) == 6 + 1 + 2
    await assert_holds(context.pool, tenant.id)


async def test_a_poisoned_customer_in_every_batch_is_parked_and_everybody_else_billed(
    context: Context, call: Call, tenant: Tenant, clock: FixedClock
) -> None:
    await sell(context, call)
    everybody = await people(context, call, 12, bill_cycle_day=20)
    subscriptions = [await one(context, call, owner, "server") for owner in everybody]
    poisoned = subscriptions[::4]
    await context.pool.execute(
        "UPDATE subscriptions SET currency = 'JPY' WHERE tenant_id = $1 AND id = ANY ($2::uuid[])",
        tenant.id,
        [subscription.id for subscription in poisoned],
    )
    clock.at += timedelta(days=10)
    turn = await run_all(context, call, limit=4)
    assert (turn.customers, turn.documents, turn.parked) == (12, 9, 3)
    parked = await runs.parked_customers(context, tenant)
    assert {entry.id for entry in parked} == {subscription.customer_id for subscription in poisoned}
    assert all("JPY" in entry.because or "KeyError" in entry.because for entry in parked)
    assert (await run_all(context, call)).customers == 0
    await context.pool.execute("UPDATE subscriptions SET currency = 'EUR' WHERE tenant_id = $1", tenant.id)
    await runs.retry_parked(context, call)
    assert (await run_all(context, call)).documents == 3
    assert await runs.parked_customers(context, tenant) == []
    await assert_holds(context.pool, tenant.id)


async def test_a_run_by_an_earlier_day_leaves_later_ones_alone(context: Context, call: Call, clock: FixedClock) -> None:
    await sell(context, call, WEEKLY)
    (owner,) = await people(context, call, 1)
    await one(context, call, owner, "paper")
    clock.at += timedelta(days=21)
    assert (await run_all(context, call, date(2026, 3, 22))).documents == 1
    assert (await run_all(context, call, date(2026, 3, 22))).documents == 0
    assert (await run_all(context, call)).documents == 1


async def test_only_a_dry_run_looks_ahead_and_it_writes_nothing(
    context: Context, call: Call, tenant: Tenant, clock: FixedClock
) -> None:
    await sell(context, call)
    for owner in await people(context, call, 3, bill_cycle_day=20):
        await one(context, call, owner, "server")
    ahead = date(2026, 4, 20)
    with pytest.raises(runs.RunAhead):
        runs.check_not_ahead(context, [tenant], ahead)
    runs.check_not_ahead(context, [tenant], date(2026, 3, 16))
    before, total = await documents(context, tenant), Forecast()
    async for batch in forecast(context, tenant, ahead):
        total.add(batch)
    assert (total.customers, total.sums["EUR"].documents, total.sums["EUR"].total_minor) == (3, 3, 3 * 4000)
    assert await documents(context, tenant) == before
    clock.at = datetime(2026, 4, 20, 12, tzinfo=UTC)
    await run_all(context, call)
    billed = await context.pool.fetchval(
        "SELECT sum(total_minor) FROM invoices WHERE tenant_id = $1 AND issued_on = $2", tenant.id, ahead
    )
    assert billed == 12000


async def test_a_change_is_billed_in_the_same_batch_as_renewals(
    context: Context, call: Call, tenant: Tenant, clock: FixedClock
) -> None:
    await sell(context, call)
    everybody = await people(context, call, 4, bill_cycle_day=20)
    subscriptions = [await one(context, call, owner, "server") for owner in everybody]
    for subscription in subscriptions[:2]:
        await alter(context, call, subscription.id, QuantityChange(Decimal(2)), bill="later")
    clock.at += timedelta(days=10)
    turn = await run_all(context, call, limit=10)
    assert (turn.customers, turn.documents, turn.parked) == (4, 4, 0)
    await assert_holds(context.pool, tenant.id)


async def test_a_tenant_with_many_does_not_keep_one_with_few_waiting(
    context: Context, call: Call, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(runs, "SWEEP", 2)
    small = await tenants.create_tenant(context, NewTenant("Small", "EUR"), "test", "req_test")
    few = replace(call, tenant=small)
    for asked, count in ((call, 6), (few, 1)):
        await sell(context, asked)
        for owner in await people(context, asked, count, bill_cycle_day=20):
            await one(context, asked, owner, "server")
    clock.at += timedelta(days=10)
    assert {call.tenant.id, small.id} <= {one.id for one in await runs.tenants_waiting(context)}
    await runs.bill_due(context)
    assert await runs.customers_waiting(context, small) == 0
    assert await runs.customers_waiting(context, call.tenant) == 4
    while await runs.bill_due(context):
        pass
    assert await runs.customers_waiting(context, call.tenant) == 0
