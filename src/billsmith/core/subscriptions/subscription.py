"""Subscriptions and the changes of their timelines: values. What they mean for each day: `stretches.py`."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from billsmith.core.catalog.plans import ProductKind
from billsmith.core.catalog.rules import BillAlignment
from billsmith.core.ids import CustomerId, GroupId, PlanVersionId, SubscriptionId, TenantId

SubscriptionStatus = Literal["pending", "trialing", "active", "paused", "cancelled", "expired"]
"""`pending`: it starts later. `expired`: its last phase is over."""
ChangeKind = Literal[
    "created", "plan_changed", "quantity_changed", "bill_day_changed", "paused", "resumed", "cancelled", "transferred"
]


class Change(msgspec.Struct, frozen=True, gc=False):
    """One dated entry of a timeline. The fields stand in the order of the table's columns, after its key.

    Entitlement and billing change at times of their own: `entitlement_at` is an instant, `billing_on` the local date
    from which lines are others. None: this change leaves that side alone.
    """

    position: int
    """From 1, in the order in which changes were asked for; of two with the same date the later one counts last."""
    kind: ChangeKind
    entitlement_at: datetime | None
    billing_on: date | None
    plan_version_id: PlanVersionId | None = None
    """created, plan_changed."""
    aligned_on: date | None = None
    """created, plan_changed: the day from which the plan's phases are counted."""
    bill_alignment: BillAlignment | None = None
    """created, plan_changed."""
    quantity: Decimal | None = None
    """created, plan_changed, quantity_changed: the quantity from then on; None leaves it."""
    prices: dict[str, Decimal] | None = None
    """created, plan_changed: prices of its own by charge code, in its currency, in place of the plan's."""
    bill_cycle_day: int | None = None
    """created, bill_day_changed: its own day from then on, whatever its alignment."""
    made_at: datetime | None = None
    undone_at: datetime | None = None


class Subscription(msgspec.Struct, frozen=True, gc=False):
    """A customer on a plan. Its timeline is kept apart."""

    id: SubscriptionId
    tenant_id: TenantId
    customer_id: CustomerId
    group_id: GroupId
    """A base plan with its add-ons; a standalone one is a group alone."""
    external_id: str | None
    product_kind: ProductKind
    status: SubscriptionStatus
    plan_version_id: PlanVersionId
    """What it is on now, or will start on."""
    phase: int | None
    """Which phase of it, from 0; None before its start."""
    currency: str
    quantity: Decimal
    starts_on: date
    """The first day that is billed, by the customer's calendar."""
    ends_on: date | None
    """The first day that is no longer billed, once that is known."""
    billed_through_on: date | None
    """Days before were billed elsewhere: by the system that it was moved over from."""
    charged_through: dict[str, date]
    """Up to which day each recurring charge is on lines, by charge code."""
    rework_from_on: date | None
    """From this day on lines that should exist are compared with those that do; None: plain renewals follow."""
    next_bill_on: date | None
    """When it next needs a run by itself; None: never again."""
    next_change_at: datetime | None
    """When its status, phase or plan next changes by itself."""
    metadata: dict[str, str]
    tags: tuple[str, ...]
    version: int
    created_at: datetime

    @property
    def charged_through_on(self) -> date | None:
        """Up to which day it is on lines: the latest of its charges."""
        return max(self.charged_through.values(), default=None)
