"""Wiring: settings → database, clock, ids → Context → apps, once per process."""

import asyncio
import contextlib
import zoneinfo
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from billsmith import private_postgres
from billsmith.actions.context import Context
from billsmith.clock import Clock
from billsmith.config import Settings
from billsmith.ids import IdMaker
from billsmith.store.clock import database_clock
from billsmith.store.migrations import migrate
from billsmith.store.pool import Pool, open_pool

if TYPE_CHECKING:
    from fastapi import FastAPI

CLOCK_READ_EVERY_SECONDS = 60

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
    only.
    """
    clock = Clock()
    if migrated and settings.database_url is None:
        await migrate(owner_url, clock.wall())
    pool = await open_pool(
        settings.database_url or owner_url, size=settings.pool_size, statement_cache=settings.statement_cache
    )
    following = None
    try:
        await database_clock(pool, clock.follow)
        following = asyncio.create_task(_follow_database_clock(pool, clock))
        yield Context(pool=pool, clock=clock, ids=IdMaker(clock.wall))
    finally:
        if following is not None:
            following.cancel()
        await pool.close()


async def _follow_database_clock(pool: Pool, clock: Clock) -> None:
    while True:
        await asyncio.sleep(CLOCK_READ_EVERY_SECONDS)
        with contextlib.suppress(OSError, TimeoutError):
            await database_clock(pool, clock.follow)


def make_api(context: Context) -> "FastAPI":
    """The HTTP application on a context."""
    from billsmith.api.app import make_app  # noqa: PLC0415  commands that serve nothing need not load the framework

    return make_app(context)
