"""The transaction: begun and ended here for every verb, repeated when the database asks for it, alone in this context.

Nothing may be sent to the outside while one is open: `no_transaction_open` is asserted around every such call.
"""

import asyncio
import random  # noqa: TID251  only to spread retries; nothing is decided by it
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

import asyncpg

from billsmith.errors import Conflict
from billsmith.store.pool import Connection, DatabaseUnavailable, Pool, outage_named

ATTEMPTS = 8
"""A deadlock or serialization error repeats the whole transaction so often, then it is the caller's."""

T = TypeVar("T")


class DatabaseRefused(Conflict):
    """A constraint, the last line of defence, refused what the rules had let through; nothing was stored."""

    code = "database_refused"


class CommitUnknown(DatabaseUnavailable):
    """The connection was lost during the commit, so whether this was stored is not known: look before trying again."""

    code = "commit_unknown"


class MustRepeat(Exception):
    """What was read under the locks was overtaken after all: roll back and do the whole transaction again."""


_open: ContextVar[bool] = ContextVar("transaction_open", default=False)


async def transact(pool: Pool, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run `work` in one transaction and commit; `work` may run several times and must only touch the connection.

    Raises what `work` raises (rolled back, nothing stored), DatabaseRefused, DatabaseUnavailable when the connection
    was lost, CommitUnknown when that was too late to know whether this is stored.
    """
    assert not _open.get(), "a transaction is already open here"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with outage_named():
                return await _once(pool, work)
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, MustRepeat):
            if attempt == ATTEMPTS:
                raise DatabaseUnavailable("the database was too busy with this object; try again") from None
            await asyncio.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311  no secret
        except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
            raise DatabaseRefused(f"the database refused this: {error}") from error
        except ValueError as error:
            if not isinstance(error, asyncpg.InterfaceError):
                raise
            raise DatabaseRefused(f"a value does not fit into the database: {error}") from error
        except asyncpg.LockNotAvailableError as error:
            raise DatabaseUnavailable("this object is being worked on; try again") from error
    raise AssertionError("unreachable")


def no_transaction_open() -> None:
    """Asserts that nothing is sent outside while a transaction, and so a lock, is held here."""
    assert not _open.get(), "no call to the outside while a transaction is open"


async def _once(pool: Pool, work: Callable[[Connection], Awaitable[T]]) -> T:
    worked = False
    async with pool.acquire() as connection:
        try:
            async with connection.transaction():
                token = _open.set(True)
                try:
                    result = await work(connection)
                finally:
                    _open.reset(token)
                worked = True
        except (
            OSError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            asyncpg.PostgresConnectionError,
            asyncpg.OperatorInterventionError,
        ) as error:
            if not worked:
                raise
            raise CommitUnknown(f"the database went away while this was stored: {error}") from error
    return result
