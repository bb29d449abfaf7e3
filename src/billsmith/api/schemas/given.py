"""What every body is made of: money, decimals, periods, instants, parties; and fields that may be left out."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct

from billsmith.api.filters import EARLIEST, LATEST
from billsmith.core.ids import find_id
from billsmith.core.parties import Address, TaxId
from billsmith.core.payments.policy import MOST_RETRIES, CollectionPolicy
from billsmith.core.periods import Period
from billsmith.errors import Invalid, NotFound

_DECIMAL = r"-?[0-9]{1,15}(\.[0-9]{1,12})?"
_IS_DECIMAL = re.compile(_DECIMAL)

DecimalText = Annotated[
    str,
    Meta(
        description="A decimal in a string, up to 12 places.",
        examples=["0.30"],
        extra_json_schema={"pattern": f"^{_DECIMAL}$"},
    ),
]
Instant = Annotated[datetime, Meta(tz=True)]
Texts = dict[str, str]


class DecimalMalformed(Invalid):
    """A text that is no plain decimal."""

    code = "decimal_malformed"


class CurrencyMismatch(Invalid):
    """One document has one currency."""

    code = "currency_mismatch"


class InstantInvalid(Invalid):
    """An instant outside the years that can be computed with."""

    code = "instant_invalid"


class MoneyGiven(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An amount in minor units with its currency: 1500 EUR is 15.00 euros."""

    amount: int
    currency: str


Amount = int | MoneyGiven


class PeriodGiven(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Half-open local dates: `end` is the first day that no longer belongs to it."""

    start: date
    end: date

    def period(self) -> Period:
        """As core has it; whether it runs forwards is checked there."""
        return Period(self.start, self.end)


class AddressGiven(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A postal address; `country` is an ISO 3166 alpha-2 code. Every part may be missing."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None

    def address(self) -> Address:
        """As core has it."""
        return Address(**msgspec.structs.asdict(self))


class TaxIdGiven(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A tax registration as printed, e.g. type `eu_vat`, value `DE123456789`."""

    type: str
    value: str

    def tax_id(self) -> TaxId:
        """As core has it."""
        return TaxId(self.type, self.value)


class PolicyGiven(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """When a failed charge is tried again by itself (`automatic`), or that it never is (`on_update`)."""

    mode: Literal["automatic", "on_update"] = "automatic"
    retry_after_days: tuple[int, ...] = CollectionPolicy().retry_after_days
    after_last: Literal["stay_open", "write_off"] = "stay_open"
    most_tries: int = MOST_RETRIES

    def policy(self) -> CollectionPolicy:
        """As core has it; whether the networks allow it is checked there."""
        return CollectionPolicy(self.mode, self.retry_after_days, self.after_last, self.most_tries)


def id_given(kind: str, text: str, pointer: str) -> UUID:
    """The id in a body that names another object. Raises NotFound."""
    try:
        return find_id(kind, text)
    except NotFound as error:
        raise NotFound(error.detail, pointer=pointer) from error


def set_fields(given: Struct, names: Iterable[str]) -> dict[str, Any]:
    """Those of the fields that were sent."""
    return {name: value for name in names if (value := getattr(given, name)) is not UNSET}


def decimal(text: str, pointer: str) -> Decimal:
    """The number itself. Raises DecimalMalformed."""
    if not _IS_DECIMAL.fullmatch(text):
        raise DecimalMalformed(
            f'{text[:80]!r} is not a decimal of up to 15 digits and 12 places, such as "0.30"', pointer=pointer
        )
    return Decimal(text)


def minor(amount: Amount | None) -> int | None:
    """The minor units of an amount, in whichever way it was given."""
    return amount.amount if isinstance(amount, MoneyGiven) else amount


def one_currency(stated: str | None, amounts: Iterable[tuple[Any, str]]) -> str | None:
    """The one currency of a document: as stated, or as its amounts (with pointers) say. Raises CurrencyMismatch."""
    currency = stated
    for amount, pointer in amounts:
        if not isinstance(amount, MoneyGiven):
            continue
        if currency is not None and amount.currency != currency:
            raise CurrencyMismatch(
                f"this is in {amount.currency[:10]}, the document in {currency[:10]}", pointer=f"{pointer}/currency"
            )
        currency = amount.currency
    return currency


def instant(at: datetime, pointer: str) -> datetime:
    """The instant itself. Raises InstantInvalid."""
    if not EARLIEST <= at < LATEST:
        raise InstantInvalid(
            f"an instant between the years {EARLIEST.year} and {LATEST.year} is needed", pointer=pointer
        )
    return at
