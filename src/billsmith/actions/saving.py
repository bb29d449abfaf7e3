"""Loading what a decision needs under the customers' locks, and saving what was decided: one way for every verb."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from billsmith.actions.context import Context
from billsmith.actions.money_objects import money_object
from billsmith.actions.objects import changeable_state, credit_object, customer_object, invoice_object
from billsmith.core.billing.documents import corrected_ids, give_backs
from billsmith.core.credits import Credit
from billsmith.core.customers import Customer, ParkedCustomer, as_party
from billsmith.core.decisions import Decision, Row, Standing
from billsmith.core.facts import Fact
from billsmith.core.ids import (
    CreditId,
    CustomerId,
    EventId,
    InvoiceId,
    SubscriptionId,
    TenantId,
    TransferId,
    shard_of,
    show_id,
)
from billsmith.core.invoices import Document, Invoice, Line
from billsmith.core.invoicing import GiveBack
from billsmith.core.ledger import Posting
from billsmith.core.numbers import credit_note_series, series_for
from billsmith.core.payments.corrections import CreditNote
from billsmith.core.payments.payment import Share
from billsmith.core.tenants import Tenant
from billsmith.core.time_zones import local_midnight
from billsmith.errors import Conflict, NotFound
from billsmith.store import customers as customer_rows
from billsmith.store import invoices as invoice_rows
from billsmith.store import ledger as ledger_rows
from billsmith.store.events import Cause, EventRow, insert_events
from billsmith.store.money import corrections as correction_rows
from billsmith.store.money.rows import save_rows
from billsmith.store.pool import Connection
from billsmith.store.selling import coverage as coverage_rows
from billsmith.store.selling import subscriptions as subscription_rows
from billsmith.store.together import Together

Standings = dict[CustomerId, Standing]
Lines = dict[InvoiceId, tuple[Line, ...]]


class CustomerNotFound(NotFound):
    """No such customer of this tenant."""

    code = "customer_not_found"


class InvoiceNotFound(NotFound):
    """No such invoice of this tenant."""

    code = "invoice_not_found"


class ExternalIdTaken(Conflict):
    """Another object has this external id."""

    code = "external_id_taken"


class CreditNotFound(NotFound):
    """No such credit of this tenant."""

    code = "credit_not_found"


async def lock_standings(
    connection: Connection, tenant: Tenant, ids: Iterable[CustomerId], owed: Iterable[CustomerId] = ()
) -> Standings:
    """Lock customers and load what decisions about them need; `owed`: those whose open invoices are needed, too.

    Customers that do not exist are left out.
    """
    found = await customer_rows.lock_customers(connection, tenant.id, ids)
    if not found:
        return {}
    wanted = [customer.id for customer in found.values()]
    balances = await customer_rows.get_balances(connection, tenant.id, wanted)
    # What is left of credits is in the balance, too: who has none there need not be looked for.
    crediting = [id_ for id_, by_currency in balances.items() if any(one.credit_minor for one in by_currency.values())]
    credits_ = await ledger_rows.credits_left(connection, tenant.id, crediting) if crediting else {}
    owing = [id_ for id_ in owed if id_ in found and found[id_].draw_credit]
    owed_by = await invoice_rows.owed_invoices(connection, tenant.id, owing) if owing else {}
    parent_ids = {parent for id_ in wanted if (parent := found[id_].parent_id) is not None}
    parents = await customer_rows.get_customers(connection, tenant.id, parent_ids) if parent_ids else {}
    return {
        id_: Standing(
            tenant,
            found[id_],
            balances.get(id_, {}),
            tuple(credits_.get(id_, ())),
            tuple(owed_by.get(id_, ())),
            None if (parent_id := found[id_].parent_id) is None else parents.get(parent_id),
        )
        for id_ in wanted
    }


async def lock_standing(connection: Connection, tenant: Tenant, id_: CustomerId, *, owed: bool = False) -> Standing:
    """One customer's standing, locked. Raises CustomerNotFound."""
    standings = await lock_standings(connection, tenant, [id_], [id_] if owed else [])
    if id_ not in standings:
        raise CustomerNotFound(f"there is no customer {show_id('customer', id_)}", pointer="/customer")
    return standings[id_]


class Changes(msgspec.Struct):
    """Everything that one transaction writes, gathered from its decisions in their order."""

    invoices: dict[InvoiceId, Invoice] = {}
    credits: dict[Any, Credit] = {}
    new_credits: set[Any] = set()
    rows: list[Row] = []
    shares: list[Share] = []
    postings: list[tuple[CustomerId, TransferId, Posting]] = []
    facts: list[Fact] = []
    standings: Standings = {}

    def gather(self, context: Context, decision: Decision) -> None:
        """Add a decision; of an object that was decided on before, the later version counts."""
        customer_id = decision.standing.customer.id
        self.standings[customer_id] = decision.standing
        self.invoices.update({invoice.id: invoice for invoice in decision.invoices})
        self.credits.update({credit.id: credit for credit in decision.credits})
        self.new_credits.update(fact.object_id for fact in decision.facts if fact.type == "credit.created")
        self.rows += decision.rows
        self.shares += decision.shares
        self.facts += decision.facts
        ids = context.ids.many(len(decision.postings), shard_of(customer_id))
        self.postings += [
            (customer_id, TransferId(id_), posting) for id_, posting in zip(ids, decision.postings, strict=True)
        ]


class Saved(msgspec.Struct, frozen=True, gc=False):
    """What was written: every invoice as it is now, and the numbers of those finalised here."""

    invoices: dict[InvoiceId, Invoice]
    numbers: dict[InvoiceId, str]


async def save(
    connection: Connection,
    context: Context,
    cause: Cause,
    loaded: Standings,
    decisions: Sequence[Decision],
    lines: Lines,
) -> Saved:
    """Write what was decided about customers in `loaded`; `lines` has those of every new document.

    The invoices finalised here are numbered last, in the order of the decisions.
    """
    changes = Changes()
    for decision in decisions:
        changes.gather(context, decision)
    tenant_id = cause.tenant_id
    together = Together(connection)
    new = [invoice for id_, invoice in changes.invoices.items() if id_ in lines]
    if new:
        await invoice_rows.insert_invoices(together, new, lines)
    if settled := [invoice for id_, invoice in changes.invoices.items() if id_ not in lines]:
        await invoice_rows.settle_invoices(together, tenant_id, settled)
    if changes.postings:
        await ledger_rows.insert_transfers(together, tenant_id, cause.id, changes.postings)
        before = {id_: loaded[id_].balances for id_ in changes.standings}
        now = {id_: standing.balances for id_, standing in changes.standings.items()}
        await customer_rows.save_balances(together, tenant_id, before, now)
    await _record(together, context, cause, changes.facts, lines)
    await together.send()
    await _save_credits(connection, changes, tenant_id)
    if changes.rows:
        await save_rows(connection, tenant_id, changes.rows, changes.shares)
    await _save_draws(connection, changes, tenant_id)
    await _release_voided(connection, cause, changes)
    await _number_notes(connection, cause, changes.rows)
    return Saved(changes.invoices, await _number(connection, changes.standings, new))


async def _release_voided(connection: Connection, cause: Cause, changes: Changes) -> None:
    """What a void invoice gave back is billed after all, and its periods are again if they are to be."""
    for fact in changes.facts:
        if fact.type == "invoice.voided":
            invoice: Invoice = fact.object
            days = await coverage_rows.release_coverage(
                connection, invoice, cause.caused_at, rebill=bool(invoice.rebill)
            )
            customer = changes.standings[invoice.customer_id].customer
            await rework_in(connection, cause, customer, days, at_once=False)


async def rework_in(
    connection: Connection, cause: Cause, customer: Customer, days: Mapping[SubscriptionId, date], *, at_once: bool
) -> None:
    """Have subscriptions of a locked customer worked out again from these days on: by a run at once, or by the next.

    The next is the one that is due anyway; where none is, it is at once too.
    """
    on = await coverage_rows.rework_subscriptions(connection, cause.tenant_id, days, at_once=at_once)
    if on is not None:
        at = local_midnight(on, customer.time_zone)
        await subscription_rows.wake_customers_to_bill(connection, cause.tenant_id, {customer.id: at})


async def _number_notes(connection: Connection, cause: Cause, rows: Sequence[Row]) -> None:
    """Before invoices: series are locked in the order of their names."""
    if notes := [row.id for row in rows if isinstance(row, CreditNote)]:
        await correction_rows.number_credit_notes(connection, cause.tenant_id, notes, credit_note_series())


async def _number(connection: Connection, standings: Standings, new: Sequence[Invoice]) -> dict[InvoiceId, str]:
    wanted = [
        (invoice.id, series_for(standings[invoice.customer_id].tenant, standings[invoice.customer_id].customer))
        for invoice in new
        if invoice.finalised_at is not None
    ]
    return await invoice_rows.take_numbers(connection, new[0].tenant_id, wanted) if wanted else {}


async def _save_draws(connection: Connection, changes: Changes, tenant_id: Any) -> None:
    moved: dict[tuple[CreditId, InvoiceId], int] = {}
    for _, _, posting in changes.postings:
        if posting.kind in _DRAWS and posting.credit_id is not None and posting.invoice_id is not None:
            key = (posting.credit_id, posting.invoice_id)
            moved[key] = moved.get(key, 0) + _DRAWS[posting.kind] * posting.amount_minor
    if moved:
        await ledger_rows.save_draws(connection, tenant_id, moved)


_DRAWS = {"credit_drawn": 1, "credit_returned": -1}


async def _save_credits(connection: Connection, changes: Changes, tenant_id: Any) -> None:
    if new := [credit for id_, credit in changes.credits.items() if id_ in changes.new_credits]:
        await ledger_rows.insert_credits(connection, new)
    if old := [credit for id_, credit in changes.credits.items() if id_ not in changes.new_credits]:
        await ledger_rows.update_credits(connection, tenant_id, old)


async def given_back_by(connection: Connection, tenant_id: TenantId, lines: Sequence[Line]) -> tuple[GiveBack, ...]:
    """What a document with these lines gives back of the invoices that it corrects, which are locked."""
    ids = corrected_ids(lines)
    if not ids:
        return ()
    locked = await invoice_rows.lock_invoices(connection, tenant_id, ids)
    return give_backs(lines, list(locked.values()))


async def record_facts(
    connection: Connection, context: Context, cause: Cause, facts: Sequence[Fact], lines: Lines | None = None
) -> None:
    """Write one event per fact, in their order. Drafts among them show the lines given."""
    together = Together(connection)
    await _record(together, context, cause, facts, lines)
    await together.send()


async def _record(
    together: Together, context: Context, cause: Cause, facts: Sequence[Fact], lines: Lines | None
) -> None:
    if not facts:
        return
    rows = []
    for fact in facts:
        shard = shard_of(fact.object_id)
        rows.append(
            EventRow(
                EventId(context.ids.new(shard)),
                cause.tenant_id,
                fact.customer_id,
                fact.type,
                fact.object_id,
                fact.object_version,
                stored_object(fact.object, lines or {}),
                cause.id,
                cause.caused_at,
            )
        )
    await insert_events(together, cause.tenant_id, rows)


def documents_of(saved: Saved, standings: Standings, lines: Lines) -> dict[InvoiceId, Document]:
    """The new documents as they would be read back: their parties are as the snapshots that they name."""
    return {
        id_: _document(saved.invoices[id_], lines_, standings, saved.numbers.get(id_)) for id_, lines_ in lines.items()
    }


def _document(invoice: Invoice, lines: tuple[Line, ...], standings: Standings, number: str | None) -> Document:
    if invoice.finalised_at is None:
        return Document(invoice, lines, None, None, None)
    standing = standings[invoice.customer_id]
    assert invoice.seller_snapshot_id == standing.tenant.snapshot_id
    assert invoice.buyer_snapshot_id == standing.customer.snapshot_id
    return Document(invoice, lines, number, standing.tenant.seller, as_party(standing.customer))


def stored_object(subject: Any, lines: Lines) -> Any:
    """What an event keeps of its object: all of it where it can still change, otherwise what of it can."""
    if isinstance(subject, Invoice):
        if subject.finalised_at is not None:
            return changeable_state(subject)
        return invoice_object(Document(subject, tuple(lines.get(subject.id, ())), None, None, None))
    if isinstance(subject, Customer):
        return customer_object(subject)
    if isinstance(subject, ParkedCustomer):
        return customer_object(subject.customer, parked_because=subject.because)
    if isinstance(subject, Credit):
        return credit_object(subject)
    return money_object(subject)
