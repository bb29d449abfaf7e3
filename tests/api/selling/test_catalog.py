"""The catalogue over HTTP: applied, shown first, read back; every mistake named; plans with versions, and retired."""

import json
from typing import Any

from httpx2 import AsyncClient

from billsmith.core.tenants import Tenant
from billsmith.store.pool import Pool
from tests.actions.made import everything
from tests.api.conftest import is_problem
from tests.core.catalog.made import HOSTING, hosting, put

PRICE = "plans.backup.phases.0.charges.0.prices.EUR"


async def test_a_catalogue_is_applied_and_what_is_read_back_can_be_applied_and_changes_nothing(
    client: AsyncClient,
) -> None:
    made = await client.put("/v1/catalog", json=HOSTING)
    assert made.status_code == 200, made.text
    assert (made.json()["applied"], made.json()["version"]) == (True, 1)
    assert {plan["change"] for plan in made.json()["plans"]} == {"added"}
    shown = (await client.get("/v1/catalog")).json()
    again = await client.put("/v1/catalog", json=shown["catalog"])
    assert (again.json()["products"], again.json()["plans"], again.json()["rules"]) == ([], [], [])
    assert (await client.get("/v1/catalog")).json() == shown
    assert shown["catalog"]["plans"]["hosting-monthly"]["phases"][0] == {"kind": "trial", "duration": "14 days"}


async def test_before_anything_was_applied_the_catalogue_is_empty(client: AsyncClient) -> None:
    shown = (await client.get("/v1/catalog")).json()
    assert (shown["id"], shown["version"], shown["catalog"].get("plans", {})) == (None, 0, {})
    assert (await client.get("/v1/plans")).json()["data"] == []


async def test_a_dry_run_shows_what_would_change_and_stores_nothing(
    client: AsyncClient, tenant: Tenant, pool: Pool
) -> None:
    await client.put("/v1/catalog", json=HOSTING)
    before = await everything(pool, tenant)
    dearer = put(hosting(), PRICE, "2")
    shown = (await client.put("/v1/catalog?dry_run=true", json=dearer)).json()
    assert await everything(pool, tenant) == before
    assert shown["applied"] is False
    (plan,) = shown["plans"]
    assert (plan["code"], plan["change"], plan["version"]) == ("backup", "new_version", 2)
    assert plan["edits"] == [{"pointer": "/phases/0/charges/0/prices/EUR", "before": "0.000000000001", "after": "2"}]
    is_problem(await client.put("/v1/catalog?dry_run=yes", json=dearer), 422, "parameter_invalid")


async def test_every_mistake_is_named_and_nothing_is_stored(client: AsyncClient, tenant: Tenant, pool: Pool) -> None:
    await client.put("/v1/catalog", json=HOSTING)
    before = await everything(pool, tenant)
    wrong = put(put(hosting(), PRICE, "-2"), "products.hosting.add_ons", ["nothing"])
    problem = is_problem(await client.put("/v1/catalog", json=wrong), 422, "catalog_invalid")
    assert [error["pointer"] for error in problem["errors"]] == [
        "/products/hosting/add_ons/0", "/plans/backup/phases/0/charges/0/prices/EUR",
    ]  # fmt: skip
    for body in (
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"plans": {}, "plans": {}}',
        b'{"plans": {"a": {"name": 5.5}}}',
        b'{"a": 1}',
    ):
        is_problem(await client.put("/v1/catalog", content=body, headers={"Content-Type": "application/json"}), 422)
    floats = json.dumps(put(hosting(), PRICE, 19.9))
    answered = await client.put("/v1/catalog", content=floats, headers={"Content-Type": "application/json"})
    is_problem(answered, 422, "catalog_invalid", "/plans/backup/phases/0/charges/0/prices/EUR")
    is_problem(await client.put("/v1/catalog", content=b"a: 1", headers={"Content-Type": "application/yaml"}), 415)
    deep = b'{"products":' * 10_000 + b"1" + b"}" * 10_000
    is_problem(await client.put("/v1/catalog", content=deep, headers={"Content-Type": "application/json"}), 422)
    is_problem(await client.put("/v1/catalog", content=b" " * (1 << 20) + b"{}"), 413)
    assert await everything(pool, tenant) == before


async def test_a_plan_shows_every_version(client: AsyncClient) -> None:
    await client.put("/v1/catalog", json=HOSTING)
    await client.put("/v1/catalog", json=put(hosting(), PRICE, "2.50"))
    plan = (await client.get("/v1/plans/backup")).json()
    prices = [version["phases"][0]["charges"][0]["prices"] for version in plan["versions"]]
    assert prices == [{"EUR": "0.000000000001"}, {"EUR": "2.50"}]
    assert [version["effective_on"] for version in plan["versions"]] == ["1970-01-01", "2026-03-15"]
    assert [one["code"] for one in (await client.get("/v1/plans")).json()["data"]] == [
        "backup", "hosting-monthly", "hosting-yearly",
    ]  # fmt: skip
    is_problem(await client.get("/v1/plans/nothing"), 404, "plan_not_found")
    is_problem(await client.get("/v1/plans/%F0%9F%98%80"), 404, "plan_not_found")


async def test_a_plan_is_retired_by_its_code(client: AsyncClient) -> None:
    await client.put("/v1/catalog", json=HOSTING)
    retired = (await client.post("/v1/plans/backup/retire", json={})).json()
    assert retired["plan"]["retired_at"] == "2026-03-15T12:00:00Z"
    assert retired["operation"] is None
    assert (await client.post("/v1/plans/backup/retire", json={})).json() == retired
    is_problem(await client.post("/v1/plans/nothing/retire", json={}), 404, "plan_not_found")
    bad: Any = {"cancel": "tomorrow"}
    is_problem(await client.post("/v1/plans/backup/retire", json=bad), 422, "field_invalid", "/cancel")


async def test_the_catalogue_of_another_tenant_is_not_there(
    client: AsyncClient, other_client: AsyncClient, tenant: Tenant, pool: Pool
) -> None:
    await client.put("/v1/catalog", json=HOSTING)
    before = await everything(pool, tenant)
    is_problem(await other_client.get("/v1/plans/backup"), 404, "plan_not_found")
    is_problem(await other_client.post("/v1/plans/backup/retire", json={}), 404, "plan_not_found")
    assert (await other_client.get("/v1/catalog")).json()["catalog"].get("plans", {}) == {}
    assert (await other_client.put("/v1/catalog", json=HOSTING)).status_code == 200
    lone = {"plans": {"backup": {"retire": True}}}
    assert (await other_client.put("/v1/catalog", json=lone)).status_code == 200
    assert await everything(pool, tenant) == before
