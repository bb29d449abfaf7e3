"""What falls due next, of every kind that waits for its time."""

from datetime import datetime

from billsmith.core.ids import TenantId
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("due")


async def next_due(connection: Connection | Pool, tenant_id: TenantId) -> datetime | None:
    """The first instant, by the tenant's own time, at which one of its things falls due; it may be past."""
    found: datetime | None = await connection.fetchval(_SQL["next_due_of_tenant"], tenant_id)
    return found
