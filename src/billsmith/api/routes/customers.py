"""/v1/customers"""

from msgspec import UNSET
from starlette.responses import Response

from billsmith.actions import customers
from billsmith.actions.billing.runs import bill_customer, parked_because
from billsmith.actions.customers import resolve_customer
from billsmith.actions.objects import BilledObject, CustomerObject, customer_object, invoice_object
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import Listed, expand_parameter
from billsmith.api.paging import Cursor, page_of
from billsmith.api.parameters import PREVIEW
from billsmith.api.schemas.customers import (
    CustomerToBill,
    CustomerToChange,
    CustomerToCreate,
    changed_details,
    details_of,
)
from billsmith.core.customers import CustomerDetails
from billsmith.core.ids import CustomerId
from billsmith.core.tenants import Scope
from billsmith.errors import NotFound
from billsmith.store.customers import Balances

PATH = "/v1/customers"
ONE = PATH + "/{id}"

LISTED = Listed(
    choices={"billing": ("parked",)},
    texts=("currency", "external_id"),
    instants=("created_at",),
    labels=True,
    includes=("hidden",),
    expands=("balances",),
)


async def create(asked: Asked) -> Response:
    """Make a customer."""
    details = details_of(asked.body, await _parent(asked))
    return await asked.carry_out(
        lambda call: customers.create_customer(asked.context, call, details), customer_object, status=201
    )


async def list_(asked: Asked) -> Response:
    """A page of customers."""
    expand = asked.expand(*LISTED.expands)
    filters = LISTED.read(asked.query, asked.tenant)
    found = await customers.list_customers(asked.context, asked.tenant, filters)
    balances = await _balances(asked, [customer.id for customer in found]) if expand else None
    parked = await parked_because(asked.context, asked.tenant, [customer.id for customer in found])
    return answer(
        page_of(
            found,
            filters.limit,
            lambda customer: customer_object(
                customer, None if balances is None else balances.get(customer.id, {}), parked.get(customer.id, UNSET)
            ),
            lambda customer: Cursor(customer.id),
        )
    )


async def bill(asked: Asked) -> Response:
    """Bill a customer now."""
    given: CustomerToBill = asked.body
    id_ = CustomerId(asked.id("customer"))
    return await asked.carry_out(
        lambda call: bill_customer(asked.context, call, id_, given.until_on, preview=asked.preview),
        lambda documents: BilledObject(invoices=tuple(invoice_object(one) for one in documents)),
        status=201,
    )


async def get(asked: Asked) -> Response:
    """One customer."""
    expand = asked.expand("balances")
    customer = await customers.get_customer(asked.context, asked.tenant, asked.id("customer"))
    balances = (await _balances(asked, [customer.id])).get(customer.id, {}) if expand else None
    parked = await parked_because(asked.context, asked.tenant, [customer.id])
    return answer(customer_object(customer, balances, parked.get(customer.id, UNSET)))


async def change(asked: Asked) -> Response:
    """Change a customer."""
    given: CustomerToChange = asked.body
    id_, parent_id = CustomerId(asked.id("customer")), await _parent(asked)

    def changed(before: CustomerDetails) -> CustomerDetails:
        return changed_details(before, given, parent_id)

    return await asked.carry_out(
        lambda call: customers.update_customer(asked.context, call, id_, changed), customer_object
    )


async def delete(asked: Asked) -> Response:
    """Delete a customer."""
    id_ = CustomerId(asked.id("customer"))
    return await asked.carry_out(lambda call: customers.delete_customer(asked.context, call, id_), customer_object)


async def _parent(asked: Asked) -> CustomerId | None:
    named = asked.body.parent
    if named is UNSET or named is None:
        return None
    try:
        parent_id = await resolve_customer(asked.context, asked.tenant, named)
        await customers.get_customer(asked.context, asked.tenant, parent_id)
    except NotFound as error:
        raise type(error)(error.detail, pointer="/parent") from error
    return parent_id


async def _balances(asked: Asked, ids: list[CustomerId]) -> Balances:
    return await customers.get_balances(asked.context, asked.tenant, ids)


ENDPOINTS = (
    Endpoint(
        method="POST", path=PATH, name="createCustomer", summary="Create a customer", run=create, scope=Scope.WRITE,
        body=CustomerToCreate, example="customer", answers=CustomerObject, status=201, problems=(404, 409),
    ),
    Endpoint(
        method="GET", path=PATH, name="listCustomers", summary="List customers", run=list_, scope=Scope.READ,
        description="Newest first; deleted ones, too. `billing=parked`: whom billing runs leave out, with the reason.",
        parameters=LISTED.parameters(), answers=CustomerObject, lists=True,
    ),
    Endpoint(
        method="GET", path=ONE, name="getCustomer", summary="Get a customer", run=get, scope=Scope.READ,
        parameters=expand_parameter(("balances",)), answers=CustomerObject, problems=(404,),
    ),
    Endpoint(
        method="PATCH", path=ONE, name="changeCustomer", summary="Change a customer", run=change, scope=Scope.WRITE,
        description="Switching `draw_credit` on draws what credit there is.",
        body=CustomerToChange, example="customer_change", answers=CustomerObject, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=f"{ONE}/bill", name="billCustomer", summary="Bill a customer now", run=bill,
        scope=Scope.WRITE, parameters=(PREVIEW,),
        description="All that its subscriptions have due by a day, today unless said. Nothing due makes no invoice. "
        "A customer that runs left out is tried again, and once it is billed they take it in again.",
        body=CustomerToBill, example="bill", answers=BilledObject, status=201, problems=(404, 409),
    ),
    Endpoint(
        method="DELETE", path=ONE, name="deleteCustomer", summary="Delete a customer", run=delete, scope=Scope.WRITE,
        description="Never billed again; its documents stay. Refused while anything is open between you.",
        answers=CustomerObject, problems=(404, 409),
    ),
)  # fmt: skip
