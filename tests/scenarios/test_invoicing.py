"""A. Invoicing: what Steve's program sends, and what Tim reads"""

from tests.scenarios.company import Company


async def test_a01_running_the_month_end_script_twice_does_no_harm(steve: Company) -> None:
    tim = await steve.customer()
    body = {"customer": tim["id"], "amount": 1500}
    by_key = [await steve.post("/v1/invoices", body, key="2026-03/tim") for _ in range(2)]
    assert by_key[0] == by_key[1]
    named = body | {"external_id": "2026-04/tim"}
    first = await steve.post("/v1/invoices", named)
    again = await steve.send("POST", "/v1/invoices", named)
    assert again.status_code == 409
    assert {one["id"] for one in (await steve.get("/v1/invoices"))["data"]} == {by_key[0]["id"], first["id"]}
    assert await steve.ledger(tim) == {"receivable": 3000, "billed_revenue": -3000}
    assert (await steve.events(first)).count("invoice.finalised") == 1
    assert await steve.book() == {}


async def test_a02_without_a_payment_method_an_invoice_is_open_says_so_and_nothing_is_tried(steve: Company) -> None:
    tim = await steve.customer()
    invoice = await steve.invoice(tim, title="Hosting in March")
    await steve.advance(days=30)
    assert await steve.state(invoice) == ("open", "no_method", None)
    shown = await steve.read(invoice)
    assert (shown["title"], shown["balance"], shown["attempt_count"]) == ("Hosting in March", 10_000, 0)
    assert (await steve.get("/v1/payments"))["data"] == []
    assert "invoice.payment_started" not in await steve.events(invoice)
    assert await steve.ledger(tim) == {"receivable": 10_000, "billed_revenue": -10_000}
    assert await steve.book() == {}


async def test_a10_items_are_plain_strings_or_say_quantity_unit_price_period_and_volume(steve: Company) -> None:
    tim = await steve.customer()
    items = [
        "Set-up",
        {
            "name": "Traffic", "type": "bandwidth", "quantity": "20", "unit": "TB", "unit_price": "0.50",
            "period": {"start": "2026-02-01", "end": "2026-03-01"}, "volume": "20.4 TB",
        },
        {"name": "Server", "amount": 2500},
    ]  # fmt: skip
    invoice = await steve.invoice(tim, 4000, title="February", memo="Thanks, Tim.", items=items)
    lines = invoice["lines"]
    assert [(line["description"], line["total"]) for line in lines] == [
        ("Set-up", 500),
        ("Traffic", 1000),
        ("Server", 2500),
    ]
    assert (lines[1]["category"], lines[1]["unit"], lines[1]["volume"]) == ("bandwidth", "TB", "20.4 TB")
    assert lines[1]["period"]["end"] == "2026-03-01"
    assert (invoice["title"], invoice["memo"], invoice["total"]) == ("February", "Thanks, Tim.", 4000)
    wrong = {"customer": tim["id"], "amount": 4001, "items": [{"name": "Server", "amount": 4000}]}
    await steve.refused("/v1/invoices", wrong, status=422)
    assert await steve.ledger(tim) == {"receivable": 4000, "billed_revenue": -4000}
    assert "invoice.finalised" in await steve.events(invoice)


async def test_a11_adjustments_have_a_reason_at_creation_and_between_a_failure_and_the_next_try(steve: Company) -> None:
    adjustments = [{"amount": -500, "reason": "Outage"}, {"amount": 200, "reason": "Rush"}]
    items = [{"name": "Hosting", "amount": 10_000}]
    invoice = await steve.charged("tok_insufficient_funds", 9700, items=items, adjustments=adjustments)
    assert [line["description"] for line in invoice["lines"]] == ["Hosting", "Outage", "Rush"]
    assert await steve.state(invoice) == ("open", "retrying", None)

    await steve.verb(invoice, "adjust", {"adjustments": [{"amount": -700, "reason": "For your patience"}]})
    tim = {"id": invoice["customer"]}
    good = await steve.method(tim)
    paid = await steve.verb(invoice, "payment-method", {"payment_method": good["id"]})
    assert (paid["status"], paid["paid"], paid["credit_noted"]) == ("paid", 9000, 700)
    (note,) = (await steve.get("/v1/credit-notes"))["data"]
    assert (note["total"], note["reason"]) == (700, "For your patience")
    assert await steve.ledger(tim) == {"billed_revenue": -9000, "cash:gateway": 9000}
    assert {"invoice.payment_failed", "invoice.corrected", "invoice.paid"} <= set(await steve.events(invoice))
    assert await steve.charges() == [9000]


async def test_a11_an_adjustment_upwards_is_collected_with_what_it_adjusts(steve: Company) -> None:
    invoice = await steve.charged("tok_insufficient_funds")
    await steve.verb(invoice, "adjust", {"adjustments": [{"amount": 300, "reason": "Extra traffic"}]})
    supplementary = next(one for one in (await steve.get("/v1/invoices"))["data"] if one["adjusts"] == invoice["id"])
    assert supplementary["total"] == 300
    good = await steve.method({"id": invoice["customer"]})
    for one in (invoice, supplementary):
        await steve.verb(one, "payment-method", {"payment_method": good["id"]})
    assert [(await steve.read(one))["status"] for one in (invoice, supplementary)] == ["paid", "paid"]
    assert await steve.ledger(invoice["customer"]) == {"billed_revenue": -10_300, "cash:gateway": 10_300}
    assert (await steve.events(supplementary))[-1] == "invoice.paid"
    assert sum(await steve.charges()) == 10_300


async def test_a12_a_statement_text_keeps_within_the_networks_limits(steve: Company) -> None:
    tim = await steve.customer()
    method = await steve.method(tim)
    for text in ("abcd", "x" * 23, "12345", "Steve*s Cloud", "Stëve Cloud"):
        body = {"customer": tim["id"], "amount": 100, "appears_on_statement_as": text}
        await steve.refused("/v1/invoices", body, status=422)
    invoice = await steve.invoice(tim, payment_method=method["id"], appears_on_statement_as="STEVES CLOUD MAR")
    assert (invoice["status"], invoice["appears_on_statement_as"]) == ("paid", "STEVES CLOUD MAR")
    assert await steve.ledger(tim) == {"billed_revenue": -10_000, "cash:gateway": 10_000}
    assert "invoice.paid" in await steve.events(invoice)
    assert await steve.charges() == [10_000]


async def test_a30_hundreds_of_customers_are_invoiced_at_once_with_a_result_for_each(steve: Company) -> None:
    customers = [await steve.customer(f"Customer {position}") for position in range(10)]
    invoices = [{"customer": one["id"], "amount": 100 + position} for position, one in enumerate(customers * 20)]
    invoices[7] = {"customer": "nobody", "amount": 100}
    invoices[11] = {"customer": customers[0]["id"], "amount": 100, "colour": "red"}
    results = (await steve.post("/v1/invoices/batch", {"invoices": invoices}))["data"]
    assert len(results) == 200
    refused = {position for position, one in enumerate(results) if one["problem"] is not None}
    assert refused == {7, 11}
    first = await steve.ledger(customers[0])
    assert first["receivable"] == sum(one["amount"] for one in invoices if one["customer"] == customers[0]["id"]) - 100
    finalised = [event for event in await steve.every_event() if event["type"] == "invoice.finalised"]
    assert len(finalised) == 198
    assert await steve.book() == {}


async def test_a31_the_published_sample_can_be_pushed_as_it_is_and_lines_of_nothing_are_shown(steve: Company) -> None:
    schema = await steve.get("/v1/schemas/invoice")
    assert schema["$schema"].startswith("https://json-schema.org/")
    sample = schema["examples"][0]
    tim = await steve.customer()
    sample = {name: value for name, value in sample.items() if name != "payment_method"} | {"customer": tim["id"]}
    pushed = await steve.post("/v1/invoices", sample)
    assert pushed["line_count"] >= len(sample["items"])
    items = [{"name": "Nothing used", "quantity": "0", "unit_price": "0.30"}, {"name": "Free", "amount": 0}, "Server"]
    invoice = await steve.invoice(tim, 100, items=items)
    assert [line["total"] for line in invoice["lines"]] == [0, 0, 100]
    assert (await steve.ledger(tim))["receivable"] == pushed["total"] + 100
    assert "invoice.finalised" in await steve.events(invoice)
    assert await steve.book() == {}
