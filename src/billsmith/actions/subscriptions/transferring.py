"""Giving a group of subscriptions to another customer."""

from uuid import UUID

from billsmith.actions.calls import Call, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.saving import CustomerNotFound
from billsmith.actions.subscriptions.loading import load_groups, read_subscription
from billsmith.actions.subscriptions.saving import Bill, bill_after, save_altered
from billsmith.actions.subscriptions.starting import Started
from billsmith.core.customers import not_deleted
from billsmith.core.ids import CustomerId, GroupId, SubscriptionId, shard_of, show_id
from billsmith.core.subscriptions.moving import Transfer, Transferred, transferred
from billsmith.core.tenants import Tenant
from billsmith.store import customers as customer_rows
from billsmith.store.events import Cause
from billsmith.store.pool import Connection


async def transfer(
    context: Context, call: Call, id_: UUID, to: CustomerId, *, give_back: bool = False, bill: Bill = "now"
) -> Outcome[Started]:
    """The subscription's whole group ends for its customer and begins for another, under new ids.

    Raises SubscriptionNotThere, CustomerNotFound, CustomerDeleted, TransferToItself, SubscriptionOver.
    """

    async def verb(connection: Connection, cause: Cause) -> Started:
        made, new_id = await transfer_in(
            connection, context, cause, call.tenant, id_, to, give_back=give_back, bill=bill
        )
        return Started(made.arrived.group, (new_id,))

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
) -> tuple[Transferred, SubscriptionId]:
    """The body of `transfer`: both sides, and the new id of that subscription. Raises what it does."""
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
    await save_altered(connection, context, cause, [made.left, made.arrived])
    for customer_id in sorted({owner.id, to}):
        await bill_after(connection, context, cause, tenant, customer_id, bill)
    return made, new[SubscriptionId(id_)]
