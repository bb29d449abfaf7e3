"""Customers: what is kept of them, what is refused, and when a document names them differently."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.currencies import UnknownCurrency
from billsmith.core.customers import (
    Customer,
    CustomerDeleted,
    CustomerDetails,
    CustomerFieldInvalid,
    ParentNotAllowed,
    as_party,
    changed_customer,
    check_parent,
    deleted_customer,
    details_of,
    new_customer,
    not_deleted,
)
from billsmith.core.ids import CustomerId, SnapshotId
from billsmith.core.parties import Address, TaxId
from billsmith.core.tenants import LONGEST_TERMS_DAYS
from billsmith.core.text import UnusableText
from billsmith.core.time_zones import UnknownTimeZone
from billsmith.errors import BillsmithError
from tests.core.made import CUSTOMER, NOON, TENANT, uuid

FULL = CustomerDetails(
    name="Ada GmbH",
    external_id="4711",
    emails=("ada@example.com", "billing+eu@mail.example.co.uk"),
    currency="JPY",
    time_zone="Asia/Tokyo",
    locale="ja_JP",
    address=Address("1-1 Chiyoda", None, "Tokyo", None, "100-0001", "JP"),
    tax_ids=(TaxId("jp_trn", "T1234567890123"),),
    bill_cycle_day=31,
    terms_days=0,
    number_prefix="ADA-",
    auto_collect=False,
    invoicing="draft",
    draw_credit=False,
    overdue_exempt=True,
    metadata={"tier": "gold"},
    tags=("vip",),
)
OTHER_SNAPSHOT = SnapshotId(uuid(99))


def made(given_details: CustomerDetails) -> Customer:
    return new_customer(TENANT, given_details, CustomerId(uuid(3)), SnapshotId(uuid(4)), NOON)


def test_everything_that_was_said_is_kept() -> None:
    customer = made(FULL)
    assert details_of(customer) == FULL
    assert (customer.version, customer.created_at, customer.deleted_at) == (1, NOON, None)


def test_currency_and_time_zone_are_the_tenants_unless_said() -> None:
    tenant = replace(TENANT, currency="KWD", time_zone="Asia/Kuwait")
    customer = new_customer(tenant, CustomerDetails(name="x"), CustomerId(uuid(3)), SnapshotId(uuid(4)), NOON)
    assert (customer.currency, customer.time_zone) == ("KWD", "Asia/Kuwait")


@pytest.mark.parametrize(
    ("error", "pointer", "fields"),
    [
        (UnusableText, "/name", {"name": ""}),
        (UnusableText, "/external_id", {"external_id": ""}),
        (UnusableText, "/external_id", {"external_id": "x" * 201}),
        (UnknownCurrency, "/currency", {"currency": "eur"}),
        (UnknownTimeZone, "/time_zone", {"time_zone": "CEST"}),
        (CustomerFieldInvalid, "/locale", {"locale": "English"}),
        (CustomerFieldInvalid, "/locale", {"locale": "en\n"}),
        (CustomerFieldInvalid, "/bill_cycle_day", {"bill_cycle_day": 0}),
        (CustomerFieldInvalid, "/bill_cycle_day", {"bill_cycle_day": 32}),
        (CustomerFieldInvalid, "/terms_days", {"terms_days": -1}),
        (CustomerFieldInvalid, "/terms_days", {"terms_days": LONGEST_TERMS_DAYS + 1}),
        (CustomerFieldInvalid, "/emails", {"emails": tuple(f"a{number}@example.com" for number in range(21))}),
        (UnusableText, "/emails/1", {"emails": ("fine@example.com", "not an address")}),
        (UnusableText, "/emails/0", {"emails": ("a@example.com\r\nBcc: all@example.com",)}),
        (UnusableText, "/emails/0", {"emails": ("a@localhost",)}),
        (UnusableText, "/emails/0", {"emails": ("Ada <ada@example.com>",)}),
        (UnusableText, "/emails/0", {"emails": ("a@b@example.com",)}),
        (UnusableText, "/address/country", {"address": Address(country="Germany")}),
        (UnusableText, "/metadata/k", {"metadata": {"k": "\x00"}}),
        (UnusableText, "/tags/0", {"tags": ("VIP",)}),
    ],
)
def test_a_customer_that_can_not_be_is_refused_where_it_was_given(
    error: type[BillsmithError], pointer: str, fields: dict[str, Any]
) -> None:
    for verb in (made, lambda details: changed_customer(TENANT, CUSTOMER, details, OTHER_SNAPSHOT)):
        with pytest.raises(error) as refused:
            verb(replace(FULL, **fields))
        assert [found.pointer for found in refused.value.errors] == [pointer]


@pytest.mark.parametrize("locale", ["en", "de", "pt_BR", "pt-BR", "zh_Hant_TW", "es_419", "yue"])
def test_locales(locale: str) -> None:
    assert made(replace(FULL, locale=locale)).locale == locale


@given(st.lists(st.sampled_from(["a@example.com", "b@example.com", "c@example.com"]), max_size=6))
def test_each_recipient_is_kept_once_in_the_order_given(emails: list[str]) -> None:
    assert made(replace(FULL, emails=tuple(emails))).emails == tuple(dict.fromkeys(emails))


def test_a_change_counts_and_keeps_what_was_not_said() -> None:
    changed = changed_customer(TENANT, CUSTOMER, replace(details_of(CUSTOMER), terms_days=7), OTHER_SNAPSHOT)
    assert (changed.version, changed.terms_days) == (CUSTOMER.version + 1, 7)
    assert replace(changed, version=CUSTOMER.version, terms_days=None) == CUSTOMER


@pytest.mark.parametrize(
    "fields",
    [{"name": "Ada AG"}, {"address": Address(city="Bonn")}, {"tax_ids": (TaxId("eu_vat", "DE1"),)}],
)
def test_documents_to_come_name_a_changed_customer_differently(fields: dict[str, Any]) -> None:
    changed = changed_customer(TENANT, CUSTOMER, replace(details_of(CUSTOMER), **fields), OTHER_SNAPSHOT)
    assert changed.snapshot_id == OTHER_SNAPSHOT
    assert as_party(changed) != as_party(CUSTOMER)


def test_a_deleted_customer_can_not_be_changed_or_deleted_again() -> None:
    gone = deleted_customer(CUSTOMER, NOON)
    assert (gone.deleted_at, gone.version) == (NOON, CUSTOMER.version + 1)
    for verb in (
        lambda: not_deleted(gone),
        lambda: deleted_customer(gone, NOON),
        lambda: changed_customer(TENANT, gone, details_of(gone), OTHER_SNAPSHOT),
    ):
        with pytest.raises(CustomerDeleted):
            verb()


PARENT = replace(CUSTOMER, id=CustomerId(uuid(7)))


@pytest.mark.parametrize(
    "parent", [None, replace(PARENT, deleted_at=NOON), replace(PARENT, parent_id=CUSTOMER.id)],
    ids=["unknown", "deleted", "a child itself"],
)  # fmt: skip
def test_a_parent_exists_lives_and_has_none_itself(parent: Customer | None) -> None:
    with pytest.raises(ParentNotAllowed):
        check_parent(PARENT.id, parent)
    check_parent(PARENT.id, PARENT)


def test_a_parent_is_for_ever() -> None:
    with pytest.raises(ParentNotAllowed):
        changed_customer(TENANT, CUSTOMER, replace(details_of(CUSTOMER), parent_id=PARENT.id), OTHER_SNAPSHOT)
