"""One thing of each kind, made through the API, so that tests made from the description have ids to ask for."""

import re
from typing import Any
from uuid import UUID, uuid4

import msgspec
from httpx2 import AsyncClient

from billsmith.api.catalogue import ENDPOINTS
from billsmith.api.endpoints import Endpoint
from billsmith.core.ids import show_id

NOBODY = UUID(int=0x019D4662_1C20_7000_8000_000000000007)


class Things(msgspec.Struct, frozen=True):
    """Shown ids by the kind of the thing, or by a name of its own where there are several of a kind."""

    by_name: dict[str, str]

    def id_for(self, kind: str) -> str:
        """The id of such a thing, or one that is nobody's."""
        return self.by_name[kind] if kind in self.by_name else show_id(kind, NOBODY)

    def path(self, endpoint: Endpoint) -> str:
        """The path of the endpoint with the id of such a thing in it."""
        kind = kind_of(endpoint)
        return endpoint.path if kind is None else endpoint.path.replace("{id}", self.id_for(kind))


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
    fake = {"gateway": "fake", "credentials": {"api_key": "fake_key"}, "settings": {"book": f"book-{uuid4().hex[:12]}"}}
    await make("gateway_account", "/v1/gateway-accounts", name=name, **fake)
    await make("payment_method", "/v1/payment-methods", customer=name, payment_method="tok_ok")
    await make("charged", "/v1/invoices", customer=name, amount=900)
    method = {"payment_method": made["payment_method"]}
    await make("charged", f"/v1/invoices/{made['charged']}/payment-method", **method)
    newest = (await client.get("/v1/payments?limit=1")).json()["data"][0]["id"]
    made["attempt"] = (await client.get(f"/v1/payments/{newest}")).json()["attempts"][0]["id"]
    await make("operation", "/v1/refunds/bulk", reason="Outage", customer=name)
    return Things(made)
