"""/v1/refunds/bulk and /v1/operations"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from starlette.responses import Response

from billsmith.actions.customers import get_customer, resolve_customer
from billsmith.actions.money import bulk
from billsmith.actions.money.bulk import OperationInFull, RefundFilter
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import limit_of
from billsmith.api.paging import LARGEST_LIMIT, LIMIT, Cursor, page_of, read_cursor
from billsmith.api.parameters import Parameter, one_of
from billsmith.api.schemas.money import InvoicesToRefund
from billsmith.core.ids import CustomerId, show_id
from billsmith.core.operations import Operation
from billsmith.core.tenants import Scope
from billsmith.errors import NotFound
from billsmith.store.operations import ItemCount, OperationItem

BULK = "/v1/refunds/bulk"
PATH = "/v1/operations"
ONE = PATH + "/{id}"

_PAGE = (
    Parameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": LIMIT}, "How many at most."
    ),
    Parameter("cursor", {"type": "string"}, "`next_cursor` of the page before."),
)
_STATUSES = ("waiting", "done", "refused")


class CountObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How many items of one status and currency there are, and what they come to."""

    status: str
    currency: str
    items: int
    amount: int


class ItemObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One item: what it is done to, and what became of it (`result`: what was done, or why it was refused).

    A bulk refund is about invoices, what the catalogue does is about subscriptions.
    """

    invoice: str | None
    subscription: str | None
    status: Literal["waiting", "done", "refused"]
    amount: int
    currency: str
    result: dict[str, Any] | None


class OperationObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Long work that was asked for, and how far it is."""

    id: str
    object: Literal["operation"] = "operation"
    kind: str
    status: str
    input: dict[str, Any] | None
    counts: list[CountObject] | msgspec.UnsetType = msgspec.UNSET
    created_at: datetime
    finished_at: datetime | None


class BulkPreviewObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a bulk refund would be about: how many and how much per currency, and the first of them."""

    object: Literal["preview"] = "preview"
    counts: list[CountObject]
    first: list[ItemObject]


async def refund_many(asked: Asked) -> Response:
    """Refund many invoices."""
    given: InvoicesToRefund = asked.body
    wanted = await _wanted(asked, given)
    return await asked.carry_out(
        lambda call: bulk.start_bulk_refund(asked.context, call, wanted, given.reason), _in_full, status=202
    )


async def preview_many(asked: Asked) -> Response:
    """What refunding many invoices would come to."""
    given: InvoicesToRefund = asked.body
    found = await bulk.preview_bulk_refund(asked.context, asked.tenant, await _wanted(asked, given))
    counts, first = [_count(one) for one in found.counts], [_item(item) for item in found.first]
    return answer(BulkPreviewObject(counts=counts, first=first))


async def list_(asked: Asked) -> Response:
    """A page of operations."""
    limit = limit_of(asked.query)
    found = await bulk.list_operations(asked.context, asked.tenant, _after(asked), limit + 1)
    return answer(page_of(found, limit, _operation, lambda one: Cursor(one.id)))


async def get(asked: Asked) -> Response:
    """One operation and how far it is."""
    return answer(_in_full(await bulk.get_operation(asked.context, asked.tenant, asked.id("operation"))))


async def items(asked: Asked) -> Response:
    """What became of each item."""
    limit, status = limit_of(asked.query), one_of(asked.query, "status", _STATUSES)
    operation, found = await bulk.list_items(
        asked.context, asked.tenant, asked.id("operation"), status, _after(asked), limit + 1
    )
    return answer(page_of(found, limit, lambda item: _item(item, operation.kind), lambda item: Cursor(item.item_id)))


async def cancel(asked: Asked) -> Response:
    """Stop an operation."""
    id_ = asked.id("operation")
    return await asked.carry_out(lambda call: bulk.cancel_operation(asked.context, call, id_), _in_full)


async def _wanted(asked: Asked, given: InvoicesToRefund) -> RefundFilter:
    customer = None
    if given.customer is not None:
        customer = await resolve_customer(asked.context, asked.tenant, given.customer)
        await _known(asked, customer)
    return RefundFilter(given.issued_from, given.issued_before, customer, given.currency)


async def _known(asked: Asked, customer_id: CustomerId) -> None:
    """A filter that names nobody would match nothing, and nobody would know why. Raises CustomerNotFound."""
    try:
        await get_customer(asked.context, asked.tenant, customer_id)
    except NotFound as error:
        raise type(error)(error.detail, pointer="/customer") from error


def _after(asked: Asked) -> UUID | None:
    return read_cursor(asked.query["cursor"], "created").id if "cursor" in asked.query else None


def _in_full(found: OperationInFull) -> OperationObject:
    return msgspec.structs.replace(_operation(found.operation), counts=[_count(one) for one in found.counts])


def _operation(operation: Operation) -> OperationObject:
    return OperationObject(
        id=show_id("operation", operation.id),
        kind=operation.kind,
        status=operation.status,
        input=operation.input,
        created_at=operation.created_at,
        finished_at=operation.finished_at,
    )


def _count(count: ItemCount) -> CountObject:
    return CountObject(status=count.status, currency=count.currency, items=count.items, amount=count.amount_minor)


def _item(item: OperationItem, kind: str = bulk.KIND) -> ItemObject:
    of_invoices = kind == bulk.KIND
    return ItemObject(
        invoice=show_id("invoice", item.item_id) if of_invoices else None,
        subscription=None if of_invoices else show_id("subscription", item.item_id),
        status=item.status,
        amount=item.amount_minor,
        currency=item.currency,
        result=item.detail,
    )


ENDPOINTS = (
    Endpoint(
        method="POST", path=BULK, name="refundMany", summary="Refund many invoices", run=refund_many, status=202,
        description="Everything paid and not yet given back, of all invoices issued in a half-open time. Workers carry "
        "it out; each invoice has its own result.",
        scope=Scope.WRITE, moves_money=True, body=InvoicesToRefund, example="bulk_refund", answers=OperationObject,
        problems=(404,),
    ),
    Endpoint(
        method="POST", path=BULK + "/preview", name="previewRefundMany", summary="Preview refunding many invoices",
        run=preview_many, scope=Scope.READ, body=InvoicesToRefund, example="bulk_refund", answers=BulkPreviewObject,
        problems=(404,),
    ),
    Endpoint(
        method="GET", path=PATH, name="listOperations", summary="List operations", run=list_, scope=Scope.READ,
        parameters=_PAGE, answers=OperationObject, lists=True,
    ),
    Endpoint(
        method="GET", path=ONE, name="getOperation", summary="Get an operation", run=get, scope=Scope.READ,
        answers=OperationObject, problems=(404,),
    ),
    Endpoint(
        method="GET", path=ONE + "/items", name="listOperationItems", summary="List an operation's items", run=items,
        scope=Scope.READ,
        parameters=(*_PAGE, Parameter("status", {"type": "string", "enum": list(_STATUSES)}, "Only those.")),
        answers=ItemObject, lists=True, problems=(404,),
    ),
    Endpoint(
        method="POST", path=ONE + "/cancel", name="cancelOperation", summary="Cancel an operation", run=cancel,
        description="What is done stays done; what waits is left alone.", scope=Scope.WRITE, answers=OperationObject,
        problems=(404, 409),
    ),
)  # fmt: skip
