"""What a case is played on: a sandbox tenant with its clock, its gateway account, and what its names stand for.

The profile of the format (the same for every case; where our defaults differ from the referee's):

- a failed charge is tried again after 8, 8 and 8 days; a lost dispute is owed again; invoices have no terms;
- days that were missed get an invoice each;
- local dates have a fixed offset from UTC: that of the account's zone when the account is created;
- a void bills its periods again; a refund without item adjustments reopens its invoice, on which credit is then drawn;
- what raw items take back from an unpaid invoice as credit is taken back once it is paid, for credit is never made of
  money that was not paid;
- the clock stops wherever something falls due; days on which documents are made are compared with that in mind.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from billsmith.actions import advance, tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.money import accounts as gateway_accounts
from billsmith.actions.money.attempts import opened_account
from billsmith.core.currencies import minor_digits
from billsmith.core.ids import CustomerId, SubscriptionId
from billsmith.core.payments.accounts import AccountDetails
from billsmith.core.payments.policy import CollectionPolicy
from billsmith.core.tenants import NewTenant, TenantSettings
from billsmith.gateways import port
from billsmith.gateways.fake import FakeGateway
from tests.cases.report import NotYet

PROFILE = TenantSettings(
    terms_days=0,
    collection=CollectionPolicy(retry_after_days=(8, 8, 8)),
    dispute_lost="reopen",
    catch_up="one_per_due_date",
)  # fmt: skip


class Shown(msgspec.Struct, frozen=True):
    """How the referee would write a line or credit note of ours that stands for an item it named."""

    type: str
    start_date: date | None
    end_date: date | None


class Account(msgspec.Struct):
    """A customer of the case."""

    name: str
    id: CustomerId
    zone: str
    currency: str
    parent: str | None = None
    charged_by_gateway: bool = False
    delegated: bool = False


class Take(msgspec.Struct, frozen=True):
    """What raw items took back of an invoice that was not paid yet."""

    account: str
    invoice: int
    items: tuple[tuple[int, Shown], ...]


class World:
    """The state of a case under way."""

    def __init__(self, context: Context, call: Call, at: datetime, gateway: port.GatewayAccount) -> None:
        self.context = context
        self.call = call
        self.at = at
        self.gateway_account = gateway
        self.accounts: dict[str, Account] = {}
        self.subscriptions: dict[str, SubscriptionId] = {}
        self.owners: dict[str, str] = {}
        """The account of each subscription."""
        self.shown: dict[tuple[UUID, int | None], Shown] = {}
        """By document and line, or by credit note."""
        self.credit_given_on: dict[UUID, UUID] = {}
        """The invoice that a granted credit, or a credit note in its place, was given on, and is shown on."""
        self.asked_payments: set[UUID] = set()
        """Those that the case asked for itself: none of them is another try of an earlier one."""
        self.waiting: list[Take] = []
        self.advances: list[tuple[datetime, datetime]] = []
        self.previewed: Any = None
        self.charges_of_phases: dict[tuple[str, str], set[str]] = {}
        """The codes of the charges of a plan's phase, by plan and kind of phase."""
        self._rules = 0

    @property
    def gateway(self) -> FakeGateway:
        """The gateway that the case's payments are tried at."""
        return cast(FakeGateway, self.context.gateways.gateway("fake"))

    def account(self, name: str) -> Account:
        """The account of that name."""
        return self.accounts[name]

    def today(self, account: Account) -> date:
        """The account's local day."""
        return self.at.astimezone(ZoneInfo(account.zone)).date()

    def next_rule(self) -> str:
        """A name for one more rule of the gateway."""
        self._rules += 1
        return f"r{self._rules}"

    async def stand_at(self, to: datetime) -> None:
        """Move the clock there, doing what falls due on the way; at the same instant: do what is due now."""
        if to > self.at:
            self.advances.append((self.at, to))
        outcome = await advance.move_clock(self.context, self.call, max(to, self.at))
        self.call = msgspec.structs.replace(self.call, tenant=outcome.fresh)
        self.at = max(to, self.at)


async def open_world(context: Context, name: str, at: datetime, config: dict[str, Any]) -> World:
    """A new sandbox whose clock stands there, with the profile of the format. Raises NotYet for other policies."""
    for setting in config:
        if setting not in CONFIG:
            raise NotYet(f"config {setting}")
    given = NewTenant(name=f"case {name}"[:200], currency="USD", mode="sandbox", clock_at=at, settings=PROFILE)
    tenant = await tenants.create_tenant(context, given, actor="cases", request_id="req_cases")
    call = Call(tenant, actor="cases", request_id="req_cases")
    account = (
        await gateway_accounts.create_account(
            context, call, "fake", AccountDetails(name="cases", is_default=True), {"api_key": "fake_cases"}
        )
    ).fresh
    return World(context, call, at, opened_account(context, tenant, account))


CONFIG = {"proration_fixed_days_in_month"}
"""What a case may choose; the catalogue of the case is translated by it."""


def fixed_zone(zone: str, at: datetime) -> str:
    """A zone that always has the offset which this one has at an instant; itself where no such zone exists."""
    offset = at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)
    if not offset:
        return "UTC"
    hours = offset / timedelta(hours=1)
    return f"Etc/GMT{-int(hours):+d}" if hours == int(hours) else zone


def minor(amount: Decimal, currency: str) -> int:
    """An amount of the case in minor units. Raises ValueError for a fraction of one."""
    units = amount.scaleb(minor_digits(currency))
    if units != int(units):
        raise ValueError(f"{amount} {currency} has a fraction of a minor unit")
    return int(units)


def major(amount_minor: int, currency: str) -> Decimal:
    """Minor units as the case writes them."""
    return Decimal(amount_minor).scaleb(-minor_digits(currency))
