"""Ending a subscription: for use and for billing apart, and what becomes of the part that is billed and not used.

Rule: docs/rules/change-and-cancel.md
"""

from collections.abc import Sequence
from datetime import date
from typing import Literal

import msgspec
from msgspec.structs import replace

from billsmith.core.catalog.rules import cancel_policy, traits
from billsmith.core.facts import FactType
from billsmith.core.ids import SubscriptionId, show_id
from billsmith.core.subscriptions.days import Effect, When, billing_on, entitlement_at
from billsmith.core.subscriptions.group import Altered, Group, SubscriptionOver, begun, changed, is_pending, member_of
from billsmith.core.subscriptions.stretches import ends_on
from billsmith.core.subscriptions.subscription import Change
from billsmith.core.subscriptions.term import term_starts_on
from billsmith.core.subscriptions.timeline import ENDINGS, OVER, Timeline, live
from billsmith.core.subscriptions.undoing import with_what_came_along
from billsmith.errors import Invalid

Refund = Literal["prorated", "none", "full"]
"""Of what is billed beyond the day: the unused part back, nothing back, the whole current period back."""


class CancelRefundInvalid(Invalid):
    """A refund that can't be meant."""

    code = "cancel_refund_invalid"


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """When it ends, and what is given back. None: the catalogue's rules decide."""

    billing: When | None = None
    entitlement: When | None = None
    """None: as billing."""
    refund: Refund = "prorated"
    credit_minor: int = 0
    """A fixed amount to be granted as credit, with `refund` none."""


def cancelled(group: Group, subscription_id: SubscriptionId, asked: Cancel) -> Altered:
    """Ended, and with a base its add-ons at the same times. It takes the place of a cancel that is still pending.

    `refund` none moves the end of billing to where what is billed ends; full, to where the current period begins.
    Raises SubscriptionOver, NotAllowed, CancelRefundInvalid.
    """
    if asked.credit_minor and (asked.credit_minor < 0 or asked.refund != "none"):
        raise CancelRefundInvalid(
            "a fixed amount is above zero, and given in place of any other refund", pointer="/refund"
        )
    altered = begun(group)
    timeline = member_of(altered.group, subscription_id)
    billing = asked.billing or _by_rules(altered.group, timeline)
    at = Effect(
        entitlement_at(altered.group, timeline, asked.entitlement or billing),
        _refunded_on(altered.group, timeline, billing_on(altered.group, timeline, billing), asked.refund),
    )
    _check_ends(altered.group, timeline, at)
    altered = replace(altered, credit_minor=asked.credit_minor)
    altered = _ended(altered, subscription_id, at)
    if subscription_id != group.lead.subscription.id:
        return altered
    altered = with_what_came_along(altered)
    return same_times(altered, [member.subscription.id for member in group.members[1:]], at)


def same_times(altered: Altered, subscription_ids: Sequence[SubscriptionId], at: Effect) -> Altered:
    """Add-ons end when their base does or no longer offers them; those that end earlier by themselves stay so."""
    for subscription_id in subscription_ids:
        timeline = member_of(altered.group, subscription_id)
        row = timeline.subscription
        end_on = ends_on(timeline, altered.group.versions)
        if row.status not in OVER or end_on is None or end_on > at.billing_on:
            own = replace(at, billing_on=max(at.billing_on, row.starts_on))
            altered = _added(altered, timeline, own, frozenset())
    return altered


def ended_by(timeline: Timeline) -> tuple[Change, ...]:
    """The cancels and transfers on it that were not undone."""
    return tuple(change for change in live(timeline) if change.kind in ENDINGS)


def cancelled_on(timeline: Timeline) -> date | None:
    """The first day that is no longer billed because it was cancelled; None: it was not."""
    days = [change.billing_on for change in live(timeline) if change.kind == "cancelled"]
    return min((on for on in days if on is not None), default=None)


def _ended(altered: Altered, subscription_id: SubscriptionId, at: Effect) -> Altered:
    group = altered.group
    timeline = member_of(group, subscription_id)
    pending = frozenset(change.position for change in ended_by(timeline) if is_pending(group, change))
    return _added(altered, timeline, at, pending)


def _added(altered: Altered, timeline: Timeline, at: Effect, undo: frozenset[int]) -> Altered:
    """One that may no longer be used ends for billing only."""
    row = timeline.subscription
    over = row.status in OVER
    change = Change(0, "cancelled", None if over else at.entitlement_at, at.billing_on)
    otherwise: FactType = "subscription.updated" if over else "subscription.cancel_scheduled"
    return changed(altered, row.id, change, otherwise=otherwise, undo=undo)


def _refunded_on(group: Group, timeline: Timeline, on: date, refund: Refund) -> date:
    match refund:
        case "prorated":
            return on
        case "none":
            return max(on, timeline.subscription.charged_through_on or on)
        case "full":
            return min(on, term_starts_on(group, timeline))


def _by_rules(group: Group, timeline: Timeline) -> When:
    row = timeline.subscription
    version = group.versions[row.plan_version_id]
    kind = None if row.phase is None else version.phases[row.phase].kind
    return cancel_policy(group.catalog.rules, traits(version, row.product_kind), kind)


def _check_ends(group: Group, timeline: Timeline, at: Effect) -> None:
    """What may no longer be used can still be billed for fewer days. Raises SubscriptionOver."""
    row = timeline.subscription
    if row.status not in OVER:
        return
    end_on = ends_on(timeline, group.versions)
    is_gone = any(change.kind == "transferred" for change in ended_by(timeline))
    if is_gone or (end_on is not None and end_on <= at.billing_on):
        raise SubscriptionOver(f"subscription {show_id('subscription', row.id)} is {row.status}")
