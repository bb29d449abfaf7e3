"""Another tenant's ids lead nowhere, whatever is asked: not found, and nothing changes on either side."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from billsmith.actions import credits, customers, invoices, tenants, transfers
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.invoices import NewInvoice
from billsmith.core.credits import NewCredit
from billsmith.core.customers import CustomerDetails, ParentNotAllowed
from billsmith.core.invoices import InvoiceDetails
from billsmith.core.tenants import Scope
from billsmith.errors import NotFound
from billsmith.store.listing import Filters
from billsmith.store.pool import Pool
from tests.actions.made import credit, customer, draft, everything, invoice

Act = Callable[[Context, Call, "Theirs"], Awaitable[Any]]


class Theirs:
    """What another tenant has, one of each kind."""

    def __init__(self, owner: Any, finalised: Any, kept: Any, granted: Any, key: Any) -> None:
        self.customer = owner.id
        self.invoice = finalised.invoice.id
        self.draft = kept.invoice.id
        self.credit = granted.id
        self.key = key.key.id


@pytest.fixture
async def theirs(context: Context, other: Call) -> Theirs:
    owner = await customer(context, other, external_id="theirs")
    return Theirs(
        owner,
        await invoice(context, other, owner, 100),
        await draft(context, other, owner),
        await credit(context, other, owner, 500),
        (await tenants.create_key(context, other, "theirs", [Scope.READ])).fresh,
    )


DETAILS = InvoiceDetails(amount_minor=1)

# Every verb that is given an id, with one that is another tenant's.
REFUSED: dict[str, Act] = {
    "credits.grant_credit": lambda c, call, it: credits.grant_credit(c, call, it.customer, NewCredit(1)),
    "credits.delete_credit": lambda c, call, it: credits.delete_credit(c, call, it.credit),
    "credits.get_credit": lambda c, call, it: credits.get_credit(c, call.tenant, it.credit),
    "customers.update_customer": lambda c, call, it: customers.update_customer(c, call, it.customer, lambda one: one),
    "customers.delete_customer": lambda c, call, it: customers.delete_customer(c, call, it.customer),
    "customers.get_customer": lambda c, call, it: customers.get_customer(c, call.tenant, it.customer),
    "customers.resolve_customer": lambda c, call, it: customers.resolve_customer(c, call.tenant, "theirs"),
    "customers.create_customer": lambda c, call, it: customers.create_customer(
        c, call, CustomerDetails("Child", parent_id=it.customer)
    ),
    "invoices.create_invoice": lambda c, call, it: invoices.create_invoice(c, call, NewInvoice(it.customer, DETAILS)),
    "invoices.edit_draft": lambda c, call, it: invoices.edit_draft(c, call, it.draft, lambda one: one),
    "invoices.relabel_invoice": lambda c, call, it: invoices.relabel_invoice(c, call, it.invoice, {}, ()),
    "invoices.delete_draft": lambda c, call, it: invoices.delete_draft(c, call, it.draft),
    "invoices.finalise_invoice": lambda c, call, it: invoices.finalise_invoice(c, call, it.draft),
    "invoices.get_invoice": lambda c, call, it: invoices.get_invoice(c, call.tenant, it.invoice),
    "tenants.revoke_key": lambda c, call, it: tenants.revoke_key(c, call, it.key),
}
# What looks for several, or lists, and finds nothing.
EMPTY: dict[str, Act] = {
    "customers.get_customers": lambda c, call, it: customers.get_customers(c, call.tenant, [it.customer]),
    "customers.get_balances": lambda c, call, it: customers.get_balances(c, call.tenant, [it.customer]),
    "customers.list_customers": lambda c, call, it: customers.list_customers(c, call.tenant, Filters(5)),
    "invoices.list_invoices": lambda c, call, it: invoices.list_invoices(
        c, call.tenant, Filters(5, customer_id=it.customer), lines=True
    ),
    "credits.list_credits": lambda c, call, it: credits.list_credits(
        c, call.tenant, Filters(5, customer_id=it.customer)
    ),
    "transfers.list_transfers": lambda c, call, it: transfers.list_transfers(
        c, call.tenant, 5, customer_id=it.customer, invoice_id=it.invoice
    ),
}
# These name no object of a customer or key by id, or are shown on their own.
NAMING_NOTHING = {
    "credits.expire_credits", "credits.expire_credits_of", "tenants.create_key", "tenants.change_settings",
    "tenants.create_tenant", "tenants.find_tenant", "tenants.list_tenants", "tenants.list_keys", "tenants.authenticate",
    "invoices.create_invoices", "invoices.lock_for", "invoices.make_invoices",
    "customers.insert_with_snapshot", "customers.resolve_customers",
    "credits.grant_in",  # the body of grant_credit
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_a_verb_finds_nothing_of_another_tenant(
    context: Context, call: Call, other: Call, theirs: Theirs, pool: Pool, name: str
) -> None:
    before = [await everything(pool, tenant) for tenant in (call.tenant, other.tenant)]
    with pytest.raises((NotFound, ParentNotAllowed)):
        await REFUSED[name](context, call, theirs)
    assert [await everything(pool, tenant) for tenant in (call.tenant, other.tenant)] == before


@pytest.mark.parametrize("name", EMPTY)
async def test_a_look_finds_nothing_of_another_tenant(context: Context, call: Call, theirs: Theirs, name: str) -> None:
    assert not await EMPTY[name](context, call, theirs)


def test_every_verb_is_tried() -> None:
    verbs = {
        f"{room.__name__.rpartition('.')[2]}.{name}"
        for room in (credits, customers, invoices, tenants, transfers)
        for name, function in vars(room).items()
        if inspect.iscoroutinefunction(function) and function.__module__ == room.__name__ and not name.startswith("_")
    }
    assert verbs == {*REFUSED, *EMPTY, *NAMING_NOTHING}
