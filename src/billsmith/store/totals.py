"""Sums over all that a tenant has."""

import msgspec

from billsmith.core.ids import TenantId
from billsmith.core.ledger import Balance
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("totals")


class DocumentTotals(msgspec.Struct, frozen=True, gc=False):
    """What the finalised documents with one metadata value, in one currency, come to; `value` is empty for none."""

    value: str
    currency: str
    documents: int
    lines: int
    total_minor: int
    owed_minor: int


async def totals_by_metadata(connection: Connection | Pool, tenant_id: TenantId, key: str) -> list[DocumentTotals]:
    """One entry per value and currency, largest total first."""
    rows = await connection.fetch(_SQL["totals_by_metadata"], tenant_id, key)
    return [DocumentTotals(*row) for row in rows]


async def totals_of_balances(connection: Connection | Pool, tenant_id: TenantId) -> dict[str, Balance]:
    """All customers' balances together, by currency."""
    rows = await connection.fetch(_SQL["totals_of_balances"], tenant_id)
    return {currency: Balance(*figures) for currency, *figures in rows}
