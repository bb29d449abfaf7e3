"""The same key twice, at once, with another request, after an error."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from billsmith.actions import invoices
from billsmith.actions.calls import KEYS_KEPT, Call, KeyReused, answered_before
from billsmith.actions.context import Context
from billsmith.actions.customers import ExternalIdTaken
from billsmith.actions.deliver import forget_keys
from billsmith.actions.invoices import NewInvoice
from billsmith.clock import FixedClock
from billsmith.core.customers import Customer
from billsmith.core.invoices import InvoiceDetails
from billsmith.core.tenants import Tenant
from billsmith.store.pool import Pool
from tests.actions.made import customer, everything, invoice, keyed, last_sequence, refused, told
from tests.conftest import NOON


async def test_a_repeat_gets_the_stored_answer_and_changes_nothing(
    context: Context, call: Call, tim: Customer, tenant: Tenant, pool: Pool
) -> None:
    given = NewInvoice(tim.id, InvoiceDetails(amount_minor=100))
    first = await invoices.create_invoice(context, keyed(call, "one"), given)
    assert first.result is not None
    assert (first.replayed, first.answer and first.answer.status) == (False, 201)
    before = await everything(pool, tenant)
    again = await invoices.create_invoice(context, keyed(call, "one"), given)
    assert (again.replayed, again.result, again.answer) == (True, None, first.answer)
    assert await answered_before(context, keyed(call, "one")) == again
    assert await everything(pool, tenant) == before


async def test_the_same_key_with_another_request_is_refused(
    context: Context, call: Call, tim: Customer, tenant: Tenant, pool: Pool
) -> None:
    given = NewInvoice(tim.id, InvoiceDetails(amount_minor=100))
    await invoices.create_invoice(context, keyed(call, "one", b"this"), given)
    async with refused(pool, tenant, KeyReused):
        await invoices.create_invoice(context, keyed(call, "one", b"that"), given)
    with pytest.raises(KeyReused):
        await answered_before(context, keyed(call, "one", b"that"))


async def test_the_same_key_of_another_tenant_is_another_key(
    context: Context, call: Call, other: Call, tim: Customer
) -> None:
    theirs = await customer(context, other)
    one = await invoices.create_invoice(
        context, keyed(call, "one"), NewInvoice(tim.id, InvoiceDetails(amount_minor=100))
    )
    two = await invoices.create_invoice(
        context, keyed(other, "one", b"that"), NewInvoice(theirs.id, InvoiceDetails(amount_minor=100))
    )
    assert not one.replayed
    assert not two.replayed


async def test_the_same_key_many_times_at_once_has_one_effect(
    context: Context, call: Call, tim: Customer, tenant: Tenant
) -> None:
    start = await last_sequence(context, tenant)
    given = NewInvoice(tim.id, InvoiceDetails(amount_minor=100))
    ended = await asyncio.gather(*(invoices.create_invoice(context, keyed(call, "one"), given) for _ in range(8)))
    assert sorted(outcome.replayed for outcome in ended) == [False] + [True] * 7
    assert len({outcome.answer for outcome in ended if outcome.answer}) == 1
    assert await told(context, tenant, start) == ["invoice.finalised"]


async def test_an_error_frees_the_key(context: Context, call: Call, tim: Customer, tenant: Tenant, pool: Pool) -> None:
    taken = await invoice(context, call, tim, 100, external_id="a")
    details = InvoiceDetails(amount_minor=100, external_id="a")
    async with refused(pool, tenant, ExternalIdTaken):
        await invoices.create_invoice(context, keyed(call, "one"), NewInvoice(tim.id, details))
    better = msgspec.structs.replace(details, external_id="b")
    made = await invoices.create_invoice(context, keyed(call, "one", b"better"), NewInvoice(tim.id, better))
    assert (made.replayed, made.fresh.invoice.id != taken.invoice.id) == (False, True)


async def test_keys_are_forgotten_after_thirty_days(
    context: Context, call: Call, tim: Customer, clock: FixedClock
) -> None:
    given = NewInvoice(tim.id, InvoiceDetails(amount_minor=100))
    await invoices.create_invoice(context, keyed(call, "one"), given)
    clock.at = NOON + KEYS_KEPT - timedelta(seconds=1)
    await forget_keys(context)
    assert (await invoices.create_invoice(context, keyed(call, "one"), given)).replayed
    clock.at = NOON + KEYS_KEPT
    assert await forget_keys(context) >= 1
    assert not (await invoices.create_invoice(context, keyed(call, "one"), given)).replayed
