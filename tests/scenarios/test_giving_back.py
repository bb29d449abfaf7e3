"""A and B. Giving back: refunds in part, of many at once, failing, unknown; and what they do to the balance"""

from billsmith.core.payments.results import OperationKind
from billsmith.gateways.fake import Rule
from tests.scenarios.company import Company, Json

SETTLED = {"billed_revenue": -10_000, "cash:gateway": 10_000}


async def refunded(company: Company, invoice: Json, **fields: object) -> Json:
    """The only refund that a request for this invoice came to."""
    made = await company.post("/v1/refunds", {"invoice": invoice["id"], "reason": "Outage"} | fields)
    assert len(made["data"]) == 1
    return dict(made["data"][0])


async def test_a08_a_settled_invoice_is_refunded_in_part_several_times_up_to_what_was_paid(steve: Company) -> None:
    invoice = await steve.charged("tok_ok")
    for amount in (3000, 2500):
        assert (await refunded(steve, invoice, amount=amount))["status"] == "succeeded"
    await steve.refused("/v1/refunds", {"invoice": invoice["id"], "amount": 4501}, status=409)
    assert (await refunded(steve, invoice))["amount"] == 4500
    await steve.refused("/v1/refunds", {"invoice": invoice["id"], "amount": 1}, status=409)
    now = await steve.read(invoice)
    assert (now["status"], now["paid"], now["refunded"], now["balance"]) == ("paid", 10_000, 10_000, 0)
    assert [note["total"] for note in (await steve.get("/v1/credit-notes"))["data"]] == [4500, 2500, 3000]
    assert await steve.ledger(invoice["customer"]) == {}
    assert (await steve.events(invoice)).count("invoice.refunded") == 3
    assert await steve.book() == {"charge": 10_000, "refund": -10_000}


async def test_a08_all_of_a_months_invoices_are_refunded_at_once_with_a_preview_and_results(steve: Company) -> None:
    paid = [await steve.charged("tok_ok", amount) for amount in (1000, 2000)]
    unlucky = await steve.charged("tok_ok.refund_fails", 400)
    unpaid = await steve.invoice(await steve.customer())
    asked = {"reason": "Outage", "issued_from": "2026-03-01", "issued_before": "2026-04-01"}
    preview = await steve.post("/v1/refunds/bulk/preview", asked)
    assert [(count["items"], count["amount"]) for count in preview["counts"]] == [(3, 3400)]
    assert await steve.book() == {"charge": 3400}

    operation = await steve.post("/v1/refunds/bulk", asked)
    await steve.carry_on()
    operation = await steve.get(f"/v1/operations/{operation['id']}")
    assert operation["status"] == "completed"
    items = (await steve.get(f"/v1/operations/{operation['id']}/items"))["data"]
    assert {item["invoice"] for item in items} == {one["id"] for one in (*paid, unlucky)}
    assert all(item["result"] for item in items)
    for invoice in paid:
        assert await steve.ledger(invoice["customer"]) == {}
        assert "invoice.refunded" in await steve.events(invoice)
    assert await steve.ledger(unlucky["customer"]) == {"billed_revenue": -400, "cash:gateway": 400}
    assert "invoice.refunded" not in await steve.events(unpaid)
    assert await steve.book() == {"charge": 3400, "refund": -3000}


async def test_a09_a_refund_while_the_line_is_down_waits_is_visible_and_is_tried_again(steve: Company) -> None:
    invoice = await steve.charged("tok_ok")
    await steve.gateway.script(steve.opened, Rule("down", "not_submitted", kind=OperationKind.REFUND, next=1))
    refund = await refunded(steve, invoice, amount=4000)
    assert refund["status"] == "pending"
    await steve.refused("/v1/refunds", {"invoice": invoice["id"], "amount": 6001}, status=409)
    assert await steve.ledger(invoice["customer"]) == SETTLED
    assert [one["id"] for one in (await steve.get("/v1/refunds", status="pending"))["data"]] == [refund["id"]]
    await steve.advance(hours=6)
    again = await steve.read(refund)
    assert (again["status"], again["tries"]) == ("succeeded", 2)
    assert await steve.ledger(invoice["customer"]) == {"billed_revenue": -6000, "cash:gateway": 6000}
    assert await steve.events(refund) == ["refund.created", "refund.succeeded"]
    assert await steve.book() == {"charge": 10_000, "refund": -4000}


async def test_a09_a_refund_whose_reply_is_lost_is_looked_up_and_not_sent_twice(steve: Company) -> None:
    invoice = await steve.charged("tok_ok.refund_lost_reply_after")
    refund = await refunded(steve, invoice, amount=4000)
    assert refund["status"] == "pending"
    assert await steve.ledger(invoice["customer"]) == SETTLED
    await steve.advance(hours=6)
    assert (await steve.read(refund))["status"] == "succeeded"
    assert await steve.ledger(invoice["customer"]) == {"billed_revenue": -6000, "cash:gateway": 6000}
    assert (await steve.events(refund))[-1] == "refund.succeeded"
    assert await steve.book() == {"charge": 10_000, "refund": -4000}


async def test_a09_a_refund_that_fails_in_the_end_frees_its_amount(steve: Company) -> None:
    invoice = await steve.charged("tok_ok.refund_pending_2d_fail")
    refund = await refunded(steve, invoice)
    assert refund["status"] == "pending"
    await steve.refused("/v1/refunds", {"invoice": invoice["id"], "amount": 1}, status=409)
    await steve.advance(days=3)
    failed = await steve.read(refund)
    assert failed["status"] == "failed"
    assert failed["decline"] is not None
    assert (await steve.payment(invoice))["refundable"] == 10_000
    assert await steve.ledger(invoice["customer"]) == SETTLED
    assert await steve.events(refund) == ["refund.created", "refund.failed"]
    to_credit = await refunded(steve, invoice, destination="credit")
    assert to_credit["status"] == "succeeded"
    assert await steve.ledger(invoice["customer"]) == {"customer_credit": -10_000, "cash:gateway": 10_000}
    assert await steve.book() == {"charge": 10_000}


async def test_b12_a_refund_takes_the_sale_back_and_leaves_nothing_owed(steve: Company) -> None:
    invoice = await steve.charged("tok_ok")
    await refunded(steve, invoice, amount=2500)
    now = await steve.read(invoice)
    assert (now["status"], now["balance"], now["refunded"]) == ("paid", 0, 2500)
    assert await steve.ledger(invoice["customer"]) == {"billed_revenue": -7500, "cash:gateway": 7500}
    assert "credit_note.issued" in [event["type"] for event in await steve.every_event()]
    assert await steve.book() == {"charge": 10_000, "refund": -2500}


async def test_b12_a_refund_that_reopens_the_invoice_is_owed_again_and_not_collected_by_itself(steve: Company) -> None:
    invoice = await steve.charged("tok_ok")
    await refunded(steve, invoice, amount=2500, reopen=True)
    await steve.advance(days=30)
    now = await steve.read(invoice)
    assert (now["status"], now["balance"], now["collection_state"]) == ("open", 2500, "stopped")
    expected = {"receivable": 2500, "billed_revenue": -10_000, "cash:gateway": 7500}
    assert await steve.ledger(invoice["customer"]) == expected
    assert "invoice.reopened" in await steve.events(invoice)
    assert await steve.book() == {"charge": 10_000, "refund": -2500}


async def test_a_refund_that_the_payers_bank_returns_has_failed_and_is_credit_that_can_be_given_back_again(
    steve: Company,
) -> None:
    invoice = await steve.charged("tok_ok.refund_reversed_after_3d")
    (refund,) = (await steve.post("/v1/refunds", {"invoice": invoice["id"], "amount": 4_000}))["data"]
    assert refund["status"] == "succeeded"
    await steve.advance_and_hear(days=4)
    returned = await steve.get(f"/v1/refunds/{refund['id']}")
    assert (returned["status"], returned["needs_attention"]) == ("failed", True)
    assert (await steve.events(refund))[-1] == "refund.failed"
    assert (await steve.state(invoice))[0] == "paid"
    assert (await steve.ledger(invoice["customer"]))["customer_credit"] == -4_000
    assert (await steve.payment(invoice))["refunded"] == 0
    (credit,) = (await steve.get("/v1/credits", customer=invoice["customer"]))["data"]
    await steve.post("/v1/refunds", {"credit": credit["id"], "amount": 1_000})
    assert (await steve.ledger(invoice["customer"]))["customer_credit"] == -3_000


async def test_a_returned_refund_that_had_reopened_its_invoice_pays_it_as_credit(steve: Company) -> None:
    invoice = await steve.charged("tok_ok.refund_reversed_after_3d")
    body = {"invoice": invoice["id"], "amount": 4_000, "reopen": True}
    (refund,) = (await steve.post("/v1/refunds", body))["data"]
    assert (await steve.state(invoice))[0] == "open"
    await steve.advance_and_hear(days=4)
    assert (await steve.get(f"/v1/refunds/{refund['id']}"))["status"] == "failed"
    assert (await steve.state(invoice))[0] == "paid"
    assert "customer_credit" not in await steve.ledger(invoice["customer"])
