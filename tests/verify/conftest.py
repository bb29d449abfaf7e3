"""A world of its own for these tests: built once, and once more without the guards of the database."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import asyncpg
import pytest

from billsmith.clock import FixedClock
from billsmith.store.pool import open_pool
from tests.contexts import context_over
from tests.verify.world import World, build

Owner = asyncpg.Connection


@pytest.fixture(scope="session")
async def world_url(new_database: Callable[..., object]) -> str:
    """The owner's URL of a database in which the world was built."""
    return await new_database()  # type: ignore[misc]


@pytest.fixture(scope="session")
async def world(world_url: str) -> World:
    """The world, complete; nobody is connected to it."""
    clock = FixedClock(datetime(2026, 3, 15, 12, 0, tzinfo=UTC))
    pool = await open_pool(world_url)
    try:
        return await build(context_over(pool, clock), clock)
    finally:
        await pool.close()


@pytest.fixture
async def owner(world: World, world_url: str) -> AsyncIterator[Owner]:
    """The owner of the world's database, connected."""
    connection = await asyncpg.connect(world_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def unguarded_url(world: World, world_url: str, new_database: Callable[..., object]) -> str:
    """The world again, without a constraint or a generated column: whatever is planted now, only verify can see."""
    url: str = await new_database(urlsplit(world_url).path[1:])  # type: ignore[misc]
    connection = await asyncpg.connect(url)
    for text in await connection.fetch(_GUARDS):
        await connection.execute(text[0])
    await connection.close()
    return url


@pytest.fixture
async def unguarded(unguarded_url: str) -> AsyncIterator[Owner]:
    """The owner, connected to the unguarded world in a transaction that is undone."""
    connection = await asyncpg.connect(unguarded_url)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


_GUARDS = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', conrelid::regclass, conname)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'u', 'p')
UNION ALL
SELECT format('DROP INDEX IF EXISTS %s CASCADE', indexrelid::regclass) FROM pg_index
JOIN pg_class ON pg_class.oid = indrelid
WHERE relnamespace = 'public'::regnamespace AND indisunique
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
UNION ALL
SELECT format('ALTER TABLE %s ALTER COLUMN %I DROP EXPRESSION', attrelid::regclass, attname)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND attgenerated = 's'
UNION ALL
SELECT format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY', attrelid::regclass, attname)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND attidentity <> ''
"""
