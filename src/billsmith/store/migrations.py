"""The small migration runner: ordered plain SQL, checksummed, one at a time. Why our own: docs/decisions/."""

import hashlib
from datetime import datetime
from pathlib import Path

import asyncpg

from billsmith.errors import Conflict
from billsmith.store.pool import DatabaseUnavailable

FOLDER = Path(__file__).parent / "migrations"

_APPLIED = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL
)
"""
# Serialises migrations among themselves only; billing never depends on it.
_ONE_AT_A_TIME = "LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE"


class MigrationChanged(Conflict):
    """A migration that was applied to this database reads differently now, or is missing here."""

    code = "migration_changed"


async def migrate(url: str, at: datetime, folder: Path = FOLDER) -> list[str]:
    """Bring the database at `url` (the owner's) up to date, each migration in a transaction; the names applied now.

    Raises MigrationChanged, DatabaseUnavailable.
    """
    try:
        connection = await asyncpg.connect(url)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise DatabaseUnavailable(f"the database can't be reached: {error}") from error
    try:
        await connection.execute(_APPLIED)
        applied = []
        while name := await _next(connection, at, folder):
            applied.append(name)
        return applied
    finally:
        await connection.close()


async def pending(connection: "asyncpg.Connection[asyncpg.Record]", folder: Path = FOLDER) -> list[str]:
    """The migrations that this database still needs, in order. Raises MigrationChanged."""
    known = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
    rows = await connection.fetch("SELECT name, checksum FROM schema_migrations") if known else []
    done = {row["name"]: row["checksum"] for row in rows}
    files = {path.name: path for path in sorted(folder.glob("*.sql"))}  # noqa: ASYNC240  a few small files
    for name, checksum in done.items():
        if name not in files:
            raise MigrationChanged(f"this database was migrated by a newer Billsmith: it has {name}")
        if checksum != _checksum(files[name]):
            raise MigrationChanged(f"migration {name} was changed after it was applied to this database")
    return [name for name in files if name not in done]


async def _next(connection: "asyncpg.Connection[asyncpg.Record]", at: datetime, folder: Path) -> str | None:
    async with connection.transaction():
        await connection.execute(_ONE_AT_A_TIME)
        waiting = await pending(connection, folder)
        if not waiting:
            return None
        path = folder / waiting[0]
        await connection.execute(path.read_text())
        await connection.execute("INSERT INTO schema_migrations VALUES ($1, $2, $3)", path.name, _checksum(path), at)
        return path.name


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
