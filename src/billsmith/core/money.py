"""Amounts: integer minor units, rounded once, half away from zero; lossless splits. Rule: docs/rules/money.md"""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact
from fractions import Fraction

from billsmith.core.currencies import minor_digits
from billsmith.errors import Invalid

LARGEST_AMOUNT = 10**15 - 1
"""Minor units. Sums of 9 000 such amounts still fit a bigint."""

# 80 digits hold any product of a quantity and a price at the door's limits (both at most 15 + 12 digits) exactly; the
# trap turns a silent rounding before the line into a crash that a test would see.
_EXACT = Context(prec=80, traps=[Inexact])
_ROUNDED = Context(prec=80, rounding=ROUND_HALF_UP)
_ONE = Decimal(1)
_HUNDREDTH = Decimal("0.01")

DECIMAL_PLACES = 12
LARGEST_DECIMAL = Decimal(10) ** 15


class AmountTooLarge(Invalid):
    """Beyond ±999 999 999 999 999 minor units."""

    code = "amount_too_large"


def round_half_away(amount: Fraction | Decimal) -> int:
    """The nearest integer; exactly half goes away from zero, so that a correction mirrors its charge."""
    if isinstance(amount, Decimal):
        return int(_ROUNDED.quantize(amount, _ONE))
    doubled = 2 * abs(amount.numerator) + amount.denominator
    magnitude = doubled // (2 * amount.denominator)
    return magnitude if amount >= 0 else -magnitude


def is_plain(number: Decimal) -> bool:
    """Whether a decimal is finite, below 10^15 either way, and has up to 12 places: what can be computed with exactly.

    A zero is judged by its exponent like any other: 0E+999999 would be printed with a million digits.
    """
    if number.same_quantum(_ONE) or number.same_quantum(_HUNDREDTH):  # nearly all are: no list of digits for them
        return -LARGEST_DECIMAL < number < LARGEST_DECIMAL
    exponent = number.as_tuple().exponent
    return (
        isinstance(exponent, int)
        and -DECIMAL_PLACES <= exponent <= LARGEST_DECIMAL.adjusted()
        and -LARGEST_DECIMAL < number < LARGEST_DECIMAL
    )


def price_times(quantity: Decimal, unit_price: Decimal, currency: str, pointer: str | None = None) -> int:
    """quantity × unit price in minor units of `currency`, rounded once. Both are plain. Raises AmountTooLarge."""
    exact = _EXACT.multiply(quantity, unit_price).scaleb(minor_digits(currency), _EXACT)
    return within_limits(round_half_away(exact), pointer)


def percent_of(amount_minor: int, percent: Decimal) -> Fraction:
    """`percent` per cent of an amount, exact."""
    return Fraction(percent) * amount_minor / 100


def within_limits(amount_minor: int, pointer: str | None = None) -> int:
    """The amount itself. Raises AmountTooLarge when a bigint could not be trusted with sums of it."""
    if not -LARGEST_AMOUNT <= amount_minor <= LARGEST_AMOUNT:
        raise AmountTooLarge(f"{amount_minor} minor units is beyond ±{LARGEST_AMOUNT}", pointer=pointer)
    return amount_minor


def split(total_minor: int, weights: Sequence[int]) -> list[int]:
    """Shares of `total_minor` in proportion to non-negative weights; they sum to the total exactly.

    Each share is cut towards zero, then the largest remainders get one unit more, ties to the earlier share. All
    weights zero: everything goes to the first.
    """
    whole = sum(weights)
    if whole == 0:
        return [total_minor, *([0] * (len(weights) - 1))] if weights else []
    sign = 1 if total_minor >= 0 else -1
    parts = [divmod(abs(total_minor) * weight, whole) for weight in weights]
    left = abs(total_minor) - sum(share for share, _ in parts)
    by_remainder = sorted(range(len(parts)), key=lambda index: (-parts[index][1], index))
    lucky = set(by_remainder[:left])
    return [sign * (share + (index in lucky)) for index, (share, _) in enumerate(parts)]


def show_amount(amount_minor: int, currency: str) -> str:
    """`-1234.50` for −123450 minor units of a currency with two digits; no grouping, no symbol."""
    digits = minor_digits(currency)
    sign = "-" if amount_minor < 0 else ""
    text = str(abs(amount_minor)).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else sign + text
