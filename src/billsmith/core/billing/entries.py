"""What one subscription has to have billed or given back by a day: entries, each of which becomes one line."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import msgspec

from billsmith.core.billing.differences import GivenBack
from billsmith.core.catalog.plans import Charge, PlanVersion
from billsmith.core.currencies import minor_digits
from billsmith.core.cycles.lengths import months_of
from billsmith.core.cycles.pieces import Cycle
from billsmith.core.cycles.proration import Share
from billsmith.core.ids import InvoiceId, PlanVersionId, SubscriptionId
from billsmith.core.invoices import LineKind
from billsmith.core.money import round_half_away
from billsmith.core.subscriptions.stretches import Stretch
from billsmith.core.subscriptions.subscription import Subscription


class Covered(msgspec.Struct, frozen=True, gc=False):
    """A line that a subscription has, which days it covers, and what was corrected of it."""

    subscription_id: SubscriptionId
    charge: str
    period_start_on: date
    revision: int
    invoice_id: InvoiceId
    line_no: int
    kind: LineKind
    period_end_on: date | None
    plan_version_id: PlanVersionId
    phase: int
    quantity: Decimal
    unit_price: Decimal
    amount_minor: int
    given_back: tuple[GivenBack, ...] = ()
    adjusted_minor: int = 0
    """What credit notes took of it, as an amount before tax if that is exclusive."""
    void: bool = False
    """Its invoice is void and its periods are not to be billed again: it goes on covering them, and gives nothing."""
    released: bool = False
    """Its invoice is void, and its periods are billed again: it covers nothing."""
    owed_minor: int = 0
    """What its invoice is still owed."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A line to be, and what it covers or corrects."""

    subscription: Subscription
    kind: LineKind
    charge: Charge
    plan: PlanVersion
    phase_no: int
    period_start_on: date
    period_end_on: date | None
    quantity: Decimal
    unit_price: Decimal
    amount_minor: int
    """Below zero where it gives back."""
    due_on: date
    share: Share | None = None
    """Of the price; None: all of it."""
    corrects: Covered | None = None


@lru_cache(4096)
def exact_amount(price: Decimal, quantity: Decimal, share: Fraction, currency: str) -> Fraction:
    """Price × quantity × share in minor units, not rounded."""
    scale: int = 10 ** minor_digits(currency)
    return Fraction(price) * Fraction(quantity) * share * scale


@lru_cache(4096)
def whole_amount(price: Decimal, quantity: Decimal, currency: str) -> int:
    """Price × quantity in minor units, rounded half away from zero."""
    return round_half_away(exact_amount(price, quantity, Fraction(1), currency))


def counts_fixed_months(charge: Charge) -> bool:
    """Whether the days of its pieces are counted as if every month had 30."""
    return charge.proration == "fixed_days" and charge.length is not None and months_of(charge.length) > 0


def starting_fixed(stretch: Stretch) -> Iterator[Charge]:
    """The fixed charges that are due when this stretch starts: only where its phase does."""
    if stretch.start_on != stretch.phase_starts_on:
        return iter(())
    return (charge for charge in stretch.phase.charges if charge.kind == "fixed")


def cycle_of(stretch: Stretch, charge: Charge, bill_day: int, subscription: Subscription, zone: str) -> Cycle | None:
    """How a charge repeats in a stretch; None where all of it was billed elsewhere."""
    assert charge.length is not None
    start_on = stretch.start_on
    if subscription.billed_through_on is not None:
        start_on = max(start_on, subscription.billed_through_on)
    if stretch.end_on is not None and stretch.end_on <= start_on:
        return None
    return Cycle(
        start_on=start_on,
        end_on=stretch.end_on,
        length=charge.length,
        bill_day=bill_day,
        anchor_on=stretch.anchor_on,
        timing=charge.timing,
        proration=charge.proration,
        zone=zone,
    )
