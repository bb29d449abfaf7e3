"""The runner: in order, once, one at a time, each whole or not at all, and never on a database it doesn't know."""

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest

from billsmith.store import migrations
from billsmith.store.migrations import MigrationChanged, migrate, pending
from billsmith.store.pool import DatabaseUnavailable, open_pool
from tests.conftest import NOON
from tests.migrations.conftest import MakeDatabase

WAITS = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two small migrations, the second of which needs the first."""
    (tmp_path / "0001_one.sql").write_text("CREATE TABLE one (a integer);")
    (tmp_path / "0002_two.sql").write_text("ALTER TABLE one ADD COLUMN b integer;\nINSERT INTO one VALUES (1, 2);")
    return tmp_path


async def ask(url: str, query: str, *values: object) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query, *values)]
    finally:
        await connection.close()


async def waiting(url: str, folder: Path) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return await pending(connection, folder)
    finally:
        await connection.close()


async def test_migrations_run_in_the_order_of_their_names_and_once(empty_database: MakeDatabase, folder: Path) -> None:
    url = await empty_database()
    assert await waiting(url, folder) == ["0001_one.sql", "0002_two.sql"]
    assert await migrate(url, NOON, folder) == ["0001_one.sql", "0002_two.sql"]
    assert await migrate(url, NOON, folder) == []
    assert await ask(url, "SELECT a, b FROM one") == [(1, 2)]
    assert await ask(url, "SELECT name, length(checksum), applied_at FROM schema_migrations ORDER BY name") == [
        ("0001_one.sql", 64, NOON),
        ("0002_two.sql", 64, NOON),
    ]


async def test_a_migration_that_came_later_is_applied_to_what_is_there(
    empty_database: MakeDatabase, folder: Path
) -> None:
    url = await empty_database()
    await migrate(url, NOON, folder)
    (folder / "0003_three.sql").write_text("UPDATE one SET a = 3;")
    assert await waiting(url, folder) == ["0003_three.sql"]
    assert await migrate(url, NOON, folder) == ["0003_three.sql"]
    assert await ask(url, "SELECT a, b FROM one") == [(3, 2)]


async def test_a_migration_that_was_changed_afterwards_is_refused(empty_database: MakeDatabase, folder: Path) -> None:
    url = await empty_database()
    await migrate(url, NOON, folder)
    (folder / "0001_one.sql").write_text("CREATE TABLE one (a bigint);")
    (folder / "0003_three.sql").write_text("CREATE TABLE three (a integer);")
    with pytest.raises(MigrationChanged, match=r"0001_one\.sql"):
        await migrate(url, NOON, folder)
    assert await ask(url, "SELECT to_regclass('three')") == [(None,)]


async def test_a_database_of_a_newer_version_is_refused(empty_database: MakeDatabase, folder: Path) -> None:
    url = await empty_database()
    await migrate(url, NOON, folder)
    (folder / "0002_two.sql").unlink()
    with pytest.raises(MigrationChanged, match=r"newer Billsmith.*0002_two\.sql"):
        await migrate(url, NOON, folder)


async def test_a_failing_migration_leaves_nothing_behind_and_the_one_before_it_stays(
    empty_database: MakeDatabase, folder: Path
) -> None:
    url = await empty_database()
    (folder / "0003_three.sql").write_text("CREATE TABLE three (a integer); UPDATE one SET a = 3; SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(url, NOON, folder)
    assert await ask(url, "SELECT to_regclass('three'), a FROM one") == [(None, 1)]
    assert await waiting(url, folder) == ["0003_three.sql"]
    (folder / "0003_three.sql").write_text("UPDATE one SET a = 3;")
    assert await migrate(url, NOON, folder) == ["0003_three.sql"]


async def test_several_at_once_take_turns_and_apply_each_migration_once(
    empty_database: MakeDatabase, folder: Path
) -> None:
    for _ in range(5):
        url = await empty_database()
        applied = await asyncio.gather(*(migrate(url, NOON, folder) for _ in range(6)))
        assert sorted(name for names in applied for name in names) == ["0001_one.sql", "0002_two.sql"]


async def test_whoever_meets_another_making_the_very_first_table_waits_for_it(
    empty_database: MakeDatabase, folder: Path
) -> None:
    url = await empty_database()
    other = await asyncpg.connect(url)
    watcher = await asyncpg.connect(url)
    making = other.transaction()
    await making.start()
    await other.execute(migrations._APPLIED)
    second = asyncio.create_task(migrate(url, NOON, folder))
    await until(watcher, WAITS)
    await making.commit()
    assert await second == ["0001_one.sql", "0002_two.sql"]
    await other.close()
    await watcher.close()


async def test_one_waits_for_another_that_is_at_it(empty_database: MakeDatabase, folder: Path) -> None:
    url = await empty_database()
    (folder / "0002_two.sql").unlink()
    await migrate(url, NOON, folder)
    (folder / "0002_two.sql").write_text("SELECT pg_advisory_xact_lock(7); CREATE TABLE two (a integer);")
    gate = await asyncpg.connect(url)
    await gate.execute("SELECT pg_advisory_lock(7)")
    first = asyncio.create_task(migrate(url, NOON, folder))
    await until(gate, WAITS)
    second = asyncio.create_task(migrate(url, NOON, folder))
    await until(gate, WAITS.replace("1", "2"))
    await gate.close()
    assert await first == ["0002_two.sql"]
    assert await second == []


async def until(connection: "asyncpg.Connection[asyncpg.Record]", question: str) -> None:
    async with asyncio.timeout(30):
        while not await connection.fetchval(question):  # noqa: ASYNC110  nobody in this process could tell us
            await asyncio.sleep(0.01)


async def test_a_database_that_is_not_there_is_named(make_url: Callable[[str], str], folder: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        await migrate(make_url("billsmith_nowhere"), NOON, folder)


@pytest.fixture
async def owned_database(make_url: Callable[[str], str]) -> Any:
    """The URL of an empty database whose owner is no superuser, but may make roles."""
    name, password = f"billsmith_owner_{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    admin = await asyncpg.connect(make_url("postgres"))
    await admin.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD '{password}'")
    if await admin.fetchval("SELECT true FROM pg_roles WHERE rolname = 'billsmith_program'"):
        # One role for all databases of a server: whoever made it grants it to the next owner.
        await admin.execute(f"GRANT billsmith_program TO {name}")
    await admin.execute(f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0")
    parts = urlsplit(make_url(name))
    where = parts.netloc.rpartition("@")[2]
    yield urlunsplit(parts._replace(netloc=f"{quote(name)}:{password}@{where}"))
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.execute(f"DROP OWNED BY {name}")
    await admin.execute(f"DROP ROLE {name}")
    await admin.close()


async def test_an_owner_without_superuser_rights_migrates_and_the_program_works_under_it(owned_database: str) -> None:
    assert await migrate(owned_database, NOON) == [path.name for path in sorted(migrations.FOLDER.glob("*.sql"))]
    pool = await open_pool(owned_database)
    try:
        assert await pool.fetchval("SELECT current_user") == "billsmith_program"
        assert await pool.fetchval("SELECT count(*) FROM tenants") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute("DELETE FROM transfers")
    finally:
        await pool.close()
