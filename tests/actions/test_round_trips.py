"""How often a verb waits for the database: what a request costs, and how long a number series is held, hangs on it."""

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal

import msgspec
import pytest

from billsmith.actions import invoices, tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.invoices import NewInvoice
from billsmith.core.customers import Customer
from billsmith.core.discounts import Discount
from billsmith.core.invoices import InvoiceDetails, Item
from billsmith.core.parties import Address, TaxId
from billsmith.core.periods import Period
from billsmith.core.taxes import Tax
from billsmith.core.tenants import NewTenant, Tenant, TenantSettings
from billsmith.store.pool import open_pool
from billsmith.store.together import FEW
from tests.actions.made import customer, invoice, keyed
from tests.store.cut import Wire, wire_to

ITEMS = (
    Item("Consulting", quantity=Decimal("7.50"), unit="hours", unit_price=Decimal("120.00"), tax=Tax(Decimal("19"))),
    Item("Travel", 9_900, tax=Tax(Decimal("19.0"), inclusive=True), discount=Discount(percent=Decimal("2.5"))),
    Item("Ünïcode \N{SNOWMAN} \"'\\ $1", unit_price=Decimal("0.000000000001"), category="x", volume="1 GB"),
    Item("March", 100, period=Period(date(2026, 3, 1), date(2026, 4, 1))),
)
GIVEN = InvoiceDetails(items=ITEMS, metadata={"order": "7", "a": "ü"}, tags=("new",), title="T", memo="One\n\nTwo")


@pytest.fixture
async def wire(database_url: str) -> AsyncIterator[Wire]:
    async with wire_to(database_url) as made:
        yield made


@pytest.fixture
async def counted(context: Context, wire: Wire) -> AsyncIterator[Context]:
    """The context of a program that has one connection, over a wire that counts."""
    pool = await open_pool(wire.url, size=1)
    yield msgspec.structs.replace(context, pool=pool)
    pool.terminate()


async def test_an_invoice_waits_eight_times_and_is_read_in_one(
    counted: Context, wire: Wire, call: Call, tenant: Tenant, tim: Customer
) -> None:
    for nth in range(3):  # the first calls prepare the statements
        before = wire.sent
        made = (await invoices.create_invoice(counted, keyed(call, f"k{nth}"), NewInvoice(tim.id, GIVEN))).fresh
    # begin, key and cause, lock, balances, everything, number, answer, commit
    assert wire.sent - before == 8
    for _ in range(2):
        before = wire.sent
        read = await invoices.get_invoice(counted, tenant, made.invoice.id)
    assert wire.sent - before == 1
    assert read == made


async def test_a_repeat_waits_four_times(counted: Context, wire: Wire, call: Call, tim: Customer) -> None:
    for _ in range(3):
        before = wire.sent
        outcome = await invoices.create_invoice(counted, keyed(call, "same"), NewInvoice(tim.id, GIVEN))
    assert (wire.sent - before, outcome.replayed) == (4, True)


@pytest.mark.parametrize("lines", [1, FEW, FEW + 1, 3 * FEW])
@pytest.mark.parametrize("kept_as_draft", [False, True])
async def test_what_is_answered_is_what_is_stored(
    context: Context, call: Call, tenant: Tenant, lines: int, kept_as_draft: bool
) -> None:
    owner = await customer(
        context, call, address=Address(city="Köln", country="DE"), tax_ids=(TaxId("eu_vat", "DE1"),), external_id="x"
    )
    items = tuple(ITEMS[nth % len(ITEMS)] for nth in range(lines))
    given = NewInvoice(owner.id, msgspec.structs.replace(GIVEN, items=items), draft=kept_as_draft)
    made = (await invoices.create_invoice(context, call, given)).fresh
    assert await invoices.get_invoice(context, tenant, made.invoice.id) == made
    batch = (await invoices.create_invoices(context, call, [given, given])).fresh
    assert [await invoices.get_invoice(context, tenant, one.invoice.id) for one in batch] == batch  # type: ignore[union-attr]
    if kept_as_draft:
        final = (await invoices.finalise_invoice(context, call, made.invoice.id)).fresh
        assert await invoices.get_invoice(context, tenant, made.invoice.id) == final


async def test_credit_that_a_batch_draws_is_in_its_answers(
    context: Context, call: Call, tenant: Tenant, tim: Customer
) -> None:
    owed = await invoice(context, call, tim, 500)
    amounts = (300, -700, 200)
    given = [NewInvoice(tim.id, InvoiceDetails(amount_minor=amount)) for amount in amounts]
    batch = (await invoices.create_invoices(context, call, given)).fresh
    assert [await invoices.get_invoice(context, tenant, one.invoice.id) for one in batch] == batch  # type: ignore[union-attr]
    assert (await invoices.get_invoice(context, tenant, owed.invoice.id)).invoice.balance_minor == 0


@pytest.mark.parametrize("digits", [1, 3])
async def test_one_number_is_printed_like_many(context: Context, digits: int) -> None:
    settings = TenantSettings(number_digits=digits, number_prefix="ü%s-")
    given = NewTenant(name="Numbers", currency="EUR", settings=settings)
    tenant = await tenants.create_tenant(context, given, actor="test", request_id="req_test")
    call = Call(tenant, "test", "req_test")
    owner = await customer(context, call)
    one = [(await invoice(context, call, owner, 100)).number for _ in range(2)]
    many = (
        await invoices.create_invoices(context, call, [NewInvoice(owner.id, InvoiceDetails(amount_minor=1))] * 9)
    ).fresh
    one.append((await invoice(context, call, owner, 100)).number)
    numbers = [*one[:2], *(document.number for document in many), one[2]]  # type: ignore[union-attr]
    assert numbers == [f"ü%s-{nth:0{digits}d}" for nth in range(1, 13)]
