"""The ledger, read: which transfers a customer or an invoice has, and who caused them."""

from uuid import UUID

from billsmith.actions.context import Context
from billsmith.core.tenants import Tenant
from billsmith.store import transfers as transfer_rows
from billsmith.store.transfers import CausedTransfer


async def list_transfers(
    context: Context,
    tenant: Tenant,
    limit: int,
    *,
    customer_id: UUID | None = None,
    invoice_id: UUID | None = None,
    after_id: UUID | None = None,
) -> list[CausedTransfer]:
    """A page of the transfers of one customer or one invoice (or both), newest first; one more if there are more."""
    return await transfer_rows.list_transfers(context.pool, tenant.id, customer_id, invoice_id, after_id, limit + 1)
