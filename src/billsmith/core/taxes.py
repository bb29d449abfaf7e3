"""Tax given per line: a rate, added to the base or contained in it. Rule: docs/rules/totals.md

The engine that finds rates by itself comes later; its result will arrive here as the same value.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from billsmith.core.money import DECIMAL_PLACES, is_plain, percent_of, round_half_away
from billsmith.errors import Invalid

HIGHEST_PERCENT = 1000


class Tax(msgspec.Struct, frozen=True, gc=False):
    """A rate in per cent. Exclusive: added to what is left after discounts. Inclusive: contained in it."""

    percent: Decimal
    inclusive: bool = False


class TaxInvalid(Invalid):
    """A rate outside 0–1000 per cent, or with more than 12 places."""

    code = "tax_invalid"


def checked_tax(tax: Tax, pointer: str) -> Tax:
    """The tax itself. Raises TaxInvalid."""
    if not is_plain(tax.percent) or not 0 <= tax.percent <= HIGHEST_PERCENT:
        raise TaxInvalid(
            f"a tax rate is 0 to {HIGHEST_PERCENT} per cent, with up to {DECIMAL_PLACES} places",
            pointer=f"{pointer}/percent",
        )
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

    The tax of a rate is the rounded sum of its lines' exact taxes. Each line gets its own, cut towards zero; what is
    left goes one unit at a time to the largest remainders of its sign, ties to the earlier line. So the mirrored
    invoice has mirrored lines, and no line is a whole unit away from its exact tax.
    """
    exact = [exact_tax(base, tax) for base, tax in bases]
    taxes = [int(part) for part in exact]
    groups: dict[Tax, list[int]] = {}
    for position, (_, tax) in enumerate(bases):
        groups.setdefault(tax, []).append(position)
    for positions in groups.values():
        left = round_half_away(sum((exact[p] for p in positions), Fraction(0))) - sum(taxes[p] for p in positions)
        step = 1 if left >= 0 else -1
        for position in sorted(positions, key=lambda p: step * (taxes[p] - exact[p]))[: abs(left)]:
            taxes[position] += step
    return taxes
