"""What every answer has: a request id, errors in one format, a place in the metrics; and health without a key."""

from typing import Any

import asyncpg
import pytest
from httpx2 import ASGITransport, AsyncClient

from billsmith.actions import tenants
from billsmith.actions.context import Context
from billsmith.api.app import make_app
from billsmith.core.tenants import NewTenant
from billsmith.store.pool import open_pool
from tests.api.conftest import ADDRESS, is_problem, secret_for
from tests.contexts import context_over


async def test_every_answer_has_a_request_id_and_keeps_a_sane_one(client: AsyncClient, stranger: AsyncClient) -> None:
    made = (await client.get("/v1/tenant")).headers["request-id"]
    assert made.startswith("req_")
    assert (await client.get("/v1/tenant", headers={"Request-Id": "job-7:a.b_C"})).headers[
        "request-id"
    ] == "job-7:a.b_C"
    for odd in ("", "a b", "x" * 101, "é", '"', "a\tb"):
        given = await client.get("/v1/tenant", headers={"Request-Id": odd.encode()})  # type: ignore[dict-item]
        assert given.headers["request-id"].startswith("req_")
    refused = await stranger.get("/v1/tenant", headers={"Request-Id": "job-8"})
    assert is_problem(refused, 401)["request_id"] == "job-8"


async def test_the_request_id_and_reason_are_kept_with_what_came_of_it(client: AsyncClient) -> None:
    headers = {"Request-Id": "job-9", "Billsmith-Reason": "Grüße, month end".encode()}
    await client.post("/v1/customers", json={"name": "Tim"}, headers=headers)  # type: ignore[arg-type]
    event = (await client.get("/v1/events?type=customer.*")).json()["data"][-1]
    assert (event["request_id"], event["reason"]) == ("job-9", "Grüße, month end")
    assert event["actor"].startswith("key_")
    too_long = await client.post("/v1/customers", json={"name": "Tim"}, headers={"Billsmith-Reason": "x" * 1001})
    assert is_problem(too_long, 422, "header_invalid")["header"] == "Billsmith-Reason"


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/invoices", "/v1/invoices/", "/v1/invoices/a/b", "/docs", "/%ff"])
async def test_an_unknown_path_is_a_problem(client: AsyncClient, path: str) -> None:
    is_problem(await client.get(path), 404, "path_unknown")


async def test_an_unknown_method_is_a_problem_that_names_the_others(client: AsyncClient) -> None:
    refused = await client.put("/v1/invoices", json={})
    is_problem(refused, 405, "method_not_allowed")
    assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert (await client.put("/v1/invoices/batch", json={})).headers["allow"] == "POST"
    is_problem(await client.request("BREW", "/v1/invoices/inv_1"), 405)
    is_problem(await client.post("/livez"), 405)


async def test_head_is_get_without_its_body(client: AsyncClient) -> None:
    assert (await client.head("/v1/tenant")).status_code == 200


async def test_what_we_did_not_foresee_is_a_problem_too(context: Context, new_database: Any, clock: Any) -> None:
    url = await new_database()
    owner = await asyncpg.connect(url)
    pool = await open_pool(url)
    elsewhere = context_over(pool, clock, context.ids)
    given = NewTenant(name="Steve's Cloud", currency="EUR")
    tenant = await tenants.create_tenant(elsewhere, given, actor="test", request_id="req_test")
    secret = await secret_for(elsewhere, tenant)
    await owner.execute("ALTER TABLE customers RENAME TO clients")
    async with AsyncClient(transport=ASGITransport(make_app(elsewhere)), base_url=ADDRESS) as client:
        problem = is_problem(await client.get("/v1/customers", auth=(secret, "")), 500, "internal_error")
        assert "relation" not in problem["detail"]
        assert 'status="500"' in (await client.get("/metrics")).text
    await pool.close()
    await owner.close()


async def test_health_needs_no_key(stranger: AsyncClient) -> None:
    assert (await stranger.get("/livez")).json() == {"status": "ok"}
    assert (await stranger.get("/readyz")).json() == {"status": "ok"}


async def test_ready_means_reachable_and_migrated(context: Context, new_database: Any, clock: Any) -> None:
    pool = await open_pool(await new_database("template1"))
    app = make_app(context_over(pool, clock, context.ids))
    async with AsyncClient(transport=ASGITransport(app), base_url=ADDRESS) as client:
        refused = await client.get("/readyz")
        assert "billsmith migrate" in is_problem(refused, 503, "database_not_migrated")["detail"]
        assert int(refused.headers["retry-after"]) > 0
        await pool.close()
        is_problem(await client.get("/readyz"), 503, "database_unavailable")
        is_problem(await client.get("/v1/tenant", auth=("sk_x", "")), 503, "database_unavailable")
        assert (await client.get("/livez")).status_code == 200


async def test_metrics_count_by_route_and_status(client: AsyncClient, stranger: AsyncClient) -> None:
    await client.get("/v1/invoices/inv_1")
    await client.get("/v1/invoices/inv_2")
    await client.get("/v1/tenant")
    await stranger.get("/nowhere/secret")
    text = (await stranger.get("/metrics")).text
    assert 'billsmith_http_requests_total{method="GET",route="/v1/invoices/{id}",status="404"} 2.0' in text
    assert 'billsmith_http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in text
    assert 'billsmith_http_request_seconds_count{method="GET",route="/v1/tenant"} 1.0' in text
    assert "billsmith_database_connections_most 10.0" in text
    assert "secret" not in text
    assert "inv_1" not in text
