"""Who may ask, and how often: keys, scopes, other tenants, rate limits."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.api.app import make_app
from billsmith.api.auth import Callers
from billsmith.api.limits import RateLimit
from billsmith.api.problems import TooManyRequests
from billsmith.core.ids import KeyId
from billsmith.core.tenants import Scope, Tenant
from billsmith.errors import Unauthenticated
from tests.api.conftest import ADDRESS, NewClient, is_problem, secret_for
from tests.core.made import uuid


async def test_a_key_is_sent_as_bearer_or_as_the_user_name_of_basic(
    stranger: AsyncClient, context: Context, tenant: Tenant
) -> None:
    secret = await secret_for(context, tenant)
    as_bearer = await stranger.get("/v1/tenant", headers={"Authorization": f"bearer {secret}"})
    as_basic = await stranger.get("/v1/tenant", auth=(secret, ""))
    assert as_bearer.json() == as_basic.json()
    assert as_bearer.json()["name"] == "Steve's Cloud"


@pytest.mark.parametrize(
    "header",
    [
        "", "Bearer", "Bearer ", "Bearer sk_live_wrong", "Bearer " + "x" * 5000, "sk_live_x", "Basic", "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe:").decode(), "Basic " + base64.b64encode(b":pw").decode(), "Digest a",
        "Bearer \xe9", "Basic " + base64.b64encode(b"sk_live_wrong:").decode(),
    ],
)  # fmt: skip
async def test_without_a_good_key_nothing_is_answered(stranger: AsyncClient, header: str) -> None:
    refused = await stranger.get("/v1/tenant", headers={"Authorization": header.encode("latin-1")})  # type: ignore[dict-item]
    is_problem(refused, 401)
    assert refused.headers["www-authenticate"] == 'Bearer realm="Billsmith", Basic realm="Billsmith"'
    is_problem(await stranger.post("/v1/invoices", content=b"{"), 401, "key_missing")


async def test_a_scope_includes_those_before_it(new_client: NewClient, tenant: Tenant) -> None:
    reading, writing = await new_client(tenant, Scope.READ), await new_client(tenant, Scope.WRITE)
    body = {"name": "Tim"}
    assert (await reading.get("/v1/customers")).status_code == 200
    assert is_problem(await reading.post("/v1/customers", json=body), 403, "scope_missing")["scope"] == "write"
    assert (await writing.get("/v1/customers")).json()["data"] == []
    assert (await writing.post("/v1/customers", json=body)).status_code == 201
    is_problem(await writing.get("/v1/keys"), 403, "scope_missing")
    is_problem(await writing.post("/v1/keys", json={"name": "x", "scopes": ["read"]}), 403, "scope_missing")


async def test_another_tenants_objects_are_not_there(
    client: AsyncClient, other_client: AsyncClient, customer: dict[str, Any]
) -> None:
    is_problem(await other_client.get(f"/v1/customers/{customer['id']}"), 404, "customer_not_found")
    is_problem(await other_client.post("/v1/invoices", json={"customer": customer["id"], "amount": 1}), 404)
    is_problem(await other_client.post("/v1/invoices", json={"customer": "tim", "amount": 1}), 404)
    is_problem(await other_client.get(f"/v1/invoices?customer={customer['id']}"), 404, "customer_not_found")


async def test_a_revoked_key_is_unknown_at_once(client: AsyncClient, stranger: AsyncClient) -> None:
    made = (await client.post("/v1/keys", json={"name": "script", "scopes": ["read"]})).json()
    assert (await stranger.get("/v1/tenant", auth=(made["secret"], ""))).status_code == 200
    revoked = (await client.delete(f"/v1/keys/{made['id']}")).json()
    assert revoked["revoked_at"] is not None
    is_problem(await stranger.get("/v1/tenant", auth=(made["secret"], "")), 401, "key_unknown")
    is_problem(await client.delete(f"/v1/keys/{made['id']}"), 404, "key_not_found")


async def test_a_secret_is_shown_once_and_never_stored(client: AsyncClient, pool: Any) -> None:
    headers = {"Idempotency-Key": "k1"}
    body = {"name": "script", "scopes": ["read", "write", "read"]}
    made = await client.post("/v1/keys", json=body, headers=headers)
    assert made.json()["scopes"] == ["read", "write"]
    secret = made.json()["secret"]
    again = await client.post("/v1/keys", json=body, headers=headers)
    assert again.json() == {name: value for name, value in made.json().items() if name != "secret"}
    assert again.headers["idempotent-replayed"] == "true"
    listed = await client.get("/v1/keys")
    assert secret not in listed.text
    assert made.json()["id"] in [key["id"] for key in listed.json()["data"]]
    assert not await pool.fetchval("SELECT bool_or(position($1 IN answer) > 0) FROM idempotency_keys", secret.encode())


async def test_keys_that_say_nothing_useful_are_refused(client: AsyncClient) -> None:
    is_problem(await client.post("/v1/keys", json={"name": "x", "scopes": []}), 422, "scopes_missing", "/scopes")
    is_problem(await client.post("/v1/keys", json={"name": "x", "scopes": ["root"]}), 422, "field_invalid", "/scopes/0")
    is_problem(await client.post("/v1/keys", json={"name": "", "scopes": ["read"]}), 422, "unusable_text", "/name")


async def test_a_key_is_remembered_for_a_second(context: Context, tenant: Tenant) -> None:
    at = 100.0
    callers = Callers(context, lambda: at)
    secret = await secret_for(context, tenant)
    found = await callers.find(f"Bearer {secret}")
    await tenants.revoke_key(context, Call(tenant, "test", "req_test"), found.key_id)
    assert await callers.find(f"Bearer {secret}") is found
    at += 1
    with pytest.raises(Unauthenticated):
        await callers.find(f"Bearer {secret}")


async def test_a_key_asks_so_often_and_not_more(context: Context, tenant: Tenant) -> None:
    app = make_app(context, requests_per_second=1)
    auth = (await secret_for(context, tenant), "")
    async with AsyncClient(transport=ASGITransport(app), base_url=ADDRESS) as client:
        statuses = [(await client.get("/v1/tenant", auth=auth)).status_code for _ in range(5)]
        assert (statuses[:2], statuses[-1]) == ([200, 200], 429)
        refused = await client.get("/v1/tenant", auth=auth)
        is_problem(refused, 429, "too_many_requests")
        assert refused.headers["retry-after"] == "1"
        other = (await secret_for(context, tenant), "")
        assert (await client.get("/v1/tenant", auth=other)).status_code == 200


def test_a_bucket_holds_two_seconds_and_refills_evenly() -> None:
    at = 50.0
    limit = RateLimit(10, lambda: at)

    def taken(most: int) -> int:
        for nth in range(most):
            try:
                limit.take(KeyId(uuid(1)))
            except TooManyRequests:
                return nth
        return most

    assert taken(100) == 20
    at += timedelta(milliseconds=250).total_seconds()
    assert taken(100) == 2
    at += 3600
    assert taken(100) == 20
