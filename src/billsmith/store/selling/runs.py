"""What a billing run reads and writes of many customers at once: claimed in turn, read as rows, written as rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from billsmith.core.ids import CustomerId, SnapshotId, TenantId
from billsmith.store.customers import split_ids
from billsmith.store.packing import copy_packed, packed_ids, packed_row
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("runs")
_OUTBOX = ("shard", "tenant_id", "event_ids")
_NUMBERS = ("tenant_id", "invoice_id", "series", "sequence", "number")


class Claimed(msgspec.Struct, frozen=True, gc=False):
    """A customer that this transaction holds, as far as plain renewals depend on it."""

    id: CustomerId
    bill_cycle_day: int | None
    currency: str
    time_zone: str
    terms_days: int | None
    auto_collect: bool
    draw_credit: bool
    invoicing: str
    snapshot_id: SnapshotId
    deleted: bool
    has_method: bool
    """Its own, or its parent's."""
    next_bill_at: datetime


Place = tuple[datetime, int]
"""Up to where a run has come: what is due at this instant, and of that this shard."""


async def claim_customers(
    connection: Connection, tenant_id: TenantId, due_at: datetime, after: Place, limit: int
) -> list[Claimed]:
    """Lock customers for whom something is due by an instant, from a place on; those locked by others are left out."""
    rows = await connection.fetch(_SQL["claim_customers_to_bill"], tenant_id, due_at, *after, limit)
    return [Claimed(*row) for row in rows]


async def claim_these(
    connection: Connection, tenant_id: TenantId, due_at: datetime, ids: Iterable[CustomerId]
) -> list[Claimed]:
    """Those of the customers for whom something is still due and whom nobody else has locked, locked now."""
    rows = await connection.fetch(_SQL["claim_these_customers"], tenant_id, due_at, *split_ids(ids))
    return [Claimed(*row) for row in rows]


async def renewable_rows(
    connection: Connection, tenant_id: TenantId, days: Mapping[CustomerId, date]
) -> list[asyncpg.Record]:
    """The subscriptions that are due by a day of each of these customers, with the last entry of each timeline."""
    shards, ids = split_ids(days)
    until = [days[CustomerId(id_)] for id_ in ids]
    rows: list[asyncpg.Record] = await connection.fetch(_SQL["renewable_subscriptions"], tenant_id, shards, ids, until)
    return rows


async def copy_outbox(connection: Connection, tenant_id: TenantId, events: dict[int, list[bytes]]) -> None:
    """Put events, by their shards, into the outbox, each shard's in their order."""
    rows = []
    for shard, ids in events.items():
        array = packed_ids(ids)
        rows.append(packed_row(_OUTBOX[:2], (shard, tenant_id))[2:] + len(array).to_bytes(4) + array)
    await copy_packed(connection, "outbox", _OUTBOX, [b"\x00\x03" + row for row in rows])


async def copy_numbers(
    connection: Connection, tenant_id: TenantId, series: str, first: int, invoice_ids: Sequence[bytes], shown: Any
) -> None:
    """Number invoices in their order, from `first` on; `shown` prints a number. The last thing before commit."""
    head = b"\x00\x05\x00\x00\x00\x10" + tenant_id.bytes + b"\x00\x00\x00\x10"
    tail = len(series.encode()).to_bytes(4) + series.encode() + b"\x00\x00\x00\x08"
    rows = []
    for sequence, id_ in enumerate(invoice_ids, first):
        number = shown(sequence).encode()
        rows.append(b"%b%b%b%b%b%b" % (head, id_, tail, sequence.to_bytes(8), len(number).to_bytes(4), number))
    await copy_packed(connection, "invoice_numbers", _NUMBERS, rows)


async def tenants_to_bill(connection: Connection | Pool, now: datetime) -> list[TenantId]:
    """Whose customers have something due, of all who live in the real time."""
    return [row["tenant_id"] for row in await connection.fetch(_SQL["tenants_to_bill"], now)]


async def count_customers_to_bill(connection: Connection | Pool, tenant_id: TenantId, due_at: datetime) -> int:
    """How many customers of a tenant have something due."""
    return int(await connection.fetchval(_SQL["count_customers_to_bill"], tenant_id, due_at))


class Parked(msgspec.Struct, frozen=True, gc=False):
    """A customer that runs leave out, and why."""

    id: CustomerId
    name: str
    because: str


async def parked_customers(connection: Connection | Pool, tenant_id: TenantId, limit: int) -> list[Parked]:
    """Those of a tenant, the oldest customers first."""
    return [Parked(*row) for row in await connection.fetch(_SQL["parked_customers"], tenant_id, limit)]


async def parked_because(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[CustomerId]
) -> dict[CustomerId, str]:
    """The reasons of those of these customers that runs leave out."""
    rows = await connection.fetch(_SQL["parked_because"], tenant_id, *split_ids(ids))
    return {row["id"]: row["bill_parked_because"] for row in rows}


async def count_parked_customers(connection: Connection | Pool) -> int:
    """How many customers of all tenants runs leave out."""
    return int(await connection.fetchval(_SQL["count_parked_customers"]))


async def retry_parked(connection: Connection, tenant_id: TenantId, at: datetime) -> int:
    """Have them be billed from an instant on; how many."""
    said: str = await connection.execute(_SQL["retry_parked"], tenant_id, at)
    return int(said.rsplit(maxsplit=1)[-1])


async def customers_to_bill_page(
    connection: Connection | Pool, tenant_id: TenantId, due_at: datetime, after: UUID, limit: int
) -> list[CustomerId]:
    """Who of a tenant has something due by an instant, in the order of ids, from behind one on."""
    rows = await connection.fetch(_SQL["customers_to_bill_page"], tenant_id, due_at, after, limit)
    return [row["id"] for row in rows]


def price_table(stored: dict[str, str] | None) -> dict[str, Decimal] | None:
    """Prices of its own, as a timeline keeps them."""
    return None if stored is None else {code: Decimal(price) for code, price in stored.items()}
