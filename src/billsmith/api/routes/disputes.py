"""/v1/disputes and /v1/gateway-events"""

from starlette.responses import Response

from billsmith.actions.customers import resolve_customer
from billsmith.actions.money import disputes, hearsay, orphans
from billsmith.actions.money.payments import PaymentInFull
from billsmith.actions.money_objects import (
    DisputeObject,
    GatewayEventObject,
    PaymentObject,
    dispute_object,
    gateway_event_object,
    payment_object,
)
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import Listed
from billsmith.api.paging import Cursor, page_of
from billsmith.api.schemas.methods import OrphanToAssign
from billsmith.core.payments.events import StoredStatus
from billsmith.core.tenants import Scope

DISPUTES = "/v1/disputes"
DISPUTE = DISPUTES + "/{id}"
EVENTS = "/v1/gateway-events"
EVENT = EVENTS + "/{id}"

DISPUTES_LISTED = Listed(
    choices={"status": ("open", "won", "lost")},
    texts=("currency",),
    instants=("created_at", "closed_at"),
    customer=True,
)
EVENTS_LISTED = Listed(
    choices={
        "status": StoredStatus.__args__,  # type: ignore[attr-defined]
        "kind": ("operation", "dispute", "method", "other"),
    },
    texts=("gateway_id",),
)


async def list_disputes(asked: Asked) -> Response:
    """A page of disputes."""
    filters = DISPUTES_LISTED.read(asked.query, asked.tenant, await asked.customer_in_query())
    found = await disputes.list_disputes(asked.context, asked.tenant, filters)
    return answer(page_of(found, filters.limit, dispute_object, lambda one: Cursor(one.id)))


async def get_dispute(asked: Asked) -> Response:
    """One dispute."""
    return answer(dispute_object(await disputes.get_dispute(asked.context, asked.tenant, asked.id("dispute"))))


async def list_events(asked: Asked) -> Response:
    """A page of what gateways told."""
    filters = EVENTS_LISTED.read(asked.query, asked.tenant)
    found = await hearsay.list_gateway_events(asked.context, asked.tenant, filters)
    return answer(page_of(found, filters.limit, gateway_event_object, lambda one: Cursor(one.id)))


async def get_event(asked: Asked) -> Response:
    """One thing that a gateway told."""
    found = await hearsay.get_gateway_event(asked.context, asked.tenant, asked.id("gateway_event"))
    return answer(gateway_event_object(found))


async def retry_event(asked: Asked) -> Response:
    """Look into a parked event again."""
    id_ = asked.id("gateway_event")
    return await asked.carry_out(
        lambda call: hearsay.retry_gateway_event(asked.context, call, id_), gateway_event_object
    )


async def assign_event(asked: Asked) -> Response:
    """Give money that came for nobody to a customer."""
    given: OrphanToAssign = asked.body
    id_, customer_id = asked.id("gateway_event"), await resolve_customer(asked.context, asked.tenant, given.customer)
    return await asked.carry_out(
        lambda call: orphans.assign_orphan(asked.context, call, id_, customer_id), _in_full, status=201
    )


def _in_full(found: PaymentInFull) -> PaymentObject:
    return payment_object(found.payment, found.allocations, found.attempts)


ENDPOINTS = (
    Endpoint(
        method="GET", path=DISPUTES, name="listDisputes", summary="List disputes", run=list_disputes, scope=Scope.READ,
        description="They come from the gateway. What becomes of lost ones is your company's policy `dispute_lost`.",
        parameters=DISPUTES_LISTED.parameters(), answers=DisputeObject, lists=True, problems=(404,),
    ),
    Endpoint(
        method="GET", path=DISPUTE, name="getDispute", summary="Get a dispute", run=get_dispute, scope=Scope.READ,
        answers=DisputeObject, problems=(404,),
    ),
    Endpoint(
        method="GET", path=EVENTS, name="listGatewayEvents", summary="List what gateways told", run=list_events,
        description="For review: `orphan` is about money that is not yours, `parked` could not be looked into.",
        scope=Scope.READ, parameters=EVENTS_LISTED.parameters(), answers=GatewayEventObject, lists=True,
    ),
    Endpoint(
        method="GET", path=EVENT, name="getGatewayEvent", summary="Get what a gateway told", run=get_event,
        scope=Scope.READ, answers=GatewayEventObject, problems=(404,),
    ),
    Endpoint(
        method="POST", path=EVENT + "/retry", name="retryGatewayEvent", summary="Look into a parked event again",
        run=retry_event, scope=Scope.WRITE, answers=GatewayEventObject, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=EVENT + "/assign", name="assignGatewayEvent", summary="Give orphaned money to a customer",
        description="It becomes a payment, credit of the customer until it is allocated or refunded.", run=assign_event,
        scope=Scope.WRITE, moves_money=True, body=OrphanToAssign, example="orphan", answers=PaymentObject, status=201,
        problems=(404, 409),
    ),
)  # fmt: skip
