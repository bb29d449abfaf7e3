"""/v1/invoices"""

from typing import Any
from uuid import UUID

import msgspec
from starlette.responses import Response

from billsmith.actions import customers, invoices
from billsmith.actions.customers import resolve_customer, resolve_customers
from billsmith.actions.invoices import NewInvoice, Refusal
from billsmith.actions.money import collect
from billsmith.actions.money.policies import give_policy
from billsmith.actions.objects import CustomerObject, InvoiceObject, customer_object, invoice_object
from billsmith.api.body import shaped
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import Listed, expand_parameter
from billsmith.api.idempotency import key_in
from billsmith.api.paging import Cursor, page_of
from billsmith.api.problems import Problem, problem_of
from billsmith.api.schemas.invoices import (
    BATCH,
    InvoicesToCreate,
    InvoiceToChange,
    InvoiceToCreate,
    TooMany,
    changed_details,
    details_of,
)
from billsmith.core.invoices import CollectionState, Document, InvoiceDetails, Status
from billsmith.core.tenants import Scope
from billsmith.errors import Invalid, NotFound

PATH = "/v1/invoices"
ONE = PATH + "/{id}"

LISTED = Listed(
    choices={"status": Status.__args__, "collection_state": CollectionState.__args__},  # type: ignore[attr-defined]
    texts=("currency", "external_id"),
    instants=("created_at", "finalised_at"),
    days=("issued_on", "due_on"),
    customer=True,
    labels=True,
    includes=("hidden", "abandoned"),
    orders=("created", "issued"),
    expands=("customer", "lines"),
)


class BatchResult(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What became of one invoice of several: `invoice` if it was made, `problem` if it was refused."""

    status: str
    invoice: InvoiceObject | None
    problem: Problem | None


async def create(asked: Asked) -> Response:
    """Make an invoice."""
    given: InvoiceToCreate = asked.body
    details = details_of(given)
    customer_id = await resolve_customer(asked.context, asked.tenant, given.customer)
    new = NewInvoice(customer_id, details, given.draft)
    return await asked.carry_out(
        lambda call: invoices.create_invoice(asked.context, call, new), invoice_object, status=201
    )


async def create_batch(asked: Asked) -> Response:
    """Make many invoices, with a result for each."""
    entries: list[Any] = asked.body.invoices
    if not 1 <= len(entries) <= BATCH:
        raise TooMany(f"between 1 and {BATCH} invoices can be made in one call", pointer="/invoices")
    given = await _batch(asked, entries)

    def show(made: list[Document | Refusal]) -> dict[str, Any]:
        return {
            "object": "list",
            "data": [_result(asked, nth, entry) for nth, entry in enumerate(made)],
            "has_more": False,
            "next_cursor": None,
        }

    return await asked.carry_out(lambda call: invoices.create_invoices(asked.context, call, given), show)


async def list_(asked: Asked) -> Response:
    """A page of invoices."""
    expand = asked.expand(*LISTED.expands)
    filters = LISTED.read(asked.query, asked.tenant, await asked.customer_in_query())
    lines = "lines" in expand
    found = await invoices.list_invoices(asked.context, asked.tenant, filters, lines=lines)
    owners = await _customers(asked, found) if "customer" in expand else {}

    def show(document: Document) -> InvoiceObject:
        owner = owners.get(document.invoice.customer_id)
        return invoice_object(document, lines=lines, customer=owner)

    def position(document: Document) -> Cursor:
        by_issue = filters.order == "issued"
        return Cursor(document.invoice.id, document.invoice.issued_on if by_issue else None)

    return answer(page_of(found, filters.limit, show, position))


async def get(asked: Asked) -> Response:
    """One invoice with its lines."""
    expand = asked.expand("customer")
    document = await invoices.get_invoice(asked.context, asked.tenant, asked.id("invoice"))
    owners = await _customers(asked, [document]) if expand else {}
    owner = owners.get(document.invoice.customer_id)
    return answer(invoice_object(document, customer=owner))


async def change(asked: Asked) -> Response:
    """Change a draft, or the metadata and tags of any invoice."""
    given: InvoiceToChange = asked.body
    id_ = asked.id("invoice")
    if given.only_labels:
        notes = None if given.metadata is msgspec.UNSET else given.metadata
        words = None if given.tags is msgspec.UNSET else tuple(given.tags)
        return await asked.carry_out(
            lambda call: invoices.relabel_invoice(asked.context, call, id_, notes, words), invoice_object
        )
    if given.changes == {"collection_policy"} or (given.changes == {"payment_method"} and given.payment_method):
        document = await invoices.get_invoice(asked.context, asked.tenant, id_)
        if document.invoice.status != "draft":
            return await _collect_otherwise(asked, id_, details_of(given))

    def changed(before: InvoiceDetails) -> InvoiceDetails:
        return changed_details(before, given)

    return await asked.carry_out(lambda call: invoices.edit_draft(asked.context, call, id_, changed), invoice_object)


async def delete(asked: Asked) -> Response:
    """Delete a draft."""
    id_ = asked.id("invoice")
    return await asked.carry_out(lambda call: invoices.delete_draft(asked.context, call, id_), invoice_object)


async def finalise(asked: Asked) -> Response:
    """Finalise a draft."""
    id_ = asked.id("invoice")
    return await asked.carry_out(lambda call: invoices.finalise_invoice(asked.context, call, id_), invoice_object)


async def _collect_otherwise(asked: Asked, id_: UUID, given: InvoiceDetails) -> Response:
    """Another policy for a finalised invoice; or a method, with which it is collected at once."""
    method_id = given.payment_method_id
    if method_id is None:
        return await asked.carry_out(
            lambda call: give_policy(asked.context, call, id_, given.collection_policy), invoice_object
        )
    key_in(asked.request, needed=True)
    return await asked.carry_out(
        lambda call: collect.give_method(asked.context, call, id_, method_id, default=False), invoice_object
    )


async def _customers(asked: Asked, documents: list[Document]) -> dict[UUID, CustomerObject]:
    owners = {document.invoice.customer_id for document in documents}
    found = await customers.get_customers(asked.context, asked.tenant, owners)
    return {id_: customer_object(customer) for id_, customer in found.items()}


async def _batch(asked: Asked, entries: list[Any]) -> list[NewInvoice | Refusal]:
    """Each entry as it was meant, or why it can't be meant; customers are looked up in one go."""
    shapes = [_shaped(entry) for entry in entries]
    wanted = {shape.customer for shape, _ in (pair for pair in shapes if not isinstance(pair, Refusal))}
    found = await resolve_customers(asked.context, asked.tenant, wanted)
    given: list[NewInvoice | Refusal] = []
    for pair in shapes:
        if isinstance(pair, Refusal):
            given.append(pair)
            continue
        shape, details = pair
        customer = found[shape.customer]
        if isinstance(customer, NotFound):
            given.append(Refusal(customer))
        else:
            given.append(NewInvoice(customer, details, shape.draft))
    return given


def _shaped(entry: Any) -> tuple[InvoiceToCreate, InvoiceDetails] | Refusal:
    try:
        shape = shaped(entry, InvoiceToCreate)
        return shape, details_of(shape)
    except (Invalid, NotFound) as error:
        return Refusal(error)


def _result(asked: Asked, position: int, made: Document | Refusal) -> BatchResult | dict[str, Any]:
    if isinstance(made, Refusal):
        problem = problem_of(made.error, asked.request_id, under=f"/invoices/{position}")
        return {"status": "refused", "invoice": None, "problem": problem}
    return BatchResult(status="created", invoice=invoice_object(made), problem=None)


ENDPOINTS = (
    Endpoint(
        method="POST", path=PATH, name="createInvoice", summary="Create an invoice", run=create, scope=Scope.WRITE,
        description="Finalised at once, numbered and posted, unless `draft` is true.",
        body=InvoiceToCreate, example="invoice", answers=InvoiceObject, status=201, problems=(404, 409),
    ),
    Endpoint(
        method="GET", path=PATH, name="listInvoices", summary="List invoices", run=list_, scope=Scope.READ,
        description="Newest first; without their lines unless those are expanded.",
        parameters=LISTED.parameters(), answers=InvoiceObject, lists=True, problems=(404,),
    ),
    Endpoint(
        method="GET", path=ONE, name="getInvoice", summary="Get an invoice", run=get, scope=Scope.READ,
        parameters=expand_parameter(("customer",)), answers=InvoiceObject, problems=(404,),
    ),
    Endpoint(
        method="PATCH", path=ONE, name="changeInvoice", summary="Change an invoice", run=change, scope=Scope.WRITE,
        description="Everything on a draft; once it is finalised `metadata` and `tags`, or `collection_policy` alone, "
        "or `payment_method` alone, with which it is collected at once (an idempotency key is needed for that).",
        body=InvoiceToChange, example="invoice_change", answers=InvoiceObject, problems=(404, 409),
    ),
    Endpoint(
        method="DELETE", path=ONE, name="deleteInvoice", summary="Delete a draft", run=delete, scope=Scope.WRITE,
        description="Answers the draft as it was.", answers=InvoiceObject, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=ONE + "/finalise", name="finaliseInvoice", summary="Finalise a draft", run=finalise,
        description="Numbers and posts it; credit of the customer is drawn.", scope=Scope.WRITE,
        answers=InvoiceObject, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=PATH + "/batch", name="createInvoices", summary="Create many invoices", run=create_batch,
        description=f"Up to {BATCH}, in the order given, with a result for each; a refused one stops no other.",
        scope=Scope.WRITE, body=InvoicesToCreate, example="batch", answers=BatchResult, lists=True, problems=(409,),
    ),
)  # fmt: skip
