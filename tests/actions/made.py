"""What tests of verbs start from: customers, documents, keys, and a look at everything that is stored."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec
import pytest

from billsmith.actions import credits, customers, deliver, invoices
from billsmith.actions.calls import Answer, Call, Keyed
from billsmith.actions.context import Context
from billsmith.actions.invoices import NewInvoice, Refusal
from billsmith.actions.objects import EventObject
from billsmith.core.credits import Credit, NewCredit
from billsmith.core.customers import Customer, CustomerDetails
from billsmith.core.invoices import Document, InvoiceDetails, Item
from billsmith.core.tenants import Tenant
from billsmith.errors import BillsmithError
from billsmith.store.pool import Pool


async def customer(context: Context, call: Call, **details: Any) -> Customer:
    """A new customer; called Tim unless said otherwise."""
    return (await customers.create_customer(context, call, CustomerDetails(**{"name": "Tim", **details}))).fresh


async def invoice(context: Context, call: Call, owner: Customer, amount_minor: int, **details: Any) -> Document:
    """A finalised invoice over one amount."""
    given = NewInvoice(owner.id, InvoiceDetails(amount_minor=amount_minor, **details))
    return (await invoices.create_invoice(context, call, given)).fresh


async def draft(context: Context, call: Call, owner: Customer, *items: Item, **details: Any) -> Document:
    """A draft of these items, or of one over 10.00."""
    lines = items or (Item("Hosting", 1000),)
    given = NewInvoice(owner.id, InvoiceDetails(items=lines, **details), draft=True)
    return (await invoices.create_invoice(context, call, given)).fresh


async def credit(context: Context, call: Call, owner: Customer, amount_minor: int, **given: Any) -> Credit:
    """A granted credit."""
    return (await credits.grant_credit(context, call, owner.id, NewCredit(amount_minor, **given))).fresh


def made_of(outcome: list[Document | Refusal]) -> list[Document]:
    """The documents of a batch of which nothing was refused."""
    return [result for result in outcome if isinstance(result, Document)]


def keyed(call: Call, key: str, fingerprint: bytes = b"same") -> Call:
    """The same call under an idempotency key; its answer is what the result looks like."""
    return msgspec.structs.replace(
        call, keyed=Keyed(key, fingerprint, lambda result: Answer(201, repr(result).encode()))
    )


async def events(context: Context, tenant: Tenant, after: int = 0) -> list[EventObject]:
    """Everything that was told, numbered first."""
    await deliver.number_events_of(context, tenant)
    return await deliver.events_after(context, tenant, after, 1000)


async def told(context: Context, tenant: Tenant, after: int = 0) -> list[str]:
    """The types of the events behind `after`, in order."""
    return [event.type for event in await events(context, tenant, after)]


async def last_sequence(context: Context, tenant: Tenant) -> int:
    """The number of the newest event."""
    return max((event.sequence for event in await events(context, tenant)), default=0)


async def transfers(pool: Pool, tenant: Tenant) -> list[tuple[Any, ...]]:
    """(kind, debit, credit, amount) of every transfer, in the order they were made."""
    rows = await pool.fetch(
        "SELECT kind, debit, credit, amount_minor FROM transfers WHERE tenant_id = $1 ORDER BY id", tenant.id
    )
    return [tuple(row) for row in rows]


async def everything(pool: Pool, tenant: Tenant) -> dict[str, list[str]]:
    """Every row of every table that belongs to the tenant, as text."""
    tables = await pool.fetch(
        "SELECT table_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'tenant_id' ORDER BY 1"
    )
    found = {}
    for (table,) in tables:
        rows = await pool.fetch(f"SELECT t::text FROM {table} AS t WHERE tenant_id = $1 ORDER BY 1", tenant.id)
        found[table] = [row[0] for row in rows]
    own = await pool.fetch("SELECT t::text FROM tenants AS t WHERE id = $1", tenant.id)
    return {**found, "tenants": [row[0] for row in own]}


@asynccontextmanager
async def refused(
    pool: Pool, tenant: Tenant, error: type[BillsmithError], match: str | None = None
) -> AsyncIterator[None]:
    """What is done inside is refused with this error, and has changed nothing in any table."""
    before = await everything(pool, tenant)
    with pytest.raises(error, match=match):
        yield
    assert await everything(pool, tenant) == before


def moved(tenant: Tenant, at: datetime) -> Tenant:
    """The tenant as it is once its clock stands there."""
    return msgspec.structs.replace(tenant, clock_at=at)
