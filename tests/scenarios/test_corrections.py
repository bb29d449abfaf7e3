"""B. The purchase that failed: linking, writing off, adjusting, voiding; and that none of it makes credit of nothing"""

from tests.scenarios.company import Company, Json


async def credit_of(company: Company, customer: str) -> list[Json]:
    """What credit the customer has."""
    return list((await company.get("/v1/credits", customer=customer))["data"])


async def test_b04_a_payment_made_first_and_elsewhere_is_linked_to_an_invoice_made_later(steve: Company) -> None:
    tim = await steve.customer(draw_credit=False)
    body = {"customer": tim["id"], "amount": 10_000, "external_id": "bank-4711"}
    payment = await steve.post("/v1/payments", body)
    assert (payment["status"], payment["credited"]) == ("succeeded", 10_000)
    invoice = await steve.invoice(tim, 8000)
    linked = await steve.verb(payment, "allocations", {"invoices": [{"invoice": invoice["id"]}]})
    assert [(one["invoice"], one["amount"]) for one in linked["allocations"]] == [(invoice["id"], 8000)]
    now = await steve.read(invoice)
    assert (now["status"], now["paid"], now["credit_applied"]) == ("paid", 8000, 0)
    expected = {"billed_revenue": -8000, "customer_credit": -2000, "cash:external": 10_000}
    assert await steve.ledger(tim) == expected
    assert "invoice.paid" in await steve.events(invoice)
    assert "payment.allocated" in await steve.events(payment)
    assert await steve.book() == {}


async def test_b05_an_invoice_is_written_off_after_a_preview_and_stays_so_until_that_is_undone(steve: Company) -> None:
    invoice = await steve.charged("tok_insufficient_funds")
    preview = await steve.verb(invoice, "write-off?preview=true", {"reason": "Insolvent"})
    assert preview["amount"] == 10_000
    assert (await steve.read(invoice))["written_off"] == 0
    write_off = await steve.verb(invoice, "write-off", {"reason": "Insolvent"})
    await steve.advance(days=10)
    assert await steve.state(invoice) == ("uncollectible", None, None)
    assert await steve.ledger(invoice["customer"]) == {"bad_debt": 10_000, "billed_revenue": -10_000}
    assert (await steve.events(invoice)).count("invoice.payment_started") == 1
    await steve.verb(write_off, "undo")
    assert (await steve.read(invoice))["balance"] == 10_000
    assert await steve.ledger(invoice["customer"]) == {"receivable": 10_000, "billed_revenue": -10_000}
    told = await steve.events(invoice)
    assert told.index("invoice.uncollectible") < told.index("invoice.write_off_reversed")
    assert await steve.book() == {}


async def test_b05_adjusting_to_zero_leaves_nothing_owed_nothing_retried_and_no_credit(steve: Company) -> None:
    invoice = await steve.charged("tok_insufficient_funds")
    preview = await steve.verb(invoice, "credit-notes?preview=true", {"reason": "Never used"})
    assert (preview["total"], preview["owed"], preview["paid"]) == (10_000, 10_000, 0)
    assert (await steve.read(invoice))["balance"] == 10_000
    await steve.verb(invoice, "adjust", {"adjustments": [{"amount": -10_000, "reason": "Never used"}]})
    await steve.advance(days=10)
    now = await steve.read(invoice)
    assert (now["status"], now["balance"], now["credit_noted"]) == ("paid", 0, 10_000)
    assert await steve.ledger(invoice["customer"]) == {}
    assert await credit_of(steve, invoice["customer"]) == []
    assert "invoice.corrected" in await steve.events(invoice)
    assert await steve.book() == {}


async def test_b05_voiding_after_a_preview_brings_everything_back_to_zero(steve: Company) -> None:
    invoice = await steve.charged("tok_insufficient_funds")
    preview = await steve.verb(invoice, "void?preview=true", {"rebill": False})
    assert (preview["status"], preview["voided"]) == ("void", 10_000)
    assert (await steve.read(invoice))["status"] == "open"
    voided = await steve.verb(invoice, "void", {"rebill": False})
    assert (voided["status"], voided["number"], voided["balance"]) == ("void", invoice["number"], 0)
    assert await steve.ledger(invoice["customer"]) == {}
    assert await credit_of(steve, invoice["customer"]) == []
    assert (await steve.events(invoice))[-1] == "invoice.voided"
    assert await steve.book() == {}


async def test_b06_write_offs_add_up_in_the_ledger_and_in_a_report_and_are_no_credit(steve: Company) -> None:
    tim = await steve.customer()
    for amount, part in ((10_000, None), (5000, 2000), (700, None)):
        invoice = await steve.invoice(tim, amount)
        body = {"reason": "Insolvent"} | ({} if part is None else {"amount": part})
        last = await steve.verb(invoice, "write-off", body)
    assert await credit_of(steve, tim["id"]) == []
    await steve.verb(last, "undo")
    (month,) = (await steve.get("/v1/reports/write-offs"))["data"]
    assert (month["written_off"], month["reversed"], month["net"]) == (12_700, 700, 12_000)
    assert (await steve.ledger(tim)) == {"bad_debt": 12_000, "receivable": 3700, "billed_revenue": -15_700}
    assert [event["type"] for event in await steve.every_event()].count("write_off.created") == 3
    assert await steve.book() == {}


async def test_b06_money_that_comes_after_a_write_off_is_a_recovery(steve: Company) -> None:
    tim = await steve.customer()
    invoice = await steve.invoice(tim)
    write_off = await steve.verb(invoice, "write-off", {"reason": "Insolvent"})
    await steve.post(
        "/v1/payments", {"customer": tim["id"], "amount": 10_000, "invoices": [{"invoice": invoice["id"]}]}
    )
    now = await steve.read(invoice)
    assert (now["status"], now["paid"], now["written_off"]) == ("paid", 10_000, 0)
    assert await credit_of(steve, tim["id"]) == []
    assert await steve.ledger(tim) == {"billed_revenue": -10_000, "cash:external": 10_000}
    assert await steve.events(write_off) == ["write_off.created", "write_off.reversed"]
    assert (await steve.events(invoice))[-1] == "invoice.paid"
    assert await steve.book() == {}


async def test_b11_a_one_off_charge_stands_beside_what_is_billed_for_a_period(steve: Company) -> None:
    tim = await steve.customer()
    await steve.method(tim, default=True)
    hosting = {"name": "Hosting", "amount": 2000, "period": {"start": "2026-03-01", "end": "2026-04-01"}}
    periodic = await steve.invoice(tim, 2000, items=[hosting])
    once = await steve.invoice(tim, 1500, title="Data recovery")
    await steve.advance(minutes=1)
    assert [(await steve.read(one))["status"] for one in (periodic, once)] == ["paid", "paid"]
    assert await steve.ledger(tim) == {"billed_revenue": -3500, "cash:gateway": 3500}
    for one in (periodic, once):
        assert (await steve.events(one)).count("invoice.paid") == 1
    assert sorted(await steve.charges()) == [1500, 2000]
