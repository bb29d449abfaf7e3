"""Carrying out what is asked of subscriptions: changes, cancels, pauses, what is undone; other labels."""

from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from billsmith.actions.calls import Call, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.credits import grant_in
from billsmith.actions.subscriptions.asking import Asked, decided
from billsmith.actions.subscriptions.loading import lock_group_of
from billsmith.actions.subscriptions.saving import Bill, Done, done
from billsmith.actions.subscriptions.starting import name_taken
from billsmith.core import text
from billsmith.core.credits import NewCredit
from billsmith.core.customers import external_id, not_deleted
from billsmith.core.ids import SubscriptionId, show_id
from billsmith.core.subscriptions.group import Group, begun, member_of
from billsmith.core.subscriptions.subscription import Subscription
from billsmith.core.subscriptions.timeline import Timeline, subscription_fact
from billsmith.core.tenants import Tenant
from billsmith.store.events import Cause
from billsmith.store.pool import Connection
from billsmith.store.selling import subscriptions as subscription_rows


class Labels(Struct, frozen=True, gc=False):
    """What is to change about a subscription's labels."""

    external_id: str | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET


async def alter(context: Context, call: Call, id_: UUID, asked: Asked, bill: Bill = "now") -> Outcome[Done]:
    """Do what is asked of one subscription, or schedule it.

    Raises SubscriptionNotThere, CustomerDeleted, and what the rule for it refuses.
    """

    async def verb(connection: Connection, cause: Cause) -> Done:
        return await alter_in(connection, context, cause, call.tenant, id_, asked, bill)

    return await carry_out(context, call, verb)


async def alter_in(
    connection: Connection,
    context: Context,
    cause: Cause,
    tenant: Tenant,
    id_: UUID,
    asked: Asked,
    bill: Bill = "now",
) -> Done:
    """The body of `alter`. Raises what it does."""
    subscription_id = SubscriptionId(id_)
    group = await lock_group_of(connection, tenant, id_, cause.caused_at)
    not_deleted(group.customer)
    altered = decided(group, subscription_id, asked)
    if altered.credit_minor:
        row = member_of(altered.group, subscription_id).subscription
        reason = f"cancel of {show_id('subscription', row.id)}"
        given = NewCredit(altered.credit_minor, currency=row.currency, reason=reason)
        await grant_in(connection, context, cause, tenant, group.customer.id, given)
    return await done(connection, context, cause, tenant, [altered], (subscription_id,), bill)


async def relabel(context: Context, call: Call, id_: UUID, labels: Labels) -> Outcome[Done]:
    """Another external id, other metadata or tags, which any subscription may get.

    Raises SubscriptionNotThere, ExternalIdTaken, UnusableText.
    """

    async def verb(connection: Connection, cause: Cause) -> Done:
        group = await lock_group_of(connection, call.tenant, id_, cause.caused_at)
        altered = begun(group)
        before = member_of(altered.group, SubscriptionId(id_)).subscription
        row = _relabelled(before, labels)
        if row.external_id is not None and row.external_id != before.external_id:
            name = (row.customer_id, row.external_id)
            holders = await subscription_rows.find_subscriptions(connection, call.tenant.id, [name])
            if name in holders:
                raise name_taken(row.external_id, holders[name])
        altered = replace(
            altered,
            group=_with_row(altered.group, row),
            changed_ids=altered.changed_ids | {row.id},
            facts=(*altered.facts, subscription_fact("subscription.updated", row)),
        )
        await subscription_rows.relabel_subscription(connection, row)
        return await done(connection, context, cause, call.tenant, [altered], (row.id,), "later")

    return await carry_out(context, call, verb)


def _relabelled(row: Subscription, labels: Labels) -> Subscription:
    return replace(
        row,
        external_id=row.external_id if labels.external_id is UNSET else external_id(labels.external_id),
        metadata=row.metadata if labels.metadata is UNSET else text.metadata(labels.metadata),
        tags=row.tags if labels.tags is UNSET else text.tags(labels.tags),
        version=row.version + 1,
    )


def _with_row(group: Group, row: Subscription) -> Group:
    members = tuple(
        Timeline(row, member.changes) if member.subscription.id == row.id else member for member in group.members
    )
    return replace(group, members=members)
