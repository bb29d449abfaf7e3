"""Every test here ends with the invariants, checked from raw tables."""

from collections.abc import AsyncIterator

import pytest

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.core.tenants import NewTenant, Tenant
from billsmith.store.pool import Pool
from tests.actions.made import customer
from tests.conftest import NOON
from tests.invariants import assert_holds


@pytest.fixture(autouse=True)
async def invariants(pool: Pool, tenant: Tenant) -> AsyncIterator[None]:
    """What always holds, holds for the test's tenant at its end."""
    yield
    async with pool.acquire() as connection:
        await assert_holds(connection, tenant.id)


@pytest.fixture
async def tim(context: Context, call: Call):
    """A customer of the tenant."""
    return await customer(context, call)


@pytest.fixture
async def sandbox(context: Context) -> Tenant:
    """A sandbox whose clock stands at noon (UTC) of 15 March 2026."""
    given = NewTenant(name="Try", currency="EUR", mode="sandbox", clock_at=NOON)
    return await tenants.create_tenant(context, given, actor="test", request_id="req_test")


@pytest.fixture
async def other(context: Context) -> Call:
    """A call of another tenant."""
    given = NewTenant(name="Other", currency="EUR")
    return Call(await tenants.create_tenant(context, given, actor="test", request_id="req_test"), "other", "req_other")
