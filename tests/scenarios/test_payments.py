"""A and B. Payments that cover several invoices, credit that a parent takes over, and disputes that are owed again"""

from tests.scenarios.company import Company


async def test_b04_one_payment_covers_several_invoices_and_the_rest_is_credit_that_the_next_one_draws(
    steve: Company,
) -> None:
    tim = await steve.customer()
    first, second = [await steve.invoice(tim, amount) for amount in (10_000, 4000)]
    given = {
        "customer": tim["id"], "amount": 15_000, "currency": "EUR", "reference": "Transfer of 2 April",
        "invoices": [{"invoice": first["id"]}, {"invoice": second["id"]}],
    }  # fmt: skip
    payment = await steve.post("/v1/payments", given)
    for invoice in (first, second):
        assert (await steve.state(invoice))[0] == "paid"
        assert "invoice.paid" in await steve.events(invoice)
    assert sum(part["amount"] for part in payment["allocations"]) == 14_000
    third = await steve.invoice(tim, 3000)
    now = await steve.read(third)
    assert (now["status"], now["credit_applied"], now["balance"]) == ("open", 1000, 2000)
    assert await steve.ledger(tim) == {"billed_revenue": -17_000, "cash:external": 15_000, "receivable": 2000}
    assert await steve.book() == {}


async def test_a_childs_credit_is_moved_to_its_parent_who_pays_with_it(steve: Company) -> None:
    parent = await steve.customer("Holding")
    child = await steve.customer("Branch", parent=parent["id"])
    credit = await steve.post("/v1/credits", {"customer": child["id"], "amount": 2500, "reason": "Goodwill"})
    moved = await steve.post(f"/v1/credits/{credit['id']}/move")
    assert (moved["customer"], moved["amount"]) == (parent["id"], 2500)
    invoice = await steve.invoice(parent, 4000)
    now = await steve.read(invoice)
    assert (now["credit_applied"], now["balance"]) == (2500, 1500)
    assert (await steve.read(credit))["remaining"] == 0
    for customer, receivable in ((child, 0), (parent, 1500)):
        shown = await steve.get(f"/v1/customers/{customer['id']}", expand="balances")
        stands = [(one["credit"], one["receivable"]) for one in shown["balances"]]
        assert stands == [(0, receivable)]
    assert "credit.moved" in await steve.events(credit)


async def test_a_dispute_that_is_lost_is_owed_again_where_the_company_wants_that(steve: Company) -> None:
    await steve.send("PATCH", "/v1/tenant", {"dispute_lost": "reopen"})
    invoice = await steve.charged("tok_ok.dispute_after_5d.dispute_lost_after_20d")
    await steve.advance_and_hear(days=30)
    (dispute,) = (await steve.get("/v1/disputes"))["data"]
    assert dispute["status"] == "lost"
    assert await steve.state(invoice) == ("open", "stopped", "reopened")
    assert (await steve.read(invoice))["balance"] == 10_000
    assert await steve.ledger(invoice["customer"]) == {"billed_revenue": -10_000, "receivable": 10_000}
    assert await steve.book() == {"charge": 10_000, "dispute_opened": -10_000}
