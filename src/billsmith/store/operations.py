"""Long work that was asked for: imports and the documents they made, bulk work and what became of each item."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from billsmith.core.ids import CustomerId, InvoiceId, OperationId, SubscriptionId, TenantId, shard_of
from billsmith.core.operations import Operation
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("operations")


class ImportedDocument(msgspec.Struct, frozen=True, gc=False):
    """A document that an import made, with the fingerprint of the content it made it from."""

    document: str
    fingerprint: bytes
    invoice_id: InvoiceId


class OperationItem(msgspec.Struct, frozen=True, gc=False):
    """One item of bulk work: what it is done to, how much that comes to, and what became of it."""

    item_id: UUID
    status: Literal["waiting", "done", "refused"]
    amount_minor: int
    currency: str
    detail: dict[str, Any] | None


EndedItem = tuple[UUID, str, Any]
"""An item with the status that it ended in, and its detail."""


class ItemCount(msgspec.Struct, frozen=True, gc=False):
    """How many items of one status and currency there are."""

    status: str
    currency: str
    items: int
    amount_minor: int


async def begin_operation(
    connection: Connection, tenant_id: TenantId, id_: OperationId, kind: str, name: str, at: datetime
) -> Operation:
    """The operation of this name: a new one under `id_`, or the one begun before."""
    await connection.execute(_SQL["begin_operation"], tenant_id, id_, kind, name, at)
    operation = await find_operation(connection, tenant_id, kind, name)
    assert operation is not None
    return operation


async def find_operation(connection: Connection | Pool, tenant_id: TenantId, kind: str, name: str) -> Operation | None:
    """The operation of this name, or None."""
    row = await connection.fetchrow(_SQL["find_operation"], tenant_id, kind, name)
    return None if row is None else Operation(*row)


async def finish_operation(connection: Connection, tenant_id: TenantId, id_: OperationId, at: datetime) -> None:
    """Mark as completed."""
    await connection.execute(_SQL["finish_operation"], tenant_id, id_, at)


async def claim_documents(
    connection: Connection, tenant_id: TenantId, id_: OperationId, documents: Sequence[ImportedDocument]
) -> set[str]:
    """Note documents as made by this import; those that it had not made before."""
    rows = await connection.fetch(
        _SQL["claim_documents"],
        tenant_id,
        id_,
        [document.document for document in documents],
        [document.fingerprint for document in documents],
        [document.invoice_id for document in documents],
    )
    return {row["document"] for row in rows}


async def find_documents(
    connection: Connection | Pool, tenant_id: TenantId, id_: OperationId, names: Sequence[str]
) -> dict[str, ImportedDocument]:
    """Which of these documents this import made."""
    rows = await connection.fetch(_SQL["find_documents"], tenant_id, id_, names)
    return {row["document"]: ImportedDocument(*row) for row in rows}


async def count_documents(connection: Connection | Pool, tenant_id: TenantId, id_: OperationId) -> int:
    """How many documents this import has made."""
    return int(await connection.fetchval(_SQL["count_documents"], tenant_id, id_))


async def insert_operation(
    connection: Connection,
    tenant_id: TenantId,
    id_: OperationId,
    kind: str,
    name: str,
    at: datetime,
    input_: Any,
    lease_until: datetime,
) -> None:
    """A new operation that workers carry on."""
    await connection.execute(_SQL["insert_operation"], tenant_id, id_, kind, name, at, input_, lease_until)


async def get_operation(connection: Connection | Pool, tenant_id: TenantId, id_: UUID) -> Operation | None:
    """The operation, or None."""
    row = await connection.fetchrow(_SQL["get_operation"], tenant_id, id_)
    return None if row is None else Operation(*row)


async def list_operations(
    connection: Connection | Pool, tenant_id: TenantId, before: UUID | None, limit: int
) -> list[Operation]:
    """Operations, newest first, from behind `before` on."""
    return [Operation(*row) for row in await connection.fetch(_SQL["list_operations"], tenant_id, before, limit)]


async def running_operations(
    connection: Connection | Pool, tenant_id: TenantId, kinds: Sequence[str]
) -> list[Operation]:
    """Operations of these kinds that have not ended, oldest first, whoever is carrying them on."""
    return [Operation(*row) for row in await connection.fetch(_SQL["running_operations"], tenant_id, list(kinds))]


async def lease_operations(
    connection: Connection, kind: str, wall: datetime, until: datetime, limit: int
) -> list[tuple[TenantId, OperationId]]:
    """Take operations of all tenants that nobody is carrying on; they are the caller's until then."""
    rows = await connection.fetch(_SQL["lease_operations"], kind, wall, until, limit)
    return [(TenantId(row["tenant_id"]), OperationId(row["id"])) for row in rows]


async def extend_lease(connection: Connection | Pool, tenant_id: TenantId, id_: OperationId, until: datetime) -> bool:
    """Keep an operation for longer; False: it was cancelled."""
    return await connection.fetchval(_SQL["extend_lease"], tenant_id, id_, until) is not None


async def cancel_operation(connection: Connection, tenant_id: TenantId, id_: UUID, at: datetime) -> bool:
    """Stop an operation after the item under way; False: it had ended."""
    return await connection.fetchval(_SQL["cancel_operation"], tenant_id, id_, at) is not None


async def refundable_invoices(
    connection: Connection | Pool,
    tenant_id: TenantId,
    issued: tuple[date | None, date | None],
    customer_id: CustomerId | None,
    currency: str | None,
    after: InvoiceId | None,
    limit: int,
) -> list[OperationItem]:
    """Invoices with money to be given back, in the order of their ids; `issued` is half-open."""
    shard = None if customer_id is None else shard_of(customer_id)
    rows = await connection.fetch(
        _SQL["refundable_invoices"], tenant_id, *issued, shard, customer_id, currency, after, limit
    )
    return [OperationItem(row["id"], "waiting", row["amount_minor"], row["currency"], None) for row in rows]


async def insert_items(
    connection: Connection, tenant_id: TenantId, id_: OperationId, items: Sequence[OperationItem]
) -> None:
    """The items of a new operation."""
    records = [
        (tenant_id, id_, item.item_id, item.status, item.amount_minor, item.currency, item.detail) for item in items
    ]
    await connection.copy_records_to_table("operation_items", records=records)


async def waiting_items(
    connection: Connection | Pool, tenant_id: TenantId, id_: OperationId, limit: int
) -> list[OperationItem]:
    """The next items to be worked on."""
    rows = await connection.fetch(_SQL["waiting_items"], tenant_id, id_, limit)
    return [OperationItem(*row) for row in rows]


async def waiting_of(
    connection: Connection, tenant_id: TenantId, id_: OperationId, ids: Sequence[SubscriptionId]
) -> list[SubscriptionId]:
    """Those of some items to which nothing was done yet, in the order of their ids."""
    rows = await connection.fetch(_SQL["waiting_of"], tenant_id, id_, ids)
    return [row["item_id"] for row in rows]


async def list_items(
    connection: Connection | Pool, tenant_id: TenantId, id_: UUID, status: str | None, after: UUID | None, limit: int
) -> list[OperationItem]:
    """Items with what became of them, in the order of their ids."""
    rows = await connection.fetch(_SQL["list_items"], tenant_id, id_, status, after, limit)
    return [OperationItem(*row) for row in rows]


async def end_items(
    connection: Connection | Pool, tenant_id: TenantId, id_: OperationId, ended: Sequence[EndedItem]
) -> None:
    """What became of each of some items."""
    if ended:
        await connection.execute(_SQL["end_items"], tenant_id, id_, *zip(*ended, strict=True))


async def has_items(connection: Connection | Pool, tenant_id: TenantId, id_: UUID) -> bool:
    """Whether an operation has any items yet, however many."""
    return bool(await connection.fetchval(_SQL["has_items"], tenant_id, id_))


async def count_items(connection: Connection | Pool, tenant_id: TenantId, id_: UUID) -> list[ItemCount]:
    """How many items of an operation stand how, and what they come to."""
    return [ItemCount(*row) for row in await connection.fetch(_SQL["count_items"], tenant_id, id_)]
