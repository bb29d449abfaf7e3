"""Gateways' webhooks, disputes, and events for review, over HTTP."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from httpx2 import AsyncClient

from billsmith.actions.context import Context
from billsmith.core.payments.results import OperationKind
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.fake.webhooks import Message, signed
from billsmith.gateways.port import GatewayAccount, GatewayOperation
from tests.api.collecting import SECRETS, Post, added, made
from tests.api.conftest import is_problem
from tests.conftest import NOON


class Sender(msgspec.Struct):
    """The fake gateway, which tells the API about one account."""

    gateway: FakeGateway
    account: GatewayAccount
    client: AsyncClient

    async def tell(self, type_: str, gateway_id: str | None = None, **changed: Any) -> Any:
        """A webhook about an object."""
        message = Message(f"fev_{uuid4().hex}", self.account.id, type_, NOON, object=gateway_id)
        delivery = signed(self.account, msgspec.structs.replace(message, **changed), NOON)
        return await self.send(delivery.body, delivery.headers)

    async def send(self, body: bytes, headers: dict[str, str]) -> Any:
        """These octets."""
        return await self.client.post(f"/v1/gateway-webhooks/{self.account.id}", content=body, headers=headers)


@pytest.fixture
def sender(context: Context, account: dict[str, Any], stranger: AsyncClient) -> Sender:
    gateway = context.gateways.gateway("fake")
    assert isinstance(gateway, FakeGateway)
    opened = GatewayAccount(account["id"], "fake", "sandbox", account["settings"], SECRETS)
    return Sender(gateway, opened, stranger)


async def counted(client: AsyncClient) -> dict[tuple[str, str], float]:
    """The metric of webhooks, by gateway and result."""
    lines = [
        line for line in (await client.get("/metrics")).text.splitlines()
        if line.startswith("billsmith_gateway_webhooks_total{")
    ]  # fmt: skip
    found = {}
    for line in lines:
        labels, _, value = line.rpartition(" ")
        gateway, result = labels.split('"')[1], labels.split('"')[3]
        found[gateway, result] = float(value)
    return found


async def test_a_gateway_needs_no_key_but_its_signature(
    sender: Sender, trying: AsyncClient, post: Post, tim: dict[str, Any]
) -> None:
    method = await added(post, "tok_dispute_after_0s")
    paid = made(await post("/v1/invoices", customer="tim", amount=1500, payment_method=method["id"]))
    payment = (await trying.get("/v1/payments")).json()["data"][0]
    told = await sender.tell("dispute.opened", payment["gateway_id"])
    assert (told.status_code, told.json()) == (200, {"received": 1})
    dispute = (await trying.get("/v1/disputes")).json()["data"][0]
    assert (dispute["status"], dispute["amount"], dispute["payment"]) == ("open", 1500, payment["id"])
    assert (await trying.get(f"/v1/disputes/{dispute['id']}")).json() == dispute
    assert (await trying.get("/v1/disputes", params={"status": "won"})).json()["data"] == []
    assert (await trying.get("/v1/disputes", params={"customer": "tim"})).json()["data"] == [dispute]
    assert (await trying.get(f"/v1/invoices/{paid['id']}")).json()["status"] == "paid"


async def test_what_can_not_be_believed_is_refused_and_counted(
    sender: Sender, stranger: AsyncClient, trying: AsyncClient
) -> None:
    is_problem(await sender.send(b"{}", {}), 422, "gateway_webhook_not_believed")
    is_problem(await sender.send(b"{}", {"Fake-Signature": "t=1,v1=" + "0" * 64}), 422, "gateway_webhook_not_believed")
    about_other = await sender.tell("charge.succeeded", account="gwa_other")
    is_problem(about_other, 422, "gateway_webhook_not_believed")
    is_problem(await stranger.post("/v1/gateway-webhooks/gwa_nobody", content=b"{}"), 404)
    is_problem(await stranger.post("/v1/gateway-webhooks/" + "x" * 500, content=b"{}"), 404)
    is_problem(await sender.send(b"x" * (2 << 20), {}), 413)
    is_problem(await stranger.get("/v1/gateway-webhooks/gwa_nobody"), 405)
    assert (await trying.get("/v1/gateway-events")).json()["data"] == []
    assert await counted(stranger) == {("fake", "refused"): 3, ("unknown", "refused"): 2}


async def test_a_repeat_is_answered_and_kept_once(sender: Sender, stranger: AsyncClient, trying: AsyncClient) -> None:
    for _ in range(3):
        assert (await sender.tell("payout_schedule.changed", id="fev_1")).status_code == 200
    (event,) = (await trying.get("/v1/gateway-events")).json()["data"]
    assert (event["gateway_event_id"], event["status"], event["kind"]) == ("fev_1", "ignored", "other")
    assert (await trying.get(f"/v1/gateway-events/{event['id']}")).json() == event
    assert await counted(stranger) == {("fake", "kept"): 1, ("fake", "known"): 2}


async def test_money_of_nobody_is_listed_and_given_to_a_customer(
    sender: Sender, trying: AsyncClient, post: Post, tim: dict[str, Any]
) -> None:
    operation = GatewayOperation("elsewhere", OperationKind.CHARGE, 4200, "EUR", "shop", payment_method="tok_ok")
    charge = await sender.gateway.charge(sender.account, operation, NOON - timedelta(hours=1))
    await sender.tell("charge.succeeded", charge.gateway_id)
    (orphan,) = (await trying.get("/v1/gateway-events", params={"status": "orphan"})).json()["data"]
    assert (orphan["suspended"], orphan["currency"], orphan["gateway_id"]) == (4200, "EUR", charge.gateway_id)
    path = f"/v1/gateway-events/{orphan['id']}"
    is_problem(await trying.post(f"{path}/assign", json={"customer": "tim"}), 422, "header_invalid")
    is_problem(await post(f"{path}/retry"), 409, "gateway_event_not_parked")
    payment = made(await post(f"{path}/assign", customer="tim"))
    assert (payment["status"], payment["amount"], payment["credited"]) == ("succeeded", 4200, 4200)
    assert payment["gateway_id"] == charge.gateway_id
    is_problem(await post(f"{path}/assign", customer="tim"), 409, "orphan_refused")
    assert (await trying.get("/v1/gateway-events", params={"status": "orphan"})).json()["data"] == []
    refunded = made(await post("/v1/refunds", payment=payment["id"], amount=200))
    assert refunded["data"][0]["status"] == "succeeded"
    moved = await sender.gateway.movements(sender.account, NOON)
    assert sum(one.amount_minor for one in moved) == 4000


async def test_what_becomes_of_lost_disputes_is_the_companys_choice(
    sender: Sender, trying: AsyncClient, post: Post, tim: dict[str, Any]
) -> None:
    chosen = made(await trying.patch("/v1/tenant", json={"dispute_lost": "reopen", "money_after_void": "credit"}), 200)
    assert (chosen["settings"]["dispute_lost"], chosen["settings"]["money_after_void"]) == ("reopen", "credit")
    method = await added(post, "tok_dispute_after_0s.dispute_lost_after_0s")
    paid = made(await post("/v1/invoices", customer="tim", amount=1500, payment_method=method["id"]))
    payment = (await trying.get("/v1/payments")).json()["data"][0]
    await sender.tell("dispute.lost", payment["gateway_id"])
    owed = (await trying.get(f"/v1/invoices/{paid['id']}")).json()
    assert (owed["status"], owed["balance"], owed["collection_reason"]) == ("open", 1500, "reopened")


async def test_policies_are_for_admins_and_have_their_ranges(trying: AsyncClient) -> None:
    is_problem(await trying.patch("/v1/tenant", json={"terms_days": -1}), 422, "setting_out_of_range")
    is_problem(await trying.patch("/v1/tenant", json={"dispute_lost": "shrug"}), 422, "field_invalid", "/dispute_lost")
    is_problem(await trying.patch("/v1/tenant", json={"number_prefix": "X"}), 422, "field_invalid", "/number_prefix")
