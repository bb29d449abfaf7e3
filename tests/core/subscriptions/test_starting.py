"""Starting: what is sold, from when, and what is refused."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from billsmith.core.catalog.rules import Case
from billsmith.core.customers import CustomerDeleted
from billsmith.core.ids import SubscriptionId
from billsmith.core.subscriptions.cancelling import Cancel, cancelled
from billsmith.core.subscriptions.group import SubscriptionOver
from billsmith.core.subscriptions.pausing import Pause, paused
from billsmith.core.subscriptions.starting import (
    AddOnNotAvailable,
    CurrencyWithoutPrice,
    NewIds,
    NewSubscription,
    PhasesOver,
    PlanNotThere,
    PlanRetired,
    SubscriptionFieldInvalid,
    SubscriptionPaused,
    created,
)
from tests.core.made import uuid
from tests.core.subscriptions.made import (
    ADD_ON,
    BASE,
    CATALOG,
    GROUP,
    PAYER,
    at,
    billed,
    catalog,
    created_at,
    day,
    noon,
    shown,
    started,
    told,
    with_add_on,
    with_row,
)


def test_started_today_it_is_used_from_now_and_billed_from_today() -> None:
    made = created_at("plain", "3-15", quantity=Decimal(3))
    (row,) = made.saved
    assert told(made) == ["created", "started"]
    assert [fact.object_version for fact in made.facts] == [1, 2]
    assert (row.status, row.phase, row.quantity, row.version) == ("active", 0, 3, 2)
    assert (row.starts_on, row.next_bill_on, row.rework_from_on) == (day("3-15"), day("3-15"), None)
    assert row.next_change_at is None
    (first,) = [change for _, change in made.added]
    assert (first.entitlement_at, first.billing_on, first.position) == (noon("3-15"), day("3-15"), 1)
    assert shown(billed(made.group)) == ["2026-03-15 … plain/0 × 3"]


def test_started_later_it_waits_and_starts_at_the_midnight_of_its_day() -> None:
    made = created_at("basic", "3-15", replace(PAYER, time_zone="Pacific/Auckland"), starts_on=day("4-10"))
    (row,) = made.saved
    assert told(made) == ["created"]
    assert (row.status, row.phase, row.next_bill_on) == ("pending", None, day("4-10"))
    assert row.next_change_at is not None
    assert row.next_change_at.isoformat() == "2026-04-09T12:00:00+00:00"


def test_started_in_the_past_it_has_its_phases_behind_it() -> None:
    made = created_at("basic", "3-15", starts_on=day("1-1"))
    assert told(made) == ["created", "started"]
    assert (made.saved[0].status, made.saved[0].phase) == ("active", 1)
    assert shown(billed(made.group)) == ["2026-01-01 2026-01-31 basic/0 × 1", "2026-01-31 … basic/1 × 1"]


def test_use_and_billing_may_begin_apart() -> None:
    made = created_at("plain", "3-15", starts_on=day("4-1"), entitled_at=noon("3-20"))
    row = made.saved[0]
    assert (row.status, row.next_change_at, row.next_bill_on) == ("pending", noon("3-20"), day("4-1"))


def test_whoever_moves_over_is_billed_from_where_the_other_system_stopped() -> None:
    made = created_at("plain", "3-15", starts_on=day("2024-1-31"), billed_through_on=day("4-1"))
    assert (made.saved[0].billed_through_on, made.saved[0].next_bill_on) == (day("4-1"), day("4-1"))


@pytest.mark.parametrize(
    ("plan", "asked", "end"),
    [
        ("plain", {"ends_after_periods": 3}, "6-15"),
        ("basic", {"ends_after_periods": 2}, "6-14"),  # the trial ends on 14 April
        ("weekly", {"ends_after_periods": 2}, "3-29"),
        ("plain", {"ends_on": day("5-5")}, "5-5"),
        ("course", {}, "6-15"),
        ("course", {"ends_after_periods": 9}, "6-15"),  # its only phase is over before
    ],
)
def test_an_end_may_be_known_from_the_start(plan: str, asked: dict[str, Any], end: str) -> None:
    made = created_at(plan, "3-15", **asked)
    assert made.saved[0].ends_on == day(end)
    assert billed(made.group)[-1].end_on == day(end)


def test_a_fixed_term_without_more_expires() -> None:
    group = started("course", on="1-31")
    assert group.lead.subscription.next_change_at is not None
    assert group.lead.subscription.next_change_at.isoformat() == "2026-04-30T00:00:00+00:00"
    assert shown(billed(group)) == ["2026-01-31 2026-04-30 course/0 × 1"]


def test_an_add_on_joins_its_base_and_counts_its_phases_from_it() -> None:
    group = with_add_on(started("pro", on="3-1", now="3-5"), "backup")
    base, add_on = group.members
    assert add_on.subscription.group_id == base.subscription.group_id
    assert add_on.subscription.product_kind == "add_on"
    assert shown(billed(group, 1)) == ["2026-03-05 2026-03-31 backup/0 × 1", "2026-03-31 … backup/1 × 1"]
    assert [stretch.phase_starts_on for stretch in billed(group, 1)] == [day("3-5"), day("3-31")]


def test_an_add_on_may_count_its_phases_from_its_own_start() -> None:
    rules = catalog(create_alignment=(Case("start_of_subscription"),))
    group = with_add_on(replace(started("pro", on="3-1", now="3-5"), catalog=rules), "backup")
    assert shown(billed(group, 1))[0] == "2026-03-05 2026-04-04 backup/0 × 1"


def test_an_add_on_of_a_base_that_starts_later_starts_with_it() -> None:
    group = with_add_on(started("pro", on="4-1", now="3-5"))
    assert group.members[1].subscription.starts_on == day("4-1")


def test_an_add_on_ends_with_its_base_even_if_that_was_to_end_before_it_came() -> None:
    group = at(cancelled(started("plain", on="1-1", now="3-5"), BASE, Cancel(billing=day("4-1"))).group, "3-10")
    assert with_add_on(group).members[1].subscription.ends_on == day("4-1")


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (NewSubscription("none"), PlanNotThere),
        (NewSubscription("plain", starts_on=day("1999-12-31")), PlanNotThere),
        (NewSubscription("old"), PlanRetired),
        (NewSubscription("plain", currency="USD"), CurrencyWithoutPrice),
        (NewSubscription("seats"), AddOnNotAvailable),
        (NewSubscription("plain", quantity=Decimal(-1)), SubscriptionFieldInvalid),
        (NewSubscription("plain", quantity=Decimal("NaN")), SubscriptionFieldInvalid),
        (NewSubscription("plain", prices={"nothing": Decimal(1)}), SubscriptionFieldInvalid),
        (NewSubscription("plain", prices={"fee": Decimal(-1)}), SubscriptionFieldInvalid),
        (NewSubscription("plain", bill_cycle_day=32), SubscriptionFieldInvalid),
        (NewSubscription("plain", ends_on=day("3-15")), SubscriptionFieldInvalid),
        (NewSubscription("plain", ends_after_periods=0), SubscriptionFieldInvalid),
        (NewSubscription("plain", ends_after_periods=1, ends_on=day("5-1")), SubscriptionFieldInvalid),
        (NewSubscription("plain", billed_through_on=day("3-1")), SubscriptionFieldInvalid),
    ],
)
def test_what_can_not_be_sold(asked: NewSubscription, error: type[Exception]) -> None:
    with pytest.raises(error):
        created(asked, PAYER, CATALOG, NewIds(BASE, GROUP), noon("3-15"))


def test_prices_of_its_own_make_up_for_those_that_the_plan_lacks() -> None:
    prices = {"fee": Decimal(9), "setup": Decimal(0)}
    made = created_at("plain", "3-15", currency="USD", prices=prices)
    assert billed(made.group)[0].prices == prices


def test_a_deleted_customer_starts_nothing() -> None:
    with pytest.raises(CustomerDeleted):
        created_at("plain", "3-15", replace(PAYER, deleted_at=noon("3-14")))


def test_where_an_add_on_can_not_join() -> None:
    group = started("plain", on="3-10")
    refused = [
        (group, "backup", {}, AddOnNotAvailable),
        (group, "pro", {}, AddOnNotAvailable),
        (group, "seats", {"starts_on": day("3-1")}, AddOnNotAvailable),
        (paused(group, Pause()).group, "seats", {}, SubscriptionPaused),
        (cancelled(group, BASE, Cancel("immediate")).group, "seats", {}, SubscriptionOver),
        (cancelled(group, BASE, Cancel(day("4-1"))).group, "seats", {"starts_on": day("4-1")}, AddOnNotAvailable),
    ]
    for base, plan, asked, error in refused:
        with pytest.raises(error):
            with_add_on(base, plan, **asked)


def test_an_add_on_whose_phases_are_over_already_is_not_sold() -> None:
    short = replace(CATALOG.plans["course"].versions[0], plan="seats", product="seats")
    plans = {**CATALOG.plans, "seats": replace(CATALOG.plans["seats"], versions=(short,))}
    group = replace(started("plain", on="1-1", now="4-1"), catalog=replace(CATALOG, plans=plans))
    with pytest.raises(PhasesOver):
        with_add_on(group)


def test_a_row_that_is_brought_up_to_now_by_the_way_is_saved_too() -> None:
    group = at(started("basic", on="1-1"), "3-1")
    made = created(
        NewSubscription("seats"), PAYER, CATALOG, NewIds(SubscriptionId(uuid(9)), GROUP), group.at, base=group
    )
    assert told(made) == ["phase_reached", "created", "started"]
    assert [row.id for row in made.saved] == [BASE, SubscriptionId(uuid(9))]
    assert ADD_ON not in made.changed_ids
    assert with_row(group, phase=1).lead.subscription.phase == 1
