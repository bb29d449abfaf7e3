"""The billed days of a timeline: sorted, disjoint, without pauses, cut where a price could change."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.subscriptions.changing import quantity_changed
from billsmith.core.subscriptions.group import Group, begun
from billsmith.core.subscriptions.pausing import Pause, paused, resumed
from billsmith.core.subscriptions.phases import phase_spans
from billsmith.core.subscriptions.stretches import ends_on, stretches
from billsmith.core.subscriptions.timeline import Timeline, live
from billsmith.core.subscriptions.undoing import undone
from tests.core.subscriptions.made import BASE, BY_ID, asked, at, billed, charged, day, newest, shown, started

START = date(2026, 1, 31)
TODAY = date(2026, 6, 15)
days = st.integers(-160, 160).map(lambda shift: TODAY + timedelta(days=shift))
asks = st.one_of(
    st.tuples(st.just("plan"), st.sampled_from(["basic", "pro", "plain", "saver", "steps"]), days),
    st.tuples(st.just("quantity"), st.integers(0, 3), days),
    st.tuples(st.just("bill_day"), st.integers(1, 31), days),
    st.tuples(st.just("pause"), st.none(), days),
    st.tuples(st.just("resume"), st.none(), days),
    st.tuples(st.just("cancel"), st.none(), days),
)


@st.composite
def groups(draw: st.DrawFn) -> Group:
    """A subscription with a random timeline, asked for on one day or on several."""
    group = started(draw(st.sampled_from(["basic", "plain", "steps", "course"])), on="1-31")
    for ask, now in draw(st.lists(st.tuples(asks, st.integers(0, 200)), max_size=8)):
        later = max(group.today, START + timedelta(days=now))
        group = asked(at(group, f"{later:%Y-%m-%d}"), ask)
    return group


def holds(timeline: Timeline, on: date) -> tuple[Any, ...] | None:
    """What is billed on a day, by going through every change anew: None where nothing is."""
    plan = aligned = quantity = prices = own_day = None
    is_paused = False
    through = timeline.subscription.starts_on
    dated = [(max(c.billing_on, through), c.position, c) for c in live(timeline) if c.billing_on is not None]
    entries = sorted(dated, key=lambda entry: entry[:2])
    for index, (from_on, _, change) in enumerate(entries):
        if from_on > on:
            break
        if change.plan_version_id is not None:
            plan, aligned, prices = BY_ID[change.plan_version_id], change.aligned_on, change.prices
        quantity = change.quantity if change.quantity is not None else quantity
        own_day = change.bill_cycle_day or own_day
        is_paused = {"paused": True, "resumed": False}.get(change.kind, is_paused)
        if change.kind == "cancelled":
            return None
        following = entries[index + 1][0] if index + 1 < len(entries) else None
        assert plan is not None
        assert aligned is not None
        over = phase_spans(plan, aligned)[-1].ends_on
        if over is not None and over <= on and (following is None or over < following):
            return None
    if plan is None or aligned is None or is_paused or on < through:
        return None
    phase = sum(1 for span in phase_spans(plan, aligned) if span.ends_on is not None and span.ends_on <= on)
    return None if phase == len(plan.phases) else (plan.id, phase, quantity, prices, own_day)


@given(groups())
def test_every_day_is_in_the_stretch_that_says_what_holds_on_it(group: Group) -> None:
    known = billed(group)
    for shift in range(-5, 420, 3):
        on = START + timedelta(days=shift)
        of_day = [one for one in known if one.start_on <= on and (one.end_on is None or on < one.end_on)]
        expected = holds(group.lead, on)
        assert len(of_day) == (0 if expected is None else 1)
        for one in of_day:
            assert (one.plan.id, one.phase_no, one.quantity, one.prices, one.own_bill_day) == expected


@given(groups())
def test_stretches_are_sorted_and_disjoint_and_inside_the_subscription(group: Group) -> None:
    known = billed(group)
    row = group.lead.subscription
    for one, other in pairwise(known):
        assert one.end_on is not None
        assert one.end_on <= other.start_on
    for one in known:
        assert row.starts_on <= one.start_on
        assert one.end_on is None or one.start_on < one.end_on
        assert row.ends_on is None or (one.end_on is not None and one.end_on <= row.ends_on)
        assert one.phase_starts_on <= one.start_on
        assert one.anchor_on <= one.start_on
        assert one.phase_ends_on is None or (one.end_on is not None and one.end_on <= one.phase_ends_on)
    assert row.ends_on == ends_on(group.lead, group.versions)


@given(groups(), days)
def test_from_a_day_on_the_same_stretches_are_given(group: Group, from_on: date) -> None:
    whole = billed(group)
    assert billed(group, from_on=from_on) == tuple(one for one in whole if one.end_on is None or one.end_on > from_on)


@given(groups(), st.lists(asks, min_size=1, max_size=3))
def test_what_is_undone_leaves_the_same_stretches_as_if_it_had_never_been_asked_for(
    group: Group, wanted: list[tuple[Any, Any, date]]
) -> None:
    # Long after, so that whatever was pending has taken effect.
    group = begun(at(group, f"{group.today + timedelta(days=400):%Y-%m-%d}")).group
    before = billed(group)
    for what, value, on in wanted:
        later = group.today + timedelta(days=1 + (on - TODAY).days % 300)
        changed = asked(group, (what, value, later))
        if changed is not group and what != "resume":
            back = undone(changed, BASE, what)
            assert billed(back.group) == before
            rows = back.group.lead.subscription, group.lead.subscription
            assert rows[0].ends_on == rows[1].ends_on
            assert rows[0].status == rows[1].status


@given(groups(), st.lists(st.sampled_from(["basic", "pro", "saver"]), min_size=1, max_size=4))
def test_of_changes_of_plan_on_one_day_the_last_counts(group: Group, plans: list[str]) -> None:
    several = group
    for plan in plans:
        several = asked(several, ("plan", plan, group.today))
    once = asked(group, ("plan", plans[-1], group.today))
    assert shown(billed(several)) == shown(billed(once))


def test_ten_years_of_changes_cost_no_more_than_their_number() -> None:
    group = started("basic", on="2016-1-1")
    for month in range(1, 120):
        on = date(2016 + month // 12, month % 12 + 1, 1)
        group = quantity_changed(at(group, f"{on:%Y-%m-%d}"), BASE, Decimal(month)).group
    last = stretches(group.lead, group.versions, from_on=date(2025, 12, 15))
    assert shown(last) == ["2025-12-01 … basic/1 × 119"]
    assert len(billed(group)) == 120


def test_a_change_on_the_last_day_of_a_pause_is_billed_from_the_resume() -> None:
    group = paused(at(started("plain", on="1-1"), "3-1"), Pause()).group
    group = quantity_changed(at(group, "3-5"), BASE, Decimal(2)).group
    group = resumed(at(group, "3-5"), Pause()).group
    assert shown(billed(group)) == ["2026-01-01 2026-03-01 plain/0 × 1", "2026-03-05 … plain/0 × 2"]


def test_stretches_do_not_change_with_the_catalogue() -> None:
    group = charged(started("plain", on="1-1"), "2-1")
    assert newest("plain", "6-1").version == 2
    assert billed(replace(group, catalog=replace(group.catalog, plans={})))[0].plan.version == 1
    assert ends_on(group.lead, group.versions) is None
    assert day("1-1") == billed(group)[0].start_on
