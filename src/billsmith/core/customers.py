"""Customers: who is billed, and the switches that say how."""

import re
from datetime import date, datetime
from typing import Any, Literal

import msgspec

from billsmith.core.currencies import minor_digits
from billsmith.core.ids import CustomerId, PaymentMethodId, SnapshotId, show_id
from billsmith.core.parties import Address, Party, TaxId, party
from billsmith.core.payments.policy import CollectionPolicy, checked_policy
from billsmith.core.tenants import LONGEST_NUMBER_PREFIX, LONGEST_TERMS_DAYS, Tenant
from billsmith.core.text import EXTERNAL_ID_LENGTH, UnusableText, line_of_text, metadata, tags
from billsmith.core.time_zones import local_day, time_zone
from billsmith.errors import Conflict, Invalid

EMAILS = 20
_EMAIL = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[^@\s<>,;:\"()\[\]\\]{1,185}\.[^@\s.<>,;:\"()\[\]\\]{2,63}")
_LOCALE = re.compile(r"[a-z]{2,3}([_-][A-Z][a-z]{3})?([_-]([A-Z]{2}|[0-9]{3}))?")

Invoicing = Literal["on", "draft", "off"]


class Customer(msgspec.Struct, frozen=True, gc=False):
    """Who is billed. The fields stand in the order of the table's columns."""

    id: CustomerId
    tenant_id: Any
    external_id: str | None
    parent_id: CustomerId | None
    name: str
    emails: tuple[str, ...]
    currency: str
    time_zone: str
    locale: str
    address: Address
    tax_ids: tuple[TaxId, ...]
    bill_cycle_day: int | None
    terms_days: int | None
    number_prefix: str | None
    auto_collect: bool
    invoicing: Invoicing
    draw_credit: bool
    overdue_exempt: bool
    payment_method_id: PaymentMethodId | None
    """Its default: what an invoice without a method of its own is collected with."""
    collection_policy: CollectionPolicy | None
    metadata: dict[str, str]
    tags: tuple[str, ...]
    snapshot_id: SnapshotId
    version: int
    created_at: datetime
    deleted_at: datetime | None


class ParkedCustomer(msgspec.Struct, frozen=True, gc=False):
    """A customer that billing runs leave out from now on, and why."""

    customer: Customer
    because: str


class CustomerDetails(msgspec.Struct, frozen=True, gc=False):
    """Everything about a customer that a caller may say, at creation and later."""

    name: str
    external_id: str | None = None
    parent_id: CustomerId | None = None
    emails: tuple[str, ...] = ()
    currency: str | None = None
    time_zone: str | None = None
    locale: str = "en"
    address: Address = Address()
    tax_ids: tuple[TaxId, ...] = ()
    bill_cycle_day: int | None = None
    terms_days: int | None = None
    number_prefix: str | None = None
    auto_collect: bool = True
    invoicing: Invoicing = "on"
    draw_credit: bool = True
    overdue_exempt: bool = False
    payment_method_id: PaymentMethodId | None = None
    collection_policy: CollectionPolicy | None = None
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()


class CustomerDeleted(Conflict):
    """A deleted customer is never billed again."""

    code = "customer_deleted"


class CustomerFieldInvalid(Invalid):
    """A field of a customer with a value that it can't have."""

    code = "customer_field_invalid"


class ParentNotAllowed(Conflict):
    """One level of parents: a parent has no parent, a child no children, and both share one shard from creation on."""

    code = "parent_not_allowed"


def new_customer(
    tenant: Tenant, given: CustomerDetails, id_: CustomerId, snapshot_id: SnapshotId, at: datetime
) -> Customer:
    """The customer as stored; currency and time zone are the tenant's unless said. Raises Invalid kinds."""
    return Customer(
        id=id_,
        tenant_id=tenant.id,
        parent_id=given.parent_id,
        snapshot_id=snapshot_id,
        version=1,
        created_at=at,
        deleted_at=None,
        **_checked(tenant, given),
    )


def check_parent(parent_id: CustomerId, parent: Customer | None) -> None:
    """A parent exists, lives, and has no parent itself. Raises ParentNotAllowed."""
    if parent is None or parent.deleted_at is not None:
        raise ParentNotAllowed(
            f"there is no customer {show_id('customer', parent_id)} to be the parent", pointer="/parent"
        )
    if parent.parent_id is not None:
        raise ParentNotAllowed("this parent has a parent itself; one level is allowed", pointer="/parent")


def changed_customer(tenant: Tenant, customer: Customer, given: CustomerDetails, snapshot_id: SnapshotId) -> Customer:
    """The customer with other details; a new snapshot is named only if what documents say of it differs.

    Raises CustomerDeleted, ParentNotAllowed for another parent, Invalid kinds.
    """
    not_deleted(customer)
    if given.parent_id != customer.parent_id:
        raise ParentNotAllowed("the parent of a customer is set when it is created", pointer="/parent")
    changed = msgspec.structs.replace(customer, **_checked(tenant, given))
    kept = as_party(changed) == as_party(customer)
    return msgspec.structs.replace(
        changed, version=customer.version + 1, snapshot_id=customer.snapshot_id if kept else snapshot_id
    )


def details_of(customer: Customer) -> CustomerDetails:
    """What was said about a customer, to be changed in part."""
    return CustomerDetails(**{field: getattr(customer, field) for field in CustomerDetails.__struct_fields__})


def deleted_customer(customer: Customer, at: datetime) -> Customer:
    """The customer, never to be billed again. Raises CustomerDeleted if it is deleted already."""
    not_deleted(customer)
    return msgspec.structs.replace(customer, deleted_at=at, version=customer.version + 1)


def not_deleted(customer: Customer) -> None:
    """Raises CustomerDeleted."""
    if customer.deleted_at is not None:
        raise CustomerDeleted(f"customer {show_id('customer', customer.id)} was deleted")


def as_party(customer: Customer) -> Party:
    """What a document says of the buyer."""
    return Party(name=customer.name, address=customer.address, tax_ids=customer.tax_ids)


def today_of(customer: Customer, at: datetime) -> date:
    """The customer's local date at an instant."""
    return local_day(at, customer.time_zone)


def _checked(tenant: Tenant, given: CustomerDetails) -> dict[str, Any]:
    buyer = party(Party(given.name, given.address, given.tax_ids))
    currency = tenant.currency if given.currency is None else given.currency
    minor_digits(currency)
    _check_numbers(given)
    if not _LOCALE.fullmatch(given.locale):
        raise CustomerFieldInvalid("a locale looks like en, de or pt_BR", pointer="/locale")
    return {
        "external_id": external_id(given.external_id),
        "name": buyer.name,
        "emails": _emails(given.emails),
        "currency": currency,
        "time_zone": time_zone(tenant.time_zone if given.time_zone is None else given.time_zone),
        "locale": given.locale,
        "address": buyer.address,
        "tax_ids": buyer.tax_ids,
        "bill_cycle_day": given.bill_cycle_day,
        "terms_days": given.terms_days,
        "number_prefix": _number_prefix(given.number_prefix),
        "auto_collect": given.auto_collect,
        "invoicing": given.invoicing,
        "draw_credit": given.draw_credit,
        "overdue_exempt": given.overdue_exempt,
        "payment_method_id": given.payment_method_id,
        "collection_policy": given.collection_policy and checked_policy(given.collection_policy),
        "metadata": metadata(given.metadata),
        "tags": tags(given.tags),
    }


def _check_numbers(given: CustomerDetails) -> None:
    if given.bill_cycle_day is not None and not 1 <= given.bill_cycle_day <= 31:
        raise CustomerFieldInvalid("a bill cycle day is 1 to 31", pointer="/bill_cycle_day")
    if given.terms_days is not None and not 0 <= given.terms_days <= LONGEST_TERMS_DAYS:
        raise CustomerFieldInvalid(f"terms are 0 to {LONGEST_TERMS_DAYS} days", pointer="/terms_days")


def _number_prefix(text: str | None) -> str | None:
    """Not ending in a digit: `A1` and 000001 would read like `A` and 1000001."""
    if text is None:
        return None
    prefix = line_of_text(text, LONGEST_NUMBER_PREFIX, "/number_prefix")
    if prefix[-1].isdigit():
        raise CustomerFieldInvalid("a number prefix ends in something else than a digit", pointer="/number_prefix")
    return prefix


def external_id(text: str | None, pointer: str = "/external_id") -> str | None:
    """The caller's own id of a thing. Raises UnusableText."""
    return None if text is None else line_of_text(text, EXTERNAL_ID_LENGTH, pointer)


def _emails(given: tuple[str, ...]) -> tuple[str, ...]:
    if len(given) > EMAILS:
        raise CustomerFieldInvalid(f"there are {len(given)} recipients; {EMAILS} are allowed", pointer="/emails")
    for position, email in enumerate(given):
        if not email.isprintable() or not _EMAIL.fullmatch(email):
            raise UnusableText(f"{email[:80]!r} is not an email address", pointer=f"/emails/{position}")
    return tuple(dict.fromkeys(given))
