"""From a document's rows to the invoice it becomes; the first thing wrong with a row stops the document."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from zoneinfo import ZoneInfo

import msgspec

from billsmith.actions.imports import ImportDocument
from billsmith.actions.invoices import NewInvoice
from billsmith.cli.importing.mapping import FIELDS
from billsmith.cli.importing.spool import SpooledDocument, SpooledRow, whole
from billsmith.core.currencies import minor_digits
from billsmith.core.customers import external_id
from billsmith.core.discounts import Discount
from billsmith.core.ids import CustomerId
from billsmith.core.invoices import InvoiceDetails, Item
from billsmith.core.money import is_plain
from billsmith.core.periods import Period, PeriodBackwards, period
from billsmith.core.taxes import Tax
from billsmith.errors import Invalid

_AT = {field: position for position, field in enumerate(FIELDS)}
(_NAME, _TYPE, _QUANTITY, _UNIT, _UNIT_PRICE, _AMOUNT, _VOLUME) = (
    _AT[field] for field in ("name", "type", "quantity", "unit", "unit_price", "amount", "volume")
)
_PERIOD_START, _PERIOD_END = _AT["period_start"], _AT["period_end"]
_DISCOUNT, _TAX, _INCLUSIVE = _AT["discount_percent"], _AT["tax_percent"], _AT["tax_inclusive"]
_CUSTOMER, _WALK_IN, _CURRENCY = _AT["customer"], _AT["walk_in"], _AT["currency"]
_TRUE = ("true", "yes", "1")
_FALSE = ("", "false", "no", "0")


class RowInvalid(Invalid):
    """A row with a value that can't be what its column says."""

    code = "row_invalid"


def build(
    document: SpooledDocument,
    rows: Sequence[SpooledRow],
    customer_id: CustomerId,
    keys: Sequence[str],
    currency: str,
    zone: str,
) -> ImportDocument:
    """The invoice that these rows make.

    `keys` are the metadata keys; `currency` counts where no column says one, `zone` where a time has an offset. Title,
    memo, dates and metadata are those of the first row. Raises RowInvalid naming the row, UnusableText; texts and
    totals are judged by core afterwards.
    """
    number, first, notes = rows[0]
    external_id(document.name, "/external_number")
    _one_buyer(rows)
    money = first[_CURRENCY] or currency
    details = InvoiceDetails(
        items=tuple([_item(row, money, zone) for row in rows]),
        currency=money,
        title=first[_AT["title"]] or None,
        memo=first[_AT["memo"]] or None,
        issued_on=_date(first[_AT["issued_on"]], "issued_on", number, zone),
        due_on=_date(first[_AT["due_on"]], "due_on", number, zone) if first[_AT["due_on"]] else None,
        external_number=document.name,
        metadata={key: value for key, value in zip(keys, notes, strict=True) if value},
    )
    return ImportDocument(document.name, _fingerprint(rows), NewInvoice(customer_id, details))


def issued_at(document: SpooledDocument, zone: str) -> datetime:
    """What decides a document's place in the order: its date, with its time where it has one. Raises RowInvalid."""
    return _local_time(document.issued_on, "issued_on", document.first_row, zone)


def _one_buyer(rows: Sequence[SpooledRow]) -> None:
    """A document is one customer's, in one currency. Raises RowInvalid at the first row that names another."""
    _, first, _ = rows[0]
    buyer = whole(first[_CUSTOMER]), first[_CURRENCY], "" if first[_CUSTOMER] else first[_WALK_IN]
    for number, fields, _ in rows:
        same = fields[_CUSTOMER] == first[_CUSTOMER] and fields[_CURRENCY] == first[_CURRENCY]
        if same and (fields[_WALK_IN] == first[_WALK_IN] or first[_CUSTOMER]):
            continue
        other = whole(fields[_CUSTOMER]), fields[_CURRENCY], "" if fields[_CUSTOMER] else fields[_WALK_IN]
        for field, before, now in zip(("customer", "currency", "walk_in"), buyer, other, strict=True):
            if before != now:
                raise _wrong(f"{field} is {now[:80]!r}, in the document's first row {before[:80]!r}", number)


def _item(row: SpooledRow, currency: str, zone: str) -> Item:
    number, fields, _ = row
    start, end = fields[_PERIOD_START], fields[_PERIOD_END]
    quantity, price, amount = fields[_QUANTITY], fields[_UNIT_PRICE], fields[_AMOUNT]
    if quantity and not price and not amount:
        raise _wrong("there is a quantity, but neither unit_price nor amount", number)
    return Item(
        fields[_NAME] or fields[_TYPE] or "(no description)",
        _minor(amount, currency, number) if amount else None,
        _decimal(quantity, "quantity", number) if quantity else None,
        fields[_UNIT] or None,
        _decimal(price, "unit_price", number) if price else None,
        _period(start, end, number, zone) if start or end else None,
        fields[_VOLUME] or None,
        fields[_TYPE] or None,
        _tax(fields, number) if fields[_TAX] or fields[_INCLUSIVE] else None,
        Discount(percent=_decimal(fields[_DISCOUNT], "discount_percent", number)) if fields[_DISCOUNT] else None,
    )


def _tax(fields: Sequence[str], number: int) -> Tax | None:
    said = fields[_INCLUSIVE].lower()
    if said not in _TRUE + _FALSE:
        raise _wrong(f"tax_inclusive is {said[:40]!r}, neither true nor false", number)
    return Tax(_decimal(fields[_TAX], "tax_percent", number), said in _TRUE) if fields[_TAX] else None


def _wrong(detail: str, number: int) -> RowInvalid:
    return RowInvalid(f"row {number}: {detail}")


def _decimal(text: str, field: str, number: int) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _wrong(f"{field} is {text[:40]!r}, not a decimal number", number) from None
    # Python also reads 1_000 and the digits of other scripts.
    if not value.is_finite() or "_" in text or not text.isascii():
        raise _wrong(f"{field} is {text[:40]!r}, not a plain decimal number", number)
    return value


def _minor(text: str, currency: str, number: int) -> int:
    amount = _decimal(text, "amount", number)
    if not is_plain(amount):
        raise _wrong(f"amount is {text[:40]!r}, too large or too fine", number)
    exact = amount.scaleb(minor_digits(currency))
    if exact != exact.to_integral_value():
        raise _wrong(f"amount is {text[:40]!r}, finer than {currency} can be", number)
    return int(exact)


def _local_time(text: str, field: str, number: int, zone: str) -> datetime:
    """A date or time as it is on the walls of `zone`: as written, unless it says its own offset."""
    try:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo is None else at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except (ValueError, OverflowError):
        wrong = f"{field} is {text[:40]!r}, not a date like 2026-11-24" if text else f"{field} is missing"
        raise _wrong(wrong, number) from None


def _date(text: str, field: str, number: int, zone: str) -> date:
    return _local_time(text, field, number, zone).date()


def _period(start: str, end: str, number: int, zone: str) -> Period:
    first = _date(start, "period_start", number, zone)
    try:
        return period(first, _date(end, "period_end", number, zone))
    except PeriodBackwards as error:
        raise _wrong(error.detail, number) from None


def _fingerprint(rows: Sequence[SpooledRow]) -> bytes:
    """Of the content, whatever row it stands in."""
    return blake2b(msgspec.msgpack.encode([(fields, notes) for _, fields, notes in rows]), digest_size=16).digest()
