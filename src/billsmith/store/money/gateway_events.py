"""What gateways told us: kept as it came, looked into later; and how far their changes were pulled."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from billsmith.core.ids import GatewayAccountId, GatewayEventId, TenantId
from billsmith.core.payments.events import StoredEvent
from billsmith.store.listing import Filters, list_ids
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("gateway_events")


class Told(msgspec.Struct, frozen=True, gc=False):
    """An event that is to be looked into."""

    tenant_id: TenantId
    id: GatewayEventId


class PullDue(msgspec.Struct, frozen=True, gc=False):
    """A gateway account that is to be asked what has changed."""

    tenant_id: TenantId
    id: GatewayAccountId


async def insert_gateway_events(
    connection: Connection | Pool, events: Sequence[StoredEvent], headers: dict[str, str], body: bytes
) -> list[GatewayEventId]:
    """Keep events of one account that came together; those that were not there yet."""
    first = events[0]
    columns = [
        [getattr(event, name) for event in events]
        for name in (
            "gateway_event_id", "id", "kind", "type", "operation_kind", "operation_id", "gateway_id", "happened_at",
        )
    ]  # fmt: skip
    rows = await connection.fetch(
        _SQL["insert_gateway_events"], first.tenant_id, first.gateway_account_id, *columns, headers, body,
        first.received_at, first.next_try_at, [event.status for event in events],
    )  # fmt: skip
    return [row["id"] for row in rows]


async def get_gateway_events(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]
) -> dict[UUID, StoredEvent]:
    """Those of the events that exist, in the order in which they came."""
    rows = await connection.fetch(_SQL["get_gateway_events"], tenant_id, list(ids))
    return {row["id"]: _event(row) for row in rows}


async def list_gateway_events(
    connection: Connection | Pool, tenant_id: TenantId, filters: Filters
) -> list[StoredEvent]:
    """A page of events, newest first; one more than asked for if there are more."""
    rows = await list_ids(connection, _SQL["list_gateway_events"], "gateway_events", tenant_id, filters)
    found = await get_gateway_events(connection, tenant_id, [row["id"] for row in rows])
    return [found[row["id"]] for row in rows if row["id"] in found]


async def lock_gateway_event(connection: Connection, tenant_id: TenantId, id_: UUID) -> StoredEvent | None:
    """The event, locked."""
    row = await connection.fetchrow(_SQL["lock_gateway_event"], tenant_id, id_)
    return None if row is None else _event(row)


async def lock_orphan(
    connection: Connection, tenant_id: TenantId, account_id: GatewayAccountId, gateway_id: str
) -> list[StoredEvent]:
    """Everything that was told of one object of a gateway, locked, in the order in which it came."""
    rows = await connection.fetch(_SQL["lock_orphan"], tenant_id, account_id, gateway_id)
    return [_event(row) for row in rows]


async def lease_gateway_events(
    connection: Connection | Pool, wall: datetime, until: datetime, limit: int, tenant_id: TenantId | None = None
) -> list[Told]:
    """Events that are due, of one tenant or of all; nobody else gets them until then."""
    if tenant_id is None:
        rows = await connection.fetch(_SQL["lease_gateway_events"], wall, until, limit)
    else:
        rows = await connection.fetch(_SQL["lease_gateway_events_of_tenant"], tenant_id, wall, until, limit)
    return [Told(*row) for row in rows]


async def update_gateway_event(connection: Connection | Pool, event: StoredEvent) -> None:
    """Store what became of an event."""
    await connection.execute(
        _SQL["update_gateway_event"], event.tenant_id, event.id, event.status, event.detail, event.suspended_minor,
        event.currency, event.tries, event.next_try_at,
    )  # fmt: skip


async def count_for_review(connection: Connection | Pool) -> dict[str, int]:
    """How many events of all tenants somebody has to look at, by status."""
    return {row["status"]: row["count"] for row in await connection.fetch(_SQL["count_for_review"])}


async def pulls_due(connection: Connection | Pool, wall: datetime, limit: int) -> list[PullDue]:
    """Accounts of all who live in the real time, longest not asked first."""
    return [PullDue(*row) for row in await connection.fetch(_SQL["pulls_due"], wall, limit)]


async def changes_until(connection: Connection | Pool, tenant_id: TenantId, account_id: GatewayAccountId) -> datetime:
    """Up to when the account's changes were pulled: from its creation on."""
    found: datetime = await connection.fetchval(_SQL["changes_until"], tenant_id, account_id)
    return found


async def pulled(
    connection: Connection | Pool,
    tenant_id: TenantId,
    account_id: GatewayAccountId,
    until: datetime | None,
    next_pull_at: datetime,
) -> None:
    """Note up to when changes were pulled (None: no further), and when to ask again."""
    await connection.execute(_SQL["pulled"], tenant_id, account_id, until, next_pull_at)


def _event(row: Any) -> StoredEvent:
    return msgspec.convert(dict(zip(StoredEvent.__struct_fields__, row, strict=True)), StoredEvent)
