"""Giving a group of subscriptions to another customer."""

from uuid import UUID

from billsmith.actions.calls import Call, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.saving import CustomerNotFound
from billsmith.actions.subscriptions.loading import load_groups, read_subscription
from billsmith.actions.subscriptions.saving import Bill, Done, done
from billsmith.core.customers import not_deleted
from billsmith.core.ids import CustomerId, GroupId, SubscriptionId, shard_of, show_id
from billsmith.core.subscriptions.moving import Transfer, transferred
from billsmith.core.tenants import Tenant
from billsmith.store import customers as customer_rows
from billsmith.store.events import Cause
from billsmith.store.pool import Connection


async def transfer(
    context: Context, call: Call, id_: UUID, to: CustomerId, *, give_back: bool = False, bill: Bill = "now"
) -> Outcome[Done]:
    """The subscription's whole group ends for its customer and begins for another, under new ids.

    Raises SubscriptionNotThere, CustomerNotFound, CustomerDeleted, TransferToItself, SubscriptionOver.
    """

    async def verb(connection: Connection, cause: Cause) -> Done:
        return await transfer_in(connection, context, cause, call.tenant, id_, to, give_back=give_back, bill=bill)

    return await carry_out(context, call, verb)


async def transfer_in(
    connection: Connection,
    context: Context,
    cause: Cause,
    tenant: Tenant,
    id_: UUID,
    to: CustomerId,
    *,
    give_back: bool = False,
    bill: Bill = "now",
) -> Done:
    """The body of `transfer`: the group as it arrived. Raises what it does."""
    first = await read_subscription(connection, tenant, id_)
    locked = await customer_rows.lock_customers(connection, tenant.id, [first.customer_id, to])
    if to not in locked:
        raise CustomerNotFound(f"there is no customer {show_id('customer', to)}", pointer="/customer")
    owner = locked[first.customer_id]
    not_deleted(owner)
    groups = await load_groups(connection, tenant, {first.group_id: owner}, cause.caused_at)
    group = groups[first.group_id]
    group_id, *ids = context.ids.many(len(group.members) + 1, shard_of(to))
    new = {member.subscription.id: SubscriptionId(new_id) for member, new_id in zip(group.members, ids, strict=True)}
    made = transferred(group, Transfer(locked[to], GroupId(group_id), new, give_back))
    return await done(connection, context, cause, tenant, [made.left, made.arrived], (new[SubscriptionId(id_)],), bill)
