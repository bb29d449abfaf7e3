"""What becomes of a charge, a refund, a reversal and a dispute: each ends as its rule says, whatever came between."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from billsmith.core.ledger import SUSPENSE, Balance
from billsmith.core.payments.payment import Allocation, AllocationRefused, NotCollectable
from billsmith.core.payments.policy import CollectionPolicy
from billsmith.core.payments.refunds import LineAmount, Refund, RefundInvalid, RefundRefused
from billsmith.core.payments.results import DeclineBucket, OperationResult, OperationStatus
from billsmith.core.tenants import TenantSettings
from tests.core.collecting.money_books import LATER, OTHER_CARD, MoneyBooks, declined, succeeded

REVERSED = OperationResult(OperationStatus.REVERSED)
PENDING = OperationResult(OperationStatus.PENDING)


def suspense(books: MoneyBooks) -> int:
    """Debits less credits of what nobody owns."""
    return sum(one.amount_minor * ((one.debit == SUSPENSE) - (one.credit == SUSPENSE)) for one in books.postings)


def collected(books: MoneyBooks, invoice: Any) -> tuple[Any, Any, Any]:
    now = books.now(invoice)
    return now.collection_state, now.collection_reason, now.next_collect_at


def test_a_charge_pays_every_invoice_it_was_for() -> None:
    books = MoneyBooks()
    several = [books.owe(1000), books.owe(250)]
    payment = books.pay(*several)
    assert (payment.status, payment.amount_minor, payment.allocated_minor) == ("succeeded", 1250, 1250)
    assert {books.now(one).status for one in several} == {"paid"}
    assert [one.amount_minor for one in books.all(Allocation)] == [1000, 250]


@pytest.mark.parametrize(
    ("result", "state", "reason", "days"),
    [
        (declined(DeclineBucket.RETRY_LATER), "retrying", None, 1),
        (declined(DeclineBucket.NEEDS_NEW_METHOD), "failed", "needs_new_method", None),
        (declined(DeclineBucket.NEEDS_ACTION), "action_required", "needs_action", None),
        (declined(DeclineBucket.NEVER), "failed", "never", None),
        (OperationResult(OperationStatus.FAILED), "retrying", None, 1),
        (OperationResult(OperationStatus.EXPIRED), "action_required", "needs_action", None),
        (OperationResult(OperationStatus.CANCELLED), "action_required", "needs_action", None),
    ],
)
def test_a_failed_charge_leads_to_the_plan_of_its_reason(
    result: OperationResult, state: str, reason: str | None, days: int | None
) -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    books.hear(books.begin(invoice), result)
    assert collected(books, invoice) == (state, reason, None if days is None else LATER + timedelta(days=days))
    assert (books.now(invoice).attempt_count, books.now(invoice).balance_minor) == (1, 1000)


def test_a_call_that_was_never_sent_is_no_try() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    failed = OperationResult(OperationStatus.FAILED)
    books.hear(books.begin(invoice), failed, not_submitted=True)
    assert collected(books, invoice) == ("retrying", "not_submitted", LATER + timedelta(minutes=5))
    assert books.now(invoice).attempt_count == 0


def test_nothing_is_tried_by_itself_for_a_customer_that_is_not_collected_by_itself() -> None:
    books = MoneyBooks()
    books.customer = replace(books.customer, auto_collect=False)
    invoice = books.owe(1000)
    assert collected(books, invoice) == ("stopped", "auto_collect_off", None)
    books.hear(books.begin(invoice), declined())
    assert collected(books, invoice) == ("stopped", "auto_collect_off", None)


def test_after_fifteen_tries_in_thirty_days_nothing_more_is_tried() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    books.hear(books.begin(invoice), declined(), tries=15)
    assert collected(books, invoice) == ("failed", "retries_used_up", None)


def test_after_the_last_try_the_rest_is_written_off_where_the_policy_says_so() -> None:
    books = MoneyBooks(settings=TenantSettings(collection=CollectionPolicy("automatic", (), "write_off")))
    invoice = books.owe(1000)
    books.hear(books.begin(invoice), declined())
    assert (books.now(invoice).status, books.now(invoice).collection_state) == ("uncollectible", None)


def test_a_method_that_came_meanwhile_is_tried_at_once() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    attempt = books.begin(invoice)
    books.customer = replace(books.customer, payment_method_id=OTHER_CARD)
    books.hear(attempt, declined())
    assert collected(books, invoice) == ("scheduled", None, LATER)


def test_an_invoice_has_one_live_charge_and_what_has_ended_stays() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    attempt = books.begin(invoice)
    for waiting in (PENDING, OperationResult(OperationStatus.UNKNOWN)):
        books.hear(attempt, waiting)
        with pytest.raises(NotCollectable):
            books.begin(invoice)
    books.hear(attempt, succeeded())
    books.hear(attempt, declined())
    books.hear(attempt, PENDING)
    assert (books.now(invoice).status, books.now(attempt).status) == ("paid", "succeeded")


@pytest.mark.parametrize(("amount", "currency"), [(7, "EUR"), (1000, "USD")])
def test_money_of_another_amount_or_currency_is_nobodys_and_stops_the_invoice(amount: int, currency: str) -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    payment = books.hear(books.begin(invoice), succeeded(amount, currency))
    assert (payment.suspended_minor, payment.refundable_minor, suspense(books)) == (amount, 0, -amount)
    assert collected(books, invoice) == ("stopped", "amount_mismatch", None)
    assert books.now(invoice).balance_minor == 1000


def test_money_of_another_amount_does_not_save_an_invoice_from_being_voided() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    attempt = books.begin(invoice)
    books.void(invoice)
    books.hear(attempt, succeeded(7))
    assert books.now(invoice).status == "void"


def test_a_payout_of_another_amount_is_suspended_on_the_other_side_and_comes_back_from_there() -> None:
    books = MoneyBooks()
    attempt = books.begin(books.owe(500, direction="payout"))
    assert books.hear(attempt, succeeded(7)).suspended_minor == 7
    assert suspense(books) == 7
    assert books.hear(attempt, REVERSED).suspended_minor == 0
    assert suspense(books) == 0


@pytest.mark.parametrize(("after_void", "reserved"), [("refund", 1000), ("credit", 0)])
def test_a_late_success_never_pays_a_void_invoice(after_void: Any, reserved: int) -> None:
    books = MoneyBooks(settings=TenantSettings(money_after_void=after_void))
    invoice = books.owe(1000)
    attempt = books.begin(invoice)
    assert books.void(invoice).collection_state == "void_pending"
    books.hear(attempt, succeeded())
    assert (books.now(invoice).status, books.now(invoice).paid_minor) == ("void", 0)
    (credit,) = books.credits.values()
    assert (credit.reserved_minor, credit.remaining_minor) == (reserved, 1000 - reserved)
    assert [one.amount_minor for one in books.all(Refund)] == ([1000] if reserved else [])


def test_what_was_written_off_while_it_was_charged_is_recovered() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    attempt = books.begin(invoice)
    books.write_off(invoice, 400)
    books.hear(attempt, succeeded())
    assert (books.now(invoice).status, books.now(invoice).paid_minor) == ("paid", 1000)
    assert books.balances["EUR"] == Balance()


def test_several_refunds_come_to_what_was_paid_and_no_further() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    payment = books.pay(invoice)
    refunds = [books.ask_refund(payment, amount_minor=amount) for amount in (300, 700)]
    with pytest.raises(RefundRefused):
        books.ask_refund(payment, amount_minor=1)
    books.refund_fails(refunds[1])
    books.refunded(refunds[0])
    books.refunded(books.ask_refund(payment))
    assert (books.now(payment).refunded_minor, books.now(invoice).refunded_minor) == (1000, 1000)
    assert (books.now(invoice).status, books.balances["EUR"]) == ("paid", Balance())
    with pytest.raises(RefundRefused):
        books.ask_refund(payment)


def test_a_refund_after_a_credit_note_gives_back_what_that_left() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    payment = books.pay(invoice)
    books.note(invoice, 400)
    assert books.ask_refund(payment).amount_minor == 600


def test_a_refund_that_reopens_is_for_the_payer_and_stops_the_invoice() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    payment = books.pay(invoice)
    with pytest.raises(RefundInvalid):
        books.ask_refund(payment, amount_minor=1, reopen=True, lines=(LineAmount(1, 1),))
    books.refunded(books.ask_refund(payment, amount_minor=400, reopen=True))
    assert collected(books, invoice) == ("stopped", "reopened", None)
    assert (books.now(invoice).balance_minor, books.now(invoice).paid_minor) == (400, 600)


def test_a_refund_that_succeeds_after_its_payment_was_taken_back_is_seen_by_a_person() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    attempt = books.begin(invoice)
    payment = books.hear(attempt, succeeded())
    refund = books.ask_refund(payment, amount_minor=300)
    books.hear(attempt, REVERSED)
    done = books.refunded(refund)
    assert (done.status, done.needs_attention, suspense(books)) == ("succeeded", True, 300)
    assert (books.now(invoice).balance_minor, books.now(invoice).refunded_minor) == (1000, 0)


def test_what_was_refunded_is_not_taken_back_a_second_time() -> None:
    books = MoneyBooks(settings=TenantSettings(dispute_lost="reopen"))
    invoice = books.owe(1000)
    payment = books.pay(invoice)
    books.refunded(books.ask_refund(payment, amount_minor=300))
    dispute = books.dispute(payment, 1000)
    assert dispute.needs_attention
    books.dispute_ends(dispute, won=False)
    assert (books.now(invoice).balance_minor, books.now(invoice).refunded_minor) == (700, 300)
    assert suspense(books) == 300


def test_a_reversal_unwinds_unspent_credit_first_then_invoices_then_what_credit_paid() -> None:
    books = MoneyBooks()
    first, second = books.owe(300), books.owe(500)
    attempt = books.begin(books.owe(1000))
    books.hear(attempt, succeeded())
    paid = books.receive(1200, first)
    assert {books.now(one).status for one in (first, second)} == {"paid"}
    (credit,) = [one for one in books.credits.values() if one.payment_id == paid.id]
    assert (credit.drawn_minor, credit.remaining_minor) == (500, 400)
    books.taken_back(paid)
    assert [books.now(one).balance_minor for one in (first, second)] == [300, 500]
    assert books.now(credit).paid_out_minor == 900
    assert books.balances["EUR"] == Balance(receivable_minor=800)
    assert suspense(books) == 0


def test_a_reversal_counts_as_a_failed_try_and_other_credit_pays_first() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    attempt = books.begin(invoice)
    books.hear(attempt, succeeded())
    books.grant(250)
    books.hear(attempt, REVERSED)
    assert books.now(invoice).balance_minor == 750
    assert collected(books, invoice) == ("retrying", None, LATER + timedelta(days=1))


def test_a_reversed_payment_of_a_customer_without_a_method_waits_for_one() -> None:
    books = MoneyBooks()
    books.customer = replace(books.customer, payment_method_id=None)
    invoice = books.owe(1000)
    payment = books.receive(1000, invoice)
    books.taken_back(payment)
    assert collected(books, invoice) == ("no_method", None, None)


def test_what_a_dispute_holds_is_not_reversed_as_well() -> None:
    books = MoneyBooks()
    invoice = books.owe(1000)
    attempt = books.begin(invoice)
    dispute = books.dispute(books.hear(attempt, succeeded()), 400)
    assert books.hear(attempt, REVERSED).reversed_minor == 600
    books.dispute_ends(dispute, won=True)
    assert (books.now(invoice).paid_minor, books.now(invoice).balance_minor) == (400, 600)


def test_a_payment_is_linked_to_what_was_made_later_as_far_as_it_goes() -> None:
    books = MoneyBooks(draw_credit=False)
    payment = books.receive(400)
    invoice = books.owe(1000)
    books.link(payment, invoice)
    assert (books.now(invoice).paid_minor, books.now(invoice).balance_minor) == (400, 600)
    assert (books.now(payment).allocated_minor, books.balances["EUR"].credit_minor) == (400, 0)
    books.begin(books.now(invoice))
    with pytest.raises(AllocationRefused):
        books.link(payment, invoice)
