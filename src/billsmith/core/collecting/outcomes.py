"""What became of an attempt: money set against invoices, or another plan for them. Rule: docs/rules/payments.md

Only the newest fact counts: an attempt that has ended is not changed by what is heard later, except that money which
had come can go back (a reversal, a new fact). A late success never turns a void invoice into a paid one.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from billsmith.core.collecting.plans import failed_plan
from billsmith.core.correcting.voiding import Voidable, voided
from billsmith.core.correcting.write_offs import write_offs_reversed, written_off
from billsmith.core.credits import new_credit
from billsmith.core.decisions import (
    Decision,
    Standing,
    credit_changed,
    draw_available,
    invoice_changed,
    posted,
    row_changed,
    settled_fact,
    settled_if_paid,
    with_credit,
)
from billsmith.core.ids import CreditId, InvoiceId, RefundId, WriteOffId
from billsmith.core.invoices import Invoice
from billsmith.core.ledger import CUSTOMER_CREDIT, FEES, PAYABLE, RECEIVABLE, SUSPENSE, Posting, PostingKind
from billsmith.core.payments.corrections import WriteOff
from billsmith.core.payments.payment import Allocation, AllocationRefused, Attempt, Payment, Share
from billsmith.core.payments.policy import COLLECTION_ENDED
from billsmith.core.payments.refunds import Refund
from billsmith.core.payments.results import Decline, DeclineBucket, OperationResult, OperationStatus
from billsmith.core.time_zones import local_day

_MAY_CHANGE = ("sent", "authorized", "pending", "requires_action", "unknown")


class Paying(msgspec.Struct, frozen=True, gc=False):
    """A payment, its attempt and everything that its outcome may touch; all of the standing's customer."""

    payment: Payment
    attempt: Attempt
    shares: tuple[Share, ...]
    invoices: Mapping[InvoiceId, Invoice]
    allocations: tuple[Allocation, ...] = ()
    write_offs: Mapping[InvoiceId, tuple[WriteOff, ...]] = {}
    voidables: Mapping[InvoiceId, Voidable] = {}
    """Of those invoices that are to be voided when the attempt ends."""
    tries_in_window: Mapping[InvoiceId, int] = {}
    """Calls for each invoice with this method in the last 30 days, this one too; what is not there: this one only."""


def may_change(attempt: Attempt, status: OperationStatus) -> bool:
    """Whether news of this status is news: what has ended stays, but money that came may go back."""
    if status is OperationStatus.REVERSED:
        return attempt.status in (*_MAY_CHANGE, "succeeded")
    return attempt.status in _MAY_CHANGE and status.value != attempt.status


def ended(attempt: Attempt, result: OperationResult, at: datetime, next_check_at: datetime | None) -> Attempt:
    """The attempt with what the gateway says of it now."""
    status = "failed" if result.status is OperationStatus.EXPIRED else result.status.value
    changed = replace(
        attempt,
        status=status,
        gateway_id=result.gateway_id or attempt.gateway_id,
        actual_amount_minor=result.amount_minor if result.amount_minor is not None else attempt.actual_amount_minor,
        actual_currency=result.currency or attempt.actual_currency,
        fee_minor=result.fee_minor or attempt.fee_minor,
        decline=result.decline or attempt.decline,
        next_action=result.next_action,
        settles_at=result.settles_at or attempt.settles_at,
        raw=result.raw or attempt.raw,
        next_check_at=next_check_at,
        checks=attempt.checks + 1,
        version=attempt.version + 1,
    )
    return changed if changed.is_live else replace(changed, ended_at=at)


def recorded(
    standing: Standing,
    paying: Paying,
    result: OperationResult,
    at: datetime,
    next_check_at: datetime | None,
    fresh: Iterator[UUID],
    *,
    not_submitted: bool = False,
) -> Decision:
    """What the outcome of a charge or payout changes. `not_submitted`: the call surely never reached the gateway."""
    attempt = ended(paying.attempt, result, at, next_check_at)
    decision = row_changed(Decision(standing), attempt)
    paying = replace(paying, attempt=attempt)
    match result.status:
        case OperationStatus.SUCCEEDED:
            return _succeeded(decision, paying, result, at, fresh)
        case OperationStatus.PENDING | OperationStatus.REQUIRES_ACTION | OperationStatus.UNKNOWN:
            return _waits(decision, paying, result.status)
        case OperationStatus.AUTHORIZED:
            return _waits(decision, paying, OperationStatus.PENDING)
        case _:
            assert result.status is not OperationStatus.REVERSED, "a reversal is recorded by reopening.py"
            decline = None if not_submitted else result.decline or _unsaid(result.status)
            return _failed(decision, paying, result.status, decline, at, fresh)


def allocated(
    decision: Decision,
    payment: Payment,
    invoice: Invoice,
    amount_minor: int,
    allocations: Mapping[InvoiceId, Allocation],
    write_offs: tuple[WriteOff, ...],
    on: date,
    at: datetime,
    fresh: Iterator[UUID],
    *,
    from_credit: CreditId | None = None,
) -> tuple[Decision, Payment, int]:
    """Set up to `amount_minor` of a payment against an invoice: what it owes, after what had been written off.

    `from_credit`: the money had come in earlier and was credit since. Gives back the payment and what was used.
    """
    before = invoice
    recovered = min(invoice.recoverable_minor, max(0, amount_minor - invoice.balance_minor))
    used = min(amount_minor, invoice.balance_minor + recovered)
    if used == 0:
        return decision, payment, 0
    if recovered:
        decision, invoice = write_offs_reversed(decision, invoice, write_offs, recovered, on)
    kind: PostingKind = "payment_allocated" if from_credit is None else "payment_linked"
    cash = payment.account if from_credit is None else CUSTOMER_CREDIT
    if invoice.direction == "payout":
        postings = [_posting("payout_paid", PAYABLE, payment.account, used, payment, on, invoice)]
    else:
        postings = [replace(_posting(kind, cash, RECEIVABLE, used, payment, on, invoice), credit_id=from_credit)]
    decision = posted(decision, postings)
    decision = row_changed(decision, _allocation(payment, invoice, used, allocations.get(invoice.id), at, fresh))
    invoice = replace(invoice, paid_minor=invoice.paid_minor + used, version=invoice.version + 1)
    invoice = settled_if_paid(invoice, at)
    decision = invoice_changed(decision, invoice, settled_fact(before, invoice, "invoice.payment_applied"))
    return decision, replace(payment, allocated_minor=payment.allocated_minor + used), used


def credited_rest(
    decision: Decision, payment: Payment, amount_minor: int, on: date, at: datetime, fresh: Iterator[UUID]
) -> tuple[Decision, Payment, CreditId]:
    """What of a payment nothing takes: customer credit."""
    credit_id = CreditId(next(fresh))
    credit = new_credit(
        credit_id, payment.tenant_id, decision.standing.customer.id, "payment", payment.currency, amount_minor, on, at,
        payment_id=payment.id,
    )  # fmt: skip
    posting = replace(
        _posting("payment_credited", payment.account, CUSTOMER_CREDIT, amount_minor, payment, on), credit_id=credit_id
    )
    decision = with_credit(decision, credit, [posting])
    return decision, replace(payment, credited_minor=payment.credited_minor + amount_minor), credit_id


def suspense_released(
    decision: Decision, payment: Payment, on: date, at: datetime, fresh: Iterator[UUID]
) -> tuple[Decision, Payment, CreditId]:
    """A person says that a payment's money in suspense is its customer's: credit. The version is the caller's to raise.

    Raises AllocationRefused where there is none.
    """
    amount = payment.suspended_minor
    if payment.status != "succeeded" or payment.direction != "charge" or not amount:
        raise AllocationRefused("nothing of this payment is in suspense")
    credit_id = CreditId(next(fresh))
    credit = new_credit(
        credit_id, payment.tenant_id, payment.customer_id, "payment", payment.currency, amount, on, at,
        payment_id=payment.id,
    )  # fmt: skip
    posting = _posting("suspense_released", SUSPENSE, CUSTOMER_CREDIT, amount, payment, on)
    decision = with_credit(decision, credit, [replace(posting, credit_id=credit_id)])
    released = replace(payment, suspended_minor=0, credited_minor=payment.credited_minor + amount)
    return decision, released, credit_id


def _succeeded(
    decision: Decision, paying: Paying, result: OperationResult, at: datetime, fresh: Iterator[UUID]
) -> Decision:
    attempt, payment = paying.attempt, paying.payment
    on = local_day(at, decision.standing.customer.time_zone)
    amount = attempt.amount_minor if result.amount_minor is None else result.amount_minor
    currency = result.currency or attempt.currency
    payment = replace(
        payment,
        status="succeeded",
        amount_minor=amount,
        currency=currency,
        fee_minor=result.fee_minor,
        gateway_id=attempt.gateway_id,
        settled_at=at,
        version=payment.version + 1,
    )
    if result.fee_minor:
        decision = posted(decision, [_posting("payment_fee", FEES, payment.account, result.fee_minor, payment, on)])
    if (amount, currency) != (attempt.amount_minor, attempt.currency):
        return _suspended(decision, paying, payment, on, at)
    left = amount
    given_back = 0
    for share in paying.shares:
        invoice = paying.invoices[share.invoice_id]
        if invoice.collection_state == "void_pending":
            decision = voided(decision, paying.voidables[invoice.id], bool(invoice.rebill), on, at)
            given_back += share.amount_minor
            continue
        if invoice.status == "void":
            given_back += share.amount_minor
            continue
        decision, payment, used = allocated(
            decision, payment, _no_longer_live(invoice), share.amount_minor, _by_invoice(paying.allocations),
            paying.write_offs.get(invoice.id, ()), on, at, fresh,
        )  # fmt: skip
        if used == 0:
            decision = _released(decision, invoice)
        left -= used
    if left > 0:
        assert payment.direction == "charge", "a payout pays what is owed to the customer and no more"
        decision, payment = _rest(decision, payment, left, given_back, on, at, fresh)
    decision = row_changed(decision, payment, "payment.succeeded")
    return draw_available(decision, at, on, on=decision.standing.owed)


def _rest(
    decision: Decision, payment: Payment, left: int, given_back: int, on: date, at: datetime, fresh: Iterator[UUID]
) -> tuple[Decision, Payment]:
    """Money for void invoices goes back, or stays as credit, as the tenant chose; all else is credit."""
    back = given_back if decision.standing.tenant.settings.money_after_void == "refund" else 0
    if left > back:
        decision, payment, _ = credited_rest(decision, payment, left - back, on, at, fresh)
    if back:
        decision, payment, credit_id = credited_rest(decision, payment, back, on, at, fresh)
        decision = _refund_of_credit(decision, payment, credit_id, back, at, fresh)
    return decision, payment


def _refund_of_credit(
    decision: Decision, payment: Payment, credit_id: CreditId, amount_minor: int, at: datetime, fresh: Iterator[UUID]
) -> Decision:
    refund = Refund(
        id=RefundId(next(fresh)),
        tenant_id=payment.tenant_id,
        customer_id=payment.customer_id,
        status="pending",
        payment_id=payment.id,
        invoice_id=None,
        credit_id=credit_id,
        destination="gateway",
        reopen=False,
        currency=payment.currency,
        amount_minor=amount_minor,
        lines=(),
        reason="the invoice was voided before the money came",
        credit_note_id=None,
        decline=None,
        needs_attention=False,
        tries=0,
        next_try_at=at,
        metadata={},
        version=1,
        created_at=at,
        settled_at=None,
    )
    credit = next(credit for credit in decision.standing.credits if credit.id == credit_id)
    reserved = replace(credit, reserved_minor=credit.reserved_minor + amount_minor, version=credit.version + 1)
    decision = credit_changed(decision, reserved, "credit.reserved", [])
    return row_changed(decision, refund, "refund.created")


def _suspended(decision: Decision, paying: Paying, payment: Payment, on: date, at: datetime) -> Decision:
    """Money of another amount or currency than asked belongs to nobody until a person decides; its invoices stop."""
    sides = (payment.account, SUSPENSE) if payment.direction == "charge" else (SUSPENSE, payment.account)
    decision = posted(decision, [_posting("payment_suspended", *sides, payment.amount_minor, payment, on)])
    payment = replace(payment, suspended_minor=payment.amount_minor)
    decision = row_changed(decision, payment, "payment.succeeded")
    for share in paying.shares:
        invoice = paying.invoices[share.invoice_id]
        if invoice.collection_state == "void_pending":
            decision = voided(decision, paying.voidables[invoice.id], bool(invoice.rebill), on, at)
            continue
        if invoice.status != "open":
            decision = _released(decision, invoice)
            continue
        stopped = replace(
            invoice,
            collection_state="stopped",
            collection_reason="amount_mismatch",
            next_collect_at=None,
            version=invoice.version + 1,
        )
        decision = invoice_changed(decision, stopped, "invoice.collection_changed")
    return draw_available(decision, at, on, on=decision.standing.owed)


def _waits(decision: Decision, paying: Paying, status: OperationStatus) -> Decision:
    acts = status is OperationStatus.REQUIRES_ACTION
    payment = replace(
        paying.payment,
        status="action_required" if acts else "processing",
        gateway_id=paying.attempt.gateway_id,
        version=paying.payment.version + 1,
    )
    facts = {
        OperationStatus.PENDING: "payment.pending",
        OperationStatus.REQUIRES_ACTION: "payment.action_required",
        OperationStatus.UNKNOWN: "payment.unknown",
    }
    decision = row_changed(decision, payment, facts[status])  # type: ignore[arg-type]
    if status is OperationStatus.UNKNOWN:
        return decision
    for share in paying.shares:
        invoice = paying.invoices[share.invoice_id]
        if invoice.collection_state == "void_pending":
            continue
        changed = replace(
            invoice,
            collection_state="action_required" if acts else "processing",
            collection_reason="awaiting_customer" if acts else None,
            version=invoice.version + 1,
        )
        decision = invoice_changed(decision, changed, "invoice.action_required" if acts else "invoice.payment_pending")
    return decision


def _failed(
    decision: Decision,
    paying: Paying,
    status: OperationStatus,
    decline: Decline | None,
    at: datetime,
    fresh: Iterator[UUID],
) -> Decision:
    attempt = paying.attempt
    on = local_day(at, decision.standing.customer.time_zone)
    cancelled = status is OperationStatus.CANCELLED
    payment = replace(
        paying.payment,
        status="cancelled" if cancelled else "failed",
        decline=decline,
        gateway_id=attempt.gateway_id,
        settled_at=at,
        version=paying.payment.version + 1,
    )
    decision = row_changed(decision, payment, "payment.cancelled" if cancelled else "payment.failed")
    for share in paying.shares:
        invoice = paying.invoices[share.invoice_id]
        if invoice.collection_state == "void_pending":
            decision = voided(decision, paying.voidables[invoice.id], bool(invoice.rebill), on, at)
        elif invoice.status == "open":
            decision = _planned_again(decision, paying, invoice, decline, on, at, fresh)
        else:
            decision = _released(decision, invoice)
    return draw_available(decision, at, on, on=decision.standing.owed)


def _planned_again(
    decision: Decision,
    paying: Paying,
    invoice: Invoice,
    decline: Decline | None,
    on: date,
    at: datetime,
    fresh: Iterator[UUID],
) -> Decision:
    standing, attempt = decision.standing, paying.attempt
    tries = paying.tries_in_window.get(invoice.id, 1)
    planned = failed_plan(standing, invoice, attempt.payment_method_id, decline, tries, at)
    planned = replace(planned, version=invoice.version + 1)
    decision = invoice_changed(decision, planned, "invoice.payment_failed")
    from_policy = planned.collection_reason == "retries_used_up"
    if from_policy and _after_last(standing, planned) == "write_off" and planned.direction == "charge":
        write_off_id = WriteOffId(next(fresh))
        return written_off(decision, planned, None, "all tries to collect it failed", write_off_id, on, at, {})
    return decision


def _unsaid(status: OperationStatus) -> Decline:
    """A failure without a word about why is a try like any other, so that it is not repeated every few minutes."""
    if status is OperationStatus.FAILED:
        return Decline(DeclineBucket.RETRY_LATER, "unsaid", "The payment could not be made.", "no reason was given")
    return Decline(
        DeclineBucket.NEEDS_ACTION, status.value, "The payment was not confirmed.", "it was not confirmed in time"
    )


def _after_last(standing: Standing, invoice: Invoice) -> str:
    policy = invoice.collection_policy or standing.customer.collection_policy or standing.tenant.settings.collection
    return policy.after_last


def _released(decision: Decision, invoice: Invoice) -> Decision:
    """An invoice that was settled or written off meanwhile: the attempt is no longer under way for it."""
    if not invoice.has_live_attempt:
        return decision
    changed = replace(invoice, version=invoice.version + 1, **COLLECTION_ENDED)
    return invoice_changed(decision, changed, "invoice.collection_changed")


def _no_longer_live(invoice: Invoice) -> Invoice:
    """The invoice after its attempt ended well; if it still owes something, somebody has to look at it."""
    if not invoice.has_live_attempt:
        return invoice
    if invoice.status != "open":
        return replace(invoice, **COLLECTION_ENDED)
    return replace(invoice, collection_state="stopped", collection_reason="held", next_collect_at=None)


def _allocation(
    payment: Payment,
    invoice: Invoice,
    used: int,
    before: Allocation | None,
    at: datetime,
    fresh: Iterator[UUID],
) -> Allocation:
    if before is not None:
        return replace(before, amount_minor=before.amount_minor + used, version=before.version + 1)
    return Allocation(
        id=next(fresh),
        tenant_id=payment.tenant_id,
        customer_id=invoice.customer_id,
        payment_id=payment.id,
        invoice_id=invoice.id,
        currency=payment.currency,
        amount_minor=used,
        released_minor=0,
        version=1,
        created_at=at,
    )


def linkable(payment: Payment, invoice: Invoice) -> None:
    """Raises AllocationRefused unless this payment may pay that invoice."""
    if payment.status != "succeeded" or payment.direction != "charge":
        raise AllocationRefused(f"this payment is {payment.status}; only money that came in can pay an invoice")
    if invoice.direction != "charge" or invoice.status not in ("open", "uncollectible"):
        raise AllocationRefused(f"this {invoice.direction} is {invoice.status}; nothing can be set against it")
    if invoice.currency != payment.currency:
        raise AllocationRefused(f"the payment is in {payment.currency}, the invoice in {invoice.currency}")
    if invoice.has_live_attempt:
        raise AllocationRefused("a charge of this invoice is under way; wait for what becomes of it")


def _by_invoice(allocations: tuple[Allocation, ...]) -> dict[InvoiceId, Allocation]:
    return {allocation.invoice_id: allocation for allocation in allocations}


def _posting(
    kind: PostingKind,
    debit: str,
    credit: str,
    amount_minor: int,
    payment: Payment,
    on: date,
    invoice: Invoice | None = None,
) -> Posting:
    return Posting(
        kind, debit, credit, amount_minor, payment.currency, on,
        invoice_id=None if invoice is None else invoice.id, payment_id=payment.id,
    )  # fmt: skip
