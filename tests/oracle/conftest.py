"""A database of its own, so that `verify` sees nothing but what the stories came to."""

from collections.abc import AsyncIterator, Callable

import pytest

from billsmith.store.pool import Pool, open_pool


@pytest.fixture(scope="package")
async def database_url(new_database: Callable[..., object]) -> str:
    """The database of the stories."""
    return await new_database()  # type: ignore[misc]


@pytest.fixture(scope="package")
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Connections to it."""
    opened = await open_pool(database_url)
    yield opened
    await opened.close()
