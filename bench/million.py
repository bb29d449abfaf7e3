"""What touches many rows, at a million invoices: `verify`, numbering of events, a dry run, lists, a catalogue's diff.

The invoices are those of five months of subscriptions, billed by the run's own workers. Nothing but the run wrote, so
payments, refunds and credits are none.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from bench.lists import PAGE, fetched
from bench.measured import Figure, Measured, median
from bench.run import Variant, billed
from bench.stage import Stage, analyse, stage
from bench.subscribers import Share, fill, found, plan_of, pricing
from billsmith.actions.billing.forecast import Forecast, forecast
from billsmith.actions.calls import Call
from billsmith.actions.catalog import preview_catalog
from billsmith.actions.deliver import number_events
from billsmith.actions.tenants import create_key
from billsmith.api.paging import Cursor, show_cursor
from billsmith.cli.importing.memory import peak_memory_mb
from billsmith.core.catalog.given import catalog_given
from billsmith.core.ids import show_id
from billsmith.core.tenants import Scope, Tenant
from billsmith.verify import Report, verify

INVOICES = 1_000_000
MONTHS = 5
VERIFY_SECONDS = 60
GROWTH_MB = 64
PAGE_MS = 50
SLOWEST = 10


async def million(server_url: str, rows: int | None) -> Measured:
    """Fill and bill, then measure one after the other; `--rows 100000` for a tenth of the invoices."""
    invoices = rows or INVOICES
    async with stage(server_url, customers=1) as on:
        [tenant] = await found(on.context, 1)
        await _fill(on, tenant, invoices // MONTHS)
        return await measured(on, tenant, f"At {invoices:,} invoices")


async def measured(on: Stage, tenant: Tenant, name: str) -> Measured:
    """Everything on a company that is there; each with the time it took and by how much our memory grew."""
    report, figures = await _timed("verify", lambda: verify(on.url), VERIFY_SECONDS)
    longest, more = await _timed("numbering all events that wait", lambda: _number(on))
    figures += [*more, Figure("… its longest transaction", longest * 1000, "ms")]
    _, more = await _timed("verify with them numbered", lambda: verify(on.url), VERIFY_SECONDS)
    figures += more
    forecasted, more = await _timed("a dry run of the month after", lambda: _dry_run(on, tenant))
    figures += more
    _, more = await _timed("what a new price changes, and for whom", lambda: _diff(on, tenant), 1)
    figures += more
    pages = await _pages(on, tenant)
    key = (await create_key(on.context, Call(tenant, "bench", "req_bench"), "bench", [Scope.ADMIN])).fresh
    with tempfile.TemporaryDirectory(prefix="billsmith-bench-") as folder:
        took = await asyncio.to_thread(fetched, on.url, key.secret, Path(folder), pages)
    figures += [Figure(name, median(times), "ms", most=PAGE_MS) for name, times in took.items()]
    details = {"rows": report.rows, "checks": _slowest(report), "load": os.getloadavg()[0]}
    return Measured(name, figures, report.found, details | {"dry_run_customers": forecasted.customers})


async def _fill(on: Stage, tenant: Tenant, customers: int) -> None:
    """So many customers, billed for five months, the last of them this one."""
    months = [_today(on).replace(day=1)]
    while len(months) < MONTHS:
        months.insert(0, (months[0] - timedelta(days=1)).replace(day=1))
    await fill([Share(on.settings, on.url, tenant, customers // 2, months[0], 1) for _ in range(2)])
    await analyse(on.url)
    for month in months:
        await billed(on, Variant(customers=customers), month)
    await analyse(on.url)


async def _timed(
    name: str, work: Callable[[], Awaitable[Any]], most_seconds: float | None = None
) -> tuple[Any, list[Figure]]:
    memory, began = peak_memory_mb(), time.perf_counter()
    result = await work()
    took = Figure(name, time.perf_counter() - began, "s", most=most_seconds)
    return result, [took, Figure("… growth of our memory", peak_memory_mb() - memory, "MB", most=GROWTH_MB)]


async def _number(on: Stage) -> float:
    """The longest of its turns, in seconds."""
    longest = 0.0
    while True:
        began = time.perf_counter()
        if not await number_events(on.context):
            return longest
        longest = max(longest, time.perf_counter() - began)


async def _dry_run(on: Stage, tenant: Tenant) -> Forecast:
    total = Forecast()
    async for batch in forecast(on.context, tenant, _today(on) + timedelta(days=31)):
        total.add(batch)
    return total


def _today(on: Stage) -> date:
    return on.context.clock.wall().date()


async def _diff(on: Stage, tenant: Tenant) -> None:
    given = pricing()
    given["plans"][plan_of(1)]["phases"][0]["charges"][0]["prices"] = {"EUR": "33"}
    await preview_catalog(on.context, tenant, catalog_given(given))


async def _pages(on: Stage, tenant: Tenant) -> dict[str, str]:
    """The path of every page, by name: the first, one nine tenths down, and each filter."""
    connection = await asyncpg.connect(on.url)
    try:
        some = await connection.fetchrow(
            "SELECT customer_id, id FROM invoices WHERE tenant_id = $1 ORDER BY id DESC OFFSET 10 LIMIT 1", tenant.id
        )
        assert some is not None
        pages = {}
        for table in ("customers", "subscriptions", "invoices"):
            deep = await connection.fetchval(
                f"SELECT id FROM {table} WHERE tenant_id = $1 ORDER BY id"
                f" OFFSET (SELECT count(*) / 10 FROM {table} WHERE tenant_id = $1) LIMIT 1",
                tenant.id,
            )
            pages[table] = f"/v1/{table}?limit={PAGE}"
            pages[f"{table}, deep"] = f"/v1/{table}?limit={PAGE}&cursor={show_cursor(Cursor(deep))}"
            pages[f"{table} in a currency that nobody has"] = f"/v1/{table}?limit={PAGE}&currency=USD"
        last = await connection.fetchval("SELECT max(sequence) FROM event_numbers WHERE tenant_id = $1", tenant.id)
    finally:
        await connection.close()
    customer = show_id("customer", some["customer_id"])
    asked = {
        "subscriptions of a customer": f"subscriptions?customer={customer}",
        "subscriptions of a plan": f"subscriptions?plan={plan_of(1)}",
        "subscriptions of a plan that nobody has": f"subscriptions?plan={plan_of(3)}",
        "subscriptions that are active": "subscriptions?status=active",
        "subscriptions that are cancelled, of which there are none": "subscriptions?status=cancelled",
        "invoices of a customer": f"invoices?customer={customer}",
        "invoices that are open": "invoices?status=open",
        "transfers of a customer": f"transfers?customer={customer}",
        "transfers of an invoice": f"transfers?invoice={show_id('invoice', some['id'])}",
        "payments": "payments?",
        "events": "events?after=0",
        "events, deep": f"events?after={last * 9 // 10}",
        "events of a frequent type": "events?type=invoice.*&after=" + str(last * 9 // 10),
        "events of a type that there is not": "events?type=payment.*",
    }
    return pages | {name: f"/v1/{path}&limit={PAGE}" for name, path in asked.items()}


def _slowest(report: Report) -> dict[str, float]:
    ordered = sorted(report.checks, key=lambda check: -check.seconds)
    return {check.name: round(check.seconds, 2) for check in ordered[:SLOWEST]}
