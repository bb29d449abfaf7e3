"""/v1/transfers"""

from starlette.responses import Response

from billsmith.actions import transfers
from billsmith.actions.invoices import get_invoice
from billsmith.actions.objects import TransferObject, transfer_object
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import Listed, limit_of
from billsmith.api.paging import Cursor, page_of, read_cursor
from billsmith.api.parameters import Parameter, parameter_invalid
from billsmith.core.ids import find_id
from billsmith.core.tenants import Scope

LISTED = Listed(customer=True)
PARAMETERS = (
    *LISTED.parameters(),
    Parameter("invoice", {"type": "string"}, "The id of an invoice; 404 where there is none."),
)


async def list_(asked: Asked) -> Response:
    """The ledger's transfers of one customer or one invoice, newest first."""
    customer_id = await asked.customer_in_query()
    invoice_id = None
    if "invoice" in asked.query:
        invoice_id = find_id("invoice", asked.query["invoice"])
        await get_invoice(asked.context, asked.tenant, invoice_id)
    if customer_id is None and invoice_id is None:
        raise parameter_invalid("invoice", "name an invoice or a customer: there is no list of all transfers")
    limit = limit_of(asked.query)
    after = read_cursor(asked.query["cursor"], "created").id if "cursor" in asked.query else None
    found = await transfers.list_transfers(
        asked.context, asked.tenant, limit, customer_id=customer_id, invoice_id=invoice_id, after_id=after
    )
    return answer(page_of(found, limit, transfer_object, lambda transfer: Cursor(transfer.id)))


ENDPOINTS = (
    Endpoint(
        method="GET", path="/v1/transfers", name="listTransfers", summary="Read the ledger", run=list_,
        description="Of one invoice or one customer, newest first, with who caused each and why.",
        scope=Scope.READ, parameters=PARAMETERS, answers=TransferObject, lists=True, problems=(404,),
    ),
)  # fmt: skip
