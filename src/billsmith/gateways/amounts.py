"""How gateways write amounts: their own number of digits per currency, and steps that must be kept. Nothing is rounded.

ISO 4217 gives a currency its minor unit; a gateway may count in another: Stripe writes ISK and UGX with two digits that
must be 00, KWD with three of which the last must be 0, and MGA with none.
"""

from collections.abc import Iterable, Mapping

import msgspec

from billsmith.core.currencies import MINOR_DIGITS, minor_digits
from billsmith.core.money import LARGEST_AMOUNT, show_amount, within_limits
from billsmith.errors import Invalid


class NotRepresentable(Invalid):
    """An amount that the gateway's way of writing can't hold exactly."""

    code = "amount_not_representable"


class Writing(msgspec.Struct, frozen=True):
    """How one currency is written: with so many digits, as a multiple of `step`."""

    digits: int
    step: int = 1


class AmountTable(msgspec.Struct, frozen=True):
    """How a gateway writes amounts: as ISO 4217 does, except for `writings`; `refused` currencies not at all."""

    writings: Mapping[str, Writing] = {}
    refused: frozenset[str] = frozenset()

    def encode(self, amount_minor: int, currency: str) -> int:
        """The integer that this gateway writes. Raises NotRepresentable, AmountTooLarge, UnknownCurrency."""
        writing = self._writing(currency)
        written, rest = _moved(within_limits(amount_minor), writing.digits - minor_digits(currency))
        if rest or written % writing.step:
            raise NotRepresentable(
                f"{show_amount(amount_minor, currency)} {currency} can't be sent: this gateway counts in steps of"
                f" {show_step(writing)}"
            )
        return written

    def decode(self, written: int | str, currency: str) -> int:
        """Minor units of an integer that this gateway wrote. Raises NotRepresentable."""
        writing = self._writing(currency)
        amount_minor, rest = _moved(_integer(written), minor_digits(currency) - writing.digits)
        if rest:
            raise NotRepresentable(f"the gateway wrote {written} {currency}, which is no whole number of minor units")
        return within_limits(amount_minor)

    def _writing(self, currency: str) -> Writing:
        if currency in self.refused:
            raise NotRepresentable(f"this gateway does not take {currency}", pointer="/currency")
        return self.writings.get(currency) or Writing(minor_digits(currency))


def show_step(writing: Writing) -> str:
    """`0.010` for three digits and a step of 10."""
    text = str(writing.step).rjust(writing.digits + 1, "0")
    return f"{text[: -writing.digits]}.{text[-writing.digits :]}" if writing.digits else text


def writings(
    *, no_digits: Iterable[str] = (), two_digits_whole: Iterable[str] = (), three_digits_by_ten: Iterable[str] = ()
) -> dict[str, Writing]:
    """The usual exceptions by kind; currencies that are written as in ISO 4217 anyway may be among them."""
    return {
        **{currency: Writing(0) for currency in no_digits},
        **{currency: Writing(2, 100) for currency in two_digits_whole},
        **{currency: Writing(3, 10) for currency in three_digits_by_ten},
    }


def _integer(written: int | str) -> int:
    """What was written, as an integer. A float, a sign that isn't `-`, spaces or other digits are not an amount."""
    if type(written) is int:
        return written
    digits = written.removeprefix("-") if isinstance(written, str) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(LARGEST_AMOUNT)) + 4):
        raise NotRepresentable(f"{str(written)[:40]!r} is not an amount")
    return int(written)


def _moved(amount: int, digits: int) -> tuple[int, int]:
    """amount × 10^digits as (whole, rest); the rest is 0 where it is exact."""
    if digits >= 0:
        return amount * 10**digits, 0
    whole, rest = divmod(abs(amount), 10**-digits)
    return (whole if amount >= 0 else -whole), rest


AS_ISO = AmountTable()
"""Every currency with the digits of ISO 4217."""

_STRIPE_NO_DIGITS = (
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
)  # fmt: skip

LIKE_STRIPE = AmountTable(
    writings=writings(
        no_digits=_STRIPE_NO_DIGITS,
        two_digits_whole=("ISK", "UGX"),
        three_digits_by_ten=["BHD", "JOD", "KWD", "OMR", "TND"],
    ),
    refused=frozenset(code for code, digits in MINOR_DIGITS.items() if digits > 3) | {"IQD", "LYD"},
)
"""Stripe's way for charges (docs.stripe.com/currencies)."""
