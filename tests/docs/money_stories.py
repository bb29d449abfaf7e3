"""What happens to money, told in sentences of the rule pages; and what a decline leads to, one by one."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from billsmith.core.collecting.plans import failed_plan
from billsmith.core.invoices import Invoice
from billsmith.core.payments.corrections import WriteOff
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.payment import Attempt, Payment
from billsmith.core.payments.policy import CollectionPolicy
from billsmith.core.payments.refunds import LineAmount
from billsmith.core.payments.results import Decline, DeclineBucket, OperationResult, OperationStatus
from billsmith.core.tenants import TenantSettings
from billsmith.errors import BillsmithError
from tests.core.collecting.money_books import CARD, MoneyBooks, declined, succeeded
from tests.core.made import CUSTOMER, NOON, STANDING, owed
from tests.docs.pages import Example, Row

Teller = Callable[[MoneyBooks, re.Match[str]], Any]


def books_of(options: Row) -> MoneyBooks:
    """Books of a company with these policies."""
    settings = TenantSettings(
        dispute_lost=options.get("dispute_lost", "expense"),  # type: ignore[arg-type]
        money_after_void=options.get("money_after_void", "refund"),  # type: ignore[arg-type]
    )
    return MoneyBooks(draw_credit=options.get("draw_credit", "on") == "on", settings=settings)


def cents(text: str | None) -> int | None:
    """Minor units of euros, if there are any."""
    return None if text is None else round(100 * float(text))


def nth(books: MoneyBooks, found: re.Match[str]) -> Invoice:
    """The invoice that a sentence names by its place."""
    return list(books.invoices.values())[int(found["n"]) - 1]


def last(books: MoneyBooks, kind: type) -> Any:
    """What was made last of a kind."""
    return books.all(kind)[-1]


def collection(rows: list[Row], _: Row) -> list[Row]:
    """How often an invoice failed before, and how it fails now → what becomes of it."""
    answers = []
    for row in rows:
        policy = CollectionPolicy(mode="on_update" if row["policy"] == "on update" else "automatic")
        invoice = replace(owed(1, 1000), attempt_count=int(row["failed before"]), collection_policy=policy)
        standing = replace(STANDING, customer=replace(CUSTOMER, payment_method_id=CARD))
        decline = None
        if row["now"] != "never sent":
            decline = Decline(DeclineBucket(row["now"]), "code", "No.", "no")
        tried_with = CARD if row["method"] == "the same" else None
        tries = 15 if row["tries in 30 days"] == "15" else 1
        plan = failed_plan(standing, invoice, tried_with, decline, tries, NOON)
        reason = plan.collection_reason
        answers.append(
            {
                "collection": f"{plan.collection_state}: {reason}" if reason else str(plan.collection_state),
                "tried again": _when(plan.next_collect_at and plan.next_collect_at - NOON),
            }
        )
    return answers


def _when(after: timedelta | None) -> str:
    if after is None:
        return "–"
    if after.days:
        return f"{after.days} days later" if after.days > 1 else "1 day later"
    return f"{after.seconds // 60} minutes later" if after else "at once"


def refused(tell: Callable[[], Any]) -> str | None:
    """The code of the error that a sentence ends in, if it does."""
    try:
        tell()
    except BillsmithError as error:
        return error.code
    return None


def _bank(status: OperationStatus) -> Teller:
    return lambda books, _: books.hear(last(books, Attempt), OperationResult(status))


def _declined(books: MoneyBooks, _: re.Match[str]) -> None:
    books.hear(last(books, Attempt), declined())


def _paid(books: MoneyBooks, found: re.Match[str]) -> None:
    books.hear(last(books, Attempt), succeeded(cents(found["amount"]), fee_minor=cents(found["fee"]) or 0))


def _charge(books: MoneyBooks, found: re.Match[str]) -> None:
    several = list(books.invoices.values())
    books.begin(*(several[int(place) - 1] for place in re.findall(r"\d+", found["ns"])))


def _receive(books: MoneyBooks, found: re.Match[str]) -> None:
    books.receive(cents(found["amount"]) or 0, *([nth(books, found)] if found["n"] else []))


def _note(books: MoneyBooks, found: re.Match[str]) -> None:
    amount = cents(found["amount"])
    lines = (LineAmount(int(found["line"]), amount),) if found["line"] and amount else ()
    books.note(nth(books, found), None if lines else amount, lines)


def _refund(books: MoneyBooks, found: re.Match[str]) -> None:
    books.ask_refund(
        last(books, Payment),
        of=nth(books, found),
        amount_minor=cents(found["amount"]),
        reopen=found["how"] == ", reopening it",
        destination="credit" if found["how"] == " to credit" else "gateway",
    )


def _refund_credit(books: MoneyBooks, found: re.Match[str]) -> None:
    credit = next(one for one in books.credits.values() if one.source == "payment" and one.remaining_minor)
    books.ask_refund(books.rows[credit.payment_id], of=credit, amount_minor=cents(found["amount"]))  # type: ignore[index]


A = r"(?P<amount>[0-9.]+)"
N = r"invoice (?P<n>\d+)"
SENTENCES: list[tuple[str, Teller]] = [
    (r"charge of invoices? (?P<ns>[\d, and]+)", _charge),
    (rf"the gateway says: paid(?: {A})?(?:, fee (?P<fee>[0-9.]+))?", _paid),
    (r"the gateway says: declined", _declined),
    (r"the gateway says: pending", _bank(OperationStatus.PENDING)),
    (r"the bank takes it back", _bank(OperationStatus.REVERSED)),
    (rf"{A} arrive(?: for {N})?", _receive),
    (rf"the payment is linked to {N}", lambda books, found: books.link(last(books, Payment), nth(books, found))),
    (
        rf"{A} of {N} written off",
        lambda books, found: books.write_off(nth(books, found), cents(found["amount"])),
    ),
    (rf"{N} written off", lambda books, found: books.write_off(nth(books, found))),
    (r"the write-off is undone", lambda books, _: books.undo(last(books, WriteOff))),
    (rf"credit note of {A} for(?: line (?P<line>\d+) of)? {N}", _note),
    (rf"credit note of all of {N}", lambda books, found: books.note(nth(books, found))),
    (rf"{N} voided", lambda books, found: books.void(nth(books, found))),
    (rf"refund of {A} of {N}(?P<how>, reopening it| to credit)?", _refund),
    (rf"refund of {A} of the credit", _refund_credit),
    (r"the refund succeeds", lambda books, _: books.refunded(books.pending()[0])),
    (r"the refund fails", lambda books, _: books.refund_fails(books.pending()[0])),
    (rf"{A} disputed", lambda books, found: books.dispute(last(books, Payment), cents(found["amount"]) or 0)),
    (
        r"the dispute is (?P<end>won|lost)",
        lambda books, found: books.dispute_ends(last(books, Dispute), won=found["end"] == "won"),
    ),
]  # fmt: skip

EVERY_KIND = [
    "invoice of 100.00 at 19 %", "charge of invoice 1", "the gateway says: paid, fee 1.00",
    "refund of 10.00 of invoice 1", "the refund succeeds", "refund of 5.00 of invoice 1, reopening it",
    "the refund succeeds", "5.00 of invoice 1 written off", "the write-off is undone", "20.00 disputed",
    "the dispute is won", "20.00 disputed", "the dispute is lost",
    "invoice of 50.00 at 19 %", "credit note of 10.00 for invoice 2", "invoice 2 voided",
    "payout of 50.00", "charge of invoice 3", "the gateway says: paid", "the bank takes it back",
    "payout of 50.00", "invoice 4 voided",
    "credit of 5.00", "invoice of 5.00", "invoice 5 voided",
    "invoice of 20.00", "charge of invoice 6", "the gateway says: paid 3.00",
    "invoice of 30.00", "charge of invoice 7", "the gateway says: paid", "the bank takes it back",
]  # fmt: skip

MONEY_STORIES: dict[str, Example] = {"collection": collection}
