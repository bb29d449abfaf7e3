"""A timeline in words: what was asked for, and what came or comes of it by itself."""

from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from billsmith.actions.subscriptions.objects import TimelineEntryObject
from billsmith.core.catalog.plans import PlanVersion
from billsmith.core.subscriptions.subscription import Change
from billsmith.core.subscriptions.timeline import Moment, State, Timeline, Versions, moments
from billsmith.core.time_zones import local_midnight

_ALONE = {
    "paused": "is paused",
    "resumed": "is resumed",
    "cancelled": "ends",
    "transferred": "goes to another customer",
}


def told(timeline: Timeline, versions: Versions, at: datetime, zone: str) -> list[TimelineEntryObject]:
    """Every entry by the instant at which it takes effect, those undone among them; of one instant as asked for."""
    entries = [
        (_effective_at(change, zone), change.position, _asked(change, versions, at, zone))
        for change in timeline.changes
    ]
    last = len(entries) + 1
    known = moments(timeline, versions, zone)
    for before, moment in pairwise(known):
        if (entry := _by_itself(before.state, moment, versions, at)) is not None:
            entries.append((moment.at, last, entry))
    return [entry for _, _, entry in sorted(entries, key=lambda entry: entry[:2])]


def _asked(change: Change, versions: Versions, at: datetime, zone: str) -> TimelineEntryObject:
    return TimelineEntryObject(
        position=change.position,
        kind=change.kind,
        words=_words(change, versions) + _side(change),
        entitlement_at=change.entitlement_at,
        billing_on=change.billing_on,
        effective=change.undone_at is None and _effective_at(change, zone) <= at,
        made_at=change.made_at,
        undone_at=change.undone_at,
    )


def _by_itself(before: State, moment: Moment, versions: Versions, at: datetime) -> TimelineEntryObject | None:
    """A phase that is reached while nothing else changes, or the end of the last one."""
    state = moment.state
    kind: Literal["phase_reached", "expired"]
    if state.status == "expired":
        kind, words = "expired", "the last phase is over"
    elif state.plan_since == before.plan_since and state.phase != before.phase and state.phase is not None:
        phase = versions[state.plan_version_id].phases[state.phase]
        kind, words = "phase_reached", f"the phase {phase.kind.replace('_', ' ')} begins"
    else:
        return None
    return TimelineEntryObject(
        position=None,
        kind=kind,
        words=words,
        entitlement_at=moment.at,
        billing_on=None,
        effective=moment.at <= at,
        made_at=None,
        undone_at=None,
    )


def _words(change: Change, versions: Versions) -> str:
    quantity = "" if change.quantity is None else f", quantity {_plain(change.quantity)}"
    match change.kind:
        case "created":
            return f"begins on {_plan(change, versions)}{quantity}"
        case "plan_changed":
            return f"goes on with {_plan(change, versions)}{quantity}"
        case "quantity_changed":
            return f"goes on with{quantity.removeprefix(',')}"
        case "bill_day_changed":
            return f"is billed on day {change.bill_cycle_day} of the month"
        case _:
            return _ALONE[change.kind]


def _plan(change: Change, versions: Versions) -> str:
    assert change.plan_version_id is not None
    version: PlanVersion = versions[change.plan_version_id]
    own = " at prices of its own" if change.prices else ""
    return f"{version.name} ({version.plan}, version {version.version}){own}"


def _side(change: Change) -> str:
    """Which side alone is meant; a bill cycle day is never a matter of use."""
    if change.kind == "bill_day_changed" or (change.entitlement_at is not None and change.billing_on is not None):
        return ""
    return ", for billing only" if change.entitlement_at is None else ", for use only"


def _effective_at(change: Change, zone: str) -> datetime:
    """When it first changes anything."""
    sides = [change.entitlement_at] if change.entitlement_at is not None else []
    if change.billing_on is not None:
        sides.append(local_midnight(change.billing_on, zone))
    return min(sides)


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
