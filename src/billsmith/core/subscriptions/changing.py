"""Changing what a subscription is on: its plan, its quantity, its bill cycle day.

Rule: docs/rules/change-and-cancel.md
"""

from datetime import date
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from billsmith.core.catalog.plans import PhaseKind, PlanVersion
from billsmith.core.catalog.rules import (
    BillAlignment,
    PhaseAlignment,
    bill_alignment,
    change_alignment,
    change_policy,
    traits,
)
from billsmith.core.cycles.bill_days import next_occurrence
from billsmith.core.facts import FactType
from billsmith.core.ids import SubscriptionId
from billsmith.core.subscriptions.cancelling import ended_by, same_times
from billsmith.core.subscriptions.days import Effect, When, day_in_range, effect
from billsmith.core.subscriptions.group import Altered, Group, begun, changed, member_of, not_over
from billsmith.core.subscriptions.phases import aligned_like, phase_on
from billsmith.core.subscriptions.starting import (
    AddOnNotAvailable,
    PlanNotClear,
    SubscriptionPaused,
    check_bill_day,
    check_numbers,
    check_phases,
    check_prices,
    plan_of_product,
    version_sold,
)
from billsmith.core.subscriptions.stretches import ends_on, stretches
from billsmith.core.subscriptions.subscription import Change, Subscription
from billsmith.core.subscriptions.timeline import Timeline, live
from billsmith.core.subscriptions.undoing import with_what_came_along
from billsmith.errors import Conflict, Invalid


class ProductKindDiffers(Invalid):
    """A base plan changes to a base plan, an add-on to an add-on, and what stands alone to what does."""

    code = "product_kind_differs"


class ChangeAfterEnd(Conflict):
    """It would take effect when the subscription is over."""

    code = "change_after_end"


class PlanChange(msgspec.Struct, frozen=True, gc=False):
    """What a plan is changed to, and when. None: the catalogue's rules decide, or it stays as it is."""

    plan: str | None = None
    """The same plan, for other prices, is a change too. None: `product` says it."""
    quantity: Decimal | None = None
    prices: dict[str, Decimal] | None = None
    """Prices of its own from then on; None: the plan's."""
    bill_cycle_day: int | None = None
    billing: When | None = None
    entitlement: When | None = None
    """None: as billing."""
    alignment: PhaseAlignment | None = None
    billed_on: BillAlignment | None = None
    product: str | None = None
    """In place of the plan: that of this product which is billed as often, in the price list that the rules say."""


def plan_changed(group: Group, subscription_id: SubscriptionId, asked: PlanChange) -> Altered:
    """On another plan, in the version that is sold on the day of the change.

    Changes of plan that are pending for that day or later are undone. A base takes with it the add-ons that its new
    product does not offer. Raises NotAllowed, PlanNotThere, PlanRetired, ProductKindDiffers, CurrencyWithoutPrice,
    PhasesOver, ChangeAfterEnd, SubscriptionOver, SubscriptionPaused, SubscriptionFieldInvalid, PlanNotClear.
    """
    altered = begun(group)
    timeline = member_of(altered.group, subscription_id)
    row = timeline.subscription
    not_over(timeline)
    if row.status == "paused":
        raise SubscriptionPaused("it is paused; resume it first")
    now_on = group.versions[row.plan_version_id]
    plan = _plan_meant(group, row, now_on, asked)
    when = asked.billing or _by_rules(altered.group, timeline, plan)
    at = effect(altered.group, timeline, asked.entitlement or when, when)
    version = version_sold(group.catalog, plan, at.billing_on, current=now_on.plan)
    _check_kind(group, timeline, version)
    check_prices(version, row.currency, asked.prices)
    check_numbers(asked.quantity, asked.bill_cycle_day)
    kind = group.catalog.products[version.product].kind
    of, to = traits(now_on, row.product_kind), traits(version, kind)
    phase = _phase_kind(group, timeline, group.today)
    alignment = asked.alignment or change_alignment(group.catalog.rules, of, to, phase)
    aligned_on = _aligned(altered.group, timeline, version, alignment, at.billing_on)
    check_phases(version, aligned_on, at.billing_on)
    reached = phase_on(version, aligned_on, at.billing_on)
    first_kind = reached.phase.kind if reached else None
    change = Change(
        0,
        "plan_changed",
        at.entitlement_at,
        at.billing_on,
        plan_version_id=version.id,
        aligned_on=aligned_on,
        bill_alignment=asked.billed_on or bill_alignment(group.catalog.rules, to, first_kind),
        quantity=asked.quantity,
        prices=asked.prices,
        bill_cycle_day=asked.bill_cycle_day,
    )
    altered = with_what_came_along(_put(altered, subscription_id, change, version))
    return _without_other_add_ons(altered, subscription_id, version, at)


def moved_to_version(
    group: Group, subscription_id: SubscriptionId, version: PlanVersion, when: When, prices: dict[str, Decimal] | None
) -> Altered:
    """On another version of the plan that it is on: phases, quantity, bill day go on as they are.

    Raises ChangeAfterEnd, SubscriptionOver, CurrencyWithoutPrice.
    """
    altered = begun(group)
    timeline = member_of(altered.group, subscription_id)
    not_over(timeline)
    at = effect(altered.group, timeline, when, when)
    check_prices(version, timeline.subscription.currency, prices)
    before = _last_plan(timeline, at.billing_on)
    change = replace(
        before,
        kind="plan_changed",
        entitlement_at=at.entitlement_at,
        billing_on=at.billing_on,
        plan_version_id=version.id,
        quantity=None,
        prices=prices,
        bill_cycle_day=None,
    )
    return _put(altered, subscription_id, change, version)


def quantity_changed(
    group: Group,
    subscription_id: SubscriptionId,
    quantity: Decimal,
    billing: When = "immediate",
    entitlement: When | None = None,
) -> Altered:
    """Another quantity from a day on; those pending for that day or later are undone.

    Raises ChangeAfterEnd, SubscriptionOver, SubscriptionFieldInvalid, NotAllowed.
    """
    altered = begun(group)
    timeline = member_of(altered.group, subscription_id)
    not_over(timeline)
    check_numbers(quantity)
    at = effect(altered.group, timeline, entitlement or billing, billing)
    change = Change(0, "quantity_changed", at.entitlement_at, at.billing_on, quantity=quantity)
    return _put(altered, subscription_id, change)


def bill_day_changed(group: Group, subscription_id: SubscriptionId, day: int, from_on: date | None = None) -> Altered:
    """A bill cycle day of its own, from its next occurrence on or after `from_on` (None: today).

    Add-ons that are billed on their base's day go with it. What is billed already stays.
    Raises SubscriptionOver, ChangeAfterEnd, SubscriptionFieldInvalid.
    """
    check_bill_day(day, "/day")
    altered = begun(group)
    timeline = member_of(altered.group, subscription_id)
    asked_on = group.today if from_on is None else day_in_range(from_on)
    on = next_occurrence(day, max(asked_on, timeline.subscription.starts_on))
    altered = _put(altered, subscription_id, Change(0, "bill_day_changed", None, on, bill_cycle_day=day))
    if subscription_id != group.lead.subscription.id:
        return altered
    for member in altered.group.members[1:]:
        known = next(iter(stretches(member, altered.group.versions, from_on=on)), None)
        if known is not None and known.bill_alignment == "group":
            after_start_on = max(on, member.subscription.starts_on)
            change = Change(0, "bill_day_changed", None, after_start_on, bill_cycle_day=day)
            altered = _put(altered, member.subscription.id, change)
    return altered


def _aligned(group: Group, timeline: Timeline, version: PlanVersion, alignment: PhaseAlignment, on: date) -> date:
    """The day from which the phases of a plan that is changed to on a day are counted."""
    match alignment:
        case "start_of_group":
            return group.lead.subscription.starts_on
        case "start_of_subscription":
            return timeline.subscription.starts_on
        case "change_of_plan":
            return on
        case "current_phase":
            before = _last_plan(timeline, on)
            assert before.plan_version_id is not None
            assert before.aligned_on is not None
            return aligned_like(group.versions[before.plan_version_id], before.aligned_on, version, on)


def _put(
    altered: Altered, subscription_id: SubscriptionId, change: Change, version: PlanVersion | None = None
) -> Altered:
    """The change on its timeline, in place of those of its kind that are pending for its day or later."""
    group = altered.group
    timeline = member_of(group, subscription_id)
    assert change.billing_on is not None
    end_on = ends_on(timeline, group.versions)
    if end_on is not None and end_on <= change.billing_on and not _takes_over(timeline, change, end_on):
        raise ChangeAfterEnd(f"it ends on {end_on}; nothing can change on {change.billing_on}")
    if version is not None:
        altered = replace(altered, group=replace(group, versions={**group.versions, version.id: version}))
    undo, kept = _superseded(group, timeline, change)
    scheduled: FactType = "subscription.change_scheduled"
    otherwise: FactType = "subscription.updated" if change.kind == "bill_day_changed" else scheduled
    return changed(altered, subscription_id, *kept, change, otherwise=otherwise, undo=undo)


def _takes_over(timeline: Timeline, change: Change, end_on: date) -> bool:
    """Whether another plan follows on the very day on which the last phase ends by itself."""
    asked = [end.billing_on for end in ended_by(timeline)]
    return change.kind == "plan_changed" and change.billing_on == end_on and end_on not in asked


def _superseded(group: Group, timeline: Timeline, change: Change) -> tuple[frozenset[int], tuple[Change, ...]]:
    """Which pending changes of a kind a new one takes the place of, and what of them has taken effect and stays.

    Of one that has taken effect on one side only, that side is kept as a change of its own.
    """
    undo, kept = set(), []
    for other in live(timeline):
        if other.kind != change.kind or not _from_then_on(other, change):
            continue
        used = other.entitlement_at is not None and other.entitlement_at <= group.at
        billed = other.billing_on is not None and other.billing_on <= group.today
        if (used and (billed or other.billing_on is None)) or (billed and other.entitlement_at is None):
            continue
        undo.add(other.position)
        if used or billed:
            kept.append(
                replace(
                    other,
                    entitlement_at=other.entitlement_at if used else None,
                    billing_on=other.billing_on if billed else None,
                )
            )
    return frozenset(undo), tuple(kept)


def _from_then_on(other: Change, change: Change) -> bool:
    assert change.billing_on is not None
    if other.billing_on is not None:
        return other.billing_on >= change.billing_on
    return (
        other.entitlement_at is not None
        and change.entitlement_at is not None
        and other.entitlement_at >= change.entitlement_at
    )


def _without_other_add_ons(
    altered: Altered, subscription_id: SubscriptionId, version: PlanVersion, at: Effect
) -> Altered:
    """Add-ons that the base's new product does not offer are cancelled at the times of its change."""
    group = altered.group
    if subscription_id != group.lead.subscription.id:
        return altered
    offered = group.catalog.products[version.product].add_ons
    gone = [
        member.subscription.id
        for member in group.members[1:]
        if group.versions[member.subscription.plan_version_id].product not in offered
    ]
    return same_times(altered, gone, at)


def _plan_meant(group: Group, row: Subscription, now_on: PlanVersion, asked: PlanChange) -> str:
    if (asked.plan is None) == (asked.product is None):
        raise PlanNotClear("name the plan to change to, or its product", pointer="/plan")
    if asked.plan is not None:
        return asked.plan
    assert asked.product is not None
    return plan_of_product(group.catalog, asked.product, now_on, row.product_kind, group.today)


def _by_rules(group: Group, timeline: Timeline, plan: str) -> When:
    """When the catalogue's rules let a change to this plan take effect."""
    row = timeline.subscription
    now_on = group.versions[row.plan_version_id]
    version = version_sold(group.catalog, plan, group.today, current=now_on.plan)
    kind = group.catalog.products[version.product].kind
    phase = _phase_kind(group, timeline, group.today)
    return change_policy(group.catalog.rules, traits(now_on, row.product_kind), traits(version, kind), phase)


def _phase_kind(group: Group, timeline: Timeline, on: date) -> PhaseKind | None:
    before = _last_plan(timeline, on)
    assert before.plan_version_id is not None
    assert before.aligned_on is not None
    span = phase_on(group.versions[before.plan_version_id], before.aligned_on, on)
    return None if span is None else span.phase.kind


def _last_plan(timeline: Timeline, on: date) -> Change:
    """The change that says which plan is billed on a day; before its start, the first."""
    plans = [
        change
        for change in live(timeline)
        if change.kind in ("created", "plan_changed") and change.billing_on is not None
    ]
    begun_by_then = [change for change in plans if change.billing_on is not None and change.billing_on <= on]
    return max(begun_by_then, key=lambda change: (change.billing_on, change.position), default=plans[0])


def _check_kind(group: Group, timeline: Timeline, version: PlanVersion) -> None:
    """Raises ProductKindDiffers; AddOnNotAvailable for one that its base does not offer."""
    row = timeline.subscription
    product = group.catalog.products[version.product]
    if product.kind != row.product_kind:
        raise ProductKindDiffers(f"it is {row.product_kind}; plan {version.plan} is {product.kind}", pointer="/plan")
    base = group.versions[group.lead.subscription.plan_version_id].product
    if product.kind == "add_on" and product.code not in group.catalog.products[base].add_ons:
        raise AddOnNotAvailable(f"{product.code} is not available on {base}")
