"""Every step does what the format says, on small cases of our own."""

from typing import Any

import pytest

from billsmith.actions.context import Context
from tests.cases.scenarios import playing

Json = dict[str, Any]

RULES = {
    "change_policy": [{"policy": "IMMEDIATE"}],
    "cancel_policy": [{"policy": "END_OF_TERM"}],
    "create_alignment": [{"alignment": "START_OF_BUNDLE"}],
    "change_alignment": [{"alignment": "START_OF_SUBSCRIPTION"}],
    "billing_alignment": [{"product_category": "ADD_ON", "alignment": "BUNDLE"}, {"alignment": "ACCOUNT"}],
}


def plan(product: str, price: str, category: str = "BASE", **fields: Any) -> Json:
    """A plan with one month after the other."""
    recurring = {"billing_period": "MONTHLY", "price": {"USD": price}}
    phases = [{"type": "EVERGREEN", "duration": {"unit": "UNLIMITED"}, "recurring": recurring}]
    return {"product": product, "category": category, "price_list": "DEFAULT", "phases": phases, **fields}


CATALOG = {
    "default_billing_mode": "IN_ADVANCE",
    "products": {"Car": {"category": "BASE", "available_addons": ["Radio"]}, "Radio": {"category": "ADD_ON"}},
    "plans": {"car": plan("Car", "30"), "big-car": plan("Car", "60"), "radio": plan("Radio", "3", "ADD_ON")},
    "rules": RULES,
}


async def play(
    context: Context, *steps: Json, catalog: Json = CATALOG, start: str = "2024-01-01", **account: Any
) -> None:
    """Play an account with these steps; a step's `then` is what holds after it. Every step is on the clock's day."""
    given: Json = {"do": "create_account", "account": "a", "currency": "USD", "timezone": "UTC", "bill_cycle_day": 1}
    done: list[Json] = []
    expect: list[Json] = []
    now = start
    for position, step in enumerate([{**given, **account}, *steps]):
        fields = dict(step)
        then = fields.pop("then", None)
        done.append({"at": now, **fields})
        now = fields.get("to", now)
        if then is not None:
            expect.append({"after_step": position, **then})
    raw = {"id": "made-up", "area": "test", "steps": done, "expect": expect, "catalog": catalog}
    verdict = await playing.play(context, raw)
    assert (verdict.status, verdict.details) == ("passed", ())


def subscribe(**fields: Any) -> Json:
    """The account on the car."""
    return {"do": "subscribe", "account": "a", "subscription": "s1", "plan": "car", **fields}


def month(start: str, end: str, amount: str = "30", type_: str = "RECURRING") -> Json:
    """An item over these days of 2024."""
    return {"type": type_, "start_date": f"2024-{start}", "end_date": f"2024-{end}", "amount": amount}


def credit_item(on: str, amount: str) -> Json:
    """Credit given or drawn on a day of 2024."""
    return month(on, on, amount, "CBA_ADJ")


PAYS = {"payment_method": "always_succeeds"}
CHARGE = {"do": "charge", "account": "a", "amount": "100", "commit": True}


async def test_a_chargeback_is_owed_again_until_it_is_reversed(context: Context):
    payment = {"account": "a", "payment": 1}
    await play(
        context,
        {**CHARGE, "then": {"account_balance": "0", "payment_count": 1}},
        {"do": "chargeback", **payment, "then": {"account_balance": "100"}},
        {"do": "chargeback_reversal", **payment, "then": {"account_balance": "0", "account_credit": "0"}},
        **PAYS,
    )


async def test_a_write_off_owes_nothing_until_it_is_undone(context: Context):
    invoice = {"account": "a", "invoice": 1}
    await play(
        context,
        CHARGE,
        {"do": "write_off", **invoice, "then": {"account_balance": "0", "invoices": [{"number": 1, "balance": "0"}]}},
        {"do": "undo_write_off", **invoice, "then": {"account_balance": "100"}},
    )


async def test_what_was_paid_elsewhere_is_noted(context: Context):
    payment = {"number": 1, "amount": "100", "status": "SUCCESS", "invoice": 1}
    pay = {"do": "pay_invoice", "account": "a", "invoice": 1, "external": True}
    await play(context, CHARGE, {**pay, "then": {"account_balance": "0", "payments": [payment]}})


async def test_a_failed_payment_is_tried_again_after_eight_days_and_stays_one(context: Context):
    paid = {"payments": [{"number": 1, "amount": "100", "status": "SUCCESS", "invoice": 1}]}
    await play(
        context,
        {"do": "set_gateway", "mode": "fail_next"},
        {**CHARGE, "then": {"account_balance": "100"}},
        {"do": "advance_clock", "to": "2024-01-08", "then": {"account_balance": "100"}},
        {"do": "advance_clock", "to": "2024-01-09", "then": {"account_balance": "0", "payment_count": 1, **paid}},
        **PAYS,
    )


async def test_invoicing_that_is_off_bills_everything_once_it_is_on(context: Context):
    tag = {"tag": "AUTO_INVOICING_OFF", "object": "account", "account": "a"}
    bill = {"invoices": [{"number": 1, "items": [month("01-01", "02-01")]}], "invoice_count": 1}
    await play(
        context,
        {"do": "set_tag", **tag},
        subscribe(then={"no_new_invoice": True}),
        {"do": "remove_tag", **tag, "then": bill},
    )


async def test_invoices_of_drafts_are_committed_by_hand(context: Context):
    tag = {"tag": "AUTO_INVOICING_DRAFT", "object": "account", "account": "a"}
    draft = {"number": 1, "items": [month("01-01", "02-01")], "status": "DRAFT", "balance": "0"}
    await play(
        context,
        {"do": "set_tag", **tag},
        subscribe(then={"invoices": [draft], "account_balance": "0"}),
        {
            "do": "commit_invoice", "account": "a", "invoice": 1,
            "then": {"invoices": [{**draft, "status": "COMMITTED", "balance": "30"}]},
        },
    )  # fmt: skip


async def test_another_quantity_gives_back_and_bills_the_rest_of_the_month(context: Context):
    items = [month("01-11", "02-01", "60.97"), month("01-11", "02-01", "-20.32", "REPAIR_ADJ")]
    quantity = {"do": "change_quantity", "subscription": "s1", "quantity": "3"}
    await play(
        context,
        subscribe(),
        {"do": "advance_clock", "to": "2024-01-11"},
        {**quantity, "then": {"invoices": [{"number": 2, "items": items}]}},
    )


async def test_a_cancel_that_is_taken_back_was_none(context: Context):
    cancel = {"do": "cancel", "subscription": "s1", "entitlement": "END_OF_TERM", "billing": "END_OF_TERM"}
    goes_on = {"invoice_count": 2, "entitlement_state": {"s1": "ACTIVE"}}
    end = {"subscription_end": {"s1": {"entitlement": "2024-02-01", "billing": "2024-02-01"}}}
    await play(
        context,
        subscribe(),
        {**cancel, "then": end},
        {"do": "uncancel", "subscription": "s1", "then": {"subscription_end": {"s1": {"billing": None}}}},
        {
            "do": "advance_clock",
            "to": "2024-02-01",
            "then": goes_on,
        },
    )


async def test_bundles_that_begin_together_are_on_one_invoice(context: Context):
    many = [
        {"subscription": "s1", "plan": "car", "bundle": "A"},
        {"subscription": "r1", "plan": "radio", "bundle": "A"},
        {"subscription": "s2", "plan": "big-car", "bundle": "B"},
    ]
    items = [month("01-01", "02-01", amount) for amount in ("30", "3", "60")]
    together = {"do": "subscribe_many", "account": "a", "subscriptions": many}
    await play(context, {**together, "then": {"invoices": [{"number": 1, "items": items}], "invoice_count": 1}})


async def test_an_item_is_adjusted_by_the_subscription_that_it_is_of(context: Context):
    items = [month("01-01", "02-01"), month("01-01", "01-01", "-10", "ITEM_ADJ"), credit_item("01-01", "10")]
    adjust = {"do": "adjust_item", "account": "a", "invoice": 1, "item": "s1", "amount": "10"}
    await play(context, subscribe(), {**adjust, "then": {"invoices": [{"number": 1, "items": items}]}}, **PAYS)


async def test_the_account_moves_its_day_back(context: Context):
    back = {"items": [month("02-01", "02-04", "-2.90", "REPAIR_ADJ"), credit_item("01-04", "2.90")]}
    change = {"do": "change_account_bcd", "account": "a", "bill_cycle_day": 1}
    await play(
        context,
        subscribe(then={"invoices": [{"number": 1, "items": [month("01-04", "02-04")]}]}),
        {**change, "then": {"account_bill_cycle_day": 1, "invoices": [{"number": 2, **back}]}},
        {"do": "advance_clock", "to": "2024-02-01", "then": {"invoice_count": 3, "account_balance": "0"}},
        start="2024-01-04",
        bill_cycle_day=4,
        **PAYS,
    )


async def test_the_next_invoice_is_shown_before_it_is_due(context: Context):
    preview = {"dry_run": {"items": [month("02-01", "03-01")]}, "no_new_invoice": True}
    await play(context, subscribe(), {"do": "dry_run", "account": "a", "kind": "UPCOMING_INVOICE", "then": preview})


async def test_a_newer_version_of_the_plan_moves_those_who_are_on_it(context: Context):
    newer = plan("Car", "31", effective_date_for_existing_subscriptions="2024-02-01T00:00:00+00:00")
    versions = [
        {**CATALOG, "effective_date": "2023-01-01T00:00:00+00:00"},
        {**CATALOG, "plans": {**CATALOG["plans"], "car": newer}, "effective_date": "2024-01-15T00:00:00+00:00"},
    ]
    await play(
        context,
        subscribe(then={"invoices": [{"number": 1, "items": [month("01-01", "02-01")]}]}),
        {
            "do": "advance_clock", "to": "2024-02-01",
            "then": {"invoices": [{"number": 2, "items": [month("02-01", "03-01", "31")]}]},
        },
        catalog={"versions": versions},
    )  # fmt: skip


@pytest.mark.parametrize(("flags", "state"), [({"block_billing": True, "block_entitlement": True}, "BLOCKED")])
async def test_a_block_is_a_pause_and_its_end_a_resume(context: Context, flags: Json, state: str):
    block = {"do": "set_blocking_state", "subscription": "s1", "scope": "subscription"}
    await play(
        context,
        subscribe(),
        {"do": "advance_clock", "to": "2024-01-11"},
        {**block, **flags, "effective_date": "2024-01-11", "then": {"entitlement_state": {"s1": state}}},
        {"do": "advance_clock", "to": "2024-01-21"},
        {**block, "effective_date": "2024-01-21", "then": {"entitlement_state": {"s1": "ACTIVE"}, "invoice_count": 3}},
    )
