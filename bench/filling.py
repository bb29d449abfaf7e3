"""A company's years of invoices, made by the database itself: many enough that a list without its index is felt.

Made up row by row from its number, so every run has the same. There are no lines and no ledger behind them: lists read
neither, and what was not posted can't be verified.
"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg

DAYS = 3 * 365
BEGAN_AT = datetime(2023, 1, 1, tzinfo=UTC)
AT_ONCE = 250_000

_BLOCK = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)
SQL: dict[str, str] = dict(_BLOCK.findall(Path(__file__).with_suffix(".sql").read_text()))


async def fill(url: str, tenant_id: UUID, snapshot_id: UUID, rows: int) -> None:
    """Make so many invoices of the tenant's customers; the indexes afterwards, which is several times faster."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SQL["people"])
        people = await connection.fetchval("SELECT count(*) FROM people")
        indexes = await connection.fetch(SQL["indexes"])
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        for first in range(1, rows + 1, AT_ONCE):
            last, span = min(first + AT_ONCE - 1, rows), timedelta(days=DAYS)
            await connection.execute(SQL["invoices"], tenant_id, snapshot_id, BEGAN_AT, span, rows, first, last, people)
        await connection.execute(SQL["numbers"], tenant_id)
        await connection.execute("SET maintenance_work_mem = '1GB'")
        for index in indexes:
            await connection.execute(index["definition"])
    finally:
        await connection.close()
