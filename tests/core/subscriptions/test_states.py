"""What a subscription is at an instant, when that next changes, and that each change is told once."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.subscriptions.cancelling import Cancel, cancelled
from billsmith.core.subscriptions.group import Group, begun
from billsmith.core.subscriptions.timeline import facts_between, in_state, next_change_at, settled, state_at
from billsmith.core.time_zones import local_midnight
from tests.core.subscriptions.made import BASE, PAYER, at, created_at, day, noon, started
from tests.core.subscriptions.test_stretches import groups

INSTANTS = st.integers(-10, 500).map(lambda hours: datetime(2026, 1, 31, tzinfo=UTC) + timedelta(hours=17 * hours))


@pytest.mark.parametrize(
    ("zone", "on", "instant"),
    [
        ("UTC", "3-31", "2026-03-31T00:00"),
        ("Pacific/Auckland", "3-31", "2026-03-30T11:00"),
        ("America/New_York", "3-31", "2026-03-31T04:00"),
        ("America/Asuncion", "2024-10-6", "2024-10-06T04:00"),  # clocks went from midnight to one
        ("America/Havana", "2026-11-1", "2026-11-01T04:00"),  # midnight comes twice: the first
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00"),  # after the day that Samoa left out
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, on: str, instant: str) -> None:
    assert local_midnight(day(on), zone) == datetime.fromisoformat(instant).replace(tzinfo=UTC)


def test_a_phase_ends_at_the_customer_s_midnight() -> None:
    made = created_at("basic", "3-1", replace(PAYER, time_zone="America/New_York"))
    assert made.saved[0].next_change_at == datetime(2026, 3, 31, 4, tzinfo=UTC)
    timeline, versions = made.group.lead, made.group.versions
    before = state_at(timeline, versions, datetime(2026, 3, 31, 3, 59, tzinfo=UTC), "America/New_York")
    after = state_at(timeline, versions, datetime(2026, 3, 31, 4, tzinfo=UTC), "America/New_York")
    assert (before.status, before.phase, before.entitled) == ("trialing", 0, True)
    assert (after.status, after.phase, after.entitled) == ("active", 1, True)


def test_what_became_true_is_told_in_its_order_and_each_raises_the_version() -> None:
    group = started("steps", on="1-31", now="1-10")
    group = cancelled(group, BASE, Cancel(day("4-15"))).group
    timeline, facts = settled(group.lead, group.versions, noon("12-1"), "UTC")
    assert [(fact.type.removeprefix("subscription."), fact.object_version) for fact in facts] == [
        ("started", 3),
        ("phase_reached", 4),
        ("phase_reached", 5),
        ("cancelled", 6),
    ]
    assert [fact.object.version for fact in facts] == [3, 4, 5, 6]
    assert facts[-1].object == timeline.subscription
    assert timeline.subscription.status == "cancelled"


def test_a_term_that_is_over_expires_and_is_no_longer_entitled() -> None:
    group = started("course", on="1-31")
    timeline, facts = settled(group.lead, group.versions, noon("4-30"), "UTC")
    assert [fact.type for fact in facts] == ["subscription.expired"]
    assert timeline.subscription.status == "expired"
    assert not state_at(timeline, group.versions, noon("4-30"), "UTC").entitled
    assert timeline.subscription.next_change_at is None


@given(groups(), st.lists(INSTANTS, min_size=1, max_size=5))
def test_however_often_it_is_looked_at_the_same_is_told(group: Group, instants: list[datetime]) -> None:
    last = max(*instants, group.at)
    at_once, facts = settled(group.lead, group.versions, last, "UTC")
    stepwise, told = group.lead, []
    for instant in sorted({*(instant for instant in instants if instant >= group.at), last}):
        stepwise, more = settled(stepwise, group.versions, instant, "UTC")
        told += more
        again, nothing = settled(stepwise, group.versions, instant, "UTC")
        assert (again, nothing) == (stepwise, ())
    assert [fact.type for fact in told] == [fact.type for fact in facts]
    assert stepwise == at_once
    assert at_once.subscription == in_state(at_once.subscription, state_at(at_once, group.versions, last, "UTC"))


@given(groups(), INSTANTS)
def test_until_the_next_change_nothing_changes_and_then_something_does(group: Group, instant: datetime) -> None:
    next_at = next_change_at(group.lead, group.versions, instant, "UTC")
    now = state_at(group.lead, group.versions, instant, "UTC")
    if next_at is None:
        far = datetime(2040, 1, 1, tzinfo=UTC)
        assert state_at(group.lead, group.versions, far, "UTC") == now
    else:
        just_before = next_at - timedelta(microseconds=1)
        assert state_at(group.lead, group.versions, just_before, "UTC") == now
        assert state_at(group.lead, group.versions, next_at, "UTC") != now


@given(groups())
def test_the_row_says_when_it_next_changes(group: Group) -> None:
    group = begun(group).group
    row = group.lead.subscription
    assert row.next_change_at == next_change_at(group.lead, group.versions, group.at, "UTC")
    assert row == in_state(row, state_at(group.lead, group.versions, group.at, "UTC"))
    positions = [change.position for change in group.lead.changes]
    assert positions == list(range(1, len(positions) + 1))


def test_what_stays_the_same_is_not_told() -> None:
    group = at(started("plain", on="1-1"), "2-1")
    state = state_at(group.lead, group.versions, group.at, "UTC")
    assert facts_between(state, state) == ()
    assert date(2026, 2, 1) == group.today
