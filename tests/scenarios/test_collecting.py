"""A. Collecting: methods given, tried, failing, superseded; which customers can't be charged"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from billsmith.gateways.fake.gateway import HOST
from tests.scenarios.company import Company, Json


async def first_processing(company: Company, customer: Json) -> Json:
    """The customer's invoice once its charge is under way."""
    while True:
        for one in (await company.get("/v1/invoices", customer=customer["id"]))["data"]:
            if one["collection_state"] == "processing":
                return dict(one)
        await asyncio.sleep(0)


async def test_a03_a_method_set_on_the_invoice_is_charged_at_once(steve: Company) -> None:
    tim = await steve.customer()
    invoice = await steve.invoice(tim)
    other = await steve.invoice(tim, 500)
    method = await steve.method(tim)
    paid = await steve.verb(invoice, "payment-method", {"payment_method": method["id"]})
    assert (paid["status"], paid["payment_method"], paid["balance"]) == ("paid", method["id"], 0)
    assert await steve.state(other) == ("open", "no_method", None)
    assert await steve.ledger(tim) == {"receivable": 500, "billed_revenue": -10_500, "cash:gateway": 10_000}
    told = await steve.events(invoice)
    assert told.index("invoice.payment_started") < told.index("invoice.paid")
    assert await steve.book() == {"charge": 10_000}


async def test_a04_a_method_known_at_creation_is_charged_right_away(steve: Company) -> None:
    invoice = await steve.charged("tok_ok")
    assert (invoice["status"], invoice["paid"]) == ("paid", 10_000)
    assert await steve.ledger(invoice["customer"]) == {"billed_revenue": -10_000, "cash:gateway": 10_000}
    assert "invoice.paid" in await steve.events(invoice)
    assert await steve.book() == {"charge": 10_000}


async def test_a04_a_method_is_checked_before_anything_is_stored(steve: Company) -> None:
    tim, ada = await steve.customer(), await steve.customer("Ada")
    of_ada = await steve.method(ada)
    detached = await steve.method(tim)
    await steve.client.delete(f"/v1/payment-methods/{detached['id']}")
    for id_, status in ((of_ada["id"], 404), (detached["id"], 409), ("pm_nonsense", 404)):
        body = {"customer": tim["id"], "amount": 100, "payment_method": id_}
        await steve.refused("/v1/invoices", body, status=status)
    assert (await steve.get("/v1/invoices"))["data"] == []
    assert await steve.ledger(tim) == {}
    assert not [event for event in await steve.every_event() if event["type"].startswith("invoice.")]
    assert await steve.book() == {}


async def test_a05_a_failure_is_retried_on_a_schedule_that_fits_its_reason(steve: Company) -> None:
    later = await steve.charged("tok_insufficient_funds")
    new_method = await steve.charged("tok_expired_card")
    action = await steve.charged("tok_authentication_required")
    never = await steve.charged("tok_stolen_card")
    assert await steve.state(later) == ("open", "retrying", None)
    assert (await steve.read(later))["next_collect_at"] == "2026-03-16T12:00:00Z"
    assert (await steve.read(later))["last_decline"]["code"] == "insufficient_funds"
    assert await steve.state(new_method) == ("open", "failed", "needs_new_method")
    assert await steve.state(action) == ("open", "action_required", "needs_action")
    assert await steve.state(never) == ("open", "failed", "never")
    await steve.advance(days=20)
    assert await steve.state(later) == ("open", "failed", "retries_used_up")
    days = [
        event["occurred_at"][:10]
        for event in await steve.every_event()
        if event["object_id"] == later["id"] and event["type"] == "invoice.payment_started"
    ]
    assert days == ["2026-03-15", "2026-03-16", "2026-03-19", "2026-03-24", "2026-03-31"]
    for one in (new_method, action, never):
        assert (await steve.events(one)).count("invoice.payment_started") == 1
        assert await steve.ledger(one["customer"]) == {"receivable": 10_000, "billed_revenue": -10_000}
    assert await steve.book() == {}


async def test_a05_a_corrected_card_supersedes_what_was_scheduled_and_is_charged_at_once(steve: Company) -> None:
    invoice = await steve.charged("tok_insufficient_funds")
    good = await steve.method({"id": invoice["customer"]})
    paid = await steve.verb(invoice, "payment-method", {"payment_method": good["id"], "make_default": True})
    assert (paid["status"], paid["next_collect_at"]) == ("paid", None)
    await steve.advance(days=10)
    assert (await steve.get(f"/v1/customers/{invoice['customer']}"))["payment_method"] == good["id"]
    assert await steve.ledger(invoice["customer"]) == {"billed_revenue": -10_000, "cash:gateway": 10_000}
    assert (await steve.events(invoice)).count("invoice.payment_started") == 2
    assert await steve.book() == {"charge": 10_000}


async def test_a05_a_card_given_while_an_attempt_is_in_flight_is_charged_after_it(steve: Company) -> None:
    tim = await steve.customer()
    bad, good = await steve.method(tim, "tok_insufficient_funds.slow_1s"), await steve.method(tim)
    created = asyncio.create_task(steve.invoice(tim, payment_method=bad["id"]))
    invoice = await first_processing(steve, tim)
    await steve.verb(invoice, "payment-method", {"payment_method": good["id"]})
    await created
    await steve.advance(minutes=1)
    assert (await steve.read(invoice))["status"] == "paid"
    assert await steve.ledger(tim) == {"billed_revenue": -10_000, "cash:gateway": 10_000}
    assert (await steve.events(invoice)).count("invoice.payment_failed") == 1
    assert await steve.book() == {"charge": 10_000}


@pytest.mark.parametrize("ends", ["fail", "succeed"])
async def test_a05_a_card_given_while_a_bank_debit_is_pending_waits_for_what_becomes_of_it(
    steve: Company, ends: str
) -> None:
    invoice = await steve.charged(f"tok_pending_3d_{ends}")
    assert await steve.state(invoice) == ("open", "processing", None)
    assert "invoice.payment_pending" in await steve.events(invoice)
    good = await steve.method({"id": invoice["customer"]})
    await steve.verb(invoice, "payment-method", {"payment_method": good["id"]})
    assert await steve.book() == {}
    await steve.advance(days=4)
    assert (await steve.read(invoice))["status"] == "paid"
    assert await steve.ledger(invoice["customer"]) == {"billed_revenue": -10_000, "cash:gateway": 10_000}
    assert (await steve.events(invoice)).count("invoice.payment_started") == (2 if ends == "fail" else 1)
    assert await steve.charges() == [10_000]


async def test_a06_never_retry_by_itself_and_collect_when_a_new_method_arrives(steve: Company) -> None:
    tim = await steve.customer(collection_policy={"mode": "on_update"})
    bad = await steve.method(tim, "tok_insufficient_funds", default=True)
    invoice = await steve.invoice(tim)
    assert invoice["payment_method"] in (None, bad["id"])
    assert await steve.state(invoice) == ("open", "failed", "on_update")
    await steve.advance(days=30)
    assert (await steve.events(invoice)).count("invoice.payment_failed") == 1
    await steve.method(tim, default=True)
    await steve.advance(minutes=1)
    assert (await steve.read(invoice))["status"] == "paid"
    assert (await steve.events(invoice)).count("invoice.payment_started") == 2
    assert await steve.ledger(tim) == {"billed_revenue": -10_000, "cash:gateway": 10_000}
    assert await steve.book() == {"charge": 10_000}


async def test_a07_cancelling_an_invoice_that_is_failing_cancels_that_invoice_only(steve: Company) -> None:
    tim = await steve.customer()
    bad = await steve.method(tim, "tok_insufficient_funds")
    cancelled, kept = [await steve.invoice(tim, payment_method=bad["id"]) for _ in range(2)]
    voided = await steve.verb(cancelled, "void", {"rebill": False})
    assert (voided["status"], voided["balance"], voided["next_collect_at"]) == ("void", 0, None)
    assert await steve.state(kept) == ("open", "retrying", None)
    await steve.advance(days=2)
    assert (await steve.events(cancelled)).count("invoice.payment_started") == 1
    assert (await steve.events(kept)).count("invoice.payment_started") == 2
    assert await steve.ledger(tim) == {"receivable": 10_000, "billed_revenue": -10_000}
    assert await steve.book() == {}


async def test_a07_a_charge_in_flight_that_succeeds_after_the_cancellation_is_given_back(steve: Company) -> None:
    invoice = await steve.charged("tok_pending_3d_succeed")
    waiting = await steve.verb(invoice, "void", {"rebill": False})
    assert (waiting["status"], waiting["collection_state"]) == ("open", "void_pending")
    await steve.advance(days=5)
    now = await steve.read(invoice)
    assert (now["status"], now["paid"], now["balance"]) == ("void", 0, 0)
    assert await steve.ledger(invoice["customer"]) == {}
    told = await steve.events(invoice)
    assert told.index("invoice.void_pending") < told.index("invoice.voided")
    assert "invoice.paid" not in told
    assert await steve.book() == {"charge": 10_000, "refund": -10_000}


async def test_a15_which_customers_cant_be_charged_and_why(steve: Company) -> None:
    without = await steve.invoice(await steve.customer("Without"))
    expired = await steve.charged("tok_expired_card", 700)
    await steve.charged("tok_ok", 300)
    retrying = await steve.charged("tok_insufficient_funds", 200)
    listed = (await steve.get("/v1/collection/blocked"))["data"]
    shown = {
        (one["customer"], why["collection_state"], why["collection_reason"], why["invoices"], why["owed"])
        for one in listed
        for why in one["blocked"]
    }
    assert shown == {
        (without["customer"], "no_method", None, 1, 10_000),
        (expired["customer"], "failed", "needs_new_method", 1, 700),
    }
    assert (await steve.ledger(expired["customer"]))["receivable"] == 700
    assert "invoice.payment_failed" in await steve.events(expired)
    assert (await steve.state(retrying))[1] == "retrying"
    assert await steve.book() == {"charge": 300}


@pytest.mark.parametrize(
    "reference",
    ["tok_ok.n1", "/v1/payment_methods/tok_ok.n1", f"https://{HOST}/v1/payment_methods/tok_ok.n1"],
    ids=["id", "path", "url"],
)
async def test_a21_a_gateway_reference_is_an_id_a_path_or_a_full_url(steve: Company, reference: str) -> None:
    tim = await steve.customer()
    method = await steve.method(tim, reference)
    assert method["token"] == "tok_ok.n1"
    paid = await steve.invoice(tim, payment_method=method["id"])
    assert paid["status"] == "paid"
    assert await steve.ledger(tim) == {"billed_revenue": -10_000, "cash:gateway": 10_000}
    assert "payment_method.created" in await steve.events(method)
    assert await steve.book() == {"charge": 10_000}


async def test_a21_an_unknown_host_is_refused_and_nothing_the_caller_names_is_fetched(steve: Company) -> None:
    tim = await steve.customer()
    for reference in (
        "https://evil.example/v1/payment_methods/tok_ok",
        f"http://{HOST}/v1/payment_methods/tok_ok",
        f"https://{HOST}@evil.example/v1/payment_methods/tok_ok",
        "https://169.254.169.254/latest/meta-data/tok_ok",
        "/v1/customers/tok_ok",
        "../tok_ok",
    ):
        body = {"customer": tim["id"], "payment_method": reference}
        problem = await steve.refused("/v1/payment-methods", body, status=422)
        assert problem["code"] == "payment_method_reference_refused", reference
    assert (await steve.get("/v1/payment-methods", customer=tim["id"]))["data"] == []
    assert not [event for event in await steve.every_event() if event["type"].startswith("payment_method.")]
    assert await steve.ledger(tim) == {}
    assert await steve.book() == {}


async def test_a21_keys_are_company_settings_and_never_shown_again(steve: Company) -> None:
    shown = await steve.get("/v1/gateway-accounts")
    assert "credentials" not in shown["data"][0]
    assert "fake_key" not in str(shown) + str(await steve.every_event())


async def test_a22_the_reference_is_called_payment_method_for_payouts_as_well(steve: Company) -> None:
    tim = await steve.customer()
    method = await steve.method(tim)
    payout = await steve.invoice(tim, 2500, direction="payout", payment_method=method["id"])
    assert (payout["status"], payout["payment_method"]) == ("paid", method["id"])
    (payment,) = (await steve.get("/v1/payments", direction="payout"))["data"]
    assert (payment["payment_method"], payment["amount"]) == (method["id"], 2500)
    assert await steve.ledger(tim) == {"payout_cost": 2500, "cash:gateway": -2500}
    assert "invoice.paid" in await steve.events(payout)
    assert await steve.book() == {"payout": -2500}


async def test_a23_companies_on_one_server_do_not_see_each_other(
    steve: Company, new_company: Callable[[str], Awaitable[Company]]
) -> None:
    ada = await new_company("Ada's Hosting")
    invoice = await steve.charged("tok_ok")
    method = await steve.read({"object": "payment_method", "id": invoice["payment_method"]})
    payment = await steve.payment(invoice)
    for thing in (invoice, method, payment):
        path = f"/v1/{thing['object'].replace('_', '-')}s/{thing['id']}"
        await ada.refused(path, status=404, method="GET")
    theirs = await ada.invoice(await ada.customer())
    for path, body in (
        (f"/v1/invoices/{invoice['id']}/void", {"rebill": False}),
        (f"/v1/invoices/{invoice['id']}/collect", None),
        (f"/v1/invoices/{theirs['id']}/payment-method", {"payment_method": method["id"]}),
        ("/v1/refunds", {"payment": payment["id"]}),
        ("/v1/payment-methods", {"customer": invoice["customer"], "payment_method": "tok_ok"}),
    ):
        await ada.refused(path, body, status=404)
    assert not any(event["object_id"] == invoice["id"] for event in await ada.every_event())
    assert (await ada.client.get("/v1/transfers", params={"invoice": invoice["id"]})).status_code == 404
    assert await ada.book() == {}
    assert await steve.book() == {"charge": 10_000}
    assert await steve.ledger(invoice["customer"]) == {"billed_revenue": -10_000, "cash:gateway": 10_000}


async def test_b09_a_payment_method_is_validated_before_it_is_used(steve: Company) -> None:
    tim = await steve.customer()
    refused = await steve.refused(
        "/v1/payment-methods", {"customer": tim["id"], "payment_method": "nonsense"}, status=422
    )
    assert refused["errors"][0]["pointer"] == "/payment_method"
    method = await steve.method(tim)
    assert (method["status"], method["validated_at"] is not None) == ("active", True)
    again = await steve.verb(method, "validate")
    assert again["status"] == "active"
    assert await steve.charges() == []
    assert await steve.ledger(tim) == {}
    assert "payment_method.created" in await steve.events(method)
