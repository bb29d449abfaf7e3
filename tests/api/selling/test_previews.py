"""Previews over HTTP: what would be billed, to the cent, and nothing kept; billing one customer now."""

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


async def asked(client: AsyncClient, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    answered = await client.post(path, json=body)
    assert answered.status_code == status, answered.text
    return answered.json()  # type: ignore[no-any-return]


def lines(invoices: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (line["kind"], line["period"], line["amount"], line["share"], line["corrects"] is not None)
        for invoice in invoices
        for line in invoice["lines"]
    ]


async def test_a_subscription_is_shown_before_it_is_started_and_then_billed_like_that(
    client: AsyncClient, pool: Pool, tenant: Tenant
) -> None:
    before = await everything(pool, tenant)
    shown = await asked(client, f"{PATH}/preview", subscription={"customer": "tim", "plan": "server"})
    assert await everything(pool, tenant) == before
    made = await asked(client, PATH, 201, customer="tim", plan="server")
    invoices = [(await client.get(f"/v1/invoices/{id_}")).json() for id_ in made["invoices"]]
    assert lines(shown["invoices"]) == lines(invoices) != []
    assert {line["subscription"] for line in invoices[0]["lines"]} == {made["id"]}


async def test_a_verb_is_shown_before_it_is_done_and_then_billed_like_that(
    client: AsyncClient, pool: Pool, tenant: Tenant
) -> None:
    made = await asked(client, PATH, 201, customer="tim", plan="server")
    before = await everything(pool, tenant)
    change = {"plan": "server-big", "when": "immediate"}
    shown = await asked(client, f"{PATH}/{made['id']}/preview", change=change)
    assert await everything(pool, tenant) == before
    done = await asked(client, f"{PATH}/{made['id']}/change", **change)
    invoices = [(await client.get(f"/v1/invoices/{id_}")).json() for id_ in done["invoices"]]
    assert lines(shown["invoices"]) == lines(invoices)
    (credit,) = [line for line in invoices[0]["lines"] if line["kind"] == "proration_credit"]
    assert credit["corrects"] == {"invoice": made["invoices"][0], "line_no": 1}


@pytest.mark.parametrize("body", [{}, {"cancel": {}, "pause": {}}, {"until_on": "2026-05-01"}])
async def test_a_preview_is_of_one_verb(client: AsyncClient, body: dict[str, Any]) -> None:
    made = await asked(client, PATH, 201, customer="tim", plan="server")
    is_problem(await client.post(f"{PATH}/{made['id']}/preview", json=body), 422, "not_one_verb")


async def test_what_is_refused_is_refused_in_a_preview(client: AsyncClient) -> None:
    made = await asked(client, PATH, 201, customer="tim", plan="server")
    is_problem(await client.post(f"{PATH}/{made['id']}/preview", json={"change": {"plan": "none"}}), 404)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"quantity": {"quantity": "x"}}, "/quantity/quantity"),
        ({"cancel": {"when": "x"}}, "/cancel/when"),
        ({"cancel": {"credit": -5, "refund": "none"}}, "/cancel/refund"),
    ],
)
async def test_what_is_wrong_is_pointed_at_within_the_verb(
    client: AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    made = await asked(client, PATH, 201, customer="tim", plan="server")
    refused = await asked(client, f"{PATH}/{made['id']}/preview", 422, **body)
    assert [error["pointer"] for error in refused["errors"]] == [pointer]


async def test_a_customer_is_billed_when_asked_and_only_for_what_is_due(client: AsyncClient) -> None:
    made = await asked(client, PATH, 201, customer="tim", plan="server", bill="later")
    path = f"/v1/customers/{made['customer']}/bill"
    shown = await asked(client, f"{path}?preview=true", 201)
    billed = await asked(client, path, 201)
    assert lines(billed["invoices"]) == lines(shown["invoices"]) != []
    assert (await asked(client, path, 201))["invoices"] == []
