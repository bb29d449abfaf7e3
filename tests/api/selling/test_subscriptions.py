"""Subscriptions over HTTP: started, changed, cancelled, undone, paused, transferred; listed, and read in words."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from billsmith.core.tenants import Tenant
from billsmith.store.pool import Pool
from tests.actions.made import everything
from tests.actions.subscriptions.made import CLOUD
from tests.api.conftest import is_problem

PATH = "/v1/subscriptions"


@pytest.fixture(autouse=True)
async def catalogue(client: AsyncClient, customer: dict[str, Any]) -> None:
    assert (await client.put("/v1/catalog", json=CLOUD)).status_code == 200


async def start(client: AsyncClient, plan: str = "server", **fields: Any) -> dict[str, Any]:
    """A subscription of Tim's."""
    answered = await client.post(PATH, json={"customer": "tim", "plan": plan, **fields})
    assert answered.status_code == 201, answered.text
    return answered.json()  # type: ignore[no-any-return]


async def verb(client: AsyncClient, id_: str, name: str, **fields: Any) -> dict[str, Any]:
    """The subscription after a verb."""
    answered = await client.post(f"{PATH}/{id_}/{name}", json=fields)
    assert answered.status_code in (200, 201), answered.text
    return answered.json()  # type: ignore[no-any-return]


async def test_a_base_with_add_ons_is_started_billed_and_read_back(client: AsyncClient) -> None:
    made = await start(client, add_ons=[{"plan": "backup", "quantity": "2"}], quantity="3", external_id="s-1")
    assert (made["status"], made["kind"], made["quantity"], made["plan"]["code"]) == ("active", "base", "3", "server")
    assert [(one["plan"]["code"], one["quantity"]) for one in made["add_ons"]] == [("backup", "2")]
    (invoice_id,) = made["invoices"]
    invoice = (await client.get(f"/v1/invoices/{invoice_id}")).json()
    assert invoice["total"] == 3 * 2000 + 2 * 500
    shown = (await client.get(f"{PATH}/{made['id']}?expand=add_ons")).json()
    assert shown == {name: value for name, value in made.items() if name != "invoices"}
    assert shown["charged_through_on"] is not None


async def test_what_is_to_be_billed_later_is_not_billed_now(client: AsyncClient) -> None:
    made = await start(client, bill="later")
    assert made["invoices"] == []
    assert made["charged_through_on"] is None


async def test_an_add_on_joins_its_base(client: AsyncClient) -> None:
    base = await start(client)
    joined = await start(client, "support", base=base["id"])
    assert joined["group"] == base["group"]
    is_problem(await client.post(PATH, json={"customer": "tim", "plan": "backup"}), 409, "add_on_not_available")
    is_problem(await client.post(PATH, json={"customer": "tim", "plan": "backup", "base": "x"}), 404, pointer="/base")


async def test_every_verb_is_there(client: AsyncClient, customer: dict[str, Any]) -> None:
    it = (await start(client))["id"]
    assert (await verb(client, it, "change", plan="server-big", when="immediate"))["plan"]["code"] == "server-big"
    assert (await verb(client, it, "change", plan="cluster", when="2030-01-01"))["plan"]["code"] == "server-big"
    assert (await verb(client, it, "undo", what="plan"))["next_change_at"] is None
    assert (await verb(client, it, "quantity", quantity="7"))["quantity"] == "7"
    await verb(client, it, "bill-cycle-day", day=31)
    assert (await verb(client, it, "pause"))["status"] == "paused"
    assert (await verb(client, it, "resume"))["status"] == "active"
    assert (await verb(client, it, "cancel", when="2030-01-01"))["ends_on"] == "2030-01-01"
    assert (await verb(client, it, "undo", what="cancel"))["ends_on"] is None
    await client.post("/v1/customers", json={"name": "Ada", "external_id": "ada"})
    gone = await verb(client, it, "transfer", customer="ada")
    assert gone["customer"] != customer["id"]
    assert (await client.get(f"{PATH}/{it}")).json()["status"] == "cancelled"
    assert (await verb(client, gone["id"], "cancel", when="immediate"))["status"] == "cancelled"
    entries = (await client.get(f"{PATH}/{it}/timeline")).json()["data"]
    assert [entry["words"] for entry in entries if not entry["undone_at"]][:2] == [
        "begins on Server (server, version 1), quantity 1",
        "goes on with Big server (server-big, version 1)",
    ]


async def test_entitlement_says_whether_since_and_until_when(client: AsyncClient) -> None:
    it = (await start(client, "server-trial"))["id"]
    await verb(client, it, "cancel", when="2030-01-01")
    found = (await client.get(f"{PATH}/{it}/entitlement")).json()
    assert (found["entitled"], found["status"], found["phase"]) == (True, "trialing", {"number": 0, "kind": "trial"})
    assert found["until"].startswith("2029-12-31T23")


async def test_labels_change_and_an_external_id_is_had_once(client: AsyncClient) -> None:
    first = await start(client, external_id="s-1")
    taken = await client.post(PATH, json={"customer": "tim", "plan": "server", "external_id": "s-1"})
    assert is_problem(taken, 409, "external_id_taken")["existing"] == first["id"]
    second = await start(client)
    is_problem(await client.patch(f"{PATH}/{second['id']}", json={"external_id": "s-1"}), 409, "external_id_taken")
    changed = (await client.patch(f"{PATH}/{first['id']}", json={"external_id": None, "tags": ["vip"]})).json()
    assert (changed["external_id"], changed["tags"]) == (None, ["vip"])


async def test_a_repeat_with_the_same_key_starts_nothing_more(client: AsyncClient) -> None:
    body, key = {"customer": "tim", "plan": "server"}, {"Idempotency-Key": "once"}
    first, again = [await client.post(PATH, json=body, headers=key) for _ in range(2)]
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await client.get(PATH)).json()["data"]) == 1


async def test_lists_are_narrowed_down_by_every_filter(client: AsyncClient) -> None:
    trial = await start(client, "server-trial", external_id="a", metadata={"rack": "7"}, tags=["red"])
    base = await start(client, add_ons=[{"plan": "backup"}])
    hidden = await start(client, "domain", tags=["hidden"])

    async def found(query: str) -> list[str]:
        page = (await client.get(f"{PATH}?{query}")).json()
        return [one["plan"]["code"] for one in page["data"]]

    assert await found("") == ["backup", "server", "server-trial"]
    assert await found("include=hidden&limit=1") == ["domain"]
    assert await found("plan=server") == ["server"]
    assert await found("plan=nothing") == []
    assert await found("status=trialing") == ["server-trial"]
    assert await found(f"group={base['group']}") == ["backup", "server"]
    assert await found("customer=tim&external_id=a") == ["server-trial"]
    assert await found("metadata[rack]=7") == await found("tags=red") == ["server-trial"]
    assert await found("created_at[gte]=2200-01-01T00:00:00Z") == []
    assert await found("currency=USD") == []
    is_problem(await client.get(f"{PATH}?group=x"), 404)
    is_problem(await client.get(f"{PATH}?status=past"), 422, "parameter_invalid")
    is_problem(await client.get(f"{PATH}?external_id=a"), 422, "filter_too_broad")
    page = (await client.get(f"{PATH}?limit=2&include=hidden")).json()
    rest = (await client.get(f"{PATH}?limit=9&include=hidden&cursor={page['next_cursor']}")).json()
    assert page["data"][0]["id"] == hidden["id"]
    assert [one["id"] for one in rest["data"]] == [base["id"], trial["id"]]


@pytest.mark.parametrize(
    ("path", "body", "code", "pointer"),
    [
        ("", {"plan": "server", "quantity": 2}, "field_invalid", "/quantity"),
        ("", {"plan": "server", "quantity": "-1"}, "subscription_field_invalid", "/quantity"),
        ("", {"plan": "server", "quantity": "1e400"}, "decimal_malformed", "/quantity"),
        ("", {"plan": "server", "prices": {"server": 12}}, "field_invalid", "/prices/server"),
        ("", {"plan": "server", "prices": {"server": "NaN"}}, "decimal_malformed", "/prices/server"),
        ("", {"plan": "server", "prices": {"disk": "1"}}, "subscription_field_invalid", "/prices/disk"),
        ("", {"plan": "server", "starts_on": "2026-02-30"}, "field_invalid", "/starts_on"),
        ("", {"plan": "server", "starts_on": "0001-01-01"}, "day_out_of_range", None),
        ("", {"plan": "server", "bill_cycle_day": 32}, "subscription_field_invalid", "/bill_cycle_day"),
        ("", {"plan": "server", "ends_after_periods": 0}, "subscription_field_invalid", "/ends_after_periods"),
        ("", {"plan": "server", "tags": ["Ö"]}, "unusable_text", "/tags/0"),
        ("", {"plan": "server", "add_ons": [{"plan": "backup", "quantity": "x"}]}, "decimal_malformed",
         "/add_ons/0/quantity"),
        ("", {"plan": "server", "add_ons": [{"plan": "backup", "quantity": "-2"}]}, "subscription_field_invalid",
         "/add_ons/0/quantity"),
        ("", {"plan": "server", "bill": "never"}, "field_invalid", "/bill"),
        ("/{id}/change", {}, "plan_not_clear", "/plan"),
        ("/{id}/change", {"plan": "server-big", "product": "server"}, "plan_not_clear", "/plan"),
        ("/{id}/change", {"product": "gone"}, "plan_not_clear", "/product"),
        ("/{id}/change", {"plan": "server-big", "when": "illegal"}, "when_malformed", "/when"),
        ("/{id}/change", {"plan": "server-big", "when": "2026-99-01"}, "when_malformed", "/when"),
        ("/{id}/change", {"plan": "server-big", "entitlement_when": "x"}, "when_malformed", "/entitlement_when"),
        ("/{id}/change", {"plan": "backup", "when": "immediate"}, "product_kind_differs", "/plan"),
        ("/{id}/quantity", {"quantity": "1.0000000000001"}, "decimal_malformed", "/quantity"),
        ("/{id}/bill-cycle-day", {"day": 0}, "subscription_field_invalid", "/day"),
        ("/{id}/bill-cycle-day", {"day": "1"}, "field_invalid", "/day"),
        ("/{id}/cancel", {"credit": 5}, "cancel_refund_invalid", "/refund"),
        ("/{id}/cancel", {"refund": "none", "credit": -5}, "cancel_refund_invalid", "/refund"),
        ("/{id}/undo", {"what": "everything"}, "field_invalid", "/what"),
        ("/{id}/pause", {"entitlement": False, "billing": False}, "nothing_paused", "/billing"),
        ("/{id}/pause", {"until": "2026-04-01"}, "field_invalid", "/until"),
    ],
)  # fmt: skip
async def test_bad_input_is_refused_at_its_place_and_changes_nothing(
    client: AsyncClient, tenant: Tenant, pool: Pool, path: str, body: dict[str, Any], code: str, pointer: str | None
) -> None:
    it = await start(client)
    before = await everything(pool, tenant)
    sent = {"customer": "tim", **body} if path == "" else body
    refused = await client.post(PATH + path.replace("{id}", it["id"]), json=sent)
    is_problem(refused, 422, code, pointer=pointer) if pointer else is_problem(refused, 422, code)
    assert await everything(pool, tenant) == before


async def test_what_the_state_does_not_allow_is_a_conflict(client: AsyncClient) -> None:
    it = (await start(client))["id"]
    for name, body, code in (
        ("undo", {"what": "cancel"}, "nothing_to_undo"),
        ("resume", {}, "not_paused"),
        ("transfer", {"customer": "tim"}, "transfer_to_itself"),
    ):
        is_problem(await client.post(f"{PATH}/{it}/{name}", json=body), 409, code)
    await verb(client, it, "cancel", when="immediate")
    is_problem(await client.post(f"{PATH}/{it}/quantity", json={"quantity": "1"}), 409, "subscription_over")
    is_problem(await client.post(PATH, json={"customer": "nobody", "plan": "server"}), 404, pointer="/customer")
    is_problem(await client.post(PATH, json={"customer": "tim", "plan": "nothing"}), 404, "plan_not_found")
