"""/v1/invoices: made, shown, changed, finalised, deleted; one at a time or many at once."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from httpx2 import AsyncClient

from tests.api.conftest import is_problem

NewInvoice = Callable[..., Awaitable[dict[str, Any]]]


async def test_customer_and_amount_are_enough(client: AsyncClient, customer: dict[str, Any]) -> None:
    made = await client.post("/v1/invoices", json={"customer": customer["id"], "amount": 15000})
    assert made.status_code == 201
    shown = made.json()
    assert (shown["status"], shown["collection_state"], shown["number"]) == ("open", "no_method", "INV-000001")
    assert (shown["currency"], shown["total"], shown["balance"]) == ("EUR", 15000, 15000)
    assert shown["customer"] == customer["id"]
    assert shown["id"].startswith("inv_")
    assert [line["description"] for line in shown["lines"]] == ["Invoice"]


async def test_a_customer_is_meant_by_its_external_id_too(client: AsyncClient, customer: dict[str, Any]) -> None:
    made = await client.post("/v1/invoices", json={"customer": "tim", "amount": 1})
    assert made.json()["customer"] == customer["id"]
    unknown = await client.post("/v1/invoices", json={"customer": "nobody", "amount": 1})
    is_problem(unknown, 404, "customer_not_found", "/customer")


async def test_money_is_an_amount_with_its_currency_or_beside_it(client: AsyncClient, invoice: NewInvoice) -> None:
    in_dollars = await invoice(amount={"amount": 1500, "currency": "USD"})
    assert (in_dollars["total"], in_dollars["currency"]) == (1500, "USD")
    beside = await invoice(amount=1500, currency="JPY")
    assert (beside["total"], beside["currency"]) == (1500, "JPY")
    item = {"name": "Setup", "amount": {"amount": 700, "currency": "USD"}}
    mixed = await client.post("/v1/invoices", json={"customer": "tim", "currency": "EUR", "items": ["Hi", item]})
    is_problem(mixed, 422, "currency_mismatch", "/items/1/amount/currency")


async def test_items_are_texts_or_say_everything_about_a_line(invoice: NewInvoice) -> None:
    item = {
        "name": "Traffic",
        "type": "bandwidth",
        "quantity": "2.5",
        "unit": "GB",
        "unit_price": "0.30",
        "period": {"start": "2026-02-01", "end": "2026-03-01"},
        "volume": "2 500 MB",
        "tax": {"percent": "19", "inclusive": False},
        "discount": {"amount": 15},
    }
    adjustment = {"amount": -10, "reason": "Outage"}
    shown = await invoice(amount=None, items=["Thanks!", item], adjustments=[adjustment], title="March", memo="a\nb")
    thanks, traffic, outage = shown["lines"]
    assert (thanks["description"], thanks["total"]) == ("Thanks!", 0)
    assert (traffic["quantity"], traffic["unit_price"], traffic["amount"]) == ("2.5", "0.30", 75)
    assert (traffic["discount"], traffic["net"], traffic["tax"], traffic["total"]) == (15, 60, 11, 71)
    assert traffic["period"] == {"start": "2026-02-01", "end": "2026-03-01", "time_zone": "Europe/Berlin"}
    assert (traffic["category"], traffic["volume"], traffic["unit"]) == ("bandwidth", "2 500 MB", "GB")
    assert (outage["kind"], outage["description"], outage["total"]) == ("adjustment", "Outage", -10)
    assert (shown["total"], shown["title"], shown["memo"]) == (61, "March", "a\nb")
    assert all(line["explain"] for line in shown["lines"])


async def test_lines_of_zero_are_accepted_and_shown(invoice: NewInvoice) -> None:
    items = [{"name": "Calls", "quantity": "0", "unit_price": "25.00"}, {"name": "Free", "amount": 0}]
    shown = await invoice(amount=None, items=items)
    assert [(line["quantity"], line["total"]) for line in shown["lines"]] == [("0", 0), (None, 0)]
    assert (shown["status"], shown["total"]) == ("paid", 0)


async def test_amounts_that_do_not_add_up_are_refused(client: AsyncClient, customer: dict[str, Any]) -> None:
    body = {"customer": "tim", "amount": 100, "items": [{"name": "a", "amount": 60}, {"name": "b", "amount": 60}]}
    is_problem(await client.post("/v1/invoices", json=body), 422, "amount_mismatch", "/amount")
    assert (await client.get("/v1/invoices")).json()["data"] == []


async def test_an_external_id_is_taken_once_per_customer(client: AsyncClient, invoice: NewInvoice) -> None:
    first = await invoice(external_id="march")
    again = await client.post("/v1/invoices", json={"customer": "tim", "amount": 1, "external_id": "march"})
    assert is_problem(again, 409, "external_id_taken", "/external_id")["existing"] == first["id"]


async def test_an_invoice_is_got_with_its_lines_and_if_asked_its_customer(
    client: AsyncClient, invoice: NewInvoice, customer: dict[str, Any]
) -> None:
    made = await invoice()
    assert (await client.get(f"/v1/invoices/{made['id']}")).json() == made
    expanded = (await client.get(f"/v1/invoices/{made['id']}?expand=customer")).json()
    assert expanded == made | {"customer": customer}


async def test_what_is_no_id_or_nobodys_is_not_found(client: AsyncClient) -> None:
    for id_ in ("inv_1", "cus_01jd0000000000000000000000", "inv_01jd0000000000000000000000", "%00", "a" * 5000):
        is_problem(await client.get(f"/v1/invoices/{id_}"), 404)


async def test_a_draft_is_changed_in_part(client: AsyncClient, invoice: NewInvoice) -> None:
    items = [{"name": "a", "quantity": "3", "unit_price": "1.10", "tax": {"percent": "7"}}, {"name": "b", "amount": 5}]
    draft = await invoice(
        draft=True, amount=None, items=items, adjustments=[{"amount": 2, "reason": "r"}], terms_days=7, title="t"
    )
    changed = await client.patch(f"/v1/invoices/{draft['id']}", json={"memo": "m", "title": None})
    assert changed.json() == draft | {"memo": "m", "title": None, "version": 2}
    dated = (await client.patch(f"/v1/invoices/{draft['id']}", json={"due_on": "2026-05-01"})).json()
    assert (dated["due_on"], dated["terms_days"], dated["lines"]) == ("2026-05-01", None, draft["lines"])
    replaced = (await client.patch(f"/v1/invoices/{draft['id']}", json={"items": ["x"], "amount": 9})).json()
    assert [(line["description"], line["total"]) for line in replaced["lines"]] == [("x", 7), ("r", 2)]


async def test_the_amount_of_a_draft_made_of_an_amount_can_be_changed(client: AsyncClient, invoice: NewInvoice) -> None:
    draft = await invoice(draft=True, amount=1500)
    changed = (await client.patch(f"/v1/invoices/{draft['id']}", json={"amount": 2000})).json()
    assert (changed["total"], [line["amount"] for line in changed["lines"]]) == (2000, [2000])
    in_another = {"amount": {"amount": 1, "currency": "USD"}}
    is_problem(await client.patch(f"/v1/invoices/{draft['id']}", json=in_another), 422, "currency_mismatch")


async def test_a_finalised_invoice_changes_its_labels_only(client: AsyncClient, invoice: NewInvoice) -> None:
    made = await invoice(metadata={"a": "1"}, tags=["x"])
    labelled = await client.patch(f"/v1/invoices/{made['id']}", json={"metadata": {"b": "2"}})
    assert labelled.json() == made | {"metadata": {"b": "2"}, "version": 2}
    tagged = await client.patch(f"/v1/invoices/{made['id']}", json={"tags": ["z", "y"]})
    assert tagged.json() == made | {"metadata": {"b": "2"}, "tags": ["y", "z"], "version": 3}
    refused = await client.patch(f"/v1/invoices/{made['id']}", json={"tags": [], "memo": "m"})
    is_problem(refused, 409, "invoice_not_draft")
    assert (await client.get(f"/v1/invoices/{made['id']}")).json() == tagged.json()


async def test_a_draft_is_finalised_once(client: AsyncClient, invoice: NewInvoice) -> None:
    draft = await invoice(draft=True)
    assert (draft["status"], draft["number"], draft["balance"]) == ("draft", None, 0)
    made = await client.post(f"/v1/invoices/{draft['id']}/finalise")
    assert made.status_code == 200
    assert (made.json()["status"], made.json()["number"], made.json()["balance"]) == ("open", "INV-000001", 1500)
    is_problem(await client.post(f"/v1/invoices/{draft['id']}/finalise", json={}), 409, "invoice_not_draft")
    is_problem(await client.post(f"/v1/invoices/{draft['id']}/finalise", json={"now": True}), 422, "field_invalid")


async def test_a_draft_is_deleted_and_a_document_is_not(client: AsyncClient, invoice: NewInvoice) -> None:
    draft, made = await invoice(draft=True), await invoice()
    assert (await client.delete(f"/v1/invoices/{draft['id']}")).json() == draft
    is_problem(await client.get(f"/v1/invoices/{draft['id']}"), 404, "invoice_not_found")
    is_problem(await client.delete(f"/v1/invoices/{made['id']}"), 409, "invoice_not_draft")


async def test_a_batch_has_a_result_per_invoice(client: AsyncClient, customer: dict[str, Any]) -> None:
    entries: list[Any] = [
        {"customer": "tim", "amount": 100},
        {"customer": "nobody", "amount": 100},
        {"customer": customer["id"], "amount": 1.5},
        {"customer": "cus_1", "amount": 1},
        {"customer": "tim", "items": [{"name": "a", "quantity": "x", "unit_price": "1"}]},
        7,
        {"customer": customer["id"], "amount": 300, "external_id": "third", "draft": True},
        {"customer": "tim", "amount": 300, "external_id": "third"},
    ]
    answered = await client.post("/v1/invoices/batch", json={"invoices": entries})
    assert answered.status_code == 200
    results = answered.json()["data"]
    made = [nth for nth, result in enumerate(results) if result["status"] == "created"]
    assert made == [0, 6]
    assert [results[nth]["invoice"]["total"] for nth in made] == [100, 300]
    assert [results[nth]["problem"] for nth in made] == [None, None]
    problems = {nth: result["problem"] for nth, result in enumerate(results) if result["problem"]}
    assert {nth: (problem["status"], problem["errors"][0]["pointer"]) for nth, problem in problems.items()} == {
        1: (404, "/invoices/1/customer"),
        2: (422, "/invoices/2/amount"),
        3: (404, "/invoices/3/customer"),
        4: (422, "/invoices/4/items/0/quantity"),
        5: (422, "/invoices/5"),
        7: (409, "/invoices/7/external_id"),
    }
    assert len((await client.get("/v1/invoices")).json()["data"]) == 2


async def test_a_batch_has_limits(client: AsyncClient) -> None:
    is_problem(await client.post("/v1/invoices/batch", json={"invoices": []}), 422, "too_many", "/invoices")
    is_problem(await client.post("/v1/invoices/batch", json={"invoices": [{}] * 501}), 422, "too_many", "/invoices")
    many = {"customer": "tim", "amount": 1, "items": ["x"] * 1001}
    is_problem(await client.post("/v1/invoices", json=many), 422, "too_many", "/items")


async def test_a_batch_that_had_to_be_done_again_still_points_at_its_invoices(
    client: AsyncClient, customer: dict[str, Any], database_url: str
) -> None:
    entries = [{"customer": "tim", "amount": 1.5}, {"customer": "tim", "amount": 2}]
    repeats = "CREATE SEQUENCE repeats; GRANT USAGE ON SEQUENCE repeats TO PUBLIC"
    fails_once = """
        CREATE FUNCTION fails_once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.status = 'done' AND nextval('repeats') = 1 THEN RAISE EXCEPTION USING ERRCODE = '40001'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER fails_once BEFORE UPDATE ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION fails_once()"""
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute(repeats)
        await owner.execute(fails_once)
        answered = await client.post(
            "/v1/invoices/batch", json={"invoices": entries}, headers={"Idempotency-Key": "again"}
        )
        assert await owner.fetchval("SELECT last_value FROM repeats") == 2
    finally:
        await owner.execute("DROP TRIGGER IF EXISTS fails_once ON idempotency_keys")
        await owner.execute("DROP FUNCTION IF EXISTS fails_once(); DROP SEQUENCE IF EXISTS repeats")
        await owner.close()
    refused, made = answered.json()["data"]
    assert refused["problem"]["errors"][0]["pointer"] == "/invoices/0/amount"
    assert made["invoice"]["number"] == "INV-000001"
