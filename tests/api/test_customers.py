"""/v1/customers and /v1/credits: made, shown, changed, deleted; credit granted, drawn and taken back."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx2 import AsyncClient

from billsmith.core.customers import CustomerDetails
from billsmith.core.invoices import InvoiceDetails
from tests.api.conftest import is_problem

NewInvoice = Callable[..., Awaitable[dict[str, Any]]]

EVERYTHING = {
    "name": "Tim",
    "external_id": "tim",
    "emails": ["tim@example.com"],
    "currency": "USD",
    "time_zone": "America/New_York",
    "locale": "de",
    "address": {"line1": "Street 1", "city": "Berlin", "country": "DE"},
    "tax_ids": [{"type": "eu_vat", "value": "DE123"}],
    "bill_cycle_day": 31,
    "terms_days": 10,
    "number_prefix": "T-",
    "auto_collect": False,
    "invoicing": "draft",
    "draw_credit": False,
    "overdue_exempt": True,
    "collection_policy": {
        "mode": "automatic",
        "retry_after_days": [2, 4],
        "after_last": "write_off",
        "most_tries": 5,
    },
    "metadata": {"a": "b"},
    "tags": ["vip"],
}


async def test_a_customer_is_shown_as_it_was_given(client: AsyncClient) -> None:
    made = await client.post("/v1/customers", json=EVERYTHING)
    assert made.status_code == 201
    shown = made.json()
    assert {name: shown[name] for name in EVERYTHING} == EVERYTHING
    assert (await client.get(f"/v1/customers/{shown['id']}")).json() == shown


def test_everything_that_core_takes_can_be_given() -> None:
    given_later = {"parent_id", "payment_method_id"}
    assert set(EVERYTHING) | given_later == set(CustomerDetails.__struct_fields__)
    named_otherwise = {
        "amount_minor": "amount", "payment_method_id": "payment_method", "statement_text": "appears_on_statement_as",
    }  # fmt: skip
    set_by_verbs = {"adjusts_id", "revises_id"}
    taken = {named_otherwise.get(name, name) for name in InvoiceDetails.__struct_fields__} - set_by_verbs
    from billsmith.api.schemas.invoices import InvoiceToChange

    assert taken == set(InvoiceToChange.__struct_fields__)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"name": "Ada"}, {"name": "Ada"}),
        ({"external_id": None}, {"external_id": None}),
        ({"address": {"city": "Bonn"}}, {"address": {"city": "Bonn"}}),
        ({"address": None}, {"address": {}}),
        ({"tax_ids": [], "emails": [], "tags": [], "metadata": {}}, {"tax_ids": [], "emails": [], "tags": []}),
        ({"currency": None}, {"currency": "EUR"}),
        ({"terms_days": 0, "bill_cycle_day": None}, {"terms_days": 0, "bill_cycle_day": None}),
        ({}, {}),
    ],
)
async def test_a_customer_is_changed_in_part(client: AsyncClient, change: Any, shown: Any) -> None:
    made = (await client.post("/v1/customers", json=EVERYTHING)).json()
    changed = await client.patch(f"/v1/customers/{made['id']}", json=change)
    assert changed.status_code == 200, changed.text
    expected = made | shown | {"version": 2}
    assert changed.json() == expected | ({"metadata": {}} if "metadata" in change else {})


async def test_a_parent_is_meant_by_id_or_external_id(client: AsyncClient, customer: dict[str, Any]) -> None:
    child = (await client.post("/v1/customers", json={"name": "Child", "parent": "tim"})).json()
    assert child["parent"] == customer["id"]
    kept = await client.patch(f"/v1/customers/{child['id']}", json={"parent": customer["id"], "name": "Kid"})
    assert (kept.status_code, kept.json()["name"]) == (200, "Kid")
    is_problem(await client.patch(f"/v1/customers/{child['id']}", json={"parent": None}), 409, "parent_not_allowed")
    is_problem(await client.post("/v1/customers", json={"name": "x", "parent": "nobody"}), 404)


async def test_an_external_id_is_taken_once_per_tenant(client: AsyncClient, customer: dict[str, Any]) -> None:
    again = await client.post("/v1/customers", json={"name": "Tim", "external_id": "tim"})
    assert is_problem(again, 409, "external_id_taken", "/external_id")["existing"] == customer["id"]


async def test_balances_are_shown_if_asked_for(
    client: AsyncClient, customer: dict[str, Any], invoice: NewInvoice
) -> None:
    path = f"/v1/customers/{customer['id']}"
    assert (await client.get(f"{path}?expand=balances")).json() == customer | {"balances": []}
    await invoice(amount=1500)
    owed = [{"currency": "EUR", "receivable": 1500, "credit": 0, "payable": 0}]
    assert (await client.get(f"{path}?expand=balances")).json()["balances"] == owed
    assert [one["balances"] for one in (await client.get("/v1/customers?expand=balances")).json()["data"]] == [owed]
    assert "balances" not in (await client.get(path)).json()


async def test_a_deleted_customer_is_never_billed_again(
    client: AsyncClient, customer: dict[str, Any], invoice: NewInvoice
) -> None:
    path = f"/v1/customers/{customer['id']}"
    await invoice(amount=100)
    is_problem(await client.delete(path), 409, "customer_owes")
    await client.post("/v1/credits", json={"customer": "tim", "amount": 100})
    deleted = (await client.delete(path)).json()
    assert deleted["deleted_at"] == "2026-03-15T12:00:00Z"
    assert (await client.get(path)).json() == deleted
    billed = await client.post("/v1/invoices", json={"customer": customer["id"], "amount": 1})
    is_problem(billed, 409, "customer_deleted")
    is_problem(await client.post("/v1/invoices", json={"customer": "tim", "amount": 1}), 404, "customer_not_found")
    is_problem(await client.delete(path), 409, "customer_deleted")


async def test_credit_is_drawn_at_once_and_the_rest_taken_back(
    client: AsyncClient, customer: dict[str, Any], invoice: NewInvoice
) -> None:
    owed = await invoice(amount=400)
    body = {"customer": "tim", "amount": {"amount": 1000, "currency": "EUR"}, "reason": "Goodwill"}
    granted = await client.post("/v1/credits", json=body)
    assert granted.status_code == 201
    credit = granted.json()
    assert (credit["amount"], credit["drawn"], credit["remaining"]) == (1000, 400, 600)
    assert (credit["reason"], credit["source"], credit["currency"]) == ("Goodwill", "granted", "EUR")
    assert (await client.get(f"/v1/invoices/{owed['id']}")).json()["status"] == "paid"
    assert (await client.get(f"/v1/credits/{credit['id']}")).json() == credit
    deleted = (await client.delete(f"/v1/credits/{credit['id']}")).json()
    assert (deleted["deleted"], deleted["remaining"]) == (600, 0)
    is_problem(await client.delete(f"/v1/credits/{credit['id']}"), 409, "credit_used_up")


async def test_credits_are_listed_and_filtered(client: AsyncClient, customer: dict[str, Any]) -> None:
    await client.post("/v1/customers", json={"name": "Ada", "external_id": "ada", "currency": "USD"})
    await client.post("/v1/credits", json={"customer": "tim", "amount": 1})
    await client.post("/v1/credits", json={"customer": "ada", "amount": 2, "expires_at": "2026-06-01T00:00:00Z"})
    await client.post("/v1/invoices", json={"customer": "tim", "amount": -3})
    for query, expected in (
        ("", [3, 2, 1]),
        ("customer=tim", [3, 1]),
        ("currency=USD", [2]),
        ("source=granted", [2, 1]),
        ("expires_at[lte]=2026-06-01T00:00:00Z", [2]),
    ):
        listed = (await client.get(f"/v1/credits?{query}")).json()["data"]
        assert [credit["amount"] for credit in listed] == expected, query


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"amount": 0}, "credit_invalid", "/amount"),
        ({"amount": -1}, "credit_invalid", "/amount"),
        ({"amount": 1.0}, "field_invalid", "/amount"),
        ({"amount": 1, "expires_at": "2026-03-15T12:00:00Z"}, "credit_invalid", "/expires_at"),
        ({"amount": 1, "expires_at": "2026-03-16"}, "field_invalid", "/expires_at"),
        ({"amount": 1, "expires_at": "2026-03-16T00:00:00"}, "field_invalid", "/expires_at"),
        ({"amount": 1, "expires_at": "9999-12-31T23:59:59Z"}, None, "/expires_at"),
        ({"amount": {"amount": 1, "currency": "EUR"}, "currency": "USD"}, "currency_mismatch", "/amount/currency"),
        ({"amount": 1, "currency": "XXX"}, "unknown_currency", "/currency"),
    ],
)
async def test_credit_that_cannot_be_is_refused(
    client: AsyncClient, customer: dict[str, Any], body: dict[str, Any], code: str | None, pointer: str
) -> None:
    is_problem(await client.post("/v1/credits", json={"customer": "tim"} | body), 422, code, pointer)
    assert (await client.get("/v1/credits")).json()["data"] == []
