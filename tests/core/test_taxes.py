"""Tax and discounts given per line; tax rounded there or once per rate over the invoice. Rule: docs/rules/totals.md"""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.discounts import Discount, DiscountInvalid, discount_on
from billsmith.core.money import round_half_away
from billsmith.core.taxes import Tax, TaxInvalid, checked_tax, exact_tax, tax_per_invoice, tax_per_line
from tests.core.made import amounts, discounts, rates

taxed_bases = st.lists(st.tuples(amounts, st.builds(Tax, rates, st.booleans())), max_size=8)


@given(amounts, rates)
def test_added_tax_is_the_rate_of_the_base(base: int, percent: Decimal) -> None:
    tax = Tax(percent)
    assert exact_tax(base, tax) == Fraction(percent) * base / 100
    assert abs(tax_per_line(base, tax) - exact_tax(base, tax)) <= Fraction(1, 2)


@given(amounts, rates)
def test_contained_tax_added_to_its_net_gives_the_base_back(base: int, percent: Decimal) -> None:
    inclusive = exact_tax(base, Tax(percent, inclusive=True))
    net = base - inclusive
    assert net + net * Fraction(percent) / 100 == base


@given(amounts, st.builds(Tax, rates, st.booleans()))
def test_the_tax_of_a_correction_mirrors_its_charge(base: int, tax: Tax) -> None:
    assert tax_per_line(-base, tax) == -tax_per_line(base, tax)


@pytest.mark.parametrize(
    ("base", "percent", "inclusive", "tax"),
    [
        (10000, "19", False, 1900),
        (11900, "19", True, 1900),
        (10000, "19", True, 1597),  # 1596.638…
        (50, "5", False, 3),  # 2.5 goes away from zero
        (-50, "5", False, -3),
        (1, "7.7", False, 0),
        (0, "19", True, 0),
        (100, "0", True, 0),
        (100, "1000", False, 1000),
        (1100, "1000", True, 1000),
        (10**15 - 1, "0.000000000001", False, 10),
    ],
)
def test_tax_on_one_line(base: int, percent: str, inclusive: bool, tax: int) -> None:
    assert tax_per_line(base, Tax(Decimal(percent), inclusive)) == tax


@given(taxed_bases)
def test_over_the_invoice_each_rate_is_rounded_once(bases: list[tuple[int, Tax]]) -> None:
    found = tax_per_invoice(bases)
    assert len(found) == len(bases)
    for tax in {tax for _, tax in bases}:
        exact = sum((exact_tax(base, rate) for base, rate in bases if rate == tax), Fraction(0))
        assert sum(part for part, (_, rate) in zip(found, bases, strict=True) if rate == tax) == round_half_away(exact)


@given(taxed_bases)
def test_over_the_invoice_no_line_is_a_unit_away_from_its_exact_tax(bases: list[tuple[int, Tax]]) -> None:
    for part, (base, tax) in zip(tax_per_invoice(bases), bases, strict=True):
        assert abs(part - exact_tax(base, tax)) < 1


@given(taxed_bases)
def test_the_mirrored_invoice_has_mirrored_lines(bases: list[tuple[int, Tax]]) -> None:
    assert tax_per_invoice([(-base, tax) for base, tax in bases]) == [-part for part in tax_per_invoice(bases)]


@pytest.mark.parametrize(
    ("bases", "percent", "parts"),
    [
        ([17, 446], "20", [4, 89]),  # 3.4 + 89.2 = 92.6 → 93; on the lines it would be 92
        ([6833, 6833], "20", [1367, 1366]),  # 1366.6 twice = 2733.2 → 2733: the tie goes to the earlier
        ([2, 2, 2, 2, 2], "5", [1, 0, 0, 0, 0]),  # 0.1 five times = 0.5 → 1; on the lines nothing
        ([-2, -2, -2, -2, -2], "5", [-1, 0, 0, 0, 0]),
        ([100, -100], "7.7", [7, -7]),  # 7.7 − 7.7 = 0
        ([12, -2, 12], "5", [1, 0, 0]),  # 0.6 − 0.1 + 0.6 = 1.1
        ([], "20", []),
    ],
)
def test_tax_over_an_invoice(bases: list[int], percent: str, parts: list[int]) -> None:
    assert tax_per_invoice([(base, Tax(Decimal(percent))) for base in bases]) == parts


def test_a_rate_is_the_same_however_it_is_written_but_not_whether_contained() -> None:
    same = [(17, Tax(Decimal("20"))), (446, Tax(Decimal("20.00")))]
    assert tax_per_invoice(same) == [4, 89]
    assert sum(tax_per_invoice([(3, Tax(Decimal(20))), (3, Tax(Decimal(20), inclusive=True))])) == 2


@pytest.mark.parametrize("percent", ["-1", "-0.000001", "1000.01", "NaN", "Infinity", "0.0000000000001", "1E+3000"])
def test_rates_that_are_none(percent: str) -> None:
    with pytest.raises(TaxInvalid) as refused:
        checked_tax(Tax(Decimal(percent)), "/items/0/tax")
    assert [error.pointer for error in refused.value.errors] == ["/items/0/tax/percent"]


@pytest.mark.parametrize("percent", ["0", "-0", "19", "0.000000000001", "1000"])
def test_rates_that_count(percent: str) -> None:
    tax = Tax(Decimal(percent))
    assert checked_tax(tax, "/items/0/tax") == tax


@given(st.data(), amounts)
def test_a_discount_shrinks_an_amount_towards_zero_and_never_past_it(data: st.DataObject, amount: int) -> None:
    discount = data.draw(discounts(abs(amount)).filter(bool))
    assert discount is not None
    off = discount_on(amount, discount, "/discount")
    assert 0 <= abs(amount - off) <= abs(amount)
    assert (amount - off) * amount >= 0
    assert discount_on(-amount, discount, "/discount") == -off


@pytest.mark.parametrize(
    ("amount", "discount", "off"),
    [
        (1000, Discount(percent=Decimal("12.5")), 125),
        (-1000, Discount(percent=Decimal("12.5")), -125),
        (1000, Discount(percent=Decimal(100)), 1000),
        (1000, Discount(percent=Decimal(0)), 0),
        (0, Discount(percent=Decimal(50)), 0),
        (3, Discount(percent=Decimal(50)), 2),  # 1.5 goes away from zero
        (-3, Discount(percent=Decimal(50)), -2),
        (1000, Discount(amount_minor=300), 300),
        (-1000, Discount(amount_minor=300), -300),
        (1000, Discount(amount_minor=1000), 1000),
        (0, Discount(amount_minor=0), 0),
    ],
)
def test_discounts(amount: int, discount: Discount, off: int) -> None:
    assert discount_on(amount, discount, "/discount") == off


@pytest.mark.parametrize(
    ("amount", "discount", "pointer"),
    [
        (1000, Discount(), "/discount"),
        (1000, Discount(amount_minor=1, percent=Decimal(1)), "/discount"),
        (1000, Discount(amount_minor=1001), "/discount/amount"),
        (-1000, Discount(amount_minor=1001), "/discount/amount"),
        (1000, Discount(amount_minor=-1), "/discount/amount"),
        (0, Discount(amount_minor=1), "/discount/amount"),
        (1000, Discount(percent=Decimal("100.1")), "/discount/percent"),
        (1000, Discount(percent=Decimal("-1")), "/discount/percent"),
        (1000, Discount(percent=Decimal("NaN")), "/discount/percent"),
        (1000, Discount(percent=Decimal("0.0000000000001")), "/discount/percent"),
    ],
)
def test_discounts_that_are_none(amount: int, discount: Discount, pointer: str) -> None:
    with pytest.raises(DiscountInvalid) as refused:
        discount_on(amount, discount, "/discount")
    assert [error.pointer for error in refused.value.errors] == [pointer]
