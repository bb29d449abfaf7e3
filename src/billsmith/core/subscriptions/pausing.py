"""Pausing and resuming: a group, or one of it, for use and for billing apart.

Rule: docs/rules/pause.md
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Literal

import msgspec

from billsmith.core.facts import FactType
from billsmith.core.ids import SubscriptionId
from billsmith.core.subscriptions.days import day_in_range, start_of
from billsmith.core.subscriptions.group import Altered, Group, SubscriptionOver, begun, changed, member_of
from billsmith.core.subscriptions.stretches import billing_changes, ends_on
from billsmith.core.subscriptions.subscription import Change
from billsmith.core.subscriptions.timeline import OVER, Timeline, entitlement_changes
from billsmith.errors import Conflict, Invalid


class AlreadyPaused(Conflict):
    """It is paused on that day."""

    code = "already_paused"


class NotPaused(Conflict):
    """It is not paused on that day."""

    code = "not_paused"


class NothingPaused(Invalid):
    """A pause stops use, billing or both."""

    code = "nothing_paused"


class Pause(msgspec.Struct, frozen=True, gc=False):
    """From when, and of what. A resume is asked for in the same words."""

    on: date | None = None
    """The customer's day, past or future; None: now."""
    entitlement: bool = True
    billing: bool = True
    only: SubscriptionId | None = None
    """One of the group; None: all of it."""


def paused(group: Group, asked: Pause) -> Altered:
    """Neither used nor billed from then on; what is billed beyond is given back.

    Raises AlreadyPaused, SubscriptionOver, NothingPaused.
    """
    return _switched(group, asked, "paused")


def resumed(group: Group, asked: Pause) -> Altered:
    """Used and billed again from then on, on the same bill cycle day. Raises NotPaused, SubscriptionOver."""
    return _switched(group, asked, "resumed")


def _switched(group: Group, asked: Pause, kind: Literal["paused", "resumed"]) -> Altered:
    if not asked.entitlement and not asked.billing:
        raise NothingPaused("say what is meant: entitlement, billing or both", pointer="/billing")
    altered = begun(group)
    on = group.today if asked.on is None else day_in_range(asked.on)
    members = altered.group.members if asked.only is None else (member_of(altered.group, asked.only),)
    there = [member for member in members if not _gone(altered.group, member, on)]
    if not there:
        raise SubscriptionOver(f"there is nothing left to be {kind} on {on}")
    wanted = [(member, change) for member in there if (change := _change(altered.group, member, asked, on, kind))]
    if not wanted and kind == "paused":
        raise AlreadyPaused(f"it is paused on {on} already")
    if not wanted:
        raise NotPaused(f"it is not paused on {on}")
    for member, change in wanted:
        altered = changed(altered, member.subscription.id, change, otherwise=_otherwise(group, change))
    return altered


def _otherwise(group: Group, change: Change) -> FactType:
    later = change.entitlement_at is not None and change.entitlement_at > group.at
    return "subscription.change_scheduled" if later else "subscription.updated"


def _change(
    group: Group, timeline: Timeline, asked: Pause, on: date, kind: Literal["paused", "resumed"]
) -> Change | None:
    """What switches it, on the sides that are asked for and are not so already; None where there is none."""
    pausing = kind == "paused"
    entitlement_at: datetime | None = start_of(group, on)
    billed_from_on = max(on, timeline.subscription.starts_on)
    billing_on: date | None = billed_from_on
    if not asked.entitlement or _is_paused(_used_until(timeline, start_of(group, on))) == pausing:
        entitlement_at = None
    if not asked.billing or _is_paused(_billed_until(timeline, billed_from_on)) == pausing:
        billing_on = None
    if entitlement_at is None and billing_on is None:
        return None
    return Change(0, kind, entitlement_at, billing_on)


def _used_until(timeline: Timeline, at: datetime) -> list[Change]:
    changes = entitlement_changes(timeline)
    return [change for change in changes if change.entitlement_at is not None and change.entitlement_at <= at]


def _billed_until(timeline: Timeline, on: date) -> list[Change]:
    return [change for from_on, change in billing_changes(timeline) if from_on <= on]


def _is_paused(changes: Iterable[Change]) -> bool:
    switches = [change.kind for change in changes if change.kind in ("paused", "resumed")]
    return bool(switches) and switches[-1] == "paused"


def _gone(group: Group, timeline: Timeline, on: date) -> bool:
    """Over by that day, for use and for billing."""
    end_on = ends_on(timeline, group.versions)
    return timeline.subscription.status in OVER or (end_on is not None and end_on <= on)
