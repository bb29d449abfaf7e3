"""Connections: opened with our codecs and role, handed back without a round trip."""

import contextlib
import socket
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from billsmith.errors import Unavailable

PROGRAM_ROLE = "billsmith_program"
"""Connections act as this role, which can't change what is append-only. `migrate` makes it."""

OLDEST_MAJOR = 15
"""The oldest PostgreSQL whose SQL is ours."""

if TYPE_CHECKING:  # the stubs know these as generic, the classes themselves are not
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

_JSONB_VERSION = b"\x01"


class DatabaseUnavailable(Unavailable):
    """PostgreSQL can't be reached, or went away in the middle; nothing of this request was stored."""

    code = "database_unavailable"


class DatabaseTooOld(Unavailable):
    """The server is older than the oldest PostgreSQL we support."""

    code = "database_too_old"


class DatabaseNotMigrated(Unavailable):
    """The database is not, or not fully, prepared for this version of Billsmith; `billsmith migrate` does that."""

    code = "database_not_migrated"


class LeftInTransaction(Exception):
    """A connection came back to the pool with a transaction still open: a defect of ours. It is thrown away."""


class ProgramConnection(asyncpg.Connection):
    """Handed back as it is: our statements leave nothing behind that the costly default reset would have to clear."""

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  asyncpg's signature
        """Raises LeftInTransaction, upon which the pool closes the connection."""
        if self.is_in_transaction():
            raise LeftInTransaction


class ProgramPool(asyncpg.Pool):
    """What is read outside a transaction names an outage as transactions do: DatabaseUnavailable."""

    async def release(self, connection: Any, **options: Any) -> None:
        """Hand a connection back. One that a dying server leaves behind is closed, and what went wrong stays said."""
        failing = sys.exc_info()[1] is not None
        try:
            await super().release(connection, **options)
        except asyncpg.InternalClientError:  # it was lost just now: there is nothing to hand back
            pass
        except LeftInTransaction:
            if not failing:
                raise

    async def execute(self, *args: Any, **options: Any) -> str:
        with outage_named():
            return await super().execute(*args, **options)

    async def fetch(self, *args: Any, **options: Any) -> Any:
        with outage_named():
            return await super().fetch(*args, **options)

    async def fetchrow(self, *args: Any, **options: Any) -> Any:
        with outage_named():
            return await super().fetchrow(*args, **options)

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        with outage_named():
            return await super().fetchval(*args, **options)


async def open_pool(url: str, *, size: int = 10, statement_cache: bool = True, timeout_seconds: float = 60) -> Pool:
    """A pool of up to `size` connections acting as the program's role.

    `statement_cache=False` is for a pooler such as PgBouncer between us and the database.

    Raises DatabaseUnavailable, DatabaseNotMigrated where that role is missing, DatabaseTooOld.
    """
    with refusal_named():
        return await ProgramPool(
            url,
            init_size=1,  # connects now, so that who can't says so now
            min_size=0,  # no floor: in an outage the pool would try by itself, with a traceback every time
            max_size=size,
            max_queries=50_000,
            max_inactive_connection_lifetime=300,
            loop=None,
            init=prepare_connection,
            connection_class=ProgramConnection,
            record_class=asyncpg.Record,
            statement_cache_size=500 if statement_cache else 0,
            # Our widest statements name every column of an invoice; the default would never cache them.
            max_cacheable_statement_size=60_000,
            max_cached_statement_lifetime=0,
            timeout=timeout_seconds,
            server_settings=session_settings(),
        )


async def connect_as_owner(url: str, timeout_seconds: float = 60) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection with the rights of its login, for migrations. Raises DatabaseUnavailable, DatabaseTooOld."""
    with refusal_named():
        connection = await asyncpg.connect(url, timeout=timeout_seconds)
    try:
        require_version(connection)
    except DatabaseTooOld:
        await connection.close()
        raise
    return connection


@contextlib.contextmanager
def outage_named() -> Iterator[None]:
    """Inside it a lost connection, or a server that stops or has no room for one more, is DatabaseUnavailable."""
    try:
        yield
    except (
        OSError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # what the driver says of a connection that the server is just dropping
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError,
        asyncpg.IdleInTransactionSessionTimeoutError,  # this process was stopped for so long that its locks were taken
    ) as error:
        if isinstance(error, ValueError):  # an argument that asyncpg can't encode is a defect of ours
            raise
        raise DatabaseUnavailable(f"the database went away: {error}") from error


@contextlib.contextmanager
def refusal_named() -> Iterator[None]:
    """While connecting: what refused us, and what to do about it."""
    try:
        yield
    except ValueError as error:
        # Without what it says: where a URL can't be taken apart, the part it names may be of the password.
        raise DatabaseUnavailable(
            "the database's URL can't be read: postgresql://user:password@host:5432/database is needed, with special "
            "characters in the password written as %40 for @ and so on"
        ) from error
    except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError) as error:
        raise DatabaseNotMigrated(
            f"this login can't act as the role {PROGRAM_ROLE} ({error}): run `billsmith migrate`"
        ) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        said = str(error) or "no answer in time"
        raise DatabaseUnavailable(f"the database can't be reached: {said}") from error


def require_version(connection: Any) -> None:
    """Raises DatabaseTooOld unless the server is new enough."""
    major = connection.get_server_version().major
    if major < OLDEST_MAJOR:
        raise DatabaseTooOld(f"the database is PostgreSQL {major}; Billsmith needs {OLDEST_MAJOR} or newer")


def session_settings() -> dict[str, str]:
    """What every session of the program says when it connects. Plain PostgreSQL accepts the Citus setting unseen.

    A process that stops answering, or whose machine is gone, loses its locks. Why so: docs/decisions/0027
    """
    return {
        "role": PROGRAM_ROLE,
        "application_name": "billsmith",
        "timezone": "UTC",
        "citus.override_table_visibility": "off",
        "lock_timeout": "30s",
        "idle_in_transaction_session_timeout": "120s",
        "statement_timeout": "600s",  # one that waits for rows of a COPY is not idle
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
    }


def keep_alive(of: Any) -> None:
    """Notice within a minute that the peer's machine is gone, not after the two hours of most systems."""
    if of is None or of.family == getattr(socket, "AF_UNIX", None):
        return
    of.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):  # not every system has all of them
            of.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def prepare_connection(connection: Any) -> None:
    """jsonb travels as what msgspec reads and writes, and a dead peer is noticed. Raises DatabaseTooOld."""
    require_version(connection)
    keep_alive(connection._transport.get_extra_info("socket"))  # asyncpg has no other way to it
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: _JSONB_VERSION + msgspec.json.encode(value),
        decoder=lambda octets: msgspec.json.decode(octets[1:]),
    )
