"""Stories of one customer, told row by row in the pages on credit and the ledger, and what each row did."""

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from billsmith.core.ids import CreditId, InvoiceId
from billsmith.core.invoices import Adjustment, Invoice, InvoiceDetails, Item
from billsmith.core.invoicing import GiveBack, finalise, new_draft
from billsmith.core.ledger import Balance, Posting
from billsmith.core.money import show_amount
from tests.core.collecting.money_books import MoneyBooks
from tests.core.made import NOON, TODAY
from tests.docs import money_stories
from tests.docs.examples import given_item, minor
from tests.docs.money_stories import MONEY_STORIES, books_of, refused
from tests.docs.pages import Example, Row
from tests.raw_rows import ACCOUNTS, MIRRORED

Teller = Callable[[MoneyBooks, re.Match[str]], Any]


def story(rows: list[Row], options: Row) -> list[Row]:
    """What happens, in order, on 2026-03-15 → what was posted, and how things stand afterwards."""
    books = books_of(options)
    answers = []
    for row in rows:
        before = len(books.postings)
        code = refused(lambda sentence=row["what happens"]: _tell(books, sentence))  # type: ignore[misc]
        balance = books.balances.get("EUR", Balance())
        answers.append(
            {
                "postings": _all_shown(books.postings[before:], code),
                "status by invoice": ", ".join(_status(invoice) for invoice in books.invoices.values()) or "–",
                "owed by invoice": _by_invoice(books),
                "owed": show_amount(balance.receivable_minor, "EUR"),
                "credit": show_amount(balance.credit_minor, "EUR"),
                "we owe": show_amount(balance.payable_minor, "EUR"),
            }
        )
    return answers


def postings(rows: list[Row], _: Row) -> list[Row]:
    """A kind of posting → the accounts that it may move between; a story of every verb keeps to them."""
    books = books_of({})
    for sentence in (*money_stories.EVERY_KIND, *EVERY_KIND):
        _tell(books, sentence)
    for posting in books.postings:
        sides = (posting.debit, posting.credit)
        debits, credits_ = ACCOUNTS[posting.kind]
        mirrored = posting.kind in MIRRORED and sides[1] in debits and sides[0] in credits_
        assert mirrored or (sides[0] in debits and sides[1] in credits_), posting
    answers = []
    for row in rows:
        debits, credits_ = ACCOUNTS[row["kind"]]
        answers.append({"debit": _accounts(debits), "credit": _accounts(credits_)})
    return answers


def _accounts(names: Sequence[str]) -> str:
    return " or ".join(dict.fromkeys("cash" if name.startswith("cash:") else name for name in names))


EVERY_KIND = [
    "invoice of -500.00",
    "credit deleted",
    "credit of 5.00, expires in 3 days",
    "credit expired",
    "invoice of 30.00",
    "invoice 9 written off",
    "20.00 of invoice 9 given back, 10.00 new",
]


def _tell(books: MoneyBooks, sentence: str) -> None:
    for pattern, teller in (*SENTENCES, *money_stories.SENTENCES):
        if found := re.fullmatch(pattern, sentence):
            teller(books, found)
            return
    raise AssertionError(f"no teller for: {sentence}")


def _bill(books: MoneyBooks, found: re.Match[str]) -> None:
    rate, due = found["rate"] or "", found["due"]
    item = given_item({"item": "Hosting", "given": found["amount"], "rate": rate}, "EUR")
    books.bill(InvoiceDetails(items=(item,), due_on=date.fromisoformat(due) if due else None))


def _bill_adjusted(books: MoneyBooks, found: re.Match[str]) -> None:
    item = Item("Hosting", minor(found["amount"]))
    books.bill(InvoiceDetails(items=(item,), adjustments=(Adjustment(minor(found["by"]), "Outage"),)))


def _pay_out(books: MoneyBooks, found: re.Match[str]) -> None:
    books.bill(InvoiceDetails(amount_minor=minor(found["amount"]), direction="payout"))


def _grant(books: MoneyBooks, found: re.Match[str]) -> None:
    books.grant(minor(found["amount"]), days=int(found["days"]) if found["days"] else None)


def _take_back(books: MoneyBooks, found: re.Match[str]) -> None:
    left = next(credit for credit in books.credits.values() if credit.remaining_minor)
    books.take_back(left, because_expired=found["how"] == "expired")


def _give_back(books: MoneyBooks, found: re.Match[str]) -> None:
    corrected, back = money_stories.nth(books, found), minor(found["amount"])
    new = (Item("New", minor(found["new"])),) if found["new"] else ()
    standing = books.standing(owed=True)
    details = InvoiceDetails(items=(*new, Item("Unused", -back)))
    draft, lines = new_draft(standing, details, InvoiceId(books.new_id()), NOON)
    books.lines[draft.id] = lines
    books.save(finalise(standing, draft, lines, NOON, CreditId(books.new_id()), [GiveBack(corrected, back)]))


AMOUNT = r"(?P<amount>-?[0-9.]+)"
SENTENCES: list[tuple[str, Teller]] = [
    (rf"invoice of {AMOUNT}(?: at (?P<rate>[^,]+))?(?:, due (?P<due>\S+))?", _bill),
    (rf"invoice of {AMOUNT}, adjusted by (?P<by>-?[0-9.]+)", _bill_adjusted),
    (rf"payout of {AMOUNT}", _pay_out),
    (rf"credit of {AMOUNT}(?:, expires in (?P<days>\d+) days)?", _grant),
    (r"credit (?P<how>expired|deleted)", _take_back),
    (rf"{AMOUNT} of invoice (?P<n>\d+) given back(?:, (?P<new>[0-9.]+) new)?", _give_back),
]


def _shown(posting: Posting) -> str:
    return f"{posting.debit} → {posting.credit} {show_amount(posting.amount_minor, posting.currency)}"


def _all_shown(made: Sequence[Posting], code: str | None) -> str:
    if code is not None:
        return f"refused: `{code}`"
    return "; ".join(_shown(posting) for posting in made) or "–"


def _status(invoice: Invoice) -> str:
    return f"{invoice.status} ({invoice.collection_state})" if invoice.collection_state else str(invoice.status)


def _by_invoice(books: MoneyBooks) -> str:
    return ", ".join(show_amount(invoice.balance_minor, "EUR") for invoice in books.invoices.values()) or "–"


STORIES: dict[str, Example] = {"story": story, "postings": postings, **MONEY_STORIES}
assert date(2026, 3, 15) == TODAY, "the pages say so"
