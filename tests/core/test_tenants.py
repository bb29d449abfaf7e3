"""Tenants: their settings and a sandbox's clock; and the numbers that they give. Rule: docs/rules/numbers.md"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.currencies import UnknownCurrency
from billsmith.core.customers import CustomerDetails, new_customer
from billsmith.core.decisions import Standing
from billsmith.core.ids import CustomerId, SnapshotId, TenantId
from billsmith.core.invoices import InvoiceDetails
from billsmith.core.numbers import TENANT_SERIES, series_for, show_number
from billsmith.core.parties import Address, Party
from billsmith.core.tenants import (
    LONGEST_TERMS_DAYS,
    ClockNotMovable,
    ClockOutOfRange,
    NewTenant,
    SettingOutOfRange,
    TenantSettings,
    clock_moved,
    new_tenant,
    tenant_settings,
)
from billsmith.core.text import UnusableText
from billsmith.core.time_zones import UnknownTimeZone
from billsmith.errors import BillsmithError
from tests.core.made import CUSTOMER, NOON, TENANT, uuid
from tests.core.test_invoicing import finalised

SANDBOX = NewTenant(name="Sandbox", currency="EUR", mode="sandbox", clock_at=NOON)
PER_CUSTOMER = replace(TENANT, settings=TenantSettings(numbers_per="customer", number_digits=4))


def made(given_tenant: NewTenant) -> Any:
    return new_tenant(given_tenant, TenantId(uuid(1)), SnapshotId(uuid(2)), NOON)


def test_a_tenant_is_its_own_seller_unless_it_says_otherwise() -> None:
    assert made(NewTenant(name="Steve's Cloud", currency="EUR")).seller == Party("Steve's Cloud")
    seller = Party("Steve's Cloud GmbH", Address(country="DE"))
    assert made(NewTenant(name="Steve's Cloud", currency="EUR", seller=seller)).seller == seller


@pytest.mark.parametrize(
    ("error", "pointer", "fields"),
    [
        (UnknownCurrency, "/currency", {"currency": "EURO"}),
        (UnknownTimeZone, "/time_zone", {"time_zone": "Mars"}),
        (UnusableText, "/name", {"name": ""}),
        (UnusableText, "/seller/name", {"seller": Party("")}),
        (UnusableText, "/metadata/k", {"metadata": {"k": "\x00"}}),
        (ClockNotMovable, "/clock_at", {"clock_at": NOON}),
        (ClockOutOfRange, "/clock_at", {"mode": "sandbox", "clock_at": datetime(1969, 12, 31, tzinfo=UTC)}),
        (ClockOutOfRange, "/clock_at", {"mode": "sandbox", "clock_at": datetime.max.replace(tzinfo=UTC)}),
        (SettingOutOfRange, "/settings/number_digits", {"settings": TenantSettings(number_digits=0)}),
        (SettingOutOfRange, "/settings/number_digits", {"settings": TenantSettings(number_digits=13)}),
        (SettingOutOfRange, "/settings/terms_days", {"settings": TenantSettings(terms_days=-1)}),
        (SettingOutOfRange, "/settings/terms_days", {"settings": TenantSettings(terms_days=LONGEST_TERMS_DAYS + 1)}),
        (UnusableText, "/settings/number_prefix", {"settings": TenantSettings(number_prefix="x" * 21)}),
    ],
)
def test_a_tenant_that_can_not_be_is_refused_where_it_was_given(
    error: type[BillsmithError], pointer: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(error) as refused:
        made(replace(NewTenant(name="Steve's Cloud", currency="EUR"), **fields))
    assert [found.pointer for found in refused.value.errors] == [pointer]


@pytest.mark.parametrize(
    "settings", [TenantSettings(), TenantSettings(number_prefix="", number_digits=12, terms_days=0)]
)
def test_settings_in_their_ranges_are_kept(settings: TenantSettings) -> None:
    assert tenant_settings(settings) == settings


def test_a_sandbox_lives_in_a_time_of_its_own() -> None:
    tenant = made(SANDBOX)
    assert (tenant.clock_at, tenant.created_at) == (NOON, NOON)
    moved = clock_moved(tenant, NOON + timedelta(days=40), NOON)
    assert (moved.clock_at, moved.version) == (NOON + timedelta(days=40), tenant.version + 1)
    assert clock_moved(tenant, NOON, NOON).clock_at == NOON


def test_a_clock_only_moves_forward_and_only_that_of_a_sandbox() -> None:
    with pytest.raises(ClockNotMovable):
        clock_moved(made(SANDBOX), NOON - timedelta(seconds=1), NOON)
    with pytest.raises(ClockNotMovable):
        clock_moved(TENANT, NOON + timedelta(days=1), NOON)


def test_a_clock_stays_where_dates_can_be_computed() -> None:
    with pytest.raises(ClockOutOfRange) as refused:
        clock_moved(made(SANDBOX), datetime(9000, 1, 1, tzinfo=UTC), NOON)
    assert [found.pointer for found in refused.value.errors] == ["/to"]
    last = datetime(8999, 12, 31, 23, 59, tzinfo=UTC)
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        standing = Standing(clock_moved(made(SANDBOX), last, NOON), replace(CUSTOMER, time_zone=zone))
        details = InvoiceDetails(amount_minor=1, terms_days=LONGEST_TERMS_DAYS)
        assert finalised(details, standing, last).invoices[-1].due_on is not None


@pytest.mark.parametrize(
    ("settings", "sequence", "number"),
    [
        (TenantSettings(), 1, "INV-000001"),
        (TenantSettings(), 999_999, "INV-999999"),
        (TenantSettings(), 1_000_000, "INV-1000000"),
        (TenantSettings(number_prefix="", number_digits=1), 42, "42"),
        (TenantSettings(number_prefix="2026/", number_digits=4), 42, "2026/0042"),
    ],
)
def test_numbers_of_a_tenant(settings: TenantSettings, sequence: int, number: str) -> None:
    series = series_for(replace(TENANT, settings=settings), CUSTOMER)
    assert series.series == TENANT_SERIES
    assert show_number(series, sequence) == number


def test_all_customers_share_the_series_of_their_tenant() -> None:
    other = replace(CUSTOMER, id=CustomerId(uuid(9)), number_prefix="ACME-")
    assert series_for(TENANT, CUSTOMER) == series_for(TENANT, other)


def test_numbers_of_a_customer() -> None:
    series = series_for(PER_CUSTOMER, replace(CUSTOMER, number_prefix="ACME-"))
    assert show_number(series, 7) == "ACME-0007"
    assert series.series == series_for(PER_CUSTOMER, CUSTOMER).series
    assert show_number(series_for(PER_CUSTOMER, CUSTOMER), 7) == "000000000003-0007"


@given(st.integers(0, 2**60 - 1), st.integers(0, 2**60 - 1), st.integers(1, 10**7), st.integers(1, 10**7))
def test_two_customers_whose_ids_end_differently_never_share_a_number(one: int, other: int, n: int, m: int) -> None:
    first, second = (
        series_for(PER_CUSTOMER, replace(CUSTOMER, id=CustomerId(UUID(int=number)))) for number in (one, other)
    )
    assert (show_number(first, n) == show_number(second, m)) == (one == other and n == m)


@given(st.from_regex(r"[A-Z0-9]{0,3}[A-Z-]", fullmatch=True), st.from_regex(r"[A-Z0-9]{0,3}[A-Z-]", fullmatch=True),
       st.integers(1, 10**6), st.integers(1, 10**6))  # fmt: skip
def test_different_prefixes_never_make_the_same_number(one: str, other: str, n: int, m: int) -> None:
    first, second = (series_for(PER_CUSTOMER, replace(CUSTOMER, number_prefix=prefix)) for prefix in (one, other))
    assert (show_number(first, n) == show_number(second, m)) == ((one, n) == (other, m))


@pytest.mark.parametrize("prefix", ["A1", "7", "", "x" * 21, "two\nlines", "A\u0661"])
def test_a_customers_prefix_is_short_and_does_not_end_in_a_digit(prefix: str) -> None:
    with pytest.raises(BillsmithError) as refused:
        new_customer(TENANT, CustomerDetails(name="x", number_prefix=prefix), CUSTOMER.id, CUSTOMER.snapshot_id, NOON)
    assert [found.pointer for found in refused.value.errors] == ["/number_prefix"]
