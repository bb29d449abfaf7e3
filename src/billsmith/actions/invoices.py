"""Invoices: created, edited, finalised, looked up; alone or many at once."""

import contextlib
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from billsmith.actions.calls import Begun, Call, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.collect import begin_scheduled, belonging, charge_in_steps, method_for
from billsmith.actions.saving import (
    CustomerNotFound,
    ExternalIdTaken,
    InvoiceNotFound,
    Standings,
    documents_of,
    given_back_by,
    lock_standing,
    lock_standings,
    record_facts,
    rework_in,
    save,
)
from billsmith.core.customers import external_id
from billsmith.core.decisions import Decision, Standing
from billsmith.core.ids import CreditId, CustomerId, InvoiceId, TenantId, shard_of, show_id
from billsmith.core.invoices import Document, Invoice, InvoiceDetails, Line, still_draft
from billsmith.core.invoicing import (
    deleted_draft,
    details_of,
    drafted,
    finalise,
    may_be_negative,
    new_draft,
    redrafted,
    relabelled,
)
from billsmith.core.payments.methods import PaymentMethod, usable
from billsmith.core.tenants import Tenant
from billsmith.core.text import UnusableText
from billsmith.errors import BillsmithError
from billsmith.store import invoices as invoice_rows
from billsmith.store.events import Cause
from billsmith.store.listing import Filters
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.pool import Connection
from billsmith.store.selling import coverage as coverage_rows


class NewInvoice(msgspec.Struct, frozen=True, gc=False):
    """An invoice to be made for a customer: kept as a draft, or finalised at once."""

    customer_id: CustomerId
    details: InvoiceDetails
    draft: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """Why one item of several was not carried out; the others were."""

    error: BillsmithError


async def create_invoice(context: Context, call: Call, given: NewInvoice) -> Outcome[Document]:
    """Make one invoice; with a payment method it is collected at once.

    Raises CustomerNotFound, CustomerDeleted, ExternalIdTaken, PaymentMethodNotFound, PaymentMethodUnusable, Invalid
    kinds.
    """

    async def begin(connection: Connection, cause: Cause) -> Begun[Document]:
        loaded = await lock_for(connection, call.tenant, [given])
        made = await make_invoices(connection, context, cause, loaded, [given])
        if isinstance(made[0], Refusal):
            raise made[0].error
        return await begin_scheduled(connection, context, cause, call.tenant, made[0])

    return await charge_in_steps(context, call, begin)


async def create_invoices(
    context: Context, call: Call, given: Sequence[NewInvoice | Refusal]
) -> Outcome[list[Document | Refusal]]:
    """Make many invoices in one transaction, with a result for each in the order given; refused ones stop no other.

    Entries that were refused before (a customer that can't be found) are handed through.
    """

    async def verb(connection: Connection, cause: Cause) -> list[Document | Refusal]:
        wanted = [entry for entry in given if isinstance(entry, NewInvoice)]
        loaded = await lock_for(connection, call.tenant, wanted)
        made = iter(await make_invoices(connection, context, cause, loaded, wanted))
        return [entry if isinstance(entry, Refusal) else next(made) for entry in given]

    return await carry_out(context, call, verb)


async def lock_for(connection: Connection, tenant: Tenant, given: Sequence[NewInvoice]) -> Standings:
    """Lock the customers of new invoices; what they owe is loaded only where credit may come of a negative total."""
    credited = {entry.customer_id for entry in given if not entry.draft and may_be_negative(entry.details)}
    return await lock_standings(connection, tenant, {entry.customer_id for entry in given}, credited)


async def make_invoices(
    connection: Connection, context: Context, cause: Cause, loaded: Standings, given: Sequence[NewInvoice]
) -> list[Document | Refusal]:
    """Make invoices for customers that `lock_for` locked: in the order given, so that credit is drawn in that order."""
    taken = await _taken_names(connection, cause.tenant_id, given)
    methods = await _methods(connection, cause.tenant_id, given)
    standings, decisions = dict(loaded), []
    lines: dict[InvoiceId, tuple[Line, ...]] = {}
    results: list[InvoiceId | Refusal] = []
    for entry in given:
        try:
            decision, made = _decide(context, cause, standings, taken, methods, entry)
        except BillsmithError as error:
            results.append(Refusal(error))
            continue
        standings[entry.customer_id] = decision.standing
        decisions.append(decision)
        lines[decision.invoices[0].id] = made
        results.append(decision.invoices[0].id)
    saved = await save(connection, context, cause, loaded, decisions, lines)
    documents = documents_of(saved, standings, lines)
    return [result if isinstance(result, Refusal) else documents[result] for result in results]


async def edit_draft(
    context: Context, call: Call, id_: UUID, change: Callable[[InvoiceDetails], InvoiceDetails]
) -> Outcome[Document]:
    """Change what `change` makes of a draft's content; lines that a billing run put on it stay.

    Raises InvoiceNotFound, InvoiceNotDraft, ExternalIdTaken, PaymentMethodNotFound, PaymentMethodUnusable, Invalid
    kinds.
    """

    async def verb(connection: Connection, cause: Cause) -> Document:
        standing, invoice = await _lock(connection, call.tenant, id_)
        still_draft(invoice)
        before = await _reread(connection, call.tenant, id_)
        kept = tuple(line for line in before.lines if line.subscription_id is not None)
        changed, lines, fact = redrafted(standing, invoice, change(details_of(before)), cause.caused_at, kept)
        await _check_name(connection, call.tenant, invoice, changed)
        if changed.payment_method_id is not None and changed.payment_method_id != invoice.payment_method_id:
            usable(await method_for(connection, call.tenant, standing, changed.payment_method_id))
        await invoice_rows.delete_draft(connection, invoice)
        await invoice_rows.insert_invoices(connection, [changed], {changed.id: lines})
        await record_facts(connection, context, cause, [fact], {changed.id: lines})
        return await _reread(connection, call.tenant, changed.id)

    return await carry_out(context, call, verb)


async def relabel_invoice(
    context: Context, call: Call, id_: UUID, metadata: dict[str, str] | None, tags: tuple[str, ...] | None
) -> Outcome[Document]:
    """Other metadata or tags, which any invoice may get; None leaves them. Raises InvoiceNotFound, UnusableText."""

    async def verb(connection: Connection, cause: Cause) -> Document:
        _, invoice = await _lock(connection, call.tenant, id_)
        changed, fact = relabelled(
            invoice,
            invoice.metadata if metadata is None else metadata,
            invoice.tags if tags is None else tags,
        )
        await invoice_rows.relabel_invoice(connection, changed)
        document = await _reread(connection, call.tenant, id_)
        await record_facts(connection, context, cause, [fact], {changed.id: document.lines})
        return document

    return await carry_out(context, call, verb)


async def delete_draft(context: Context, call: Call, id_: UUID) -> Outcome[Document]:
    """Delete a draft; the draft as it was. Periods that it billed are billed again by the next run.

    Raises InvoiceNotFound, InvoiceNotDraft.
    """

    async def verb(connection: Connection, cause: Cause) -> Document:
        standing, invoice = await _lock(connection, call.tenant, id_)
        document = await _reread(connection, call.tenant, id_)
        fact = deleted_draft(invoice)
        await invoice_rows.delete_draft(connection, invoice)
        days = await coverage_rows.delete_coverage(connection, invoice)
        await rework_in(connection, cause, standing.customer, days, at_once=False)
        await record_facts(connection, context, cause, [fact], {invoice.id: document.lines})
        return document

    return await carry_out(context, call, verb)


async def finalise_invoice(context: Context, call: Call, id_: UUID) -> Outcome[Document]:
    """Number a draft, post it, draw credit, collect it. Raises InvoiceNotFound, InvoiceNotDraft, Invalid kinds."""

    async def begin(connection: Connection, cause: Cause) -> Begun[Document]:
        standing, invoice = await _lock(connection, call.tenant, id_)
        draft = await _reread(connection, call.tenant, id_)
        credit_id = CreditId(context.ids.new(shard_of(id_)))
        given = await given_back_by(connection, call.tenant.id, draft.lines)
        decision = finalise(standing, invoice, draft.lines, cause.caused_at, credit_id, given)
        await invoice_rows.delete_draft(connection, invoice)
        loaded = {standing.customer.id: standing}
        lines = {invoice.id: draft.lines}
        saved = await save(connection, context, cause, loaded, [decision], lines)
        document = documents_of(saved, {standing.customer.id: decision.standing}, lines)[invoice.id]
        return await begin_scheduled(connection, context, cause, call.tenant, document)

    return await charge_in_steps(context, call, begin)


async def get_invoice(context: Context, tenant: Tenant, id_: UUID) -> Document:
    """The invoice with its lines. Raises InvoiceNotFound."""
    document = await invoice_rows.get_document(context.pool, tenant.id, id_)
    if document is None:
        raise InvoiceNotFound(f"there is no invoice {show_id('invoice', id_)}")
    return document


async def list_invoices(context: Context, tenant: Tenant, filters: Filters, *, lines: bool) -> list[Document]:
    """A page of invoices; one more than asked for if there are more. Raises FilterTooBroad."""
    return await invoice_rows.list_documents(context.pool, tenant.id, filters, lines=lines)


def _decide(
    context: Context,
    cause: Cause,
    standings: Standings,
    taken: dict[tuple[CustomerId, str], InvoiceId],
    methods: dict[UUID, PaymentMethod],
    entry: NewInvoice,
) -> tuple[Decision, tuple[Line, ...]]:
    standing = standings.get(entry.customer_id)
    if standing is None:
        raise CustomerNotFound(f"there is no customer {show_id('customer', entry.customer_id)}", pointer="/customer")
    if entry.details.payment_method_id is not None:
        usable(belonging(methods.get(entry.details.payment_method_id), standing, entry.details.payment_method_id))
    ids = context.ids.many(2, shard_of(entry.customer_id))
    invoice, lines = new_draft(standing, entry.details, InvoiceId(ids[0]), cause.caused_at)
    if invoice.external_id is not None:
        name = (entry.customer_id, invoice.external_id)
        _not_taken(invoice, taken.get(name))
        decision = _drafted_or_finalised(standing, invoice, lines, cause, CreditId(ids[1]), entry.draft)
        taken[name] = invoice.id
        return decision, lines
    return _drafted_or_finalised(standing, invoice, lines, cause, CreditId(ids[1]), entry.draft), lines


def _drafted_or_finalised(
    standing: Standing, invoice: Invoice, lines: tuple[Line, ...], cause: Cause, credit_id: CreditId, draft: bool
) -> Decision:
    if not draft:
        return finalise(standing, invoice, lines, cause.caused_at, credit_id)
    kept, fact = drafted(invoice)
    return Decision(standing, invoices=(kept,), facts=(fact,))


async def _methods(
    connection: Connection, tenant_id: TenantId, given: Sequence[NewInvoice]
) -> dict[UUID, PaymentMethod]:
    """The payment methods that new invoices name."""
    wanted = {id_ for entry in given if (id_ := entry.details.payment_method_id) is not None}
    return await method_rows.get_methods(connection, tenant_id, wanted) if wanted else {}


async def _taken_names(
    connection: Connection, tenant_id: TenantId, given: Sequence[NewInvoice]
) -> dict[tuple[CustomerId, str], InvoiceId]:
    wanted = []
    for entry in given:
        with contextlib.suppress(UnusableText):  # refused when the invoice is made
            if (name := external_id(entry.details.external_id)) is not None:
                wanted.append((entry.customer_id, name))
    return await invoice_rows.find_by_external_id(connection, tenant_id, wanted) if wanted else {}


def _not_taken(invoice: Invoice, holder: InvoiceId | None) -> None:
    if holder is not None and holder != invoice.id:
        shown = show_id("invoice", holder)
        raise ExternalIdTaken(
            f"{shown} of this customer has the external id {invoice.external_id!r}",
            pointer="/external_id",
            facts={"existing": shown},
        )


async def _check_name(connection: Connection, tenant: Tenant, before: Invoice, changed: Invoice) -> None:
    if changed.external_id is not None and changed.external_id != before.external_id:
        name = (changed.customer_id, changed.external_id)
        _not_taken(changed, (await invoice_rows.find_by_external_id(connection, tenant.id, [name])).get(name))


async def _lock(connection: Connection, tenant: Tenant, id_: UUID) -> tuple[Standing, Invoice]:
    """The invoice and its customer's standing, locked in the house's order: customer first."""
    document = await _reread(connection, tenant, id_)
    standing = await lock_standing(connection, tenant, document.invoice.customer_id, owed=True)
    locked = await invoice_rows.lock_invoices(connection, tenant.id, [id_])
    if id_ not in locked:
        raise InvoiceNotFound(f"there is no invoice {show_id('invoice', id_)} any more")
    return standing, locked[id_]


async def _reread(connection: Connection, tenant: Tenant, id_: UUID) -> Document:
    document = await invoice_rows.get_document(connection, tenant.id, id_)
    if document is None:
        raise InvoiceNotFound(f"there is no invoice {show_id('invoice', id_)}")
    return document
