"""The small migration runner: ordered plain SQL, checksummed, one at a time. Why our own: docs/decisions/."""

import contextlib
import hashlib
from datetime import datetime
from pathlib import Path

import asyncpg

from billsmith.errors import Conflict, Refused
from billsmith.store.pool import PROGRAM_ROLE, Connection, DatabaseNotMigrated, Pool, connect_as_owner, outage_named

FOLDER = Path(__file__).parent / "migrations"

_APPLIED = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL
)
"""
# Serialises migrations among themselves only; billing never depends on it.
_ONE_AT_A_TIME = "LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE"
_ROLE_EXISTS = f"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '{PROGRAM_ROLE}')"
_MAY_ACT = f"SELECT pg_has_role($1, '{PROGRAM_ROLE}', $2)"
# From 16 on a membership may be without the right to SET ROLE, as that of a role's maker is.
_FIRST_MAJOR_WITH_SET = 16


class MigrationChanged(Conflict):
    """A migration that was applied to this database reads differently now, or is missing here."""

    code = "migration_changed"


class MigrationRefused(Refused):
    """The owner's login lacks a right that a migration needs; the detail says who has to do what."""

    code = "migration_refused"


async def migrate(url: str, at: datetime, folder: Path = FOLDER, program_url: str | None = None) -> list[str]:
    """Bring the database at `url` (the owner's) up to date, each migration in a transaction; the names applied now.

    The login of `url`, and that of `program_url` if it is another one, may act as the program's role afterwards.
    Raises MigrationChanged, MigrationRefused, DatabaseUnavailable, DatabaseTooOld.
    """
    logins = [] if program_url is None else [await login_of(program_url)]
    connection = await connect_as_owner(url)
    try:
        with outage_named():
            await _ensure_role(connection, logins)
            return await _apply_all(connection, at, folder)
    finally:
        await connection.close()


async def login_of(url: str) -> str:
    """As whom one is logged in with `url`. Raises DatabaseUnavailable, DatabaseTooOld."""
    connection = await connect_as_owner(url)
    try:
        return str(await connection.fetchval("SELECT current_user"))
    finally:
        await connection.close()


async def pending(connection: Connection, folder: Path = FOLDER) -> list[str]:
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


async def require_migrated(pool: Pool) -> None:
    """Raises DatabaseNotMigrated, naming what to run, unless the database is up to date; MigrationChanged."""
    try:
        async with pool.acquire() as connection:
            waiting = await pending(connection)
    except asyncpg.InsufficientPrivilegeError:
        waiting = ["the first one"]  # made, but not yet open to the program: cut off on the way
    if waiting:
        raise DatabaseNotMigrated(
            f"the database is not up to date (missing: {', '.join(waiting)}): run `billsmith migrate`"
        )


async def _apply_all(connection: Connection, at: datetime, folder: Path) -> list[str]:
    applied: list[str] = []
    if not await pending(connection, folder):
        return applied
    try:
        # Two that start on an empty database meet here: the table is there, whoever of them made it.
        with contextlib.suppress(
            asyncpg.UniqueViolationError, asyncpg.DuplicateTableError, asyncpg.DuplicateObjectError
        ):
            await connection.execute(_APPLIED)
        while name := await _next(connection, at, folder):
            applied.append(name)
    except asyncpg.InsufficientPrivilegeError as error:
        owner = await connection.fetchval("SELECT current_user")
        raise MigrationRefused(
            f"{owner} lacks a right that migrations need ({error}). Migrate as the owner of the database "
            f"(MIGRATE_DATABASE_URL), or give it to {owner}: as a superuser, ALTER DATABASE … OWNER TO {_name(owner)}"
        ) from error
    return applied


async def _next(connection: Connection, at: datetime, folder: Path) -> str | None:
    async with connection.transaction():
        await connection.execute(_ONE_AT_A_TIME)
        waiting = await pending(connection, folder)
        if not waiting:
            return None
        path = folder / waiting[0]
        await connection.execute(path.read_text())
        await connection.execute("INSERT INTO schema_migrations VALUES ($1, $2, $3)", path.name, _checksum(path), at)
        return path.name


async def _ensure_role(connection: Connection, logins: list[str]) -> None:
    """Make the role that the program acts as, and let the owner and `logins` act as it. It is one for all databases."""
    owner = await connection.fetchval("SELECT current_user")
    members = dict.fromkeys([owner, *logins])
    wanted = [f"GRANT {PROGRAM_ROLE} TO {_name(login)}" for login in members]
    if not await connection.fetchval(_ROLE_EXISTS):
        create = f"CREATE ROLE {PROGRAM_ROLE} NOLOGIN"
        try:
            await connection.execute(create)
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            pass  # made this moment by a migration of another database
        except asyncpg.InsufficientPrivilegeError as error:
            raise _refusal(owner, f"make the role {PROGRAM_ROLE}", [create, *wanted]) from error
    right = "SET" if connection.get_server_version().major >= _FIRST_MAJOR_WITH_SET else "MEMBER"
    for login, grant in zip(members, wanted, strict=True):
        if await connection.fetchval(_MAY_ACT, login, right):
            continue
        try:
            await connection.execute(grant)
        except asyncpg.InsufficientPrivilegeError as error:
            raise _refusal(owner, f"let {login} act as {PROGRAM_ROLE}", [grant]) from error


def _refusal(owner: str, what: str, statements: list[str]) -> MigrationRefused:
    return MigrationRefused(f"{owner} may not {what}. Once, as a superuser, run: {'; '.join(statements)};")


def _name(login: str) -> str:
    return '"' + login.replace('"', '""') + '"'


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
