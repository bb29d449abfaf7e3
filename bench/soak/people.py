"""Who lives through the soak: sandboxes of companies, their subscribers, and what happens to each one's payments."""

import random
from collections import deque
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import msgspec
from msgspec.structs import replace

from bench.stage import CITIES
from bench.subscribers import AT_ONCE, CHARGES, QUANTITIES, plan_of, pricing
from billsmith.actions import tenants
from billsmith.actions.calls import Call, carry_out
from billsmith.actions.catalog import apply_catalog, get_catalog
from billsmith.actions.context import Context
from billsmith.actions.customers import insert_with_snapshot
from billsmith.actions.money.accounts import create_account
from billsmith.actions.money.attempts import opened_account
from billsmith.actions.saving import record_facts
from billsmith.actions.subscriptions.saving import save_altered
from billsmith.core.catalog.given import catalog_given
from billsmith.core.catalog.rules import Catalog
from billsmith.core.customers import Customer, CustomerDetails, new_customer
from billsmith.core.facts import Fact
from billsmith.core.ids import CustomerId, GroupId, PaymentMethodId, SnapshotId, SubscriptionId
from billsmith.core.parties import Address
from billsmith.core.payments.accounts import AccountDetails
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod
from billsmith.core.subscriptions.group import Altered
from billsmith.core.subscriptions.starting import NewIds, NewSubscription, created
from billsmith.core.tenants import NewTenant, Tenant
from billsmith.core.time_zones import local_midnight
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.fake.book import Rule
from billsmith.store.events import Cause
from billsmith.store.money import payment_methods
from billsmith.store.pool import Connection

ZONE = "Europe/Berlin"
BEGINS_ON = date(2026, 3, 1)
"""Clocks are put forward in this month."""
BILL_DAYS = 28
STARTED_BEFORE = timedelta(days=28)
BEHAVIOURS = {
    "ok": 830,
    "ok.refund_pending_2d_succeed": 40,
    "pending_3d_succeed": 25,
    "pending_2d_fail": 5,
    "lost_reply_after": 20,
    "lost_reply_before": 10,
    "raises_value_error_after_capture": 5,
    "insufficient_funds": 20,
    "expired_card": 10,
    "lost_card": 5,
    "requires_action_1h_succeed": 5,
    "dispute_after_5d.dispute_lost_after_3d": 8,
    "dispute_after_4d.dispute_won_after_6d": 6,
    "dispute_half": 3,
    "reversed_after_6d": 4,
    "other_amount": 4,
}
"""Of a thousand payment methods."""
TOKENS = 200
"""So many of each behaviour; what a customer's has in common with others' is only the name."""
RULES = (
    Rule("short of money", "insufficient_funds", share=Fraction(1, 25)),
    Rule("not there", "not_submitted", share=Fraction(1, 500)),
)
"""What happens to any charge: it is declined now and recovers by a later try, or never gets there."""


class Company(msgspec.Struct):
    """A sandbox, and what is drawn upon in it."""

    tenant: Tenant
    account: GatewayAccount
    choice: random.Random
    subscribers: list[tuple[CustomerId, SubscriptionId]] = []
    paused: deque[SubscriptionId] = msgspec.field(default_factory=deque)
    newcomers: int = 0

    def call(self, reason: str | None = None) -> Call:
        """As whoever uses the API."""
        return Call(self.tenant, "soak", "req_soak", reason)


async def found(context: Context, folder: Path, nth: int, seed: int) -> Company:
    """A company with its catalogue and its gateway account, in the evening before the first day."""
    at = local_midnight(BEGINS_ON, ZONE) - timedelta(hours=1)
    given = NewTenant(f"Company {nth}", "EUR", ZONE, mode="sandbox", clock_at=at)
    tenant = await tenants.create_tenant(context, given, "soak", "req_soak")
    call = Call(tenant, "soak", "req_soak")
    await apply_catalog(context, call, catalog_given(pricing()))
    details = AccountDetails("Far away", {"book": f"company-{nth}", "max_concurrency": "1000", "fee_minor": "25"})
    account = (await create_account(context, call, "fake", details, {"api_key": "fake_soak"})).fresh
    gateway, opened = FakeGateway(folder), opened_account(context, tenant, account)
    for rule in RULES:
        await gateway.script(opened, replace(rule, seed=f"{seed} {nth}"))
    return Company(tenant, account, random.Random(f"{seed} {nth}"))


async def fill(context: Context, company: Company, customers: int, days: int) -> None:
    """So many subscribers, of whom each day bills as many; they began a month before, and were billed elsewhere."""
    catalog = await get_catalog(context, company.tenant)
    for start in range(0, customers, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, customers))
        people = [_person(context, company, catalog, nth, min(days, BILL_DAYS)) for nth in numbers]
        await _write(context, company, people)


def token(choice: random.Random) -> str:
    """What the gateway knows a payment method by, and does with it."""
    words = choice.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))[0]
    return f"tok_{words}.n{choice.randrange(TOKENS)}"


class _Person(msgspec.Struct, frozen=True):
    customer: Customer
    method: PaymentMethod
    altered: Altered


def _person(context: Context, company: Company, catalog: Catalog, nth: int, days: int) -> _Person:
    """Billed on one of so many days of the month, on a plan of one, two or three charges."""
    tenant, at = company.tenant, context.clock.of(company.tenant)
    bills_on = BEGINS_ON.replace(day=1 + nth % days)
    ids = context.ids.many(5, context.ids.any_shard())
    details = CustomerDetails(
        f"Customer {nth}",
        emails=(f"billing@customer-{nth}.example",),
        address=Address(line1=f"Ringstr. {nth}", postal_code=f"{nth % 90_000}", city=CITIES[nth % len(CITIES)]),
        bill_cycle_day=bills_on.day,
    )
    customer = new_customer(tenant, details, CustomerId(ids[0]), SnapshotId(ids[1]), at)
    customer = replace(customer, payment_method_id=PaymentMethodId(ids[4]))
    method = PaymentMethod(
        PaymentMethodId(ids[4]), tenant.id, customer.id, company.account.id, token(company.choice),
        "card", "active", "Fakecard", "4242", 2099, 12, None, None, {}, 1, at, at,
    )  # fmt: skip
    asked = NewSubscription(
        plan_of(1 + nth // days % CHARGES),
        quantity=Decimal(1 + nth % QUANTITIES),
        starts_on=bills_on - STARTED_BEFORE,
        billed_through_on=bills_on,
    )
    new_ids = NewIds(SubscriptionId(ids[2]), GroupId(ids[3]))
    return _Person(customer, method, created(asked, customer, catalog, new_ids, at))


async def _write(context: Context, company: Company, people: list[_Person]) -> None:
    methods = [one.method for one in people]

    async def write(connection: Connection, cause: Cause) -> None:
        await insert_with_snapshot(connection, context, cause, [one.customer for one in people])
        await payment_methods.insert_methods(connection, methods)
        facts = [Fact("payment_method.created", one.id, one.version, one, one.customer_id) for one in methods]
        await record_facts(connection, context, cause, facts)
        await save_altered(connection, context, cause, [one.altered for one in people])

    await carry_out(context, company.call(), write)
    company.subscribers += [(one.customer.id, one.altered.saved[0].id) for one in people]
