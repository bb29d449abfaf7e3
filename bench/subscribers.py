"""Companies full of subscribers, copied in as the product writes them: many enough that a run is felt.

The first of each kind is made by the rules; the others are the same with ids of their own.
"""

import asyncio
import multiprocessing
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from bench.stage import CITIES
from billsmith.actions import tenants
from billsmith.actions.calls import Call, carry_out
from billsmith.actions.catalog import apply_catalog, get_catalog
from billsmith.actions.context import Context
from billsmith.actions.customers import insert_with_snapshot
from billsmith.actions.saving import record_facts
from billsmith.config import Settings
from billsmith.core.catalog.given import catalog_given
from billsmith.core.customers import Customer, CustomerDetails, new_customer
from billsmith.core.ids import CustomerId, GroupId, SnapshotId, SubscriptionId
from billsmith.core.parties import Address
from billsmith.core.subscriptions.starting import NewIds, NewSubscription, created
from billsmith.core.subscriptions.subscription import Change, Subscription
from billsmith.core.subscriptions.timeline import subscription_fact
from billsmith.core.tenants import NewTenant, Tenant
from billsmith.core.time_zones import local_midnight
from billsmith.store.events import Cause
from billsmith.store.pool import Connection
from billsmith.store.selling import subscriptions as subscription_rows
from billsmith.wiring import open_context

AT_ONCE = 2_000
QUANTITIES = 20
CHARGES = 3
"""The most charges that a plan of these companies has."""


class Share(msgspec.Struct, frozen=True):
    """What one process fills in: customers of one company."""

    settings: Settings
    url: str
    tenant: Tenant
    customers: int
    starts_on: date
    charges: int


class Kind(msgspec.Struct, frozen=True):
    """A customer and its subscription as the rules make them, to be written again with other ids."""

    customer: Customer
    subscription: Subscription
    changes: tuple[Change, ...]
    bill_at: datetime


def plan_of(charges: int) -> str:
    """The code of the plan with so many charges."""
    return f"plan-{charges}"


def pricing() -> dict[str, Any]:
    """Plans of one, two and three monthly charges."""
    names = ("Seats", "Storage", "Support")
    return {
        "products": {"cloud": {"name": "Cloud", "kind": "standalone"}},
        "plans": {
            plan_of(count): {
                "product": "cloud",
                "name": "Cloud",
                "phases": [
                    {
                        "kind": "evergreen",
                        "charges": [
                            {
                                "code": name.lower(),
                                "kind": "recurring",
                                "name": name,
                                "length": "monthly",
                                "prices": {"EUR": f"{19 + 10 * nth}.90"},
                            }
                            for nth, name in enumerate(names[:count])
                        ],
                    }
                ],
            }
            for count in range(1, CHARGES + 1)
        },
    }


async def found(context: Context, companies: int) -> list[Tenant]:
    """So many companies with a catalogue."""
    made = []
    for nth in range(companies):
        given = NewTenant(name=f"Company {nth}", currency="EUR", time_zone="Europe/Berlin")
        tenant = await tenants.create_tenant(context, given, "bench", "req_bench")
        await apply_catalog(context, Call(tenant, "bench", "req_bench"), catalog_given(pricing()))
        made.append(tenant)
    return made


async def fill(shares: list[Share]) -> None:
    """Fill in all shares, a process for each."""
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_work, args=(share,), daemon=True) for share in shares]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join)
        if process.exitcode:
            raise RuntimeError("filling in customers failed; what it says stands above")


def _work(share: Share) -> None:
    asyncio.run(_fill(share))


async def _fill(share: Share) -> None:
    async with open_context(share.settings, share.url, migrated=False) as context:
        kind = await _kind(context, share)
        for start in range(0, share.customers, AT_ONCE):
            await _write(context, share.tenant, kind, start, min(start + AT_ONCE, share.customers))


async def _kind(context: Context, share: Share) -> Kind:
    at = local_midnight(share.starts_on, share.tenant.time_zone)
    ids = context.ids.many(4, 0)
    details = CustomerDetails("Customer", emails=("billing@customer.example",), bill_cycle_day=share.starts_on.day)
    customer = new_customer(share.tenant, details, CustomerId(ids[0]), SnapshotId(ids[1]), at)
    catalog = await get_catalog(context, share.tenant)
    asked = NewSubscription(plan_of(share.charges), starts_on=share.starts_on)
    altered = created(asked, customer, catalog, NewIds(SubscriptionId(ids[2]), GroupId(ids[3])), at)
    member = altered.group.members[0]
    return Kind(customer, member.subscription, member.changes, at)


async def _write(context: Context, tenant: Tenant, kind: Kind, start: int, end: int) -> None:
    customers, subscriptions, changes = [], [], []
    for nth in range(start, end):
        ids = context.ids.many(4, context.ids.any_shard())
        address = Address(line1=f"Ringstr. {nth}", postal_code=f"{nth % 90_000}", city=CITIES[nth % len(CITIES)])
        customer = replace(
            kind.customer,
            id=CustomerId(ids[0]),
            snapshot_id=SnapshotId(ids[1]),
            name=f"Customer {nth}",
            emails=(f"billing@customer-{nth}.example",),
            address=address,
        )
        quantity = Decimal(1 + nth % QUANTITIES)
        subscription = replace(
            kind.subscription,
            id=SubscriptionId(ids[2]),
            customer_id=customer.id,
            group_id=GroupId(ids[3]),
            quantity=quantity,
        )
        customers.append(customer)
        subscriptions.append(subscription)
        changes += [(subscription.id, replace(change, quantity=quantity)) for change in kind.changes]

    async def write(connection: Connection, cause: Cause) -> None:
        await insert_with_snapshot(connection, context, cause, customers)
        await subscription_rows.insert_subscriptions(connection, subscriptions)
        await subscription_rows.insert_changes(connection, tenant.id, changes)
        facts = [subscription_fact("subscription.created", replace(one, version=1)) for one in subscriptions]
        facts += [subscription_fact("subscription.started", one) for one in subscriptions]
        await record_facts(connection, context, cause, facts)
        await subscription_rows.set_next_bill_at(connection, tenant.id, {one.id: kind.bill_at for one in customers})

    await carry_out(context, Call(tenant, "bench", "req_bench"), write)


async def change_some(context: Context, tenant: Tenant, percent: int, on: date) -> int:
    """Of so many in a hundred twice as much since a day, as the verb would have written it; how many there are."""
    ids = [row["id"] for row in await context.pool.fetch(_SUBSCRIPTIONS, tenant.id)]
    chosen = [id_ for nth, id_ in enumerate(ids) if nth % 100 < percent]
    for start in range(0, len(chosen), AT_ONCE):
        await _change(context, tenant, chosen[start : start + AT_ONCE], on)
    return len(chosen)


_SUBSCRIPTIONS = "SELECT id FROM subscriptions WHERE tenant_id = $1"


async def _change(context: Context, tenant: Tenant, ids: list[UUID], on: date) -> None:
    at = local_midnight(on, tenant.time_zone)

    async def write(connection: Connection, cause: Cause) -> None:
        found = await subscription_rows.get_subscriptions(connection, tenant.id, ids)
        now = [
            replace(
                one,
                quantity=one.quantity * 2,
                rework_from_on=on,
                next_bill_on=on if one.next_bill_on is None else min(on, one.next_bill_on),
                version=one.version + 1,
            )
            for one in found.values()
        ]
        changes = [
            (one.id, Change(2, "quantity_changed", at, on, quantity=one.quantity, made_at=cause.caused_at))
            for one in now
        ]
        await subscription_rows.insert_changes(connection, tenant.id, changes)
        await subscription_rows.update_subscriptions(connection, tenant.id, now)
        facts = [subscription_fact("subscription.quantity_changed", one) for one in now]
        await record_facts(connection, context, cause, facts)
        await subscription_rows.wake_customers_to_bill(connection, tenant.id, {one.customer_id: at for one in now})

    await carry_out(context, Call(tenant, "bench", "req_bench"), write)
