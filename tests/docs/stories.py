"""Stories of one customer, told row by row in the pages on credit and the ledger, and what each row did."""

import re
from collections.abc import Callable
from datetime import date

from billsmith.core.invoices import Adjustment, InvoiceDetails, Item
from billsmith.core.ledger import Balance, Posting
from billsmith.core.money import show_amount
from tests.core.books import Books
from tests.core.made import TODAY
from tests.docs.examples import given_item, minor
from tests.docs.pages import Example, Row

Teller = Callable[[Books, re.Match[str]], None]


def story(rows: list[Row], options: Row) -> list[Row]:
    """What happens, in order, on 2026-03-15 → what was posted, and how things stand afterwards."""
    books = Books(draw_credit=options.get("draw_credit", "on") == "on")
    answers = []
    for row in rows:
        before = len(books.postings)
        _tell(books, row["what happens"])
        balance = books.balances.get("EUR", Balance())
        answers.append(
            {
                "postings": "; ".join(_shown(posting) for posting in books.postings[before:]),
                "owed by invoice": _by_invoice(books),
                "owed": show_amount(balance.receivable_minor, "EUR"),
                "credit": show_amount(balance.credit_minor, "EUR"),
                "we owe": show_amount(balance.payable_minor, "EUR"),
            }
        )
    return answers


def postings(rows: list[Row], _: Row) -> list[Row]:
    """A kind of posting → its accounts, as a short story makes them."""
    books = Books()
    for sentence in EVERY_KIND:
        _tell(books, sentence)
    sides = {posting.kind: (posting.debit, posting.credit) for posting in reversed(books.postings)}
    return [{"debit": sides[row["kind"]][0], "credit": sides[row["kind"]][1]} for row in rows]  # type: ignore[index]


EVERY_KIND = [
    "invoice of 100.00 at 19 %",
    "payout of 50.00",
    "invoice of -500.00",
    "credit deleted",
    "credit of 5.00, expires in 3 days",
    "credit expired",
]


def _tell(books: Books, sentence: str) -> None:
    for pattern, teller in SENTENCES:
        if found := re.fullmatch(pattern, sentence):
            teller(books, found)
            return
    raise AssertionError(f"no teller for: {sentence}")


def _bill(books: Books, found: re.Match[str]) -> None:
    rate, due = found["rate"] or "", found["due"]
    item = given_item({"item": "Hosting", "given": found["amount"], "rate": rate}, "EUR")
    books.bill(InvoiceDetails(items=(item,), due_on=date.fromisoformat(due) if due else None))


def _bill_adjusted(books: Books, found: re.Match[str]) -> None:
    item = Item("Hosting", minor(found["amount"]))
    books.bill(InvoiceDetails(items=(item,), adjustments=(Adjustment(minor(found["by"]), "Outage"),)))


def _pay_out(books: Books, found: re.Match[str]) -> None:
    books.bill(InvoiceDetails(amount_minor=minor(found["amount"]), direction="payout"))


def _grant(books: Books, found: re.Match[str]) -> None:
    books.grant(minor(found["amount"]), days=int(found["days"]) if found["days"] else None)


def _take_back(books: Books, found: re.Match[str]) -> None:
    left = next(credit for credit in books.credits.values() if credit.remaining_minor)
    books.take_back(left, because_expired=found["how"] == "expired")


AMOUNT = r"(?P<amount>-?[0-9.]+)"
SENTENCES: list[tuple[str, Teller]] = [
    (rf"invoice of {AMOUNT}(?: at (?P<rate>[^,]+))?(?:, due (?P<due>\S+))?", _bill),
    (rf"invoice of {AMOUNT}, adjusted by (?P<by>-?[0-9.]+)", _bill_adjusted),
    (rf"payout of {AMOUNT}", _pay_out),
    (rf"credit of {AMOUNT}(?:, expires in (?P<days>\d+) days)?", _grant),
    (r"credit (?P<how>expired|deleted)", _take_back),
]


def _shown(posting: Posting) -> str:
    return f"{posting.debit} → {posting.credit} {show_amount(posting.amount_minor, posting.currency)}"


def _by_invoice(books: Books) -> str:
    return ", ".join(show_amount(invoice.balance_minor, "EUR") for invoice in books.invoices.values()) or "–"


STORIES: dict[str, Example] = {"story": story, "postings": postings}
assert date(2026, 3, 15) == TODAY, "the pages say so"
