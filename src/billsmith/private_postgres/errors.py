"""Why there is no private PostgreSQL; each error says what to do."""

from billsmith.errors import Unavailable


class PostgresNotFound(Unavailable):
    """No PostgreSQL binaries that run were found."""

    code = "postgres_not_found"
    title = "No PostgreSQL was found"


class PostgresTooOld(Unavailable):
    """All PostgreSQL binaries found are older than the oldest version we support."""

    code = "postgres_too_old"
    title = "The PostgreSQL found is too old"


class PostgresDidNotStart(Unavailable):
    """The server could not be made or started; the detail ends with what the server said."""

    code = "postgres_did_not_start"
    title = "The private PostgreSQL did not start"


class MadeByOtherPostgres(Unavailable):
    """The data folder was made by a major version for which there are no binaries."""

    code = "made_by_other_postgres"
    title = "The data was made by another PostgreSQL version"


class FolderNotOurs(Unavailable):
    """A folder we would trust is a link, belongs to someone else, or others may write to it."""

    code = "folder_not_ours"
    title = "A folder can't be trusted"
