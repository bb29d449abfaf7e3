"""A subscription with its timeline, and what it is at an instant.

Rule: docs/rules/phases.md, docs/rules/change-and-cancel.md, docs/rules/pause.md
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby

import msgspec
from msgspec.structs import replace

from billsmith.core.catalog.plans import PlanVersion
from billsmith.core.facts import Fact, FactType
from billsmith.core.ids import PlanVersionId
from billsmith.core.subscriptions.phases import phase_on, phase_spans
from billsmith.core.subscriptions.subscription import Change, Subscription, SubscriptionStatus
from billsmith.core.time_zones import local_day, local_midnight

Versions = Mapping[PlanVersionId, PlanVersion]
"""Every version that a timeline names."""

ENDINGS = frozenset({"cancelled", "transferred"})
OVER = frozenset({"cancelled", "expired"})
ENTITLED = frozenset({"trialing", "active"})


class Timeline(msgspec.Struct, frozen=True, gc=False):
    """A subscription and its changes, in the order of their positions; undone ones may be among them."""

    subscription: Subscription
    changes: tuple[Change, ...]


class State(msgspec.Struct, frozen=True, gc=False):
    """What a subscription is at an instant, as far as its customer may use it. Billing has times of its own."""

    status: SubscriptionStatus
    plan_version_id: PlanVersionId
    aligned_on: date
    plan_since: int
    """The position of the change that set the plan: a change to the same plan is one too."""
    phase: int | None
    """None before the start."""
    quantity: Decimal
    paused: bool = False

    @property
    def entitled(self) -> bool:
        """Whether the customer may use it."""
        return self.status in ENTITLED


class Moment(msgspec.Struct, frozen=True, gc=False):
    """An instant at which a state begins."""

    at: datetime
    state: State


def versions_named(timelines: Iterable[Timeline]) -> set[PlanVersionId]:
    """Every plan version that timelines name."""
    named: set[PlanVersionId] = set()
    for timeline in timelines:
        named.add(timeline.subscription.plan_version_id)
        named.update(change.plan_version_id for change in timeline.changes if change.plan_version_id is not None)
    return named


def live(timeline: Timeline) -> tuple[Change, ...]:
    """The changes that were not undone."""
    return tuple(change for change in timeline.changes if change.undone_at is None)


def entitlement_changes(timeline: Timeline) -> list[Change]:
    """The live changes that use knows, in the order in which they take effect."""
    return sorted(
        (change for change in live(timeline) if change.entitlement_at is not None),
        key=lambda change: (change.entitlement_at, change.position),
    )


def moments(timeline: Timeline, versions: Versions, zone: str) -> tuple[Moment, ...]:
    """Every instant at which its state may become another, in order, up to its end; before the first it is pending."""
    found: list[Moment] = []
    walk = _before_start(timeline)
    dated = [
        (at, list(together))
        for at, together in groupby(entitlement_changes(timeline), key=lambda change: change.entitlement_at)
    ]
    for index, (at, changes) in enumerate(dated):
        assert at is not None
        for change in changes:
            walk = _walked(walk, change)
        until = dated[index + 1][0] if index + 1 < len(dated) else None
        found.append(Moment(at, _state(walk, versions, local_day(at, zone))))
        found += _phases_reached(walk, versions, zone, at, until)
        if found[-1].state.status in OVER:
            break
    return tuple(found)


def state_at(timeline: Timeline, versions: Versions, at: datetime, zone: str) -> State:
    """What it is at an instant."""
    state = _state(_before_start(timeline), versions, date.min)
    for moment in moments(timeline, versions, zone):
        if moment.at > at:
            break
        state = moment.state
    return state


def next_change_at(timeline: Timeline, versions: Versions, at: datetime, zone: str) -> datetime | None:
    """When its status, plan, phase or quantity next becomes another by itself; None: it stays as it is."""
    state = _state(_before_start(timeline), versions, date.min)
    for moment in moments(timeline, versions, zone):
        if moment.at > at and moment.state != state:
            return moment.at
        state = moment.state
    return None


def settled(timeline: Timeline, versions: Versions, at: datetime, zone: str) -> tuple[Timeline, tuple[Fact, ...]]:
    """The timeline with its subscription brought up to an instant, and what became true since it was last.

    Asked again at the same instant it tells nothing.
    """
    row = timeline.subscription
    if row.next_change_at is None or row.next_change_at > at:
        return timeline, ()
    facts: list[Fact] = []
    before = _state(_before_start(timeline), versions, date.min)
    for moment in moments(timeline, versions, zone):
        if moment.at > at:
            break
        if moment.at >= row.next_change_at:
            for type_ in facts_between(before, moment.state):
                row = replace(in_state(row, moment.state), version=row.version + 1)
                facts.append(subscription_fact(type_, row))
        before = moment.state
    row = replace(row, next_change_at=next_change_at(timeline, versions, at, zone))
    facts = [*facts[:-1], replace(facts[-1], object=row)] if facts else []
    return replace(timeline, subscription=row), tuple(facts)


def facts_between(before: State, now: State) -> tuple[FactType, ...]:
    """What is told of a state that became another."""
    if now.status in OVER:
        ended: FactType = "subscription.cancelled" if now.status == "cancelled" else "subscription.expired"
        return () if before.status in OVER else (ended,)
    if before.status == "pending" and now.status != "pending":
        return ("subscription.started",)
    told: list[FactType] = []
    if before.plan_since != now.plan_since:
        told.append("subscription.changed")
    else:
        if before.phase != now.phase:
            told.append("subscription.phase_reached")
        if before.quantity != now.quantity:
            told.append("subscription.quantity_changed")
    if before.paused != now.paused:
        told.append("subscription.paused" if now.paused else "subscription.resumed")
    return tuple(told)


def in_state(row: Subscription, state: State) -> Subscription:
    """The subscription's row, saying what a state says."""
    return replace(
        row,
        status=state.status,
        plan_version_id=state.plan_version_id,
        phase=state.phase,
        quantity=state.quantity,
    )


def subscription_fact(type_: FactType, row: Subscription) -> Fact:
    """A fact about a subscription as it is now."""
    return Fact(type_, row.id, row.version, row, row.customer_id)


class _Walk(msgspec.Struct, frozen=True, gc=False):
    """What the changes up to an instant say of entitlement."""

    plan_version_id: PlanVersionId
    aligned_on: date
    plan_since: int
    quantity: Decimal
    started: bool = False
    paused: bool = False
    ended: bool = False


def _before_start(timeline: Timeline) -> _Walk:
    created = timeline.changes[0]
    assert created.plan_version_id is not None
    assert created.aligned_on is not None
    assert created.quantity is not None
    return _Walk(created.plan_version_id, created.aligned_on, created.position, created.quantity)


def _walked(walk: _Walk, change: Change) -> _Walk:
    match change.kind:
        case "created":
            return replace(walk, started=True)
        case "plan_changed":
            assert change.plan_version_id is not None
            assert change.aligned_on is not None
            return replace(
                walk,
                plan_version_id=change.plan_version_id,
                aligned_on=change.aligned_on,
                plan_since=change.position,
                quantity=walk.quantity if change.quantity is None else change.quantity,
            )
        case "quantity_changed":
            assert change.quantity is not None
            return replace(walk, quantity=change.quantity)
        case "paused" | "resumed":
            return replace(walk, paused=change.kind == "paused")
        case "cancelled" | "transferred":
            return replace(walk, ended=True)
    return walk


def _state(walk: _Walk, versions: Versions, on: date) -> State:
    span = phase_on(versions[walk.plan_version_id], walk.aligned_on, on)
    status: SubscriptionStatus
    if walk.ended:
        status = "cancelled"
    elif not walk.started:
        status = "pending"
    elif span is None:
        status = "expired"
    elif walk.paused:
        status = "paused"
    else:
        status = "trialing" if span.phase.kind == "trial" else "active"
    return State(
        status=status,
        plan_version_id=walk.plan_version_id,
        aligned_on=walk.aligned_on,
        plan_since=walk.plan_since,
        phase=span.phase_no if walk.started and span else None,
        quantity=walk.quantity,
        paused=walk.paused and walk.started,
    )


def _phases_reached(
    walk: _Walk, versions: Versions, zone: str, after: datetime, until: datetime | None
) -> Iterator[Moment]:
    """The ends of phases between two instants, while the terms stay as they are."""
    if walk.ended or not walk.started:
        return
    for span in phase_spans(versions[walk.plan_version_id], walk.aligned_on):
        if span.ends_on is None:
            return
        at = local_midnight(span.ends_on, zone)
        if after < at and (until is None or at < until):
            yield Moment(at, _state(walk, versions, span.ends_on))
