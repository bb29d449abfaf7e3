"""Making the cluster: initdb in a folder of its own, which gets its final name when everything is in it."""

import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from billsmith.private_postgres.binaries import Binaries
from billsmith.private_postgres.errors import MadeByOtherPostgres, PostgresDidNotStart
from billsmith.private_postgres.placement import Placement
from billsmith.private_postgres.settings import INCLUDE

ROLE = "billsmith"
# From 17 on PostgreSQL brings its own C.UTF-8, which sorts alike on every platform and with every C library.
FIRST_MAJOR_WITH_BUILTIN_LOCALE = 17


def made_by_major(data_directory: Path) -> int | None:
    """The major version whose initdb made the data folder; None if there is none.

    Raises PostgresDidNotStart if a cluster is there whose data folder doesn't say.
    """
    if not data_directory.parent.is_dir():
        return None
    try:
        return int((data_directory / "PG_VERSION").read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError) as trouble:
        raise PostgresDidNotStart(
            f"{data_directory} is not a whole PostgreSQL data folder: its PG_VERSION can't be read. Restore it from a "
            f"backup, or move {data_directory.parent} out of the way to begin with an empty one. Nothing was changed."
        ) from trouble


def require_same_major(data_directory: Path, binaries: Binaries) -> None:
    """Raises MadeByOtherPostgres if the data folder was made by another major version."""
    made_by = made_by_major(data_directory)
    if made_by in (None, binaries.major):
        return
    raise MadeByOtherPostgres(
        f"The data in {data_directory} was made by PostgreSQL {made_by}, and only {binaries.version} was found "
        f"({binaries.folder}). To go on with this data, install PostgreSQL {made_by} as well: it is then used. "
        f"To move to {binaries.major}: with {made_by} in use, write everything to a file with pg_dumpall, move "
        f"{data_directory.parent} out of the way, take {made_by} away, start again and load the file with psql. "
        "Nothing was changed."
    )


def make_cluster(placement: Placement, binaries: Binaries) -> None:
    """Make the cluster with its password; a crash on the way leaves nothing that is ever used.

    Raises PostgresDidNotStart with what initdb said.
    """
    for left in placement.storage.glob("making-*"):
        shutil.rmtree(left, ignore_errors=True)
    # A new name each time: an initdb that outlived its caller may still be writing into the old one.
    making = Path(tempfile.mkdtemp(prefix="making-", dir=placement.storage))
    placement.account.give_folder(making)
    try:
        _fill(making, placement, binaries)
        making.rename(placement.cluster)
    finally:
        shutil.rmtree(making, ignore_errors=True)  # there only if something went wrong
    _sync(placement.storage)


def _fill(making: Path, placement: Placement, binaries: Binaries) -> None:
    placement.account.write(making / "password", secrets.token_urlsafe(32) + "\n")
    done = placement.account.run([binaries.program("initdb"), *_options(binaries.major)], making)
    if done.status != 0:
        raise PostgresDidNotStart(f"initdb could not make the cluster in {making}:\n{done.said}")
    placement.account.append(making / "data" / "postgresql.conf", INCLUDE)


def _options(major: int) -> list[str]:
    locale = ["--locale=C.UTF-8"]
    if major >= FIRST_MAJOR_WITH_BUILTIN_LOCALE:
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [
        *("-D", "data", f"--username={ROLE}", "--pwfile=password", "--encoding=UTF8", *locale),
        *("--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--data-checksums", "--no-instructions"),
    ]


def _sync(folder: Path) -> None:
    """Make the new name in `folder` outlive a power cut."""
    if sys.platform == "win32":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
