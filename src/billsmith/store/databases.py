"""Whole databases, for those who have a server to themselves."""

from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from billsmith.errors import Refused
from billsmith.store.pool import connect_as_owner, outage_named


class DatabaseNotMade(Refused):
    """The server does not let this user make or remove a database."""

    code = "database_not_made"


async def make_anew(server_url: str, name: str) -> str:
    """The URL of an empty database of this name; one that was there is gone. Raises DatabaseNotMade."""
    await remove(server_url, name)
    await _execute(server_url, f"CREATE DATABASE {_quoted(name)}")
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{quote(name, safe='')}"))


async def remove(server_url: str, name: str) -> None:
    """Drop the database, whoever is connected to it; nothing happens if there is none. Raises DatabaseNotMade."""
    await _execute(server_url, f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")


async def _execute(server_url: str, statement: str) -> None:
    connection = await connect_as_owner(server_url)
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError as error:
        raise DatabaseNotMade(f"the server refuses this: {error}") from error
    finally:
        await connection.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def refresh_statistics(url: str) -> None:
    """Let the server count invoices anew and plan by it; one that counts already, or for its owner only, is left alone.

    The server does so by itself, but a minute late. Raises DatabaseUnavailable, DatabaseTooOld.
    """
    connection = await connect_as_owner(url)
    try:
        with outage_named():
            await connection.execute("ANALYZE (SKIP_LOCKED) invoices")
    finally:
        await connection.close()
