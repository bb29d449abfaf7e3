"""Customer credit: who pays for what, and what is left. Rule: docs/rules/credit.md"""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.credits import (
    Credit,
    CreditInvalid,
    CreditUsedUp,
    NewCredit,
    deleted,
    draw_posting,
    drawn,
    draws,
    expired,
    grant_posting,
    granted,
)
from billsmith.core.currencies import UnknownCurrency
from billsmith.core.invoices import Invoice
from billsmith.core.money import LARGEST_AMOUNT, AmountTooLarge
from billsmith.core.text import UnusableText
from billsmith.errors import Invalid
from tests.core.made import BLANK_CREDIT, NOON, TODAY, credit, owed

FAR = NOON + timedelta(days=9999)
days = st.integers(-20, 20).map(lambda number: timedelta(days=number))


@st.composite
def purses(draw: st.DrawFn) -> list[Credit]:
    """Up to five credits; some expired, some used up."""
    made = []
    for number in range(draw(st.integers(0, 5))):
        amount = draw(st.integers(0, 100))
        made.append(
            credit(
                number + 1,
                amount,
                drawn_minor=draw(st.integers(0, amount)),
                granted_on=TODAY + draw(days),
                expires_at=draw(st.none() | days.map(lambda later: NOON + later)),
            )
        )
    return made


debts = st.lists(st.tuples(st.integers(1, 100), days), max_size=5).map(
    lambda given: [owed(50 + number, amount, TODAY + late) for number, (amount, late) in enumerate(given)]
)


def usable(purse: list[Credit]) -> list[Credit]:
    """By the letter of the rule: soonest-expiring, then oldest; what never expires comes last."""
    left = [kept for kept in purse if kept.remaining_minor and not (kept.expires_at and kept.expires_at <= NOON)]
    return sorted(left, key=lambda kept: (kept.expires_at or FAR, kept.granted_on, kept.id.int))


@given(purses(), debts)
def test_as_much_is_drawn_as_both_sides_have(purse: list[Credit], due: list[Invoice]) -> None:
    made = draws(purse, due, NOON)
    assert all(draw.amount_minor > 0 for draw in made)
    assert len({(draw.credit_id, draw.invoice_id) for draw in made}) == len(made)
    have = sum(kept.remaining_minor for kept in usable(purse))
    assert sum(draw.amount_minor for draw in made) == min(have, sum(invoice.balance_minor for invoice in due))
    for kept in purse:
        assert sum(draw.amount_minor for draw in made if draw.credit_id == kept.id) <= kept.remaining_minor
    for invoice in due:
        assert sum(draw.amount_minor for draw in made if draw.invoice_id == invoice.id) <= invoice.balance_minor


@given(purses(), debts)
def test_units_go_one_by_one_from_the_first_credit_to_the_oldest_debt(purse: list[Credit], due: list[Invoice]) -> None:
    from_ = [kept.id for kept in usable(purse) for _ in range(kept.remaining_minor)]
    to = [
        invoice.id
        for invoice in sorted(due, key=lambda kept: (str(kept.due_on), kept.id.int))
        for _ in range(invoice.balance_minor)
    ]
    made = [(draw.credit_id, draw.invoice_id) for draw in draws(purse, due, NOON) for _ in range(draw.amount_minor)]
    assert made == list(zip(from_, to, strict=False))


@given(purses(), debts, st.randoms())
def test_the_order_in_which_they_are_loaded_changes_nothing(
    purse: list[Credit], due: list[Invoice], shuffler: Any
) -> None:
    shuffled = draws(shuffler.sample(purse, len(purse)), shuffler.sample(due, len(due)), NOON)
    assert shuffled == draws(purse, due, NOON)


@given(purses(), debts)
def test_drawing_again_draws_nothing(purse: list[Credit], due: list[Invoice]) -> None:
    made = draws(purse, due, NOON)
    spent = [drawn(kept, sum(draw.amount_minor for draw in made if draw.credit_id == kept.id)) for kept in purse]
    settled = [
        replace(kept, credit_applied_minor=sum(draw.amount_minor for draw in made if draw.invoice_id == kept.id))
        for kept in due
    ]
    assert draws(spent, settled, NOON) == []


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=1), timedelta(days=400)])
def test_credit_is_gone_from_the_instant_at_which_it_expires(late: timedelta) -> None:
    purse, due = [credit(1, 100, expires_at=NOON)], [owed(2, 100)]
    assert draws(purse, due, NOON + late) == []
    assert [draw.amount_minor for draw in draws(purse, due, NOON - timedelta(microseconds=1))] == [100]


def test_granted_credit_is_kept_as_it_was_given() -> None:
    given_credit = NewCredit(500, reason="Outage", expires_at=NOON + timedelta(days=1), metadata={"case": "7"})
    kept = granted(given_credit, BLANK_CREDIT, NOON)
    assert (kept.amount_minor, kept.reason, kept.metadata) == (500, "Outage", {"case": "7"})
    assert (kept.expires_at, kept.remaining_minor, kept.version) == (NOON + timedelta(days=1), 500, 1)
    posting = grant_posting(kept)
    assert (posting.debit, posting.credit, posting.amount_minor) == ("credits_granted", "customer_credit", 500)
    assert (posting.accounting_on, posting.credit_id) == (TODAY, kept.id)


@pytest.mark.parametrize(
    ("error", "pointer", "given_credit"),
    [
        (CreditInvalid, "/amount", NewCredit(0)),
        (CreditInvalid, "/amount", NewCredit(-5)),
        (AmountTooLarge, "/amount", NewCredit(LARGEST_AMOUNT + 1)),
        (CreditInvalid, "/expires_at", NewCredit(5, expires_at=NOON)),
        (CreditInvalid, "/expires_at", NewCredit(5, expires_at=NOON - timedelta(days=1))),
        (UnusableText, "/reason", NewCredit(5, reason="")),
        (UnusableText, "/metadata/k", NewCredit(5, metadata={"k": "\x00"})),
    ],
)
def test_credit_that_can_not_be_meant_is_refused(error: type[Invalid], pointer: str, given_credit: NewCredit) -> None:
    with pytest.raises(error) as refused:
        granted(given_credit, BLANK_CREDIT, NOON)
    assert [found.pointer for found in refused.value.errors] == [pointer]


def test_credit_has_a_currency() -> None:
    with pytest.raises(UnknownCurrency):
        granted(NewCredit(5), credit(1, 0, currency="XXX"), NOON)


@given(st.integers(1, 1000), st.data())
def test_all_that_is_left_goes_at_once(amount: int, data: st.DataObject) -> None:
    kept = credit(1, amount, drawn_minor=data.draw(st.integers(0, amount - 1)))
    for take, column, kind in (
        (expired, "expired_minor", "credit_expired"),
        (deleted, "deleted_minor", "credit_deleted"),
    ):
        gone, posting = take(kept, TODAY)
        assert (gone.remaining_minor, getattr(gone, column), gone.version) == (
            0,
            kept.remaining_minor,
            kept.version + 1,
        )
        assert gone.drawn_minor == kept.drawn_minor
        assert (posting.kind, posting.debit, posting.credit) == (kind, "customer_credit", "credits_granted")
        assert posting.amount_minor == kept.remaining_minor
        for again in (expired, deleted):
            with pytest.raises(CreditUsedUp):
                again(gone, TODAY)


def test_a_draw_moves_credit_to_what_is_owed() -> None:
    (draw,) = draws([credit(1, 100)], [owed(2, 70)], NOON)
    posting = draw_posting(draw, "EUR", TODAY)
    assert (posting.debit, posting.credit, posting.amount_minor) == ("customer_credit", "receivable", 70)
    assert (posting.credit_id, posting.invoice_id) == (credit(1, 100).id, owed(2, 70).id)
    assert drawn(credit(1, 100), 70).remaining_minor == 30
