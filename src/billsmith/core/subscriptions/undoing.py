"""Taking back what is pending: a cancel, a change, a pause, until it takes effect.

Rule: docs/rules/change-and-cancel.md
"""

from typing import Literal

from billsmith.core.ids import SubscriptionId
from billsmith.core.subscriptions.group import Altered, Group, begun, changed, is_pending, member_of
from billsmith.core.subscriptions.subscription import Change, ChangeKind
from billsmith.core.subscriptions.timeline import Timeline, live
from billsmith.errors import Conflict

Undoable = Literal["cancel", "plan", "quantity", "bill_day", "pause"]

_KINDS: dict[Undoable, tuple[ChangeKind, ...]] = {
    "cancel": ("cancelled",),
    "plan": ("plan_changed",),
    "quantity": ("quantity_changed",),
    "bill_day": ("bill_day_changed",),
    "pause": ("paused", "resumed"),
}


class NothingToUndo(Conflict):
    """Nothing of that kind is pending: it took effect, or was never asked for."""

    code = "nothing_to_undo"


def undone(group: Group, subscription_id: SubscriptionId, what: Undoable) -> Altered:
    """As if it had not been asked for; of a base, with what it brought about for its add-ons.

    Raises NothingToUndo.
    """
    altered = begun(group)
    timeline = member_of(altered.group, subscription_id)
    gone = [change for change in _pending(altered.group, timeline) if change.kind in _KINDS[what]]
    if not gone:
        raise NothingToUndo(f"no {what.replace('_', ' ')} is pending; what took effect stays")
    return with_what_came_along(_taken_back(altered, timeline, gone))


def with_what_came_along(altered: Altered) -> Altered:
    """Entries of the base that were undone take with them what they brought about for its add-ons."""
    base, *add_ons = altered.group.members
    gone = [change for id_, change in altered.undone if id_ == base.subscription.id]
    for member in add_ons:
        along = [change for change in _pending(altered.group, member) if _came_with(change, gone, member)]
        if along:
            altered = _taken_back(altered, member, along)
    return altered


def _taken_back(altered: Altered, timeline: Timeline, gone: list[Change]) -> Altered:
    return changed(
        altered,
        timeline.subscription.id,
        otherwise="subscription.change_undone",
        undo=frozenset(change.position for change in gone),
    )


def _pending(group: Group, timeline: Timeline) -> list[Change]:
    """Entries that are pending; the first, its creation, is none that can be taken back."""
    return [change for change in live(timeline)[1:] if is_pending(group, change)]


def _came_with(change: Change, gone: list[Change], member: Timeline) -> bool:
    """Whether an add-on's entry was made together with one of its base, for the same times or, if later, its start."""
    starts_on = member.subscription.starts_on
    return any(
        change.made_at == other.made_at
        and change.entitlement_at == other.entitlement_at
        and change.billing_on == (None if other.billing_on is None else max(other.billing_on, starts_on))
        for other in gone
    )
