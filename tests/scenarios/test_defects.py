"""C. Defects of earlier systems that must not come back, as far as they are about money"""

import asyncio

import pytest

from billsmith.core.payments.results import OperationKind
from billsmith.gateways.fake import Rule
from tests.scenarios.company import Company
from tests.scenarios.test_collecting import first_processing

OWED = {"receivable": 10_000, "billed_revenue": -10_000}
SETTLED = {"billed_revenue": -10_000, "cash:gateway": 10_000}


async def test_c_cancelling_one_invoice_stops_nobody_elses_charges(steve: Company) -> None:
    cancelled, other = [await steve.charged("tok_insufficient_funds") for _ in range(2)]
    pending = await steve.charged("tok_pending_3d_succeed")
    await steve.verb(cancelled, "void", {"rebill": False})
    await steve.advance(days=4)
    assert (await steve.events(cancelled)).count("invoice.payment_started") == 1
    assert (await steve.events(other)).count("invoice.payment_started") == 3
    assert (await steve.read(pending))["status"] == "paid"
    assert await steve.ledger(cancelled["customer"]) == {}
    assert await steve.ledger(other["customer"]) == OWED
    assert await steve.ledger(pending["customer"]) == SETTLED
    assert await steve.book() == {"charge": 10_000}


async def test_c_a_late_success_does_not_turn_a_cancelled_invoice_into_a_settled_one(steve: Company) -> None:
    invoice = await steve.charged("tok_ok.lost_reply_after")
    await steve.verb(invoice, "void", {"rebill": False})
    await steve.advance(days=1)
    now = await steve.read(invoice)
    assert (now["status"], now["paid"]) == ("void", 0)
    assert "invoice.paid" not in await steve.events(invoice)
    assert await steve.ledger(invoice["customer"]) == {}
    assert await steve.book() == {"charge": 10_000, "refund": -10_000}


async def test_c_a_refund_that_fails_does_not_lock_the_money(steve: Company) -> None:
    invoice = await steve.charged("tok_ok")
    await steve.gateway.script(steve.opened, Rule("once", "fails", kind=OperationKind.REFUND, next=1))
    (failed,) = (await steve.post("/v1/refunds", {"invoice": invoice["id"]}))["data"]
    assert failed["status"] == "failed"
    assert await steve.ledger(invoice["customer"]) == SETTLED
    (again,) = (await steve.post("/v1/refunds", {"invoice": invoice["id"]}))["data"]
    assert (again["status"], again["amount"]) == ("succeeded", 10_000)
    assert await steve.ledger(invoice["customer"]) == {}
    assert await steve.events(failed) == ["refund.created", "refund.failed"]
    assert await steve.book() == {"charge": 10_000, "refund": -10_000}


async def test_c_no_debit_of_zero_or_less_is_ever_sent(steve: Company) -> None:
    tim = await steve.customer()
    await steve.method(tim, default=True)
    nothing = await steve.invoice(tim, 0, items=[{"name": "Free", "amount": 0}])
    less = await steve.invoice(tim, -700, items=[{"name": "Returned", "amount": -700}])
    covered = await steve.invoice(tim, 300)
    in_part = await steve.invoice(tim, 1000)
    await steve.advance(days=2)
    assert [(await steve.read(one))["status"] for one in (nothing, less, covered, in_part)] == ["paid"] * 4
    assert [(await steve.read(one))["credit_applied"] for one in (covered, in_part)] == [300, 400]
    assert await steve.ledger(tim) == {"billed_revenue": -600, "cash:gateway": 600}
    for one in (nothing, less, covered):
        assert "invoice.payment_started" not in await steve.events(one)
    assert await steve.charges() == [600]


async def test_c_a_deleted_customer_is_never_billed_again(steve: Company) -> None:
    invoice = await steve.charged("tok_insufficient_funds")
    tim = {"id": invoice["customer"]}
    draft = await steve.invoice(tim, 500, draft=True, payment_method=invoice["payment_method"])
    await steve.refused(f"/v1/customers/{tim['id']}", status=409, method="DELETE")
    await steve.verb(invoice, "void", {"rebill": False})
    deleted = await steve.client.delete(f"/v1/customers/{tim['id']}")
    assert deleted.status_code == 200
    await steve.refused("/v1/invoices", {"customer": tim["id"], "amount": 100}, status=409)
    await steve.refused(f"/v1/invoices/{draft['id']}/finalise", status=409)
    await steve.advance(days=20)
    assert (await steve.events(invoice)).count("invoice.payment_started") == 1
    assert await steve.ledger(tim) == {}
    assert await steve.book() == {}


async def test_c_an_unknown_field_is_refused_by_name_and_nobody_is_charged(steve: Company) -> None:
    tim = await steve.customer()
    method = await steve.method(tim, default=True)
    for unknown in ({"discount_percent": 50}, {"items": [{"name": "Server", "amount": 100, "coupon": "HALF"}]}):
        problem = await steve.refused("/v1/invoices", {"customer": tim["id"], "amount": 100} | unknown, status=422)
        assert next(iter(unknown)) in problem["errors"][0]["pointer"] + problem["errors"][0]["detail"]
    await steve.refused("/v1/refunds", {"payment_metod": method["id"]}, status=422)
    assert await steve.ledger(tim) == {}
    assert not [event for event in await steve.every_event() if event["type"].startswith("invoice.")]
    assert await steve.book() == {}


async def test_c_there_is_one_try_within_half_an_hour_and_never_more_than_the_networks_allow(steve: Company) -> None:
    invoice = await steve.charged("tok_insufficient_funds")
    for _ in range(10):
        await steve.advance(minutes=3)
    assert (await steve.events(invoice)).count("invoice.payment_started") == 1
    for policy in ({"retry_after_days": [0]}, {"retry_after_days": [1] * 16}, {"most_tries": 16}):
        body = {"customer": invoice["customer"], "amount": 100, "collection_policy": policy}
        await steve.refused("/v1/invoices", body, status=422)
    eager = await steve.charged("tok_insufficient_funds", collection_policy={"retry_after_days": [1] * 15})
    await steve.advance(days=29)
    assert (await steve.events(eager)).count("invoice.payment_started") == 15
    assert await steve.ledger(eager["customer"]) == OWED
    assert await steve.book() == {}


async def test_c_there_is_one_format_of_errors(steve: Company) -> None:
    invoice = await steve.charged("tok_ok")
    answers = [
        await steve.client.get("/v1/invoices", headers={"Authorization": "Bearer sk_test_nobody"}),
        await steve.client.get("/v1/nothing"),
        await steve.client.put("/v1/invoices"),
        await steve.client.get("/v1/invoices/inv_nonsense"),
        await steve.client.get("/v1/invoices", params={"limit": "many"}),
        await steve.client.post("/v1/invoices", content=b"{", headers={"Content-Type": "application/json"}),
        await steve.client.post("/v1/refunds", json={"invoice": invoice["id"]}),
        await steve.send("POST", "/v1/invoices", {"customer": "nobody", "amount": 1}),
        await steve.send("POST", f"/v1/invoices/{invoice['id']}/void", {"rebill": False}),
        await steve.send("POST", f"/v1/invoices/{invoice['id']}/collect"),
    ]
    for answered in answers:
        assert 400 <= answered.status_code < 500
        assert answered.headers["content-type"] == "application/problem+json"
        problem = answered.json()
        assert set(problem) >= {"type", "title", "status", "code", "detail", "errors", "request_id"}
    assert await steve.ledger(invoice["customer"]) == SETTLED
    assert (await steve.events(invoice))[-1] == "invoice.paid"
    assert await steve.book() == {"charge": 10_000}


@pytest.mark.parametrize("part", [None, 4000])
async def test_c_writing_off_and_then_cancelling_makes_no_credit(steve: Company, part: int | None) -> None:
    invoice = await steve.charged("tok_insufficient_funds")
    body = {"reason": "Insolvent"} | ({} if part is None else {"amount": part})
    await steve.verb(invoice, "write-off", body)
    voided = await steve.verb(invoice, "void", {"rebill": False})
    assert (voided["status"], voided["written_off"], voided["balance"]) == ("void", 0, 0)
    assert (await steve.get("/v1/credits", customer=invoice["customer"]))["data"] == []
    assert await steve.ledger(invoice["customer"]) == {}
    assert (await steve.events(invoice))[-1] == "invoice.voided"
    assert await steve.book() == {}


async def test_c_writing_off_and_then_crediting_makes_no_credit(steve: Company) -> None:
    invoice = await steve.charged("tok_insufficient_funds")
    await steve.verb(invoice, "write-off", {"reason": "Insolvent"})
    note = await steve.verb(invoice, "credit-notes", {"reason": "Cancelled"})
    assert (note["written_off"], note["paid"]) == (10_000, 0)
    assert (await steve.get("/v1/credits", customer=invoice["customer"]))["data"] == []
    assert await steve.ledger(invoice["customer"]) == {}
    assert "invoice.corrected" in await steve.events(invoice)
    assert await steve.book() == {}


async def test_c_a_slow_gateway_holds_no_lock_on_the_customer(steve: Company) -> None:
    tim = await steve.customer()
    slow = await steve.method(tim, "tok_ok.slow_5s")
    charging = asyncio.create_task(steve.invoice(tim, payment_method=slow["id"]))
    invoice = await first_processing(steve, tim)
    other = await steve.invoice(tim, 500)
    changed = await steve.send("PATCH", f"/v1/customers/{tim['id']}", {"name": "Timothy"})
    await steve.post("/v1/credits", {"customer": tim["id"], "amount": 200})
    assert changed.status_code == 200
    assert not charging.done(), "the gateway answered before the others were asked"
    await charging
    assert (await steve.read(invoice))["status"] == "paid"
    assert (await steve.read(other))["balance"] == 300
    assert (await steve.ledger(tim))["receivable"] == 300
    assert "invoice.paid" in await steve.events(invoice)
    assert await steve.book() == {"charge": 10_000}
