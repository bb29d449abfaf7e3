"""Credit notes, write-offs and voids: what they take back adds up, on every line, and makes no credit from nothing."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.correcting.credit_notes import left_of_lines
from billsmith.core.invoices import Adjustment, InvoiceDetails, Item
from billsmith.core.ledger import BAD_DEBT, BILLED_REVENUE, CUSTOMER_CREDIT, TAX_PAYABLE, Balance
from billsmith.core.payments.corrections import CorrectionInvalid, CorrectionRefused
from billsmith.core.payments.refunds import LineAmount
from billsmith.core.taxes import Tax
from billsmith.errors import Conflict, Invalid
from tests.core.collecting.money_books import MoneyBooks, succeeded
from tests.core.made import contents

VAT = Tax(Decimal(19))
fractions = st.lists(st.integers(1, 1000), min_size=1, max_size=8)


def taken_back(books: MoneyBooks, note: Any, account: str) -> int:
    own = [posting for posting in books.postings if posting.credit_note_id == note.id]
    debits = sum(posting.amount_minor for posting in own if posting.debit == account)
    return debits - sum(posting.amount_minor for posting in own if posting.credit == account)


@given(contents(st.sampled_from(["EUR", "JPY", "KWD"])), fractions, st.booleans())
def test_partial_notes_come_to_the_invoice_on_every_line_and_never_to_more(
    details: InvoiceDetails, shares: list[int], paid: bool
) -> None:
    books = MoneyBooks()
    invoice = books.bill(details)
    if paid and invoice.balance_minor:
        books.pay(invoice)
    whole = max(0, invoice.total_minor)
    for share in shares:
        amount = whole * share // 1000
        try:
            note = books.note(invoice, amount)
        except (Conflict, Invalid):
            continue
        assert note.total_minor == amount == sum(line.total_minor for line in note.lines)
        assert taken_back(books, note, BILLED_REVENUE) == note.net_minor
        assert taken_back(books, note, TAX_PAYABLE) == note.tax_minor
        for line, (net, tax) in zip(books.lines[invoice.id], left_of_lines(books.corrected(invoice)), strict=True):
            for left, of in ((net, line.net_minor), (tax, line.tax_minor)):
                assert min(0, of) <= left <= max(0, of)
    left = sum(net + tax for net, tax in left_of_lines(books.corrected(invoice)))
    if left > 0:
        books.note(invoice)
        assert all(pair == (0, 0) for pair in left_of_lines(books.corrected(books.now(invoice))))
    if whole:
        assert books.now(invoice).balance_minor == 0


def test_a_note_over_more_than_is_left_is_refused() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    books.note(invoice, 400)
    with pytest.raises(CorrectionInvalid):
        books.note(invoice, 601)
    with pytest.raises(CorrectionInvalid):
        books.note(invoice, lines=[LineAmount(1, 601)])
    with pytest.raises(CorrectionInvalid):
        books.note(invoice, lines=[LineAmount(2, 1)])


def test_negative_lines_go_with_the_first_part_of_a_divided_note_and_are_posted_once() -> None:
    """Owed and paid at the same time, a line below zero, nothing owed at all: each line's share is posted once."""
    for paid in (0, 300, 800):
        books = MoneyBooks()
        invoice = books.bill(InvoiceDetails(items=(Item("a", 1000, tax=VAT),), adjustments=(Adjustment(-390, "less"),)))
        if paid:
            books.receive(paid, invoice)
        note = books.note(invoice)
        assert (note.owed_minor, note.paid_minor) == (800 - paid, paid)
        assert taken_back(books, note, BILLED_REVENUE) == note.net_minor == 610
        assert taken_back(books, note, CUSTOMER_CREDIT) == -paid
        of_line = [one for one in books.postings if one.credit_note_id == note.id and one.line_no == 2]
        assert sum(one.amount_minor for one in of_line) == 390


def test_credit_that_a_note_makes_is_drawn_at_once() -> None:
    books = MoneyBooks()
    paid, other = books.owe(1000), books.owe(700)
    books.pay(paid)
    books.note(paid, 500)
    assert books.now(other).balance_minor == 200
    assert books.balances["EUR"].credit_minor == 0


def test_a_note_that_takes_all_that_was_written_off_leaves_a_paid_invoice() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    books.receive(600, invoice)
    books.write_off(invoice)
    books.note(invoice, 400)
    assert (books.now(invoice).status, books.now(invoice).written_off_minor) == ("paid", 0)
    assert books.balances["EUR"] == Balance()


def test_what_a_refund_under_way_will_give_back_is_no_credit_of_a_note() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    refund = books.ask_refund(books.pay(invoice), amount_minor=700)
    with pytest.raises(CorrectionRefused):
        books.note(invoice, 301)
    books.note(invoice, 300)
    books.refunded(refund)
    assert books.balances["EUR"].credit_minor == 300


@pytest.mark.parametrize("lost", [False, True])
def test_what_a_dispute_holds_or_took_is_no_credit_of_a_note(lost: bool) -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    dispute = books.dispute(books.pay(invoice), 800)
    if lost:
        books.dispute_ends(dispute, won=False)
    with pytest.raises(CorrectionRefused):
        books.note(invoice, 201)
    books.note(invoice, 200)


def test_a_part_paid_and_a_part_written_off_is_uncollectible_and_never_paid() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    books.write_off(invoice, 300)
    assert books.now(invoice).status == "open"
    books.pay(books.now(invoice))
    assert books.now(invoice).status == "uncollectible"
    assert [fact.type for fact in books.facts if fact.object_id == invoice.id][-1] == "invoice.uncollectible"
    books.receive(300, invoice)
    assert (books.now(invoice).status, books.now(invoice).written_off_minor) == ("paid", 0)


def test_writing_off_makes_no_credit_and_undoing_it_owes_again() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    one = books.write_off(invoice)
    assert books.balances["EUR"] == Balance()
    books.undo(one)
    assert (books.now(invoice).status, books.now(invoice).collection_state) == ("open", "stopped")
    with pytest.raises(CorrectionRefused):
        books.undo(one)
    books.void(books.now(invoice))
    assert books.balances["EUR"] == Balance()


def test_credit_pays_for_an_invoice_whose_write_off_is_undone() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    one = books.write_off(invoice)
    books.grant(400)
    books.undo(one)
    assert books.now(invoice).balance_minor == 600
    assert books.balances["EUR"].credit_minor == 0


def test_void_then_write_off_and_write_off_then_void_leave_nothing() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    books.write_off(invoice, 400)
    books.void(books.now(invoice))
    assert books.balances["EUR"] == Balance()
    with pytest.raises(CorrectionRefused):
        books.write_off(books.now(invoice))
    assert sum(one.amount_minor * (1 if one.debit == BAD_DEBT else -1) for one in books.postings
               if BAD_DEBT in (one.debit, one.credit)) == 0  # fmt: skip


def test_credit_that_comes_back_from_a_void_is_drawn_on_what_else_is_owed() -> None:
    books = MoneyBooks()
    books.grant(500)
    first, second = books.owe(500), books.owe(300)
    books.void(first)
    assert books.now(second).status == "paid"
    assert books.balances["EUR"].credit_minor == 200


def test_two_voids_that_one_payment_ends_give_the_same_credit_back_twice() -> None:
    books = MoneyBooks()
    books.grant(500)
    both = [books.owe(700, currency="EUR"), books.owe(900)]
    books.grant(100)
    attempt = books.begin(*[books.now(one) for one in both])
    for invoice in both:
        books.void(invoice)
    books.hear(attempt, succeeded())
    granted = [one for one in books.credits.values() if one.source == "granted"]
    assert [one.drawn_minor for one in granted] == [0, 0]
    assert {books.now(one).status for one in both} == {"void"}


def test_credit_that_expired_and_came_back_expires_once_more() -> None:
    books = MoneyBooks()
    credit = books.grant(500)
    invoice = books.owe(300)
    books.take_back(books.now(credit), because_expired=True)
    books.void(invoice)
    books.take_back(books.now(credit), because_expired=True)
    assert (books.now(credit).expired_minor, books.now(credit).remaining_minor) == (500, 0)


def test_a_paid_invoice_can_not_be_voided_one_settled_by_credit_can() -> None:
    books = MoneyBooks()
    paid = books.owe(1000)
    books.pay(paid)
    with pytest.raises(CorrectionRefused):
        books.void(paid)
    books.grant(1000)
    settled = books.owe(1000)
    assert settled.status == "paid"
    books.void(settled)
    assert books.balances["EUR"].credit_minor == 1000


def test_a_payout_under_way_can_not_be_voided() -> None:
    books = MoneyBooks()
    payout = books.owe(500, direction="payout")
    books.begin(payout)
    with pytest.raises(CorrectionRefused):
        books.void(payout)


def test_a_document_whose_credit_is_spent_can_not_be_voided() -> None:
    books = MoneyBooks()
    back = books.owe(-500)
    books.owe(200)
    with pytest.raises(CorrectionRefused):
        books.void(back)
    unspent = books.owe(-100)
    books.void(unspent)
    assert books.balances["EUR"].credit_minor == 300
