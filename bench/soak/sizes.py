"""How large everything is: rows, dead ones and bytes of every table and index, and how small it could be."""

from typing import Any

import asyncpg
import msgspec

LARGE = 1 << 20
"""From so many bytes on, rewritten, a factor says something: below it a page more or less is a multiple."""

_TABLES = """
    SELECT relname AS name, n_live_tup AS live, n_dead_tup AS dead, n_tup_ins AS inserted, n_tup_upd AS updated,
        n_tup_hot_upd AS updated_in_place, n_tup_del AS deleted, pg_table_size(relid) AS octets,
        autovacuum_count AS vacuumed
    FROM pg_stat_user_tables WHERE schemaname = 'public' ORDER BY relname
"""
_INDEXES = """
    SELECT indexrelname AS name, relname AS table_name, pg_relation_size(indexrelid) AS octets
    FROM pg_stat_user_indexes WHERE schemaname = 'public' ORDER BY indexrelname
"""


class Rows(msgspec.Struct, frozen=True):
    """A table's rows, by the database's own statistics, and its bytes without indexes."""

    name: str
    live: int
    dead: int
    inserted: int
    updated: int
    updated_in_place: int
    """Without a new entry in any index, within the page."""
    deleted: int
    octets: int
    vacuumed: int
    """How often autovacuum came by."""


class Entries(msgspec.Struct, frozen=True):
    """An index."""

    name: str
    table_name: str
    octets: int


class Sizes(msgspec.Struct, frozen=True):
    """Everything at one moment."""

    octets: int
    """Of the database."""
    tables: tuple[Rows, ...]
    indexes: tuple[Entries, ...]


class Bloat(msgspec.Struct, frozen=True):
    """One table or index as it grew, beside the same written anew in one go, with the same fillfactor."""

    name: str
    octets: int
    anew_octets: int
    rows: int
    dead: int

    @property
    def factor(self) -> float:
        return self.octets / max(self.anew_octets, 1)

    @property
    def is_large(self) -> bool:
        return self.anew_octets >= LARGE


async def sizes(connection: "asyncpg.Connection[Any]") -> Sizes:
    """As they are now."""
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    tables = [msgspec.convert(dict(row), Rows) for row in await connection.fetch(_TABLES)]
    indexes = [msgspec.convert(dict(row), Entries) for row in await connection.fetch(_INDEXES)]
    octets = await connection.fetchval("SELECT pg_database_size(current_database())")
    return Sizes(octets, tuple(tables), tuple(indexes))


async def bloat(url: str) -> tuple[list[Bloat], list[Bloat]]:
    """Tables and indexes, the most bloated first. Everything is written anew for it, and stays so."""
    connection = await asyncpg.connect(url)
    try:
        before = await sizes(connection)
        await connection.execute("SET maintenance_work_mem = '512MB'")
        for table in before.tables:
            await connection.execute(f'VACUUM (FULL, ANALYZE) "{table.name}"')
        after = await sizes(connection)
    finally:
        await connection.close()
    tables = {one.name: one for one in before.tables}
    small_tables = {one.name: one.octets for one in after.tables}
    small_indexes = {one.name: one.octets for one in after.indexes}
    rows = {one.name: one.live for one in after.tables}
    of_tables = [Bloat(one.name, one.octets, small_tables[one.name], rows[one.name], one.dead) for one in before.tables]
    of_indexes = [
        Bloat(one.name, one.octets, small_indexes[one.name], rows[one.table_name], tables[one.table_name].dead)
        for one in before.indexes
    ]
    return _worst_first(of_tables), _worst_first(of_indexes)


def _worst_first(found: list[Bloat]) -> list[Bloat]:
    return sorted(found, key=lambda one: (one.is_large, one.factor), reverse=True)
