"""A program that finalises invoices until it is killed: `python -m tests.store.writer URL TENANT PER_BATCH`."""

import asyncio
import sys

from billsmith.actions import invoices
from billsmith.actions.calls import Call
from billsmith.actions.invoices import NewInvoice
from billsmith.actions.tenants import find_tenant
from billsmith.clock import Clock
from billsmith.core.ids import CustomerId
from billsmith.core.invoices import InvoiceDetails
from billsmith.store.pool import open_pool
from tests.contexts import context_over


async def write(url: str, tenant_id: str, per_batch: int) -> None:
    """Batch after batch over the tenant's customers, in ever another order; a dot for each that was stored."""
    pool = await open_pool(url, size=1)
    context = context_over(pool, Clock())
    tenant = await find_tenant(context, tenant_id)
    rows = await pool.fetch("SELECT id FROM customers WHERE tenant_id = $1", tenant.id)
    owners = [CustomerId(row[0]) for row in rows]
    call = Call(tenant, "writer", "req_writer")
    for n in range(10_000):
        turned = owners[n % len(owners) :] + owners[: n % len(owners)]
        given = [NewInvoice(turned[nth % len(turned)], InvoiceDetails(amount_minor=100)) for nth in range(per_batch)]
        await invoices.create_invoices(context, call, given)
        print(".", end="", flush=True)


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], sys.argv[2], int(sys.argv[3])))
