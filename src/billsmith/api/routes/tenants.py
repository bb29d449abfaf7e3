"""/v1/tenant and /v1/keys"""

from starlette.responses import Response

from billsmith.actions import advance, tenants
from billsmith.actions.objects import KeyObject, TenantObject, key_object, tenant_object
from billsmith.actions.tenants import NewKey
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.paging import Page
from billsmith.api.schemas.given import instant
from billsmith.api.schemas.tenants import ClockToMove, KeyToCreate, TenantToChange
from billsmith.core.tenants import Scope


async def get_tenant(asked: Asked) -> Response:
    """The company that the key speaks for."""
    return answer(tenant_object(asked.tenant))


async def change_tenant(asked: Asked) -> Response:
    """Change the company's policies."""
    given: TenantToChange = asked.body
    changed = await asked.carry_out(
        lambda call: tenants.change_settings(asked.context, call, given.changed), tenant_object
    )
    asked.doors.callers.forget()
    return changed


async def move_clock(asked: Asked) -> Response:
    """Move a sandbox's clock."""
    given: ClockToMove = asked.body
    to = instant(given.to, "/to")
    return await asked.carry_out(
        lambda call: advance.move_clock(asked.context, call, to, jump=given.jump), tenant_object
    )


async def create_key(asked: Asked) -> Response:
    """Make a key. Its secret is in this answer only: a repeat under the same idempotency key has none."""
    given: KeyToCreate = asked.body

    def with_secret(made: NewKey) -> KeyObject:
        return key_object(made.key, made.secret)

    return await asked.carry_out(
        lambda call: tenants.create_key(asked.context, call, given.name, given.scopes),
        lambda made: key_object(made.key),
        status=201,
        show_once=with_secret,
    )


async def list_keys(asked: Asked) -> Response:
    """All keys of the tenant."""
    found = await tenants.list_keys(asked.context, asked.tenant)
    return answer(Page(data=[key_object(key) for key in found], has_more=False, next_cursor=None))


async def revoke_key(asked: Asked) -> Response:
    """Make a key unknown."""
    id_ = asked.id("key")
    revoked = await asked.carry_out(lambda call: tenants.revoke_key(asked.context, call, id_), key_object)
    asked.doors.callers.forget()
    return revoked


ENDPOINTS = (
    Endpoint(
        method="GET", path="/v1/tenant", name="getTenant", summary="Get your company", run=get_tenant,
        scope=Scope.READ, answers=TenantObject,
    ),
    Endpoint(
        method="PATCH", path="/v1/tenant", name="changeTenant", summary="Change your company's policies",
        description="How invoices are collected, what becomes of money for void invoices and of lost disputes.",
        run=change_tenant, scope=Scope.ADMIN, body=TenantToChange, example="tenant_change", answers=TenantObject,
    ),
    Endpoint(
        method="POST", path="/v1/tenant/clock", name="moveClock", summary="Move a sandbox's clock", run=move_clock,
        description="Forward only; what falls due on the way is done at its own instant, with `jump` at the end.",
        scope=Scope.WRITE, body=ClockToMove, example="clock", answers=TenantObject, problems=(409,),
    ),
    Endpoint(
        method="POST", path="/v1/keys", name="createKey", summary="Create an API key", run=create_key,
        description="The secret is in this answer and nowhere else, nor in its repetition.",
        scope=Scope.ADMIN, body=KeyToCreate, example="key", answers=KeyObject, status=201, problems=(409,),
    ),
    Endpoint(
        method="GET", path="/v1/keys", name="listKeys", summary="List API keys", run=list_keys, scope=Scope.ADMIN,
        description="Oldest first, revoked ones too, without secrets.", answers=KeyObject, lists=True,
    ),
    Endpoint(
        method="DELETE", path="/v1/keys/{id}", name="revokeKey", summary="Revoke an API key", run=revoke_key,
        description="It is unknown from now on; other processes of the server hear of it within a second.",
        scope=Scope.ADMIN, answers=KeyObject, problems=(404,),
    ),
)  # fmt: skip
