"""Long work that was asked for: so far, imports and the documents they made."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from billsmith.core.ids import InvoiceId, OperationId, TenantId
from billsmith.core.operations import Operation
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("operations")


class ImportedDocument(msgspec.Struct, frozen=True, gc=False):
    """A document that an import made, with the fingerprint of the content it made it from."""

    document: str
    fingerprint: bytes
    invoice_id: InvoiceId


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
