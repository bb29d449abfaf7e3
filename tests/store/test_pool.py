"""Connections: as which role, with which codecs, and what happens to those that come back in a bad state."""

import asyncio
import socket
from collections.abc import AsyncIterator

import asyncpg
import pytest

from billsmith.store.pool import (
    Connection,
    DatabaseUnavailable,
    LeftInTransaction,
    Pool,
    keep_alive,
    open_pool,
    session_settings,
)
from billsmith.store.transaction import transact


@pytest.fixture
async def alone(database_url: str) -> AsyncIterator[Pool]:
    """A pool of one connection."""
    opened = await open_pool(database_url, size=1)
    yield opened
    await opened.close()


async def test_connections_act_as_the_programs_role_in_utc(alone: Pool) -> None:
    assert await alone.fetchval("SELECT current_user") == "billsmith_program"
    assert await alone.fetchval("SHOW timezone") == "UTC"
    assert await alone.fetchval("SHOW lock_timeout") == "30s"
    assert await alone.fetchval("SHOW idle_in_transaction_session_timeout") == "2min"
    assert await alone.fetchval("SHOW statement_timeout") == "10min"
    assert await alone.fetchval("SHOW synchronous_commit") == "on"


async def test_a_process_that_slept_too_long_in_a_transaction_has_lost_it_and_is_not_to_blame(alone: Pool) -> None:
    async def sleep(connection: Connection) -> None:
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '1ms'")
        while not connection.is_closed():  # noqa: ASYNC110  until the server has let go
            await asyncio.sleep(0.01)
        await connection.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        await transact(alone, sleep)
    assert await alone.fetchval("SELECT 1") == 1


def test_a_machine_that_is_gone_is_noticed_from_both_ends() -> None:
    here, there = socket.socketpair()
    with here, there, socket.create_server(("127.0.0.1", 0)) as server:
        keep_alive(here)  # on a socket of the machine itself there is nothing to be set
        with socket.create_connection(server.getsockname()) as connected:
            keep_alive(connected)
            assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert {name for name in session_settings() if name.startswith("tcp_keepalives")} == {
        "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count",
    }  # fmt: skip


async def test_a_connection_left_in_a_transaction_is_thrown_away(alone: Pool) -> None:
    first = await alone.fetchval("SELECT pg_backend_pid()")

    async def leave_one_open() -> None:
        async with alone.acquire() as connection:
            await connection.execute("BEGIN")

    with pytest.raises(LeftInTransaction):
        await leave_one_open()
    assert await alone.fetchval("SELECT pg_backend_pid()") != first
    assert await alone.fetchval("SELECT pg_current_xact_id_if_assigned()") is None


async def test_a_failed_transaction_that_was_left_open_is_thrown_away_too(alone: Pool) -> None:
    async def leave_a_failed_one_open() -> None:
        async with alone.acquire() as connection:
            await connection.execute("BEGIN")
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.execute("SELECT 1 / 0")

    with pytest.raises(LeftInTransaction):
        await leave_a_failed_one_open()
    assert await alone.fetchval("SELECT 1") == 1


async def test_a_connection_that_is_handed_back_in_order_is_kept(alone: Pool) -> None:
    first = await alone.fetchval("SELECT pg_backend_pid()")
    async with alone.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1")
    assert await alone.fetchval("SELECT pg_backend_pid()") == first


@pytest.mark.parametrize(
    "value", [{}, {"a": "b"}, {"ü": "🦉", "nested": [1, True, None, {"x": "\u2028"}]}, [], "text", 0, None]
)
async def test_jsonb_comes_back_as_it_went_in(alone: Pool, value: object) -> None:
    assert await alone.fetchval("SELECT $1::jsonb", value) == value


async def test_jsonb_also_travels_by_copy(alone: Pool) -> None:
    async with alone.acquire() as connection, connection.transaction():
        await connection.execute("CREATE TEMPORARY TABLE one (a jsonb) ON COMMIT DROP")
        await connection.copy_records_to_table("one", records=[({"a": "b"},), (None,)])
        assert [row[0] for row in await connection.fetch("SELECT a FROM one")] == [{"a": "b"}, None]


@pytest.mark.parametrize("cached", [True, False])
async def test_statements_are_prepared_on_the_server_only_if_wanted(database_url: str, cached: bool) -> None:
    pool = await open_pool(database_url, size=1, statement_cache=cached)
    try:
        for _ in range(3):
            assert await pool.fetchval("SELECT $1::integer + 1", 1) == 2
        kept = await pool.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%integer + 1'")
        assert kept == (1 if cached else 0)
    finally:
        await pool.close()
