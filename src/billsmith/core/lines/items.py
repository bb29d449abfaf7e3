"""From what a caller gives to a document's lines: amounts, discounts, tax, in that order. Rule: docs/rules/totals.md"""

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec

from billsmith.core.currencies import minor_digits
from billsmith.core.discounts import Discount, discount_on
from billsmith.core.invoices import Adjustment, InvoiceDetails, Item, Line
from billsmith.core.money import DECIMAL_PLACES, LARGEST_DECIMAL, is_plain, price_times, show_amount, within_limits
from billsmith.core.periods import Period, period
from billsmith.core.taxes import Tax, checked_tax, tax_per_invoice, tax_per_line
from billsmith.core.tenants import TenantSettings
from billsmith.core.text import DESCRIPTION_LENGTH, WORD_LENGTH, block_of_text, line_of_text
from billsmith.errors import Invalid

_ONE = Decimal(1)


class AmountMismatch(Invalid):
    """Amounts that were given and do not add up."""

    code = "amount_mismatch"


class AmountMissing(Invalid):
    """Nothing says what this is worth."""

    code = "amount_missing"


class PriceInvalid(Invalid):
    """A quantity or unit price that is no plain decimal of up to 12 places."""

    code = "price_invalid"


def lines_of(details: InvoiceDetails, currency: str, zone: str, settings: TenantSettings) -> tuple[Line, ...]:
    """The lines of a document, items first, then adjustments; their totals add up to a given amount.

    An amount without items becomes one line named like the title. Exactly one item without an amount takes the rest of
    the given amount; several are text lines of zero if the others add up to it. Raises Invalid kinds with the pointer
    of the field.
    """
    minor_digits(currency)
    if details.amount_minor is not None:
        within_limits(details.amount_minor, "/amount")
    items = details.items
    if not items and not details.adjustments:
        if details.amount_minor is None:
            raise AmountMissing("an invoice has items, adjustments or an amount", pointer="/items")
        items = (Item(name=details.title or "Invoice", amount_minor=details.amount_minor),)
    amounts = [_amount(item, currency, position) for position, item in enumerate(items)]
    adjustments = [_adjustment_line(adjustment, position) for position, adjustment in enumerate(details.adjustments)]
    lines = _item_lines(items, amounts, zone, settings) + adjustments
    if details.amount_minor is None:
        if not adjustments and all(amount is None for amount in amounts):
            raise AmountMissing("none of these items has an amount, and neither has the invoice", pointer="/amount")
        return tuple(lines)
    rest = details.amount_minor - sum(line.total_minor for line in lines)
    if rest == 0:
        return tuple(lines)
    amounts[_taker_of_rest(items, amounts, rest, details.amount_minor, currency)] = within_limits(rest, "/amount")
    return tuple(_item_lines(items, amounts, zone, settings) + adjustments)


def item_of(line: Line) -> Item:
    """What was given for a line: `lines_of` makes the same line of it again."""
    discount = None
    if line.discount_percent is not None:
        discount = Discount(percent=line.discount_percent)
    elif line.discount_minor:
        discount = Discount(amount_minor=abs(line.discount_minor))
    start_on, end_on = line.period_start_on, line.period_end_on
    return Item(
        name=line.description,
        amount_minor=line.amount_minor if line.unit_price is None else None,
        quantity=line.quantity,
        unit=line.unit,
        unit_price=line.unit_price,
        period=None if start_on is None or end_on is None else Period(start_on, end_on),
        volume=line.volume,
        category=line.category,
        tax=None if line.tax_percent is None else Tax(line.tax_percent, line.tax_inclusive),
        discount=discount,
    )


def total_of(lines: Sequence[Line]) -> tuple[int, int, int]:
    """(net, tax, total) of a document in minor units. Raises AmountTooLarge."""
    net, tax = sum(line.net_minor for line in lines), sum(line.tax_minor for line in lines)
    return within_limits(net, "/items"), within_limits(tax, "/items"), within_limits(net + tax, "/items")


class _Pointers(msgspec.Struct, frozen=True, gc=False):
    """Where an item and its fields stand, to be named if one is wrong."""

    item: str
    name: str
    category: str
    unit: str
    volume: str
    quantity: str
    unit_price: str
    amount: str


@lru_cache(maxsize=1024)
def _pointers(position: int) -> _Pointers:
    """Kept: they are made for every line, and hardly ever needed."""
    item = f"/items/{position}"
    return _Pointers(item, *(f"{item}/{field}" for field in _Pointers.__struct_fields__[1:]))


def _amount(item: Item, currency: str, position: int) -> int | None:
    """What the item comes to before discount, or None if only the rest can tell."""
    at = _pointers(position)
    if item.quantity is not None:
        _check_decimal(item.quantity, at.quantity)
    if item.unit_price is None:
        return None if item.amount_minor is None else within_limits(item.amount_minor, at.amount)
    _check_decimal(item.unit_price, at.unit_price)
    quantity = _ONE if item.quantity is None else item.quantity
    computed = price_times(quantity, item.unit_price, currency, at.unit_price)
    if item.amount_minor is not None and item.amount_minor != computed:
        raise AmountMismatch(
            f"quantity × unit price is {show_amount(computed, currency)},"
            f" the amount given {show_amount(item.amount_minor, currency)}",
            pointer=at.amount,
        )
    return computed


def _check_decimal(number: Decimal, pointer: str) -> None:
    if not is_plain(number):
        raise PriceInvalid(
            f"a decimal of up to {DECIMAL_PLACES} places below {LARGEST_DECIMAL:f} is needed", pointer=pointer
        )


def _item_lines(
    items: Sequence[Item], amounts: Sequence[int | None], zone: str, settings: TenantSettings
) -> list[Line]:
    bases = [
        _amount_and_discount(item, amount, position)
        for position, (item, amount) in enumerate(zip(items, amounts, strict=True))
    ]
    taxes = _taxes(items, bases, settings)
    return [_line(item, position, bases[position], taxes[position], zone) for position, item in enumerate(items)]


def _amount_and_discount(item: Item, amount: int | None, position: int) -> tuple[int, int]:
    """(amount, discount) of an item; both zero while only the rest can tell."""
    if item.discount is None:
        return (amount or 0), 0
    pointer = f"/items/{position}/discount"
    if amount is None:
        raise AmountMissing("a discount needs an item with an amount or a unit price", pointer=pointer)
    return amount, discount_on(amount, item.discount, pointer)


def _taxes(items: Sequence[Item], bases: list[tuple[int, int]], settings: TenantSettings) -> list[int]:
    taxed = [position for position, item in enumerate(items) if item.tax is not None]
    if not taxed:
        return [0] * len(items)
    pairs = [(bases[p][0] - bases[p][1], checked_tax(_tax(items[p]), f"/items/{p}/tax")) for p in taxed]
    found = tax_per_invoice(pairs) if settings.tax_rounding == "invoice" else [tax_per_line(*pair) for pair in pairs]
    taxes = [0] * len(items)
    for position, tax_minor in zip(taxed, found, strict=True):
        taxes[position] = tax_minor
    return taxes


def _tax(item: Item) -> Tax:
    assert item.tax is not None
    return item.tax


def _line(item: Item, position: int, base: tuple[int, int], tax_minor: int, zone: str) -> Line:
    at = _pointers(position)
    amount, discount = base
    tax, given = item.tax, item.discount or Discount()
    net = amount - discount - tax_minor if tax is not None and tax.inclusive else amount - discount
    span = None if item.period is None else _span(item.period, at.item)
    return Line(
        "one_off",
        block_of_text(item.name, DESCRIPTION_LENGTH, at.name),
        _word(item.category, at.category),
        item.quantity,
        _word(item.unit, at.unit),
        item.unit_price,
        _word(item.volume, at.volume),
        amount,
        discount,
        given.percent,
        None if tax is None else tax.percent,
        tax is not None and tax.inclusive,
        net,
        tax_minor,
        within_limits(net + tax_minor, at.item),
        None if span is None else span.start_on,
        None if span is None else span.end_on,
        None if span is None else zone,
    )


def _span(given: Period, pointer: str) -> Period:
    return period(given.start_on, given.end_on, f"{pointer}/period")


def _word(text: str | None, pointer: str) -> str | None:
    return None if text is None else line_of_text(text, WORD_LENGTH, pointer)


def _adjustment_line(adjustment: Adjustment, position: int) -> Line:
    pointer = f"/adjustments/{position}"
    amount = within_limits(adjustment.amount_minor, f"{pointer}/amount")
    reason = block_of_text(adjustment.reason, DESCRIPTION_LENGTH, f"{pointer}/reason")
    return Line(
        kind="adjustment",
        description=reason,
        category=None,
        quantity=None,
        unit=None,
        unit_price=None,
        volume=None,
        amount_minor=amount,
        discount_minor=0,
        discount_percent=None,
        tax_percent=None,
        tax_inclusive=False,
        net_minor=amount,
        tax_minor=0,
        total_minor=amount,
        period_start_on=None,
        period_end_on=None,
        time_zone=None,
    )


def _taker_of_rest(items: Sequence[Item], amounts: Sequence[int | None], rest: int, given: int, currency: str) -> int:
    """Where the one item without an amount stands; its tax must be contained in what it takes."""
    takers = [position for position, amount in enumerate(amounts) if amount is None]
    if len(takers) != 1:
        raise AmountMismatch(
            f"the lines come to {show_amount(given - rest, currency)},"
            f" the amount given is {show_amount(given, currency)}",
            pointer="/amount",
        )
    tax = items[takers[0]].tax
    if tax is not None and not tax.inclusive and tax.percent:
        raise AmountMissing(
            "an item that takes the rest of the amount can't have tax added to it; make the tax inclusive",
            pointer=f"/items/{takers[0]}/tax",
        )
    return takers[0]
