"""Drafts of billing runs: when their window closes they finalise themselves, unless they are held."""

from collections.abc import Sequence
from uuid import UUID

from billsmith.actions.calls import Call, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.invoices import finalise_invoice
from billsmith.actions.money.sweeping import NOBODYS_FAULT, of_each_tenant
from billsmith.actions.saving import InvoiceNotFound, lock_standing, record_facts
from billsmith.core.ids import CustomerId, show_id
from billsmith.core.invoices import Document
from billsmith.core.invoicing import draft_held
from billsmith.errors import BillsmithError
from billsmith.store import invoices as invoice_rows
from billsmith.store.events import Cause
from billsmith.store.invoices import DraftDue
from billsmith.store.pool import Connection

SWEEP = 200
"""Drafts that one call of the sweep finalises."""


async def finalise_due(context: Context) -> int:
    """Finalise drafts whose window has closed, of all who live in the real time; how many were looked at."""
    due = await invoice_rows.drafts_due(context.pool, context.clock.wall(), SWEEP)
    return await of_each_tenant(context, due, _finalise_these, "the window of a draft")


async def finalise_due_of(context: Context, call: Call) -> int:
    """Finalise drafts of one tenant whose window has closed by its own clock; how many were looked at."""
    due = await invoice_rows.drafts_due(context.pool, context.clock.of(call.tenant), SWEEP, call.tenant.id)
    await _finalise_these(context, call, due)
    return len(due)


async def hold_draft(context: Context, call: Call, id_: UUID) -> Outcome[Document]:
    """Keep a draft from finalising itself: somebody does, or deletes it. Raises InvoiceNotFound, InvoiceNotDraft."""

    async def verb(connection: Connection, cause: Cause) -> Document:
        before = await _read(connection, call, id_)
        await lock_standing(connection, call.tenant, CustomerId(before.invoice.customer_id))
        document = await _read(connection, call, id_)
        held, fact = draft_held(document.invoice)
        await invoice_rows.hold_draft(connection, held)
        await record_facts(connection, context, cause, [fact], {held.id: document.lines})
        return await _read(connection, call, id_)

    return await carry_out(context, call, verb)


async def _read(connection: Connection, call: Call, id_: UUID) -> Document:
    document = await invoice_rows.get_document(connection, call.tenant.id, id_)
    if document is None:
        raise InvoiceNotFound(f"there is no invoice {show_id('invoice', id_)}")
    return document


async def _finalise_these(context: Context, call: Call, due: Sequence[DraftDue]) -> None:
    for one in due:
        try:
            await finalise_invoice(context, call, one.id)
        except NOBODYS_FAULT:  # another sweep tries again
            raise
        except BillsmithError:  # it can't become a document as it is: it is held, to be edited or deleted by somebody
            await hold_draft(context, call, one.id)
