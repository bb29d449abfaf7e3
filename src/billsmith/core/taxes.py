"""Tax given per line: a rate, added to the base or contained in it. Rule: docs/rules/totals.md

The engine that finds rates by itself comes later; its result will arrive here as the same value.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from billsmith.core.money import percent_of, round_half_away, split
from billsmith.errors import Invalid

HIGHEST_PERCENT = 1000


class Tax(msgspec.Struct, frozen=True, gc=False):
    """A rate in per cent. Exclusive: added to what is left after discounts. Inclusive: contained in it."""

    percent: Decimal
    inclusive: bool = False


class TaxInvalid(Invalid):
    """A rate outside 0–1000 per cent."""

    code = "tax_invalid"


def checked_tax(tax: Tax, pointer: str) -> Tax:
    """The tax itself. Raises TaxInvalid."""
    if not 0 <= tax.percent <= HIGHEST_PERCENT:
        raise TaxInvalid(f"a tax rate is 0 to {HIGHEST_PERCENT} per cent", pointer=f"{pointer}/percent")
    return tax


def exact_tax(base_minor: int, tax: Tax) -> Fraction:
    """The tax on a base before rounding: base × rate, or base × rate ÷ (1 + rate) where the base contains it."""
    if tax.inclusive:
        return Fraction(base_minor) * Fraction(tax.percent) / (100 + Fraction(tax.percent))
    return percent_of(base_minor, tax.percent)


def tax_per_line(base_minor: int, tax: Tax) -> int:
    """The tax on one line, rounded half away from zero."""
    return round_half_away(exact_tax(base_minor, tax))


def tax_per_invoice(bases: Sequence[tuple[int, Tax]]) -> list[int]:
    """The tax of every line when each rate is rounded once over the invoice.

    The rounded sum of a rate is spread over its lines by their exact shares, largest remainder first; lines of either
    sign are spread apart, so that a credit line mirrors a charge line.
    """
    taxes = [0] * len(bases)
    groups: dict[Tax, list[int]] = {}
    for position, (_, tax) in enumerate(bases):
        groups.setdefault(tax, []).append(position)
    for tax, positions in groups.items():
        _spread(taxes, [(position, bases[position][0]) for position in positions], tax)
    return taxes


def _spread(taxes: list[int], lines: list[tuple[int, int]], tax: Tax) -> None:
    whole = round_half_away(exact_tax(sum(base for _, base in lines), tax))
    negative = [(position, base) for position, base in lines if base < 0]
    positive = [(position, base) for position, base in lines if base >= 0]
    given_back = round_half_away(exact_tax(sum(base for _, base in negative), tax)) if positive else whole
    for part, total in ((negative, given_back), (positive, whole - given_back)):
        for (position, _), share in zip(part, split(total, [abs(base) for _, base in part]), strict=True):
            taxes[position] = share
