"""Discounts given per line: an amount or a percentage of it. Rule: docs/rules/totals.md

The engine that finds discounts by itself comes later; its result will arrive here as the same value.
"""

from decimal import Decimal

import msgspec

from billsmith.core.money import DECIMAL_PLACES, is_plain, percent_of, round_half_away
from billsmith.errors import Invalid


class Discount(msgspec.Struct, frozen=True, gc=False):
    """Exactly one of the two: minor units (positive, whichever sign the line has), or 0–100 per cent."""

    amount_minor: int | None = None
    percent: Decimal | None = None


class DiscountInvalid(Invalid):
    """A discount that is both or neither, or more than the line."""

    code = "discount_invalid"


def discount_on(amount_minor: int, discount: Discount, pointer: str) -> int:
    """The discount in minor units, with the sign of the amount, so that base = amount − discount shrinks towards zero.

    A percentage is rounded half away from zero. Raises DiscountInvalid.
    """
    if (discount.amount_minor is None) == (discount.percent is None):
        raise DiscountInvalid("a discount has either an amount or a percentage", pointer=pointer)
    if discount.percent is not None:
        if not is_plain(discount.percent) or not 0 <= discount.percent <= 100:
            raise DiscountInvalid(
                f"a discount is 0 to 100 per cent, with up to {DECIMAL_PLACES} places", pointer=f"{pointer}/percent"
            )
        return round_half_away(percent_of(amount_minor, discount.percent))
    given = discount.amount_minor or 0
    if not 0 <= given <= abs(amount_minor):
        raise DiscountInvalid(
            f"the discount is {given}, the amount it is taken from {abs(amount_minor)}", pointer=f"{pointer}/amount"
        )
    return given if amount_minor >= 0 else -given
