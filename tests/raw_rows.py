"""The raw rows that invariants are checked on, and what they are counted by: nothing of the source is used."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

if TYPE_CHECKING:  # the stubs know these as generic, the classes themselves are not
    Row: TypeAlias = asyncpg.Record
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Row = asyncpg.Record
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

# Which accounts a kind of transfer takes from and which it gives to; "cash" is either way money comes.
CASH = ("cash:gateway", "cash:external")
BACK_FROM = ("receivable", "customer_credit", "suspense")
ACCOUNTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "net_billed": (("receivable",), ("billed_revenue",)),
    "tax_billed": (("receivable",), ("tax_payable",)),
    "payout_billed": (("payout_cost",), ("payable",)),
    "negative_total": (("receivable",), ("customer_credit",)),
    "negative_total_voided": (("customer_credit",), ("receivable",)),
    "absorbed": (("receivable",), ("bad_debt",)),
    "credit_drawn": (("customer_credit",), ("receivable",)),
    "credit_returned": (("receivable",), ("customer_credit",)),
    "credit_granted": (("credits_granted",), ("customer_credit",)),
    "credit_expired": (("customer_credit",), ("credits_granted",)),
    "credit_deleted": (("customer_credit",), ("credits_granted",)),
    "credit_moved": (("customer_credit",), ("customer_credit",)),
    "credit_refunded": (("customer_credit",), CASH),
    "payment_allocated": (CASH, ("receivable",)),
    "payment_credited": (CASH, ("customer_credit",)),
    "payment_suspended": (CASH, ("suspense",)),
    "payment_linked": (("customer_credit",), ("receivable",)),
    "payment_fee": (("fees",), CASH),
    "payment_reversed": (BACK_FROM, CASH),
    "suspense_released": (("suspense",), ("customer_credit",)),
    "credit_noted_net": (("billed_revenue",), ("receivable", "customer_credit")),
    "credit_noted_tax": (("tax_payable",), ("receivable", "customer_credit")),
    "refunded_net": (("billed_revenue",), ("customer_credit", *CASH)),
    "refunded_tax": (("tax_payable",), ("customer_credit", *CASH)),
    "refund_reopened": (BACK_FROM, CASH),
    "refund_returned": (CASH, ("customer_credit",)),
    "dispute_opened": (("disputed",), CASH),
    "dispute_won": (CASH, ("disputed",)),
    "dispute_expensed": (("dispute_losses",), ("disputed",)),
    "dispute_reopened": (BACK_FROM, ("disputed",)),
    "written_off": (("bad_debt",), ("receivable",)),
    "write_off_reversed": (("receivable",), ("bad_debt",)),
    "net_voided": (("billed_revenue",), ("receivable",)),
    "tax_voided": (("tax_payable",), ("receivable",)),
    "payout_voided": (("payable",), ("payout_cost",)),
    "payout_paid": (("payable",), CASH),
    "payout_bounced": (CASH, ("payable", "suspense")),
}
BILLED = {"net_billed", "tax_billed", "payout_billed"}
VOIDED = {"net_voided", "tax_voided", "payout_voided"}
NOTED = {"credit_noted_net", "credit_noted_tax"}
REFUNDED = {"refunded_net", "refunded_tax"}
# Of a line below zero the other way round; so is a payout whose amount is another than asked.
MIRRORED = {*BILLED, *VOIDED, *NOTED, *REFUNDED, "payment_suspended"}
GIVEN_BACK = {"payment_reversed", "refund_reopened", "dispute_reopened"}

# Where a kind of transfer is counted: the figure of its invoice, the account whose debit side counts, and the sign.
INVOICE_FIGURES = {
    "credit_drawn": ("credit_applied_minor", "receivable", -1),
    "credit_returned": ("credit_applied_minor", "receivable", -1),
    "negative_total": ("moved_to_credit_minor", "receivable", -1),
    "negative_total_voided": ("moved_to_credit_minor", "receivable", -1),
    "absorbed": ("absorbed_minor", "receivable", -1),
    "payment_allocated": ("paid_minor", "receivable", -1),
    "payment_linked": ("paid_minor", "receivable", -1),
    **dict.fromkeys(GIVEN_BACK, ("paid_minor", "receivable", -1)),
    "payout_paid": ("paid_minor", "payable", 1),
    "payout_bounced": ("paid_minor", "payable", 1),
    **dict.fromkeys(NOTED, ("credit_noted_minor", "receivable", -1)),
    "written_off": ("written_off_minor", "receivable", -1),
    "write_off_reversed": ("written_off_minor", "receivable", -1),
    "net_voided": ("voided_minor", "receivable", -1),
    "tax_voided": ("voided_minor", "receivable", -1),
    "payout_voided": ("voided_minor", "payable", 1),
}
# The same of a credit: the figure, and the sign with which customer_credit's debit side counts.
CREDIT_FIGURES = {
    **dict.fromkeys(
        (
            "credit_granted",
            "negative_total",
            "payment_credited",
            "suspense_released",
            "refund_returned",
            *NOTED,
            *REFUNDED,
        ),
        ("amount_minor", -1),
    ),
    "credit_drawn": ("drawn_minor", 1),
    "payment_linked": ("drawn_minor", 1),
    "credit_returned": ("drawn_minor", 1),
    "credit_expired": ("expired_minor", 1),
    "credit_deleted": ("deleted_minor", 1),
    "negative_total_voided": ("deleted_minor", 1),
    **dict.fromkeys(("credit_refunded", *GIVEN_BACK), ("paid_out_minor", 1)),
}
SETTLING = (
    "paid_minor", "credit_applied_minor", "credit_noted_minor", "written_off_minor", "voided_minor",
    "moved_to_credit_minor", "absorbed_minor",
)  # fmt: skip
CHANGEABLE = (
    "status", "collection_state", "metadata", "tags", "labels", "version", "settled_at", "balance_minor",
    "refunded_minor", "payment_method_id", "collection_policy", "next_collect_at", "attempt_count",
    "collection_reason", "last_decline", "revised_by_id", "rebill", "unrecoverable_minor", *SETTLING,
)  # fmt: skip
LIVE = ("sent", "authorized", "pending", "requires_action", "unknown")


@dataclass(frozen=True)
class Rows:
    """The rows of one tenant, or of all, as they were at one instant."""

    customers: list[Row]
    customer_balances: list[Row]
    invoices: list[Row]
    invoice_lines: list[Row]
    transfers: list[Row]
    credits: list[Row]
    credit_draws: list[Row]
    payments: list[Row]
    attempts: list[Row]
    attempt_invoices: list[Row]
    allocations: list[Row]
    refunds: list[Row]
    disputes: list[Row]
    credit_notes: list[Row]
    credit_note_numbers: list[Row]
    write_offs: list[Row]
    payment_methods: list[Row]
    gateway_accounts: list[Row]
    operations: list[Row]
    invoice_numbers: list[Row]
    number_series: list[Row]
    events: list[Row]
    event_numbers: list[Row]
    event_series: list[Row]
    outbox: list[Row]
    causes: list[Row]
    api_keys: list[Row]
    catalogs: list[Row]
    subscriptions: list[Row]
    subscription_billing: list[Row]
    subscription_changes: list[Row]
    tenants: list[Row]


def grouped(rows: Iterable[Row], column: str) -> dict[UUID, list[Row]]:
    groups: dict[UUID, list[Row]] = {}
    for row in rows:
        if row[column] is not None:
            groups.setdefault(row[column], []).append(row)
    return groups


def into(transfer: Row, account: str) -> int:
    """What the transfer adds to the account's debit side."""
    amount: int = transfer["amount_minor"]
    if transfer["debit"] == account:
        return amount
    return -amount if transfer["credit"] == account else 0
