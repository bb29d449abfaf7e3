"""On which day, and at which instant, something asked for takes effect.

Rule: docs/rules/change-and-cancel.md
"""

from datetime import date, datetime

import msgspec

from billsmith.core.catalog.rules import Policy
from billsmith.core.subscriptions.group import Group
from billsmith.core.subscriptions.term import term_starts_on
from billsmith.core.subscriptions.timeline import Timeline
from billsmith.core.time_zones import EARLIEST, LATEST, local_midnight
from billsmith.errors import Invalid, Refused

When = Policy | date
"""A policy, or a local date: past, today or later."""


class NotAllowed(Refused):
    """The catalogue's rules don't allow this change or cancel."""

    code = "not_allowed_by_rules"


class DayOutOfRange(Invalid):
    """A date that no subscription can have."""

    code = "day_out_of_range"


class Effect(msgspec.Struct, frozen=True, gc=False):
    """When something takes effect, on each side."""

    entitlement_at: datetime
    billing_on: date


def effect(group: Group, timeline: Timeline, entitlement: When, billing: When) -> Effect:
    """When it takes effect on each side. Raises NotAllowed, DayOutOfRange."""
    return Effect(entitlement_at(group, timeline, entitlement), billing_on(group, timeline, billing))


def billing_on(group: Group, timeline: Timeline, when: When) -> date:
    """The day from which lines are others; never before its start. Raises NotAllowed, DayOutOfRange."""
    row = timeline.subscription
    match when:
        case "immediate":
            on = group.today
        case "end_of_term":
            on = max(row.charged_through_on or group.today, group.today)
        case "start_of_term":
            on = term_starts_on(group, timeline)
        case "illegal":
            raise NotAllowed("the catalogue's rules do not allow this")
        case _:
            on = day_in_range(when)
    return max(on, row.starts_on)


def entitlement_at(group: Group, timeline: Timeline, when: When) -> datetime:
    """The instant at which the customer may use something else: at the start of a later or earlier day, or now.

    What was used can't be taken back: at the start of the term means now. Raises NotAllowed, DayOutOfRange.
    """
    if when in ("immediate", "start_of_term"):
        return group.at
    return start_of(group, billing_on(group, timeline, when) if isinstance(when, str) else day_in_range(when))


def start_of(group: Group, on: date) -> datetime:
    """The instant at which a day begins; of today, now."""
    return group.at if on == group.today else local_midnight(on, group.zone)


def day_in_range(on: date) -> date:
    """The day itself. Raises DayOutOfRange."""
    if not EARLIEST <= on < LATEST:
        raise DayOutOfRange(f"{on} is no day between {EARLIEST} and {LATEST}")
    return on
