"""/v1/gateway-accounts, /v1/payment-methods, and how invoices are collected, over HTTP."""

from typing import Any

from httpx2 import AsyncClient

from billsmith.core.tenants import Scope, Tenant
from billsmith.store.pool import Pool
from tests.api.collecting import SECRETS, Post, added, made
from tests.api.conftest import NewClient, is_problem


async def test_credentials_go_in_and_never_come_out(
    trying: AsyncClient, post: Post, account: dict[str, Any], pool: Pool
) -> None:
    changed = await trying.patch(f"/v1/gateway-accounts/{account['id']}", json={"credentials": SECRETS, "name": "Shop"})
    assert made(changed, 200)["name"] == "Shop"
    answers = [
        await trying.get("/v1/gateway-accounts"),
        await trying.get(f"/v1/gateway-accounts/{account['id']}"),
        await post(f"/v1/gateway-accounts/{account['id']}/test"),
        await trying.get("/v1/events"),
    ]
    assert all(one.status_code == 200 for one in answers)
    assert "hush" not in "".join(one.text for one in (*answers, changed))
    assert "credentials" not in account
    assert answers[2].json() == {
        "gateway_account": account["id"], "works": True, "problem": None, "advice": None,
    }  # fmt: skip
    stored = await pool.fetch("SELECT answer FROM idempotency_keys WHERE answer IS NOT NULL")
    assert not any(b"hush" in bytes(row["answer"]) for row in stored)


async def test_what_its_gateway_refuses_is_a_problem_with_its_place(post: Post, client: AsyncClient) -> None:
    fake = {"gateway": "fake", "name": "Fake"}
    refused = await post("/v1/gateway-accounts", **fake, credentials={"api_key": "wrong"})
    is_problem(refused, 422, "gateway_credentials_invalid", "/credentials")
    is_problem(await post("/v1/gateway-accounts", gateway="strype", name="S"), 422, "gateway_unknown", "/gateway")
    live = await client.post("/v1/gateway-accounts", json=fake | {"credentials": SECRETS})
    is_problem(live, 409, "gateway_not_allowed", "/gateway")


async def test_accounts_are_for_admins(new_client: NewClient, sandbox: Tenant, account: dict[str, Any]) -> None:
    writer = await new_client(sandbox, Scope.WRITE)
    is_problem(await writer.get("/v1/gateway-accounts"), 403, "scope_missing")
    is_problem(await writer.post(f"/v1/gateway-accounts/{account['id']}/close"), 403, "scope_missing")


async def test_an_account_is_closed_and_can_not_be_resumed(post: Post, account: dict[str, Any]) -> None:
    is_problem(await post(f"/v1/gateway-accounts/{account['id']}/resume"), 409, "gateway_account_unusable")
    assert made(await post(f"/v1/gateway-accounts/{account['id']}/close"), 200)["status"] == "closed"
    is_problem(await post(f"/v1/gateway-accounts/{account['id']}/close"), 409, "gateway_account_unusable")


async def test_a_method_is_added_by_url_listed_changed_and_detached(
    trying: AsyncClient, post: Post, tim: dict[str, Any]
) -> None:
    method = await added(post, "https://fake-gateway.example/v1/payment_methods/tok_ok", metadata={"a": "b"})
    assert (method["token"], method["status"], method["customer"]) == ("tok_ok", "active", tim["id"])
    path = f"/v1/payment-methods/{method['id']}"
    assert (await trying.get("/v1/payment-methods", params={"customer": "tim"})).json()["data"] == [method]
    assert (await trying.get("/v1/payment-methods", params={"status": "failed"})).json()["data"] == []
    changed = made(await trying.patch(path, json={"metadata": {}}), 200)
    assert changed == method | {"metadata": {}, "version": 2}
    assert made(await post(f"{path}/validate"), 200)["status"] == "active"
    assert made(await trying.delete(path), 200)["status"] == "detached"
    assert (await trying.get(path)).json()["status"] == "detached"
    is_problem(await post(f"{path}/validate"), 409, "payment_method_unusable")


async def test_a_reference_to_another_host_is_refused_at_its_place(post: Post, tim: dict[str, Any]) -> None:
    answered = await post(
        "/v1/payment-methods", customer="tim", payment_method="https://elsewhere.example/payment_methods/tok_ok"
    )
    is_problem(answered, 422, "payment_method_reference_refused", "/payment_method")
    answered = await post("/v1/payment-methods", customer="nobody", payment_method="tok_ok")
    is_problem(answered, 404, "customer_not_found", "/customer")


async def test_a_set_up_tells_where_the_customer_has_to_go(post: Post, tim: dict[str, Any]) -> None:
    begun = made(await post("/v1/payment-methods", customer="tim", return_url="https://shop.example/back"))
    assert (begun["status"], begun["next_action"]["kind"]) == ("pending", "redirect")
    for fields, pointer in (
        ({"return_url": "http://shop.example"}, "/return_url"),
        ({"make_default": True}, "/make_default"),
        ({"payment_method": "tok_ok", "return_url": "https://shop.example"}, "/return_url"),
    ):
        is_problem(await post("/v1/payment-methods", customer="tim", **fields), 422, "setup_invalid", pointer)


async def test_an_invoice_made_without_a_method_is_charged_once_it_has_one(
    trying: AsyncClient, post: Post, tim: dict[str, Any]
) -> None:
    invoice = made(await post("/v1/invoices", customer="tim", amount=1500))
    assert invoice["collection_state"] == "no_method"
    blocked = (await trying.get("/v1/collection/blocked")).json()["data"]
    assert blocked == [
        {
            "object": "blocked_customer",
            "customer": tim["id"],
            "blocked": [
                {
                    "currency": "EUR", "collection_state": "no_method", "collection_reason": None, "invoices": 1,
                    "owed": 1500, "oldest_due_on": invoice["due_on"],
                }
            ],
        }
    ]  # fmt: skip
    method = await added(post)
    path = f"/v1/invoices/{invoice['id']}"
    keyless = await trying.post(f"{path}/payment-method", json={"payment_method": method["id"]})
    is_problem(keyless, 422, "header_invalid")
    is_problem(await trying.patch(path, json={"payment_method": method["id"]}), 422, "header_invalid")
    paid = made(await post(f"{path}/payment-method", payment_method=method["id"], make_default=True), 200)
    assert (paid["status"], paid["paid"], paid["payment_method"]) == ("paid", 1500, method["id"])
    assert (await trying.get(f"/v1/customers/{tim['id']}")).json()["payment_method"] == method["id"]
    assert (await trying.get("/v1/collection/blocked")).json()["data"] == []
    again = await post(f"{path}/collect")
    is_problem(again, 409, "not_collectable")


async def test_a_method_known_at_creation_is_charged_right_away_and_checked_before_anything_is_stored(
    trying: AsyncClient, post: Post, tim: dict[str, Any]
) -> None:
    method = await added(post)
    fields = {"customer": "tim", "amount": 900, "appears_on_statement_as": "STEVE'S CLOUD"}
    refused = await post("/v1/invoices", **fields, payment_method=method["id"])
    is_problem(refused, 422, "unusable_text", "/appears_on_statement_as")
    fields["appears_on_statement_as"] = "STEVES CLOUD"
    nobody = await post("/v1/invoices", **fields, payment_method=method["id"].replace("pm_", "pm_x"))
    is_problem(nobody, 404, None, "/payment_method")
    assert (await trying.get("/v1/invoices")).json()["data"] == []
    paid = made(await post("/v1/invoices", **fields, payment_method=method["id"]))
    assert (paid["status"], paid["appears_on_statement_as"]) == ("paid", "STEVES CLOUD")


async def test_a_held_invoice_is_collected_only_when_somebody_asks(post: Post, tim: dict[str, Any]) -> None:
    await added(post, "tok_declined_insufficient_funds", make_default=True)
    invoice = made(await post("/v1/invoices", customer="tim", amount=1500))
    assert (invoice["collection_state"], invoice["attempt_count"]) == ("retrying", 1)
    path = f"/v1/invoices/{invoice['id']}"
    held = made(await post(f"{path}/hold"), 200)
    assert (held["collection_state"], held["collection_reason"]) == ("stopped", "held")
    tried = made(await post(f"{path}/collect"), 200)
    assert (tried["collection_state"], tried["attempt_count"]) == ("retrying", 2)


async def test_a_repeat_of_a_charge_gets_the_answer_of_the_first(trying: AsyncClient, post: Post, tim: Any) -> None:
    await added(post, make_default=True)
    made(await trying.patch(f"/v1/customers/{tim['id']}", json={"auto_collect": False}), 200)
    invoice = made(await post("/v1/invoices", customer="tim", amount=1500))
    path, headers = f"/v1/invoices/{invoice['id']}/collect", {"Idempotency-Key": "once"}
    first, second = [await trying.post(path, headers=headers) for _ in range(2)]
    assert first.json()["status"] == "paid"
    assert second.json() == first.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len((await trying.get("/v1/payments")).json()["data"]) == 1


async def test_the_policy_of_the_invoice_goes_before_the_customers_and_the_companys(
    trying: AsyncClient, post: Post, tim: dict[str, Any]
) -> None:
    changed = await trying.patch("/v1/tenant", json={"collection": {"retry_after_days": [2]}})
    assert made(changed, 200)["settings"]["collection"]["retry_after_days"] == [2]
    is_problem(
        await trying.patch("/v1/tenant", json={"collection": {"retry_after_days": [0]}}),
        422,
        "collection_policy_invalid",
    )
    await added(post, "tok_declined_insufficient_funds", make_default=True)
    days = []
    for policy in (None, {"retry_after_days": [3]}, {"mode": "on_update"}):
        fields = {} if policy is None else {"collection_policy": policy}
        invoice = made(await post("/v1/invoices", customer="tim", amount=1500, **fields))
        days.append((invoice["next_collect_at"] or "never")[:10])
    assert days == ["2026-03-17", "2026-03-18", "never"]
    customer = await trying.patch(f"/v1/customers/{tim['id']}", json={"collection_policy": {"retry_after_days": [9]}})
    assert made(customer, 200)["collection_policy"]["retry_after_days"] == [9]
    own = made(await post("/v1/invoices", customer="tim", amount=1500))
    assert own["next_collect_at"][:10] == "2026-03-24"
    path = f"/v1/invoices/{own['id']}"
    stopped = made(await trying.patch(path, json={"collection_policy": {"mode": "on_update"}}), 200)
    assert (stopped["collection_state"], stopped["collection_reason"]) == ("failed", "on_update")
    assert made(await trying.patch(path, json={"collection_policy": None}), 200)["collection_policy"] is None


async def test_a_draft_keeps_its_method_until_it_is_finalised(trying: AsyncClient, post: Post, tim: Any) -> None:
    method = await added(post)
    draft = made(await post("/v1/invoices", customer="tim", amount=1500, draft=True))
    path = f"/v1/invoices/{draft['id']}"
    kept = made(await trying.patch(path, json={"payment_method": method["id"]}), 200)
    assert (kept["status"], kept["payment_method"]) == ("draft", method["id"])
    other = made(await post("/v1/customers", name="Ada", external_id="ada"))
    of_ada = made(await post("/v1/payment-methods", customer=other["id"], payment_method="tok_ok"))
    is_problem(
        await trying.patch(path, json={"payment_method": of_ada["id"]}), 404, "payment_method_not_found",
        "/payment_method",
    )  # fmt: skip
    assert made(await post(f"{path}/finalise"), 200)["status"] == "paid"


async def test_blocked_customers_come_in_pages(trying: AsyncClient, post: Post) -> None:
    for name in ("a", "b", "c"):
        made(await post("/v1/customers", name=name, external_id=name))
        for currency in ("EUR", "USD"):
            made(await post("/v1/invoices", customer=name, amount=100, currency=currency))
    seen: list[str] = []
    page: dict[str, Any] = {"next_cursor": None}
    while not seen or page["next_cursor"]:
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = (await trying.get("/v1/collection/blocked", params={"limit": 1} | cursor)).json()
        seen += [one["customer"] for one in page["data"]]
        assert [len(one["blocked"]) for one in page["data"]] == [2]
    assert len(seen) == len(set(seen)) == 3
    assert not page["has_more"]


async def test_another_companys_method_is_not_there(
    other_client: AsyncClient, client: AsyncClient, post: Post, tim: dict[str, Any]
) -> None:
    method = await added(post)
    for answered in (
        await other_client.get(f"/v1/payment-methods/{method['id']}"),
        await other_client.delete(f"/v1/payment-methods/{method['id']}"),
        await client.post(f"/v1/payment-methods/{method['id']}/validate"),
    ):
        is_problem(answered, 404)
