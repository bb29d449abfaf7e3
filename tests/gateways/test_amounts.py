"""Amounts as gateways write them: exact both ways, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.currencies import MINOR_DIGITS
from billsmith.core.money import LARGEST_AMOUNT, AmountTooLarge
from billsmith.gateways.amounts import AS_ISO, LIKE_STRIPE, AmountTable, NotRepresentable, Writing


@pytest.mark.parametrize(
    ("amount_minor", "currency", "written"),
    [
        (1234, "EUR", 1234),
        (500, "JPY", 500),
        (500, "ISK", 50_000),
        (500, "UGX", 50_000),
        (1230, "KWD", 1230),
        (-1230, "TND", -1230),
        (100, "MGA", 1),
        (-100, "MGA", -1),
        (0, "EUR", 0),
    ],
)
def test_amounts_are_written_as_stripe_does(amount_minor: int, currency: str, written: int) -> None:
    assert LIKE_STRIPE.encode(amount_minor, currency) == written
    assert LIKE_STRIPE.decode(written, currency) == amount_minor
    assert LIKE_STRIPE.decode(str(written), currency) == amount_minor


@pytest.mark.parametrize(
    ("amount_minor", "currency"), [(1234, "KWD"), (1, "MGA"), (-150, "MGA"), (1, "CLF"), (10, "IQD")]
)
def test_what_can_not_be_written_exactly_is_refused(amount_minor: int, currency: str) -> None:
    with pytest.raises(NotRepresentable):
        LIKE_STRIPE.encode(amount_minor, currency)


def test_a_part_of_the_smallest_unit_is_never_read() -> None:
    with pytest.raises(NotRepresentable):
        LIKE_STRIPE.decode(50_050, "ISK")


@pytest.mark.parametrize("written", ["12.34", "1e3", " 1", "+1", "--1", "", "١٢", "1_000", "9" * 30, None, 1.0, True])
def test_what_is_no_integer_is_no_amount(written: object) -> None:
    with pytest.raises(NotRepresentable):
        AS_ISO.decode(written, "EUR")  # type: ignore[arg-type]


def test_an_amount_beyond_the_limit_is_refused_both_ways() -> None:
    with pytest.raises(AmountTooLarge):
        AS_ISO.encode(LARGEST_AMOUNT + 1, "EUR")
    with pytest.raises(AmountTooLarge):
        AS_ISO.decode(LARGEST_AMOUNT + 1, "EUR")


@given(
    st.integers(-LARGEST_AMOUNT, LARGEST_AMOUNT), st.sampled_from(sorted(MINOR_DIGITS)), st.integers(0, 5),
    st.sampled_from([1, 5, 10, 100]),
)  # fmt: skip
def test_any_table_is_exact_or_refuses(amount_minor: int, currency: str, digits: int, step: int) -> None:
    table = AmountTable({currency: Writing(digits, step)})
    try:
        written = table.encode(amount_minor, currency)
    except NotRepresentable:
        unit = 10 ** max(MINOR_DIGITS[currency] - digits, 0)
        scaled = amount_minor * 10 ** max(digits - MINOR_DIGITS[currency], 0)
        assert amount_minor % unit or (scaled // unit) % step
        return
    assert table.decode(written, currency) == amount_minor
