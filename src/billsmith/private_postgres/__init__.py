"""A private PostgreSQL in the user's data directory, so that nothing has to be set up."""

from billsmith.private_postgres.binaries import Binaries, find_binaries
from billsmith.private_postgres.errors import (
    FolderNotOurs,
    MadeByOtherPostgres,
    PostgresDidNotStart,
    PostgresNotFound,
    PostgresTooOld,
)
from billsmith.private_postgres.server import PrivateServer, start

__all__ = [
    "Binaries",
    "FolderNotOurs",
    "MadeByOtherPostgres",
    "PostgresDidNotStart",
    "PostgresNotFound",
    "PostgresTooOld",
    "PrivateServer",
    "find_binaries",
    "start",
]
