"""On whose bill cycle day a subscription is billed, and where its current period begins.

Rule: docs/rules/periods.md
"""

from datetime import date
from decimal import Decimal

from billsmith.core.catalog.plans import ANY_CURRENCY, Charge
from billsmith.core.cycles.pieces import Cycle, all_pieces
from billsmith.core.subscriptions.group import Group
from billsmith.core.subscriptions.stretches import Stretch, stretches
from billsmith.core.subscriptions.timeline import Timeline, Versions


def bill_day_of(group: Group, timeline: Timeline, stretch: Stretch) -> int:
    """The bill cycle day of a stretch: its own, or, by its alignment, the customer's, its base's or that of its start.

    While the customer has none, the subscription's counts: the day of its first recurring charge that costs something.
    """
    if stretch.own_bill_day is not None:
        return stretch.own_bill_day
    if stretch.bill_alignment == "account" and group.customer.bill_cycle_day is not None:
        return group.customer.bill_cycle_day
    if stretch.bill_alignment == "group" and timeline.subscription.id != group.lead.subscription.id:
        base = stretches(group.lead, group.versions)
        then = next((one.own_bill_day for one in reversed(base) if one.start_on <= stretch.start_on), None)
        return then or first_recurring_on(group.lead, group.versions, group.lead.subscription.starts_on).day
    return first_recurring_on(timeline, group.versions, stretch.start_on).day


def first_recurring_on(timeline: Timeline, versions: Versions, otherwise: date) -> date:
    """The day on which its first recurring charge that costs something begins."""
    currency = timeline.subscription.currency
    return next(
        (
            stretch.start_on
            for stretch in stretches(timeline, versions)
            if any(price_of(charge, stretch, currency) * stretch.quantity for charge in recurring(stretch))
        ),
        otherwise,
    )


def recurring(stretch: Stretch) -> tuple[Charge, ...]:
    """The recurring charges of its phase."""
    return tuple(charge for charge in stretch.phase.charges if charge.kind == "recurring")


def price_of(charge: Charge, stretch: Stretch, currency: str) -> Decimal:
    """What one of a charge costs there: the subscription's own price, or the plan's in its currency."""
    own = (stretch.prices or {}).get(charge.code)
    if own is not None:
        return own
    return charge.prices[currency] if currency in charge.prices else charge.prices[ANY_CURRENCY]


def term_starts_on(group: Group, timeline: Timeline) -> date:
    """Where the current period begins: the last bill date, or the phase's start, a change's or a resume's since then.

    Of several recurring charges the latest counts. Before the start it is the start; while it is not billed, the day
    from which it is not.
    """
    today = group.today
    known = stretches(timeline, group.versions)
    stretch = next((stretch for stretch in known if stretch.start_on <= today and not _over(stretch, today)), None)
    if stretch is None:
        ended = [stretch.end_on for stretch in known if stretch.end_on is not None and stretch.end_on <= today]
        return max(ended, default=timeline.subscription.starts_on)
    bill_day = bill_day_of(group, timeline, stretch)
    starts = [_period_starts_on(stretch, charge, bill_day, today) for charge in recurring(stretch)]
    return max(starts, default=stretch.anchor_on)


def _over(stretch: Stretch, on: date) -> bool:
    return stretch.end_on is not None and stretch.end_on <= on


def _period_starts_on(stretch: Stretch, charge: Charge, bill_day: int, on: date) -> date:
    """A change of quantity cuts a stretch, not a period: periods are counted from the anchor."""
    assert charge.length is not None
    cycle = Cycle(stretch.anchor_on, None, charge.length, bill_day, stretch.anchor_on)
    return next(all_pieces(cycle, on)).period.start_on
