"""Drafts: what a caller decides, what is checked at once, and what stays fixed. Rule: docs/rules/dates.md"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.customers import CustomerDeleted
from billsmith.core.decisions import Decision, Standing
from billsmith.core.ids import CreditId, InvoiceId
from billsmith.core.invoices import Adjustment, Invoice, InvoiceDetails, InvoiceNotDraft, Item, Line
from billsmith.core.invoicing import (
    DateInvalid,
    PayoutNegative,
    deleted_draft,
    drafted,
    finalise,
    may_be_negative,
    new_draft,
    redrafted,
    relabelled,
)
from billsmith.core.lines.items import total_of
from billsmith.core.periods import Period, PeriodBackwards
from billsmith.core.tenants import LONGEST_TERMS_DAYS
from billsmith.core.text import UnusableText
from billsmith.errors import Invalid
from tests.core.made import CUSTOMER, NOON, STANDING, TENANT, TODAY, amounts, contents, draft, items, uuid

LATER = NOON + timedelta(days=40)
DELETED = Standing(TENANT, replace(CUSTOMER, deleted_at=NOON))
HUNDRED = InvoiceDetails(amount_minor=10000)


def finalised(details: InvoiceDetails, standing: Standing = STANDING, at: datetime = NOON) -> Decision:
    """What becomes of a document with this content that is finalised at once."""
    invoice, lines = new_draft(standing, details, InvoiceId(uuid(100)), at)
    return finalise(standing, invoice, lines, at, CreditId(uuid(200)))


@given(contents())
def test_a_draft_has_the_totals_of_its_lines_and_owes_nothing(details: InvoiceDetails) -> None:
    invoice, lines = draft(1, details)
    assert (invoice.net_minor, invoice.tax_minor, invoice.total_minor) == total_of(lines)
    assert invoice.line_count == len(lines)
    assert (invoice.status, invoice.collection_state) == ("draft", None)
    assert (invoice.finalised_at, invoice.settled_at) == (None, None)
    assert (invoice.balance_minor, invoice.accounted_for_minor) == (0, 0)
    assert (invoice.seller_snapshot_id, invoice.buyer_snapshot_id) == (None, None)
    kept, fact = drafted(invoice)
    assert (kept.version, fact.type, fact.object, fact.object_version) == (1, "invoice.drafted", kept, 1)
    assert replace(kept, version=0) == invoice


@given(contents(), contents())
def test_an_edited_draft_is_as_if_it_had_been_made_so(before: InvoiceDetails, after: InvoiceDetails) -> None:
    kept, _ = drafted(draft(1, before)[0])
    changed, lines, fact = redrafted(STANDING, kept, after, LATER)
    made, made_lines = draft(1, after)
    assert (replace(changed, version=0), lines) == (made, made_lines)
    assert (changed.version, fact.type, fact.object_version, fact.object) == (2, "invoice.updated", 2, changed)


def test_a_draft_keeps_everything_that_was_said() -> None:
    details = InvoiceDetails(
        items=(Item("Hosting", 10000),),
        adjustments=(Adjustment(-500, "Outage"),),
        currency="JPY",
        title="October",
        memo="Thank you.\nSteve",
        period=Period(date(2026, 2, 1), date(2026, 3, 1)),
        issued_on=date(2026, 3, 1),
        due_on=date(2026, 3, 1),
        external_id="2026-02/4711",
        external_number="A-17",
        metadata={"run": "7"},
        tags=("b", "a", "b"),
    )
    invoice, _ = draft(1, details)
    kept = {field: getattr(invoice, field) for field in details.__struct_fields__ if hasattr(invoice, field)}
    assert kept == {
        "currency": "JPY",
        "direction": "charge",
        "title": "October",
        "memo": "Thank you.\nSteve",
        "issued_on": date(2026, 3, 1),
        "due_on": date(2026, 3, 1),
        "terms_days": None,
        "external_id": "2026-02/4711",
        "external_number": "A-17",
        "payment_method_id": None,
        "collection_policy": None,
        "statement_text": None,
        "adjusts_id": None,
        "revises_id": None,
        "metadata": {"run": "7"},
        "tags": ("a", "b"),
    }
    assert (invoice.period_start_on, invoice.period_end_on) == (date(2026, 2, 1), date(2026, 3, 1))
    assert (invoice.created_at, invoice.version, invoice.total_minor) == (NOON, 0, 9500)
    assert draft(1, HUNDRED)[0].currency == CUSTOMER.currency


REFUSED: list[tuple[type[Invalid], str, dict[str, Any]]] = [
    (DateInvalid, "/terms_days", {"due_on": TODAY, "terms_days": 0}),
    (DateInvalid, "/terms_days", {"terms_days": -1}),
    (DateInvalid, "/terms_days", {"terms_days": LONGEST_TERMS_DAYS + 1}),
    (DateInvalid, "/issued_on", {"issued_on": TODAY + timedelta(days=1)}),
    (DateInvalid, "/issued_on", {"issued_on": date(1969, 12, 31)}),
    (DateInvalid, "/due_on", {"due_on": date(9999, 12, 31)}),
    (DateInvalid, "/due_on", {"due_on": date(1, 1, 1)}),
    (DateInvalid, "/due_on", {"issued_on": date(2026, 3, 10), "due_on": date(2026, 3, 9)}),
    (PeriodBackwards, "/period/end", {"period": Period(date(2026, 2, 1), date(2026, 1, 1))}),
    (UnusableText, "/title", {"title": "two\nlines"}),
    (UnusableText, "/title", {"title": ""}),
    (UnusableText, "/title", {"title": "x" * 300}),
    (UnusableText, "/title", {"title": "nul\x00"}),
    (UnusableText, "/memo", {"memo": "x" * 5001}),
    (UnusableText, "/external_id", {"external_id": ""}),
    (UnusableText, "/external_number", {"external_number": "x" * 201}),
    (UnusableText, "/tags/0", {"tags": ("Hidden",)}),
    (UnusableText, "/metadata/k", {"metadata": {"k": "\x00"}}),
]


@pytest.mark.parametrize(("error", "pointer", "fields"), REFUSED)
def test_a_draft_that_can_not_be_meant_is_refused_where_it_was_given(
    error: type[Invalid], pointer: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(error) as refused:
        draft(1, replace(HUNDRED, **fields))
    assert [found.pointer for found in refused.value.errors] == [pointer]
    with pytest.raises(error):
        redrafted(STANDING, drafted(draft(1, HUNDRED)[0])[0], replace(HUNDRED, **fields), NOON)


@pytest.mark.parametrize(
    ("fields", "customer_terms", "issued", "due"),
    [
        ({}, None, "2026-03-15", "2026-04-14"),  # the tenant's 30 days
        ({}, 14, "2026-03-15", "2026-03-29"),
        ({}, 0, "2026-03-15", "2026-03-15"),
        ({"terms_days": 7}, 14, "2026-03-15", "2026-03-22"),
        ({"terms_days": 0}, 14, "2026-03-15", "2026-03-15"),
        ({"due_on": date(2026, 3, 15)}, 14, "2026-03-15", "2026-03-15"),
        ({"due_on": date(2027, 1, 1)}, 14, "2026-03-15", "2027-01-01"),
        ({"issued_on": date(2026, 2, 1)}, None, "2026-02-01", "2026-03-03"),
        ({"issued_on": date(2024, 2, 1), "terms_days": 28}, None, "2024-02-01", "2024-02-29"),
        ({"issued_on": date(2010, 12, 1), "due_on": date(2010, 12, 24)}, None, "2010-12-01", "2010-12-24"),
    ],
)
def test_when_it_is_issued_and_due(fields: dict[str, Any], customer_terms: int | None, issued: str, due: str) -> None:
    standing = Standing(TENANT, replace(CUSTOMER, terms_days=customer_terms))
    invoice = finalised(replace(HUNDRED, **fields), standing).invoices[-1]
    assert (str(invoice.issued_on), str(invoice.due_on)) == (issued, due)


def test_a_draft_whose_due_date_went_by_must_be_changed_first() -> None:
    invoice, lines = draft(1, replace(HUNDRED, due_on=TODAY))
    with pytest.raises(DateInvalid) as refused:
        finalise(STANDING, invoice, lines, LATER, CreditId(uuid(200)))
    assert [found.pointer for found in refused.value.errors] == ["/due_on"]


@pytest.mark.parametrize(
    ("zone", "day"), [("Pacific/Auckland", "2026-03-16"), ("Pacific/Honolulu", "2026-03-15"), ("UTC", "2026-03-15")]
)
def test_it_is_issued_on_the_customers_day(zone: str, day: str) -> None:
    standing = Standing(replace(TENANT, time_zone="Asia/Tokyo"), replace(CUSTOMER, time_zone=zone))
    decision = finalised(replace(HUNDRED, amount_minor=-5), standing)
    assert str(decision.invoices[-1].issued_on) == day
    assert {str(posting.accounting_on) for posting in decision.postings} == {day}
    assert str(decision.credits[-1].granted_on) == day
    with pytest.raises(DateInvalid):
        finalised(replace(HUNDRED, issued_on=date.fromisoformat(day) + timedelta(days=1)), standing)


def test_the_last_hour_of_a_year_belongs_to_the_year_of_the_customer() -> None:
    standing = Standing(TENANT, replace(CUSTOMER, time_zone="America/New_York"))
    at = datetime(2027, 1, 1, 4, 59, tzinfo=UTC)
    assert finalised(HUNDRED, standing, at).invoices[-1].issued_on == date(2026, 12, 31)
    assert finalised(HUNDRED, standing, at + timedelta(minutes=1)).invoices[-1].issued_on == date(2027, 1, 1)


def test_terms_are_those_of_the_moment_of_finalising_and_so_are_seller_and_buyer() -> None:
    invoice, lines = draft(1, HUNDRED)
    renamed = Standing(TENANT, replace(CUSTOMER, terms_days=3, snapshot_id=uuid(77)))
    made = finalise(renamed, invoice, lines, NOON, CreditId(uuid(200))).invoices[-1]
    assert made.due_on == TODAY + timedelta(days=3)
    assert (made.seller_snapshot_id, made.buyer_snapshot_id) == (TENANT.snapshot_id, uuid(77))


@given(contents() | st.builds(InvoiceDetails, items=st.just((Item("a"), Item("b", -5))), amount_minor=amounts))
def test_what_comes_to_less_than_zero_could_be_seen_beforehand(details: InvoiceDetails) -> None:
    try:
        invoice, _ = draft(1, details)
    except Invalid:
        return
    assert may_be_negative(details) or invoice.total_minor >= 0


@pytest.mark.parametrize(
    "details",
    [
        InvoiceDetails(amount_minor=-1),
        InvoiceDetails(items=(Item("x", -1),)),
        InvoiceDetails(items=(Item("x", quantity=Decimal(-1), unit_price=Decimal(1)),)),
        InvoiceDetails(items=(Item("x", unit_price=Decimal(-1)),)),
        InvoiceDetails(adjustments=(Adjustment(-1, "Outage"),)),
    ],
)
def test_each_place_where_a_minus_can_stand_is_looked_at(details: InvoiceDetails) -> None:
    assert draft(1, details)[0].total_minor < 0
    assert may_be_negative(details)


@given(st.lists(items(), max_size=3))
def test_positive_content_is_never_taken_for_negative(given_items: list[Item]) -> None:
    positive = tuple(
        replace(
            item,
            amount_minor=None if item.amount_minor is None else abs(item.amount_minor),
            quantity=None if item.quantity is None else item.quantity.copy_abs(),
            unit_price=None if item.unit_price is None else item.unit_price.copy_abs(),
        )
        for item in given_items
    )
    assert not may_be_negative(InvoiceDetails(items=positive))


@pytest.mark.parametrize("number", ["NaN", "sNaN", "-NaN", "-0", "-Infinity"])
def test_odd_numbers_are_looked_at_without_a_crash(number: str) -> None:
    item = Item("x", quantity=Decimal(number), unit_price=Decimal(1))
    assert may_be_negative(InvoiceDetails(items=(item,))) is number.startswith("-")


OPEN = finalised(HUNDRED).invoices[-1]
PAID = finalised(InvoiceDetails(amount_minor=0)).invoices[-1]

Verb = Callable[[Invoice, tuple[Line, ...]], object]
VERBS_OF_DRAFTS: dict[str, Verb] = {
    "redrafted": lambda invoice, _: redrafted(STANDING, invoice, HUNDRED, NOON),
    "deleted": lambda invoice, _: deleted_draft(invoice),
    "finalised": lambda invoice, lines: finalise(STANDING, invoice, lines, NOON, CreditId(uuid(200))),
}


@pytest.mark.parametrize("verb", VERBS_OF_DRAFTS.values(), ids=VERBS_OF_DRAFTS)
@pytest.mark.parametrize("invoice", [OPEN, PAID, replace(OPEN, status="void"), replace(OPEN, status="uncollectible")])
def test_a_document_is_final(invoice: Invoice, verb: Verb) -> None:
    with pytest.raises(InvoiceNotDraft) as refused:
        verb(invoice, ())
    assert refused.value.facts["status"] == invoice.status


@pytest.mark.parametrize("invoice", [draft(1, HUNDRED)[0], OPEN, PAID], ids=lambda invoice: invoice.status)
def test_labels_may_change_whatever_the_state(invoice: Invoice) -> None:
    changed, fact = relabelled(invoice, {"run": "7"}, ("b", "a"))
    assert (changed.metadata, changed.tags, changed.version) == ({"run": "7"}, ("a", "b"), invoice.version + 1)
    assert (fact.type, fact.object, fact.object_version) == ("invoice.updated", changed, changed.version)
    assert replace(changed, metadata=invoice.metadata, tags=invoice.tags, version=invoice.version) == invoice
    with pytest.raises(UnusableText):
        relabelled(invoice, {}, ("Hidden",))


def test_a_deleted_draft_is_told_with_its_next_version() -> None:
    kept, _ = drafted(draft(1, HUNDRED)[0])
    fact = deleted_draft(kept)
    assert (fact.type, fact.object_id, fact.object_version) == ("invoice.deleted", kept.id, 2)


def test_a_deleted_customer_is_never_billed_again() -> None:
    kept, lines = draft(1, HUNDRED)
    verbs: list[Callable[[], object]] = [
        lambda: new_draft(DELETED, HUNDRED, InvoiceId(uuid(1)), NOON),
        lambda: redrafted(DELETED, kept, HUNDRED, NOON),
        lambda: finalise(DELETED, kept, lines, NOON, CreditId(uuid(200))),
    ]
    for verb in verbs:
        with pytest.raises(CustomerDeleted):
            verb()
    assert deleted_draft(kept).type == "invoice.deleted"


def test_a_payout_is_never_negative() -> None:
    for amount in (-1, -10000):
        with pytest.raises(PayoutNegative) as refused:
            finalised(InvoiceDetails(amount_minor=amount, direction="payout"))
        assert [found.pointer for found in refused.value.errors] == ["/items"]
