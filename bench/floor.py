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
_FIRST = ("customers",)
"""What others refer to: copied by all before any goes on."""


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


async def keep(url: str, before: dict[str, int], folder: Path, processes: int) -> Kept:
    """Write down, in the form that COPY takes, every table that has more rows than it had before; then empty it."""
    connection = await asyncpg.connect(url)
    parts: list[list[Part]] = [[] for _ in range(processes)]
    octets = 0
    try:
        tables = {row["name"]: tuple(row["columns"]) for row in await connection.fetch(_ROWS)}
        after = await counts(url)
        grown = [name for name in tables if after[name] > before[name]]
        for name in sorted(grown, key=lambda table: table not in _FIRST):
            for nth in range(processes):
                file = folder / f"{name}.{nth}"
                chosen = f"(ctid::text::point)[0]::bigint % {processes} = {nth}"
                query = f"SELECT {', '.join(tables[name])} FROM {name} WHERE {chosen}"
                await connection.copy_from_query(query, output=file, format="binary")
                octets += file.stat().st_size
                parts[nth].append(Part(name, tables[name], file))
        await connection.execute(f"TRUNCATE {', '.join(grown)} CASCADE")  # the empty tables that refer to them, too
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    lost = [name for name, count in (await counts(url)).items() if name not in grown and count != after[name]]
    if lost:
        raise RuntimeError(f"the floor would be without the rows of {', '.join(lost)}")
    return Kept(parts, octets)


async def copy(url: str, kept: Kept) -> Spent:
    """What the processes spend together; they are started and connected before, and their CPU time counts whole."""
    meter = await Meter.on(url)
    seconds = await asyncio.to_thread(_seconds_to_copy, url, kept)
    return replace(meter.spent(), seconds=seconds)


def _seconds_to_copy(url: str, kept: Kept) -> float:
    spawn = multiprocessing.get_context("spawn")
    workers = []
    for parts in kept.parts:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_work, args=(url, parts, theirs), daemon=True)
        process.start()
        workers.append((process, ours))
    for _, pipe in workers:
        pipe.recv()
    began = time.perf_counter()
    for _ in range(2):  # what others refer to, then the rest
        for _, pipe in workers:
            pipe.send("go")
        for _, pipe in workers:
            pipe.recv()
    seconds = time.perf_counter() - began
    for process, _ in workers:
        process.join()
    return seconds


def _work(url: str, parts: list[Part], pipe: Connection) -> None:
    asyncio.run(_copy(url, parts, pipe))


async def _copy(url: str, parts: list[Part], pipe: Connection) -> None:
    connection = await asyncpg.connect(url)
    try:
        pipe.send("ready")
        for first in (True, False):
            pipe.recv()
            for part in parts:
                if (part.table in _FIRST) == first:
                    columns = [name.strip('"') for name in part.columns]
                    await connection.copy_to_table(part.table, source=part.file, columns=columns, format="binary")
            pipe.send("done")
    finally:
        await connection.close()
