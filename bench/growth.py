"""What a run costs for each new line: ten years later, changed back ten times, beside 10 000 other subscriptions."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

from bench.measured import Figure, Measured, median
from bench.stage import DATABASE, Stage, analyse, differences, stage
from billsmith.actions import catalog as catalogs
from billsmith.actions import credits, customers, tenants
from billsmith.actions.billing.runs import bill_customer
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.subscriptions.asking import QuantityChange
from billsmith.actions.subscriptions.changing import alter
from billsmith.actions.subscriptions.importing import ImportedSubscription, import_subscriptions
from billsmith.actions.subscriptions.starting import Order, subscribe
from billsmith.core.catalog.given import catalog_given
from billsmith.core.credits import NewCredit
from billsmith.core.customers import CustomerDetails
from billsmith.core.ids import CustomerId, SubscriptionId
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.core.tenants import NewTenant
from billsmith.store.pool import open_pool

SUBSCRIPTIONS = 10_000
YEARS = 10
CHANGES = 10
OTHERS = 2000
TIMES = 9
"""So many customers of each kind; the median counts."""
ASKED = 1.2
BEGAN_ON = date(2025, 1, 1)
MONTHLY = {"code": "seat", "kind": "recurring", "name": "Seat", "length": "monthly", "prices": {"EUR": "9"}}
PLAN = {
    "products": {"seat": {"name": "Seat", "kind": "standalone"}},
    "plans": {
        "seat": {
            "product": "seat",
            "name": "Seat",
            "phases": [{"kind": "evergreen", "charges": [MONTHLY]}],
        }
    },
}
_READ = "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) AS read FROM pg_stat_user_tables"


class Cost(msgspec.Struct, frozen=True):
    """Of one run."""

    lines: int
    rows: int
    """That the database read from tables."""
    statements: int
    cpu_ms: float
    tables: dict[str, int]
    """The rows by table."""

    def per_line(self, what: str) -> float:
        return float(getattr(self, what)) / max(self.lines, 1)


class _Bench:
    """A sandbox whose one connection is counted."""

    def __init__(self, context: Context, call: Call, url: str) -> None:
        self.url = url
        self.context = context
        self.call = call
        self.statements = 0

    async def customer(self) -> CustomerId:
        """One whose invoices are settled by credit, so that what is counted is history and not debt."""
        details = CustomerDetails("C", bill_cycle_day=1)
        id_ = (await customers.create_customer(self.context, self.call, details)).fresh.id
        await credits.grant_credit(self.context, self.call, id_, NewCredit(10**9, currency="EUR"))
        return id_

    async def seat(self, id_: CustomerId, on: date = BEGAN_ON, day: int | None = None) -> SubscriptionId:
        order = Order(NewSubscription("seat", starts_on=on, bill_cycle_day=day))
        return (await subscribe(self.context, self.call, id_, order, "later")).fresh.ids[0]

    async def months(self, id_: CustomerId, count: int) -> None:
        """Billed month by month: an invoice for each."""
        for month in range(count):
            await bill_customer(self.context, self.call, id_, _month(month))

    async def cost(self, id_: CustomerId, until_on: date) -> Cost:
        """Of one run for a customer, with statistics as they are on a database that has been running for a while."""
        await analyse(self.url)
        rows = await self._rows()
        before = self.statements
        began = time.process_time()
        documents = (await bill_customer(self.context, self.call, id_, until_on)).fresh
        cpu, sent = time.process_time() - began, self.statements - before
        lines = sum(len(document.lines) for document in documents)
        tables = {name: read - rows[name] for name, read in (await self._rows()).items() if read != rows[name]}
        return Cost(lines, sum(tables.values()), sent, cpu * 1000, tables)

    def _count(self, _: Any) -> None:
        self.statements += 1

    async def _rows(self) -> dict[str, int]:
        async with self.context.pool.acquire() as connection:
            connection.add_query_logger(self._count)  # the pool may have opened another one; twice counts once
            await connection.execute("SELECT pg_stat_force_next_flush()")
            return {row["relname"]: int(row["read"]) for row in await connection.fetch(_READ)}


async def growth(server_url: str, rows: int | None) -> Measured:
    """The next monthly line of customers of every age and size."""
    count = rows or SUBSCRIPTIONS
    async with stage(server_url, customers=1) as on:
        await _as_with_large_tables(on.url)
        pool = await open_pool(on.url, size=1)
        try:
            bench = await _opened(on, msgspec.structs.replace(on.context, pool=pool))
            await _crowd(bench)
            found = {
                "new": await _each(_new, bench),
                f"{YEARS} years": await _each(_old, bench),
                f"{YEARS} years, changed back {CHANGES} times": await _each(_changed, bench),
                f"one of {count:,} subscriptions": await _one_of_many(bench, count),
                f"all of {count:,} subscriptions": await _all_of_many(bench, count),
            }
        finally:
            await pool.close()
        return Measured("growth", _figures(found), await differences(on), {"costs": msgspec.to_builtins(found)})


async def _as_with_large_tables(url: str) -> None:
    """Small tables are read whole, whatever is asked of them; what is looked for is what is read of large ones."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"ALTER DATABASE {DATABASE} SET enable_seqscan = off")
    finally:
        await connection.close()


def _figures(found: dict[str, list[Cost]]) -> list[Figure]:
    new = found["new"]
    figures = [
        Figure("rows read per line, new", _middle(new, "rows"), ""),
        Figure("statements per line, new", _middle(new, "statements"), ""),
        Figure("CPU per line, new", _middle(new, "cpu_ms"), "ms"),
    ]
    for name, costs in list(found.items())[1:]:
        for what, said in (("rows", "rows read"), ("statements", "statements"), ("cpu_ms", "CPU")):
            ratio = _middle(costs, what) / _middle(new, what)
            figures.append(Figure(f"{said} per line, {name}", ratio, "× a new customer's", most=ASKED))
    return figures


def _middle(costs: list[Cost], what: str) -> float:
    return median([cost.per_line(what) for cost in costs])


async def _opened(on: Stage, context: Context) -> _Bench:
    given = NewTenant("Growth", "EUR", mode="sandbox", clock_at=datetime(2025, 1, 1, 12, tzinfo=UTC))
    call = Call(await tenants.create_tenant(context, given, "bench", "req_bench"), "bench", "req_bench")
    await catalogs.apply_catalog(context, call, catalog_given(PLAN))
    return _Bench(context, call, on.url)


async def _crowd(bench: _Bench) -> None:
    """So many others that the planner looks for one customer's rows, as it does where there are more than a few."""
    for _ in range(OTHERS):
        await bench.seat(await bench.customer())


async def _each(kind: Callable[[_Bench], Awaitable[Cost]], bench: _Bench) -> list[Cost]:
    await kind(bench)  # statements are prepared, caches are warm
    return [await kind(bench) for _ in range(TIMES)]


async def _new(bench: _Bench) -> Cost:
    id_ = await bench.customer()
    await bench.seat(id_)
    await bench.months(id_, 1)
    return await bench.cost(id_, _month(1))


async def _old(bench: _Bench) -> Cost:
    id_ = await bench.customer()
    await bench.seat(id_)
    await bench.months(id_, YEARS * 12)
    return await bench.cost(id_, _month(YEARS * 12))


async def _changed(bench: _Bench) -> Cost:
    """Each change holds from a day before the one that was asked for before it, so that most is worked out again."""
    id_ = await bench.customer()
    seat = await bench.seat(id_)
    await bench.months(id_, YEARS * 12)
    for nth in range(CHANGES):
        asked = QuantityChange(Decimal(2 + nth), billing=_month(YEARS * 12 - 6 * (nth + 1)))
        await alter(bench.context, bench.call, seat, asked, "later")
        await bill_customer(bench.context, bench.call, id_, _month(YEARS * 12 - 1))
    return await bench.cost(id_, _month(YEARS * 12))


async def _many(bench: _Bench, count: int) -> CustomerId:
    id_ = await bench.customer()
    for start in range(0, count, 500):
        wanted = [
            ImportedSubscription(id_, NewSubscription("seat", starts_on=BEGAN_ON, external_id=f"s-{nth}"))
            for nth in range(start, min(start + 500, count))
        ]
        await import_subscriptions(bench.context, bench.call, wanted)
    await analyse(bench.url)
    await bench.months(id_, 1)
    return id_


async def _one_of_many(bench: _Bench, count: int) -> list[Cost]:
    """One has a day of its own, on which no other is due."""
    id_ = await _many(bench, count)
    await bench.seat(id_, date(2025, 1, 15), 15)
    await bill_customer(bench.context, bench.call, id_, date(2025, 1, 15))
    costs = []
    for nth in range(1, 6):
        await bill_customer(bench.context, bench.call, id_, _month(nth))  # all the others are billed on the first
        costs.append(await bench.cost(id_, date(2025, nth + 1, 15)))
    return costs


async def _all_of_many(bench: _Bench, count: int) -> list[Cost]:
    return [await bench.cost(await _many(bench, count), _month(1))]


def _month(nth: int) -> date:
    return date(BEGAN_ON.year + nth // 12, nth % 12 + 1, 1)
