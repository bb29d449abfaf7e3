"""Collecting: what is tried, with which method and when; what a failure leads to. Rule: docs/rules/collection.md"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from billsmith.core.decisions import Decision, Standing, invoice_changed, row_changed
from billsmith.core.ids import AttemptId, PaymentId, PaymentMethodId
from billsmith.core.invoices import CollectionReason, CollectionState, Invoice
from billsmith.core.payments.methods import PaymentMethod, usable
from billsmith.core.payments.payment import Attempt, NotCollectable, Payment, Share
from billsmith.core.payments.policy import TRANSPORT_RETRY, CollectionPolicy, retry_at
from billsmith.core.payments.results import Decline, DeclineBucket, OperationKind

_SUPERSEDED_BY_DEFAULT = ("no_method", "retrying", "failed")


def policy_of(standing: Standing, invoice: Invoice) -> CollectionPolicy:
    """The invoice's policy, or its customer's, or the tenant's."""
    return invoice.collection_policy or standing.customer.collection_policy or standing.tenant.settings.collection


def method_of(standing: Standing, invoice: Invoice) -> PaymentMethodId | None:
    """What the invoice is collected with: its own method, its customer's default, or that of the parent who pays."""
    parent = standing.parent
    return (
        invoice.payment_method_id
        or standing.customer.payment_method_id
        or (parent.payment_method_id if parent is not None else None)
    )


def first_plan(standing: Standing, invoice: Invoice, at: datetime) -> Invoice:
    """An invoice that has just come to be owed: collected at once if there is a method, otherwise it waits."""
    if method_of(standing, invoice) is None:
        return replace(invoice, collection_state="no_method")
    if not standing.customer.auto_collect and invoice.payment_method_id is None:
        return replace(invoice, collection_state="stopped", collection_reason="auto_collect_off")
    return replace(invoice, **_now(at))


def method_given(decision: Decision, invoice: Invoice, method: PaymentMethod, at: datetime) -> Decision:
    """A method for this invoice: it supersedes what was planned and is tried at once, or after what is under way.

    A draft only keeps it. Raises PaymentMethodUnusable, NotCollectable.
    """
    usable(method)
    changed = replace(invoice, payment_method_id=method.id, version=invoice.version + 1)
    if invoice.status == "draft":
        return invoice_changed(decision, changed, "invoice.updated")
    _open(invoice)
    plan = {"next_collect_at": at, "attempt_count": 0} if invoice.has_live_attempt else _now(at)
    return invoice_changed(decision, replace(changed, **plan), "invoice.collection_changed")


def default_given(decision: Decision, invoices: Sequence[Invoice], at: datetime) -> Decision:
    """The customer has a new default method, or is collected by itself again: what waited for that is tried at once."""
    standing = decision.standing
    if not standing.customer.auto_collect:
        return decision
    for invoice in invoices:
        waits = invoice.collection_state in _SUPERSEDED_BY_DEFAULT or (
            invoice.collection_state == "stopped" and invoice.collection_reason == "auto_collect_off"
        )
        if invoice.status != "open" or invoice.payment_method_id is not None or method_of(standing, invoice) is None:
            continue
        if waits or invoice.has_live_attempt:
            plan = {"next_collect_at": at, "attempt_count": 0} if invoice.has_live_attempt else _now(at)
            changed = replace(invoice, version=invoice.version + 1, **plan)
            decision = invoice_changed(decision, changed, "invoice.collection_changed")
    return decision


def held(decision: Decision, invoice: Invoice) -> Decision:
    """Never charged again by itself, until somebody collects it or gives it a method. Raises NotCollectable."""
    _open(invoice)
    _not_live(invoice)
    changed = replace(
        invoice,
        collection_state="stopped",
        collection_reason="held",
        next_collect_at=None,
        version=invoice.version + 1,
    )
    return invoice_changed(decision, changed, "invoice.collection_changed")


def collectable(standing: Standing, invoice: Invoice) -> PaymentMethodId:
    """The method to try now, as somebody asks for it. Raises NotCollectable."""
    _open(invoice)
    _not_live(invoice)
    method_id = method_of(standing, invoice)
    if method_id is None:
        raise NotCollectable("there is no payment method for this invoice; give it one", pointer="/payment_method")
    return method_id


def begun(
    decision: Decision,
    invoices: Sequence[Invoice],
    method: PaymentMethod,
    fresh: Iterator[UUID],
    fingerprint: bytes,
    at: datetime,
    sent_at: datetime,
    lease_until: datetime,
) -> Decision:
    """One payment and its attempt over what these invoices owe; all of one currency and direction, none live."""
    first = invoices[0]
    payout = first.direction == "payout"
    amount = sum(invoice.balance_minor for invoice in invoices)
    payment = Payment(
        id=PaymentId(next(fresh)),
        tenant_id=first.tenant_id,
        customer_id=first.customer_id,
        direction=first.direction,
        status="processing",
        currency=first.currency,
        amount_minor=amount,
        method_kind=method.kind,
        payment_method_id=method.id,
        gateway_account_id=method.gateway_account_id,
        gateway_id=None,
        reference=None,
        external_id=None,
        received_on=None,
        decline=None,
        metadata={},
        version=1,
        created_at=at,
        settled_at=None,
        **_NOTHING_MOVED,
    )
    attempt = new_attempt(
        AttemptId(next(fresh)),
        OperationKind.PAYOUT if payout else OperationKind.CHARGE,
        payment,
        amount,
        fingerprint,
        at,
        sent_at,
        lease_until,
        statement_text=first.statement_text,
    )
    decision = row_changed(row_changed(decision, payment, "payment.created"), attempt)
    for invoice in invoices:
        share = Share(attempt.id, invoice.id, invoice.tenant_id, invoice.balance_minor)
        started = replace(
            invoice,
            collection_state="processing",
            collection_reason=None,
            next_collect_at=None,
            version=invoice.version + 1,
        )
        decision = invoice_changed(decision, started, "invoice.payment_started")
        decision = replace(decision, shares=(*decision.shares, share))
    return decision


_NOTHING_MOVED: dict[str, Any] = dict.fromkeys(
    (
        "fee_minor", "allocated_minor", "credited_minor", "suspended_minor", "refunded_minor", "disputed_minor",
        "lost_minor", "reversed_minor",
    ),
    0,
)  # fmt: skip


def new_payment_figures() -> dict[str, int]:
    """The figures of a payment by which nothing has moved yet."""
    return dict(_NOTHING_MOVED)


def new_attempt(
    id_: AttemptId,
    kind: OperationKind,
    payment: Payment,
    amount_minor: int,
    fingerprint: bytes,
    at: datetime,
    sent_at: datetime,
    lease_until: datetime,
    *,
    refund_id: Any = None,
    statement_text: str | None = None,
) -> Attempt:
    """An attempt that is about to be sent."""
    assert payment.gateway_account_id is not None
    return Attempt(
        id=id_,
        tenant_id=payment.tenant_id,
        customer_id=payment.customer_id,
        kind=kind,
        status="sent",
        payment_id=payment.id,
        refund_id=refund_id,
        payment_method_id=payment.payment_method_id,
        gateway_account_id=payment.gateway_account_id,
        amount_minor=amount_minor,
        currency=payment.currency,
        statement_text=statement_text,
        fingerprint=fingerprint,
        sent_at=sent_at,
        lease_until=lease_until,
        next_check_at=lease_until,
        checks=0,
        gateway_id=None,
        actual_amount_minor=None,
        actual_currency=None,
        fee_minor=0,
        decline=None,
        next_action=None,
        settles_at=None,
        raw=None,
        evidence=None,
        version=1,
        created_at=at,
        ended_at=None,
    )


def failed_plan(
    standing: Standing,
    invoice: Invoice,
    tried_with: PaymentMethodId | None,
    decline: Decline | None,
    tries_in_window: int,
    at: datetime,
) -> Invoice:
    """The invoice after a try that failed: when it is tried again, or why not. `decline` None: surely never sent.

    A method that arrived meanwhile supersedes everything and is tried at once. The version is the caller's to raise.
    """
    invoice = replace(invoice, last_decline=decline or invoice.last_decline)
    method_id = method_of(standing, invoice)
    if method_id is None:
        return _waiting(invoice, "no_method", None, None)
    if method_id != tried_with:
        return replace(invoice, **_now(at))
    if decline is None:
        return _waiting(invoice, "retrying", "not_submitted", at + TRANSPORT_RETRY)
    if decline.bucket is DeclineBucket.CONFIG:
        return _waiting(invoice, "scheduled", "gateway_paused", at)
    invoice = replace(invoice, attempt_count=invoice.attempt_count + 1)
    policy = policy_of(standing, invoice)
    if decline.bucket in _NOT_AGAIN:
        return _waiting(invoice, *_NOT_AGAIN[decline.bucket], None)
    if not standing.customer.auto_collect and invoice.payment_method_id is None:
        return _waiting(invoice, "stopped", "auto_collect_off", None)
    next_at = retry_at(policy, invoice.attempt_count, tries_in_window, at)
    if next_at is not None:
        return _waiting(invoice, "retrying", None, next_at)
    reason = "on_update" if policy.mode == "on_update" else "retries_used_up"
    return _waiting(invoice, "failed", reason, None)


_NOT_AGAIN: dict[DeclineBucket, tuple[CollectionState, CollectionReason]] = {
    DeclineBucket.NEEDS_NEW_METHOD: ("failed", "needs_new_method"),
    DeclineBucket.NEEDS_ACTION: ("action_required", "needs_action"),
    DeclineBucket.NEVER: ("failed", "never"),
}


def _waiting(invoice: Invoice, state: Any, reason: Any, next_at: datetime | None) -> Invoice:
    return replace(invoice, collection_state=state, collection_reason=reason, next_collect_at=next_at)


def _now(at: datetime) -> dict[str, Any]:
    return {
        "collection_state": "scheduled",
        "collection_reason": None,
        "next_collect_at": at,
        "attempt_count": 0,
    }


def _open(invoice: Invoice) -> None:
    if invoice.status != "open":
        raise NotCollectable(f"this invoice is {invoice.status}; only an open one is collected")


def _not_live(invoice: Invoice) -> None:
    if invoice.has_live_attempt:
        raise NotCollectable("a charge of this invoice is under way; wait for what becomes of it")
