"""From what a caller gives to lines: amounts that must add up, then discounts, then tax. Rule: docs/rules/totals.md"""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.currencies import UnknownCurrency, minor_digits
from billsmith.core.discounts import Discount, DiscountInvalid
from billsmith.core.invoices import Adjustment, InvoiceDetails, Item, Line
from billsmith.core.lines.items import AmountMismatch, AmountMissing, PriceInvalid, item_of, lines_of, total_of
from billsmith.core.money import LARGEST_AMOUNT, AmountTooLarge, round_half_away
from billsmith.core.periods import Period, PeriodBackwards
from billsmith.core.taxes import Tax, TaxInvalid, tax_per_invoice, tax_per_line
from billsmith.core.tenants import TenantSettings
from billsmith.core.text import UnusableText
from billsmith.errors import Invalid
from tests.core.made import ZERO, amounts, contents, lines, taxes

VAT = Tax(Decimal(19))
roundings = st.sampled_from(["line", "invoice"])


def figures(made: tuple[Line, ...]) -> list[tuple[int, int, int, int, int]]:
    """(amount, discount, net, tax, total) of every line."""
    return [(line.amount_minor, line.discount_minor, line.net_minor, line.tax_minor, line.total_minor) for line in made]


def totals(made: tuple[Line, ...]) -> list[int]:
    return [line.total_minor for line in made]


def made_of(details: InvoiceDetails, rounding: str = "line") -> tuple[Line, ...]:
    assert details.currency is not None
    return lines_of(details, details.currency, "UTC", TenantSettings(tax_rounding=rounding))  # type: ignore[arg-type]


def mirrored(item: Item) -> Item:
    """The item that gives back what this one charges."""
    if item.unit_price is not None:
        return replace(item, unit_price=-item.unit_price)
    return replace(item, amount_minor=None if item.amount_minor is None else -item.amount_minor)


@given(contents(), roundings)
def test_every_line_keeps_the_equations_of_the_ledger(details: InvoiceDetails, rounding: str) -> None:
    for line in made_of(details, rounding):
        base = line.amount_minor - line.discount_minor
        assert line.total_minor == line.net_minor + line.tax_minor
        assert (line.total_minor if line.tax_inclusive else line.net_minor) == base
        assert abs(base) <= abs(line.amount_minor)
        assert base * line.amount_minor >= 0
        assert line.tax_minor * base >= 0


@given(contents(), roundings)
def test_totals_are_the_sums_of_lines_items_first_then_adjustments(details: InvoiceDetails, rounding: str) -> None:
    made = made_of(details, rounding)
    assert [line.description for line in made] == [
        *(item.name for item in details.items),
        *(adjustment.reason for adjustment in details.adjustments),
    ]
    assert [line.kind for line in made] == ["one_off"] * len(details.items) + ["adjustment"] * len(details.adjustments)
    net, tax, total = total_of(made)
    assert (net, tax) == (sum(line.net_minor for line in made), sum(line.tax_minor for line in made))
    assert total == net + tax == sum(totals(made))


@given(contents())
def test_an_amount_is_quantity_times_price_rounded_once(details: InvoiceDetails) -> None:
    for item, line in zip(details.items, made_of(details), strict=False):
        if item.unit_price is None:
            assert line.amount_minor == item.amount_minor
        else:
            quantity = Fraction(1) if item.quantity is None else Fraction(item.quantity)
            exact = quantity * Fraction(item.unit_price) * 10 ** minor_digits(str(details.currency))
            assert line.amount_minor == round_half_away(exact)


@given(contents())
def test_tax_is_taken_of_what_discounts_left(details: InvoiceDetails) -> None:
    for item, line in zip(details.items, made_of(details), strict=False):
        base = line.amount_minor - line.discount_minor
        assert line.tax_minor == (0 if item.tax is None else tax_per_line(base, item.tax))


@given(contents())
def test_per_invoice_tax_is_that_of_the_taxed_lines_together(details: InvoiceDetails) -> None:
    made = made_of(details, "invoice")
    taxed = [(line, item.tax) for line, item in zip(made, details.items, strict=False) if item.tax is not None]
    bases = [(line.amount_minor - line.discount_minor, tax) for line, tax in taxed]
    assert [line.tax_minor for line, _ in taxed] == tax_per_invoice(bases)
    untaxed = replace(details, items=tuple(replace(item, tax=None) for item in details.items))
    assert [line.amount_minor for line in made] == [line.amount_minor for line in made_of(untaxed)]


@given(contents(), roundings)
def test_a_correction_mirrors_its_charge(details: InvoiceDetails, rounding: str) -> None:
    back = replace(
        details,
        items=tuple(mirrored(item) for item in details.items),
        adjustments=tuple(Adjustment(-taken.amount_minor, taken.reason) for taken in details.adjustments),
    )
    assert figures(made_of(back, rounding)) == [
        tuple(-figure for figure in line) for line in figures(made_of(details, rounding))
    ]


@given(contents(), roundings)
def test_a_line_says_what_it_was_made_of(details: InvoiceDetails, rounding: str) -> None:
    made = made_of(details, rounding)[: len(details.items)]
    again = replace(details, items=tuple(item_of(line) for line in made), adjustments=())
    assert made_of(again, rounding) == made


@given(contents(), roundings)
def test_a_total_that_the_lines_come_to_may_be_given_and_no_other(details: InvoiceDetails, rounding: str) -> None:
    made = made_of(details, rounding)
    total = total_of(made)[2]
    assert made_of(replace(details, amount_minor=total), rounding) == made
    for other in (total + 1, total - 1):
        with pytest.raises(AmountMismatch) as refused:
            made_of(replace(details, amount_minor=other), rounding)
        assert [error.pointer for error in refused.value.errors] == ["/amount"]


@given(contents(), st.integers(0, 5), amounts, taxes, roundings)
def test_one_item_without_an_amount_takes_the_rest(
    details: InvoiceDetails, place: int, amount: int, tax: Tax | None, rounding: str
) -> None:
    assume(tax is None or tax.inclusive or not tax.percent)
    others = details.items
    place = min(place, len(others))
    given_items = (*others[:place], Item("the rest", tax=tax), *others[place:])
    made = made_of(replace(details, items=given_items, amount_minor=amount), rounding)
    assert sum(totals(made)) == amount
    assert made[place].total_minor == amount - sum(totals(made_of(details, rounding)))
    if rounding == "line":  # over the invoice, the rest takes part in the rounding of its rate
        assert made[:place] + made[place + 1 :] == made_of(details)


@given(contents(), st.integers(1, 4))
def test_text_lines_are_zero_and_change_nothing(details: InvoiceDetails, count: int) -> None:
    text_lines = tuple(Item(f"Bandwidth {number} GB") for number in range(count))
    made = made_of(replace(details, items=details.items + text_lines))
    assert total_of(made) == total_of(made_of(details))
    assert figures(made[len(details.items) :][:count]) == [(0, 0, 0, 0, 0)] * count


@pytest.mark.parametrize(
    ("items", "amount", "expected"),
    [
        ([], 15000, [15000]),
        ([], 0, [0]),
        ([], -15000, [-15000]),
        ([Item("Bandwidth"), Item("Setup", 5000)], 15000, [10000, 5000]),
        ([Item("Bandwidth"), Item("Setup", 15000)], 15000, [0, 15000]),
        ([Item("Discounted"), Item("Setup", 15000)], 12000, [-3000, 15000]),
        ([Item("a"), Item("b"), Item("Setup", 15000)], 15000, [0, 0, 15000]),
        ([Item("a"), Item("Setup", 15000)], None, [0, 15000]),
        ([Item("a"), Item("b")], 0, [0, 0]),
        ([Item("one text alone")], 15000, [15000]),
    ],
)
def test_amounts_add_up(items: list[Item], amount: int | None, expected: list[int]) -> None:
    assert totals(lines(*items, amount=amount)) == expected


def test_an_amount_alone_is_one_line_named_like_the_title() -> None:
    settings = TenantSettings()
    (line,) = lines_of(InvoiceDetails(amount_minor=5, title="October"), "EUR", "UTC", settings)
    assert (line.description, line.kind) == ("October", "one_off")
    (line,) = lines_of(InvoiceDetails(amount_minor=5), "EUR", "UTC", settings)
    assert line.description == "Invoice"


@pytest.mark.parametrize(
    ("quantity", "price", "currency", "amount"),
    [
        ("3", "0.333333333333", "EUR", 100),
        ("1000000", "0.000000000001", "EUR", 0),
        ("100000000000", "0.000000000001", "EUR", 10),
        ("0", "12.34", "EUR", 0),
        ("-0", "12.34", "EUR", 0),
        ("1", "-0", "EUR", 0),
        ("-2", "12.34", "EUR", -2468),
        ("2", "-12.34", "EUR", -2468),
        ("1.5", "333", "JPY", 500),
        ("-1.5", "333", "JPY", -500),
        ("1", "0.0005", "KWD", 1),
        ("1", "40123.45675", "CLF", 401234568),
        ("0.000000000001", "0.000000000001", "CLF", 0),
        ("999999999999.999", "1", "JPY", 1_000_000_000_000),
    ],
)
def test_prices_of_every_size_and_currency(quantity: str, price: str, currency: str, amount: int) -> None:
    item = Item("x", quantity=Decimal(quantity), unit_price=Decimal(price))
    assert totals(lines(item, currency=currency)) == [amount]
    assert totals(lines(replace(item, amount_minor=amount), currency=currency)) == [amount]
    with pytest.raises(AmountMismatch) as refused:
        lines(replace(item, amount_minor=amount + 1), currency=currency)
    assert [error.pointer for error in refused.value.errors] == ["/items/0/amount"]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Item("plain", 10000), (10000, 0, 10000, 0, 10000)),
        (Item("tax on top", 10000, tax=VAT), (10000, 0, 10000, 1900, 11900)),
        (Item("tax within", 11900, tax=Tax(Decimal(19), inclusive=True)), (11900, 0, 10000, 1900, 11900)),
        (Item("less first", 10000, tax=VAT, discount=Discount(percent=Decimal(10))), (10000, 1000, 9000, 1710, 10710)),
        (Item("free", 10000, tax=VAT, discount=Discount(percent=Decimal(100))), (10000, 10000, 0, 0, 0)),
        (Item("free", 10000, tax=VAT, discount=Discount(amount_minor=10000)), (10000, 10000, 0, 0, 0)),
        (Item("back", -10000, tax=VAT, discount=Discount(amount_minor=1000)), (-10000, -1000, -9000, -1710, -10710)),
        (Item("nothing", 0, tax=VAT), (0, 0, 0, 0, 0)),
        (Item("no quantity", quantity=ZERO, unit_price=Decimal(5), tax=VAT), (0, 0, 0, 0, 0)),
        (Item("price alone", unit_price=Decimal("1.005")), (101, 0, 101, 0, 101)),
    ],
)  # fmt: skip
def test_one_line(item: Item, expected: tuple[int, ...]) -> None:
    assert figures(lines(item)) == [expected]


def test_what_is_shown_is_kept() -> None:
    span = Period(date(2026, 3, 1), date(2026, 4, 1))
    item = Item("Traffic", 1, Decimal("2.50"), "GB", None, span, "1.2 TB", "network")
    (line,) = lines(item)
    assert (line.quantity, line.unit, line.volume, line.category) == (Decimal("2.50"), "GB", "1.2 TB", "network")
    assert (line.period_start_on, line.period_end_on, line.time_zone) == (span.start_on, span.end_on, "Europe/Berlin")
    assert lines(Item("No period", 1))[0].time_zone is None


def test_per_invoice_rounding_is_the_tenants_choice() -> None:
    items = [Item(name, 2, tax=Tax(Decimal(5))) for name in "abcde"]
    assert sum(line.tax_minor for line in lines(*items)) == 0
    assert [line.tax_minor for line in lines(*items, tax_rounding="invoice")] == [1, 0, 0, 0, 0]


def test_adjustments_have_a_reason_and_no_tax() -> None:
    made = lines(Item("Hosting", 10000, tax=VAT), adjustments=(Adjustment(-500, "Outage"), Adjustment(100, "Postage")))
    assert totals(made) == [11900, -500, 100]
    assert [line.tax_minor for line in made] == [1900, 0, 0]
    assert [line.description for line in made[1:]] == ["Outage", "Postage"]
    assert totals(lines(adjustments=(Adjustment(-500, "Outage"),))) == [-500]


REFUSED: list[tuple[type[Invalid], str, InvoiceDetails]] = [
    (AmountMissing, "/items", InvoiceDetails()),
    (AmountMissing, "/amount", InvoiceDetails(items=(Item("a"),))),
    (AmountMissing, "/amount", InvoiceDetails(items=(Item("a"), Item("b")))),
    (AmountMismatch, "/amount", InvoiceDetails(items=(Item("a"), Item("b")), amount_minor=1)),
    (AmountMismatch, "/amount", InvoiceDetails(items=(Item("a", 5),), amount_minor=6)),
    (AmountMismatch, "/amount", InvoiceDetails(adjustments=(Adjustment(-5, "off"),), amount_minor=100)),
    (AmountMismatch, "/items/1/amount", InvoiceDetails(items=(Item("a", 5), Item("b", 5, unit_price=Decimal(5))))),
    (AmountMissing, "/items/0/tax", InvoiceDetails(items=(Item("a", tax=VAT),), amount_minor=100)),
    (AmountMissing, "/items/0/discount",
     InvoiceDetails(items=(Item("a", discount=Discount(percent=Decimal(5))),), amount_minor=100)),
    (DiscountInvalid, "/items/0/discount", InvoiceDetails(items=(Item("a", 5, discount=Discount()),))),
    (DiscountInvalid, "/items/0/discount/amount",
     InvoiceDetails(items=(Item("a", 5, discount=Discount(amount_minor=6)),))),
    (TaxInvalid, "/items/1/tax/percent", InvoiceDetails(items=(Item("a", 5), Item("b", 5, tax=Tax(Decimal(-1)))))),
    (PriceInvalid, "/items/0/quantity", InvoiceDetails(items=(Item("a", 5, Decimal("NaN")),))),
    (PriceInvalid, "/items/0/quantity", InvoiceDetails(items=(Item("a", 5, Decimal("1e400")),))),
    (PriceInvalid, "/items/0/unit_price", InvoiceDetails(items=(Item("a", unit_price=Decimal("-Infinity")),))),
    (PriceInvalid, "/items/0/unit_price", InvoiceDetails(items=(Item("a", unit_price=Decimal("1E-13")),))),
    (AmountTooLarge, "/amount", InvoiceDetails(amount_minor=2**63)),
    (AmountTooLarge, "/items/0/amount", InvoiceDetails(items=(Item("a", -(10**15)),))),
    (AmountTooLarge, "/items/0/unit_price", InvoiceDetails(items=(Item("a", unit_price=Decimal(10**14)),))),
    (AmountTooLarge, "/items/0", InvoiceDetails(items=(Item("a", LARGEST_AMOUNT, tax=VAT),))),
    (AmountTooLarge, "/adjustments/0/amount", InvoiceDetails(adjustments=(Adjustment(10**15, "x"),))),
    (AmountTooLarge, "/amount",
     InvoiceDetails(items=(Item("rest"), Item("a", -LARGEST_AMOUNT)), amount_minor=LARGEST_AMOUNT)),
    (UnusableText, "/items/0/name", InvoiceDetails(items=(Item("", 5),))),
    (UnusableText, "/items/0/unit", InvoiceDetails(items=(Item("a", 5, unit="two\nlines"),))),
    (UnusableText, "/items/0/volume", InvoiceDetails(items=(Item("a", 5, volume="\x00"),))),
    (UnusableText, "/items/0/category", InvoiceDetails(items=(Item("a", 5, category=" "),))),
    (UnusableText, "/adjustments/0/reason", InvoiceDetails(adjustments=(Adjustment(5, ""),))),
    (PeriodBackwards, "/items/0/period/end",
     InvoiceDetails(items=(Item("a", 5, period=Period(date(2026, 2, 1), date(2026, 1, 1))),))),
]  # fmt: skip


@pytest.mark.parametrize(("error", "pointer", "details"), REFUSED)
def test_what_can_not_be_meant_is_refused_where_it_was_given(
    error: type[Invalid], pointer: str, details: InvoiceDetails
) -> None:
    with pytest.raises(error) as refused:
        lines_of(details, "EUR", "UTC", TenantSettings())
    assert type(refused.value) is error
    assert [found.pointer for found in refused.value.errors] == [pointer]


def test_the_currency_must_be_one() -> None:
    with pytest.raises(UnknownCurrency):
        lines(Item("a", 5), currency="XXX")


@example(LARGEST_AMOUNT, LARGEST_AMOUNT)
@given(st.integers(0, LARGEST_AMOUNT), st.integers(0, LARGEST_AMOUNT))
def test_a_total_stays_within_limits_too(one: int, other: int) -> None:
    made = lines(Item("a", one), Item("b", other))
    if one + other <= LARGEST_AMOUNT:
        assert total_of(made)[2] == one + other
    else:
        with pytest.raises(AmountTooLarge):
            total_of(made)
