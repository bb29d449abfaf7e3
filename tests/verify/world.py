"""A small world made through actions, in which every kind of row exists that the checks look at."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from msgspec.structs import replace

from billsmith.actions.calls import Call
from billsmith.actions.catalog import apply_catalog
from billsmith.actions.context import Context
from billsmith.actions.credits import delete_credit, expire_credits, grant_credit
from billsmith.actions.customers import create_customer, delete_customer, update_customer
from billsmith.actions.deliver import number_events_of
from billsmith.actions.imports import ImportDocument, begin_import, import_customers, import_documents
from billsmith.actions.invoices import (
    NewInvoice,
    create_invoice,
    create_invoices,
    delete_draft,
    edit_draft,
    finalise_invoice,
    relabel_invoice,
)
from billsmith.actions.subscriptions.asking import QuantityChange
from billsmith.actions.subscriptions.changing import alter
from billsmith.actions.subscriptions.starting import Order, subscribe
from billsmith.actions.tenants import create_key, create_tenant, revoke_key
from billsmith.clock import FixedClock
from billsmith.core.catalog.given import catalog_given
from billsmith.core.credits import NewCredit
from billsmith.core.customers import Customer, CustomerDetails
from billsmith.core.discounts import Discount
from billsmith.core.invoices import Adjustment, Document, InvoiceDetails, Item
from billsmith.core.periods import Period
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.core.taxes import Tax
from billsmith.core.tenants import NewTenant, Scope, Tenant, TenantSettings
from tests.core.catalog.made import HOSTING, hosting, put
from tests.verify.money_world import move_money

VAT = Tax(Decimal(19))
CONTAINED = Tax(Decimal(7), inclusive=True)


@dataclass(frozen=True)
class World:
    """Two tenants: one with a series of numbers, tax rounded per line; one that numbers per customer, per invoice."""

    first: Tenant
    second: Tenant


async def build(context: Context, clock: FixedClock) -> World:
    """Everything that can happen so far, to both tenants; some events are numbered, some still wait."""
    by_customer = TenantSettings(numbers_per="customer", tax_rounding="invoice")
    first = await create_tenant(context, NewTenant("First", "EUR", "Europe/Berlin"), "test", "req_1")
    second = await create_tenant(context, NewTenant("Second", "USD", settings=by_customer), "test", "req_2")
    for tenant in (first, second):
        call = Call(tenant, "test", "req_world", "to be proven")
        await _keys(context, call)
        await _sell(context, call)
        ada = await _customer(context, call, "Ada", external_id="ada")
        await _many_invoices(context, call, ada)
        await _credit(context, call, clock)
        await number_events_of(context, tenant)
        await _drafts(context, call, ada)
        await _family(context, call, ada)
        await _import(context, call)
        await move_money(context, call, VAT, ada)
        await _subscribe(context, call)
    return World(first, second)


async def charge(context: Context, call: Call, customer: Customer, *items: Item, draft: bool = False) -> Document:
    """An invoice with these items."""
    given = NewInvoice(customer.id, InvoiceDetails(items=items), draft)
    return (await create_invoice(context, call, given)).fresh


async def _customer(context: Context, call: Call, name: str, **details: object) -> Customer:
    return (await create_customer(context, call, CustomerDetails(name, **details))).fresh  # type: ignore[arg-type]


async def _sell(context: Context, call: Call) -> None:
    """A catalogue, in which one plan has two versions."""
    dearer = put(hosting(), "plans.backup.phases.0.charges.0.prices.EUR", "2")
    for document in (HOSTING, dearer):
        await apply_catalog(context, call, catalog_given(document))


async def _subscribe(context: Context, call: Call) -> None:
    """A base with an add-on, billed for months and corrected by fewer of them; somebody who left."""
    eve = await _customer(context, call, "Eve", external_id="eve", currency="EUR")
    order = Order(NewSubscription("hosting-monthly", starts_on=date(2026, 1, 1), quantity=Decimal(3)))
    base = (await subscribe(context, call, eve.id, order)).fresh.subscription
    await subscribe(context, call, eve.id, Order(NewSubscription("backup"), base=base.id), "later")
    await alter(context, call, base.id, QuantityChange(Decimal(1), date(2026, 3, 1)))
    gone = await _customer(context, call, "Gone", currency="EUR")
    await subscribe(context, call, gone.id, Order(NewSubscription("hosting-monthly")), "later")
    await delete_customer(context, call, gone.id)


async def _keys(context: Context, call: Call) -> None:
    await create_key(context, call, "kept", [Scope.READ])
    lost = (await create_key(context, call, "lost", [Scope.WRITE])).fresh
    await revoke_key(context, call, lost.key.id)


async def _many_invoices(context: Context, call: Call, ada: Customer) -> None:
    """Tax on top and contained, discounts, thirds of a cent, adjustments, three kinds of currency, a payout, zero."""
    march = Period(date(2026, 2, 1), date(2026, 3, 1))
    taxed = tuple(Item(f"part {n}", unit_price=Decimal("0.33"), tax=VAT) for n in range(5))
    documents = [
        InvoiceDetails(items=(Item("hosting", 10_005, tax=VAT, period=march), Item("note only")), title="February"),
        InvoiceDetails(items=(*taxed, Item("book", 1999, tax=CONTAINED), Item("pen", 1, tax=CONTAINED))),
        InvoiceDetails(
            items=(
                Item(
                    "seats",
                    quantity=Decimal("2.5"),
                    unit_price=Decimal("19.999"),
                    discount=Discount(percent=Decimal(15)),
                ),
                Item("setup", 5000, discount=Discount(amount_minor=1250), tax=VAT),
            ),
            adjustments=(Adjustment(-100, "goodwill"),),
        ),
        InvoiceDetails(items=(Item("yen", quantity=Decimal(3), unit_price=Decimal("33.5"), tax=VAT),), currency="JPY"),
        InvoiceDetails(items=(Item("dinar", unit_price=Decimal("0.0125")),), currency="KWD"),
        InvoiceDetails(items=(Item("commission", 4000, tax=VAT), Item("fee", -500)), direction="payout"),
        InvoiceDetails(items=(Item("given away", 700, discount=Discount(percent=Decimal(100)), tax=VAT),)),
        InvoiceDetails(items=(Item("back", -300, tax=VAT), Item("rest", 100)), issued_on=date(2026, 1, 31)),
    ]
    await create_invoices(context, call, [NewInvoice(ada.id, details) for details in documents])


async def _credit(context: Context, call: Call, clock: FixedClock) -> None:
    """Credits that are drawn in part and whole, deleted, expired, left; and a customer that draws none by itself."""
    bob = await _customer(context, call, "Bob")
    await grant_credit(context, call, bob.id, NewCredit(2500, reason="sorry", expires_at=clock.at + timedelta(days=9)))
    lasting = (await grant_credit(context, call, bob.id, NewCredit(900))).fresh
    await charge(context, call, bob, Item("month", 1000, tax=VAT))
    await delete_credit(context, call, lasting.id)
    clock.at += timedelta(days=10)
    await expire_credits(context)
    await charge(context, call, bob, Item("month", 1000), Item("month", 50, tax=VAT))
    await grant_credit(context, call, bob.id, NewCredit(400))
    cid = await _customer(context, call, "Cid", draw_credit=False, terms_days=14)
    await charge(context, call, cid, Item("returned", -800))
    await charge(context, call, cid, Item("month", 700))
    await update_customer(context, call, cid.id, lambda details: replace(details, draw_credit=True, name="Cid & Co"))


async def _drafts(context: Context, call: Call, ada: Customer) -> None:
    await charge(context, call, ada, Item("perhaps", 1500, tax=VAT), draft=True)
    edited = await charge(context, call, ada, Item("not so much", 100), draft=True)
    other = InvoiceDetails(items=(Item("so", 10), Item("much", 20)))
    await edit_draft(context, call, edited.invoice.id, lambda _: other)
    await finalise_invoice(context, call, edited.invoice.id)
    await relabel_invoice(context, call, edited.invoice.id, {"project": "x"}, ("paper",))
    dropped = await charge(context, call, ada, Item("never mind", 100), draft=True)
    await delete_draft(context, call, dropped.invoice.id)


async def _family(context: Context, call: Call, ada: Customer) -> None:
    child = await _customer(context, call, "Ada's child", parent_id=ada.id, external_id="child")
    await charge(context, call, child, Item("toys", 4200))
    gone = await _customer(context, call, "Gone", external_id="gone")
    await delete_customer(context, call, gone.id)


async def _import(context: Context, call: Call) -> None:
    operation = await begin_import(context, call, "old books")
    found = await import_customers(context, call, [CustomerDetails("Dora", external_id="dora")])
    documents = [
        ImportDocument(f"old {n}", bytes([n]), NewInvoice(found["dora"], InvoiceDetails(items=(Item("old", amount),))))
        for n, amount in enumerate((300, -200, 0))
    ]
    await import_documents(context, call, operation, documents)
