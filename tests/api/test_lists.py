"""Lists: pages by cursor, filters, order, what is hidden and what is expanded; anything unknown is refused."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest
from httpx2 import AsyncClient

from billsmith.clock import FixedClock
from tests.api.conftest import is_problem

NewInvoice = Callable[..., Awaitable[dict[str, Any]]]


async def titles(client: AsyncClient, query: str, path: str = "/v1/invoices") -> list[str]:
    """What a list shows, page after page, two at a time."""
    found: list[str] = []
    cursor = ""
    while True:
        answered = await client.get(f"{path}?limit=2&{query}{cursor}")
        assert answered.status_code == 200, answered.text
        page = answered.json()
        assert page["object"] == "list"
        assert len(page["data"]) <= 2
        found += [row.get("title") or row.get("name") or str(row.get("amount")) for row in page["data"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        if not page["has_more"]:
            return found
        cursor = f"&cursor={quote(page['next_cursor'])}"


async def test_pages_go_through_everything_newest_first(client: AsyncClient, invoice: NewInvoice) -> None:
    assert (await client.get("/v1/invoices")).json() == {
        "object": "list", "data": [], "has_more": False, "next_cursor": None,
    }  # fmt: skip
    made = [await invoice(title=f"{nth}") for nth in range(5)]
    assert await titles(client, "") == ["4", "3", "2", "1", "0"]
    listed = (await client.get("/v1/invoices?limit=100")).json()["data"]
    assert listed[-1] == {name: value for name, value in made[0].items() if name != "lines"}


async def test_the_order_of_issue_is_the_other_order(client: AsyncClient, invoice: NewInvoice) -> None:
    for title, day in (("a", "2026-02-01"), ("b", "2026-01-01"), ("c", "2026-02-01"), ("d", "2026-01-01")):
        await invoice(title=title, issued_on=day)
    await invoice(title="draft", draft=True)
    assert await titles(client, "order=issued") == ["c", "a", "d", "b"]
    assert await titles(client, "order=issued&issued_on[lt]=2026-02-01") == ["d", "b"]
    cursor = (await client.get("/v1/invoices?limit=1&order=issued")).json()["next_cursor"]
    is_problem(await client.get(f"/v1/invoices?cursor={cursor}"), 422, "parameter_invalid")


async def test_invoices_are_filtered(client: AsyncClient, invoice: NewInvoice, clock: FixedClock) -> None:
    await client.post("/v1/customers", json={"name": "Ada", "external_id": "ada & co"})
    await invoice(title="draft", draft=True, metadata={"job": "x y"})
    await invoice(
        title="open", external_id="e1", due_on="2026-04-01", tags=["a", "b"], metadata={"job": "x y", "n": "2"}
    )
    await invoice(title="paid", amount=0, tags=["a"])
    await invoice(title="dollars", customer="ada & co", currency="USD", terms_days=0)
    for query, expected in (
        ("status=draft", ["draft"]),
        ("status=open", ["dollars", "open"]),
        ("status=paid", ["paid"]),
        ("collection_state=no_method", ["dollars", "open"]),
        ("customer=ada%20%26%20co", ["dollars"]),
        ("currency=USD", ["dollars"]),
        ("customer=tim&external_id=e1", ["open"]),
        ("customer=tim&external_id=e2", []),
        ("tags=a", ["paid", "open"]),
        ("tags=b,a", ["open"]),
        ("metadata[job]=x%20y", ["open", "draft"]),
        ("metadata[job]=x+y&metadata[n]=2", ["open"]),
        ("metadata[job]=x", []),
        ("due_on[lte]=2026-03-15", ["dollars"]),
        ("due_on[gt]=2026-03-15&due_on[lt]=2026-04-02", ["open"]),
        ("finalised_at[gte]=2026-03-15T12:00:00Z", ["dollars", "paid", "open"]),
        ("finalised_at[gt]=2026-03-15T12:00:00Z", []),
        ("created_at[gte]=2026-03-15T13:00:00+01:00&status=draft", ["draft"]),
        ("created_at[lt]=2026-03-15T12:00:00Z", []),
    ):
        assert await titles(client, query) == expected, query


async def test_hidden_invoices_are_shown_if_asked_for(client: AsyncClient, invoice: NewInvoice) -> None:
    await invoice(title="seen")
    await invoice(title="hidden", tags=["hidden"])
    assert await titles(client, "") == ["seen"]
    assert await titles(client, "tags=hidden") == []
    assert await titles(client, "include=abandoned") == ["seen"]
    assert await titles(client, "include=hidden,abandoned") == ["hidden", "seen"]
    assert await titles(client, "include=hidden&tags=hidden") == ["hidden"]


async def test_lists_expand_lines_and_customers(
    client: AsyncClient, invoice: NewInvoice, customer: dict[str, Any]
) -> None:
    made = [await invoice(), await invoice()]
    expanded = (await client.get("/v1/invoices?expand=customer,lines")).json()["data"]
    assert expanded == [one | {"customer": customer} for one in reversed(made)]


async def test_customers_are_filtered(client: AsyncClient, customer: dict[str, Any]) -> None:
    await client.post("/v1/customers", json={"name": "Ada", "currency": "USD", "tags": ["vip"], "metadata": {"a": "b"}})
    await client.post("/v1/customers", json={"name": "Eve", "tags": ["hidden"]})
    for query, expected in (
        ("", ["Ada", "Tim"]),
        ("include=hidden", ["Eve", "Ada", "Tim"]),
        ("currency=USD", ["Ada"]),
        ("external_id=tim", ["Tim"]),
        ("external_id=eve", []),
        ("external_id=tim&currency=USD", []),
        ("tags=vip", ["Ada"]),
        ("metadata[a]=b", ["Ada"]),
        ("created_at[gt]=2026-03-15T12:00:00Z", []),
    ):
        assert await titles(client, query, "/v1/customers") == expected, query


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("colour=red", "colour"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=+5", "limit"),
        ("limit=٣", "limit"),
        ("limit=", "limit"),
        ("limit=2&limit=2", "limit"),
        ("cursor=", "cursor"),
        ("cursor=abc", "cursor"),
        ("cursor=%2F%2F..", "cursor"),
        ("cursor=" + "A" * 900, "cursor"),
        ("status=unpaid", "status"),
        ("status=open,paid", "status"),
        ("status[eq]=open", "status[eq]"),
        ("order=amount", "order"),
        ("include=everything", "include"),
        ("expand=lines,seller", "expand"),
        ("tags=A", "tags"),
        ("tags=", "tags"),
        ("created_at=2026-03-15", "created_at"),
        ("created_at[gte]=2026-03-15", "created_at[gte]"),
        ("created_at[gte]=2026-03-15T00:00:00", "created_at[gte]"),
        ("created_at[gte]=9999-12-31T23:59:59Z", "created_at[gte]"),
        ("created_at[gte]=0001-01-01T00:00:00Z", "created_at[gte]"),
        ("created_at[near]=2026-03-15T00:00:00Z", "created_at[near]"),
        ("due_on[gte]=2026-02-30", "due_on[gte]"),
        ("due_on[gte]=2026-03-15T00:00:00Z", "due_on[gte]"),
        ("metadata[a]=1&metadata[a]=2", "metadata[a]"),
        ("metadata=x", "metadata"),
        ("currency=a%00b", "currency"),
        ("external_id=" + "x" * 1001, "external_id"),
    ],
)
async def test_parameters_that_mean_nothing_are_refused(client: AsyncClient, query: str, name: str) -> None:
    assert is_problem(await client.get(f"/v1/invoices?{query}"), 422, "parameter_invalid")["parameter"] == name


@pytest.mark.parametrize("query", ["a=%ff", "%ff=a", "&".join(f"metadata[{nth}]=x" for nth in range(101))])
async def test_a_query_that_cannot_be_read_is_refused(client: AsyncClient, query: str) -> None:
    is_problem(await client.get(f"/v1/invoices?{query}"), 422, "parameter_invalid")


async def test_parameters_are_taken_only_where_they_mean_something(client: AsyncClient, invoice: NewInvoice) -> None:
    made = await invoice()
    for path in (f"/v1/invoices/{made['id']}?expand=lines", "/v1/tenant?x=1", "/v1/keys?limit=2"):
        is_problem(await client.get(path), 422, "parameter_invalid")
    is_problem(await client.post("/v1/invoices?dry=1", json={"customer": "tim", "amount": 1}), 422, "parameter_invalid")


async def test_an_external_id_of_an_invoice_needs_its_customer(client: AsyncClient) -> None:
    is_problem(await client.get("/v1/invoices?external_id=e1"), 422, "filter_too_broad")


async def test_a_cursor_is_of_no_use_to_another_tenant(
    client: AsyncClient, other_client: AsyncClient, invoice: NewInvoice
) -> None:
    await invoice()
    await invoice()
    cursor = (await client.get("/v1/invoices?limit=1")).json()["next_cursor"]
    assert (await other_client.get(f"/v1/invoices?cursor={cursor}")).json()["data"] == []
    tampered = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    is_problem(await client.get(f"/v1/invoices?cursor={tampered}"), 422, "parameter_invalid")
