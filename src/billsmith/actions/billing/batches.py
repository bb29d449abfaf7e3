"""A run's batch: many customers claimed, billed and put off in one transaction; plain renewals are printed from plates.

Who has more than plain renewals (a change, credit, a draft to be kept, …) is billed by the rules one by one, in the
same transaction. What either way writes is the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache, partial
from typing import Any

import msgspec

from billsmith.actions.billing.customers import bill_in
from billsmith.actions.billing.plates import MOST_LINES, TABLES, Plates, movable, plates_of, subscription_mark
from billsmith.actions.context import Context
from billsmith.actions.saving import lock_standings
from billsmith.core.billing.entries import Entry
from billsmith.core.billing.renewals import Renewable, Renewed, renewed
from billsmith.core.catalog.plans import PlanVersion
from billsmith.core.ids import CustomerId, PlanVersionId, SubscriptionId, TenantId, shard_of
from billsmith.core.ledger import Balance
from billsmith.core.numbers import TENANT_SERIES, NumberSeries, show_number
from billsmith.core.tenants import Tenant
from billsmith.core.time_zones import local_day, local_midnight
from billsmith.store import customers as customer_rows
from billsmith.store.customers import Balances
from billsmith.store.events import Cause
from billsmith.store.invoices import take_block
from billsmith.store.packing import copy_packed
from billsmith.store.pool import Connection
from billsmith.store.selling import catalog as catalog_rows
from billsmith.store.selling import coverage as coverage_rows
from billsmith.store.selling import runs as run_rows
from billsmith.store.selling import subscriptions as subscription_rows
from billsmith.store.selling.runs import Claimed

PLATES_KEPT = 2_000
"""Kinds of documents that a process remembers; of more the oldest are made again."""

_plates: dict[Any, Plates | None] = {}


class _Row(msgspec.Struct, frozen=True, gc=False):
    """A subscription that is due, as it was read."""

    id: SubscriptionId
    group: Any
    is_add_on: bool
    others_next_on: date | None
    """When those of its customer that are not due next are."""
    renewable: Renewable | None
    """None: it is not a plain one."""


class _Printing(msgspec.Struct, frozen=True, gc=False):
    """A customer whose document is printed."""

    customer: Claimed
    balance: Balance | None
    """As it stands, in the document's currency."""
    plates: Plates
    subscriptions: tuple[tuple[SubscriptionId, Renewed], ...]
    next_on: date


class BatchBilled(msgspec.Struct, frozen=True, gc=False):
    """What one transaction did: how many customers it looked at, and how many documents there are now."""

    customers: int
    documents: int
    printed: int = 0
    """How many of the documents are from plates."""


async def bill_claimed(
    connection: Connection,
    context: Context,
    cause: Cause,
    tenant: Tenant,
    claimed: Sequence[Claimed],
    until_on: date | None = None,
) -> BatchBilled:
    """Bill claimed customers for all that is due by a day, none later than each one's own today."""
    printing = await _plain(connection, cause, tenant, claimed, until_on)
    printed = {one.customer.id for one in printing}
    others = [one.id for one in claimed if one.id not in printed]
    documents = len(printing)
    printed_ids = await _print(connection, context, cause, tenant, printing) if printing else []
    if others:
        standings = await lock_standings(connection, tenant, others)
        made, _ = await bill_in(connection, context, cause, standings, until_on, in_run=True)
        documents += len(made)
    if printed_ids:
        await _number(connection, tenant, printed_ids)
    return BatchBilled(len(claimed), documents, len(printing))


async def _plain(
    connection: Connection, cause: Cause, tenant: Tenant, claimed: Sequence[Claimed], until_on: date | None
) -> list[_Printing]:
    """Those of whom all that is due is plain, with what their documents are printed from."""
    settings = tenant.settings
    if (
        settings.draft_window_minutes
        or settings.minimum_to_bill_minor
        or settings.numbers_per != "tenant"
        or settings.catch_up != "one_invoice"
    ):
        return []
    possible = {one.id: one for one in claimed if one.invoicing == "on" and not one.deleted}
    balances = await customer_rows.get_balances(connection, tenant.id, possible)
    for id_, by_currency in balances.items():
        if any(balance.credit_minor for balance in by_currency.values()):
            del possible[id_]
    in_zone = lru_cache(None)(partial(_last_day, cause.caused_at, until_on))
    days = {id_: in_zone(one.time_zone) for id_, one in possible.items()}
    rows = await _rows_of(connection, tenant.id, days)
    at_hand = _PlatesAtHand(tenant, cause.caused_at)
    found = []
    for id_, of_customer in rows.items():
        balance = balances.get(id_, {})
        printing = _printing(possible[id_], balance, of_customer, days[id_], at_hand, settings.invoices_per)
        if printing is not None:
            found.append(printing)
    return found


def _last_day(at: datetime, until_on: date | None, zone: str) -> date:
    """By which day the customers of a zone are billed."""
    today = local_day(at, zone)
    return today if until_on is None else min(today, until_on)


async def _rows_of(
    connection: Connection, tenant_id: TenantId, days: Mapping[CustomerId, date]
) -> dict[CustomerId, list[_Row]]:
    """What of each is due by its day, bases first."""
    records = await run_rows.renewable_rows(connection, tenant_id, days)
    versions = await catalog_rows.get_versions(
        connection, tenant_id, {record["plan_version_id"] for record in records if not record["changed"]}
    )
    found: dict[CustomerId, list[_Row]] = {}
    for record in records:
        found.setdefault(record[0], []).append(_row(record, versions))
    for rows in found.values():
        if len(rows) > 1:
            rows.sort(key=lambda row: (row.group, row.is_add_on, row.id))
    return found


def _row(record: Any, versions: dict[PlanVersionId, PlanVersion]) -> _Row:
    (
        _, id_, group_id, kind, currency, starts_on, billed_through_on, charged_through, rework_from_on,
        next_bill_on, plan_version_id, billing_on, aligned_on, alignment, quantity, prices, own_day, changed,
        others_next_on,
    ) = record  # fmt: skip
    renewable = None
    if not changed and rework_from_on is None and next_bill_on is not None and billing_on is not None:
        renewable = Renewable(
            id_, versions[plan_version_id], currency, quantity, run_rows.price_table(prices),
            max(billing_on, starts_on), aligned_on, alignment, own_day, kind == "add_on", billed_through_on,
            {code: _day(text) for code, text in charged_through.items()}, next_bill_on,
        )  # fmt: skip
    return _Row(id_, group_id, kind == "add_on", others_next_on, renewable)


@lru_cache(4096)
def _day(text: str) -> date:
    return date.fromisoformat(text)


def _printing(
    customer: Claimed,
    balances: Mapping[str, Balance],
    rows: Sequence[_Row],
    until_on: date,
    at_hand: "_PlatesAtHand",
    invoices_per: str,
) -> _Printing | None:
    """The customer's document, if all that it has due is plain, and is one document."""
    due: list[tuple[_Row, Renewed]] = []
    next_on = rows[0].others_next_on or date.max
    for row in rows:
        found = None if row.renewable is None else renewed(row.renewable, until_on, customer.bill_cycle_day)
        if found is None:
            return None
        due.append((row, found))
        next_on = min(next_on, found.next_bill_on)
    if sum(len(found.renewals) for _, found in due) > MOST_LINES:
        return None
    if invoices_per == "group" and len({row.group for row, _ in due}) > 1:
        return None
    plates = at_hand.plates(customer, due)
    if plates is None:
        return None
    balance = balances.get(plates.currency)
    return _Printing(customer, balance, plates, tuple((row.id, found) for row, found in due), next_on)


class _PlatesAtHand:
    """The plates of one transaction, whose documents are all of one instant."""

    def __init__(self, tenant: Tenant, at: datetime) -> None:
        self._tenant = tenant
        self._at = at
        self._today: dict[str, date] = {}
        self._ready: dict[Any, Plates | None] = {}

    def plates(self, customer: Claimed, due: Sequence[tuple[_Row, Renewed]]) -> Plates | None:
        traits = (
            customer.currency,
            customer.time_zone,
            customer.terms_days,
            customer.has_method,
            customer.auto_collect,
            customer.draw_credit,
            tuple([_kind(row.renewable, found) for row, found in due]),
        )
        try:
            return self._ready[traits]
        except KeyError:  # so that what nearly always is there is looked for once: it is long to hash
            self._ready[traits] = found = self._kept(customer, due, traits)
            return found

    def _kept(self, customer: Claimed, due: Sequence[tuple[_Row, Renewed]], traits: Any) -> Plates | None:
        """Those that this process made before, moved to this instant, or new ones."""
        key = (self._tenant.id, self._tenant.version, local_day(self._at, customer.time_zone), traits)
        kept = _plates.get(key)
        if kept is None or not movable(self._at):
            kept = plates_of(self._tenant, customer, list(_entries(due)), len(due), self._at)
            if movable(self._at) and kept is not None:
                _plates[key] = kept
                if len(_plates) > PLATES_KEPT:
                    del _plates[next(iter(_plates))]
        return None if kept is None else kept.at(self._at)


def _kind(renewable: Renewable | None, found: Renewed) -> Any:
    """All of a subscription that its lines say."""
    assert renewable is not None
    return (
        renewable.plan.id,
        renewable.currency,
        found.phase_no,
        tuple(
            [
                (one.charge.code, one.period_start_on, one.period_end_on, one.unit_price, one.quantity)
                for one in found.renewals
            ]
        ),
    )


def _entries(due: Sequence[tuple[_Row, Renewed]]) -> Iterator[Entry]:
    groups: dict[Any, int] = {}
    for nth, (row, found) in enumerate(due):
        assert row.renewable is not None
        group_nth = groups.setdefault(row.group, len(groups))
        subscription = subscription_mark(nth, row.renewable.currency, group_nth)
        for one in found.renewals:
            yield Entry(
                subscription, "recurring", one.charge, row.renewable.plan, found.phase_no, one.period_start_on,
                one.period_end_on, one.quantity, one.unit_price, one.amount_minor, one.period_start_on,
            )  # fmt: skip


async def _print(
    connection: Connection, context: Context, cause: Cause, tenant: Tenant, printing: Sequence[_Printing]
) -> list[bytes]:
    """Write the documents and what comes with them; their ids, to be numbered at the very end."""
    printed, outbox, invoice_ids = _printed(context, cause, printing)
    for table, rows in printed.items():
        await copy_packed(connection, table, TABLES[table], rows)
    await run_rows.copy_outbox(connection, tenant.id, outbox)
    await _move_balances(connection, tenant.id, printing)
    await subscription_rows.move_billing(
        connection,
        tenant.id,
        [
            (id_, found.charged_through, None, found.next_bill_on)
            for one in printing
            for id_, found in one.subscriptions
        ],
    )
    midnight = lru_cache(None)(local_midnight)
    next_at: dict[CustomerId, datetime | None] = {
        one.customer.id: midnight(one.next_on, one.customer.time_zone) for one in printing
    }
    await coverage_rows.bill_customers_next(connection, tenant.id, next_at)
    return invoice_ids


async def _number(connection: Connection, tenant: Tenant, invoice_ids: Sequence[bytes]) -> None:
    """The last thing before commit: until then nobody else of the tenant can take a number."""
    series = NumberSeries(TENANT_SERIES, tenant.settings.number_prefix, tenant.settings.number_digits)
    first = await take_block(connection, tenant.id, series.series, len(invoice_ids))
    shown = partial(show_number, series)
    await run_rows.copy_numbers(connection, tenant.id, series.series, first, invoice_ids, shown)


def _printed(
    context: Context, cause: Cause, printing: Sequence[_Printing]
) -> tuple[dict[str, list[bytes]], dict[int, list[bytes]], list[bytes]]:
    """(rows by table, ids of events by shard, ids of invoices), in the order of the customers."""
    rows: dict[str, list[bytes]] = {table: [] for table in TABLES}
    outbox: dict[int, list[bytes]] = {}
    invoice_ids: list[bytes] = []
    cause_id = cause.id.bytes
    for one in printing:
        plates, customer = one.plates, one.customer
        shard = shard_of(customer.id)
        ids = context.ids.octets(1 + plates.transfers + plates.events, shard)
        subscriptions = [id_.bytes for id_, _ in one.subscriptions]
        values = [
            shard.to_bytes(2), customer.id.bytes, customer.snapshot_id.bytes, cause_id, ids[0], *subscriptions, *ids[1:]
        ]  # fmt: skip
        for table, plate in plates.tables:
            rows[table].append(plate.printed(values))
        told = ids[1 + plates.transfers :]
        if shard in outbox:
            outbox[shard] += told
        else:
            outbox[shard] = told
        invoice_ids.append(ids[0])
    return rows, outbox, invoice_ids


async def _move_balances(connection: Connection, tenant_id: TenantId, printing: Sequence[_Printing]) -> None:
    """Add to the balances that are there; those of customers that never had one come to be."""
    before: Balances = {}
    now: Balances = {}
    for one in printing:
        currency, moved = one.plates.currency, one.plates.balance
        if moved == Balance():
            continue  # a document over nothing
        if one.balance is not None:
            before[one.customer.id] = {currency: one.balance}
        now[one.customer.id] = {currency: _sum(one.balance or Balance(), moved)}
    await customer_rows.save_balances(connection, tenant_id, before, now)


def _sum(one: Balance, other: Balance) -> Balance:
    return Balance(
        one.receivable_minor + other.receivable_minor,
        one.credit_minor + other.credit_minor,
        one.payable_minor + other.payable_minor,
    )
