"""Where the current period of a subscription begins. Rule: docs/rules/periods.md"""

from datetime import date

from billsmith.core.catalog.plans import Charge
from billsmith.core.cycles.pieces import Cycle, all_pieces
from billsmith.core.subscriptions.bill_days import bill_day_of, recurring
from billsmith.core.subscriptions.group import Group
from billsmith.core.subscriptions.stretches import Stretch, stretches
from billsmith.core.subscriptions.timeline import Timeline


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
    subscription, lead = timeline.subscription, group.lead
    base = () if subscription.id == lead.subscription.id else stretches(lead, group.versions)
    bill_day = bill_day_of(stretch, known, base, group.customer.bill_cycle_day, subscription.currency)
    starts = [_period_starts_on(stretch, charge, bill_day, today) for charge in recurring(stretch)]
    return max(starts, default=stretch.anchor_on)


def _over(stretch: Stretch, on: date) -> bool:
    return stretch.end_on is not None and stretch.end_on <= on


def _period_starts_on(stretch: Stretch, charge: Charge, bill_day: int, on: date) -> date:
    """A change of quantity cuts a stretch, not a period: periods are counted from the anchor."""
    assert charge.length is not None
    cycle = Cycle(stretch.anchor_on, None, charge.length, bill_day, stretch.anchor_on)
    return next(all_pieces(cycle, on)).period.start_on
