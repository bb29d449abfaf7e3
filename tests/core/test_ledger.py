"""The ledger: which posting each fact makes, line by line, and the balances they come to. Rule: docs/rules/ledger.md"""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.invoices import InvoiceDetails, Line
from billsmith.core.ledger import (
    BILLED_REVENUE,
    CUSTOMER_CREDIT,
    PAYABLE,
    PAYOUT_COST,
    RECEIVABLE,
    TAX_PAYABLE,
    Balance,
    Posting,
    PostingKind,
    after,
    billed,
)
from tests.core.made import TODAY, contents, draft

ACCOUNTS = [RECEIVABLE, CUSTOMER_CREDIT, PAYABLE, BILLED_REVENUE, TAX_PAYABLE, PAYOUT_COST]
postings = st.builds(
    Posting,
    st.sampled_from(get_args(PostingKind)),
    st.sampled_from(ACCOUNTS),
    st.sampled_from(ACCOUNTS),
    st.integers(1, 1000),
    st.just("EUR"),
    st.just(TODAY),
).filter(lambda posting: posting.debit != posting.credit)
balances = st.builds(Balance, *[st.integers(-1000, 1000)] * 3)


def mirrored(line: Line) -> Line:
    figures = ("amount_minor", "discount_minor", "net_minor", "tax_minor", "total_minor")
    return replace(line, **{figure: -getattr(line, figure) for figure in figures})


def sides(made: list[Posting]) -> list[tuple[Any, ...]]:
    return [(posting.kind, posting.debit, posting.credit, posting.amount_minor, posting.line_no) for posting in made]


@given(contents())
def test_every_line_posts_its_net_and_its_tax(details: InvoiceDetails) -> None:
    invoice, lines = draft(1, details)
    made = billed(invoice, lines, TODAY)
    expected = [
        (kind, RECEIVABLE, account, amount, line_no) if amount > 0 else (kind, account, RECEIVABLE, -amount, line_no)
        for line_no, line in enumerate(lines, 1)
        for kind, account, amount in (
            ("net_billed", BILLED_REVENUE, line.net_minor),
            ("tax_billed", TAX_PAYABLE, line.tax_minor),
        )
        if amount
    ]
    assert sides(made) == expected
    for posting in made:
        line = lines[(posting.line_no or 0) - 1]
        assert (posting.invoice_id, posting.currency, posting.accounting_on) == (invoice.id, details.currency, TODAY)
        assert (posting.period_start_on, posting.period_end_on) == (line.period_start_on, line.period_end_on)


@given(contents())
def test_a_payout_is_what_we_owe_tax_included(details: InvoiceDetails) -> None:
    invoice, lines = draft(1, replace(details, direction="payout"))
    made = billed(invoice, lines, TODAY)
    assert {posting.kind for posting in made} <= {"payout_billed"}
    assert after(Balance(), made) == Balance(payable_minor=invoice.total_minor)
    assert len(made) == sum(line.total_minor != 0 for line in lines)


@given(contents(), st.sampled_from(["charge", "payout"]))
def test_a_mirrored_document_is_posted_the_other_way_round(details: InvoiceDetails, direction: Any) -> None:
    invoice, lines = draft(1, replace(details, direction=direction))
    back = billed(invoice, [mirrored(line) for line in lines], TODAY)
    forth = billed(invoice, lines, TODAY)
    assert [replace(posting, debit=posting.credit, credit=posting.debit) for posting in back] == forth
    assert after(after(Balance(), forth), back) == Balance()


@given(contents())
def test_a_document_changes_what_is_owed_by_its_total(details: InvoiceDetails) -> None:
    invoice, lines = draft(1, details)
    assert after(Balance(), billed(invoice, lines, TODAY)) == Balance(receivable_minor=invoice.total_minor)


@given(balances, st.lists(postings, max_size=8), st.randoms())
def test_a_balance_is_the_sum_of_its_postings_in_any_order(before: Balance, made: list[Posting], shuffler: Any) -> None:
    now = after(before, made)
    for account, sign, was, is_ in (
        (RECEIVABLE, 1, before.receivable_minor, now.receivable_minor),
        (CUSTOMER_CREDIT, -1, before.credit_minor, now.credit_minor),
        (PAYABLE, -1, before.payable_minor, now.payable_minor),
    ):
        debits = sum(posting.amount_minor for posting in made if posting.debit == account)
        credited = sum(posting.amount_minor for posting in made if posting.credit == account)
        assert is_ == was + sign * (debits - credited)
    assert after(before, shuffler.sample(made, len(made))) == now
    half = len(made) // 2
    assert after(after(before, made[:half]), made[half:]) == now


@pytest.mark.parametrize("direction", ["charge", "payout"])
def test_a_line_of_zero_posts_nothing(direction: Any) -> None:
    invoice, lines = draft(1, InvoiceDetails(amount_minor=0, direction=direction))
    assert billed(invoice, lines, TODAY) == []
