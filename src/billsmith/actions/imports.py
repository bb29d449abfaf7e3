"""Imports: customers and documents of another system, made once per (import, document) however often it is started."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from billsmith.actions.calls import Call, carry_out
from billsmith.actions.context import Context
from billsmith.actions.customers import insert_with_snapshot
from billsmith.actions.invoices import NewInvoice, Refusal, lock_for, make_invoices
from billsmith.actions.saving import CustomerNotFound, Standings
from billsmith.core.customers import Customer, CustomerDetails, new_customer
from billsmith.core.decisions import Standing
from billsmith.core.ids import CreditId, CustomerId, InvoiceId, OperationId, SnapshotId, shard_of
from billsmith.core.invoicing import finalise, new_draft
from billsmith.core.operations import Operation
from billsmith.core.tenants import Tenant
from billsmith.core.text import NAME_LENGTH, line_of_text
from billsmith.errors import BillsmithError, Conflict, Invalid
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


async def find_import(context: Context, call: Call, name: str) -> Operation | None:
    """The import of this name, if it was ever begun. Raises UnusableText."""
    return await operations.find_operation(context.pool, call.tenant.id, KIND, line_of_text(name, NAME_LENGTH, "/name"))


Customers = dict[str, CustomerId | Refusal]
"""By external id, who it is or why there is no such customer."""


async def find_customers(context: Context, call: Call, given: Sequence[CustomerDetails]) -> Customers:
    """The customers with these external ids; each of `given` has one."""
    possible, found = _possible(context, call.tenant, given, context.clock.of(call.tenant))
    ids = await customer_rows.find_external_ids(context.pool, call.tenant.id, list(possible))
    return found | {name: ids.get(name) or Refusal(_no_customer(name)) for name in possible}


async def suppose_customers(context: Context, call: Call, given: Sequence[CustomerDetails]) -> Customers:
    """What `import_customers` would answer, with ids that belong to nobody for those it would make."""
    possible, refused = _possible(context, call.tenant, given, context.clock.of(call.tenant))
    ids = await customer_rows.find_external_ids(context.pool, call.tenant.id, list(possible))
    return refused | {name: ids.get(name) or customer.id for name, customer in possible.items()}


async def import_customers(context: Context, call: Call, given: Sequence[CustomerDetails]) -> Customers:
    """The customers with these external ids (each of `given` has one), made where missing."""

    async def verb(connection: Connection, cause: Cause) -> Customers:
        possible, refused = _possible(context, call.tenant, given, cause.caused_at)
        names = {name: customer.id for name, customer in sorted(possible.items())}
        free = await customer_rows.claim_external_ids(connection, call.tenant.id, names)
        new = [customer for name, customer in possible.items() if name in free]
        if new:
            await insert_with_snapshot(connection, context, cause, new)
        return refused | await customer_rows.find_external_ids(connection, call.tenant.id, list(names))

    return (await carry_out(context, call, verb)).fresh


def _possible(
    context: Context, tenant: Tenant, given: Sequence[CustomerDetails], at: datetime
) -> tuple[dict[str, Customer], Customers]:
    """The customers as they would be made, and why others can't be, by external id."""
    possible: dict[str, Customer] = {}
    refused: Customers = {}
    for details in given:
        name = details.external_id or ""
        ids = context.ids.many(2, context.ids.any_shard())
        try:
            customer = new_customer(tenant, details, CustomerId(ids[0]), SnapshotId(ids[1]), at)
        except Invalid as error:
            refused[name] = Refusal(error)
            continue
        if customer.external_id != name:  # written with other code points than it is stored with
            refused[name] = Refusal(_no_customer(name))
        else:
            possible[name] = customer
    return possible, refused


def _no_customer(name: str) -> CustomerNotFound:
    return CustomerNotFound(f"there is no customer {name[:80]!r}")


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


async def check_documents(
    context: Context, call: Call, operation: Operation | None, given: Sequence[ImportDocument]
) -> list[ImportResult]:
    """What `import_documents` would answer; nothing is stored. A customer that does not exist is one to be made."""
    tenant, at = call.tenant, context.clock.of(call.tenant)
    names = [document.name for document in given]
    before = await operations.find_documents(context.pool, tenant.id, operation.id, names) if operation else {}
    wanted = {document.invoice.customer_id for document in given}
    customers = await customer_rows.get_customers(context.pool, tenant.id, wanted)
    for id_ in wanted - customers.keys():
        details = CustomerDetails(name="not made yet")
        customers[id_] = new_customer(tenant, details, id_, SnapshotId(context.ids.new(shard_of(id_))), at)
    return [
        _made_before(document, before[document.name])
        if document.name in before
        else _checked(context, Standing(tenant, customers[document.invoice.customer_id]), document, at)
        for document in given
    ]


def _checked(context: Context, standing: Standing, document: ImportDocument, at: datetime) -> ImportResult:
    ids = context.ids.many(2, shard_of(standing.customer.id))
    try:
        draft, lines = new_draft(standing, document.invoice.details, InvoiceId(ids[0]), at)
        finalise(standing, draft, lines, at, CreditId(ids[1]))
    except BillsmithError as error:
        return ImportResult(document.name, "refused", Refusal(error))
    return ImportResult(document.name, "made")


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
            made.append((document, result.invoice.id))
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
