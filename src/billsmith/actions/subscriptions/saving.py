"""Saving what verbs decided about groups of subscriptions, and billing what that makes due."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from billsmith.actions.billing.runs import bill_customer_in
from billsmith.actions.context import Context
from billsmith.actions.saving import record_facts
from billsmith.actions.subscriptions.loading import load_groups
from billsmith.actions.subscriptions.objects import subscription_object
from billsmith.core.facts import Fact
from billsmith.core.ids import CustomerId, SubscriptionId
from billsmith.core.invoices import Document
from billsmith.core.subscriptions.group import Altered, Group, member_of
from billsmith.core.subscriptions.subscription import Subscription
from billsmith.core.tenants import Tenant
from billsmith.core.time_zones import local_midnight
from billsmith.store.events import Cause
from billsmith.store.pool import Connection
from billsmith.store.selling import subscriptions as subscription_rows

Bill = Literal["now", "later"]
"""Whether what a verb makes due is billed in its transaction, or by the next run."""


class Done(Struct, frozen=True, gc=False):
    """What a verb came to."""

    group: Group
    """As it is then, billed or not."""
    ids: tuple[SubscriptionId, ...]
    """Of the group, those that the verb is about: what it started, in the order asked for, or changed."""
    decided: tuple[Altered, ...] = ()
    documents: tuple[Document, ...] = ()
    """What was billed at once."""

    @property
    def subscription(self) -> Subscription:
        """The one that the verb is about, or the first of several."""
        return member_of(self.group, self.ids[0]).subscription


async def save_altered(connection: Connection, context: Context, cause: Cause, decided: Sequence[Altered]) -> None:
    """Write what was decided about locked groups: rows, timelines, facts, and when their customers wake up."""
    tenant_id = cause.tenant_id
    rows = {one.id: one for altered in decided for one in altered.saved}
    created = {fact.object_id for altered in decided for fact in altered.facts if fact.type == "subscription.created"}
    new = [one for id_, one in rows.items() if id_ in created]
    old = [one for id_, one in rows.items() if id_ not in created]
    await subscription_rows.insert_subscriptions(connection, new)
    await subscription_rows.update_subscriptions(connection, tenant_id, old)
    added = [dated for altered in decided for dated in altered.added]
    undone = [dated for altered in decided for dated in altered.undone]
    await subscription_rows.insert_changes(connection, tenant_id, added)
    await subscription_rows.undo_changes(connection, tenant_id, undone)
    await subscription_rows.wake_customers_to_bill(connection, tenant_id, _wake_ups(decided))
    facts = [_shown(fact, altered.group) for altered in decided for fact in altered.facts]
    await record_facts(connection, context, cause, facts)


async def done(
    connection: Connection,
    context: Context,
    cause: Cause,
    tenant: Tenant,
    decided: Sequence[Altered],
    ids: tuple[SubscriptionId, ...],
    bill: Bill,
) -> Done:
    """The end of every verb: what was decided about locked groups is saved, and what that makes due is billed.

    `ids` are of the last group: what the verb is about.
    """
    await save_altered(connection, context, cause, decided)
    group = decided[-1].group
    if bill == "later":
        return Done(group, ids, tuple(decided))
    documents: list[Document] = []
    for customer_id in sorted({altered.group.customer.id for altered in decided}):
        documents += await bill_customer_in(connection, context, cause, tenant, customer_id)
    group_id = group.lead.subscription.group_id
    billed = await load_groups(connection, tenant, {group_id: group.customer}, cause.caused_at)
    return Done(billed[group_id], ids, tuple(decided), tuple(documents))


def _wake_ups(decided: Sequence[Altered]) -> dict[CustomerId, datetime]:
    """When each customer is to be billed by what was saved of it: at the start of the earliest day."""
    found: dict[CustomerId, datetime] = {}
    for altered in decided:
        days = [one.next_bill_on for one in altered.saved if one.next_bill_on is not None]
        if days:
            at = local_midnight(min(days), altered.group.zone)
            customer_id = altered.group.customer.id
            found[customer_id] = min(at, found.get(customer_id, at))
    return found


def _shown(fact: Fact, group: Group) -> Fact:
    """The fact with its subscription as events show it."""
    assert isinstance(fact.object, Subscription)
    return replace(fact, object=subscription_object(fact.object, group.versions))
