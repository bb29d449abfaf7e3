"""The floor: the bytes that were just written, copied by as many processes into the same tables, emptied.

Same indexes, same constraints, same server: what is left out is all that the program does to come to those bytes.
"""

import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path

import asyncpg
import msgspec
from msgspec.structs import replace

from bench.stage import Meter, Spent

_ROWS = """
SELECT relname AS name, array_agg(quote_ident(attname) ORDER BY attnum) AS columns
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
GROUP BY relname ORDER BY relname
"""
_STEPS = (("customers",), ("subscriptions", "subscription_billing", "customer_balances"))
"""What others refer to, or what is changed rather than added: copied by all before any goes on with the rest."""


_ANY = "SELECT EXISTS (SELECT FROM {name} WHERE {written})"


class Part(msgspec.Struct, frozen=True):
    """What one process copies of one table."""

    table: str
    columns: tuple[str, ...]
    file: Path


class Kept(msgspec.Struct, frozen=True):
    """The bytes of tables, cut into as many parts as there are processes; and how many there are."""

    parts: list[list[Part]]
    octets: int


async def counts(url: str) -> dict[str, int]:
    """Rows in every table."""
    connection = await asyncpg.connect(url)
    try:
        names = [row["name"] for row in await connection.fetch(_ROWS)]
        return {name: await connection.fetchval(f"SELECT count(*) FROM {name}") for name in names}
    finally:
        await connection.close()


async def mark(url: str) -> int:
    """What is written from now on can be told from what was there."""
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT pg_current_xact_id()::text::bigint"))
    finally:
        await connection.close()


async def keep(url: str, before: dict[str, int], folder: Path, processes: int, since: int | None = None) -> Kept:
    """Write down, in the form that COPY takes, every table that has more rows than it had before; then empty it.

    With `since`: only the rows written from that mark on, new ones and new versions of old ones, of all tables.
    """
    connection = await asyncpg.connect(url)
    parts: list[list[Part]] = [[] for _ in range(processes)]
    octets = 0
    try:
        tables = {row["name"]: tuple(row["columns"]) for row in await connection.fetch(_ROWS)}
        after = await counts(url)
        written = "true" if since is None else f"xmin::text::bigint > {since}"
        grown = [name for name in tables if after[name] > before[name]]
        if since is not None:
            grown = [name for name in tables if await connection.fetchval(_ANY.format(name=name, written=written))]
        for name in sorted(grown, key=_step):
            for nth in range(processes):
                file = folder / f"{name}.{nth}"
                chosen = f"(ctid::text::point)[0]::bigint % {processes} = {nth} AND {written}"
                query = f"SELECT {', '.join(tables[name])} FROM {name} WHERE {chosen}"
                await connection.copy_from_query(query, output=file, format="binary")
                octets += file.stat().st_size
                parts[nth].append(Part(name, tables[name], file))
        await connection.execute(f"TRUNCATE {', '.join(grown)} CASCADE")  # the empty tables that refer to them, too
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    now = await counts(url)
    lost = [name for name, count in now.items() if name not in grown and count != after[name]]
    if lost and since is None:  # of what was there before nothing is copied then, of whatever table
        raise RuntimeError(f"the floor would be without the rows of {', '.join(lost)}")
    return Kept(parts, octets)


class Copied(msgspec.Struct, frozen=True):
    """What the floor took; and how long of that what is only added took, the rows that others refer to being there."""

    spent: Spent
    added_seconds: float


async def copy(url: str, kept: Kept) -> Spent:
    """What the processes spend together; they are started and connected before, and their CPU time counts whole."""
    return (await copied(url, kept)).spent


async def copied(url: str, kept: Kept) -> Copied:
    """The same, with the seconds of what is only added."""
    meter = await Meter.on(url)
    seconds = await asyncio.to_thread(_seconds_to_copy, url, kept)
    return Copied(replace(meter.spent(), seconds=sum(seconds)), seconds[-1])


def _seconds_to_copy(url: str, kept: Kept) -> list[float]:
    """Step by step."""
    spawn = multiprocessing.get_context("spawn")
    workers = []
    for parts in kept.parts:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_work, args=(url, parts, theirs), daemon=True)
        process.start()
        workers.append((process, ours))
    for _, pipe in workers:
        pipe.recv()
    seconds = []
    for _ in range(len(_STEPS) + 1):
        began = time.perf_counter()
        for _, pipe in workers:
            pipe.send("go")
        for _, pipe in workers:
            pipe.recv()
        seconds.append(time.perf_counter() - began)
    for process, _ in workers:
        process.join()
    return seconds


def _step(table: str) -> int:
    return next((nth for nth, tables in enumerate(_STEPS) if table in tables), len(_STEPS))


def _work(url: str, parts: list[Part], pipe: Connection) -> None:
    asyncio.run(_copy(url, parts, pipe))


async def _copy(url: str, parts: list[Part], pipe: Connection) -> None:
    connection = await asyncpg.connect(url)
    try:
        pipe.send("ready")
        for step in range(len(_STEPS) + 1):
            pipe.recv()
            for part in parts:
                if _step(part.table) == step:
                    columns = [name.strip('"') for name in part.columns]
                    await connection.copy_to_table(part.table, source=part.file, columns=columns, format="binary")
            pipe.send("done")
    finally:
        await connection.close()
