"""The stored answer per idempotency key."""

from datetime import datetime

import msgspec

from billsmith.core.ids import TenantId
from billsmith.store.events import Cause
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("idempotency")


class StoredAnswer(msgspec.Struct, frozen=True, gc=False):
    """What a key was used for. `answer` is None while the first call is still running."""

    fingerprint: bytes
    status: str
    answer_status: int | None
    answer: bytes | None
    subject: str | None
    """Of a call in several transactions: what it makes, as a shown id; there once the first has committed."""
    lease_until: datetime | None
    """Until then the first call may still be at work."""


async def take_key(
    connection: Connection, tenant_id: TenantId, key: str, fingerprint: bytes, expires_at: datetime
) -> bool:
    """Whether the key was free and is ours now. A transaction that is taking the same key is waited for."""
    return await connection.fetchval(_SQL["take_key"], tenant_id, key, fingerprint, expires_at) is not None


async def take_key_for(
    connection: Connection, key: str, fingerprint: bytes, expires_at: datetime, cause: Cause
) -> bool:
    """`take_key` for a call whose cause is not there yet: it is written with the key, if that was free."""
    taken = await connection.fetchval(
        _SQL["take_key_for"], cause.tenant_id, key, fingerprint, expires_at, cause.id, cause.actor, cause.reason,
        cause.request_id, cause.caused_at,
    )  # fmt: skip
    return taken is not None


async def get_key(connection: Connection | Pool, tenant_id: TenantId, key: str) -> StoredAnswer | None:
    """What the key was used for, or None."""
    row = await connection.fetchrow(_SQL["get_key"], tenant_id, key)
    return None if row is None else StoredAnswer(*row)


async def complete_key(connection: Connection, tenant_id: TenantId, key: str, status: int, answer: bytes) -> None:
    """Store the answer, unread."""
    await connection.execute(_SQL["complete_key"], tenant_id, key, status, answer)


async def name_subject(
    connection: Connection, tenant_id: TenantId, key: str, subject: str, lease_until: datetime
) -> None:
    """Note what the running call makes, and until when it may still be at work."""
    await connection.execute(_SQL["name_subject"], tenant_id, key, subject, lease_until)


async def forget_keys(connection: Connection | Pool, at: datetime, limit: int) -> int:
    """Delete up to `limit` keys that expired by `at`; how many."""
    return int((await connection.execute(_SQL["forget_keys"], at, limit)).split()[-1])
