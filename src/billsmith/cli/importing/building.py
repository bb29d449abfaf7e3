"""From a document's rows to the invoice it becomes; the first thing wrong with a row stops the document."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from hashlib import blake2b

import msgspec

from billsmith.actions.imports import ImportDocument
from billsmith.actions.invoices import NewInvoice
from billsmith.cli.importing.mapping import FIELDS
from billsmith.cli.importing.spool import SpooledDocument, SpooledRow
from billsmith.core.currencies import minor_digits
from billsmith.core.discounts import Discount
from billsmith.core.ids import CustomerId
from billsmith.core.invoices import InvoiceDetails, Item
from billsmith.core.periods import Period, period
from billsmith.core.taxes import Tax
from billsmith.errors import Invalid

_AT = {field: position for position, field in enumerate(FIELDS)}
(_NAME, _TYPE, _QUANTITY, _UNIT, _UNIT_PRICE, _AMOUNT, _VOLUME) = (
    _AT[field] for field in ("name", "type", "quantity", "unit", "unit_price", "amount", "volume")
)
_PERIOD_START, _PERIOD_END = _AT["period_start"], _AT["period_end"]
_DISCOUNT, _TAX, _INCLUSIVE = _AT["discount_percent"], _AT["tax_percent"], _AT["tax_inclusive"]
_DATE_LENGTH = len("2026-11-24")
_TRUE = ("true", "yes", "1")


class RowInvalid(Invalid):
    """A row with a value that can't be what its column says."""

    code = "row_invalid"


def build(
    document: SpooledDocument, rows: Sequence[SpooledRow], customer_id: CustomerId, keys: Sequence[str], currency: str
) -> ImportDocument:
    """The invoice that these rows make; `keys` are the metadata keys, `currency` counts where no column does.

    Raises RowInvalid naming the row; currency, texts and totals are judged by core afterwards.
    """
    number, first, notes = rows[0]
    money = first[_AT["currency"]] or currency
    details = InvoiceDetails(
        items=tuple([_item(row, money) for row in rows]),
        currency=money,
        title=first[_AT["title"]] or None,
        memo=first[_AT["memo"]] or None,
        issued_on=_date(first[_AT["issued_on"]], "issued_on", number),
        due_on=_date(first[_AT["due_on"]], "due_on", number) if first[_AT["due_on"]] else None,
        external_number=document.name,
        metadata={key: value for key, value in zip(keys, notes, strict=True) if value},
    )
    return ImportDocument(document.name, _fingerprint(rows), NewInvoice(customer_id, details))


def issued_on(document: SpooledDocument) -> date:
    """The day that decides a document's place in the order. Raises RowInvalid."""
    return _date(document.issued_on, "issued_on", document.first_row)


def _item(row: SpooledRow, currency: str) -> Item:
    number, fields, _ = row
    start, end = fields[_PERIOD_START], fields[_PERIOD_END]
    tax, discount = fields[_TAX], fields[_DISCOUNT]
    return Item(
        fields[_NAME] or fields[_TYPE] or "(no description)",
        _minor(fields[_AMOUNT], currency, number) if fields[_AMOUNT] else None,
        _decimal(fields[_QUANTITY], "quantity", number) if fields[_QUANTITY] else None,
        fields[_UNIT] or None,
        _decimal(fields[_UNIT_PRICE], "unit_price", number) if fields[_UNIT_PRICE] else None,
        _period(start, end, number) if start or end else None,
        fields[_VOLUME] or None,
        fields[_TYPE] or None,
        Tax(_decimal(tax, "tax_percent", number), fields[_INCLUSIVE].lower() in _TRUE) if tax else None,
        Discount(percent=_decimal(discount, "discount_percent", number)) if discount else None,
    )


def _wrong(detail: str, number: int) -> RowInvalid:
    return RowInvalid(f"row {number}: {detail}")


def _decimal(text: str, field: str, number: int) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _wrong(f"{field} is {text[:40]!r}, not a decimal number", number) from None
    if not value.is_finite():
        raise _wrong(f"{field} is {text[:40]!r}, not a finite number", number)
    return value


def _minor(text: str, currency: str, number: int) -> int:
    exact = _decimal(text, "amount", number).scaleb(minor_digits(currency))
    if exact != exact.to_integral_value():
        raise _wrong(f"amount is {text!r}, finer than {currency} can be", number)
    return int(exact)


def _date(text: str, field: str, number: int) -> date:
    try:
        return date.fromisoformat(text[:_DATE_LENGTH])
    except ValueError:
        raise _wrong(f"{field} is {text[:40]!r}, not a date like 2026-11-24", number) from None


def _period(start: str, end: str, number: int) -> Period:
    return period(_date(start, "period_start", number), _date(end, "period_end", number))


def _fingerprint(rows: Sequence[SpooledRow]) -> bytes:
    """Of the content, whatever row it stands in."""
    return blake2b(msgspec.msgpack.encode([(fields, notes) for _, fields, notes in rows]), digest_size=16).digest()
