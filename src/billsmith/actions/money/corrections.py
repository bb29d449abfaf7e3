"""Correcting a finalised invoice: credit notes, adjustments, voiding, revising, writing off; each can be previewed."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from billsmith.actions.calls import Begun, Call, Outcome, carry_out, carry_out_in_steps, previewed_or_done
from billsmith.actions.context import Context
from billsmith.actions.money.attempts import Sending
from billsmith.actions.money.collect import begin_charges, begun_document, charge_in_steps, read_document
from billsmith.actions.money.loading import load_corrected, load_voidable
from billsmith.actions.money.recovery import recover_first
from billsmith.actions.saving import Lines, lock_standing, record_facts, save
from billsmith.core.correcting.credit_notes import credited, note_lines
from billsmith.core.correcting.voiding import void_asked
from billsmith.core.correcting.write_offs import write_off_undone, written_off
from billsmith.core.customers import today_of
from billsmith.core.decisions import Decision, Standing, invoice_changed
from billsmith.core.ids import CreditId, CreditNoteId, InvoiceId, WriteOffId, find_id, shard_of, show_id
from billsmith.core.invoices import Adjustment, Document, Invoice, InvoiceDetails
from billsmith.core.invoicing import details_of, drafted, finalise, new_draft
from billsmith.core.payments.corrections import CorrectionInvalid, CorrectionRefused, WriteOff
from billsmith.core.payments.refunds import LineAmount
from billsmith.core.tenants import Tenant
from billsmith.core.text import DESCRIPTION_LENGTH, block_of_text, metadata
from billsmith.errors import NotFound
from billsmith.store import invoices as invoice_rows
from billsmith.store.events import Cause
from billsmith.store.listing import Filters
from billsmith.store.money import corrections as correction_rows
from billsmith.store.money.corrections import NumberedNote, WrittenOff
from billsmith.store.pool import Connection

ADJUSTMENTS = 100
"""In one call: each one down is a credit note."""


class CreditNoteNotFound(NotFound):
    """No such credit note of this tenant."""

    code = "credit_note_not_found"


class WriteOffNotFound(NotFound):
    """No such write-off of this tenant."""

    code = "write_off_not_found"


class NewCreditNote(msgspec.Struct, frozen=True, gc=False):
    """What a credit note takes back: parts of lines, or an amount of all of them in proportion, or all that is left."""

    reason: str
    amount_minor: int | None = None
    lines: tuple[LineAmount, ...] = ()
    metadata: dict[str, str] = {}


class NewWriteOff(msgspec.Struct, frozen=True, gc=False):
    """What is no longer expected of an invoice: an amount, or all that is owed."""

    reason: str
    amount_minor: int | None = None
    metadata: dict[str, str] = {}


class Revised(msgspec.Struct, frozen=True, gc=False):
    """The void invoice and its new draft, linked both ways."""

    voided: Document
    draft: Document


async def issue_credit_note(
    context: Context, call: Call, invoice_id: UUID, given: NewCreditNote, *, preview: bool = False
) -> Outcome[NumberedNote]:
    """Correct an invoice downwards. Raises CorrectionRefused, CorrectionInvalid, InvoiceNotFound."""

    async def verb(connection: Connection, cause: Cause) -> NumberedNote:
        standing, invoice = await lock_invoice(connection, call.tenant, invoice_id)
        note_id, _ = await _credit(connection, context, cause, standing, invoice, given)
        return (await correction_rows.get_credit_notes(connection, call.tenant.id, [note_id]))[note_id]

    return await previewed_or_done(context, call, verb, preview=preview)


async def adjust_invoice(
    context: Context, call: Call, invoice_id: UUID, adjustments: Sequence[Adjustment]
) -> Outcome[Document]:
    """Adjust a finalised invoice, for instance before it is tried again: down by credit notes, up by one supplement.

    The supplement is linked to the invoice (`adjusts`) and collected with it, by the same method. Raises
    CorrectionRefused, CorrectionInvalid, InvoiceNotFound.
    """

    async def begin(connection: Connection, cause: Cause) -> Begun[Document]:
        _check_adjustments(adjustments)
        standing, invoice = await lock_invoice(connection, call.tenant, invoice_id)
        _adjustable(invoice)
        for position, adjustment in enumerate(adjustments):
            if adjustment.amount_minor < 0:
                down = NewCreditNote(adjustment.reason, -adjustment.amount_minor)
                try:
                    _, decision = await _credit(connection, context, cause, standing, invoice, down)
                except CorrectionInvalid as error:
                    raise CorrectionInvalid(error.detail, pointer=f"/adjustments/{position}/amount") from error
                standing, invoice = decision.standing, _latest(decision, invoice)
        up = tuple(adjustment for adjustment in adjustments if adjustment.amount_minor > 0)
        sendings = await _supplement(connection, context, cause, standing, invoice, up) if up else []
        return await begun_document(connection, call.tenant, invoice_id, sendings)

    return await charge_in_steps(context, call, begin)


async def void_invoice(
    context: Context, call: Call, invoice_id: UUID, *, rebill: bool, preview: bool = False
) -> Outcome[Document]:
    """Void an invoice, or, with a charge under way, as soon as that has ended. Raises CorrectionRefused.

    That invoice alone: nothing else of the customer is touched. A charge that was cut off is asked about at once: money
    that came goes back, what was never sent is not sent.
    """

    async def verb(connection: Connection, cause: Cause) -> Document:
        standing, invoice = await lock_invoice(connection, call.tenant, invoice_id)
        await _void(connection, context, cause, standing, invoice, rebill=rebill)
        return await read_document(connection, call.tenant, invoice_id)

    async def begin(connection: Connection, cause: Cause) -> Begun[Document]:
        document = await verb(connection, cause)
        waits = document.invoice.collection_state == "void_pending"
        return Begun(document, show_id("invoice", invoice_id), (invoice_id,) if waits else ())

    async def go_on(begun: Begun[Document]) -> None:
        await recover_first(context, call, invoice_ids=begun.later)

    async def reread(connection: Connection, subject: str) -> Document:
        return await read_document(connection, call.tenant, find_id("invoice", subject))

    if preview:
        return await previewed_or_done(context, call, verb, preview=True)
    return await carry_out_in_steps(context, call, begin, go_on=go_on, reread=reread)


async def revise_invoice(context: Context, call: Call, invoice_id: UUID) -> Outcome[Revised]:
    """Void an invoice and make a draft with the same content, linked both ways. Raises CorrectionRefused."""

    async def verb(connection: Connection, cause: Cause) -> Revised:
        standing, invoice = await lock_invoice(connection, call.tenant, invoice_id)
        before = await read_document(connection, call.tenant, invoice_id)
        decision = await _void(connection, context, cause, standing, invoice, rebill=False)
        voided = _latest(decision, invoice)
        if voided.status != "void":
            raise CorrectionRefused("a charge of this invoice is under way; revise it when that has ended")
        draft_id = InvoiceId(context.ids.new(shard_of(invoice.customer_id)))
        standing = decision.standing
        details = replace(_same_again(before), revises_id=invoice.id)
        draft, lines = new_draft(standing, details, draft_id, cause.caused_at)
        kept, fact = drafted(draft)
        linked = replace(voided, revised_by_id=kept.id, version=voided.version + 1)
        decision = invoice_changed(Decision(standing), linked, "invoice.updated")
        loaded = {standing.customer.id: standing}
        new_lines: Lines = {kept.id: lines}
        await save(connection, context, cause, loaded, [decision], {})
        await invoice_rows.insert_invoices(connection, [kept], new_lines)
        await record_facts(connection, context, cause, [fact], new_lines)
        return Revised(
            await read_document(connection, call.tenant, invoice_id),
            await read_document(connection, call.tenant, kept.id),
        )

    await recover_first(context, call, invoice_ids=[invoice_id], resend=False)
    return await carry_out(context, call, verb)


async def write_off(
    context: Context, call: Call, invoice_id: UUID, given: NewWriteOff, *, preview: bool = False
) -> Outcome[WriteOff]:
    """Write off what an invoice owes, or a part. Raises CorrectionRefused, CorrectionInvalid, InvoiceNotFound."""

    async def verb(connection: Connection, cause: Cause) -> WriteOff:
        standing, invoice = await lock_invoice(connection, call.tenant, invoice_id)
        id_ = WriteOffId(context.ids.new(shard_of(invoice.customer_id)))
        on = today_of(standing.customer, cause.caused_at)
        decision = written_off(
            Decision(standing), invoice, given.amount_minor, given.reason, id_, on, cause.caused_at,
            metadata(given.metadata),
        )  # fmt: skip
        await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})
        return (await correction_rows.get_write_offs(connection, call.tenant.id, [id_]))[id_]

    return await previewed_or_done(context, call, verb, preview=preview)


async def undo_write_off(context: Context, call: Call, id_: UUID) -> Outcome[WriteOff]:
    """What still stands of a write-off is owed again. Raises WriteOffNotFound, CorrectionRefused."""

    async def verb(connection: Connection, cause: Cause) -> WriteOff:
        found = await _write_off(connection, call.tenant, id_)
        standing, invoice = await lock_invoice(connection, call.tenant, found.invoice_id)
        current = await _write_off(connection, call.tenant, id_)
        on = today_of(standing.customer, cause.caused_at)
        decision = write_off_undone(Decision(standing), invoice, current, on, cause.caused_at)
        await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})
        return await _write_off(connection, call.tenant, id_)

    return await carry_out(context, call, verb)


async def get_credit_note(context: Context, tenant: Tenant, id_: UUID) -> NumberedNote:
    """Raises CreditNoteNotFound."""
    found = await correction_rows.get_credit_notes(context.pool, tenant.id, [id_])
    if id_ not in found:
        raise CreditNoteNotFound(f"there is no credit note {show_id('credit_note', id_)}")
    return found[id_]


async def list_credit_notes(context: Context, tenant: Tenant, filters: Filters) -> list[NumberedNote]:
    """A page of credit notes, newest first; one more than asked for if there are more."""
    return await correction_rows.list_credit_notes(context.pool, tenant.id, filters)


async def get_write_off(context: Context, tenant: Tenant, id_: UUID) -> WriteOff:
    """Raises WriteOffNotFound."""
    return await _write_off(context.pool, tenant, id_)


async def list_write_offs(context: Context, tenant: Tenant, filters: Filters) -> list[WriteOff]:
    """A page of write-offs, newest first; one more than asked for if there are more."""
    return await correction_rows.list_write_offs(context.pool, tenant.id, filters)


async def report_write_offs(context: Context, tenant: Tenant, since: date, until: date) -> list[WrittenOff]:
    """What was written off and taken back, per month and currency, half-open [since, until)."""
    return await correction_rows.write_off_report(context.pool, tenant.id, since, until)


async def lock_invoice(connection: Connection, tenant: Tenant, id_: UUID) -> tuple[Standing, Invoice]:
    """The invoice and its customer's standing, locked in the house's order. Raises InvoiceNotFound."""
    document = await read_document(connection, tenant, id_)
    standing = await lock_standing(connection, tenant, document.invoice.customer_id, owed=True)
    return standing, (await invoice_rows.lock_invoices(connection, tenant.id, [id_]))[id_]


async def _credit(
    connection: Connection,
    context: Context,
    cause: Cause,
    standing: Standing,
    invoice: Invoice,
    given: NewCreditNote,
) -> tuple[CreditNoteId, Decision]:
    corrected = await load_corrected(connection, standing.tenant, invoice)
    lines = note_lines(corrected, given.amount_minor, given.lines)
    ids = context.ids.many(2, shard_of(invoice.customer_id))
    note_id = CreditNoteId(ids[0])
    decision = credited(
        Decision(standing), corrected, lines, given.reason, note_id, CreditId(ids[1]),
        today_of(standing.customer, cause.caused_at), cause.caused_at, metadata(given.metadata),
    )  # fmt: skip
    await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})
    return note_id, decision


async def _void(
    connection: Connection, context: Context, cause: Cause, standing: Standing, invoice: Invoice, *, rebill: bool
) -> Decision:
    voidable = await load_voidable(connection, standing.tenant, invoice)
    on = today_of(standing.customer, cause.caused_at)
    decision = void_asked(Decision(standing), voidable, rebill, on, cause.caused_at)
    await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})
    return decision


async def _supplement(
    connection: Connection,
    context: Context,
    cause: Cause,
    standing: Standing,
    invoice: Invoice,
    adjustments: tuple[Adjustment, ...],
) -> list[Sending]:
    """An invoice for what went up, charged together with the one it adjusts if that is due."""
    ids = context.ids.many(2, shard_of(invoice.customer_id))
    details = InvoiceDetails(
        adjustments=adjustments,
        currency=invoice.currency,
        direction=invoice.direction,
        title=invoice.title,
        due_on=max(invoice.due_on or date.min, today_of(standing.customer, cause.caused_at)),
        payment_method_id=invoice.payment_method_id,
        collection_policy=invoice.collection_policy,
        statement_text=invoice.statement_text,
        adjusts_id=invoice.id,
    )
    draft, lines = new_draft(standing, details, InvoiceId(ids[0]), cause.caused_at)
    decision = finalise(standing, draft, lines, cause.caused_at, CreditId(ids[1]))
    loaded = {standing.customer.id: standing}
    await save(connection, context, cause, loaded, [decision], {draft.id: lines})
    supplement = _latest(decision, draft)
    if supplement.collection_state != "scheduled":
        return []
    together = [invoice, supplement] if _waits(invoice) else [supplement]
    sendings, _ = await begin_charges(connection, context, cause, {standing.customer.id: decision.standing}, together)
    return sendings


def _waits(invoice: Invoice) -> bool:
    """Whether the adjusted invoice is to be charged anyway, so that both go in one payment."""
    return invoice.status == "open" and invoice.collection_state in ("scheduled", "retrying", "failed")


def _check_adjustments(adjustments: Sequence[Adjustment]) -> None:
    """Raises CorrectionInvalid, UnusableText."""
    if not 1 <= len(adjustments) <= ADJUSTMENTS:
        raise CorrectionInvalid(f"between 1 and {ADJUSTMENTS} adjustments can be made at once", pointer="/adjustments")
    for position, adjustment in enumerate(adjustments):
        if adjustment.amount_minor == 0:
            raise CorrectionInvalid(
                "an adjustment of nothing changes nothing", pointer=f"/adjustments/{position}/amount"
            )
        block_of_text(adjustment.reason, DESCRIPTION_LENGTH, f"/adjustments/{position}/reason")


def _adjustable(invoice: Invoice) -> None:
    if invoice.status not in ("open", "paid", "uncollectible"):
        raise CorrectionRefused(f"this invoice is {invoice.status}; adjust a draft by editing it")
    if invoice.has_live_attempt:
        raise CorrectionRefused("a charge of this invoice is under way; wait for what becomes of it")


def _latest(decision: Decision, invoice: Invoice) -> Invoice:
    return next((one for one in reversed(decision.invoices) if one.id == invoice.id), invoice)


def _same_again(document: Document) -> InvoiceDetails:
    """The content of a document for a new one: its external id stays with the old one, its dates are given anew."""
    return replace(details_of(document), external_id=None, external_number=None, issued_on=None, due_on=None)


async def _write_off(connection: Any, tenant: Tenant, id_: UUID) -> WriteOff:
    found = await correction_rows.get_write_offs(connection, tenant.id, [id_])
    if id_ not in found:
        raise WriteOffNotFound(f"there is no write-off {show_id('write_off', id_)}")
    return found[id_]
