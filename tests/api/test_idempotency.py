"""A repeat under the same key gets the first answer; another request under it, or one still running, is refused."""

import asyncio
import json
from typing import Any

import pytest
from httpx2 import AsyncClient

from billsmith.core.tenants import Tenant
from tests.api.conftest import is_problem

KEY = {"Idempotency-Key": "march-run"}
BODY = {"customer": "tim", "amount": 1500}


async def test_a_repeat_gets_the_first_answer(client: AsyncClient, customer: dict[str, Any]) -> None:
    first = await client.post("/v1/invoices", json=BODY, headers=KEY)
    assert "idempotent-replayed" not in first.headers
    again = await client.post("/v1/invoices", json=BODY, headers=KEY)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == "application/json"
    assert again.headers["request-id"] != first.headers["request-id"]
    assert len((await client.get("/v1/invoices")).json()["data"]) == 1


async def test_another_body_path_or_method_under_the_key_is_refused(
    client: AsyncClient, customer: dict[str, Any]
) -> None:
    await client.post("/v1/invoices", json=BODY, headers=KEY)
    for method, path, body in (
        ("POST", "/v1/invoices", BODY | {"amount": 1}),
        ("POST", "/v1/customers", {"name": "Ada"}),
        ("PATCH", f"/v1/customers/{customer['id']}", {"name": "Ada"}),
    ):
        refused = await client.request(method, path, json=body, headers=KEY)
        is_problem(refused, 422, "idempotency_key_reused")
    assert len((await client.get("/v1/customers")).json()["data"]) == 1


async def test_a_refused_request_leaves_its_key_free(client: AsyncClient, customer: dict[str, Any]) -> None:
    is_problem(await client.post("/v1/invoices", json={"customer": "tim"}, headers=KEY), 422)
    is_problem(await client.post("/v1/invoices", json=BODY | {"customer": "ada"}, headers=KEY), 404)
    is_problem(await client.post("/v1/invoices", json=BODY | {"currency": "XXX"}, headers=KEY), 422)
    assert (await client.post("/v1/invoices", json=BODY, headers=KEY)).status_code == 201


async def test_repeats_at_the_same_time_make_one(client: AsyncClient, customer: dict[str, Any]) -> None:
    asked = [client.post("/v1/invoices", json=BODY, headers=KEY) for _ in range(8)]
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len((await client.get("/v1/invoices")).json()["data"]) == 1


async def test_a_key_whose_first_call_still_runs_is_a_conflict_to_be_tried_again(
    client: AsyncClient, customer: dict[str, Any], tenant: Tenant, pool: Any
) -> None:
    first = await client.post("/v1/invoices", json=BODY, headers=KEY)
    running = "UPDATE idempotency_keys SET status = 'running', answer = NULL, answer_status = NULL WHERE tenant_id = $1"
    await pool.execute(running, tenant.id)
    refused = await client.post("/v1/invoices", json=BODY, headers=KEY)
    is_problem(refused, 409, "idempotency_key_running")
    assert refused.headers["retry-after"] == "1"
    assert [made["id"] for made in (await client.get("/v1/invoices")).json()["data"]] == [first.json()["id"]]


async def test_another_tenants_key_is_another_key(
    client: AsyncClient, other_client: AsyncClient, customer: dict[str, Any]
) -> None:
    body = {"name": "Ada"}
    one = await client.post("/v1/customers", json=body, headers=KEY)
    two = await other_client.post("/v1/customers", json=body, headers=KEY)
    assert one.json()["id"] != two.json()["id"]
    assert "idempotent-replayed" not in two.headers


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é", "a\tb"])
async def test_a_key_is_visible_characters(client: AsyncClient, customer: dict[str, Any], key: str) -> None:
    refused = await client.post("/v1/invoices", json=BODY, headers={"Idempotency-Key": key.encode()})  # type: ignore[dict-item]
    assert is_problem(refused, 422, "header_invalid")["header"] == "Idempotency-Key"


async def test_every_post_and_patch_takes_a_key(client: AsyncClient, customer: dict[str, Any]) -> None:
    made = (await client.post("/v1/invoices", json=BODY | {"draft": True})).json()
    posts: list[tuple[str, str, Any]] = [
        ("PATCH", f"/v1/customers/{customer['id']}", {"name": "Tim & Co"}),
        ("PATCH", f"/v1/invoices/{made['id']}", {"memo": "m"}),
        ("PATCH", f"/v1/invoices/{made['id']}", {"tags": ["a"]}),
        ("POST", f"/v1/invoices/{made['id']}/finalise", {}),
        ("POST", "/v1/invoices/batch", {"invoices": [BODY, {"customer": "nobody", "amount": 1}]}),
        ("POST", "/v1/credits", {"customer": "tim", "amount": 10}),
    ]
    for nth, (method, path, body) in enumerate(posts):
        headers = {"Idempotency-Key": f"key-{nth}", "Content-Type": "application/json"}
        first, again = [await client.request(method, path, content=json.dumps(body), headers=headers) for _ in range(2)]
        assert first.status_code < 300, first.text
        assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")


async def test_headers_are_read_strictly_even_where_nothing_is_stored(client: AsyncClient) -> None:
    body = {"reason": "Outage"}
    for header, value in (("Idempotency-Key", "a b"), ("Billsmith-Reason", "")):
        refused = await client.post("/v1/refunds/bulk/preview", json=body, headers={header: value})
        assert is_problem(refused, 422, "header_invalid")["header"] == header
