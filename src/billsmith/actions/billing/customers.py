"""Billing customers under their locks: what is due becomes documents, and what they cover is written beside them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

import msgspec
from msgspec.structs import replace

from billsmith.actions.billing.loading import load_bought
from billsmith.actions.context import Context
from billsmith.actions.saving import Lines, Standings, documents_of, record_facts, rework_in, save
from billsmith.core.billing.documents import Bill, corrected_ids, give_backs
from billsmith.core.billing.due import Bought, first_due
from billsmith.core.billing.entries import Entry
from billsmith.core.billing.run import Billed, bill
from billsmith.core.customers import Customer, today_of
from billsmith.core.decisions import Decision, Standing
from billsmith.core.facts import Fact
from billsmith.core.ids import CreditId, CustomerId, InvoiceId, SubscriptionId, TenantId, shard_of
from billsmith.core.invoices import Document, Invoice, Line
from billsmith.core.invoicing import GiveBack, draft_of_lines, drafted, finalise
from billsmith.core.tenants import TenantSettings
from billsmith.core.time_zones import local_midnight
from billsmith.store import coverage as coverage_rows
from billsmith.store import customers as customer_rows
from billsmith.store import invoices as invoice_rows
from billsmith.store import subscriptions as subscription_rows
from billsmith.store.coverage import Revised
from billsmith.store.events import Cause
from billsmith.store.pool import Connection

MOST_DATES = 1000
"""Of one customer in one run, where each due date gets a document of its own; the next run goes on."""


class _Made(msgspec.Struct):
    """The documents of a run as they are decided, in their order."""

    decisions: list[Decision] = []
    lines: Lines = {}
    covered: list[tuple[Invoice, list[Revised]]] = []


async def bill_in(
    connection: Connection,
    context: Context,
    cause: Cause,
    standings: Standings,
    until_on: date | None = None,
    *,
    ahead: bool = True,
) -> tuple[list[Document], Standings]:
    """Bill locked customers for all that is due by a day, or by each one's own today; how they stand afterwards.

    `ahead`: by that day even where it lies after a customer's today.

    Their open invoices have to be loaded with their standings, since what is given back may be drawn on them. Nothing
    missing means no document. A customer that is deleted or not invoiced is left out of runs until that changes.
    """
    tenant_id = cause.tenant_id
    wanted = {id_: one for id_, one in standings.items() if is_billed(one.customer)}
    loaded = await load_bought(connection, tenant_id, [one.customer for one in wanted.values()])
    made, standing_now, next_at = _Made(), dict(standings), dict[CustomerId, datetime | None]()
    changed: list[tuple[Bought, Bought]] = []
    customers_changed: list[Customer] = []
    for id_, standing in wanted.items():
        today = today_of(standing.customer, cause.caused_at)
        by_on = today if until_on is None else until_on if ahead else min(until_on, today)
        billed = all_due(standing.customer, standing.tenant.settings, loaded[id_].bought, by_on)
        now = standing
        for one in billed:
            now = replace(now, customer=one.customer)
            for document in one.bills:
                now = await _document(connection, context, cause, made, now, document, loaded[id_].bought)
        standing_now[id_] = now
        last = billed[-1]
        changed += list(zip(sorted(loaded[id_].bought, key=_by_id), sorted(last.bought, key=_by_id), strict=True))
        if last.customer is not standing.customer:
            customers_changed.append(last.customer)
        next_at[id_] = None if last.next_on is None else local_midnight(last.next_on, standing.customer.time_zone)
    for id_ in set(standings) - set(wanted):
        next_at[id_] = None
    saved = await save(connection, context, cause, standings, made.decisions, made.lines)
    await coverage_rows.insert_covered(connection, made.covered)
    rows = [now.subscription for before, now in changed if now.subscription != before.subscription]
    await subscription_rows.update_subscriptions(connection, tenant_id, rows)
    await _save_customers(connection, context, cause, customers_changed)
    await coverage_rows.bill_customers_next(connection, tenant_id, next_at)
    return list(documents_of(saved, standing_now, made.lines).values()), standing_now


def _by_id(one: Bought) -> SubscriptionId:
    return one.subscription.id


def is_billed(customer: Customer) -> bool:
    """Whether runs bill it."""
    return customer.deleted_at is None and customer.invoicing != "off"


def all_due(customer: Customer, settings: TenantSettings, bought: Sequence[Bought], until_on: date) -> list[Billed]:
    """All at once, or date by date in order, as the tenant wants its missed periods."""
    if settings.catch_up == "one_invoice":
        return [bill(customer, bought, settings, until_on)]
    found: list[Billed] = []
    for _ in range(MOST_DATES):
        on = first_due(one.subscription for one in bought)
        found.append(bill(customer, bought, settings, until_on if on is None else min(on, until_on)))
        bought, customer = found[-1].bought, found[-1].customer
        if found[-1].next_on is None or found[-1].next_on > until_on or found[-1].next_on == on:
            break
    return found


async def _document(
    connection: Connection,
    context: Context,
    cause: Cause,
    made: _Made,
    standing: Standing,
    document: Bill,
    bought: Iterable[Bought],
) -> Standing:
    ids = context.ids.many(2, shard_of(standing.customer.id))
    id_, credit_id = InvoiceId(ids[0]), CreditId(ids[1])
    at = cause.caused_at
    draft = draft_of_lines(standing, document.lines, document.direction, document.currency, id_, at)
    if standing.customer.invoicing == "draft" or standing.tenant.settings.draft_window_minutes:
        kept, fact = drafted(replace(draft, finalise_at=_finalise_at(standing, at)))
        decision = Decision(standing, invoices=(kept,), facts=(fact,))
    else:
        given = await given_back_by(connection, cause.tenant_id, document.lines, made.decisions)
        decision = finalise(standing, draft, document.lines, at, credit_id, given)
    made.decisions.append(decision)
    made.lines[id_] = document.lines
    made.covered.append((draft, _revised(document.entries, bought, made)))
    return decision.standing


def _finalise_at(standing: Standing, at: datetime) -> datetime | None:
    """A customer whose invoices are drafts finalises them by hand; a window closes by itself."""
    if standing.customer.invoicing == "draft":
        return None
    return at + timedelta(minutes=standing.tenant.settings.draft_window_minutes)


async def given_back_by(
    connection: Connection, tenant_id: TenantId, lines: Sequence[Line], decided: Iterable[Decision] = ()
) -> tuple[GiveBack, ...]:
    """What a document with these lines gives back of the invoices that it corrects: locked, as they are by now."""
    ids = corrected_ids(lines)
    if not ids:
        return ()
    locked = await invoice_rows.lock_invoices(connection, tenant_id, ids)
    latest = {invoice.id: invoice for decision in decided for invoice in decision.invoices}
    return give_backs(lines, [latest.get(InvoiceId(id_), invoice) for id_, invoice in locked.items()])


def _revised(entries: Sequence[Entry], bought: Iterable[Bought], made: _Made) -> list[Revised]:
    """How many lines of the same charge started on the same day before."""
    there: dict[tuple[SubscriptionId, str, date], int] = {}
    for one in bought:
        for line in one.covered:
            key = (line.subscription_id, line.charge, line.period_start_on)
            there[key] = max(there.get(key, 0), line.revision + 1)
    for _, before in made.covered:
        for entry, revision in before:
            if entry.corrects is None:
                key = (entry.subscription.id, entry.charge.code, entry.period_start_on)
                there[key] = max(there.get(key, 0), revision + 1)
    revised = []
    for entry in entries:
        key = (entry.subscription.id, entry.charge.code, entry.period_start_on)
        revised.append((entry, there.get(key, 0)))
        if entry.corrects is None:
            there[key] = there.get(key, 0) + 1
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
