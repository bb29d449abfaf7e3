"""Imports: customers and documents of another system, made once per (import, document) however often it is started."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from billsmith.actions.calls import Call, carry_out
from billsmith.actions.context import Context
from billsmith.actions.customers import insert_with_snapshot
from billsmith.actions.invoices import NewInvoice, Refusal, lock_for, make_invoices
from billsmith.actions.saving import Standings
from billsmith.core.customers import CustomerDetails, new_customer
from billsmith.core.ids import CustomerId, InvoiceId, OperationId, SnapshotId, shard_of
from billsmith.core.items import lines_of, total_of
from billsmith.core.operations import Operation
from billsmith.core.tenants import Tenant
from billsmith.core.text import NAME_LENGTH, line_of_text
from billsmith.errors import Conflict
from billsmith.store import customers as customer_rows
from billsmith.store import operations
from billsmith.store.events import Cause
from billsmith.store.operations import ImportedDocument
from billsmith.store.pool import Connection
from billsmith.store.transaction import DatabaseRefused, MustRepeat

KIND = "invoice_import"


class DocumentChanged(Conflict):
    """This import made a document of this name before, from other content."""

    code = "document_changed"


class ImportDocument(msgspec.Struct, frozen=True, gc=False):
    """A document to be imported: its own name, a fingerprint of its content, and the invoice it becomes."""

    name: str
    fingerprint: bytes
    invoice: NewInvoice


class ImportResult(msgspec.Struct, frozen=True, gc=False):
    """What became of one document."""

    name: str
    status: Literal["made", "made_before", "refused"]
    refusal: Refusal | None = None


async def begin_import(context: Context, call: Call, name: str) -> Operation:
    """The import of this name: a new one, or the one begun before, to be gone on with. Raises UnusableText."""
    named = line_of_text(name, NAME_LENGTH, "/name")
    id_ = OperationId(context.ids.new(shard_of(call.tenant.id)))

    async def verb(connection: Connection, cause: Cause) -> Operation:
        return await operations.begin_operation(connection, call.tenant.id, id_, KIND, named, cause.caused_at)

    return (await carry_out(context, call, verb)).fresh


async def finish_import(context: Context, call: Call, operation: Operation) -> int:
    """Mark the import as completed; how many documents it has made in all its runs."""

    async def verb(connection: Connection, cause: Cause) -> int:
        await operations.finish_operation(connection, call.tenant.id, operation.id, cause.caused_at)
        return await operations.count_documents(connection, call.tenant.id, operation.id)

    return (await carry_out(context, call, verb)).fresh


async def find_customers(context: Context, call: Call, external_ids: Sequence[str]) -> dict[str, CustomerId]:
    """Which customers have these external ids."""
    return await customer_rows.find_external_ids(context.pool, call.tenant.id, external_ids)


async def import_customers(context: Context, call: Call, given: Sequence[CustomerDetails]) -> dict[str, CustomerId]:
    """The customers with these external ids (each must have one), made where missing. Raises Invalid kinds."""

    async def verb(connection: Connection, cause: Cause) -> dict[str, CustomerId]:
        made = {}
        for details in given:
            ids = context.ids.many(2, context.ids.any_shard())
            customer = new_customer(call.tenant, details, CustomerId(ids[0]), SnapshotId(ids[1]), cause.caused_at)
            made[details.external_id or ""] = customer
        names = {name: customer.id for name, customer in made.items()}
        free = await customer_rows.claim_external_ids(connection, call.tenant.id, names)
        new = [customer for name, customer in made.items() if name in free]
        if new:
            await insert_with_snapshot(connection, context, cause, new)
        return await customer_rows.find_external_ids(connection, call.tenant.id, list(names))

    return (await carry_out(context, call, verb)).fresh


async def import_documents(
    context: Context, call: Call, operation: Operation, given: Sequence[ImportDocument]
) -> list[ImportResult]:
    """Make documents in one transaction, in the order given; a result for each.

    One that this import made before is left alone, or refused if its content differs. A refused document stops no
    other: if the database itself refuses, the batch is tried in halves until the culprit stands alone.
    """

    async def verb(connection: Connection, cause: Cause) -> list[ImportResult]:
        return await _import(connection, context, cause, call, operation, given)

    try:
        return (await carry_out(context, call, verb)).fresh
    except DatabaseRefused as error:
        if len(given) == 1:
            return [ImportResult(given[0].name, "refused", Refusal(error))]
        half = len(given) // 2
        first = await import_documents(context, call, operation, given[:half])
        return first + await import_documents(context, call, operation, given[half:])


def check_document(tenant: Tenant, document: ImportDocument) -> None:
    """What can be said about a document without a database: its lines and totals. Raises Invalid kinds."""
    details = document.invoice.details
    total_of(lines_of(details, details.currency or tenant.currency, tenant.time_zone, tenant.settings))


async def _import(
    connection: Connection,
    context: Context,
    cause: Cause,
    call: Call,
    operation: Operation,
    given: Sequence[ImportDocument],
) -> list[ImportResult]:
    loaded = await lock_for(connection, call.tenant, [document.invoice for document in given])
    # Read under the customers' locks: whoever imports the same documents at the same time has ended, or waits for us.
    before = await operations.find_documents(
        connection, call.tenant.id, operation.id, [document.name for document in given]
    )
    new = [document for document in given if document.name not in before]
    made = await _make(connection, context, cause, loaded, operation, new) if new else {}
    return [
        _made_before(document, before[document.name]) if document.name in before else made[document.name]
        for document in given
    ]


async def _make(
    connection: Connection,
    context: Context,
    cause: Cause,
    loaded: Standings,
    operation: Operation,
    new: Sequence[ImportDocument],
) -> dict[str, ImportResult]:
    results = await make_invoices(connection, context, cause, loaded, [document.invoice for document in new])
    made: list[tuple[ImportDocument, InvoiceId]] = []
    answer = {}
    for document, result in zip(new, results, strict=True):
        if isinstance(result, Refusal):
            answer[document.name] = ImportResult(document.name, "refused", result)
        else:
            made.append((document, result))
            answer[document.name] = ImportResult(document.name, "made")
    rows = [ImportedDocument(document.name, document.fingerprint, id_) for document, id_ in made]
    if rows and len(await operations.claim_documents(connection, cause.tenant_id, operation.id, rows)) != len(rows):
        raise MustRepeat  # somebody imported the same name for another customer meanwhile
    return answer


def _made_before(document: ImportDocument, before: ImportedDocument) -> ImportResult:
    if document.fingerprint == before.fingerprint:
        return ImportResult(document.name, "made_before")
    error = DocumentChanged(f"this import made document {document.name!r} before, from other content")
    return ImportResult(document.name, "refused", Refusal(error))
