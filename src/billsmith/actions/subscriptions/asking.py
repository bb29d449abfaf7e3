"""What can be asked of a subscription that is there, as values: carried out, scheduled, or only tried."""

from datetime import date
from decimal import Decimal

import msgspec

from billsmith.core.catalog.plans import PlanVersion
from billsmith.core.ids import SubscriptionId
from billsmith.core.subscriptions.cancelling import Cancel, cancelled
from billsmith.core.subscriptions.changing import (
    PlanChange,
    bill_day_changed,
    moved_to_version,
    plan_changed,
    quantity_changed,
)
from billsmith.core.subscriptions.days import When
from billsmith.core.subscriptions.group import Altered, Group
from billsmith.core.subscriptions.pausing import Pause, paused, resumed
from billsmith.core.subscriptions.undoing import Undoable, undone


class QuantityChange(msgspec.Struct, frozen=True, gc=False):
    """Another quantity, and from when."""

    quantity: Decimal
    billing: When = "immediate"
    entitlement: When | None = None
    """None: as billing."""


class BillDayChange(msgspec.Struct, frozen=True, gc=False):
    """A bill cycle day of its own, from its next occurrence on or after a day; None: today."""

    day: int
    from_on: date | None = None


class VersionMove(msgspec.Struct, frozen=True, gc=False):
    """Another version of the plan that it is on: what a new version of a plan does to subscribers of older ones."""

    version: PlanVersion
    when: When
    prices: dict[str, Decimal] | None = None


class Resume(msgspec.Struct, frozen=True, gc=False):
    """The end of a pause."""

    pause: Pause


class Undo(msgspec.Struct, frozen=True, gc=False):
    """What is pending is not to be."""

    what: Undoable


Asked = PlanChange | QuantityChange | BillDayChange | VersionMove | Cancel | Pause | Resume | Undo


def decided(group: Group, id_: SubscriptionId, asked: Asked) -> Altered:
    """What comes of it for the group of that subscription. Raises what the rule for it refuses."""
    match asked:
        case PlanChange():
            return plan_changed(group, id_, asked)
        case QuantityChange():
            return quantity_changed(group, id_, asked.quantity, asked.billing, asked.entitlement)
        case BillDayChange():
            return bill_day_changed(group, id_, asked.day, asked.from_on)
        case VersionMove():
            return moved_to_version(group, id_, asked.version, asked.when, asked.prices)
        case Cancel():
            return cancelled(group, id_, asked)
        case Pause():
            return paused(group, asked)
        case Resume():
            return resumed(group, asked.pause)
        case Undo():
            return undone(group, id_, asked.what)
