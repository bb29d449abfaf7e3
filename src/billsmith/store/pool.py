"""Connections: opened with our codecs and role, handed back without a round trip."""

from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from billsmith.errors import Unavailable

PROGRAM_ROLE = "billsmith_program"
"""Connections act as this role, which can't change what is append-only. `migrate` makes it."""

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


class LeftInTransaction(Exception):
    """A connection came back to the pool with a transaction still open: a defect of ours. It is thrown away."""


class ProgramConnection(asyncpg.Connection):
    """Handed back as it is: our statements leave nothing behind that the costly default reset would have to clear."""

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  asyncpg's signature
        """Raises LeftInTransaction, upon which the pool closes the connection."""
        if self.is_in_transaction():
            raise LeftInTransaction


async def open_pool(url: str, *, size: int = 10, statement_cache: bool = True, timeout_seconds: float = 60) -> Pool:
    """A pool of up to `size` connections acting as the program's role. Raises DatabaseUnavailable.

    `statement_cache=False` is for a pooler such as PgBouncer between us and the database.
    """
    try:
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            init=prepare_connection,
            connection_class=ProgramConnection,
            statement_cache_size=500 if statement_cache else 0,
            # Our widest statements name every column of an invoice; the default would never cache them.
            max_cacheable_statement_size=60_000,
            max_cached_statement_lifetime=0,
            timeout=timeout_seconds,
            server_settings=session_settings(),
        )
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise DatabaseUnavailable(f"the database can't be reached: {error}") from error


def session_settings() -> dict[str, str]:
    """What every session of the program says when it connects. Plain PostgreSQL accepts the Citus setting unseen."""
    return {
        "role": PROGRAM_ROLE,
        "application_name": "billsmith",
        "timezone": "UTC",
        "citus.override_table_visibility": "off",
        "lock_timeout": "30s",
        "idle_in_transaction_session_timeout": "120s",
    }


async def prepare_connection(connection: Any) -> None:
    """jsonb travels as what msgspec reads and writes."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: _JSONB_VERSION + msgspec.json.encode(value),
        decoder=lambda octets: msgspec.json.decode(octets[1:]),
    )
