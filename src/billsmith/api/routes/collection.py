"""Collecting invoices: with which payment method, now or not; and which customers can't be charged"""

from starlette.responses import Response

from billsmith.actions.billing.drafts import hold_draft
from billsmith.actions.invoices import get_invoice
from billsmith.actions.money import collect
from billsmith.actions.objects import InvoiceObject, invoice_object
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import Listed
from billsmith.api.paging import Cursor, page_of
from billsmith.api.schemas.methods import BlockedCustomer, MethodToGive, blocked_customer
from billsmith.core.ids import CustomerId
from billsmith.core.tenants import Scope
from billsmith.store.invoices import Uncollectable

INVOICE = "/v1/invoices/{id}"
BLOCKED = "/v1/collection/blocked"
BLOCKED_LISTED = Listed()


async def give_method(asked: Asked) -> Response:
    """Collect an invoice with a payment method."""
    given: MethodToGive = asked.body
    id_, method_id = asked.id("invoice"), given.method_id()
    return await asked.carry_out(
        lambda call: collect.give_method(asked.context, call, id_, method_id, default=given.make_default),
        invoice_object,
    )


async def collect_now(asked: Asked) -> Response:
    """Charge an invoice now."""
    id_ = asked.id("invoice")
    return await asked.carry_out(lambda call: collect.collect_invoice(asked.context, call, id_), invoice_object)


async def hold(asked: Asked) -> Response:
    """Stop collecting an invoice, or keep a draft from finalising itself."""
    id_ = asked.id("invoice")
    document = await get_invoice(asked.context, asked.tenant, id_)
    verb = hold_draft if document.invoice.status == "draft" else collect.hold_invoice
    return await asked.carry_out(lambda call: verb(asked.context, call, id_), invoice_object)


async def list_blocked(asked: Asked) -> Response:
    """A page of customers who can't be charged."""
    filters = BLOCKED_LISTED.read(asked.query, asked.tenant)
    after = None if filters.after_id is None else CustomerId(filters.after_id)
    rows = await collect.list_uncollectable(asked.context, asked.tenant, after, filters.limit + 1)
    by_customer: dict[CustomerId, list[Uncollectable]] = {}
    for row in rows:
        by_customer.setdefault(row.customer_id, []).append(row)
    found = list(by_customer.items())
    return answer(page_of(found, filters.limit, blocked_customer, lambda entry: Cursor(entry[0])))


ENDPOINTS = (
    Endpoint(
        method="POST", path=INVOICE + "/payment-method", name="giveInvoicePaymentMethod",
        summary="Collect an invoice with a payment method", run=give_method, scope=Scope.WRITE, moves_money=True,
        description="At once, or after the charge that is under way; it supersedes whatever was planned.",
        body=MethodToGive, example="invoice_method", answers=InvoiceObject, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=INVOICE + "/collect", name="collectInvoice", summary="Collect an invoice now",
        description="Whatever was planned. The answer has what became of it, or `processing` if that takes longer.",
        run=collect_now, scope=Scope.WRITE, moves_money=True, answers=InvoiceObject, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=INVOICE + "/hold", name="holdInvoice", summary="Stop collecting an invoice", run=hold,
        description="Until somebody collects it or gives it a payment method.", scope=Scope.WRITE,
        answers=InvoiceObject, problems=(404, 409),
    ),
    Endpoint(
        method="GET", path=BLOCKED, name="listBlockedCustomers", summary="List customers who can't be charged",
        description="Those with open invoices that nothing collects by itself, and why; oldest customers first.",
        run=list_blocked, scope=Scope.READ, parameters=BLOCKED_LISTED.parameters(), answers=BlockedCustomer, lists=True,
    ),
)  # fmt: skip
