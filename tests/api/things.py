"""One thing of each kind, made through the API, so that tests made from the description have ids to ask for."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from httpx2 import AsyncClient

from billsmith.api.catalogue import ENDPOINTS
from billsmith.api.endpoints import Endpoint
from billsmith.api.examples import BODIES
from billsmith.core.ids import show_id
from billsmith.gateways.fake.webhooks import Message, signed
from billsmith.gateways.port import GatewayAccount

SECRETS = {"api_key": "fake_key", "webhook_secret": "whsec_things"}
NOBODY = UUID(int=0x019D4662_1C20_7000_8000_000000000007)


class Things(msgspec.Struct, frozen=True):
    """Shown ids by the kind of the thing, or by a name of its own where there are several of a kind."""

    by_name: dict[str, str]

    def id_for(self, kind: str) -> str:
        """The id of such a thing, or one that is nobody's."""
        return self.by_name[kind] if kind in self.by_name else show_id(kind, NOBODY)

    def path(self, endpoint: Endpoint) -> str:
        """The path of the endpoint with the id of such a thing in it."""
        kind, path = kind_of(endpoint), endpoint.path.replace("{code}", "hosting")
        return path if kind is None else path.replace("{id}", self.id_for(kind))


def kind_of(endpoint: Endpoint) -> str | None:
    """What the id in the path of an endpoint names."""
    return kind_of_path(endpoint.path)


def kind_of_path(path: str) -> str | None:
    """What the id in a path names: `invoice` in /v1/invoices/{id}/void."""
    found = re.match(r"/v1/([a-z-]+)/\{id\}", path)
    return None if found is None else found.group(1).removesuffix("s").replace("-", "_")


KINDS_IN_PATHS = sorted({kind for endpoint in ENDPOINTS if (kind := kind_of(endpoint)) is not None})


async def make_things(client: AsyncClient, name: str) -> Things:
    """Everything that has an id, for the sandbox of that client; external ids are `name`. A new kind needs its line."""
    made: dict[str, str] = {}

    async def make(what: str, path: str, **body: Any) -> None:
        answered = await client.post(path, json=body, headers={"Idempotency-Key": f"thing-{len(made)}"})
        assert answered.status_code < 300, f"{path}: {answered.text}"
        shown = answered.json()
        made[what] = (shown["data"][0] if "data" in shown else shown)["id"]

    labels = {"metadata": {"house": name}, "tags": [name]}
    await make("customer", "/v1/customers", name=name, external_id=name, **labels)
    await make("draft", "/v1/invoices", customer=name, amount=1500, draft=True)
    await make("invoice", "/v1/invoices", customer=name, amount=1500, external_id=name, **labels)
    await make("paid", "/v1/invoices", customer=name, amount=1500)
    invoices = [{"invoice": made["paid"]}]
    await make("payment", "/v1/payments", customer=name, amount=2000, external_id=name, invoices=invoices)
    await make("refund", "/v1/refunds", invoice=made["paid"], amount=100, destination="credit", reason="Outage")
    invoice = f"/v1/invoices/{made['invoice']}"
    await make("credit_note", f"{invoice}/credit-notes", reason="Outage", amount=100)
    await make("write_off", f"{invoice}/write-off", reason="Insolvent", amount=100)
    await make("credit", "/v1/credits", customer=name, amount=300)
    await make("key", "/v1/keys", name=name, scopes=["read"])
    settings = {"book": f"book-{uuid4().hex[:12]}"}
    fake = {"gateway": "fake", "credentials": SECRETS, "settings": settings}
    await make("gateway_account", "/v1/gateway-accounts", name=name, **fake)
    await make("payment_method", "/v1/payment-methods", customer=name, payment_method="tok_ok")
    await make("charged", "/v1/invoices", customer=name, amount=900)
    method = {"payment_method": made["payment_method"]}
    await make("charged", f"/v1/invoices/{made['charged']}/payment-method", **method)
    newest = (await client.get("/v1/payments?limit=1")).json()["data"][0]["id"]
    made["attempt"] = (await client.get(f"/v1/payments/{newest}")).json()["attempts"][0]["id"]
    assert (await client.put("/v1/catalog", json=BODIES["catalog"])).status_code == 200
    on_plan = {"plan": "hosting", "external_id": name, "starts_on": "2026-05-01"}
    await make("subscription", "/v1/subscriptions", customer=name, **on_plan, **labels)
    made["group"] = (await client.get(f"/v1/subscriptions/{made['subscription']}")).json()["group"]
    await make("operation", "/v1/refunds/bulk", reason="Outage", customer=name)
    await make("disputing", "/v1/payment-methods", customer=name, payment_method="tok_dispute_after_0s")
    await make("disputed", "/v1/invoices", customer=name, amount=700, payment_method=made["disputing"])
    await tell(client, made["gateway_account"], settings)
    for kind in ("dispute", "gateway_event"):
        made[kind] = (await client.get(f"/v1/{kind.replace('_', '-')}s")).json()["data"][0]["id"]
    return Things(made)


async def tell(client: AsyncClient, account_id: str, settings: dict[str, str]) -> None:
    """The gateway's webhook about the newest payment."""
    (charge,) = (await client.get("/v1/payments?limit=1")).json()["data"]
    at = msgspec.convert(charge["created_at"], datetime)
    account = GatewayAccount(account_id, "fake", "sandbox", settings, SECRETS)
    message = Message(f"fev_{uuid4().hex}", account_id, "dispute.opened", at, object=charge["gateway_id"])
    told = signed(account, message, at)
    path = f"/v1/gateway-webhooks/{account_id}"
    assert (await client.post(path, content=told.body, headers=told.headers)).status_code == 200
