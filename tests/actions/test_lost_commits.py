"""A commit whose reply was lost: looked up, so that what was done is done once and its result is known."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from billsmith.actions import customers, invoices, tenants
from billsmith.actions.billing.drafts import finalise_due_of
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.invoices import NewInvoice
from billsmith.clock import FixedClock
from billsmith.core.customers import Customer, CustomerDetails
from billsmith.core.invoices import InvoiceDetails
from billsmith.core.tenants import NewTenant, Tenant, TenantSettings
from billsmith.store.pool import DatabaseUnavailable, Pool, open_pool
from billsmith.store.transaction import CommitUnknown
from tests.actions.made import customer, invoice, keyed, last_sequence, told
from tests.actions.subscriptions.made import one, sell
from tests.store.cut import Cut, Wire, wire_to

GIVEN = InvoiceDetails(amount_minor=100)


@pytest.fixture
async def wire(database_url: str) -> AsyncIterator[Wire]:
    async with wire_to(database_url) as made:
        yield made


@pytest.fixture
async def shaky(context: Context, wire: Wire) -> AsyncIterator[Context]:
    """The context of a program whose wire to the database can be cut."""
    pool = await open_pool(wire.url, size=2)
    yield msgspec.structs.replace(context, pool=pool)
    pool.terminate()


@pytest.mark.parametrize("cuts", [["before"], ["after"], ["before", "after"], ["after", "before"], ["before"] * 3])
@pytest.mark.parametrize("key", [None, "one"])
async def test_a_verb_is_done_once_and_answered_however_its_commit_was_cut(
    context: Context, shaky: Context, wire: Wire, call: Call, tim: Customer, tenant: Tenant, cuts: list[Cut],
    key: str | None,
) -> None:  # fmt: skip
    start = await last_sequence(context, tenant)
    wire.cuts = list(cuts)
    asked = call if key is None else keyed(call, key)
    outcome = await invoices.create_invoice(shaky, asked, NewInvoice(tim.id, GIVEN))
    assert wire.cut >= 1
    assert not outcome.replayed
    made = outcome.fresh
    assert await invoices.get_invoice(context, tenant, made.invoice.id) == made
    assert await told(context, tenant, start) == ["invoice.finalised"]
    assert made.number == "INV-000001"
    if key is not None:
        again = await invoices.create_invoice(context, asked, NewInvoice(tim.id, GIVEN))
        assert (again.replayed, again.answer) == (True, outcome.answer)


async def test_the_next_number_follows_without_a_gap(
    context: Context, shaky: Context, wire: Wire, call: Call, tim: Customer
) -> None:
    numbers = []
    for cuts in (["before"], [], ["after"], ["before", "before"], []):
        wire.cuts = list(cuts)  # type: ignore[arg-type]
        numbers.append((await invoice(shaky, call, tim, 100)).number)
    assert numbers == [f"INV-00000{n}" for n in range(1, 6)]


async def test_whoever_gives_up_while_the_database_is_away_can_ask_with_the_key_later(
    context: Context, shaky: Context, wire: Wire, call: Call, tim: Customer
) -> None:
    wire.cuts = ["after", *["before"] * 20]
    asking = asyncio.create_task(invoices.create_invoice(shaky, keyed(call, "one"), NewInvoice(tim.id, GIVEN)))
    async with asyncio.timeout(30):
        while wire.cut < 3:  # noqa: ASYNC110  the wire runs by itself
            await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    wire.cuts = []
    again = await invoices.create_invoice(context, keyed(call, "one"), NewInvoice(tim.id, GIVEN))
    assert again.replayed


async def test_a_sandbox_is_no_exception(context: Context, shaky: Context, wire: Wire, sandbox: Tenant) -> None:
    call = Call(sandbox, "test", "req_test")
    for cut in ("before", "after"):
        wire.cuts = [cut]  # type: ignore[list-item]
        made = await customer(shaky, call)
        assert await customers.get_customer(context, sandbox, made.id) == made
    assert (await told(context, sandbox)).count("customer.created") == 2


async def test_an_outage_before_the_commit_is_not_tried_again(
    shaky: Context, wire: Wire, call: Call, tenant: Tenant, pool: Pool
) -> None:
    tries = []

    def losing(details: CustomerDetails) -> CustomerDetails:
        tries.append(details)
        raise ConnectionResetError("the wire is gone")

    owner = await customer(shaky, call)
    from billsmith.store.pool import DatabaseUnavailable

    with pytest.raises(DatabaseUnavailable) as caught:
        await customers.update_customer(shaky, call, owner.id, losing)
    assert not isinstance(caught.value, CommitUnknown)
    assert len(tries) == 1


async def test_a_new_tenant_whose_commit_was_cut_says_that_nobody_knows(shaky: Context, wire: Wire) -> None:
    wire.cuts = ["before"]
    with pytest.raises(CommitUnknown):
        await tenants.create_tenant(shaky, NewTenant(name="Cut", currency="EUR"), "test", "req_test")


async def test_a_draft_still_finalises_itself_when_the_database_went_away_meanwhile(
    context: Context, shaky: Context, wire: Wire, clock: FixedClock
) -> None:
    given = NewTenant("Drafts", "EUR", settings=TenantSettings(draft_window_minutes=60))
    call = Call(await tenants.create_tenant(context, given, "test", "req_test"), "test", "req_test")
    await sell(context, call)
    await one(context, call, await customer(context, call))
    clock.at += timedelta(hours=2)
    wire.breaks_at = b"FOR NO KEY UPDATE"
    with pytest.raises(DatabaseUnavailable):
        await finalise_due_of(shaky, call)
    statuses = "SELECT status FROM invoices WHERE tenant_id = $1"
    assert await context.pool.fetchval(statuses, call.tenant.id) == "draft"
    await finalise_due_of(shaky, call)
    assert await context.pool.fetchval(statuses, call.tenant.id) == "open"
