"""What happened: events in the tenant's order, transfers of the ledger, and a sandbox whose clock is moved."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from httpx2 import AsyncClient

from billsmith.actions import tenants
from billsmith.actions.context import Context
from billsmith.core.tenants import NewTenant
from tests.api.conftest import NewClient, is_problem

NewInvoice = Callable[..., Awaitable[dict[str, Any]]]


async def test_who_writes_reads_the_event_right_after(client: AsyncClient, invoice: NewInvoice) -> None:
    made = await invoice()
    events = (await client.get("/v1/events")).json()
    assert [event["type"] for event in events["data"]] == [
        "tenant.created", "key.created", "customer.created", "invoice.finalised",
    ]  # fmt: skip
    assert [event["sequence"] for event in events["data"]] == [1, 2, 3, 4]
    last = events["data"][-1]
    assert (last["data"], last["object_id"], last["customer"]) == (made, made["id"], made["customer"])


async def test_events_are_read_on_from_where_one_was(client: AsyncClient, invoice: NewInvoice) -> None:
    await invoice()
    seen, after = [], 0
    while True:
        page = (await client.get(f"/v1/events?limit=3&after={after}")).json()
        seen += [event["sequence"] for event in page["data"]]
        after = page["next_after"]
        if not page["has_more"]:
            break
    assert seen == [1, 2, 3, 4]
    assert (await client.get(f"/v1/events?after={after}")).json() == {
        "object": "list", "data": [], "has_more": False, "next_after": 4,
    }  # fmt: skip
    await invoice()
    assert [event["sequence"] for event in (await client.get(f"/v1/events?after={after}")).json()["data"]] == [5]


async def test_events_are_filtered_by_type(client: AsyncClient, invoice: NewInvoice) -> None:
    await invoice(amount=0)
    for type_, expected in (
        ("invoice.*", ["invoice.finalised", "invoice.paid"]),
        ("invoice.paid", ["invoice.paid"]),
        ("invoice.pai_", []),
        ("customer.created", ["customer.created"]),
    ):
        found = (await client.get(f"/v1/events?type={type_}")).json()["data"]
        assert [event["type"] for event in found] == expected


@pytest.mark.parametrize("query", ["after=-1", "after=x", f"after={1 << 63}", "type=%25", "type=invoice", "x=1"])
async def test_events_asked_for_in_no_sensible_way_are_refused(client: AsyncClient, query: str) -> None:
    is_problem(await client.get(f"/v1/events?{query}"), 422, "parameter_invalid")


async def test_transfers_say_what_moved_and_who_caused_it(
    client: AsyncClient, invoice: NewInvoice, customer: dict[str, Any]
) -> None:
    body = {"customer": "tim", "items": [{"name": "a", "amount": 100, "tax": {"percent": "19"}}]}
    made = (await client.post("/v1/invoices", json=body, headers={"Billsmith-Reason": "March"})).json()
    await invoice(amount=7)
    listed = (await client.get(f"/v1/transfers?invoice={made['id']}")).json()
    moved = [(one["kind"], one["debit"], one["credit"], one["amount"]) for one in listed["data"]]
    assert moved == [
        ("tax_billed", "receivable", "tax_payable", 19),
        ("net_billed", "receivable", "billed_revenue", 100),
    ]
    first = listed["data"][0]
    assert (first["reason"], first["actor"][:4], first["request_id"][:4]) == ("March", "key_", "req_")
    assert (first["invoice"], first["customer"], first["line_no"]) == (made["id"], customer["id"], 1)


async def test_transfers_of_a_customer_come_in_pages(client: AsyncClient, invoice: NewInvoice) -> None:
    for amount in (1, 2, 3):
        await invoice(amount=amount)
    one = (await client.get("/v1/transfers?customer=tim&limit=2")).json()
    two = (await client.get(f"/v1/transfers?customer=tim&limit=2&cursor={one['next_cursor']}")).json()
    assert [[row["amount"] for row in page["data"]] for page in (one, two)] == [[3, 2], [1]]
    assert (one["has_more"], two["has_more"]) == (True, False)


async def test_transfers_are_those_of_somebody(
    client: AsyncClient, other_client: AsyncClient, invoice: NewInvoice
) -> None:
    made = await invoice()
    is_problem(await client.get("/v1/transfers"), 422, "parameter_invalid")
    is_problem(await client.get("/v1/transfers?invoice=inv_1"), 404)
    is_problem(await other_client.get(f"/v1/transfers?invoice={made['id']}"), 404, "invoice_not_found")


async def test_a_sandboxs_clock_moves_forward_and_what_falls_due_is_done(
    context: Context, new_client: NewClient
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    given = NewTenant(name="Sandbox", currency="EUR", mode="sandbox", clock_at=at)
    sandbox = await new_client(await tenants.create_tenant(context, given, actor="test", request_id="req_test"))
    await sandbox.post("/v1/customers", json={"name": "Tim", "external_id": "tim"})
    body = {"customer": "tim", "amount": 5, "expires_at": "2026-02-01T00:00:00Z"}
    credit = (await sandbox.post("/v1/credits", json=body)).json()
    assert credit["created_at"] == "2026-01-01T00:00:00Z"
    to_march = {"to": "2026-03-01T00:00:00Z"}
    moved = await sandbox.post("/v1/tenant/clock", json=to_march, headers={"Idempotency-Key": "k"})
    assert moved.json()["clock_at"] == "2026-03-01T00:00:00Z"
    assert (await sandbox.get("/v1/tenant")).json() == moved.json()
    assert (await sandbox.get(f"/v1/credits/{credit['id']}")).json()["expired"] == 5
    again = await sandbox.post("/v1/tenant/clock", json=to_march, headers={"Idempotency-Key": "k"})
    assert (again.content, again.headers["idempotent-replayed"]) == (moved.content, "true")
    back = await sandbox.post("/v1/tenant/clock", json={"to": "2026-02-01T00:00:00Z"})
    is_problem(back, 409, "clock_not_movable", "/to")
    listed = (await sandbox.get("/v1/customers?created_at[lte]=2026-01-01T00:00:00Z")).json()["data"]
    assert [customer["name"] for customer in listed] == ["Tim"]


async def test_a_live_tenants_clock_and_impossible_instants_are_refused(client: AsyncClient) -> None:
    is_problem(await client.post("/v1/tenant/clock", json={"to": "2030-01-01T00:00:00Z"}), 409, "clock_not_movable")
    for instant in ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2030-01-01", "2030-01-01T00:00:00", 5):
        is_problem(await client.post("/v1/tenant/clock", json={"to": instant}), 422, pointer="/to")
