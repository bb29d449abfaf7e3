"""Giving subscriptions to another customer: they end there and begin here, at the same place of their timeline.

Rule: docs/rules/change-and-cancel.md
"""

from datetime import date, datetime

import msgspec
from msgspec.structs import replace

from billsmith.core.customers import Customer, not_deleted
from billsmith.core.ids import GroupId, SubscriptionId
from billsmith.core.subscriptions.group import Altered, Group, begun, changed, not_over
from billsmith.core.subscriptions.starting import joined
from billsmith.core.subscriptions.subscription import Change
from billsmith.core.subscriptions.timeline import OVER, Timeline, live
from billsmith.errors import Conflict


class TransferToItself(Conflict):
    """It belongs to that customer already."""

    code = "transfer_to_itself"


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """To whom, under which new ids. The whole group goes, as far as it is not over."""

    to: Customer
    group_id: GroupId
    subscription_ids: dict[SubscriptionId, SubscriptionId]
    """The new id of each one of the group."""
    give_back: bool = False
    """Whether what is charged ahead is given back there and charged here; otherwise it stays with whom it was charged,
    and billing begins here where it ends there."""


class Transferred(msgspec.Struct, frozen=True, gc=False):
    """Both sides of a transfer."""

    left: Altered
    arrived: Altered


def transferred(group: Group, asked: Transfer) -> Transferred:
    """The group ended for its customer and begun for another, now.

    Raises TransferToItself, SubscriptionOver, CustomerDeleted.
    """
    not_deleted(asked.to)
    if asked.to.id == group.customer.id:
        raise TransferToItself("it belongs to this customer already")
    left = begun(group)
    not_over(left.group.lead)
    arrived = Altered(Group(asked.to, (), group.versions, group.catalog, group.at))
    for member in left.group.members:
        if member.subscription.status in OVER:
            continue
        from_on = _billed_here_from(left.group, member, asked.give_back)
        arrived = _arrived(arrived, member, asked, from_on)
        left = changed(
            left,
            member.subscription.id,
            Change(0, "transferred", group.at, from_on),
            otherwise="subscription.transferred",
            instead="subscription.transferred",
        )
    return Transferred(left, arrived)


def _billed_here_from(group: Group, member: Timeline, give_back: bool) -> date:
    row = member.subscription
    through_on = None if give_back else max(filter(None, (row.charged_through_on, row.billed_through_on)), default=None)
    return max(row.starts_on, group.today, through_on or group.today)


def _arrived(arrived: Altered, member: Timeline, asked: Transfer, from_on: date) -> Altered:
    """The same timeline, used from now on and billed from a day on; the days before count as billed elsewhere."""
    old = member.subscription
    row = replace(
        old,
        id=asked.subscription_ids[old.id],
        tenant_id=asked.to.tenant_id,
        customer_id=asked.to.id,
        group_id=asked.group_id,
        external_id=None,
        billed_through_on=max(from_on, old.billed_through_on or from_on),
        charged_through={},
        rework_from_on=None,
        next_bill_on=from_on,
        version=1,
        created_at=arrived.group.at,
    )
    return joined(arrived, row, tuple(_as_used_from(change, arrived.group.at) for change in live(member)))


def _as_used_from(change: Change, at: datetime) -> Change:
    """What was so before counts from now on; what is pending stays so."""
    if change.entitlement_at is None or change.entitlement_at > at:
        return change
    return replace(change, entitlement_at=at)
