"""The public objects of money: gateway accounts, methods, payments, refunds, credit notes, write-offs, disputes.

Amounts are integers in minor units of the `currency` beside them. What a gateway said in private is never shown.
"""

import functools
from datetime import date, datetime
from typing import Any, Literal

import msgspec

from billsmith.core.ids import maybe_show_id, show_id
from billsmith.core.payments.corrections import CreditNote, WriteOff
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.events import StoredEvent, StoredStatus
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod
from billsmith.core.payments.payment import Allocation, Attempt, AttemptStatus, MethodKind, Payment, PaymentStatus
from billsmith.core.payments.refunds import LineAmount, Refund, RefundStatus
from billsmith.core.payments.results import Decline, DeclineBucket, NextAction, OperationKind


class DeclineObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Why money did not move, in words that may be shown to the customer."""

    bucket: DeclineBucket
    code: str
    message: str


class GatewayAccountObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A gateway account. Credentials can be given, and never read back."""

    id: str
    object: Literal["gateway_account"] = "gateway_account"
    gateway: str
    name: str
    is_default: bool
    status: Literal["active", "paused", "closed"]
    paused_because: str | None
    settings: dict[str, Any]
    metadata: dict[str, str]
    version: int
    created_at: datetime


class PaymentMethodObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How a customer pays. `next_action`: what the customer has to do before it can be used."""

    id: str
    object: Literal["payment_method"] = "payment_method"
    customer: str
    gateway_account: str
    token: str
    kind: MethodKind
    status: Literal["pending", "active", "failed", "detached"]
    brand: str | None
    last4: str | None
    expires_year: int | None
    expires_month: int | None
    next_action: NextAction | None
    metadata: dict[str, str]
    version: int
    created_at: datetime
    validated_at: datetime | None


class AllocationObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What of a payment pays an invoice now, after what was taken back."""

    invoice: str
    customer: str
    amount: int
    released: int


class AttemptObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One call to a gateway. `unknown`: its reply was lost; it is asked about, and shown until it is known."""

    id: str
    object: Literal["attempt"] = "attempt"
    customer: str
    kind: OperationKind
    status: AttemptStatus
    payment: str
    refund: str | None
    payment_method: str | None
    gateway_account: str
    amount: int
    currency: str
    gateway_id: str | None
    actual_amount: int | None
    actual_currency: str | None
    decline: DeclineObject | None
    next_action: NextAction | None
    settles_at: datetime | None
    checks: int
    """How often the gateway was asked about it."""
    next_check_at: datetime | None
    evidence: str | None
    version: int
    created_at: datetime
    ended_at: datetime | None


class PaymentObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Money that moved or may have. `refundable`: what can still be given back, refunds under way left aside."""

    id: str
    object: Literal["payment"] = "payment"
    customer: str
    direction: Literal["charge", "payout"]
    status: PaymentStatus
    currency: str
    amount: int
    fee: int
    allocated: int
    credited: int
    suspended: int
    refunded: int
    disputed: int
    lost: int
    reversed: int
    refundable: int
    method_kind: MethodKind
    payment_method: str | None
    gateway_account: str | None
    gateway_id: str | None
    reference: str | None
    external_id: str | None
    received_on: date | None
    decline: DeclineObject | None
    metadata: dict[str, str]
    version: int
    created_at: datetime
    settled_at: datetime | None
    allocations: tuple[AllocationObject, ...] | msgspec.UnsetType = msgspec.UNSET
    attempts: tuple[AttemptObject, ...] | msgspec.UnsetType = msgspec.UNSET


class LineAmountObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A part of one line, tax included."""

    line_no: int
    amount: int


class RefundObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Money given back. While it is `pending` its amount is reserved; a failed one frees it."""

    id: str
    object: Literal["refund"] = "refund"
    customer: str
    status: RefundStatus
    payment: str
    invoice: str | None
    credit: str | None
    destination: Literal["gateway", "credit"]
    reopen: bool
    currency: str
    amount: int
    lines: tuple[LineAmountObject, ...]
    reason: str | None
    credit_note: str | None
    decline: DeclineObject | None
    needs_attention: bool
    tries: int
    metadata: dict[str, str]
    version: int
    created_at: datetime
    settled_at: datetime | None


class CreditNoteLineObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A part of one line of the corrected invoice."""

    line_no: int
    description: str
    net: int
    tax: int
    total: int


class CreditNoteObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A correction downwards. total = owed + written_off + paid: what became of what it takes back."""

    id: str
    object: Literal["credit_note"] = "credit_note"
    number: str | None
    customer: str
    invoice: str
    refund: str | None
    credit: str | None
    currency: str
    net: int
    tax: int
    total: int
    owed: int
    written_off: int
    paid: int
    reason: str
    issued_on: date
    lines: tuple[CreditNoteLineObject, ...]
    metadata: dict[str, str]
    version: int
    created_at: datetime


class WriteOffObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is no longer expected of an invoice. `reversed`: undone, recovered, or taken back by a credit note."""

    id: str
    object: Literal["write_off"] = "write_off"
    customer: str
    invoice: str
    currency: str
    amount: int
    reversed: int
    reason: str
    written_off_on: date
    metadata: dict[str, str]
    version: int
    created_at: datetime


class DisputeObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Money that a payer's bank holds, has given back to us (`won`) or has taken (`lost`)."""

    id: str
    object: Literal["dispute"] = "dispute"
    customer: str
    payment: str
    gateway_id: str | None
    status: Literal["open", "won", "lost"]
    outcome: Literal["expensed", "reopened"] | None
    currency: str
    amount: int
    reason: str | None
    needs_attention: bool
    version: int
    created_at: datetime
    closed_at: datetime | None


class GatewayEventObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a gateway told. `orphan`: about money that is not ours, of which `suspended` was moved by this event."""

    id: str
    object: Literal["gateway_event"] = "gateway_event"
    gateway_account: str
    gateway_event_id: str
    kind: Literal["operation", "dispute", "method", "other"]
    type: str
    operation_kind: OperationKind | None
    operation_id: str | None
    gateway_id: str | None
    happened_at: datetime
    status: StoredStatus
    detail: str | None
    suspended: int | None
    currency: str | None
    tries: int
    received_at: datetime
    next_try_at: datetime | None


def decline_object(decline: Decline | None) -> DeclineObject | None:
    """A decline without what the gateway said in private."""
    if decline is None:
        return None
    return DeclineObject(bucket=decline.bucket, code=decline.code, message=decline.public_message)


def gateway_account_object(account: GatewayAccount) -> GatewayAccountObject:
    """A gateway account as it is shown."""
    return GatewayAccountObject(
        id=show_id("gateway_account", account.id),
        **_same(account, GatewayAccountObject),
    )


def payment_method_object(method: PaymentMethod) -> PaymentMethodObject:
    """A payment method as it is shown."""
    return PaymentMethodObject(
        id=show_id("payment_method", method.id),
        customer=show_id("customer", method.customer_id),
        gateway_account=show_id("gateway_account", method.gateway_account_id),
        **_same(method, PaymentMethodObject),
    )


def payment_object(
    payment: Payment,
    allocations: tuple[Allocation, ...] | None = None,
    attempts: tuple[Attempt, ...] | None = None,
) -> PaymentObject:
    """A payment as it is shown, with what it pays and how it was tried where that was read."""
    return PaymentObject(
        id=show_id("payment", payment.id),
        customer=show_id("customer", payment.customer_id),
        payment_method=maybe_show_id("payment_method", payment.payment_method_id),
        gateway_account=maybe_show_id("gateway_account", payment.gateway_account_id),
        decline=decline_object(payment.decline),
        refundable=payment.refundable_minor,
        allocations=msgspec.UNSET if allocations is None else tuple(_allocation(one) for one in allocations),
        attempts=msgspec.UNSET if attempts is None else tuple(attempt_object(one) for one in attempts),
        **_amounts(payment, PaymentObject),
        **_same(payment, PaymentObject),
    )


def attempt_object(attempt: Attempt) -> AttemptObject:
    """An attempt as it is shown."""
    return AttemptObject(
        id=show_id("attempt", attempt.id),
        customer=show_id("customer", attempt.customer_id),
        payment=show_id("payment", attempt.payment_id),
        refund=maybe_show_id("refund", attempt.refund_id),
        payment_method=maybe_show_id("payment_method", attempt.payment_method_id),
        gateway_account=show_id("gateway_account", attempt.gateway_account_id),
        decline=decline_object(attempt.decline),
        **_amounts(attempt, AttemptObject),
        **_same(attempt, AttemptObject),
    )


def refund_object(refund: Refund) -> RefundObject:
    """A refund as it is shown."""
    return RefundObject(
        id=show_id("refund", refund.id),
        customer=show_id("customer", refund.customer_id),
        payment=show_id("payment", refund.payment_id),
        invoice=maybe_show_id("invoice", refund.invoice_id),
        credit=maybe_show_id("credit", refund.credit_id),
        credit_note=maybe_show_id("credit_note", refund.credit_note_id),
        decline=decline_object(refund.decline),
        lines=tuple(_line_amount(line) for line in refund.lines),
        **_amounts(refund, RefundObject),
        **_same(refund, RefundObject),
    )


def credit_note_object(note: CreditNote, number: str | None = None) -> CreditNoteObject:
    """A credit note as it is shown; its number is not known in the event that issues it."""
    return CreditNoteObject(
        id=show_id("credit_note", note.id),
        number=number,
        customer=show_id("customer", note.customer_id),
        invoice=show_id("invoice", note.invoice_id),
        refund=maybe_show_id("refund", note.refund_id),
        credit=maybe_show_id("credit", note.credit_id),
        lines=tuple(
            CreditNoteLineObject(
                line_no=line.invoice_line_no,
                description=line.description,
                net=line.net_minor,
                tax=line.tax_minor,
                total=line.total_minor,
            )
            for line in note.lines
        ),
        **_amounts(note, CreditNoteObject),
        **_same(note, CreditNoteObject),
    )


def write_off_object(write_off: WriteOff) -> WriteOffObject:
    """A write-off as it is shown."""
    return WriteOffObject(
        id=show_id("write_off", write_off.id),
        customer=show_id("customer", write_off.customer_id),
        invoice=show_id("invoice", write_off.invoice_id),
        **_amounts(write_off, WriteOffObject),
        **_same(write_off, WriteOffObject),
    )


def dispute_object(dispute: Dispute) -> DisputeObject:
    """A dispute as it is shown."""
    return DisputeObject(
        id=show_id("dispute", dispute.id),
        customer=show_id("customer", dispute.customer_id),
        payment=show_id("payment", dispute.payment_id),
        **_amounts(dispute, DisputeObject),
        **_same(dispute, DisputeObject),
    )


def gateway_event_object(event: StoredEvent) -> GatewayEventObject:
    """What a gateway told as it is shown: without what came on the wire."""
    return GatewayEventObject(
        id=show_id("gateway_event", event.id),
        gateway_account=show_id("gateway_account", event.gateway_account_id),
        **_amounts(event, GatewayEventObject),
        **_same(event, GatewayEventObject),
    )


def money_object(subject: Any) -> Any:
    """What an event keeps of one of these: all of it. Anything else is handed through."""
    for kind, show in _SHOWN.items():
        if isinstance(subject, kind):
            return show(subject)
    return subject


_SHOWN: dict[type, Any] = {
    Payment: payment_object,
    Attempt: attempt_object,
    Refund: refund_object,
    CreditNote: credit_note_object,
    WriteOff: write_off_object,
    Dispute: dispute_object,
    PaymentMethod: payment_method_object,
    GatewayAccount: gateway_account_object,
}

_SHOWN_OTHERWISE = {
    "id", "object", "customer", "payment", "invoice", "refund", "credit", "credit_note", "payment_method",
    "gateway_account", "decline", "lines", "number", "allocations", "attempts",
}  # fmt: skip


def _same(value: Any, shown: type[msgspec.Struct]) -> dict[str, Any]:
    """The fields that are shown as they are."""
    return {name: getattr(value, name) for name in _same_names(value.__class__, shown)}


def _amounts(value: Any, shown: type[msgspec.Struct]) -> dict[str, Any]:
    """Every figure that is shown, under its name without the unit."""
    return {shown_name: getattr(value, name) for name, shown_name in _amount_names(value.__class__, shown)}


@functools.cache
def _same_names(kind: Any, shown: Any) -> tuple[str, ...]:
    names = set(shown.__struct_fields__) - _SHOWN_OTHERWISE
    return tuple(name for name in kind.__struct_fields__ if name in names)


@functools.cache
def _amount_names(kind: Any, shown: Any) -> tuple[tuple[str, str], ...]:
    names = set(shown.__struct_fields__)
    figures = [(name, name.removesuffix("_minor")) for name in kind.__struct_fields__ if name.endswith("_minor")]
    return tuple(figure for figure in figures if figure[1] in names)


def _allocation(allocation: Allocation) -> AllocationObject:
    return AllocationObject(
        invoice=show_id("invoice", allocation.invoice_id),
        customer=show_id("customer", allocation.customer_id),
        amount=allocation.net_minor,
        released=allocation.released_minor,
    )


def _line_amount(line: LineAmount) -> LineAmountObject:
    return LineAmountObject(line_no=line.line_no, amount=line.amount_minor)
