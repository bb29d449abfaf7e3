"""A, B and C. What gateways tell late, twice and out of order, and what chargebacks and reversals do to the balance"""

import pytest

from tests.scenarios.company import Company

SETTLED = {"billed_revenue": -10_000, "cash:gateway": 10_000}
OWED = {"receivable": 10_000, "billed_revenue": -10_000}


@pytest.mark.parametrize("how", ["webhooks_twice", "webhooks_5_times", "webhooks_shuffled", "webhooks_late_2h"])
async def test_a28_events_that_come_late_twice_or_out_of_order_undo_no_newer_state(steve: Company, how: str) -> None:
    invoice = await steve.charged(f"tok_pending_3d_succeed.{how}")
    assert await steve.advance_and_hear(days=4) >= 2
    assert (await steve.read(invoice))["status"] == "paid"
    told = await steve.events(invoice)
    assert (told.count("invoice.paid"), told[-1]) == (1, "invoice.paid")
    assert await steve.ledger(invoice["customer"]) == SETTLED
    assert await steve.book() == {"charge": 10_000}


async def test_c_an_old_event_does_not_make_a_settled_invoice_failed(steve: Company) -> None:
    invoice = await steve.charged("tok_insufficient_funds.webhooks_late_2h")
    good = await steve.method({"id": invoice["customer"]})
    await steve.verb(invoice, "payment-method", {"payment_method": good["id"]})
    assert await steve.advance_and_hear(hours=3) >= 2
    assert await steve.state(invoice) == ("paid", None, None)
    told = await steve.events(invoice)
    assert (told.count("invoice.payment_failed"), told[-1]) == (1, "invoice.paid")
    assert await steve.ledger(invoice["customer"]) == SETTLED
    assert await steve.book() == {"charge": 10_000}


async def test_a28_a_success_that_is_told_after_the_cancellation_is_given_back_once(steve: Company) -> None:
    invoice = await steve.charged("tok_pending_3d_succeed.webhooks_twice")
    await steve.verb(invoice, "void", {"rebill": False})
    await steve.advance_and_hear(days=4)
    assert (await steve.read(invoice))["status"] == "void"
    assert "invoice.paid" not in await steve.events(invoice)
    assert await steve.ledger(invoice["customer"]) == {}
    assert await steve.book() == {"charge": 10_000, "refund": -10_000}


async def test_b12_a_chargeback_reserves_the_money_while_the_invoice_stays_paid_and_lost_is_a_loss(
    steve: Company,
) -> None:
    invoice = await steve.charged("tok_ok.dispute_after_5d.dispute_lost_after_20d")
    await steve.advance_and_hear(days=6)
    (dispute,) = (await steve.get("/v1/disputes"))["data"]
    assert (dispute["status"], dispute["amount"]) == ("open", 10_000)
    assert (await steve.read(invoice))["status"] == "paid"
    await steve.refused("/v1/refunds", {"invoice": invoice["id"], "amount": 1}, status=409)
    assert await steve.ledger(invoice["customer"]) == {"billed_revenue": -10_000, "disputed": 10_000}
    await steve.advance_and_hear(days=20)
    lost = await steve.read(dispute)
    assert (lost["status"], lost["outcome"]) == ("lost", "expensed")
    assert await steve.state(invoice) == ("paid", None, None)
    assert await steve.ledger(invoice["customer"]) == {"billed_revenue": -10_000, "dispute_losses": 10_000}
    assert await steve.events(dispute) == ["dispute.opened", "dispute.lost"]
    assert await steve.book() == {"charge": 10_000, "dispute_opened": -10_000}


async def test_b12_a_chargeback_that_is_won_brings_the_money_back(steve: Company) -> None:
    invoice = await steve.charged("tok_ok.dispute.dispute_half.dispute_won_after_3d")
    await steve.advance_and_hear(days=10)
    (dispute,) = (await steve.get("/v1/disputes"))["data"]
    assert (dispute["status"], dispute["amount"]) == ("won", 5000)
    assert (await steve.payment(invoice))["refundable"] == 10_000
    assert await steve.ledger(invoice["customer"]) == SETTLED
    assert await steve.events(dispute) == ["dispute.opened", "dispute.won"]
    assert await steve.book() == {"charge": 10_000, "dispute_opened": -5000, "dispute_won": 5000}


async def test_b12_a_bank_debit_that_comes_back_after_40_days_is_owed_again_by_entries_of_its_own(
    steve: Company,
) -> None:
    invoice = await steve.charged("tok_ok.reversed_after_40d")
    assert invoice["status"] == "paid"
    before = await steve.transfers(invoice=invoice["id"])
    await steve.advance_and_hear(days=40, hours=6)
    now = await steve.read(invoice)
    assert (now["status"], now["collection_state"], now["balance"]) == ("open", "retrying", 10_000)
    assert await steve.ledger(invoice["customer"]) == OWED
    assert (await steve.transfers(invoice=invoice["id"]))[: len(before)] == before
    told = await steve.events(invoice)
    assert told.index("invoice.paid") < told.index("invoice.payment_reversed")
    assert await steve.book() == {"charge": 10_000, "reversal": -10_000}


async def test_money_of_another_amount_is_set_against_its_invoice_by_a_person_and_the_rest_is_credit(
    steve: Company,
) -> None:
    invoice = await steve.charged("tok_other_amount")
    payment = await steve.payment(invoice)
    assert (await steve.state(invoice), payment["suspended"]) == (("open", "stopped", "amount_mismatch"), 10_100)
    path = f"/v1/payments/{payment['id']}/release"
    body = {"to": "credit", "invoices": [{"invoice": invoice["id"]}]}
    released = await steve.post(path, body)
    assert (released["suspended"], released["allocated"]) == (0, 10_000)
    assert (await steve.state(invoice))[0] == "paid"
    ledger = await steve.ledger(invoice["customer"])
    assert ("suspense" in ledger, "receivable" in ledger, ledger["customer_credit"]) == (False, False, -100)
    assert await steve.book() == {"charge": 10_100}
    await steve.refused(path, body, status=409)


async def test_money_of_another_currency_goes_back_to_the_payer_if_a_person_says_so(steve: Company) -> None:
    invoice = await steve.charged("tok_other_currency")
    payment = await steve.payment(invoice)
    path = f"/v1/payments/{payment['id']}/release"
    await steve.refused(path, {"to": "payer", "invoices": [{"invoice": invoice["id"]}]}, status=409)
    released = await steve.post(path, {"to": "payer"})
    assert (released["suspended"], released["refunded"]) == (0, payment["suspended"])
    assert await steve.state(invoice) == ("open", "stopped", "amount_mismatch")
    book = await steve.book()
    assert book["charge"] == -book["refund"]
    refunds = (await steve.get("/v1/refunds", customer=invoice["customer"]))["data"]
    assert [one["status"] for one in refunds] == ["succeeded"]
