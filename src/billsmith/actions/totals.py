"""Sums over all that a tenant has: read, never changed."""

from billsmith.actions.context import Context
from billsmith.core.ledger import Balance
from billsmith.core.tenants import Tenant
from billsmith.store import totals
from billsmith.store.totals import DocumentTotals


async def totals_by_metadata(context: Context, tenant: Tenant, key: str) -> list[DocumentTotals]:
    """What finalised documents come to for each value of a metadata entry and currency, largest total first."""
    return await totals.totals_by_metadata(context.pool, tenant.id, key)


async def totals_of_balances(context: Context, tenant: Tenant) -> dict[str, Balance]:
    """All customers' balances together, by currency."""
    return await totals.totals_of_balances(context.pool, tenant.id)
