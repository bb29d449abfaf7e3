"""Where a bench runs: a database made anew, with one tenant, its key and its customers."""

import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator

import asyncpg
import msgspec
import psutil

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.imports import import_customers
from billsmith.config import Settings, settings_from
from billsmith.core.customers import CustomerDetails
from billsmith.core.parties import Address, Party
from billsmith.core.tenants import NewTenant, Scope
from billsmith.verify import verify
from billsmith.wiring import make_database_anew, open_context, open_database, remove_database

DATABASE = "billsmith_bench"
CUSTOMERS = 1000
CITIES = ("Berlin", "Hamburg", "München", "Köln", "Leipzig")


class Stage(msgspec.Struct, frozen=True):
    """A migrated database of its own, and who acts in it."""

    url: str
    settings: Settings
    context: Context
    call: Call
    secret: str
    customers: tuple[str, ...]
    """External ids."""


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of the database that DATABASE_URL names, or of the private one; benches have their own beside it."""
    with open_database(settings_from()) as url:
        yield url


@contextlib.asynccontextmanager
async def stage(server_url: str, customers: int = CUSTOMERS) -> AsyncIterator[Stage]:
    """A stage set up anew, and taken down at the end."""
    url = await make_database_anew(server_url, DATABASE)
    settings = msgspec.structs.replace(settings_from(), database_url=None)  # ours alone: migrated, used as its owner
    try:
        async with open_context(settings, url) as context:
            yield await _peopled(url, settings, context, customers)
    finally:
        await remove_database(server_url, DATABASE)


async def _peopled(url: str, settings: Settings, context: Context, customers: int) -> Stage:
    seller = Party(
        "The Bench Company GmbH", Address(line1="Hauptstr. 1", postal_code="10115", city="Berlin", country="DE")
    )
    given = NewTenant(name="Bench", currency="EUR", time_zone="Europe/Berlin", seller=seller)
    tenant = await tenants.create_tenant(context, given, "bench", "req_bench")
    call = Call(tenant, "bench", "req_bench")
    key = (await tenants.create_key(context, call, "bench", [Scope.ADMIN])).fresh
    people = [
        CustomerDetails(
            name=f"Customer {nth}",
            external_id=f"c-{nth}",
            emails=(f"billing@customer-{nth}.example",),
            address=Address(line1=f"Ringstr. {nth}", postal_code=f"{10_000 + nth}", city=CITIES[nth % len(CITIES)]),
        )
        for nth in range(customers)
    ]
    for start in range(0, customers, 1000):
        await import_customers(context, call, people[start : start + 1000])
    return Stage(url, settings, context, call, key.secret, tuple(str(one.external_id) for one in people))


async def conditions(url: str) -> dict[str, object]:
    """What every figure depends on: the machine's size, how durable a commit is, and every index."""
    connection = await asyncpg.connect(url)
    try:
        shown = {
            name: await connection.fetchval(f"SHOW {name}")
            for name in ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
        }
        rows = await connection.fetch(
            "SELECT tablename, array_agg(indexname::text ORDER BY indexname) AS names FROM pg_indexes"
            " WHERE schemaname = 'public' GROUP BY tablename ORDER BY tablename"
        )
    finally:
        await connection.close()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine: dict[str, object] = {"cores": os.cpu_count(), "memory_gb": round(memory)}
    return machine | shown | {"indexes": {row["tablename"]: list(row["names"]) for row in rows}}


class Spent(msgspec.Struct, frozen=True):
    """Wall time, and the CPU time of our processes and of the database's, all that they started included."""

    seconds: float
    ours_cpu_seconds: float
    database_cpu_seconds: float

    @property
    def cpu_seconds(self) -> float:
        """Of both."""
        return self.ours_cpu_seconds + self.database_cpu_seconds


class Meter:
    """Reads what was spent since it was made, where the database is on this machine; processes have to have ended."""

    def __init__(self, postmaster: psutil.Process | None) -> None:
        self._postmaster = postmaster
        self._began = self._now()

    @classmethod
    async def on(cls, url: str) -> "Meter":
        """A meter that begins now."""
        connection = await asyncpg.connect(url)
        try:
            local = await connection.fetchval(
                "SELECT inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8'"
            )
            backend = await connection.fetchval("SELECT pg_backend_pid()")
            return cls(psutil.Process(backend).parent() if local else None)
        except psutil.Error:
            return cls(None)
        finally:
            await connection.close()

    def spent(self) -> Spent:
        """So far."""
        return Spent(*(now - before for now, before in zip(self._now(), self._began, strict=True)))

    def _now(self) -> tuple[float, float, float]:
        own = os.times()
        ours = own.user + own.system + own.children_user + own.children_system
        return time.perf_counter(), ours, _cpu_of(self._postmaster)


def _cpu_of(postmaster: psutil.Process | None) -> float:
    """Of a server: of its processes that live, and of those that have ended."""
    if postmaster is None:
        return 0.0
    total = sum(postmaster.cpu_times()[:4])
    for process in postmaster.children():
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:2])
    return float(total)


async def differences(stage: Stage) -> int:
    """How many stored figures `verify` can't prove. Outside of everything that is timed."""
    return (await verify(stage.url)).found


async def analyse(url: str) -> None:
    """Statistics and hint bits as they are on a database that has been running for a while."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
