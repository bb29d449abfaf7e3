"""Loading what the decisions about money need, under the customers' locks: one way for every verb."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from billsmith.core.collecting.refunding import Refundable
from billsmith.core.collecting.reopening import CreditUse, Paid, touched_invoices
from billsmith.core.correcting.credit_notes import Corrected, held_by_disputes
from billsmith.core.correcting.voiding import Drawn, Voidable
from billsmith.core.credits import Credit
from billsmith.core.ids import CreditId, InvoiceId, PaymentId, show_id
from billsmith.core.invoices import Invoice
from billsmith.core.payments.refunds import Refund
from billsmith.core.tenants import Tenant
from billsmith.store import invoices as invoice_rows
from billsmith.store import ledger as ledger_rows
from billsmith.store.money import corrections as correction_rows
from billsmith.store.money import payments as payment_rows
from billsmith.store.pool import Connection
from billsmith.store.selling import coverage as coverage_rows


async def load_corrected(connection: Connection, tenant: Tenant, invoice: Invoice) -> Corrected:
    """The invoice with its lines, credit notes and write-offs, and what refunds and disputes hold of it."""
    documents = await invoice_rows.get_documents(connection, tenant.id, [invoice.id])
    notes = await correction_rows.credit_notes_of_invoices(connection, tenant.id, [invoice.id])
    write_offs = await correction_rows.write_offs_of_invoices(connection, tenant.id, [invoice.id])
    pending: list[Refund] = []
    held_minor = 0
    if invoice.paid_minor:
        pending = await payment_rows.pending_refunds(connection, tenant.id, [], [invoice.id])
        allocations = await payment_rows.allocations_of_invoices(connection, tenant.id, [invoice.id])
        payment_ids = {allocation.payment_id for allocation in allocations}
        disputes = await payment_rows.disputes_of_payments(connection, tenant.id, payment_ids)
        held_minor = held_by_disputes(allocations, disputes)
    lines = documents[invoice.id].lines
    return Corrected(invoice, lines, tuple(notes), tuple(write_offs), tuple(pending), held_minor)


async def load_voidable(connection: Connection, tenant: Tenant, invoice: Invoice) -> Voidable:
    """All that decides whether and how the invoice is voided."""
    corrected = await load_corrected(connection, tenant, invoice)
    draws = await ledger_rows.draws_of_invoices(connection, tenant.id, [invoice.id])
    credits_ = await ledger_rows.get_credits(connection, tenant.id, [credit_id for credit_id, _, _ in draws])
    own = None
    if invoice.moved_to_credit_minor:
        own = await ledger_rows.credit_of_invoice(connection, tenant.id, invoice.id)
    return Voidable(
        corrected,
        tuple(Drawn(credits_[credit_id], amount) for credit_id, _, amount in draws),
        own,
        tuple(await _standing_supplements(connection, tenant, invoice.id)),
    )


async def load_paid(connection: Connection, tenant: Tenant, payment_id: PaymentId) -> Paid:
    """A payment and all that became of it; the invoices that it touches are locked."""
    payment = (await payment_rows.get_payments(connection, tenant.id, [payment_id]))[payment_id]
    allocations = await payment_rows.get_allocations(connection, tenant.id, [payment_id])
    credits_ = await ledger_rows.credits_of_payments(connection, tenant.id, [payment_id])
    draws = await ledger_rows.draws_of_credits(connection, tenant.id, [credit.id for credit in credits_])
    uses = tuple(CreditUse(credit_id, invoice_id, amount) for credit_id, invoice_id, amount in draws)
    invoices = await invoice_rows.lock_invoices(connection, tenant.id, touched_invoices(allocations, uses))
    return Paid(payment, tuple(allocations), by_invoice_id(invoices), tuple(credits_), uses)


async def load_refundable(
    connection: Connection,
    tenant: Tenant,
    refund: Refund | None = None,
    *,
    payment_id: PaymentId | None = None,
    invoice_id: InvoiceId | None = None,
    credit_id: CreditId | None = None,
) -> Refundable:
    """What a refund touches: one that exists, or one that is asked for of a payment and its invoice or credit."""
    if refund is not None:
        payment_id, invoice_id = refund.payment_id, refund.invoice_id
        credit_id = refund.credit_id if refund.invoice_id is None else None
    assert payment_id is not None
    paid = await load_paid(connection, tenant, payment_id)
    corrected = None
    if invoice_id is not None:
        invoice = (
            paid.invoices.get(invoice_id)
            or (await invoice_rows.lock_invoices(connection, tenant.id, [invoice_id]))[invoice_id]
        )
        corrected = await load_corrected(connection, tenant, invoice)
    pending = await payment_rows.pending_refunds(
        connection, tenant.id, [payment_id], [] if invoice_id is None else [invoice_id]
    )
    others = tuple(one for one in pending if refund is None or one.id != refund.id)
    return Refundable(paid, corrected, await _credit(connection, tenant, credit_id), others)


async def _credit(connection: Connection, tenant: Tenant, credit_id: CreditId | None) -> Credit | None:
    if credit_id is None:
        return None
    return (await ledger_rows.get_credits(connection, tenant.id, [credit_id]))[credit_id]


async def _standing_supplements(connection: Connection, tenant: Tenant, invoice_id: InvoiceId) -> Iterable[str]:
    adjusting = await invoice_rows.adjusting_invoices(connection, tenant.id, [invoice_id])
    giving_back = await coverage_rows.correcting_invoices(connection, tenant.id, [invoice_id])
    ids = [id_ for _, id_, status in adjusting if status != "void"] + list(giving_back)
    return [show_id("invoice", id_) for id_ in ids]


def by_invoice_id(invoices: dict[UUID, Invoice]) -> dict[Any, Invoice]:
    """The invoices, under ids that are known to be theirs."""
    return dict(invoices)
