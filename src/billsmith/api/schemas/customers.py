"""Bodies about customers and their credit. A field that is left out keeps its default, or in a change its value."""

from datetime import date
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from billsmith.api.schemas.given import (
    AddressGiven,
    Amount,
    Instant,
    PolicyGiven,
    TaxIdGiven,
    Texts,
    id_given,
    instant,
    minor,
    one_currency,
    set_fields,
)
from billsmith.core.credits import NewCredit
from billsmith.core.customers import CustomerDetails, Invoicing
from billsmith.core.ids import CustomerId
from billsmith.core.parties import Address


class CustomerToBill(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Up to which day a customer is billed; none: its today. A later day bills ahead."""

    until_on: date | None = None


class CustomerToChange(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What is to change about a customer. Lists, `address` and `metadata` are replaced as a whole; null empties."""

    name: str | UnsetType = UNSET
    external_id: str | UnsetType | None = UNSET
    parent: str | UnsetType | None = UNSET
    emails: list[str] | UnsetType = UNSET
    currency: str | UnsetType | None = UNSET
    time_zone: str | UnsetType | None = UNSET
    locale: str | UnsetType = UNSET
    address: AddressGiven | UnsetType | None = UNSET
    tax_ids: list[TaxIdGiven] | UnsetType = UNSET
    bill_cycle_day: int | UnsetType | None = UNSET
    terms_days: int | UnsetType | None = UNSET
    number_prefix: str | UnsetType | None = UNSET
    auto_collect: bool | UnsetType = UNSET
    invoicing: Invoicing | UnsetType = UNSET
    draw_credit: bool | UnsetType = UNSET
    overdue_exempt: bool | UnsetType = UNSET
    payment_method: str | UnsetType | None = UNSET
    collection_policy: PolicyGiven | UnsetType | None = UNSET
    metadata: Texts | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET


class CustomerToCreate(CustomerToChange, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A new customer; only a name is needed. `parent` is the id or external id of a customer without a parent.

    A payment method belongs to a customer who exists, so it is given afterwards.
    """

    name: str


class CreditToGrant(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Credit for a customer (its id or external id), drawn at once on what the customer owes."""

    customer: str
    amount: Amount
    currency: str | None = None
    reason: str | None = None
    expires_at: Instant | None = None
    metadata: Texts = {}

    def credit(self) -> NewCredit:
        """What core is told. Raises Invalid kinds."""
        return NewCredit(
            amount_minor=minor(self.amount) or 0,
            currency=one_currency(self.currency, [(self.amount, "/amount")]),
            reason=self.reason,
            expires_at=self.expires_at and instant(self.expires_at, "/expires_at"),
            metadata=self.metadata,
        )


_FIELDS = CustomerToChange.__struct_fields__


def details_of(given: CustomerToCreate, parent_id: CustomerId | None) -> CustomerDetails:
    """What core is told of a new customer, whose parent was looked up."""
    return CustomerDetails(**_fields(given, parent_id))


def changed_details(before: CustomerDetails, given: CustomerToChange, parent_id: CustomerId | None) -> CustomerDetails:
    """What core is told of a customer that changes."""
    return msgspec.structs.replace(before, **_fields(given, parent_id))


def _fields(given: CustomerToChange, parent_id: CustomerId | None) -> dict[str, Any]:
    fields = set_fields(given, _FIELDS)
    if "parent" in fields:
        del fields["parent"]
        fields["parent_id"] = parent_id
    if fields.get("collection_policy") is not None:
        fields["collection_policy"] = fields["collection_policy"].policy()
    if "payment_method" in fields:
        named = fields.pop("payment_method")
        fields["payment_method_id"] = named and id_given("payment_method", named, "/payment_method")
    if "address" in fields:
        fields["address"] = fields["address"].address() if fields["address"] else Address()
    if "tax_ids" in fields:
        fields["tax_ids"] = tuple(tax_id.tax_id() for tax_id in fields["tax_ids"])
    for name in ("emails", "tags"):
        if name in fields:
            fields[name] = tuple(fields[name])
    return fields
