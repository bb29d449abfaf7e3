"""The soak: a month of many customers in one long-lived process, with all that happens to them; what grows, and why.

Sandboxes whose clocks are put forward, beside the worker as `billsmith worker` runs it. Autovacuum stays as it is.
"""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table
from tests.money_invariants import book_agrees

from bench.measured import Figure, Measured, screen
from bench.slow_gateway import FarGateway, far_gateway
from bench.soak.people import BEGINS_ON, BILL_DAYS, ZONE, Company, fill, found
from bench.soak.sizes import LARGE, Bloat, Sizes, bloat, sizes
from bench.soak.verbs import draw
from bench.stage import Meter, Stage, stage
from billsmith.actions.advance import move_clock
from billsmith.actions.context import Context
from billsmith.actions.deliver import number_events_of
from billsmith.actions.money.attempts import opened_account
from billsmith.core.time_zones import local_midnight
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.registry import Registry
from billsmith.vault import Vault, keys_in_file
from billsmith.verify import verify
from billsmith.wiring import KEYS_FILE, make_worker

CUSTOMERS = 100_000
DAYS = 30
COMPANIES = 2
"""Their days go on side by side, as those of tenants do."""
TIMES_A_DAY = 2
"""At which people ask for something, on the hour."""
ASK_PERCENT = 1
"""Of all customers, on a day."""
SEED = 5
WARM_AFTER_DAYS = 5
"""From then on memory is to be flat: every kind of work has been done, every statement has been prepared."""
GROWTH_ASKED_MB = 64
TABLE_ASKED = 2.0
"""Of what it would be anew: a fifth may be dead before autovacuum comes, which is once a minute, in which days pass."""
INDEX_ASKED = 3.5
"""Ids of a shard, or of a tenant, come at the end of its own range: pages there are split in halves, and stay half
full. An index by status has each row twice, as open and as paid, and the few that stay open keep pages of their own."""
PER_ROW_ASKED = 1.5
"""Those reasons are there from the first day: bytes for each row of the table don't grow with days."""
SLOWER_ASKED = 1.25
SHOWN = 12
"""Tables, and indexes, the worst ones."""

wide = Console(highlight=False, width=max(screen.width, 120))


class Lasting(msgspec.Struct, frozen=True):
    """How many live through it, and for how long."""

    customers: int = CUSTOMERS
    days: int = DAYS


SOAK = Lasting()


class Day(msgspec.Struct, frozen=True):
    """What a virtual day came to."""

    nth: int
    seconds: float
    ours_cpu_seconds: float
    database_cpu_seconds: float
    documents: int
    payments: int
    refunds: int
    disputes: int
    events: int
    asked: dict[str, int]
    """Verbs done, or refused and why."""
    memory_mb: float
    """Of this process, after the day."""
    connection_mb: float
    """Of the database's largest process that serves us, without what all of them share."""
    sizes: Sizes

    @property
    def dead_percent(self) -> float:
        """Of all rows, those that are waiting for autovacuum."""
        live, dead = (sum(getattr(one, what) for one in self.sizes.tables) for what in ("live", "dead"))
        return 100 * dead / max(live + dead, 1)

    @property
    def cpu_ms_per_event(self) -> float:
        """What happens is told: whatever a day consists of, its work is in proportion to its events."""
        return 1000 * (self.ours_cpu_seconds + self.database_cpu_seconds) / max(self.events, 1)


async def soak(server_url: str, rows: int | None, lasting: Lasting | None = None) -> Measured:
    """So many days, one after the other; then the proofs, and what could be smaller."""
    of = lasting or SOAK
    if rows is not None:
        of = replace(of, customers=rows)
    with tempfile.TemporaryDirectory(prefix="billsmith-bench-") as name:
        folder = Path(name)
        async with stage(server_url, customers=1) as on:
            with far_gateway(folder) as port:
                context = replace(
                    on.context,
                    gateways=Registry({"fake": FarGateway(folder, port)}),
                    vault=Vault(keys_in_file(folder / KEYS_FILE)),
                )
                companies = [await found(context, folder, nth, SEED) for nth in range(COMPANIES)]
                for company in companies:
                    await fill(context, company, of.customers // COMPANIES, of.days)
                await _packed(on.url)
                days = await _lived(on, context, companies, of.days)
            wrong = await _against_the_books(context, folder, companies)
            report = await verify(on.url)
            tables, indexes = await bloat(on.url)
    _show_days(days)
    _show_bloat("tables", tables)
    _show_bloat("indexes", indexes)
    for one in [*wrong, *report.differences][:SHOWN]:
        screen.print(str(one), style="red", markup=False)
    return Measured(
        f"Soak of {of.customers:,} customers over {of.days} days",
        _figures(days, tables, indexes, len(wrong)),
        report.found + len(wrong),
        _details(of, days, tables, indexes),
    )


async def _packed(url: str) -> None:
    """Tables without the gaps that filling them in left: what there is of them in the end is of the days."""
    async with _reading(url) as connection:
        await connection.execute("VACUUM (FULL, ANALYZE)")
        await connection.execute("CHECKPOINT")


async def _lived(on: Stage, context: Context, companies: Sequence[Company], days: int) -> list[Day]:
    lived: list[Day] = []
    async with _working(context), _reading(on.url) as reading:
        for nth in range(1, days + 1):
            before = await _counted(reading)
            meter = await Meter.on(on.url)
            asked = await asyncio.gather(*(_day(context, company, nth, days) for company in companies))
            spent = meter.spent()
            added = {name: rows - before[name] for name, rows in (await _counted(reading)).items()}
            lived.append(
                Day(
                    nth=nth,
                    seconds=spent.seconds,
                    ours_cpu_seconds=spent.ours_cpu_seconds,
                    database_cpu_seconds=spent.database_cpu_seconds,
                    documents=added["invoices"],
                    payments=added["payments"],
                    refunds=added["refunds"],
                    disputes=added["disputes"],
                    events=added["events"],
                    asked=dict(sum(asked, Counter())),
                    memory_mb=psutil.Process().memory_info().rss / 2**20,
                    connection_mb=await _largest_connection_mb(reading),
                    sizes=await sizes(reading),
                )
            )
            screen.print("  ".join(_cells(lived[-1])), style="dim")
    return lived


async def _counted(connection: "asyncpg.Connection[Any]") -> dict[str, int]:
    """Rows as they are: the statistics lag behind by up to ten seconds."""
    return dict(await connection.fetchrow(_COUNTED) or {})


_COUNTED = """
    SELECT (SELECT count(*) FROM invoices) AS invoices, (SELECT count(*) FROM payments) AS payments,
        (SELECT count(*) FROM refunds) AS refunds, (SELECT count(*) FROM disputes) AS disputes,
        (SELECT count(*) FROM events) AS events
"""


async def _day(context: Context, company: Company, nth: int, days: int) -> Counter[str]:
    """One company's day, with what its people ask for at a few of its hours."""
    begins_at = local_midnight(BEGINS_ON + timedelta(days=nth - 1), ZONE)
    asked: Counter[str] = Counter()
    each = len(company.subscribers) * ASK_PERCENT // 100 // TIMES_A_DAY
    for hour in sorted(company.choice.sample(range(1, 23), TIMES_A_DAY)):
        await _advance(context, company, begins_at + timedelta(hours=hour))
        asked += await draw(context, company, max(1, each))
    await _advance(context, company, local_midnight(BEGINS_ON + timedelta(days=nth), ZONE) - timedelta(hours=1))
    return asked


async def _advance(context: Context, company: Company, to: datetime) -> None:
    company.tenant = (await move_clock(context, company.call("another day"), to)).fresh


@contextlib.asynccontextmanager
async def _working(context: Context) -> AsyncIterator[None]:
    """The worker with all its sweeps, in this process."""
    stop = asyncio.Event()
    working = asyncio.create_task(make_worker(context).run(stop))
    try:
        yield
    finally:
        stop.set()
        await working


@contextlib.asynccontextmanager
async def _reading(url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _largest_connection_mb(connection: "asyncpg.Connection[Any]") -> float:
    """What the database keeps for one connection: prepared statements and plans. 0 where it is on another machine."""
    largest = 0
    for row in await connection.fetch(_CONNECTIONS):
        with contextlib.suppress(psutil.Error):
            used = psutil.Process(row["pid"]).memory_info()
            largest = max(largest, used.rss - used.shared)
    return largest / 2**20


_CONNECTIONS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


async def _against_the_books(context: Context, folder: Path, companies: Sequence[Company]) -> list[str]:
    """Every difference between what we say has moved at the gateway and what its books say, by where the clocks are."""
    gateway = FakeGateway(folder)
    found: list[str] = []
    for company in companies:
        await number_events_of(context, company.tenant)
        opened = opened_account(context, company.tenant, company.account)
        moved = await gateway.movements(opened, context.clock.of(company.tenant))
        async with context.pool.acquire() as connection:
            found += await book_agrees(connection, moved, company.tenant.id)
    return found


def _figures(days: Sequence[Day], tables: Sequence[Bloat], indexes: Sequence[Bloat], wrong: int) -> list[Figure]:
    warm, last = days[min(WARM_AFTER_DAYS, len(days)) - 1], days[-1]
    billing = days[:BILL_DAYS]
    early, late = billing[WARM_AFTER_DAYS : 2 * WARM_AFTER_DAYS] or billing, billing[-WARM_AFTER_DAYS:]
    grown = last.memory_mb - warm.memory_mb
    figures = [
        Figure("all days together", sum(day.seconds for day in days), "s"),
        Figure("documents", sum(day.documents for day in days), ""),
        Figure("payments", sum(day.payments for day in days), ""),
        Figure("refunds", sum(day.refunds for day in days), ""),
        Figure("disputes", sum(day.disputes for day in days), ""),
        Figure("verbs, refused ones included", sum(sum(day.asked.values()) for day in days), ""),
        Figure(f"memory grew from day {warm.nth} to day {last.nth} by", grown, "MB", most=GROWTH_ASKED_MB),
        Figure("… that of a connection's process by", last.connection_mb - warm.connection_mb, "MB"),
        Figure("CPU per event of the last billing days", _cpu(late) / _cpu(early), "× the first's", most=SLOWER_ASKED),
        Figure("what moved at the gateway and is not ours, or not there", wrong, "", most=0),
    ]
    for what, grown_ones, most in (("table", tables, TABLE_ASKED), ("index", indexes, INDEX_ASKED)):
        if large := [one for one in grown_ones if one.is_large]:
            figures.append(Figure(f"worst {what}: {large[0].name}", large[0].factor, "× anew", most=most))
    if per_row := _grown_per_row(warm.sizes, last.sizes):
        factor, name = max(per_row)
        figures.append(Figure(f"most grown for each row: {name}", factor, f"× day {warm.nth}", most=PER_ROW_ASKED))
    return figures


def _grown_per_row(before: Sizes, after: Sizes) -> list[tuple[float, str]]:
    """Of what is large and grew with the days: bytes for each row of its table, as a multiple of before; its name."""
    rows_before, rows_after = ({one.name: one.live for one in when.tables} for when in (before, after))
    small = {one.name: one.octets for one in (*before.tables, *before.indexes)}
    tables = [(one.name, one.name, one.octets) for one in after.tables]
    indexes = [(one.name, one.table_name, one.octets) for one in after.indexes]
    return [
        (octets * rows_before[table] / (rows_after[table] * small[name]), name)
        for name, table, octets in (*tables, *indexes)
        if small[name] >= LARGE and 0 < 2 * rows_before[table] <= rows_after[table]
    ]


def _cpu(days: Sequence[Day]) -> float:
    return sum(day.ours_cpu_seconds + day.database_cpu_seconds for day in days) / sum(day.events for day in days)


def _details(of: Lasting, days: list[Day], tables: list[Bloat], indexes: list[Bloat]) -> dict[str, Any]:
    asked: Counter[str] = sum((Counter(day.asked) for day in days), Counter())
    return {
        "lasting": msgspec.to_builtins(of),
        "verbs": dict(asked.most_common()),
        "days": msgspec.to_builtins([_kept(day, of.days) for day in days]),
        "tables": msgspec.to_builtins(tables),
        "indexes": msgspec.to_builtins(indexes),
    }


def _kept(day: Day, days: int) -> Day:
    """With every table and index only where the day is shown."""
    return day if _is_shown(day, days) else replace(day, sizes=Sizes(day.sizes.octets, (), ()))


def _is_shown(day: Day, days: int) -> bool:
    return day.nth <= 3 or day.nth % 5 == 0 or day.nth == days


_COLUMNS = "day", "documents", "payments", "refunds", "disputes", "events", "s", "ms/event", "MB", "conn", "dead", "GB"


def _cells(day: Day) -> list[str]:
    return [
        str(day.nth),
        *(f"{getattr(day, name):,}" for name in ("documents", "payments", "refunds", "disputes", "events")),
        f"{day.seconds:,.1f}",
        f"{day.cpu_ms_per_event:.3f}",
        f"{day.memory_mb:,.1f}",
        f"{day.connection_mb:,.1f}",
        f"{day.dead_percent:.1f} %",
        f"{day.sizes.octets / 2**30:,.3f}",
    ]


def _show_days(days: Sequence[Day]) -> None:
    table = Table(*_COLUMNS, box=None, pad_edge=False)
    for day in days:
        if _is_shown(day, len(days)):
            table.add_row(*_cells(day))
    wide.print(table)


def _show_bloat(what: str, found: Sequence[Bloat]) -> None:
    table = Table(what, "rows", "dead", "MB", "anew", "factor", "bytes/row", box=None, pad_edge=False)
    for one in found[:SHOWN]:
        table.add_row(
            one.name,
            f"{one.rows:,}",
            f"{one.dead:,}",
            f"{one.octets / 2**20:,.2f}",
            f"{one.anew_octets / 2**20:,.2f}",
            f"{one.factor:.2f}",
            f"{one.octets / max(one.rows, 1):,.0f}",
        )
    wide.print(table)
