"""What becomes of the subscriptions of a customer who is deleted: they end now, and nothing is billed or given back.

Rule: docs/rules/change-and-cancel.md
"""

from uuid import UUID

from msgspec.structs import replace

from billsmith.core.subscriptions.group import Altered, Group, begun, changed
from billsmith.core.subscriptions.subscription import Change, Subscription
from billsmith.core.subscriptions.timeline import OVER, Timeline


def ended_unbilled(group: Group) -> Altered:
    """The group without use and without anything that is still to be billed, changed or compared."""
    altered = begun(group)
    for member in altered.group.members:
        row = member.subscription
        if row.status in OVER and row.next_bill_on is None and row.rework_from_on is None:
            continue
        entitlement_at = None if row.status in OVER else group.at
        change = Change(0, "cancelled", entitlement_at, max(group.today, row.starts_on))
        altered = changed(altered, row.id, change, otherwise="subscription.updated")
    members = tuple(
        Timeline(_unbilled(member.subscription), member.changes)
        if member.subscription.id in altered.changed_ids
        else member
        for member in altered.group.members
    )
    rows: dict[tuple[UUID, int], Subscription] = {
        (row.id, row.version): row for row in (member.subscription for member in members)
    }
    facts = tuple(
        replace(fact, object=rows.get((fact.object_id, fact.object_version), fact.object)) for fact in altered.facts
    )
    return replace(altered, group=replace(altered.group, members=members), facts=facts)


def _unbilled(row: Subscription) -> Subscription:
    return replace(row, rework_from_on=None, next_bill_on=None, next_change_at=None)
