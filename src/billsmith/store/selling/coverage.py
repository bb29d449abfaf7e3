"""Which days of which charge are on lines, what of them was given back, and which customers a run is due for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from billsmith.core.billing.differences import GivenBack
from billsmith.core.billing.entries import Covered, Entry
from billsmith.core.ids import CustomerId, InvoiceId, SubscriptionId, TenantId, shard_of
from billsmith.core.invoices import Invoice
from billsmith.core.periods import Period
from billsmith.store.customers import split_ids
from billsmith.store.money.corrections import credit_notes_of_invoices
from billsmith.store.packing import packed_id
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load
from billsmith.store.together import Writer, insert_rows

_SQL = load("coverage")
COVERAGE_COLUMNS = (
    "shard", "subscription_id", "charge", "period_start_on", "revision", "tenant_id", "invoice_id", "line_no", "kind",
    "period_end_on", "plan_version_id", "phase", "quantity", "unit_price", "amount_minor",
)  # fmt: skip
_GIVE_BACKS = (
    "shard", "invoice_id", "line_no", "tenant_id", "subscription_id", "corrects_invoice_id", "corrects_line_no",
    "period_start_on", "period_end_on", "amount_minor",
)  # fmt: skip
_NEVER = date.max


Revised = tuple[Entry, int]
"""An entry with its revision: how many lines of its charge started on that day before."""


async def insert_covered(writer: Writer, documents: Iterable[tuple[Invoice, Sequence[Revised]]]) -> None:
    """What the lines of new documents cover and give back, each in the order of its lines."""
    covering: list[tuple[Any, ...]] = []
    giving: list[tuple[Any, ...]] = []
    for invoice, entries in documents:
        covering += covering_records(invoice, entries)
        giving += _giving_records(invoice, entries)
    await insert_rows(writer, "coverage", COVERAGE_COLUMNS, covering, _SQL["insert_coverage"])
    await insert_rows(writer, "give_backs", _GIVE_BACKS, giving, _SQL["insert_give_backs"])


def covering_records(invoice: Invoice, entries: Sequence[Revised]) -> list[tuple[Any, ...]]:
    """The rows that say what an invoice's lines cover."""
    shard, tenant_id, id_ = shard_of(invoice.id), packed_id(invoice.tenant_id), packed_id(invoice.id)
    return [
        (
            shard, packed_id(entry.subscription.id), entry.charge.code, entry.period_start_on, revision, tenant_id, id_,
            line_no, entry.kind, entry.period_end_on, packed_id(entry.plan.id), entry.phase_no, entry.quantity,
            entry.unit_price, entry.amount_minor,
        )
        for line_no, (entry, revision) in enumerate(entries, 1)
        if entry.corrects is None
    ]  # fmt: skip


def _giving_records(invoice: Invoice, entries: Sequence[Revised]) -> list[tuple[Any, ...]]:
    shard, tenant_id, id_ = shard_of(invoice.id), packed_id(invoice.tenant_id), packed_id(invoice.id)
    return [
        (
            shard, id_, line_no, tenant_id, packed_id(entry.subscription.id), packed_id(entry.corrects.invoice_id),
            entry.corrects.line_no, entry.period_start_on, entry.period_end_on or _NEVER, entry.amount_minor,
        )
        for line_no, (entry, _) in enumerate(entries, 1)
        if entry.corrects is not None
    ]  # fmt: skip


async def covered_from(
    connection: Connection | Pool, tenant_id: TenantId, days: Mapping[SubscriptionId, date]
) -> dict[SubscriptionId, list[Covered]]:
    """The lines of each subscription that reach beyond its day, with all that was corrected of them."""
    shards, ids = split_ids(days)
    rows = await connection.fetch(
        _SQL["covered_from"], tenant_id, shards, ids, [days[SubscriptionId(id_)] for id_ in ids]
    )
    invoice_ids = {row["invoice_id"] for row in rows}
    given = await _given_back(connection, tenant_id, invoice_ids)
    adjusted = await _adjusted(connection, tenant_id, invoice_ids)
    found: dict[SubscriptionId, list[Covered]] = {}
    for row in rows:
        line = (row["invoice_id"], row["line_no"])
        net, total = adjusted.get(line, (0, 0))
        found.setdefault(row["subscription_id"], []).append(
            Covered(
                subscription_id=row["subscription_id"],
                charge=row["charge"],
                period_start_on=row["period_start_on"],
                revision=row["revision"],
                invoice_id=row["invoice_id"],
                line_no=row["line_no"],
                kind=row["kind"],
                period_end_on=row["period_end_on"],
                plan_version_id=row["plan_version_id"],
                phase=row["phase"],
                quantity=row["quantity"],
                unit_price=row["unit_price"],
                amount_minor=row["amount_minor"],
                given_back=tuple(given.get(line, ())),
                adjusted_minor=total if row["tax_inclusive"] else net,
                void=row["status"] == "void",
                released=row["released"],
                owed_minor=row["balance_minor"],
            )
        )
    return found


async def correcting_invoices(
    connection: Connection | Pool, tenant_id: TenantId, invoice_ids: Iterable[InvoiceId]
) -> list[InvoiceId]:
    """The documents that give back something of these, and stand."""
    rows = await connection.fetch(_SQL["correcting_invoices"], tenant_id, *split_ids(invoice_ids))
    return list(dict.fromkeys(InvoiceId(row["invoice_id"]) for row in rows))


async def delete_coverage(connection: Connection, invoice: Invoice) -> dict[SubscriptionId, date]:
    """A draft covers nothing any more; from when on each of its subscriptions has to be worked out again."""
    rows = await connection.fetch(_SQL["delete_coverage_of"], invoice.tenant_id, shard_of(invoice.id), invoice.id)
    return {row["subscription_id"]: row["from_on"] for row in rows}


async def release_coverage(
    connection: Connection, invoice: Invoice, at: datetime, *, rebill: bool
) -> dict[SubscriptionId, date]:
    """An invoice is void: its periods are free if they are billed again; from when on each is worked out again."""
    key = (invoice.tenant_id, shard_of(invoice.id), invoice.id)
    rows = await connection.fetch(_SQL["release_coverage_of"], *key, at, rebill)
    return {row["subscription_id"]: row["from_on"] for row in rows}


async def rework_subscriptions(
    connection: Connection, tenant_id: TenantId, days: Mapping[SubscriptionId, date], *, at_once: bool
) -> date | None:
    """Have subscriptions worked out again from these days on; when the first run on one of them then is.

    By a run on those days, or else by the next one that is due anyway. Under their customers' locks.
    """
    if not days:
        return None
    shards, ids = split_ids(days)
    values = (tenant_id, shards, ids, [days[SubscriptionId(id_)] for id_ in ids], at_once)
    rows = await connection.fetch(_SQL["rework_subscriptions"], *values)
    return min((row["next_bill_on"] for row in rows), default=None)


async def bill_customers_next(
    connection: Connection, tenant_id: TenantId, next_at: Mapping[CustomerId, datetime | None]
) -> None:
    """Store when runs next have something to do for customers. Under their locks."""
    if next_at:
        shards, ids = split_ids(next_at)
        await connection.execute(
            _SQL["bill_customers_next"], tenant_id, shards, ids, [next_at[CustomerId(id_)] for id_ in ids]
        )


async def park_customer(connection: Connection, tenant_id: TenantId, id_: CustomerId, because: str) -> None:
    """Keep a customer out of runs until somebody looks."""
    await connection.execute(_SQL["park_customer"], tenant_id, shard_of(id_), id_, because)


_LineKey = tuple[UUID, int]


async def _given_back(
    connection: Connection | Pool, tenant_id: TenantId, invoice_ids: Iterable[UUID]
) -> dict[_LineKey, list[GivenBack]]:
    found: dict[_LineKey, list[GivenBack]] = {}
    for row in await connection.fetch(_SQL["given_back_of"], tenant_id, *split_ids(invoice_ids)):
        days = Period(row["period_start_on"], row["period_end_on"])
        line = (row["corrects_invoice_id"], row["corrects_line_no"])
        found.setdefault(line, []).append(GivenBack(days, -row["amount_minor"]))
    return found


async def _adjusted(
    connection: Connection | Pool, tenant_id: TenantId, invoice_ids: Iterable[UUID]
) -> dict[_LineKey, tuple[int, int]]:
    """What credit notes took of each line: (net, total)."""
    found: dict[_LineKey, tuple[int, int]] = {}
    for note in await credit_notes_of_invoices(connection, tenant_id, invoice_ids):
        for line in note.lines:
            key: Any = (note.invoice_id, line.invoice_line_no)
            net, total = found.get(key, (0, 0))
            found[key] = (net + line.net_minor, total + line.total_minor)
    return found
