"""Tenants: the companies that bill with Billsmith, their policies and the keys that speak for them."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from billsmith.core.currencies import minor_digits
from billsmith.core.ids import KeyId, SnapshotId, TenantId
from billsmith.core.money import LARGEST_AMOUNT
from billsmith.core.parties import Party, party
from billsmith.core.payments.policy import CollectionPolicy, checked_policy
from billsmith.core.text import NAME_LENGTH, line_of_text, metadata
from billsmith.core.time_zones import EARLIEST, LATEST, time_zone
from billsmith.errors import Conflict, Invalid

LONGEST_TERMS_DAYS = 3650
LONGEST_NUMBER_PREFIX = 20
LONGEST_DRAFT_WINDOW_MINUTES = 60 * 24 * 31


class Scope(StrEnum):
    """What a key may do. `write` includes read, `admin` includes both."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class TenantSettings(msgspec.Struct, frozen=True, gc=False):
    """Policies a tenant may choose; the defaults are those of docs/rules/."""

    numbers_per: Literal["tenant", "customer"] = "tenant"
    number_prefix: str = "INV-"
    number_digits: int = 6
    """Sequences are padded with zeros to this many digits."""
    terms_days: int = 30
    """Days from issue until an invoice is due, where neither it nor its customer says."""
    tax_rounding: Literal["line", "invoice"] = "line"
    """Where tax is rounded: on every line, or once per rate over the invoice. Rule: docs/rules/totals.md"""
    collection: CollectionPolicy = CollectionPolicy()
    """Where neither invoice nor customer has one of its own."""
    money_after_void: Literal["refund", "credit"] = "refund"
    """What becomes of a payment that arrives for a void invoice."""
    dispute_lost: Literal["expense", "reopen"] = "expense"
    invoices_per: Literal["customer", "group"] = "customer"
    """What a billing run puts on one invoice: all of a customer, or of a subscription with its add-ons."""
    catch_up: Literal["one_invoice", "one_per_due_date"] = "one_invoice"
    """What a run makes of several periods that were missed."""
    minimum_to_bill_minor: int = 0
    """A run waits for more, as long as more will come, before it bills less than this."""
    draft_window_minutes: int = 0
    """How long the drafts of a run can be edited until they finalise themselves; zero: they are never drafts."""


class Tenant(msgspec.Struct, frozen=True, gc=False):
    """A company that bills. `clock_at` is set for a sandbox that lives in a time of its own."""

    id: TenantId
    name: str
    mode: Literal["live", "sandbox"]
    currency: str
    time_zone: str
    seller: Party
    settings: TenantSettings
    metadata: dict[str, str]
    clock_at: datetime | None
    snapshot_id: SnapshotId
    version: int
    created_at: datetime


class NewTenant(msgspec.Struct, frozen=True, gc=False):
    """What is said about a tenant when it is created."""

    name: str
    currency: str
    time_zone: str = "UTC"
    mode: Literal["live", "sandbox"] = "live"
    clock_at: datetime | None = None
    seller: Party | None = None
    settings: TenantSettings = TenantSettings()
    metadata: dict[str, str] = {}


class ApiKey(msgspec.Struct, frozen=True, gc=False):
    """A key as it can be shown: never its secret."""

    id: KeyId
    name: str
    hint: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class ClockNotMovable(Conflict):
    """Only a sandbox's clock can be moved, and only forward."""

    code = "clock_not_movable"


class ClockOutOfRange(Invalid):
    """A clock that would stand where dates can't be computed with."""

    code = "clock_out_of_range"


class SettingOutOfRange(Invalid):
    """A policy with a value that it can't have."""

    code = "setting_out_of_range"


def new_tenant(given: NewTenant, id_: TenantId, snapshot_id: SnapshotId, at: datetime) -> Tenant:
    """The tenant as stored; the seller is named like the tenant unless said otherwise. Raises Invalid kinds."""
    if given.clock_at is not None and given.mode == "live":
        raise ClockNotMovable("a live tenant has no clock of its own; create a sandbox", pointer="/clock_at")
    if given.clock_at is not None:
        _check_clock(given.clock_at, "/clock_at")
    minor_digits(given.currency)
    name = line_of_text(given.name, NAME_LENGTH, "/name")
    return Tenant(
        id=id_,
        name=name,
        mode=given.mode,
        currency=given.currency,
        time_zone=time_zone(given.time_zone),
        seller=party(given.seller, "/seller") if given.seller else Party(name=name),
        settings=tenant_settings(given.settings),
        metadata=metadata(given.metadata),
        clock_at=given.clock_at,
        snapshot_id=snapshot_id,
        version=1,
        created_at=given.clock_at or at,
    )


def tenant_settings(given: TenantSettings) -> TenantSettings:
    """The settings as stored, if every one is in its range. Raises SettingOutOfRange, UnusableText."""
    if not 1 <= given.number_digits <= 12:
        raise SettingOutOfRange("numbers have 1 to 12 digits", pointer="/settings/number_digits")
    if not 0 <= given.terms_days <= LONGEST_TERMS_DAYS:
        raise SettingOutOfRange(f"terms are 0 to {LONGEST_TERMS_DAYS} days", pointer="/settings/terms_days")
    if not 0 <= given.draft_window_minutes <= LONGEST_DRAFT_WINDOW_MINUTES:
        raise SettingOutOfRange(
            f"a draft's window is 0 to {LONGEST_DRAFT_WINDOW_MINUTES} minutes", pointer="/settings/draft_window_minutes"
        )
    if not 0 <= given.minimum_to_bill_minor <= LARGEST_AMOUNT:
        raise SettingOutOfRange("a minimum is not below zero", pointer="/settings/minimum_to_bill_minor")
    checked_policy(given.collection, "/settings/collection")
    prefix = line_of_text(given.number_prefix, LONGEST_NUMBER_PREFIX, "/settings/number_prefix", empty=True)
    return msgspec.structs.replace(given, number_prefix=prefix)


def settings_changed(tenant: Tenant, given: TenantSettings) -> Tenant:
    """The tenant with other policies. Raises SettingOutOfRange, CollectionPolicyInvalid, UnusableText."""
    return msgspec.structs.replace(tenant, settings=tenant_settings(given), version=tenant.version + 1)


def clock_moved(tenant: Tenant, to: datetime, now: datetime) -> Tenant:
    """The sandbox at an instant not before its `now`. Raises ClockNotMovable (any live tenant), ClockOutOfRange."""
    if tenant.mode == "live":
        raise ClockNotMovable("the clock of a live tenant is the real time")
    _check_clock(to, "/to")
    if to < now:
        raise ClockNotMovable(f"the clock stands at {now.isoformat()}; it only moves forward", pointer="/to")
    return msgspec.structs.replace(tenant, clock_at=to, version=tenant.version + 1)


def _check_clock(at: datetime, pointer: str) -> None:
    if not EARLIEST <= at.date() < LATEST:
        raise ClockOutOfRange(f"a sandbox's clock stands between {EARLIEST} and {LATEST}", pointer=pointer)
