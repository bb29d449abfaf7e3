"""The transaction: repeated when the database asks for it, refused in words of ours, never around a call outside."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from billsmith.store.pool import Connection, DatabaseUnavailable, Pool, open_pool
from billsmith.store.transaction import (
    ATTEMPTS,
    CommitUnknown,
    DatabaseRefused,
    MustRepeat,
    no_transaction_open,
    transact,
)


@pytest.fixture
async def keys(pool: Pool) -> AsyncIterator[list[str]]:
    """Two rows of a tenant that doesn't exist, to be locked and changed."""
    tenant_id = uuid4()
    names = [f"{tenant_id}-{n}" for n in range(2)]
    for name in names:
        await insert(pool, name)
    yield names
    await pool.execute("DELETE FROM idempotency_keys WHERE key LIKE $1", f"{tenant_id}%")


async def insert(connection: Connection | Pool, name: str) -> None:
    await connection.execute(
        "INSERT INTO idempotency_keys VALUES ($1, $2, '', 'running', NULL, NULL, '2100-01-01')", uuid4(), name
    )


async def count(pool: Pool, name: str) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM idempotency_keys WHERE key = $1", name))


async def change(connection: Connection, name: str, mark: bytes) -> None:
    await connection.execute("UPDATE idempotency_keys SET fingerprint = $2 WHERE key = $1", name, mark)


async def test_what_ends_well_is_stored_and_its_result_given(pool: Pool, keys: list[str]) -> None:
    name = f"{keys[0]}-new"

    async def work(connection: Connection) -> str:
        await insert(connection, name)
        return "done"

    assert await transact(pool, work) == "done"
    assert await count(pool, name) == 1


async def test_what_raises_is_undone_and_raised_as_it_is(pool: Pool, keys: list[str]) -> None:
    name, tries = f"{keys[0]}-new", []

    async def work(connection: Connection) -> None:
        tries.append(1)
        await insert(connection, name)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await transact(pool, work)
    assert (await count(pool, name), len(tries)) == (0, 1)


async def test_of_two_in_a_deadlock_one_is_repeated_and_both_end(pool: Pool, keys: list[str]) -> None:
    both = asyncio.Barrier(2)
    tries = []

    async def crossing(names: list[str], mark: bytes) -> None:
        async def work(connection: Connection) -> None:
            tries.append(mark)
            await change(connection, names[0], mark)
            if len(tries) <= 2:
                await both.wait()
            await change(connection, names[1], mark)

        await transact(pool, work)

    await asyncio.gather(crossing(keys, b"one"), crossing(keys[::-1], b"two"))
    assert len(tries) == 3
    stored = await pool.fetch("SELECT fingerprint FROM idempotency_keys WHERE key = ANY ($1)", keys)
    assert len({row[0] for row in stored}) == 1


async def test_a_serialization_error_is_repeated(pool: Pool, keys: list[str]) -> None:
    tries = []

    async def work(connection: Connection) -> bytes:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        tries.append(1)
        found = await connection.fetchval("SELECT fingerprint FROM idempotency_keys WHERE key = $1", keys[0])
        if len(tries) == 1:
            await pool.execute("UPDATE idempotency_keys SET fingerprint = 'theirs' WHERE key = $1", keys[0])
        await change(connection, keys[0], b"ours")
        return bytes(found)

    assert await transact(pool, work) == b"theirs"
    assert len(tries) == 2


async def test_repeating_is_bounded(pool: Pool) -> None:
    tries = []

    async def work(connection: Connection) -> None:
        tries.append(1)
        raise MustRepeat

    with pytest.raises(DatabaseUnavailable, match="too busy"):
        await transact(pool, work)
    assert len(tries) == ATTEMPTS


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO idempotency_keys SELECT * FROM idempotency_keys WHERE key = $1",
        "UPDATE idempotency_keys SET status = 'lost' WHERE key = $1",
        "UPDATE idempotency_keys SET fingerprint = NULL WHERE key = $1",
        "INSERT INTO operations (tenant_id, id, kind, name, status, created_at)"
        " SELECT tenant_id, tenant_id, 'invoice_import', key, 'running', expires_at"
        " FROM idempotency_keys WHERE key = $1",
        "SELECT (length($1) * 0) / 0",
        "SELECT length($1)::smallint * 30000::smallint",
        "SELECT convert_from('\\xff'::bytea, 'UTF8') || $1",
    ],
)
async def test_what_a_constraint_or_a_type_refuses_is_refused_by_name(
    pool: Pool, keys: list[str], statement: str
) -> None:
    async def work(connection: Connection) -> None:
        await change(connection, keys[0], b"changed")
        await connection.fetch(statement, keys[0])

    with pytest.raises(DatabaseRefused):
        await transact(pool, work)
    stored = await pool.fetchval("SELECT fingerprint FROM idempotency_keys WHERE key = $1", keys[0])
    assert stored == b""


@pytest.mark.parametrize(("kind", "value"), [("bigint", 2**63), ("text", "\ud800"), ("smallint", 2**15)])
async def test_a_value_that_does_not_fit_is_refused_not_an_outage(pool: Pool, kind: str, value: Any) -> None:
    async def work(connection: Connection) -> Any:
        return await connection.fetchval(f"SELECT $1::{kind}", value)

    with pytest.raises(DatabaseRefused):
        await transact(pool, work)


async def test_a_mistake_in_our_sql_is_no_refusal(pool: Pool) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute("SELECT nonsense")

    with pytest.raises(asyncpg.UndefinedColumnError):
        await transact(pool, work)


async def test_a_lock_that_can_not_be_had_in_time_says_try_again(pool: Pool, keys: list[str]) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute("SET LOCAL lock_timeout = '50ms'")
        await change(connection, keys[0], b"ours")

    async with pool.acquire() as holder, holder.transaction():
        await change(holder, keys[0], b"theirs")
        with pytest.raises(DatabaseUnavailable, match="being worked on"):
            await transact(pool, work)


async def test_a_connection_that_is_lost_on_the_way_is_an_outage_and_nothing_is_stored(
    pool: Pool, database_url: str, keys: list[str]
) -> None:
    name = f"{keys[0]}-new"
    admin = await asyncpg.connect(database_url)

    async def work(connection: Connection) -> None:
        await insert(connection, name)
        await admin.execute("SELECT pg_terminate_backend($1)", await connection.fetchval("SELECT pg_backend_pid()"))
        await connection.execute("SELECT 1")

    try:
        with pytest.raises(DatabaseUnavailable) as caught:
            await transact(pool, work)
    finally:
        await admin.close()
    assert not isinstance(caught.value, CommitUnknown)
    assert await count(pool, name) == 0


async def test_a_database_that_can_not_be_reached_is_named(server_url: Any) -> None:
    with pytest.raises(DatabaseUnavailable):
        await open_pool(server_url("billsmith_nowhere"))


async def test_transactions_are_not_nested_and_nothing_is_called_outside_while_one_is_open(pool: Pool) -> None:
    async def outside(connection: Connection) -> None:
        no_transaction_open()

    async def nested(connection: Connection) -> None:
        await transact(pool, outside)

    no_transaction_open()
    with pytest.raises(AssertionError, match="no call to the outside"):
        await transact(pool, outside)
    with pytest.raises(AssertionError, match="already open"):
        await transact(pool, nested)
    no_transaction_open()


async def test_what_runs_beside_a_transaction_may_call_outside(pool: Pool) -> None:
    inside, beside = asyncio.Event(), asyncio.Event()

    async def work(connection: Connection) -> None:
        inside.set()
        await beside.wait()

    async def other() -> None:
        await inside.wait()
        no_transaction_open()
        beside.set()

    await asyncio.gather(transact(pool, work), other())


async def test_a_call_that_is_given_up_rolls_back_and_the_pool_goes_on(pool: Pool, keys: list[str]) -> None:
    name = f"{keys[0]}-new"
    inside = asyncio.Event()

    async def work(connection: Connection) -> None:
        await insert(connection, name)
        inside.set()
        await asyncio.Event().wait()

    given_up = asyncio.create_task(transact(pool, work))
    await inside.wait()
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert await count(pool, name) == 0
    no_transaction_open()
