"""Whatever happens to a customer's money, in whatever order: the books stay right, no credit comes from nothing."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from billsmith.core.correcting.credit_notes import left_of_lines
from billsmith.core.invoices import Adjustment, InvoiceDetails, Item
from billsmith.core.ledger import (
    BAD_DEBT,
    BILLED_REVENUE,
    CASH,
    CUSTOMER_CREDIT,
    DISPUTE_LOSSES,
    DISPUTED,
    FEES,
    PAYABLE,
    PAYOUT_COST,
    RECEIVABLE,
    SUSPENSE,
    TAX_PAYABLE,
    Balance,
    Posting,
)
from billsmith.core.payments.corrections import CreditNote, WriteOff
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.payment import Allocation, Attempt, Payment
from billsmith.core.payments.refunds import Refund
from billsmith.core.payments.results import DeclineBucket, NextAction, OperationResult, OperationStatus
from billsmith.core.taxes import Tax
from billsmith.core.tenants import TenantSettings
from billsmith.errors import Conflict, Invalid
from tests.core.collecting.money_books import MoneyBooks, declined, succeeded

CHAPTERS = (
    "bill", "bill", "bill", "bill negative", "payout", "grant", "begin", "begin", "begin all", "end", "end", "end",
    "receive", "link", "write off", "undo", "note", "note", "void", "void", "refund", "refund", "refund credit",
    "refund ends", "refund ends", "dispute", "dispute ends", "reverse", "take back",
)  # fmt: skip
RESULTS = [
    succeeded(), succeeded(), succeeded(fee_minor=3), succeeded(7), succeeded(300, "JPY"),
    *(declined(bucket) for bucket in DeclineBucket), OperationResult(OperationStatus.FAILED),
    OperationResult(OperationStatus.PENDING), OperationResult(OperationStatus.UNKNOWN),
    OperationResult(OperationStatus.REQUIRES_ACTION, next_action=NextAction("redirect", "https://bank.example")),
    OperationResult(OperationStatus.AUTHORIZED), OperationResult(OperationStatus.CANCELLED),
    OperationResult(OperationStatus.EXPIRED),
]  # fmt: skip
chapters = st.tuples(st.sampled_from(CHAPTERS), st.integers(0, 60), st.integers(0, 400))
stories = st.lists(chapters, min_size=1, max_size=30)
worlds = st.tuples(st.booleans(), st.sampled_from(["refund", "credit"]), st.sampled_from(["expense", "reopen"]))


def picked(several: list[Any], place: int) -> Any:
    """One of them, or the end of this chapter."""
    if not several:
        raise IndexError
    return several[place % len(several)]


def tell(books: MoneyBooks, what: str, place: int, amount: int) -> None:
    """One chapter. What is refused, or has nobody to happen to, leaves the books as they are."""
    before = (len(books.facts), len(books.postings))
    try:
        VERBS[what](books, place, amount)
    except (Conflict, Invalid, IndexError):
        assert (len(books.facts), len(books.postings)) == before, "a refusal changed something"


def finals(books: MoneyBooks) -> list[Any]:
    return [one for one in books.invoices.values() if one.status != "draft"]


def bill(books: MoneyBooks, place: int, amount: int) -> None:
    tax = [None, Tax(Decimal(19)), Tax(Decimal(7), inclusive=True)][place % 3]
    items = (Item("a", amount + 10, tax=tax), Item("b", place, tax=Tax(Decimal(19))))
    lower = (Adjustment(-min(place, amount + 10), "goodwill"),) if place % 4 == 0 else ()
    books.bill(InvoiceDetails(items=items, adjustments=lower))


def begin_all(books: MoneyBooks, place: int, amount: int) -> None:
    due = [one for one in finals(books) if one.status == "open" and one.direction == "charge" and one.currency == "EUR"]
    due = [one for one in due if not one.has_live_attempt][:3]
    books.begin(picked(due, 0), *due[1:])


def live(books: MoneyBooks) -> list[Attempt]:
    return [one for one in books.all(Attempt) if one.is_live]


def link(books: MoneyBooks, place: int, amount: int) -> None:
    of_payments = [one for one in books.credits.values() if one.source == "payment" and one.remaining_minor]
    books.link(books.rows[picked(of_payments, place).payment_id], picked(finals(books), amount))  # type: ignore[index]


def refund(books: MoneyBooks, place: int, amount: int) -> None:
    allocation = picked([one for one in books.all(Allocation) if one.net_minor], place)
    destination = "credit" if place % 5 == 0 else "gateway"
    books.ask_refund(
        books.rows[allocation.payment_id], of=books.invoices[allocation.invoice_id], destination=destination,
        amount_minor=amount if place % 2 else None, reopen=place % 3 == 1,
    )  # fmt: skip


def refund_credit(books: MoneyBooks, place: int, amount: int) -> None:
    credit = picked([one for one in books.credits.values() if one.source == "payment" and one.remaining_minor], place)
    books.ask_refund(books.rows[credit.payment_id], of=credit, amount_minor=amount if place % 2 else None)


def refund_ends(books: MoneyBooks, place: int, amount: int) -> None:
    asked = picked(books.pending(), place)
    if amount % 4:
        books.refunded(asked)
    else:
        books.refund_fails(asked, cancelled=amount % 8 == 0)


def dispute(books: MoneyBooks, place: int, amount: int) -> None:
    payment = picked(
        [one for one in books.all(Payment) if one.status == "succeeded" and one.direction == "charge"], place
    )
    left = payment.amount_minor - payment.disputed_minor - payment.lost_minor
    books.dispute(payment, min(picked([amount + 1] if left else [], 0), left))


def reverse(books: MoneyBooks, place: int, amount: int) -> None:
    attempt = picked([one for one in books.all(Attempt) if one.status == "succeeded"], place)
    books.hear(attempt, OperationResult(OperationStatus.REVERSED))


def take_back(books: MoneyBooks, place: int, amount: int) -> None:
    left = picked([one for one in books.credits.values() if one.remaining_minor and one.source == "granted"], place)
    books.take_back(left, because_expired=bool(amount % 2))


def receive(books: MoneyBooks, place: int, amount: int) -> None:
    books.receive(amount + 1, *([picked(finals(books), place)] if place % 3 else []))


VERBS: dict[str, Callable[[MoneyBooks, int, int], Any]] = {
    "bill": bill,
    "bill negative": lambda books, place, amount: books.owe(-amount - 1),
    "payout": lambda books, place, amount: books.owe(amount + 1, direction="payout"),
    "grant": lambda books, place, amount: books.grant(amount + 1),
    "begin": lambda books, place, amount: books.begin(picked(finals(books), place)),
    "begin all": begin_all,
    "end": lambda books, place, amount: books.hear(picked(live(books), place), RESULTS[amount % len(RESULTS)]),
    "receive": receive,
    "link": link,
    "write off": lambda books, place, amount: books.write_off(
        picked(finals(books), place), amount if amount % 2 else None
    ),
    "undo": lambda books, place, amount: books.undo(picked(books.all(WriteOff), place)),
    "note": lambda books, place, amount: books.note(picked(finals(books), place), amount if amount % 3 else None),
    "void": lambda books, place, amount: books.void(picked(finals(books), place)),
    "refund": refund,
    "refund credit": refund_credit,
    "refund ends": refund_ends,
    "dispute": dispute,
    "dispute ends": lambda books, place, amount: books.dispute_ends(
        picked([one for one in books.all(Dispute) if one.status == "open"], place), won=amount % 3 == 0
    ),
    "reverse": reverse,
    "take back": take_back,
}


# ------------------------------------------------------------------------------------------------------- what holds


def summed(postings: list[Posting], account: str) -> int:
    return sum(
        (posting.amount_minor if posting.debit == account else 0)
        - (posting.amount_minor if posting.credit == account else 0)
        for posting in postings
    )


def check(books: MoneyBooks) -> None:
    assert all(posting.amount_minor > 0 and posting.debit != posting.credit for posting in books.postings)
    check_balances(books)
    for invoice in finals(books):
        check_invoice(books, invoice)
    for credit in books.credits.values():
        own = [one for one in books.postings if one.credit_id == credit.id]
        # credit moves only by its postings; what is reserved is a row
        assert -summed(own, CUSTOMER_CREDIT) == credit.remaining_minor + credit.reserved_minor
        assert min(credit.remaining_minor, credit.reserved_minor, credit.drawn_minor, credit.paid_out_minor) >= 0
    for payment in books.all(Payment):
        check_payment(books, payment)
    check_refunds(books)
    check_facts(books)
    check_no_credit_from_nothing(books)


def check_balances(books: MoneyBooks) -> None:
    for currency in {posting.currency for posting in books.postings} | set(books.balances):
        moved = [posting for posting in books.postings if posting.currency == currency]
        balance = books.balances.get(currency, Balance())
        assert balance == Balance(summed(moved, RECEIVABLE), -summed(moved, CUSTOMER_CREDIT), -summed(moved, PAYABLE))
        assert min(balance.receivable_minor, balance.credit_minor, balance.payable_minor) >= 0
        left = Counter[str]()
        for kept in finals(books):
            if kept.currency == currency:
                left[kept.direction] += kept.balance_minor
        assert (left["charge"], left["payout"]) == (balance.receivable_minor, balance.payable_minor)


def check_invoice(books: MoneyBooks, invoice: Any) -> None:
    own = [posting for posting in books.postings if posting.invoice_id == invoice.id]
    sign, account = (-1, PAYABLE) if invoice.direction == "payout" else (1, RECEIVABLE)
    assert sign * summed(own, account) == invoice.balance_minor >= 0
    assert 0 <= invoice.refunded_minor <= invoice.paid_minor
    assert min(invoice.credit_applied_minor, invoice.credit_noted_minor, invoice.written_off_minor) >= 0
    assert invoice.written_off_minor == summed(own, BAD_DEBT)
    states = {
        "open": invoice.balance_minor > 0,
        "paid": invoice.balance_minor == 0 == invoice.written_off_minor,
        "void": invoice.balance_minor == 0 and invoice.voided_minor == invoice.total_minor - invoice.credit_noted_minor,
        "uncollectible": invoice.balance_minor == 0 < invoice.written_off_minor,
    }
    assert states[invoice.status]
    assert (invoice.settled_at is None) == (invoice.status == "open")
    assert (invoice.collection_state is None) <= (invoice.status != "open")
    assert not (invoice.collection_state and invoice.status in ("paid", "void"))
    attempts = [one for one in books.all(Attempt) if one.is_live]
    alive = [one for one in attempts for share in books.shares.get(one.id, []) if share.invoice_id == invoice.id]
    assert len(alive) == invoice.has_live_attempt
    assert (invoice.next_collect_at is None) or invoice.collection_state in ("scheduled", "retrying", "processing")
    lines = [(net, tax) for net, tax in left_of_lines(books.corrected(invoice))]
    for line, (net, tax) in zip(books.lines[invoice.id], lines, strict=True):
        for part, whole in ((net, line.net_minor), (tax, line.tax_minor)):
            assert 0 <= part * (1 if whole >= 0 else -1) <= abs(whole), "a line was taken back twice"
    billed = -summed([one for one in own if one.line_no is not None], BILLED_REVENUE)
    if invoice.direction == "charge":
        assert billed == (0 if invoice.status == "void" else sum(net for net, _ in lines))


def check_payment(books: MoneyBooks, payment: Payment) -> None:
    own = [posting for posting in books.postings if posting.payment_id == payment.id]
    into = summed([one for one in own if one.kind != "payment_fee"], payment.account)
    figures = (
        payment.allocated_minor, payment.credited_minor, payment.suspended_minor, payment.refunded_minor,
        payment.disputed_minor, payment.lost_minor, payment.reversed_minor, payment.refundable_minor,
    )  # fmt: skip
    assert min(figures) >= 0
    allocations = [one for one in books.all(Allocation) if one.payment_id == payment.id]
    assert payment.allocated_minor == sum(one.net_minor for one in allocations)
    assert all(one.net_minor >= 0 for one in allocations)
    assert payment.disputed_minor == summed(own, DISPUTED)
    of_credit = sum(one.amount_minor for one in books.credits.values()
                    if one.payment_id == payment.id and one.source == "payment")  # fmt: skip
    assert payment.credited_minor == of_credit
    if payment.direction == "payout":
        done = payment.status == "succeeded"
        assert into == (-payment.amount_minor if done else 0)
        return
    assert payment.suspended_minor == max(0, -summed(own, SUSPENSE))
    if payment.status in ("succeeded", "reversed"):
        kept = sum(summed(own, CUSTOMER_CREDIT) * -1 for own in [refunds_to_credit(books, payment)])
        gone = payment.refunded_minor - kept + payment.disputed_minor + payment.lost_minor + payment.reversed_minor
        assert into == payment.amount_minor - gone
    else:
        assert into == 0


def refunds_to_credit(books: MoneyBooks, payment: Payment) -> list[Posting]:
    own = [posting for posting in books.postings if posting.payment_id == payment.id]
    return [posting for posting in own if posting.kind in ("refunded_net", "refunded_tax")]


def check_refunds(books: MoneyBooks) -> None:
    for payment in books.all(Payment):
        done = [one for one in books.all(Refund) if one.payment_id == payment.id and one.status == "succeeded"]
        assert payment.refunded_minor == sum(one.amount_minor for one in done) <= payment.amount_minor
    for credit in books.credits.values():
        kept = [one for one in books.pending() if one.invoice_id is None and one.credit_id == credit.id]
        assert credit.reserved_minor == sum(one.amount_minor for one in kept)
    for note in books.all(CreditNote):
        assert note.total_minor == note.owed_minor + note.written_off_minor + note.paid_minor > 0
        own = [one for one in books.postings if one.credit_note_id == note.id]
        assert summed(own, BILLED_REVENUE) == note.net_minor == sum(line.net_minor for line in note.lines)
        assert summed(own, TAX_PAYABLE) == note.tax_minor
        assert -summed(own, RECEIVABLE) == note.owed_minor + note.written_off_minor


def check_facts(books: MoneyBooks) -> None:
    told: dict[Any, int] = {}
    for fact in books.facts:
        before = told.get(fact.object_id, 0)
        if fact.type.split(".")[0] != "refund":  # how often it was sent is nobody's news
            assert fact.object_version == before + 1, fact.type
        assert fact.object_version > before
        assert fact.object.version == fact.object_version
        told[fact.object_id] = fact.object_version
    for kept in (*books.invoices.values(), *books.credits.values()):
        assert told[kept.id] == kept.version
    for row in books.rows.values():
        if not isinstance(row, Attempt | Allocation):
            assert told[row.id] == row.version


def check_no_credit_from_nothing(books: MoneyBooks) -> None:
    """B6: what is owed, written off and put into credit is never more than was billed, paid and granted."""
    if not books.draw_credit or any(one.has_live_attempt for one in finals(books)):
        return
    euro = [posting for posting in books.postings if posting.currency == "EUR"]
    cash = sum(
        summed(euro, account) for account in (*CASH, FEES, DISPUTED, DISPUTE_LOSSES, SUSPENSE, PAYOUT_COST, PAYABLE)
    )
    granted = summed(euro, "credits_granted")
    below_zero = [one for one in books.credits.values() if one.source == "negative_total"]
    negative = sum(one.amount_minor - one.deleted_minor for one in below_zero)
    credit = books.balances.get("EUR", Balance()).credit_minor
    assert credit <= cash + granted + negative


def world(drawing: tuple[bool, Any, Any]) -> MoneyBooks:
    draw_credit, after_void, lost = drawing
    return MoneyBooks(draw_credit, settings=TenantSettings(money_after_void=after_void, dispute_lost=lost))


@settings(max_examples=150)
@given(worlds, stories)
def test_the_books_are_right_after_any_story(drawing: tuple[bool, Any, Any], story: list[tuple[str, int, int]]) -> None:
    books = world(drawing)
    for chapter in story:
        tell(books, *chapter)
        check(books)
