"""Verbs at once on the same customers: each whole, one after the other, in an order without deadlock."""

import asyncio
import random

from billsmith.actions import credits, customers, invoices
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.customers import CustomerOwes, ExternalIdTaken
from billsmith.actions.invoices import InvoiceNotFound, NewInvoice, create_invoices
from billsmith.core.credits import CreditUsedUp
from billsmith.core.customers import Customer, CustomerDeleted
from billsmith.core.invoices import Document, InvoiceDetails, InvoiceNotDraft
from billsmith.core.ledger import Balance
from billsmith.core.tenants import Tenant
from billsmith.errors import BillsmithError
from billsmith.store.pool import Pool
from tests.actions.made import credit, customer, draft, invoice, transfers


async def test_invoices_and_credits_at_once_on_one_customer_are_drawn_to_the_last_cent(
    context: Context, call: Call, tim: Customer, tenant: Tenant
) -> None:
    await asyncio.gather(
        *(invoice(context, call, tim, 100) for _ in range(8)),
        *(credit(context, call, tim, 70) for _ in range(8)),
        *(invoice(context, call, tim, -30) for _ in range(4)),
    )
    balances = await customers.get_balances(context, tenant, [tim.id])
    assert balances[tim.id]["EUR"] == Balance(receivable_minor=120, credit_minor=0)


async def test_a_draft_finalised_many_times_at_once_is_finalised_once(
    context: Context, call: Call, tim: Customer, pool: Pool
) -> None:
    kept = await draft(context, call, tim)
    ended = await asyncio.gather(
        *(invoices.finalise_invoice(context, call, kept.invoice.id) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(end, InvoiceNotDraft) for end in ended) == 7
    assert await transfers(pool, call.tenant) == [("net_billed", "receivable", "billed_revenue", 1000)]


async def test_a_draft_that_is_edited_deleted_and_finalised_at_once_ends_one_way(
    context: Context, call: Call, tim: Customer
) -> None:
    for _ in range(6):
        id_ = (await draft(context, call, tim)).invoice.id
        ended = await asyncio.gather(
            invoices.finalise_invoice(context, call, id_),
            invoices.delete_draft(context, call, id_),
            invoices.edit_draft(context, call, id_, lambda _: InvoiceDetails(amount_minor=7)),
            return_exceptions=True,
        )
        errors = [end for end in ended if isinstance(end, BaseException)]
        assert all(isinstance(error, InvoiceNotDraft | InvoiceNotFound) for error in errors), errors
        try:
            left = await invoices.get_invoice(context, call.tenant, id_)
        except InvoiceNotFound:
            assert not isinstance(ended[1], BaseException)
        else:
            assert left.invoice.status == "open"
            assert isinstance(ended[1], InvoiceNotDraft)


async def test_of_many_at_once_one_gets_the_customers_external_id(context: Context, call: Call, tim: Customer) -> None:
    ended = await asyncio.gather(
        *(invoice(context, call, tim, 100, external_id="march") for _ in range(8)), return_exceptions=True
    )
    made = [end for end in ended if isinstance(end, Document)]
    assert len(made) == 1
    assert sum(isinstance(end, ExternalIdTaken) for end in ended) == 7


async def test_a_credit_deleted_while_it_is_drawn_gives_back_only_what_was_left(
    context: Context, call: Call, tim: Customer, tenant: Tenant
) -> None:
    for _ in range(6):
        given = await credit(context, call, tim, 100)
        ended = await asyncio.gather(
            invoice(context, call, tim, 60),
            credits.delete_credit(context, call, given.id),
            credits.delete_credit(context, call, given.id),
            return_exceptions=True,
        )
        assert sum(isinstance(end, CreditUsedUp) for end in ended) == 1
        left = await credits.get_credit(context, tenant, given.id)
        assert left.drawn_minor in (0, 60)
        assert left.drawn_minor + left.deleted_minor == 100
        await credit(context, call, tim, 60 - left.drawn_minor) if left.drawn_minor < 60 else None


async def test_a_customer_deleted_while_it_is_billed_is_either(context: Context, call: Call, tenant: Tenant) -> None:
    for _ in range(6):
        owner = await customer(context, call)
        billed, deleted = await asyncio.gather(
            invoice(context, call, owner, 100),
            customers.delete_customer(context, call, owner.id),
            return_exceptions=True,
        )
        gone = (await customers.get_customer(context, tenant, owner.id)).deleted_at is not None
        assert isinstance(billed, CustomerDeleted) == gone
        assert isinstance(deleted, CustomerOwes) != gone


async def test_batches_that_name_the_same_customers_in_any_order_never_wait_for_each_other_in_a_circle(
    context: Context, call: Call, pool: Pool
) -> None:
    owners = [await customer(context, call) for _ in range(5)]
    before = await pool.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    draw = random.Random(3)

    async def one() -> None:
        given = [NewInvoice(owner.id, InvoiceDetails(amount_minor=10)) for owner in draw.sample(owners, 4)]
        await create_invoices(context, call, given)

    async def another() -> None:
        owner = draw.choice(owners)
        kept = await draft(context, call, owner)
        await invoices.finalise_invoice(context, call, kept.invoice.id)
        await credit(context, call, owner, 5)

    ended = await asyncio.gather(*(one() for _ in range(12)), *(another() for _ in range(12)), return_exceptions=True)
    assert [end for end in ended if isinstance(end, BillsmithError)] == []
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_stat_clear_snapshot()")
        after = await connection.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert after == before
