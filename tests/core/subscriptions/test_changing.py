"""Another plan, quantity or bill day: when it takes effect, and what it takes with it."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from billsmith.core.catalog.plans import Plan
from billsmith.core.catalog.rules import Case, PhaseAlignment, Side
from billsmith.core.subscriptions.cancelling import Cancel, cancelled
from billsmith.core.subscriptions.changing import (
    ChangeAfterEnd,
    PlanChange,
    ProductKindDiffers,
    bill_day_changed,
    moved_to_version,
    plan_changed,
    quantity_changed,
)
from billsmith.core.subscriptions.days import DayOutOfRange, NotAllowed
from billsmith.core.subscriptions.group import Group, SubscriptionNotThere, SubscriptionOver
from billsmith.core.subscriptions.pausing import Pause, paused
from billsmith.core.subscriptions.starting import (
    AddOnNotAvailable,
    CurrencyWithoutPrice,
    PhasesOver,
    PlanNotClear,
    PlanNotThere,
    PlanRetired,
    SubscriptionFieldInvalid,
    SubscriptionPaused,
)
from billsmith.core.subscriptions.timeline import settled
from billsmith.core.time_zones import LATEST
from tests.core.subscriptions.made import (
    ADD_ON,
    BASE,
    VERSIONS,
    at,
    billed,
    catalog,
    charged,
    day,
    newest,
    noon,
    shown,
    started,
    told,
    with_add_on,
    with_row,
)


def test_in_a_trial_the_rules_say_now_and_the_phases_go_on_from_the_start() -> None:
    made = plan_changed(at(started("basic", on="3-1"), "3-10"), BASE, PlanChange("pro"))
    row = made.saved[0]
    assert told(made) == ["changed"]
    assert (row.status, row.rework_from_on, row.next_bill_on) == ("trialing", day("3-10"), day("3-1"))
    assert row.plan_version_id == newest("pro", "3-10").id
    assert shown(billed(made.group)) == [
        "2026-03-01 2026-03-10 basic/0 × 1",
        "2026-03-10 2026-03-31 pro/0 × 1",
        "2026-03-31 … pro/1 × 1",
    ]


def test_after_it_they_say_at_the_end_of_what_is_charged() -> None:
    group = charged(at(started("basic", on="1-1"), "3-10"), "4-1")
    made = plan_changed(group, BASE, PlanChange("pro"))
    assert told(made) == ["phase_reached", "change_scheduled"]
    assert made.saved[0].next_change_at is not None
    assert made.saved[0].next_change_at.isoformat() == "2026-04-01T00:00:00+00:00"
    assert made.saved[0].plan_version_id == newest("basic", "3-10").id
    timeline, facts = settled(made.group.lead, made.group.versions, noon("4-1"), "UTC")
    assert [fact.type for fact in facts] == ["subscription.changed"]
    assert timeline.subscription.plan_version_id == newest("pro", "4-1").id


def test_with_nothing_charged_ahead_the_end_of_the_term_is_now() -> None:
    made = plan_changed(at(started("plain", on="1-1"), "3-10"), BASE, PlanChange("pro", billing="end_of_term"))
    assert [change.billing_on for _, change in made.added] == [day("3-10")]


def test_use_may_change_before_billing_does() -> None:
    group = charged(at(started("plain", on="1-1"), "3-10"), "4-1")
    made = plan_changed(group, BASE, PlanChange("pro", billing="end_of_term", entitlement="immediate"))
    assert told(made) == ["changed"]
    ((_, change),) = made.added
    assert (change.entitlement_at, change.billing_on) == (noon("3-10"), day("4-1"))


@pytest.mark.parametrize(
    ("alignment", "first"),
    [
        ("start_of_subscription", "2026-01-15 2026-01-31 pro/0 × 1"),
        ("start_of_group", "2026-01-15 2026-01-31 pro/0 × 1"),
        ("change_of_plan", "2026-01-15 2026-02-14 pro/0 × 1"),
        ("current_phase", "2026-01-15 … pro/1 × 1"),
    ],
)
def test_the_phases_of_the_new_plan_are_counted_as_the_alignment_says(alignment: PhaseAlignment, first: str) -> None:
    group = at(started("plain", on="1-1"), "1-15")
    asked = PlanChange("pro", billing="immediate", alignment=alignment)
    assert shown(billed(plan_changed(group, BASE, asked).group))[1] == first


def test_an_add_on_may_go_on_from_its_own_start_or_the_group_s() -> None:
    group = at(with_add_on(started("pro", on="8-1", now="8-5"), "backup"), "8-15")
    ends: dict[PhaseAlignment, str] = {
        "start_of_group": "8-31",
        "start_of_subscription": "9-4",
        "change_of_plan": "9-14",
    }
    for alignment, end in ends.items():
        asked = PlanChange("backup", billing="immediate", alignment=alignment)
        assert billed(plan_changed(group, ADD_ON, asked).group, 1)[-2].end_on == day(end)


def test_the_version_is_the_one_that_is_sold_on_the_day_of_the_change() -> None:
    group = at(started("basic", on="1-1"), "5-20")
    for on, number in [("5-31", 1), ("6-1", 2)]:
        made = plan_changed(group, BASE, PlanChange("plain", billing=day(on)))
        assert billed(made.group)[-1].plan.version == number


def test_other_prices_on_the_same_plan_begin_no_phase_anew() -> None:
    group = at(started("plain", on="1-1"), "3-10")
    made = plan_changed(group, BASE, PlanChange("plain", prices={"fee": Decimal(7)}, billing="immediate"))
    assert told(made) == ["changed"]
    before, after = billed(made.group)
    assert (before.prices, after.prices) == (None, {"fee": 7})
    assert after.phase_starts_on == before.phase_starts_on == day("1-1")
    assert plan_changed(group, BASE, PlanChange("basic", billing="immediate", alignment="change_of_plan")).group


def test_another_plan_begins_its_phase_on_its_day() -> None:
    made = plan_changed(at(started("plain", on="1-1"), "3-10"), BASE, PlanChange("saver", billing="immediate"))
    assert billed(made.group)[-1].phase_starts_on == day("3-10")
    assert billed(made.group)[-1].anchor_on == day("3-10")


def test_of_changes_on_one_day_the_last_counts() -> None:
    group = at(started("plain", on="1-1"), "3-10")
    for plan in ("basic", "pro", "saver"):
        group = plan_changed(group, BASE, PlanChange(plan, billing="immediate")).group
    assert shown(billed(group)) == ["2026-01-01 2026-03-10 plain/0 × 1", "2026-03-10 … saver/1 × 1"]


def test_a_change_takes_the_place_of_those_that_are_pending_for_its_day_or_later() -> None:
    group = charged(at(started("plain", on="1-1"), "3-10"), "4-1")
    group = plan_changed(group, BASE, PlanChange("pro", billing="end_of_term")).group
    made = plan_changed(group, BASE, PlanChange("saver", billing="immediate"))
    assert [change.billing_on for _, change in made.undone] == [day("4-1")]
    assert shown(billed(made.group))[-1] == "2026-03-10 … saver/1 × 1"


def test_what_took_effect_for_use_stays_when_its_billing_is_replaced() -> None:
    group = charged(at(started("plain", on="1-1"), "3-10"), "4-1")
    group = plan_changed(group, BASE, PlanChange("pro", billing="end_of_term", entitlement="immediate")).group
    made = plan_changed(at(group, "3-12"), BASE, PlanChange("saver", billing="end_of_term"))
    assert made.saved[0].plan_version_id == newest("pro", "3-12").id
    assert shown(billed(made.group)) == ["2026-01-01 2026-04-01 plain/0 × 1", "2026-04-01 … saver/1 × 1"]


def test_a_change_in_the_past_holds_until_the_next_one() -> None:
    group = plan_changed(at(started("plain", on="1-1"), "3-20"), BASE, PlanChange("pro", billing="immediate")).group
    made = plan_changed(group, BASE, PlanChange("saver", billing=day("2-10")))
    assert made.saved[0].rework_from_on == day("2-10")
    assert shown(billed(made.group)) == [
        "2026-01-01 2026-02-10 plain/0 × 1",
        "2026-02-10 2026-03-20 saver/1 × 1",
        "2026-03-20 … pro/1 × 1",
    ]


def test_before_its_start_a_change_holds_from_the_start() -> None:
    group = at(started("basic", on="5-1", now="3-10"), "3-11")
    made = plan_changed(group, BASE, PlanChange("plain", billing="immediate"))
    assert made.saved[0].status == "pending"
    assert shown(billed(made.group)) == ["2026-05-01 … plain/0 × 1"]


def test_a_fixed_term_may_be_followed_by_another_plan_on_its_last_day() -> None:
    group = at(started("course", on="1-1"), "3-10")
    made = plan_changed(group, BASE, PlanChange("course-go-on", billing=day("4-1")))
    assert shown(billed(made.group)) == ["2026-01-01 2026-04-01 course/0 × 1", "2026-04-01 … course-go-on/0 × 1"]
    assert made.saved[0].ends_on is None
    timeline, facts = settled(made.group.lead, made.group.versions, noon("4-2"), "UTC")
    assert (timeline.subscription.status, [fact.type for fact in facts]) == ("active", ["subscription.changed"])


def test_a_base_takes_with_it_the_add_ons_that_its_new_product_lacks() -> None:
    group = charged(at(with_add_on(started("pro", on="1-1"), "backup"), "3-10"), "4-1")
    for plan, end in [("basic", day("4-1")), ("pro-annual", None)]:
        made = plan_changed(group, BASE, PlanChange(plan, billing="end_of_term"))
        assert made.group.members[1].subscription.ends_on == end


def test_what_can_not_be_changed_to() -> None:
    group = at(with_add_on(started("plain", on="3-1")), "3-10")
    refused = [
        (group, BASE, PlanChange("old"), PlanRetired),
        (group, BASE, PlanChange("none"), PlanNotThere),
        (group, BASE, PlanChange("course", billing="immediate"), ProductKindDiffers),
        (group, BASE, PlanChange("pro", billing="illegal"), NotAllowed),
        (group, BASE, PlanChange("pro", billing="immediate", quantity=Decimal(-2)), SubscriptionFieldInvalid),
        (group, BASE, PlanChange("pro", billing=LATEST), DayOutOfRange),
        (group, ADD_ON, PlanChange("backup", billing="immediate"), AddOnNotAvailable),
        (with_row(group, currency="USD"), BASE, PlanChange("pro", billing="immediate"), CurrencyWithoutPrice),
        (paused(group, Pause()).group, BASE, PlanChange("pro"), SubscriptionPaused),
        (cancelled(group, BASE, Cancel("immediate")).group, BASE, PlanChange("pro"), SubscriptionOver),
        (cancelled(group, BASE, Cancel(day("4-1"))).group, BASE, PlanChange("pro", billing=day("4-1")), ChangeAfterEnd),
    ]
    for before, subscription_id, asked, error in refused:
        with pytest.raises(error):
            plan_changed(before, subscription_id, asked)
    with pytest.raises(SubscriptionNotThere):
        plan_changed(started(), ADD_ON, PlanChange("pro"))


def test_a_rule_may_forbid_a_change() -> None:
    rules = catalog(change_policy=(Case("illegal"),))
    with pytest.raises(NotAllowed):
        plan_changed(replace(started(), catalog=rules), BASE, PlanChange("pro"))


def test_a_plan_whose_phases_would_be_over_is_not_changed_to() -> None:
    with pytest.raises(PhasesOver):
        plan_changed(at(started("course-go-on", on="1-1"), "5-1"), BASE, PlanChange("course", billing="immediate"))


def test_whoever_is_on_a_retired_plan_may_stay_on_it_at_other_prices() -> None:
    group = started("plain", on="3-1")
    plans = {**group.catalog.plans, "plain": replace(group.catalog.plans["plain"], retired_at=noon("3-2"))}
    group = at(replace(group, catalog=replace(group.catalog, plans=plans)), "3-10")
    assert told(plan_changed(group, BASE, PlanChange("plain", prices={"fee": Decimal(1)}, billing="immediate")))


def test_a_move_to_a_newer_version_goes_on_where_it_is() -> None:
    group = quantity_changed(at(started("plain", on="1-1"), "2-1"), BASE, Decimal(4)).group
    group = charged(at(group, "6-10"), "7-1")
    made = moved_to_version(group, BASE, VERSIONS[10], "end_of_term", {"fee": Decimal(8)})
    last = billed(made.group)[-1]
    assert (last.start_on, last.plan.version, last.quantity, last.prices) == (day("7-1"), 2, 4, {"fee": 8})
    assert (last.phase_starts_on, last.anchor_on) == (day("1-1"), day("1-1"))


def test_a_quantity_holds_from_its_day_and_cuts_no_phase() -> None:
    group = at(started("weekly", on="1-1"), "3-10")
    made = quantity_changed(group, BASE, Decimal(5))
    assert told(made) == ["quantity_changed"]
    assert made.saved[0].quantity == 5
    assert shown(billed(made.group)) == ["2026-01-01 2026-03-10 weekly/0 × 1", "2026-03-10 … weekly/0 × 5"]
    assert {(one.phase_starts_on, one.anchor_on) for one in billed(made.group)} == {(day("1-1"), day("1-1"))}


def test_a_quantity_of_later_is_told_when_it_comes() -> None:
    made = quantity_changed(at(started("plain", on="1-1"), "3-10"), BASE, Decimal(5), day("4-1"))
    assert told(made) == ["change_scheduled"]
    assert made.saved[0].quantity == 1
    _, facts = settled(made.group.lead, made.group.versions, noon("4-1"), "UTC")
    assert [(fact.type, fact.object.quantity, fact.object_version) for fact in facts] == [
        ("subscription.quantity_changed", 5, 4)
    ]


@pytest.mark.parametrize(
    ("own_day", "from_on", "effective"),
    [(15, None, "3-15"), (10, None, "3-10"), (9, None, "4-9"), (31, None, "3-31"), (31, "4-5", "4-30")],
)
def test_a_bill_day_of_its_own_counts_from_its_next_occurrence(
    own_day: int, from_on: str | None, effective: str
) -> None:
    group = at(started("plain", on="1-1"), "3-10")
    made = bill_day_changed(group, BASE, own_day, None if from_on is None else day(from_on))
    assert told(made) == ["updated"]
    before, after = billed(made.group)
    assert (before.own_bill_day, after.own_bill_day, after.start_on) == (None, own_day, day(effective))


def test_add_ons_on_their_base_s_day_go_with_it() -> None:
    group = at(with_add_on(started("plain", on="1-1")), "3-10")
    made = bill_day_changed(group, BASE, 15)
    assert [stretch.own_bill_day for stretch in billed(made.group, 1)] == [None, 15]
    alone = bill_day_changed(group, ADD_ON, 20)
    assert [stretch.own_bill_day for stretch in billed(alone.group, 0)] == [None]


def test_a_bill_day_is_a_day_of_a_month() -> None:
    for wrong in (0, 32):
        with pytest.raises(SubscriptionFieldInvalid):
            bill_day_changed(started(), BASE, wrong)


def priced_apart(group: Group, *, then: str) -> Group:
    """Its catalogue, where the savers' plan is in a price list of its own; and what the rules say of the list."""
    found = catalog(price_list=(Case(then, of=Side(product="basic")),))
    (saver,) = found.plans["saver"].versions
    plans = found.plans | {"saver": Plan("saver", (replace(saver, price_list="promo"),))}
    return replace(group, catalog=replace(found, plans=plans))


@pytest.mark.parametrize(("price_list", "plan"), [("default", "pro"), ("promo", "saver")])
def test_a_product_alone_means_its_plan_in_the_price_list_of_the_rules(price_list: str, plan: str) -> None:
    group = priced_apart(at(started("plain", on="1-1"), "3-10"), then=price_list)
    made = plan_changed(group, BASE, PlanChange(product="pro", billing="immediate"))
    assert made.saved[0].plan_version_id == newest(plan, "3-10").id
    assert made == plan_changed(group, BASE, PlanChange(plan, billing="immediate"))


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        (PlanChange(product="pro"), "/product"),  # pro and saver are both monthly and in the default list
        (PlanChange(product="letter"), "/product"),  # billed weekly only
        (PlanChange(product="gone"), "/product"),
        (PlanChange(product="seats", plan="seats"), "/plan"),
        (PlanChange(), "/plan"),
    ],
)
def test_a_product_that_could_mean_none_or_several_plans_is_refused(asked: PlanChange, pointer: str) -> None:
    with pytest.raises(PlanNotClear) as refused:
        plan_changed(at(started("plain", on="1-1"), "3-10"), BASE, asked)
    assert [error.pointer for error in refused.value.errors] == [pointer]
