"""From a row of a file to the subscription it stands for."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from billsmith.core.money import is_plain
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.errors import Invalid

FIELDS = (
    "external_id", "customer", "plan", "quantity", "currency", "starts_on", "billed_through_on", "ends_on",
    "bill_cycle_day", "base", "tags",
)  # fmt: skip
REQUIRED = ("external_id", "customer", "plan")
OPTIONAL = tuple(field for field in FIELDS if field not in REQUIRED)
PRICE, METADATA = "price.", "metadata."


class ColumnsInvalid(Invalid):
    """A file without a column that is needed, or with one that means nothing."""

    code = "columns_invalid"


class SubscriptionRowInvalid(Invalid):
    """A row with a value that can't be what its column says."""

    code = "subscription_row_invalid"


class SubscriptionRow(msgspec.Struct, frozen=True, gc=False):
    """What a row says: whose subscription to what, and which base it joins."""

    customer: str
    subscription: NewSubscription
    base: str | None


def check_columns(path: Path, columns: Sequence[str], others: Sequence[str] = ()) -> None:
    """Raises ColumnsInvalid unless an import can read these columns; `others` mean nothing and may be there."""
    missing = [field for field in REQUIRED if field not in columns]
    if missing:
        raise ColumnsInvalid(f"{path} has no column {', '.join(missing)}; its columns are {', '.join(columns)}")
    known = (*FIELDS, *others)
    unknown = [name for name in columns if name not in known and not name.startswith((PRICE, METADATA))]
    if unknown:
        said = f"{', '.join(FIELDS)}, {PRICE}CHARGE and {METADATA}KEY"
        raise ColumnsInvalid(f"{path} has columns that mean nothing here: {', '.join(unknown)}; there are {said}")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ColumnsInvalid(f"several columns of {path} are called {', '.join(twice)}")


def row_of(columns: Sequence[str], values: Sequence[str]) -> SubscriptionRow:
    """What a row says. Raises SubscriptionRowInvalid."""
    said = {column: value.strip() for column, value in zip(columns, values, strict=True)}
    for field in REQUIRED:
        if not said[field]:
            raise SubscriptionRowInvalid(f"{field} is missing")
    prices = {
        column.removeprefix(PRICE): _decimal(value, column)
        for column, value in said.items()
        if column.startswith(PRICE) and value
    }
    metadata = {
        column.removeprefix(METADATA): value for column, value in said.items() if column.startswith(METADATA) and value
    }
    return SubscriptionRow(
        said["customer"],
        NewSubscription(
            said["plan"],
            quantity=_decimal(said.get("quantity") or "1", "quantity"),
            prices=prices or None,
            currency=said.get("currency") or None,
            starts_on=_date(said.get("starts_on", ""), "starts_on"),
            bill_cycle_day=_day(said.get("bill_cycle_day", "")),
            billed_through_on=_date(said.get("billed_through_on", ""), "billed_through_on"),
            ends_on=_date(said.get("ends_on", ""), "ends_on"),
            external_id=said["external_id"],
            metadata=metadata,
            tags=tuple(tag for text in said.get("tags", "").split(",") if (tag := text.strip())),
        ),
        said.get("base") or None,
    )


def _decimal(text: str, field: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not text.isascii() or not number.is_finite() or not is_plain(number):
        raise SubscriptionRowInvalid(f"{field} is {text[:40]!r}, not a decimal such as 12.50")
    return number


def _date(text: str, field: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise SubscriptionRowInvalid(f"{field} is {text[:40]!r}, not a date like 2026-11-24") from None


def _day(text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and len(text) <= 2):
        raise SubscriptionRowInvalid(f"bill_cycle_day is {text[:40]!r}, not a day from 1 to 31")
    return int(text) if text else None
