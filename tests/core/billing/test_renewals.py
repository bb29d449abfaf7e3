"""Three ways to the same lines: from a row, by the rules, and by comparing what should exist with what does."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.billing.due import Bought, Due, due
from billsmith.core.billing.entries import Covered
from billsmith.core.billing.renewals import Renewable, Renewed, renewed
from billsmith.core.catalog.plans import Charge, Phase
from billsmith.core.ids import InvoiceId
from billsmith.core.subscriptions.group import Group
from billsmith.core.subscriptions.subscription import Subscription
from tests.core.made import uuid
from tests.core.subscriptions.made import billed, fixed, phase, recurring, started, version

LENGTHS = ("monthly", "quarterly", "annual", "biweekly", "bimestrial", "thirty_days")
FRONTS = (phase("trial", "30d", fixed("0", "trial")), phase("discount", "2m", recurring("3.33", code="fee-0")))

charges = st.builds(
    lambda nth, price, named, timing, per_unit: replace(
        recurring(str(price), named, f"fee-{nth}"), timing=timing, per_unit=per_unit
    ),
    st.just(0),
    st.decimals(0, 1000, places=2),
    st.sampled_from(("monthly", "monthly", *LENGTHS)),
    st.sampled_from(("in_advance", "in_advance", "in_advance", "in_arrears")),
    st.booleans(),
)


@st.composite
def populations(draw: st.DrawFn) -> tuple[Group, int | None, list[date]]:
    """A subscription, the customer's day, and when runs are."""
    sold = [
        replace(charge, code=f"fee-{nth}") for nth, charge in enumerate(draw(st.lists(charges, min_size=1, max_size=3)))
    ]
    setup: list[Charge] = [fixed("7")] if draw(st.booleans()) else []
    phases: list[Phase] = [
        *draw(st.lists(st.sampled_from(FRONTS), max_size=1)),
        phase("evergreen", None, *setup, *sold),
    ]
    start = date(2026, 1, 1) + timedelta(draw(st.integers(0, 80)))
    group = started(
        "plain",
        on=f"{start.month}-{start.day}",
        quantity=Decimal(draw(st.integers(1, 30))),
        bill_cycle_day=draw(st.none() | st.integers(1, 31)),
    )
    group = replace(
        group, versions={id_: replace(version(60, "any", "basic", *phases), id=id_) for id_ in group.versions}
    )
    alignment = draw(st.sampled_from(("account", "account", "subscription", "group")))
    (member,) = group.members
    first = replace(member.changes[0], bill_alignment=alignment)
    group = replace(group, members=(replace(member, changes=(first,)),))
    steps = draw(st.lists(st.integers(0, 70), min_size=2, max_size=6))
    days, on = [], start
    for step in steps:
        on += timedelta(step)
        days.append(on)
    return group, draw(st.none() | st.integers(1, 31)), days


def said(found: Due) -> list[object]:
    return [
        (one.kind, one.charge.code, one.phase_no, one.period_start_on, one.period_end_on, one.quantity, one.unit_price,
         one.amount_minor, one.share)
        for one in found.entries
    ]  # fmt: skip


def said_plainly(found: Renewed) -> list[object]:
    return [
        ("recurring", one.charge.code, found.phase_no, one.period_start_on, one.period_end_on, one.quantity,
         one.unit_price, one.amount_minor, None)
        for one in found.renewals
    ]  # fmt: skip


def plainly(group: Group, row: Subscription, until: date, customers_day: int | None) -> Renewed | None:
    first = group.lead.changes[0]
    assert row.next_bill_on is not None
    assert first.aligned_on is not None
    assert first.bill_alignment is not None
    assert first.quantity is not None
    one = Renewable(
        row.id, group.versions[row.plan_version_id], row.currency, first.quantity, None, row.starts_on,
        first.aligned_on, first.bill_alignment, first.bill_cycle_day, False, row.billed_through_on,
        row.charged_through, row.next_bill_on,
    )  # fmt: skip
    return renewed(one, until, customers_day)


def lines_of(found: Due, nth: int) -> list[Covered]:
    return [
        Covered(
            one.subscription.id, one.charge.code, one.period_start_on, 0, InvoiceId(uuid(9000 + nth)), line_no,
            one.kind, one.period_end_on, one.plan.id, one.phase_no, one.quantity, one.unit_price, one.amount_minor,
        )
        for line_no, one in enumerate(found.entries, 1)
    ]  # fmt: skip


@given(populations())
def test_a_renewal_from_its_row_is_the_one_that_the_rules_and_the_full_comparison_give(
    population: tuple[Group, int | None, list[date]],
) -> None:
    group, day, runs = population
    row, there = group.lead.subscription, list[Covered]()
    stretches = billed(group)
    for nth, until in enumerate(runs):
        if row.next_bill_on is None or row.next_bill_on > until:
            continue
        by_rules = due(Bought(row, stretches, (), group.versions, "UTC"), until, day)
        fast = plainly(group, row, until, day)
        if fast is not None:
            assert said_plainly(fast) == said(by_rules)
            assert (fast.charged_through, fast.next_bill_on) == (
                by_rules.subscription.charged_through, by_rules.subscription.next_bill_on,
            )  # fmt: skip
            assert by_rules.bill_cycle_day is None
            again = replace(row, rework_from_on=row.next_bill_on)
            compared = due(Bought(again, stretches, (), group.versions, "UTC", tuple(there)), until, day)
            assert said(compared) == said(by_rules)
        day = by_rules.bill_cycle_day or day
        there += lines_of(by_rules, nth)
        row = by_rules.subscription


def test_the_second_month_of_a_monthly_plan_is_plain() -> None:
    group = started("plain", on="1-1")
    first = due(Bought(group.lead.subscription, billed(group), (), group.versions, "UTC"), date(2026, 1, 1), 1)
    second = plainly(group, first.subscription, date(2026, 2, 1), 1)
    assert second is not None
    assert [(str(one.period_start_on), one.amount_minor) for one in second.renewals] == [("2026-02-01", 1000)]
    assert second.next_bill_on == date(2026, 3, 1)
