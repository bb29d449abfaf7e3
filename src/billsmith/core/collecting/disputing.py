"""Disputes: a reserve while open; lost, expensed or owed again, as the tenant chose. Rule: docs/rules/disputes.md"""

from datetime import date, datetime

from msgspec.structs import replace

from billsmith.core.collecting.reopening import Paid, Source, given_back
from billsmith.core.decisions import Decision, posted, row_changed
from billsmith.core.ids import DisputeId
from billsmith.core.ledger import DISPUTE_LOSSES, DISPUTED, Posting, PostingKind
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.payment import Payment
from billsmith.core.payments.results import GatewayDispute


def dispute_opened(
    decision: Decision,
    payment: Payment,
    said: GatewayDispute,
    id_: DisputeId,
    refunds_pending_minor: int,
    on: date,
    at: datetime,
) -> Decision:
    """The bank holds an amount: it is reserved, the invoices stay paid.

    Flagged for a person where a refund is under way too, or more is held than the payment has left: both are kept.
    """
    dispute = Dispute(
        id=id_,
        tenant_id=payment.tenant_id,
        customer_id=payment.customer_id,
        payment_id=payment.id,
        gateway_id=said.id,
        status="open",
        outcome=None,
        currency=payment.currency,
        amount_minor=said.amount_minor,
        reason=said.reason,
        needs_attention=said.amount_minor > payment.refundable_minor - refunds_pending_minor,
        version=1,
        created_at=at,
        closed_at=None,
    )
    payment = replace(
        payment, disputed_minor=payment.disputed_minor + dispute.amount_minor, version=payment.version + 1
    )
    decision = posted(decision, [_posting("dispute_opened", DISPUTED, payment.account, dispute, on)])
    return row_changed(row_changed(decision, payment, "payment.updated"), dispute, "dispute.opened")


def dispute_won(decision: Decision, payment: Payment, dispute: Dispute, on: date, at: datetime) -> Decision:
    """The money is ours again."""
    decision = posted(decision, [_posting("dispute_won", payment.account, DISPUTED, dispute, on)])
    payment = replace(
        payment, disputed_minor=payment.disputed_minor - dispute.amount_minor, version=payment.version + 1
    )
    decision = row_changed(decision, payment, "payment.updated")
    won = replace(dispute, status="won", closed_at=at, version=dispute.version + 1)
    return row_changed(decision, won, "dispute.won")


def dispute_lost(decision: Decision, paid: Paid, dispute: Dispute, on: date, at: datetime) -> Decision:
    """The money is gone: a loss of ours, or owed by the customer again (then it is never charged again by itself)."""
    reopen = decision.standing.tenant.settings.dispute_lost == "reopen"
    payment = paid.payment
    if reopen:
        source = Source("dispute_reopened", DISPUTED, dispute_id=dispute.id)
        decision, payment = given_back(decision, paid, dispute.amount_minor, source, on, at)
    else:
        decision = posted(decision, [_posting("dispute_expensed", DISPUTE_LOSSES, DISPUTED, dispute, on)])
    payment = replace(
        payment,
        disputed_minor=payment.disputed_minor - dispute.amount_minor,
        lost_minor=payment.lost_minor + dispute.amount_minor,
        version=payment.version + 1,
    )
    decision = row_changed(decision, payment, "payment.updated")
    lost = replace(
        dispute,
        status="lost",
        outcome="reopened" if reopen else "expensed",
        closed_at=at,
        version=dispute.version + 1,
    )
    return row_changed(decision, lost, "dispute.lost")


def _posting(kind: PostingKind, debit: str, credit: str, dispute: Dispute, on: date) -> Posting:
    return Posting(
        kind, debit, credit, dispute.amount_minor, dispute.currency, on,
        payment_id=dispute.payment_id, dispute_id=dispute.id,
    )  # fmt: skip
