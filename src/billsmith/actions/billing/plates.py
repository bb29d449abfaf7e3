"""Documents that differ in their ids only, printed from plates: the rules make the first, the others are as it is.

A plate is everything that the rules decide of a plain renewal: lines, totals, postings, facts. It is made by the very
functions that bill a customer alone, with marks in place of ids, and holds for every customer of the same traits.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from billsmith.actions.saving import stored_object
from billsmith.core.billing.documents import bills
from billsmith.core.billing.entries import Entry
from billsmith.core.customers import Customer
from billsmith.core.decisions import Decision, Standing
from billsmith.core.ids import (
    CauseId,
    CreditId,
    CustomerId,
    EventId,
    GroupId,
    InvoiceId,
    PaymentMethodId,
    SnapshotId,
    SubscriptionId,
    TransferId,
)
from billsmith.core.invoices import Invoice
from billsmith.core.invoicing import draft_of_lines, finalise
from billsmith.core.ledger import Balance
from billsmith.core.parties import Address
from billsmith.core.subscriptions.subscription import Subscription
from billsmith.core.tenants import Tenant
from billsmith.store import events, invoices, ledger
from billsmith.store.events import EventRow
from billsmith.store.packing import Plate, id_of_bytes, packed_instant, packed_row
from billsmith.store.selling import coverage
from billsmith.store.selling.runs import Claimed

TABLES = {
    "invoices": invoices.INVOICE_COLUMNS,
    "invoice_lines": invoices.LINE_COLUMNS,
    "transfers": ledger.TRANSFER_COLUMNS,
    "coverage": coverage.COVERAGE_COLUMNS,
    "events": events.EVENT_COLUMNS,
}
_JSON = frozenset({"metadata", "collection_policy", "last_decline", "object"})


class Plates(msgspec.Struct, frozen=True):
    """One kind of document."""

    tables: tuple[tuple[str, Plate], ...]
    made_at: datetime
    transfers: int
    events: int
    balance: Balance
    """By how much it moves the customer's."""
    currency: str

    def at(self, at: datetime) -> "Plates":
        """The same documents, made at another instant of the same day."""
        if at == self.made_at:
            return self
        swaps = ((packed_instant(self.made_at), packed_instant(at)), (_shown(self.made_at), _shown(at)))
        return Plates(
            tuple((table, plate.swapped(swaps)) for table, plate in self.tables),
            at,
            self.transfers,
            self.events,
            self.balance,
            self.currency,
        )


def movable(at: datetime) -> bool:
    """Whether plates made at this instant can be moved to another: written out, both are of the same length."""
    return at.microsecond != 0


def plates_of(
    tenant: Tenant, claimed: Claimed, entries: Sequence[Entry], subscriptions: int, at: datetime
) -> Plates | None:
    """The plates of what the rules make of these entries, those of the nth subscription marked with `mark(n)`.

    None where it is more than one plain document: such a customer is billed alone.
    """
    customer = _customer(tenant, claimed)
    made = bills(customer, tenant.settings, entries)
    if len(made) != 1:
        return None
    bill = made[0]
    standing = Standing(tenant, customer)
    draft = draft_of_lines(standing, bill.lines, bill.direction, bill.currency, InvoiceId(mark(_INVOICE)), at)
    decision = finalise(standing, draft, bill.lines, at, CreditId(mark(_CREDIT)))
    if decision.credits or decision.rows or decision.shares:
        return None
    rows = _rows(decision, bill.entries, bill.lines, draft)
    used = (_CUSTOMER, _SNAPSHOT, _CAUSE, _INVOICE)
    counted = (
        *(_SUBSCRIPTION + nth for nth in range(subscriptions)),
        *(_TRANSFER + nth for nth in range(len(decision.postings))),
        *(_EVENT + nth for nth in range(len(decision.facts))),
    )
    marks = [mark(number).bytes for number in (*used, *counted)]
    tables = []
    for table, records in rows.items():
        packed = [packed_row(TABLES[table], record, _JSON) for record in records]
        if packed:
            tables.append((table, Plate.of(packed, marks)))
    return Plates(
        tuple(tables),
        at,
        len(decision.postings),
        len(decision.facts),
        decision.standing.balances.get(bill.currency, Balance()),
        bill.currency,
    )


def subscription_mark(nth: int, currency: str, group_nth: int) -> Subscription:
    """What stands for the nth subscription of a document: of a group of its own, or of that of another."""
    return _subscription(SubscriptionId(mark(_SUBSCRIPTION + nth)), GroupId(mark(_GROUP + group_nth)), currency)


def mark(number: int) -> UUID:
    """16 bytes that stand for an id, and are found nowhere else."""
    return id_of_bytes(b"\xfe\xd7mark\xfd\xd8billsm" + number.to_bytes(2))


_CUSTOMER, _SNAPSHOT, _CAUSE, _INVOICE, _CREDIT, _METHOD = range(6)
_SUBSCRIPTION, _GROUP, _TRANSFER, _EVENT = 1_000, 10_000, 20_000, 40_000
MOST_LINES = 1_000
"""Of one document: each has a subscription at the most and two postings, and marks of one kind end before the next."""


def _rows(
    decision: Decision, entries: Sequence[Entry], lines: Sequence[Any], draft: Invoice
) -> dict[str, list[tuple[Any, ...]]]:
    customer = decision.standing.customer
    cause_id, tenant_id = CauseId(mark(_CAUSE)), customer.tenant_id
    final = decision.invoices[-1]
    told = [
        EventRow(
            EventId(mark(_EVENT + nth)), tenant_id, fact.customer_id, fact.type, fact.object_id, fact.object_version,
            stored_object(fact.object, {}), cause_id, final.created_at,
        )
        for nth, fact in enumerate(decision.facts)
    ]  # fmt: skip
    return {
        "invoices": [invoices.invoice_record(final)],
        "invoice_lines": invoices.line_records_of(final, lines),
        "transfers": [
            ledger.transfer_record(tenant_id, cause_id, customer.id, TransferId(mark(_TRANSFER + nth)), posting)
            for nth, posting in enumerate(decision.postings)
        ],
        "coverage": coverage.covering_records(draft, [(entry, 0) for entry in entries]),
        "events": [events.event_record(one) for one in told],
    }


def _customer(tenant: Tenant, claimed: Claimed) -> Customer:
    """What of a customer a plain document depends on; who that is stands nowhere on it."""
    return Customer(
        id=CustomerId(mark(_CUSTOMER)),
        tenant_id=tenant.id,
        external_id=None,
        parent_id=None,
        name="",
        emails=(),
        currency=claimed.currency,
        time_zone=claimed.time_zone,
        locale="en",
        address=Address(),
        tax_ids=(),
        bill_cycle_day=claimed.bill_cycle_day,
        terms_days=claimed.terms_days,
        number_prefix=None,
        auto_collect=claimed.auto_collect,
        invoicing="on",
        draw_credit=claimed.draw_credit,
        overdue_exempt=False,
        payment_method_id=PaymentMethodId(mark(_METHOD)) if claimed.has_method else None,
        collection_policy=None,
        metadata={},
        tags=(),
        snapshot_id=SnapshotId(mark(_SNAPSHOT)),
        version=1,
        created_at=tenant.created_at,
        deleted_at=None,
    )


def _subscription(id_: SubscriptionId, group_id: GroupId, currency: str) -> Subscription:
    """An entry says of its subscription only which one it is, its group and its currency."""
    fields: dict[str, Any] = dict.fromkeys(Subscription.__struct_fields__)
    return Subscription(**(fields | {"id": id_, "group_id": group_id, "currency": currency}))


def _shown(at: datetime) -> bytes:
    return msgspec.json.encode(at)
