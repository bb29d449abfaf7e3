"""Events: numbered without gaps, in the order of facts within a customer, each with its object as it was."""

import asyncio
from typing import Any

import pytest

from billsmith.actions import customers, deliver, invoices, tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.core.customers import Customer
from billsmith.core.ids import show_id
from billsmith.core.tenants import NewTenant, Tenant
from billsmith.store.events import tenants_with_outbox
from billsmith.store.pool import Pool
from tests.actions.made import credit, customer, draft, events, invoice, told
from tests.actions.test_customers import change


async def test_every_version_of_an_object_is_shown_as_it_was(
    context: Context, call: Call, tim: Customer, tenant: Tenant
) -> None:
    made = await draft(context, call, tim)
    id_ = made.invoice.id
    await invoices.finalise_invoice(context, call, id_)
    await credit(context, call, tim, 400)
    await invoices.relabel_invoice(context, call, id_, {"seen": "yes"}, ("x",))
    await credit(context, call, tim, 600)
    await change(context, call, tim, name="Tom")
    mine = [event for event in await events(context, tenant) if event.object_id == show_id("invoice", id_)]
    shown: list[tuple[Any, ...]] = []
    for event in mine:
        data = event.data if isinstance(event.data, dict) else None
        status = data["status"] if data else event.data.status
        balance = data["balance"] if data else event.data.balance
        metadata = data["metadata"] if data else event.data.metadata
        version = data["version"] if data else event.data.version
        assert version == event.object_version
        shown.append((event.type, event.object_version, status, balance, metadata))
    assert shown == [
        ("invoice.drafted", 1, "draft", 0, {}),
        ("invoice.finalised", 2, "open", 1000, {}),
        ("invoice.credit_applied", 3, "open", 600, {}),
        ("invoice.updated", 4, "open", 600, {"seen": "yes"}),
        ("invoice.paid", 5, "paid", 0, {"seen": "yes"}),
    ]
    assert {event.data.buyer.name for event in mine[1:]} == {"Tim"}
    assert [event.data.number for event in mine[1:]] == ["INV-000001"] * 4


async def test_events_are_read_page_by_page_and_by_type(
    context: Context, call: Call, tim: Customer, tenant: Tenant
) -> None:
    for _ in range(5):
        await invoice(context, call, tim, 100)
    everything = await events(context, tenant)
    pages, after = [], 0
    while page := await deliver.events_after(context, tenant, after, 2):
        pages += page
        after = page[-1].sequence
    assert pages == everything
    assert [event.sequence for event in everything] == list(range(1, 8))
    of_customers = await deliver.events_after(context, tenant, 0, 100, "customer.%")
    assert [event.type for event in of_customers] == ["customer.created"]


async def test_nothing_is_lost_or_out_of_order_while_numbering_races_with_writers(
    context: Context, call: Call, tenant: Tenant
) -> None:
    owners = [await customer(context, call) for _ in range(3)]
    writing = asyncio.gather(
        *(change(context, call, owners[n % 3], name=f"Tim {n}") for n in range(30)),
        *(invoice(context, call, owners[n % 3], 100) for n in range(30)),
    )
    seen: list[int] = []
    while not writing.done():
        await asyncio.gather(*(deliver.number_events(context) for _ in range(3)))
        # Whoever reads on from the last one it saw misses nothing that is numbered later.
        after = seen[-1] if seen else 0
        seen += [event.sequence for event in await deliver.events_after(context, tenant, after, 1000)]
    await writing
    told_ = await events(context, tenant)
    seen += [event.sequence for event in told_ if event.sequence > (seen[-1] if seen else 0)]
    assert seen == [event.sequence for event in told_] == list(range(1, len(told_) + 1))
    assert len(told_) == 1 + 3 + 60
    for owner in owners:
        versions = [event.object_version for event in told_ if event.object_id == show_id("customer", owner.id)]
        assert versions == list(range(1, 12))


async def test_a_tenant_with_much_to_number_does_not_hide_another(
    context: Context, call: Call, tim: Customer, other: Call, pool: Pool
) -> None:
    await asyncio.gather(*(invoice(context, call, tim, 1) for _ in range(deliver.TRANSACTIONS_AT_ONCE + 5)))
    await customer(context, other)
    waiting = await tenants_with_outbox(pool)
    assert {call.tenant.id, other.tenant.id} <= set(waiting)
    assert len(set(waiting)) == len(waiting)
    await deliver.number_events(context)
    assert other.tenant.id not in await tenants_with_outbox(pool)
    assert call.tenant.id in await tenants_with_outbox(pool)
    await deliver.number_events_of(context, call.tenant)
    assert call.tenant.id not in await tenants_with_outbox(pool)


async def test_a_tenant_sees_its_own_events_only(context: Context, call: Call, other: Call, tim: Customer) -> None:
    await customer(context, other)
    mine, theirs = await events(context, call.tenant), await events(context, other.tenant)
    assert {event.id for event in mine} & {event.id for event in theirs} == set()
    assert [event.sequence for event in mine] == [event.sequence for event in theirs] == [1, 2]


async def test_who_why_and_in_which_request_stands_on_events_and_transfers(
    context: Context, tenant: Tenant, pool: Pool
) -> None:
    call = Call(tenant, "key_steve", "req_42", "month end")
    await invoice(context, call, await customer(context, call), 100)
    found = [event for event in await events(context, tenant) if event.type == "invoice.finalised"]
    assert [(event.actor, event.reason, event.request_id) for event in found] == [("key_steve", "month end", "req_42")]
    causes = await pool.fetch(
        "SELECT actor, reason, request_id FROM transfers JOIN causes ON causes.id = cause_id"
        " AND causes.tenant_id = transfers.tenant_id WHERE transfers.tenant_id = $1",
        tenant.id,
    )
    assert [tuple(row) for row in causes] == [("key_steve", "month end", "req_42")]


async def test_a_fresh_tenant_has_one_event(context: Context) -> None:
    made = await tenants.create_tenant(context, NewTenant(name="New", currency="EUR"), "test", "req_test")
    assert await told(context, made) == ["tenant.created"]
    assert await customers.get_balances(context, made, []) == {}


async def test_a_reader_has_only_what_it_needs_numbered_however_much_waits(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        await invoice(context, call, tim, 100)
    monkeypatch.setattr(deliver, "EVENTS_AT_ONCE", 1)  # so that a turn is one transaction
    page = await deliver.read_events(context, tenant, 0, 2)
    assert [event.sequence for event in page.events] == [1, 2]
    assert (page.more, page.next_after) == (True, 2)
    assert tenant.id in await tenants_with_outbox(pool), "the rest waits for the dispatcher"
    read, after = [], 0
    while page.more:
        page = await deliver.read_events(context, tenant, after, 2)
        read += [event.sequence for event in page.events]
        after = page.next_after
    assert read == list(range(1, 9))


async def test_what_is_rare_is_found_by_reading_on_over_pages_without_it(
    context: Context, call: Call, tenant: Tenant, tim: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        await invoice(context, call, tim, 100)
    await change(context, call, tim, name="Tom")
    monkeypatch.setattr(deliver, "LOOKED_THROUGH", 2)
    found, after, pages = [], 0, 0
    while True:
        page = await deliver.read_events(context, tenant, after, 10, "customer.updated")
        found += [event.type for event in page.events]
        after, pages = page.next_after, pages + 1
        if not page.more:
            break
    assert found == ["customer.updated"]
    assert pages > 2
    assert after == 7
