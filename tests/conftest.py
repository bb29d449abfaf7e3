"""What tests stand on: a PostgreSQL, a migrated template cloned per worker, a fixed clock, a fresh tenant per test."""

import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from billsmith import private_postgres
from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.clock import FixedClock
from billsmith.config import settings_from
from billsmith.core.tenants import NewTenant, Tenant
from billsmith.gateways.external import ExternalGateway
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.registry import Registry, load_gateways
from billsmith.ids import IdMaker
from billsmith.store import migrations
from billsmith.store.pool import Pool, open_pool
from billsmith.vault import Vault
from tests.contexts import TEST_KEY

NOON = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
TEST_HOME = Path("~/.cache/billsmith-tests").expanduser()
"""The private server of the tests: kept between runs, so that only the first one pays for initdb."""


@pytest.fixture(scope="session")
def server_url() -> Iterator[Callable[[str], str]]:
    """URLs of databases on the server under test: DATABASE_URL's, or a private one."""
    given = settings_from().database_url
    with ExitStack() as stack:
        if given is not None:
            yield lambda database: urlunsplit(urlsplit(given)._replace(path=f"/{database}"))
            return
        server = stack.enter_context(private_postgres.start(TEST_HOME))
        yield server.url


@pytest.fixture(scope="session")
async def template(server_url: Callable[[str], str]) -> str:
    """A database with our schema and nothing in it, made once per version of the migrations."""
    text = b"".join(path.read_bytes() for path in sorted(migrations.FOLDER.glob("*.sql")))
    name = f"billsmith_template_{hashlib.sha256(text).hexdigest()[:12]}"
    admin = await asyncpg.connect(server_url("postgres"))
    try:
        await admin.execute("SELECT pg_advisory_lock(421)")  # workers make it one at a time
        if not await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            await admin.execute(f"DROP DATABASE IF EXISTS {name}_made")
            await admin.execute(f"CREATE DATABASE {name}_made")
            await migrations.migrate(server_url(f"{name}_made"), NOON)
            await admin.execute(f"ALTER DATABASE {name}_made RENAME TO {name}")
    finally:
        await admin.close()
    return name


@pytest.fixture(scope="session")
async def new_database(server_url: Callable[[str], str], template: str) -> AsyncIterator[Callable[..., object]]:
    """Makes databases for this worker, clones of the template unless told otherwise; all are dropped at the end."""
    made: list[str] = []
    admin = await asyncpg.connect(server_url("postgres"))

    async def make(source: str | None = None) -> str:
        name = f"billsmith_test_{os.getpid()}_{uuid.uuid4().hex[:8]}"
        await admin.execute("SELECT pg_advisory_lock(421)")
        try:
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {source or template}")
        finally:
            await admin.execute("SELECT pg_advisory_unlock(421)")
        made.append(name)
        return server_url(name)

    yield make
    for name in made:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture(scope="session")
async def database_url(new_database: Callable[..., object]) -> str:
    """This worker's own database, shared by its tests: each test has a tenant of its own."""
    return await new_database()  # type: ignore[misc]


@pytest.fixture(scope="session")
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Connections as the program has them."""
    opened = await open_pool(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def conn(pool: Pool) -> AsyncIterator[object]:
    """One connection as the program has it."""
    async with pool.acquire() as connection:
        yield connection


@pytest.fixture
def clock() -> FixedClock:
    """Stands at noon (UTC) of 15 March 2026 until a test moves it."""
    return FixedClock(NOON)


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the fake gateway keeps its books: outside of our process, read by tests."""
    return tmp_path_factory.mktemp("books")


@pytest.fixture(scope="session")
def gateways(books: Path) -> Registry:
    """The built-in gateways."""
    return load_gateways([FakeGateway(books), ExternalGateway()], plugins=())


@pytest.fixture
def context(pool: Pool, clock: FixedClock, gateways: Registry) -> Context:
    """What actions are given."""
    ids = IdMaker(lambda: datetime.now(UTC))
    return Context(pool=pool, clock=clock, ids=ids, gateways=gateways, vault=Vault([TEST_KEY]))


@pytest.fixture
async def tenant(context: Context) -> Tenant:
    """A new live tenant in euro and Berlin time."""
    given = NewTenant(name="Steve's Cloud", currency="EUR", time_zone="Europe/Berlin")
    return await tenants.create_tenant(context, given, actor="test", request_id="req_test")


@pytest.fixture
def call(tenant: Tenant) -> Call:
    """A call without a key for that tenant."""
    return Call(tenant, actor="test", request_id="req_test")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of referee cases and real data; tests that need it skip where it is absent."""
    folder = settings_from().shared
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there (set BILLSMITH_SHARED): referee cases and real data are skipped")
    return folder
