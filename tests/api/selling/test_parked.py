"""Customers that billing runs leave out: found, with the reason, told of, counted, and tried again, over HTTP."""

from typing import Any

import pytest
from httpx2 import AsyncClient
from prometheus_client import REGISTRY

from billsmith.actions.billing import runs
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.core.tenants import Tenant
from billsmith.store.pool import Pool
from billsmith.worker.figures import measure
from tests.actions.subscriptions.made import CLOUD
from tests.api.conftest import is_problem
from tests.invariants import assert_holds

PARKED = "/v1/customers?billing=parked"


async def put_currency(pool: Pool, tenant: Tenant, currency: str) -> None:
    await pool.execute("UPDATE subscriptions SET currency = $2 WHERE tenant_id = $1", tenant.id, currency)


@pytest.fixture
async def parked(
    client: AsyncClient, context: Context, call: Call, pool: Pool, tenant: Tenant, customer: dict[str, Any]
) -> str:
    """The path of a customer whose subscription is in a currency without a price, after a run."""
    assert (await client.put("/v1/catalog", json=CLOUD)).status_code == 200
    other = await client.post("/v1/customers", json={"name": "Ann", "external_id": "ann"})
    assert other.status_code == 201
    for external_id in ("ann", "tim"):
        body = {"customer": external_id, "plan": "server", "bill": "later"}
        assert (await client.post("/v1/subscriptions", json=body)).status_code == 201
    row = "UPDATE subscriptions SET currency = 'JPY' WHERE tenant_id = $1 AND customer_id ="
    named = "(SELECT id FROM customers WHERE tenant_id = $1 AND name = $2)"
    await pool.execute(f"{row} {named}", tenant.id, customer["name"])
    turn = await runs.bill_batch(context, call)
    assert (turn.customers, turn.documents, turn.parked) == (2, 1, 1)
    return f"/v1/customers/{customer['id']}"


async def test_who_is_parked_is_listed_with_the_reason(client: AsyncClient, parked: str) -> None:
    (found,) = (await client.get(PARKED)).json()["data"]
    assert parked.endswith(found["id"])
    assert "KeyError" in found["billing_parked_because"]
    assert (await client.get(parked)).json()["billing_parked_because"] == found["billing_parked_because"]
    everybody = (await client.get("/v1/customers")).json()["data"]
    assert sum("billing_parked_because" in one for one in everybody) == 1 < len(everybody)
    is_problem(await client.get("/v1/customers?billing=fine"), 422)


async def test_that_it_is_parked_is_told_with_the_reason(client: AsyncClient, parked: str) -> None:
    events = (await client.get("/v1/events?type=customer.billing_parked")).json()["data"]
    (told,) = events
    assert "KeyError" in told["data"]["billing_parked_because"]
    assert parked.endswith(told["customer"])


async def test_it_is_tried_again_when_asked_and_told_precisely_why_not(
    client: AsyncClient, pool: Pool, tenant: Tenant, parked: str
) -> None:
    said = is_problem(await client.post(f"{parked}/bill", json={}), 409, "customer_still_parked")
    assert "KeyError" in said["detail"]
    assert len((await client.get(PARKED)).json()["data"]) == 1
    await put_currency(pool, tenant, "EUR")
    billed = await client.post(f"{parked}/bill", json={})
    assert len(billed.json()["invoices"]) == 1
    assert (await client.get(PARKED)).json()["data"] == []
    assert "billing_parked_because" not in (await client.get(parked)).json()
    await assert_holds(pool, tenant.id)


async def test_how_many_are_parked_is_a_figure(context: Context, parked: str) -> None:
    await measure(context)
    found = REGISTRY.get_sample_value("billsmith_parked", {"kind": "customer_billing"})
    assert parked
    assert found is not None
    assert found >= 1
