"""What one subscription has due: days that no run has seen yet, whole trials, whose day is the customer's."""

from datetime import date
from decimal import Decimal

from msgspec.structs import replace

from billsmith.core.billing.differences import Billed, differences
from billsmith.core.billing.due import Bought, Due, due
from billsmith.core.billing.entries import Covered
from billsmith.core.catalog.plans import PlanVersion
from billsmith.core.cycles.lengths import NAMED
from billsmith.core.cycles.pieces import Cycle, pieces
from billsmith.core.ids import InvoiceId
from billsmith.core.periods import Period
from billsmith.core.subscriptions.bill_days import bill_day_of
from billsmith.core.subscriptions.changing import PlanChange, bill_day_changed, plan_changed, quantity_changed
from billsmith.core.subscriptions.group import Group
from tests.core.made import uuid
from tests.core.subscriptions.made import BASE, at, billed, day, fixed, phase, recurring, started, version, with_row

IN_ARREARS = replace(recurring("30"), timing="in_arrears")
LATER = version(50, "later", "basic", phase("evergreen", None, IN_ARREARS))
MAINTAINED = version(51, "maintained", "basic", phase("fixed_term", "12m", fixed("600"), recurring("200")))


def run(group: Group, until: str, customers_day: int | None = 1) -> Due:
    """What the lead of a group has due, nothing of it being on lines yet."""
    row = group.lead.subscription
    return due(Bought(row, billed(group), (), group.versions, "UTC"), day(until), customers_day)


def lines(found: Due) -> list[tuple[str, str, str | None, int]]:
    """Each as kind, first day, end and amount."""
    return [
        (
            entry.kind,
            str(entry.period_start_on)[5:],
            entry.period_end_on and str(entry.period_end_on)[5:],
            entry.amount_minor,
        )
        for entry in found.entries
    ]


def on_version(group: Group, sold: PlanVersion) -> Group:
    """The group as if its plan had been that version all along."""
    versions = {id_: replace(sold, id=id_) for id_ in group.versions}
    return replace(group, versions=versions)


def test_days_in_arrears_before_a_change_are_billed_with_it():
    group = at(on_version(started("plain", on="1-1"), LATER), "1-11")
    changed = quantity_changed(group, BASE, Decimal(2)).group
    assert lines(run(changed, "1-11")) == [("recurring", "01-01", "01-11", 968)]


def test_a_renewal_that_is_due_before_a_later_change_does_not_wait_for_it():
    group = with_row(started("plain", on="1-1"), charged_through={"fee": day("2-1")}, next_bill_on=day("2-1"))
    changed = quantity_changed(at(group, "1-10"), BASE, Decimal(2), billing=day("3-15")).group
    assert changed.lead.subscription.rework_from_on == day("3-15")
    assert lines(run(changed, "2-1")) == [("recurring", "02-01", "03-01", 1000)]


def test_days_on_a_line_of_nothing_are_billed_once_they_cost_something():
    group = at(started("pro-annual", on="1-1", quantity=Decimal(0)), "3-1")
    free = run(group, "3-1")
    assert lines(free)[1:] == [("recurring", "01-31", "01-01", 0)]
    line = Covered(
        BASE, "fee", day("1-31"), 0, InvoiceId(uuid(9)), 2, "recurring", day("2027-1-1"),
        group.lead.subscription.plan_version_id, 1, Decimal(0), Decimal(300), 0,
    )  # fmt: skip
    charged = with_row(group, charged_through=free.subscription.charged_through, next_bill_on=day("2027-1-1"))
    paid = plan_changed(charged, BASE, PlanChange("plain", quantity=Decimal(1), billing="immediate")).group
    row = paid.lead.subscription
    changed = due(Bought(row, billed(paid), (), paid.versions, "UTC", (line,)), day("3-1"), 1)
    assert [one for one in lines(changed) if one[0] == "recurring"] == [("recurring", "03-01", "04-01", 1000)]
    assert changed.subscription.charged_through["fee"] == day("4-1")


def test_a_renewal_leaves_out_the_days_that_are_on_a_line_when_the_day_that_it_follows_moved():
    group = with_row(started("plain", on="1-1"), charged_through={"fee": day("3-30")}, next_bill_on=day("3-30"))
    assert lines(run(group, "3-30", customers_day=15)) == [("recurring", "03-30", "04-15", 516)]
    assert lines(run(group, "3-30", customers_day=30)) == [("recurring", "03-30", "04-30", 1000)]


def test_days_ahead_that_are_paid_for_are_kept_when_another_day_makes_them_due_later():
    group = at(started("plain", on="1-29", bill_cycle_day=29), "1-30")
    row = with_row(group, charged_through={"fee": day("5-29")}, next_bill_on=day("5-29"), rework_from_on=day("3-1"))
    ahead = [
        Covered(
            BASE, "fee", day(start), 0, InvoiceId(uuid(9)), 1, "recurring", day(end),
            group.lead.subscription.plan_version_id, 0, Decimal(1), Decimal(10), 1000,
        )
        for start, end in [("1-29", "2-28"), ("2-28", "3-29"), ("3-29", "4-29"), ("4-29", "5-29")]
    ]  # fmt: skip
    moved = bill_day_changed(row, BASE, 1, day("2-10")).group
    bought = Bought(moved.lead.subscription, billed(moved), (), moved.versions, "UTC", tuple(ahead))
    found = due(bought, day("3-2"), 1)
    assert lines(found) == []
    assert found.subscription.charged_through == {"fee": day("5-29")}


def test_a_charge_that_is_not_per_unit_gives_the_first_day_even_of_none():
    flat = replace(recurring("7", code="support"), per_unit=False)
    sold = version(52, "flat", "basic", phase("evergreen", None, flat))
    stretches = billed(on_version(started("plain", on="1-10", quantity=Decimal(0)), sold))
    later = (replace(stretches[0], start_on=day("2-20")),)
    assert bill_day_of(later[0], stretches, (), None, "EUR") == 10


def test_a_trial_reaches_to_its_end_and_a_set_up_fee_beside_renewals_has_none():
    assert lines(run(started("basic", on="1-1"), "1-1")) == [("fixed", "01-01", "01-31", 0)]
    maintained = run(on_version(started("plain", on="1-1"), MAINTAINED), "1-1")
    assert lines(maintained) == [("fixed", "01-01", None, 60000), ("recurring", "01-01", "02-01", 20000)]
    assert maintained.subscription.charged_through_on == day("2-1")


def test_the_customer_has_its_day_as_soon_as_it_is_known():
    trial = run(started("basic", on="1-10"), "1-10", customers_day=None)
    assert trial.bill_cycle_day == 9, "the first month begins when the 30 days of the trial are over, on 9 February"
    assert run(started("pro-annual", on="1-10"), "1-10", customers_day=None).bill_cycle_day is None
    assert run(started("basic", on="1-10"), "1-10", customers_day=5).bill_cycle_day is None


def test_what_is_given_back_of_a_month_of_thirty_days_counts_thirty():
    month = Billed("a", Period(date(2023, 5, 23), date(2023, 6, 23)), 1995, fixed_months=True)
    (given_back,) = differences([], [month], date(2023, 6, 15)).superfluous
    assert given_back.amount_minor == -532, "8 of 30 days; May has 31"


def test_a_piece_that_ends_before_the_first_bill_date_is_counted_from_its_end():
    cycle = Cycle(date(2016, 5, 5), date(2016, 5, 10), NAMED["monthly"], 1, date(2016, 5, 5))
    (piece,) = pieces(cycle, date(2016, 5, 5))
    assert (piece.share.part, piece.share.whole) == (5, 30), "10 April to 10 May"
