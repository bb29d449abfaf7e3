"""/v1/credits"""

from starlette.responses import Response

from billsmith.actions import credits
from billsmith.actions.customers import resolve_customer
from billsmith.actions.objects import CreditObject, credit_object
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import Listed
from billsmith.api.paging import Cursor, page_of
from billsmith.api.schemas.customers import CreditToGrant
from billsmith.core.tenants import Scope

PATH = "/v1/credits"
ONE = PATH + "/{id}"

LISTED = Listed(
    choices={"source": ("negative_total", "granted")},
    texts=("currency",),
    instants=("created_at", "expires_at"),
    customer=True,
)


async def grant(asked: Asked) -> Response:
    """Grant credit."""
    given: CreditToGrant = asked.body
    credit = given.credit()
    customer_id = await resolve_customer(asked.context, asked.tenant, given.customer)
    return await asked.carry_out(
        lambda call: credits.grant_credit(asked.context, call, customer_id, credit), credit_object, status=201
    )


async def list_(asked: Asked) -> Response:
    """A page of credits."""
    filters = LISTED.read(asked.query, asked.tenant, await asked.customer_in_query())
    found = await credits.list_credits(asked.context, asked.tenant, filters)
    return answer(page_of(found, filters.limit, credit_object, lambda credit: Cursor(credit.id)))


async def get(asked: Asked) -> Response:
    """One credit."""
    return answer(credit_object(await credits.get_credit(asked.context, asked.tenant, asked.id("credit"))))


async def delete(asked: Asked) -> Response:
    """Take back what is left of a credit."""
    id_ = asked.id("credit")
    return await asked.carry_out(lambda call: credits.delete_credit(asked.context, call, id_), credit_object)


ENDPOINTS = (
    Endpoint(
        method="POST", path=PATH, name="grantCredit", summary="Grant credit", run=grant, scope=Scope.WRITE,
        description="Drawn at once on what the customer owes, oldest due first.",
        body=CreditToGrant, example="credit", answers=CreditObject, status=201, problems=(404, 409),
    ),
    Endpoint(
        method="GET", path=PATH, name="listCredits", summary="List credits", run=list_, scope=Scope.READ,
        parameters=LISTED.parameters(), answers=CreditObject, lists=True, problems=(404,),
    ),
    Endpoint(
        method="GET", path=ONE, name="getCredit", summary="Get a credit", run=get, scope=Scope.READ,
        answers=CreditObject, problems=(404,),
    ),
    Endpoint(
        method="DELETE", path=ONE, name="deleteCredit", summary="Delete a credit", run=delete, scope=Scope.WRITE,
        description="Takes back what is left of it.", answers=CreditObject, problems=(404, 409),
    ),
)  # fmt: skip
