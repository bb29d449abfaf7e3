"""Ending what a deleted customer subscribes to."""

from billsmith.actions.context import Context
from billsmith.actions.subscriptions.loading import load_groups
from billsmith.actions.subscriptions.saving import save_altered
from billsmith.core.customers import Customer
from billsmith.core.subscriptions.leaving import ended_unbilled
from billsmith.core.tenants import Tenant
from billsmith.store.events import Cause
from billsmith.store.pool import Connection
from billsmith.store.selling import subscriptions as subscription_rows


async def end_all_in(
    connection: Connection, context: Context, cause: Cause, tenant: Tenant, customer: Customer
) -> None:
    """End the subscriptions of a locked customer now; nothing is billed any more, and nothing given back."""
    unsettled = await subscription_rows.unsettled_of_customers(connection, tenant.id, [customer.id])
    owners = {row.group_id: customer for row in unsettled.get(customer.id, ())}
    if owners:
        groups = await load_groups(connection, tenant, owners, cause.caused_at)
        await save_altered(connection, context, cause, [ended_unbilled(group) for group in groups.values()])
    await subscription_rows.set_next_bill_at(connection, tenant.id, {customer.id: None})
