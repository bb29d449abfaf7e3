"""Starting subscriptions: one alone, a base with its add-ons, an add-on that joins a base."""

import contextlib
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from billsmith.actions.calls import Call, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.saving import ExternalIdTaken
from billsmith.actions.subscriptions.loading import load_groups, lock_customer
from billsmith.actions.subscriptions.saving import Bill, Done, done
from billsmith.core import text
from billsmith.core.catalog.rules import BillAlignment, Catalog, CreateAlignment
from billsmith.core.customers import Customer, external_id
from billsmith.core.ids import CustomerId, GroupId, SubscriptionId, shard_of, show_id
from billsmith.core.subscriptions.group import Altered, Group, SubscriptionNotThere
from billsmith.core.subscriptions.starting import NewIds, NewSubscription, created
from billsmith.core.tenants import Tenant
from billsmith.core.text import UnusableText
from billsmith.errors import BillsmithError
from billsmith.store.events import Cause
from billsmith.store.pool import Connection
from billsmith.store.selling import catalog as catalog_rows
from billsmith.store.selling import subscriptions as subscription_rows

Names = dict[tuple[CustomerId, str], SubscriptionId]
"""Which subscriptions have these external ids."""


class Order(msgspec.Struct, frozen=True, gc=False):
    """What a customer subscribes to: a base or standalone plan with add-ons, or one add-on that joins a base."""

    subscription: NewSubscription
    add_ons: tuple[NewSubscription, ...] = ()
    base: SubscriptionId | None = None
    """The base subscription that an add-on joins."""
    alignment: CreateAlignment | None = None
    """From when phases are counted; None: as the catalogue's rules say."""
    billed_on: BillAlignment | None = None
    """Whose bill cycle day counts; None: as the catalogue's rules say."""


async def subscribe(
    context: Context, call: Call, customer_id: CustomerId, order: Order, bill: Bill = "now"
) -> Outcome[Done]:
    """Start subscriptions of one customer, all of an order or none.

    Raises CustomerNotFound, CustomerDeleted, SubscriptionNotThere (`base`), ExternalIdTaken, UnusableText, and what
    core/subscriptions/starting.py refuses.
    """

    async def verb(connection: Connection, cause: Cause) -> Done:
        return await subscribe_in(connection, context, cause, call.tenant, customer_id, order, bill)

    return await carry_out(context, call, verb)


async def subscribe_in(
    connection: Connection,
    context: Context,
    cause: Cause,
    tenant: Tenant,
    customer_id: CustomerId,
    order: Order,
    bill: Bill = "now",
) -> Done:
    """The body of `subscribe`. Raises what it does."""
    customer = await lock_customer(connection, tenant, customer_id)
    catalog = await catalog_rows.get_catalog(connection, tenant.id)
    base = None if order.base is None else await _group_joined(connection, tenant, customer, order.base, cause)
    taken = await _names_taken(connection, tenant, customer_id, order)
    decided = started(context, cause, customer, catalog, order, taken, base)
    return await done(connection, context, cause, tenant, decided, new_ids(decided), bill)


def started(
    context: Context,
    cause: Cause,
    customer: Customer,
    catalog: Catalog,
    order: Order,
    taken: Names,
    base: Group | None = None,
) -> list[Altered]:
    """What an order of a locked customer comes to, the base first; its names are added to those `taken`.

    Raises ExternalIdTaken, UnusableText, and what core/subscriptions/starting.py refuses; an add-on's with its place.
    """
    decided: list[Altered] = []
    new_names: Names = {}
    for position, asked in enumerate((order.subscription, *order.add_ons)):
        ids = context.ids.many(2, shard_of(customer.id))
        named = _labelled(asked)
        if position:
            named = replace(named, starts_on=named.starts_on or decided[0].saved[0].starts_on)
        try:
            _claim(customer, named, SubscriptionId(ids[0]), taken | new_names, new_names)
            altered = created(
                named,
                customer,
                catalog,
                NewIds(SubscriptionId(ids[0]), GroupId(ids[1])),
                cause.caused_at,
                base,
                order.alignment,
                order.billed_on,
            )
        except BillsmithError as error:
            raise error.under(f"/add_ons/{position - 1}") if position else error from None
        decided.append(altered)
        base = altered.group
    taken.update(new_names)
    return decided


def _labelled(asked: NewSubscription) -> NewSubscription:
    """The same with external id, metadata and tags as they are stored. Raises UnusableText."""
    return replace(
        asked,
        external_id=external_id(asked.external_id),
        metadata=text.metadata(asked.metadata),
        tags=text.tags(asked.tags),
    )


def new_ids(decided: Sequence[Altered]) -> tuple[SubscriptionId, ...]:
    """The subscriptions that an order came to, in its order."""
    return tuple(
        SubscriptionId(fact.object_id)
        for altered in decided
        for fact in altered.facts
        if fact.type == "subscription.created"
    )


async def _names_taken(connection: Connection, tenant: Tenant, customer_id: CustomerId, order: Order) -> Names:
    """Of the external ids that an order of a locked customer names, those that it has already."""
    wanted = []
    for asked in (order.subscription, *order.add_ons):
        with contextlib.suppress(UnusableText):  # refused when it is started
            if (name := external_id(asked.external_id)) is not None:
                wanted.append((customer_id, name))
    return await subscription_rows.find_subscriptions(connection, tenant.id, wanted)


def _claim(customer: Customer, asked: NewSubscription, id_: SubscriptionId, taken: Names, new_names: Names) -> None:
    if asked.external_id is None:
        return
    name = (customer.id, asked.external_id)
    if (holder := taken.get(name)) is not None:
        raise name_taken(asked.external_id, holder)
    new_names[name] = id_


def name_taken(name: str, holder: SubscriptionId) -> ExternalIdTaken:
    """What is said of an external id that another subscription of the customer has."""
    shown = show_id("subscription", holder)
    said = f"{shown} of this customer has the external id {name!r}"
    return ExternalIdTaken(said, pointer="/external_id", facts={"existing": shown})


async def _group_joined(
    connection: Connection, tenant: Tenant, customer: Customer, id_: SubscriptionId, cause: Cause
) -> Group:
    """The group that an add-on is to join: one of the same customer. Raises SubscriptionNotThere."""
    base = (await subscription_rows.get_subscriptions(connection, tenant.id, [id_])).get(id_)
    if base is None or base.customer_id != customer.id:
        said = f"this customer has no subscription {show_id('subscription', id_)}"
        raise SubscriptionNotThere(said, pointer="/base")
    groups = await load_groups(connection, tenant, {base.group_id: customer}, cause.caused_at)
    return groups[base.group_id]
