"""Billing customers under their locks: what is due becomes documents, and what they cover is written beside them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

import msgspec
from msgspec.structs import replace

from billsmith.actions.billing.loading import Loaded, load_bought
from billsmith.actions.context import Context
from billsmith.actions.saving import Lines, Standings, documents_of, record_facts, rework_in, save
from billsmith.core.billing.documents import Bill, corrected_ids, give_backs
from billsmith.core.billing.due import Bought, first_due
from billsmith.core.billing.entries import Entry
from billsmith.core.billing.run import CustomerBilled, bill
from billsmith.core.customers import Customer, today_of
from billsmith.core.decisions import Decision, Standing
from billsmith.core.facts import Fact
from billsmith.core.ids import CreditId, CustomerId, InvoiceId, SubscriptionId, TenantId, shard_of
from billsmith.core.invoices import Document, Invoice
from billsmith.core.invoicing import draft_of_lines, drafted, finalise
from billsmith.core.tenants import TenantSettings
from billsmith.core.time_zones import local_midnight
from billsmith.store import customers as customer_rows
from billsmith.store import invoices as invoice_rows
from billsmith.store.events import Cause
from billsmith.store.pool import Connection
from billsmith.store.selling import coverage as coverage_rows
from billsmith.store.selling import subscriptions as subscription_rows
from billsmith.store.selling.coverage import Revised

MOST_DATES = 1000
"""Of one customer in one run, where each due date gets a document of its own; the next run goes on."""


class _Made(msgspec.Struct):
    """The documents of a run as they are decided, in their order."""

    decisions: list[Decision] = []
    lines: Lines = {}
    covered: list[tuple[Invoice, list[Revised]]] = []
    corrected: dict[InvoiceId, Invoice] = {}
    """Earlier invoices of which something is given back: locked, as they are by now."""
    starts: dict[tuple[SubscriptionId, str, date], int] = {}
    """How many lines of a charge start on a day, where there are any."""


async def bill_in(
    connection: Connection,
    context: Context,
    cause: Cause,
    standings: Standings,
    until_on: date | None = None,
    *,
    in_run: bool = False,
) -> tuple[list[Document], Standings]:
    """Bill locked customers for all that is due by a day, or by each one's own today; how they stand afterwards.

    Their open invoices have to be loaded with their standings, since what is given back may be drawn on them. `in_run`:
    they are loaded here where they are needed, and nobody is billed ahead of the customer's today. Nothing missing
    means no document. A customer that is deleted or not invoiced is left out of runs until that changes.
    """
    tenant_id = cause.tenant_id
    wanted = {id_: one for id_, one in standings.items() if is_billed(one.customer)}
    days = {id_: _by_day(one.customer, cause.caused_at, until_on, in_run=in_run) for id_, one in wanted.items()}
    loaded = await load_bought(connection, tenant_id, [one.customer for one in wanted.values()], days)
    all_billed = {
        id_: all_due(one.customer, one.tenant.settings, loaded[id_], days[id_]) for id_, one in wanted.items()
    }
    if in_run:
        wanted |= await _with_owed(connection, tenant_id, wanted, all_billed)
    made, standing_now, next_at = _Made(), dict(standings), dict[CustomerId, datetime | None]()
    made.corrected = await _corrected(connection, tenant_id, all_billed.values())
    changed: list[tuple[Bought, Bought]] = []
    customers_changed: list[Customer] = []
    for id_, standing in wanted.items():
        _note_starts(made, loaded[id_].bought)
        now = standing
        for one in all_billed[id_]:
            now = replace(now, customer=one.customer)
            for document in one.bills:
                now = _document(context, cause, made, now, document)
        standing_now[id_] = now
        last = all_billed[id_][-1]
        changed += list(zip(sorted(loaded[id_].bought, key=_by_id), sorted(last.bought, key=_by_id), strict=True))
        if last.customer is not standing.customer:
            customers_changed.append(last.customer)
        next_at[id_] = None if last.next_on is None else local_midnight(last.next_on, standing.customer.time_zone)
    for id_ in set(standings) - set(wanted):
        next_at[id_] = None
    saved = await save(connection, context, cause, standings, made.decisions, made.lines)
    await coverage_rows.insert_covered(connection, made.covered)
    moved = [now.subscription for before, now in changed if now.subscription != before.subscription]
    await subscription_rows.move_billing(connection, tenant_id, [subscription_rows.billing_of(one) for one in moved])
    await _save_customers(connection, context, cause, customers_changed)
    await coverage_rows.bill_customers_next(connection, tenant_id, next_at)
    return list(documents_of(saved, standing_now, made.lines).values()), standing_now


def _by_id(one: Bought) -> SubscriptionId:
    return one.subscription.id


def is_billed(customer: Customer) -> bool:
    """Whether runs bill it."""
    return customer.deleted_at is None and customer.invoicing != "off"


def _by_day(customer: Customer, at: datetime, until_on: date | None, *, in_run: bool) -> date:
    today = today_of(customer, at)
    if until_on is None:
        return today
    return min(until_on, today) if in_run else until_on


async def _with_owed(
    connection: Connection,
    tenant_id: TenantId,
    standings: Standings,
    all_billed: Mapping[CustomerId, list[CustomerBilled]],
) -> Standings:
    """The standings of those that get something back on the whole, with their open invoices."""
    owed_to = [
        id_
        for id_, one in standings.items()
        if one.customer.draw_credit
        and any(document.total_minor < 0 for billed in all_billed[id_] for document in billed.bills)
    ]
    owed_by = await invoice_rows.owed_invoices(connection, tenant_id, owed_to) if owed_to else {}
    return {id_: replace(standings[id_], owed=tuple(owed_by.get(id_, ()))) for id_ in owed_to}


async def _corrected(
    connection: Connection, tenant_id: TenantId, all_billed: Iterable[list[CustomerBilled]]
) -> dict[InvoiceId, Invoice]:
    """The invoices of which documents to be give something back, locked in the order of their ids."""
    lines = [line for some in all_billed for billed in some for document in billed.bills for line in document.lines]
    if not (ids := corrected_ids(lines)):
        return {}
    locked = await invoice_rows.lock_invoices(connection, tenant_id, ids)
    return {InvoiceId(id_): invoice for id_, invoice in locked.items()}


def all_due(customer: Customer, settings: TenantSettings, loaded: Loaded, until_on: date) -> list[CustomerBilled]:
    """All at once, or date by date in order, as the tenant wants its missed periods."""
    if settings.catch_up == "one_invoice":
        return [bill(customer, loaded.bought, settings, until_on, loaded.others_next_on)]
    found: list[CustomerBilled] = []
    bought, others_next_on = loaded.bought, loaded.others_next_on
    on = first_due(one.subscription for one in bought)
    for _ in range(MOST_DATES):
        by = until_on if on is None else min(on, until_on)
        found.append(bill(customer, bought, settings, by, others_next_on))
        bought, customer, before = found[-1].bought, found[-1].customer, on
        # Not the first that is due: too little to be billed waits for what the next date adds to it.
        on = found[-1].next_on
        if on is None or on > until_on or on == before:
            break
    return found


def _document(context: Context, cause: Cause, made: _Made, standing: Standing, document: Bill) -> Standing:
    ids = context.ids.many(2, shard_of(standing.customer.id))
    id_, credit_id = InvoiceId(ids[0]), CreditId(ids[1])
    at = cause.caused_at
    draft = draft_of_lines(standing, document.lines, document.direction, document.currency, id_, at)
    if standing.customer.invoicing == "draft" or standing.tenant.settings.draft_window_minutes:
        kept, fact = drafted(replace(draft, finalise_at=_finalise_at(standing, at)))
        decision = Decision(standing, invoices=(kept,), facts=(fact,))
    else:
        corrected = [made.corrected[one] for one in corrected_ids(document.lines)]
        decision = finalise(standing, draft, document.lines, at, credit_id, give_backs(document.lines, corrected))
        made.corrected.update({one.id: one for one in decision.invoices if one.id in made.corrected})
    made.decisions.append(decision)
    made.lines[id_] = document.lines
    made.covered.append((draft, _revised(document.entries, made)))
    return decision.standing


def _finalise_at(standing: Standing, at: datetime) -> datetime | None:
    """A customer whose invoices are drafts finalises them by hand; a window closes by itself."""
    if standing.customer.invoicing == "draft":
        return None
    return at + timedelta(minutes=standing.tenant.settings.draft_window_minutes)


def _note_starts(made: _Made, bought: Iterable[Bought]) -> None:
    for one in bought:
        for line in one.covered:
            key = (line.subscription_id, line.charge, line.period_start_on)
            made.starts[key] = max(made.starts.get(key, 0), line.revision + 1)


def _revised(entries: Sequence[Entry], made: _Made) -> list[Revised]:
    """How many lines of the same charge started on the same day before."""
    revised = []
    for entry in entries:
        key = (entry.subscription.id, entry.charge.code, entry.period_start_on)
        revised.append((entry, made.starts.get(key, 0)))
        if entry.corrects is None:
            made.starts[key] = made.starts.get(key, 0) + 1
    return revised


async def _save_customers(
    connection: Connection, context: Context, cause: Cause, customers: Sequence[Customer]
) -> None:
    """Those that this run gave a bill cycle day."""
    for customer in customers:
        await customer_rows.update_customer(connection, customer)
    facts = [Fact("customer.updated", one.id, one.version, one, one.id) for one in customers]
    await record_facts(connection, context, cause, facts)


async def customer_changed_in(connection: Connection, cause: Cause, before: Customer, now: Customer) -> None:
    """What a change of a locked customer means for its billing: another bill cycle day is worked out again from today.

    Who is invoiced again is billed by the next run for all that was not.
    """
    switched_on = before.invoicing == "off" and now.invoicing != "off"
    if now.bill_cycle_day == before.bill_cycle_day and not switched_on:
        return
    found = await subscription_rows.unsettled_of_customers(connection, cause.tenant_id, [now.id])
    subscriptions = found.get(now.id, [])
    today = today_of(now, cause.caused_at)
    if now.bill_cycle_day != before.bill_cycle_day:
        await rework_in(connection, cause, now, {one.id: today for one in subscriptions}, at_once=True)
    if switched_on and (on := first_due(subscriptions)) is not None:
        await subscription_rows.wake_customers_to_bill(
            connection, cause.tenant_id, {now.id: local_midnight(on, now.time_zone)}
        )
