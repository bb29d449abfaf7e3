"""Trying verbs on subscriptions: which documents they would lead to, by the very verbs and runs that make them."""

from datetime import date
from uuid import UUID

from billsmith.actions.billing.runs import bill_customer_in
from billsmith.actions.calls import Call, previewed_or_done
from billsmith.actions.context import Context
from billsmith.actions.subscriptions.asking import Asked
from billsmith.actions.subscriptions.changing import alter_in
from billsmith.actions.subscriptions.starting import Order, subscribe_in
from billsmith.core.ids import CustomerId
from billsmith.core.invoices import Document
from billsmith.store.events import Cause
from billsmith.store.pool import Connection


async def preview_subscribe(
    context: Context, call: Call, customer_id: CustomerId, order: Order, until_on: date | None = None
) -> list[Document]:
    """What the customer would be billed by a day, today unless said, with this order. Raises what `subscribe` does."""

    async def verb(connection: Connection, cause: Cause) -> list[Document]:
        await subscribe_in(connection, context, cause, call.tenant, customer_id, order, "later")
        return await bill_customer_in(connection, context, cause, call.tenant, customer_id, until_on)

    return (await previewed_or_done(context, call, verb, preview=True)).fresh


async def preview_alter(
    context: Context, call: Call, id_: UUID, asked: Asked, until_on: date | None = None
) -> list[Document]:
    """What the customer would be billed by a day, today unless said, with this change. Raises what `alter` does."""

    async def verb(connection: Connection, cause: Cause) -> list[Document]:
        done = await alter_in(connection, context, cause, call.tenant, id_, asked, "later")
        customer_id = done.group.customer.id
        return await bill_customer_in(connection, context, cause, call.tenant, customer_id, until_on)

    return (await previewed_or_done(context, call, verb, preview=True)).fresh
