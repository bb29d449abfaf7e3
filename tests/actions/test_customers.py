"""Customers: made, changed, deleted, found; their external ids and their parents."""

import asyncio
from uuid import UUID

import pytest
from msgspec.structs import replace

from billsmith.actions import customers, invoices
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.customers import CustomerOwes, ExternalIdTaken, NumberPrefixTaken
from billsmith.actions.saving import CustomerNotFound
from billsmith.core.currencies import UnknownCurrency
from billsmith.core.customers import (
    Customer,
    CustomerDeleted,
    CustomerDetails,
    CustomerFieldInvalid,
    ParentNotAllowed,
    details_of,
)
from billsmith.core.ids import CustomerId, shard_of, show_id
from billsmith.core.parties import Address, TaxId
from billsmith.core.tenants import Tenant
from billsmith.store.listing import Filters
from billsmith.store.pool import Pool
from tests.actions.made import credit, customer, draft, events, invoice, last_sequence, refused, told
from tests.conftest import NOON

NOBODY = show_id("customer", UUID(int=7))
EVERYTHING = CustomerDetails(
    name="Tim Ünïcode 🦉",
    external_id="tim-1",
    emails=("tim@example.com", "books@example.com"),
    currency="JPY",
    time_zone="Pacific/Auckland",
    locale="de_AT",
    address=Address("Street 1", "c/o", "Linz", "OÖ", "4020", "AT"),
    tax_ids=(TaxId("eu_vat", "ATU12345678"),),
    bill_cycle_day=31,
    terms_days=0,
    number_prefix="TIM-",
    auto_collect=False,
    invoicing="draft",
    draw_credit=False,
    overdue_exempt=True,
    metadata={"plan": "gold", "empty": ""},
    tags=("b", "a"),
)


async def change(context: Context, call: Call, owner: Customer, **fields: object) -> Customer:
    def changed(details: CustomerDetails) -> CustomerDetails:
        return CustomerDetails(**{name: fields.get(name, getattr(details, name)) for name in details.__struct_fields__})

    return (await customers.update_customer(context, call, owner.id, changed)).fresh


async def test_a_customer_is_stored_with_everything_that_was_said(context: Context, call: Call, tenant: Tenant) -> None:
    made = (await customers.create_customer(context, call, EVERYTHING)).fresh
    assert await customers.get_customer(context, tenant, made.id) == made
    said = {name: getattr(EVERYTHING, name) for name in EVERYTHING.__struct_fields__} | {"tags": ("a", "b")}
    assert {name: getattr(made, name) for name in said} == said
    assert (made.version, made.created_at, made.deleted_at, made.tenant_id) == (1, NOON, None, tenant.id)


async def test_currency_and_time_zone_are_the_tenants_unless_said(context: Context, tim: Customer) -> None:
    assert (tim.currency, tim.time_zone, tim.draw_credit, tim.invoicing) == ("EUR", "Europe/Berlin", True, "on")


async def test_what_happened_to_a_customer_is_told_with_who_and_why(context: Context, tenant: Tenant) -> None:
    call = Call(tenant, "steve", "req_9", "asked by phone")
    owner = await customer(context, call)
    await change(context, call, owner, name="Tom")
    await customers.delete_customer(context, call, owner.id)
    found = [event for event in await events(context, tenant) if event.customer == show_id("customer", owner.id)]
    assert [(event.type, event.object_version, event.data["name"]) for event in found] == [
        ("customer.created", 1, "Tim"), ("customer.updated", 2, "Tom"), ("customer.deleted", 3, "Tom"),
    ]  # fmt: skip
    assert {(event.actor, event.reason, event.request_id) for event in found} == {("steve", "asked by phone", "req_9")}


async def test_an_external_id_is_unique_per_tenant_and_the_holder_is_named(
    context: Context, call: Call, other: Call, tenant: Tenant, pool: Pool
) -> None:
    holder = await customer(context, call, external_id="tim")
    async with refused(pool, tenant, ExternalIdTaken, match=show_id("customer", holder.id)):
        await customer(context, call, external_id="tim")
    await customer(context, other, external_id="tim")
    assert await customers.resolve_customer(context, tenant, "tim") == holder.id
    assert await customers.resolve_customer(context, tenant, show_id("customer", holder.id)) == holder.id


async def test_of_many_at_once_one_gets_the_external_id(context: Context, call: Call, tenant: Tenant) -> None:
    ended = await asyncio.gather(
        *(customer(context, call, external_id="tim") for _ in range(8)), return_exceptions=True
    )
    made = [end for end in ended if isinstance(end, Customer)]
    assert len(made) == 1
    assert all(isinstance(end, ExternalIdTaken) for end in ended if end is not made[0])
    assert await customers.resolve_customer(context, tenant, "tim") == made[0].id


async def test_a_renamed_customer_frees_its_external_id(
    context: Context, call: Call, tenant: Tenant, pool: Pool
) -> None:
    one, two = await customer(context, call, external_id="one"), await customer(context, call, external_id="two")
    async with refused(pool, tenant, ExternalIdTaken, match=show_id("customer", two.id)):
        await change(context, call, one, external_id="two")
    await change(context, call, one, external_id="uno")
    three = await customer(context, call, external_id="one")
    assert await customers.resolve_customer(context, tenant, "one") == three.id
    await change(context, call, two, external_id=None)
    with pytest.raises(CustomerNotFound):
        await customers.resolve_customer(context, tenant, "two")


async def test_two_who_swap_their_external_ids_at_once_end_with_one_each(
    context: Context, call: Call, tenant: Tenant
) -> None:
    one, two = await customer(context, call, external_id="one"), await customer(context, call, external_id="two")
    for _ in range(5):
        await asyncio.gather(
            change(context, call, one, external_id="two"),
            change(context, call, two, external_id="one"),
            return_exceptions=True,
        )
        names = [(await customers.get_customer(context, tenant, id_)).external_id for id_ in (one.id, two.id)]
        assert sorted(names) == ["one", "two"] or names in (["one", "two"], ["two", "one"])
        for id_, name in zip((one.id, two.id), names, strict=True):
            assert await customers.resolve_customer(context, tenant, str(name)) == id_


@pytest.mark.parametrize("reference", ["", "nobody", "cus_nonsense", "a\x00b", "\ud800", NOBODY])
async def test_a_reference_that_means_nobody_is_not_found(context: Context, call: Call, reference: str) -> None:
    async def find() -> Customer:
        return await customers.get_customer(
            context, call.tenant, await customers.resolve_customer(context, call.tenant, reference)
        )

    with pytest.raises(CustomerNotFound):
        await find()


async def test_a_name_is_found_however_its_letters_are_put_together(context: Context, call: Call) -> None:
    owner = await customer(context, call, external_id="cafe\u0301")
    for name in ("cafe\u0301", "caf\u00e9"):
        assert await customers.resolve_customer(context, call.tenant, name) == owner.id
        page = await customers.list_customers(context, call.tenant, Filters(5, equal={"external_id": name}))
        assert page == [owner]
    assert await customers.list_customers(context, call.tenant, Filters(5, equal={"external_id": "a\x00"})) == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"bill_cycle_day": 32}, CustomerFieldInvalid),
        ({"currency": "XXX"}, UnknownCurrency),
        ({"locale": "klingon!"}, CustomerFieldInvalid),
        ({"parent_id": CustomerId(UUID(int=7))}, ParentNotAllowed),
    ],
)
async def test_a_customer_that_can_not_be_is_refused(
    context: Context, call: Call, tenant: Tenant, pool: Pool, fields: dict, error: type
) -> None:
    async with refused(pool, tenant, error):
        await customer(context, call, **fields)
    made = await customer(context, call)
    async with refused(pool, tenant, error):
        await change(context, call, made, **fields)


async def test_a_child_lives_in_the_shard_of_its_parent_and_one_level_is_allowed(
    context: Context, call: Call, other: Call, tenant: Tenant, pool: Pool
) -> None:
    parent = await customer(context, call)
    child = await customer(context, call, parent_id=parent.id)
    assert shard_of(child.id) == shard_of(parent.id)
    async with refused(pool, tenant, ParentNotAllowed):
        await customer(context, call, parent_id=child.id)
    async with refused(pool, tenant, ParentNotAllowed):
        await change(context, call, child, parent_id=None)
    async with refused(pool, other.tenant, ParentNotAllowed):
        await customer(context, other, parent_id=parent.id)
    await customers.delete_customer(context, call, child.id)
    await customers.delete_customer(context, call, parent.id)
    async with refused(pool, tenant, ParentNotAllowed):
        await customer(context, call, parent_id=parent.id)


async def test_a_deleted_customer_is_never_billed_again_and_its_documents_stay(
    context: Context, call: Call, tenant: Tenant, pool: Pool
) -> None:
    owner = await customer(context, call, external_id="tim")
    settled = await invoice(context, call, owner, 0)
    kept = await draft(context, call, owner)
    deleted = (await customers.delete_customer(context, call, owner.id)).fresh
    assert (deleted.deleted_at, deleted.version) == (NOON, 2)
    for act in (
        lambda: invoice(context, call, owner, 100),
        lambda: draft(context, call, owner),
        lambda: credit(context, call, owner, 100),
        lambda: change(context, call, owner, name="Tom"),
        lambda: customers.delete_customer(context, call, owner.id),
        lambda: invoices.finalise_invoice(context, call, kept.invoice.id),
        lambda: invoices.edit_draft(context, call, kept.invoice.id, lambda details: details),
    ):
        async with refused(pool, tenant, CustomerDeleted):
            await act()
    assert await invoices.get_invoice(context, tenant, settled.invoice.id) == settled
    assert (await invoices.delete_draft(context, call, kept.invoice.id)).fresh == kept
    # The name is free for somebody else.
    assert (await customer(context, call, external_id="tim")).id != owner.id


async def test_nobody_is_deleted_or_changes_currency_while_something_is_open(
    context: Context, call: Call, tenant: Tenant, pool: Pool
) -> None:
    owing, owed = await customer(context, call), await customer(context, call)
    await invoice(context, call, owing, 100)
    await credit(context, call, owed, 100)
    for owner in (owing, owed):
        async with refused(pool, tenant, CustomerOwes):
            await customers.delete_customer(context, call, owner.id)
        async with refused(pool, tenant, CustomerOwes):
            await change(context, call, owner, currency="USD")
    assert (await change(context, call, await customer(context, call), currency="USD")).currency == "USD"


async def test_documents_keep_what_they_said_of_seller_and_buyer(context: Context, call: Call, tim: Customer) -> None:
    first = await invoice(context, call, tim, 100)
    await change(context, call, tim, emails=("new@example.com",))
    second = await invoice(context, call, tim, 100)
    await change(context, call, tim, name="Tom", address=Address(city="Rom"))
    third = await invoice(context, call, tim, 100)
    read = [await invoices.get_invoice(context, call.tenant, one.invoice.id) for one in (first, second, third)]
    assert [one.buyer and one.buyer.name for one in read] == ["Tim", "Tim", "Tom"]
    assert {one.seller for one in read} == {call.tenant.seller}
    # Only what documents say makes a new snapshot.
    assert first.invoice.buyer_snapshot_id == second.invoice.buyer_snapshot_id != third.invoice.buyer_snapshot_id


async def test_changes_at_once_come_one_after_the_other(context: Context, call: Call, tim: Customer) -> None:
    def add(word: str):
        def changed(details: CustomerDetails) -> CustomerDetails:
            fields = {name: getattr(details, name) for name in details.__struct_fields__}
            return CustomerDetails(**{**fields, "tags": (*details.tags, word)})

        return changed

    start = await last_sequence(context, call.tenant)
    await asyncio.gather(*(customers.update_customer(context, call, tim.id, add(f"t{n}")) for n in range(8)))
    ended = await customers.get_customer(context, call.tenant, tim.id)
    assert (ended.version, ended.tags) == (9, tuple(f"t{n}" for n in range(8)))
    assert await told(context, call.tenant, start) == ["customer.updated"] * 8


async def test_details_of_a_customer_make_the_same_customer_again(context: Context, call: Call) -> None:
    made = (await customers.create_customer(context, call, EVERYTHING)).fresh
    same = (await customers.update_customer(context, call, made.id, lambda _: details_of(made))).fresh
    assert details_of(same) == details_of(made)
    assert same.snapshot_id == made.snapshot_id


async def test_a_parent_is_not_deleted_before_its_children(context: Context, call: Call, pool: Pool) -> None:
    parent = await customer(context, call)
    child = await customer(context, call, parent_id=parent.id)
    async with refused(pool, call.tenant, ParentNotAllowed):
        await customers.delete_customer(context, call, parent.id)
    await customers.delete_customer(context, call, child.id)
    assert (await customers.delete_customer(context, call, parent.id)).fresh.deleted_at is not None


async def test_no_two_customers_have_numbers_that_begin_alike(context: Context, call: Call, pool: Pool) -> None:
    first = await customer(context, call, number_prefix="ACME-")
    other = await customer(context, call)
    async with refused(pool, call.tenant, NumberPrefixTaken, show_id("customer", first.id)):
        await customer(context, call, number_prefix="ACME-")

    def change(details: CustomerDetails) -> CustomerDetails:
        return replace(details, number_prefix="ACME-")

    async with refused(pool, call.tenant, NumberPrefixTaken):
        await customers.update_customer(context, call, other.id, change)
