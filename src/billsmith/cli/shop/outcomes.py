"""What became of each invoice of the shop, told from the tries to collect it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from billsmith.core.invoices import Invoice
from billsmith.core.payments.payment import Attempt

OUTCOMES = {
    "nothing_owed": "nothing to be paid",
    "first_try": "paid at the first try",
    "pending": "paid once the bank had decided",
    "lost_reply": "paid after a lost reply",
    "retried": "paid after another try",
    "new_method": "paid with another payment method",
    "till": "paid at the till",
    "written_off": "written off",
    "open": "still open",
}
_ONE_CALL = 2
"""A charge whose reply came at once has been written twice: as it was sent, and as it ended."""


class OutcomeTotals(msgspec.Struct, frozen=True):
    """How many invoices ended like this, and what they come to in minor units."""

    outcome: str
    invoices: int
    amount_minor: int


def outcome_of(invoice: Invoice, attempts: Sequence[Attempt]) -> str:
    """One word of OUTCOMES; `attempts` are those of the invoice, in any order."""
    if invoice.status == "uncollectible":
        return "written_off"
    if invoice.balance_minor:
        return "open"
    if not invoice.paid_minor:
        return "nothing_owed"
    tries = sorted(attempts, key=lambda one: one.id.int)
    if not tries:
        return "till"
    paid = next((one for one in tries if one.status == "succeeded"), tries[-1])
    if paid.payment_method_id != tries[0].payment_method_id:
        return "new_method"
    if paid is not tries[0]:
        return "retried"
    if paid.settles_at is not None:
        return "pending"
    return "first_try" if paid.version == _ONE_CALL else "lost_reply"


def totals(invoices: Iterable[Invoice], tries: Mapping[Any, Sequence[Attempt]]) -> tuple[OutcomeTotals, ...]:
    """All invoices by what became of them, in the order of OUTCOMES."""
    found: dict[str, tuple[int, int]] = {}
    for invoice in invoices:
        outcome = outcome_of(invoice, tries.get(invoice.id, ()))
        count, amount = found.get(outcome, (0, 0))
        found[outcome] = count + 1, amount + invoice.total_minor
    return tuple(OutcomeTotals(outcome, *found[outcome]) for outcome in OUTCOMES if outcome in found)
