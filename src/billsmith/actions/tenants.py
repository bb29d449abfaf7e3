"""Tenants and their keys."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from billsmith.actions.calls import Call, Outcome, carry_out, cause_of
from billsmith.actions.context import Context
from billsmith.actions.objects import key_object, tenant_object
from billsmith.actions.saving import record_facts
from billsmith.core.facts import Fact
from billsmith.core.ids import KeyId, MalformedId, SnapshotId, TenantId, read_id, shard_of
from billsmith.core.tenants import ApiKey, NewTenant, Scope, Tenant, TenantSettings, new_tenant, settings_changed
from billsmith.core.text import NAME_LENGTH, line_of_text
from billsmith.errors import Conflict, Invalid, NotFound, Unauthenticated
from billsmith.store import tenants as tenant_rows
from billsmith.store.events import Cause, insert_cause
from billsmith.store.pool import Connection
from billsmith.store.transaction import transact

KEY_PREFIXES = {"live": "sk_live_", "sandbox": "sk_test_"}
NOTE_USE_EVERY = timedelta(minutes=1)
_HINT_LENGTH = 4


class TenantNotFound(NotFound):
    """No tenant of this id or name."""

    code = "tenant_not_found"


class TenantAmbiguous(Conflict):
    """Several tenants have this name."""

    code = "tenant_ambiguous"


class KeyNotFound(NotFound):
    """No such key of this tenant, or it was revoked before."""

    code = "key_not_found"


class KeyUnknown(Unauthenticated):
    """A key that was never made here, or was revoked."""

    code = "key_unknown"


class ScopesMissing(Invalid):
    """A key needs at least one scope."""

    code = "scopes_missing"


class NewKey(msgspec.Struct, frozen=True, gc=False):
    """A key and, this once, its secret."""

    key: ApiKey
    secret: str


class Caller(msgspec.Struct, frozen=True, gc=False):
    """Whom an authenticated request speaks for."""

    tenant: Tenant
    key_id: KeyId
    scopes: tuple[Scope, ...]


async def create_tenant(context: Context, given: NewTenant, actor: str, request_id: str) -> Tenant:
    """A new company that bills. Raises Invalid kinds."""
    shard = context.ids.any_shard()
    ids = context.ids.many(2, shard)
    tenant = new_tenant(given, TenantId(ids[0]), SnapshotId(ids[1]), context.clock.wall())
    call = Call(tenant, actor, request_id)

    async def work(connection: Connection) -> Tenant:
        await tenant_rows.insert_tenant(connection, tenant)
        cause = cause_of(context, call)
        await insert_cause(connection, cause)
        fact = Fact("tenant.created", tenant.id, tenant.version, tenant_object(tenant), None)
        await record_facts(connection, context, cause, [fact])
        return tenant

    return await transact(context.pool, work)


async def change_settings(
    context: Context, call: Call, change: Callable[[TenantSettings], TenantSettings]
) -> Outcome[Tenant]:
    """Other policies for the tenant, from now on. Raises SettingOutOfRange, CollectionPolicyInvalid."""

    async def verb(connection: Connection, cause: Cause) -> Tenant:
        before = await tenant_rows.lock_tenant(connection, call.tenant.id)
        assert before is not None, "a tenant is never deleted"
        tenant = settings_changed(before, change(before.settings))
        await tenant_rows.update_settings(connection, tenant)
        fact = Fact("tenant.updated", tenant.id, tenant.version, tenant_object(tenant), None)
        await record_facts(connection, context, cause, [fact])
        return tenant

    return await carry_out(context, call, verb)


async def find_tenant(context: Context, name_or_id: str | None) -> Tenant:
    """The tenant of this id or exact name; of None, the only one there is. Raises TenantNotFound, TenantAmbiguous."""
    if name_or_id is None:
        found = await tenant_rows.list_tenants(context.pool)
        if len(found) > 1:
            raise TenantAmbiguous("there are several tenants: say which with --tenant")
    else:
        found = await _named(context, name_or_id)
        if len(found) > 1:
            raise TenantAmbiguous(f"several tenants are called {name_or_id!r}: name one by its id")
    if not found:
        raise TenantNotFound(f"there is no tenant {name_or_id!r}" if name_or_id else "there is no tenant yet")
    return found[0]


async def _named(context: Context, name_or_id: str) -> list[Tenant]:
    try:
        id_ = read_id("tenant", name_or_id)
    except MalformedId:
        return await tenant_rows.find_tenants_by_name(context.pool, name_or_id)
    tenant = await tenant_rows.get_tenant(context.pool, id_)
    return [] if tenant is None else [tenant]


async def list_tenants(context: Context) -> list[Tenant]:
    """Every tenant of this database, oldest first."""
    return await tenant_rows.list_tenants(context.pool)


async def list_keys(context: Context, tenant: Tenant) -> list[ApiKey]:
    """The tenant's keys, oldest first, revoked ones too."""
    return await tenant_rows.list_keys(context.pool, tenant.id)


async def create_key(context: Context, call: Call, name: str, scopes: Sequence[Scope]) -> Outcome[NewKey]:
    """A new key; its secret is in the result and nowhere else. Raises ScopesMissing, UnusableText."""
    if not scopes:
        raise ScopesMissing("a key needs at least one of read, write, admin", pointer="/scopes")
    named = line_of_text(name, NAME_LENGTH, "/name")
    secret = KEY_PREFIXES[call.tenant.mode] + context.ids.secret()
    key = ApiKey(
        id=KeyId(context.ids.new(shard_of(call.tenant.id))),
        name=named,
        hint=f"{KEY_PREFIXES[call.tenant.mode]}…{secret[-_HINT_LENGTH:]}",
        scopes=tuple(dict.fromkeys(scopes)),
        created_at=context.clock.wall(),
        last_used_at=None,
        revoked_at=None,
    )

    async def verb(connection: Connection, cause: Cause) -> NewKey:
        await tenant_rows.insert_key(connection, call.tenant.id, key, _hash(secret))
        fact = Fact("key.created", key.id, 1, key_object(key), None)
        await record_facts(connection, context, cause, [fact])
        return NewKey(key, secret)

    return await carry_out(context, call, verb)


async def revoke_key(context: Context, call: Call, id_: UUID) -> Outcome[ApiKey]:
    """From now on the key is unknown. Raises KeyNotFound."""

    async def verb(connection: Connection, cause: Cause) -> ApiKey:
        key = await tenant_rows.revoke_key(connection, call.tenant.id, id_, context.clock.wall())
        if key is None:
            raise KeyNotFound("there is no such key, or it was revoked before")
        fact = Fact("key.revoked", key.id, 2, key_object(key), None)
        await record_facts(connection, context, cause, [fact])
        return key

    return await carry_out(context, call, verb)


async def authenticate(context: Context, secret: str) -> Caller:
    """Whom a secret speaks for. Found by its hash, so the time it takes tells nothing about keys. Raises KeyUnknown."""
    found = await tenant_rows.find_key(context.pool, _hash(secret))
    if found is None or found.revoked_at is not None:
        raise KeyUnknown("this API key is unknown or was revoked")
    at = context.clock.wall()
    if found.last_used_at is None or at - found.last_used_at >= NOTE_USE_EVERY:
        await tenant_rows.touch_key(context.pool, found.tenant.id, found.key_id, at)
    return Caller(found.tenant, found.key_id, found.scopes)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
