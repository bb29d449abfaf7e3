"""Many invoices at once: a result for each, and refused ones stop no other."""

import asyncio

import pytest

from billsmith.actions import customers, invoices
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.customers import ExternalIdTaken
from billsmith.actions.invoices import NewInvoice, Refusal, create_invoices
from billsmith.actions.saving import CustomerNotFound
from billsmith.core.customers import Customer, CustomerDeleted
from billsmith.core.invoices import Document, InvoiceDetails, Item
from billsmith.core.lines.items import AmountMissing
from billsmith.core.tenants import Tenant
from billsmith.core.text import UnusableText
from billsmith.store.pool import Pool
from tests.actions.made import credit, customer, everything, keyed, made_of
from tests.invariants import assert_holds


def over(owner: Customer, amount_minor: int, *, draft: bool = False, **details: object) -> NewInvoice:
    return NewInvoice(owner.id, InvoiceDetails(amount_minor=amount_minor, **details), draft=draft)  # type: ignore[arg-type]


async def test_every_item_has_its_result_in_the_order_given(
    context: Context, call: Call, tim: Customer, other: Call
) -> None:
    gone, theirs = await customer(context, call), await customer(context, other)
    await customers.delete_customer(context, call, gone.id)
    earlier = Refusal(CustomerNotFound("no such customer", pointer="/customer"))
    results = (
        await create_invoices(
            context,
            call,
            [
                over(tim, 100, external_id="a"),
                over(tim, 100, external_id="a"),
                over(gone, 100),
                earlier,
                over(theirs, 100),
                NewInvoice(tim.id, InvoiceDetails(items=(Item("no amount"),))),
                over(tim, 200, external_id="\ud800"),
                over(tim, 0, draft=True),
                over(tim, 300),
            ],
        )
    ).fresh
    errors = [type(result.error) if isinstance(result, Refusal) else None for result in results]
    assert errors == [
        None, ExternalIdTaken, CustomerDeleted, CustomerNotFound, CustomerNotFound, AmountMissing, UnusableText,
        None, None,
    ]  # fmt: skip
    assert results[3] is earlier
    numbers = [one.number for one in made_of(results)]
    assert numbers == ["INV-000001", None, "INV-000002"]


async def test_an_external_id_taken_within_the_batch_is_named(context: Context, call: Call, tim: Customer) -> None:
    first, second = (
        await create_invoices(context, call, [over(tim, 1, external_id="ä"), over(tim, 1, external_id="a\u0308")])
    ).fresh
    assert isinstance(first, Document)
    assert isinstance(second, Refusal)
    assert isinstance(second.error, ExternalIdTaken)


async def test_credit_is_drawn_in_the_order_of_the_batch(context: Context, call: Call, tim: Customer) -> None:
    await credit(context, call, tim, 50)
    results = made_of((await create_invoices(context, call, [over(tim, 100), over(tim, -80), over(tim, 100)])).fresh)
    assert [one.invoice.balance_minor for one in results] == [0, 0, 70]
    assert [one.invoice.status for one in results] == ["paid", "paid", "open"]


async def test_a_batch_is_the_same_as_its_items_one_by_one(context: Context, call: Call, tenant: Tenant) -> None:
    amounts = [100, -30, 0, 500, -600, 20, 75, -1, 3]
    alone, together = await customer(context, call), await customer(context, call)
    one_by_one = [(await invoices.create_invoice(context, call, over(alone, amount))).fresh for amount in amounts]
    await create_invoices(context, call, [over(together, amount) for amount in amounts])
    at_once = await pool_figures(context, tenant, together)
    assert at_once == await pool_figures(context, tenant, alone)
    assert len(one_by_one) == len(amounts)


async def pool_figures(context: Context, tenant: Tenant, owner: Customer) -> list[tuple[object, ...]]:
    rows = await context.pool.fetch(
        "SELECT total_minor, status, credit_applied_minor, balance_minor FROM invoices"
        " WHERE tenant_id = $1 AND customer_id = $2 ORDER BY id",
        tenant.id,
        owner.id,
    )
    return [tuple(row) for row in rows]


async def test_an_empty_batch_and_one_of_refusals_make_nothing(
    context: Context, call: Call, tim: Customer, tenant: Tenant, pool: Pool
) -> None:
    assert (await create_invoices(context, call, [])).fresh == []
    before = await everything(pool, tenant)
    refusal = Refusal(CustomerNotFound("no such customer", pointer="/customer"))
    results = (await create_invoices(context, call, [refusal, NewInvoice(tim.id, InvoiceDetails())])).fresh
    assert [isinstance(result, Refusal) for result in results] == [True, True]
    after = await everything(pool, tenant)
    del before["causes"], after["causes"]
    assert after == before


async def test_a_batch_under_a_key_is_made_once(context: Context, call: Call, tim: Customer, pool: Pool) -> None:
    ended = await asyncio.gather(
        *(create_invoices(context, keyed(call, "one"), [over(tim, 1), over(tim, 2)]) for _ in range(4))
    )
    assert sorted(outcome.replayed for outcome in ended) == [False, True, True, True]
    assert await pool.fetchval("SELECT count(*) FROM invoices WHERE tenant_id = $1", call.tenant.id) == 2


@pytest.mark.parametrize("seed", range(3))
async def test_batches_at_once_over_the_same_customers_end_whole_and_without_gaps(
    context: Context, call: Call, tenant: Tenant, pool: Pool, seed: int
) -> None:
    import random

    draw = random.Random(seed)
    owners = [await customer(context, call) for _ in range(6)]
    batches = [[over(draw.choice(owners), draw.randint(-50, 100)) for _ in range(10)] for _ in range(8)]
    await asyncio.gather(*(create_invoices(context, call, batch) for batch in batches))
    numbers = await pool.fetch("SELECT sequence FROM invoice_numbers WHERE tenant_id = $1 ORDER BY sequence", tenant.id)
    assert [row[0] for row in numbers] == list(range(1, 81))
    async with pool.acquire() as connection:
        await assert_holds(connection, tenant.id)
