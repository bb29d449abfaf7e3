"""Whose bill cycle day a stretch follows, and what its charges cost. Rule: docs/rules/periods.md"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from billsmith.core.catalog.plans import ANY_CURRENCY, Charge
from billsmith.core.cycles.lengths import months_of
from billsmith.core.subscriptions.stretches import Stretch

ONE = Decimal(1)
_A_YEAR = 12


def bill_day_of(
    stretch: Stretch, own: Sequence[Stretch], base: Sequence[Stretch], customers_day: int | None, currency: str
) -> int:
    """The day of the month on which periods begin: its own, if it has one; then whose its alignment says.

    `own`: all stretches of the subscription; `base`: those of its group's base, where it is an add-on. While the
    customer has no day, the subscription's counts: the day of its first recurring charge that costs something.
    """
    if stretch.own_bill_day is not None:
        return stretch.own_bill_day
    if stretch.bill_alignment == "account" and customers_day is not None:
        return customers_day
    if stretch.bill_alignment == "group" and base:
        base_day = next((one.own_bill_day for one in reversed(base) if one.start_on <= stretch.start_on), None)
        return base_day or _first_day(base, currency) or base[0].start_on.day
    return _first_day(own, currency) or stretch.start_on.day


def sets_customers_day(stretch: Stretch, charge: Charge, amount_minor: int) -> bool:
    """Whether a line of this charge gives a customer without a bill cycle day one: shorter than a year, and paid."""
    return (
        stretch.bill_alignment == "account"
        and stretch.own_bill_day is None
        and amount_minor != 0
        and charge.length is not None
        and 0 < months_of(charge.length) < _A_YEAR
    )


def recurring(stretch: Stretch) -> Iterator[Charge]:
    """The recurring charges of its phase."""
    return (charge for charge in stretch.phase.charges if charge.kind == "recurring")


def unit_price(stretch: Stretch, charge: Charge, currency: str) -> Decimal:
    """What one of a charge costs there."""
    return price_of(charge, stretch.prices, currency)


def price_of(charge: Charge, prices: Mapping[str, Decimal] | None, currency: str) -> Decimal:
    """What one of a charge costs: by prices of the subscription's own, if they name it, or the plan's in a currency."""
    own = None if prices is None else prices.get(charge.code)
    if own is not None:
        return own
    price = charge.prices.get(currency)
    return charge.prices[ANY_CURRENCY] if price is None else price


def quantity_of(stretch: Stretch, charge: Charge) -> Decimal:
    """How often the price is asked."""
    return stretch.quantity if charge.per_unit else ONE


def _first_day(stretches: Sequence[Stretch], currency: str) -> int | None:
    """The day of the month of the first recurring charge that costs something."""
    for stretch in stretches:
        if any(unit_price(stretch, charge, currency) * quantity_of(stretch, charge) for charge in recurring(stretch)):
            return stretch.start_on.day
    return None
