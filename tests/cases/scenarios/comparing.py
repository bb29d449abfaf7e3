"""Expectations against what the engine has: by value, each difference in a line or a compact block."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import UNSET

from tests.cases.scenarios.reading import Books, Item, Paper
from tests.cases.scenarios.values import ExpectedInvoice, ExpectedItem, ExpectedPayment
from tests.cases.scenarios.world import World, major

Days = Callable[[date, date], bool]
"""Whether a day on which something was made may stand for the expected one."""

CHARGES = ("FIXED", "RECURRING", "USAGE", "EXTERNAL_CHARGE")
PAYMENT_STATES = {"SUCCESS": "succeeded", "PAYMENT_FAILURE": "failed", "FAILURE": "failed", "PENDING": "pending"}


def same_day(expected: date, got: date) -> bool:
    """Only that very day."""
    return expected == got


def days_of(world: World, zone: str) -> Days:
    """A day within an advance stands for its end: the referee's clock jumps there, and all it makes has that day."""
    spans = [
        (since.astimezone(ZoneInfo(zone)).date(), until.astimezone(ZoneInfo(zone)).date())
        for since, until in world.advances
    ]

    def may_stand(expected: date, got: date) -> bool:
        return got == expected or any(until == expected and since <= got <= until for since, until in spans)

    return may_stand


def items_differ(
    expected: Sequence[ExpectedItem],
    got: Sequence[Item],
    currency: str,
    days: Days = same_day,
    *,
    partial: bool = False,
) -> list[str]:
    """What differs between two lists of items, whatever their order; empty if nothing does."""
    left = list(got)
    missing = []
    # The most exactly described first, so that one without dates takes none that another one needs.
    for one in sorted(expected, key=lambda item: (item.start_date is UNSET) + (item.end_date is UNSET)):
        found = next((item for item in left if _matches(one, item, currency, days)), None)
        if found is None:
            missing.append(one)
        else:
            left.remove(found)
    if not missing and (partial or not left):
        return []
    lines = [f"  expected {_show_expected(one)}" for one in missing]
    return lines + [f"  got      {_show(one, currency)}" for one in left]


def _matches(expected: ExpectedItem, got: Item, currency: str, days: Days) -> bool:
    if expected.type != got.type or (expected.currency is not None and expected.currency != currency):
        return False
    if expected.amount != major(got.amount_minor, currency):
        return False
    pairs = ((expected.start_date, got.start_date), (expected.end_date, got.end_date))
    return all(_same(wanted, there, days if got.made_on else same_day) for wanted, there in pairs)


def _same(expected: Any, got: date | None, days: Days) -> bool:
    if expected is UNSET:
        return True
    return expected == got if expected is None or got is None else days(expected, got)


def _show_expected(item: ExpectedItem) -> str:
    dates = ["…" if one is UNSET else str(one) for one in (item.start_date, item.end_date)]
    return f"{item.type:<15} {dates[0]:>10} {dates[1]:>10} {item.amount:>12}"


def _show(item: Item, currency: str) -> str:
    return f"{item.type:<15} {item.start_date!s:>10} {item.end_date!s:>10} {major(item.amount_minor, currency):>12}"


def invoice_differs(expected: ExpectedInvoice, books: Books, days: Days) -> list[str]:
    """What differs about one invoice."""
    paper = books.paper(expected.number, without_voided=expected.excluding_voided)
    name = f"invoice {expected.number} of {books.account.name}"
    if paper is None:
        return [f"{name}: there are only {len(books.papers)}"]
    currency = books.account.currency
    found = []
    if expected.items is not None:
        differ = items_differ(expected.items, paper.items, currency, days, partial=expected.items_partial)
        found += [f"{name}:", *differ] if differ else []
    for field, wanted, got in (
        ("balance", expected.balance, _shown_balance(paper)),
        ("charged", expected.charged, paper.sum_of(*CHARGES)),
        ("paid", expected.paid, paper.paid_minor),
        ("credited", expected.credited, -paper.sum_of("CREDIT_ADJ")),
        ("amount", expected.amount, paper.amount_minor),
        ("credit_items", expected.credit_items, paper.sum_of("CBA_ADJ")),
    ):
        found += _differ(f"{name}: {field}", wanted, major(got, currency))
    found += _differ(f"{name}: status", expected.status, paper.status)
    found += _differ(f"{name}: item_count", expected.item_count, len(paper.items))
    if expected.invoice_date is not None and not _same(expected.invoice_date, paper.issued_on, days):
        found.append(f"{name}: invoice_date is {paper.issued_on}, expected {expected.invoice_date}")
    return found


def _shown_balance(paper: Paper) -> int:
    return 0 if paper.draft else paper.balance_minor


def _differ(what: str, expected: Any, got: Any) -> list[str]:
    if expected is None or expected == got:
        return []
    return [f"{what} is {got}, expected {expected}"]


def payments_differ(expected: Sequence[ExpectedPayment], books: Books) -> list[str]:
    """What differs about payments, which are numbered in the order in which they were made."""
    found: list[str] = []
    currency = books.account.currency
    for one in expected:
        name = f"payment {one.number} of {books.account.name}"
        if one.number > len(books.payments):
            found.append(f"{name}: there are only {len(books.payments)}")
            continue
        full = books.payments[one.number - 1]
        found += _differ(f"{name}: amount", one.amount, major(full.payment.amount_minor, currency))
        if one.status is not None:
            found += _differ(f"{name}: status", PAYMENT_STATES.get(one.status, one.status), full.payment.status)
        if one.invoice is not None:
            numbers = {books.number_of(allocation.invoice_id) for allocation in full.allocations}
            if one.invoice not in numbers:
                found.append(f"{name}: pays {sorted(map(str, numbers))}, expected {one.invoice}")
    return found


def figures_differ(expected: Any, books: Books) -> list[str]:
    """What differs about an account's figures; any struct that has some of their names."""
    currency = books.account.currency
    owed, credit = books.balance.receivable_minor, books.balance.credit_minor
    balance, credit_left = major(owed - credit, currency), major(credit, currency)
    name = books.account.name
    got = {
        "invoice_count": len(books.papers),
        "payment_count": len(books.payments),
        "account_balance": balance,
        "balance": balance,
        "account_credit": credit_left,
        "credit": credit_left,
        "account_bill_cycle_day": books.bill_cycle_day or 0,
    }
    fields = type(expected).__struct_fields__
    return [
        line
        for field, value in got.items()
        if field in fields
        for line in _differ(f"{name}: {field}", getattr(expected, field), value)
    ]
