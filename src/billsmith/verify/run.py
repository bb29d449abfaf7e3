"""Running the checks: in one snapshot of the database, over two connections, a bounded number of differences kept."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from billsmith.errors import Conflict, Unavailable
from billsmith.verify.reading import Check, read_checks
from billsmith.verify.report import CheckResult, Difference, Progress, Report

if TYPE_CHECKING:  # the stubs know these as generic, the classes themselves are not
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Connection = asyncpg.Connection

CONNECTIONS = 2
SHOWN = 100
"""Differences kept per check; the others are counted."""

# Right after an import there are no statistics, and a nested loop over tables thought empty would not end. The memory
# is per hash or sort, of which a check has few. Nothing here may be cut off because a check takes its time.
_SETTINGS = """
SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '64MB'; SET LOCAL jit = off; SET LOCAL timezone = 'UTC';
SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0
"""
_FIRST_DIFFERENCES = """
SELECT tenant_id, object, figure, expected, stored, count(*) OVER () AS found
FROM (
{check}
) AS differences
ORDER BY tenant_id, object, figure
LIMIT $2
"""
_TABLES = """
SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema = current_schema() AND column_name = 'tenant_id' AND table_type = 'BASE TABLE' ORDER BY table_name
"""
_COUNT = "SELECT count(*) FROM {table} WHERE $1::uuid IS NULL OR tenant_id = $1"


class DatabaseUnreadable(Unavailable):
    """The database can't be reached, went away, or this user may not read all of it."""

    code = "database_unreadable"


class SchemaUnknown(Conflict):
    """The database lacks a table or column that the checks of this version read."""

    code = "schema_unknown"


async def verify(
    database: str | Connection,
    *,
    tenant_id: UUID | None = None,
    on_check: Callable[[CheckResult], None] = lambda result: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Report:
    """Every difference between a stored figure and the rows it comes from, of one tenant or of all.

    Given a URL, its user must be able to read every table; the checks run side by side in one snapshot, so a running
    system gives no false difference. Given a connection, they run on it one after the other, in its own transaction if
    one is open. `on_check` hears of each check as it ends, `on_progress` of each that begins or ends.
    Raises DatabaseUnreadable, SchemaUnknown.
    """
    began = time.monotonic()
    rows: dict[str, int] = {}
    results: list[CheckResult] = []

    async def work(connection: Connection, course: _Course) -> None:
        while (check := course.next()) is not None:
            results.append(await _run(connection, check, tenant_id))
            course.end(check)
            on_check(results[-1])

    try:
        async with _one_snapshot(database) as connections:
            rows = await _count_rows(connections[0], tenant_id)
            course = _Course(read_checks(), rows, on_progress)
            await _side_by_side([work(connection, course) for connection in connections])
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise SchemaUnknown(
            f"this is not the schema that is to be verified; run `billsmith migrate`: {error}"
        ) from error
    except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError) as error:
        raise DatabaseUnreadable(f"the database can't be verified: {error}") from error
    return Report(tuple(sorted(results, key=lambda result: result.name)), rows, time.monotonic() - began)


class _Course:
    """The checks still to be run, those that read most first, so that none is left running alone at the end."""

    def __init__(self, checks: list[Check], rows: dict[str, int], on_progress: Callable[[Progress], None]) -> None:
        self._rows = {check: check.rows_read(rows) for check in checks}
        self._waiting = deque(sorted(checks, key=lambda check: -self._rows[check]))
        self._under_way: list[Check] = []
        self._ended: list[Check] = []
        self._on_progress = on_progress

    def next(self) -> Check | None:
        """The next one, which is under way from now on; None: there is no other."""
        if not self._waiting:
            return None
        self._under_way.append(self._waiting.popleft())
        self._tell()
        return self._under_way[-1]

    def end(self, check: Check) -> None:
        """It is done."""
        self._under_way.remove(check)
        self._ended.append(check)
        self._tell()

    def _tell(self) -> None:
        read = sum(self._rows[check] for check in self._ended)
        names = tuple(check.name for check in self._under_way)
        self._on_progress(Progress(len(self._ended), len(self._rows), read, sum(self._rows.values()), names))


@asynccontextmanager
async def _one_snapshot(database: str | Connection) -> AsyncIterator[list[Connection]]:
    """Connections that all see the same instant, and can change nothing."""
    async with AsyncExitStack() as stack:
        if not isinstance(database, str):
            if not database.is_in_transaction():
                await stack.enter_async_context(database.transaction(isolation="repeatable_read", readonly=True))
                await database.execute(_SETTINGS)
            yield [database]
            return
        connections = [await _connect(database, stack) for _ in range(CONNECTIONS)]
        snapshot = await connections[0].fetchval("SELECT pg_export_snapshot()")
        for other in connections[1:]:
            await other.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        for connection in connections:
            await connection.execute(_SETTINGS)
        yield connections


async def _connect(url: str, stack: AsyncExitStack) -> Connection:
    connection: Connection = await asyncpg.connect(url, statement_cache_size=0)
    stack.push_async_callback(connection.close)
    await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
    return connection


async def _side_by_side(work: list[Coroutine[None, None, None]]) -> None:
    """Do all of it; when one part fails, the others are stopped before its error is passed on."""
    tasks = [asyncio.ensure_future(part) for part in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run(connection: Connection, check: Check, tenant_id: UUID | None) -> CheckResult:
    began = time.monotonic()
    rows = await connection.fetch(_FIRST_DIFFERENCES.format(check=check.sql), tenant_id, SHOWN)
    found = rows[0]["found"] if rows else 0
    differences = tuple(Difference(check.name, *tuple(row)[:5]) for row in rows)
    return CheckResult(check.name, check.proves, found, differences, time.monotonic() - began)


async def _count_rows(connection: Connection, tenant_id: UUID | None) -> dict[str, int]:
    tables = [row["table_name"] for row in await connection.fetch(_TABLES)]
    return {table: await connection.fetchval(_COUNT.format(table=table), tenant_id) for table in tables}
