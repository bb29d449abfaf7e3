"""Empty databases, on the server under test and on PostgreSQL 15 where that is installed."""

import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from billsmith import private_postgres
from billsmith.private_postgres import PrivateServer
from billsmith.private_postgres.binaries import every_binaries, installed_folders
from billsmith.private_postgres.placement import place

MakeDatabase = Callable[[], Awaitable[str]]
OLDEST = 15


@contextmanager
def oldest_server() -> Iterator[PrivateServer]:
    """A private server of the oldest PostgreSQL that we support, gone afterwards; skips where it isn't installed."""
    found = next((found for found in every_binaries(installed_folders(), []) if found.major == OLDEST), None)
    if found is None:
        pytest.skip(f"PostgreSQL {OLDEST} is not installed (Debian: postgresql-{OLDEST}): not tried on it")
    # Not tmp_path: as root that is closed to the user as whom the server runs.
    folder = Path(tempfile.mkdtemp(prefix="billsmith-test-")).resolve()
    folder.chmod(0o755)
    home, system_folder = folder / "home", folder / "system"
    for made in (home, system_folder):
        made.mkdir(mode=0o755)
    try:
        with private_postgres.start(home, places=[found.folder], system_folder=system_folder) as server:
            yield server
    finally:
        shutil.rmtree(place(home, system_folder).sockets, ignore_errors=True)
        shutil.rmtree(folder)


@pytest.fixture(scope="package", params=["the server under test", f"PostgreSQL {OLDEST}"])
def make_url(request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """URLs of databases, first on the server under test, then on the oldest one."""
    if request.param == "the server under test":
        yield request.getfixturevalue("server_url")
        return
    with oldest_server() as server:
        yield server.url


@pytest.fixture
async def empty_database(make_url: Callable[[str], str]) -> AsyncIterator[MakeDatabase]:
    """Makes databases with nothing in them; they are gone after the test."""
    made: list[str] = []
    admin = await asyncpg.connect(make_url("postgres"))

    async def make() -> str:
        name = f"billsmith_empty_{uuid.uuid4().hex[:12]}"
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        made.append(name)
        return make_url(name)

    yield make
    for name in made:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


def at_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
