"""Ending: when, for use and for billing, and what is given back."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from billsmith.core.catalog.rules import Case
from billsmith.core.subscriptions.cancelling import Cancel, CancelRefundInvalid, cancelled
from billsmith.core.subscriptions.changing import PlanChange, bill_day_changed, plan_changed, quantity_changed
from billsmith.core.subscriptions.days import NotAllowed
from billsmith.core.subscriptions.group import SubscriptionOver
from billsmith.core.subscriptions.pausing import Pause, paused, resumed
from billsmith.core.subscriptions.timeline import settled
from billsmith.core.subscriptions.undoing import NothingToUndo, undone
from tests.core.subscriptions.made import (
    ADD_ON,
    BASE,
    PAYER,
    at,
    billed,
    catalog,
    charged,
    day,
    noon,
    shown,
    started,
    told,
    with_add_on,
)


@pytest.mark.parametrize(
    ("asked", "entitlement_ends", "billing_ends"),
    [
        (Cancel("immediate"), "2026-03-10T12:00:00+00:00", "3-10"),
        (Cancel("end_of_term"), "2026-04-01T00:00:00+00:00", "4-1"),
        (Cancel(), "2026-04-01T00:00:00+00:00", "4-1"),
        (Cancel("start_of_term"), "2026-03-10T12:00:00+00:00", "3-1"),
        (Cancel("end_of_term", "immediate"), "2026-03-10T12:00:00+00:00", "4-1"),
        (Cancel("immediate", "end_of_term"), "2026-04-01T00:00:00+00:00", "3-10"),
        (Cancel(day("3-20")), "2026-03-20T00:00:00+00:00", "3-20"),
        (Cancel(day("2-20")), "2026-02-20T00:00:00+00:00", "2-20"),
        (Cancel("immediate", refund="none"), "2026-03-10T12:00:00+00:00", "4-1"),
        (Cancel("immediate", refund="full"), "2026-03-10T12:00:00+00:00", "3-1"),
        (Cancel("immediate", refund="none", credit_minor=500), "2026-03-10T12:00:00+00:00", "4-1"),
        (Cancel(day("2025-12-1")), "2025-12-01T00:00:00+00:00", "1-1"),
    ],
)
def test_use_and_billing_end_where_policies_or_dates_say(
    asked: Cancel, entitlement_ends: str, billing_ends: str
) -> None:
    made = cancelled(charged(at(started("plain", on="1-1"), "3-10"), "4-1"), BASE, asked)
    ((_, change),) = made.added
    assert change.entitlement_at is not None
    assert (change.entitlement_at.isoformat(), change.billing_on) == (entitlement_ends, day(billing_ends))
    row = made.saved[0]
    assert (row.ends_on, row.rework_from_on, row.next_bill_on) == (day(billing_ends), day(billing_ends), day("1-1"))
    is_over = change.entitlement_at <= noon("3-10")
    assert told(made) == ["cancelled" if is_over else "cancel_scheduled"]
    assert row.status == ("cancelled" if is_over else "active")
    assert made.credit_minor == asked.credit_minor


def test_in_arrears_the_end_of_the_term_is_now() -> None:
    made = cancelled(at(started("plain", on="1-1"), "3-10"), BASE, Cancel("end_of_term"))
    assert (made.saved[0].status, made.saved[0].ends_on) == ("cancelled", day("3-10"))


@pytest.mark.parametrize(
    ("plan", "on", "now", "term"),
    [
        ("plain", "3-5", "3-20", "3-5"),  # of the first period: the start, so that nothing stays owed
        ("plain", "1-31", "3-1", "3-1"),
        ("basic", "3-1", "3-20", "3-1"),  # in a trial
        ("basic", "3-1", "4-10", "4-1"),
        ("pro-annual", "1-1", "5-10", "1-31"),
        ("weekly", "3-3", "3-20", "3-17"),
        ("plain", "5-1", "3-20", "5-1"),  # before its start
    ],
)
def test_the_start_of_the_term(plan: str, on: str, now: str, term: str) -> None:
    made = cancelled(at(started(plan, on=on, now="1-1"), now), BASE, Cancel("start_of_term"))
    assert made.saved[0].ends_on == day(term)
    assert made.saved[0].status == "cancelled"


def test_the_start_of_the_term_follows_a_day_of_its_own() -> None:
    free = replace(PAYER, bill_cycle_day=None)
    group = bill_day_changed(started("basic", on="2016-4-1", now="2016-4-4", customer=free), BASE, 15).group
    made = cancelled(at(group, "2016-5-18"), BASE, Cancel("start_of_term", "immediate"))
    assert made.saved[0].ends_on == day("2016-5-15")


def test_a_quantity_does_not_begin_a_term_but_a_resume_and_a_change_do() -> None:
    group = at(started("plain", on="1-1"), "3-10")
    changes = {
        "3-1": quantity_changed(group, BASE, Decimal(2)).group,
        "3-10": plan_changed(group, BASE, PlanChange("saver", billing="immediate")).group,
        "3-12": resumed(at(paused(group, Pause()).group, "3-12"), Pause()).group,
    }
    for term, then in changes.items():
        assert cancelled(at(then, "3-20"), BASE, Cancel("start_of_term")).saved[0].ends_on == day(term)


def test_while_it_is_paused_its_term_ended_with_the_pause() -> None:
    group = at(paused(at(started("plain", on="1-1"), "3-10"), Pause()).group, "3-20")
    assert cancelled(group, BASE, Cancel("start_of_term")).saved[0].ends_on == day("3-10")


def test_a_base_ends_with_its_add_ons_and_an_add_on_alone() -> None:
    group = at(with_add_on(started("plain", on="1-1")), "3-10")
    both = cancelled(charged(group, "4-1"), BASE, Cancel("end_of_term"))
    assert [member.subscription.ends_on for member in both.group.members] == [day("4-1"), day("4-1")]
    alone = cancelled(group, ADD_ON, Cancel("immediate"))
    assert [member.subscription.ends_on for member in alone.group.members] == [None, day("3-10")]
    late = cancelled(at(alone.group, "3-20"), BASE, Cancel("immediate"))
    assert [member.subscription.ends_on for member in late.group.members] == [day("3-20"), day("3-10")]
    assert told(late) == ["cancelled"]


def test_a_cancel_takes_the_place_of_one_that_is_pending() -> None:
    group = cancelled(charged(at(started("plain", on="1-1"), "3-10"), "4-1"), BASE, Cancel("end_of_term")).group
    later = cancelled(group, BASE, Cancel(day("5-1")))
    assert (later.saved[0].ends_on, len(later.undone)) == (day("5-1"), 1)
    sooner = cancelled(group, BASE, Cancel("immediate"))
    assert (sooner.saved[0].ends_on, sooner.saved[0].status) == (day("3-10"), "cancelled")


def test_add_ons_follow_the_cancel_that_takes_the_place_of_one_that_is_pending() -> None:
    group = charged(at(with_add_on(started("plain", on="1-1")), "3-10"), "4-1")
    first = cancelled(group, BASE, Cancel("end_of_term")).group
    later = cancelled(at(first, "3-12"), BASE, Cancel(day("5-1"))).group
    assert [member.subscription.ends_on for member in later.members] == [day("5-1"), day("5-1")]


def test_add_ons_stay_when_another_change_takes_the_place_of_one_that_would_have_ended_them() -> None:
    group = charged(at(with_add_on(started("pro", on="1-1"), "backup"), "3-10"), "4-1")
    without = plan_changed(group, BASE, PlanChange("basic", billing="end_of_term")).group
    assert without.members[1].subscription.ends_on == day("4-1")
    offered = plan_changed(at(without, "3-12"), BASE, PlanChange("pro-annual", billing=day("3-20"))).group
    assert offered.members[1].subscription.ends_on is None


def test_once_it_is_over_only_its_billing_can_end_earlier() -> None:
    group = cancelled(
        charged(at(started("plain", on="1-1"), "3-10"), "4-1"), BASE, Cancel("end_of_term", "immediate")
    ).group
    made = cancelled(at(group, "3-12"), BASE, Cancel("immediate"))
    assert (told(made), made.saved[0].ends_on) == (["updated"], day("3-12"))
    for asked in (Cancel(day("4-1")), Cancel(day("5-1"))):
        with pytest.raises(SubscriptionOver):
            cancelled(at(group, "3-12"), BASE, asked)
    with pytest.raises(SubscriptionOver):
        cancelled(at(group, "4-2"), BASE, Cancel("immediate"))


def test_a_rule_may_forbid_a_cancel() -> None:
    with pytest.raises(NotAllowed):
        cancelled(replace(started(), catalog=catalog(cancel_policy=(Case("illegal"),))), BASE, Cancel())


@pytest.mark.parametrize(
    "asked", [Cancel("immediate", credit_minor=5), Cancel("immediate", refund="none", credit_minor=-5)]
)
def test_a_fixed_amount_takes_the_place_of_every_other_refund(asked: Cancel) -> None:
    with pytest.raises(CancelRefundInvalid):
        cancelled(started(), BASE, asked)


def test_a_cancel_is_told_when_it_comes_and_only_once() -> None:
    made = cancelled(charged(at(started("basic", on="3-2"), "3-10"), "4-1"), BASE, Cancel(day("4-1")))
    timeline, facts = settled(made.group.lead, made.group.versions, noon("4-5"), "UTC")
    assert [fact.type for fact in facts] == ["subscription.cancelled"]
    assert (timeline.subscription.status, timeline.subscription.next_change_at) == ("cancelled", None)
    assert settled(timeline, made.group.versions, noon("4-9"), "UTC") == (timeline, ())


def test_until_it_takes_effect_a_cancel_can_be_undone_and_nothing_is_left_of_it() -> None:
    group = charged(at(with_add_on(started("plain", on="1-1")), "3-10"), "4-1")
    scheduled = cancelled(group, BASE, Cancel("end_of_term")).group
    made = undone(at(scheduled, "3-20"), BASE, "cancel")
    assert told(made) == ["change_undone", "change_undone"]
    for member in (0, 1):
        assert billed(made.group, member) == billed(group, member)
        assert made.group.members[member].subscription.ends_on is None
        assert made.group.members[member].subscription.next_change_at is None
    assert made.group.members[0].subscription.rework_from_on == day("4-1")
    with pytest.raises(NothingToUndo):
        undone(at(scheduled, "4-1"), BASE, "cancel")
    with pytest.raises(NothingToUndo):
        undone(group, BASE, "cancel")


def test_with_a_change_of_a_base_the_end_of_its_add_ons_is_undone() -> None:
    group = charged(at(with_add_on(started("pro", on="1-1"), "backup"), "3-10"), "4-1")
    changed = plan_changed(group, BASE, PlanChange("basic", billing="end_of_term")).group
    assert changed.members[1].subscription.ends_on == day("4-1")
    again = undone(at(changed, "3-12"), BASE, "plan").group
    assert [member.subscription.ends_on for member in again.members] == [None, None]
    assert shown(billed(again)) == shown(billed(group))
