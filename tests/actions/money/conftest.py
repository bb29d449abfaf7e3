"""A sandbox with a fake gateway account, for the tests of everything that asks a gateway."""

import uuid
from collections.abc import AsyncIterator

import pytest

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.money import accounts
from billsmith.core.payments.accounts import AccountDetails
from billsmith.core.payments.methods import GatewayAccount
from billsmith.core.tenants import NewTenant, Tenant
from billsmith.store.pool import Pool
from tests.actions.money.stage import Stage, new_stage
from tests.conftest import NOON
from tests.invariants import assert_holds

CREDENTIALS = {"api_key": "fake_1", "webhook_secret": "whsec_1"}


@pytest.fixture
async def sandbox(context: Context, pool: Pool) -> AsyncIterator[Tenant]:
    """A sandbox whose clock stands at noon; what always holds, holds for it at the test's end."""
    given = NewTenant(name="Try", currency="EUR", mode="sandbox", clock_at=NOON)
    made = await tenants.create_tenant(context, given, actor="test", request_id="req_test")
    yield made
    async with pool.acquire() as connection:
        await assert_holds(connection, made.id)


@pytest.fixture
def trying(sandbox: Tenant) -> Call:
    """A call for that sandbox."""
    return Call(sandbox, actor="test", request_id="req_test")


@pytest.fixture
async def account(context: Context, trying: Call) -> GatewayAccount:
    """Its account at the fake gateway, with a book of its own."""
    given = AccountDetails("Fake", settings={"book": f"book-{uuid.uuid4().hex[:12]}"})
    return (await accounts.create_account(context, trying, "fake", given, CREDENTIALS)).fresh


@pytest.fixture
def stage(context: Context, trying: Call, account: GatewayAccount) -> Stage:
    """The sandbox, its account, and the fake gateway's other side."""
    return Stage(context, trying, account)


@pytest.fixture
async def now(context: Context, pool: Pool) -> AsyncIterator[Stage]:
    """A company that lives in the real time, which is the tests' fixed clock."""
    made = await new_stage(context, book=f"book-{uuid.uuid4().hex[:12]}", clock_at=None)
    yield made
    async with pool.acquire() as connection:
        await assert_holds(connection, made.call.tenant.id)
