"""What a line says of its figures, read back and computed again, comes to those figures. Rule: docs/rules/totals.md"""

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.currencies import minor_digits
from billsmith.core.discounts import Discount
from billsmith.core.invoices import Adjustment, InvoiceDetails, Item, Line
from billsmith.core.lines.explain import Step, explained
from billsmith.core.lines.items import lines_of
from billsmith.core.taxes import Tax
from billsmith.core.tenants import TenantSettings
from tests.core.made import contents, lines

NUMBER = r"(-?[0-9]+(?:\.[0-9]+)?)"
ROUNDED = ", rounded half away from zero"
Reckoning = Callable[[Fraction, Fraction], Fraction]

# Written anew from the words, in major units; `core` is not asked.
SENTENCES: list[tuple[str, Reckoning]] = [
    (rf"{NUMBER}(?: h)? × {NUMBER}{ROUNDED}", lambda quantity, price: quantity * price),
    (rf"{NUMBER} % of {NUMBER}{ROUNDED}", lambda percent, of: of * percent / 100),
    (rf"{NUMBER} % contained in {NUMBER}{ROUNDED}", lambda percent, within: within - within / (1 + percent / 100)),
    (rf"{NUMBER} − {NUMBER}", lambda whole, part: whole - part),
    (rf"{NUMBER} net \+ {NUMBER} tax", lambda net, tax: net + tax),
]
OVER_THE_INVOICE = ", rounded once over the invoice's lines with this rate"
GIVEN = {"given as an adjustment", "given as an amount", "given as an amount, or left over from the total"}


def computed_again(arithmetic: str, digits: int) -> int | None:
    """The figure in minor units that the words come to; None where they say that it was given."""
    if arithmetic in GIVEN:
        return None
    for pattern, reckoning in SENTENCES:
        if found := re.fullmatch(pattern, arithmetic):
            exact = reckoning(Fraction(found[1]), Fraction(found[2])) * 10**digits
            return int(abs(exact) + Fraction(1, 2)) * (1 if exact >= 0 else -1)
    raise AssertionError(f"no reader for: {arithmetic}")


def check(line: Line, steps: tuple[Step, ...], currency: str) -> None:
    digits = minor_digits(currency)
    stored = {
        "amount": line.amount_minor,
        "discount": line.discount_minor,
        "net": line.net_minor,
        "tax": line.tax_minor,
        "total": line.total_minor,
    }
    assert steps[0].figure == "amount"
    assert steps[-1].figure == "total"
    for step in steps:
        assert step.amount_minor == stored[step.figure]
        again = computed_again(step.arithmetic.replace(OVER_THE_INVOICE, ROUNDED), digits)
        if OVER_THE_INVOICE in step.arithmetic:
            assert again is not None
            assert abs(again - step.amount_minor) == 1
        else:
            assert again in (None, step.amount_minor)


@given(contents(), st.sampled_from(["line", "invoice"]))
def test_every_figure_is_what_its_words_come_to(details: InvoiceDetails, rounding: str) -> None:
    currency = str(details.currency)
    settings = TenantSettings(tax_rounding=rounding)  # type: ignore[arg-type]
    for line in lines_of(details, currency, "UTC", settings):
        check(line, explained(line, currency), currency)


@given(contents())
def test_a_wrong_cent_would_be_seen(details: InvoiceDetails) -> None:
    currency = str(details.currency)
    line = lines_of(details, currency, "UTC", TenantSettings())[0]
    wrong = replace(line, total_minor=line.total_minor + 1)
    with pytest.raises(AssertionError):
        check(wrong, explained(wrong, currency), currency)


def said(line: Line, currency: str = "EUR") -> list[tuple[str, str, int]]:
    return [(step.figure, step.arithmetic, step.amount_minor) for step in explained(line, currency)]


def test_the_whole_way_from_price_to_total() -> None:
    item = Item("Support", None, Decimal("2.5"), "h", Decimal("0.335"), tax=Tax(Decimal(19)),
                discount=Discount(percent=Decimal(10)))  # fmt: skip
    assert said(lines(item)[0]) == [
        ("amount", "2.5 h × 0.335, rounded half away from zero", 84),
        ("discount", "10 % of 0.84, rounded half away from zero", 8),
        ("net", "0.84 − 0.08", 76),
        ("tax", "19 % of 0.76, rounded half away from zero", 14),
        ("total", "0.76 net + 0.14 tax", 90),
    ]


def test_contained_tax_comes_before_the_net() -> None:
    (line,) = lines(Item("Book", 11900, tax=Tax(Decimal(19), inclusive=True)))
    assert said(line)[1:] == [
        ("tax", "19 % contained in 119.00, rounded half away from zero", 1900),
        ("net", "119.00 − 19.00", 10000),
        ("total", "100.00 net + 19.00 tax", 11900),
    ]


def test_tax_that_was_rounded_over_the_invoice_says_so() -> None:
    made = lines(*(Item(name, 2, tax=Tax(Decimal(5))) for name in "abcde"), tax_rounding="invoice")
    assert said(made[0])[2] == ("tax", "5 % of 0.02" + OVER_THE_INVOICE, 1)
    assert said(made[1])[2] == ("tax", "5 % of 0.02" + ROUNDED, 0)


@pytest.mark.parametrize("items", [(Item("Hosting"), Item("Setup", 5000)), (Item("Text"), Item("Setup", 15000))])
def test_an_amount_without_a_price_is_not_said_to_be_computed(items: tuple[Item, ...]) -> None:
    for line in lines(*items, amount=15000):
        assert said(line)[0][1] == "given as an amount, or left over from the total"


def test_an_adjustment_was_given() -> None:
    (line,) = lines(adjustments=(Adjustment(-500, "Outage"),))
    assert said(line) == [("amount", "given as an adjustment", -500), ("total", "-5.00 net + 0.00 tax", -500)]


def test_a_discount_given_as_an_amount_says_so_even_without_tax() -> None:
    (line,) = lines(Item("Hosting", 10000, discount=Discount(amount_minor=2500)))
    assert said(line)[1:] == [
        ("discount", "given as an amount", 2500),
        ("net", "100.00 − 25.00", 7500),
        ("total", "75.00 net + 0.00 tax", 7500),
    ]


def test_no_figure_is_shown_in_the_notation_of_machines() -> None:
    (line,) = lines(Item("Tokens", quantity=Decimal("1E+6"), unit_price=Decimal("1E-7")))
    assert said(line)[0][1].startswith("1000000 × 0.0000001,")
