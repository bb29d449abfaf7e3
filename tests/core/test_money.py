"""Money: rounded once, half away from zero; splits lose nothing; limits hold. Rule: docs/rules/money.md"""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.currencies import MINOR_DIGITS, UnknownCurrency, minor_digits
from billsmith.core.money import (
    LARGEST_AMOUNT,
    AmountTooLarge,
    is_plain,
    percent_of,
    price_times,
    round_half_away,
    show_amount,
    split,
    within_limits,
)
from tests.core.made import currencies

plain = st.decimals(-(10**9), 10**9, places=12)
weights = st.lists(st.integers(0, 10**6), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [("0", 0), ("-0", 0), ("0.4999999999999999999999", 0), ("0.5", 1), ("1.5", 2), ("2.5", 3), ("-0.5", -1),
     ("-1.5", -2), ("-2.5", -3), ("-0.49", 0), ("1e15", 10**15)],
)  # fmt: skip
def test_halves_go_away_from_zero(exact: str, rounded: int) -> None:
    assert round_half_away(Decimal(exact)) == rounded
    assert round_half_away(Fraction(exact)) == rounded


@given(st.fractions() | st.decimals(-(10**20), 10**20, places=20))
def test_rounding_is_the_nearest_integer_and_mirrors(exact: Fraction | Decimal) -> None:
    rounded = round_half_away(exact)
    distance = abs(Fraction(exact) - rounded)
    assert distance < Fraction(1, 2) or (distance == Fraction(1, 2) and abs(rounded) > abs(exact))
    assert round_half_away(-exact) == -rounded


@given(plain, plain, currencies)
def test_quantity_times_price_is_exact_until_it_is_rounded(quantity: Decimal, price: Decimal, currency: str) -> None:
    exact = Fraction(quantity) * Fraction(price) * 10 ** minor_digits(currency)
    if abs(round_half_away(exact)) > LARGEST_AMOUNT:
        with pytest.raises(AmountTooLarge):
            price_times(quantity, price, currency)
        return
    assert price_times(quantity, price, currency) == round_half_away(exact)
    assert price_times(-quantity, price, currency) == -price_times(quantity, price, currency)


@pytest.mark.parametrize(
    ("quantity", "price", "currency", "amount"),
    [
        ("3", "0.333333333333", "EUR", 100),
        ("1", "0.005", "EUR", 1),
        ("1", "-0.005", "EUR", -1),
        ("1", "0.004999999999", "EUR", 0),
        ("2.5", "1", "JPY", 3),
        ("1", "1.2345", "KWD", 1235),
        ("1", "1.23455", "CLF", 12346),
        ("0", "99.99", "EUR", 0),
        ("0.000000000001", "999999999999999", "EUR", 100_000),
        ("999999999999999.999999999999", "0.01", "EUR", 10**15),
    ],
)
def test_prices_in_currencies_of_0_2_3_and_4_digits(quantity: str, price: str, currency: str, amount: int) -> None:
    if amount > LARGEST_AMOUNT:
        with pytest.raises(AmountTooLarge):
            price_times(Decimal(quantity), Decimal(price), currency)
    else:
        assert price_times(Decimal(quantity), Decimal(price), currency) == amount


@pytest.mark.parametrize("text", ["0", "-0", "1", "0.000000000001", "999999999999999.999999999999", "1E+14", "0E+15"])
def test_plain_decimals(text: str) -> None:
    assert is_plain(Decimal(text))


@pytest.mark.parametrize(
    "text",
    ["NaN", "sNaN", "Infinity", "-Infinity", "1e400", "1E-13", "0.0000000000000", "1E+15", "0E+999999", "-1E+15"],
)
def test_decimals_that_can_not_be_computed_with(text: str) -> None:
    assert not is_plain(Decimal(text))


@given(st.integers(-(10**15), 10**15), st.decimals(0, 100, places=6))
def test_percentages_are_exact(amount: int, percent: Decimal) -> None:
    assert percent_of(amount, percent) * 100 == amount * Fraction(percent)


@given(st.integers(-LARGEST_AMOUNT, LARGEST_AMOUNT), weights)
def test_a_split_loses_nothing_and_gives_everybody_about_his_share(total: int, parts: list[int]) -> None:
    shares = split(total, parts)
    assert sum(shares) == total
    assert len(shares) == len(parts)
    assert split(-total, parts) == [-share for share in shares]
    if any(parts):
        assert all(
            abs(share - Fraction(total * part, sum(parts))) < 1 for share, part in zip(shares, parts, strict=True)
        )
        assert all(share == 0 for share, part in zip(shares, parts, strict=True) if part == 0)


@pytest.mark.parametrize(
    ("total", "parts", "shares"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (101, [1, 1, 1], [34, 34, 33]),
        (10, [1, 2, 4], [1, 3, 6]),  # remainders 3/7, 6/7, 5/7
        (1, [1, 2, 1], [0, 1, 0]),
        (1, [0, 1, 1], [0, 1, 0]),
        (0, [3, 4], [0, 0]),
        (5, [0, 0], [5, 0]),
        (0, [], []),
    ],
)
def test_the_largest_remainder_wins_and_ties_go_to_the_earlier(total: int, parts: list[int], shares: list[int]) -> None:
    assert split(total, parts) == shares


@pytest.mark.parametrize("amount", [LARGEST_AMOUNT, -LARGEST_AMOUNT, 0])
def test_the_limits_belong_to_what_is_allowed(amount: int) -> None:
    assert within_limits(amount) == amount


@pytest.mark.parametrize("amount", [LARGEST_AMOUNT + 1, -LARGEST_AMOUNT - 1, 2**63])
def test_beyond_the_limits_is_refused_where_it_was_given(amount: int) -> None:
    with pytest.raises(AmountTooLarge) as refused:
        within_limits(amount, "/amount")
    assert [error.pointer for error in refused.value.errors] == ["/amount"]


@pytest.mark.parametrize(("currency", "digits"), [("JPY", 0), ("EUR", 2), ("USD", 2), ("KWD", 3), ("CLF", 4)])
def test_digits_of_minor_units(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits


@pytest.mark.parametrize("text", ["", "eur", "EURO", "XXX", "XAU", "EU", " EUR", "€"])
def test_what_is_no_currency(text: str) -> None:
    with pytest.raises(UnknownCurrency):
        minor_digits(text)


def test_every_currency_is_three_capitals_with_0_2_3_or_4_digits() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in MINOR_DIGITS)
    assert set(MINOR_DIGITS.values()) == {0, 2, 3, 4}


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(-123450, "EUR", "-1234.50"), (5, "EUR", "0.05"), (0, "EUR", "0.00"), (-5, "KWD", "-0.005"), (7, "JPY", "7"),
     (12345, "CLF", "1.2345"), (-1, "CLF", "-0.0001")],
)  # fmt: skip
def test_amounts_as_shown(amount: int, currency: str, text: str) -> None:
    assert show_amount(amount, currency) == text


@given(st.integers(-LARGEST_AMOUNT, LARGEST_AMOUNT), currencies)
def test_a_shown_amount_reads_back(amount: int, currency: str) -> None:
    assert Decimal(show_amount(amount, currency)).scaleb(minor_digits(currency)) == amount
