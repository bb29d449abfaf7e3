"""Clients of one app: a tenant's with an admin key, lesser keys', and a second tenant's."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.api.app import make_app
from billsmith.core.tenants import NewTenant, Scope, Tenant
from billsmith.store.pool import Pool
from tests.api.collecting import SECRETS, Post, made
from tests.conftest import NOON
from tests.invariants import assert_holds

ADDRESS = "http://billsmith.test"

NewClient = Callable[..., Awaitable[AsyncClient]]


def is_problem(response: Response, status: int, code: str | None = None, pointer: str | None = None) -> dict[str, Any]:
    """The problem document of a refusal, shown to be one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert set(problem) >= {"type", "title", "status", "code", "detail", "errors", "request_id"}
    assert problem["status"] == status
    assert problem["type"] == f"urn:billsmith:problem:{problem['code']}"
    assert problem["request_id"] == response.headers["request-id"]
    assert code is None or problem["code"] == code, problem
    assert pointer is None or [error["pointer"] for error in problem["errors"]] == [pointer], problem
    return problem


async def secret_for(context: Context, tenant: Tenant, *scopes: Scope) -> str:
    """A key of the tenant."""
    call = Call(tenant, actor="test", request_id="req_test")
    return (await tenants.create_key(context, call, "test", scopes or [Scope.ADMIN])).fresh.secret


@pytest.fixture
def app(context: Context) -> FastAPI:
    """The application on the context under test."""
    return make_app(context)


@pytest.fixture
async def new_client(app: FastAPI, context: Context) -> AsyncIterator[NewClient]:
    """Makes clients: `await new_client(tenant, Scope.READ)`; without a tenant, one without a key."""
    async with AsyncExitStack() as stack:

        async def make(tenant: Tenant | None = None, *scopes: Scope) -> AsyncClient:
            headers = {}
            if tenant is not None:
                headers["Authorization"] = f"Bearer {await secret_for(context, tenant, *scopes)}"
            transport = ASGITransport(app, raise_app_exceptions=False)
            return await stack.enter_async_context(AsyncClient(transport=transport, base_url=ADDRESS, headers=headers))

        yield make


@pytest.fixture
async def client(new_client: NewClient, tenant: Tenant) -> AsyncClient:
    """The tenant's client, with an admin key."""
    return await new_client(tenant)


@pytest.fixture
async def stranger(new_client: NewClient) -> AsyncClient:
    """A client without a key."""
    return await new_client()


@pytest.fixture
async def other_tenant(context: Context) -> Tenant:
    """Another company on the same server."""
    given = NewTenant(name="Ada's Hosting", currency="USD", time_zone="America/New_York")
    return await tenants.create_tenant(context, given, actor="test", request_id="req_test")


@pytest.fixture
async def other_client(new_client: NewClient, other_tenant: Tenant) -> AsyncClient:
    """The other company's client, with an admin key."""
    return await new_client(other_tenant)


@pytest.fixture
async def customer(client: AsyncClient) -> dict[str, Any]:
    """A customer of the tenant, external id `tim`."""
    made = await client.post("/v1/customers", json={"name": "Tim", "external_id": "tim"})
    assert made.status_code == 201, made.text
    return dict(made.json())


@pytest.fixture
def invoice(client: AsyncClient, customer: dict[str, Any]) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Makes invoices for that customer: `await invoice(amount=1500, draft=True)`."""

    async def make(**fields: Any) -> dict[str, Any]:
        made = await client.post("/v1/invoices", json={"customer": customer["id"], "amount": 1500} | fields)
        assert made.status_code == 201, made.text
        return dict(made.json())

    return make


@pytest.fixture
async def sandbox(context: Context, pool: Pool) -> AsyncIterator[Tenant]:
    """A sandbox whose clock stands at noon; what always holds, holds for it at the test's end."""
    given = NewTenant(name="Try", currency="EUR", mode="sandbox", clock_at=NOON)
    tenant = await tenants.create_tenant(context, given, actor="test", request_id="req_test")
    yield tenant
    async with pool.acquire() as connection:
        await assert_holds(connection, tenant.id)


@pytest.fixture
async def trying(new_client: NewClient, sandbox: Tenant) -> AsyncClient:
    """The sandbox's client, with an admin key."""
    return await new_client(sandbox)


@pytest.fixture
def post(trying: AsyncClient) -> Post:
    """Posts for the sandbox, each time under another idempotency key."""

    async def send(path: str, **body: Any) -> Response:
        return await trying.post(path, json=body or None, headers={"Idempotency-Key": uuid4().hex})

    return send


@pytest.fixture
async def account(post: Post) -> dict[str, Any]:
    """The sandbox's account at the fake gateway, with a book of its own."""
    book = {"book": f"book-{uuid4().hex[:12]}"}
    return made(await post("/v1/gateway-accounts", gateway="fake", name="Fake", settings=book, credentials=SECRETS))


@pytest.fixture
async def tim(post: Post, account: dict[str, Any]) -> dict[str, Any]:
    """A customer of the sandbox, external id `tim`."""
    return made(await post("/v1/customers", name="Tim", external_id="tim"))
