"""A company in a sandbox as it sees Billsmith over HTTP, and what its gateway's book says really moved."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec
from httpx2 import AsyncClient, Response

from billsmith.gateways import port
from billsmith.gateways.fake import FakeGateway

Json = dict[str, Any]


class Company(msgspec.Struct):
    """Verbs of the company's own program; each asserts that it was answered as expected."""

    client: AsyncClient
    gateway: FakeGateway
    account: Json
    opened: port.GatewayAccount
    carry_on: Callable[[], Awaitable[None]]
    """What the worker does about long work that was asked for."""
    keys: Any = msgspec.field(default_factory=count)

    async def send(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Response:
        """One request; every one that writes has an idempotency key of its own unless one is given."""
        headers = {"Idempotency-Key": key or f"scenario-{next(self.keys)}"} if method in ("POST", "PATCH") else {}
        return await self.client.request(method, path, json=body, headers=headers)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Json:
        """What a write that succeeds answers."""
        answered = await self.send("POST", path, body, key=key)
        assert answered.status_code < 300, f"{path}: {answered.text}"
        return dict(answered.json())

    async def get(self, path: str, **query: Any) -> Json:
        """What a read answers."""
        answered = await self.client.get(path, params=query)
        assert answered.status_code == 200, f"{path}: {answered.text}"
        return dict(answered.json())

    async def refused(self, path: str, body: Any = None, *, status: int, method: str = "POST") -> Json:
        """The problem that answers what can't be done."""
        answered = await self.send(method, path, body)
        assert answered.status_code == status, f"{path}: {answered.text}"
        assert answered.headers["content-type"] == "application/problem+json"
        return dict(answered.json())

    async def customer(self, name: str = "Tim", **fields: Any) -> Json:
        """A new customer."""
        return await self.post("/v1/customers", {"name": name} | fields)

    async def method(self, customer: Json, reference: str = "tok_ok", *, default: bool = False) -> Json:
        """A payment method of that customer."""
        body = {"customer": customer["id"], "payment_method": reference, "make_default": default}
        return await self.post("/v1/payment-methods", body)

    async def invoice(self, customer: Json, amount: int = 10_000, **fields: Any) -> Json:
        """A new invoice, finalised."""
        return await self.post("/v1/invoices", {"customer": customer["id"], "amount": amount} | fields)

    async def charged(self, token: str, amount: int = 10_000, **fields: Any) -> Json:
        """An invoice of a new customer, tried at once with a method that behaves as its token says."""
        customer = await self.customer()
        method = await self.method(customer, token)
        return await self.invoice(customer, amount, payment_method=method["id"], **fields)

    async def read(self, thing: Json) -> Json:
        """A thing as it is now."""
        return await self.get(f"/v1/{thing['object'].replace('_', '-')}s/{thing['id']}")

    async def verb(self, thing: Json, word: str, body: Any = None) -> Json:
        """What a verb about a thing answers."""
        return await self.post(f"/v1/{thing['object'].replace('_', '-')}s/{thing['id']}/{word}", body)

    async def state(self, invoice: Json) -> tuple[str, str | None, str | None]:
        """Status, collection state and reason of an invoice."""
        now = await self.read(invoice)
        return now["status"], now["collection_state"], now["collection_reason"]

    async def payment(self, invoice: Json) -> Json:
        """The only payment that was tried for the invoice's customer."""
        found = await self.get("/v1/payments", customer=invoice["customer"])
        assert len(found["data"]) == 1, found
        return await self.read(found["data"][0])

    async def stands(self) -> datetime:
        """Where the sandbox's clock stands."""
        return datetime.fromisoformat((await self.get("/v1/tenant"))["clock_at"])

    async def advance(self, **span: float) -> None:
        """Move the sandbox's clock; what falls due on the way is done at its own instant."""
        to = await self.stands() + timedelta(**span)
        await self.post("/v1/tenant/clock", {"to": to.isoformat()})

    async def advance_and_hear(self, **span: float) -> int:
        """Move the clock, stopping for each webhook that the gateway sends on the way; how many came."""
        begins = await self.stands()
        ends = begins + timedelta(**span)
        told = await self.gateway.deliveries(self.opened, begins - timedelta(seconds=1), ends)
        for delivery in told:
            at = max(delivery.at, await self.stands())
            await self.post("/v1/tenant/clock", {"to": at.isoformat()})
            path = f"/v1/gateway-webhooks/{self.account['id']}"
            answered = await self.client.post(path, content=delivery.body, headers=delivery.headers)
            assert answered.status_code == 200, answered.text
        await self.post("/v1/tenant/clock", {"to": ends.isoformat()})
        return len(told)

    async def events(self, thing: Json, *, after: int = 0) -> list[str]:
        """The types of all events about a thing, in order."""
        return [event["type"] for event in await self.every_event(after) if event["object_id"] == thing["id"]]

    async def every_event(self, after: int = 0) -> list[Json]:
        """All events of the company, in order."""
        found: list[Json] = []
        while True:
            page = await self.get("/v1/events", after=after, limit=100)
            found += page["data"]
            after = page["next_after"]
            if not page["has_more"]:
                return found

    async def transfers(self, **of: str) -> list[Json]:
        """The ledger's transfers of one `invoice` or `customer`, oldest first."""
        found: list[Json] = []
        query: Json = {"limit": 100} | of
        while True:
            page = await self.get("/v1/transfers", **query)
            found += page["data"]
            if not page["has_more"]:
                return found[::-1]
            query["cursor"] = page["next_cursor"]

    async def ledger(self, customer: Json | str) -> dict[str, int]:
        """What stands on each account because of a customer: debits less credits, without those that come to zero."""
        stands: Counter[str] = Counter()
        id_ = customer if isinstance(customer, str) else customer["id"]
        for transfer in await self.transfers(customer=id_):
            stands[transfer["debit"]] += transfer["amount"]
            stands[transfer["credit"]] -= transfer["amount"]
        return {account: amount for account, amount in stands.items() if amount}

    async def book(self) -> dict[str, int]:
        """What the gateway's book says has moved by now, by what was done; positive to us."""
        moved: Counter[str] = Counter()
        for movement in await self._movements():
            moved[movement.what] += movement.amount_minor
        return dict(moved)

    async def charges(self) -> list[int]:
        """The amount of each charge that the gateway's book has."""
        return [movement.amount_minor for movement in await self._movements() if movement.what == "charge"]

    async def _movements(self) -> list[Any]:
        return await self.gateway.movements(self.opened, await self.stands())
