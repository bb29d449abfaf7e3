"""The public objects about subscriptions: what API answers and events show."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from billsmith.core.catalog.plans import PhaseKind, PlanVersion, ProductKind
from billsmith.core.ids import PlanVersionId, show_id
from billsmith.core.subscriptions.subscription import ChangeKind, Subscription, SubscriptionStatus


class PlanReferenceObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The version of a plan that is meant."""

    code: str
    version: int
    id: str
    name: str
    product: str


class PhaseReferenceObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A phase of that plan; the first is number 0."""

    number: int
    kind: PhaseKind


class SubscriptionObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A customer on a plan. Days are the customer's; of two days that bound something the later is not part of it.

    `charged_through` says for each recurring charge up to which day it is on invoices, `charged_through_on` the latest
    of them. `add_ons` are given where they were asked for with expand=add_ons, and with `invoices`, the ids of what was
    billed at once, in the answers of verbs.
    """

    id: str
    object: Literal["subscription"] = "subscription"
    customer: str
    group: str
    external_id: str | None
    kind: ProductKind
    status: SubscriptionStatus
    plan: PlanReferenceObject
    phase: PhaseReferenceObject | None
    currency: str
    quantity: Decimal
    starts_on: date
    ends_on: date | None
    billed_through_on: date | None
    charged_through_on: date | None
    charged_through: dict[str, date]
    next_bill_on: date | None
    next_change_at: datetime | None
    metadata: dict[str, str]
    tags: tuple[str, ...]
    version: int
    created_at: datetime
    add_ons: "tuple[SubscriptionObject, ...] | msgspec.UnsetType" = msgspec.UNSET
    invoices: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class EntitlementObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Whether the customer may use it now, since when that is so, and until when, as far as is known."""

    object: Literal["entitlement"] = "entitlement"
    subscription: str
    customer: str
    entitled: bool
    since: datetime | None
    until: datetime | None
    status: SubscriptionStatus
    plan: PlanReferenceObject
    phase: PhaseReferenceObject | None
    quantity: Decimal
    at: datetime


class TimelineEntryObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One thing that happened to a subscription or is going to, in words.

    `position` is that of a change that was asked for; what comes by itself has none: a phase that is reached, the end
    of the last one. `effective` says whether it has taken effect.
    """

    object: Literal["timeline_entry"] = "timeline_entry"
    position: int | None
    kind: ChangeKind | Literal["phase_reached", "expired"]
    words: str
    entitlement_at: datetime | None
    billing_on: date | None
    effective: bool
    made_at: datetime | None
    undone_at: datetime | None


def subscription_object(
    subscription: Subscription,
    versions: Mapping[PlanVersionId, PlanVersion],
    add_ons: tuple[Subscription, ...] | None = None,
) -> SubscriptionObject:
    """The subscription as it is shown; `versions` has its plan's, and those of its add-ons."""
    version = versions[subscription.plan_version_id]
    return SubscriptionObject(
        id=show_id("subscription", subscription.id),
        customer=show_id("customer", subscription.customer_id),
        group=show_id("group", subscription.group_id),
        external_id=subscription.external_id,
        kind=subscription.product_kind,
        status=subscription.status,
        plan=plan_reference(version),
        phase=phase_reference(version, subscription.phase),
        currency=subscription.currency,
        quantity=subscription.quantity,
        starts_on=subscription.starts_on,
        ends_on=subscription.ends_on,
        billed_through_on=subscription.billed_through_on,
        charged_through_on=subscription.charged_through_on,
        charged_through=subscription.charged_through,
        next_bill_on=subscription.next_bill_on,
        next_change_at=subscription.next_change_at,
        metadata=subscription.metadata,
        tags=subscription.tags,
        version=subscription.version,
        created_at=subscription.created_at,
        add_ons=msgspec.UNSET if add_ons is None else tuple(subscription_object(one, versions) for one in add_ons),
    )


def plan_reference(version: PlanVersion) -> PlanReferenceObject:
    """Which version of which plan."""
    return PlanReferenceObject(
        code=version.plan,
        version=version.version,
        id=show_id("plan_version", version.id),
        name=version.name,
        product=version.product,
    )


def phase_reference(version: PlanVersion, number: int | None) -> PhaseReferenceObject | None:
    """Which phase of a plan; None for none."""
    return None if number is None else PhaseReferenceObject(number=number, kind=version.phases[number].kind)
