"""Wiring: settings → database, clock, ids → Context → apps, once per process."""

import asyncio
import contextlib
import importlib
import threading
import zoneinfo
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import msgspec

from billsmith import private_postgres
from billsmith.actions.context import Context
from billsmith.clock import Clock
from billsmith.config import Settings
from billsmith.errors import BillsmithError
from billsmith.gateways.external import ExternalGateway
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.registry import Registry, load_gateways
from billsmith.ids import IdMaker
from billsmith.store import databases, migrations
from billsmith.store.clock import database_clock
from billsmith.store.packing import id_of_bytes
from billsmith.store.pool import DatabaseUnavailable, Pool, connect_as_owner, open_pool
from billsmith.vault import Vault, keys_in_file

if TYPE_CHECKING:
    from fastapi import FastAPI

    from billsmith.worker.loop import Worker

CLOCK_READ_EVERY_SECONDS = 60
FAKE_BOOKS = "fake-gateway"
KEYS_FILE = "secret-keys"
EXAMINE_TIMEOUT_SECONDS = 10
POOL_CLOSE_SECONDS = 5
"""How long connections may take to come back before they are cut."""

# Local dates must not depend on which time-zone data a machine has: only the pinned tzdata package counts.
zoneinfo.reset_tzpath(to=())


@contextlib.contextmanager
def open_database(settings: Settings) -> Iterator[str]:
    """The owner's URL of the database: DATABASE_URL, or a private server that is held while this is open."""
    if settings.database_url is not None:
        yield settings.migrate_database_url or settings.database_url
        return
    with private_postgres.start(settings.home) as server:
        yield server.url()


@contextlib.asynccontextmanager
async def open_context(settings: Settings, owner_url: str, *, migrated: bool = True) -> AsyncIterator[Context]:
    """A Context on a database that `open_database` gave.

    `migrated` brings a private database up to date first; one named by DATABASE_URL is migrated by `billsmith migrate`
    only, and refused until then. Raises DatabaseUnavailable, DatabaseNotMigrated, MigrationChanged, DatabaseTooOld.
    """
    clock = Clock()
    if migrated and settings.database_url is None:
        await migrations.migrate(owner_url, clock.wall())
    pool = await open_pool(
        settings.database_url or owner_url, size=settings.pool_size, statement_cache=settings.statement_cache
    )
    try:
        if migrated and settings.database_url is not None:
            await migrations.require_migrated(pool)
        await database_clock(pool, clock.follow)
        async with _following(pool, clock):
            yield Context(
                pool=pool,
                clock=clock,
                ids=IdMaker(clock.wall, made_of=id_of_bytes),
                gateways=gateways_of(settings),
                vault=vault_of(settings),
            )
    except asyncio.CancelledError:
        pool.terminate()  # quitting at once waits for no query
        raise
    finally:
        await _close(pool)


def gateways_of(settings: Settings) -> Registry:
    """The built-in gateways and those of plugins. The fake one keeps its books in `home`."""
    return load_gateways([FakeGateway(settings.home / FAKE_BOOKS), ExternalGateway()])


def vault_of(settings: Settings) -> Vault:
    """The vault with the keys that are set, or else with those of a file in `home`. Raises SecretKeysInvalid."""
    if settings.secret_keys:
        return Vault(settings.secret_keys)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Vault(keys_in_file(settings.home / KEYS_FILE))


async def migrate_database(settings: Settings, owner_url: str) -> list[str]:
    """Bring the database up to date as its owner; the migrations applied now, none if it was.

    Raises DatabaseUnavailable, DatabaseTooOld, MigrationChanged, MigrationRefused.
    """
    program_url = settings.database_url if settings.migrate_database_url is not None else None
    return await migrations.migrate(owner_url, Clock().wall(), program_url=program_url)


async def pending_migrations(owner_url: str) -> list[str]:
    """What `migrate_database` would apply. Raises DatabaseUnavailable, DatabaseTooOld, MigrationChanged."""
    connection = await connect_as_owner(owner_url)
    try:
        return await migrations.pending(connection)
    finally:
        await connection.close()


class DatabaseState(msgspec.Struct, frozen=True):
    """What `doctor` asks of a database that answers."""

    version: str
    pending: list[str]
    """Migrations that it still needs."""
    refusal: BillsmithError | None
    """Why the program can't work on it, as seen by the program's own login."""
    clock_offset_seconds: float
    """How far the database's clock is ahead of this machine's."""


async def examine_database(settings: Settings, owner_url: str) -> DatabaseState:
    """How a database is. Raises DatabaseUnavailable, DatabaseTooOld, MigrationChanged."""
    connection = await connect_as_owner(owner_url, EXAMINE_TIMEOUT_SECONDS)
    try:
        version = connection.get_server_version()
        waiting = await migrations.pending(connection)
        followed = Clock()
        await database_clock(connection, followed.follow)
        offset = followed.wall() - Clock().wall()
    finally:
        await connection.close()
    refusal: BillsmithError | None = None
    try:
        async with open_context(settings, owner_url, migrated=False):
            pass
    except BillsmithError as error:
        refusal = error
    return DatabaseState(f"{version.major}.{version.micro}", waiting, refusal, offset.total_seconds())


@contextlib.asynccontextmanager
async def _following(pool: Pool, clock: Clock) -> AsyncIterator[None]:
    following = asyncio.create_task(_follow_database_clock(pool, clock), name="database clock")
    try:
        yield
    finally:
        following.cancel()
        await asyncio.wait([following])


async def make_database_anew(server_url: str, name: str) -> str:
    """The URL of an empty database of this name beside the one named; one that was there is gone.

    Raises DatabaseUnavailable, DatabaseNotMade.
    """
    return await databases.make_anew(server_url, name)


async def remove_database(server_url: str, name: str) -> None:
    """Drop a database that `make_database_anew` made. Raises DatabaseUnavailable, DatabaseNotMade."""
    await databases.remove(server_url, name)


async def refresh_statistics(owner_url: str) -> None:
    """Let plans be made by how many invoices there are now. Raises DatabaseUnavailable, DatabaseTooOld."""
    await databases.refresh_statistics(owner_url)


async def _follow_database_clock(pool: Pool, clock: Clock) -> None:
    while True:
        await asyncio.sleep(CLOCK_READ_EVERY_SECONDS)
        with contextlib.suppress(DatabaseUnavailable):  # the last offset known stays the best one
            await database_clock(pool, clock.follow)


async def _close(pool: Pool) -> None:
    with contextlib.suppress(TimeoutError):  # what is left of it was cut then
        await asyncio.wait_for(pool.close(), POOL_CLOSE_SECONDS)


def make_api(context: Context, settings: Settings) -> "FastAPI":
    """The HTTP application on a context."""
    from billsmith.api.app import make_app  # noqa: PLC0415  commands that serve nothing need not load the framework

    return make_app(context, requests_per_second=settings.rate_limit)


def preload_api() -> None:
    """Load the framework aside, while this thread waits for the database: it takes longer than anything else."""
    threading.Thread(target=importlib.import_module, args=("billsmith.api.app",), daemon=True).start()


def make_worker(context: Context) -> "Worker":
    """The worker on a context, with every sweep there is."""
    from billsmith.worker.loop import Worker  # noqa: PLC0415  only who works needs the metrics and logs

    return Worker(context)
