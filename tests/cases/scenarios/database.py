"""A database of its own for a run of cases, on the configured server or the private one of the tests."""

import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from billsmith import private_postgres
from billsmith.actions.context import Context
from billsmith.clock import Clock
from billsmith.config import settings_from
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.registry import load_gateways
from billsmith.ids import IdMaker
from billsmith.store import migrations
from billsmith.store.pool import open_pool
from billsmith.vault import Vault
from tests.contexts import TEST_KEY

HOME = Path("~/.cache/billsmith-tests").expanduser()


@asynccontextmanager
async def opened_context() -> AsyncIterator[Context]:
    """What actions are given, over a new database that is dropped at the end."""
    name = f"billsmith_cases_{uuid.uuid4().hex[:12]}"
    with _server() as (server, url), tempfile.TemporaryDirectory() as books:
        admin = await asyncpg.connect(server)
        await admin.execute(f"CREATE DATABASE {name}")
        try:
            await migrations.migrate(url(name), datetime.now(UTC))
            pool = await open_pool(url(name))
            try:
                yield Context(
                    pool=pool,
                    clock=Clock(),
                    ids=IdMaker(lambda: datetime.now(UTC)),
                    gateways=load_gateways([FakeGateway(Path(books))], plugins=()),
                    vault=Vault([TEST_KEY]),
                )
            finally:
                await pool.close()
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await admin.close()


@contextmanager
def _server() -> Iterator[tuple[str, Callable[[str], str]]]:
    given = settings_from().database_url
    if given is not None:
        yield given, lambda name: urlunsplit(urlsplit(given)._replace(path=f"/{name}"))
        return
    with private_postgres.start(HOME) as server:
        yield server.url("postgres"), server.url
