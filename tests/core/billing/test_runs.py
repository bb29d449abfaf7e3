"""Runs of one customer: in whatever rhythm they come, the same lines; what goes on which document; what waits."""

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.billing.documents import Bill
from billsmith.core.subscriptions.cancelling import Cancel, cancelled
from billsmith.core.tenants import TenantSettings
from tests.core.billing.made import Account
from tests.core.subscriptions.made import PAYER, asked, day

START = date(2026, 1, 31)
LAST = START + timedelta(days=140)
PLANS = ["hosting", "consulting", "rack", "tried", "free", "steps"]
DATES = st.integers(0, 130).map(lambda days: START + timedelta(days=days))
ASKS = st.one_of(
    st.tuples(st.just("plan"), st.sampled_from(PLANS), DATES),
    st.tuples(st.just("quantity"), st.integers(0, 3), DATES),
    st.tuples(st.just("bill_day"), st.integers(1, 31), DATES),
    st.tuples(st.just("pause"), st.none(), DATES),
    st.tuples(st.just("resume"), st.none(), DATES),
    st.tuples(st.just("cancel"), st.none(), DATES),
)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """A customer, with or without a bill cycle day, who buys something and asks for changes to come, all on one day."""
    account = Account(customer=replace(PAYER, bill_cycle_day=draw(st.sampled_from([None, 1, 15, 31]))))
    place = account.subscribe(draw(st.sampled_from(PLANS)), str(START))
    if draw(st.booleans()):
        account.subscribe("disk", str(START), base=place)
    for ask in draw(st.lists(ASKS, max_size=4)):
        account.groups[place] = asked(account.at(place, START), ask)
    return account


def copy(account: Account) -> Account:
    return Account(account.customer, account.settings, list(account.groups))


def kept(account: Account) -> Counter[Any]:
    """Every line, whatever document it is on."""
    return Counter(
        (line.subscription_id, line.charge, line.period_start_on, line.period_end_on, line.quantity, line.amount_minor,
         line.given_back)
        for line in account.lines
    )  # fmt: skip


def lines(bills: tuple[Bill, ...]) -> list[list[tuple[str, str, int]]]:
    """Of each document its lines: what, from when, how much."""
    return [
        [(entry.charge.code, str(entry.period_start_on)[5:], entry.amount_minor) for entry in one.entries]
        for one in bills
    ]


@given(accounts(), st.sets(DATES, max_size=6))
def test_whatever_the_rhythm_of_runs_the_lines_are_the_same(account: Account, dates: set[date]):
    at_once, daily, now_and_then = account, copy(account), copy(account)
    at_once.run(LAST)
    for shift in range((LAST - START).days + 1):
        daily.run(START + timedelta(days=shift))
    for on in (*sorted(dates), LAST):
        now_and_then.run(on)
    assert kept(daily) == kept(at_once) == kept(now_and_then)
    assert not any(line.given_back for line in at_once.lines), "what is known ahead is billed no further"


@given(accounts(), st.lists(st.tuples(ASKS, st.integers(0, 30)), max_size=4))
def test_a_second_run_adds_nothing(account: Account, later: list[tuple[Any, int]]):
    today = START
    for ask, wait in [*later, (("none", None, START), 0)]:
        account.run(today)
        before = list(account.lines)
        assert account.run(today) == ()
        assert account.lines == before
        today += timedelta(days=wait)
        if ask[0] != "none":
            account.groups[0] = asked(account.at(0, today), ask)


@given(accounts(), st.lists(st.tuples(ASKS, st.integers(0, 30)), max_size=4))
def test_no_more_is_given_back_of_a_line_than_it_came_to(account: Account, later: list[tuple[Any, int]]):
    today = START
    for ask, wait in later:
        account.run(today)
        today += timedelta(days=wait)
        account.groups[0] = asked(account.at(0, today), ask)
    account.run(LAST)
    for line in account.lines:
        assert 0 <= sum(one.amount_minor for one in line.given_back) <= line.amount_minor


def test_missed_periods_come_on_one_invoice_oldest_first():
    account = Account()
    account.subscribe("hosting", "1-1")
    (one,) = account.run(day("3-10"))
    assert lines((one,)) == [[("fee", "01-01", 2000), ("fee", "02-01", 2000), ("fee", "03-01", 2000)]]


@pytest.mark.parametrize(("per", "documents"), [("customer", 1), ("group", 2)])
def test_one_invoice_holds_a_customer_or_a_group_with_its_add_ons(per: Any, documents: int):
    account = Account(settings=TenantSettings(invoices_per=per))
    place = account.subscribe("hosting", "1-1")
    account.subscribe("disk", "1-1", base=place)
    account.subscribe("fortnight", "1-1")
    made = account.run(day("1-1"))
    assert len(made) == documents
    assert sum(one.total_minor for one in made) == 2000 + 300 + 700


def test_less_than_the_minimum_waits_as_long_as_more_will_come():
    account = Account(settings=TenantSettings(minimum_to_bill_minor=5000))
    account.subscribe("hosting", "1-1")
    assert account.run(day("1-1")) == ()
    assert account.run(day("2-1")) == ()
    (one,) = account.run(day("3-1"))
    assert one.total_minor == 6000
    account.groups[0] = cancelled(
        account.at(0, "3-1"), account.groups[0].lead.subscription.id, Cancel(day("4-5"))
    ).group
    (last,) = account.run(day("4-1"))
    assert lines((last,)) == [[("fee", "04-01", 267)]], "nothing more will come"


def test_two_currencies_below_the_minimum_don_t_add_up_to_it():
    account = Account(settings=TenantSettings(minimum_to_bill_minor=5000))
    account.subscribe("hosting", "1-1")
    account.subscribe("hosting", "1-1", currency="JPY", prices={"fee": Decimal(4000)})
    assert account.run(day("1-1")) == ()
    made = account.run(day("2-1"))
    assert [(one.currency, one.total_minor) for one in made] == [("EUR", 4000), ("JPY", 8000)]


def test_what_is_given_back_in_one_currency_does_not_wait_for_another():
    account = Account(settings=TenantSettings(minimum_to_bill_minor=5000))
    account.subscribe("rack", "1-1")
    account.run(day("1-1"))
    group = account.at(0, "1-16")
    account.groups[0] = cancelled(group, group.lead.subscription.id, Cancel("immediate")).group
    account.subscribe("hosting", "1-16", currency="USD", prices={"fee": Decimal(200)})
    made = account.run(day("1-16"))
    assert [(one.currency, one.total_minor) for one in made] == [("EUR", -9161), ("USD", 10323)]


def test_the_first_charge_that_costs_something_gives_the_customer_its_day():
    account = Account(customer=replace(PAYER, bill_cycle_day=None))
    account.subscribe("tried", "1-10")
    account.run(day("1-10"))
    assert account.customer.bill_cycle_day == 24
    account.subscribe("hosting", "2-1")
    assert lines(account.run(day("2-1"))) == [[("fee", "01-24", 3000), ("fee", "02-01", 1484)]]


def test_a_year_gives_no_customer_its_day():
    account = Account(customer=replace(PAYER, bill_cycle_day=None))
    account.subscribe("annual", "1-10")
    account.run(day("1-10"))
    assert account.customer.bill_cycle_day is None


def test_an_add_on_aligned_with_its_group_is_billed_on_the_day_of_its_base():
    account = Account()
    place = account.subscribe("hosting", "1-10")
    account.subscribe("disk", "1-20", base=place)
    account.run(day("2-10"))
    disk = [(str(line.period_start_on), str(line.period_end_on)) for line in account.lines if line.unit_price == 3]
    assert disk == [("2026-01-20", "2026-02-10"), ("2026-02-10", "2026-03-10")]


def test_a_deposit_comes_back_whole_with_a_cancel_and_a_set_up_fee_does_not():
    account = Account()
    account.subscribe("rack", "1-1")
    account.run(day("1-1"))
    group = account.at(0, "1-16")
    account.groups[0] = cancelled(group, group.lead.subscription.id, Cancel("immediate")).group
    (one,) = account.run(day("1-16"))
    assert lines((one,)) == [[("deposit", "01-01", -4000), ("fee", "01-16", -5161)]]
