"""Finalising, whatever comes in whatever order: the books stay right. Rules: docs/rules/credit.md and ledger.md"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.decisions import Decision, draw_available
from billsmith.core.facts import Fact
from billsmith.core.invoices import InvoiceDetails, Item
from billsmith.core.ledger import CUSTOMER_CREDIT, PAYABLE, RECEIVABLE, Balance, Posting
from tests.core.books import Books
from tests.core.made import CUSTOMER, NOON, TODAY, contents


def summed(postings: Sequence[Posting], account: str, currency: str) -> int:
    """Debits less credits of an account."""
    return sum(
        (posting.amount_minor if posting.debit == account else 0)
        - (posting.amount_minor if posting.credit == account else 0)
        for posting in postings
        if posting.currency == currency
    )


def check(books: Books) -> None:
    """Everything that must hold between documents, credits, balances and postings, whatever happened before."""
    check_balances(books)
    check_invoices(books)
    check_credits(books)
    check_facts(books)
    assert all(posting.amount_minor > 0 and posting.debit != posting.credit for posting in books.postings)


def check_balances(books: Books) -> None:
    for currency in {posting.currency for posting in books.postings} | set(books.balances):
        balance = books.balances.get(currency, Balance())
        open_ = [kept for kept in books.invoices.values() if kept.status == "open" and kept.currency == currency]
        assert balance.receivable_minor == summed(books.postings, RECEIVABLE, currency)
        assert balance.credit_minor == -summed(books.postings, CUSTOMER_CREDIT, currency)
        assert balance.payable_minor == -summed(books.postings, PAYABLE, currency)
        assert balance.receivable_minor == sum(kept.balance_minor for kept in open_ if kept.direction == "charge")
        assert balance.payable_minor == sum(kept.balance_minor for kept in open_ if kept.direction == "payout")
        left = [credit for credit in books.credits.values() if credit.currency == currency]
        assert balance.credit_minor == sum(credit.remaining_minor for credit in left)
        assert min(balance.receivable_minor, balance.credit_minor, balance.payable_minor) >= 0
        if books.draw_credit:
            assert not (balance.receivable_minor and balance.credit_minor)


def check_invoices(books: Books) -> None:
    for invoice in books.invoices.values():
        own = [posting for posting in books.postings if posting.invoice_id == invoice.id]
        sign = -1 if invoice.direction == "payout" else 1
        account = PAYABLE if invoice.direction == "payout" else RECEIVABLE
        assert sign * summed(own, account, invoice.currency) == invoice.balance_minor >= 0
        assert invoice.status == ("open" if invoice.balance_minor else "paid")
        assert (invoice.settled_at is None) == (invoice.status == "open")
        assert invoice.collection_state == ("no_method" if invoice.status == "open" else None)
        billed = [posting for posting in own if posting.line_no is not None]
        assert sign * summed(billed, account, invoice.currency) == invoice.total_minor
        assert invoice.moved_to_credit_minor == min(invoice.total_minor, 0)
        drawn = sum(posting.amount_minor for posting in own if posting.kind == "credit_drawn")
        assert invoice.credit_applied_minor == drawn
        assert invoice.issued_on is not None
        assert invoice.due_on is not None
        assert invoice.due_on >= invoice.issued_on


def check_credits(books: Books) -> None:
    for credit in books.credits.values():
        own = [posting for posting in books.postings if posting.credit_id == credit.id]
        assert -summed(own, CUSTOMER_CREDIT, credit.currency) == credit.remaining_minor >= 0
        assert sum(posting.amount_minor for posting in own if posting.credit == CUSTOMER_CREDIT) == credit.amount_minor
        for posting in own:
            assert posting.accounting_on >= credit.granted_on
            if posting.kind == "credit_drawn":
                assert posting.invoice_id is not None
                drawn_on = books.invoices[posting.invoice_id]
                assert drawn_on.issued_on is not None
                assert posting.accounting_on >= drawn_on.issued_on


def check_facts(books: Books) -> None:
    """Each object's versions go up by one from fact to fact, and the last is the object that is kept."""
    last: dict[Any, Fact] = {}
    for fact in books.facts:
        before = last.get(fact.object_id)
        assert fact.object_version == (before.object_version + 1 if before else 1)
        assert fact.object.version == fact.object_version
        assert fact.customer_id == CUSTOMER.id
        last[fact.object_id] = fact
    for kept in (*books.invoices.values(), *books.credits.values()):
        assert last[kept.id].object == kept


amounts = st.integers(-500, 500)
two_currencies = st.sampled_from(["EUR", "JPY"])
dates = st.none() | st.dates(TODAY - timedelta(days=60), TODAY)
charges = st.builds(InvoiceDetails, amount_minor=amounts, currency=two_currencies, issued_on=dates)
payouts = st.builds(
    InvoiceDetails, amount_minor=st.integers(0, 500), currency=two_currencies, direction=st.just("payout")
)
grants = st.tuples(st.just("grant"), st.integers(1, 500), two_currencies, st.none() | st.integers(1, 90))
documents = st.tuples(st.just("bill"), charges | charges | payouts | contents(two_currencies))
taking_back = st.tuples(st.just("take back"), st.integers(0, 10), st.booleans())
stories = st.lists(documents | grants | taking_back, max_size=12)


def tell(books: Books, story: Sequence[tuple[Any, ...]]) -> None:
    for what, *arguments in story:
        if what == "bill":
            books.bill(arguments[0])
        elif what == "grant":
            books.grant(*arguments)
        else:
            place, because_expired = arguments
            left = [credit for credit in books.credits.values() if credit.remaining_minor]
            if left:
                books.take_back(left[place % len(left)], because_expired=because_expired)


@given(stories, st.booleans())
def test_the_books_are_right_after_any_story(story: list[tuple[Any, ...]], draw_credit: bool) -> None:
    books = Books(draw_credit)
    for chapter in story:
        tell(books, [chapter])
        check(books)


@given(stories)
def test_nothing_is_drawn_where_that_is_switched_off(story: list[tuple[Any, ...]]) -> None:
    books = Books(draw_credit=False)
    tell(books, story)
    assert not [posting for posting in books.postings if posting.kind == "credit_drawn"]
    for invoice in books.invoices.values():
        assert invoice.balance_minor == max(invoice.total_minor, 0)


@given(stories)
def test_switched_on_later_everything_is_drawn_that_would_have_been(story: list[tuple[Any, ...]]) -> None:
    books = Books(draw_credit=False)
    tell(books, story)
    books.draw_credit = True
    standing = books.standing(owed=True)
    books.save(draw_available(Decision(standing), NOON, TODAY, on=standing.owed))
    check(books)


@given(st.lists(charges, max_size=8), st.lists(st.integers(1, 4), min_size=8, max_size=8))
def test_batches_of_any_size_come_to_the_same(several: list[InvoiceDetails], sizes: list[int]) -> None:
    one_by_one, in_batches = Books(), Books()
    for details in several:
        one_by_one.bill(details)
    waiting = list(several)
    for size in sizes:
        in_batches.bill_all(waiting[:size])
        waiting = waiting[size:]
    assert one_by_one == in_batches


@given(st.lists(charges, max_size=8), st.randoms())
def test_what_is_owed_in_the_end_does_not_depend_on_the_order(several: list[InvoiceDetails], shuffler: Any) -> None:
    ordered, shuffled = Books(), Books()
    for details in several:
        ordered.bill(details)
    for details in shuffler.sample(several, len(several)):
        shuffled.bill(details)
    assert ordered.balances == shuffled.balances
    assert Counter(kept.total_minor for kept in ordered.invoices.values()) == Counter(
        kept.total_minor for kept in shuffled.invoices.values()
    )


def told(books: Books) -> list[str]:
    return [fact.type for fact in books.facts]


def moved(books: Books) -> list[tuple[str, str, str, int]]:
    return [(posting.kind, posting.debit, posting.credit, posting.amount_minor) for posting in books.postings]


def test_a_positive_charge_is_open_and_says_that_no_method_is_known() -> None:
    books = Books()
    invoice = books.bill(InvoiceDetails(amount_minor=10000))
    assert (invoice.status, invoice.collection_state, invoice.balance_minor) == ("open", "no_method", 10000)
    assert (invoice.version, invoice.finalised_at, invoice.settled_at) == (1, NOON, None)
    assert told(books) == ["invoice.finalised"]
    assert moved(books) == [("net_billed", "receivable", "billed_revenue", 10000)]


@pytest.mark.parametrize("direction", ["charge", "payout"])
def test_a_total_of_zero_is_paid_at_once(direction: Any) -> None:
    books = Books()
    items = (Item("Hosting", 500), Item("Free month", -500))
    invoice = books.bill(InvoiceDetails(items=items, direction=direction))
    assert (invoice.status, invoice.collection_state, invoice.settled_at) == ("paid", None, NOON)
    assert told(books) == ["invoice.finalised", "invoice.paid"]
    assert len(books.postings) == 2
    assert not books.credits


def test_a_negative_total_becomes_credit_and_is_drawn_oldest_due_first() -> None:
    books = Books()
    late = books.bill(InvoiceDetails(amount_minor=3000, due_on=TODAY + timedelta(days=9)))
    early = books.bill(InvoiceDetails(amount_minor=2000, due_on=TODAY + timedelta(days=2)))
    back = books.bill(InvoiceDetails(amount_minor=-2500))
    assert (back.status, back.moved_to_credit_minor, back.balance_minor) == ("paid", -2500, 0)
    assert [books.invoices[kept.id].balance_minor for kept in (late, early)] == [2500, 0]
    (credit,) = books.credits.values()
    assert (credit.source, credit.invoice_id, credit.amount_minor) == ("negative_total", back.id, 2500)
    assert told(books)[2:] == [
        "invoice.finalised", "invoice.paid", "credit.created",
        "credit.drawn", "invoice.paid", "credit.drawn", "invoice.credit_applied",
    ]  # fmt: skip
    assert moved(books)[2:] == [
        ("net_billed", "billed_revenue", "receivable", 2500),
        ("negative_total", "receivable", "customer_credit", 2500),
        ("credit_drawn", "customer_credit", "receivable", 2000),
        ("credit_drawn", "customer_credit", "receivable", 500),
    ]
    check(books)


def test_credit_covers_a_new_invoice_before_anybody_is_asked_for_money() -> None:
    books = Books()
    books.grant(10000)
    covered = books.bill(InvoiceDetails(amount_minor=9000))
    assert (covered.status, covered.credit_applied_minor, covered.collection_state) == ("paid", 9000, None)
    partly = books.bill(InvoiceDetails(amount_minor=3000))
    assert (partly.status, partly.credit_applied_minor, partly.balance_minor) == ("open", 1000, 2000)
    assert told(books)[-3:] == ["invoice.finalised", "credit.drawn", "invoice.credit_applied"]
    check(books)


def test_credit_stays_in_its_currency() -> None:
    books = Books()
    books.grant(10000, "JPY")
    assert books.bill(InvoiceDetails(amount_minor=100)).balance_minor == 100
    assert books.bill(InvoiceDetails(amount_minor=100, currency="JPY")).balance_minor == 0
    check(books)


def test_a_payout_draws_no_credit_and_no_credit_is_drawn_on_it() -> None:
    books = Books()
    books.grant(10000)
    payout = books.bill(InvoiceDetails(amount_minor=4000, direction="payout"))
    assert (payout.status, payout.balance_minor, payout.credit_applied_minor) == ("open", 4000, 0)
    books.bill(InvoiceDetails(amount_minor=-500))
    assert books.invoices[payout.id].balance_minor == 4000
    assert moved(books)[1] == ("payout_billed", "payout_cost", "payable", 4000)
    check(books)


def drawn_on(books: Books) -> list[date]:
    return [posting.accounting_on for posting in books.postings if posting.kind == "credit_drawn"]


def test_credit_is_drawn_on_the_day_when_both_sides_are_there() -> None:
    long_ago, last_week = TODAY - timedelta(days=300), TODAY - timedelta(days=7)
    books = Books()
    books.grant(500)
    books.bill(InvoiceDetails(amount_minor=500, issued_on=long_ago))
    assert drawn_on(books) == [TODAY]
    books = Books()
    books.bill(InvoiceDetails(amount_minor=500, issued_on=last_week))
    books.bill(InvoiceDetails(amount_minor=-500, issued_on=long_ago))
    assert drawn_on(books) == [last_week]
    books = Books()
    books.bill(InvoiceDetails(amount_minor=-500, issued_on=long_ago))
    books.bill(InvoiceDetails(amount_minor=500, issued_on=last_week))
    assert drawn_on(books) == [last_week]


def test_huge_amounts_stay_exact() -> None:
    books = Books()
    most = 10**15 - 1
    for amount in (most, most, -most, -most):
        books.bill(InvoiceDetails(amount_minor=amount))
        check(books)
    assert books.balances["EUR"] == Balance()
