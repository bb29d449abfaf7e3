"""Bodies about invoices. A field that is left out keeps its default, or in a change its value; null empties it."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from billsmith.api.schemas.given import (
    Amount,
    CurrencyMismatch,
    DecimalText,
    PeriodGiven,
    PolicyGiven,
    Texts,
    decimal,
    id_given,
    minor,
    one_currency,
    set_fields,
)
from billsmith.core.discounts import Discount
from billsmith.core.invoices import LINES, Adjustment, Direction, InvoiceDetails, Item
from billsmith.core.taxes import Tax
from billsmith.errors import Invalid

BATCH = 500
"""Invoices in one call."""


class TooMany(Invalid):
    """More than one call may carry."""

    code = "too_many"


class TaxGiven(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A rate in per cent, added to the price or, `inclusive`, contained in it."""

    percent: DecimalText
    inclusive: bool = False


class DiscountGiven(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Exactly one of the two: minor units, positive whichever sign the line has, or 0–100 per cent."""

    amount: Amount | None = None
    percent: DecimalText | None = None


class ItemGiven(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One line. `amount` in minor units, or `unit_price` in major units times `quantity` (1 unless given), or neither.

    `type` and `volume` are shown and never computed with.
    """

    name: str
    type: str | None = None
    quantity: DecimalText | None = None
    unit: str | None = None
    unit_price: DecimalText | None = None
    amount: Amount | None = None
    period: PeriodGiven | None = None
    volume: str | None = None
    tax: TaxGiven | None = None
    discount: DiscountGiven | None = None


class AdjustmentGiven(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An amount on top (or, negative, off), with the reason that a person will read."""

    amount: Amount
    reason: str


class InvoiceToChange(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What is to change about an invoice: everything on a draft, `metadata` and `tags` on any.

    `payment_method` and `collection_policy` may be given to an open invoice, too, each by itself: with a payment method
    it is collected at once.

    `items`, `adjustments`, `metadata` and `tags` are replaced as a whole. An `amount` without `items` is what the
    items there must add up to; a single item without a unit price takes it over.
    """

    items: list[str | ItemGiven] | UnsetType = UNSET
    adjustments: list[AdjustmentGiven] | UnsetType = UNSET
    amount: Amount | UnsetType | None = UNSET
    currency: str | UnsetType | None = UNSET
    direction: Direction | UnsetType = UNSET
    title: str | UnsetType | None = UNSET
    memo: str | UnsetType | None = UNSET
    period: PeriodGiven | UnsetType | None = UNSET
    issued_on: date | UnsetType | None = UNSET
    due_on: date | UnsetType | None = UNSET
    terms_days: int | UnsetType | None = UNSET
    external_id: str | UnsetType | None = UNSET
    external_number: str | UnsetType | None = UNSET
    payment_method: str | UnsetType | None = UNSET
    collection_policy: PolicyGiven | UnsetType | None = UNSET
    appears_on_statement_as: str | UnsetType | None = UNSET
    metadata: Texts | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET

    @property
    def only_labels(self) -> bool:
        """Whether nothing but metadata and tags is to change."""
        return self.changes <= {"metadata", "tags"}

    @property
    def changes(self) -> set[str]:
        """The names of what is to change."""
        return set(set_fields(self, self.__struct_fields__))


class InvoiceToCreate(InvoiceToChange, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An invoice for a customer (its id or external id), finalised at once unless it is a `draft`.

    `items` are texts or objects. Amounts are minor units and must add up to `amount` where that is given, too; exactly
    one item without an amount takes the rest. Only customer and amount are needed.
    """

    customer: str
    draft: bool = False


class InvoicesToCreate(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Invoices, each made or refused for itself: an `InvoiceToCreate` with a mistake stops no other."""

    invoices: Annotated[list[Any], Meta(extra_json_schema={"items": {"$ref": "#/components/schemas/InvoiceToCreate"}})]


_CONTENT = InvoiceToChange.__struct_fields__


def details_of(given: InvoiceToChange) -> InvoiceDetails:
    """What core is told of a new invoice. Raises Invalid kinds."""
    return InvoiceDetails(**_fields(given, None))


def changed_details(before: InvoiceDetails, given: InvoiceToChange) -> InvoiceDetails:
    """What core is told of a draft that changes. Raises Invalid kinds."""
    fields = _fields(given, before.currency)
    if "amount_minor" in fields and "items" not in fields:
        fields["items"] = _taking_over(before.items)
    if fields.get("due_on") is not None and "terms_days" not in fields:
        fields["terms_days"] = None
    if fields.get("terms_days") is not None and "due_on" not in fields:
        fields["due_on"] = None
    return msgspec.structs.replace(before, **fields)


def _taking_over(items: tuple[Item, ...]) -> tuple[Item, ...]:
    if len(items) == 1 and items[0].unit_price is None and items[0].discount is None:
        return (msgspec.structs.replace(items[0], amount_minor=None),)
    return items


def _fields(given: InvoiceToChange, currency_before: str | None) -> dict[str, Any]:
    fields = set_fields(given, _CONTENT)
    items, adjustments = fields.get("items", ()), fields.get("adjustments", ())
    if len(items) + len(adjustments) > LINES:
        raise TooMany(f"an invoice has up to {LINES} items and adjustments", pointer="/items")
    currency = one_currency(fields.get("currency"), _amounts(fields))
    if currency is not None:
        if currency_before not in (None, currency) and "currency" not in fields:
            raise CurrencyMismatch(f"this draft is in {currency_before}", pointer="/currency")
        fields["currency"] = currency
    if "items" in fields:
        fields["items"] = tuple(_item(item, f"/items/{position}") for position, item in enumerate(items))
    if "adjustments" in fields:
        fields["adjustments"] = tuple(Adjustment(minor(entry.amount) or 0, entry.reason) for entry in adjustments)
    if "payment_method" in fields:
        named = fields.pop("payment_method")
        fields["payment_method_id"] = named and id_given("payment_method", named, "/payment_method")
    if fields.get("collection_policy") is not None:
        fields["collection_policy"] = fields["collection_policy"].policy()
    if "appears_on_statement_as" in fields:
        fields["statement_text"] = fields.pop("appears_on_statement_as")
    if "amount" in fields:
        fields["amount_minor"] = minor(fields.pop("amount"))
    if fields.get("period") is not None:
        fields["period"] = fields["period"].period()
    if "tags" in fields:
        fields["tags"] = tuple(fields["tags"])
    return fields


def _amounts(fields: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    """Every amount with its place."""
    yield fields.get("amount"), "/amount"
    for position, item in enumerate(fields.get("items", ())):
        if isinstance(item, ItemGiven):
            yield item.amount, f"/items/{position}/amount"
            if item.discount is not None:
                yield item.discount.amount, f"/items/{position}/discount/amount"
    for position, adjustment in enumerate(fields.get("adjustments", ())):
        yield adjustment.amount, f"/adjustments/{position}/amount"


def _item(given: str | ItemGiven, pointer: str) -> Item:
    if isinstance(given, str):
        return Item(given)
    tax, discount = given.tax, given.discount
    return Item(
        name=given.name,
        amount_minor=minor(given.amount),
        quantity=None if given.quantity is None else decimal(given.quantity, f"{pointer}/quantity"),
        unit=given.unit,
        unit_price=None if given.unit_price is None else decimal(given.unit_price, f"{pointer}/unit_price"),
        period=None if given.period is None else given.period.period(),
        volume=given.volume,
        category=given.type,
        tax=None if tax is None else Tax(decimal(tax.percent, f"{pointer}/tax/percent"), tax.inclusive),
        discount=None if discount is None else _discount(discount, f"{pointer}/discount"),
    )


def _discount(given: DiscountGiven, pointer: str) -> Discount:
    percent = None if given.percent is None else decimal(given.percent, f"{pointer}/percent")
    return Discount(minor(given.amount), percent)
