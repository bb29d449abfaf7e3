"""A company in a sandbox with a fake gateway's account, reached over HTTP; what always holds, holds at the end."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from httpx2 import ASGITransport, AsyncClient

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.money import accounts, bulk
from billsmith.actions.money.attempts import opened_account
from billsmith.api.app import make_app
from billsmith.core.ids import find_id
from billsmith.core.tenants import NewTenant, Scope, Tenant
from billsmith.gateways.fake import FakeGateway
from billsmith.store.pool import Pool
from tests.conftest import NOON
from tests.invariants import assert_holds
from tests.scenarios.company import Company

ADDRESS = "http://billsmith.test"
CREDENTIALS = {"api_key": "fake_key", "webhook_secret": "whsec_dGVzdA=="}

NewCompany = Callable[[str], Awaitable[Company]]


def long_work(context: Context) -> Callable[[], Awaitable[None]]:
    """Does all long work that was asked for, as the worker does."""

    async def work() -> None:
        while await bulk.carry_on_bulk_refunds(context):
            pass

    return work


@pytest.fixture
async def new_company(context: Context, pool: Pool) -> AsyncIterator[NewCompany]:
    """Makes companies, each with its own key, gateway account and book."""
    made: list[Tenant] = []
    async with AsyncExitStack() as stack:

        async def make(name: str) -> Company:
            given = NewTenant(f"{name} {uuid.uuid4().hex[:8]}", "EUR", mode="sandbox", clock_at=NOON)
            tenant = await tenants.create_tenant(context, given, actor="test", request_id="req_test")
            made.append(tenant)
            call = Call(tenant, "test", "req_test")
            secret = (await tenants.create_key(context, call, "program", [Scope.ADMIN])).fresh.secret
            client = AsyncClient(
                transport=ASGITransport(make_app(context)),
                base_url=ADDRESS,
                headers={"Authorization": f"Bearer {secret}"},
            )
            await stack.enter_async_context(client)
            body = {
                "gateway": "fake", "name": "Cards", "credentials": CREDENTIALS,
                "settings": {"book": f"book-{uuid.uuid4().hex[:12]}"},
            }  # fmt: skip
            answered = await client.post("/v1/gateway-accounts", json=body, headers={"Idempotency-Key": "account"})
            assert answered.status_code == 201, answered.text
            account = answered.json()
            stored = await accounts.get_account(context, tenant, find_id("gateway_account", account["id"]))
            gateway = context.gateways.gateway("fake")
            assert isinstance(gateway, FakeGateway)
            return Company(client, gateway, account, opened_account(context, tenant, stored), long_work(context))

        yield make
    for tenant in made:
        async with pool.acquire() as connection:
            await assert_holds(connection, tenant.id)


@pytest.fixture
async def steve(new_company: NewCompany) -> Company:
    """The company of the scenarios; its clock stands at noon (UTC) of 15 March 2026."""
    return await new_company("Steve's Cloud")
