"""How an invoice that is finalised is to be collected: a policy of its own, or its customer's again."""

from uuid import UUID

from billsmith.actions.calls import Call, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.collect import read_document
from billsmith.actions.saving import lock_standing, save
from billsmith.core.collecting.policies import policy_given
from billsmith.core.decisions import Decision
from billsmith.core.invoices import Document
from billsmith.core.payments.policy import CollectionPolicy
from billsmith.store import invoices as invoice_rows
from billsmith.store.events import Cause
from billsmith.store.pool import Connection


async def give_policy(context: Context, call: Call, id_: UUID, policy: CollectionPolicy | None) -> Outcome[Document]:
    """Collect this invoice by this policy, or (None) by its customer's. Raises InvoiceNotFound, NotCollectable."""

    async def verb(connection: Connection, cause: Cause) -> Document:
        first = await read_document(connection, call.tenant, id_)
        standing = await lock_standing(connection, call.tenant, first.invoice.customer_id)
        invoice = (await invoice_rows.lock_invoices(connection, call.tenant.id, [id_]))[id_]
        decision = policy_given(Decision(standing), invoice, policy)
        await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})
        return await read_document(connection, call.tenant, id_)

    return await carry_out(context, call, verb)
