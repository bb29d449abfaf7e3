"""What always holds of money, checked from raw tables: payments, refunds, disputes, corrections, attempts, the book."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from tests.raw_rows import CASH, GIVEN_BACK, LIVE, REFUNDED, Connection, Pool, Row, Rows, grouped, into


def payments_are_what_was_posted(rows: Rows) -> Iterator[str]:
    transfers = grouped(rows.transfers, "payment_id")
    allocations = grouped(rows.allocations, "payment_id")
    for row in rows.payments:
        own = transfers.pop(row["id"], [])
        posted = _payment_figures(row, own)
        wrong = {figure: amount for figure, amount in posted.items() if row[figure] != amount or amount < 0}
        if wrong:
            yield f"payment {row['id']} is not what was posted: {wrong}"
        net = sum(one["amount_minor"] - one["released_minor"] for one in allocations.pop(row["id"], []))
        if net != row["allocated_minor"]:
            yield f"payment {row['id']} has {row['allocated_minor']} allocated, its allocations come to {net}"
        if row["status"] not in ("succeeded", "reversed") and own:
            yield f"payment {row['id']} is {row['status']} and has transfers"
    yield from (f"transfers of payment {payment_id}, which is not there" for payment_id in transfers)
    yield from (f"allocations of payment {payment_id}, which is not there" for payment_id in allocations)


def _payment_figures(row: Row, own: list[Row]) -> dict[str, int]:
    """What its transfers say of a payment."""

    def added(account: str, *kinds: str) -> int:
        return sum(into(one, account) for one in own if one["kind"] in kinds)

    def cash(*kinds: str) -> int:
        return sum(into(one, account) for one in own if one["kind"] in kinds for account in CASH)

    out = row["direction"] == "payout"
    posted = {
        "fee_minor": -cash("payment_fee"),
        "allocated_minor": (1 if out else -1) * added("payable" if out else "receivable", *PAYING),
        "credited_minor": -added("customer_credit", "payment_credited", "suspense_released", "refund_returned"),
        "suspended_minor": max(0, (1 if out else -1) * added("suspense", *(one["kind"] for one in own))),
        "refunded_minor": -cash(*REFUNDED, "refund_reopened", "credit_refunded", "refund_returned")
        - added("customer_credit", *REFUNDED),
        "disputed_minor": added("disputed", *(one["kind"] for one in own)),
        "lost_minor": -added("disputed", "dispute_expensed", "dispute_reopened"),
        "reversed_minor": (1 if out else -1) * cash("payment_reversed", "payout_bounced"),
    }
    if row["status"] in ("succeeded", "reversed"):
        came = cash("payment_allocated", "payment_credited", "payment_suspended", "payout_paid")
        posted["amount_minor"] = -came if out else came
    return posted


PAYING = {"payment_allocated", "payment_linked", "payout_paid", "payout_bounced", *GIVEN_BACK}


def refunds_stay_within_what_was_captured(rows: Rows) -> Iterator[str]:
    refunds = grouped(rows.refunds, "payment_id")
    for row in rows.payments:
        of_payment = refunds.pop(row["id"], [])
        done = sum(one["amount_minor"] for one in of_payment if one["status"] == "succeeded")
        asked = done + sum(one["amount_minor"] for one in of_payment if one["status"] == "pending")
        captured = row["amount_minor"] if row["status"] in ("succeeded", "reversed") else 0
        if done != row["refunded_minor"] or asked > captured:
            yield f"payment {row['id']} brought {captured}, {done} of {asked} was given back"
    yield from (f"refunds of payment {payment_id}, which is not there" for payment_id in refunds)
    for invoice in rows.invoices:
        if not 0 <= invoice["refunded_minor"] <= invoice["paid_minor"]:
            yield f"invoice {invoice['id']} gave back {invoice['refunded_minor']} of {invoice['paid_minor']}"


def refunds_are_what_was_posted(rows: Rows) -> Iterator[str]:
    transfers = grouped(rows.transfers, "refund_id")
    for row in rows.refunds:
        own = transfers.pop(row["id"], [])
        out = -sum(into(one, account) for one in own for account in CASH)
        if row["destination"] == "credit":
            out -= sum(into(one, "customer_credit") for one in own)
        if out != (row["amount_minor"] if row["status"] == "succeeded" else 0):
            yield f"refund {row['id']} of {row['amount_minor']} is {row['status']}, its transfers come to {out}"
        if (row["settled_at"] is None) != (row["status"] == "pending"):
            yield f"refund {row['id']} is {row['status']}, settled {row['settled_at']}"
    yield from (f"transfers of refund {refund_id}, which is not there" for refund_id in transfers)
    of_invoice: Counter[UUID] = Counter()
    for note in rows.credit_notes:
        if note["refund_id"] is not None:
            of_invoice[note["invoice_id"]] += note["total_minor"]
    for invoice in rows.invoices:
        if of_invoice[invoice["id"]] != invoice["refunded_minor"]:
            noted = of_invoice[invoice["id"]]
            yield f"invoice {invoice['id']} gave back {invoice['refunded_minor']}, its credit notes say {noted}"


def credit_notes_are_what_was_posted(rows: Rows) -> Iterator[str]:
    transfers = grouped(rows.transfers, "credit_note_id")
    for row in rows.credit_notes:
        own = transfers.pop(row["id"], [])
        lines = json.loads(row["lines"]) if isinstance(row["lines"], str) else row["lines"]
        for column, account in (("net_minor", "billed_revenue"), ("tax_minor", "tax_payable")):
            of_lines = sum(line[column] for line in lines)
            posted = sum(into(one, account) for one in own)
            if not row[column] == of_lines == posted:
                yield f"credit note {row['id']} has {column} {row[column]}, lines {of_lines}, transfers {posted}"
        owed = -sum(into(one, "receivable") for one in own)
        parts = row["owed_minor"] + row["written_off_minor"], row["paid_minor"]
        if parts != (owed, row["total_minor"] - owed) or row["total_minor"] != row["net_minor"] + row["tax_minor"]:
            yield f"credit note {row['id']} has parts {parts}, its transfers say {owed} of {row['total_minor']}"
    yield from (f"transfers of credit note {note_id}, which is not there" for note_id in transfers)


def write_offs_are_what_was_posted(rows: Rows) -> Iterator[str]:
    transfers = grouped(rows.transfers, "write_off_id")
    for row in rows.write_offs:
        own = transfers.pop(row["id"], [])
        off = sum(into(one, "bad_debt") for one in own if one["kind"] == "written_off")
        back = -sum(into(one, "bad_debt") for one in own if one["kind"] == "write_off_reversed")
        if (row["amount_minor"], row["reversed_minor"]) != (off, back) or back > off:
            kept = f"{row['amount_minor']} less {row['reversed_minor']}"
            yield f"write-off {row['id']} is {kept}, posted are {off} less {back}"
    yield from (f"transfers of write-off {write_off_id}, which is not there" for write_off_id in transfers)


def disputes_are_what_was_posted(rows: Rows) -> Iterator[str]:
    transfers = grouped(rows.transfers, "dispute_id")
    for row in rows.disputes:
        moved: Counter[str] = Counter()
        for one in transfers.pop(row["id"], []):
            moved[one["kind"]] += one["amount_minor"]
        end = {"open": None, "won": "dispute_won", "lost": f"dispute_{row['outcome']}"}[row["status"]]
        ought = {"dispute_opened": row["amount_minor"], **({end: row["amount_minor"]} if end else {})}
        if moved != ought:
            yield f"dispute {row['id']} is {row['status']} ({row['outcome']}), posted {dict(moved)}"
    yield from (f"transfers of dispute {dispute_id}, which is not there" for dispute_id in transfers)


def at_most_one_live_charge_per_invoice(rows: Rows) -> Iterator[str]:
    attempts = {row["id"]: row for row in rows.attempts}
    live: Counter[UUID] = Counter()
    for row in rows.attempt_invoices:
        attempt = attempts.get(row["attempt_id"])
        is_live = attempt is not None and attempt["status"] in LIVE
        if row["live"] != is_live:
            yield f"attempt {row['attempt_id']} of invoice {row['invoice_id']}: live {row['live']}, should be {is_live}"
        live[row["invoice_id"]] += is_live
    for invoice in rows.invoices:
        found = live.pop(invoice["id"], 0)
        waits = invoice["collection_state"] in ("processing", "void_pending") or (
            invoice["collection_state"] == "action_required" and invoice["collection_reason"] == "awaiting_customer"
        )
        if found != waits:
            yield f"invoice {invoice['id']} is {invoice['collection_state']} and has {found} live attempts"
    yield from (f"invoice {invoice_id} has a live attempt and is not there" for invoice_id in +live)
    for row in attempts.values():
        shares = sum(one["amount_minor"] for one in rows.attempt_invoices if one["attempt_id"] == row["id"])
        if row["kind"] in ("charge", "payout") and shares != row["amount_minor"]:
            yield f"attempt {row['id']} is over {row['amount_minor']}, its invoices come to {shares}"
        if (row["ended_at"] is None) != (row["status"] in LIVE):
            yield f"attempt {row['id']} is {row['status']}, ended {row['ended_at']}"


def draws_are_what_was_posted(rows: Rows) -> Iterator[str]:
    moved: Counter[tuple[UUID, UUID]] = Counter()
    for row in rows.transfers:
        if row["kind"] in ("credit_drawn", "credit_returned"):
            moved[row["credit_id"], row["invoice_id"]] += into(row, "customer_credit")
    kept = {(row["credit_id"], row["invoice_id"]): row["amount_minor"] for row in rows.credit_draws}
    for pair in moved.keys() | kept.keys():
        if moved[pair] != kept.get(pair, 0) or moved[pair] < 0:
            yield f"invoice {pair[1]} has drawn {kept.get(pair)} of credit {pair[0]}, its transfers say {moved[pair]}"


async def nothing_hangs(
    database: Connection | Pool, wall: datetime, margin: timedelta = timedelta(minutes=5)
) -> list[str]:
    """Liveness, once recovery had its chance: no attempt is `sent` past its lease by more than the margin."""
    rows = await database.fetch("SELECT id, lease_until FROM attempts WHERE status = 'sent'")
    return [
        f"attempt {row['id']} was sent and its lease ended at {row['lease_until']}"
        for row in rows
        if row["lease_until"] + margin < wall
    ]


class Movement(Protocol):
    """One movement in a gateway's own book: positive to us, negative away from us."""

    @property
    def gateway_id(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def amount_minor(self) -> int: ...
    @property
    def currency(self) -> str: ...


async def book_agrees(
    database: Connection | Pool, book_movements: Iterable[Movement], tenant_id: UUID | None = None
) -> list[str]:
    """Once all is quiet: every difference between what we say has moved at a gateway and what its own book says.

    `what`: charge, refund, payout, reversal, dispute_opened, dispute_won. The book is read by the test that has it.
    """
    rows = await database.fetch(_OUR_MOVEMENTS, tenant_id)
    ours = Counter((row["gateway_id"], row["what"], row["amount_minor"], row["currency"]) for row in rows)
    theirs = Counter((one.gateway_id, str(one.what), one.amount_minor, one.currency) for one in book_movements)
    return [f"we have {movement}, the book has not" for movement in ours - theirs] + [
        f"the book has {movement}, we have not" for movement in theirs - ours
    ]


_OUR_MOVEMENTS = """
WITH moved AS (
    SELECT gateway_id, kind, status, COALESCE(actual_currency, currency) AS currency,
        CASE kind WHEN 'charge' THEN 1 ELSE -1 END * COALESCE(actual_amount_minor, amount_minor) AS amount_minor
    FROM attempts
    WHERE status IN ('succeeded', 'reversed') AND kind IN ('charge', 'refund', 'payout')
        AND ($1::uuid IS NULL OR tenant_id = $1)
), disputed AS (
    SELECT payments.gateway_id, disputes.status, disputes.amount_minor, disputes.currency
    FROM disputes JOIN payments ON payments.shard = disputes.shard AND payments.id = payment_id
    WHERE $1::uuid IS NULL OR disputes.tenant_id = $1
)
SELECT gateway_id, kind AS what, amount_minor, currency FROM moved
UNION ALL SELECT gateway_id, 'reversal', -amount_minor, currency FROM moved WHERE status = 'reversed'
UNION ALL SELECT gateway_id, 'dispute_opened', -amount_minor, currency FROM disputed
UNION ALL SELECT gateway_id, 'dispute_won', amount_minor, currency FROM disputed WHERE status = 'won'
"""
