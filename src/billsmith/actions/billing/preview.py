"""Previews: the very verb and the very run, carried out in one transaction that is rolled back.

So a preview shows the cent that would be charged; only ids and numbers are others when it is done.
"""

from collections.abc import Awaitable, Callable
from datetime import date

from billsmith.actions.billing.runs import bill_customer_in
from billsmith.actions.calls import Call, cause_of
from billsmith.actions.context import Context
from billsmith.core.ids import CustomerId
from billsmith.core.invoices import Document
from billsmith.store.events import Cause, insert_cause
from billsmith.store.pool import Connection
from billsmith.store.transaction import transact


class _RolledBack(Exception):
    """Carries what came of it out of the transaction, which is undone by it."""

    def __init__(self, documents: list[Document]) -> None:
        super().__init__()
        self.documents = documents


async def preview(
    context: Context,
    call: Call,
    work: Callable[[Connection, Cause], Awaitable[list[Document]]],
) -> list[Document]:
    """The documents that `work` would make now; nothing of it is kept. Raises what `work` raises."""
    cause = cause_of(context, call)

    async def rehearsal(connection: Connection) -> None:
        await insert_cause(connection, cause)
        raise _RolledBack(await work(connection, cause))

    try:
        await transact(context.pool, rehearsal)
    except _RolledBack as done:
        return done.documents
    raise AssertionError("a rehearsal always ends in its rollback")


async def preview_bill(
    context: Context, call: Call, customer_id: CustomerId, until_on: date | None = None
) -> list[Document]:
    """What a run on a customer would bill by a day. Raises CustomerNotFound, CustomerDeleted."""

    async def work(connection: Connection, cause: Cause) -> list[Document]:
        return await bill_customer_in(connection, context, cause, call.tenant, customer_id, until_on)

    return await preview(context, call, work)
