"""Events, the outbox that holds those not numbered yet, and the tenant's sequence."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import astuple

from billsmith.core.ids import CauseId, CustomerId, EventId, TenantId, shard_of
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load
from billsmith.store.together import Writer, insert_rows

_SQL = load("events")
LAST_SEQUENCE = (1 << 63) - 1


class Cause(msgspec.Struct, frozen=True, gc=False):
    """Who did it, why, in which request, and when by the tenant's clock."""

    tenant_id: TenantId
    id: CauseId
    actor: str
    reason: str | None
    request_id: str
    caused_at: datetime


class EventRow(msgspec.Struct, frozen=True, gc=False):
    """An event to be written. `object` is JSON-ready, or None where the document itself says it."""

    id: EventId
    tenant_id: TenantId
    customer_id: CustomerId | None
    type: str
    object_id: UUID
    object_version: int
    object: Any
    cause_id: CauseId
    occurred_at: datetime


class NumberedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as it is read back: in the tenant's sequence, with its cause."""

    sequence: int
    id: EventId
    type: str
    customer_id: CustomerId | None
    object_id: UUID
    object_version: int
    object: Any
    occurred_at: datetime
    cause_id: CauseId
    actor: str
    reason: str | None
    request_id: str


EVENT_COLUMNS = ("shard", *EventRow.__struct_fields__)


async def insert_cause(connection: Connection, cause: Cause) -> bool:
    """One row per verb carried out; its transfers and events point here. False: it was carried out before."""
    return await connection.fetchval(_SQL["insert_cause"], *astuple(cause)) is not None


async def insert_events(writer: Writer, tenant_id: TenantId, events: Sequence[EventRow]) -> None:
    """Write events, and put them into the outbox in this order."""
    records = [event_record(event) for event in events]
    await insert_rows(writer, "events", EVENT_COLUMNS, records, _SQL["insert_events"])
    shards = [record[0] for record in records]
    ids = [event.id for event in events]
    await writer.execute(_SQL["insert_outbox"], tenant_id, shards, ids)


def event_record(event: EventRow) -> tuple[Any, ...]:
    """The row of an event."""
    return (shard_of(event.id), *astuple(event))


async def tenants_with_outbox(connection: Connection | Pool) -> list[TenantId]:
    """The tenants that have events to be numbered."""
    return [row["tenant_id"] for row in await connection.fetch(_SQL["tenants_with_outbox"])]


async def number_events(connection: Connection, tenant_id: TenantId, transactions: int, events: int) -> int:
    """Give the tenant's waiting events their numbers; how many.

    Of at most so many transactions, and none is begun behind so many events.
    """
    following = await connection.fetchval(_SQL["lock_event_series"], tenant_id)
    taken = await connection.fetch(_SQL["take_outbox"], tenant_id, transactions, events)
    waiting = sorted(taken, key=lambda row: row["position"])
    records = [
        (tenant_id, following + nth, shard, event_id)
        for nth, (shard, event_id) in enumerate(
            (row["shard"], event_id) for row in waiting for event_id in row["event_ids"]
        )
    ]
    if records:
        await connection.copy_records_to_table(
            "event_numbers", records=records, columns=("tenant_id", "sequence", "shard", "event_id")
        )
        await connection.execute(_SQL["advance_event_series"], tenant_id, following + len(records))
    return len(records)


async def last_sequence(connection: Connection | Pool, tenant_id: TenantId) -> int:
    """The number of the tenant's newest numbered event; 0 if there is none."""
    return int(await connection.fetchval(_SQL["last_sequence"], tenant_id) or 0)


async def events_after(
    connection: Connection | Pool,
    tenant_id: TenantId,
    sequence: int,
    limit: int,
    type_pattern: str | None = None,
    last: int = LAST_SEQUENCE,
) -> list[NumberedEvent]:
    """Events behind `sequence`, in order, up to `last`; `type_pattern` is a LIKE pattern such as `invoice.%`."""
    return [
        NumberedEvent(*row)
        for row in await connection.fetch(_SQL["events_after"], tenant_id, sequence, limit, type_pattern, last)
    ]
