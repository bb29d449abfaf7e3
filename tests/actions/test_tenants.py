"""Companies and their keys."""

from datetime import timedelta
from uuid import uuid4

import pytest

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.tenants import KeyNotFound, KeyUnknown, ScopesMissing, TenantAmbiguous, TenantNotFound
from billsmith.clock import FixedClock
from billsmith.core.ids import show_id
from billsmith.core.parties import Address, Party, TaxId
from billsmith.core.tenants import NewTenant, Scope, Tenant, TenantSettings
from billsmith.core.text import UnusableText
from billsmith.store import tenants as tenant_rows
from billsmith.store.pool import Pool
from tests.actions.made import events, refused, told

SELLER = Party("Steve's Cloud GmbH", Address(city="Berlin", country="DE"), (TaxId("eu_vat", "DE123456789"),))


async def test_a_tenant_is_stored_as_it_was_described(context: Context) -> None:
    given = NewTenant(
        name="Steve's Cloud", currency="JPY", time_zone="Asia/Tokyo", mode="sandbox", seller=SELLER,
        settings=TenantSettings("customer", "R-", 4, 14, "invoice"), metadata={"plan": "gold"},
    )  # fmt: skip
    made = await tenants.create_tenant(context, given, actor="steve", request_id="req_1")
    assert await tenants.find_tenant(context, show_id("tenant", made.id)) == made
    assert (made.seller, made.settings, made.metadata) == (SELLER, given.settings, {"plan": "gold"})
    (event,) = await events(context, made)
    assert (event.type, event.actor, event.request_id, event.sequence) == ("tenant.created", "steve", "req_1", 1)


async def test_a_tenant_is_found_by_id_and_name_and_alone(context: Context, pool: Pool) -> None:
    name = f"Company {uuid4()}"
    made = await tenants.create_tenant(context, NewTenant(name=name, currency="EUR"), "test", "req_test")
    assert await tenants.find_tenant(context, name) == made
    await tenants.create_tenant(context, NewTenant(name=name, currency="EUR"), "test", "req_test")
    with pytest.raises(TenantAmbiguous):
        await tenants.find_tenant(context, name)
    with pytest.raises(TenantAmbiguous):
        await tenants.find_tenant(context, None)
    for unknown in ("nobody", "ten_nonsense", show_id("tenant", uuid4())):
        with pytest.raises(TenantNotFound):
            await tenants.find_tenant(context, unknown)


async def test_a_name_that_looks_like_an_id_is_found_too(context: Context) -> None:
    name = f"ten_pins {uuid4()}"
    made = await tenants.create_tenant(context, NewTenant(name=name, currency="EUR"), "test", "req_test")
    assert await tenants.find_tenant(context, name) == made


async def test_a_key_speaks_for_its_tenant_and_only_its_hash_is_kept(
    context: Context, call: Call, tenant: Tenant, pool: Pool
) -> None:
    made = (await tenants.create_key(context, call, "shop", [Scope.READ, Scope.WRITE, Scope.READ])).fresh
    assert made.secret.startswith("sk_live_")
    assert made.key.hint.endswith(made.secret[-4:])
    caller = await tenants.authenticate(context, made.secret)
    assert (caller.tenant, caller.key_id, caller.scopes) == (tenant, made.key.id, (Scope.READ, Scope.WRITE))
    stored = await pool.fetchval("SELECT k::text FROM api_keys AS k WHERE id = $1", made.key.id)
    assert made.secret not in stored
    assert await told(context, tenant) == ["tenant.created", "key.created"]


async def test_a_sandbox_has_test_keys(context: Context, sandbox: Tenant) -> None:
    made = (await tenants.create_key(context, Call(sandbox, "test", "req_test"), "try", [Scope.ADMIN])).fresh
    assert made.secret.startswith("sk_test_")


@pytest.mark.parametrize("secret", ["", "sk_live_nonsense", "sk_live_\ud800", "sk_live_\x00"])
async def test_an_unknown_secret_speaks_for_nobody(context: Context, secret: str) -> None:
    with pytest.raises(KeyUnknown):
        await tenants.authenticate(context, secret)


async def test_a_revoked_key_is_unknown_and_can_be_revoked_once(
    context: Context, call: Call, tenant: Tenant, other: Call, pool: Pool
) -> None:
    made = (await tenants.create_key(context, call, "shop", [Scope.READ])).fresh
    async with refused(pool, tenant, KeyNotFound):
        await tenants.revoke_key(context, other, made.key.id)
    revoked = (await tenants.revoke_key(context, call, made.key.id)).fresh
    assert revoked.revoked_at == context.clock.wall()
    with pytest.raises(KeyUnknown):
        await tenants.authenticate(context, made.secret)
    async with refused(pool, tenant, KeyNotFound):
        await tenants.revoke_key(context, call, made.key.id)
    assert await told(context, tenant) == ["tenant.created", "key.created", "key.revoked"]


async def test_a_key_without_scopes_or_name_is_refused(
    context: Context, call: Call, tenant: Tenant, pool: Pool
) -> None:
    async with refused(pool, tenant, ScopesMissing):
        await tenants.create_key(context, call, "shop", [])
    async with refused(pool, tenant, UnusableText):
        await tenants.create_key(context, call, "a\nb", [Scope.READ])


async def test_the_use_of_a_key_is_noted_once_a_minute(context: Context, call: Call, clock: FixedClock) -> None:
    made = (await tenants.create_key(context, call, "shop", [Scope.READ])).fresh
    noted = []
    for seconds in (0, 59, 60):
        clock.at = call.tenant.created_at + timedelta(seconds=seconds)
        await tenants.authenticate(context, made.secret)
        (key,) = await tenant_rows.list_keys(context.pool, call.tenant.id)
        noted.append(key.last_used_at)
    start = call.tenant.created_at
    assert noted == [start, start, start + timedelta(seconds=60)]
