"""Subscriptions of another system, made once each however often their import is started."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from billsmith.actions.calls import Call, previewed_or_done
from billsmith.actions.context import Context
from billsmith.actions.invoices import Refusal
from billsmith.actions.saving import CustomerNotFound
from billsmith.actions.subscriptions.loading import load_groups, load_timelines
from billsmith.actions.subscriptions.saving import save_altered
from billsmith.actions.subscriptions.starting import Names, Order, new_ids, started
from billsmith.core.catalog.rules import Catalog
from billsmith.core.customers import Customer, external_id
from billsmith.core.ids import CustomerId, GroupId, SubscriptionId, show_id
from billsmith.core.subscriptions.group import Altered, Group, SubscriptionNotThere
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.core.subscriptions.timeline import Timeline, Versions
from billsmith.core.tenants import Tenant
from billsmith.core.text import UnusableText
from billsmith.errors import BillsmithError, Conflict, Invalid, NotFound
from billsmith.store import customers as customer_rows
from billsmith.store.events import Cause
from billsmith.store.pool import Connection
from billsmith.store.selling import catalog as catalog_rows
from billsmith.store.selling import subscriptions as subscription_rows
from billsmith.store.transaction import DatabaseRefused


class SubscriptionDiffers(Conflict):
    """The customer has a subscription of that external id already, and it was started as something else."""

    code = "subscription_differs"


class NameMissing(Invalid):
    """An import tells its subscriptions apart by their external ids."""

    code = "name_missing"


class ImportedSubscription(msgspec.Struct, frozen=True, gc=False):
    """A subscription to be imported, and whose it is, or why that is not known."""

    customer: CustomerId | NotFound
    subscription: NewSubscription
    base: str | None = None
    """The external id of the subscription of the same customer that this one, an add-on, joins."""


class ImportedResult(msgspec.Struct, frozen=True, gc=False):
    """What became of one."""

    status: Literal["made", "made_before", "refused"]
    subscription_id: SubscriptionId | None = None
    refusal: Refusal | None = None


class _Loaded(msgspec.Struct):
    """What the decisions about one batch need; it grows by what they decide."""

    customers: dict[CustomerId, Customer]
    catalog: Catalog
    taken: Names
    groups: dict[GroupId, Group]
    group_of: dict[SubscriptionId, GroupId]
    timelines: dict[SubscriptionId, Timeline]
    versions: Versions


async def import_subscriptions(
    context: Context, call: Call, given: Sequence[ImportedSubscription], *, dry_run: bool = False
) -> list[ImportedResult]:
    """Start subscriptions in one transaction, in the order given, with a result for each; nothing is billed yet.

    One that is there already is left alone, or refused if it was started as something else. A refused one stops no
    other: if the database itself refuses, the batch is tried in halves until the culprit stands alone. A dry run does
    all of it and takes it back.
    """

    async def verb(connection: Connection, cause: Cause) -> list[ImportedResult]:
        return await _import(connection, context, cause, call.tenant, given)

    try:
        return (await previewed_or_done(context, call, verb, preview=dry_run)).fresh
    except DatabaseRefused as error:
        if len(given) == 1:
            return [ImportedResult("refused", refusal=Refusal(error))]
    half = len(given) // 2
    first = await import_subscriptions(context, call, given[:half], dry_run=dry_run)
    return first + await import_subscriptions(context, call, given[half:], dry_run=dry_run)


async def _import(
    connection: Connection,
    context: Context,
    cause: Cause,
    tenant: Tenant,
    given: Sequence[ImportedSubscription],
) -> list[ImportedResult]:
    loaded = await _load(connection, tenant, given, cause)
    decided: list[Altered] = []
    results = []
    for one in given:
        try:
            results.append(_decide(context, cause, loaded, one, decided))
        except BillsmithError as error:
            results.append(ImportedResult("refused", refusal=Refusal(error)))
    if decided:
        await save_altered(connection, context, cause, decided)
    return results


async def _load(
    connection: Connection,
    tenant: Tenant,
    given: Sequence[ImportedSubscription],
    cause: Cause,
) -> _Loaded:
    wanted = {one.customer for one in given if not isinstance(one.customer, NotFound)}
    customers = await customer_rows.lock_customers(connection, tenant.id, wanted)
    names = []
    for one in given:
        owner = one.customer
        if not isinstance(owner, NotFound):
            names += [(owner, name) for text in (one.subscription.external_id, one.base) if (name := _stored(text))]
    taken = await subscription_rows.find_subscriptions(connection, tenant.id, names)
    rows = await subscription_rows.get_subscriptions(connection, tenant.id, taken.values())
    owners = {row.group_id: customers[row.customer_id] for row in rows.values()}
    groups = await load_groups(connection, tenant, owners, cause.caused_at)
    timelines = await load_timelines(connection, tenant, list(rows.values()))
    return _Loaded(
        customers={CustomerId(id_): customer for id_, customer in customers.items()},
        catalog=await catalog_rows.get_catalog(connection, tenant.id),
        taken=taken,
        groups=groups,
        group_of={row.id: row.group_id for row in rows.values()},
        timelines=timelines,
        versions={id_: version for group in groups.values() for id_, version in group.versions.items()},
    )


def _decide(
    context: Context,
    cause: Cause,
    loaded: _Loaded,
    one: ImportedSubscription,
    decided: list[Altered],
) -> ImportedResult:
    owner = one.customer
    if isinstance(owner, NotFound):
        raise owner
    if owner not in loaded.customers:
        raise CustomerNotFound(f"there is no customer {show_id('customer', owner)}")
    name = external_id(one.subscription.external_id)
    if name is None:
        raise NameMissing("this subscription has no external id, so a second import would start it again")
    if (there := loaded.taken.get((owner, name))) is not None:
        _same(loaded, there, one.subscription)
        return ImportedResult("made_before", there)
    base = None if one.base is None else _group_named(loaded, owner, one.base)
    order = Order(one.subscription)
    (altered,) = started(context, cause, loaded.customers[owner], loaded.catalog, order, loaded.taken, base)
    (id_,) = new_ids([altered])
    group_id = altered.group.lead.subscription.group_id
    loaded.groups[group_id] = altered.group
    loaded.group_of[id_] = group_id
    loaded.timelines[id_] = next(member for member in altered.group.members if member.subscription.id == id_)
    loaded.versions = {**loaded.versions, **altered.group.versions}
    decided.append(altered)
    return ImportedResult("made", id_)


def _group_named(loaded: _Loaded, owner: CustomerId, text: str) -> Group:
    id_ = loaded.taken.get((owner, _stored(text) or ""))
    if id_ is None:
        raise SubscriptionNotThere(f"this customer has no subscription with the external id {text[:80]!r}")
    return loaded.groups[loaded.group_of[id_]]


def _same(loaded: _Loaded, there: SubscriptionId, asked: NewSubscription) -> None:
    """Raises SubscriptionDiffers unless what is there was started as what is asked for."""
    timeline = loaded.timelines[there]
    row, first = timeline.subscription, timeline.changes[0]
    assert first.plan_version_id is not None
    was = NewSubscription(
        loaded.versions[first.plan_version_id].plan,
        quantity=first.quantity if first.quantity is not None else asked.quantity,
        prices=first.prices,
        starts_on=row.starts_on,
        billed_through_on=row.billed_through_on,
    )
    fields = ("plan", "quantity", "prices", "starts_on", "billed_through_on")
    wanted = asked if asked.starts_on is not None else replace(asked, starts_on=row.starts_on)
    other = [field for field in fields if getattr(was, field) != getattr(wanted, field)]
    if other:
        shown = show_id("subscription", there)
        said = f"{shown} has this external id and was started with another {', '.join(other)}"
        raise SubscriptionDiffers(said, facts={"existing": shown})


def _stored(text: str | None) -> str | None:
    """An external id as it is stored; None for one that can't be."""
    try:
        return external_id(text)
    except UnusableText:
        return None
