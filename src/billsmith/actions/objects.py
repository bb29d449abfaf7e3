"""The public object of each kind: the one shape that API answers, events and (later) webhooks show.

Amounts are integers in minor units of the `currency` beside them; `*_on` are local dates, `*_at` instants in UTC.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from billsmith.actions.money_objects import DeclineObject, decline_object
from billsmith.core.credits import Credit, CreditSource
from billsmith.core.customers import Customer
from billsmith.core.ids import InvoiceId, PaymentMethodId, maybe_show_id, show_id
from billsmith.core.invoices import (
    CollectionReason,
    CollectionState,
    Direction,
    Document,
    Invoice,
    Line,
    LineKind,
    Status,
)
from billsmith.core.ledger import Balance, PostingKind
from billsmith.core.lines.explain import explained
from billsmith.core.parties import Address, Party, TaxId
from billsmith.core.payments.policy import CollectionPolicy
from billsmith.core.payments.results import Decline
from billsmith.core.tenants import ApiKey, Scope, Tenant, TenantSettings
from billsmith.store.transfers import CausedTransfer


class PeriodObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Half-open: `end` is the first day that no longer belongs to it."""

    start: date
    end: date
    time_zone: str | None = None


class StepObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One figure of a line and the arithmetic behind it."""

    figure: str
    arithmetic: str
    amount: int


class CorrectedLineObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A line of an earlier invoice."""

    invoice: str
    line_no: int


class LineObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One line. `explain` says how each figure was computed."""

    line_no: int
    kind: LineKind
    description: str
    category: str | None
    quantity: Decimal | None
    unit: str | None
    unit_price: Decimal | None
    volume: str | None
    amount: int
    discount: int
    discount_percent: Decimal | None
    tax_percent: Decimal | None
    tax_inclusive: bool
    net: int
    tax: int
    total: int
    period: PeriodObject | None
    share: str | None
    """Of a piece of a period: which part of the price it costs, such as 22/31."""
    subscription: str | None
    """What it was billed for."""
    corrects: CorrectedLineObject | None
    """Of a proration credit: the line whose unused part it gives back."""
    explain: tuple[StepObject, ...]


class BalanceObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What stands between the company and a customer in one currency."""

    currency: str
    receivable: int
    credit: int
    payable: int


class CustomerObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A customer. `balances` are given where they were asked for with expand=balances.

    `billing_parked_because` is given where billing runs leave a customer out that is read, alone or in a list.
    """

    id: str
    object: Literal["customer"] = "customer"
    external_id: str | None
    parent: str | None
    name: str
    emails: tuple[str, ...]
    currency: str
    time_zone: str
    locale: str
    address: Address
    tax_ids: tuple[TaxId, ...]
    bill_cycle_day: int | None
    terms_days: int | None
    number_prefix: str | None
    auto_collect: bool
    invoicing: Literal["on", "draft", "off"]
    draw_credit: bool
    overdue_exempt: bool
    payment_method: str | None
    collection_policy: CollectionPolicy | None
    metadata: dict[str, str]
    tags: tuple[str, ...]
    version: int
    created_at: datetime
    deleted_at: datetime | None
    balances: tuple[BalanceObject, ...] | msgspec.UnsetType = msgspec.UNSET
    billing_parked_because: str | msgspec.UnsetType = msgspec.UNSET


class InvoiceObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An invoice. balance = total − everything that the figures below it account for. Lists leave `lines` out."""

    id: str
    object: Literal["invoice"] = "invoice"
    customer: str | CustomerObject
    status: Status
    collection_state: CollectionState | None
    collection_reason: CollectionReason | None
    next_collect_at: datetime | None
    attempt_count: int
    last_decline: DeclineObject | None
    payment_method: str | None
    collection_policy: CollectionPolicy | None
    appears_on_statement_as: str | None
    direction: Direction
    number: str | None
    external_id: str | None
    external_number: str | None
    title: str | None
    memo: str | None
    period: PeriodObject | None
    issued_on: date | None
    due_on: date | None
    terms_days: int | None
    currency: str
    net: int
    tax: int
    total: int
    paid: int
    credit_applied: int
    credit_noted: int
    written_off: int
    voided: int
    moved_to_credit: int
    absorbed: int
    refunded: int
    balance: int
    adjusts: str | None
    revises: str | None
    revised_by: str | None
    rebill: bool | None
    line_count: int
    lines: tuple[LineObject, ...] | msgspec.UnsetType = msgspec.UNSET
    seller: Party | None
    buyer: Party | None
    metadata: dict[str, str]
    tags: tuple[str, ...]
    version: int
    created_at: datetime
    finalised_at: datetime | None
    settled_at: datetime | None
    finalise_at: datetime | None
    """Of a draft that a run made: when it finalises itself."""


class BilledObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a run on one customer made; empty where nothing was due."""

    object: Literal["bill"] = "bill"
    invoices: tuple[InvoiceObject, ...]


class CreditObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Customer credit. `remaining` can still be drawn."""

    id: str
    object: Literal["credit"] = "credit"
    customer: str
    source: CreditSource
    invoice: str | None
    payment: str | None
    currency: str
    amount: int
    drawn: int
    expired: int
    deleted: int
    paid_out: int
    moved: int
    reserved: int
    remaining: int
    reason: str | None
    granted_on: date
    expires_at: datetime | None
    metadata: dict[str, str]
    version: int
    created_at: datetime


class TransferObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One row of the ledger: `amount` moved from the account `credit` to the account `debit`, and who caused it."""

    id: str
    object: Literal["transfer"] = "transfer"
    customer: str | None
    kind: PostingKind
    debit: str
    credit: str
    amount: int
    currency: str
    accounting_on: date
    period: PeriodObject | None
    invoice: str | None
    line_no: int | None
    credit_id: str | None
    payment: str | None
    refund: str | None
    dispute: str | None
    credit_note: str | None
    write_off: str | None
    to_customer: str | None
    actor: str
    reason: str | None
    request_id: str
    caused_at: datetime


class TenantObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The company that bills. `clock_at` is where a sandbox's own clock stands; null: it lives in the real time."""

    id: str
    object: Literal["tenant"] = "tenant"
    name: str
    mode: Literal["live", "sandbox"]
    currency: str
    time_zone: str
    seller: Party
    settings: TenantSettings
    metadata: dict[str, str]
    clock_at: datetime | None
    version: int
    created_at: datetime


class KeyObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An API key without its secret; `secret` is there once, in the answer that made it."""

    id: str
    object: Literal["key"] = "key"
    name: str
    hint: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    secret: str | msgspec.UnsetType = msgspec.UNSET


class EventObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A fact about one object at one version, with its place in the tenant's sequence and who caused it."""

    id: str
    object: Literal["event"] = "event"
    sequence: int
    type: str
    customer: str | None
    object_id: str
    object_version: int
    occurred_at: datetime
    actor: str
    reason: str | None
    request_id: str
    data: Any


def customer_object(
    customer: Customer,
    balances: dict[str, Balance] | None = None,
    parked_because: str | msgspec.UnsetType = msgspec.UNSET,
) -> CustomerObject:
    """A customer as it is shown."""
    shown = {name: getattr(customer, name) for name in Customer.__struct_fields__ if name in _CUSTOMER_FIELDS}
    return CustomerObject(
        **shown,
        id=show_id("customer", customer.id),
        parent=maybe_show_id("customer", customer.parent_id),
        payment_method=maybe_show_id("payment_method", customer.payment_method_id),
        balances=msgspec.UNSET if balances is None else tuple(_balance(*entry) for entry in sorted(balances.items())),
        billing_parked_because=parked_because,
    )


def invoice_object(document: Document, *, lines: bool = True, customer: CustomerObject | None = None) -> InvoiceObject:
    """An invoice as it is shown, with its customer's id or the customer itself."""
    invoice = document.invoice
    return InvoiceObject(
        id=show_id("invoice", invoice.id),
        customer=customer or show_id("customer", invoice.customer_id),
        status=invoice.status,
        collection_state=invoice.collection_state,
        collection_reason=invoice.collection_reason,
        next_collect_at=invoice.next_collect_at,
        attempt_count=invoice.attempt_count,
        last_decline=decline_object(invoice.last_decline),
        payment_method=maybe_show_id("payment_method", invoice.payment_method_id),
        collection_policy=invoice.collection_policy,
        appears_on_statement_as=invoice.statement_text,
        direction=invoice.direction,
        number=document.number,
        external_id=invoice.external_id,
        external_number=invoice.external_number,
        title=invoice.title,
        memo=invoice.memo,
        period=_period(invoice.period_start_on, invoice.period_end_on, None),
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        terms_days=invoice.terms_days,
        currency=invoice.currency,
        net=invoice.net_minor,
        tax=invoice.tax_minor,
        total=invoice.total_minor,
        paid=invoice.paid_minor,
        credit_applied=invoice.credit_applied_minor,
        credit_noted=invoice.credit_noted_minor,
        written_off=invoice.written_off_minor,
        voided=invoice.voided_minor,
        moved_to_credit=invoice.moved_to_credit_minor,
        absorbed=invoice.absorbed_minor,
        refunded=invoice.refunded_minor,
        balance=invoice.balance_minor,
        adjusts=maybe_show_id("invoice", invoice.adjusts_id),
        revises=maybe_show_id("invoice", invoice.revises_id),
        revised_by=maybe_show_id("invoice", invoice.revised_by_id),
        rebill=invoice.rebill,
        line_count=invoice.line_count,
        lines=_lines(document.lines, invoice.currency) if lines else msgspec.UNSET,
        seller=document.seller,
        buyer=document.buyer,
        metadata=invoice.metadata,
        tags=invoice.tags,
        version=invoice.version,
        created_at=invoice.created_at,
        finalised_at=invoice.finalised_at,
        settled_at=invoice.settled_at,
        finalise_at=invoice.finalise_at,
    )


def credit_object(credit: Credit) -> CreditObject:
    """A credit as it is shown."""
    return CreditObject(
        id=show_id("credit", credit.id),
        customer=show_id("customer", credit.customer_id),
        source=credit.source,
        invoice=maybe_show_id("invoice", credit.invoice_id),
        payment=maybe_show_id("payment", credit.payment_id),
        currency=credit.currency,
        amount=credit.amount_minor,
        drawn=credit.drawn_minor,
        expired=credit.expired_minor,
        deleted=credit.deleted_minor,
        paid_out=credit.paid_out_minor,
        moved=credit.moved_minor,
        reserved=credit.reserved_minor,
        remaining=credit.remaining_minor,
        reason=credit.reason,
        granted_on=credit.granted_on,
        expires_at=credit.expires_at,
        metadata=credit.metadata,
        version=credit.version,
        created_at=credit.created_at,
    )


def transfer_object(transfer: CausedTransfer) -> TransferObject:
    """A transfer as it is shown."""
    return TransferObject(
        id=show_id("transfer", transfer.id),
        customer=maybe_show_id("customer", transfer.customer_id),
        kind=transfer.kind,
        debit=transfer.debit,
        credit=transfer.credit,
        amount=transfer.amount_minor,
        currency=transfer.currency,
        accounting_on=transfer.accounting_on,
        period=_period(transfer.period_start_on, transfer.period_end_on, None),
        invoice=maybe_show_id("invoice", transfer.invoice_id),
        line_no=transfer.line_no,
        credit_id=maybe_show_id("credit", transfer.credit_id),
        payment=maybe_show_id("payment", transfer.payment_id),
        refund=maybe_show_id("refund", transfer.refund_id),
        dispute=maybe_show_id("dispute", transfer.dispute_id),
        credit_note=maybe_show_id("credit_note", transfer.credit_note_id),
        write_off=maybe_show_id("write_off", transfer.write_off_id),
        to_customer=maybe_show_id("customer", transfer.to_customer_id),
        actor=transfer.actor,
        reason=transfer.reason,
        request_id=transfer.request_id,
        caused_at=transfer.caused_at,
    )


def tenant_object(tenant: Tenant) -> TenantObject:
    """A tenant as it is shown."""
    shown = {name: getattr(tenant, name) for name in Tenant.__struct_fields__ if name not in ("id", "snapshot_id")}
    return TenantObject(id=show_id("tenant", tenant.id), **shown)


def key_object(key: ApiKey, secret: str | None = None) -> KeyObject:
    """A key as it is shown; with its secret only right after it was made."""
    shown = {name: getattr(key, name) for name in ApiKey.__struct_fields__ if name != "id"}
    return KeyObject(id=show_id("key", key.id), secret=msgspec.UNSET if secret is None else secret, **shown)


class ChangeableState(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What of a finalised invoice may still change: an event has to keep it; all else is read from the invoice."""

    status: Status = "open"
    collection_state: CollectionState | None = "no_method"
    paid_minor: int = 0
    credit_applied_minor: int = 0
    credit_noted_minor: int = 0
    written_off_minor: int = 0
    voided_minor: int = 0
    moved_to_credit_minor: int = 0
    absorbed_minor: int = 0
    refunded_minor: int = 0
    payment_method_id: PaymentMethodId | None = None
    collection_policy: CollectionPolicy | None = None
    next_collect_at: datetime | None = None
    attempt_count: int = 0
    collection_reason: CollectionReason | None = None
    last_decline: Decline | None = None
    revised_by_id: InvoiceId | None = None
    rebill: bool | None = None
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    settled_at: datetime | None = None


_PLAIN = ChangeableState()


def changeable_state(invoice: Invoice) -> ChangeableState | None:
    """What may change about a finalised invoice; None for the most common: open, nothing settled, no notes."""
    state = ChangeableState(**{field: getattr(invoice, field) for field in ChangeableState.__struct_fields__})
    return None if state == _PLAIN else state


def invoice_at_version(document: Document, version: int, stored: Any) -> Document:
    """The finalised document as it was at a version, from the state that the event kept."""
    state = _PLAIN if stored is None else msgspec.convert(stored, ChangeableState)
    fields = {field: getattr(state, field) for field in ChangeableState.__struct_fields__}
    return msgspec.structs.replace(
        document, invoice=msgspec.structs.replace(document.invoice, version=version, **fields)
    )


_CUSTOMER_FIELDS = frozenset(CustomerObject.__struct_fields__) - {
    "id", "parent", "payment_method", "balances", "billing_parked_because",
}  # fmt: skip


def _lines(lines: tuple[Line, ...], currency: str) -> tuple[LineObject, ...]:
    return tuple(_line(line_no, line, currency) for line_no, line in enumerate(lines, 1))


def _line(line_no: int, line: Line, currency: str) -> LineObject:
    return LineObject(
        line_no=line_no,
        kind=line.kind,
        description=line.description,
        category=line.category,
        quantity=line.quantity,
        unit=line.unit,
        unit_price=line.unit_price,
        volume=line.volume,
        amount=line.amount_minor,
        discount=line.discount_minor,
        discount_percent=line.discount_percent,
        tax_percent=line.tax_percent,
        tax_inclusive=line.tax_inclusive,
        net=line.net_minor,
        tax=line.tax_minor,
        total=line.total_minor,
        period=_period(line.period_start_on, line.period_end_on, line.time_zone),
        share=line.share,
        subscription=maybe_show_id("subscription", line.subscription_id),
        corrects=_corrected(line),
        explain=tuple(
            StepObject(figure=step.figure, arithmetic=step.arithmetic, amount=step.amount_minor)
            for step in explained(line, currency)
        ),
    )


def _corrected(line: Line) -> CorrectedLineObject | None:
    if line.corrects_invoice_id is None or line.corrects_line_no is None:
        return None
    return CorrectedLineObject(invoice=show_id("invoice", line.corrects_invoice_id), line_no=line.corrects_line_no)


def _period(start_on: date | None, end_on: date | None, zone: str | None) -> PeriodObject | None:
    if start_on is None or end_on is None:
        return None
    return PeriodObject(start=start_on, end=end_on, time_zone=zone)


def _balance(currency: str, balance: Balance) -> BalanceObject:
    return BalanceObject(
        currency=currency,
        receivable=balance.receivable_minor,
        credit=balance.credit_minor,
        payable=balance.payable_minor,
    )
