"""What a verb on subscriptions begins with and ends in: a group under its customer's lock, before and after.

A verb takes a group and gives an `Altered`: the group as it will be, what is to be saved, what is to be told. Where it
raises, nothing has changed.
"""

from datetime import date, datetime

import msgspec
from msgspec.structs import replace

from billsmith.core.catalog.plans import PlanVersion
from billsmith.core.catalog.rules import Catalog
from billsmith.core.customers import Customer, today_of
from billsmith.core.facts import Fact, FactType
from billsmith.core.ids import PlanVersionId, SubscriptionId, show_id
from billsmith.core.subscriptions.stretches import ends_on
from billsmith.core.subscriptions.subscription import Change, Subscription
from billsmith.core.subscriptions.timeline import (
    OVER,
    Timeline,
    facts_between,
    in_state,
    next_change_at,
    settled,
    state_at,
    subscription_fact,
)
from billsmith.errors import Conflict, NotFound


class Group(msgspec.Struct, frozen=True, gc=False):
    """A base subscription with its add-ons, or one alone; the base is the first."""

    customer: Customer
    members: tuple[Timeline, ...]
    versions: dict[PlanVersionId, PlanVersion]
    """Every version that their timelines name."""
    catalog: Catalog
    at: datetime
    """Now, by the tenant's clock."""

    @property
    def zone(self) -> str:
        """The customer's time zone, whose days are meant everywhere."""
        return self.customer.time_zone

    @property
    def today(self) -> date:
        """The customer's day."""
        return today_of(self.customer, self.at)

    @property
    def lead(self) -> Timeline:
        """The base, or the one that stands alone."""
        return self.members[0]


class Altered(msgspec.Struct, frozen=True, gc=False):
    """What a verb decided: the group as it will be, with what of it is to be saved and told."""

    group: Group
    changed_ids: frozenset[SubscriptionId] = frozenset()
    facts: tuple[Fact, ...] = ()
    added: tuple[tuple[SubscriptionId, Change], ...] = ()
    """New entries of timelines."""
    undone: tuple[tuple[SubscriptionId, Change], ...] = ()
    """Entries that are there and now are undone."""
    credit_minor: int = 0
    """A credit that is to be granted with it: what a cancel with a fixed refund gives."""

    @property
    def saved(self) -> tuple[Subscription, ...]:
        """The subscriptions that changed, as they will be."""
        rows = (member.subscription for member in self.group.members)
        return tuple(row for row in rows if row.id in self.changed_ids)


class SubscriptionNotThere(NotFound):
    """The group has no such subscription."""

    code = "subscription_not_found"


class SubscriptionOver(Conflict):
    """It is cancelled or expired, and nothing about it can change any more."""

    code = "subscription_over"


def begun(group: Group) -> Altered:
    """The group brought up to now, with what is to be told of that: what every verb begins with."""
    facts: list[Fact] = []
    members, changed_ids = [], set()
    for member in group.members:
        timeline, told = settled(member, group.versions, group.at, group.zone)
        members.append(timeline)
        facts += told
        if timeline is not member:
            changed_ids.add(member.subscription.id)
    return Altered(replace(group, members=tuple(members)), frozenset(changed_ids), tuple(facts))


def member_of(group: Group, subscription_id: SubscriptionId) -> Timeline:
    """The timeline of one of them. Raises SubscriptionNotThere."""
    for member in group.members:
        if member.subscription.id == subscription_id:
            return member
    raise SubscriptionNotThere(f"there is no subscription {show_id('subscription', subscription_id)}")


def is_pending(group: Group, change: Change) -> bool:
    """Whether it has taken effect on neither side."""
    return (change.entitlement_at is None or change.entitlement_at > group.at) and (
        change.billing_on is None or change.billing_on > group.today
    )


def not_over(timeline: Timeline) -> None:
    """Raises SubscriptionOver once it may no longer be used."""
    row = timeline.subscription
    if row.status in OVER:
        raise SubscriptionOver(f"subscription {show_id('subscription', row.id)} is {row.status}")


def changed(
    altered: Altered,
    subscription_id: SubscriptionId,
    *changes: Change,
    otherwise: FactType,
    instead: FactType | None = None,
    undo: frozenset[int] = frozenset(),
) -> Altered:
    """The group with entries added to one timeline, and others undone by their positions.

    Told is what is true now and was not before, or `instead` of that; where nothing is, `otherwise`.
    """
    group = altered.group
    timeline = member_of(group, subscription_id)
    before = state_at(timeline, group.versions, group.at, group.zone)
    last = max(change.position for change in timeline.changes)
    added = tuple(replace(change, position=last + number, made_at=group.at) for number, change in enumerate(changes, 1))
    kept = tuple(
        replace(change, undone_at=group.at) if change.position in undo else change for change in timeline.changes
    )
    undone = tuple(change for change in kept if change.position in undo)
    after = Timeline(timeline.subscription, (*kept, *added))
    now = state_at(after, group.versions, group.at, group.zone)
    row = replace(
        touched(in_state(timeline.subscription, now), *(change.billing_on for change in (*added, *undone))),
        ends_on=ends_on(after, group.versions),
        next_change_at=next_change_at(after, group.versions, group.at, group.zone),
    )
    facts = []
    for type_ in ((instead,) if instead else facts_between(before, now)) or (otherwise,):
        row = replace(row, version=row.version + 1)
        facts.append(subscription_fact(type_, row))
    after = replace(after, subscription=row)
    return replace(
        altered,
        group=replace(group, members=tuple(after if member is timeline else member for member in group.members)),
        changed_ids=altered.changed_ids | {subscription_id},
        facts=(*altered.facts, *facts),
        added=(*altered.added, *((subscription_id, change) for change in added)),
        undone=(*altered.undone, *((subscription_id, change) for change in undone)),
    )


def touched(row: Subscription, *days: date | None) -> Subscription:
    """The row, to be worked out again from the earliest of these days on, and by a run on it."""
    known = [day for day in days if day is not None]
    if not known:
        return row
    from_on = max(min(known), row.starts_on)
    return replace(
        row,
        rework_from_on=from_on if row.rework_from_on is None else min(row.rework_from_on, from_on),
        next_bill_on=from_on if row.next_bill_on is None else min(row.next_bill_on, from_on),
    )
