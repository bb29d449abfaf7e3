"""Pauses: whole groups or one, for use, for billing or both."""

import pytest

from billsmith.core.subscriptions.cancelling import Cancel, cancelled
from billsmith.core.subscriptions.group import SubscriptionOver
from billsmith.core.subscriptions.pausing import AlreadyPaused, NothingPaused, NotPaused, Pause, paused, resumed
from billsmith.core.subscriptions.timeline import settled, state_at
from billsmith.core.subscriptions.undoing import undone
from tests.core.subscriptions.made import ADD_ON, BASE, at, billed, day, noon, shown, started, told, with_add_on


def test_a_pause_cuts_its_days_out_and_the_resume_begins_a_new_piece() -> None:
    group = at(started("weekly", on="1-1"), "3-4")
    stopped = paused(group, Pause())
    assert told(stopped) == ["paused"]
    assert (stopped.saved[0].status, stopped.saved[0].rework_from_on) == ("paused", day("3-4"))
    assert shown(billed(stopped.group)) == ["2026-01-01 2026-03-04 weekly/0 × 1"]
    again = resumed(at(stopped.group, "4-5"), Pause())
    assert told(again) == ["resumed"]
    first, second = billed(again.group)
    assert (first.end_on, second.start_on, second.anchor_on) == (day("3-4"), day("4-5"), day("4-5"))
    assert second.phase_starts_on == day("1-1")


def test_all_of_a_group_is_paused_or_only_one() -> None:
    group = at(with_add_on(started("plain", on="1-1")), "3-4")
    assert told(paused(group, Pause())) == ["paused", "paused"]
    one = paused(group, Pause(only=ADD_ON))
    assert [member.subscription.status for member in one.group.members] == ["active", "paused"]
    rest = paused(one.group, Pause())
    assert told(rest) == ["paused"]
    assert [member.subscription.status for member in rest.group.members] == ["paused", "paused"]


def test_use_and_billing_can_be_paused_apart() -> None:
    group = at(started("plain", on="1-1"), "3-4")
    unbilled = paused(group, Pause(entitlement=False))
    assert (told(unbilled), unbilled.saved[0].status) == (["updated"], "active")
    assert billed(unbilled.group)[-1].end_on == day("3-4")
    unused = paused(group, Pause(billing=False))
    assert (told(unused), unused.saved[0].status) == (["paused"], "paused")
    assert (unused.saved[0].rework_from_on, billed(unused.group)[-1].end_on) == (None, None)
    with pytest.raises(NothingPaused):
        paused(group, Pause(entitlement=False, billing=False))
    both = paused(unused.group, Pause())
    assert [(change.entitlement_at, change.billing_on) for _, change in both.added] == [(None, day("3-4"))]


def test_a_pause_may_lie_in_the_past_or_come_later() -> None:
    group = at(started("plain", on="1-1"), "3-16")
    past = paused(group, Pause(on=day("3-1")))
    assert told(past) == ["paused"]
    assert shown(billed(resumed(past.group, Pause()).group)) == [
        "2026-01-01 2026-03-01 plain/0 × 1",
        "2026-03-16 … plain/0 × 1",
    ]
    planned = paused(group, Pause(on=day("4-1")))
    assert told(planned) == ["change_scheduled"]
    planned = resumed(planned.group, Pause(on=day("5-1")))
    assert [stretch.start_on for stretch in billed(planned.group)] == [day("1-1"), day("5-1")]
    states = [
        state_at(planned.group.lead, planned.group.versions, noon(on), "UTC").status for on in ("3-31", "4-1", "5-1")
    ]
    assert states == ["active", "paused", "active"]
    _, facts = settled(planned.group.lead, planned.group.versions, noon("6-1"), "UTC")
    assert [fact.type for fact in facts] == ["subscription.paused", "subscription.resumed"]
    assert [fact.object_version for fact in facts] == [5, 6]
    assert shown(billed(undone(planned.group, BASE, "pause").group)) == ["2026-01-01 … plain/0 × 1"]


def test_of_pauses_and_resumes_on_one_day_the_last_counts() -> None:
    group = at(started("weekly", on="1-1"), "3-4")
    untouched = billed(group)
    for _ in range(3):
        group = paused(group, Pause()).group
        assert billed(group)[-1].end_on == day("3-4")
        group = resumed(group, Pause()).group
        assert billed(group) == untouched


def test_phases_go_on_while_it_is_paused() -> None:
    group = paused(at(started("basic", on="1-1"), "1-20"), Pause()).group
    group = resumed(at(group, "2-20"), Pause()).group
    assert shown(billed(group)) == ["2026-01-01 2026-01-20 basic/0 × 1", "2026-02-20 … basic/1 × 1"]
    assert billed(group)[-1].phase_starts_on == day("2-20")  # what is fixed in it is billed then


def test_what_is_so_already_is_refused() -> None:
    group = at(started("plain", on="1-1"), "3-4")
    with pytest.raises(NotPaused):
        resumed(group, Pause())
    with pytest.raises(AlreadyPaused):
        paused(paused(group, Pause()).group, Pause())
    with pytest.raises(SubscriptionOver):
        paused(cancelled(group, BASE, Cancel("immediate")).group, Pause())
    with pytest.raises(SubscriptionOver):
        paused(cancelled(group, BASE, Cancel(day("4-1"))).group, Pause(on=day("4-1")))


def test_a_pause_before_the_start_ends_before_it_for_billing_too() -> None:
    group = started("plain", on="2-1", now="1-10")
    stopped = paused(group, Pause()).group
    assert shown(billed(stopped)) == []
    assert shown(billed(resumed(at(stopped, "1-20"), Pause()).group)) == ["2026-02-01 … plain/0 × 1"]
