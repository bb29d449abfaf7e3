"""The one query that may ask what time it is."""

from collections.abc import Callable
from datetime import datetime

from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("clock")


async def database_clock(connection: Connection | Pool, follow: Callable[[datetime], None]) -> None:
    """Tell `follow` the database's time, as near to the answer as can be."""
    follow(await connection.fetchval(_SQL["database_clock"]))
