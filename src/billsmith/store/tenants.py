"""Tenants and their keys."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import astuple

from billsmith.core.ids import KeyId, SnapshotId, TenantId
from billsmith.core.parties import Party
from billsmith.core.tenants import ApiKey, Scope, Tenant
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_TENANTS = load("tenants")
_KEYS = load("keys")


async def insert_tenant(connection: Connection, tenant: Tenant) -> None:
    """A new tenant with its seller's snapshot and its series of events."""
    await insert_snapshot(connection, tenant.id, tenant.snapshot_id, tenant.seller)
    await connection.execute(_TENANTS["insert_tenant"], *astuple(tenant))
    await connection.execute(_TENANTS["insert_event_series"], tenant.id)


async def insert_snapshot(connection: Connection, tenant_id: TenantId, id_: SnapshotId, party: Party) -> None:
    """What documents say of a seller or buyer from now on."""
    await connection.execute(_TENANTS["insert_snapshot"], tenant_id, id_, party)


async def insert_snapshots(
    connection: Connection, tenant_id: TenantId, snapshots: Iterable[tuple[SnapshotId, Party]]
) -> None:
    """The same for many at once."""
    records = [(tenant_id, id_, party) for id_, party in snapshots]
    await connection.copy_records_to_table("party_snapshots", records=records, columns=("tenant_id", "id", "party"))


async def get_tenant(connection: Connection | Pool, id_: UUID) -> Tenant | None:
    """The tenant, or None."""
    row = await connection.fetchrow(_TENANTS["get_tenant"], id_)
    return None if row is None else _tenant(row)


async def get_tenants(connection: Connection | Pool, ids: Iterable[TenantId]) -> dict[TenantId, Tenant]:
    """Those of the tenants that exist."""
    tenants = [_tenant(row) for row in await connection.fetch(_TENANTS["get_tenants"], list(ids))]
    return {tenant.id: tenant for tenant in tenants}


async def lock_tenant(connection: Connection, id_: TenantId) -> Tenant | None:
    """The tenant, locked against changes of its clock and settings until the transaction ends."""
    row = await connection.fetchrow(_TENANTS["lock_tenant"], id_)
    return None if row is None else _tenant(row)


async def list_tenants(connection: Connection | Pool) -> list[Tenant]:
    """Every tenant of this database, oldest first."""
    return [_tenant(row) for row in await connection.fetch(_TENANTS["list_tenants"])]


async def find_tenants_by_name(connection: Connection | Pool, name: str) -> list[Tenant]:
    """Up to two tenants with exactly this name: two are enough to say that it is ambiguous."""
    return [_tenant(row) for row in await connection.fetch(_TENANTS["find_tenants_by_name"], name)]


async def update_settings(connection: Connection, tenant: Tenant) -> None:
    """Store the tenant's policies."""
    await connection.execute(_TENANTS["update_settings"], tenant.id, tenant.settings, tenant.version)


async def move_clock(connection: Connection, tenant: Tenant) -> None:
    """Store the sandbox's new time."""
    await connection.execute(_TENANTS["move_clock"], tenant.id, tenant.clock_at, tenant.version)


class SharedClock(msgspec.Struct, frozen=True, gc=False):
    """Where a sandbox's clock stands, and which advance is moving it until when, if one is."""

    clock_at: datetime | None
    holder: UUID | None
    held_until: datetime | None


async def share_clock(connection: Connection, id_: TenantId) -> SharedClock | None:
    """The clock, which now stands still until the transaction ends; None if there is no such tenant."""
    row = await connection.fetchrow(_TENANTS["share_clock"], id_)
    return None if row is None else SharedClock(*row)


async def hold_clock(connection: Connection, id_: TenantId, holder: UUID, at: datetime, until: datetime) -> bool:
    """Whether the clock is the holder's until then: it was free at `at`, or its already."""
    return await connection.fetchval(_TENANTS["hold_clock"], id_, holder, at, until) is not None


async def release_clock(connection: Connection | Pool, id_: TenantId, holder: UUID) -> None:
    """Let the clock go, if the holder still has it."""
    await connection.execute(_TENANTS["release_clock"], id_, holder)


async def insert_key(connection: Connection, tenant_id: TenantId, key: ApiKey, secret_hash: bytes) -> None:
    """A new key; of its secret only the hash."""
    scopes = [str(scope) for scope in key.scopes]
    await connection.execute(
        _KEYS["insert_key"], tenant_id, key.id, key.name, secret_hash, key.hint, scopes, key.created_at
    )


class FoundKey(msgspec.Struct, frozen=True, gc=False):
    """Whom a secret speaks for."""

    key_id: KeyId
    scopes: tuple[Scope, ...]
    last_used_at: datetime | None
    revoked_at: datetime | None
    tenant: Tenant


async def find_key(connection: Connection | Pool, secret_hash: bytes) -> FoundKey | None:
    """The key with this hash, revoked or not."""
    row = await connection.fetchrow(_KEYS["find_key"], secret_hash)
    if row is None:
        return None
    scopes = tuple(Scope(scope) for scope in row["scopes"])
    return FoundKey(KeyId(row["key_id"]), scopes, row["last_used_at"], row["revoked_at"], _tenant(tuple(row)[4:]))


async def list_keys(connection: Connection | Pool, tenant_id: TenantId) -> list[ApiKey]:
    """The tenant's keys, oldest first, revoked ones too."""
    return [_key(row) for row in await connection.fetch(_KEYS["list_keys"], tenant_id)]


async def revoke_key(connection: Connection, tenant_id: TenantId, id_: UUID, at: datetime) -> ApiKey | None:
    """The key, revoked now; None if there is no such key, or it was revoked before."""
    row = await connection.fetchrow(_KEYS["revoke_key"], tenant_id, id_, at)
    return None if row is None else _key(row)


async def touch_key(connection: Connection | Pool, tenant_id: TenantId, id_: KeyId, at: datetime) -> None:
    """Note when the key was last used."""
    await connection.execute(_KEYS["touch_key"], tenant_id, id_, at)


def _tenant(row: Any) -> Tenant:
    return msgspec.convert(dict(zip(Tenant.__struct_fields__, row, strict=True)), Tenant)


def _key(row: asyncpg.Record) -> ApiKey:
    return msgspec.convert(dict(row), ApiKey)
