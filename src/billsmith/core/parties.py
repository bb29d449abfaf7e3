"""Seller and buyer: what a document says of them, frozen when it is finalised."""

import re

import msgspec

from billsmith.core.text import NAME_LENGTH, WORD_LENGTH, UnusableText, line_of_text

_COUNTRY = re.compile(r"[A-Z]{2}")


class Address(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A postal address; `country` is an ISO 3166 alpha-2 code. Every part may be missing."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class TaxId(msgspec.Struct, frozen=True, gc=False):
    """A tax registration as printed, e.g. type `eu_vat`, value `DE123456789`. Not validated with any authority."""

    type: str
    value: str


class Party(msgspec.Struct, frozen=True, gc=False):
    """The name, address and tax ids of a seller or buyer."""

    name: str
    address: Address = Address()
    tax_ids: tuple[TaxId, ...] = ()


def address(given: Address, pointer: str = "/address") -> Address:
    """The address as stored. Raises UnusableText."""
    if given.country is not None and not _COUNTRY.fullmatch(given.country):
        raise UnusableText("a country is two capital letters (ISO 3166), for instance DE", pointer=f"{pointer}/country")
    return Address(
        **{
            field: line_of_text(value, NAME_LENGTH, f"{pointer}/{field}", empty=True)
            for field in given.__struct_fields__
            if (value := getattr(given, field)) is not None
        }
    )


def party(given: Party, pointer: str = "") -> Party:
    """The party as stored. Raises UnusableText."""
    return Party(
        name=line_of_text(given.name, NAME_LENGTH, f"{pointer}/name"),
        address=address(given.address, f"{pointer}/address"),
        tax_ids=tuple(
            TaxId(
                line_of_text(tax_id.type, WORD_LENGTH, f"{pointer}/tax_ids/{position}/type"),
                line_of_text(tax_id.value, WORD_LENGTH, f"{pointer}/tax_ids/{position}/value"),
            )
            for position, tax_id in enumerate(given.tax_ids)
        ),
    )
