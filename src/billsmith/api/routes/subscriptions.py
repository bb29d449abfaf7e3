"""/v1/subscriptions"""

from collections.abc import Awaitable, Callable
from typing import get_args

from msgspec.structs import replace
from starlette.responses import Response

from billsmith.actions.calls import Call, Outcome
from billsmith.actions.customers import resolve_customer
from billsmith.actions.objects import BilledObject, invoice_object
from billsmith.actions.subscriptions import reading
from billsmith.actions.subscriptions.changing import alter, relabel
from billsmith.actions.subscriptions.objects import EntitlementObject, SubscriptionObject, TimelineEntryObject
from billsmith.actions.subscriptions.previewing import preview_alter, preview_subscribe
from billsmith.actions.subscriptions.reading import done_object
from billsmith.actions.subscriptions.starting import subscribe
from billsmith.actions.subscriptions.transferring import transfer
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import Listed, expand_parameter
from billsmith.api.paging import Cursor, Page, page_of
from billsmith.api.schemas.subscriptions import (
    BillDayToChangeTo,
    ChangeToUndo,
    PauseToMake,
    PlanToChangeTo,
    QuantityToChangeTo,
    ResumeToMake,
    SubscriptionToCancel,
    SubscriptionToCreate,
    SubscriptionToRelabel,
    SubscriptionToTransfer,
    SubscriptionToTry,
    VerbGiven,
    VerbToTry,
    asked_by,
)
from billsmith.core.ids import SubscriptionId, find_id, read_id
from billsmith.core.invoices import Document
from billsmith.core.subscriptions.subscription import SubscriptionStatus
from billsmith.core.tenants import Scope
from billsmith.errors import BillsmithError

PATH = "/v1/subscriptions"
ONE = PATH + "/{id}"

LISTED = Listed(
    choices={"status": get_args(SubscriptionStatus)},
    texts=("plan", "group", "currency", "external_id"),
    instants=("created_at",),
    customer=True,
    labels=True,
    includes=("hidden",),
    expands=("add_ons",),
)


async def create(asked: Asked) -> Response:
    """Start a subscription."""
    given: SubscriptionToCreate = asked.body
    order = given.order()
    customer_id = await resolve_customer(asked.context, asked.tenant, given.customer)
    return await asked.carry_out(
        lambda call: subscribe(asked.context, call, customer_id, order, given.bill), done_object, status=201
    )


async def list_(asked: Asked) -> Response:
    """A page of subscriptions."""
    expand = asked.expand(*LISTED.expands)
    filters = LISTED.read(asked.query, asked.tenant, await asked.customer_in_query())
    if (group := filters.equal.get("group")) is not None:
        others = {name: value for name, value in filters.equal.items() if name != "group"}
        group_id = find_id("group", group)
        await reading.group_exists(asked.context, asked.tenant, group_id)
        filters = replace(filters, equal={**others, "group_id": group_id})
    found = await reading.list_subscriptions(asked.context, asked.tenant, filters, add_ons=bool(expand))
    return answer(page_of(found, filters.limit, lambda one: one, lambda one: Cursor(read_id("subscription", one.id))))


async def get(asked: Asked) -> Response:
    """One subscription."""
    expand = asked.expand("add_ons")
    id_ = asked.id("subscription")
    return answer(await reading.get_subscription(asked.context, asked.tenant, id_, add_ons=bool(expand)))


async def change_labels(asked: Asked) -> Response:
    """Change the labels of a subscription."""
    given: SubscriptionToRelabel = asked.body
    id_, labels = asked.id("subscription"), given.labels()
    return await asked.carry_out(lambda call: relabel(asked.context, call, id_, labels), done_object)


async def alter_(asked: Asked) -> Response:
    """Do what a verb's body says to a subscription."""
    given: VerbGiven = asked.body
    id_ = SubscriptionId(asked.id("subscription"))
    change = asked_by(given, id_)
    return await asked.carry_out(lambda call: alter(asked.context, call, id_, change, given.bill), done_object)


async def transfer_group(asked: Asked) -> Response:
    """Give a group of subscriptions to another customer."""
    given: SubscriptionToTransfer = asked.body
    id_ = asked.id("subscription")
    to = await resolve_customer(asked.context, asked.tenant, given.customer)
    return await asked.carry_out(
        lambda call: transfer(asked.context, call, id_, to, give_back=given.give_back, bill=given.bill),
        done_object,
        status=201,
    )


async def try_subscribing(asked: Asked) -> Response:
    """Show what a subscription would be billed."""
    given: SubscriptionToTry = asked.body
    try:
        order = given.subscription.order()
        customer_id = await resolve_customer(asked.context, asked.tenant, given.subscription.customer)
        return await _shown(
            asked, lambda call: preview_subscribe(asked.context, call, customer_id, order, given.until_on)
        )
    except BillsmithError as error:
        raise error.under("/subscription") from error


async def try_verb(asked: Asked) -> Response:
    """Show what a verb would lead to."""
    given: VerbToTry = asked.body
    id_ = SubscriptionId(asked.id("subscription"))
    field, verb = given.verb()
    try:
        change = asked_by(verb, id_)
        return await _shown(asked, lambda call: preview_alter(asked.context, call, id_, change, given.until_on))
    except BillsmithError as error:
        raise error.under(f"/{field}") from error


async def _shown(asked: Asked, preview: Callable[[Call], Awaitable[list[Document]]]) -> Response:
    async def outcome(call: Call) -> Outcome[list[Document]]:
        return Outcome(await preview(call))

    return await asked.carry_out(
        outcome, lambda documents: BilledObject(invoices=tuple(invoice_object(one) for one in documents))
    )


async def get_entitlement(asked: Asked) -> Response:
    """Whether it may be used."""
    return answer(await reading.get_entitlement(asked.context, asked.tenant, asked.id("subscription")))


async def get_timeline(asked: Asked) -> Response:
    """What happened and will happen."""
    entries = await reading.get_timeline(asked.context, asked.tenant, asked.id("subscription"))
    return answer(Page(data=entries, has_more=False, next_cursor=None))


def _verb(path: str, name: str, summary: str, description: str, body: type[VerbGiven], example: str) -> Endpoint:
    return Endpoint(
        method="POST", path=f"{ONE}/{path}", name=name, summary=summary, description=description,
        run=alter_, scope=Scope.WRITE, body=body, example=example, answers=SubscriptionObject, problems=(404, 409),
    )  # fmt: skip


ENDPOINTS = (
    Endpoint(
        method="POST", path=PATH, name="createSubscription", summary="Create a subscription", run=create,
        scope=Scope.WRITE,
        description="Alone, as a base with add-ons, or as an add-on that joins a base. What is due is billed with it.",
        body=SubscriptionToCreate, example="subscription", answers=SubscriptionObject, status=201, problems=(404, 409),
    ),
    Endpoint(
        method="GET", path=PATH, name="listSubscriptions", summary="List subscriptions", run=list_, scope=Scope.READ,
        description="Newest first; those that are over, too. `plan` is a plan's code, whichever version.",
        parameters=LISTED.parameters(), answers=SubscriptionObject, lists=True, problems=(404,),
    ),
    Endpoint(
        method="GET", path=ONE, name="getSubscription", summary="Get a subscription", run=get, scope=Scope.READ,
        parameters=expand_parameter(("add_ons",)), answers=SubscriptionObject, problems=(404,),
    ),
    Endpoint(
        method="PATCH", path=ONE, name="changeSubscription", summary="Change a subscription's labels",
        run=change_labels, scope=Scope.WRITE,
        description="External id, metadata and tags, whatever its status. What it is on changes by the verbs below.",
        body=SubscriptionToRelabel, example="subscription_labels", answers=SubscriptionObject, problems=(404, 409),
    ),
    _verb(
        "change", "changePlan", "Change the plan",
        "Now, or scheduled. A base takes with it the add-ons that its new product does not offer.",
        PlanToChangeTo, "plan_change",
    ),
    _verb(
        "quantity", "changeQuantity", "Change the quantity", "Now, or scheduled.",
        QuantityToChangeTo, "quantity_change",
    ),
    _verb(
        "bill-cycle-day", "changeBillCycleDay", "Change the bill cycle day",
        "The days up to the new one are billed for themselves; nothing is given back.",
        BillDayToChangeTo, "bill_day_change",
    ),
    _verb(
        "cancel", "cancelSubscription", "Cancel a subscription", "With a base its add-ons end at the same times.",
        SubscriptionToCancel, "cancel",
    ),
    _verb(
        "undo", "undoChange", "Undo a pending change", "Until it takes effect, as if it had not been asked for.",
        ChangeToUndo, "undo",
    ),
    _verb(
        "pause", "pauseSubscription", "Pause a subscription",
        "Its whole group, unless only this one is meant. The part of a period that is not used is given back.",
        PauseToMake, "pause",
    ),
    _verb(
        "resume", "resumeSubscription", "Resume a subscription", "On the same bill cycle day as before.",
        ResumeToMake, "resume",
    ),
    Endpoint(
        method="POST", path=f"{ONE}/transfer", name="transferSubscription", summary="Transfer a subscription",
        run=transfer_group, scope=Scope.WRITE,
        description="Its whole group ends for its customer and goes on with another, under new ids: the answer is the "
        "new subscription.",
        body=SubscriptionToTransfer, example="transfer", answers=SubscriptionObject, status=201, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=f"{PATH}/preview", name="previewSubscription", summary="Preview a subscription",
        run=try_subscribing, scope=Scope.READ,
        description="The invoices that would be made, to the cent, by the very code that makes them. Nothing is kept.",
        body=SubscriptionToTry, example="subscription_preview", answers=BilledObject, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=f"{ONE}/preview", name="previewChange", summary="Preview a verb on a subscription",
        run=try_verb, scope=Scope.READ,
        description="The invoices that it would lead to, to the cent, by the very code that makes them. "
        "Nothing is kept.",
        body=VerbToTry, example="verb_preview", answers=BilledObject, problems=(404, 409),
    ),
    Endpoint(
        method="GET", path=f"{ONE}/entitlement", name="getEntitlement", summary="Get the entitlement",
        run=get_entitlement, scope=Scope.READ, description="Whether the customer may use it, since when, until when.",
        answers=EntitlementObject, problems=(404,),
    ),
    Endpoint(
        method="GET", path=f"{ONE}/timeline", name="getTimeline", summary="Get the timeline", run=get_timeline,
        scope=Scope.READ, description="What happened to it and what is going to, in order, in words.",
        answers=TimelineEntryObject, lists=True, problems=(404,),
    ),
)  # fmt: skip
